#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs in the lab: a host with two VMs that does a little of everything, for Prometheus to look at. What the real kcohd answers to
# GET /metrics goes to the host that the lab runs on every second, and at the end a recording of it all:
#
#   SCRAPE <base64>
#   RECORDING <base64>
# shellcheck source-path=SCRIPTDIR source=../lab/lib.sh
source /kcoh/tests/lab/lib.sh
KCOHD_WAIT=300 STEP_WAIT=200 # the machine may be busy with other things

CONFIG="[kcohd]
listen = 127.0.0.1:9754
exit_times = yes
record_mb = 4
recordings = $TMP/recordings
history = $TMP/history.db
[defaults]
strategy = clean
[vm firmware]
strategy = veto"

scrape() {
	echo "SCRAPE $(curl -s --max-time 10 http://127.0.0.1:9754/metrics | base64 -w 0)"
}

# What Prometheus compares are two scrapes; so things happen between them.
meanwhile() { # meanwhile VM STEP…
	vmm "$@"
	scrape
	sleep 0.5
}

edu_bind
module_load
kcohd_start "$CONFIG"
scrape
vmm_start web puppet --vcpus 2 --mem 64M
vmm_start firmware puppet --mem 32M
meanwhile web run on:0 "vfio:$EDU_GROUP"
meanwhile firmware run write:0:0:100
meanwhile web cpu-on:0:1 wait:1 on:1 set-way:0:16
meanwhile web dma-write:0x10000000:4:3
meanwhile web log-on:0 write:0:0:500
for pages in 2000 800 300 40 7; do
	meanwhile web "write:0:0:$pages" toggle:0:2 harvest:0
done
meanwhile web hvcs:0:50 stores:0:20 off:1
meanwhile web on:1 harvest:0 log-off:0
meanwhile firmware log-on:0 write:0:0:400 harvest:0
meanwhile firmware toggle:0:1 off:0 write:0:0:60 harvest:0
meanwhile web init:0 on:0 write:0:0:200
sleep 5 # what a reset cost is told then
for pages in 900 90 9; do
	meanwhile web log-on:0 "write:0:0:$pages" harvest:0 toggle:1:1 log-off:0
done
wait_for 60 kcoh record || give_up "kcoh record" "$(kcoh record 2>&1)"
wait_for 60 test -s "$TMP"/recordings/*-asked.rec
sleep 1
kcoh ps >&2
echo "RECORDING $(cat "$TMP"/recordings/*-asked.rec | base64 -w 0)"
scrape
