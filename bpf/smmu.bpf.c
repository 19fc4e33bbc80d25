// SPDX-License-Identifier: GPL-2.0-only
/*
 * smmu.bpf.c - what SMMUv3s report: each event record, and whose device it was.
 *
 * The problem: an SMMUv3 writes 32-byte event records into a queue in memory; the driver's thread
 * takes them out and prints ten of them in five seconds. There is no tracepoint, and what handles
 * one record is inlined on most kernels. What can be hooked everywhere is the thread's function,
 * and what can be read is the queue.
 *
 *   thread begins    note how far the queue was read (cons)
 *   thread ends      the records from there to the new cons are read out of the queue
 *
 * They are still there: the SMMU writes over a slot only after it has gone round the whole queue
 * (32768 slots, mostly), and when the thread ends the queue was empty a moment ago. So the last
 * three quarters of a round are safe to read, with a quarter left for what comes in meanwhile. In a
 * storm the thread takes more than a round without ending: the rest is counted as UNREAD, exactly,
 * because the loader has look() run every 10 ms then, and cons counts to two rounds before it begins
 * anew. Where the function that handles one record is there to be hooked (6.1) its argument is the
 * record, and nothing is ever unread.
 *
 * If the queue is full the SMMU drops events: by the architecture it flips a bit in PROD, which is
 * looked at when the thread ends, or it reports the failed write as a global error, which the driver
 * warns of. Either is at least one LOST event.
 *
 * Whose device: an SMMU keeps its streams in a tree, which is searched as the driver does. A device
 * that VFIO or iommufd gave to a process has an owner of its DMA; the process is noted when it
 * becomes that (or found by an iterator over files, for those from before the start), and its VM is
 * the one with the same address space.
 *
 * Example: VM 3's device 0000:00:01.0 (StreamID 8) writes to an address that is not mapped for it:
 *
 *   DEVICE taken  vm=3 sid=8 group=1 0000:00:01.0      when QEMU took the VFIO group
 *   SMMU event    vm=3 group=1 0000:00:01.0 raw=10 08 …
 *
 * A storm is folded: 64 records a stream and second go into the ring, the rest are counted here and
 * told by the loader once a second (FOLDED). A record for which the ring has no room is folded, too.
 *
 * Cost: nothing without events; about 1 µs an event. Limits: a process with several VMs: its devices
 * belong to none of them that we could name. 1024 streams are told apart. The tree is read without
 * its mutex, as a BPF program cannot take one: while devices come and go a name may be missing.
 */
#include "common.bpf.h"
#include "kcoh/smmu.h"

#define STREAMS_MAX 1024
#define BURST_MAX 64
#define SECOND_NS 1000000000ull
#define DEPTH_MAX 48 /* of a red-black tree with 2^24 nodes */
#define GROUP_MAX 256 /* devices in an IOMMU group */
#define MASTER_MAX 8 /* StreamIDs of a device that are entered beforehand */
#define QUEUE_MAX (1 << 19)
#define OVERFLOW (1u << 31) /* in prod */
#define GERROR_EVENTQ_ABT 0x4

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STREAMS_MAX);
	__type(key, struct kcoh_stream_key);
	__type(value, struct kcoh_stream);
} kcoh_streams SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct kcoh_smmu_sums);
} kcoh_smmu_sums SEC(".maps");

/*
 * How far an SMMU's queue was followed, in records since we came to know it: `taken` by the driver,
 * and `read` by us. Modulo two rounds, `taken` equals the driver's cons.
 */
struct queue {
	__u64 taken;
	__u64 read;
	__u32 overflow; /* the bit in prod, as last seen */
	__u32 inside; /* the thread is in */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u64);
	__type(value, struct queue);
} kcoh_queues SEC(".maps");

/* Thread -> the SMMU that it works for: a return probe has no arguments. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} kcoh_evtq_threads SEC(".maps");

static __always_inline struct kcoh_smmu_sums *sums(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&kcoh_smmu_sums, &zero);
}

/* --- whose device ------------------------------------------------------------------------------ */

