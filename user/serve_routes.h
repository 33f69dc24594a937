/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_SERVE_ROUTES_H
#define USER_SERVE_ROUTES_H

/*
 * serve_routes - what 'ukprof serve' answers: each path, from the statistics that were published last.
 *
 * Threads: handlers run on the HTTP thread and only read what is frozen; the collector publishes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "http_server.h"

struct host_stats;
struct serve_jobs;
struct serve_routes;

struct serve_routes_opts {
	const char *telemetry_path;  /* "/metrics"; borrowed */
	bool without_exporter;	     /* leave out what is about this process */
};

/** serve_routes__new() - @jobs: borrowed. Return: 0, -EINVAL if the path for metrics is another page's, or -ENOMEM. */
int serve_routes__new(struct serve_routes **out, struct serve_jobs *jobs, const struct serve_routes_opts *opts);
void serve_routes__free(struct serve_routes *r); /* accepts NULL; after the HTTP server */

/** serve_routes__table() - for http_server__new(), with the routes as context. */
const struct http_route *serve_routes__table(const struct serve_routes *r, size_t *nr);

/** serve_routes__publish() - from now on this is what is shown. @hs: taken. Threads: any. */
void serve_routes__publish(struct serve_routes *r, struct host_stats *hs);

/** serve_routes__find_vm() - index of the VM with a label in what was published last; -ENOENT, -ENOMEM. */
ssize_t serve_routes__find_vm(struct serve_routes *r, const char *label, uint32_t *id);

#endif /* USER_SERVE_ROUTES_H */
