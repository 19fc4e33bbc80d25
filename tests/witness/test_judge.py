#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# The judge is judged: records written by hand, each with one thing wrong in it, and the word it must find for it.
#
# The good one is a harvest as it should be: KVM write-protects page 0x40001 of a slot, invalidates the TLBs, the module
# cleans the page's 64 lines, a DSB, the journal is read, user mode. 0.1 s.

import contextlib
import io
import sys
import tempfile

sys.dont_write_bytecode = True
import judge  # noqa: E402

TASK, OTHER, KVM, TABLES = 0xFFFF0001, 0xFFFF0002, 0xFFFF0003, 0x1000042F9A001
LINEAR, PFN, HVA = 0xFFFF000000000000, 0x50000, 0xAAAA0000
MODULE, KERNEL = 0xFFFF8000, 0xFFFF9000
VA = LINEAR + (PFN + 1) * 4096

GOOD = {
    "cpu": "V 0 40",
    "text": f"M 0 0 1 0 {KERNEL:x} 0 0 0 0",
    "text end": f"M 0 0 1 1 {KERNEL + 0x1000:x} 0 0 0 0",
    "map": f"L {LINEAR + 0x40000000:x} 40000000",
    "begin": "M 0 0 2 656e6f 0 0 0 0 0",
    "page size": "M 0 0 3 1000 0 0 0 0 0",
    "slot": f"S 0 {TASK:x} {KVM:x} 0 40000 10 {HVA:x} 1",
    "before": f"M 0 0 4 0 {HVA:x} {PFN:x} 8 0 0",
    "guest": f"G 0 {OTHER:x} {TABLES:x}",
    "open": f"O 0 {TASK:x} 7",
    "protect": f"P 0 {TASK:x} {KVM:x} 0 40000 {HVA:x} 0 102",
    "invalidate": f"T 0 {TASK:x} all {TABLES:x}",
    "invalidated": f"D 0 {TASK:x} b",
    "kernel's": f"C 0 {TASK:x} {KERNEL:x} {VA:x} 40",
    "clean": f"C 0 {TASK:x} {MODULE:x} {VA:x} 40",
    "barrier": f"D 0 {TASK:x} f",
    "claim": "M 0 0 5 40001 1 0 7 0 0",
    "return": f"E 0 {TASK:x}",
    "after": f"M 0 0 4 1 {HVA:x} {PFN:x} 8 0 0",
    "counts": "M 0 0 6 2 1 1 0 0 0",
    "end": "M 0 0 7 0 0 0 0 0 0",
    "whole": "Z",
}

# The judge's word: steps of the good record, and what stands there instead.
BAD = {
    "unseen": {"clean": ""},
    "partial": {"clean": f"C 0 {TASK:x} {MODULE:x} {VA:x} 3f"},
    "early": {"protect": GOOD["protect"] + "\n" + GOOD["clean"] + "\n" + GOOD["barrier"], "clean": "", "barrier": ""},
    "no-dsb": {"barrier": f"D 0 {TASK:x} b"},
    "no-tlbi": {"invalidate": f"T 0 {TASK:x} local {TABLES:x}"},
    "unclean": {"protect": f"P 0 {TASK:x} {KVM:x} 0 40000 {HVA:x} 0 106"},
    "stranger": {"claim": "M 0 0 5 40001 1 0 8 0 0"},
    "outside": {"claim": "M 0 0 5 40010 1 0 7 0 0"},
    "unnamed": {"return": GOOD["clean"] + "\n" + GOOD["barrier"] + "\n" + GOOD["return"]},
    "moved": {"after": f"M 0 0 4 1 {HVA:x} {PFN + 1:x} 8 0 0"},
    "tables": {"invalidate": f"T 0 {TASK:x} all {TABLES + 0x1000:x}"},
    "counts": {"counts": "M 0 0 6 3 1 1 0 0 0"},
    "lost": {"counts": "M 0 0 6 2 1 1 0 0 1"},
    "askew": {"clean": f"C 0 {TASK:x} {MODULE:x} {VA + 8:x} 40"},
    "several": {"return": f"P 0 {TASK:x} {KVM + 8:x} 0 40000 {HVA:x} 0 2\n" + GOOD["return"]},
    "nothing": {"protect": "", "claim": ""},
}
# Others that are wrong for the same word.
MORE = [
    ("early", {"invalidated": GOOD["clean"] + "\n" + GOOD["barrier"], "clean": "", "barrier": ""}),
    ("no-dsb", {"barrier": f"D 1 {TASK:x} f"}),
    ("no-dsb", {"barrier": f"D 0 {OTHER:x} f"}),
    ("unseen", {"claim": GOOD["claim"] + "\n" + GOOD["claim"]}),
    ("unseen", {"clean": f"O 0 {OTHER:x} 8\nC 0 {OTHER:x} {KERNEL:x} {VA:x} 40"}),
    ("outside", {"claim": "M 0 0 5 40008 1 0 7 0 0"}),
]


def words_of(changes):
    with tempfile.NamedTemporaryFile("w") as record, contextlib.redirect_stdout(io.StringIO()) as said:
        record.write("\n".join(filter(None, {**GOOD, **changes}.values())))
        record.flush()
        for run in judge.read(record.name)[2]:
            run.play()
            run.tell()
    lines = said.getvalue().splitlines()
    return ["ok"] if lines[0].startswith("ok ") else [line.split(": ")[1] for line in lines]


def main():
    failed = False
    for word, changes in [("ok", {})] + list(BAD.items()) + MORE:
        words = words_of(changes)
        if word not in words:
            failed = True
            print(f"FAIL judge: {' and '.join(changes) or 'a good record'}: said {words}, not {word}")
    if set(BAD) != set(judge.Run.WORDS):
        failed = True
        print(f"FAIL judge: no record is bad for {set(judge.Run.WORDS) - set(BAD)}")
    if not failed:
        print(f"PASS judge: a good record is good, {len(BAD) + len(MORE)} bad ones are found out in each word it has")
    sys.exit(failed)


main()
