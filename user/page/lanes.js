// SPDX-License-Identifier: GPL-2.0-only
//
// lanes.js - a span of time, and tracks drawn in it on a canvas.
//
// A lane, from the top: the epoch as a band; in it windows (solid: mmu-off; hatched: blind, and what this page does not know) and
// harvests (ticks, as high as the logarithm of their pages); marks (acts, resets, …) as small shapes above; and below a ribbon in the
// verdict's colour. Nothing is told by colour only: windows have patterns and labels, the tooltip has words.
//
// What is narrower than a pixel is drawn a pixel wide, once for each pixel, so that a million harvests cost no more than the
// canvas is wide.
"use strict";

const SHORTEST = 0.01; // ms
const LONGEST = 400 * 86400e3;

class View {
	constructor(from, to) {
		this.from = from;
		this.to = to;
		this.live = false; // follows the present
		this.changed = () => {};
	}

	get span() {
		return this.to - this.from;
	}

	set(from, to) {
		const span = Math.min(LONGEST, Math.max(SHORTEST, to - from)), middle = (from + to) / 2;
		this.from = middle - span / 2;
		this.to = middle + span / 2;
		this.live = false;
		this.changed();
	}

	// Around a moment; live, the present stays where it is.
	zoom(factor, at) {
		if (this.live) {
			this.from = this.to - Math.min(LONGEST, Math.max(1000, this.span * factor));
			this.changed();
		} else {
			this.set(at - (at - this.from) * factor, at + (this.to - at) * factor);
		}
	}

	pan(part) {
		this.set(this.from + this.span * part, this.to + this.span * part);
	}

	follow(now) {
		const span = Math.max(1000, this.span);
		this.to = now + span * 0.02;
		this.from = this.to - span;
	}
}

const STEPS = [1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 15e3, 30e3, 60e3,
	120e3, 300e3, 600e3, 900e3, 1800e3, 3600e3, 7200e3, 10800e3, 21600e3, 43200e3, 86400e3, 2 * 86400e3, 7 * 86400e3, 28 * 86400e3];

function clockText(at, step) {
	const date = new Date(at), two = n => String(n).padStart(2, "0");
	const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
	if (step >= 86400e3)
		return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
	if (step >= 60e3)
		return clock;
	const seconds = `${clock}:${two(date.getSeconds())}`;
	if (step >= 1e3)
		return seconds;
	const digits = Math.min(6, Math.ceil(-Math.log10(step / 1e3) - 1e-9));
	return seconds + "." + (((at % 1e3) + 1e3) % 1e3 / 1e3).toFixed(digits).slice(2);
}

// Moments to name on an axis, at whole steps of local time.
function ticks(view, width) {
	const least = view.span * 96 / width, step = STEPS.find(one => one >= least) ?? STEPS.at(-1);
	const zone = new Date(view.from).getTimezoneOffset() * 60e3, marks = [];
	for (let at = Math.ceil((view.from - zone) / step) * step + zone; at <= view.to; at += step)
		marks.push({ at, text: clockText(at, step) });
	return marks;
}

const COLOURS = ["ink", "dim", "line", "row", "allow", "repair", "wait", "veto", "window", "blind", "epoch", "epoch-edge", "harvest", "on-window",
	"select"];

class Canvas {
	constructor(element) {
		this.element = element;
		this.context = element.getContext("2d");
		this.colours = {};
		this.width = this.height = 0;
		this.labelFrom = 0; // left of it stand the lanes' names
	}

	// Colours are those of style.css, so that light and dark are decided there.
	themed() {
		const style = getComputedStyle(document.documentElement);
		for (const name of COLOURS)
			this.colours[name] = style.getPropertyValue(`--${name}`).trim();
		this.hatch = this.pattern(this.colours.blind);
	}

