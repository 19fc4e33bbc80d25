#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Evacuations with real QEMUs: kcohd's parts without a kernel (guard-daemon) carry out migrations between two QEMU processes each, whose
guests are emulated (TCG) and count. What the guests' caches are like is told to guard-daemon; all else is real.

After each case: exactly one of the two QEMUs runs its guest, its count goes on, and the other's does not.

Usage: tests/guard/evacuate.py [--kills N] [--seed N] [CASE…]     (make check-evacuations builds what it needs)
A line PASS or FAIL each; exit status 0 all passed, 1 something failed. A failing kill prints its seed.
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
DAEMON = TOP / "build/asan/guard-daemon"
KCOH = TOP / "build/asan/bin/kcoh"
GUEST = TOP / "build/guard/counts.bin"
QEMU = os.environ.get("KCOH_TEST_QEMU", "qemu-system-aarch64")
COUNT = 0x40300000
DEADLINE = 120  # s, for anything: the machine may be busy
failed = False


class Wrong(Exception):
    pass


def until(what, condition, seconds=DEADLINE):
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise Wrong(f"after {seconds} s still not: {what}")
        time.sleep(0.02)


def expect(condition, text):
    if not condition:
        raise Wrong(text)


class Qmp:
    """The test's own connection, of a QEMU that has two sockets."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(path)
        self.file = self.socket.makefile("rw")
        self.file.readline()
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        message = {"execute": command}
        if arguments:
            message["arguments"] = {key.replace("_", "-"): value for key, value in arguments.items()}
        self.file.write(json.dumps(message))
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "error" in answer:
                raise Wrong(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]


class Qemu:
    def __init__(self, directory, name, incoming=None):
        self.name = name
        self.kcoh = f"{directory}/{name}.kcoh"
        self.dump = f"{directory}/{name}.dump"
        mine = f"{directory}/{name}.mine"
        command = [QEMU, "-machine", "virt", "-cpu", "cortex-a57", "-accel", "tcg", "-m", "32", "-nodefaults", "-display", "none",
                   "-name", name, "-qmp", f"unix:{self.kcoh},server=on,wait=off", "-qmp", f"unix:{mine},server=on,wait=off",
                   "-device", f"loader,file={GUEST},addr=0x40200000,cpu-num=0"]
        with open(f"{directory}/qemu.log", "ab") as log:
            self.process = subprocess.Popen(command + (["-incoming", incoming] if incoming else []), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        self.qmp = until(f"QEMU {name} serves", lambda: self.greeted(mine))  # it makes the sockets in the order of its command line

    @staticmethod
    def greeted(path):
        """None until it listens: the socket has its path before that."""
        try:
            return Qmp(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return None

    def is_up(self):
        return self.process.poll() is None

    def status(self):
        """One that ends at this moment is gone."""
        try:
            return self.qmp("query-status")["status"] if self.is_up() else "gone"
        except (OSError, ValueError):
            self.process.wait(DEADLINE)
            return "gone"

    def count(self):
        self.qmp("pmemsave", val=COUNT, size=8, filename=self.dump)
        return int.from_bytes(pathlib.Path(self.dump).read_bytes(), "little")

    def end(self):
        if self.is_up():
            self.process.kill()
        self.process.wait()


class Daemon:
    def __init__(self, directory):
        self.directory = directory
        self.socket = f"{directory}/kcohd.sock"
        self.log = open(f"{directory}/daemon.log", "ab")
        self.start()

    def start(self):
        self.process = subprocess.Popen([DAEMON, self.directory, f"{self.directory}/kcoh.conf"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        expect(self.process.stdout.readline(), "guard-daemon did not start")

    def order(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        expect(answer == "done", f"{line}: {answer}")

    def ask(self, method, path, body=None):
        class Connection(http.client.HTTPConnection):
            def connect(connection):
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.settimeout(DEADLINE)
                connection.sock.connect(self.socket)
        connection = Connection("kcohd")
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def get(self, path):
        status, json_ = self.ask("GET", path)
        expect(status == 200, f"{path}: {status} {json_}")
        return json_

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        """In order: an ASan report makes its status another."""
        self.process.stdin.close()
        status = self.process.wait()
        text = pathlib.Path(self.log.name).read_text()
        expect(status == 0 and not text, f"guard-daemon ended with {status}: {text[-2000:]}")


class Host:
    """A guard-daemon, and pairs of QEMUs."""

    def __init__(self, strategy="clean"):
        self.directory = tempfile.mkdtemp(prefix="kcoh-evacuate-")
        self.qemus, self.last = [], 0
        pathlib.Path(self.directory, "kcoh.conf").write_text(
            f"[defaults]\nstrategy = {strategy}\ndefer_deadline_ms = 60000\n[vm *]\nqmp = {self.directory}/%n.kcoh\n")
        self.daemon = Daemon(self.directory)
        self.alive = []

    def pair(self, bandwidth=None):
        self.last += 1
        name = f"vm{self.last}"
        incoming = f"unix:{self.directory}/{name}.in"
        source, destination = Qemu(self.directory, name), Qemu(self.directory, name + "-there", incoming)
        self.qemus += [source, destination]
        source.vm, source.to = self.last, incoming
        if bandwidth:
            source.qmp("migrate-set-parameters", max_bandwidth=bandwidth)
        self.alive.append(source)
        self.tell(source)
        return source, destination

    def tell(self, source):
        self.daemon.order(f"vm {source.vm} {source.process.pid} {source.name}")

    def begin(self, source, **order):
        status, one = self.daemon.ask("POST", f"/v1/vms/{source.vm}/evacuations", {"destination": source.to, **order})
        expect(status == 202, f"POST evacuations: {status} {one}")
        return one["evacuation"]

    def state(self, number):
        return self.daemon.get(f"/v1/evacuations/{number}")

    def over(self, number):
        return until("the evacuation is over", lambda: (one := self.state(number))["over"] and one)

    def restart(self):
        self.daemon.start()
        for source in self.alive:
            if source.is_up():
                self.tell(source)

    def clean_up(self):
        for qemu in self.qemus:
            qemu.end()
        if self.daemon.process.poll() is None:
            self.daemon.kill()
        shutil.rmtree(self.directory)


def lives_at_one(source, destination, wanted=None):
    """One of them runs, and only there the count goes on."""
    def settled():
        words = source.status(), destination.status()
        return words if words.count("running") == 1 and "finish-migrate" not in words else None
    words = until("one guest runs", lambda: settled(), 20) if wanted != "none" else None
    here, there = (source, destination) if words[0] == "running" else (destination, source)
    expect(wanted is None or here is wanted, f"the guest runs at {here.name}: {words}")
    before = here.count()
    until(f"the count at {here.name} goes on", lambda: here.count() > before)
    if there.is_up() and there is source:
        still = there.count()
        time.sleep(0.1)
        expect(there.count() == still, f"the guest also runs at {there.name}")
    return here


def case_clean(host):
    """clean: it leaves, the guest goes on there"""
    source, destination = host.pair()
    one = host.over(host.begin(source))
    expect(one["state"] == "completed" and one["cause"] == "none", f"{one}")
    expect(one["progress"]["sent_bytes"] > 0 and one["progress"]["total_ms"], f"{one['progress']}")
    lives_at_one(source, destination, destination)
    expect(source.status() == "postmigrate", source.status())
    status, answer = host.daemon.ask("POST", f"/v1/vms/{source.vm}/evacuations", {"destination": source.to})
    second = host.over(answer["evacuation"])
    expect(second["state"] == "refused" and "away already" in second["sentence"], f"{second}")


def case_veto(host):
    """veto: refused before it begins, with the reason; allowed when the guest's caches are on"""
    source, destination = host.pair()
    host.daemon.order(f"off {source.vm}")
    one = host.over(host.begin(source))
    expect((one["state"], one["cause"], one["reason"], one["attempt"]) == ("refused", "verdict", "mmu-off", 0), f"{one}")
    lives_at_one(source, destination, source)
    host.daemon.order(f"on {source.vm}")
    expect(host.over(host.begin(source))["state"] == "completed", "the second one")
    lives_at_one(source, destination, destination)


