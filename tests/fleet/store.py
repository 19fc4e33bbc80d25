# SPDX-License-Identifier: GPL-2.0-only
"""A fleet's store to test with: a real etcd on this machine, certificates, a publisher, configurations. Used by tests/fleet/run and
tests/admission/run."""
import atexit
import functools
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
PUBLISHER = TOP / "build/asan/fleet-publisher"
LEASE_S = 6


@functools.cache
def tools():
    """The directory with etcd and etcdctl."""
    return pathlib.Path(subprocess.run(["scripts/cache", "etcd"], cwd=TOP, check=True, capture_output=True, text=True).stdout.strip())


def start(*arguments, **more):
    """A process that ends with this one, also when a test fails half way."""
    process = subprocess.Popen(*arguments, **more)
    atexit.register(lambda: process.poll() is None and process.kill())
    return process


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def uuid(n):
    return f"d7ecdb33-5b3a-4d4b-8d3c-{n:012x}"


class Authority:
    """Certificates of an authority of our own."""

    def __init__(self, directory, name):
        self.directory, self.name = directory, name
        self.ca = directory / f"{name}.pem"
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", f"/CN={name}", "-keyout", directory / f"{name}.key", "-out", self.ca)

    @staticmethod
    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    def certificate(self, name, addresses=(), purpose="serverAuth,clientAuth"):
        key, request, pem = (self.directory / f"{name}.{end}" for end in ("key", "csr", "pem"))
        names = ",".join(["DNS:localhost", *(f"IP:{a}" for a in addresses)])
        extensions = self.directory / f"{name}.ext"
        # etcd's own HTTP gateway asks etcd with the server's certificate: it has to be a client's, too.
        extensions.write_text(f"subjectAltName={names}\nextendedKeyUsage={purpose}\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                     "-keyout", key, "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.directory / f"{self.name}.key",
                     "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", pem)
        return pem, key


class Etcd:
    """One member, on loopback or in a network namespace."""

    def __init__(self, work, name="m0", port=None, tls=None, peers=None, address="127.0.0.1", netns=None):
        self.data, self.log = work / f"{name}.data", work / f"{name}.log"
        self.port, self.peer = port or free_port(), free_port() if peers is None else peers[name]
        self.scheme = "https" if tls else "http"
        self.url = f"{self.scheme}://{address}:{self.port}"
        everyone = peers or {name: self.peer}
        self.command = (["ip", "netns", "exec", netns] if netns else []) + [
            tools() / "etcd", "--name", name, "--data-dir", self.data, "--listen-client-urls", self.url,
            "--advertise-client-urls", self.url, "--listen-peer-urls", f"http://127.0.0.1:{self.peer}",
            "--initial-advertise-peer-urls", f"http://127.0.0.1:{self.peer}",
            "--initial-cluster", ",".join(f"{n}=http://127.0.0.1:{p}" for n, p in everyone.items()),
            "--log-level", "warn"]
        if tls:
            pem, key = tls.certificate(f"server-{name}", [address])
            self.command += ["--cert-file", pem, "--key-file", key, "--trusted-ca-file", tls.ca, "--client-cert-auth"]
        self.process = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = start(list(map(str, self.command)), stdout=log, stderr=log)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self):
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 1e6


class Publisher:
    """tests/fleet/publisher.c, whose output is read all the time."""

    def __init__(self, config):
        self.process = start([PUBLISHER, config], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.says, self.confirmed, self.late, self.answers = [], [], [], []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            if line.startswith("say "):
                self.says.append(line[4:].strip())
            elif line.startswith("confirmed "):
                self.confirmed.append(line.split()[1])
            elif line.startswith("late "):
                self.late.append(int(line.split()[1]))
            else:
                self.answers.append(json.loads(line))

    def tell(self, *lines):
        for line in lines:
            self.process.stdin.write(line + "\n")
        self.process.stdin.write("tell\n")
        self.process.stdin.flush()

    def stats(self):
        n = len(self.answers)
        self.process.stdin.write("stats\n")
        self.process.stdin.flush()
        wait_for(lambda: len(self.answers) > n, 10)
        return self.answers[-1]

    def settled(self, seconds=30):
        return wait_for(lambda: (s := self.stats())["up"] and not s["pending"], seconds)

    def end(self):
        self.process.stdin.close()
        return self.process.wait(20)


class Fleet:
    """A directory with configurations of hosts."""

    def __init__(self, work, endpoints, ca=None, cert=None):
        self.work, self.endpoints, self.ca, self.cert = work, endpoints, ca, cert

    def config(self, host, guard="enforce", unknown="allow", **more):
        path = self.work / f"{host}.conf"
        lines = ["[defaults]", f"guard = {guard}", "[fleet]", f"endpoints = {', '.join(self.endpoints)}", f"host = {host}",
                 f"lease_s = {more.get('lease', LEASE_S)}", f"unknown_host = {unknown}"]
        ca, cert = more.get("ca", self.ca), more.get("cert", self.cert)
        lines += [f"ca = {ca}"] if ca else []
        lines += [f"cert = {cert[0]}", f"key = {cert[1]}"] if cert else []
        path.write_text("\n".join(lines) + "\n")
        return path
