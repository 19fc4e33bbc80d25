#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""kcoh report, of a real server's events: is what it writes whole and right, and what does it say to bad input? The events are those of a host
that is made up, and of a recorded one (tests/metrics/lab.rec).

  html       the events in it are those of the file, all and unchanged, whatever is in their texts; its policy allows its own script
  perfetto   the trace keeps to Chrome's trace event format, and has a slice for each window, as long as the events say, and tracks for
             each VM and vCPU
  kcohd      --since gives the same events, from backlog and history
  refusals   one sentence, status 2, and no file left behind

Usage: tests/page/report.py [--keep DIR]      (scripts/check page builds what it needs; DIR: report.ndjson, recorded.ndjson and what was made of them)
A line PASS or FAIL each; exit status 0 all passed, 1 something failed.
"""
import base64
import collections
import datetime
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
KCOH = TOP / "build/asan/bin/kcoh"
HOSTILE = 'a</script><script>alert(1)</script><!-- & \u2028 "'
failed = False
subject = "report"


def report(wrong, what):
    global failed
    print(("FAIL" if wrong else "PASS") + f" page: {subject}: {what}")
    for one in list(wrong)[:5]:
        print(f"     | {one}")
    failed |= bool(wrong)


def kcoh(*arguments):
    return subprocess.run([KCOH, "report", *arguments], capture_output=True, text=True, cwd=TOP)


class Server:
    def __init__(self, work, *world):
        self.socket = work / "sock"
        self.child = subprocess.Popen([TOP / "build/native/page-server", "--still", *world, "--socket", self.socket],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.child.stdout.readline().strip()

    def events(self):
        with urllib.request.urlopen(f"{self.url}v1/host", timeout=10) as answer:
            last = json.load(answer)["seq"]
        lines = []
        with urllib.request.urlopen(f"{self.url}v1/events?since=0", timeout=10) as stream:
            for line in stream:
                lines.append(line.decode().rstrip("\n"))
                if json.loads(lines[-1])["seq"] == last:
                    return lines

    def stop(self):
        self.child.communicate("quit\n", timeout=10)


def events_in(html):
    return json.loads(re.search(r'<script type="application/json" id="given">(.*?)</script>', html, re.S)[1])


def check_html(html, events):
    found = events_in(html)
    report([f"{len(found)} of {len(events)} events, or not the same"] if found != events else [], f"the HTML has all {len(events)} events, unchanged")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    script = re.search(r"<script>(.*?)</script>", html, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    wrong = [] if f"'sha256-{digest}'" in policy and "connect-src 'none'" in policy and "unsafe" not in policy else [policy]
    wrong += re.findall(r'(?:src|href)="(?!data:)[^"]*"', html)
    report(wrong, "its policy allows its own script and no request, and it names no other file")


def check_hostile(work, events):
    hostile = [{**event, "name": HOSTILE} if "name" in event else event for event in events[:50]]
    (work / "hostile.ndjson").write_text("".join(json.dumps(event) + "\n" for event in hostile))
    run = kcoh(work / "hostile.ndjson", "-o", work / "hostile.html")
    html = (work / "hostile.html").read_text() if run.returncode == 0 else ""
    report([run.stderr] if not html or html.count("<script") != 2 or events_in(html) != hostile else [], "a VM's name cannot break out of the HTML")


def format_wrong(trace):
    """What of the trace is not Chrome's trace event format."""
    for event in trace["traceEvents"]:
        phase = event.get("ph")
        if phase not in ("X", "i", "C", "M"):
            yield f"phase {phase}"
        if not all(isinstance(event.get(key), int) for key in ("pid", "tid")) or not isinstance(event.get("name"), str):
            yield f"no pid, tid or name: {event}"
        if phase != "M" and not (isinstance(event.get("ts"), (int, float)) and event["ts"] >= 0):
            yield f"ts: {event}"
        if phase == "X" and not (isinstance(event.get("dur"), (int, float)) and event["dur"] >= 0):
            yield f"dur: {event}"
        if phase == "i" and event.get("s") not in ("g", "p", "t"):
            yield f"scope: {event}"
        if phase == "C" and not all(isinstance(value, (int, float)) for value in event["args"].values()):
            yield f"a counter of no number: {event}"