	pattern(colour) {
		const tile = document.createElement("canvas"), context = tile.getContext("2d");
		tile.width = tile.height = 6;
		context.strokeStyle = colour;
		context.lineWidth = 1.6;
		for (const shift of [-6, 0, 6]) {
			context.beginPath();
			context.moveTo(shift, 6);
			context.lineTo(shift + 6, 0);
			context.stroke();
		}
		return this.context.createPattern(tile, "repeat");
	}

	// False: it has no size now.
	begin(width, height) {
		const ratio = window.devicePixelRatio || 1;
		if (width < 1 || height < 1)
			return false;
		if (this.width !== width || this.height !== height || this.ratio !== ratio) {
			Object.assign(this, { width, height, ratio });
			this.element.width = Math.round(width * ratio);
			this.element.height = Math.round(height * ratio);
			this.element.style.width = `${width}px`;
			this.element.style.height = `${height}px`;
		}
		if (!this.hatch)
			this.themed();
		this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
		this.context.clearRect(0, 0, width, height);
		this.context.font = "10px system-ui, sans-serif";
		this.context.textBaseline = "middle";
		return true;
	}

	x(view, at) {
		return (Math.min(view.to, Math.max(view.from, at)) - view.from) / view.span * this.width;
	}

	// Calls fn(left, right, element) for the spans in sight, those closer than a pixel as one.
	spans(view, spans, now, fn) {
		let last = -2;
		for (let i = firstIndex(spans, span => span.end >= view.from); i < spans.length && spans[i].start <= view.to; i++) {
			const left = this.x(view, spans[i].start), right = Math.max(left + 1.5, this.x(view, Math.min(spans[i].end, now)));
			if (right <= last + 0.5)
				continue;
			fn(Math.max(left, last), right, spans[i]);
			last = right;
		}
	}

	// The same for steps: [{at, …}], each valid until the next one's `at`.
	steps(view, steps, until, fn) {
		let i = Math.max(0, firstIndex(steps, step => step.at > view.from) - 1), last = -1;
		for (; i < steps.length && steps[i].at <= view.to; i++) {
			const left = Math.max(this.x(view, steps[i].at), last);
			const right = this.x(view, Math.min(until, steps[i + 1]?.at ?? Infinity));
			if (right - left < 0.25)
				continue;
			fn(left, Math.max(left + 1, right), steps[i]);
			last = Math.max(left + 1, right);
		}
	}

	moments(view, moments, fn) {
		let column = -1, best = null;
		const flush = () => best && fn(column + 0.5, best);
		for (let i = firstIndex(moments, one => one.at >= view.from); i < moments.length && moments[i].at <= view.to; i++) {
			const here = Math.floor(this.x(view, moments[i].at));
			if (here !== column) {
				flush();
				column = here;
				best = moments[i];
			} else if ((moments[i].unclean ?? 0) > (best.unclean ?? 0) || moments[i].pages > best.pages || moments[i].bad) {
				best = moments[i];
			}
		}
		flush();
	}

	box(left, top, right, bottom, fill) {
		this.context.fillStyle = fill;
		this.context.fillRect(left, top, right - left, bottom - top);
	}

	label(text, from, right, y, colour) {
		const left = Math.max(from, this.labelFrom);
		if (right - left < 24 || right - left < this.context.measureText(text).width + 8)
			return;
		this.context.fillStyle = colour;
		this.context.fillText(text, left + 4, y);
	}

	epochs(view, track, now, top, bottom, label) {
		const { colours } = this;
		this.spans(view, track.epochs, now, (left, right, span) => {
			this.box(left, top, right, bottom, colours.epoch);
			this.box(left, top, right, top + 1, colours["epoch-edge"]);
			if (label)
				this.label(duration(Math.min(span.end, now) - span.start), left, right, (top + bottom) / 2 + 0.5, colours.ink);
		});
	}

