
// SPDX-License-Identifier: GPL-2.0-or-later
// The flame graph that both pages share: viewer.js shows one profile, live.js a new one every few seconds.
//
// A page has the elements that this file asks for by id. Boxes are drawn on a canvas, and only those that are
// at least half a pixel wide, so the work depends on the screen and not on the profile. Everything a box tells
// is also in the DOM: status line, path and table. Names are only ever set as text.
"use strict";
const $ = id => document.getElementById(id);
const count = n => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
function percent(part, whole) {
	const p = (100 * part / whole).toFixed(1);
	return part && p === "0.0" ? "<0.1%" : part < whole && p === "100.0" ? ">99.9%" : p + "%";
}
// Hundredths of the whole, with a sign.
const points = share => (share > 0 ? "+" : share < 0 ? "−" : "±") + Math.abs(100 * share).toFixed(1);
// A new element with its content as text or nodes.
function make(tag, ...content) {
	const e = document.createElement(tag);
	e.append(...content);
	return e;
}

// --- theme: as the system says until the button is used ---

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme || (prefersDark.matches ? "dark" : "light")) === "dark";
// Calls changed() now and whenever the theme changes.
function followTheme(changed) {
	const apply = () => {
		$("theme").textContent = isDark() ? "Light" : "Dark";
		$("theme").setAttribute("aria-pressed", isDark());
		changed();
	};
	$("theme").onclick = () => {
		document.documentElement.dataset.theme = isDark() ? "light" : "dark";
		apply();
	};
	prefersDark.addEventListener("change", apply);
	apply();
}

// --- the graph ---

