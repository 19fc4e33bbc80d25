// SPDX-License-Identifier: GPL-2.0-only
//
// page.js - the live page: what /v1/vms says now, and /v1/events as it goes on.
//
// The stream is NDJSON, read by fetch(): EventSource would want another format. It begins with what kcohd keeps (since=0), and after a
// break goes on where it stopped; a kcohd that was started anew refuses that number, and then all begins anew.
//
// A verdict is shown as its event comes. The rest of a row (vCPUs, RAM, counts) is asked for when an event says that it may have
// changed: of single VMs, or, where many changed, the list, at most every 2 s and in a twentieth of the time. Zooming out beyond what the stream had asks the
// history, if kcohd keeps one.
//
// tests/page/names.py reads this: each api.FIELD must be in a real answer of /v1/vms.
"use strict";

const START_SPAN = 5 * 60e3;
const ASK_LEAST = 2000; // ms between two questions for the list
const ASK_MOST = 30000;
const ASK_SINGLE = 8; // VMs: more than that, and the list is asked for
const CHANGES = new Set(["vm-new", "vm-gone", "vcpu", "toggle", "reset", "memslot", "epoch", "window", "policy", "device", "phase", "lost", "host"]);
const CLOSE = 0.01; // ms: times in JavaScript are that exact
const HISTORY_LIMIT = 50000;

const view = new View(Date.now() - START_SPAN, Date.now());
let model = new Model();
const chart = new Chart(model, view);
let skew = 0; // the server's clock before ours, ms
let mono = null; // Unix time minus CLOCK_MONOTONIC, ms
let lastSeq = 0, backlogEnd = Infinity;
let dirty = new Set(), dirtyAll = true, askedAt = -Infinity, asking = false, eventsLost = false;
let askTook = 0; // ms that the last answer with all VMs took
let historyFrom = Infinity, historyAsking = false, historyNone = true;

chart.now = () => Date.now() + skew;
chart.back = () => {
	view.live = true;
	view.from = chart.now() - START_SPAN;
	view.to = chart.now();
	view.changed();
};
chart.back();

// --- rows ---

const unixOf = ns => ns === null || mono === null ? null : ns / 1e6 + mono;
const agoText = ns => unixOf(ns) === null ? "" : ` for ${duration(Math.max(0, chart.now() - unixOf(ns)))}`;

function windowFacts(api) {
	return api.windows.filter(one => one.count || one.open).map(one => [`windows ${one.class}`,
		`${one.count}, ${duration(one.closed_ns / 1e6)} in all${one.open ? `; open${agoText(one.since_ns)}` : ""}`]);
}

function cleaningText(cleaning) {
	return `${cleaning.cleaned} pages cleaned, ${cleaning.absent} not populated, ${cleaning.unclean} not cleaned, in ${duration(cleaning.ns / 1e6)}`;
}

function harvestFacts(harvests) {
	const facts = [["harvests", `${harvests.count}, ${harvests.pages} pages`]];
	if (harvests.dirty_bytes_per_s !== null)
		facts.push(["dirties", `${bytesText(harvests.dirty_bytes_per_s)}/s`]);
	if (harvests.cleaning)
		facts.push(["cleaning", cleaningText(harvests.cleaning)]);
	return facts;
}

function factsOf(api) {
	return [
		["id", `${api.id}, pid ${api.pid} (${api.comm})`], ...(api.uuid ? [["UUID", api.uuid]] : []),
		["since", `${api.verdict.verdict}${agoText(api.verdict.since_ns)}`],
		["vCPUs", statesText(api.vcpus)], ["RAM", `${bytesText(api.ram_bytes)} in ${api.slots} slots`],
		["strategy", `${api.strategy}, guard ${api.guard}`],
		["epoch", api.epoch ? `${api.epoch.armed ? "armed" : "not armed"}${agoText(api.epoch.since_ns)}` : `none now; ${api.epochs} so far`],
		["migration", api.phase], ...windowFacts(api), ...harvestFacts(api.harvests),
		["changes", `${api.toggles} toggles, ${api.resets} resets, ${api.set_ways} set/way`],
		...(api.exits.per_s === null ? [] : [["exits", `${api.exits.per_s} /s`]]),
		...(api.devices ?? []).map(one => ["device", `${one.device} ${one.smmu_events ?? 0} SMMU events`]),
	];
}

