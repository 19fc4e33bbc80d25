#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# Does every field, enum and type of bpf/kernel.bpf.h resolve on this kernel?
#
# Reads what `relocate` (libbpf itself) said of one kernel. Each thing that a program asks for looks like
#
#   libbpf: prog 'vcpu_put_kr': relo #4: <field_exists> [92] struct kvm_vcpu.arch.ctxt.vncr_array (0:4:0:2 @ offset 304)
#   libbpf: prog 'vcpu_put_kr': relo #4: no matching targets found
#
# A thing that does not resolve makes an instruction invalid, and a program that gets there is refused. It is right only where
# the same program asks first whether the thing exists, and then it must be listed in `absent`, so that nobody takes a
# field that was renamed for one that an old kernel has not. What is declared but never asked for is no slice of the
# kernel that we rely on, and does not belong in the header.
#
# Usage: judge.py KERNEL HEADER ABSENT <LOG. Prints PASS and FAIL lines; exit status 0 or 1.

import re
import sys

ASKED = re.compile(r"libbpf: prog '([^']+)': relo #(\d+): <(\w+)> \[\d+\] (.*?)(?: \([0-9:]+ @ offset [^)]*\)| = -?\d+)?$")
NOTHING = re.compile(r"libbpf: prog '([^']+)': relo #(\d+): no matching targets found")
EXISTS = ("field_exists", "type_exists", "enumval_exists")


def read_log(lines):
    asked, absent, programs, objects = {}, set(), 0, {}
    for line in lines:
        match = ASKED.match(line)
        if match:
            program, number, kind, what = match.groups()
            asked[program, int(number)] = (kind, re.sub(r"\[\d+\]", "[]", what))
        match = NOTHING.match(line)
        if match:
            absent.add((match.group(1), int(match.group(2))))
        programs += line.startswith("program ")
        match = re.match(r"object (\S+): (-?\d+)", line)
        if match:
            objects[match.group(1)] = int(match.group(2))
    return asked, absent, programs, objects


# A flavour (arm_smmu_device___v3) is the type of the name before it.
def plain(tag):
    return tag.split("___")[0]


# {struct: {field: type}} and the set of enum::value that the header declares for relocation.
def read_header(name):
    text = re.sub(r"/\*.*?\*/", "", open(name, encoding="utf-8").read(), flags=re.S)
    text = text[text.index("#pragma clang attribute push"):text.index("#pragma clang attribute pop")]
    structs, enums = {}, set()
    for kind, tag, body in re.findall(r"^(struct|enum) (\w+) \{(.*?)^\};", text, flags=re.S | re.M):
        if kind == "enum":
            enums |= {f"enum {tag}::{value}" for value in re.findall(r"(\w+)\s*=", body)}
            continue
        fields = re.findall(r"([\w ]+?)\s*(\*?)\s*(\w+)(?:\[\w+\])?;", body)
        of_tag = structs.setdefault(plain(tag), {})
        for kind_of, star, field in fields:
            of_tag[field] = None if star else plain(kind_of.strip().removeprefix("const ").removeprefix("struct "))
    return structs, enums


# The (struct, field) pairs that "struct a.b.c" goes through; a type alone is (struct, None).
def path_of(what, structs):
    if not what.startswith("struct "):
        return
    tag, *fields = what.removeprefix("struct ").replace("[]", "").split(".")
    tag = plain(tag)
    if not fields:
        yield tag, None
    for field in fields:
        yield tag, field
        tag = structs.get(tag, {}).get(field)


def main():
    kernel, header, allowed_name = sys.argv[1:]
    asked, absent, programs, objects = read_log(sys.stdin.read().splitlines())
    structs, enums = read_header(header)
    allowed = {tuple(line.split(maxsplit=1)) for line in open(allowed_name, encoding="utf-8").read().splitlines()
               if line and not line.startswith("#")}
    allowed = {what for name, what in allowed if name == kernel}
    wrong = [f"libbpf refuses {name} ({err})" for name, err in objects.items() if err]
    missing = {asked[at][1] for at in absent if at in asked}
    guarded = {(at[0], asked[at][1]) for at in absent if at in asked and asked[at][0] in EXISTS}
    wrong += sorted({f"{at[0]} uses {asked[at][1]}, which this kernel has not, and does not ask whether it exists"
                     for at in absent if at in asked and asked[at][0] not in EXISTS and (at[0], asked[at][1]) not in guarded})
    wrong += [f"{what} does not resolve, and is not in {allowed_name}" for what in sorted(missing - allowed)]
    wrong += [f"{allowed_name} says that {what} is absent, and it resolves" for what in sorted(allowed - missing)]
    used = {pair for kind, what in asked.values() for pair in path_of(what, structs)}
    used_types = {tag for tag, _ in used} | {kind for fields in structs.values() for kind in fields.values()}
    for tag, fields in structs.items():
        wrong += [f"{header} declares {tag}.{field}, which no program asks for" for field in fields
                  if (tag, field) not in used and not (tag, None) in used]
        if not fields and tag not in used_types:
            wrong.append(f"{header} declares {tag}, which no program asks for")
    wrong += [f"{header} declares {value}, which no program asks for"
              for value in sorted(enums - {what for _, what in asked.values()})]
    if not objects or not programs or len(asked) < 50:
        wrong.append(f"{len(objects)} objects, {programs} programs, {len(asked)} relocations: too few to be true")
    for text in wrong:
        print(f"FAIL kerneltypes: {kernel}: {text}")
    if not wrong:
        fields = sum(len(fields) for fields in structs.values())
        print(f"PASS kerneltypes: {kernel}: {len(asked)} relocations in {programs} programs: all {fields} fields of {len(structs)} "
              f"types and {len(enums)} enum values of {header} resolve" + (f", but {', '.join(sorted(missing))}" if missing else ""))
    sys.exit(bool(wrong))


main()
