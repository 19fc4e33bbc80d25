// SPDX-License-Identifier: GPL-2.0-only
//
// chart.js - the list of VMs, their lanes beside it, and the details of the one that is selected. The page and the report share it: they
// give it rows and tell it when something changed.
//
// A row: {id, name, track, verdict, reason, sentence, vcpus: [{index, state}], ram, gone, words, facts}: `words` is what the filter looks in,
// facts() gives pairs for the details.
//
// Rows are elements, so that a screen reader and the browser's own search find them; lanes are one canvas as large as what is in sight,
// of which only the rows in sight are drawn. With 500 VMs a frame takes about a millisecond.
"use strict";

const byId = id => document.getElementById(id);
const VERDICTS = ["veto", "wait", "repair", "allow"]; // the order of the list
const HEAD_HEIGHT = 24; // px, as in style.css
const ROW_HEIGHT = 24, ROOMY_HEIGHT = 38, ROOMY_ROWS = 14;
const DRAG_LEAST = 4; // px
const LANE_HEIGHT = 19;
const VCPU_LANES = 64;
const EVENTS_SHOWN = 100;

function make(tag, className, text) {
	const element = document.createElement(tag);
	if (className)
		element.className = className;
	if (text !== undefined)
		element.textContent = text;
	return element;
}

// "4 cached, 1 uncached"
function statesText(vcpus) {
	const counts = new Map();
	for (const { state } of vcpus)
		counts.set(state, (counts.get(state) ?? 0) + 1);
	return [...counts].map(([state, n]) => `${n} ${state}`).join(", ");
}

class Chart {
	constructor(model, view) {
		this.model = model;
		this.view = view;
		this.now = () => view.to;
		this.back = () => {}; // key 0
		this.rows = new Map();
		this.shown = []; // in order
		this.only = new Set(); // verdicts; empty: all
		this.words = [];
		this.order = "verdict";
		this.selected = null; // an id
		this.drag = null;
		this.hover = null; // {x, y, row, at}
		this.axis = new Canvas(byId("axis"));
		this.lanes = new Canvas(byId("lanes"));
		this.own = new Canvas(byId("detail-lanes"));
		this.own.labelFrom = 72;
		this.rowHeight = ROW_HEIGHT;
		view.changed = () => this.redraw();
		this.listen();
	}

