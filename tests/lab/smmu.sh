#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A VM's device touches what is not mapped for it, and each event record of the SMMU is told once, of that VM, with what the
# record says: as many as DMA operations were started, and as many as the kernel printed, in a burst below its limit of ten
# in five seconds. Then a storm that fills the SMMU's queue of 32768 records (131072 with 16k pages), while the kernel's
# thread that empties it gets no CPU: nothing wrong is told, no event is told twice, and that some were lost is said.
#
# The device is QEMU's `edu`. It touches four bytes at a time, so a DMA of four bytes is one event, and one of 4092 is 1023.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

IOVA=0x1000000 # below all guest memory
QUEUE=$(dmesg | sed -n 's/.*allocated \([0-9]*\) entries for evtq/\1/p' | tail -n 1) # more with larger pages
: "${QUEUE:=32768}"
STORM=$((QUEUE * 2 / 1023 - 4)) # operations of 1023 events

# Events of the trace, one a line: some fields of those for which a condition holds.
told() { # told CONDITION FIELDS
	jq -r "select($1) | $2" "$TMP/trace"
}

sum_of() { # sum_of CONDITION: of `count`
	told ".type == \"smmu\" and ($1)" .count | awk '{ sum += $1 } END { print sum + 0 }'
}

sum_is() { # sum_is CONDITION NUMBER
	(($(sum_of "$1") == $2))
}

printed() { # what the kernel printed
	dmesg | grep -c 'event 0x10 received'
}

devices_of() { # devices_of VM: as /v1/vms tells them
	curl -s --unix-socket /run/kcoh/kcohd.sock "http://kcohd/v1/vms/$1" | jq -c '.devices | map([.device, .via, .stream, .smmu_events])'
}

hook() { # hook NAME: the method by which it is attached
	curl -s --unix-socket /run/kcoh/kcohd.sock http://kcohd/v1/host | jq -r ".hooks[] | select(.name == \"$1\") | .method"
}

edu_bind
vmm_start web puppet
vmm web run on:0 "vfio:$EDU_GROUP"
kcohd_start ''
kcoh trace --smmu --json --since 0 >"$TMP/trace" 2>"$TMP/trace.err" &
TRACE_PID=$!

# --- whose device ---------------------------------------------------------------------------------------------------

wait_for 10 traces "$TMP/trace" '.type == "device"'
same "a VM from before has its device, by name" "found web $EDU_ADDRESS vfio-group $EDU_GROUP 0x8" \
	"$(told '.type == "device"' '"\(.state) \(.name) \(.device) \(.via) \(.group) \(.stream)"')"
same "and in /v1/vms" "[[\"$EDU_ADDRESS\",\"vfio-group\",\"0x8\",0]]" "$(devices_of web)"

# --- a burst --------------------------------------------------------------------------------------------------------

before=$(printed)
vmm web "dma-write:$IOVA:4:5" "dma-read:0x1000100:4:4"
wait_for 10 sum_is true 9
same "9 operations are 9 events of that VM, as the records have them" "5 web $EDU_ADDRESS F_TRANSLATION 0x8 write 1 $IOVA false
4 web $EDU_ADDRESS F_TRANSLATION 0x8 read 1 0x1000100 false" \
	"$(told '.type == "smmu"' '"\(.name) \(.device) \(.event) \(.stream) \(.access) \(.stage) \(.address) \(.stall)"' |
		sort | uniq -c | sed 's/^ *//' | sort -rn)"
same "and as many as the kernel printed" 9 $(($(printed) - before))
same "counted in /v1/vms" "[[\"$EDU_ADDRESS\",\"vfio-group\",\"0x8\",9]]" "$(devices_of web)"
vmm web "dma-write:$IOVA:4092:2"
wait_for 10 sum_is true 2055
same "2 operations of 4092 bytes are 2046 more, most of them folded" 2055 "$(sum_of true)"
same "of which no more than 64 a second came one by one" yes \
	"$( (($(told '.kind == "record"' .seq | wc -l) <= 9 + 3 * 64)) && echo yes)"

# --- another VM gets it ---------------------------------------------------------------------------------------------

vmm_end web
wait_for 10 traces "$TMP/trace" '.state == "released"'
vmm_start db puppet --mem 16M
vmm db run on:0 "vfio:$EDU_GROUP" "dma-read:$IOVA:4:1"
wait_for 10 traces "$TMP/trace" '.name == "db" and .kind == "record"'
same "given back, taken by another VM, whose the next event is" "device released
device taken db
smmu record db" "$(told '.state == "released" or .state == "taken" or .name == "db"' \
	'"\(.type) \(.state // .kind)\(if .state == "released" then "" else " " + .name end)"')"
