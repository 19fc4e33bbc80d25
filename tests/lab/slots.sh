#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A VM's memory as its VMM makes it: each create, delete, move and change of flags of a memslot is one event with the
# slot, its addresses, size and flags, as strace read them from the VMM's own ioctls; and each harvest is one event with its
# kind, its slot and the pages that the VMM got, without the module and with it, which adds what became of the pages.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

# What the ioctls that strace saw mean, one line a change: change slot base_gfn pages hva flags old_flags. A size of 0 deletes
# what is there, which is told with its own place.
slot_changes() {
	sed -nE 's/.*KVM_SET_USER_MEMORY_REGION, \{slot=([0-9]+), flags=([^,]*), guest_phys_addr=(0x[0-9a-f]+|0), memory_size=([0-9]+), userspace_addr=(0x[0-9a-f]+)\}\) = 0$/\1 \2 \3 \4 \5/p' "$1" |
		while read -r slot flags address bytes hva; do
			[[ $flags == *KVM_MEM_LOG_DIRTY_PAGES* ]] && flags=log-dirty || flags=''
			new=$(printf '0x%x %d %s' $((address / PAGE)) $((bytes / PAGE)) "$hva")
			if [[ -z ${was[$slot]:-} ]]; then
				change=create
			elif ((bytes == 0)); then
				change=delete new=${was[$slot]} flags=${had[$slot]}
			elif [[ ${new%% *} != "${was[$slot]%% *}" ]]; then
				change=move
			else
				change=flags
			fi
			echo "$change $slot $new [$flags] [${had[$slot]:-}]"
			was[$slot]=$new had[$slot]=$flags
			((bytes)) || unset "was[$slot]" "had[$slot]"
		done
}

events_of() { # events_of VM TYPE JQ: of all that kcohd kept
	jq -r "select(.name == \"$1\" and .type == \"$2\") | $3" "$TMP/trace"
}

# trace_gone VM: $TMP/trace holds what kcohd has, up to the VM's end. (Of a VM that is gone there is no trace of its own.)
trace_gone() {
	kcoh trace --json --since 0 >"$TMP/trace" 2>"$TMP/trace.err" &
	TRACE_PID=$!
	wait_for 10 traces "$TMP/trace" ".type == \"vm-gone\" and .name == \"$1\"" ||
		give_up "$1: its end is traced" "$(<"$TMP/trace.err")" "$(tail -n 5 "$TMP/trace")"
	kill "$TRACE_PID"
	wait "$TRACE_PID"
	TRACE_PID=''
}

# Harvests as the VMM counted them (slot pages, one a line, without those that found nothing).
harvests_of() {
	jq -r 'select(.dirty != null and .dirty > 0) | "\(.step | split(":")[1]) \(.dirty)"' "$1"
}

declare -A was=() had=()
PAGE=$(getconf PAGESIZE)
kcohd_start '[defaults]
strategy = clean'

strace -f -e trace=ioctl -e signal=none -o "$TMP/strace" "$LAB/kcoh-vmm" -name layout --guest "$GUESTS/puppet.bin" --mem 8M,4M,2M \
	slot-remove:1 slot-add:1 slot-move:2:0x80000000 log-on:2 log-off:2 log-on:0 log-on:1 slot-remove:1 slot-move:2:0x90000000 \
	log-off:0 quit >"$TMP/layout.log" || give_up "the VMM does its steps" "$(<"$TMP/layout.log")"
trace_gone layout
changes=$(slot_changes "$TMP/strace")
same "the VMM made 13 changes" 13 "$(wc -l <<<"$changes")"
same "each is one event, equal to the VMM's own ioctl" "$changes" "$(events_of layout memslot \
	'"\(.change) \(.slot) \(.base_gfn) \(.pages) \(.hva) [\(.flags | join(","))] [\(.old_flags | join(","))]"')"
generations=$(events_of layout memslot .generation)
same "and each has a younger generation" "$(sort -nu <<<"$generations")" "$generations"

# harvest_test VM MODE [OPTION…]: three harvests of two slots, one of them with nothing to take. MODE: get or clear.
harvest_test() {
	local vm=$1 mode=$2
	shift 2
	vmm_start "$vm" puppet --mem 8M,4M "$@"
	vmm "$vm" run on:0 log-on:0 log-on:1
	vmm_clear "$vm"
	vmm "$vm" write:0:0x500000:40 harvest:0 write:0:0x500000:3 harvest:0 harvest:1 write:0:0x500000:70 harvest:0
	taken=$(harvests_of "$TMP/$vm.log")
	vmm "$vm" log-off:0 log-off:1
	cp "$TMP/$vm.log" "$TMP/$vm.steps"
	kcoh ps --json | jq ".vms[] | select(.name == \"$vm\") | .harvests" >"$TMP/$vm.harvests"
	vmm_end "$vm"
	trace_gone "$vm"
	same "$vm: their pages are the VMM's, slot for slot" "$(awk '{ sum[$1] += $2 } END { for (s in sum) print s, sum[s] }' <<<"$taken" | sort)" \
		"$(events_of "$vm" harvest 'select(.source == "kvm") | "\(.slot) \(.pages)"' | awk '{ sum[$1] += $2 } END { for (s in sum) print s, sum[s] }' | sort)"
	same "$vm: and so is their number, kind $mode" "$(wc -l <<<"$taken") $mode" \
		"$(events_of "$vm" harvest 'select(.source == "kvm") | "\(.harvests) \(.kind)"' | awk '{ sum += $1; kind[$2] = 1 } END { printf "%d", sum; for (k in kind) printf " %s", k; print "" }')"
	same "$vm: kcoh ps --json adds them up" "$(awk '{ n++; sum += $2 } END { print n, sum }' <<<"$taken")" \
		"$(jq -r '"\(.count) \(.pages)"' "$TMP/$vm.harvests")"
}

harvest_test automatic get
same "automatic: nobody cleans without the module" null "$(jq .cleaning "$TMP/automatic.harvests")"
harvest_test manual-init clear --manual=init
if jq -e '.dirty_pages_per_s > 0' "$TMP/manual-init.harvests" >/dev/null; then
	pass "the rate of dirty pages, without the first pass"
else
	fail "the rate of dirty pages, without the first pass" "$(<"$TMP/manual-init.harvests")"
fi

module_load
wait_for 20 grep -q 'loaded and watched' "$TMP/kcohd.log" || give_up "kcohd sees the module" "$(<"$TMP/kcohd.log")"
before=$(stat_of pages_cleaned)
protected=$(stat_of pages_protected)
harvest_test cleaned clear --manual
if s2fwb; then
	same "with S2FWB nothing is cleaned" null "$(jq .cleaning "$TMP/cleaned.harvests")"
else
	same "the module's events: the kind of the ioctl that was cleaned, and no page left unclean" "clear 0" \
		"$(events_of cleaned harvest 'select(.source == "module" and .pages > 0 and .kind != "start") | "\(.kind) \(.unclean)"' | sort -u)"
	same "each page it tells is accounted for" 0 "$(events_of cleaned harvest 'select(.source == "module") |
		.pages - .cleaned - .absent - .no_ram - .unclean - .untainted' | awk '{ sum += $1 < 0 ? -$1 : $1 } END { print sum + 0 }')"
	same "and its counters say the same" "$(($(stat_of pages_protected) - protected)) $(($(stat_of pages_cleaned) - before))" \
		"$(jq -r '"\(.cleaning.pages) \(.cleaning.cleaned)"' "$TMP/cleaned.harvests")"
fi
same "no record was lost" '' "$(jq -c 'select(.type == "lost")' "$TMP/trace")"