struct search {
	struct rb_node *node;
	struct device *dev;
	__u32 sid;
	__u32 pad;
};

static int search_step(__u32 i, struct search *search)
{
	struct rb_node *node = search->node;
	struct arm_smmu_stream *stream;
	struct arm_smmu_master *master;
	__u32 id;

	if (!node)
		return 1;
	stream = (void *)node - bpf_core_field_offset(struct arm_smmu_stream, node);
	id = BPF_CORE_READ(stream, id);
	if (id == search->sid) {
		master = BPF_CORE_READ(stream, master);
		search->dev = BPF_CORE_READ(master, dev);
		return 1;
	}
	search->node = id < search->sid ? BPF_CORE_READ(node, rb_right) :
					  BPF_CORE_READ(node, rb_left);
	return 0;
}

static __always_inline struct device *device_find(struct arm_smmu_device___v3 *smmu, __u32 sid)
{
	struct search search = { .node = BPF_CORE_READ(smmu, streams.rb_node), .sid = sid };

	bpf_loop(DEPTH_MAX, search_step, &search, 0);
	return search.dev;
}

struct owner {
	__u64 mm;
	__u64 kvm;
	__u32 vm;
	__u32 count;
};

static long owner_match(struct bpf_map *map, const __u64 *key, const struct vm_rec *vm,
			struct owner *owner)
{
	struct kvm *kvm = (struct kvm *)*key;

	if ((__u64)BPF_CORE_READ(kvm, mm) != owner->mm)
		return 0;
	owner->kvm = *key;
	owner->vm = vm->id;
	owner->count++;
	return 0;
}

/* The one VM of the process with this address space; vm is 0 if there is none, or more than one. */
static __always_inline void owner_find(__u64 mm, struct owner *ret_owner)
{
	struct owner owner = { .mm = mm };

	bpf_for_each_map_elem(&kcoh_vms, owner_match, &owner, 0);
	if (owner.count != 1) {
		owner.kvm = 0;
		owner.vm = 0;
	}
	*ret_owner = owner;
}

static __always_inline int vm_alive(const struct kcoh_stream *stream)
{
	__u64 kvm = stream->kvm;
	struct vm_rec *vm = kvm ? bpf_map_lookup_elem(&kcoh_vms, &kvm) : NULL;

	return vm && vm->id == stream->vm;
}

static __always_inline void send_device(const struct kcoh_stream *stream, __u32 sid, __u8 state)
{
	__u32 vm = vm_alive(stream) ? stream->vm : KCOH_VM_NONE;
	struct kcoh_ev_device *ev;

	if (!ev_reserve(ev, KCOH_EV_DEVICE, vm, KCOH_VCPU_NONE))
		return;
	ev->sid = sid;
	ev->group = stream->group;
	ev->state = state;
	ev->via = stream->via;
	__builtin_memcpy(ev->device, stream->device, sizeof(ev->device));
	__builtin_memcpy(ev->smmu, stream->smmu, sizeof(ev->smmu));
	ev_submit(ev);
}

static __always_inline void stream_name(struct kcoh_stream *stream, struct device *dev)
{
	struct iommu_group *group = dev ? BPF_CORE_READ(dev, iommu_group) : NULL;

	stream->dev = (__u64)dev;
	stream->group = group ? BPF_CORE_READ(group, id) : KCOH_GROUP_NONE;
	stream->device[0] = 0;
	if (dev)
		bpf_probe_read_kernel_str(stream->device, sizeof(stream->device),
					  BPF_CORE_READ(dev, kobj.name));
}

