
// SPDX-License-Identifier: GPL-2.0-or-later
// The live page: asks the server every two seconds what its VMs do, keeps some minutes of answers, and shows
// the difference between two of them. What it knows of the server's answers is in live_page.h.
{
const POLL_S = 2, MAX_WAIT_S = 30, MAX_ANSWER_S = 20, KEEP_S = 300;
const MAX_NUMBERS = 6e6; // in all snapshots of one history: 48 MB
const MAX_HISTORIES = 4; // VMs and kinds whose snapshots are kept when another one is chosen
const MAX_NODES = 1e6;
const WINDOWS = [[10, "10 s"], [60, "1 min"], [300, "5 min"], [0, "All"]];
const VIEWS = [
	{ view: "flame", kind: "cpu", name: "CPU", title: "Where the VM's time goes" },
	{ view: "flame", kind: "exits", name: "Exits", title: "Which code leaves guest mode, by count" },
	{ view: "flame", kind: "exit_time", name: "Exit time", title: "Which code leaves guest mode, by time" },
	{ view: "exits", kind: "", name: "Exit table", title: "VM exits by reason and by place" },
];
const GROUPS = [["function", "Functions"], ["library", "Libraries"]];
const HEALTH = {
	gone: ["gone", "This VM has ended. The figures are its last."],
	no_image: ["no image", "No image was found for this guest: its addresses have no names."],
	unverified_image: ["image not verified", "The image was not compared with guest memory yet: names may be wrong."],
	wrong_image: ["wrong image", "The guest runs another image than the one that was found: names would be wrong."],
	unresolved: ["unresolved", "More than a fifth of the samples have no name."],
	incomplete: ["incomplete stacks", "More than a fifth of the stacks do not reach their root."],
};

// --- numbers ---

const decimal = (n, digits) => {
	const [whole, part] = n.toFixed(digits).split(".");
	return count(whole) + (part ? "." + part : "");
};
const rate = n => n === null ? "–" : decimal(n, n < 99.95 ? 1 : 0);
function duration(s) {
	if (s < 59.95)
		return s.toFixed(1) + " s";
	s = Math.round(s);
	return s < 3600 ? `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s` :
		`${Math.floor(s / 3600)} h ${String(Math.floor(s / 60) % 60).padStart(2, "0")} min`;
}
function shortTime(ns) {
	let unit = 0;
	for (; ns >= 999.5 && unit < 3; unit++)
		ns /= 1000;
	return (unit ? ns.toPrecision(Math.max(3, String(Math.round(ns)).length)) : Math.round(ns)) + [" ns", " µs", " ms", " s"][unit];
}
const bytes = n => n >= 2 ** 30 ? decimal(n / 2 ** 30, 1) + " GiB" : decimal(n / 2 ** 20, 0) + " MiB";
const plural = (n, one) => `${count(n)} ${one}${n === 1 ? "" : "s"}`;
const clock = () => new Date().toLocaleTimeString([], { hour12: false });
const sum = list => list.reduce((a, b) => a + b, 0);

function say(text) {
	$("news").textContent = text;
}
function setText(e, text) {
	if (e.textContent !== text)
		e.textContent = text;
}

// --- what is shown: kept in the address, so that it can be linked ---

const at = { vm: "", view: "flame", kind: "cpu", by: "function", window: 60 };
function readAddress() {
	const given = new URLSearchParams(location.hash.slice(1)), window = given.get("window");
	at.vm = given.get("vm") || "";
	at.view = given.get("view") === "exits" ? "exits" : "flame";
	at.kind = VIEWS.some(v => v.kind && v.kind === given.get("kind")) ? given.get("kind") : "cpu";
	at.by = given.get("by") === "library" ? "library" : "function";
	at.window = WINDOWS.some(([s]) => String(s) === window) ? +window : 60;
}
function writeAddress(isNewPlace) {
	const hash = new URLSearchParams({ vm: at.vm, view: at.view, ...at.view === "flame" && { kind: at.kind, ...at.by === "library" && { by: at.by } }, window: at.window });
	history[isNewPlace ? "pushState" : "replaceState"](null, "", "#" + hash);
}

// --- tables with keyed rows, sorted and in pages ---

// columns: { id, title, text(row), value(row) to sort by, and perhaps: num, cls, up (first order), fill(td, row) }.
// A row's element stays the same as long as its key(row) is there, so the focus does too.
function sortedTable(table, columns, { order, key, perPage, pager, built = () => {}, dress = () => {} }) {
	const head = table.createTHead().insertRow(), body = table.createTBody(), trs = new Map();
	let rows = [], sorted = [], by = columns.find(c => c.id === order), isUp = !!by.up, page = 0;
	table.classList.add("sorted");
	for (const column of columns) {
		const button = make("button", column.title), th = make("th", button);
		button.type = "button";
		button.title = column.help || "";
		th.scope = "col";
		th.className = [column.num && "num", column.cls].filter(Boolean).join(" ");
		button.onclick = () => {
			isUp = by === column ? !isUp : !!column.up;
			by = column;
			page = 0;
			sort();
			draw();
		};
		head.append(th);
	}
	const sort = () => {
		const sign = isUp ? 1 : -1;
		sorted = rows.map(row => [by.value(row), key(row), row]).sort((a, b) =>
			(a[0] < b[0] ? -sign : a[0] > b[0] ? sign : a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0)).map(([, , row]) => row);
	};
	// Rows must not move away under a pointer or a keyboard's focus: new ones come last until it has left.
	const keepOrder = () => {
		const places = new Map(sorted.map((row, i) => [key(row), i]));
		sorted = [...rows].sort((a, b) => (places.get(key(a)) ?? Infinity) - (places.get(key(b)) ?? Infinity) || 0);
	};
	const turn = (text, step, enabled) => {
		const button = make("button", text);
		button.type = "button";
		button.disabled = !enabled;
		button.onclick = () => {
			page += step;
			draw();
			pager.querySelectorAll("button")[step < 0 ? 0 : 1]?.focus();
		};
		return button;
	};
	const drawPager = () => {
		const focused = [...pager.children].indexOf(document.activeElement), last = Math.min(sorted.length, (page + 1) * perPage);
		pager.replaceChildren(...sorted.length > perPage ? [turn("Previous", -1, page), make("span",
			`${count(page * perPage + 1)}–${count(last)} of ${count(sorted.length)}`), turn("Next", 1, last < sorted.length)] : []);
		pager.children[focused]?.focus();
	};
	const draw = () => {
		page = Math.max(0, Math.min(page, Math.ceil(sorted.length / perPage) - 1));
		const shown = sorted.slice(page * perPage, (page + 1) * perPage), keys = new Set(shown.map(key));
		for (const [k, tr] of trs)
			if (!keys.has(k)) {
				tr.remove();
				trs.delete(k);
			}
		const list = shown.map(row => {
			let tr = trs.get(key(row));
			if (!tr) {
				trs.set(key(row), tr = make("tr"));
				for (const column of columns) {
					const td = tr.insertCell();
					td.className = [column.num && "num", column.cls].filter(Boolean).join(" ");
				}
				built(tr, row);
			}
			columns.forEach((column, i) => {
				const td = tr.cells[i], text = column.text(row);
				if (td.drawn !== text) {
					td.drawn = text;
					if (column.fill)
						column.fill(td, row, text);
					else
						td.textContent = text;
				}
			});
			dress(tr, row);
			return tr;
		});
		if (list.some((tr, i) => body.rows[i] !== tr)) {
			const focused = body.contains(document.activeElement) && document.activeElement;
			body.append(...list);
			if (focused)
				focused.focus({ preventScroll: true });
		}
		columns.forEach((column, i) =>
			head.cells[i].setAttribute("aria-sort", column !== by ? "none" : isUp ? "ascending" : "descending"));
		drawPager();
	};
	return {
		set(list) {
			rows = list;
			if (body.matches(":hover") || body.contains(document.activeElement))
				keepOrder();
			else
				sort();
			draw();
		},
		rows: () => sorted,
	};
}

// --- asking, again and again; ever more rarely after failures ---

let isPaused = false;
const isResting = () => isPaused || document.hidden;
const pollers = [];
function failure(status, text) {
	const detail = text ? `: ${text.trim().slice(0, 300)}` : "";
	return ({
		401: "ukprof asks for a name and a password. Reload the page to sign in",
		403: `ukprof does not allow this${detail}`,
		404: `ukprof does not know this VM (any more)${detail}`,
		503: `ukprof cannot answer now${detail}`,
	})[status] || `ukprof answered with status ${status}${detail}`;
}
// address(): where to ask, or null. got(answer, address): may throw, which is a failure too.
function poller(address, got) {
	let timer = 0, failures = 0, current = null;
	const p = { problem: "", wait: 0, isFine: false, ask, stop };
	function stop() {
		clearTimeout(timer);
		current?.abort();
		current = null;
	}
	async function ask() {
		stop();
		const from = address();
		if (!from) {
			p.problem = "";
			failures = 0;
			showProblem();
			return;
		}
		if (isResting())
			return;
		const mine = current = new AbortController(), began = performance.now();
		const tooLate = setTimeout(() => mine.abort(), 1000 * MAX_ANSWER_S);
		let problem = "ukprof does not answer";
		try {
			const response = await fetch(from, { signal: mine.signal, cache: "no-store", headers: { Accept: "application/json" } });
			problem = "ukprof broke off its answer";
			const text = await response.text();
			problem = response.ok ? "ukprof's answer cannot be read" : failure(response.status, text);
			if (!response.ok)
				throw new Error(problem);
			const answer = JSON.parse(text);
			if (mine !== current)
				return;
			got(answer, from);
			problem = "";
		} catch (e) {
			if (mine !== current)
				return;
		} finally {
			clearTimeout(tooLate);
		}
		failures = problem ? failures + 1 : 0;
		// A server that is slow is asked less often.
		p.wait = problem ? Math.min(MAX_WAIT_S, POLL_S * 2 ** (failures - 1)) :
			Math.min(MAX_WAIT_S, Math.max(POLL_S, 4 * (performance.now() - began) / 1000));
		p.problem = problem;
		p.isFine = !problem;
		timer = setTimeout(ask, 1000 * p.wait);
		showProblem();
	}
	pollers.push(p);
	return p;
}
function showProblem() {
	const bad = pollers.filter(p => p.problem), texts = [...new Set(bad.map(p => p.problem))];
	const box = $("problem"), isNew = box.hidden;
	box.hidden = !bad.length;
	if (bad.length)
		setText($("problem-text"), `${texts.join(". ")}. Next try in ${Math.round(Math.min(...bad.map(p => p.wait)))} s.`);
	else if (!isNew)
		say("ukprof answers again");
	showFresh();
}
let updated = "", age = 0;
function showFresh() {
	const isBad = pollers.some(p => p.problem), since = updated && ` ${updated}`;
	$("fresh").dataset.state = isPaused ? "paused" : isBad || age > 10 ? "bad" : updated ? "live" : "wait";
	setText($("fresh"), isPaused ? `Paused at${since || " the start"}` : isBad ? `Not up to date${since && `, last answer${since}`}` :
		age > 10 ? `Figures are ${duration(age)} old` : updated ? `Live, updated${since}` : "Connecting…");
}
function pause(on) {
	isPaused = on;
	$("pause").setAttribute("aria-pressed", on);
	setText($("pause"), on ? "Resume" : "Pause");
	say(on ? "Paused" : "Live again");
	rest();
	draw();
}
function rest() {
	for (const p of pollers)
		if (isResting())
			p.stop();
		else
			p.ask();
	showFresh();
}

// --- a history: cumulative counts as arrays of numbers, which only ever get longer ---

class History {
	snapshots = [];
	epoch = null;
	// seconds: of a clock that does not jump.
	add(epoch, seconds, values) {
		const last = this.snapshots.at(-1);
		if (epoch !== this.epoch || (last && seconds < last.seconds))
			this.snapshots = [];
		else if (last && seconds === last.seconds)
			this.snapshots.pop();
		this.epoch = epoch;
		this.snapshots.push({ seconds, values });
		this.thin(seconds);
	}
	// The older, the rarer; one from before the longest window stays, to subtract.
	thin(now) {
		const kept = [];
		let numbers = 0;
		for (const s of this.snapshots.toReversed()) {
			const old = now - s.seconds, next = kept.at(-1);
			// A snapshot with the next older one at most `apart` away from the next younger one can go.
			const older = this.snapshots[this.snapshots.indexOf(s) - 1], apart = old < 20 ? 0 : old < 80 ? 5 : 15;
			if (next && now - next.seconds >= KEEP_S)
				break;
			if (next && older && next.seconds - older.seconds <= apart)
				continue;
			if (kept.length > 1 && numbers + s.values.length > MAX_NUMBERS)
				break;
			numbers += s.values.length;
			kept.push(s);
		}
		this.snapshots = kept.reverse();
	}
	// What was counted in the last so many seconds, or since the beginning for 0; null: not known yet.
	over(window) {
		const now = this.snapshots.at(-1);
		if (!now)
			return null;
		if (!window)
			return { values: now.values, seconds: null, wanted: 0, at: now.seconds };
		// Polls come a little late.
		const then = this.snapshots.findLast(s => s.seconds <= now.seconds - window + 0.5) || this.snapshots[0];
		if (then === now)
			return null;
		return { values: now.values.map((n, i) => Math.max(0, n - (then.values[i] || 0))), seconds: now.seconds - then.seconds,
			wanted: window, at: now.seconds };
	}
}

// --- paths of frames, each with a number that it keeps: what histories of flame graphs count by ---

class Paths {
	names = [];
	places = new Map(); // of names
	parents = [0];
	keys = [0];         // name * 16 + kind
	children = [[]];
	ids = new Map();    // by parent and key
	unsorted = new Set();
	name(text) {
		let n = this.places.get(text);
		if (n === undefined)
			this.places.set(text, n = this.names.push(text) - 1);
		return n;
	}
	child(parent, key) {
		const both = parent * 2 ** 27 + key; // exact up to 2^53
		let id = this.ids.get(both);
		if (id === undefined) {
			id = this.keys.push(key) - 1;
			this.parents.push(parent);
			this.children.push([]);
			this.children[parent].push(id);
			this.unsorted.add(parent);
			this.ids.set(both, id);
		}
		return id;
	}
	// Counts by path, of the server's tree.
	read({ names, nodes }) {
		const local = names.map(name => this.name(name)), open = [], ids = [];
		for (let i = 0, depth = 0; i < nodes.length; i += 3, depth++) {
			const key = local[Math.floor(nodes[i] / 16)] * 16 + nodes[i] % 16;
			depth -= nodes[i + 1];
			if (!i)
				this.keys[0] = key;
			ids.push(open[depth] = i ? this.child(open[depth - 1], key) : 0);
		}
		const values = new Float64Array(this.keys.length);
		ids.forEach((id, i) => values[id] += nodes[3 * i + 2]);
		return values;
	}
	// The tree again, of the paths that count anything, in preorder with siblings by name; with their numbers.
	write(values, others) {
		const any = new Uint8Array(this.keys.length), nodes = [], ids = [];
		for (let id = this.keys.length - 1; id >= 0; id--)
			if (any[id] || values[id] || others?.[id])
				any[id] = any[this.parents[id]] = 1;
		for (const parent of this.unsorted)
			this.children[parent].sort((a, b) => {
				const [x, y] = [this.keys[a], this.keys[b]], [s, t] = [this.names[x >> 4], this.names[y >> 4]];
				return s < t ? -1 : s > t ? 1 : x - y;
			});
		this.unsorted.clear();
		const todo = [[0, 0]];
		for (let last = -1, next; (next = todo.pop());) {
			const [id, depth] = next, below = this.children[id];
			nodes.push(this.keys[id], last < 0 ? 0 : last + 1 - depth, values[id] || 0);
			ids.push(id);
			last = depth;
			for (let i = below.length - 1; i >= 0; i--)
				if (any[below[i]])
					todo.push([below[i], depth + 1]);
		}
		return { nodes, ids };
	}
}

// --- what is kept of a VM, by what is shown of it ---

const kept = new Map(); // oldest use first
function memory() {
	const name = JSON.stringify([at.vm, at.view, ...at.view === "flame" ? [at.kind, at.by] : []]);
	const m = kept.get(name) || { history: new History(), paths: new Paths(), baseline: null, look: null, reasons: new Table(5), sites: new Table(3) };
	kept.delete(name);
	kept.set(name, m);
	if (kept.size > MAX_HISTORIES)
		kept.delete(kept.keys().next().value);
	return m;
}

// --- VMs ---

const total = vm => sum(vm.exits.map(e => e.count));
const rateOf = (vm, name) => vm.rates ? vm.rates[name] : null;
const cpu = vm => vm.rates && ["guest", "exit", "vmm"].map(s => vm.rates.vcpu_seconds[s] || 0);
const topExit = vm => vm.exits.filter(e => e.per_second > 0).sort((a, b) => b.per_second - a.per_second)[0];
const orLast = n => n === null || n === undefined ? -1 : n;
const healthWords = vm => vm.health.map(word => (HEALTH[word] || [word.replaceAll("_", " ")])[0]).join(", ") || "OK";
const healthClass = vm => "health" + (vm.health.includes("gone") ? " off" : vm.health.length ? " warn" : "");
const healthIcon = vm => vm.health.includes("gone") ? "✕ " : vm.health.length ? "▲ " : "✓ ";
function fillHealth(e, vm, text) {
	const icon = make("span", healthIcon(vm));
	icon.setAttribute("aria-hidden", "true");
	const box = make("span", icon, text);
	box.className = healthClass(vm);
	e.replaceChildren(box);
}
const vmTable = sortedTable($("vms"), [
	{ id: "vm", title: "VM", up: true, text: vm => vm.vm, value: vm => vm.vm, fill: (td, vm) => {
		const button = make("button", vm.vm);
		button.type = "button";
		button.title = vm.vm;
		td.replaceChildren(button);
	} },
	{ id: "health", title: "Health", up: true, text: healthWords, value: healthWords, fill: fillHealth },
	{ id: "cpu", title: "CPU", num: true, help: "Time of all vCPUs; 100% is one CPU", text: vm => cpu(vm) ? decimal(100 * sum(cpu(vm)), 1) + "%" : "–",
		value: vm => orLast(cpu(vm) && sum(cpu(vm))) },
	{ id: "exits", title: "Exits/s", num: true, text: vm => rate(rateOf(vm, "exits")), value: vm => orLast(rateOf(vm, "exits")) },
	{ id: "top", title: "Most frequent exit", cls: "wide", text: vm => topExit(vm) ? `${topExit(vm).reason} ${rate(topExit(vm).per_second)}/s` : "–",
		value: vm => orLast(topExit(vm)?.per_second) },
	{ id: "irqs", title: "Interrupts/s", num: true, cls: "wide", text: vm => rate(rateOf(vm, "interrupts_injected")),
		value: vm => orLast(rateOf(vm, "interrupts_injected")) },
	{ id: "samples", title: "Samples/s", num: true, cls: "medium", text: vm => rate(rateOf(vm, "samples")), value: vm => orLast(rateOf(vm, "samples")) },
	{ id: "vmm", title: "VMM", cls: "wide name", up: true, text: vm => vm.vmm || "–", value: vm => vm.vmm || "" },
], {
	order: "cpu", key: vm => vm.vm, perPage: 100, pager: $("vms-pager"),
	built: (tr, vm) => tr.onclick = () => choose(vm.vm),
	dress: (tr, vm) => {
		tr.classList.toggle("chosen", vm.vm === at.vm);
		tr.classList.toggle("gone", !vm.up);
		if (vm.vm === at.vm)
			tr.cells[0].firstChild.setAttribute("aria-current", "true");
		else
			tr.cells[0].firstChild.removeAttribute("aria-current");
	},
});
let vms = [], known = null;
function gotVms(answer) {
	vms = answer.vms;
	known = answer;
	updated = clock();
	age = answer.age_seconds;
	const lost = Object.entries(answer.lost).filter(([, n]) => n).map(([name, n]) => `${name.replaceAll("_", " ")} ${count(n)}`);
	setText($("host"), [`${plural(vms.filter(vm => vm.up).length, "VM")} running`, `${count(answer.vms_seen)} seen`, `${count(answer.vms_gone)} gone`,
		...answer.vms_missed ? [`${count(answer.vms_missed)} not followed`] : [], ...answer.level ? [`level ${answer.level}`] : [],
		...answer.host_kernel ? [`kernel ${answer.host_kernel}`] : [], ...lost.length ? [`lost: ${lost.join(", ")}`] : [],
		`ukprof ${answer.version}`].join(" · "));
	drawVms();
	if (!at.vm && vmTable.rows().length) {
		at.vm = (vmTable.rows().find(vm => vm.up) || vmTable.rows()[0]).vm;
		writeAddress(false);
		moved();
	}
	drawVm();
}
function drawVms() {
	const query = $("filter").value.toLowerCase();
	const list = vms.filter(vm => !query || [vm.vm, vm.vmm, vm.image, healthWords(vm)].some(s => s && s.toLowerCase().includes(query)));
	$("vms").parentElement.hidden = !list.length;
	vmTable.set(list);
	setText($("listed"), query ? `${count(list.length)} of ${plural(vms.length, "VM")}` : "");
	$("no-vms").hidden = list.length > 0 || !known;
	const [title, text] = $("no-vms").children;
	setText(title, vms.length ? "No VM matches" : "No VMs");
	setText(text, vms.length ? "Clear the filter to see all." : "No guest runs under KVM on this host. VMs show up here by themselves.");
}
const shorten = id => id.length > 20 ? id.slice(0, 12) + "…" : id;
function drawVm() {
	const vm = vms.find(v => v.vm === at.vm);
	$("vm").hidden = !at.vm;
	if (!at.vm)
		return;
	setText($("vm-name"), at.vm);
	document.title = `${at.vm} – ukprof`;
	$("pprof").href = `debug/pprof/profile?seconds=10&vm=${encodeURIComponent(at.vm)}`;
	const notes = !vm ? known ? ["This VM is not in the list (any more)."] : [] : vm.health.map(word => (HEALTH[word] || ["", word])[1]);
	if ($("vm-notes").drawn !== notes.join()) {
		$("vm-notes").drawn = notes.join();
		$("vm-notes").replaceChildren(...notes.map(text => {
			const p = make("p", text);
			p.className = "note";
			return p;
		}));
	}
	const facts = !vm ? [] : [
		["Process", `${vm.vmm || "?"} (${vm.pid})`], ["vCPUs", count(vm.vcpus)], ["Memory", bytes(vm.memory_bytes)],
		["Image", vm.image ? `${vm.image} (${vm.image_state})` : "none"], ...vm.build_id ? [["Build ID", shorten(vm.build_id)]] : [],
		["Seen for", duration(Math.max(0, known.time - vm.seen_time))], ["Exits", count(total(vm))],
		...cpu(vm) ? [["Guest · KVM · VMM", cpu(vm).map(n => decimal(100 * n, 1) + "%").join(" · ")]] : [],
	];
	const terms = [...$("vm-facts").querySelectorAll("dt")].map(e => e.textContent).join();
	if (terms !== facts.map(f => f[0]).join())
		$("vm-facts").replaceChildren(...facts.map(([name]) => make("div", make("dt", name), make("dd"))));
	facts.forEach(([, value], i) => setText($("vm-facts").children[i].lastChild, value));
}

// --- one VM: its flame graph or its exits ---

const graph = flameGraph(say);
let shownOf = null;
function detailAddress() {
	if (!at.vm)
		return null;
	return at.view === "exits" ? `api/v1/exits?vm=${encodeURIComponent(at.vm)}` :
		`api/v1/flame?vm=${encodeURIComponent(at.vm)}&kind=${at.kind}${at.by === "library" ? "&by=library" : ""}`;
}
const seconds = ns => Number(ns) / 1e9;
function gotDetail(answer) {
	const m = memory();
	if (at.view === "exits") {
		const vm = answer.vms[0] || { rows: [], sites: [] };
		m.reasons.history.add(answer.epoch ?? answer.start_wall_ns, seconds(answer.mono_ns ?? answer.duration_ns), m.reasons.read(vm.rows.map(readReason)));
		m.sites.history.add(answer.epoch ?? answer.start_wall_ns, seconds(answer.mono_ns ?? answer.duration_ns), m.sites.read(vm.sites.map(readSite)));
		m.seconds = seconds(answer.duration_ns);
	} else {
		const { unit, kinds, nodes } = answer.flame;
		// Paths of code that is long gone may add up in weeks.
		if (m.paths.keys.length > MAX_NODES + nodes.length) {
			m.paths = new Paths();
			m.history = new History();
			m.baseline = null;
		}
		m.look = { unit, kinds };
		m.history.add(answer.epoch, seconds(answer.mono_ns), m.paths.read(answer.flame));
	}
	draw();
}
function windowText(over) {
	if (over.seconds === null)
		return "Since the VM was seen";
	return `Last ${duration(over.seconds)}` + (over.seconds < over.wanted - 1 ? ` of ${WINDOWS.find(w => w[0] === over.wanted)[1]}, which is filling` : "");
}
function showNone(title, text) {
	$("none").hidden = false;
	setText($("none").children[0], title);
	setText($("none").children[1], text);
	$("graph").hidden = $("exits").hidden = true;
	setText($("span"), "");
}
function showCollecting(history) {
	if (isPaused)
		showNone("Paused", "Nothing is known of this yet, and nothing is asked for until you resume.");
	else
		showNone("Collecting", history.snapshots.length ? "A window is the difference of two answers: the next one is due in about two seconds." :
			"Waiting for the first answer.");
}
function drawFlame(m) {
	const over = m.history.over(at.window), base = m.baseline, isBase = base && m.byBaseline;
	$("mark").disabled = !over || !sum(over.values);
	$("mark").textContent = base ? "Mark anew" : "Mark baseline";
	$("clear").hidden = $("widths").hidden = !base;
	$("by-now").setAttribute("aria-pressed", !isBase);
	$("by-baseline").setAttribute("aria-pressed", !!isBase);
	if (!over)
		return showCollecting(m.history);
	const all = sum(over.values), unit = m.look.unit[all === 1 ? 0 : 1], isTime = unit === "µs", shown = isBase ? base.values : over.values;
	if (!all && !isBase)
		return showNone(at.kind === "cpu" ? "No samples in this window" : "No stacks of exits in this window", at.kind === "cpu" ?
			"The VM's vCPUs did not run, or all of them were idle." :
			"Stacks of exits are taken only while somebody asks for them. The first come as soon as the VM exits.");
	const others = base && (isBase ? over.values : base.values), tree = m.paths.write(shown, others);
	$("none").hidden = $("exits").hidden = true;
	$("graph").hidden = false;
	$("span").replaceChildren(make("b", windowText(over)), `: ${isTime ? shortTime(1000 * all) : `${count(all)} ${unit}`}` +
		(over.seconds ? `, ${isTime ? shortTime(1000 * all / over.seconds) : rate(all / over.seconds)}/s` : "") +
		(base ? `; baseline of ${base.time}: ${base.text}${isBase ? ", which the widths show" : ""}` : ""));
	graph.show({ ...m.look, names: m.paths.names, nodes: tree.nodes,
		other: base && { self: tree.ids.map(id => others[id] || 0), sign: isBase ? -1 : 1, name: isBase ? "window" : "baseline" } });
}
function mark() {
	const m = memory(), over = at.view === "flame" && m.history.over(at.window);
	if (!over || !sum(over.values))
		return;
	m.baseline = { values: over.values, time: clock(), text: over.seconds === null ? "all until then" : duration(over.seconds) };
	say("Baseline marked: colours show what changes from now on");
	draw();
}
function clearBaseline() {
	const m = memory();
	m.baseline = null;
	m.byBaseline = false;
	say("Baseline cleared");
	draw();
	$("mark").focus();
}

// --- exits ---

// Rows of figures by key, with a history of their numbers.
class Table {
	constructor(width) {
		this.width = width;
		this.keys = new Map();
		this.rows = [];
		this.history = new History();
	}
	read(list) {
		for (const [key, row] of list)
			if (!this.keys.has(key))
				this.keys.set(key, this.rows.push(row) - 1);
		const values = new Float64Array(this.rows.length * this.width);
		for (const [key, , ...numbers] of list)
			numbers.forEach((n, i) => values[this.keys.get(key) * this.width + i] += n);
		return values;
	}
	// Rows with what was counted in a window, which has its length always.
	over(window, age) {
		const over = this.history.over(window);
		return over && { ...over, rows: this.rows.flatMap((row, i) => {
			const numbers = [...over.values.subarray(i * this.width, (i + 1) * this.width)];
			while (numbers.length < this.width)
				numbers.push(0);
			return numbers[0] ? [{ ...row, n: numbers, seconds: over.seconds ?? age }] : [];
		}) };
	}
}
const readReason = r => [`${r.isa}/${r.reason_code}`, { key: `${r.isa}/${r.reason_code}`, reason: r.reason, idle: r.idle },
	r.exits, r.total_ns, r.timed, r.user_ns, r.user_exits];
function readSite(s) {
	const key = JSON.stringify([s.function, s.offset, s.rip, s.isa, s.reason_code, s.detail, s.value]);
	return [key, { key, place: s.function, offset: s.offset, rip: s.rip, reason: s.reason, text: s.text }, s.exits, s.total_ns, s.user_ns];
}
const perSecond = row => row.seconds ? row.n[0] / row.seconds : null;
const share = row => row.busy && !row.idle ? percent(row.n[1], row.busy) : row.idle ? "idle" : "–";
const inVmm = row => row.n[1] ? percent(row.n[row.n.length === 5 ? 3 : 2], row.n[1]) : "–";
function fillBar(td, row, text) {
	const bar = make("u");
	bar.style.width = row.busy && !row.idle ? 100 * row.n[1] / row.busy + "%" : "0";
	bar.hidden = !row.busy || row.idle;
	td.classList.toggle("empty-value", bar.hidden);
	td.replaceChildren(bar, text);
}
const figures = [
	{ id: "rate", title: "Exits/s", num: true, text: row => rate(perSecond(row)), value: row => row.n[0] },
	{ id: "time", title: "Time", num: true, help: "Share of the time in exits, without the idle ones", text: share, value: row => row.idle ? -1 : row.n[1], fill: fillBar },
];
const reasonTable = sortedTable($("reasons"), [
	{ id: "reason", title: "Reason", up: true, cls: "mono", text: row => row.reason, value: row => row.reason },
	{ id: "count", title: "Exits", num: true, cls: "medium", text: row => count(row.n[0]), value: row => row.n[0] },
	...figures,
	{ id: "avg", title: "Average", num: true, text: row => row.n[2] ? shortTime(row.n[1] / row.n[2]) : "–", value: row => row.n[2] ? row.n[1] / row.n[2] : -1 },
	{ id: "vmm", title: "In the VMM", num: true, help: "Share of this time in the VMM's user code", text: inVmm, value: row => row.n[1] ? row.n[3] / row.n[1] : -1 },
], { order: "time", key: row => row.key, perPage: 100, pager: make("span") });
const placeOf = row => row.place ? row.place + (row.offset ? `+0x${row.offset.toString(16)}` : "") : row.rip || "unknown";
const siteTable = sortedTable($("sites"), [
	{ id: "place", title: "Guest function", up: true, cls: "mono", text: placeOf, value: placeOf, fill: (td, row, text) => {
		td.title = row.rip ? `${text} (${row.rip})` : text;
		td.replaceChildren(...row.place ? [row.place, make("small", text.slice(row.place.length))] : [text]);
	} },
	{ id: "reason", title: "Reason", up: true, cls: "medium", text: row => row.reason, value: row => row.reason },
	{ id: "detail", title: "Detail", up: true, text: row => row.text || "–", value: row => row.text || "" },
	...figures,
	{ id: "vmm", title: "In the VMM", num: true, cls: "medium", text: inVmm, value: row => row.n[1] ? row.n[2] / row.n[1] : -1 },
], { order: "rate", key: row => row.key, perPage: 50, pager: $("sites-pager") });
function drawExits(m) {
	const over = m.reasons.over(at.window, m.seconds), sites = m.sites.over(at.window, m.seconds);
	if (!over)
		return showCollecting(m.reasons.history);
	const all = sum(over.rows.map(row => row.n[0])), busy = sum(over.rows.map(row => row.idle ? 0 : row.n[1]));
	if (!all)
		return showNone("No VM exits in this window", "The guest did not run, or never left guest mode.");
	for (const row of [...over.rows, ...sites.rows]) {
		row.busy = busy;
		row.idle = row.idle ?? m.reasons.rows.some(r => r.idle && r.reason === row.reason);
	}
	$("none").hidden = $("graph").hidden = true;
	$("exits").hidden = false;
	$("sites").parentElement.hidden = !sites.rows.length;
	$("no-sites").hidden = sites.rows.length > 0;
	$("span").replaceChildren(make("b", windowText(over)), `: ${plural(all, "exit")}, ${rate(over.rows[0].seconds ? all / over.rows[0].seconds : null)}/s; ` +
		`${shortTime(busy)} in exits that are not idle`);
	reasonTable.set(over.rows);
	siteTable.set(sites.rows);
}

// --- controls ---

function draw() {
	if (!at.vm)
		return;
	const m = memory();
	$("diff").hidden = at.view !== "flame";
	if (at.view === "exits")
		drawExits(m);
	else
		drawFlame(m);
}
function choose(vm) {
	if (vm === at.vm)
		return;
	at.vm = vm;
	writeAddress(true);
	say(`VM ${vm}`);
	moved();
}
// Something else is to be shown: what is kept of it now, and what the server has as soon as it answers.
function moved() {
	const now = detailAddress();
	for (const button of $("views").children)
		button.setAttribute("aria-pressed", at.view === button.of.view && (at.view === "exits" || at.kind === button.of.kind));
	$("groups").hidden = at.view !== "flame";
	for (const button of $("groups").children)
		button.setAttribute("aria-pressed", at.by === button.of);
	graph.nameRows(at.by === "library");
	for (const button of $("windows").children)
		button.setAttribute("aria-pressed", at.window === button.of);
	if (now !== shownOf) {
		shownOf = now;
		graph.reset();
		detail.ask();
	}
	drawVms();
	drawVm();
	draw();
}
const pairButton = (name, of, title, act) => {
	const button = make("button", name);
	button.type = "button";
	button.title = title;
	button.of = of;
	button.onclick = () => {
		act();
		writeAddress(false);
		moved();
	};
	return button;
};
$("views").append(...VIEWS.map(of => pairButton(of.name, of, of.title, () => {
	at.view = of.view;
	at.kind = of.kind || at.kind;
})));
$("groups").append(...GROUPS.map(([by, name]) => pairButton(name, by, `A guest frame is one of the ${name.toLowerCase()}`, () => {
	at.by = by;
})));
$("windows").append(...WINDOWS.map(([s, name]) => pairButton(name, s, s ? `The last ${name} (w: the next)` : "Since the VM was seen (w: the next)", () => {
	at.window = s;
})));
function nextWindow() {
	const i = WINDOWS.findIndex(([s]) => s === at.window);
	$("windows").children[(i + 1) % WINDOWS.length].onclick();
	say(`Window: ${WINDOWS[(i + 1) % WINDOWS.length][1]}`);
}
const list = poller(() => "api/v1/vms", gotVms);
const detail = poller(detailAddress, gotDetail);
$("pause").onclick = () => pause(!isPaused);
$("retry").onclick = () => {
	list.ask();
	detail.ask();
};
$("filter").oninput = drawVms;
$("mark").onclick = mark;
$("clear").onclick = clearBaseline;
for (const [id, byBaseline] of [["by-now", false], ["by-baseline", true]])
	$(id).onclick = () => {
		memory().byBaseline = byBaseline;
		draw();
	};
document.addEventListener("keydown", event => {
	if (event.ctrlKey || event.metaKey || event.altKey)
		return;
	const field = document.activeElement.closest("input");
	if (field) {
		if (event.key === "Escape" && field.id === "filter") {
			field.value = "";
			drawVms();
		}
		return;
	}
	const act = { p: () => pause(!isPaused), b: mark, w: nextWindow, "/": $("graph").hidden && (() => $("filter").focus()) }[event.key];
	if (act) {
		act();
		event.preventDefault();
	}
});
document.addEventListener("visibilitychange", rest);
// Also what Back and Forward lead to.
addEventListener("popstate", () => {
	readAddress();
	moved();
});
readAddress();
list.ask();
moved();
}
