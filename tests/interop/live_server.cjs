// SPDX-License-Identifier: GPL-2.0-or-later
// A server with made-up VMs for the live page. Time passes in it only when it is told so, so that what the page
// has to show is known exactly.
//
//   node live_server.cjs OUT [PORT]    OUT as tests/interop/run leaves it; here time passes by itself
"use strict";
const fs = require("fs"), http = require("http");

// A stack is "name name …" of guest functions, with \x1f between names that have spaces; the last may be "[kvm]", "[vmm]" or an exit as "=REASON".
const kindOf = name => name === "[kvm]" ? 4 : name === "[vmm]" ? 5 : name[0] === "=" ? 8 : 2;

class Vm {
	// rates: { cpu, exits, exit_time }, each { stack: per second }; reasons: [{ reason, idle, rate, ns, user }], sites likewise
	constructor(label, { rates = {}, reasons = [], sites = [], health = [], vcpu = {}, ...facts } = {}) {
		Object.assign(this, { label, rates, reasons, sites, health, vcpu, facts, seconds: 0, asked: {}, epoch: 1 });
		this.counts = { cpu: {}, exits: {}, exit_time: {} };
		this.up = true;
	}
	tick(seconds) {
		this.seconds += seconds;
		for (const kind of Object.keys(this.counts))
			if (kind === "cpu" || this.asked[kind])
				for (const [stack, rate] of Object.entries(this.rates[kind] || {}))
					this.counts[kind][stack] = (this.counts[kind][stack] || 0) + rate * seconds;
		for (const e of [...this.reasons, ...this.sites])
			e.count = (e.count || 0) + e.rate * seconds;
	}
	restart() {
		this.epoch++;
		this.counts = { cpu: {}, exits: {}, exit_time: {} };
	}
	flame(kind, kinds) {
		const root = { name: this.label, kind: 1, self: 0, below: new Map() };
		this.asked[kind] = true;
		for (const [stack, n] of Object.entries(this.counts[kind])) {
			let node = root;
			for (const name of stack.split(stack.includes("\x1f") ? "\x1f" : " ")) {
				if (!node.below.has(name))
					node.below.set(name, { name: name.replace(/^=/, ""), kind: kindOf(name), self: 0, below: new Map() });
				node = node.below.get(name);
			}
			node.self += Math.round(n);
		}
		const names = [], places = new Map(), nodes = [];
		let last = -1;
		(function put(node, depth) {
			if (!places.has(node.name))
				places.set(node.name, names.push(node.name) - 1);
			nodes.push(places.get(node.name) * 16 + node.kind, last < 0 ? 0 : last + 1 - depth, node.self);
			last = depth;
			for (const child of [...node.below.values()].sort((a, b) => a.name < b.name ? -1 : 1))
				put(child, depth + 1);
		})(root, 0);
		return { unit: kind === "exit_time" ? ["µs", "µs"] : kind === "exits" ? ["exit", "exits"] : ["sample", "samples"], kinds, names, nodes };
	}
	json(start) {
		const exits = this.reasons.reduce((n, r) => n + r.rate, 0);
		const samples = Object.values(this.rates.cpu || {}).reduce((a, b) => a + b, 0);
		return {
			vm: this.label, id: 1, pid: 4242, up: this.up, health: this.up ? this.health : ["gone", ...this.health], vmm: "qemu-system-x86_64",
			image: "/srv/web/app.dbg", image_state: "verified", build_id: "0123456789abcdef0123456789abcdef01234567", uuid: null,
			seen_time: start, vcpus: 2, memory_bytes: 134217728, samples: { guest: 1, kvm: 0, vmm: 0 }, unresolved_samples: 0, frames: 1,
			unresolved_frames: 0, interrupts_injected: 0, stacks: {}, methods: {}, vcpu_seconds: {},
			rates: { exits, samples, interrupts_injected: exits / 8, vcpu_seconds: { guest: 0.5, exit: 0.05, vmm: 0.01, halted: 1, waiting: 0.1, ...this.vcpu } },
			exits: this.reasons.map(r => ({ reason: r.reason, isa: "vmx", reason_code: r.code, idle: !!r.idle, count: Math.round(r.count || 0),
				timed: Math.round(r.count || 0), seconds: 0, user_seconds: 0, per_second: r.rate })),
			...this.facts,
		};
	}
	exits(start) {
		const numbers = e => ({ exits: Math.round(e.count || 0), total_ns: Math.round((e.count || 0) * e.ns), user_ns: Math.round((e.count || 0) * (e.user || 0)) });
		return {
			schema: 1, level: "stacks", start_wall_ns: start * 1e9, duration_ns: this.seconds * 1e9, counters: [], costs: [], levels: [],
			vms: [{ name: this.label, vmm: "qemu-system-x86_64", pid: 4242, verified: true,
				// Two vCPUs, which the page adds up.
				rows: this.reasons.flatMap(r => [0, 1].map(vcpu => {
					const all = numbers(r), part = n => vcpu ? n - Math.floor(n / 2) : Math.floor(n / 2);
					return { vcpu, isa: "vmx", reason_code: r.code, reason: r.reason, idle: !!r.idle, exits: part(all.exits), timed: part(all.exits),
						total_ns: part(all.total_ns), min_ns: 1, max_ns: 9, user_exits: r.user ? part(all.exits) : 0, user_ns: part(all.user_ns), buckets: [] };
				})),
				sites: this.sites.map(s => ({ function: s.function, offset: s.offset, rip: s.rip, isa: "vmx", reason_code: s.code, reason: s.reason,
					detail: s.text ? "port" : null, value: s.text ? "0x3f8" : null, text: s.text || null, ...numbers(s) })) }],
		};
	}
}

