// SPDX-License-Identifier: GPL-2.0-or-later
// A headless Chromium with a profile of its own, which is removed afterwards. Set CHROMIUM to use another.
"use strict";
const fs = require("fs"), os = require("os"), path = require("path");

// Calls run(open); open(options) gives a fresh page whose requests, errors and dialogs are recorded in
// page.seen. Ends the process with 77 when there is no browser.
exports.withBrowser = async run => {
	const executablePath = process.env.CHROMIUM || ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find(fs.existsSync);
	if (!executablePath) {
		console.log("chromium is not installed");
		process.exit(77);
	}
	const { chromium } = require("playwright-core");
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ukprof-chromium-"));
	const context = await chromium.launchPersistentContext(folder, {
		executablePath, headless: true, acceptDownloads: true, viewport: { width: 1360, height: 900 },
		args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync"],
	});
	try {
		await run(async ({ scheme = "light", viewport } = {}) => {
			const page = await context.newPage();
			const seen = page.seen = { requests: [], errors: [], dialogs: [] };
			page.on("request", r => seen.requests.push(r.url()));
			page.on("pageerror", e => seen.errors.push(String(e.stack)));
			page.on("console", m => m.type() === "error" && seen.errors.push(m.text()));
			page.on("dialog", d => (seen.dialogs.push(d.message()), d.dismiss()));
			await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
			if (viewport)
				await page.setViewportSize(viewport);
			return page;
		}, context);
	} finally {
		await context.close();
		fs.rmSync(folder, { recursive: true, force: true });
	}
};
