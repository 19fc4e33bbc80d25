// SPDX-License-Identifier: GPL-2.0-only
//
// model.js - events (docs/events.md) as what a time line shows: for each VM spans and moments.
//
//   window open, window close   ->  a span of that class
//   epoch start, epoch end      ->  a span
//   verdict                     ->  a step: this one from here to the next
//   vcpu, toggle                ->  steps of that vCPU's cache state
//   harvest                     ->  a moment with a height
//   evacuation                  ->  steps of its state, and a mark where it begins and where it is over
//   act, reset, hold, …         ->  a mark
//   clock                       ->  what was before moves to where the clock, as it is now, would have put it
//
// Times are milliseconds of Unix time, with fractions. A span whose start was not seen begins where its end says, or with the VM;
// one that goes on ends at Infinity. Each array is in the order of time, so that what is in sight is found by halving.
//
// tests/page/names.py reads the table HANDLERS: each event.FIELD must be one of that type in docs/events.schema.json.
"use strict";

const EVENTS_KEPT = 4000; // of a VM, for its list
const SPANS_KEPT = 20000; // of a VM, of each kind
const EVACUATION_OVER = ["completed", "refused", "cancelled", "failed"];

function timeOf(event) {
	const text = event.time;
	if (!text)
		return event.ts_ns / 1e6;
	return Date.parse(text.slice(0, 23) + "Z") + Number(text.slice(23, 26)) / 1000;
}

