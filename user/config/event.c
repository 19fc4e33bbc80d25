// SPDX-License-Identifier: GPL-2.0-only
/*
 * event.c - a policy as the record that the core takes.
 */
#include "config/config.h"

void kcoh_policy_event(const struct kcoh_policy *policy, bool can_cancel,
		       struct kcoh_ev_policy *ret_ev)
{
	ret_ev->strategy = policy->strategy;
	ret_ev->guard = policy->guard;
	ret_ev->arm_deadline_ms = policy->arm_deadline_ms;
	ret_ev->defer_ms = policy->defer_deadline_ms;
	ret_ev->hold_ms = policy->hold_deadline_ms;
	ret_ev->tolerate = (policy->without_module_allow ? KCOH_TOLERATE_NO_MODULE : 0) |
			   (policy->when_blind_allow ? KCOH_TOLERATE_BLIND : 0);
	ret_ev->can_cancel = can_cancel && policy->cancel;
	ret_ev->last_resort = policy->last_resort && policy->cancel;
}