def names_of(trace, what):
    return {(event["pid"], event["tid"]): event["args"]["name"] for event in trace["traceEvents"] if event["ph"] == "M" and event["name"] == what}


def check_trace(trace, events):
    report(list(format_wrong(trace)), f"the trace is in Chrome's format ({len(trace['traceEvents'])} entries)")
    threads, processes = names_of(trace, "thread_name"), {pid for pid, _ in names_of(trace, "process_name")}
    slices = collections.defaultdict(list)
    for event in trace["traceEvents"]:
        if event["ph"] == "X":
            slices[event["pid"], event["tid"]].append((event["ts"], event["dur"], event["name"]))
    wrong = [f"no name for {key}" for key in slices if key not in threads or key[0] not in processes]
    for key, track in slices.items():
        track.sort()
        wrong += [f"{threads[key]} of VM {key[0]}: {a} and {b} overlap" for a, b in zip(track, track[1:]) if a[0] + a[1] > b[0] + 1e-3]
    report(wrong, f"its {len(slices)} tracks have names, and slices that follow each other")
    vcpus = {(event["vm"], f"vCPU {event['vcpu']}") for event in events if event["type"] in ("vcpu", "toggle")}
    report(vcpus ^ {(pid, name) for (pid, _), name in threads.items() if name.startswith("vCPU")}, f"there is a track for each of {len(vcpus)} vCPUs")
    check_windows(slices, threads, events)


def check_windows(slices, threads, events):
    told, drawn = collections.defaultdict(list), collections.defaultdict(list)
    still_open = set()
    for event in events:
        if event["type"] == "window" and event["state"] == "close":
            told[event["vm"], event["class"]].append(event["open_ns"] / 1e3)
            still_open.discard((event["vm"], event["class"]))
        elif event["type"] == "window":
            still_open.add((event["vm"], event["class"]))
    for (pid, tid), track in slices.items():
        if threads[pid, tid].startswith("window "):
            drawn[pid, threads[pid, tid][7:]] = [dur for _, dur, _ in track]
    wrong = [f"VM {vm}, {name}: {len(drawn[vm, name])} slices, {len(durations)} windows" for (vm, name), durations in told.items()
             if len(drawn[vm, name]) != len(durations) + ((vm, name) in still_open)]
    wrong += [f"VM {vm}, {name}: {a} us is drawn, {b} us it was" for (vm, name), durations in told.items()
              for a, b in zip(drawn[vm, name], durations) if abs(a - b) > 2]
    report(wrong if told else ["there is no window"], f"each of {sum(map(len, told.values()))} windows is a slice as long as it was open")


def check_kcohd(work, server, events):
    run = kcoh("--since", "1d", "--socket", server.socket, "-o", work / "since.html")
    found = events_in((work / "since.html").read_text()) if run.returncode == 0 else []
    events = events[1:] if events[0]["type"] == "lost" else events # what kcohd no longer has
    report([] if found[-len(events):] == events and len(found) > len(events) else [run.stderr, f"{len(found)} events of {len(events)}"],
           f"--since has the backlog and what the history has before it ({len(found) - len(events)} events)")
    run = kcoh("--since", "1d", "--vm", "batch-4", "--socket", server.socket, "-o", "-")
    found = events_in(run.stdout) if run.returncode == 0 else []
    report([] if {event.get("vm") for event in found} | {None} == {4, None} else [run.stderr], "--vm has one VM and the host; -o - is standard output")


def later(event, hours):
    time = datetime.datetime.fromisoformat(event["time"]) + datetime.timedelta(hours=hours)
    return {**event, "time": time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}


def check_clock_set(work, events):
    """Somebody sets the clock in the middle: but for that event the trace is the same."""
    for hours in (-3, 5):
        half = len(events) // 2
        step = {key: events[half][key] for key in ("seq", "ts_ns", "time")} | {"type": "clock", "by_ns": hours * 3600 * 10**9}
        changed = events[:half] + [later(event, hours) for event in [step] + events[half:]]
        (work / "clock.ndjson").write_text("".join(json.dumps(event) + "\n" for event in changed))
        drawn = []
        for name in "report", "clock":
            run = kcoh(work / f"{name}.ndjson", "-o", work / "clock.html", "--perfetto", work / "clock.json")
            trace = json.loads((work / "clock.json").read_text())["traceEvents"] if run.returncode == 0 else []
            drawn.append([(one["ph"], one["pid"], one["tid"], one["name"], round(one.get("ts", 0)), round(one.get("dur", 0)))
                          for one in trace if one["name"] != "clock" and one["ph"] != "M"])
        wrong = [f"{a} and not {b}" for a, b in zip(drawn[1], drawn[0]) if a != b] + [run.stderr] * (len(drawn[1]) != len(drawn[0]))
        report(wrong, f"the trace goes on when the clock is set by {hours} hours ({len(drawn[0])} entries)")


