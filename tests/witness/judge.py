#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# Judge the module's journal by what the witness (witness.c) saw being executed.
#
#   $ tests/witness/judge.py build/witness/record
#   ok off/auto: 1289 pages in 34 journal entries: 82496 lines cleaned, 35 DSB SY, 9 TLB invalidations before; …
#   bad journal-only/auto: unseen: 521 pages in the journal that nobody cleaned (the first: gfn 0x40083)
#
# A span is what a thread does from its entry into the kernel to its return to EL0: for a harvester, one ioctl.
# A page was cleaned if each of its lines was, by one thread in one span, by code that is not the kernel's own
# (KVM cleans, too), and a DSB SY of the same thread on the same CPU followed. What is proved of each run:
#
#   1. Each page of a journal entry was cleaned when the entry was read, by the thread that the entry names, once
#      for each time that it is named. A journal tells nothing that did not happen.
#   2. A page cleaned in a span was cleaned after the last invalidation of stage-2 TLBs (whole tables, all CPUs,
#      completed by a DSB) of that span, and one follows each write-protection. The tables are those of one VM that ran.
#   3. At its return to EL0 the thread leaves no line behind that no DSB SY followed.
#   4. Each page that KVM write-protected in a span, and that is populated, was cleaned in that span. So the
#      write-protected pages are those cleaned and those not populated, and the module's own counts say the same.
#
# What is cleaned without being write-protected in that span (a slot as a whole, the dirty pages of a stopped VM) is
# 'cleaned besides', and held to 1 and 3 alone. Populated is what /proc/PID/pagemap maps, other than the zero page, before and
# after the run. A page populated only after is 'populated later': whether it was at the harvest is unknown.

import sys
from collections import Counter, defaultdict

SYMBOL, BEGIN, HOST, PAGES, CLAIM, COUNTS, END = range(1, 8)
LOG_DIRTY_PAGES = 1
CNP = 1  # VTTBR_EL2.CnP: not part of the tables' address


class Page:
    """A page in a span: bits of lines."""

    __slots__ = ("seen", "done")

    def __init__(self):
        self.seen = self.done = 0


class Span:
    def __init__(self, tid):
        self.tid = tid
        self.pages = {}  # pfn: Page, not complete
        self.pending = defaultdict(dict)  # cpu: {pfn: lines without a DSB}
        self.cleaned = Counter()  # pfn: times
        self.protected = []  # host virtual page numbers
        self.started = []  # the same, of slots whose logging started
        self.exposed = False  # write-protected, and the invalidation is not complete
        self.early = set()  # pfns cleaned before it was
        self.invalidating = set()  # CPUs with one that no DSB followed


