// SPDX-License-Identifier: GPL-2.0-only
/* ftrace hands over arguments without a full pt_regs. */
#include <linux/ftrace.h>
unsigned long probe(struct ftrace_regs *fregs);
unsigned long probe(struct ftrace_regs *fregs)
{
	return ftrace_regs_get_argument(fregs, 0);
}