case_veto.strategy = "veto"


def case_veto_in_flight(host):
    """veto: cancelled in flight when the guest turns its MMU off; it runs on here, and another try is possible"""
    source, destination = host.pair(bandwidth=1 << 20)
    number = host.begin(source)
    until("it migrates", lambda: host.state(number)["state"] == "migrating")
    host.daemon.order(f"epoch {source.vm}")
    host.daemon.order(f"off {source.vm}")
    one = host.over(number)
    expect((one["state"], one["cause"], one["reason"]) == ("cancelled", "verdict", "mmu-off"), f"{one}")
    lives_at_one(source, destination, source)
    caps = {cap["capability"]: cap["state"] for cap in source.qmp("query-migrate-capabilities")}
    expect(not caps["pause-before-switchover"], "the capability was left on: the next migration of somebody else would hang")


case_veto_in_flight.strategy = "veto"


def case_defer(host):
    """defer: waits while the MMU is off, begins when it is on"""
    source, destination = host.pair()
    host.daemon.order(f"off {source.vm}")
    host.daemon.order(f"epoch {source.vm}")
    number = host.begin(source)
    one = host.state(number)
    expect((one["state"], one["reason"]) == ("waiting", "deferred"), f"{one}")
    host.daemon.order(f"end {source.vm}")
    host.daemon.order(f"on {source.vm}")
    expect(host.over(number)["state"] == "completed", "it did not complete")
    lives_at_one(source, destination, destination)


