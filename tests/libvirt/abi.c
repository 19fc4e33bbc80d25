// SPDX-License-Identifier: GPL-2.0-only
/*
 * abi.c - is what user/act/libvirt_api.h says of libvirt what libvirt's headers say? That it compiles is the test.
 *
 * Each function must have the result and the arguments that are declared there, when libvirt's types stand in for ours.
 */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#define lv_conn _virConnect
#define lv_domain _virDomain
#define lv_param _virTypedParameter
#include "act/libvirt_api.h"

/* const and typedefs of callbacks apart, which a caller's code does not depend on. */
#define SAME_EVENT(ours, theirs) _Static_assert(__builtin_types_compatible_p(ours, theirs), #theirs)
SAME_EVENT(lv_lifecycle_fn, virConnectDomainEventCallback);
SAME_EVENT(lv_iteration_fn, virConnectDomainEventMigrationIterationCallback);
SAME_EVENT(lv_completed_fn, virConnectDomainEventJobCompletedCallback);
SAME_EVENT(lv_event_fn, virConnectDomainEventGenericCallback);
SAME_EVENT(lv_handle_fn, virEventHandleCallback);
SAME_EVENT(lv_timeout_fn, virEventTimeoutCallback);
SAME_EVENT(lv_close_fn, virConnectCloseFunc);
SAME_EVENT(lv_free_fn, virFreeCallback);

#define SAME_FUNCTION(result, name, arguments)                                                     \
	_Static_assert(__builtin_types_compatible_p(result arguments, __typeof__(vir##name)),      \
		       "vir" #name);
#define virSetErrorFunc set_error_func
void set_error_func(void *ctx, lv_error_fn fn); /* its callback takes a virErrorPtr: below */
LV_FUNCTIONS(SAME_FUNCTION)
#undef virSetErrorFunc
_Static_assert(__builtin_types_compatible_p(__typeof__(virSetErrorFunc),
					    void(void *, virErrorFunc)),
	       "virSetErrorFunc");
_Static_assert(__builtin_types_compatible_p(virErrorFunc, void (*)(void *, virErrorPtr)),
	       "virErrorFunc");

#define SAME(name) _Static_assert((int)LV_##name == (int)VIR_##name, #name)
SAME(CONNECT_LIST_DOMAINS_ACTIVE);
SAME(EVENT_HANDLE_READABLE);
SAME(DOMAIN_EVENT_ID_LIFECYCLE);
SAME(DOMAIN_EVENT_ID_MIGRATION_ITERATION);
SAME(DOMAIN_EVENT_ID_JOB_COMPLETED);
SAME(DOMAIN_EVENT_STARTED);
SAME(DOMAIN_EVENT_RESUMED);
SAME(DOMAIN_EVENT_STOPPED);
SAME(DOMAIN_EVENT_STOPPED_MIGRATED);
SAME(DOMAIN_RUNNING);
SAME(DOMAIN_PAUSED);
SAME(DOMAIN_SHUTOFF);
SAME(DOMAIN_PAUSED_POSTCOPY);
SAME(DOMAIN_PAUSED_POSTCOPY_FAILED);
SAME(DOMAIN_JOB_NONE);
SAME(DOMAIN_JOB_COMPLETED);
SAME(DOMAIN_JOB_FAILED);
SAME(DOMAIN_JOB_CANCELLED);
SAME(DOMAIN_JOB_OPERATION_MIGRATION_OUT);
SAME(ERR_NO_DOMAIN);
_Static_assert(LV_UUID_LEN == VIR_UUID_STRING_BUFLEN, "UUID");
_Static_assert(!__builtin_strcmp(LV_DOMAIN_JOB_OPERATION, VIR_DOMAIN_JOB_OPERATION), "operation");
