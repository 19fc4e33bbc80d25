#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Are the API's answers what docs/openapi.json promises?

The real server (build/asan/guard-daemon: kcohd's parts without a kernel) is asked for every path and method of the file, rightly and wrongly;
each answer must have a status that is written there, the type of content, and, if it is JSON, the shape. Then the tables of the server
(user/serve/api.c, acting.c) and the file must have the same paths and methods.

Usage: tests/schema/api.py         (scripts/check schema builds what it needs; acting needs root)
Prints lines that begin with PASS or FAIL. Exit status: 0 no FAIL, 1 some.
"""
import contextlib
import http.client
import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile

import jsonschema

TOP = pathlib.Path(__file__).resolve().parents[2]
API = json.loads((TOP / "docs/openapi.json").read_text())
EVENT = json.loads((TOP / "docs/events.schema.json").read_text())
DAEMON = TOP / "build/asan/guard-daemon"
failed = False


def report(wrong, text):
    global failed
    failed |= bool(wrong)
    print(("FAIL" if wrong else "PASS") + " schema: api: " + text)
    for one in wrong[:10]:
        print(f"     | {one}"[:600])


def validator(schema):
    return jsonschema.Draft202012Validator({"components": API["components"], **schema})


class Server:
    def __init__(self, directory):
        self.path = f"{directory}/kcohd.sock"
        pathlib.Path(directory, "kcoh.conf").write_text("[defaults]\nstrategy = veto\n[vm migrates]\nqmp = /nowhere/%n\n")
        self.process = subprocess.Popen([DAEMON, directory, f"{directory}/kcoh.conf"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()
        for line in ("vm 1 1 web-1", "vm 2 1 migrates", "vm 3 1 twin", "vm 4 1 twin", "vm 5 1 prod_twin", "epoch 1", "off 1"):
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            assert self.process.stdout.readline() == "done\n", line

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("kcohd")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(60)
        connection.sock.connect(self.path)
        # A body that is too long is answered before it has come: the rest of it finds the connection closed.
        with contextlib.suppress(BrokenPipeError):
            connection.request(method, path, body)
        answer = connection.getresponse()
        # A stream of events has no end: its first line is enough.
        text = answer.readline() if path.startswith("/v1/events") and answer.status == 200 else answer.read()
        connection.close()
        return answer.status, answer.getheader("Content-Type"), text.decode()

    def end(self):
        self.process.stdin.close()
        return self.process.wait()


def review(vmi, namespace="prod", operation="CREATE"):
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "705ab4f5", "operation": operation, "kind": {"group": "kubevirt.io", "version": "v1", "kind": "VirtualMachineInstanceMigration"},
        "namespace": namespace, "object": {"spec": {"vmiName": vmi}}}})


# Method, path of the file, what is put for its parameters and after it, body, and the status that it must have.
ASKED = [
    ("get", "/", "", None, 200), ("get", "/healthz", "", None, 200), ("get", "/metrics", "", None, 200),
    ("get", "/v1/events", "?since=0", None, 200), ("get", "/v1/events", "?since=x", None, 400), ("get", "/v1/events", "?vm=no", None, 404),
    ("get", "/v1/events", "?vm=twin", None, 409),
    ("get", "/v1/history", "", None, 404), ("get", "/v1/host", "", None, 200), ("get", "/v1/host/verdict", "", None, 200),
    ("get", "/v1/vms", "", None, 200), ("get", "/v1/vms", "?times=2", None, 400), ("get", "/v1/vms", "?times=1", None, 409),
    ("get", "/v1/vms/{SEL}", "1", None, 200), ("get", "/v1/vms/{SEL}", "no", None, 404), ("get", "/v1/vms/{SEL}", "twin", None, 409),
    ("get", "/v1/vms/{SEL}", "pid:x", None, 400),
    ("get", "/v1/vms/{SEL}/verdict", "web-1", None, 200), ("get", "/v1/vms/{SEL}/verdict", "no", None, 404),
    ("get", "/v1/vms/{SEL}/policy", "migrates", None, 200), ("get", "/v1/vms/{SEL}/policy", "no", None, 404),
    ("get", "/v1/vms/{SEL}/evacuations", "web-1", None, 200), ("get", "/v1/vms/{SEL}/evacuations", "no", None, 404),
    ("post", "/v1/vms/{SEL}/evacuations", "web-1", '{"destination": "tcp:there:1"}', 409),
    ("post", "/v1/vms/{SEL}/evacuations", "migrates", "{", 400), ("post", "/v1/vms/{SEL}/evacuations", "migrates", "{}", 400),
    ("post", "/v1/vms/{SEL}/evacuations", "no", "{}", 404),
    ("post", "/v1/vms/{SEL}/evacuations", "migrates", "x" * 70000, 413),
    ("post", "/v1/vms/{SEL}/evacuations", "migrates", '{"destination": "tcp:there:1", "timeout_ms": 60000}', 202),
    ("post", "/v1/vms/{SEL}/override", "web-1", "{}", 400), ("post", "/v1/vms/{SEL}/override", "no", "{}", 404),
    ("delete", "/v1/vms/{SEL}/override", "web-1", None, 409), ("delete", "/v1/vms/{SEL}/override", "twin", None, 409),
    ("post", "/v1/vms/{SEL}/clean", "web-1", "", 200), ("post", "/v1/vms/{SEL}/clean", "no", "", 404),
    ("post", "/v1/vms/{SEL}/clean", "twin", "", 409), ("post", "/v1/vms/{SEL}/clean", "web-1", "x" * 70000, 413),
    ("get", "/v1/evacuations", "", None, 200), ("get", "/v1/evacuations/{N}", "1", None, 200), ("get", "/v1/evacuations/{N}", "2", None, 404),
    ("delete", "/v1/evacuations/{N}", "2", None, 404), ("delete", "/v1/evacuations/{N}", "1", None, (202, 409)),
    ("post", "/v1/admission", "", review("twin"), 200), ("post", "/v1/admission", "", review("web-1", "kube-system"), 200),
    ("post", "/v1/admission", "", review("twin", operation="DELETE"), 200), ("post", "/v1/admission", "", "{}", 400),
    ("post", "/v1/admission", "", "x" * 70000, 413),
    ("post", "/v1/module/release", "", "", 409), ("post", "/v1/module/release", "?force=2", "", 400),
    ("post", "/v1/recordings", "", "", 409),
]


def complaint(server, method, path, after, body, wanted):
    url = re.sub(r"\{\w+\}", after, path) if "{" in path else path + after
    status, kind, text = server.ask(method.upper(), url, body)
    what = f"{method.upper()} {url[:80]}"
    if status not in (wanted if isinstance(wanted, tuple) else (wanted,)):
        return f"{what}: status {status}, not {wanted}: {text[:200]}"
    promised = API["paths"][path][method]["responses"].get(str(status))
    if not promised:
        return f"{what}: status {status} is not in docs/openapi.json"
    promised = {word.partition(";")[0]: content for word, content in promised["content"].items()}
    if kind.partition(";")[0] not in promised:
        return f"{what}: content {kind}, not {', '.join(promised)}"
    if kind == "application/x-ndjson":
        jsonschema.validate(json.loads(text), EVENT)
    if kind == "application/json":
        for error in validator(promised[kind]["schema"]).iter_errors(json.loads(text)):
            where = "".join(f"'{part}': " for part in error.path)
            return f"{what}: {where}{error.message}"
    return None


def check_answers():
    with tempfile.TemporaryDirectory(prefix="kcoh-api-") as directory:
        server = Server(directory)
        wrong = [bad for bad in (complaint(server, *one) for one in ASKED) if bad]
        report(wrong, f"{len(ASKED)} answers are as docs/openapi.json has them")
        wrong = [f"{path}: {status}" for path in ("/v1/vms", "/v1/evacuations", "/v1/host/verdict", "/metrics")
                 for status, _, _ in [server.ask("PATCH", path)] if status != 405]
        report(wrong, "another method is 405")
        status = server.end()
        report([f"status {status}"] if status else [], "the server leaks nothing")
    operations = {(method, path) for path, methods in API["paths"].items() for method in methods}
    report(sorted(map(str, operations - {one[:2] for one in ASKED})), "each method of each path was asked")


# The tables of the server: { "/v1/vms/", get_vm }, { "POST", "/v1/vms/", "/evacuations", … }; what get_vm() cuts off is a path of its own.
def server_has():
    reads = (TOP / "user/serve/api.c").read_text()
    acts = (TOP / "user/serve/acting.c").read_text()
    names = {"/v1/vms/": "/v1/vms/{SEL}", "/v1/evacuations/": "/v1/evacuations/{N}"}
    found = {("get", names.get(path, path)) for path in re.findall(r'^\t\{ "(/[^"]*)", get_\w+ \},$', reads, re.M)}
    found |= {("get", "/v1/vms/{SEL}" + suffix) for suffix in re.findall(r'suffix_cut\(selector, "(/\w+)"\)', reads)}
    for method, path, suffix in re.findall(r'^\t\{ "(\w+)",\s+"([^"]+)",\s+(NULL|"[^"]+"),', acts, re.M):
        found.add((method.lower(), names.get(path, path) + ("" if suffix == "NULL" else suffix.strip('"'))))
    return found


def main():
    jsonschema.Draft202012Validator.check_schema({"$defs": API["components"]["schemas"]})
    check_answers()
    file_has = {(method, path) for path, methods in API["paths"].items() for method in methods}
    report([f"{one} is in one of them only" for one in sorted(file_has ^ server_has())],
           f"the server and docs/openapi.json have the same {len(file_has)} methods of paths")
    good = API["components"]["schemas"]["verdict"]
    bad = {"id": 1, "name": "a", "uuid": None, "pid": 1, "comm": "q", "verdict": "maybe", "reason": "none", "sentence": "", "since_ns": 0,
           "until_ns": None, "guard": "warn"}
    report([] if list(validator(good).iter_errors(bad)) else ["a verdict 'maybe' was taken"], "what is wrong is found")
    reasons = set(API["components"]["schemas"]["reason"]["enum"])
    report(sorted(reasons ^ set(EVENT["$defs"]["reason"]["enum"])), "reasons are those of events")
    sys.exit(failed)


main()
