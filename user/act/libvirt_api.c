// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvirt_api.c - finds libvirt's library and the functions that are used of it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

#include "act/libvirt_api.h"

/* A function's address as dlsym() gives it, stored where a pointer to that function is. */
static int find(void *library, const char *name, void *ret_function, char *err, size_t err_len)
{
	*(void **)ret_function = dlsym(library, name);
	if (*(void **)ret_function)
		return 0;
	snprintf(err, err_len, "%s is too old: it has no %s", KCOH_LV_LIBRARY, name);
	return -ENOSYS;
}

int lv_load(struct lv *ret_lv, char *err, size_t err_len)
{
	void *library = dlopen(KCOH_LV_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	int ret = 0;

	if (!library) {
		snprintf(err, err_len, "libvirt's library cannot be loaded: %s", dlerror());
		return -ENOENT;
	}
#define FIND(result, name, arguments)                                                              \
	if (ret == 0)                                                                              \
		ret = find(library, "vir" #name, &ret_lv->name, err, err_len);
	LV_FUNCTIONS(FIND)
#undef FIND
	dlclose(library); /* of NODELETE: this leaves it where it is */
	return ret;
}
