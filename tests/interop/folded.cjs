// SPDX-License-Identifier: GPL-2.0-or-later
// Folded lines, read the way the common readers do: the last blank divides stack and count.
"use strict";
const assert = require("assert"), fs = require("fs");
const out = process.argv[2], totals = JSON.parse(fs.readFileSync(`${out}/totals.json`));
const decoder = new TextDecoder("utf-8", { fatal: true });
let nr = 0;

for (const [name, want] of Object.entries(totals)) {
	const text = decoder.decode(fs.readFileSync(`${out}/${name}.folded`));
	const seen = new Set();
	let sum = 0;
	assert(text === "" || text.endsWith("\n"));
	for (const line of text.split("\n").slice(0, -1)) {
		const match = /^(.+) (\d+)$/.exec(line);
		assert(match, `${name}: ${line}`);
		assert(!/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(line), `${name}: ${line}`);
		assert(match[1].split(";").every(frame => frame.length), `${name}: empty frame`);
		assert(!seen.has(match[1]), `${name}: not merged`);
		seen.add(match[1]);
		sum += Number(match[2]);
		nr++;
	}
	assert.strictEqual(sum, want.samples, name);
}
console.log(`${nr} lines, totals equal`);