	windows(view, name, spans, now, top, bottom, words) {
		const { colours } = this, solid = name !== "blind";
		this.spans(view, spans, now, (left, right, span) => {
			this.box(left, top, right, bottom, solid ? colours.window : this.hatch);
			if (!solid) {
				this.context.strokeStyle = colours.blind;
				this.context.lineWidth = 1;
				this.context.strokeRect(left + 0.5, top + 0.5, Math.max(0.5, right - left - 1), bottom - top - 1);
			}
			const text = words ? duration(Math.min(span.end, now) - span.start) : name;
			if (solid && bottom - top >= 10)
				this.label(text, left, right, (top + bottom) / 2 + 0.5, colours["on-window"]);
		});
	}

	harvestTicks(view, track, top, bottom) {
		const { colours, context } = this;
		context.globalAlpha = 0.8;
		this.moments(view, track.harvests, (x, one) => {
			const height = Math.min(1, 0.2 + Math.log10(1 + one.pages) / 6.5) * (bottom - top);
			this.box(x - 0.5, bottom - height, x + 0.5, bottom, one.unclean ? colours.veto : colours.harvest);
		});
		context.globalAlpha = 1;
	}

	markShapes(view, track, y) {
		const { context, colours } = this;
		this.moments(view, track.marks, (x, one) => {
			context.fillStyle = one.bad ? colours.veto : colours.ink;
			context.beginPath();
			if (one.kind === "act") { // a diamond
				context.moveTo(x, y - 4);
				context.lineTo(x + 4, y);
				context.lineTo(x, y + 4);
				context.lineTo(x - 4, y);
			} else if (one.kind === "evacuation") { // a triangle that points away
				context.moveTo(x - 3, y - 4);
				context.lineTo(x + 5, y);
				context.lineTo(x - 3, y + 4);
			} else { // a small triangle that points down
				context.moveTo(x - 3, y - 3);
				context.lineTo(x + 3, y - 3);
				context.lineTo(x, y + 2);
			}
			context.fill();
		});
	}

	evacuations(view, track, now, top, bottom) {
		const { colours } = this;
		this.steps(view, track.evacuations, Math.min(now, track.gone), (left, right, step) => {
			if (!step.state)
				return;
			this.box(left, top, right, bottom, colours.epoch);
			this.box(left, top, left + 1, bottom, colours["epoch-edge"]);
			this.label(step.state, left, right, (top + bottom) / 2 + 0.5, colours.ink);
		});
	}

	verdicts(view, track, now, top, bottom, words) {
		const { colours } = this;
		this.steps(view, track.verdicts, Math.min(now, track.gone), (left, right, step) => {
			this.context.globalAlpha = step.verdict === "allow" ? 0.45 : 1;
			this.box(left, top, right, bottom, colours[step.verdict] ?? colours.dim);
			this.context.globalAlpha = 1;
			if (words)
				this.label(`${step.verdict}: ${step.reason}`, left, right, (top + bottom) / 2 + 0.5,
					step.verdict === "allow" ? colours.ink : colours["on-window"]);
		});
	}

	cacheStates(view, steps, until, top, bottom) {
		const { colours, context } = this, middle = Math.round((top + bottom) / 2);
		this.steps(view, steps, until, (left, right, step) => {
			if (step.state === "uncached") {
				this.box(left, top, right, bottom, colours.window);
				this.label("uncached", left, right, middle + 0.5, colours["on-window"]);
			} else if (step.state === "unknown") {
				this.box(left, top, right, bottom, this.hatch);
			} else if (step.state === "cached") {
				this.box(left, middle - 2, right, middle + 2, colours.harvest);
			} else { // off: dots
				context.fillStyle = colours.dim;
				for (let x = Math.ceil(left / 6) * 6; x < right; x += 6)
					context.fillRect(x, middle, 1.5, 1.5);
			}
		});
	}