static __noinline struct kcoh_stream *stream_get(struct arm_smmu_device___v3 *smmu, __u32 sid,
						 __u32 kind)
{
	struct kcoh_stream_key key = { .smmu = (__u64)smmu, .sid = sid, .kind = kind };
	struct kcoh_stream *stream = bpf_map_lookup_elem(&kcoh_streams, &key);
	struct kcoh_stream new = { .group = KCOH_GROUP_NONE };

	if (stream)
		return stream;
	bpf_probe_read_kernel_str(new.smmu, sizeof(new.smmu), BPF_CORE_READ(smmu, dev, kobj.name));
	bpf_map_update_elem(&kcoh_streams, &key, &new, BPF_NOEXIST);
	stream = bpf_map_lookup_elem(&kcoh_streams, &key);
	if (stream)
		return stream;
	key.sid = KCOH_SID_NONE; /* no room: all others together */
	bpf_map_update_elem(&kcoh_streams, &key, &new, BPF_NOEXIST);
	return bpf_map_lookup_elem(&kcoh_streams, &key);
}

/* The device may have gone since, and its StreamID have another one; its VM may have come since. */
static __always_inline void stream_refresh(struct kcoh_stream *stream,
					   struct arm_smmu_device___v3 *smmu, __u32 sid)
{
	struct device *dev = device_find(smmu, sid);
	struct owner owner;

	if ((__u64)dev != stream->dev || !stream->device[0]) {
		if ((__u64)dev != stream->dev)
			stream->mm = stream->kvm = 0;
		stream_name(stream, dev);
	}
	if (!stream->mm || vm_alive(stream))
		return;
	owner_find(stream->mm, &owner);
	stream->kvm = owner.kvm;
	stream->vm = owner.vm;
	if (owner.vm)
		send_device(stream, sid, KCOH_DEVICE_TAKEN);
}

/* --- events ------------------------------------------------------------------------------------ */

static __always_inline int burst_over(struct kcoh_stream *stream, __u32 max)
{
	__u64 now = bpf_ktime_get_ns();

	if (now - stream->second_ns >= SECOND_NS) {
		stream->second_ns = now;
		stream->burst = 0;
	}
	return stream->burst++ >= max;
}

/* 1 if it went into the ring. */
static __always_inline int send_event(const struct kcoh_stream *stream, __u32 kind, __u64 count,
				      const __u64 *raw)
{
	struct kcoh_ev_smmu *ev = bpf_ringbuf_reserve(&kcoh_ring, sizeof(*ev), 0);

	if (!ev)
		return 0;
	__builtin_memset(ev, 0, sizeof(*ev));
	ev_header(&ev->hdr, KCOH_EV_SMMU, sizeof(*ev), vm_alive(stream) ? stream->vm : 0,
		  KCOH_VCPU_NONE);
	if (raw)
		bpf_probe_read_kernel(ev->raw, sizeof(ev->raw), raw);
	ev->count = count;
	ev->group = stream->group;
	ev->kind = kind;
	__builtin_memcpy(ev->device, stream->device, sizeof(ev->device));
	__builtin_memcpy(ev->smmu, stream->smmu, sizeof(ev->smmu));
	ev_submit(ev);
	return 1;
}

/*
 * Notes `count` events. `sent` is counted before `events`: who reads both in between sees nothing to
 * fold, and never something that was sent.
 */
static __noinline int note(struct arm_smmu_device___v3 *smmu, __u32 kind, __u64 count,
			   const __u64 *raw)
{
	__u32 sid = raw ? kcoh_smmu_sid(raw) : KCOH_SID_NONE;
	struct kcoh_smmu_sums *all = sums();
	struct kcoh_stream *stream = stream_get(smmu, sid, kind);

	if (!all || !stream) {
		lose(KCOH_LOST_RING);
		return 0;
	}
	if (raw)
		stream->last = raw[0];
	if (!burst_over(stream, raw ? BURST_MAX : 1)) {
		if (raw)
			stream_refresh(stream, smmu, sid);
		if (send_event(stream, kind, count, raw)) {
			__sync_fetch_and_add(&stream->sent, count);
			__sync_fetch_and_add(&all->sent, count);
		}
	}
	__sync_fetch_and_add(&stream->events, count);
	__sync_fetch_and_add(&all->events, count);
	return 0;
}

