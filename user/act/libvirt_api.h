/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libvirt_api.h - the part of libvirt's C interface that kcohd uses, found at run time.
 *
 * kcohd is not linked with libvirt: on a host without it, or with `libvirt = none`, nothing of it is loaded. So these are declarations of our own,
 * under our own names, for what libvirt promises never to change. tests/libvirt/abi.c compares each with libvirt's headers (make check-libvirt).
 */
#ifndef KCOH_LIBVIRT_API_H
#define KCOH_LIBVIRT_API_H

#include <stddef.h>

#define KCOH_LV_LIBRARY "libvirt.so.0"

struct lv_conn; /* virConnect */
struct lv_domain; /* virDomain */
struct lv_param; /* virTypedParameter */

#define LV_UUID_LEN 37 /* VIR_UUID_STRING_BUFLEN */

/* Their values, by libvirt's names without VIR_. */
enum {
	LV_CONNECT_LIST_DOMAINS_ACTIVE = 1,
	LV_EVENT_HANDLE_READABLE = 1,
	LV_DOMAIN_EVENT_ID_LIFECYCLE = 0,
	LV_DOMAIN_EVENT_ID_MIGRATION_ITERATION = 20,
	LV_DOMAIN_EVENT_ID_JOB_COMPLETED = 21,
	LV_DOMAIN_EVENT_STARTED = 2,
	LV_DOMAIN_EVENT_RESUMED = 4,
	LV_DOMAIN_EVENT_STOPPED = 5,
	LV_DOMAIN_EVENT_STOPPED_MIGRATED = 3,
	LV_DOMAIN_RUNNING = 1,
	LV_DOMAIN_PAUSED = 3,
	LV_DOMAIN_SHUTOFF = 5,
	LV_DOMAIN_PAUSED_POSTCOPY = 12,
	LV_DOMAIN_PAUSED_POSTCOPY_FAILED = 13,
	LV_DOMAIN_JOB_NONE = 0,
	LV_DOMAIN_JOB_COMPLETED = 3,
	LV_DOMAIN_JOB_FAILED = 4,
	LV_DOMAIN_JOB_CANCELLED = 5,
	LV_DOMAIN_JOB_OPERATION_MIGRATION_OUT = 5,
	LV_ERR_NO_DOMAIN = 42,
};

#define LV_DOMAIN_JOB_OPERATION "operation"

typedef void (*lv_free_fn)(void *ctx);
typedef void (*lv_handle_fn)(int watch, int fd, int events, void *ctx);
typedef void (*lv_timeout_fn)(int timer, void *ctx);
typedef void (*lv_close_fn)(struct lv_conn *conn, int reason, void *ctx);
typedef void (*lv_event_fn)(struct lv_conn *conn, struct lv_domain *domain, void *ctx);
typedef void (*lv_error_fn)(void *ctx, void *error);
/* What lv_event_fn stands for, by the event's number. */
typedef int (*lv_lifecycle_fn)(struct lv_conn *conn, struct lv_domain *domain, int event,
			       int detail, void *ctx);
typedef void (*lv_iteration_fn)(struct lv_conn *conn, struct lv_domain *domain, int iteration,
				void *ctx);
typedef void (*lv_completed_fn)(struct lv_conn *conn, struct lv_domain *domain,
				struct lv_param *params, int n, void *ctx);

/* F(result, name, arguments): vir##name is the function's name in the library. */
#define LV_FUNCTIONS(F)                                                                            \
	F(int, Initialize, (void))                                                                 \
	F(void, SetErrorFunc, (void *ctx, lv_error_fn fn))                                         \
	F(const char *, GetLastErrorMessage, (void))                                               \
	F(int, GetLastErrorCode, (void))                                                           \
	F(int, EventRegisterDefaultImpl, (void))                                                   \
	F(int, EventRunDefaultImpl, (void))                                                        \
	F(int, EventAddHandle,                                                                     \
	  (int fd, int events, lv_handle_fn fn, void *ctx, lv_free_fn free_fn))                    \
	F(int, EventRemoveHandle, (int watch))                                                     \
	F(int, EventAddTimeout, (int ms, lv_timeout_fn fn, void *ctx, lv_free_fn free_fn))         \
	F(void, EventUpdateTimeout, (int timer, int ms))                                           \
	F(int, EventRemoveTimeout, (int timer))                                                    \
	F(struct lv_conn *, ConnectOpen, (const char *uri))                                        \
	F(int, ConnectClose, (struct lv_conn * conn))                                              \
	F(int, ConnectIsAlive, (struct lv_conn * conn))                                            \
	F(int, ConnectGetLibVersion, (struct lv_conn * conn, unsigned long *version))              \
	F(int, ConnectSetKeepAlive, (struct lv_conn * conn, int interval_s, unsigned int count))   \
	F(int, ConnectRegisterCloseCallback,                                                       \
	  (struct lv_conn * conn, lv_close_fn fn, void *ctx, lv_free_fn free_fn))                  \
	F(int, ConnectUnregisterCloseCallback, (struct lv_conn * conn, lv_close_fn fn))            \
	F(int, ConnectListAllDomains,                                                              \
	  (struct lv_conn * conn, struct lv_domain * **domains, unsigned int flags))               \
	F(int, ConnectDomainEventRegisterAny,                                                      \
	  (struct lv_conn * conn, struct lv_domain * domain, int event, lv_event_fn fn, void *ctx, \
	   lv_free_fn free_fn))                                                                    \
	F(int, ConnectDomainEventDeregisterAny, (struct lv_conn * conn, int callback))             \
	F(struct lv_domain *, DomainLookupByUUIDString, (struct lv_conn * conn, const char *uuid)) \
	F(int, DomainFree, (struct lv_domain * domain))                                            \
	F(const char *, DomainGetName, (struct lv_domain * domain))                                \
	F(int, DomainGetUUIDString, (struct lv_domain * domain, char *ret_uuid))                   \
	F(int, DomainGetState,                                                                     \
	  (struct lv_domain * domain, int *ret_state, int *ret_reason, unsigned int flags))        \
	F(int, DomainGetJobStats,                                                                  \
	  (struct lv_domain * domain, int *ret_type, struct lv_param **ret_params, int *ret_n,     \
	   unsigned int flags))                                                                    \
	F(int, DomainAbortJob, (struct lv_domain * domain))                                        \
	F(int, TypedParamsGetInt,                                                                  \
	  (struct lv_param * params, int n, const char *name, int *ret_value))                     \
	F(void, TypedParamsFree, (struct lv_param * params, int n))

struct lv {
#define LV_MEMBER(result, name, arguments) result(*name) arguments;
	LV_FUNCTIONS(LV_MEMBER)
#undef LV_MEMBER
};

/*
 * Loads libvirt's library, once; it stays loaded. 0; -ENOENT if it cannot be loaded, -ENOSYS if it is too old, and a sentence.
 */
int lv_load(struct lv *ret_lv, char *err, size_t err_len);

#endif
