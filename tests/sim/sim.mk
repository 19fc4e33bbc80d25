# SPDX-License-Identifier: GPL-2.0-only
#
# The simulator: worlds around the real core. Read by the top Makefile.

SIM_DIR := tests/sim
SIM_SRC := $(sort $(wildcard $(SIM_DIR)/*.c))
SIM_CORE := $(patsubst %.c,build/native/obj/%.o,$(sort $(wildcard user/core/*.c)))
SIM_RECORD := $(patsubst %,build/native/obj/user/record/%.o,ring file outcome)
SEEDS ?= 100000

build/sim/sim: $(patsubst %.c,build/native/obj/%.o,$(SIM_SRC)) $(SIM_CORE) $(SIM_RECORD)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)gcc $^ -lz -o $@

## sim       SEEDS simulated hosts around the real core, with faults: no stale byte, no wrong veto
sim: build/sim/sim
	@build/sim/sim --seeds $(SEEDS)

## sim-bugs   how many seeds the simulator needs to find each of five deliberate bugs
sim-bugs: build/sim/sim
	@tests/sim/bugs/run

.PHONY: sim sim-bugs
