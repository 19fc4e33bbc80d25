// SPDX-License-Identifier: GPL-2.0-only
//
// look.mjs - the page, in a real browser, of a real server: what it shows is what kcohd says; it is quick with 500 VMs; keys and
// pointer do what the legend says; nothing is asked of anybody else. Screenshots go to build/page/look/.
//
// Usage: node tests/page/look.mjs CACHE      (make check-page; CACHE is what scripts/cache browser printed; after report.py --keep)

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { axe, failures, newPage, open, report, serverStart, shots } from "./browser.mjs";

const FRAME_MS = 16.7; // of one frame
const ROWS_MS = 5000; // from opening to all 500 rows, on a slow machine

const browser = await open();

async function shot(page, name) {
	await page.screenshot({ path: `${shots}/${name}.png` });
}

async function loaded(page, url, vms) {
	const began = Date.now();
	await page.goto(url);
	await page.waitForFunction(n => chart.rows.size === n && chart.shown.length === n, vms);
	return Date.now() - began;
}

// What rows say, against what the API says.
async function compare(page, url) {
	const { vms } = await (await fetch(`${url}v1/vms`)).json();
	return vms.filter(vm => !vm.name).concat(await page.evaluate(list => list.filter(vm => {
		const row = document.getElementById(`vm-${vm.id}`);
		return !row || !row.classList.contains(vm.verdict.verdict) || !row.textContent.includes(vm.name) ||
			!row.textContent.includes(`${vm.verdict.verdict} ${vm.verdict.reason}: ${vm.verdict.sentence}`);
	}), vms)).map(vm => JSON.stringify(vm).slice(0, 200));
}

const span = page => page.evaluate(() => view.span);

// Is a VM's window drawn just before now?
const pixel = (page, id) => page.evaluate(async vm => {
	chart.draw();
	const { lanes, view: seen, rowHeight } = chart, i = chart.shown.findIndex(row => row.id === vm);
	const canvas = document.createElement("canvas"), probe = canvas.getContext("2d", { willReadFrequently: true });
	const x = (lanes.x(seen, chart.now()) - 2) * lanes.ratio, y = (i * rowHeight + 9) * lanes.ratio;
	probe.drawImage(lanes.element, x, y, 1, 1, 0, 0, 1, 1);
	probe.fillStyle = lanes.colours.window;
	probe.fillRect(1, 0, 1, 1);
	const data = probe.getImageData(0, 0, 2, 1).data;
	return String(data.slice(0, 3)) === String(data.slice(4, 7));
}, id);

async function lookAtSix() {
	const server = await serverStart("--vms", "6"), page = await newPage(browser, server.url, { colorScheme: "light" });
	const answer = page.waitForResponse(server.url);
	await loaded(page, server.url, 6);
	const wrong = await compare(page, server.url);
	report(!wrong.length, "6 VMs: names, verdicts and sentences are those of /v1/vms", ...wrong);
	const policy = (await answer).headers()["content-security-policy"] ?? "";
	report(/^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+';/.test(policy) && !policy.includes("unsafe"),
		"its Content-Security-Policy names its own script and style, and no others", policy);
	await page.waitForTimeout(300);
	await shot(page, "6-light");
	await axe(page, "6 VMs, light");

	report(await page.evaluate(() => document.documentElement.dataset.theme) === "light", "light, as the system says");
	await page.click("#theme");
	report(await page.evaluate(() => document.documentElement.dataset.theme) === "dark", "the switch makes it dark");
	await shot(page, "6-dark");
	await axe(page, "6 VMs, dark");
	await page.click("#theme");

	await windowLive(page, server);
	await evacuated(page, server);
	await clockSet(page, server);
	await zooms(page);
	await keys(page);
	await filters(page);
	await server.order("gone 6");
	await page.waitForFunction(() => !chart.rows.has(6));
	report(await page.locator("#vm-6").count() === 0, "a VM that ends is gone from the list");
	report(!page.wrong.length, "no error, no warning, no request to anybody else", ...page.wrong);
	await guarded(server);
	await breaks(server, page);
	await page.context().close();
}

