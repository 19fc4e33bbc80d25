/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fuzz.h - what the fuzz targets share: libFuzzer calls one function again and again, with bytes that it makes up from a corpus.
 *
 * A target may not fail by itself but through FUZZ_CHECK, which stops libFuzzer as a crash does: the bytes are kept in a file.
 */
#ifndef KCOH_TESTS_FUZZ_H
#define KCOH_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