class Run:
    def __init__(self, name, host):
        self.name = name
        self.host = host  # what holds for the machine
        self.page_bytes = 4096
        self.events = []
        self.wrong = {}  # kind: [how many, the first]
        self.n = Counter()
        self.where = ({}, {})  # before, after: virtual page number: pfn
        self.slots = {}  # (kvm, slot): base, pages, virtual page number, flags
        self.spans = {}
        self.ended = []
        self.latest = {}  # pfn: Page, the last one touched
        self.free = defaultdict(list)  # pfn: tids of cleanings that no entry has named yet
        self.tables = defaultdict(set)  # kvm: tables invalidated
        self.entered = set()  # tables that a guest ran on
        self.counts = None

    def blame(self, kind, first, times=1):
        entry = self.wrong.setdefault(kind, [0, first])
        entry[0] += times

    # --- the record ---------------------------------------------------------------------------------------------

    def prepare(self):
        """What must be known beforehand: where pages are, and which VM is harvested."""
        for kind, _, _, rest in self.events:
            if kind == "M" and rest[0] == HOST:
                self.page_bytes = rest[1]
            if kind == "M" and rest[0] == PAGES:
                _, when, hva, pfn, pages = rest[:5]
                first = hva // self.page_bytes
                self.where[when].update(zip(range(first, first + pages), range(pfn, pfn + pages)))
        self.lines = self.page_bytes // self.host.line_bytes
        self.full = (1 << self.lines) - 1
        kvms = {rest[0] for kind, _, _, rest in self.events if kind == "P"}
        self.kvm = min(kvms, default=None)
        if len(kvms) > 1:
            self.blame("several", f"{len(kvms)} VMs were harvested in one run")

    def pfn(self, hvp):
        return self.where[1].get(hvp, self.where[0].get(hvp))

    def moved(self, hvp):
        before, after = (where.get(hvp) for where in self.where)
        return before is not None and before != after

    def play(self):
        self.prepare()
        for kind, cpu, task, rest in self.events:
            span = self.spans.get(task)
            if kind == "O" and span:
                span.tid = rest[0]
            elif kind == "O":
                self.spans[task] = Span(rest[0])
            elif kind == "C":
                self.on_clean(span, cpu, *rest)
            elif kind == "D":
                self.on_barrier(span, cpu, rest[0])
            elif kind == "T":
                self.on_invalidation(span, cpu, *rest)
            elif kind == "P":
                self.on_protect(span, *rest)
            elif kind == "S":
                self.on_slot(span, *rest)
            elif kind == "G":
                self.entered.add(rest[0] & ~CNP)
            elif kind == "E":
                self.on_return(self.spans.pop(task))
            elif kind == "M" and rest[0] == CLAIM:
                self.on_claim(*rest[1:5])
            elif kind == "M" and rest[0] == COUNTS:
                self.counts = rest[1:7]
        self.at_end()

    # --- what was executed --------------------------------------------------------------------------------------

    def on_clean(self, span, cpu, pc, va, lines):
        if self.host.text[0] <= pc < self.host.text[1]:
            self.n["kernel_lines"] += lines
            return
        self.n["lines"] += lines
        pa = va - self.host.linear
        if pa % self.host.line_bytes:
            self.blame("askew", f"address {va:#x} is not that of a line")
        at = pa // self.host.line_bytes
        end = at + lines
        while at < end:
            pfn, first = divmod(at, self.lines)
            n = min(end - at, self.lines - first)
            mask = ((1 << n) - 1) << first
            page = span.pages.setdefault(pfn, Page())
            page.seen |= mask
            self.latest[pfn] = page
            if span.exposed:
                self.too_early(span, [pfn])
            pending = span.pending[cpu]
            pending[pfn] = pending.get(pfn, 0) | mask
            at += n

    def on_barrier(self, span, cpu, option):
        if span is None:
            return
        if option in (0xB, 0xF) and cpu in span.invalidating:
            span.invalidating.discard(cpu)
            span.exposed = False
        if option != 0xF:
            return
        self.n["barriers"] += bool(span.pending[cpu])
        for pfn, mask in span.pending.pop(cpu).items():
            page = span.pages[pfn]
            page.done |= mask
            if page.done == self.full:
                del span.pages[pfn]
                span.cleaned[pfn] += 1
                self.free[pfn].append(span.tid)

    def on_invalidation(self, span, cpu, kind, tables):
        if kind != "all":
            return
        self.n["invalidations"] += 1
        if span.protected:
            self.tables[self.kvm].add(tables & ~CNP)
        self.too_early(span, list(span.cleaned) + list(span.pages))
        span.invalidating.add(cpu)

    def too_early(self, span, pfns):
        for pfn in pfns:
            if pfn not in span.early:
                span.early.add(pfn)
                self.blame("early", f"physical page {pfn:#x}")

    def on_protect(self, span, kvm, slot, base, hva, offset, mask):
        first = hva // self.page_bytes + offset
        span.exposed = True
        while mask:
            bit = mask & -mask
            span.protected.append(first + bit.bit_length() - 1)
            mask ^= bit

    def on_slot(self, span, kvm, slot, base, pages, hva, flags):
        first = hva // self.page_bytes
        before = self.slots.get((kvm, slot), (0, 0, 0, 0))
        self.slots[kvm, slot] = (base, pages, first, flags)
        if span and flags & ~before[3] & LOG_DIRTY_PAGES:
            span.started += range(first, first + pages)

    def on_claim(self, gfn, pages, slot, tid):
        base, size, first, _ = self.slots.get((self.kvm, slot), (0, 0, 0, 0))
        self.n["entries"] += 1
        self.n["claims"] += pages
        if not base <= gfn <= gfn + pages <= base + size:
            self.blame("outside", f"gfn {gfn:#x} of slot {slot}", pages)
            return
        for hvp in range(first + gfn - base, first + gfn - base + pages):
            self.claim_page(hvp, gfn + hvp - (first + gfn - base), tid)

    def claim_page(self, hvp, gfn, tid):
        pfn = self.pfn(hvp)
        if pfn is None:
            self.blame("outside", f"gfn {gfn:#x}")
        elif self.moved(hvp):
            self.blame("moved", f"gfn {gfn:#x}")
        elif self.free[pfn]:
            if tid in self.free[pfn]:
                self.free[pfn].remove(tid)
            else:
                self.blame("stranger", f"gfn {gfn:#x}, thread {tid}")
        elif pfn not in self.latest or self.latest[pfn].seen == self.latest[pfn].done == self.full:
            self.blame("unseen", f"gfn {gfn:#x}")
        elif self.latest[pfn].seen != self.full:
            seen = self.latest[pfn].seen.bit_count()
            self.blame("partial", f"gfn {gfn:#x}: {seen} of {self.lines} lines")
        else:
            self.blame("no-dsb", f"gfn {gfn:#x}")

    def on_return(self, span):
        left = [pfn for pages in span.pending.values() for pfn in pages]
        if left:
            self.blame("no-dsb", f"physical page {left[0]:#x}, thread {span.tid}", len(left))
        if span.exposed:
            self.blame("no-tlbi", f"thread {span.tid}", len(span.protected))
        self.ended.append(span)

    # --- and what must be true of it all ------------------------------------------------------------------------

    def at_end(self):
        for span in list(self.spans.values()) + self.ended:
            if span.cleaned:
                span.protected += span.started
            self.n["harvests"] += bool(span.protected)
            self.n["cleaned"] += sum(span.cleaned.values())
            self.check_harvest(span)
        if not self.n["claims"] or not self.n["protected"]:
            self.blame("nothing", "no page was harvested and claimed")
        named = sum(len(tids) for tids in self.free.values())
        if named:
            self.blame("unnamed", "a page", named)
        self.check_tables()
        self.check_counts()

    def check_harvest(self, span):
        for hvp, times in Counter(span.protected).items():
            self.n["protected"] += times
            pfn = self.pfn(hvp)
            if pfn is not None and pfn in span.cleaned:
                self.n["harvested"] += times
            elif pfn is None:
                self.n["absent"] += times
            elif hvp not in self.where[0]:
                self.n["late"] += times
            elif self.moved(hvp):
                self.blame("moved", f"virtual page {hvp:#x}", times)
            else:
                self.blame("unclean", f"virtual page {hvp:#x}, thread {span.tid}", times)

    def check_tables(self):
        for tables in self.tables.values():
            if len(tables) > 1:
                self.blame("tables", "the TLBs of several stage-2 tables were invalidated for one VM")
            if tables - self.entered:
                self.blame("tables", "TLBs were invalidated for stage-2 tables that no guest ran on")

    def check_counts(self):
        if self.counts is None:
            self.blame("counts", "the module's counts were not told")
            return
        protected, cleaned, absent, unclean, extra, lost = self.counts
        if lost:
            self.blame("lost", "the journal was full", lost)
        for what, said, seen in (
            ("write-protected", protected, self.n["protected"]),
            ("cleaned", cleaned + extra, self.n["cleaned"]),
            ("not populated", absent, self.n["absent"] + self.n["late"]),
            ("not cleaned", unclean, 0),
        ):
            if said != seen:
                self.blame("counts", f"{said} pages {what} says the module, {seen} the witness")

    # --- in words -----------------------------------------------------------------------------------------------

    WORDS = {
        "unseen": "pages in the journal that nobody cleaned",
        "partial": "pages in the journal of which not all lines were cleaned",
        "early": "pages cleaned before the TLB invalidation of the same ioctl",
        "no-dsb": "pages whose lines no DSB SY followed",
        "no-tlbi": "pages write-protected, and user mode reached without a TLB invalidation",
        "unclean": "pages write-protected, populated, and not cleaned before user mode",
        "stranger": "pages cleaned by another thread than the journal names",
        "outside": "pages in the journal that the VM does not have",
        "unnamed": "pages cleaned that the journal does not name",
        "moved": "pages that moved in memory meanwhile: nothing can be said of them",
        "tables": "times that other stage-2 tables were meant",
        "counts": "counts of the module that are wrong",
        "lost": "entries that the journal lost",
        "askew": "addresses that are wrong",
        "several": "runs mixed up",
        "nothing": "runs that prove nothing",
    }

    def tell(self):
        n = self.n
        for kind, (times, first) in self.wrong.items():
            print(f"bad {self.name}: {kind}: {times} {self.WORDS[kind]} (the first: {first})")
        if self.wrong:
            return
        print(
            f"ok {self.name}: {n['claims']} pages in {n['entries']} journal entries: {n['lines']} lines cleaned,"
            f" {n['barriers']} DSB SY, {n['invalidations']} TLB invalidations before;"
            f" {n['protected']} pages write-protected in {n['harvests']} ioctls ="
            f" {n['harvested']} cleaned + {n['absent']} not populated"
            + (f" + {n['late']} populated later" if n["late"] else "")
            + f", {n['cleaned'] - n['harvested']} cleaned besides"
        )


