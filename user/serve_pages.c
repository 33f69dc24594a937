/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "serve_pages.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "host_stats.h"
#include "metrics.h"
#include "sd.h"
#include "serve_jobs.h"
#include "serve_link.h"
#include "sink.h"
#include "vm_label.h"
#include "vms_json.h"

#define RATE_NS	10000000000ULL /* rates are over about as long */
#define NR_PAST 12

struct serve_pages {
	struct serve_jobs *jobs;
	bool without_exporter;
	pthread_mutex_t lock;
	struct host_stats *now;		  /* NULL until the first */
	struct host_stats *past[NR_PAST]; /* the oldest first */
	size_t nr_past;
};

void serve_pages__publish(struct serve_pages *p, struct host_stats *hs)
{
	struct host_stats *old, *dropped = NULL;

	pthread_mutex_lock(&p->lock);
	old = p->now;
	p->now = hs;
	if (old && p->nr_past == NR_PAST) {
		dropped = p->past[0];
		memmove(p->past, p->past + 1, (NR_PAST - 1) * sizeof(p->past[0]));
		p->nr_past--;
	}
	if (old)
		p->past[p->nr_past++] = old;
	pthread_mutex_unlock(&p->lock);
	host_stats__put(dropped);
}

/* What is shown now, with a reference, and what was before it, for rates. */
static struct host_stats *get(struct serve_pages *p, struct host_stats **earlier)
{
	struct host_stats *hs = NULL;
	size_t i;

	pthread_mutex_lock(&p->lock);
	if (p->now)
		hs = host_stats__get(p->now);
	if (earlier) {
		*earlier = NULL;
		for (i = 0; i < p->nr_past && hs && hs->mono_ns - p->past[i]->mono_ns > RATE_NS; i++)
			;
		if (i < p->nr_past)
			*earlier = host_stats__get(p->past[i]);
	}
	pthread_mutex_unlock(&p->lock);
	return hs;
}

ssize_t serve_pages__find_vm(struct serve_pages *p, const char *label, uint32_t *id)
{
	struct host_stats *hs = get(p, NULL);
	struct vm_labels *labels = NULL;
	ssize_t i;

	i = hs ? vm_labels__new(&labels, hs) : -ENOENT;
	if (!i)
		i = vm_labels__find(labels, label);
	if (i >= 0)
		*id = hs->vms[i].id;
	vm_labels__free(labels);
	host_stats__put(hs);
	return i;
}

/* --- pages --- */

/* What the front and the jobs counted until now, in a copy of the host's statistics; all else is borrowed. */
static void add_http(struct serve_pages *p, struct host_stats *hs, const struct serve_http_counts *front,
		     struct host_counter refused[HTTP_NR_REFUSALS])
{
	struct serve_job_counts jobs;
	size_t i;

	serve_jobs__counts(p->jobs, &jobs);
	for (i = 0; i < HOST_NR_HTTP_CLASSES; i++)
		hs->http.requests[i] = front->requests[i + 1];
	hs->http.connections_open = front->nr_conns;
	hs->http.connections = front->nr_accepted;
	hs->http.profiles_served = jobs.served;
	hs->http.profiles_refused = jobs.refused;
	hs->http.profiles_running = jobs.running;
	for (i = 0; i < HTTP_NR_REFUSALS; i++)
		refused[i] = (struct host_counter){ http_refusal__label(i), http_refusal__help(i), front->refused[i] };
	hs->http.refused = refused;
	hs->http.nr_refused = HTTP_NR_REFUSALS;
}

static int write_metrics(struct serve_pages *p, const struct host_stats *hs, const struct serve_request *ask,
			 struct sink *sink)
{
	struct metrics_opts opts = { .now_mono_ns = clock__mono_ns(), .without_exporter = p->without_exporter };
	struct host_counter refused[HTTP_NR_REFUSALS];
	struct host_stats with = *hs;

	add_http(p, &with, &ask->http, refused);
	return metrics__write(&with, &opts, (enum metrics_format)ask->format, sink);
}

static int write_page(struct serve_pages *p, const struct serve_request *ask, const char *text,
		      const struct host_stats *hs, const struct host_stats *earlier, struct sink *sink)
{
	switch (ask->ask) {
	case SERVE_ASK_METRICS:
		return write_metrics(p, hs, ask, sink);
	case SERVE_ASK_SD:
		return sd__write(hs, text, sink);
	default:
		return vms_json__write(hs, earlier, clock__mono_ns(), sink);
	}
}

static void answer_page(struct serve_pages *p, struct link_request *req)
{
	const struct serve_request *ask = link_request__ask(req);
	struct host_stats *earlier, *hs = get(p, &earlier);
	struct sink *sink = NULL;
	int err;

	if (!hs) {
		link_request__reply_text(req, 503, "starting\n");
	} else if (ask->ask == SERVE_ASK_READY) {
		link_request__reply_text(req, 200, "ukprof is ready.\n");
	} else if (ask->ask == SERVE_ASK_SD && !sd__is_address(link_request__text(req))) {
		link_request__reply_text(req, 404, "no Host that could be given out\n");
	} else {
		err = sink__memory(&sink);
		if (!err)
			err = write_page(p, ask, link_request__text(req), hs, earlier, sink);
		if (!err) {
			link_request__reply(req, sink);
		} else {
			sink__close(sink);
			link_request__reply_text(req, 500, strerror(-err));
		}
	}
	host_stats__put(hs);
	host_stats__put(earlier);
}

void serve_pages__answer(void *ctx, struct link_request *req)
{
	const struct serve_request *ask = link_request__ask(req);
	struct serve_pages *p = ctx;

	switch (ask->ask) {
	case SERVE_ASK_FLAME:
	case SERVE_ASK_EXITS:
	case SERVE_ASK_PROFILE:
		serve_jobs__add(p->jobs, req);
		break;
	default:
		answer_page(p, req);
	}
}

/* --- life --- */

int serve_pages__new(struct serve_pages **out, struct serve_jobs *jobs, bool without_exporter)
{
	struct serve_pages *p;

	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->jobs = jobs;
	p->without_exporter = without_exporter;
	pthread_mutex_init(&p->lock, NULL);
	*out = p;
	return 0;
}

void serve_pages__free(struct serve_pages *p)
{
	size_t i;

	if (!p)
		return;
	for (i = 0; i < p->nr_past; i++)
		host_stats__put(p->past[i]);
	host_stats__put(p->now);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