/* --- the queue --------------------------------------------------------------------------------- */

static __always_inline __u32 queue_slots(struct arm_smmu_device___v3 *smmu)
{
	return 1u << (BPF_CORE_READ(smmu, evtq.q.llq.max_n_shift) & 31);
}

static __noinline struct queue *queue_get(struct arm_smmu_device___v3 *smmu)
{
	__u64 key = (__u64)smmu;
	struct queue *queue = bpf_map_lookup_elem(&kcoh_queues, &key);
	struct queue new = {};

	if (queue)
		return queue;
	new.taken = BPF_CORE_READ(smmu, evtq.q.llq.cons) & (2 * queue_slots(smmu) - 1);
	new.read = new.taken;
	new.overflow = BPF_CORE_READ(smmu, evtq.q.llq.prod) & OVERFLOW;
	bpf_map_update_elem(&kcoh_queues, &key, &new, BPF_NOEXIST);
	return bpf_map_lookup_elem(&kcoh_queues, &key);
}

/* Follows cons. Any CPU may; if another one does at the same moment, either is right. */
static __always_inline void look(struct arm_smmu_device___v3 *smmu, struct queue *queue)
{
	__u64 before = queue->taken;
	__u32 cons = BPF_CORE_READ(smmu, evtq.q.llq.cons);
	__u64 more = (cons - (__u32)before) & (2 * queue_slots(smmu) - 1);

	if (more)
		__sync_val_compare_and_swap(&queue->taken, before, before + more);
}

struct reading {
	struct arm_smmu_device___v3 *smmu;
	const __u64 *base;
	__u64 at;
	__u32 mask;
	__u32 pad;
};

static int read_slot(__u32 i, struct reading *reading)
{
	const __u64 *slot = reading->base + (reading->at++ & reading->mask) * KCOH_SMMU_WORDS;
	__u64 raw[KCOH_SMMU_WORDS];

	if (bpf_probe_read_kernel(raw, sizeof(raw), slot))
		note(reading->smmu, KCOH_SMMU_UNREAD, 1, NULL);
	else
		note(reading->smmu, KCOH_SMMU_EVENT, 1, raw);
	return 0;
}

static __always_inline int evtq_enter(struct arm_smmu_device___v3 *smmu)
{
	struct kcoh_smmu_sums *all = sums();
	struct queue *queue = queue_get(smmu);

	if (!queue || !all)
		return 0;
	look(smmu, queue);
	if (!queue->inside)
		__sync_fetch_and_add(&all->inside, 1);
	queue->inside = 1;
	return 0;
}

static __always_inline int evtq_leave(struct arm_smmu_device___v3 *smmu)
{
	struct kcoh_smmu_sums *all = sums();
	struct queue *queue = queue_get(smmu);
	struct reading reading = { .smmu = smmu };
	__u32 slots = queue_slots(smmu), overflow;
	__u64 safe = slots - slots / 4, more;

	if (!queue || !all)
		return 0;
	look(smmu, queue);
	look(smmu, queue);
	more = queue->taken - queue->read;
	if (more > safe) {
		note(smmu, KCOH_SMMU_UNREAD, more - safe, NULL);
		more = safe;
	}
	reading.base = BPF_CORE_READ(smmu, evtq.q.base);
	reading.at = queue->taken - more;
	reading.mask = slots - 1;
	queue->read = queue->taken;
	if (more)
		bpf_loop(more & (2 * QUEUE_MAX - 1), read_slot, &reading, 0);
	overflow = BPF_CORE_READ(smmu, evtq.q.llq.prod) & OVERFLOW;
	if (overflow != queue->overflow)
		note(smmu, KCOH_SMMU_LOST, 1, NULL);
	queue->overflow = overflow;
	if (queue->inside)
		__sync_fetch_and_add(&all->inside, -1);
	queue->inside = 0;
	return 0;
}

