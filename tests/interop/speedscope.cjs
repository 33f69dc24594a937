// SPDX-License-Identifier: GPL-2.0-or-later
// speedscope opens pprof and folded files, and what it exports again has the totals that were written.
"use strict";
const assert = require("assert"), fs = require("fs"), path = require("path");
const { withBrowser } = require("./browser.cjs");
const out = process.argv[2], totals = JSON.parse(fs.readFileSync(`${out}/totals.json`));
const release = path.dirname(require.resolve("speedscope/dist/release/index.html"));

// How much of a profile has at least one frame. Several samples in a row make it "evented".
function covered(profile) {
	if (profile.type === "sampled")
		return profile.weights.reduce((n, weight, i) => n + (profile.samples[i].length ? weight : 0), 0);
	let sum = 0, depth = 0, since = 0;
	for (const event of profile.events) {
		if (event.type === "O" && !depth++)
			since = event.at;
		if (event.type === "C" && !--depth)
			sum += event.at - since;
	}
	return sum;
}

async function load(open, file) {
	const page = await open();
	const script = path.join(out, path.basename(file) + ".js");
	// The way speedscope's own command line hands over a file.
	fs.writeFileSync(script, `speedscope.loadFileFromBase64(${JSON.stringify(path.basename(file))}, ` +
		`${JSON.stringify(fs.readFileSync(file).toString("base64"))})`);
	await page.goto(`file://${release}/index.html#localProfilePath=${script}`);
	await page.waitForFunction(name => document.title.includes(name), path.basename(file), { timeout: 60000 });
	const download = page.waitForEvent("download");
	await page.keyboard.press("Control+s");
	const saved = JSON.parse(fs.readFileSync(await (await download).path()));
	assert.deepStrictEqual(page.seen.requests.filter(url => !url.startsWith("file:") && !url.startsWith("data:") &&
		!url.startsWith("blob:")), []);
	await page.close();
	return saved;
}

withBrowser(async open => {
	let nr = 0;
	for (const name of ["small", "clean", "realistic", "fleet", "hostile"]) {
		const folded = (await load(open, `${out}/${name}.folded`)).profiles[0];
		assert.strictEqual(covered(folded), totals[name].samples, `${name}.folded`);
		const pprof = (await load(open, `${out}/${name}.pb.gz`)).profiles[0];
		assert.strictEqual(pprof.unit, "nanoseconds"); // default_sample_type
		assert.strictEqual(covered(pprof), totals[name].nanoseconds, `${name}.pb.gz`);
		nr += 2;
	}
	console.log(`speedscope ${require("speedscope/package.json").version}: ${nr} files, totals equal`);
}).catch(e => {
	console.log(e.stack);
	process.exit(1);
});
