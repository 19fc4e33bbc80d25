# SPDX-License-Identifier: GPL-2.0-only
"""A real Prometheus with our rules that scrapes one place, and all that dashboards and rules ask of it.

  with Prometheus("127.0.0.1:9754") as prometheus:
      prometheus.wait_up(60)
      for where, query, series in prometheus.asked():
          print(where, query, series)
  print(prometheus.complaints)

It is the one of scripts/cache, in a directory that goes with it. Each scrape and each evaluation of rules is a second after the last.
"""
import json
import pathlib
import re
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
DASHBOARDS = sorted(TOP.glob("dashboards/*.json"))
RULES = TOP / "dashboards/kcoh.rules.yml"


def tools():
    run = subprocess.run([TOP / "scripts/cache", "prometheus"], cwd=TOP, check=True, capture_output=True, text=True)
    return pathlib.Path(run.stdout.strip())


def expressions(dashboard):
    """(where, query) of all that a dashboard asks."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            # label_values(METRIC, label)
            yield f"variable {variable['name']}", re.match(r"label_values\((.*), \w+\)$", variable["query"]["query"])[1]
    for annotation in dashboard["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["target"]["expr"]


def recorded():
    return re.findall(r"- record: (\S+)", RULES.read_text())


def queries():
    """(where, query) of all dashboards, for all hosts and VMs, and of all recording rules."""
    for name in recorded():
        yield "recorded", name
    for path in DASHBOARDS:
        for where, query in expressions(json.loads(path.read_text())):
            yield f"{path.name}, {where}", query.replace("$instance", ".*").replace("$name", ".*")


def wait_for(what, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if what():
                return True
        except OSError:
            pass
        time.sleep(0.5)
    return False


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prometheus:
    def __init__(self, target):
        self.target = target
        self.complaints = []

    def __enter__(self):
        port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        self.directory = tempfile.TemporaryDirectory()
        work = pathlib.Path(self.directory.name)
        (work / "prometheus.yml").write_text(f"""
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: [{RULES}]
scrape_configs:
  - job_name: kcoh
    static_configs: [{{ targets: ["{self.target}"] }}]
""")
        self.daemon = subprocess.Popen([tools() / "prometheus", f"--config.file={work}/prometheus.yml", f"--storage.tsdb.path={work}/data",
                                        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"], stderr=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.daemon.terminate()
        lines = self.daemon.communicate(timeout=30)[1].splitlines()
        self.complaints = [line for line in lines if "Received SIGTERM" not in line]
        self.directory.cleanup()

    def ask(self, path, **query):
        with urllib.request.urlopen(f"{self.base}{path}?{urllib.parse.urlencode(query)}", timeout=5) as answer:
            return json.load(answer)["data"]

    def series(self, query):
        return len(self.ask("/api/v1/query", query=query)["result"])

    def wait_up(self, seconds):
        """None when it has scraped its target, else what stands in the way."""
        if wait_for(lambda: self.series('up{job="kcoh"} == 1'), seconds):
            return None
        try:
            return self.ask("/api/v1/targets")["activeTargets"][0]["lastError"]
        except OSError as error:
            return f"it did not start: {error}"

    def asked(self):
        """(where, query, how many series it gives) of all queries."""
        return [(where, query, self.series(query)) for where, query in queries()]

    def empty(self):
        return [(where, query) for where, query, series in self.asked() if not series]
