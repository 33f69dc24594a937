// SPDX-License-Identifier: GPL-2.0-or-later
// Drives the html page in a browser, opened as a file, the way its user would. SHOTS=FOLDER keeps pictures.
"use strict";
const assert = require("assert"), fs = require("fs"), path = require("path");
const { withBrowser } = require("./browser.cjs");
const out = path.resolve(process.argv[2]), shots = process.env.SHOTS;
const totals = JSON.parse(fs.readFileSync(`${out}/totals.json`));
const ROW = 20;

// The page's data, decoded here once more from its description in html.c.
function readTree(html) {
	const json = /<script type="application\/json" id="profile">([^]*?)<\/script>/.exec(html)[1];
	const { names, nodes } = JSON.parse(json), tree = [], open = [];
	for (let i = 0; i < nodes.length / 3; i++) {
		const depth = i ? tree[i - 1].depth + 1 - nodes[3 * i + 1] : 0;
		const node = { name: names[Math.floor(nodes[3 * i] / 16)], kind: nodes[3 * i] % 16, depth, self: nodes[3 * i + 2], total: 0,
			children: [], parent: depth ? open[depth - 1] : null };
		if (depth)
			open[depth - 1].children.push(node);
		open[depth] = node;
		tree.push(node);
	}
	for (const node of tree)
		for (let n = node; n; n = n.parent)
			n.total += node.self;
	(function place(todo) {
		for (let node; (node = todo.pop());) {
			let x = node.start;
			for (const child of node.children) {
				child.start = x;
				x += child.total;
				todo.push(child);
			}
		}
	})([Object.assign(tree[0], { start: 0 })]);
	return tree;
}

const status = page => page.textContent("#status");
const hits = page => page.textContent("#hits");

async function show(open, name, options) {
	const page = await open(options);
	const file = `${out}/${name}.html`;
	await page.goto(`file://${file}`);
	page.tree = readTree(fs.readFileSync(file, "utf8"));
	return page;
}
// Middle of a node on the screen, while the view shows `view` and all its rows fit.
async function where(page, node, view = page.tree[0], icicle = false) {
	const box = await page.locator("#canvas").boundingBox();
	const { rows, top } = await page.evaluate(() => ({
		rows: document.getElementById("space").clientHeight, top: document.getElementById("scroll").scrollTop }));
	const x = (node.start + node.total / 2 - view.start) / view.total * box.width;
	const y = icicle ? node.depth * ROW + ROW / 2 : rows - node.depth * ROW - ROW / 2;
	return [box.x + x, box.y + y - top];
}
async function clickNode(page, ...args) {
	const [x, y] = await where(page, ...args);
	await page.mouse.click(x, y);
}
const colourAt = (page, x, y) => page.evaluate(([px, py]) => {
	const canvas = document.getElementById("canvas"), box = canvas.getBoundingClientRect(), r = devicePixelRatio;
	return [...canvas.getContext("2d").getImageData((px - box.left) * r, (py - box.top) * r, 1, 1).data].slice(0, 3).join();
}, [x, y]);
async function shoot(page, name) {
	if (!shots)
		return;
	fs.mkdirSync(shots, { recursive: true });
	await page.screenshot({ path: path.join(shots, `${name}.png`) });
}
// No request but the page itself, nothing thrown, no policy violated, no dialog.
async function finish(page) {
	assert.deepStrictEqual(page.seen.requests.filter(url => !url.startsWith("data:")).length, 1, page.seen.requests.join("\n"));
	assert(page.seen.requests[0].startsWith("file:"));
	assert.deepStrictEqual(page.seen.errors, []);
	assert.deepStrictEqual(page.seen.dialogs, []);
	await page.close();
}
// The widest frame of a name.
const byName = (page, name, kind = 2) => page.tree.filter(n => n.name === name && n.kind === kind).sort((a, b) => b.total - a.total)[0];