// profile: what flame_json.h describes. profile.other, if there is one, is what its nodes counted at another
// time: { self: one number per node, sign: 1 if that was before and -1 if it came later, name: "baseline" }.
// Frames are then coloured by how their share changed.
// show(profile) may be called again: the view stays at the frames it shows, as far as they are there.
// told(text): called when the user selects a frame.
function flameGraph(told = () => {}) {
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const ROW = 20, MIN = 0.5;
let unit = ["", ""], names = [], kinds = [], other = null;
let N = 0, nameOf, kindOf, depth, parent, end, self, total, start, total0 = 0;
let ink, fade, accent, onAccent, panel;

// --- the tree: nodes in preorder, three numbers each: name * 16 + kind, levels up, samples that end there ---

function load(profile) {
	const { nodes } = profile;
	({ unit, kinds } = profile);
	if (profile.names !== names)
		hashes.length = 0;
	names = profile.names;
	while (hashes.length < names.length)
		hashes.push(hash(names[hashes.length]));
	N = nodes.length / 3;
	nameOf = new Uint32Array(N);
	kindOf = new Uint8Array(N);
	depth = new Uint32Array(N);
	parent = new Uint32Array(N);
	end = new Uint32Array(N);
	self = new Float64Array(N);
	total = new Float64Array(N);
	start = new Float64Array(N);
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
	other = profile.other && { ...profile.other, total: Float64Array.from(profile.other.self) };
	for (let i = N - 1; i > 0; i--) {
		total[parent[i]] += total[i];
		end[parent[i]] = Math.max(end[parent[i]], end[i]);
		if (other)
			other.total[parent[i]] += other.total[i];
	}
	const next = new Float64Array(N);
	for (let i = 1; i < N; i++) {
		start[i] = next[i] = next[parent[i]];
		next[parent[i]] += total[i];
	}
	total0 = total[0];
}
// FNV-1a over UTF-8, as in the svg format: a function has the same colour in both.
const hashes = [], encoder = new TextEncoder();
const hash = name => encoder.encode(name).reduce((h, byte) => Math.imul(h ^ byte, 16777619), 2166136261) >>> 0;
const shade = (kind, name) => {
	const set = kinds[kind][isDark() ? "dark" : "light"];
	return set[hashes[name] % set.length];
};
const samples = n => `${count(n)} ${unit[n === 1 ? 0 : 1]}`;
const label = i => kinds[kindOf[i]].label;
const text = i => names[nameOf[i]];

// --- differences ---

// From less to more. Red and blue are told apart by nearly everybody; the number is written beside the name.
const STEPS = [0.005, 0.02, 0.05, 0.1];
const LESS = { light: ["#d8e6f1", "#b3d1e8", "#86b6da", "#5f9ecb"], dark: ["#2b3f52", "#2a4e70", "#255c90", "#2068ab"] };
const MORE = { light: ["#f8ddd2", "#f6bfa8", "#ef9a80", "#e57a66"], dark: ["#53352d", "#713a2e", "#93392c", "#b0382c"] };
const SAME = { light: "#e3e1de", dark: "#3a3d42" };
const change = (mine, others) => other.sign * ((total0 && mine / total0) - (other.total[0] && others / other.total[0]));
function changeColour(by) {
	const theme = isDark() ? "dark" : "light", step = STEPS.filter(limit => Math.abs(by) >= limit).length;
	return step ? (by < 0 ? LESS : MORE)[theme][step - 1] : SAME[theme];
}
const frameChange = i => change(total[i], other.total[i]);
const isTold = by => Math.abs(by) >= 0.0005;
const changeText = i => other ? `${points(frameChange(i))} points against the ${other.name}, where it ${other.sign > 0 ? "had" : "has"} ` +
	(other.total[0] ? percent(other.total[i], other.total[0]) : "nothing") : "";
const boxColour = i => other ? changeColour(frameChange(i)) : shade(kindOf[i], nameOf[i]);
const boxText = i => other && isTold(frameChange(i)) ? `${points(frameChange(i))} ${text(i)}` : text(i);

// --- state and geometry ---

const scroll = $("scroll"), canvas = $("canvas"), ctx = canvas.getContext("2d", { alpha: false });
let zoomed = 0, selected = 0, hovered = -1, isFlame = true;
let from = 0, to = 0;             // the samples that are drawn, left to right
let rows = 1, shownRows = 8, width = 0, height = 0, animation = 0;
let matches = null;               // by name and kind: 1 if it matches; null without a search
let pointer = null;               // where it is over the canvas, as an event
// Names and kinds from the root on of what the user chose, to find it again in the next profile.
let wanted = { zoomed: [], selected: [] };

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
	if (!total0 || !scroll.clientWidth)
		return;
	const ratio = devicePixelRatio || 1, fromRoot = height ? scroll.scrollHeight - scroll.scrollTop - height : 0;
	width = scroll.clientWidth;
	layOut();
	// Never less than before: a picture that is drawn again and again must not jump.
	shownRows = Math.max(shownRows, rows);
	scroll.style.height = `min(${shownRows * ROW + 3}px, var(--graph-height, max(62vh, 260px)))`;
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
	if (!width || !total0)
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
		ctx.fillStyle = hit ? accent : boxColour(i);
		ctx.fillRect(x, y, boxWidth, ROW - 1);
		if ((matches && !hit) || (depth[i] < depth[zoomed])) {
			ctx.fillStyle = fade;
			ctx.fillRect(x, y, boxWidth, ROW - 1);
		}
		if (w > 30) {
			const shown = fit(boxText(i), boxWidth - 10);
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

function pathTo(i) {
	const path = [];
	for (let n = i; n; n = parent[n])
		path.unshift(n);
	return [0, ...path];
}
const inView = i => zoomed && i >= zoomed && i < end[zoomed] && total[zoomed];
function select(i) {
	selected = i;
	wanted.selected = pathTo(i).map(n => [text(n), kindOf[n]]);
	describe();
	told($("status").textContent);
	draw();
}
function describe() {
	const i = selected;
	$("status").replaceChildren(make("b", text(i)), ` (${label(i)}): ${samples(total[i])}, ${percent(total[i], total0)} of all` +
		(inView(i) ? `, ${percent(total[i], total[zoomed])} of this view` : "") +
		`; self ${count(self[i])}, ${percent(self[i], total0)}` + (other ? `; ${changeText(i)}` : ""));
	const path = pathTo(i), buttons = $("path").querySelectorAll("button");
	// The same path keeps its buttons, and so the focus.
	if (buttons.length === path.length && path.every((n, at) => buttons[at].textContent === text(n))) {
		path.forEach((n, at) => buttons[at].onclick = () => zoom(n));
		return;
	}
	$("path").replaceChildren(...path.map(n => {
		const button = make("button", text(n));
		button.type = "button";
		button.title = text(n);
		if (n === i)
			button.setAttribute("aria-current", "true");
		button.onclick = () => zoom(n);
		return make("li", button);
	}));
	$("path").scrollTop = $("path").scrollHeight;
}
function zoom(i) {
	const a0 = from, b0 = to, a1 = start[i], b1 = start[i] + total[i];
	if (!total[i])
		return;
	zoomed = i;
	wanted.zoomed = pathTo(i).map(n => [text(n), kindOf[n]]);
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
		if (total[n] && (best < 0 || total[n] > total[best]))
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
			if (total[i])
				frames++;
			if (i >= covered) {
				sum += total[i];
				covered = end[i];
			}
		}
		hits.textContent = frames ? `${percent(sum, total0)} matched (${samples(sum)}, ${count(frames)} ` +
			`${frames === 1 ? "frame" : "frames"})` : "no match";
	}
}
function searchFor(query) {
	$("q").value = query;
	search();
	draw();
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
			rowOf.set(key, row = { node: i, self: 0, total: 0, others: 0, change: 0, active: 0 });
		row.self += self[i];
		if (other)
			row.change = change(row.self, row.others += other.self[i]);
		// Inside a recursion the outermost call has counted the samples already.
		if (!row.active++)
			row.total += total[i];
		open.push({ node: i, row });
	}
	const byName = (a, b) => text(a.node) < text(b.node) ? -1 : text(a.node) > text(b.node) ? 1 : a.node - b.node;
	const list = [...rowOf.values()].sort(order === "name" ? byName :
		(a, b) => b[order] - a[order] || b.total - a.total || byName(a, b));
	if (order === "change")
		list.sort((a, b) => Math.abs(b.change) - Math.abs(a.change));
	return isUp !== (order === "name") ? list.reverse() : list;
}
const headings = () => $("top").closest("table").querySelectorAll("th");
function nameRows(library) {
	$("top-title").textContent = library ? "Top libraries" : "Top functions";
	headings()[0].firstElementChild.textContent = library ? "Library" : "Function";
}
function drawTop() {
	if (order === "change" && !other)
		order = "self";
	const list = topFunctions(), focused = document.activeElement.closest("#top button");
	const longest = { self: Math.max(...list.map(row => row.self)) || 1, total: total[zoomed] };
	const cell = (row, by) => {
		const bar = make("u"), td = make("td", bar, count(row[by]) + " ", make("small", percent(row[by], total0)));
		td.className = "num";
		bar.style.width = 100 * row[by] / longest[by] + "%";
		return td;
	};
	const changeCell = row => {
		const td = make("td", points(isTold(row.change) ? row.change : 0));
		td.className = "num";
		return td;
	};
	$("top").replaceChildren(...list.slice(0, limit).map(row => {
		const dot = make("i"), name = text(row.node), button = make("button", dot, name);
		button.type = "button";
		button.title = `${name} (${label(row.node)}): search`;
		dot.style.background = other ? changeColour(row.change) : shade(kindOf[row.node], nameOf[row.node]);
		button.onclick = () => searchFor(`"${name}"`);
		return make("tr", make("td", button), cell(row, "self"), cell(row, "total"), ...other ? [changeCell(row)] : []);
	}));
	if (focused)
		[...$("top").querySelectorAll("button")].find(b => b.title === focused.title)?.focus({ preventScroll: true });
	$("scope").textContent = `${count(list.length)} ${zoomed ? "inside " + text(zoomed) : "in the whole profile"}; percentages of all ${unit[1]}`;
	$("more").hidden = list.length <= limit;
	$("more").textContent = `Show all ${count(list.length)}`;
	for (const th of headings()) {
		const by = th.firstChild.dataset.sort;
		if (by === "change")
			th.hidden = !other;
		th.setAttribute("aria-sort", by !== order ? "none" : isUp ? "ascending" : "descending");
	}
}
function drawLegend() {
	const item = (colour, ...content) => {
		const dot = make("i");
		dot.style.background = colour;
		return make("li", dot, ...content);
	};
	if (other) {
		const steps = [...STEPS.map(by => -by).reverse(), 0, ...STEPS];
		$("legend").replaceChildren(...steps.map(by => item(changeColour(by), by ? `${by < 0 ? "−" : "+"}${100 * Math.abs(by)}` : "same")),
			make("li", `points of share, ${other.sign > 0 ? "since" : "until after"} the ${other.name}`));
		return;
	}
	const used = new Set(kindOf);
	$("legend").replaceChildren(...kinds.flatMap((kind, k) => {
		if (!used.has(k))
			return [];
		return item(kind[isDark() ? "dark" : "light"][0], kind.label);
	}));
}

