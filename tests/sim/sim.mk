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

## mutants-core   does a test fail when the decision core is wrong in one of 50 ways
mutants-core: build/sim/sim native
	@tests/mutation/run

build/native/bench-core: build/native/obj/tests/bench/core/main.o $(SIM_CORE)
	$(call say,LD,$@)
	$(Q)gcc $^ -o $@

## bench-core   records a second that the decision core takes on one processor of this machine, and bytes a VM
bench-core: build/native/bench-core
	@build/native/bench-core

# Its unit tests, and 20000 seeds of the simulator, with a core that counts its branches.
$(eval $(call variant,cov,gcc,-O0 --coverage -fno-inline,setup))
COV_CORE := $(patsubst %.c,build/cov/obj/%.o,$(sort $(wildcard user/core/*.c)))
COV_TESTS := $(patsubst tests/unit/%.c,build/cov/unit/%,$(sort $(wildcard tests/unit/test_core_*.c)) tests/unit/test_record.c)
build/cov/unit/%: build/cov/obj/tests/unit/%.o build/cov/libkcoh.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)gcc --coverage $^ $(LIBS) -lcmocka -o $@
build/cov/sim: $(patsubst %.c,build/cov/obj/%.o,$(SIM_SRC)) $(COV_CORE) $(patsubst %,build/cov/obj/user/record/%.o,ring file outcome)
	$(call say,LD,$@)
	$(Q)gcc --coverage $^ -lz -o $@

## coverage   lines and branches of the decision core that unit tests and simulator run (gcovr)
coverage: $(COV_TESTS) build/cov/sim
	@find build/cov -name '*.gcda' -delete
	@for test in $(COV_TESTS); do $$test >/dev/null 2>&1 || exit; done
	@build/cov/sim --seeds 20000
	@gcovr --root . --filter user/core/ build/cov/obj/user/core
	@gcovr --root . --filter user/core/ --branches build/cov/obj/user/core | grep -E '^(user|TOTAL)'

.PHONY: sim sim-bugs mutants-core bench-core coverage