// Serves what is in server.vms; server.fail is null or { status, text }, or "drop" to hang up.
exports.start = async out => {
	const page = fs.readFileSync(`${out}/live.html`), policy = fs.readFileSync(`${out}/live.csp`, "utf8");
	const kinds = JSON.parse(/id="profile">([^]*?)<\/script>/.exec(fs.readFileSync(`${out}/small.html`, "utf8"))[1]).kinds;
	const server = {
		vms: [], fail: null, now: 1000, start: 1767225600, requests: [],
		tick(seconds) {
			server.now += seconds;
			for (const vm of server.vms)
				vm.tick(seconds);
		},
	};
	const answer = (request, response) => {
		const url = new URL(request.url, "http://host"), vm = server.vms.find(v => v.label === url.searchParams.get("vm"));
		const send = (status, type, body) => {
			response.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(body) });
			response.end(body);
		};
		const json = value => send(200, "application/json", JSON.stringify(value));
		if (url.pathname === "/") {
			response.setHeader("Content-Security-Policy", policy);
			return send(200, "text/html; charset=utf-8", page);
		}
		server.requests.push(request.url);
		if (server.fail === "drop")
			return request.socket.destroy();
		if (server.fail)
			return send(server.fail.status, "text/plain", server.fail.text);
		if (url.pathname === "/api/v1/vms")
			return json({ schema: 1, version: "0.1.0", level: "stacks", host_kernel: "6.1.0-31-amd64", start_time: server.start, time: server.start + server.now,
				age_seconds: 0.4, interval_seconds: 2, vms_seen: server.vms.length, vms_gone: server.vms.filter(v => !v.up).length, vms_missed: 0,
				lost: { ring_full: 7, no_vcpu: 0 }, vms: server.vms.map(v => v.json(server.start + server.now - v.seconds)) });
		if (!vm)
			return send(404, "text/plain", "no such VM\n");
		if (url.pathname === "/api/v1/flame")
			return json({ epoch: vm.epoch, wall_ns: String(BigInt(server.start) * 10n ** 9n), mono_ns: String(Math.round(server.now * 1e9)),
				flame: vm.flame(url.searchParams.get("kind"), kinds) });
		if (url.pathname === "/api/v1/exits")
			return json(vm.exits(server.start));
		return send(404, "text/plain", "no such page\n");
	};
	const listener = http.createServer(answer);
	await new Promise((done, failed) => listener.on("error", failed).listen(server.port || 0, "127.0.0.1", done));
	server.url = `http://127.0.0.1:${listener.address().port}/`;
	server.close = () => {
		listener.close();
		listener.closeAllConnections();
	};
	return server;
};

// Stacks of the written page of that name, as rates that add up to `perSecond`.
exports.ratesOf = (out, name, perSecond) => {
	const { names, nodes } = JSON.parse(/id="profile">([^]*?)<\/script>/.exec(fs.readFileSync(`${out}/${name}.html`, "utf8"))[1]);
	const path = [], rates = {};
	let all = 0;
	for (let i = 0, depth = 0; i < nodes.length; i += 3, depth++) {
		depth -= nodes[i + 1];
		path.length = depth;
		path.push(names[Math.floor(nodes[i] / 16)]);
		all += nodes[i + 2];
		if (depth && nodes[i + 2])
			rates[path.slice(1).join("\x1f")] = nodes[i + 2];
	}
	return Object.fromEntries(Object.entries(rates).map(([stack, n]) => [stack, n * perSecond / all]));
};

const reason = (code, name, rate, ns, user, idle) => ({ code, reason: name, rate, ns, user, idle });
exports.web0 = () => new Vm("web0", {
	rates: {
		cpu: { "kmain worker_a hot_leaf": 50, "kmain worker_b hot_leaf": 30, "kmain worker_b": 10, "kmain [kvm]": 8, "kmain [vmm]": 2 },
		exits: { "kmain worker_a outb =IO_INSTRUCTION": 100, "kmain idle =HLT": 20 },
		exit_time: { "kmain worker_a outb =IO_INSTRUCTION": 300, "kmain idle =HLT": 2000 },
	},
	reasons: [reason(30, "IO_INSTRUCTION", 100, 3000, 2000), reason(12, "HLT", 20, 100000, 0, true), reason(1, "EXTERNAL_INTERRUPT", 5, 1000, 0)],
	sites: [{ ...reason(30, "IO_INSTRUCTION", 80, 3000, 2000), function: "outb", offset: 4, rip: "0x100104", text: "COM1 out" },
		{ ...reason(30, "IO_INSTRUCTION", 20, 3000, 2000), function: null, offset: null, rip: "0xdead", text: null },
		{ ...reason(12, "HLT", 20, 100000, 0), function: "idle", offset: 16, rip: "0x100210", text: null }],
});
exports.Vm = Vm;

if (require.main === module)
	(async () => {
		const out = process.argv[2], server = await exports.start(out);
		const shop = new Vm("shop", { rates: { ...exports.web0().rates, cpu: exports.ratesOf(out, "realistic", 99) }, reasons: exports.web0().reasons, sites: exports.web0().sites });
		server.vms.push(shop, exports.web0(), new Vm("idle", { health: ["no_image"], vcpu: { guest: 0 } }));
		setInterval(() => server.tick(1), 1000);
		console.log(server.url);
	})();
