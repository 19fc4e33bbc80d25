#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Does the page use only names that there are? Its script is read as text:

  HANDLERS in model.js     "TYPE": (track, event, at) => …: each event.FIELD is one of TYPE in docs/events.schema.json, and a text
                           that it is compared with is a value of that field; likewise COUNTERS in summary.js
  TYPES of any script      event.type === "TYPE", and the types in CHANGES
  api.FIELD                of /v1/vms, as the real server answers it (build/native/page-server)
  host.FIELD               of /v1/host, as docs/daemon.md has it
  paths                    "/v1/…": of the API's table in docs/daemon.md
  colours                  those lanes.js reads are in style.css, for light and for dark

Usage: tests/page/names.py         (scripts/check page builds what it needs)
A line PASS or FAIL each; exit status 0 all passed, 1 something failed.
"""
import json
import pathlib
import re
import subprocess
import sys
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
PAGE = TOP / "user/page"
DEFS = json.loads((TOP / "docs/events.schema.json").read_text())["$defs"]
SCRIPTS = {path.name: path.read_text() for path in sorted(PAGE.glob("*.js"))}
DAEMON = (TOP / "docs/daemon.md").read_text()
failed = False


def report(wrong, what):
    global failed
    print(("FAIL" if wrong else "PASS") + f" page: {what}")
    for one in wrong:
        print(f"     | {one}")
    failed |= bool(wrong)


def properties(name):
    """Of a definition and of what it builds on."""
    found, definition = {}, DEFS[name]
    for base in [definition.get("$ref")] + [one.get("$ref") for one in definition.get("anyOf", [])]:
        if base:
            found |= properties(base.rpartition("/")[2])
    return found | definition.get("properties", {})


def texts(schema):
    if "$ref" in schema:
        return texts(DEFS[schema["$ref"].rpartition("/")[2]])
    return set(schema.get("enum", [])) | ({schema["const"]} if "const" in schema else set())


def handlers(name="HANDLERS", script="model.js", arguments="track, event, at"):
    """(TYPE, text of its handler) of a table."""
    body = re.search(rf"^const {name} = \{{\n(.*?)^\}};", SCRIPTS[script], re.S | re.M)[1]
    parts = re.split(rf'^\t"([a-z-]+)": \({arguments}\) =>', body, flags=re.M)[1:]
    return list(zip(parts[::2], parts[1::2]))


def all_handlers():
    return handlers() + handlers("COUNTERS", "summary.js", "of, event, at")


def check_handlers():
    wrong, uses = [], 0
    for name, text in all_handlers():
        if name not in DEFS:
            wrong.append(f"there is no event {name}")
            continue
        fields = properties(name)
        for field in re.findall(r"\bevent\.(\w+)", text):
            uses += 1
            if field not in fields:
                wrong.append(f"{name} has no field {field}")
        for field, value in re.findall(r'\bevent\.(\w+) [=!]== "([^"]*)"', text):
            if value not in texts(fields.get(field, {})):
                wrong.append(f"{name}: {field} is never {value}")
    report(wrong, f"its {len(all_handlers())} handlers of events use {uses} times a field, all of docs/events.schema.json")


def check_types():
    used = [name for text in SCRIPTS.values() for name in re.findall(r'\.type [=!]== "([^"]+)"', text)]
    used += re.findall(r'"([^"]+)"', re.search(r"const CHANGES = new Set\(\[(.*?)\]", SCRIPTS["page.js"], re.S)[1])
    report([f"there is no event {name}" for name in used if name not in DEFS], f"{len(used)} types of events elsewhere are of it, too")
    fields = set().union(*(properties(name) for name, _ in all_handlers()))
    loose = [(name, field) for name, text in SCRIPTS.items() for field in re.findall(r"\bevent\.([a-z]\w*)", text)]
    other = {"target", "currentTarget", "key", "clientX", "clientY", "deltaX", "deltaY", "ctrlKey", "shiftKey", "altKey", "metaKey", "button",
             "pointerId", "pointerType", "preventDefault"} | set(properties("lost")) | set(properties("host")) | set(properties("clock"))
    report([f"{name}: event.{field}" for name, field in loose if field not in fields | other], f"{len(loose)} fields in all scripts are known")


def answer_of_server():
    server = subprocess.Popen([TOP / "build/native/page-server", "--still"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}v1/vms", timeout=10) as reply:
            vms = json.load(reply)["vms"]
        with urllib.request.urlopen(url, timeout=10) as reply:
            return vms, reply.headers, reply.read()
    finally:
        server.communicate("quit\n", timeout=10)


def lookup(value, path):
    """Is there such a path in any of the answers?"""
    for name in path:
        value = [one for item in value for one in (item if isinstance(item, list) else [item])]
        value = [item[name] for item in value if isinstance(item, dict) and name in item]
        if not value:
            return False
    return True


def check_api(vms):
    text = SCRIPTS["page.js"]
    uses = set(re.findall(r"\bapi\.([a-z_]+(?:\.[a-z_0-9]+)*)", text))
    paths = [[part for part in use.split(".") if part not in ("map", "filter", "length")] for use in uses]
    paths += [["windows", field] for field in re.findall(r"\bone\.(open|since_ns|class|count|closed_ns)\b", text)]
    paths += [["harvests", field] for field in re.findall(r"\bharvests\.(\w+)", text)]
    paths += [["harvests", "cleaning", field] for field in re.findall(r"\bcleaning\.(\w+)", text)]
    report([".".join(path) for path in paths if not lookup(vms, path)], f"{len(paths)} fields of a VM are in what the server answers")
    asked = set(re.findall(r'["`](/v1/\w+)', text))
    report([path for path in asked if f"`GET {path}" not in DAEMON], f"it asks {', '.join(sorted(asked))}, which docs/daemon.md has")
    report([name for name in set(re.findall(r"\bhost\.(\w+)", text)) if not re.search(rf"`GET /v1/host`.*`{name}`", DAEMON)],
           "and of /v1/host what it has")


def check_page(headers, body):
    made = (TOP / "build/page/page.html").read_bytes()
    outside = re.findall(rb'(?:src|href|url\()=?["\']?(?:https?:)?//[^"\' )]+', body)
    report([] if body == made and not outside else [f"{len(body)} bytes of {len(made)}", *outside],
           f"the server answers / with the page, {len(body)} bytes that name no other host")
    policy = headers.get("Content-Security-Policy", "")
    report([] if "default-src 'none'" in policy and "unsafe" not in policy else [policy], "and a strict Content-Security-Policy")


def check_colours():
    used = re.findall(r'"([a-z-]+)"', re.search(r"const COLOURS = \[(.*?)\]", SCRIPTS["lanes.js"], re.S)[1])
    light, dark = re.findall(r"^:root[^{]*\{(.*?)\}", (PAGE / "style.css").read_text(), re.S | re.M)[:2]
    report([name for name in used if f"--{name}:" not in light or f"--{name}:" not in dark], f"its {len(used)} colours are there in light and dark")


def main():
    if sys.argv[1:]:
        sys.exit(__doc__ if sys.argv[1:] in (["--help"], ["-h"]) else "tests/page/names.py takes no arguments; see --help")
    check_handlers()
    check_types()
    check_colours()
    vms, headers, body = answer_of_server()
    check_api(vms)
    check_page(headers, body)
    sys.exit(failed)


main()
