/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * make_metrics - writes pages about a made-up host for readers that are not ours.
 *
 *   make_metrics FOLDER
 *
 * FOLDER receives small.metrics, .openmetrics, .sd.json and .vms.json, and hostile.*, with the names and
 * numbers that a guest with bad intentions would choose.
 */
#include <fcntl.h>
#include <unistd.h>

#include "export_fixture.h"
#include "host_fixture.h"
#include "metrics.h"
#include "sd.h"
#include "vms_json.h"

static int write_metrics(const struct host_stats *hs, struct sink *sink)
{
	return metrics__write(hs, NULL, METRICS_TEXT, sink);
}

static int write_openmetrics(const struct host_stats *hs, struct sink *sink)
{
	return metrics__write(hs, NULL, METRICS_OPENMETRICS, sink);
}

static int write_sd(const struct host_stats *hs, struct sink *sink)
{
	return sd__write(hs, "[::1]:21835", sink);
}

static int write_vms(const struct host_stats *hs, struct sink *sink)
{
	return vms_json__write(hs, NULL, 0, sink);
}

static const struct {
	const char *suffix;
	int (*write)(const struct host_stats *hs, struct sink *sink);
} pages[] = {
	{ "metrics", write_metrics },
	{ "openmetrics", write_openmetrics },
	{ "sd.json", write_sd },
	{ "vms.json", write_vms },
};

static void write_pages(const char *folder, const char *name, struct host_stats *hs)
{
	struct sink *sink = NULL;
	char path[4096];
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		snprintf(path, sizeof(path), "%s/%s.%s", folder, name, pages[i].suffix);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		if (fd < 0 || sink__fd(&sink, fd) || pages[i].write(hs, sink) ||
		    sink__close(sink) || close(fd)) {
			fprintf(stderr, "err: make_metrics: %s\n", path);
			exit(1);
		}
	}
	host_stats__put(hs);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: make_metrics FOLDER\n");
		return 2;
	}
	write_pages(argv[1], "small", fix_host_small());
	write_pages(argv[1], "hostile", fix_host_hostile());
	return 0;
}
