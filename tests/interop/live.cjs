// SPDX-License-Identifier: GPL-2.0-or-later
// Drives the live page in a browser, with a server whose figures are known. SHOTS=FOLDER keeps pictures.
"use strict";
const assert = require("assert"), fs = require("fs"), path = require("path");
const { withBrowser } = require("./browser.cjs");
const live = require("./live_server.cjs");
const out = path.resolve(process.argv[2]), shots = process.env.SHOTS;
const ROW = 20;

const squeeze = text => text.replace(/\s+/g, " ").trim();
// What get() gives once it is as expected: a text, a regular expression, or anything that is deeply equal.
async function until(get, expected) {
	const fits = value => expected instanceof RegExp ? expected.test(value) : JSON.stringify(value) === JSON.stringify(expected);
	for (let n = 0, value; ; n++) {
		value = await get();
		if (fits(value))
			return value;
		if (n === 100) {
			if (expected instanceof RegExp)
				assert.match(value, expected);
			else
				assert.deepStrictEqual(value, expected);
		}
		await new Promise(done => setTimeout(done, 30));
	}
}
const span = page => page.textContent("#span");
const status = page => page.textContent("#status");
const problem = async page => await page.isVisible("#problem") ? page.textContent("#problem-text") : "";
const rows = (page, table) => page.locator(`${table} tbody tr`).evaluateAll(list => list.map(tr =>
	[...tr.cells].map(td => td.innerText.replace(/\s+/g, " ").trim())));
const functions = page => rows(page, "#graph");
const row = async (page, table, first) => (await rows(page, table)).find(cells => cells[0] === first);
// Runs in the page before its own code: timers that fire only when time.pass() lets them, so that a slow machine
// never looks like a slow server, and a count of answers that the page has not dealt with yet.
const ownTime = () => {
	const time = window.time = { now: 1000, asking: 0 }, timers = new Map(), fetchReally = window.fetch;
	const later = (() => {
		const channel = new MessageChannel(), queue = [];
		channel.port1.onmessage = () => queue.shift()();
		return f => (queue.push(f), channel.port2.postMessage(0));
	})();
	let last = 0;
	performance.now = () => time.now;
	window.setTimeout = (f, ms = 0) => (timers.set(++last, { at: time.now + ms, f }), last);
	window.clearTimeout = id => timers.delete(id);
	// What follows an answer runs before the next message: then it is dealt with.
	const dealt = promise => promise.finally(() => later(() => time.asking--)).catch(() => 0);
	window.fetch = (...args) => {
		time.asking++;
		const response = fetchReally(...args);
		dealt(response.then(r => {
			time.asking++;
			const text = r.text();
			dealt(text);
			r.text = () => text;
		}));
		return response;
	};
	const settled = async () => {
		do
			await new Promise(later);
		while (time.asking);
	};
	time.settled = settled;
	time.pass = async ms => {
		const end = time.now + ms;
		for (;;) {
			const [id, next] = [...timers].sort((a, b) => a[1].at - b[1].at)[0] || [];
			if (!next || next.at > end)
				break;
			time.now = Math.max(time.now, next.at);
			timers.delete(id);
			next.f();
		}
		time.now = end;
		await settled();
	};
};

