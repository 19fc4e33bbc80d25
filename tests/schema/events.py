#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# Are events what docs/events.schema.json promises, and does docs/events.md name the same types and fields?
#
# The schema's top is a oneOf, whose complaint about a bad event is that it is none of 18 things. So an event is held
# against the definition of its own type, and the complaint says which field is wrong:
#
#   FAIL schema: toggle: 'now': 'off' is not one of ['cached', 'uncached']: {"seq":24,…}
#
# In docs/events.md the first table is about fields of every event, the second about types, a row each. What stands in
# backticks in a row are fields and values of that type; every field must be there, and every value there or below.
#
# Usage: events.py FILE…       each line an event; - is standard input; an event of every type must be among them
#        events.py --some FILE…  the same, of any types
#        events.py --doc
#        events.py --self      must it complain where it should?
# Prints lines that begin with PASS or FAIL. Exit status: 0 no FAIL, 1 some, 2 wrong use.

import collections
import json
import os
import re
import sys

import jsonschema

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SCHEMA = json.load(open(os.path.join(TOP, "docs/events.schema.json"), encoding="utf-8"))
DEFS = SCHEMA["$defs"]
TYPES = [one["$ref"].rpartition("/")[2] for one in SCHEMA["oneOf"]]
COMMON = ("timed", "common", "of-vm", "of-vcpu")
SHOWN = 5  # complaints of one kind

failed = False


def report(ok, text):
    global failed
    failed |= not ok
    print(("PASS" if ok else "FAIL") + " schema: " + text)


def validators():
    made = {}
    for name in TYPES:
        schema = {"$schema": SCHEMA["$schema"], "$defs": DEFS, "$ref": "#/$defs/" + name}
        made[name] = jsonschema.Draft202012Validator(schema)
    return made


# What is wrong with an event; None if nothing is.
def complaint(made, line):
    try:
        event = json.loads(line)
    except ValueError as error:
        return f"no JSON ({error})"
    name = event.get("type") if isinstance(event, dict) else None
    if name not in made:
        return f"type {name!r} is not in docs/events.schema.json"
    for error in made[name].iter_errors(event):
        where = "".join(f"'{part}': " for part in error.path)
        return f"{name}: {where}{error.message}"
    return None


def check_files(names, every_type):
    made = validators()
    seen, bad = collections.Counter(), []
    for name in names:
        file = sys.stdin if name == "-" else open(name, encoding="utf-8")
        for line in file:
            wrong = complaint(made, line)
            if wrong:
                bad.append(f"{wrong}: {line.strip()[:300]}")
            else:
                seen[json.loads(line)["type"]] += 1
    for wrong in bad[:SHOWN]:
        report(False, wrong)
    if len(bad) > SHOWN:
        report(False, f"and {len(bad) - SHOWN} more events are wrong")
    missing = [name for name in TYPES if name not in seen]
    if every_type and missing:
        report(False, "no event of type " + ", ".join(missing))
    if not seen:
        report(False, "no event at all")
    elif not failed:
        report(True, f"{sum(seen.values())} events of {len(seen)} types are as docs/events.schema.json has them")


def fields_of(name):
    return set(DEFS[name].get("properties", {})) - {"type"}


# All values that a definition lists, of this type's fields; those of shared definitions apart.
def values_of(node):
    found = set()
    if isinstance(node, dict):
        found |= {value for value in node.get("enum", []) if value != "?"}
        for value in node.values():
            found |= values_of(value)
    elif isinstance(node, list):
        for value in node:
            found |= values_of(value)
    return found


def rows(text):
    for line in text.splitlines():
        row = re.match(r"\| `([^`]+)` \|(.*)\|$", line)
        if row:
            yield row.group(1), row.group(2)


def check_doc():
    text = open(os.path.join(TOP, "docs/events.md"), encoding="utf-8").read()
    parts = re.split(r"^## ", text, flags=re.M)
    common = dict(rows(next(part for part in parts if part.startswith("In every event"))))
    types = dict(rows(next(part for part in parts if part.startswith("Types"))))
    wanted = set().union(*(set(DEFS[name]["properties"]) for name in COMMON))
    wrong = [f"field `{name}` of every event is in one of them only" for name in wanted ^ set(common)]
    wrong += [f"type `{name}` is in one of them only" for name in set(TYPES) ^ set(types)]
    for name in set(TYPES) & set(types):
        said = set(re.findall(r"`([^`]+)`", types[name]))
        fields, values = fields_of(name), values_of(DEFS[name])
        wrong += [f"field `{field}` of `{name}` is not in docs/events.md" for field in fields - said]
        wrong += [f"value `{value}` of `{name}` is not in docs/events.md"
                  for value in values if f"`{value}`" not in text]
        wrong += [f"docs/events.md says `{word}` of `{name}`, the schema does not"
                  for word in said - fields - values - {"?"}]
    for value in values_of(DEFS["reason"]):
        if f"`{value}`" not in text:
            wrong.append(f"reason `{value}` is not in docs/events.md")
    examples = re.findall(r'^\{"seq".*\}$', text, flags=re.M)
    made = validators()
    wrong += [f"an example is wrong: {bad}" for bad in (complaint(made, line) for line in examples) if bad]
    for one in sorted(wrong):
        report(False, one)
    if not wrong:
        report(True, f"docs/events.md and docs/events.schema.json name the same {len(types)} types, their fields and values; "
               f"{len(examples)} examples are right")


# Events that are wrong in one way each.
def check_self():
    good = {"seq": 1, "ts_ns": 1, "time": "2026-01-02T03:04:05.000001Z", "type": "toggle", "vm": 1, "name": "a",
            "vcpu": 0, "was": "cached", "now": "uncached", "pc": "0x1", "sctlr": "0x0", "source": "trap"}
    made = validators()
    report(complaint(made, json.dumps(good)) is None, "a right event is right")
    for what, change in (("another value", {"now": "off"}), ("a number for a hex string", {"pc": 1}), ("capitals", {"pc": "0xA"}),
                         ("an unknown field", {"extra": 1}), ("seq 0", {"seq": 0}), ("a local time", {"time": "12:00"}),
                         ("an unknown type", {"type": "?"}), ("the fields of another type", {"type": "reset"}),
                         ("a string for a number", {"vm": "1"})):
        report(complaint(made, json.dumps({**good, **change})), f"{what} is found")
    for field in good:
        rest = {key: value for key, value in good.items() if key != field}
        report(complaint(made, json.dumps(rest)), f"a missing {field} is found")
    report(complaint(made, "[]") and complaint(made, "{"), "what is no object is found")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(good, SCHEMA)
    report(True, "the schema as a whole takes it, too")


def main():
    args = sys.argv[1:]
    if args == ["--doc"]:
        check_doc()
    elif args == ["--self"]:
        check_self()
    elif args[:1] == ["--some"] and args[1:]:
        check_files(args[1:], False)
    elif args and not args[0].startswith("--"):
        check_files(args, True)
    else:
        print(f"usage: {sys.argv[0]} [--some] FILE… | --doc | --self", file=sys.stderr)
        sys.exit(2)
    sys.exit(failed)


main()
