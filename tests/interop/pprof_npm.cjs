// SPDX-License-Identifier: GPL-2.0-or-later
// The npm package pprof-format decodes every profile; totals, labels and ids are as demanded of us.
"use strict";
const assert = require("assert"), fs = require("fs"), zlib = require("zlib");
const { Profile } = require("pprof-format");
const out = process.argv[2], totals = JSON.parse(fs.readFileSync(`${out}/totals.json`));

for (const [name, want] of Object.entries(totals)) {
	const p = Profile.decode(zlib.gunzipSync(fs.readFileSync(`${out}/${name}.pb.gz`)));
	const text = i => p.stringTable.strings[Number(i)];
	assert.strictEqual(text(0), "");
	assert.deepStrictEqual(p.sampleType.map(t => [text(t.type), text(t.unit)]),
		[["samples", "count"], ["cpu", "nanoseconds"]]);
	let samples = 0n, ns = 0n;
	for (const s of p.sample) {
		assert.strictEqual(s.value.length, 2);
		samples += BigInt(s.value[0]);
		ns += BigInt(s.value[1]);
		assert(s.locationId.length > 0);
		const labels = Object.fromEntries(s.label.map(l => [text(l.key), text(l.str)]));
		assert(labels.vm && /^vcpu\d+$/.test(labels.vcpu) && /^(guest|kvm|vmm)$/.test(labels.place));
	}
	assert.strictEqual(samples, BigInt(want.samples), name);
	assert.strictEqual(ns, BigInt(want.nanoseconds), name);
	for (const list of [p.mapping, p.location, p.function])
		list.forEach((x, i) => assert.strictEqual(Number(x.id), i + 1, `${name}: ids in order`));
	for (const l of p.location)
		for (const line of l.line)
			assert(text(p.function[Number(line.functionId) - 1].name));
	// What the reader writes again is the same profile.
	assert.deepStrictEqual(Profile.decode(p.encode()).sample.length, p.sample.length);
}
console.log(`pprof-format ${require("pprof-format/package.json").version}: ${Object.keys(totals).length} profiles, totals equal`);
