
// SPDX-License-Identifier: GPL-2.0-or-later
// The page in one file: shows the profile that it carries.
{
	const profile = JSON.parse($("profile").textContent), graph = flameGraph();
	if (profile.nodes.some((n, i) => i % 3 === 2 && n)) {
		$("main").hidden = false;
		graph.nameRows(profile.kinds.some(kind => kind.label === "guest library"));
		graph.show(profile);
	}
}