/* irqreturn_t arm_smmu_evtq_thread(int irq, void *dev) */
SEC("fentry/arm_smmu_evtq_thread")
int BPF_PROG(smmu_evtq_fe, int irq, void *dev)
{
	return evtq_enter(dev);
}

SEC("kprobe/arm_smmu_evtq_thread")
int BPF_KPROBE(smmu_evtq_kp, int irq, void *dev)
{
	__u32 thread = bpf_get_current_pid_tgid();
	__u64 smmu = (__u64)dev;

	bpf_map_update_elem(&kcoh_evtq_threads, &thread, &smmu, BPF_ANY);
	return evtq_enter(dev);
}

SEC("fexit/arm_smmu_evtq_thread")
int BPF_PROG(smmu_evtq_fx, int irq, void *dev)
{
	return evtq_leave(dev);
}

SEC("kretprobe/arm_smmu_evtq_thread")
int BPF_KPROBE(smmu_evtq_kr)
{
	__u32 thread = bpf_get_current_pid_tgid();
	__u64 *smmu = bpf_map_lookup_elem(&kcoh_evtq_threads, &thread);

	return smmu ? evtq_leave((struct arm_smmu_device___v3 *)*smmu) : 0;
}

/* int arm_smmu_handle_evt(struct arm_smmu_device *smmu, u64 *evt), where it is not inlined */
SEC("kprobe/arm_smmu_handle_evt")
int BPF_KPROBE(smmu_event_kp, struct arm_smmu_device___v3 *smmu, const __u64 *evt)
{
	struct queue *queue = queue_get(smmu);
	__u64 raw[KCOH_SMMU_WORDS], missed;

	if (!queue || bpf_probe_read_kernel(raw, sizeof(raw), evt))
		return 0; /* it is read at the thread's end */
	look(smmu, queue);
	missed = queue->taken - queue->read;
	queue->read = queue->taken;
	if (missed > 1)
		note(smmu, KCOH_SMMU_UNREAD, missed - 1, NULL);
	note(smmu, KCOH_SMMU_EVENT, 1, raw);
	return 0;
}

const char gerror_begins[] = "unexpected global error ";

/*
 * dev_warn(smmu->dev, "unexpected global error reported (0x%08x), this could be serious\n", active) of
 * arm_smmu_gerror_handler(): the register itself is out of our reach.
 */
SEC("kprobe/_dev_warn")
int BPF_KPROBE(smmu_gerror_kp, struct device *dev, const char *format, __u32 active)
{
	char text[sizeof(gerror_begins)] = {};
	struct arm_smmu_device___v3 *smmu;
	unsigned int i;

	if (!(active & GERROR_EVENTQ_ABT) || bpf_probe_read_kernel(text, sizeof(text) - 1, format))
		return 0;
	for (i = 0; i < sizeof(gerror_begins); i++)
		if (text[i] != gerror_begins[i])
			return 0;
	smmu = BPF_CORE_READ(dev, driver_data);
	if (BPF_CORE_READ(smmu, dev) == dev)
		note(smmu, KCOH_SMMU_LOST, 1, NULL);
	return 0;
}

static long look_each(struct bpf_map *map, const __u64 *key, struct queue *queue, void *ctx)
{
	if (queue->inside)
		look((struct arm_smmu_device___v3 *)*key, queue);
	return 0;
}

/* Run by the loader while a thread is inside. */
SEC("syscall")
int smmu_look(void *ctx)
{
	bpf_for_each_map_elem(&kcoh_queues, look_each, NULL, 0);
	return 0;
}

/* --- owners ------------------------------------------------------------------------------------ */

struct taking {
	struct list_head *at, *head;
	__u64 mm;
	__u64 domain; /* not 0: the device is attached to it, and nothing else */
	__u8 via;
	__u8 state;
	__u8 pad[6];
};