	listen() {
		const scroll = byId("scroll"), list = byId("list");
		scroll.addEventListener("scroll", () => this.redraw(), { passive: true });
		new ResizeObserver(() => this.redraw()).observe(scroll);
		for (const [canvas, zooms] of [[byId("axis"), true], [byId("lanes"), false], [byId("detail-lanes"), false]]) {
			canvas.addEventListener("wheel", event => this.onWheel(event, zooms), { passive: false });
			canvas.addEventListener("pointerdown", event => this.onDown(event));
			canvas.addEventListener("pointermove", event => this.onMove(event));
			canvas.addEventListener("pointerup", event => this.onUp(event));
			canvas.addEventListener("pointercancel", () => this.dragEnd());
			canvas.addEventListener("pointerleave", () => this.hoverEnd());
			canvas.addEventListener("dblclick", () => this.back());
		}
		list.addEventListener("click", event => {
			const row = event.target.closest(".row");
			if (row)
				this.select(Number(row.dataset.id));
		});
		byId("chart").addEventListener("keydown", event => this.onKey(event));
		byId("close").addEventListener("click", () => this.select(null));
		document.addEventListener("keydown", event => {
			if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName)) {
				event.preventDefault();
				byId("filter").focus();
			}
		});
		byId("filter").addEventListener("input", () => this.filter(byId("filter").value));
		byId("filter").addEventListener("keydown", event => event.key === "Escape" && byId("list").focus());
		byId("order").addEventListener("change", () => {
			this.order = byId("order").value;
			this.arrange();
		});
		byId("zoom-in").addEventListener("click", () => this.zoom(0.5));
		byId("zoom-out").addEventListener("click", () => this.zoom(2));
		byId("span").addEventListener("click", () => this.back());
		this.themeListen();
	}

	// As the system says, until the switch says otherwise.
	themeListen() {
		const system = matchMedia("(prefers-color-scheme: dark)");
		let chosen = null;
		try {
			chosen = localStorage.getItem("kcoh-theme");
		} catch { /* a file may have no storage */ }
		const apply = () => {
			document.documentElement.dataset.theme = chosen ?? (system.matches ? "dark" : "light");
			for (const canvas of [this.axis, this.lanes, this.own])
				canvas.themed();
			this.redraw();
		};
		system.addEventListener("change", apply);
		byId("theme").addEventListener("click", () => {
			chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
			try {
				localStorage.setItem("kcoh-theme", chosen);
			} catch { /* then it holds for now */ }
			apply();
		});
		apply();
	}

	// --- rows ---

	setRow(row) {
		const old = this.rows.get(row.id);
		row.element = old?.element ?? this.rowElement(row.id);
		this.rows.set(row.id, row);
		this.rowFill(row, old);
		if (!old || old.verdict !== row.verdict || old.words !== row.words || old.gone !== row.gone)
			this.arrangeSoon();
		if (row.id === this.selected)
			this.redraw();
	}

	removeRow(id) {
		this.rows.get(id)?.element.remove();
		this.rows.delete(id);
		if (this.selected === id)
			this.select(null);
		this.arrangeSoon();
	}

	rowElement(id) {
		const element = make("li", "row");
		element.id = `vm-${id}`;
		element.dataset.id = id;
		element.setAttribute("role", "option");
		element.setAttribute("aria-selected", "false");
		element.append(make("span", "mark"), make("span", "name"), make("span", "cpus"), make("span", "ram"), make("span", "verdict"));
		return element;
	}

	rowFill(row, old) {
		const [mark, name, cpus, ram, verdict] = row.element.children, states = statesText(row.vcpus);
		const key = [row.name, row.verdict, row.reason, row.gone, row.ram, states].join("\n");
		if (old?.key === key) {
			row.key = key;
			return;
		}
		row.key = key;
		row.element.className = `row ${row.verdict}${row.gone ? " gone" : ""}`;
		if (old && old.verdict !== "veto" && row.verdict === "veto")
			row.element.classList.add("news");
		row.element.title = row.sentence ?? "";
		mark.className = `mark ${row.verdict}`;
		name.replaceChildren(row.name, make("span", "id", `#${row.id}`));
		cpus.replaceChildren(...this.cpuMarks(row.vcpus), make("span", "unseen", `vCPUs: ${states || "none known"}`));
		ram.textContent = row.ram ? bytesText(row.ram) : "";
		verdict.replaceChildren(make("b", "", row.gone ? "gone" : row.verdict), row.gone || row.reason === "none" ? "" : ` ${row.reason}`,
			make("span", "unseen", `: ${row.sentence ?? ""}`));
	}

	cpuMarks(vcpus) {
		if (vcpus.length <= 8)
			return vcpus.map(({ state }) => make("i", state));
		const away = vcpus.filter(one => one.state === "uncached" || one.state === "unknown").length;
		return away ? [make("b", "", String(away)), ` of ${vcpus.length}`] : [make("i", "cached"), ` ${vcpus.length}`];
	}

	filter(text) {
		this.words = text.toLowerCase().split(/\s+/).filter(Boolean);
		this.arrange();
	}

	isShown(row) {
		return (!this.only.size || this.only.has(row.verdict)) && this.words.every(word => row.words.includes(word));
	}

	arrangeSoon() {
		this.arranging ??= setTimeout(() => this.arrange(), 60);
	}

	compare(a, b) {
		const byName = () => a.name.localeCompare(b.name, undefined, { numeric: true }) || a.id - b.id;
		if (this.order === "id")
			return a.id - b.id;
		if (this.order === "name")
			return byName();
		return a.gone - b.gone || VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict) || byName();
	}

	// Only what is out of place is moved: moving an element that has the pointer or focus disturbs.
	arrange() {
		clearTimeout(this.arranging);
		this.arranging = null;
		const list = byId("list"), all = [...this.rows.values()].sort((a, b) => this.compare(a, b));
		this.shown = all.filter(row => this.isShown(row));
		const shown = new Set(this.shown);
		this.rowHeight = this.rows.size <= ROOMY_ROWS ? ROOMY_HEIGHT : ROW_HEIGHT;
		document.documentElement.style.setProperty("--row-height", `${this.rowHeight}px`);
		let place = list.firstElementChild;
		for (const row of all) {
			row.element.hidden = !shown.has(row);
			if (row.element === place)
				place = place.nextElementSibling;
			else
				list.insertBefore(row.element, place);
		}
		const empty = byId("empty");
		empty.hidden = this.shown.length > 0;
		empty.textContent = this.rows.size ? "No VM matches the filter." : "No virtual machines.";
		byId("list").hidden = !this.shown.length;
		this.redraw();
		this.arranged?.();
	}

	select(id) {
		this.rows.get(this.selected)?.element.setAttribute("aria-selected", "false");
		this.selected = this.rows.has(id) ? id : null;
		const row = this.rows.get(this.selected), list = byId("list");
		byId("detail").hidden = !row;
		if (row) {
			row.element.setAttribute("aria-selected", "true");
			list.setAttribute("aria-activedescendant", row.element.id);
			this.reveal(row);
		} else {
			list.removeAttribute("aria-activedescendant");
		}
		this.chosen?.(row);
		this.redraw();
	}

	reveal(row) {
		const scroll = byId("scroll"), top = this.shown.indexOf(row) * this.rowHeight;
		const room = scroll.clientHeight - HEAD_HEIGHT;
		if (top < scroll.scrollTop)
			scroll.scrollTop = top;
		else if (top + this.rowHeight > scroll.scrollTop + room)
			scroll.scrollTop = top + this.rowHeight - room;
	}

	// --- input ---

	zoom(factor, at = this.view.from + this.view.span / 2) {
		this.view.zoom(factor, at);
	}

	timeAt(event) {
		const box = event.currentTarget.getBoundingClientRect();
		return this.view.from + (event.clientX - box.left) / box.width * this.view.span;
	}

	rowAt(event) {
		if (event.currentTarget.id === "detail-lanes")
			return this.rows.get(this.selected);
		if (event.currentTarget.id !== "lanes")
			return undefined;
		const y = event.clientY - event.currentTarget.getBoundingClientRect().top + byId("scroll").scrollTop;
		return this.shown[Math.floor(y / this.rowHeight)];
	}

	// Over the lanes a plain wheel scrolls the list, as everywhere; over the axis there is nothing to scroll.
	onWheel(event, zooms) {
		const across = event.shiftKey ? event.deltaX || event.deltaY : Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : 0;
		if (across && !event.ctrlKey) {
			event.preventDefault();
			this.view.pan(Math.sign(across) * Math.min(0.2, Math.abs(across) / 800));
		} else if (event.ctrlKey || event.metaKey || zooms) {
			event.preventDefault();
			this.zoom(Math.exp(Math.max(-120, Math.min(120, event.deltaY)) / 300), this.timeAt(event));
		}
	}

	onDown(event) {
		if (event.button > 1)
			return;
		event.currentTarget.setPointerCapture(event.pointerId);
		const pan = event.shiftKey || event.button === 1 || event.pointerType === "touch";
		this.drag = { pan, x: event.clientX, at: this.timeAt(event), to: this.timeAt(event), from: this.view.from, row: this.rowAt(event), moved: false };
		if (event.button === 1)
			event.preventDefault();
	}

	onMove(event) {
		const box = event.currentTarget.getBoundingClientRect(), drag = this.drag;
		this.hover = { x: event.clientX, y: event.clientY, at: this.timeAt(event), row: this.rowAt(event) };
		if (drag && Math.abs(event.clientX - drag.x) >= DRAG_LEAST)
			drag.moved = true;
		if (drag?.moved && drag.pan) {
			const from = drag.from - (event.clientX - drag.x) / box.width * this.view.span;
			this.view.set(from, from + this.view.span);
		} else if (drag) {
			drag.to = this.timeAt(event);
		}
		this.redraw();
	}

	onUp(event) {
		const drag = this.drag;
		this.dragEnd();
		if (!drag)
			return;
		if (drag.moved && !drag.pan)
			this.view.set(Math.min(drag.at, this.timeAt(event)), Math.max(drag.at, this.timeAt(event)));
		else if (!drag.moved && drag.row && event.currentTarget.id === "lanes")
			this.select(drag.row.id);
	}

	dragEnd() {
		this.drag = null;
		this.redraw();
	}

	hoverEnd() {
		this.hover = null;
		this.redraw();
	}

	move(by) {
		if (!this.shown.length)
			return;
		const here = this.shown.findIndex(row => row.id === this.selected);
		const next = here < 0 ? (by > 0 ? 0 : this.shown.length - 1) : Math.max(0, Math.min(this.shown.length - 1, here + by));
		this.select(this.shown[next].id);
	}

	onKey(event) {
		const page = Math.max(1, Math.floor(byId("scroll").clientHeight / this.rowHeight) - 2), inList = event.target.id === "list";
		const keys = {
			"+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2), "0": () => this.back(),
			"ArrowLeft": () => this.view.pan(-0.1), "ArrowRight": () => this.view.pan(0.1), "Escape": () => this.select(null),
		};
		if (inList || event.target.id === "lanes")
			Object.assign(keys, { "ArrowUp": () => this.move(-1), "ArrowDown": () => this.move(1), "PageUp": () => this.move(-page),
				"PageDown": () => this.move(page), "Home": () => this.move(-this.shown.length), "End": () => this.move(this.shown.length) });
		if (inList && this.selected !== null)
			keys.Enter = () => byId("facts").focus();
		if (event.ctrlKey || event.altKey || event.metaKey || !keys[event.key])
			return;
		event.preventDefault();
		const inDetail = event.key === "Escape" && byId("detail").contains(document.activeElement);
		keys[event.key]();
		if (inDetail)
			byId("list").focus();
	}

	// --- drawing ---

	redraw() {
		this.frame ??= requestAnimationFrame(() => {
			this.frame = null;
			this.draw();
		});
	}

	draw() {
		const box = byId("lanes-box"), scroll = byId("scroll"), width = box.clientWidth, now = this.now();
		if (this.view.live)
			this.view.follow(now);
		const marks = ticks(this.view, width);
		byId("span").textContent = this.view.live ? `last ${duration(this.view.span)}` : duration(this.view.span);
		byId("span").setAttribute("aria-label", this.view.live ? `The last ${duration(this.view.span)}, live` : `${duration(this.view.span)}; back`);
		this.drawAxis(width, marks);
		this.drawLanes(width, Math.min(this.shown.length * this.rowHeight, scroll.clientHeight - HEAD_HEIGHT), marks, now);
		this.drawDetail(marks, now);
		this.drawTip(now);
		this.drawn = performance.now();
	}

	drawAxis(width, marks) {
		const { axis } = this;
		if (!axis.begin(width, HEAD_HEIGHT - 1))
			return;
		for (const { at, text } of marks) {
			axis.box(Math.round(axis.x(this.view, at)), HEAD_HEIGHT - 7, Math.round(axis.x(this.view, at)) + 1, HEAD_HEIGHT, axis.colours.dim);
			axis.label(text, axis.x(this.view, at), width, 11, axis.colours.dim);
		}
		this.drawBand(axis, HEAD_HEIGHT);
	}

	// What is being dragged over, or where the pointer is.
	drawBand(canvas, height) {
		const { drag, hover, view } = this;
		if (drag?.moved && !drag.pan) {
			const ends = [canvas.x(view, drag.at), canvas.x(view, drag.to)].sort((a, b) => a - b);
			canvas.context.globalAlpha = 0.18;
			canvas.box(ends[0], 0, ends[1], height, canvas.colours.repair);
			canvas.context.globalAlpha = 1;
		} else if (hover) {
			canvas.box(Math.round(canvas.x(view, hover.at)), 0, Math.round(canvas.x(view, hover.at)) + 1, height, canvas.colours.dim);
		}
	}

	drawLanes(width, height, marks, now) {
		const { lanes, view, rowHeight } = this, scrolled = byId("scroll").scrollTop;
		byId("lanes").hidden = height < 1;
		if (!lanes.begin(width, height))
			return;
		const first = Math.floor(scrolled / rowHeight), last = Math.min(this.shown.length, Math.ceil((scrolled + height) / rowHeight));
		const selected = this.rows.get(this.selected);
		for (let i = first; i < last; i++) {
			if (this.shown[i] === selected)
				lanes.box(0, i * rowHeight - scrolled, width, (i + 1) * rowHeight - scrolled, lanes.colours.select);
		}
		lanes.grid(view, marks, 0, height);
		for (let i = first; i < last; i++) {
			const top = i * rowHeight - scrolled;
			lanes.lane(view, this.shown[i].track, now, top, rowHeight);
			lanes.box(0, top + rowHeight - 1, width, top + rowHeight, lanes.colours.line);
		}
		if (view.to > now)
			lanes.box(Math.round(lanes.x(view, now)), 0, Math.round(lanes.x(view, now)) + 1, height, lanes.colours.dim);
		this.drawBand(lanes, height);
	}

	drawDetail(marks, now) {
		const row = this.rows.get(this.selected), what = byId("what");
		if (!row)
			return;
		const all = lanesOf(row.track, VCPU_LANES), { own, view } = this, height = all.length * LANE_HEIGHT + 4;
		if (!own.begin(byId("lanes-box").clientWidth, height))
			return;
		own.grid(view, marks, 0, height);
		all.forEach((lane, i) => {
			const top = i * LANE_HEIGHT + 4;
			lane.draw(own, view, now, top, top + LANE_HEIGHT - 4);
		});
		this.drawNames(all);
		this.drawBand(own, height);
		if (!this.detailAt || performance.now() - this.detailAt > 250 || this.detailOf !== row.id)
			this.fillDetail(row);
		else
			this.detailLater ??= setTimeout(() => this.fillDetail(this.rows.get(this.selected)), 260);
		what.scrollLeft = 0;
	}

	// Names of lanes, on ground of their own to be legible over what is drawn.
	drawNames(all) {
		const { own } = this;
		all.forEach((lane, i) => {
			const middle = i * LANE_HEIGHT + 4 + (LANE_HEIGHT - 4) / 2, wide = own.context.measureText(lane.name).width;
			own.context.globalAlpha = 0.85;
			own.box(0, middle - 7, wide + 10, middle + 7, own.colours.row);
			own.context.globalAlpha = 1;
			own.context.fillStyle = own.colours.dim;
			own.context.fillText(lane.name, 5, middle + 0.5);
		});
	}

	fillDetail(row) {
		clearTimeout(this.detailLater);
		this.detailLater = null;
		if (!row)
			return;
		this.detailAt = performance.now();
		this.detailOf = row.id;
		const heading = make("h2"), list = make("dl");
		heading.append(make("span", `mark ${row.verdict}`), row.name);
		for (const [name, text] of row.facts())
			list.append(make("dt", "", name), make("dd", "", text));
		byId("facts").replaceChildren(heading, make("p", "", row.gone ? "gone" : `${row.verdict}: ${row.sentence ?? row.reason}`), list);
		const { from, to, span } = this.view, inSight = row.track.events.filter(one => timeOf(one) >= from && timeOf(one) <= to);
		byId("events").replaceChildren(...inSight.slice(-EVENTS_SHOWN).reverse().map(one => {
			const line = make("tr");
			line.append(make("td", "", clockText(timeOf(one), span < 60e3 ? 0.001 : 1)), make("td", "", one.vcpu ?? ""), make("td", "", one.type),
				make("td", "", eventText(one)));
			return line;
		}));
	}

	drawTip(now) {
		const tip = byId("tip"), { hover, view } = this;
		const show = hover && (!this.drag || this.drag.moved);
		tip.hidden = !show;
		if (!show)
			return;
		const slack = view.span / Math.max(1, this.lanes.width) * 3;
		const lines = [clockText(hover.at, Math.max(1e-3, view.span / 2000))];
		if (this.drag?.moved && !this.drag.pan)
			lines.push(duration(Math.abs(this.drag.to - this.drag.at)));
		else if (hover.row)
			lines.push(hover.row.name, ...describe(hover.row.track, hover.at, slack, now));
		tip.textContent = lines.join("\n");
		const left = hover.x + 14 + tip.offsetWidth > innerWidth ? hover.x - tip.offsetWidth - 10 : hover.x + 14;
		const top = hover.y + 16 + tip.offsetHeight > innerHeight ? hover.y - tip.offsetHeight - 10 : hover.y + 16;
		tip.style.left = `${Math.max(0, left)}px`;
		tip.style.top = `${Math.max(0, top)}px`;
	}
}