case_defer.strategy = "defer"


def case_retry(host):
    """retry: waits for a window to close; one that opens under way cancels, and it is tried again after the epoch"""
    source, destination = host.pair(bandwidth=1 << 20)
    host.daemon.order(f"off {source.vm}")
    number = host.begin(source)
    one = host.state(number)
    expect((one["state"], one["reason"]) == ("waiting", "mmu-off"), f"{one}")
    host.daemon.order(f"on {source.vm}")
    until("it migrates", lambda: host.state(number)["state"] == "migrating")
    host.daemon.order(f"epoch {source.vm}")
    host.daemon.order(f"off {source.vm}")
    until("it waits for another try", lambda: host.state(number)["state"] == "waiting")
    lives_at_one(source, destination, source)
    until("the QEMU at the destination ends", lambda: not destination.is_up())
    source.qmp("migrate-set-parameters", max_bandwidth=1 << 30)
    destination = Qemu(host.directory, source.name + "-again", source.to)
    host.qemus.append(destination)
    host.daemon.order(f"on {source.vm}")
    host.daemon.order(f"end {source.vm}")
    one = host.over(number)
    expect(one["state"] == "completed" and one["attempt"] == 2, f"{one}")
    lives_at_one(source, destination, destination)


case_retry.strategy = "retry"


def case_pause_is_bounded(host):
    """defer: a guest that is paused for a `wait` runs again after pause_ms, and is tried again"""
    source, destination = host.pair(bandwidth=4 << 20)
    number = host.begin(source, pause_ms=300)
    until("it migrates", lambda: host.state(number)["state"] == "migrating")
    host.daemon.order(f"epoch {source.vm}")
    host.daemon.order(f"off {source.vm}")
    source.qmp("migrate-set-parameters", max_bandwidth=1 << 30)
    one = until("it waits for another try", lambda: (one := host.state(number))["state"] == "waiting" and one)
    expect(one["attempt"] == 1 and one["paused_ns"] >= 300000000, f"{one}")
    lives_at_one(source, destination, source)
    destination.end()
    status, one = host.daemon.ask("DELETE", f"/v1/evacuations/{number}")
    expect((status, one["state"], one["cause"]) == (202, "cancelled", "asked"), f"{status} {one}")


case_pause_is_bounded.strategy = "defer"