/* The SMMUv3's own structure for a device, or NULL: then the device is behind none. */
static __always_inline struct arm_smmu_master *master_of(struct device *dev)
{
	struct arm_smmu_master *master = BPF_CORE_READ(dev, iommu, priv);

	return master && BPF_CORE_READ(master, dev) == dev ? master : NULL;
}

static __always_inline void stream_take(struct kcoh_stream *stream, struct device *dev, __u32 sid,
					const struct taking *taking)
{
	struct owner owner;

	if (taking->domain) {
		if (stream->mm)
			stream->domain = taking->domain;
		return;
	}
	if (taking->state == KCOH_DEVICE_RELEASED) {
		stream->domain = 0;
		if (stream->vm)
			send_device(stream, sid, KCOH_DEVICE_RELEASED);
		stream->mm = stream->kvm = 0;
		stream->vm = 0;
		return;
	}
	owner_find(taking->mm, &owner);
	if (taking->state == KCOH_DEVICE_FOUND && (!owner.vm || owner.vm == stream->vm))
		return; /* a copy of the file in another process, or nothing new */
	stream_name(stream, dev);
	stream->domain = taking->state == KCOH_DEVICE_FOUND ?
				 (__u64)BPF_CORE_READ(dev, iommu_group, domain) :
				 0;
	stream->mm = taking->mm;
	stream->via = taking->via;
	stream->kvm = owner.kvm;
	stream->vm = owner.vm;
	if (owner.vm)
		send_device(stream, sid, taking->state);
}

static __noinline int device_take(struct device *dev, struct taking *taking)
{
	struct arm_smmu_master *master = master_of(dev);
	struct arm_smmu_device___v3 *smmu;
	struct arm_smmu_stream *streams;
	struct kcoh_stream *stream;
	__u32 sid;

	if (!master || !taking)
		return 0;
	smmu = BPF_CORE_READ(master, smmu);
	streams = BPF_CORE_READ(master, streams);
	if (!BPF_CORE_READ(master, num_streams))
		return 0;
	sid = BPF_CORE_READ(streams, id);
	stream = stream_get(smmu, sid, KCOH_SMMU_EVENT);
	if (stream)
		stream_take(stream, dev, sid, taking);
	return 0;
}

static int group_step(__u32 i, struct taking *taking)
{
	struct group_device *device;

	if (taking->at == taking->head || !taking->at)
		return 1;
	device = (void *)taking->at - bpf_core_field_offset(struct group_device, list);
	taking->at = BPF_CORE_READ(device, list.next);
	device_take(BPF_CORE_READ(device, dev), taking);
	return 0;
}

static __always_inline int group_take(struct iommu_group *group, struct taking *taking)
{
	taking->head = __builtin_preserve_access_index(&group->devices);
	taking->at = BPF_CORE_READ(group, devices.next);
	bpf_loop(GROUP_MAX, group_step, taking, 0);
	return 0;
}

static __always_inline __u64 current_mm(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return (__u64)BPF_CORE_READ(task, mm);
}

/* At its entry, as a return probe would not know the group: it succeeds if nobody owns it yet. */
static __always_inline int group_claim(struct iommu_group *group)
{
	struct taking taking = { .mm = current_mm(), .state = KCOH_DEVICE_TAKEN };

	return BPF_CORE_READ(group, owner_cnt) ? 0 : group_take(group, &taking);
}

SEC("fentry/iommu_group_claim_dma_owner")
int BPF_PROG(group_claim_fe, struct iommu_group *group)
{
	return group_claim(group);
}

SEC("kprobe/iommu_group_claim_dma_owner")
int BPF_KPROBE(group_claim_kp, struct iommu_group *group)
{
	return group_claim(group);
}

static __always_inline int group_release(struct iommu_group *group)
{
	struct taking taking = { .state = KCOH_DEVICE_RELEASED };

	return group_take(group, &taking);
}

SEC("fentry/iommu_group_release_dma_owner")
int BPF_PROG(group_release_fe, struct iommu_group *group)
{
	return group_release(group);
}

