
// SPDX-License-Identifier: GPL-2.0-or-later
// Interactive flame graph. Boxes are drawn on a canvas, and only those that are at least half a pixel wide,
// so the work depends on the screen and not on the profile. Everything a box tells is also in the DOM:
// status line, path and table. Names are only ever set as text.
"use strict";
(() => {
const $ = id => document.getElementById(id);
const root = document.documentElement;
const profile = JSON.parse($("profile").textContent);
const { unit, names, kinds, nodes } = profile;
const N = nodes.length / 3, ROW = 20, MIN = 0.5;

// --- theme: as the system says until the button is used ---

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches;
const css = name => getComputedStyle(root).getPropertyValue(name).trim();
let ink, fade, accent, onAccent, panel;
const shade = (kind, name) => {
	const set = kinds[kind][isDark() ? "dark" : "light"];
	return set[hash[name] % set.length];
};
function applyTheme() {
	ink = css("--box-ink");
	fade = css("--fade");
	accent = css("--accent");
	onAccent = css("--on-accent");
	panel = css("--panel");
	$("theme").textContent = isDark() ? "Light" : "Dark";
	$("theme").setAttribute("aria-pressed", isDark());
	if (total0) {
		drawLegend();
		drawTop();
		draw();
	}
}
$("theme").onclick = () => {
	root.dataset.theme = isDark() ? "light" : "dark";
	applyTheme();
};
prefersDark.addEventListener("change", applyTheme);

// --- the tree: nodes in preorder, three numbers each: name * 16 + kind, levels up, samples that end there ---

const nameOf = new Uint32Array(N), kindOf = new Uint8Array(N), depth = new Uint32Array(N);
const parent = new Uint32Array(N), end = new Uint32Array(N);
const self = new Float64Array(N), total = new Float64Array(N), start = new Float64Array(N);
{
	const open = [];
	for (let i = 0; i < N; i++) {
		const d = i ? depth[i - 1] + 1 - nodes[3 * i + 1] : 0;
		nameOf[i] = Math.floor(nodes[3 * i] / 16);
		kindOf[i] = nodes[3 * i] % 16;
		depth[i] = d;
		open[d] = i;
		parent[i] = d ? open[d - 1] : 0;
		self[i] = total[i] = nodes[3 * i + 2];
		end[i] = i + 1;
	}
	for (let i = N - 1; i > 0; i--) {
		total[parent[i]] += total[i];
		end[parent[i]] = Math.max(end[parent[i]], end[i]);
	}
	const next = new Float64Array(N);
	for (let i = 1; i < N; i++) {
		start[i] = next[i] = next[parent[i]];
		next[parent[i]] += total[i];
	}
}
const total0 = total[0];
// FNV-1a over UTF-8, as in the svg format: a function has the same colour in both.
const encoder = new TextEncoder();
const hash = Uint32Array.from(names, name =>
	encoder.encode(name).reduce((h, byte) => Math.imul(h ^ byte, 16777619), 2166136261));

const count = n => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
const samples = n => `${count(n)} ${unit[n === 1 ? 0 : 1]}`;
function percent(part, whole) {
	const p = (100 * part / whole).toFixed(1);
	return part && p === "0.0" ? "<0.1%" : part < whole && p === "100.0" ? ">99.9%" : p + "%";
}
const label = i => kinds[kindOf[i]].label;
const text = i => names[nameOf[i]];

// --- state and geometry ---

const scroll = $("scroll"), canvas = $("canvas"), ctx = canvas.getContext("2d", { alpha: false });
let zoomed = 0, selected = 0, hovered = -1, isFlame = true;
let from = 0, to = total0;        // the samples that are drawn, left to right
let rows = 1, width = 0, height = 0, animation = 0;
let matches = null;               // by name and kind: 1 if it matches; null without a search

// Calls visit(node, x, w) for what is at least half a pixel wide in [a, b], parents first.
function walk(a, b, visit) {
	const scale = width / (b - a);
	for (let i = 0; i < N;) {
		const x0 = Math.max(0, (start[i] - a) * scale), x1 = Math.min(width, (start[i] + total[i] - a) * scale);
		if (x1 - x0 < MIN) {
			i = end[i];
		} else {
			visit(i, x0, x1 - x0);
			i++;
		}
	}
}
const contentHeight = () => Math.max(height, rows * ROW + 1);
const yOf = d => isFlame ? contentHeight() - (d + 1) * ROW : d * ROW + 1;
const rowAt = y => Math.floor(isFlame ? (contentHeight() - y) / ROW : (y - 1) / ROW);

function layOut() {
	rows = 1;
	walk(start[zoomed], start[zoomed] + total[zoomed], i => {
		rows = Math.max(rows, depth[i] + 1);
	});
	$("space").style.height = contentHeight() + "px";
}
function resize() {
	const ratio = devicePixelRatio || 1, fromRoot = scroll.scrollHeight - scroll.scrollTop - height;
	width = scroll.clientWidth;
	if (!height) {
		layOut();
		scroll.style.height = "min(" + (Math.max(rows, 8) * ROW + 3) + "px, max(62vh, 260px))";
	}
	width = scroll.clientWidth;
	height = scroll.clientHeight;
	canvas.width = Math.round(width * ratio);
	canvas.height = Math.round(height * ratio);
	canvas.style.height = height + "px";
	layOut();
	if (isFlame)
		scroll.scrollTop = scroll.scrollHeight - height - fromRoot;
	draw();
}

// --- drawing ---

const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
const advance = new Map();
function letterWidth(letter) {
	let w = advance.get(letter);
	if (w === undefined)
		advance.set(letter, w = ctx.measureText(letter).width);
	return w;
}
// As much of a name as fits, with an ellipsis where it was cut.
function fit(name, room) {
	const dots = letterWidth("…");
	let used = 0, keep = 0, at = 0;
	for (const letter of name) {
		used += letterWidth(letter);
		if (used > room)
			return keep ? name.slice(0, keep) + "…" : "";
		at += letter.length;
		if (used + dots <= room)
			keep = at;
	}
	return name;
}
const isMatch = i => matches && matches[nameOf[i] * 16 + kindOf[i]];

function draw() {
	if (!width)
		return;
	const ratio = devicePixelRatio || 1, top = scroll.scrollTop;
	ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
	ctx.fillStyle = panel;
	ctx.fillRect(0, 0, width, height);
	ctx.font = FONT;
	ctx.textBaseline = "middle";
	walk(from, to, (i, x, w) => {
		const y = yOf(depth[i]) - top;
		if (y <= -ROW || y >= height)
			return;
		const hit = isMatch(i), boxWidth = w > 3 ? w - 1 : w;
		ctx.fillStyle = hit ? accent : shade(kindOf[i], nameOf[i]);
		ctx.fillRect(x, y, boxWidth, ROW - 1);
		if ((matches && !hit) || (depth[i] < depth[zoomed])) {
			ctx.fillStyle = fade;
			ctx.fillRect(x, y, boxWidth, ROW - 1);
		}
		if (w > 30) {
			const shown = fit(text(i), boxWidth - 10);
			if (shown) {
				ctx.fillStyle = hit ? onAccent : ink;
				ctx.fillText(shown, x + 5, y + ROW / 2);
			}
		}
		const isSelected = i === selected && (i !== zoomed || document.activeElement === scroll);
		if (i === hovered || isSelected) {
			ctx.strokeStyle = isSelected ? accent : ink;
			ctx.lineWidth = isSelected ? 2 : 1;
			const inset = ctx.lineWidth / 2;
			if (boxWidth > 4)
				ctx.strokeRect(x + inset, y + inset, boxWidth - 2 * inset, ROW - 1 - 2 * inset);
		}
	});
}
function nodeAt(px, py) {
	const d = rowAt(py + scroll.scrollTop);
	let found = -1;
	walk(from, to, (i, x, w) => {
		if (depth[i] === d && px >= x && px < x + w)
			found = i;
	});
	return found;
}
function reveal(i) {
	const y = yOf(depth[i]), top = scroll.scrollTop;
	// A few parents stay in sight.
	const margin = Math.min(depth[i], 3) * ROW;
	const low = isFlame ? y : y - margin, high = y + ROW + (isFlame ? margin : 0);
	if (low < top)
		scroll.scrollTop = low;
	else if (high > top + height)
		scroll.scrollTop = high - height;
}

// --- selection, zoom ---

function select(i) {
	selected = i;
	const status = $("status"), name = document.createElement("b");
	name.textContent = text(i);
	status.replaceChildren(name, ` (${label(i)}): ${samples(total[i])}, ${percent(total[i], total0)} of all` +
		(zoomed && i >= zoomed && i < end[zoomed] ? `, ${percent(total[i], total[zoomed])} of this view` : "") +
		`; self ${count(self[i])}, ${percent(self[i], total0)}`);
	const path = [];
	for (let n = i; ; n = parent[n]) {
		path.unshift(n);
		if (!n)
			break;
	}
	$("path").replaceChildren(...path.map(n => {
		const item = document.createElement("li"), button = document.createElement("button");
		button.type = "button";
		button.textContent = button.title = text(n);
		if (n === i)
			button.setAttribute("aria-current", "true");
		button.onclick = () => zoom(n);
		item.append(button);
		return item;
	}));
	$("path").scrollTop = $("path").scrollHeight;
	draw();
}
function zoom(i) {
	const a0 = from, b0 = to, a1 = start[i], b1 = start[i] + total[i];
	zoomed = i;
	hovered = -1;
	$("tip").hidden = true;
	$("reset").disabled = !i;
	layOut();
	select(i);
	// What was zoomed to comes to the edge where the root is, so that there is room for what it calls.
	const y = yOf(depth[i]), margin = Math.min(depth[i], 3) * ROW;
	scroll.scrollTop = isFlame ? y + ROW + margin - height : y - margin;
	drawTop();
	cancelAnimationFrame(animation);
	const began = performance.now(), time = matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 160;
	const frame = now => {
		const t = time ? Math.min(1, Math.max(0, (now - began) / time)) : 1, k = 1 - (1 - t) ** 3;
		from = t < 1 ? a0 + (a1 - a0) * k : a1;
		to = t < 1 ? b0 + (b1 - b0) * k : b1;
		draw();
		if (t < 1)
			animation = requestAnimationFrame(frame);
	};
	frame(began);
}
function turn(flame) {
	isFlame = flame;
	$("flame").setAttribute("aria-pressed", flame);
	$("icicle").setAttribute("aria-pressed", !flame);
	scroll.scrollTop = flame ? scroll.scrollHeight : 0;
	reveal(selected);
	draw();
}
// The nearest drawn frame of the same depth in the given direction.
function neighbour(i, step) {
	let best = -1;
	walk(from, to, n => {
		if (depth[n] === depth[i] && (step < 0 ? n < i : n > i && best < 0))
			best = n;
	});
	return best;
}
function widestChild(i) {
	let best = -1;
	for (let n = i + 1; n < end[i]; n = end[n])
		if (best < 0 || total[n] > total[best])
			best = n;
	return best;
}
async function copyName() {
	const name = text(selected);
	try {
		await navigator.clipboard.writeText(name);
	} catch (e) {
		const area = document.createElement("textarea");
		area.value = name;
		document.body.append(area);
		area.select();
		document.execCommand("copy");
		area.remove();
	}
	$("copy").textContent = "Copied";
	setTimeout(() => $("copy").textContent = "Copy name", 1200);
}

// --- search: text, /regular expression/ or "exact name" ---

function matcher(query) {
	if (query.length > 2 && query[0] === "/" && query.endsWith("/"))
		return (re => name => re.test(name))(new RegExp(query.slice(1, -1), "i"));
	if (query.length > 2 && query[0] === '"' && query.endsWith('"'))
		return name => name === query.slice(1, -1);
	return (low => name => name.toLowerCase().includes(low))(query.toLowerCase());
}
function search() {
	const query = $("q").value, hits = $("hits");
	let test = null;
	hits.className = "";
	hits.textContent = "";
	matches = null;
	try {
		test = query && matcher(query);
	} catch (e) {
		hits.className = "bad";
		hits.textContent = "not a regular expression";
	}
	if (test) {
		const byName = names.map(name => test(name));
		matches = new Uint8Array(names.length * 16);
		let sum = 0, frames = 0;
		// A match inside a match is already counted: skip its samples, not its colour.
		for (let i = 0, covered = 0; i < N; i++) {
			if (!byName[nameOf[i]])
				continue;
			matches[nameOf[i] * 16 + kindOf[i]] = 1;
			frames++;
			if (i >= covered) {
				sum += total[i];
				covered = end[i];
			}
		}
		hits.textContent = frames ? `${percent(sum, total0)} matched (${samples(sum)}, ${count(frames)} ` +
			`${frames === 1 ? "frame" : "frames"})` : "no match";
	}
	draw();
}
function searchFor(query) {
	$("q").value = query;
	search();
}

// --- table of functions, of the view that is zoomed to ---

let order = "self", isUp = false, limit = 30;
function topFunctions() {
	const rowOf = new Map(), open = [];
	for (let i = zoomed; i < end[zoomed]; i++) {
		while (open.length && i >= end[open[open.length - 1].node])
			open.pop().row.active--;
		if (kindOf[i] < 2)
			continue;
		const key = nameOf[i] * 16 + kindOf[i];
		let row = rowOf.get(key);
		if (!row)
			rowOf.set(key, row = { node: i, self: 0, total: 0, active: 0 });
		row.self += self[i];
		// Inside a recursion the outermost call has counted the samples already.
		if (!row.active++)
			row.total += total[i];
		open.push({ node: i, row });
	}
	const byName = (a, b) => text(a.node) < text(b.node) ? -1 : text(a.node) > text(b.node) ? 1 : a.node - b.node;
	const list = [...rowOf.values()].sort(order === "name" ? byName :
		(a, b) => b[order] - a[order] || b.total - a.total || byName(a, b));
	return isUp !== (order === "name") ? list.reverse() : list;
}
function drawTop() {
	const list = topFunctions();
	const longest = { self: Math.max(...list.map(row => row.self)), total: total[zoomed] };
	const cell = (row, by) => {
		const td = document.createElement("td"), small = document.createElement("small"), bar = document.createElement("u");
		td.className = "num";
		small.textContent = percent(row[by], total0);
		bar.style.width = 100 * row[by] / longest[by] + "%";
		td.append(bar, count(row[by]) + " ", small);
		return td;
	};
	$("top").replaceChildren(...list.slice(0, limit).map(row => {
		const tr = document.createElement("tr"), td = document.createElement("td");
		const button = document.createElement("button"), dot = document.createElement("i"), name = text(row.node);
		button.type = "button";
		button.title = `${name} (${label(row.node)}): search`;
		dot.style.background = shade(kindOf[row.node], nameOf[row.node]);
		button.append(dot, name);
		button.onclick = () => searchFor(`"${name}"`);
		td.append(button);
		tr.append(td, cell(row, "self"), cell(row, "total"));
		return tr;
	}));
	$("scope").textContent = `${count(list.length)} ${zoomed ? "inside " + text(zoomed) : "in the whole profile"}; percentages of all ${unit[1]}`;
	$("more").hidden = list.length <= limit;
	$("more").textContent = `Show all ${count(list.length)}`;
	for (const th of document.querySelectorAll("th")) {
		const by = th.firstChild.dataset.sort;
		th.setAttribute("aria-sort", by !== order ? "none" : isUp ? "ascending" : "descending");
	}
}
function drawLegend() {
	const used = new Set(kindOf);
	$("legend").replaceChildren(...kinds.flatMap((kind, k) => {
		if (!used.has(k))
			return [];
		const item = document.createElement("li"), dot = document.createElement("i");
		dot.style.background = kind[isDark() ? "dark" : "light"][0];
		item.append(dot, kind.label);
		return item;
	}));
}

// --- tooltip ---

function showTip(i, px, py) {
	const tip = $("tip");
	tip.hidden = i < 0;
	if (i < 0)
		return;
	const lines = [`${samples(total[i])} · ${percent(total[i], total0)} of all` +
		(zoomed && i >= zoomed && i < end[zoomed] ? ` · ${percent(total[i], total[zoomed])} of this view` : ""),
		`self ${count(self[i])} · ${percent(self[i], total0)} · ${label(i)}`];
	tip.replaceChildren(...[text(i), ...lines].map((line, n) => {
		const e = document.createElement(n ? "span" : "b");
		e.textContent = line;
		return e;
	}));
	const box = tip.getBoundingClientRect();
	tip.style.left = Math.max(8, Math.min(px + 14, innerWidth - box.width - 8)) + "px";
	tip.style.top = (py + 18 + box.height > innerHeight ? Math.max(8, py - box.height - 10) : py + 18) + "px";
}
function hover(i, event) {
	if (i !== hovered) {
		hovered = i;
		canvas.style.cursor = i < 0 ? "default" : "pointer";
		draw();
	}
	showTip(i, event.clientX, event.clientY);
}

// --- events ---

function listen() {
	const at = event => {
		const box = canvas.getBoundingClientRect();
		return nodeAt(event.clientX - box.left, event.clientY - box.top);
	};
	canvas.onpointermove = event => hover(at(event), event);
	canvas.onpointerleave = event => hover(-1, event);
	canvas.onclick = event => {
		const i = at(event);
		if (i >= 0)
			zoom(i);
	};
	scroll.onscroll = () => {
		hovered = -1;
		$("tip").hidden = true;
		draw();
	};
	scroll.onfocus = scroll.onblur = draw;
	scroll.onkeydown = event => {
		const out = isFlame ? "ArrowUp" : "ArrowDown", back = isFlame ? "ArrowDown" : "ArrowUp";
		if (event.ctrlKey || event.metaKey || event.altKey)
			return;
		const move = {
			[out]: () => widestChild(selected),
			[back]: () => selected ? parent[selected] : -1,
			ArrowLeft: () => neighbour(selected, -1),
			ArrowRight: () => neighbour(selected, 1),
			Home: () => 0,
		}[event.key];
		if (move) {
			const i = move();
			if (i >= 0) {
				// Beyond the view, the view follows.
				if (zoomed && (i < zoomed || i >= end[zoomed]))
					zoom(i);
				select(i);
				reveal(i);
			}
		} else if (event.key === "Enter" || event.key === " ") {
			zoom(selected);
		} else if (event.key === "Backspace") {
			zoom(parent[zoomed]);
		} else if (event.key === "c") {
			copyName();
		} else {
			return;
		}
		event.preventDefault();
	};
	document.addEventListener("keydown", event => {
		const inField = document.activeElement === $("q"), find = (event.ctrlKey || event.metaKey) && event.key === "f";
		// A second Ctrl-F reaches the browser's own search.
		if ((find && !inField) || (event.key === "/" && !inField && !event.ctrlKey && !event.metaKey && !event.altKey)) {
			event.preventDefault();
			$("q").focus();
			$("q").select();
		} else if (event.key === "Escape") {
			if (inField && $("q").value) {
				searchFor("");
			} else {
				$("q").blur();
				zoom(0);
			}
			event.preventDefault();
		}
	});
	$("q").oninput = search;
	$("reset").onclick = () => zoom(0);
	$("copy").onclick = copyName;
	$("flame").onclick = () => turn(true);
	$("icicle").onclick = () => turn(false);
	$("more").onclick = () => {
		limit = Infinity;
		drawTop();
	};
	for (const button of document.querySelectorAll("th button"))
		button.onclick = () => {
			isUp = order === button.dataset.sort ? !isUp : button.dataset.sort === "name";
			order = button.dataset.sort;
			drawTop();
		};
	new ResizeObserver(resize).observe(scroll);
}

if (total0) {
	$("main").hidden = false;
	applyTheme();
	resize();
	scroll.scrollTop = scroll.scrollHeight;
	select(0);
	listen();
} else {
	applyTheme();
}
})();
