// SPDX-License-Identifier: GPL-2.0-only
//
// report.js - the report of kcoh report: the page's time line of events that are in the file, and tables of what summary.js counts.
"use strict";

const TOP_ROWS = 20;

const given = JSON.parse(byId("given").textContent).map((event, i) => ({ event, i, at: timeOf(event) }))
	.sort((a, b) => a.at - b.at || a.i - b.i).map(one => one.event);
const summary = summarize(given), { model } = summary;
const first = model.first, last = Math.max(model.last, first + 1);
const view = new View(first - (last - first) * 0.01, last + (last - first) * 0.01);
const chart = new Chart(model, view);
chart.now = () => last;
chart.back = () => view.set(first - (last - first) * 0.01, last + (last - first) * 0.01);

const ms = ns => duration(ns / 1e6);
const whole = number => number.toLocaleString("en");

function windowSums(track) {
	return [...track.windows].map(([name, spans]) => ({ name, ...spansSum(spans.map(span => ({ start: Math.max(span.start, first), end: span.end })), last) }));
}

function factsOf(track) {
	const of = summary.counts.get(track.id), epochs = spansSum(track.epochs, last);
	return [
		["id", String(track.id)], ...(track.uuid ? [["UUID", track.uuid]] : []),
		...windowSums(track).map(one => [`windows ${one.name}`, `${one.count}, ${duration(one.ms)} in all, the longest ${duration(one.longest)}`]),
		["epochs", epochs.count ? `${epochs.count}, ${duration(epochs.ms)} in all` : "none"],
		["harvests", `${whole(of.harvests)}, ${whole(of.pages)} pages`],
		["cleaned", `${whole(of.cleaned)} pages in ${ms(of.cleanNs)}; ${whole(of.unclean)} not cleaned`],
		["changes", `${of.toggles} toggles, ${of.resets} resets`], ["acts", `${of.acts}, ${of.actsFailed} failed`],
		...(of.smmu ? [["SMMU events", whole(of.smmu)]] : []),
	];
}

for (const track of model.tracks.values()) {
	const end = track.verdicts.at(-1) ?? { verdict: "none", reason: "no verdict in these events" };
	const vcpus = [...track.vcpus].sort((a, b) => a[0] - b[0]).map(([index, steps]) => ({ index, state: steps.at(-1).state }));
	chart.setRow({
		id: track.id, name: track.name, track, gone: track.gone !== Infinity, verdict: end.verdict, reason: end.reason, sentence: end.sentence, vcpus,
		ram: ramPagesOf(summary.counts.get(track.id)) * summary.pageSize, facts: () => factsOf(track),
		words: [track.name, `#${track.id}`, track.uuid, end.verdict, end.reason, statesText(vcpus)].join(" ").toLowerCase(),
	});
}
chart.arrange();

// --- tables ---

// Columns: [head, row => text, is a number].
function table(id, heading, text, columns, rows, classOf) {
	const box = make("section"), wide = make("div", "wide"), grid = make("table", "table"), head = make("tr"), body = make("tbody");
	box.id = id;
	wide.tabIndex = 0;
	wide.setAttribute("role", "group");
	wide.setAttribute("aria-label", heading);
	box.append(make("h2", "", heading));
	if (text)
		box.append(make("p", "note", text));
	for (const [name, , isNumber] of columns) {
		const cell = make("th", isNumber ? "n" : "", name);
		cell.scope = "col";
		head.append(cell);
	}
	for (const row of rows) {
		const line = make("tr", classOf?.(row));
		for (const [, of, isNumber] of columns)
			line.append(make("td", isNumber ? "n" : "", of(row)));
		body.append(line);
	}
	const top = make("thead");
	top.append(head);
	grid.append(top, body);
	wide.append(grid);
	box.append(rows.length ? wide : make("p", "", "None."));
	byId("tables").append(box);
}

const classes = [...new Set([...model.tracks.values()].flatMap(track => [...track.windows.keys()]))].sort();

function overlapped(track) {
	const spans = [...track.windows.values()].flat().sort((a, b) => a.start - b.start);
	return spans.length && track.epochs.length ? overlap(track.epochs, merged(spans), last) : 0;
}

// Spans that touch, as one: classes overlap each other.
function merged(spans) {
	const all = [];
	for (const { start, end } of spans) {
		if (all.length && start <= all.at(-1).end)
			all.at(-1).end = Math.max(all.at(-1).end, end);
		else
			all.push({ start, end });
	}
	return all;
}

const byWindows = [...model.tracks.values()].map(track => ({ track, of: summary.counts.get(track.id), sums: new Map(windowSums(track).map(one => [one.name, one])) }))
	.sort((a, b) => overlapped(b.track) - overlapped(a.track) || a.track.name.localeCompare(b.track.name, undefined, { numeric: true }));