def case_destination_comes_back(host):
    """defer: the QEMU that waited has ended with the attempt that was cancelled; it is tried until there is another"""
    source, destination = host.pair(bandwidth=4 << 20)
    number = host.begin(source, pause_ms=300)
    until("it migrates", lambda: host.state(number)["state"] == "migrating")
    host.daemon.order(f"epoch {source.vm}")
    host.daemon.order(f"off {source.vm}")
    source.qmp("migrate-set-parameters", max_bandwidth=1 << 30)
    until("it waits for another try", lambda: host.state(number)["state"] == "waiting")
    until("the QEMU at the destination ends", lambda: not destination.is_up())
    destination.end()
    host.daemon.order(f"on {source.vm}")
    one = until("nobody is there", lambda: "ailed to connect" in (one := host.state(number))["sentence"] and one)
    expect((one["state"], one["over"]) == ("waiting", False), f"{one}")
    destination = Qemu(host.directory, source.name + "-again", source.to)
    host.qemus.append(destination)
    one = host.over(number)
    expect(one["state"] == "completed" and one["attempt"] > 2, f"{one}")
    lives_at_one(source, destination, destination)


case_destination_comes_back.strategy = "defer"


def case_timeout(host):
    """time is over: cancelled, the guest runs on here"""
    source, destination = host.pair(bandwidth=1 << 18)
    one = host.over(host.begin(source, timeout_ms=2000))
    expect((one["state"], one["cause"]) == ("cancelled", "time"), f"{one}")
    lives_at_one(source, destination, source)


def case_nobody_there(host):
    """no destination: failed, with QEMU's own words, the guest runs on here"""
    source, destination = host.pair()
    source.to = f"unix:{host.directory}/nobody"
    one = host.over(host.begin(source))
    expect(one["state"] in ("failed", "refused") and "ailed to connect" in one["sentence"], f"{one}")
    lives_at_one(source, destination, source)


def case_destination_dies(host):
    """the destination is killed in flight: failed, the guest runs on here"""
    source, destination = host.pair(bandwidth=1 << 20)
    number = host.begin(source)
    until("it migrates", lambda: host.state(number)["state"] == "migrating")
    destination.end()
    one = host.over(number)
    expect(one["state"] == "failed" and "runs on here" in one["sentence"], f"{one}")
    expect(source.status() == "running", source.status())


def case_source_dies(host):
    """the source is killed in flight: failed, and said so"""
    source, _ = host.pair(bandwidth=1 << 20)
    number = host.begin(source)
    until("it migrates", lambda: host.state(number)["state"] == "migrating")
    source.end()
    one = host.over(number)
    expect(one["state"] == "failed" and "QEMU has ended" in one["sentence"], f"{one}")


def case_other_client(host):
    """another client holds the socket: refused after 10 s, the guest is left alone"""
    source, destination = host.pair()
    other = Qmp(source.kcoh)
    one = host.over(host.begin(source))
    expect(one["state"] == "refused" and "another client" in one["sentence"], f"{one}")
    other.socket.close()
    lives_at_one(source, destination, source)


def case_somebody_cancels(host):
    """somebody else cancels it: that is what it says"""
    source, destination = host.pair(bandwidth=1 << 20)
    number = host.begin(source)
    until("it migrates", lambda: host.state(number)["state"] == "migrating")
    source.qmp("migrate_cancel")
    one = host.over(number)
    expect((one["state"], one["cause"]) == ("cancelled", "qemu"), f"{one}")
    lives_at_one(source, destination, source)