async function windowLive(page, server) {
	const before = await pixel(page, 1), began = Date.now();
	await server.order("off 1 0");
	await page.waitForFunction(() => chart.rows.get(1).track.windows.get("mmu-off").at(-1).end === Infinity);
	await page.waitForFunction(() => document.getElementById("vm-1").classList.contains("repair"));
	report(true, `a window that opens is there after ${Date.now() - began} ms, and with it the verdict`);
	await page.waitForTimeout(2500);
	report(!before && await pixel(page, 1), "it is drawn up to now");
	await shot(page, "window-open");
	await server.order("on 1 0");
	await page.waitForFunction(() => chart.rows.get(1).track.windows.get("mmu-off").at(-1).end !== Infinity);
	await page.waitForFunction(() => document.getElementById("vm-1").classList.contains("allow"));
	await page.waitForFunction(() => !document.querySelector("#vm-1 .cpus i.uncached"));
	report(true, "and closes");
}

async function evacuated(page, server) {
	await server.order("evacuation 1 0"); // waiting
	await server.order("evacuation 1 2"); // migrating
	await page.waitForFunction(() => chart.rows.get(1).track.evacuations.at(-1)?.state === "migrating");
	report(await page.evaluate(() => lanesOf(chart.rows.get(1).track, 1).some(lane => lane.name === "evacuation")), "an evacuation has a lane in the details");
	await page.click("#vm-1");
	await page.waitForTimeout(2500);
	await shot(page, "evacuation");
	await page.keyboard.press("Escape");
	await server.order("evacuation 1 9"); // failed
	await page.waitForFunction(() => chart.rows.get(1).track.evacuations.at(-1).state === null);
	const marks = await page.evaluate(() => chart.rows.get(1).track.marks.filter(one => one.kind === "evacuation").map(one => [one.text, one.bad]));
	report(String(marks) === "evacuation to tcp:there:4444 begins,false,evacuation failed: as it was asked,true", "and a mark where it begins and where it ends",
		String(marks));
}

async function clockSet(page, server) {
	const last = () => page.evaluate(() => chart.rows.get(1).track.verdicts.at(-1)), before = await last();
	await server.order("clock -3600");
	await page.waitForFunction(at => chart.rows.get(1).track.verdicts.at(-1).at < at - 3500e3, before.at);
	const after = await last();
	report(Math.abs(after.at - before.at + 3600e3) < 1, "the clock is set back by an hour: what was before moves with it");
	await server.order("off 1 0");
	await page.waitForFunction(() => chart.rows.get(1).track.verdicts.at(-1).verdict === "repair");
	report((await last()).at > after.at && (await last()).at < before.at, "what happens then comes after it");
	await server.order("on 1 0");
	await server.order("clock 3600");
	await page.waitForFunction(() => chart.rows.get(1).track.verdicts.at(-1).verdict === "allow");
	await page.waitForFunction(at => chart.rows.get(1).track.verdicts.at(-1).at > at, before.at);
}

