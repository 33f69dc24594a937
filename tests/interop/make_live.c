/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * make_live - writes the live page as the server would send it.
 *
 *   make_live FOLDER
 *
 * FOLDER receives live.html and live.csp, the value of the header.
 */
#include <stdio.h>
#include <string.h>

#include "live_page.h"

static int write_file(const char *folder, const char *name, const void *data, size_t len)
{
	char path[4096];
	FILE *f;
	int err;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	if (!f)
		return 1;
	err = fwrite(data, 1, len, f) != len;
	return fclose(f) || err;
}

int main(int argc, char **argv)
{
	const void *page;
	size_t len;

	if (argc != 2) {
		fprintf(stderr, "usage: make_live FOLDER\n");
		return 2;
	}
	page = live_page(&len);
	return write_file(argv[1], "live.html", page, len) ||
	       write_file(argv[1], "live.csp", live_page__csp(), strlen(live_page__csp()));
}