const tests = {
	async "shows the whole profile at first"(open) {
		const page = await show(open, "small");
		assert.match(await status(page), /^web0 \(VM\): 100 samples, 100\.0% of all; self 0, 0\.0%$/);
		assert.match(await page.textContent(".sums"), /^100 samples = 87 guest \+ 8 KVM \+ 5 VMM/);
		assert.match(await page.textContent("header"), /7 samples were lost/);
		assert.strictEqual(await page.title(), "web0 – flame graph");
		assert.strictEqual(await page.locator("#legend li").count(), 7);
		await finish(page);
	},
	async "click zooms, Escape and the button reset"(open) {
		const page = await show(open, "small"), kmain = byName(page, "kmain"), worker = byName(page, "worker_a");
		await clickNode(page, worker);
		assert.match(await status(page), /^worker_a \(guest function\): 59 samples, 59\.0% of all, 100\.0% of this view; self 0/);
		assert.deepStrictEqual(await page.locator("#path button").allTextContents(), ["web0", "kmain", "worker_a"]);
		// In the zoomed view the frame is as wide as the picture: its left end answers to a click too.
		const hot = worker.children.find(n => n.name === "hot_leaf");
		await clickNode(page, hot, worker);
		assert.match(await status(page), /^hot_leaf .* 50 samples/);
		await page.keyboard.press("Escape");
		assert.match(await status(page), /^web0 /);
		assert(await page.isDisabled("#reset"));
		await clickNode(page, kmain);
		assert.match(await status(page), /^kmain .* 94 samples/);
		await page.click("#reset");
		assert.match(await status(page), /^web0 /);
		await clickNode(page, worker);
		await page.click("#path button >> nth=1");
		assert.match(await status(page), /^kmain /);
		await clickNode(page, page.tree[0], kmain);
		assert.match(await status(page), /^web0 /, "click on the root resets");
		await finish(page);
	},
	async "hover tells name, count, share and self"(open) {
		const page = await show(open, "small");
		const [x, y] = await where(page, byName(page, "clamp", 3));
		await page.mouse.move(x, y);
		assert.strictEqual(await page.innerText("#tip"), "clamp\n9 samples · 9.0% of all\nself 9 · 9.0% · inlined");
		await page.mouse.move(2, 2);
		assert(!await page.isVisible("#tip"));
		// A click changes what is under the pointer: the old tip goes.
		await clickNode(page, byName(page, "kmain"));
		assert(!await page.isVisible("#tip"));
		await finish(page);
	},
	async "search counts distinct samples"(open) {
		const page = await show(open, "small");
		await page.keyboard.press("/");
		await page.keyboard.type("worker");
		// worker_a 59 + worker_b 32 + 5 under [unmapped]
		assert.strictEqual(await hits(page), "96.0% matched (96 samples, 3 frames)");
		await page.fill("#q", "k"); // kmain with all its workers inside, and the workers outside of it
		assert.strictEqual(await hits(page), "99.0% matched (99 samples, 5 frames)");
		await page.fill("#q", "/^(hot|CLAMP)/");
		assert.strictEqual(await hits(page), "84.0% matched (84 samples, 4 frames)");
		await page.fill("#q", '"worker_a"');
		assert.strictEqual(await hits(page), "59.0% matched (59 samples, 1 frame)");
		await page.fill("#q", "/(/");
		assert.strictEqual(await hits(page), "not a regular expression");
		await page.fill("#q", "zebra");
		assert.strictEqual(await hits(page), "no match");
		await page.keyboard.press("Escape");
		assert.strictEqual(await page.inputValue("#q"), "");
		await page.keyboard.press("Escape");
		await page.keyboard.press("Control+f");
		assert.strictEqual(await page.evaluate(() => document.activeElement.id), "q");
		await finish(page);
	},
	async "search colours what it found"(open) {
		const page = await show(open, "small"), spot = await where(page, byName(page, "worker_a"));
		const [x, y] = [spot[0], spot[1] - 7]; // above the letters
		const before = await colourAt(page, x, y);
		await page.fill("#q", "worker_a");
		const found = await colourAt(page, x, y);
		assert.notStrictEqual(found, before);
		assert.strictEqual(found, "29,95,209");
		await page.fill("#q", "");
		assert.strictEqual(await colourAt(page, x, y), before);
		await finish(page);
	},
	async "icicle turns it upside down"(open) {
		const page = await show(open, "small"), worker = byName(page, "worker_a");
		await page.click("#icicle");
		assert.strictEqual(await page.getAttribute("#icicle", "aria-pressed"), "true");
		assert.strictEqual(await page.getAttribute("#flame", "aria-pressed"), "false");
		await clickNode(page, worker, page.tree[0], true);
		assert.match(await status(page), /^worker_a /);
		await finish(page);
	},
	async "everything works from the keyboard"(open) {
		const page = await show(open, "small"), names = [];
		await page.focus("#scroll");
		for (const key of ["ArrowUp", "ArrowUp", "ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight", "Home", "ArrowDown"]) {
			await page.keyboard.press(key);
			names.push((await status(page)).split(" ")[0]);
		}
		assert.deepStrictEqual(names, ["kmain", "worker_a", "hot_leaf", "clamp", "worker_a", "worker_b", "web0", "web0"]);
		await page.keyboard.press("ArrowUp");
		await page.keyboard.press("ArrowUp");
		await page.keyboard.press("Enter");
		assert.match(await status(page), /^worker_a .*100\.0% of this view/);
		await page.keyboard.press("Backspace");
		assert.match(await status(page), /^kmain /);
		await page.keyboard.press("Escape");
		assert.match(await status(page), /^web0 /);
		await page.click("#icicle");
		await page.focus("#scroll");
		await page.keyboard.press("ArrowDown");
		assert.match(await status(page), /^kmain /);
		// All controls can be reached with the Tab key.
		const reached = new Set();
		await page.focus("#theme");
		for (let i = 0; i < 20; i++) {
			reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.dataset.sort || ""));
			await page.keyboard.press("Tab");
		}
		for (const id of ["theme", "q", "copy", "flame", "icicle", "scroll", "name", "self", "total"])
			assert(reached.has(id), id);
		await finish(page);
	},
	async "name can be copied"(open, context) {
		await context.grantPermissions(["clipboard-read", "clipboard-write"]);
		const page = await show(open, "small");
		await page.focus("#scroll");
		await page.keyboard.press("ArrowUp");
		await page.keyboard.press("c");
		await page.waitForFunction(() => document.getElementById("copy").textContent === "Copied");
		assert.strictEqual(await page.evaluate(() => navigator.clipboard.readText()), "kmain");
		await finish(page);
	},
	async "table sums up functions"(open) {
		const page = await show(open, "small");
		const rows = () => page.locator("#top tr").evaluateAll(list => list.map(tr => tr.innerText.replace(/\s+/g, " ").trim()));
		assert.deepStrictEqual((await rows()).slice(0, 3), ["hot_leaf 75 75.0% 75 75.0%", "clamp 9 9.0% 9 9.0%", "[kvm] 8 8.0% 8 8.0%"]);
		const self = await page.locator("#top tr td:nth-child(2)").evaluateAll(list => list.reduce((n, td) => n + parseInt(td.innerText, 10), 0));
		assert.strictEqual(self, 100, "self times add up");
		await page.click("th button[data-sort=total]");
		assert.strictEqual((await rows())[0], "kmain 0 0.0% 94 94.0%");
		await page.click("th button[data-sort=total]");
		assert.match((await rows())[0], /^\[no guest registers\] /);
		await page.click("th button[data-sort=name]");
		assert.strictEqual(await page.getAttribute("th:first-child", "aria-sort"), "ascending");
		await page.click("#top button:has-text('worker_a')");
		assert.strictEqual(await hits(page), "59.0% matched (59 samples, 1 frame)");
		await clickNode(page, byName(page, "worker_a"));
		assert.strictEqual((await rows()).length, 3);
		assert.match(await page.textContent("#scope"), /inside worker_a/);
		await finish(page);
	},
	async "recursion is counted once"(open) {
		const page = await show(open, "deep");
		assert.match((await page.locator("#top tr").first().innerText()).replace(/\s+/g, " "), /kmain 10 100\.0% 10 100\.0%/);
		await page.fill("#q", "kmain");
		assert.strictEqual(await hits(page), "100.0% matched (10 samples, 5,000 frames)");
		await finish(page);
	},
	async "follows the system's theme until told otherwise"(open) {
		const page = await show(open, "small", { scheme: "dark" });
		const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
		const dark = await back();
		assert.strictEqual(await page.textContent("#theme"), "Light");
		await page.emulateMedia({ colorScheme: "light" });
		const light = await back();
		assert.notStrictEqual(dark, light);
		await page.waitForFunction(() => document.getElementById("theme").textContent === "Dark");
		await page.click("#theme");
		assert.strictEqual(await back(), dark);
		await page.click("#theme");
		assert.strictEqual(await back(), light);
		await finish(page);
	},
	async "text is readable in both themes"(open) {
		for (const scheme of ["light", "dark"]) {
			const page = await show(open, "realistic", { scheme });
			await page.fill("#q", "tcp");
			const poor = await page.evaluate(() => {
				const parse = c => (c.match(/[\d.]+/g) || []).map(Number);
				const lum = c => c.slice(0, 3).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
					.reduce((n, v, i) => n + v * [0.2126, 0.7152, 0.0722][i], 0);
				const bad = [];
				for (const e of document.querySelectorAll("body *")) {
					if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.offsetParent || e.disabled)
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
			await finish(page);
		}
	},
	async "hostile names stay names"(open) {
		const page = await show(open, "hostile");
		assert.strictEqual(totals.hostile.samples, page.tree[0].total);
		await page.click("#more").catch(() => 0);
		assert.strictEqual(await page.locator("script").count(), 2);
		assert.strictEqual(await page.locator("img").count(), 0);
		assert.strictEqual(await page.locator("#top b, #top script").count(), 0);
		for (const name of ["</script><script>alert(1)</script>", "__proto__", "constructor", "\"quotes\" and 'quotes' and `ticks`"]) {
			await page.fill("#q", name);
			assert.match(await hits(page), /^3\.7% matched \(3 samples, \d frames\)$/, name);
		}
		await page.fill("#q", "");
		for (const node of page.tree.filter(n => n.kind === 1)) {
			const [x, y] = await where(page, node);
			await page.mouse.move(x, y);
			assert.strictEqual(await page.textContent("#tip b"), node.name);
			await clickNode(page, node);
			assert.strictEqual(await page.textContent("#status b"), node.name);
			await page.keyboard.press("Escape");
		}
		await finish(page);
	},
	async "an empty profile says so"(open) {
		const page = await show(open, "empty");
		assert(!await page.isVisible("#main"));
		assert.match(await page.innerText(".empty"), /No samples/);
		await page.click("#theme");
		await shoot(page, "empty-dark");
		await finish(page);
	},
	async "very deep stacks scroll"(open) {
		const page = await show(open, "deep");
		const size = await page.evaluate(() => [document.getElementById("space").clientHeight, document.getElementById("canvas").height]);
		assert(size[0] > 5000 * ROW && size[1] < 2000, String(size));
		await page.focus("#scroll");
		for (let i = 0; i < 60; i++)
			await page.keyboard.press("ArrowUp");
		assert.match(await status(page), /^kmain /);
		assert((await page.locator("#path li").count()) === 61);
		await finish(page);
	},
	async "a profile of 240,000 nodes is quick"(open) {
		const page = await show(open, "big");
		assert.strictEqual(page.tree.length, totals.big.nodes);
		const time = await page.evaluate(async () => {
			const draw = async action => {
				const began = performance.now();
				action();
				document.getElementById("canvas").getContext("2d").getImageData(0, 0, 1, 1);
				return Math.round(performance.now() - began);
			};
			const q = document.getElementById("q");
			return {
				redraw: await draw(() => document.getElementById("icicle").click()),
				search: await draw(() => { q.value = "function_7"; q.dispatchEvent(new Event("input")); }),
				load: Math.round(performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd),
			};
		});
		console.log(`${totals.big.nodes} nodes: load ${time.load} ms, redraw ${time.redraw} ms, search ${time.search} ms`);
		assert(time.redraw < 1500 && time.search < 3000);
		await finish(page);
	},
	async "sharp on dense screens, whole on narrow ones"(open) {
		const page = await show(open, "realistic", { viewport: { width: 390, height: 844 } });
		const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
		assert(overflow <= 0, `page is ${overflow} px wider than the screen`);
		await shoot(page, "narrow-light");
		await page.setViewportSize({ width: 1360, height: 900 });
		await page.waitForFunction(() => document.getElementById("canvas").width > 1200);
		await finish(page);
	},
	async "pictures of a realistic profile"(open) {
		for (const scheme of ["light", "dark"]) {
			const page = await show(open, "realistic", { scheme, viewport: { width: 1440, height: 1100 } });
			await shoot(page, `realistic-${scheme}`);
			await page.fill("#q", "tcp");
			await shoot(page, `search-${scheme}`);
			await page.fill("#q", "");
			await clickNode(page, byName(page, "ngx_process_events_and_timers"));
			await page.evaluate(() => new Promise(done => requestAnimationFrame(() => setTimeout(done))));
			const [x, y] = await where(page, byName(page, "ngx_epoll_process_events"), byName(page, "ngx_process_events_and_timers"));
			await page.mouse.move(x, y);
			await shoot(page, `zoom-${scheme}`);
			await finish(page);
			const fleet = await show(open, "fleet", { scheme, viewport: { width: 1440, height: 1100 } });
			await fleet.click("#icicle");
			await shoot(fleet, `fleet-icicle-${scheme}`);
			await finish(fleet);
		}
	},
};

withBrowser(async (open, context) => {
	const failures = [];
	for (const [name, test] of Object.entries(tests)) {
		try {
			await test(open, context);
		} catch (e) {
			failures.push(`${name}: ${e.stack}`);
		}
	}
	console.log(failures.length ? failures.join("\n") : `${Object.keys(tests).length} tests`);
	process.exitCode = failures.length ? 1 : 0;
}).catch(e => {
	console.log(e.stack);
	process.exit(1);
});
