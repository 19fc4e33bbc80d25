// SPDX-License-Identifier: GPL-2.0-only
/*
 * layout.c - every layout that crosses a boundary, written down a second time.
 *
 * BPF objects, the module, the daemon and recordings share memory and numbers. Each compiler lays
 * a structure out by its own rules, and a hole or a field that moved gives wrong numbers and no
 * error. So this file says where each field is and how long, and is compiled by gcc and clang,
 * for x86-64, arm64 and BPF: that it compiles is the test. Padding that nobody wrote is an error
 * while the headers are read, so nothing can hide between the fields.
 *
 * Example: kcoh_ev_vcpu.state is at byte 36 of 40 everywhere. Whoever moves it changes the line
 * here and KCOH_ABI.
 *
 * Values of enums that recordings hold are written down too. test_layout.c checks that no
 * structure of the headers is missing here.
 */
#ifdef __bpf__
#include "kernel.bpf.h"
#endif

#pragma GCC diagnostic error "-Wpadded"
#include "kcoh/event.h"
#include "kcoh/recording.h"
#include "../../bpf/maps.h"
#ifndef __bpf__
#include "kcoh/ioctl.h"
#include "kcoh/smmu.h"
#endif

#define SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), #type)
#define FIELD(type, field, at, bytes)                                                              \
	_Static_assert(__builtin_offsetof(struct type, field) == (at) &&                           \
			       sizeof(((struct type *)0)->field) == (bytes),                       \
		       #type "." #field)
#define VALUE(name, value) _Static_assert((name) == (value), #name)

/* --- include/kcoh/event.h */

SIZE(kcoh_ev_hdr, 24);
FIELD(kcoh_ev_hdr, ts_ns, 0, 8);
FIELD(kcoh_ev_hdr, vm, 8, 4);
FIELD(kcoh_ev_hdr, vcpu, 12, 2);
FIELD(kcoh_ev_hdr, type, 14, 2);
FIELD(kcoh_ev_hdr, size, 16, 2);
FIELD(kcoh_ev_hdr, flags, 18, 2);
FIELD(kcoh_ev_hdr, gap, 20, 4);

SIZE(kcoh_ev_vm_new, 48);
FIELD(kcoh_ev_vm_new, hdr, 0, 24);
FIELD(kcoh_ev_vm_new, pid, 24, 4);
FIELD(kcoh_ev_vm_new, existing, 28, 4);
FIELD(kcoh_ev_vm_new, comm, 32, 16);

SIZE(kcoh_ev_vm_gone, 24);
FIELD(kcoh_ev_vm_gone, hdr, 0, 24);

SIZE(kcoh_ev_vcpu, 40);
FIELD(kcoh_ev_vcpu, hdr, 0, 24);
FIELD(kcoh_ev_vcpu, sctlr, 24, 8);
FIELD(kcoh_ev_vcpu, tid, 32, 4);
FIELD(kcoh_ev_vcpu, state, 36, 1);
FIELD(kcoh_ev_vcpu, source, 37, 1);
FIELD(kcoh_ev_vcpu, pad, 38, 2);

SIZE(kcoh_ev_toggle, 48);
FIELD(kcoh_ev_toggle, hdr, 0, 24);
FIELD(kcoh_ev_toggle, pc, 24, 8);
FIELD(kcoh_ev_toggle, sctlr, 32, 8);
FIELD(kcoh_ev_toggle, was, 40, 1);
FIELD(kcoh_ev_toggle, now, 41, 1);
FIELD(kcoh_ev_toggle, source, 42, 1);
FIELD(kcoh_ev_toggle, pad, 43, 5);

SIZE(kcoh_ev_set_way, 40);
FIELD(kcoh_ev_set_way, hdr, 0, 24);
FIELD(kcoh_ev_set_way, pc, 24, 8);
FIELD(kcoh_ev_set_way, cached, 32, 1);
FIELD(kcoh_ev_set_way, cleaned, 33, 1);
FIELD(kcoh_ev_set_way, pad, 34, 6);

SIZE(kcoh_ev_reset, 32);
FIELD(kcoh_ev_reset, hdr, 0, 24);
FIELD(kcoh_ev_reset, kind, 24, 4);
FIELD(kcoh_ev_reset, has_run, 28, 4);

SIZE(kcoh_ev_memslot, 72);
FIELD(kcoh_ev_memslot, hdr, 0, 24);
FIELD(kcoh_ev_memslot, base_gfn, 24, 8);
FIELD(kcoh_ev_memslot, pages, 32, 8);
FIELD(kcoh_ev_memslot, hva, 40, 8);
FIELD(kcoh_ev_memslot, generation, 48, 8);
FIELD(kcoh_ev_memslot, slot_id, 56, 4);
FIELD(kcoh_ev_memslot, flags, 60, 4);
FIELD(kcoh_ev_memslot, old_flags, 64, 4);
FIELD(kcoh_ev_memslot, as_id, 68, 2);
FIELD(kcoh_ev_memslot, change, 70, 1);
FIELD(kcoh_ev_memslot, pad, 71, 1);

SIZE(kcoh_ev_epoch, 56);
FIELD(kcoh_ev_epoch, hdr, 0, 24);
FIELD(kcoh_ev_epoch, logged_pages, 24, 8);
FIELD(kcoh_ev_epoch, total_pages, 32, 8);
FIELD(kcoh_ev_epoch, start, 40, 4);
FIELD(kcoh_ev_epoch, vcpus, 44, 4);
FIELD(kcoh_ev_epoch, armed, 48, 4);
FIELD(kcoh_ev_epoch, pending, 52, 4);

SIZE(kcoh_ev_harvest, 104);
FIELD(kcoh_ev_harvest, hdr, 0, 24);
FIELD(kcoh_ev_harvest, pages, 24, 8);
FIELD(kcoh_ev_harvest, ns, 32, 8);
FIELD(kcoh_ev_harvest, cleaned, 40, 8);
FIELD(kcoh_ev_harvest, absent, 48, 8);
FIELD(kcoh_ev_harvest, no_ram, 56, 8);
FIELD(kcoh_ev_harvest, unclean, 64, 8);
FIELD(kcoh_ev_harvest, extra, 72, 8);
FIELD(kcoh_ev_harvest, untainted, 80, 8);
FIELD(kcoh_ev_harvest, slot_id, 88, 4);
FIELD(kcoh_ev_harvest, tid, 92, 4);
FIELD(kcoh_ev_harvest, kind, 96, 1);
FIELD(kcoh_ev_harvest, source, 97, 1);
FIELD(kcoh_ev_harvest, initially_set, 98, 1);
FIELD(kcoh_ev_harvest, pad, 99, 5);

SIZE(kcoh_ev_hold, 40);
FIELD(kcoh_ev_hold, hdr, 0, 24);
FIELD(kcoh_ev_hold, ns, 24, 8);
FIELD(kcoh_ev_hold, held, 32, 4);
FIELD(kcoh_ev_hold, why, 36, 4);

SIZE(kcoh_ev_unclean, 32);
FIELD(kcoh_ev_unclean, hdr, 0, 24);
FIELD(kcoh_ev_unclean, pages, 24, 8);

SIZE(kcoh_ev_scan, 32);
FIELD(kcoh_ev_scan, hdr, 0, 24);
FIELD(kcoh_ev_scan, done, 24, 4);
FIELD(kcoh_ev_scan, vms, 28, 4);

SIZE(kcoh_ev_unmap, 72);
FIELD(kcoh_ev_unmap, hdr, 0, 24);
FIELD(kcoh_ev_unmap, ns, 24, 8);
FIELD(kcoh_ev_unmap, faults, 32, 8);
FIELD(kcoh_ev_unmap, fault_ns, 40, 8);
FIELD(kcoh_ev_unmap, bytes, 48, 8);
FIELD(kcoh_ev_unmap, span_ns, 56, 8);
FIELD(kcoh_ev_unmap, unmaps, 64, 4);
FIELD(kcoh_ev_unmap, kind, 68, 4);

SIZE(kcoh_ev_psci, 32);
FIELD(kcoh_ev_psci, hdr, 0, 24);
FIELD(kcoh_ev_psci, call, 24, 4);
FIELD(kcoh_ev_psci, function, 28, 4);

SIZE(kcoh_ev_smmu, 120);
FIELD(kcoh_ev_smmu, hdr, 0, 24);
FIELD(kcoh_ev_smmu, raw, 24, 32);
FIELD(kcoh_ev_smmu, count, 56, 8);
FIELD(kcoh_ev_smmu, group, 64, 4);
FIELD(kcoh_ev_smmu, kind, 68, 1);
FIELD(kcoh_ev_smmu, pad, 69, 3);
FIELD(kcoh_ev_smmu, device, 72, 24);
FIELD(kcoh_ev_smmu, smmu, 96, 24);

SIZE(kcoh_ev_device, 88);
FIELD(kcoh_ev_device, hdr, 0, 24);
FIELD(kcoh_ev_device, sid, 24, 4);
FIELD(kcoh_ev_device, group, 28, 4);
FIELD(kcoh_ev_device, state, 32, 1);
FIELD(kcoh_ev_device, via, 33, 1);
FIELD(kcoh_ev_device, pad, 34, 6);
FIELD(kcoh_ev_device, device, 40, 24);
FIELD(kcoh_ev_device, smmu, 64, 24);

SIZE(kcoh_ev_host, 32);
FIELD(kcoh_ev_host, hdr, 0, 24);
FIELD(kcoh_ev_host, features, 24, 4);
FIELD(kcoh_ev_host, page_size, 28, 4);

SIZE(kcoh_recording_header, 40);
FIELD(kcoh_recording_header, magic, 0, 8);
FIELD(kcoh_recording_header, version, 8, 4);
FIELD(kcoh_recording_header, abi, 12, 4);
FIELD(kcoh_recording_header, real_ns, 16, 8);
FIELD(kcoh_recording_header, max_vms, 24, 4);
FIELD(kcoh_recording_header, max_vcpus, 28, 4);
FIELD(kcoh_recording_header, max_slots, 32, 4);
FIELD(kcoh_recording_header, crc, 36, 4);

SIZE(kcoh_frame, 16);
FIELD(kcoh_frame, size, 0, 4);
FIELD(kcoh_frame, kind, 4, 4);
FIELD(kcoh_frame, outcome, 8, 4);
FIELD(kcoh_frame, crc, 12, 4);

SIZE(kcoh_frame_name, 304);
FIELD(kcoh_frame_name, vm, 0, 4);
FIELD(kcoh_frame_name, uuid, 4, 40);
FIELD(kcoh_frame_name, name, 44, 256);
FIELD(kcoh_frame_name, pad, 300, 4);

VALUE(KCOH_RECORDING, 1);
VALUE(KCOH_FRAME_END, 0);
VALUE(KCOH_FRAME_EVENT, 1);
VALUE(KCOH_FRAME_IMAGE, 2);
VALUE(KCOH_FRAME_NAME, 3);

SIZE(kcoh_ev_policy, 56);
FIELD(kcoh_ev_policy, hdr, 0, 24);
FIELD(kcoh_ev_policy, strategy, 24, 4);
FIELD(kcoh_ev_policy, guard, 28, 4);
FIELD(kcoh_ev_policy, can_cancel, 32, 4);
FIELD(kcoh_ev_policy, arm_deadline_ms, 36, 4);
FIELD(kcoh_ev_policy, defer_ms, 40, 4);
FIELD(kcoh_ev_policy, hold_ms, 44, 4);
FIELD(kcoh_ev_policy, tolerate, 48, 4);
FIELD(kcoh_ev_policy, last_resort, 52, 4);

SIZE(kcoh_ev_phase, 32);
FIELD(kcoh_ev_phase, hdr, 0, 24);
FIELD(kcoh_ev_phase, phase, 24, 4);
FIELD(kcoh_ev_phase, pad, 28, 4);

SIZE(kcoh_ev_tick, 24);
FIELD(kcoh_ev_tick, hdr, 0, 24);

SIZE(kcoh_ev_act_done, 32);
FIELD(kcoh_ev_act_done, hdr, 0, 24);
FIELD(kcoh_ev_act_done, act, 24, 4);
FIELD(kcoh_ev_act_done, result, 28, 4);

SIZE(kcoh_ev_override, 40);
FIELD(kcoh_ev_override, hdr, 0, 24);
FIELD(kcoh_ev_override, until_ns, 24, 8);
FIELD(kcoh_ev_override, uid, 32, 4);
FIELD(kcoh_ev_override, number, 36, 4);

SIZE(kcoh_ev_exit, 56);
FIELD(kcoh_ev_exit, hdr, 0, 24);
FIELD(kcoh_ev_exit, pc, 24, 8);
FIELD(kcoh_ev_exit, esr, 32, 8);
FIELD(kcoh_ev_exit, arg, 40, 8);
FIELD(kcoh_ev_exit, exit_class, 48, 4);
FIELD(kcoh_ev_exit, pad, 52, 4);

/* The longest record: what a reader of any must hold. */
_Static_assert(sizeof(union kcoh_ev) == 120, "kcoh_ev");

VALUE(KCOH_EV_NONE, 0);
VALUE(KCOH_EV_VM_NEW, 1);
VALUE(KCOH_EV_VM_GONE, 2);
VALUE(KCOH_EV_VCPU, 3);
VALUE(KCOH_EV_TOGGLE, 4);
VALUE(KCOH_EV_SET_WAY, 5);
VALUE(KCOH_EV_RESET, 6);
VALUE(KCOH_EV_MEMSLOT, 7);
VALUE(KCOH_EV_EPOCH, 8);
VALUE(KCOH_EV_SCAN, 9);
VALUE(KCOH_EV_HARVEST, 10);
VALUE(KCOH_EV_HOLD, 11);
VALUE(KCOH_EV_UNMAP, 12);
VALUE(KCOH_EV_PSCI, 13);
VALUE(KCOH_EV_SMMU, 14);
VALUE(KCOH_EV_DEVICE, 15);
VALUE(KCOH_EV_HOST, 16);
VALUE(KCOH_EV_POLICY, 17);
VALUE(KCOH_EV_PHASE, 18);
VALUE(KCOH_EV_TICK, 19);
VALUE(KCOH_EV_ACT_DONE, 20);
VALUE(KCOH_EV_OVERRIDE, 24);
VALUE(KCOH_EV_UNCLEAN, 25);
VALUE(KCOH_EV_EXIT, 32);

VALUE(KCOH_UNKNOWN, 0);
VALUE(KCOH_CACHED, 1);
VALUE(KCOH_UNCACHED, 2);
VALUE(KCOH_OFF, 3);

VALUE(KCOH_SRC_SAMPLE, 0);
VALUE(KCOH_SRC_KVM, 1);
VALUE(KCOH_SRC_TRAP, 2);
VALUE(KCOH_SRC_DISARM, 3);

VALUE(KCOH_RESET_INIT, 0);
VALUE(KCOH_RESET_CPU_ON, 1);
VALUE(KCOH_RESET_SET_SCTLR, 2);

VALUE(KCOH_SLOT_CREATE, 0);
VALUE(KCOH_SLOT_DELETE, 1);
VALUE(KCOH_SLOT_MOVE, 2);
VALUE(KCOH_SLOT_FLAGS, 3);
VALUE(KCOH_SLOT_FOUND, 4);

VALUE(KCOH_HARVEST_UNKNOWN, 0);
VALUE(KCOH_HARVEST_GET, 1);
VALUE(KCOH_HARVEST_CLEAR, 2);
VALUE(KCOH_HARVEST_RING, 3);
VALUE(KCOH_HARVEST_START, 4);

VALUE(KCOH_HARVEST_BY_KVM, 0);
VALUE(KCOH_HARVEST_BY_MODULE, 1);

VALUE(KCOH_HOLD_TOGGLE, 0);
VALUE(KCOH_HOLD_ASKED, 1);
VALUE(KCOH_HOLD_RELEASED, 2);
VALUE(KCOH_HOLD_EPOCH_END, 3);
VALUE(KCOH_HOLD_DEADLINE, 4);
VALUE(KCOH_HOLD_CLOSED, 5);

VALUE(KCOH_UNMAP_UNMAPPED, 0);
VALUE(KCOH_UNMAP_FOLLOWED, 1);

VALUE(KCOH_PSCI_OTHER, 0);
VALUE(KCOH_PSCI_CPU_OFF, 1);
VALUE(KCOH_PSCI_SYSTEM_OFF, 2);
VALUE(KCOH_PSCI_SYSTEM_RESET, 3);
VALUE(KCOH_PSCI_SYSTEM_SUSPEND, 4);

VALUE(KCOH_SMMU_EVENT, 0);
VALUE(KCOH_SMMU_FOLDED, 1);
VALUE(KCOH_SMMU_UNREAD, 2);
VALUE(KCOH_SMMU_LOST, 3);

VALUE(KCOH_DEVICE_TAKEN, 0);
VALUE(KCOH_DEVICE_FOUND, 1);
VALUE(KCOH_DEVICE_RELEASED, 2);

VALUE(KCOH_VIA_GROUP, 0);
VALUE(KCOH_VIA_IOMMUFD, 1);

VALUE(KCOH_STRATEGY_OBSERVE, 0);
VALUE(KCOH_STRATEGY_VETO, 1);
VALUE(KCOH_STRATEGY_CLEAN, 2);
VALUE(KCOH_STRATEGY_CLEAN_TAINTED, 3);
VALUE(KCOH_STRATEGY_HOLD, 4);
VALUE(KCOH_STRATEGY_DEFER, 5);
VALUE(KCOH_STRATEGY_RETRY, 6);

VALUE(KCOH_GUARD_WARN, 0);
VALUE(KCOH_GUARD_ENFORCE, 1);

VALUE(KCOH_PHASE_NONE, 0);
VALUE(KCOH_PHASE_SETUP, 1);
VALUE(KCOH_PHASE_ACTIVE, 2);
VALUE(KCOH_PHASE_PRE_SWITCHOVER, 3);
VALUE(KCOH_PHASE_DEVICE, 4);
VALUE(KCOH_PHASE_COMPLETED, 5);
VALUE(KCOH_PHASE_FAILED, 6);
VALUE(KCOH_PHASE_CANCELLING, 7);
VALUE(KCOH_PHASE_CANCELLED, 8);
VALUE(KCOH_PHASE_POSTCOPY, 9);

VALUE(KCOH_ACT_CANCEL, 1);
VALUE(KCOH_ACT_ALERT, 2);
VALUE(KCOH_ACT_RESCAN, 3);

VALUE(KCOH_SLOT_LOG_DIRTY, 1u << 0);
VALUE(KCOH_SLOT_READONLY, 1u << 1);
VALUE(KCOH_SLOT_NONE, 0xffffffffu);
VALUE(KCOH_HOST_S2FWB, 1u << 0);
VALUE(KCOH_HOST_VHE, 1u << 1);
VALUE(KCOH_HOST_PKVM, 1u << 2);
VALUE(KCOH_HOST_MODULE, 1u << 3);
VALUE(KCOH_HOST_TRAP, 1u << 4);
VALUE(KCOH_HOST_CLEAN, 1u << 5);
VALUE(KCOH_VCPU_NONE, 0xffff);
VALUE(KCOH_VM_NONE, 0);

/* --- include/kcoh/ioctl.h */

#ifndef __bpf__
SIZE(kcoh_hello, 16);
FIELD(kcoh_hello, abi, 0, 4);
FIELD(kcoh_hello, host, 4, 4);
FIELD(kcoh_hello, line_bytes, 8, 4);
FIELD(kcoh_hello, state, 12, 4);

SIZE(kcoh_stats, 200);
FIELD(kcoh_stats, epochs, 0, 8);
FIELD(kcoh_stats, arms, 8, 8);
FIELD(kcoh_stats, disarms, 16, 8);
FIELD(kcoh_stats, traps, 24, 8);
FIELD(kcoh_stats, toggles, 32, 8);
FIELD(kcoh_stats, set_way, 40, 8);
FIELD(kcoh_stats, set_way_yields, 48, 8);
FIELD(kcoh_stats, hook_misses, 56, 8);
FIELD(kcoh_stats, arm_late, 64, 8);
FIELD(kcoh_stats, no_memory, 72, 8);
FIELD(kcoh_stats, harvests, 80, 8);
FIELD(kcoh_stats, pages_protected, 88, 8);
FIELD(kcoh_stats, pages_cleaned, 96, 8);
FIELD(kcoh_stats, pages_absent, 104, 8);
FIELD(kcoh_stats, pages_no_ram, 112, 8);
FIELD(kcoh_stats, pages_unclean, 120, 8);
FIELD(kcoh_stats, pages_extra, 128, 8);
FIELD(kcoh_stats, pages_marked, 136, 8);
FIELD(kcoh_stats, whole_slots, 144, 8);
FIELD(kcoh_stats, pages_untainted, 152, 8);
FIELD(kcoh_stats, over_budget, 160, 8);
FIELD(kcoh_stats, holds, 168, 8);
FIELD(kcoh_stats, hold_breaks, 176, 8);
FIELD(kcoh_stats, vms, 184, 8);
FIELD(kcoh_stats, vcpus_armed, 192, 8);

SIZE(kcoh_vm_open, 8);
FIELD(kcoh_vm_open, vm_fd, 0, 4);
FIELD(kcoh_vm_open, flags, 4, 4);

SIZE(kcoh_vm_strategy, 16);
FIELD(kcoh_vm_strategy, strategy, 0, 4);
FIELD(kcoh_vm_strategy, flags, 4, 4);
FIELD(kcoh_vm_strategy, hold_ms, 8, 4);
FIELD(kcoh_vm_strategy, pad, 12, 4);

SIZE(kcoh_vm_status, 104);
FIELD(kcoh_vm_status, epoch, 0, 4);
FIELD(kcoh_vm_status, armed, 4, 4);
FIELD(kcoh_vm_status, vcpus, 8, 4);
FIELD(kcoh_vm_status, vcpus_armed, 12, 4);
FIELD(kcoh_vm_status, cleaning, 16, 4);
FIELD(kcoh_vm_status, held, 20, 4);
FIELD(kcoh_vm_status, tainted, 24, 4);
FIELD(kcoh_vm_status, over_budget, 28, 4);
FIELD(kcoh_vm_status, harvests, 32, 8);
FIELD(kcoh_vm_status, pages_protected, 40, 8);
FIELD(kcoh_vm_status, pages_cleaned, 48, 8);
FIELD(kcoh_vm_status, pages_absent, 56, 8);
FIELD(kcoh_vm_status, pages_no_ram, 64, 8);
FIELD(kcoh_vm_status, pages_unclean, 72, 8);
FIELD(kcoh_vm_status, pages_extra, 80, 8);
FIELD(kcoh_vm_status, pages_untainted, 88, 8);
FIELD(kcoh_vm_status, journal_lost, 96, 8);

SIZE(kcoh_vm_range, 40);
FIELD(kcoh_vm_range, gfn, 0, 8);
FIELD(kcoh_vm_range, pages, 8, 8);
FIELD(kcoh_vm_range, done, 16, 8);
FIELD(kcoh_vm_range, absent, 24, 8);
FIELD(kcoh_vm_range, skipped, 32, 8);

SIZE(kcoh_vm_vcpu, 32);
FIELD(kcoh_vm_vcpu, index, 0, 4);
FIELD(kcoh_vm_vcpu, state, 4, 4);
FIELD(kcoh_vm_vcpu, armed, 8, 4);
FIELD(kcoh_vm_vcpu, loaded, 12, 4);
FIELD(kcoh_vm_vcpu, sctlr, 16, 8);
FIELD(kcoh_vm_vcpu, held, 24, 4);
FIELD(kcoh_vm_vcpu, pad, 28, 4);

SIZE(kcoh_vm_hold, 8);
FIELD(kcoh_vm_hold, index, 0, 4);
FIELD(kcoh_vm_hold, ms, 4, 4);

SIZE(kcoh_journal_entry, 32);
FIELD(kcoh_journal_entry, ts_ns, 0, 8);
FIELD(kcoh_journal_entry, gfn, 8, 8);
FIELD(kcoh_journal_entry, pages, 16, 8);
FIELD(kcoh_journal_entry, slot_id, 24, 4);
FIELD(kcoh_journal_entry, tid, 28, 4);
VALUE(KCOH_IOC_HELLO, 0xc0106b80);
VALUE(KCOH_IOC_STATS, 0x80c86b81);
VALUE(KCOH_IOC_VM, 0x40086b82);
VALUE(KCOH_VM_STRATEGY, 0x40106b90);
VALUE(KCOH_VM_STATUS, 0x80686b91);
VALUE(KCOH_VM_CLEAN, 0xc0286b92);
VALUE(KCOH_VM_MARK_DIRTY, 0xc0286b93);
VALUE(KCOH_VM_VCPU, 0xc0206b94);
VALUE(KCOH_VM_JOURNAL, 0x40046b95);
VALUE(KCOH_VM_HOLD, 0x40086b96);
VALUE(KCOH_VM_RELEASE, 0x40086b97);
#endif

/* --- bpf/maps.h */

SIZE(kcoh_exits, 3336);
FIELD(kcoh_exits, count, 0, 528);
FIELD(kcoh_exits, sysreg, 528, 96);
FIELD(kcoh_exits, call, 624, 64);
FIELD(kcoh_exits, abort, 688, 40);
FIELD(kcoh_exits, time, 728, 2560);
FIELD(kcoh_exits, mmio_kernel, 3288, 8);
FIELD(kcoh_exits, left_ns, 3296, 8);
FIELD(kcoh_exits, entered_ns, 3304, 8);
FIELD(kcoh_exits, sctlr, 3312, 8);
FIELD(kcoh_exits, looked, 3320, 4);
FIELD(kcoh_exits, row, 3324, 4);
FIELD(kcoh_exits, aborted, 3328, 2);
FIELD(kcoh_exits, wanted, 3330, 2);
FIELD(kcoh_exits, pad, 3332, 4);

SIZE(kcoh_shared, 88);
FIELD(kcoh_shared, gap, 0, 8);
FIELD(kcoh_shared, lost, 8, 40);
FIELD(kcoh_shared, last_vm, 48, 8);
FIELD(kcoh_shared, scan, 56, 4);
FIELD(kcoh_shared, module, 60, 4);
FIELD(kcoh_shared, exits_lost, 64, 8);
FIELD(kcoh_shared, exits_gap, 72, 8);
FIELD(kcoh_shared, exits_wanted, 80, 4);
FIELD(kcoh_shared, records_vm, 84, 4);

SIZE(kcoh_unmap, 56);
FIELD(kcoh_unmap, first_ns, 0, 8);
FIELD(kcoh_unmap, last_ns, 8, 8);
FIELD(kcoh_unmap, unmaps, 16, 8);
FIELD(kcoh_unmap, ns, 24, 8);
FIELD(kcoh_unmap, faults, 32, 8);
FIELD(kcoh_unmap, fault_ns, 40, 8);
FIELD(kcoh_unmap, bytes, 48, 8);

SIZE(kcoh_stream_key, 16);
FIELD(kcoh_stream_key, smmu, 0, 8);
FIELD(kcoh_stream_key, sid, 8, 4);
FIELD(kcoh_stream_key, kind, 12, 4);

SIZE(kcoh_domain, 72);
FIELD(kcoh_domain, id, 0, 8);
FIELD(kcoh_domain, maps, 8, 8);
FIELD(kcoh_domain, mapped_bytes, 16, 8);
FIELD(kcoh_domain, map_ns, 24, 8);
FIELD(kcoh_domain, unmaps, 32, 8);
FIELD(kcoh_domain, unmapped_bytes, 40, 8);
FIELD(kcoh_domain, unmap_ns, 48, 8);
FIELD(kcoh_domain, commands, 56, 8);
FIELD(kcoh_domain, command_ns, 64, 8);

SIZE(kcoh_stream, 128);
FIELD(kcoh_stream, events, 0, 8);
FIELD(kcoh_stream, sent, 8, 8);
FIELD(kcoh_stream, last, 16, 8);
FIELD(kcoh_stream, second_ns, 24, 8);
FIELD(kcoh_stream, dev, 32, 8);
FIELD(kcoh_stream, domain, 40, 8);
FIELD(kcoh_stream, mm, 48, 8);
FIELD(kcoh_stream, kvm, 56, 8);
FIELD(kcoh_stream, vm, 64, 4);
FIELD(kcoh_stream, burst, 68, 4);
FIELD(kcoh_stream, group, 72, 4);
FIELD(kcoh_stream, via, 76, 1);
FIELD(kcoh_stream, pad, 77, 3);
FIELD(kcoh_stream, device, 80, 24);
FIELD(kcoh_stream, smmu, 104, 24);

SIZE(kcoh_smmu_sums, 24);
FIELD(kcoh_smmu_sums, events, 0, 8);
FIELD(kcoh_smmu_sums, sent, 8, 8);
FIELD(kcoh_smmu_sums, inside, 16, 8);

SIZE(kcoh_guarded, 32);
FIELD(kcoh_guarded, until_ns, 0, 8);
FIELD(kcoh_guarded, ram_pages, 8, 8);
FIELD(kcoh_guarded, inode, 16, 8);
FIELD(kcoh_guarded, vm, 24, 4);
FIELD(kcoh_guarded, pad, 28, 4);

SIZE(kcoh_stream_seen, 72);
FIELD(kcoh_stream_seen, epoch, 0, 8);
FIELD(kcoh_stream_seen, kvm, 8, 8);
FIELD(kcoh_stream_seen, pages, 16, 8);
FIELD(kcoh_stream_seen, refused, 24, 8);
FIELD(kcoh_stream_seen, doubts, 32, 8);
FIELD(kcoh_stream_seen, bytes, 40, 8);
FIELD(kcoh_stream_seen, inode, 48, 8);
FIELD(kcoh_stream_seen, tid, 56, 4);
FIELD(kcoh_stream_seen, others, 60, 4);
FIELD(kcoh_stream_seen, by, 64, 4);
FIELD(kcoh_stream_seen, doubt, 68, 4);
