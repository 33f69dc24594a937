// SPDX-License-Identifier: GPL-2.0-or-later
// Drives the live page and a written one in Firefox, by its own remote protocol (Marionette): another engine than
// the one that the other tests use. SHOTS=FOLDER keeps pictures. Set FIREFOX to use another.
"use strict";
const assert = require("assert"), { spawn } = require("child_process"), fs = require("fs"), net = require("net"), os = require("os"), path = require("path");
const live = require("./live_server.cjs");
const out = path.resolve(process.argv[2]), shots = process.env.SHOTS;

const sleep = ms => new Promise(done => setTimeout(done, ms));
async function until(what, truth, seconds = 60) {
	for (const end = Date.now() + 1000 * seconds; ;) {
		const value = await truth();
		if (value)
			return value;
		assert(Date.now() < end, `not within ${seconds} s: ${what}`);
		await sleep(100);
	}
}

// Messages are "LENGTH:JSON"; a command is [0, id, name, parameters], its answer [1, id, error, result].
class Marionette {
	waiting = new Map();
	last = 0;
	constructor(socket) {
		this.socket = socket;
		let bytes = Buffer.alloc(0);
		socket.on("data", piece => {
			bytes = Buffer.concat([bytes, piece]);
			for (;;) {
				const colon = bytes.indexOf(":"), length = Number(bytes.subarray(0, Math.max(colon, 0)));
				if (colon < 0 || bytes.length < colon + 1 + length)
					return;
				this.got(JSON.parse(bytes.subarray(colon + 1, colon + 1 + length)));
				bytes = bytes.subarray(colon + 1 + length);
			}
		});
	}
	got(message) {
		if (!Array.isArray(message))
			return; // its greeting
		const [, id, error, result] = message, { done, failed } = this.waiting.get(id);
		this.waiting.delete(id);
		error ? failed(new Error(`${error.error}: ${error.message}`)) : done(result);
	}
	call(name, parameters = {}) {
		const text = JSON.stringify([0, ++this.last, name, parameters]);
		this.socket.write(`${Buffer.byteLength(text)}:${text}`);
		return new Promise((done, failed) => this.waiting.set(this.last, { done, failed }));
	}
	open(url) { return this.call("WebDriver:Navigate", { url }); }
	async run(script, ...args) { return (await this.call("WebDriver:ExecuteScript", { script, args, sandbox: null })).value; }
	press(...keys) {
		const actions = keys.flatMap(value => [{ type: "keyDown", value }, { type: "keyUp", value }]);
		return this.call("WebDriver:PerformActions", { actions: [{ type: "key", id: "keys", actions }] });
	}
	async shoot(name) {
		if (!shots)
			return;
		fs.mkdirSync(shots, { recursive: true });
		fs.writeFileSync(path.join(shots, `${name}.png`), Buffer.from((await this.call("WebDriver:TakeScreenshot", { full: false })).value, "base64"));
	}
}

const text = (browser, id) => browser.run("return document.getElementById(arguments[0]).textContent", id);
const colours = browser => browser.run(`const c = document.getElementById("canvas"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
	const seen = new Set(); for (let i = 0; i < d.length; i += 4) d[i + 3] && seen.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); return seen.size`);

async function drive(browser) {
	const server = await live.start(out), vm = live.web0();
	server.vms.push(vm, new live.Vm("idle", { health: ["no_image"] }));
	server.tick(100);
	// Here time passes by itself, the server's with it.
	const clock = setInterval(() => server.tick(1), 1000);
	try {
		await browser.open(`${server.url}#vm=web0&window=10`);
		await until("the page is live", async () => await browser.run("return document.getElementById('fresh').dataset.state") === "live");
		await until("a window is full", async () => /^Last 10\.\d s: /.test(await text(browser, "span")));
		const rows = await browser.run("return [...document.querySelectorAll('#graph tbody tr')].map(tr => [...tr.cells].map(td => td.innerText.trim()))");
		const leaf = rows.find(cells => cells[0] === "hot_leaf");
		assert(leaf && leaf[1].endsWith("80.0%"), `hot_leaf has 80 %: ${JSON.stringify(rows)}`);
		assert.deepStrictEqual(await browser.run("return [...document.querySelectorAll('#vms tbody td button')].map(b => b.textContent).sort()"), ["idle", "web0"]);
		assert(await colours(browser) > 4, "the flame graph has colours");
		await browser.press("/", ..."worker_a");
		await until("the search shows its share", async () => /^50\.0% matched/.test(await text(browser, "hits")));
		await browser.shoot("firefox-live");
		await browser.run("document.getElementById('scroll').focus()");
		await browser.press("p");
		assert.match(await text(browser, "fresh"), /^Paused at /);
		await browser.press("b", "p");
		vm.rates = { cpu: { "kmain worker_b": 100 } };
		await until("the change is shown", async () => await browser.run("return [...document.querySelectorAll('#graph tbody tr')].some(tr => tr.cells[0].innerText === 'worker_b' && /^\\+[1-9]/.test(tr.cells[3].innerText))"));
		await browser.shoot("firefox-change");
		await browser.run("[...document.querySelectorAll('#views button')].find(b => b.textContent === 'Exit table').click()");
		await until("exits are listed", async () => /IO_INSTRUCTION/.test(await text(browser, "reasons")));
		assert.strictEqual(await browser.run("return document.getElementById('problem').hidden"), true);
	} finally {
		clearInterval(clock);
		server.close();
	}
	await browser.open(`file://${out}/small.html`);
	assert(await colours(browser) > 2, "the written page has colours");
	await browser.shoot("firefox-page");
}

(async () => {
	const binary = process.env.FIREFOX || ["/usr/bin/firefox-esr", "/usr/bin/firefox"].find(fs.existsSync);
	if (!binary) {
		console.log("firefox-esr is not installed");
		process.exit(77);
	}
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ukprof-firefox-")), profile = path.join(folder, "profile");
	fs.mkdirSync(profile);
	// A port of its own choice, and nobody called.
	fs.writeFileSync(path.join(profile, "user.js"), ['"marionette.port", 0', '"app.update.enabled", false', '"datareporting.policy.dataSubmissionEnabled", false',
		'"toolkit.telemetry.reportingpolicy.firstRun", false', '"network.captive-portal-service.enabled", false', '"network.connectivity-service.enabled", false',
		'"browser.shell.checkDefaultBrowser", false', '"services.settings.server", "http://127.0.0.1:9"'].map(pref => `user_pref(${pref});\n`).join(""));
	const firefox = spawn(binary, ["--headless", "--no-remote", "--marionette", "--profile", profile, "--window-size=1360,900"],
		{ env: { ...process.env, HOME: folder, MOZ_CRASHREPORTER_DISABLE: "1" }, stdio: "ignore" });
	let status = 0, socket;
	try {
		const port = await until("Firefox listens", () => {
			assert.strictEqual(firefox.exitCode, null, "Firefox has ended");
			return fs.existsSync(path.join(profile, "MarionetteActivePort")) && Number(fs.readFileSync(path.join(profile, "MarionetteActivePort"), "utf8"));
		});
		socket = net.connect(port, "127.0.0.1");
		const browser = new Marionette(socket), session = await browser.call("WebDriver:NewSession");
		await drive(browser);
		console.log(`Firefox ${session.capabilities.browserVersion}`);
	} catch (e) {
		console.log(e.stack);
		status = 1;
	}
	socket?.destroy();
	firefox.kill("SIGKILL");
	await new Promise(done => firefox.exitCode === null && firefox.signalCode === null ? firefox.on("exit", done) : done());
	fs.rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
	process.exit(status);
})();