// A page with a clock of its own, on a server with VMs.
async function show(open, vms, hash = "", options = {}) {
	const server = await live.start(out), page = await open(options);
	server.vms.push(...vms);
	server.tick(100);
	await page.addInitScript(ownTime);
	await page.goto(server.url + hash);
	await page.evaluate(() => time.settled());
	await until(() => page.getAttribute("#fresh", "data-state"), "live");
	// Two seconds at a time, each time with the answers.
	page.pass = async seconds => {
		for (let t = 0; t < seconds; t += 2) {
			await page.evaluate(() => time.settled());
			server.tick(2);
			await page.evaluate(() => time.pass(2000));
		}
	};
	page.server = server;
	return page;
}
// Nothing thrown, no policy violated, no dialog, nobody else asked.
async function finish(page, expected = /$^/) {
	const errors = page.seen.errors.filter(e => !expected.test(e));
	assert.deepStrictEqual(errors, []);
	assert.deepStrictEqual(page.seen.dialogs, []);
	assert.deepStrictEqual(page.seen.requests.filter(url => !url.startsWith(page.server.url) && !url.startsWith("data:")), []);
	await page.close();
	page.server.close();
}
async function shoot(page, name, options) {
	if (!shots)
		return;
	fs.mkdirSync(shots, { recursive: true });
	await page.screenshot({ path: path.join(shots, `${name}.png`), ...options });
}
// The colour of the frame at a depth that covers `share` of the width, above its letters.
const colourAt = (page, share, depth) => page.evaluate(([x, d, h]) => {
	const canvas = document.getElementById("canvas"), scroll = document.getElementById("scroll"), r = devicePixelRatio;
	const y = document.getElementById("space").clientHeight - d * h - h + 3 - scroll.scrollTop;
	return [...canvas.getContext("2d").getImageData(x * scroll.clientWidth * r, y * r, 1, 1).data].slice(0, 3);
}, [share, depth, ROW]);

const web0 = live.web0;
const idle = () => new live.Vm("idle", { health: ["no_image"], vcpu: { guest: 0, exit: 0, vmm: 0 } });

