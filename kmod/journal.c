// SPDX-License-Identifier: GPL-2.0-only
/*
 * journal.c - which pages were cleaned, when: what tests and auditors read.
 *
 * A ring per VM, off until its owner gives it room. An entry is added after the DSB that completed the cleaning of
 * its pages. A full ring counts and drops the new entry: what is in it stays true, and the reader knows
 * that it is not everything.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

#include "fail.h"
#include "kcoh.h"

#define MAX_ENTRIES (1u << 20)

struct kcoh_journal {
	u32 size; /* a power of two */
	u32 head, tail; /* next to write, next to read; they wrap at 2^32 */
	struct kcoh_journal_entry entry[];
};

void kcoh_journal_add(struct kcoh_vm *vm, u32 slot_id, u64 gfn, u64 pages)
{
	struct kcoh_journal *j;
	bool added = false;

	if (!READ_ONCE(vm->journal))
		return;
	spin_lock(&vm->journal_lock);
	j = vm->journal;
	if (j && j->head - j->tail < j->size) {
		j->entry[j->head++ & (j->size - 1)] = (struct kcoh_journal_entry){
			.ts_ns = ktime_get_ns(),
			.gfn = gfn,
			.pages = pages,
			.slot_id = slot_id,
			.tid = task_pid_nr(current),
		};
		added = true;
	} else if (j) {
		atomic64_inc(&vm->journal_lost);
	}
	spin_unlock(&vm->journal_lock);
	if (added)
		wake_up_interruptible(&vm->wait);
}

int kcoh_journal_resize(struct kcoh_vm *vm, u32 entries)
{
	struct kcoh_journal *new = NULL, *old;

	if (entries > MAX_ENTRIES || (entries && !is_power_of_2(entries)))
		return -EINVAL;
	if (entries) {
		new = kcoh_fail(KCOH_FAIL_JOURNAL) ?
			      NULL :
			      kvzalloc(struct_size(new, entry, entries), GFP_KERNEL_ACCOUNT);
		if (!new)
			return -ENOMEM;
		new->size = entries;
	}
	spin_lock(&vm->journal_lock);
	old = vm->journal;
	WRITE_ONCE(vm->journal, new);
	spin_unlock(&vm->journal_lock);
	kvfree(old);
	return 0;
}

/* Takes up to n entries out; how many. */
static u32 journal_take(struct kcoh_vm *vm, struct kcoh_journal_entry *entries, u32 n)
{
	struct kcoh_journal *j;
	u32 i = 0;

	spin_lock(&vm->journal_lock);
	j = vm->journal;
	while (j && i < n && j->tail != j->head)
		entries[i++] = j->entry[j->tail++ & (j->size - 1)];
	spin_unlock(&vm->journal_lock);
	return i;
}

bool kcoh_journal_has(struct kcoh_vm *vm)
{
	bool has;

	spin_lock(&vm->journal_lock);
	has = vm->journal && vm->journal->tail != vm->journal->head;
	spin_unlock(&vm->journal_lock);
	return has;
}

ssize_t kcoh_journal_read(struct kcoh_vm *vm, char __user *buf, size_t len)
{
	struct kcoh_journal_entry entries[16];
	size_t room = len / sizeof(entries[0]), done = 0;
	u32 n;

	if (!room)
		return -EINVAL;
	while (done < room) {
		n = journal_take(vm, entries, min_t(size_t, ARRAY_SIZE(entries), room - done));
		if (!n)
			break;
		if (copy_to_user(buf + done * sizeof(entries[0]), entries, n * sizeof(entries[0])))
			return -EFAULT;
		done += n;
	}
	return done ? done * sizeof(entries[0]) : -EAGAIN;
}