class Host:
    def __init__(self):
        self.line_bytes = 0
        self.text = [0, 0]
        self.linear = None
        self.whole = False


def give_up(text):
    print(f"judge: {text}", file=sys.stderr)
    sys.exit(2)


def numbers(words):
    """Hex but for the one word of a T."""
    return [word if word in ("all", "ipa", "local") else int(word, 16) for word in words]


def read(name):
    host, run, runs = Host(), None, []
    with open(name, encoding="ascii") as record:
        for text in record:
            kind, *rest = text.split()
            rest = numbers(rest)
            if kind == "V":
                host.line_bytes = min(host.line_bytes or rest[1], rest[1])
            elif kind == "L":
                if host.linear not in (None, rest[0] - rest[1]):
                    give_up(f"the kernel's linear map is not one: {text.strip()}")
                host.linear = rest[0] - rest[1]
            elif kind == "Z":
                host.whole = True
            elif kind == "M" and rest[2] == SYMBOL and rest[3] < 2:
                host.text[rest[3]] = rest[4]
            elif kind == "M" and rest[2] == BEGIN:
                label = b"".join(word.to_bytes(8, "little") for word in rest[3:9])
                run = Run(label.rstrip(b"\0").decode(), host)
                runs.append(run)
            elif run:
                run.events.append((kind, rest[0], rest[1], rest[2:]))
                if kind == "M" and rest[2] == END:
                    run = None
    return host, run, runs


def main():
    if len(sys.argv) != 2:
        give_up("say which record: judge.py RECORD")
    try:
        host, unfinished, runs = read(sys.argv[1])
    except (OSError, ValueError) as error:
        give_up(f"cannot read the record {sys.argv[1]}: {error}")
    if not host.whole or unfinished:
        give_up("the record has no end: the lab was stopped")
    if not runs or not all(host.text) or host.linear is None:
        give_up("the record has no runs, or does not say where the kernel is")
    for run in runs:
        run.play()
        run.tell()
    sys.exit(1 if any(run.wrong for run in runs) else 0)


if __name__ == "__main__":
    main()