def case_orders(host):
    """orders that make no sense are refused in one sentence, and begin nothing"""
    source, destination = host.pair(bandwidth=1 << 20)
    path = f"/v1/vms/{source.vm}/evacuations"
    for body, wanted in (({}, 400), ({"destination": "exec:id"}, 400), ({"destination": "fd:1"}, 400), ({"destination": "tcp:"}, 400),
                         ({"destination": 1}, 400), ({"destination": source.to, "timeout": 1}, 400),
                         ({"destination": source.to, "timeout_ms": 0}, 400), ({"destination": source.to, "timeout_ms": "1"}, 400),
                         ({"destination": source.to, "pause_ms": 30001}, 400), ([], 400)):
        status, answer = host.daemon.ask("POST", path, body)
        expect(status == wanted and isinstance(answer.get("error"), str), f"{body}: {status} {answer}")
    expect(host.daemon.get(path) == {"can": True, "why": None, "evacuations": []}, "something began")
    number = host.begin(source)
    status, answer = host.daemon.ask("POST", path, {"destination": source.to})
    expect(status == 409 and "runs already" in answer["error"], f"{status} {answer}")
    expect(not host.daemon.get(path)["can"], "can begin a second one")
    status, one = host.daemon.ask("DELETE", f"/v1/evacuations/{number}")
    expect(status == 202, f"{status} {one}")
    one = host.over(number)
    expect((one["state"], one["cause"]) in (("cancelled", "asked"), ("refused", "asked")), f"{one}")
    for bad in (number, 99, "x"):
        status, _ = host.daemon.ask("DELETE", f"/v1/evacuations/{bad}")
        expect(status == (409 if bad == number else 404), f"DELETE {bad}: {status}")
    lives_at_one(source, destination, source)