table("vms", "Virtual machines", "Those whose windows were open longest in a dirty epoch come first: that is when a migration without cleaning could have taken old bytes.", [
	["VM", ({ track }) => `${track.name} #${track.id}`],
	["at the end", ({ track }) => track.verdicts.length ? `${track.verdicts.at(-1).verdict} ${track.verdicts.at(-1).reason}` : ""],
	...classes.flatMap(name => [
		[`${name}: windows`, ({ sums }) => whole(sums.get(name)?.count ?? 0), true],
		["time", ({ sums }) => sums.has(name) ? duration(sums.get(name).ms) : "", true],
		["longest", ({ sums }) => sums.has(name) ? duration(sums.get(name).longest) : "", true]]),
	["epochs", ({ track }) => whole(track.epochs.length), true],
	["time", ({ track }) => track.epochs.length ? duration(spansSum(track.epochs, last).ms) : "", true],
	["with a window open", ({ track }) => overlapped(track) ? duration(overlapped(track)) : "", true],
	["pages harvested", ({ of }) => whole(of.pages), true],
	["cleaned", ({ of }) => whole(of.cleaned), true],
	["not cleaned", ({ of }) => whole(of.unclean), true],
	["toggles", ({ of }) => whole(of.toggles), true],
	["resets", ({ of }) => whole(of.resets), true],
	["acts", ({ of }) => whole(of.acts), true],
], byWindows, ({ track }) => track.verdicts.at(-1)?.verdict);

table("causes", "What opened windows", summary.causes.length > TOP_ROWS ? `The first ${TOP_ROWS} of ${summary.causes.length}.` : "", [
	["window", one => one.class], ["because", one => one.text], ["times", one => whole(one.count), true], ["VMs", one => whole(one.vms.size), true],
	["which", one => [...one.vms].slice(0, 5).join(", ") + (one.vms.size > 5 ? ", …" : "")],
], summary.causes.slice(0, TOP_ROWS));

table("reasons", "What stood in the way of moving", "Time in each verdict but allow, of all VMs together; with repair a VM may move.", [
	["verdict", one => one.verdict], ["reason", one => one.reason], ["", one => one.sentence ?? ""], ["times", one => whole(one.count), true],
	["time", one => duration(one.ms), true], ["VMs", one => whole(one.vms.size), true],
	["which", one => [...one.vms].slice(0, 5).join(", ") + (one.vms.size > 5 ? ", …" : "")],
], reasonTimes(model, last).slice(0, TOP_ROWS));

const costs = resetCosts(summary), costText = ns => ns === null ? "not known" : ms(ns);
table("resets", "Resets: unmap or clean?", costs.length ? "At a reset KVM unmaps the whole stage 2, and each page that the guest touches faults in anew, and is cleaned then: " +
	"'unmapping' and 'faults' are what that took, up to 5 s after the reset, on the vCPUs' time. Beside it what cleaning instead would have taken, at what a page cost in harvests " +
	"that the module cleaned (of that VM, or, with a *, of all): all RAM at once, as if all of it were populated, and only what came back." :
	"No reset was followed by an unmap in these events (they are told without S2FWB only, and not kept in kcohd's history).", [
	["VM", row => `${row.track.name} #${row.track.id}`], ["resets", row => whole(row.resets), true], ["unmapping", row => ms(row.unmapNs), true],
	["faults", row => whole(row.faults), true], ["their time", row => ms(row.faultNs), true], ["came back", row => bytesText(row.bytes), true],
	["unmap: together", row => ms(row.unmapNs + row.faultNs), true],
	["a page", row => row.perPage === null ? "not known" : `${ms(row.perPage)}${row.own ? "" : "*"}`, true],
	["clean: all RAM", row => row.cleanAllNs === null ? "not known" : `${costText(row.cleanAllNs)} (${bytesText(row.ramBytes)})`, true],
	["clean: what came back", row => costText(row.cleanBackNs), true],
	["cheaper", row => row.cleanAllNs === null ? "" : row.cleanAllNs < row.unmapNs + row.faultNs ? "clean" : "unmap"],
], costs);

byId("sum").textContent = `${whole(given.length)} events of ${model.tracks.size} VM${model.tracks.size === 1 ? "" : "s"}, ` +
	`${clockText(first, 86400e3)} ${clockText(first, 1e3)} to ${clockText(last, 86400e3)} ${clockText(last, 1e3)} (${duration(last - first)})` +
	(summary.lost ? `; ${whole(summary.lost)} events were lost` : "");