SEC("kprobe/iommu_group_release_dma_owner")
int BPF_KPROBE(group_release_kp, struct iommu_group *group)
{
	return group_release(group);
}

static __always_inline int device_claim(struct device *dev, void *owner)
{
	struct taking taking = { .mm = current_mm(), .via = KCOH_VIA_IOMMUFD };

	if (BPF_CORE_READ(dev, iommu_group, owner_cnt) &&
	    BPF_CORE_READ(dev, iommu_group, owner) != owner)
		return 0;
	return device_take(dev, &taking);
}

SEC("fentry/iommu_device_claim_dma_owner")
int BPF_PROG(device_claim_fe, struct device *dev, void *owner)
{
	return device_claim(dev, owner);
}

SEC("kprobe/iommu_device_claim_dma_owner")
int BPF_KPROBE(device_claim_kp, struct device *dev, void *owner)
{
	return device_claim(dev, owner);
}

static __always_inline int device_release(struct device *dev)
{
	struct taking taking = { .state = KCOH_DEVICE_RELEASED };

	return device_take(dev, &taking);
}

SEC("fentry/iommu_device_release_dma_owner")
int BPF_PROG(device_release_fe, struct device *dev)
{
	return device_release(dev);
}

SEC("kprobe/iommu_device_release_dma_owner")
int BPF_KPROBE(device_release_kp, struct device *dev)
{
	return device_release(dev);
}

/* Whose device it is has been noted before: a domain is attached when the device has an owner. */
static __always_inline int group_attach(struct iommu_domain *domain, struct iommu_group *group)
{
	struct taking taking = { .domain = (__u64)domain };

	return group_take(group, &taking);
}

SEC("fentry/iommu_attach_group")
int BPF_PROG(group_attach_fe, struct iommu_domain *domain, struct iommu_group *group)
{
	return group_attach(domain, group);
}

SEC("kprobe/iommu_attach_group")
int BPF_KPROBE(group_attach_kp, struct iommu_domain *domain, struct iommu_group *group)
{
	return group_attach(domain, group);
}

/* --- devices from before ----------------------------------------------------------------------- */

/* A device's file: "[vfio-device]", which a group gives out, or /dev/vfio/devices/vfioN. */
static __always_inline int is_vfio_device(struct dentry *dentry, __u8 *ret_via)
{
	char name[16] = {};

	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(dentry, d_name.name));
	if (BPF_CORE_READ(dentry, d_sb, s_magic) == ANON_INODE_FS_MAGIC) {
		*ret_via = KCOH_VIA_GROUP;
		return name[0] == '[' && name[1] == 'v' && name[2] == 'f' && name[3] == 'i' &&
		       name[4] == 'o' && name[5] == '-' && name[6] == 'd';
	}
	*ret_via = KCOH_VIA_IOMMUFD;
	return name[0] == 'v' && name[1] == 'f' && name[2] == 'i' && name[3] == 'o' &&
	       name[4] >= '0' && name[4] <= '9';
}

/*
 * VFIO is a module, and its types may not be there when we are loaded. A device's file leads to
 * struct vfio_device, which begins with its struct device: at once, or since 6.6 by one step more.
 * Either is tried; what is none has no SMMU's structure that points back to it.
 */
SEC("iter/task_file")
int devlist(struct bpf_iter__task_file *ctx)
{
	struct taking taking = { .state = KCOH_DEVICE_FOUND };
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct device *dev = NULL, *deeper = NULL;
	void *data;

	if (!task || !file || !is_vfio_device(BPF_CORE_READ(file, f_path.dentry), &taking.via))
		return 0;
	data = BPF_CORE_READ(file, private_data);
	taking.mm = (__u64)BPF_CORE_READ(task, mm);
	bpf_probe_read_kernel(&dev, sizeof(dev), data);
	bpf_probe_read_kernel(&deeper, sizeof(deeper), dev);
	device_take(dev, &taking);
	device_take(deeper, &taking);
	return 0;
}
