/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_SERVE_PAGES_H
#define USER_SERVE_PAGES_H

/*
 * serve_pages - what the collector answers: from the statistics that were published last, or through serve_jobs.
 *
 * Threads: requests are answered on the link's thread, which only reads what is frozen; the collector publishes.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct host_stats;
struct link_request;
struct serve_jobs;
struct serve_pages;

/** serve_pages__new() - @jobs: borrowed. @without_exporter: leave out what is about ukprof itself. Return: 0 or -ENOMEM. */
int serve_pages__new(struct serve_pages **out, struct serve_jobs *jobs, bool without_exporter);
void serve_pages__free(struct serve_pages *p); /* accepts NULL; after the link was stopped */

/** serve_pages__publish() - from now on this is what is shown. @hs: taken. Threads: any. */
void serve_pages__publish(struct serve_pages *p, struct host_stats *hs);

/** serve_pages__find_vm() - index of the VM with a label in what was published last; -ENOENT, -ENOMEM. */
ssize_t serve_pages__find_vm(struct serve_pages *p, const char *label, uint32_t *id);

/** serve_pages__answer() - for serve_link__start(). @ctx: struct serve_pages. @req: taken. */
void serve_pages__answer(void *ctx, struct link_request *req);

#endif /* USER_SERVE_PAGES_H */