function showVm(api) {
	const track = model.track(api.id, api.name);
	track.name = api.name;
	track.uuid = api.uuid ?? "";
	if (mono !== null)
		holdsNow(track, api);
	const last = track.verdicts.at(-1) ?? { ...api.verdict };
	const states = statesText(api.vcpus);
	chart.setRow({
		id: api.id, name: api.name, track, gone: false, verdict: last.verdict, reason: last.reason, sentence: last.sentence,
		vcpus: api.vcpus, ram: api.ram_bytes, facts: () => factsOf(api), api,
		words: [api.name, `#${api.id}`, api.uuid, `pid:${api.pid}`, last.verdict, last.reason, api.strategy, states, api.epoch ? "epoch" : ""].join(" ").toLowerCase(),
	});
}

// What goes on and began before the first event that we have. An answer may be older than an event that is here already: then the
// event is right.
function holdsNow(track, api) {
	const goesOn = (spans, since) => (spans.at(-1)?.end ?? -Infinity) <= since + CLOSE && track.open(spans, since);
	for (const one of api.windows) {
		if (one.open)
			goesOn(track.windowSpans(one.class), unixOf(one.since_ns));
		else if (eventsLost)
			endOpen(track.windows.get(one.class));
	}
	if (api.epoch)
		goesOn(track.epochs, unixOf(api.epoch.since_ns));
	else if (eventsLost)
		endOpen(track.epochs);
	const { verdict, reason, sentence, since_ns } = api.verdict;
	if (unixOf(since_ns) >= (track.verdicts.at(-1)?.at ?? -Infinity) - CLOSE)
		track.judge(unixOf(since_ns) + CLOSE, verdict, reason, sentence);
	for (const one of api.vcpus) {
		if (!track.vcpus.has(one.index))
			track.cache(one.index, one.state, unixOf(one.since_ns));
	}
}

// The event of its end is among those that were lost.
function endOpen(spans) {
	if (spans?.at(-1)?.end === Infinity)
		spans.at(-1).end = chart.now();
}

function showAll(vms) {
	const there = new Set(vms.map(one => one.id));
	for (const id of [...chart.rows.keys()]) {
		if (!there.has(id))
			chart.removeRow(id);
	}
	vms.forEach(showVm);
	eventsLost = false;
	chart.arrange();
}

function showCounts() {
	const counts = new Map(VERDICTS.map(verdict => [verdict, 0]));
	for (const row of chart.rows.values())
		counts.set(row.verdict, (counts.get(row.verdict) ?? 0) + 1);
	const all = chart.rows.size, may = counts.get("allow") + counts.get("repair");
	const sum = byId("sum"), number = make("b", "", may === all ? (all === 1 ? "The VM" : `All ${all} VMs`) : `${may} of ${all} VMs`);
	sum.replaceChildren(...(all ? [number, " may move"] : ["No VMs"]));
	document.title = counts.get("veto") ? `${counts.get("veto")} veto · kcoh` : "kcoh";
	for (const button of byId("counts").children)
		button.children[1].textContent = counts.get(button.dataset.verdict);
}

for (const verdict of VERDICTS) {
	const button = make("button");
	button.type = "button";
	button.dataset.verdict = verdict;
	button.setAttribute("aria-pressed", "false");
	button.append(make("span", `mark ${verdict}`), make("b", "", "0"), verdict);
	button.addEventListener("click", () => {
		const pressed = !chart.only.has(verdict);
		chart.only[pressed ? "add" : "delete"](verdict);
		button.setAttribute("aria-pressed", String(pressed));
		chart.arrange();
	});
	byId("counts").append(button);
}
chart.arranged = showCounts;

// --- what kcohd says now ---

async function ask(path) {
	const sent = Date.now(), answer = await fetch(path, { cache: "no-store" });
	if (!answer.ok)
		throw new Error(`${path}: ${answer.status}`);
	const date = Date.parse(answer.headers.get("Date") ?? "") + 500, off = date - (sent + Date.now()) / 2;
	skew = Math.abs(off) > 2000 ? off : 0; // the header has whole seconds
	return answer.json();
}

async function askNow() {
	if (lastSeq < backlogEnd) // what is now, before what was, would be taken for it
		return;
	const wanted = dirty, list = dirtyAll || wanted.size > ASK_SINGLE || performance.now() - askedAt > ASK_MOST;
	if (asking || document.hidden || !(list || wanted.size) || (list && performance.now() - askedAt < Math.max(ASK_LEAST, askTook * 20)))
		return;
	asking = true;
	dirty = new Set();
	try {
		if (list) {
			dirtyAll = false;
			askedAt = performance.now();
			showAll((await ask("/v1/vms")).vms);
			askTook = performance.now() - askedAt;
		} else {
			for (const id of wanted)
				showVm(await ask(`/v1/vms/${id}`));
			chart.arrangeSoon();
		}
	} catch {
		dirtyAll = true; // a VM that went, or kcohd did
	}
	asking = false;
}
setInterval(askNow, 200);