same "which kcoh trace says on a line" \
	"db#ID smmu(kind=record, count=1, smmu=9050000.smmuv3, device=$EDU_ADDRESS, stream=0x8, access=read, stage=1, class=CLASS, address=$IOVA, stall=no) = F_TRANSLATION" \
	"$(kcoh trace --smmu --since 0 --vm db --count 2 | sed -nE 's/^[0-9:.]+ (db)#[0-9]+ +(smmu\(.*, class=)[a-z]+/\1#ID \2CLASS/p')"

# --- what its tables cost -------------------------------------------------------------------------------------------

mapping_of() { # mapping_of VM JQ
	curl -s --unix-socket /run/kcoh/kcohd.sock "http://kcohd/v1/vms/$1" | jq -c ".devices[0].mapping | $2"
}
ram=$((16 << 20))
# VFIO first maps two pages, to see how large pages are, and unmaps them.
same "the VM's memory was mapped for the device" "[$ram,true]" \
	"$(mapping_of db '[.mapped_bytes - .unmapped_bytes, .maps > 0 and .map_ns > 0]')"
before=$(mapping_of db .unmapped_bytes)
vmm db remap
same "unmapped, and mapped again" "[$ram,$((before + ram)),true]" \
	"$(mapping_of db '[.mapped_bytes - .unmapped_bytes, .unmapped_bytes, .unmaps > 0 and .unmap_ns > 0]')"
same "with invalidation commands, which took time" true "$(mapping_of db '.commands > 0 and .command_ns > 0')"

# --- a storm --------------------------------------------------------------------------------------------------------

# Busy loops of a higher priority than the thread's, on each CPU; of a higher one still the VM that makes the events.
# They end by themselves: this shell does not run meanwhile.
throttle=$(</proc/sys/kernel/sched_rt_runtime_us)
echo -1 >/proc/sys/kernel/sched_rt_runtime_us
chrt -a -f -p 70 "${VMM_PID[db]}" || give_up "the VM can be given priority"
seen=$(sum_of true)
vmm_order db "dma-write:$IOVA:4092:$STORM"
hogs=()
for ((i = 0; i < $(nproc); i++)); do
	chrt -f 60 bash -c "while ((SECONDS < $((10 * QUEUE / 32768)))); do :; done" &
	hogs+=($!)
done
vmm_answers db 60 || give_up "the device makes a storm" "${VMM_LINE-}"
wait "${hogs[@]}"
echo "$throttle" >/proc/sys/kernel/sched_rt_runtime_us
whole_queue() {
	(($(sum_of '.kind != "lost"') - seen >= QUEUE))
}
if wait_for 30 whole_queue; then
	pass "of a storm of $((STORM * 1023)) events all that fitted into the queue are counted ($(($(sum_of '.kind != "lost"') - seen)))"
else
	fail "of a storm of $((STORM * 1023)) events all that fitted into the queue are counted" "$(sum_of '.kind != "lost"') before: $seen" \
		"$(tail -n 5 "$TMP/trace")" "$(dmesg | grep -i evtq | tail -n 5)"
fi
wait_for 10 traces "$TMP/trace" '.kind == "lost"'
if (($(sum_of '.kind == "lost"') >= 1)); then
	pass "that others were lost is told"
else
	fail "that others were lost is told" "$(dmesg | grep -iE 'evtq|gerror|global error' | tail -n 5)"
fi
if (($(sum_of '.kind != "lost"') - seen <= STORM * 1023)); then
	pass "none is told twice"
else
	fail "none is told twice" "$(($(sum_of '.kind != "lost"') - seen)) of $((STORM * 1023))"
fi
same "and nothing wrong" '' "$(told '.type == "smmu" and (.kind == "record" or .kind == "folded") and
	(.event != "F_TRANSLATION" or .stream != "0x8" or .device != "'"$EDU_ADDRESS"'" or (.name != "db" and .name != "web") or
	 (.kind == "record" and (.address | test("^0x1000[0-9a-f]{3}$") | not)))' .)"
same "no record was lost on the way" '' "$(told '.type == "lost"' .)"
if [[ $(hook arm_smmu_handle_evt) == kprobe ]]; then
	same "where the handler of a record is hooked, each of them was read" 0 "$(sum_of '.kind == "unread"')"
fi
vmm_end db
