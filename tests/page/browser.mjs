// SPDX-License-Identifier: GPL-2.0-only
//
// browser.mjs - headless Chromium of the cache, the real server (server.c), and a line PASS or FAIL for each thing that was looked at.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { once } from "node:events";
import { join, resolve } from "node:path";

const cache = process.argv[2];
export const shots = resolve("build/page/look");
mkdirSync(shots, { recursive: true });
const { chromium } = createRequire(cache + "/")("playwright-core");
const axeSource = readFileSync(join(cache, "node_modules/axe-core/axe.min.js"), "utf8");

let failed = 0;

export function report(good, what, ...why) {
	console.log(`${good ? "PASS" : "FAIL"} page: ${what}`);
	if (!good) {
		failed++;
		for (const line of why)
			console.log(`     | ${line}`);
	}
}

export const failures = () => failed;

export async function open() {
	const libraries = [join(cache, "lib"), join(cache, "chromium")].join(":");
	return chromium.launch({
		executablePath: join(cache, "chromium/chromium"), args: ["--no-sandbox"],
		env: { ...process.env, LD_LIBRARY_PATH: libraries, FONTCONFIG_FILE: join(cache, "fonts.conf") },
	});
}

// A page that writes down what it should not do: errors, and requests to anybody but `origin`.
export async function newPage(browser, origin, options) {
	const context = await browser.newContext({ viewport: { width: 1440, height: 860 }, ...options });
	const page = await context.newPage();
	page.wrong = [];
	page.on("console", message => ["error", "warning"].includes(message.type()) && page.wrong.push(`console: ${message.text()}`));
	page.on("pageerror", error => page.wrong.push(`error: ${error.stack}`));
	page.on("request", request => request.url().startsWith(origin) || request.url().startsWith("data:") || page.wrong.push(`request: ${request.url()}`));
	return page;
}

export async function serverStart(...args) {
	const child = spawn("build/native/page-server", args, { stdio: ["pipe", "pipe", "inherit"] });
	let said = "";
	child.stdout.on("data", data => said += data);
	const line = async () => {
		while (!said.includes("\n"))
			await Promise.race([once(child.stdout, "data"), once(child, "exit").then(() => { throw new Error("page-server ended"); })]);
		const end = said.indexOf("\n"), first = said.slice(0, end);
		said = said.slice(end + 1);
		return first;
	};
	const url = await line();
	return {
		url,
		order: async text => {
			child.stdin.write(`${text}\n`);
			return line();
		},
		stop: async () => {
			child.stdin.end("quit\n");
			if (child.exitCode === null)
				await once(child, "exit");
		},
	};
}

// Violations that axe-core calls serious or critical.
export async function axe(page, what) {
	await page.evaluate(axeSource); // a script tag would be refused by the page's policy
	const result = await page.evaluate(() => axe.run());
	const serious = result.violations.filter(one => ["serious", "critical"].includes(one.impact));
	report(!serious.length, `axe-core has nothing serious to say of ${what} (${result.passes.length} rules pass, ` +
		`${result.violations.length - serious.length} lesser remarks)`,
	...serious.flatMap(one => [`${one.id}: ${one.help}`, ...one.nodes.slice(0, 3).map(node => node.html.slice(0, 150))]));
}
