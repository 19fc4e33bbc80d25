/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * text.h - text from outside: numbers, UUIDs, and names that may hold anything.
 */
#ifndef KCOH_TEXT_H
#define KCOH_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/* A decimal number and nothing else. 0, -EINVAL, or -ERANGE if it does not fit. */
int kcoh_text_u32(const char *text, uint32_t *ret_value);
int kcoh_text_u64(const char *text, uint64_t *ret_value);

/* 8-4-4-4-12 hexadecimal digits, either case. */
bool kcoh_text_is_uuid(const char *text);

/* Replaces, in place, each byte that is no part of valid UTF-8, and each control character, by '?'. */
void kcoh_text_printable(char *text);

#endif
