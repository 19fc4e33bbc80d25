// SPDX-License-Identifier: GPL-2.0-only
/*
 * text.c - text from outside.
 *
 * strtoul() takes signs, blanks and what follows a number; an id or a sequence number that somebody
 * types has none of these, so digits are read here, and only digits. UTF-8 is checked as RFC 3629 has it:
 * no overlong forms, no surrogates, nothing above U+10FFFF; and the C1 controls (U+0080 to U+009F) are
 * controls too, since a terminal may take U+009B for the start of an escape sequence.
 */
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "names/text.h"

int kcoh_text_u64(const char *text, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
			return -ERANGE;
	}
	*ret_value = value;
	return 0;
}

int kcoh_text_u32(const char *text, uint32_t *ret_value)
{
	uint64_t value;
	int err = kcoh_text_u64(text, &value);

	if (err < 0)
		return err;
	if (value > UINT32_MAX)
		return -ERANGE;
	*ret_value = (uint32_t)value;
	return 0;
}

bool kcoh_text_is_uuid(const char *text)
{
	if (strlen(text) != 36)
		return false;
	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return true;
}

/* Bytes of the printable character at p, 0 if there is none. */
static size_t printable_bytes(const unsigned char *p)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
	uint32_t code;

	if (n < 2)
		return n && *p >= 0x20 && *p != 0x7f;
	code = *p & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < smallest[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return code >= 0xa0 ? n : 0;
}

void kcoh_text_printable(char *text)
{
	while (*text) {
		size_t n = printable_bytes((const unsigned char *)text);

		if (!n)
			*text = '?';
		text += n ? n : 1;
	}
}