// --- what happens ---

function take(event) {
	if (event.seq && event.seq > lastSeq) {
		dirtyAll ||= lastSeq < backlogEnd && event.seq >= backlogEnd;
		lastSeq = event.seq;
	}
	mono = timeOf(event) - event.ts_ns / 1e6;
	const track = model.add(event), row = chart.rows.get(track.id);
	if (event.type === "verdict" && row && track.verdicts.at(-1).verdict !== row.verdict) {
		const { verdict, reason, sentence } = track.verdicts.at(-1);
		chart.setRow({ ...row, verdict, reason, sentence, words: `${row.words} ${verdict} ${reason}` });
		showCounts();
		sayLater(`${row.name}: ${verdict}`);
	}
	eventsLost ||= event.type === "lost";
	if (!CHANGES.has(event.type))
		return;
	if (event.vm === undefined || event.type === "vm-new" || event.type === "vm-gone")
		dirtyAll = true;
	else
		dirty.add(event.vm);
}

let said = [];
function sayLater(text) {
	if (!said.length)
		setTimeout(() => {
			byId("said").textContent = said.length > 3 ? `${said.length} verdicts changed` : said.join(". ");
			said = [];
		}, 2000);
	said.push(text);
}

function setLive(text, good) {
	byId("live").textContent = text;
	byId("live").classList.toggle("off", !good);
}

async function readStream() {
	const host = await ask("/v1/host");
	historyNone = !host.history;
	backlogEnd = host.seq;
	if (lastSeq >= backlogEnd)
		dirtyAll = true;
	const answer = await fetch(`/v1/events?since=${lastSeq}`, { cache: "no-store" });
	if (answer.status === 400) {
		startAnew();
		return;
	}
	if (!answer.ok)
		throw new Error((await answer.json()).error);
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	setLive("live", true);
	for (let rest = "";;) {
		const { value, done } = await reader.read();
		if (done)
			return;
		const lines = (rest + value).split("\n");
		rest = lines.pop();
		for (const line of lines)
			take(JSON.parse(line));
		chart.redraw();
	}
}

// kcohd was started anew: its numbers begin anew, those of VMs, too.
function startAnew() {
	lastSeq = 0;
	model = chart.model = new Model();
	historyFrom = Infinity;
	backlogEnd = Infinity;
	askedAt = -Infinity;
}

async function follow() {
	for (let wait = 500;; wait = Math.min(8000, wait * 2)) {
		const began = performance.now();
		try {
			await readStream();
		} catch { /* said below */ }
		if (performance.now() - began > 5000)
			wait = 500;
		setLive("kcohd does not answer; trying again", false);
		await new Promise(done => setTimeout(done, wait));
	}
}

// --- the past ---

// Events of the history know a VM by the number it had then; here it is who has that name now.
async function askHistory(from) {
	const until = Math.min(model.first, historyFrom), named = new Map([...chart.rows.values()].map(row => [row.name, row.id]));
	historyAsking = true;
	try {
		const answer = await fetch(`/v1/history?since=${Math.floor(from / 1e3)}&until=${Math.ceil(until / 1e3)}&limit=${HISTORY_LIMIT}`);
		const lines = answer.ok ? (await answer.text()).split("\n").filter(Boolean) : [];
		const older = lines.map(JSON.parse).filter(event => timeOf(event) < until && (named.has(event.name) || event.type === "clock"))
			.map(event => ({ ...event, vm: named.get(event.name) }));
		historyFrom = from;
		if (older.length)
			prepend(older);
	} catch { /* it can be asked for again */ }
	historyAsking = false;
}

function prepend(older) {
	const known = [model.host, ...model.tracks.values()].flatMap(track => track.events).sort((a, b) => a.seq - b.seq);
	model = chart.model = new Model();
	[...older, ...known].forEach(event => model.add(event));
	for (const row of [...chart.rows.values()])
		showVm(row.api);
	chart.redraw();
}

// As often as the present moves by a pixel, at most 20 times a second.
function tick() {
	const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
	const pause = Math.max(still ? 1000 : 50, Math.min(1000, view.span / Math.max(1, chart.lanes.width)));
	setTimeout(() => {
		if (view.live && !document.hidden)
			chart.redraw();
		if (view.from < Math.min(model.first, historyFrom) && chart.rows.size && !historyAsking && !historyNone)
			askHistory(view.from - view.span / 2);
		tick();
	}, pause);
}

tick();
follow();
