/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * paint.h - colours, on a terminal only.
 */
#ifndef KCOH_PAINT_H
#define KCOH_PAINT_H

enum paint { PAINT_PLAIN, PAINT_GOOD, PAINT_CARE, PAINT_BAD, PAINT_DIM, PAINT_BOLD };

/* What to print before coloured text; "" unless standard output is a terminal that wants colours. */
const char *paint(enum paint colour);

/* The colour of a verdict, of a cache state, or of a window's state, by its name. */
enum paint paint_of(const char *word);

#endif
