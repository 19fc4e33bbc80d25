# SPDX-License-Identifier: GPL-2.0-only
#
# The golden cases (tests/golden/run). Read by the top Makefile.

build/golden/make: build/native/obj/tests/golden/make.o $(SIM_CORE) $(SIM_RECORD)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)gcc $^ -lcmocka -lz -o $@

build/native/obj/tests/golden/make.o: CPPFLAGS_ALL += -Itests

## golden-record   records the cases S1 to S17 anew in the lab, and what comes of them
golden-record: native arm64 bpf kmod guests build/golden/make
	@tests/lab/run --matrix --kernel 6.1 --cpu neoverse-n1 --only golden
	@tests/golden/record

.PHONY: golden-record