// The first index whose element is not before: done(element) is false, …, false, true, …, true.
function firstIndex(array, done) {
	let low = 0, high = array.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if (done(array[middle]))
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

function keep(array, item, most) {
	array.push(item);
	if (array.length > most * 1.25)
		array.splice(0, array.length - most);
}

class Track {
	constructor(id, name) {
		this.id = id;
		this.name = name;
		this.uuid = "";
		this.pid = 0;
		this.born = -Infinity;
		this.gone = Infinity;
		this.windows = new Map(); // class -> [{start, end}]
		this.epochs = []; // {start, end}
		this.verdicts = []; // {at, verdict, reason, sentence}
		this.harvests = []; // {at, pages, unclean, source, harvests, kind, ns}
		this.marks = []; // {at, kind, text, bad}
		this.evacuations = []; // {at, state}; state null: none is under way
		this.vcpus = new Map(); // index -> [{at, state}]
		this.events = [];
	}

	open(spans, at) {
		const last = spans.at(-1);
		if (!last || last.end !== Infinity)
			keep(spans, { start: at, end: Infinity }, SPANS_KEPT);
	}

	close(spans, at, start) {
		const last = spans.at(-1);
		if (last && last.end === Infinity)
			last.end = Math.max(at, last.start);
		else
			keep(spans, { start: Math.max(start, last ? last.end : -Infinity), end: at }, SPANS_KEPT);
	}

	windowSpans(name) {
		if (!this.windows.has(name))
			this.windows.set(name, []);
		return this.windows.get(name);
	}

	cache(vcpu, state, at, before) {
		let steps = this.vcpus.get(vcpu);
		if (!steps)
			this.vcpus.set(vcpu, steps = []);
		if (!steps.length && before)
			steps.push({ at: this.born, state: before });
		if (steps.at(-1)?.state !== state)
			keep(steps, { at: Math.max(at, steps.at(-1)?.at ?? -Infinity), state }, SPANS_KEPT);
	}

	mark(kind, at, text, bad) {
		keep(this.marks, { at: Math.max(at, this.marks.at(-1)?.at ?? -Infinity), kind, text, bad: Boolean(bad) }, SPANS_KEPT);
	}

	evacuate(event, at) {
		const steps = this.evacuations, over = EVACUATION_OVER.includes(event.state), when = Math.max(at, steps.at(-1)?.at ?? -Infinity);
		if (over)
			this.mark("evacuation", at, `evacuation ${event.state}: ${event.sentence ?? event.cause}`, event.state === "failed");
		else if (!steps.at(-1)?.state)
			this.mark("evacuation", at, `evacuation to ${event.destination} begins`);
		keep(steps, { at: when, state: over ? null : event.state }, SPANS_KEPT);
	}

	shift(ms) {
		this.born += ms;
		this.gone += ms;
		for (const span of [...this.windows.values(), this.epochs].flat()) {
			span.start += ms;
			span.end += ms;
		}
		for (const one of [this.verdicts, this.harvests, this.marks, this.evacuations, ...this.vcpus.values()].flat())
			one.at += ms;
	}

	judge(at, verdict, reason, sentence) {
		const last = this.verdicts.at(-1);
		if (last && at < last.at)
			return;
		if (last && last.verdict === verdict && last.reason === reason)
			return;
		keep(this.verdicts, { at, verdict, reason, sentence }, SPANS_KEPT);
	}

	end(at) {
		this.gone = at;
		for (const spans of [...this.windows.values(), this.epochs]) {
			if (spans.at(-1)?.end === Infinity)
				spans.at(-1).end = at;
		}
	}

	// What held at a moment, or undefined.
	verdictAt(at) {
		return this.verdicts[firstIndex(this.verdicts, step => step.at > at) - 1];
	}
}

const HANDLERS = {
	"vm-new": (track, event, at) => {
		track.uuid = event.uuid ?? "";
		track.pid = event.pid;
		if (!event.existing)
			track.born = at;
	},
	"vm-gone": (track, event, at) => track.end(at),
	"vcpu": (track, event, at) => track.cache(event.vcpu, event.state, at),
	"toggle": (track, event, at) => track.cache(event.vcpu, event.now, at, event.was),
	"set-way": (track, event, at) => track.mark("set-way", at, `set/way on vCPU ${event.vcpu}`, !event.cleaned),
	"reset": (track, event, at) => {
		if (event.has_run)
			track.cache(event.vcpu, "unknown", at);
		track.mark("reset", at, `reset of vCPU ${event.vcpu} (${event.kind})`);
	},
	"epoch": (track, event, at) => {
		if (event.state === "start")
			track.open(track.epochs, at);
		else
			track.close(track.epochs, at, track.born);
	},
	"window": (track, event, at) => {
		if (event.state === "open")
			track.open(track.windowSpans(event.class), at);
		else
			track.close(track.windowSpans(event.class), at, at - event.open_ns / 1e6);
	},
	"verdict": (track, event, at) => track.judge(at, event.verdict, event.reason, event.sentence),
	"harvest": (track, event, at) => keep(track.harvests, {
		at: Math.max(at, track.harvests.at(-1)?.at ?? -Infinity), pages: event.pages, unclean: event.unclean ?? 0,
		source: event.source, harvests: event.harvests, kind: event.kind, ns: event.ns,
	}, SPANS_KEPT),
	"hold": (track, event, at) => track.mark("hold", at, `vCPU ${event.vcpu} ${event.state} (${event.why})`),
	"act": (track, event, at) => track.mark("act", at, `${event.act} ${event.outcome} (${event.reason})`, event.outcome === "failed"),
	"evacuation": (track, event, at) => track.evacuate(event, at),
	"phase": (track, event, at) => track.mark("phase", at, `migration ${event.phase}`, event.phase === "failed"),
	"unmap": (track, event, at) => {
		if (event.kind === "unmapped")
			track.mark("unmap", at, `stage 2 unmapped in ${duration(event.ns / 1e6)}`);
	},
	"psci": (track, event, at) => track.mark("psci", at, `${event.call} by vCPU ${event.vcpu}`),
	"smmu": (track, event, at) => track.mark("smmu", at, `SMMU ${event.event ?? event.kind} ${event.device ?? ""}`, true),
	"device": (track, event, at) => track.mark("device", at, `device ${event.device} ${event.state}`),
};

class Model {
	constructor() {
		this.tracks = new Map();
		this.host = new Track(0, "host");
		this.first = Infinity; // of the events
		this.last = -Infinity;
		this.count = 0;
	}

	track(id, name) {
		let track = this.tracks.get(id);
		if (!track)
			this.tracks.set(id, track = new Track(id, name ?? `VM ${id}`));
		return track;
	}

	// Somebody set the clock: by that much what was before seems to be earlier, or later, than it was.
	shift(ms) {
		this.first += ms;
		this.last += ms;
		for (const track of [this.host, ...this.tracks.values()])
			track.shift(ms);
	}

	// Takes an event; the track it is about.
	add(event) {
		const at = timeOf(event);
		if (event.type === "clock")
			this.shift(event.by_ns / 1e6);
		const track = event.vm === undefined ? this.host : this.track(event.vm, event.name);
		this.first = Math.min(this.first, at);
		this.last = Math.max(this.last, at);
		this.count++;
		keep(track.events, event, EVENTS_KEPT);
		if (track !== this.host)
			HANDLERS[event.type]?.(track, event, at);
		return track;
	}
}

// 0.0124 -> "12.4 µs", 83.1 -> "83.1 ms", 4242 -> "4.24 s", 3723000 -> "1 h 2 min"
function duration(ms) {
	const three = (value, unit) => `${Number(value.toPrecision(3))} ${unit}`;
	if (ms < 1e-3)
		return three(ms * 1e6, "ns");
	if (ms < 1)
		return three(ms * 1e3, "µs");
	if (ms < 1e3)
		return three(ms, "ms");
	if (ms < 60e3)
		return three(ms / 1e3, "s");
	const two = (big, bigUnit, small, unit) => small ? `${big} ${bigUnit} ${small} ${unit}` : `${big} ${bigUnit}`;
	if (ms < 3600e3)
		return two(Math.floor(ms / 60e3), "min", Math.floor(ms % 60e3 / 1e3), "s");
	if (ms < 86400e3)
		return two(Math.floor(ms / 3600e3), "h", Math.floor(ms % 3600e3 / 60e3), "min");
	return two(Math.floor(ms / 86400e3), "d", Math.floor(ms % 86400e3 / 3600e3), "h");
}

function bytesText(bytes) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let i = 0;
	for (; bytes >= 1024 && i < units.length - 1; i++)
		bytes /= 1024;
	return `${Number(bytes.toPrecision(3))} ${units[i]}`;
}

// The fields that are its own: "class=mmu-off state=open".
function eventText(event) {
	const common = ["seq", "ts_ns", "time", "type", "vm", "name", "vcpu"];
	return Object.entries(event).filter(([key, value]) => !common.includes(key) && value !== null)
		.map(([key, value]) => `${key}=${Array.isArray(value) ? value.join("|") || "0" : value}`).join("  ");
}