async function zooms(page) {
	const box = await page.locator("#lanes").boundingBox(), middle = [box.x + box.width * 0.6, box.y + box.height / 2];
	const whole = await span(page);
	await page.mouse.move(...middle);
	await page.keyboard.down("Control");
	await page.mouse.wheel(0, -240);
	await page.keyboard.up("Control");
	await page.waitForFunction(before => view.span < before, whole);
	const wheel = await span(page);
	report(wheel < whole * 0.8, `Ctrl and the wheel zoom (${Math.round(whole / 1e3)} s -> ${Math.round(wheel / 1e3)} s)`);
	const scrolled = await span(page);
	await page.mouse.wheel(0, 120);
	await page.waitForTimeout(100);
	report(await span(page) === scrolled, "the wheel alone does not");
	await page.mouse.move(box.x + box.width * 0.5, middle[1]);
	await page.mouse.down();
	await page.mouse.move(box.x + box.width * 0.55, middle[1], { steps: 4 });
	await page.mouse.move(box.x + box.width * 0.6, middle[1], { steps: 4 });
	await shot(page, "drag");
	await page.mouse.up();
	const dragged = await span(page);
	report(Math.abs(dragged / wheel - 0.1) < 0.02 && !await page.evaluate(() => view.live), `a drag zooms to what it spans (${Math.round(dragged / 1e3)} s)`);
	const from = await page.evaluate(() => view.from);
	await page.keyboard.down("Shift");
	await page.mouse.move(middle[0], middle[1]);
	await page.mouse.down();
	await page.mouse.move(middle[0] + 200, middle[1], { steps: 4 });
	await page.mouse.up();
	await page.keyboard.up("Shift");
	report(await page.evaluate(() => view.from) < from && Math.abs(await span(page) - dragged) < 1e-3, "Shift and a drag move");
	await shot(page, "zoomed");
	await page.locator("#lanes").focus();
	await page.keyboard.press("+");
	report(Math.abs(await span(page) / dragged - 0.5) < 0.01, "+ zooms");
	await page.keyboard.press("-");
	const here = await page.evaluate(() => view.from);
	await page.keyboard.press("ArrowRight");
	report(await page.evaluate(() => view.from) > here, "an arrow moves");
	await page.keyboard.press("0");
	report(await page.evaluate(() => view.live), "0 leads back to now");
	for (let i = 0; i < 60; i++)
		await page.keyboard.press("-");
	await page.waitForTimeout(200);
	report(await span(page) <= 400 * 86400e3, "zooming out ends at 400 days");
	await page.keyboard.press("0");
	for (let i = 0; i < 40; i++)
		await page.keyboard.press("+");
	report(await span(page) >= 1000, "and zooming in, live, at a second");
	await page.keyboard.press("0");
	await page.mouse.move(0, 0);
}

// Without a pointer: to the list, a VM, its details, and back.
async function keys(page) {
	await page.locator("#filter").focus();
	let steps = 0;
	while (await page.evaluate(() => document.activeElement.id) !== "list" && steps++ < 20)
		await page.keyboard.press("Tab");
	report(steps < 10, `Tab comes to the list (${steps} from the filter)`);
	await page.keyboard.press("ArrowDown");
	await page.keyboard.press("ArrowDown");
	const chosen = await page.evaluate(() => [chart.selected, chart.shown[1].id, document.getElementById("list").getAttribute("aria-activedescendant")]);
	report(chosen[0] === chosen[1] && chosen[2] === `vm-${chosen[0]}`, "arrows select a VM", String(chosen));
	await page.keyboard.press("Enter");
	report(await page.evaluate(() => document.activeElement.id) === "facts", "Enter goes to its details");
	await page.waitForTimeout(400);
	await shot(page, "details");
	await axe(page, "the details of a VM");
	report(await page.locator("#events tr").count() > 5, "which have its events");
	await page.keyboard.press("Escape");
	report(await page.locator("#detail").isHidden() && await page.evaluate(() => document.activeElement.id) === "list", "Escape closes them");
}

async function filters(page) {
	const names = () => page.locator("#list .row:visible .name").allTextContents();
	await page.keyboard.press("/");
	await page.keyboard.type("veto mmu");
	report(String(await names()) === "fw-3#3", "the filter looks for all its words", String(await names()));
	await page.fill("#filter", "nothing like this");
	report(await page.locator("#empty").isVisible(), "and says so if there is none");
	await page.fill("#filter", "");
	await page.click("#counts button[data-verdict=veto]");
	report(String(await names()) === "fw-3#3", "a count shows only its VMs");
	await page.click("#counts button[data-verdict=veto]");
	await page.selectOption("#order", "id");
	report(String(await names()) === "web-1#1,db-2#2,fw-3#3,batch-4#4,edge-5#5,gpu-6#6", "the order can be chosen", String(await names()));
	await page.selectOption("#order", "verdict");
}

