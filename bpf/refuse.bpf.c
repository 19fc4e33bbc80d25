// SPDX-License-Identifier: GPL-2.0-only
/*
 * refuse.bpf.c - the last resort: the migration stream of a VM that must not be migrated is refused.
 *
 * The problem: a veto is to end a migration, and nobody can cancel it: kcohd has no QMP socket of the VM, libvirt does not
 * answer. What is left is to make a send fail: QEMU then ends the migration as `failed`, and the guest runs on at the source. But
 * the process that sends it is QEMU as a whole. The same kernel function carries its QMP answers and VNC frames, the blocks of a
 * disk behind NBD, its guest's network; each of those refused would harm the VM that was to be protected.
 *
 * So a send is refused (-EPERM, by LSM hook socket_sendmsg) only while kcohd has said so, for three seconds at a time, and if all
 * of this is true of the thread and the socket, else it is let through and the reason is noted:
 *
 *   it is not the main thread                 VNC, NBD and QMP live there; it harvests the framebuffer
 *   it, and no other but the main thread,     the migration thread is the only one; not so with the dirty ring's reaper, or while
 *   takes dirty pages in this epoch           somebody measures a dirty rate beside the migration
 *   the epoch's beginning was seen            else it is not known who did what in it
 *   it has taken half of the RAM's pages      what a migration has, soon after its start
 *   no other thread sent on this socket       QMP events of the migration thread go to a socket that answers use, too
 *   in this epoch
 *   256 KiB went through it, in sends of      an idle QMP socket carries nothing but such events: about 100 bytes each
 *   4 KiB on average
 *   it runs no vCPU
 *   a vCPU is in KVM_RUN                      a post-copy has left the source: to fail it would leave the guest nowhere. The end of a
 *                                             pre-copy looks the same, and is let through, too
 *
 * Example, a VM with 256 MB: at 0.0 s the migration thread switches logging on, at 0.1 s it harvests all pages in one ioctl and begins
 * to send; kcohd arms at 0.11 s; its next send on that socket is refused once 256 KiB went through. The main thread, which sends VNC
 * frames all the time, is not looked at further.
 *
 * Cost: a look-up by process at every send of a socket on this host while the program is attached, which it is only while some VM's policy
 * has last_resort; another one, of the socket, for such a VM's process. Limits: a stream that is no socket (exec:, a file, RDMA) is not
 * seen. With multifd most of the RAM goes through threads that harvest nothing; where that leaves too little for the main
 * channel to be known, nothing is refused. It takes BPF trampolines and the BPF LSM: on arm64 from 6.4 on, or so; not on 6.1.
 */
#include "refuse.bpf.h"

#define STREAM_BYTES (256 << 10)
#define STREAM_SEND_BYTES 4096
#define VCPUS_MAX 512
#define XA_DEPTH_MAX 3
#define XA_INTERNAL 2ul /* the two lowest bits of an entry that is a node */

/* Who sends on a socket, in the epoch that the process is in. Freed with the socket. */
struct sends_rec {
	__u64 epoch;
	__u64 bytes; /* by `tid` */
	__u64 sends;
	__u32 tid; /* the first one */
	__u32 shared; /* 1: another thread sent, too */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sends_rec);
} kcoh_sends SEC(".maps");

static __always_inline void sends_count(struct sends_rec *sends, __u64 epoch, __u32 tid, __u64 size)
{
	if (sends->epoch != epoch || !sends->tid) {
		sends->bytes = 0;
		sends->sends = 0;
		sends->shared = 0;
		sends->tid = tid;
		sends->epoch = epoch;
	}
	if (sends->tid != tid) {
		sends->shared = 1;
		return;
	}
	sends->bytes += size;
	sends->sends++;
}

/* --- its vCPUs ------------------------------------------------------------------------------------- */

struct vcpus_look {
	struct kvm *kvm;
	__u32 tid;
	__u32 is_vcpu; /* `tid` runs one of them */
	__u32 running; /* one is in KVM_RUN */
	__u32 pad;
};

/* The VM's i-th vCPU: vcpu_array is an xarray, of one entry or of nodes. */
static __always_inline struct kvm_vcpu *vcpu_at(struct kvm *kvm, __u32 i)
{
	__u64 entry = (__u64)BPF_CORE_READ(kvm, vcpu_array.xa_head);
	struct xa_node *node = NULL;
	__u64 chunk = bpf_core_field_size(node->slots) / sizeof(void *);
	__u32 depth;

	for (depth = 0; depth < XA_DEPTH_MAX && (entry & 3) == XA_INTERNAL; depth++) {
		node = (struct xa_node *)(entry - XA_INTERNAL);
		__u64 slot = (i >> (BPF_CORE_READ(node, shift) & 31)) & (chunk - 1);
		__u64 at = (__u64)node + bpf_core_field_offset(node->slots) + slot * sizeof(void *);

		entry = 0;
		bpf_probe_read_kernel(&entry, sizeof(entry), (const void *)at);
	}
	return (entry & 3) ? NULL : (struct kvm_vcpu *)entry;
}

