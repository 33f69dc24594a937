/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * make_metrics - writes pages about a made-up host for readers that are not ours.
 *
 *   make_metrics FOLDER
 *
 * FOLDER receives small.metrics and small.openmetrics, and hostile.*, with the names and numbers that a guest
 * with bad intentions would choose.
 */
#include <fcntl.h>
#include <unistd.h>

#include "export_fixture.h"
#include "host_fixture.h"
#include "metrics.h"

static void write_page(const char *folder, const char *name, const struct host_stats *hs,
		       enum metrics_format format)
{
	struct sink *sink = NULL;
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s.%s", folder, name,
		 format == METRICS_TEXT ? "metrics" : "openmetrics");
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || sink__fd(&sink, fd) || metrics__write(hs, NULL, format, sink) ||
	    sink__close(sink) || close(fd)) {
		fprintf(stderr, "err: make_metrics: %s\n", path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct host_stats *small, *hostile;

	if (argc != 2) {
		fprintf(stderr, "usage: make_metrics FOLDER\n");
		return 2;
	}
	small = fix_host_small();
	hostile = fix_host_hostile();
	write_page(argv[1], "small", small, METRICS_TEXT);
	write_page(argv[1], "small", small, METRICS_OPENMETRICS);
	write_page(argv[1], "hostile", hostile, METRICS_TEXT);
	write_page(argv[1], "hostile", hostile, METRICS_OPENMETRICS);
	host_stats__put(small);
	host_stats__put(hostile);
	return 0;
}
