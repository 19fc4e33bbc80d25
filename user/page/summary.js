// SPDX-License-Identifier: GPL-2.0-only
//
// summary.js - what a report counts: of each VM, of each cause, and what resets cost. No document is needed here: events in, numbers out.
//
// What made a window open is the event before it, of the same VM and moment: kcohd writes the record down, then what it made of it. So
// 'a vCPU turned them off at 0x40080828' is counted apart from 'a reset'.
//
// 'Unmap or clean?' KVM unmaps a VM's stage 2 at a reset; what was touched again within 5 s faulted in anew. Beside it what cleaning instead
// would have cost: the pages of that VM's RAM at once, and the pages that came back; each at what a page cost in the module's own harvests, of
// this VM or, if it has none, of all.
//
// tests/page/names.py reads COUNTERS like HANDLERS in model.js.
"use strict";

// Of spans that may still go on: how many, how long together, the longest; until `now`.
function spansSum(spans, now) {
	const lengths = spans.map(span => Math.min(span.end, now) - Math.max(span.start, -Infinity)).filter(Number.isFinite);
	return { count: spans.length, ms: lengths.reduce((sum, one) => sum + one, 0), longest: Math.max(0, ...lengths) };
}

// How long two lists of spans overlap.
function overlap(some, others, now) {
	let ms = 0;
	for (const one of some) {
		for (let i = firstIndex(others, span => span.end > one.start); i < others.length && others[i].start < Math.min(one.end, now); i++)
			ms += Math.max(0, Math.min(one.end, others[i].end, now) - Math.max(one.start, others[i].start));
	}
	return ms;
}

const CAUSES = {
	"toggle": event => `a vCPU turned MMU or caches off at ${event.pc}`,
	"vcpu": event => event.state === "unknown" ? "a vCPU's state became unknown" : "a vCPU was found with MMU or caches off",
	"reset": event => ({ "init": "a vCPU was reset (KVM_ARM_VCPU_INIT)", "cpu-on": "a vCPU was started (PSCI CPU_ON)" })[event.kind] ?? "SCTLR_EL1 was written from outside",
	"set-way": () => "a set/way operation",
	"memslot": () => "a memslot changed",
	"epoch": () => "an epoch began",
	"lost": () => "events were lost",
	"vm-new": event => event.existing ? "the VM was there before kcohd" : "the VM began",
	"policy": () => "a policy",
};

const COUNTERS = {
	"toggle": (of, event, at) => of.toggles++,
	"reset": (of, event, at) => of.resets++,
	"act": (of, event, at) => {
		if (event.outcome === "failed")
			of.actsFailed++;
		of.acts++;
	},
	"epoch": (of, event, at) => {
		of.ramPages = Math.max(of.ramPages, event.total_pages);
	},
	"memslot": (of, event, at) => {
		if (!event.flags.includes("readonly"))
			of.slots.set(event.slot, event.change === "delete" ? 0 : event.pages);
	},
	"harvest": (of, event, at) => {
		if (event.source === "kvm") {
			of.harvests += event.harvests;
			of.pages += event.pages;
		} else {
			of.cleaned += event.cleaned + event.extra;
			of.unclean += event.unclean;
			of.cleanNs += event.ns;
		}
	},
	"unmap": (of, event, at) => {
		if (event.kind === "followed")
			of.unmaps.push({ at, unmaps: event.unmaps, ns: event.ns, faults: event.faults, faultNs: event.fault_ns, bytes: event.bytes });
	},
	"smmu": (of, event, at) => {
		of.smmu += event.count;
	},
	"window": (of, event, at) => {
		of.last = null;
	},
};

function newCounts() {
	return { toggles: 0, resets: 0, acts: 0, actsFailed: 0, harvests: 0, pages: 0, cleaned: 0, unclean: 0, cleanNs: 0, smmu: 0, ramPages: 0,
		slots: new Map(), unmaps: [], last: null };
}

// A list of events: the model of a time line, counts of each VM, and causes of windows: {text, class} -> {count, vms}.
function summarize(events) {
	const model = new Model(), counts = new Map(), causes = new Map();
	let lost = 0, pageSize = 4096, lastLost = null;
	for (const event of events) {
		const track = model.add(event), at = timeOf(event);
		if (!counts.has(track.id))
			counts.set(track.id, newCounts());
		const of = counts.get(track.id);
		if (event.type === "window" && event.state === "open") {
			const before = of.last?.ts_ns === event.ts_ns ? of.last : lastLost?.ts_ns === event.ts_ns ? lastLost : null;
			const text = before && CAUSES[before.type] ? CAUSES[before.type](before) : "something that these events do not show";
			const key = `${event.class}\n${text}`;
			if (!causes.has(key))
				causes.set(key, { class: event.class, text, count: 0, vms: new Set() });
			causes.get(key).count++;
			causes.get(key).vms.add(track.name);
		} else if (event.type === "lost") {
			lost += event.of ? 0 : event.count;
			lastLost = event;
		} else if (event.type === "host") {
			pageSize = event.page_size;
		} else if (event.type !== "verdict") {
			of.last = event;
		}
		COUNTERS[event.type]?.(of, event, at);
	}
	return { model, counts, causes: [...causes.values()].sort((a, b) => b.count - a.count), lost, pageSize };
}

// How long each verdict but allow held, of all VMs: the reasons that cost most first.
function reasonTimes(model, until) {
	const reasons = new Map();
	for (const track of model.tracks.values()) {
		track.verdicts.forEach((step, i) => {
			const end = Math.min(track.gone, until, track.verdicts[i + 1]?.at ?? Infinity), key = `${step.verdict}\n${step.reason}`;
			if (step.verdict === "allow")
				return;
			if (!reasons.has(key))
				reasons.set(key, { verdict: step.verdict, reason: step.reason, sentence: step.sentence, count: 0, ms: 0, vms: new Set() });
			const one = reasons.get(key);
			one.count++;
			one.ms += Math.max(0, end - step.at);
			one.vms.add(track.name);
		});
	}
	return [...reasons.values()].sort((a, b) => b.ms - a.ms);
}

function ramPagesOf(of) {
	return of.ramPages || [...of.slots.values()].reduce((total, one) => total + one, 0);
}

// A row for each VM's resets, or none. Costs in ns; null: not known, since no harvest was cleaned.
function resetCosts({ model, counts, pageSize }) {
	const all = [...counts.values()].reduce((sum, of) => ({ ns: sum.ns + of.cleanNs, pages: sum.pages + of.cleaned }), { ns: 0, pages: 0 });
	const rows = [];
	for (const track of model.tracks.values()) {
		const of = counts.get(track.id), { unmaps } = of;
		if (!unmaps.length)
			continue;
		const sum = key => unmaps.reduce((total, one) => total + one[key], 0);
		const perPage = of.cleaned ? of.cleanNs / of.cleaned : all.pages ? all.ns / all.pages : null;
		const ramPages = ramPagesOf(of);
		const cost = pages => perPage === null || !pages ? null : pages * perPage * unmaps.length;
		rows.push({
			track, resets: unmaps.length, unmaps: sum("unmaps"), unmapNs: sum("ns"), faults: sum("faults"), faultNs: sum("faultNs"),
			bytes: sum("bytes"), perPage, own: of.cleaned > 0, ramBytes: ramPages * pageSize, cleanAllNs: cost(ramPages),
			cleanBackNs: perPage === null ? null : sum("bytes") / pageSize * perPage,
		});
	}
	return rows.sort((a, b) => b.unmapNs + b.faultNs - a.unmapNs - a.faultNs);
}