// The policy holds: a script that got into the page does not run, and nobody else can be asked.
async function guarded(server) {
	const page = await newPage(browser, server.url);
	await loaded(page, server.url, 5);
	const ran = await page.evaluate(async () => {
		const script = document.createElement("script");
		script.textContent = "window.injected = 1";
		document.body.append(script);
		const asked = await fetch("http://127.0.0.2:9/").then(() => "answered", error => error.name);
		return [window.injected ?? 0, asked];
	});
	report(String(ran) === "0,TypeError" && page.wrong.filter(one => /Content Security Policy/.test(one)).length >= 2,
		"an injected script and a request to another host are refused", String(ran), ...page.wrong);
	await page.context().close();
}

async function breaks(server, page) {
	await server.stop();
	await page.waitForFunction(() => document.getElementById("live").classList.contains("off"));
	report(true, "when kcohd ends, the page says so");
}

async function lookAtMany() {
	const server = await serverStart("--vms", "500");
	for (const scheme of ["light", "dark"]) {
		const page = await newPage(browser, server.url, { colorScheme: scheme });
		const ms = await loaded(page, server.url, 500);
		const wrong = await compare(page, server.url);
		report(wrong.length <= 5, `500 VMs, ${scheme}: rows are what /v1/vms says, but for ${wrong.length} that changed meanwhile`, ...wrong.slice(0, 3));
		report(ms < ROWS_MS, `they are there after ${ms} ms`);
		const frame = await page.evaluate(() => {
			const began = performance.now();
			for (let i = 0; i < 100; i++)
				chart.draw();
			return (performance.now() - began) / 100;
		});
		report(frame < FRAME_MS, `a frame takes ${frame.toFixed(2)} ms`);
		await page.waitForTimeout(500);
		await shot(page, `500-${scheme}`);
		const verdicts = await page.locator("#list .row:visible").evaluateAll(rows => rows.map(row => row.classList[1]));
		const order = ["veto", "wait", "repair", "allow"];
		report(verdicts.every((one, i) => !i || order.indexOf(verdicts[i - 1]) <= order.indexOf(one)), "those that may not move are first");
		await page.mouse.move(1000, 400);
		await page.mouse.wheel(0, 6000);
		await page.waitForFunction(() => document.getElementById("scroll").scrollTop > 3000);
		await page.waitForTimeout(200);
		await shot(page, `500-${scheme}-scrolled`);
		if (scheme === "light")
			await axe(page, "500 VMs");
		report(!page.wrong.length, "no error, no warning, no request to anybody else", ...page.wrong);
		await page.context().close();
	}
	await narrow(server);
	await server.stop();
}

// What kcohd no longer keeps as events is in its history, and comes when it is in sight.
async function lookBack() {
	const directory = mkdtempSync(join(tmpdir(), "kcoh-look-")), server = await serverStart("--vms", "40", "--past", "400", "--history", join(directory, "h.db"));
	const stream = (await fetch(`${server.url}v1/events?since=0`)).body.getReader();
	const { time } = JSON.parse(new TextDecoder().decode((await stream.read()).value).split("\n", 1)[0]), oldest = Date.parse(time);
	await stream.cancel();
	const page = await newPage(browser, server.url);
	await loaded(page, server.url, 40);
	await page.locator("#lanes").focus();
	await page.keyboard.press("-");
	await page.waitForFunction(at => model.first < at - 1000, oldest);
	const first = await page.evaluate(() => model.first), wrong = await compare(page, server.url);
	report(wrong.length <= 2, `zoomed out beyond kcohd's events, it asks the history (${Math.round((oldest - first) / 1e3)} s), and rows stay right`, ...wrong);
	report(!page.wrong.length, "no error, no warning, no request to anybody else", ...page.wrong);
	await page.context().close();
	await server.stop();
	rmSync(directory, { recursive: true });
}

async function narrow(server) {
	const page = await newPage(browser, server.url, { viewport: { width: 700, height: 700 } });
	await loaded(page, server.url, 500);
	report(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "a narrow window does not scroll sideways");
	await shot(page, "narrow");
	await page.context().close();
}