static int vcpu_look(__u32 i, struct vcpus_look *look)
{
	struct kvm_vcpu *vcpu = vcpu_at(look->kvm, i);
	struct pid *pid;

	if (!vcpu)
		return 0;
	pid = BPF_CORE_READ(vcpu, pid);
	if (pid && (__u32)BPF_CORE_READ(pid, numbers[0].nr) == look->tid)
		look->is_vcpu = 1;
	/* A real-time kernel's mutex is another one: no vCPU is seen to run there. */
	if (bpf_core_field_exists(vcpu->mutex.owner) && BPF_CORE_READ(vcpu, mutex.owner.counter))
		look->running = 1;
	return 0;
}

/* --- the judgement --------------------------------------------------------------------------------- */

static __always_inline __u32 vcpus_doubt(const struct kcoh_guarded *guarded,
					 const struct kcoh_stream_seen *seen, __u32 tid)
{
	__u64 key = seen->kvm;
	struct vm_rec *vm = bpf_map_lookup_elem(&kcoh_vms, &key);
	struct vcpus_look look = { .kvm = (struct kvm *)key, .tid = tid };
	struct kvm *kvm = (struct kvm *)key; /* CO-RE would relocate struct vcpus_look, too */
	__u32 vcpus;

	if (!vm || vm->id != guarded->vm)
		return KCOH_DOUBT_VM;
	vcpus = BPF_CORE_READ(kvm, created_vcpus);
	bpf_loop(vcpus < VCPUS_MAX ? vcpus : VCPUS_MAX, vcpu_look, &look, 0);
	if (look.is_vcpu)
		return KCOH_DOUBT_VCPU;
	return look.running ? KCOH_DOUBT_NONE : KCOH_DOUBT_STOPPED;
}

static __noinline __u32 doubt_of(const struct kcoh_guarded *guarded,
				 const struct kcoh_stream_seen *seen, const struct sends_rec *sends)
{
	__u32 tid = bpf_get_current_pid_tgid();

	if (!guarded || !seen)
		return KCOH_DOUBT_LATE;
	if (!seen->epoch)
		return KCOH_DOUBT_LATE;
	if (seen->others)
		return KCOH_DOUBT_THREADS;
	if (seen->pages < guarded->ram_pages - guarded->ram_pages / 2)
		return KCOH_DOUBT_FEW;
	if (!sends)
		return KCOH_DOUBT_ROOM;
	if (sends->shared || sends->tid != tid)
		return KCOH_DOUBT_SHARED;
	if (sends->bytes < STREAM_BYTES || sends->bytes < sends->sends * STREAM_SEND_BYTES)
		return KCOH_DOUBT_LITTLE;
	return vcpus_doubt(guarded, seen, tid);
}

static __always_inline __u64 inode_of(struct socket *sock)
{
	return BPF_CORE_READ(sock, file, f_inode, i_ino);
}

/* Is this send of a guarded process to be refused? */
static __always_inline int judge(const struct kcoh_guarded *guarded, __u32 tid,
				 struct kcoh_stream_seen *seen, const struct sends_rec *sends,
				 struct socket *sock)
{
	__u64 bytes = sends ? sends->bytes : 0;
	__u32 doubt;

	if (bpf_ktime_get_ns() >= guarded->until_ns || seen->tid != tid)
		return 0;
	doubt = doubt_of(guarded, seen, sends);
	if (doubt) {
		__sync_fetch_and_add(&seen->doubts, 1);
		if (bytes < seen->bytes)
			return 0; /* told is of the socket that most went through */
	} else {
		__sync_fetch_and_add(&seen->refused, 1);
	}
	seen->doubt = doubt;
	seen->by = tid;
	seen->bytes = bytes;
	seen->inode = inode_of(sock);
	return !doubt;
}

SEC("lsm/socket_sendmsg")
int BPF_PROG(refuse_lsm, struct socket *sock, struct msghdr *msg, int size)
{
	__u64 task = bpf_get_current_pid_tgid();
	__u32 tgid = task >> 32, tid = task;
	struct kcoh_guarded *guarded = bpf_map_lookup_elem(&kcoh_guarded, &tgid);
	struct kcoh_stream_seen *seen;
	struct sends_rec *sends = NULL;
	struct sock *sk;

	if (!guarded)
		return 0;
	if (guarded->vm == KCOH_VM_NONE) {
		if (inode_of(sock) == guarded->inode)
			return -EPERM; /* the loader tries whether this works */
		return 0;
	}
	seen = stream_get(tgid);
	if (!seen)
		return 0;
	sk = sock->sk;
	if (sk)
		sends = bpf_sk_storage_get(&kcoh_sends, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (sends)
		sends_count(sends, seen->epoch, tid, size > 0 ? size : 0);
	if (judge(guarded, tid, seen, sends, sock))
		return -EPERM;
	return 0;
}
