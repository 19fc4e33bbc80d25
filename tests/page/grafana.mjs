// SPDX-License-Identifier: GPL-2.0-only
//
// grafana.mjs - are the dashboards what Grafana's own types (npm @grafana/schema) say a dashboard is?
//
// Each one is written as a literal of TypeScript of type Dashboard, so that the compiler complains of a field that there is not, too; the
// options and field options of each panel as those of its own type, and each query as one of Prometheus'. The types have enums where JSON
// has texts: Plain<> takes the enums' values. Then one of each kind of mistake is made, and must be found.
//
// Usage: node tests/page/grafana.mjs CACHE      (make check-page; CACHE is what scripts/cache browser printed)

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

const cache = process.argv[2], work = "build/page/grafana";
const PANELS = { "timeseries": "TimeSeries", "stat": "Stat", "table": "Table", "state-timeline": "StateTimeline",
	"heatmap": "Heatmap" };
const FIELDS = { "timeseries": "FieldConfig", "table": "FieldConfig", "state-timeline": "FieldConfig", "heatmap": "FieldConfig" }; // those that have own field options
const HEAD = `import type { Dashboard, DataQuery } from "@grafana/schema";
${Object.entries(PANELS).map(([type, name]) => `import type * as ${name} from "@grafana/schema/dist/esm/raw/composable/${type.replace("-", "")}/panelcfg/x/${name}PanelCfg_types.gen";`).join("\n")}
type Query = Plain<DataQuery> & { expr: string; legendFormat?: string; instant?: boolean; range?: boolean; interval?: string; exemplar?: boolean;
	format?: "table" | "time_series" | "heatmap"; editorMode?: "code" | "builder" };
type Annotation = { titleFormat?: string; textFormat?: string; tagKeys?: string; useValueForTime?: boolean; target: Query };
type Plain<T> = T extends string ? \`\${T}\` : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
`;

rmSync(work, { recursive: true, force: true });
mkdirSync(work, { recursive: true });
symlinkSync(join(cache, "node_modules"), join(work, "node_modules"));

let failed = 0;

function report(good, what, why = "") {
	console.log(`${good ? "PASS" : "FAIL"} page: grafana: ${what}`);
	if (!good) {
		failed++;
		why.split("\n").slice(0, 12).forEach(line => console.log(`     | ${line}`));
	}
}

// Rows hold panels of their own.
function panelsOf(dashboard) {
	return dashboard.panels.flatMap(panel => [panel, ...(panel.panels ?? [])]);
}

// What the Prometheus data source adds to an annotation stands in it, too.
function annotationsPart(dashboard) {
	return dashboard.annotations.list.map(({ titleFormat, textFormat, tagKeys, useValueForTime, target, ...rest }, i) => {
		dashboard.annotations.list[i] = rest;
		return `export const annotation${i}: Annotation = ${JSON.stringify({ titleFormat, textFormat, tagKeys, useValueForTime, target })};\n`;
	}).join("");
}

function source(given) {
	const dashboard = structuredClone(given), annotations = annotationsPart(dashboard);
	let text = `${HEAD}${annotations}export const dashboard: Plain<Dashboard> = ${JSON.stringify(dashboard, null, 1)};\n`;
	panelsOf(dashboard).forEach((panel, i) => {
		const name = PANELS[panel.type];
		if (panel.type === "row")
			return;
		if (!name)
			throw new Error(`panel type ${panel.type} is not in PANELS`);
		text += `export const options${i}: Plain<Partial<${name}.Options>> = ${JSON.stringify(panel.options ?? {})};\n`;
		const custom = panel.fieldConfig?.defaults?.custom ?? {};
		if (FIELDS[panel.type])
			text += `export const custom${i}: Plain<Partial<${name}.FieldConfig>> = ${JSON.stringify(custom)};\n`;
		for (const [n, target] of (panel.targets ?? []).entries())
			text += `export const query${i}_${n}: Query = ${JSON.stringify(target)};\n`;
	});
	return text;
}

function compile(files) {
	const run = spawnSync("node", [join(cache, "node_modules/typescript/bin/tsc"), "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022",
		"--module", "esnext", "--moduleResolution", "bundler", "--preserveSymlinks", ...files], { encoding: "utf8" });
	return run.stdout + run.stderr;
}

const MISTAKES = {
	"a panel's unknown field": dashboard => { dashboard.panels[0].titel = "x"; },
	"a time zone that is a number": dashboard => { dashboard.timezone = 1; },
	"a place that is a text": dashboard => { dashboard.panels[0].gridPos.h = "4"; },
	"a colour mode that there is not": dashboard => { panelsOf(dashboard).find(one => one.type === "stat").options.colorMode = "backgroud"; },
	"a refresh that a variable has not": dashboard => { dashboard.templating.list[0].refresh = "often"; },
	"a query without its letter": dashboard => { delete panelsOf(dashboard).find(one => one.targets?.length).targets[0].refId; },
};

const files = [], expected = [], all = readdirSync("dashboards").filter(name => name.endsWith(".json"));
for (const name of all) {
	const file = join(work, `${basename(name, ".json")}.ts`);
	writeFileSync(file, source(JSON.parse(readFileSync(join("dashboards", name), "utf8"))));
	files.push(file);
}
for (const [i, [what, spoil]] of Object.entries(MISTAKES).entries()) {
	const dashboard = JSON.parse(readFileSync(join("dashboards", all[0]), "utf8")), file = join(work, `mistake-${i}.ts`);
	spoil(dashboard);
	writeFileSync(file, source(dashboard));
	expected.push([what, file]);
}
const { version } = JSON.parse(readFileSync(join(cache, "node_modules/@grafana/schema/package.json"), "utf8"));
const said = compile([...files, ...expected.map(([, file]) => file)]);
for (const file of files) {
	const wrong = said.split("\n").filter(line => line.startsWith(file));
	report(!wrong.length, `${basename(file, ".ts")} is a dashboard by @grafana/schema ${version}`, wrong.join("\n"));
}
const missed = expected.filter(([, file]) => !said.includes(file)).map(([what]) => what);
report(!missed.length, `${expected.length} deliberate mistakes are found`, missed.join("\n"));
const other = said.split("\n").filter(line => line && !line.startsWith(" ") && !line.startsWith(work));
report(!other.length, "the compiler has nothing else to say", other.join("\n"));
process.exit(failed ? 1 : 0);