// --- tooltip ---

function showTip(i, px, py) {
	const tip = $("tip");
	tip.hidden = i < 0;
	if (i < 0)
		return;
	const lines = [`${samples(total[i])} · ${percent(total[i], total0)} of all` +
		(inView(i) ? ` · ${percent(total[i], total[zoomed])} of this view` : ""),
		`self ${count(self[i])} · ${percent(self[i], total0)} · ${label(i)}`, ...other ? [changeText(i)] : []];
	tip.replaceChildren(make("b", text(i)), ...lines.map(line => make("span", line)));
	const box = tip.getBoundingClientRect();
	tip.style.left = Math.max(8, Math.min(px + 14, innerWidth - box.width - 8)) + "px";
	tip.style.top = (py + 18 + box.height > innerHeight ? Math.max(8, py - box.height - 10) : py + 18) + "px";
}
function nodeUnder(event) {
	const box = canvas.getBoundingClientRect();
	return nodeAt(event.clientX - box.left, event.clientY - box.top);
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
	canvas.onpointermove = event => hover(nodeUnder(event), pointer = event);
	canvas.onpointerleave = event => {
		pointer = null;
		hover(-1, event);
	};
	canvas.onclick = event => {
		const i = nodeUnder(event);
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
		const field = document.activeElement.closest("input"), inField = field === $("q");
		const find = (event.ctrlKey || event.metaKey) && event.key === "f";
		if (!total0 || !scroll.clientWidth || (field && !inField))
			return;
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
	$("q").oninput = () => searchFor($("q").value);
	$("reset").onclick = () => zoom(0);
	$("copy").onclick = copyName;
	$("flame").onclick = () => turn(true);
	$("icicle").onclick = () => turn(false);
	$("more").onclick = () => {
		limit = Infinity;
		drawTop();
	};
	for (const button of [...headings()].map(th => th.firstChild))
		button.onclick = () => {
			isUp = order === button.dataset.sort ? !isUp : button.dataset.sort === "name";
			order = button.dataset.sort;
			drawTop();
		};
	new ResizeObserver(resize).observe(scroll);
}

// The frame of a path, or the last one on the way there.
function find(path) {
	let i = 0;
	for (const [name, kind] of path.slice(1)) {
		let n = i + 1;
		while (n < end[i] && !(kindOf[n] === kind && text(n) === name && total[n]))
			n = end[n];
		if (n >= end[i])
			break;
		i = n;
	}
	return i;
}
function show(profile) {
	const isFirst = !height;
	load(profile);
	cancelAnimationFrame(animation);
	zoomed = selected = 0;
	hovered = -1;
	if (!total0)
		return;
	zoomed = find(wanted.zoomed);
	selected = find(wanted.selected);
	from = start[zoomed];
	to = from + total[zoomed];
	$("reset").disabled = !zoomed;
	search();
	resize();
	if (isFirst)
		scroll.scrollTop = isFlame ? scroll.scrollHeight : 0;
	describe();
	drawLegend();
	drawTop();
	if (pointer && !$("tip").hidden)
		hover(nodeUnder(pointer), pointer);
}
// Of another thing than before: the view starts anew.
function reset() {
	wanted = { zoomed: [], selected: [] };
	total0 = N = height = 0;
	shownRows = 8;
	$("tip").hidden = true;
}
listen();
followTheme(() => {
	ink = css("--box-ink");
	fade = css("--fade");
	accent = css("--accent");
	onAccent = css("--on-accent");
	panel = css("--panel");
	if (total0) {
		drawLegend();
		drawTop();
		draw();
	}
});
return { show, reset, nameRows };
}