const tests = {
	async "the list shows rates, exits and health"(open) {
		const page = await show(open, [idle(), web0()]);
		await until(() => rows(page, "#vms"), [
			["web0", "✓OK", "56.0%", "125", "IO_INSTRUCTION 100/s", "15.6", "100", "qemu-system-x86_64"],
			["idle", "▲no image", "0.0%", "0.0", "–", "0.0", "0.0", "qemu-system-x86_64"]].map(r => r.map(c => c.replace(/^([✓▲])/, "$1 "))));
		assert.match(await page.textContent("#host"), /^2 VMs running · 2 seen · 0 gone · level stacks .* lost: ring full 7 · ukprof/);
		// The busiest is chosen by itself, and that can be linked.
		assert.strictEqual(await page.textContent("#vm-name"), "web0");
		assert.strictEqual(new URL(page.url()).hash, "#vm=web0&view=flame&kind=cpu&window=60");
		await page.click("#vms th button:has-text('VM') >> nth=0");
		await page.mouse.move(1, 1);
		assert.deepStrictEqual((await rows(page, "#vms")).map(r => r[0]), ["idle", "web0"]);
		await page.fill("#filter", "no image");
		assert.deepStrictEqual((await rows(page, "#vms")).map(r => r[0]), ["idle"]);
		assert.strictEqual(await page.textContent("#listed"), "1 of 2 VMs");
		await page.fill("#filter", "zebra");
		assert.match(await page.innerText("#no-vms"), /No VM matches/);
		await finish(page);
	},
	async "a window is the difference of two answers"(open) {
		const vm = web0(), page = await show(open, [vm], "#vm=web0&window=10");
		assert.match(await page.innerText("#none"), /Collecting/);
		await page.pass(4);
		await until(() => span(page), "Last 4.0 s of 10 s, which is filling: 400 samples, 100/s");
		await page.pass(16);
		await until(() => span(page), "Last 10.0 s: 1,000 samples, 100/s");
		assert.deepStrictEqual(await row(page, "#graph", "hot_leaf"), ["hot_leaf", "800 80.0%", "800 80.0%"]);
		// For 6 seconds only worker_b: 4 s of the old and 6 s of the new.
		vm.rates = { cpu: { "kmain worker_b": 50 } };
		await page.pass(6);
		await until(() => span(page), "Last 10.0 s: 700 samples, 70.0/s");
		assert.deepStrictEqual((await functions(page)).slice(0, 2), [["worker_b", "340 48.6%", "460 65.7%"], ["hot_leaf", "320 45.7%", "320 45.7%"]]);
		await page.pass(4);
		await until(() => span(page), "Last 10.0 s: 500 samples, 50.0/s");
		assert.deepStrictEqual(await functions(page), [["worker_b", "500 100.0%", "500 100.0%"], ["kmain", "0 0.0%", "500 100.0%"]]);
		await page.keyboard.press("w");
		await until(() => span(page), "Last 30.0 s of 1 min, which is filling: 2,500 samples, 83.3/s");
		assert.match(page.url(), /window=60/);
		// All counts what was before the page, too: 120 s of 100 and 10 s of 50.
		await page.click("#windows button:has-text('All')");
		await until(() => span(page), "Since the VM was seen: 12,500 samples");
		await finish(page);
	},
	async "fewer than before is none"(open) {
		const vm = web0(), page = await show(open, [vm], "#vm=web0&window=10");
		await page.pass(10);
		vm.counts.cpu["kmain worker_a hot_leaf"] = 0;
		vm.rates = { cpu: { "kmain worker_b": 10 } };
		await page.pass(2);
		// 8 s of 100 without worker_a's 50, and 2 s of 10
		await until(() => span(page), "Last 10.0 s: 420 samples, 42.0/s");
		await finish(page);
	},
	async "another epoch begins anew"(open) {
		const vm = web0(), page = await show(open, [vm], "#vm=web0&window=10");
		await page.pass(10);
		vm.restart();
		vm.counts.cpu["kmain worker_c"] = 5000;
		await page.pass(2);
		await until(() => page.innerText("#none"), /Collecting/);
		await page.pass(2);
		await until(() => span(page), "Last 2.0 s of 10 s, which is filling: 200 samples, 100/s");
		assert.strictEqual(await row(page, "#graph", "worker_c"), undefined);
		await finish(page);
	},
	async "zoom, selection and search stay while it updates"(open) {
		const vm = web0(), page = await show(open, [vm], "#vm=web0&window=10");
		await page.pass(10);
		await page.keyboard.press("/");
		await page.keyboard.type("worker_a");
		await until(() => page.textContent("#hits"), "50.0% matched (500 samples, 1 frame)");
		await page.focus("#scroll");
		await page.keyboard.press("ArrowUp");
		await page.keyboard.press("ArrowUp");
		await page.keyboard.press("Enter");
		await until(() => status(page), /^worker_a \(guest function\): 500 samples, 50\.0% of all, 100\.0% of this view/);
		await page.focus("#path button >> nth=1");
		vm.rates = { cpu: { "kmain worker_b": 100 } };
		await page.pass(4);
		await until(() => status(page), /^worker_a .* 300 samples, 30\.0% of all, 100\.0% of this view/);
		await until(() => page.textContent("#hits"), "30.0% matched (300 samples, 1 frame)");
		assert.strictEqual(await page.evaluate(() => document.activeElement.textContent), "kmain", "the focus stays");
		// It is not there for a while: its parent is shown. And comes back.
		await page.pass(6);
		await until(() => status(page), /^kmain .* 1,000 samples/);
		vm.rates = web0().rates;
		await page.pass(2);
		await until(() => status(page), /^worker_a .* 100 samples, 10\.0% of all, 100\.0% of this view/);
		await page.keyboard.press("Escape");
		await until(() => status(page), /^web0 /);
		await page.pass(2);
		await until(() => status(page), /^web0 .* 1,000 samples/);
		await finish(page);
	},
	async "paused, it asks for nothing"(open) {
		const page = await show(open, [web0()], "#vm=web0&window=10"), server = page.server;
		await page.pass(14);
		await page.keyboard.press("p");
		assert.strictEqual(await page.getAttribute("#pause", "aria-pressed"), "true");
		assert.match(await page.textContent("#fresh"), /^Paused at /);
		const before = server.requests.length, text = await span(page);
		await page.pass(30);
		assert.strictEqual(server.requests.length, before);
		assert.strictEqual(await span(page), text);
		await page.click("#windows button:has-text('1 min')");
		await until(() => span(page), "Last 14.0 s of 1 min, which is filling: 1,400 samples, 100/s");
		await page.keyboard.press("p");
		await page.pass(2);
		await until(() => page.getAttribute("#fresh", "data-state"), "live");
		await until(() => span(page), "Last 46.0 s of 1 min, which is filling: 4,600 samples, 100/s");
		await finish(page);
	},
	async "hidden, it asks for nothing"(open) {
		const page = await show(open, [web0()], "#vm=web0&window=10"), server = page.server;
		const hide = on => page.evaluate(hidden => {
			Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
			document.dispatchEvent(new Event("visibilitychange"));
		}, on);
		await page.pass(4);
		await hide(true);
		const before = server.requests.length;
		await page.pass(20);
		assert.strictEqual(server.requests.length, before);
		await hide(false);
		await until(() => span(page), /^Last 2[0-9]\.0 s: /);
		await finish(page);
	},
	async "a baseline shows the change"(open) {
		const vm = web0(), page = await show(open, [vm], "#vm=web0&window=10");
		await page.pass(10);
		await page.keyboard.press("b");
		await until(() => status(page), /±0\.0 points against the baseline, where it had 100\.0%/);
		// worker_a from 50% to 20%, worker_b from 40% to 70%; the rest is as it was.
		vm.rates = { cpu: { "kmain worker_a hot_leaf": 40, "kmain worker_b hot_leaf": 60, "kmain worker_b": 80, "kmain [kvm]": 16, "kmain worker_new": 4 } };
		await page.pass(10);
		await until(() => span(page), /^Last 10\.0 s: 2,000 samples, 200\/s; baseline of .*: 10\.0 s$/);
		const walk = [];
		await page.focus("#scroll");
		for (const key of ["ArrowUp", "ArrowUp", "ArrowLeft"]) {
			await page.keyboard.press(key);
			walk.push(await status(page));
		}
		assert.match(walk[0], /^kmain .*; ±0\.0 points against the baseline, where it had 100\.0%$/);
		assert.match(walk[1], /^worker_b .*: 1,400 samples, 70\.0% of all; self 800, 40\.0%; \+30\.0 points against the baseline, where it had 40\.0%$/);
		assert.match(walk[2], /^worker_a .*: 400 samples, 20\.0% of all; self 0, 0\.0%; −30\.0 points against the baseline, where it had 50\.0%$/);
		const changes = Object.fromEntries((await functions(page)).map(cells => [cells[0], cells[3]]));
		assert.deepStrictEqual(changes, { hot_leaf: "−30.0", worker_b: "+30.0", "[kvm]": "±0.0", "[vmm]": "−2.0", worker_new: "+2.0", worker_a: "±0.0", kmain: "±0.0" });
		// [kvm] has the first 8%, then worker_a: blue, and worker_b: red.
		const a = await colourAt(page, 0.15, 2), b = await colourAt(page, 0.6, 2), same = await colourAt(page, 0.04, 2);
		assert(a[2] > a[0] + 60, `less is blue: ${a}`);
		assert(b[0] > b[2] + 60, `more is red: ${b}`);
		assert(Math.max(...same) - Math.min(...same) < 12, `the same is grey: ${same}`);
		assert.match(await page.innerText("#legend"), /−10[^]*same[^]*\+10[^]*points of share/);
		await page.click("#graph th button:has-text('Change')");
		assert.deepStrictEqual((await functions(page)).slice(0, 2).map(cells => cells[0]).sort(), ["hot_leaf", "worker_b"]);
		// The other way round: widths of the baseline, the same colours.
		await page.click("#by-baseline");
		await page.focus("#scroll");
		await until(() => status(page), /^worker_a .*: 500 samples, 50\.0% of all; .*−30\.0 points against the window, where it has 20\.0%$/);
		assert((await functions(page)).some(cells => cells[0] === "[vmm]" && cells[1] === "20 2.0%" && cells[3] === "−2.0"));
		await page.click("#clear");
		await until(() => page.locator("#graph th:visible").count(), 3);
		assert.match(await page.innerText("#legend"), /guest function/);
		assert.strictEqual(await page.evaluate(() => document.activeElement.id), "mark");
		await finish(page);
	},
	async "exits by reason and by place"(open) {
		const page = await show(open, [web0()], "#vm=web0&view=exits&window=10");
		await page.pass(10);
		await until(() => span(page), "Last 10.0 s: 1,250 exits, 125/s; 3.05 ms in exits that are not idle");
		assert.deepStrictEqual(await rows(page, "#reasons"), [
			["IO_INSTRUCTION", "1,000", "100", "98.4%", "3.00 µs", "66.7%"],
			["EXTERNAL_INTERRUPT", "50", "5.0", "1.6%", "1.00 µs", "0.0%"],
			["HLT", "200", "20.0", "idle", "100 µs", "0.0%"]]);
		assert.deepStrictEqual(await rows(page, "#sites"), [
			["outb+0x4", "IO_INSTRUCTION", "COM1 out", "80.0", "78.7%", "66.7%"],
			["idle+0x10", "HLT", "–", "20.0", "idle", "0.0%"],
			["0xdead", "IO_INSTRUCTION", "–", "20.0", "19.7%", "66.7%"]]);
		page.server.vms[0].reasons[0].rate = 10;
		await page.pass(10);
		await until(async () => (await row(page, "#reasons", "IO_INSTRUCTION"))[2], "10.0");
		await page.click("#reasons th button:has-text('Average')");
		assert.deepStrictEqual((await rows(page, "#reasons")).map(r => r[0]), ["HLT", "IO_INSTRUCTION", "EXTERNAL_INTERRUPT"]);
		assert(!page.server.requests.some(url => url.includes("/flame")));
		await finish(page);
	},
	async "stacks of exits come only when asked for"(open) {
		const page = await show(open, [web0()], "#vm=web0&window=10");
		await page.pass(4);
		await page.click("#views button:has-text('Exits')");
		await page.click("#windows button:has-text('All')");
		await until(() => page.innerText("#none"), /No stacks of exits in this window[^]*taken only while somebody asks/);
		await page.pass(4);
		await until(() => span(page), "Since the VM was seen: 480 exits");
		assert.match(page.url(), /kind=exits/);
		await page.click("#views button:has-text('Exit time')");
		await page.pass(4);
		await until(() => span(page), "Since the VM was seen: 9.20 ms");
		assert(page.server.requests.some(url => url.endsWith("kind=exit_time")));
		await finish(page);
	},
	async "frames are functions or libraries"(open) {
		const page = await show(open, [web0()], "#vm=web0&window=10");
		await page.pass(4);
		await until(() => page.innerText("#top-title"), "Top functions");
		assert(!page.server.requests.some(url => url.includes("by=")));
		await page.click("#groups button:has-text('Libraries')");
		await page.pass(4);
		await until(() => page.innerText("#top-title"), "Top libraries");
		assert.strictEqual(await page.innerText("th button[data-sort=name]"), "Library");
		assert(page.server.requests.some(url => url.endsWith("kind=cpu&by=library")));
		assert.match(page.url(), /by=library/);
		await page.click("#views button:has-text('Exit table')");
		assert(!await page.isVisible("#groups"), "the table of exits has no frames");
		await finish(page);
	},
	async "everything is reached from the keyboard"(open) {
		const page = await show(open, [web0(), idle()], "#vm=idle&window=10");
		await page.pass(4);
		const focused = () => page.evaluate(() => {
			const e = document.activeElement, style = getComputedStyle(e);
			return [e.id || e.textContent, style.outlineStyle];
		});
		// Up to the other VM, and enter.
		let name = "";
		for (let i = 0; i < 30 && name !== "web0"; i++) {
			await page.keyboard.press("Tab");
			name = (await focused())[0];
		}
		assert.strictEqual(name, "web0");
		await page.keyboard.press("Enter");
		await until(() => page.textContent("#vm-name"), "web0");
		await page.pass(4);
		await until(() => span(page), /^Last .*400 samples/);
		assert.strictEqual((await focused())[0], "web0", "updates leave the focus where it is");
		const reached = [];
		await page.evaluate(() => document.activeElement.blur());
		await page.focus("#pause");
		for (let i = 0; i < 70; i++) {
			const [id, outline] = await focused();
			reached.push(id);
			if (id !== "BODY" && !/^ukprof|^\s/.test(id))
				assert.notStrictEqual(outline, "none", `${id} shows that it has the focus`);
			await page.keyboard.press("Tab");
		}
		for (const id of ["pause", "theme", "filter", "VM", "Health", "CPU", "web0", "idle", "pprof", "metrics", "Exits", "Exit time", "Exit table",
			"10 s", "1 min", "5 min", "All", "mark", "q", "copy", "flame", "icicle", "scroll", "Function", "hot_leaf"])
			assert(reached.includes(id), id);
		await page.keyboard.press("b");
		assert(await page.isVisible("#clear"));
		for (const [key, text] of [["w", "1 min"], ["w", "5 min"], ["w", "All"], ["w", "10 s"]]) {
			await page.keyboard.press(key);
			assert.strictEqual(await page.textContent("#windows [aria-pressed=true]"), text);
		}
		assert.strictEqual(await page.textContent("#news"), "Window: 10 s");
		// Letters in a field are letters.
		await page.focus("#filter");
		await page.keyboard.type("pwb/");
		assert.strictEqual(await page.inputValue("#filter"), "pwb/");
		assert.strictEqual(await page.getAttribute("#pause", "aria-pressed"), "false");
		await finish(page);
	},
	async "errors are told, and forgotten after them"(open) {
		const page = await show(open, [web0()], "#vm=web0&window=10"), server = page.server;
		await page.pass(10);
		const picture = await functions(page);
		server.fail = { status: 503, text: "too many readers\n" };
		await page.pass(2);
		await until(() => problem(page), "ukprof cannot answer now: too many readers. Next try in 2 s.");
		assert.strictEqual(await page.getAttribute("#fresh", "data-state"), "bad");
		assert.deepStrictEqual(await functions(page), picture, "the last picture stays");
		const before = server.requests.length;
		await page.pass(60);
		const tries = server.requests.length - before;
		assert.strictEqual(tries, 10); // after 2, 6, 14, 30 and 60 s, of two kinds
		server.fail = { status: 401, text: "" };
		await page.click("#retry");
		await until(() => problem(page), /asks for a name and a password/);
		server.fail = "drop";
		await page.click("#retry");
		await until(() => problem(page), /^ukprof does not answer\. Next try in 30 s\.$/);
		server.fail = { status: 200, text: "<b>no JSON</b>" };
		await page.click("#retry");
		await until(() => problem(page), /^ukprof's answer cannot be read\./);
		server.fail = { status: 500, text: "<img src=x onerror=alert(1)>" };
		await page.click("#retry");
		await until(() => problem(page), /^ukprof answered with status 500: <img/);
		server.fail = null;
		await page.click("#retry");
		await until(() => problem(page), "");
		await page.pass(2);
		await until(() => page.getAttribute("#fresh", "data-state"), "live");
		await finish(page, /Failed to load resource/);
	},
	async "a VM that disappears leaves its last picture"(open) {
		const vm = web0(), page = await show(open, [vm, idle()], "#vm=web0&window=10"), server = page.server;
		await page.pass(10);
		vm.up = false;
		await page.pass(2);
		await until(async () => (await row(page, "#vms", "web0"))[1], "✕ gone");
		assert.match(await page.innerText("#vm-notes"), /This VM has ended/);
		server.vms.shift();
		await page.pass(2);
		await until(() => page.innerText("#vm-notes"), /not in the list/);
		assert.match(await problem(page), /does not know this VM/);
		assert((await functions(page)).length > 3);
		await page.click("#vms button:has-text('idle')");
		await until(() => problem(page), "");
		await page.pass(4);
		await until(() => page.innerText("#none"), /No samples in this window/);
		await page.goBack();
		await until(() => page.textContent("#vm-name"), "web0");
		await finish(page, /Failed to load resource/);
	},
	async "hostile names stay names"(open) {
		const names = ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "__proto__", "constructor", "{{js}}", "a&b\"c'd`e", "\u202egnp.exe"];
		const vms = names.map(name => new live.Vm(name, { vmm: name, image: name, health: ["<b>new word</b>", "__proto__"],
			rates: { cpu: Object.fromEntries(names.map(n => [`${name}\x1f${n}`, 10])) }, reasons: [{ code: 1, reason: name, rate: 5, ns: 10 }],
			sites: [{ code: 1, reason: name, rate: 5, ns: 10, function: name, offset: 0, rip: "0x1", text: name }] }));
		const page = await show(open, vms, "#window=10");
		assert.deepStrictEqual((await page.locator("#vms td button").allTextContents()).sort(), [...names].sort());
		for (const name of names) {
			await page.locator("#vms td button").nth((await page.locator("#vms td button").allTextContents()).indexOf(name)).click();
			await until(() => page.textContent("#vm-name"), name);
			await page.pass(4);
			await until(() => span(page), /280 samples|350 samples/);
			assert.deepStrictEqual((await page.locator("#top td button").allTextContents()).sort(), [...names].sort());
			assert.strictEqual(await page.textContent("#status b"), name);
			assert.strictEqual(new URLSearchParams(new URL(page.url()).hash.slice(1)).get("vm"), name);
			assert.strictEqual(new URL(await page.getAttribute("#pprof", "href"), "http://h").searchParams.get("vm"), name);
		}
		await page.click("#views button:has-text('Exit table')");
		await page.pass(4);
		await until(async () => (await rows(page, "#sites"))[0].slice(0, 3).join("|"), Array(3).fill(names[names.length - 1]).join("|"));
		assert.strictEqual(await page.locator("script").count(), 1);
		assert.strictEqual(await page.locator("img, main b b, td b").count(), 0);
		await finish(page);
	},
	async "a thousand VMs stay quick"(open) {
		const vms = Array.from({ length: 1000 }, (_, i) => new live.Vm(`vm-${String(i).padStart(3, "0")}`, { ...i === 500 && web0(), vcpu: { guest: i / 1000 } }));
		vms[500].label = "vm-500";
		const page = await show(open, vms, "#vm=vm-500&window=10");
		await page.pass(4);
		assert.strictEqual(await page.locator("#vms tbody tr").count(), 100);
		assert.match(await page.textContent("#vms-pager"), /1–100 of 1,000/);
		await page.click("#vms-pager button:has-text('Next')");
		assert.match(await page.textContent("#vms-pager"), /101–200 of 1,000/);
		// The page's own clock stands still.
		const began = Date.now();
		await page.evaluate(() => {
			const q = document.getElementById("filter");
			q.value = "vm-5";
			q.dispatchEvent(new Event("input"));
			document.body.getBoundingClientRect();
		});
		const time = Date.now() - began;
		assert.strictEqual(await page.textContent("#listed"), "100 of 1,000 VMs");
		console.log(`1000 VMs: filter and draw ${time} ms`);
		assert(time < 500);
		await until(() => span(page), "Last 4.0 s of 10 s, which is filling: 400 samples, 100/s");
		await shoot(page, "live-thousand");
		await finish(page);
	},
	async "minutes of answers stay few"() {
		const text = fs.readFileSync(`${out}/live.html`, "utf8"), limit = 6e6;
		const source = /\nclass History \{[^]*?\n\}\n/.exec(text)[0];
		const History = new Function("KEEP_S", "MAX_NUMBERS", `${source}; return History;`)(300, limit);
		const few = new History(), big = new History();
		for (let i = 0; i <= 1000; i++) {
			few.add(1, 2 * i, Float64Array.of(i));
			assert(few.snapshots.length < 60, `${few.snapshots.length} snapshots`);
			if (i < 150)
				continue;
			for (const window of [10, 60, 300]) {
				const over = few.over(window);
				assert(over.seconds >= window && over.seconds <= window * 1.06, `${over.seconds} s for ${window} s`);
				assert.strictEqual(over.values[0], over.seconds / 2);
			}
		}
		for (let i = 0; i < 50; i++)
			big.add(1, 2 * i, new Float64Array(1e6));
		assert(big.snapshots.length * 1e6 <= limit, `${big.snapshots.length} of a million numbers`);
	},
	async "text is readable in both themes, and narrow"(open) {
		for (const scheme of ["light", "dark"])
			for (const view of ["flame", "exits"]) {
				const page = await show(open, [web0(), idle()], `#vm=web0&view=${view}&window=10`, { scheme, viewport: { width: 390, height: 844 } });
				await page.pass(4);
				await page.keyboard.press("b");
				await page.focus("#pause");
				const poor = await page.evaluate(() => {
					const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
					// Any notation of a colour, over white or black as transparent ones are skipped.
					const parse = c => {
						canvas.clearRect(0, 0, 1, 1);
						canvas.fillStyle = c;
						canvas.fillRect(0, 0, 1, 1);
						return [...canvas.getImageData(0, 0, 1, 1).data];
					};
					const lum = c => c.slice(0, 3).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
						.reduce((n, v, i) => n + v * [0.2126, 0.7152, 0.0722][i], 0);
					const bad = [];
					for (const e of document.querySelectorAll("body *")) {
						if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length || e.disabled)
							continue;
						let back = e, colour;
						do
							colour = parse(getComputedStyle(back).backgroundColor);
						while (colour[3] === 0 && (back = back.parentElement));
						const a = lum(parse(getComputedStyle(e).color)), b = lum(colour);
						const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
						if (contrast < 4.5)
							bad.push(`${e.tagName} ${e.id} ${e.className} "${e.textContent.slice(0, 30)}" ${contrast.toFixed(2)}`);
					}
					return bad;
				});
				assert.deepStrictEqual(poor, [], scheme);
				const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
				assert(overflow <= 0, `page is ${overflow} px wider than the screen`);
				await shoot(page, `live-narrow-${view}-${scheme}`, { fullPage: true });
				await finish(page);
			}
	},
	async "names are readable on every colour of a change"() {
		const text = fs.readFileSync(`${out}/live.html`, "utf8"), css = fs.readFileSync(`${__dirname}/../../exporters/web/viewer.css`, "utf8");
		const lum = c => c.match(/\w\w/g).map(v => (v = parseInt(v, 16) / 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
			.reduce((n, v, i) => n + v * [0.2126, 0.7152, 0.0722][i], 0);
		const inks = css.match(/--box-ink: #\w+/g).map(s => s.slice(-6));
		for (const [theme, ink] of [["light", inks[0]], ["dark", inks[1]]]) {
			const colours = text.match(/\nconst (LESS|MORE|SAME) = .*/g).flatMap(line => new RegExp(`${theme}: (\\[.*?\\]|".*?")`).exec(line)[1].match(/#\w{6}/g));
			assert.strictEqual(colours.length, 9);
			for (const colour of colours) {
				const [a, b] = [lum(ink), lum(colour.slice(1))], contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
				assert(contrast >= 4.5, `${ink} on ${colour}: ${contrast.toFixed(2)}`);
			}
		}
	},
	async "pictures of a busy host"(open) {
		for (const scheme of ["light", "dark"]) {
			const shop = new live.Vm("shop", { rates: { ...web0().rates, cpu: live.ratesOf(out, "realistic", 990) }, reasons: web0().reasons, sites: web0().sites });
			const page = await show(open, [shop, web0(), idle(), new live.Vm("mail", { health: ["unverified_image", "incomplete"], vcpu: { guest: 0.31 } })],
				"#vm=shop&window=10", { scheme, viewport: { width: 1440, height: 1100 } });
			await page.pass(12);
			await shoot(page, `live-flame-${scheme}`);
			await page.keyboard.press("b");
			for (const stack of Object.keys(shop.rates.cpu))
				shop.rates.cpu[stack] *= stack.includes("tcp") ? 3 : 1;
			await page.pass(12);
			await page.mouse.move(640, 900);
			await shoot(page, `live-change-${scheme}`);
			await page.click("#views button:has-text('Exit table')");
			await page.pass(6);
			await shoot(page, `live-exits-${scheme}`);
			page.server.fail = { status: 503, text: "the recording is being set up" };
			await page.pass(2);
			await until(() => problem(page), /being set up/);
			await shoot(page, `live-error-${scheme}`);
			await finish(page, /Failed to load resource/);
		}
	},
};

withBrowser(async open => {
	const failures = [];
	for (const [name, test] of Object.entries(tests)) {
		if (process.env.ONLY && !name.includes(process.env.ONLY))
			continue;
		try {
			await test(open);
		} catch (e) {
			failures.push(`${name}: ${e.stack}`);
		}
	}
	console.log(failures.length ? failures.join("\n") : `${Object.keys(tests).length} tests`);
	process.exit(failures.length ? 1 : 0);
}).catch(e => {
	console.log(e.stack);
	process.exit(1);
});