// What kcoh report made of FILE.ndjson (report.py --keep). Its tables are counted again here, from the events.
async function lookAtReport(dir, file, what) {
	const events = readFileSync(`${dir}/${file}.ndjson`, "utf8").split("\n").filter(Boolean).map(line => JSON.parse(line));
	const url = pathToFileURL(resolve(dir, `${file}.html`)).href, page = await newPage(browser, url, { colorScheme: "light" });
	await page.goto(url);
	const named = new Map(events.filter(one => one.vm).map(one => [one.vm, one.name]));
	await page.waitForFunction(n => chart.shown.length === n, named.size);
	const cells = await page.locator("#vms tbody tr").evaluateAll(rows => rows.map(row => [...row.cells].map(cell => cell.textContent)));
	const heads = await page.locator("#vms thead th").allTextContents();
	const count = (vm, test) => events.filter(one => one.vm === vm && test(one)).length.toLocaleString("en");
	const sum = (vm, test, key) => events.filter(one => one.vm === vm && test(one)).reduce((all, one) => all + one[key], 0).toLocaleString("en");
	const expected = (vm, head) => ({
		"toggles": () => count(vm, one => one.type === "toggle"), "resets": () => count(vm, one => one.type === "reset"),
		"acts": () => count(vm, one => one.type === "act"),
		"pages harvested": () => sum(vm, one => one.type === "harvest" && one.source === "kvm", "pages"),
		"not cleaned": () => sum(vm, one => one.type === "harvest" && one.source === "module", "unclean"),
	})[head]?.();
	const wrong = cells.flatMap(row => heads.map((head, i) => [head, row[i], expected(Number(row[0].split("#")[1]), head)]))
		.filter(([, found, wanted]) => wanted !== undefined && wanted !== found);
	report(cells.length === named.size && !wrong.length, `${what}: the sums of ${cells.length} VMs are those of the ${events.length} events`, ...wrong.map(String));
	const opened = events.filter(one => one.type === "window" && one.state === "open").length;
	const causes = await page.locator("#causes tbody tr").evaluateAll(rows => rows.map(row => Number(row.cells[2].textContent.replaceAll(",", ""))));
	report(causes.reduce((a, b) => a + b, 0) === opened, `${what}: ${causes.length} causes for all ${opened} windows that opened`, String(causes));
	const followed = events.filter(one => one.type === "unmap" && one.kind === "followed");
	const resets = await page.locator("#resets tbody tr").evaluateAll(rows => rows.map(row => Number(row.cells[1].textContent)));
	report(followed.length && resets.reduce((a, b) => a + b, 0) === followed.length, `${what}: ${followed.length} resets, with what they cost`, String(resets));
	await page.screenshot({ path: `${shots}/${file}-light.png`, fullPage: true });
	await axe(page, `the ${what}`);
	await page.locator("#lanes").focus();
	const before = await span(page);
	await page.keyboard.press("+");
	await page.keyboard.press("+");
	report(await span(page) < before * 0.3, `${what}: it can be zoomed`);
	await page.keyboard.press("0");
	report(Math.abs(await span(page) - before) < 1, `${what}: 0 shows all of it again`);
	await page.click("#theme");
	await page.locator("#list").focus();
	await page.keyboard.press("ArrowDown");
	await page.waitForTimeout(400);
	await page.screenshot({ path: `${shots}/${file}-dark.png`, fullPage: true });
	await axe(page, `the ${what}, dark, with details`);
	report(!page.wrong.length, `${what}: no error, no warning, no request`, ...page.wrong);
	await page.context().close();
}

async function lookAtHostile(path) {
	const url = pathToFileURL(resolve(path)).href, page = await newPage(browser, url);
	let alerts = 0;
	page.on("dialog", dialog => {
		alerts++;
		dialog.dismiss();
	});
	await page.goto(url);
	await page.waitForFunction(() => chart.shown.length > 0);
	report(!alerts && !page.wrong.length && await page.locator("#list .name").first().textContent().then(text => text.startsWith("a</script>")),
		"report: a name that is HTML is shown as it is, and does nothing", ...page.wrong);
	await page.context().close();
}

await lookAtSix();
await lookAtMany();
await lookBack();
await lookAtReport("build/page/report", "report", "report");
await lookAtReport("build/page/report", "recorded", "report of a lab host");
await lookAtHostile("build/page/report/hostile.html");
await browser.close();
process.exit(failures() ? 1 : 0);
