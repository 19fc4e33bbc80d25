/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * swap.h - the loaded module goes, or another build comes in its place.
 */
#ifndef KCOH_HOST_SWAP_H
#define KCOH_HOST_SWAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Unloads kcoh.ko and loads the one that modprobe finds, with the parameters of modprobe.d. Nothing is unloaded if there is
 * none to load. *ret_ns is for how long there was no module.
 *
 * `root` is put before /sys (tests; "" else). The programs modinfo, rmmod and modprobe are found by PATH; what they complain
 * of goes to standard error. 0, or a negative errno and one sentence:
 *   -ENOENT     no module is loaded
 *   -ENOPKG     none is installed for this kernel; the loaded one stays
 *   -EBUSY      the loaded one cannot be removed, and stays
 *   -ENOTRECOVERABLE   it was removed, and the other one cannot be loaded: there is no module now
 */
int kcoh_host_swap(const char *root, uint64_t *ret_ns, char *err, size_t err_len);

/* Unloads kcoh.ko: 0, -ENOENT or -EBUSY as above. */
int kcoh_host_unload(const char *root, char *err, size_t err_len);

/*
 * For when neither kcohd nor the module answers (another ABI): is there certainly nothing that the loaded module cleans?
 * True if it is switched off, or if there is no VM at all (by debugfs; false if that cannot be read).
 */
bool kcoh_host_nothing_to_clean(const char *root);

#endif
