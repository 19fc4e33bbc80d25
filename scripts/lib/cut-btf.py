#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# Cut the kernel's own BTF (its type information) out of an uncompressed arm64 Image.
#
# The Image is a flat memory image without section headers, so the blob is found by its header: magic 0xeb9f,
# version 1, flags 0, header length 24, types at offset 0 and strings right behind the types. Chance matches are
# ruled out by those equalities; of several blobs the largest is the kernel's. It takes about 0.1 s and no boot.
#
# Usage: cut-btf.py IMAGE OUTPUT

import struct
import sys

HEADER = struct.Struct("<HBBIIIII")
START = HEADER.pack(0xEB9F, 1, 0, 24, 0, 0, 0, 0)[:8]


def blobs(image):
    at = image.find(START)
    while at >= 0:
        if at + HEADER.size <= len(image):
            _, _, _, hdr_len, type_off, type_len, str_off, str_len = HEADER.unpack_from(image, at)
            end = at + hdr_len + str_off + str_len
            if type_off == 0 and str_off == type_len and end <= len(image) and str_len:
                yield image[at:end]
        at = image.find(START, at + 1)


def main():
    image_name, out_name = sys.argv[1:]
    with open(image_name, "rb") as f:
        image = f.read()
    best = max(blobs(image), key=len, default=b"")
    if len(best) < 1 << 20:
        sys.exit(f"cut-btf: {image_name} holds no BTF of a kernel; is it compressed?")
    with open(out_name, "wb") as f:
        f.write(best)


main()