def kcoh(host, *words, status):
    done = subprocess.run([KCOH, words[0], "--socket", host.daemon.socket, *words[1:]], capture_output=True, text=True, timeout=5 * DEADLINE)
    expect(done.returncode == status, f"kcoh {' '.join(words)}: status {done.returncode}, not {status}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def printed(text):
    return "\n" + "\n".join("     | " + line for line in text.splitlines())


def case_host(host):
    """kcoh evacuate --host: what it plans, what it does, the table, the status; kcoh check --host"""
    pairs = [host.pair(), host.pair(), host.pair()]
    host.daemon.order("off 2")
    to = f"unix:{host.directory}/%n.in"
    plan = json.loads(kcoh(host, "evacuate", "--host", "--plan", "--json", status=0))
    expect([one["plan"] for one in plan] == ["evacuate", "refuse", "evacuate"], f"{plan}")
    expect("refuse" in kcoh(host, "evacuate", "--host", "--plan", status=0), "the table of the plan")
    lines = kcoh(host, "check", "--host", status=20).splitlines()
    expect(len(lines) == 3 and lines[1].startswith("vm2: veto: mmu-off:"), f"{lines}")
    text = kcoh(host, "evacuate", "--host", "--to", to, status=20)
    rows = [line.split() for line in text.splitlines() if line.startswith("vm") and ":" not in line.split()[0]]
    expect([row[:2] for row in rows] == [["vm1", "completed"], ["vm2", "refused"], ["vm3", "completed"]], text)
    expect("vm1: completed: the guest has left" in text, text)
    for (source, destination), wanted in zip(pairs, (1, 0, 1)):
        lives_at_one(source, destination, (source, destination)[wanted])
    host.daemon.order("on 2")
    done = json.loads(kcoh(host, "evacuate", "--vm", "vm2", "--to", to, "--json", status=0))
    expect(done[0]["state"] == "completed", f"{done}")
    return printed(text)


case_host.strategy = "veto"


def case_interrupt(host):
    """Ctrl-C: kcoh evacuate cancels, and ends when the guest runs again"""
    source, destination = host.pair(bandwidth=1 << 20)
    child = subprocess.Popen([KCOH, "evacuate", "--socket", host.daemon.socket, "--vm", "vm1", "--to", source.to],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until("it migrates", lambda: any(one["state"] == "migrating" for one in host.daemon.get("/v1/evacuations")["evacuations"]))
    child.send_signal(signal.SIGINT)
    text = child.communicate(timeout=DEADLINE)[0]
    expect(child.returncode == 1 and "somebody asked for that" in text, f"{child.returncode}: {text}")
    lives_at_one(source, destination, source)


def case_check_waits(host):
    """kcoh check --wait: as long as the verdict is wait, and no longer"""
    host.pair()
    host.daemon.order("off 1")
    host.daemon.order("epoch 1")
    kcoh(host, "check", "--vm", "vm1", status=10)
    kcoh(host, "check", "--host", "--wait", "1", status=10)
    child = subprocess.Popen([KCOH, "check", "--socket", host.daemon.socket, "--vm", "vm1", "--wait", str(DEADLINE)],
                             stdout=subprocess.PIPE, text=True)
    time.sleep(0.3)  # not for anything to happen: for it to have begun to wait, usually
    expect(child.poll() is None, "it does not wait")
    host.daemon.order("on 1")
    text = child.communicate(timeout=DEADLINE)[0]
    expect(child.returncode == 0 and ": repair:" in text, f"{child.returncode}: {text}")


case_check_waits.strategy = "defer"


def told(host, number):
    """The states of an evacuation as the event stream has them, and the sentence of the last one."""
    states, connection = [], socket.socket(socket.AF_UNIX)
    connection.settimeout(DEADLINE)
    connection.connect(host.daemon.socket)
    connection.sendall(b"GET /v1/events?since=0 HTTP/1.0\r\n\r\n")
    for line in connection.makefile("r"):
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("evacuation") == number:
            states.append(event["state"])
            if event["state"] in ("completed", "refused", "cancelled", "failed"):
                connection.close()
                return states, event["sentence"]
    raise Wrong(f"the stream ended after {states}")


def cancelling(host, **order):
    """An evacuation that is being cancelled, and whose QEMU does not answer (it is stopped)."""
    source, destination = host.pair(bandwidth=1 << 20)
    number = host.begin(source, **order)
    until("it migrates", lambda: host.state(number)["state"] == "migrating")
    source.process.send_signal(signal.SIGSTOP)
    status, one = host.daemon.ask("DELETE", f"/v1/evacuations/{number}")
    expect((status, one["state"]) == (202, "cancelling"), f"{status} {one}")
    return source, destination, number


def case_source_dies_cancelling(host):
    """the source is killed while it is being cancelled: failed, and said so; another VM can be evacuated"""
    source, destination, number = cancelling(host)
    source.end()
    one = host.over(number)
    expect((one["state"], one["cause"]) == ("failed", "qemu") and "QEMU has ended" in one["sentence"], f"{one}")
    until("nothing runs at the destination", lambda: destination.status() != "running")
    states, sentence = told(host, number)
    expect(states[-2:] == ["cancelling", "failed"] and sentence == one["sentence"], f"{states} {sentence}")
    source, destination = host.pair()
    expect(host.over(host.begin(source))["state"] == "completed", "the next one")
    lives_at_one(source, destination, destination)
    return printed(one["sentence"])


def case_destination_dies_cancelling(host):
    """the destination is killed while it is being cancelled: the guest runs on here"""
    source, destination, number = cancelling(host)
    destination.end()
    source.process.send_signal(signal.SIGCONT)
    one = host.over(number)
    expect(one["state"] in ("cancelled", "failed") and "runs on here" in one["sentence"], f"{one}")
    lives_at_one(source, destination, source)
    states, sentence = told(host, number)
    expect(states[-2:] == ["cancelling", one["state"]] and sentence == one["sentence"], f"{states} {sentence}")
    return printed(one["sentence"])


def case_silent_cancelling(host):
    """the source does not answer while it is being cancelled, and does again: cancelled, the guest runs on here"""
    source, destination, number = cancelling(host)
    time.sleep(8)  # longer than a command may take: the connection is given up, and made again
    expect(host.state(number)["state"] == "cancelling", f"{host.state(number)}")
    source.process.send_signal(signal.SIGCONT)
    one = host.over(number)
    expect((one["state"], one["cause"]) == ("cancelled", "asked"), f"{one}")
    lives_at_one(source, destination, source)
    return printed(one["sentence"])


def case_second_daemon(host):
    """a second daemon on the same socket: one sentence, status 2, and it touches nothing of the first"""
    source, destination = host.pair(bandwidth=1 << 20)
    number = host.begin(source)
    until("it migrates", lambda: host.state(number)["state"] == "migrating")
    second = subprocess.run([DAEMON, host.directory, f"{host.directory}/kcoh.conf"], stdin=subprocess.DEVNULL, capture_output=True,
                            text=True, timeout=DEADLINE)
    expect(second.returncode == 2 and len(second.stderr.splitlines()) == 1, f"{second}")
    expect("another kcohd already serves" in second.stderr, second.stderr)
    expect(host.state(number)["state"] == "migrating", f"{host.state(number)}")
    source.qmp("migrate-set-parameters", max_bandwidth=1 << 30)
    expect(host.over(number)["state"] == "completed", f"{host.state(number)}")
    lives_at_one(source, destination, destination)
    return printed(second.stderr)


def case_stale_socket(host):
    """the socket of a daemon that was killed: kcoh says that nobody answers; the next daemon takes it over"""
    source, destination = host.pair()
    host.daemon.kill()
    expect(os.path.exists(host.daemon.socket), "it took its socket with it")
    text = kcoh(host, "ps", status=2)
    expect(len(text.splitlines()) == 1, text)
    host.restart()
    expect(kcoh(host, "check", "--vm", source.name, status=0), "no answer")
    expect(host.over(host.begin(source))["state"] == "completed", "an evacuation by the next one")
    lives_at_one(source, destination, destination)
    return printed(text)


def case_killed(host, seed):
    """kcohd is killed (-9) at a random moment, and started again"""
    draw = random.Random(seed)
    source, destination = host.pair(bandwidth=draw.choice([None, 64 << 20]))
    moment = draw.choice(["at once", "migrating", "paused", "switching"])
    off = draw.random() < 0.3
    if moment == "paused":
        # It stands there because the verdict is `wait`: the kcohd that is killed cannot have decided.
        host.daemon.order(f"epoch {source.vm}")
        host.daemon.order(f"on {source.vm}")
    number = host.begin(source, pause_ms=8000)
    if moment == "paused":
        until("it begins", lambda: host.state(number)["state"] != "waiting")
        host.daemon.order(f"off {source.vm}")
        until("it is paused", lambda: host.state(number)["state"] in ("paused", "switching", "completed"))
    elif moment != "at once":
        order = ["waiting", "starting", "migrating", "paused", "switching", "completed"]
        until(moment, lambda: order.index(host.state(number)["state"]) >= order.index(moment))
    time.sleep(draw.random() * 0.2)
    host.daemon.kill()
    seen = source.status(), destination.status()
    host.daemon.start()
    host.tell(source)
    if off:
        host.daemon.order(f"off {source.vm}")
    until("what was taken over is over", lambda: all(one["over"] for one in host.daemon.get("/v1/evacuations")["evacuations"])
          and not os.listdir(f"{host.directory}/evacuations"))
    here = lives_at_one(source, destination)
    return f"{moment}, {seen[0]}/{seen[1]} when it was dead, {'off then, ' if off else ''}runs {'here' if here is source else 'there'}"


case_killed.strategy = "defer"

CASES = [case_clean, case_veto, case_veto_in_flight, case_defer, case_retry, case_pause_is_bounded, case_destination_comes_back, case_timeout, case_nobody_there,
         case_destination_dies, case_source_dies, case_other_client, case_somebody_cancels, case_orders, case_host, case_interrupt, case_check_waits,
         case_source_dies_cancelling, case_destination_dies_cancelling, case_silent_cancelling, case_second_daemon, case_stale_socket]


def run(case, name, *args):
    global failed
    host = Host(getattr(case, "strategy", "clean"))
    try:
        text = case(host, *args)
        if case is not case_killed:
            host.daemon.end()
        print(f"PASS evacuate: {name}{': ' + text if text else ''}", flush=True)
    except (Wrong, OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
        failed = True
        print(f"FAIL evacuate: {name}: {error!r}"[:1500], flush=True)
        print(pathlib.Path(host.directory, "qemu.log").read_text(), flush=True)
    finally:
        host.clean_up()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    for case in CASES:
        if not options.cases or case.__name__[5:] in options.cases:
            run(case, case.__doc__.strip())
    for seed in range(options.seed, options.seed + options.kills):
        if not options.cases or "killed" in options.cases:
            run(case_killed, f"killed, --seed {seed} --kills 1 killed", seed)
    return failed


sys.exit(main())