def check_refusals(work):
    (work / "bad.ndjson").write_text('{"seq":1,"ts_ns":1,"time":"2026-01-02T03:04:05.000001Z","type":"scan","state":"begin"}\nnonsense\n')
    (work / "empty.ndjson").write_text("")
    out, wrong = work / "none.html", []
    for arguments, sentence in (
            ((work / "missing",), f"kcoh: cannot read {work}/missing: No such file or directory"),
            ((work / "bad.ndjson",), f"kcoh: {work}/bad.ndjson, line 2: no event as 'kcoh trace --json' prints them"),
            ((work / "empty.ndjson",), "kcoh: there is no event to report"),
            ((work / "bad.ndjson", "more"), "kcoh report: one FILE at a time: 'more' is too much; see kcoh report --help"),
            ((), "kcoh report: say what to report: a FILE of events, or --since, and not both; see kcoh report --help"),
            (("--since", "soon"), "kcoh report: --since takes how long ago, like 90s, 5m, 2h or 7d, not 'soon'; see kcoh report --help"),
            ((work / "empty.ndjson", "--perfetto", out), "kcoh report: the report and the trace cannot be one file; see kcoh report --help"),
            ((work / "empty.ndjson", "--perfetto", "/nowhere/x"), "kcoh: cannot write /nowhere/x.partial: No such file or directory"),
            (("--since", "1h", "--socket", "/nowhere/sock"), None)):
        run = kcoh(*arguments, "-o", out)
        if run.returncode != 2 or len(run.stderr.splitlines()) != 1 or (sentence and run.stderr.strip() != sentence):
            wrong.append(f"{arguments}: {run.returncode}: {run.stderr}")
        wrong += [f"{arguments}: {path} is left behind" for path in work.glob("none.html*")]
    report(wrong, "bad input is one sentence and status 2, and leaves no file")


def made(work, vms):
    return "--vms", str(vms), "--past", "400", "--history", work / f"{vms}.db"


def check_file(work, name, *world):
    """The events of a server, its report and trace: NAME.ndjson, NAME.html, NAME.json."""
    server = Server(work, *world)
    try:
        lines = server.events()
    finally:
        server.stop()
    events = [json.loads(line) for line in lines]
    (work / f"{name}.ndjson").write_text("\n".join(lines) + "\n")
    run = kcoh(work / f"{name}.ndjson", "-o", work / f"{name}.html", "--perfetto", work / f"{name}.json")
    report([] if run.returncode == 0 and not list(work.glob("*.partial")) else [run.stderr], "one run writes both")
    check_html((work / f"{name}.html").read_text(), events)
    check_trace(json.loads((work / f"{name}.json").read_text()), events)
    return events


def check_all(work):
    global subject
    events = check_file(work, "report", *made(work, 6))
    check_hostile(work, events)
    check_clock_set(work, events)
    subject = "report of a recorded host"
    check_file(work, "recorded", "--recording", TOP / "tests/metrics/lab.rec", "--live", "0")
    subject = "report"
    server = Server(work, *made(work, 40)) # with more events than it keeps
    try:
        check_kcohd(work, server, [json.loads(line) for line in server.events()])
    finally:
        server.stop()
    check_refusals(work)


def main():
    if sys.argv[1:2] == ["--keep"] and len(sys.argv) == 3:
        work = pathlib.Path(sys.argv[2])
        work.mkdir(parents=True, exist_ok=True)
        for database in work.glob("*.db*"):
            database.unlink()
        check_all(work)
    elif sys.argv[1:]:
        sys.exit(__doc__ if sys.argv[1:] in (["--help"], ["-h"]) else f"{sys.argv[0]}: takes --keep DIR or nothing; see --help")
    else:
        with tempfile.TemporaryDirectory() as work:
            check_all(pathlib.Path(work))
    sys.exit(failed)


main()