	// A whole VM in one lane: windows in the upper half of the epoch's band, harvests in the lower one.
	lane(view, track, now, top, height) {
		const { colours } = this, upper = top + 2, lower = top + height - 6, middle = Math.round(upper + (lower - upper) * 0.65);
		const left = this.x(view, track.born), right = this.x(view, Math.min(track.gone, now));
		this.box(left, middle, right, middle + 1, colours.line);
		this.epochs(view, track, now, upper, lower, false);
		for (const [name, spans] of track.windows)
			this.windows(view, name, spans, now, upper + 1, middle + 1, false);
		this.harvestTicks(view, track, middle + 2, lower);
		this.markShapes(view, track, upper + 1);
		this.verdicts(view, track, now, top + height - 5, top + height - 2, false);
	}

	grid(view, marks, top, bottom) {
		for (const { at } of marks)
			this.box(Math.round(this.x(view, at)), top, Math.round(this.x(view, at)) + 1, bottom, this.colours.line);
	}
}

// Lanes of one VM, a thing each: [{name, height, draw(canvas, view, now, top, bottom)}].
function lanesOf(track, most) {
	const lanes = [{ name: "verdict", draw: (canvas, view, now, top, bottom) => canvas.verdicts(view, track, now, top, bottom, true) }];
	for (const [name, spans] of track.windows)
		lanes.push({ name, draw: (canvas, view, now, top, bottom) => canvas.windows(view, name, spans, now, top, bottom, true) });
	lanes.push({ name: "epoch", draw: (canvas, view, now, top, bottom) => canvas.epochs(view, track, now, top, bottom, true) });
	if (track.evacuations.length)
		lanes.push({ name: "evacuation", draw: (canvas, view, now, top, bottom) => canvas.evacuations(view, track, now, top, bottom) });
	lanes.push({ name: "harvests", draw: (canvas, view, now, top, bottom) => canvas.harvestTicks(view, track, top, bottom) });
	lanes.push({ name: "acts, resets", draw: (canvas, view, now, top, bottom) => canvas.markShapes(view, track, (top + bottom) / 2) });
	for (const [index, steps] of [...track.vcpus].sort((a, b) => a[0] - b[0]).slice(0, most))
		lanes.push({ name: `vCPU ${index}`, draw: (canvas, view, now, top, bottom) =>
			canvas.cacheStates(view, steps, Math.min(now, track.gone), top + 1, bottom - 1) });
	return lanes;
}

// What is at a moment, give or take `slack` ms: lines of text.
function describe(track, at, slack, now) {
	const lines = [], near = array => array.slice(firstIndex(array, one => one.at >= at - slack), firstIndex(array, one => one.at > at + slack));
	const verdict = at <= now && at < track.gone ? track.verdictAt(at) : null;
	const inside = span => span.start <= at + slack && span.end >= at - slack;
	const length = span => span.end === Infinity ? `${duration(now - span.start)}, goes on` : duration(span.end - span.start);
	if (verdict)
		lines.push(`${verdict.verdict}: ${verdict.sentence ?? verdict.reason}`);
	for (const [name, spans] of track.windows) {
		for (const span of spans.slice(firstIndex(spans, one => one.end >= at - slack)).filter(inside).slice(0, 3))
			lines.push(`window ${name}, ${length(span)}`);
	}
	for (const span of track.epochs.filter(inside).slice(0, 2))
		lines.push(`epoch, ${length(span)}`);
	const harvests = near(track.harvests), kvm = harvests.filter(one => one.source === "kvm");
	if (harvests.length) {
		const sum = (list, key) => list.reduce((total, one) => total + one[key], 0), unclean = sum(harvests, "unclean");
		const told = kvm.length ? kvm : harvests;
		lines.push(`${sum(told, "harvests")} harvests, ${sum(told, "pages")} pages${unclean ? `, ${unclean} not cleaned` : ""}`);
	}
	const evacuation = track.evacuations[firstIndex(track.evacuations, step => step.at > at) - 1];
	if (evacuation?.state && at < track.gone)
		lines.push(`evacuation: ${evacuation.state}`);
	for (const one of near(track.marks).slice(0, 5))
		lines.push(one.text);
	return lines;
}
