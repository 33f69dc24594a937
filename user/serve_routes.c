/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "serve_routes.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host_stats.h"
#include "live_page.h"
#include "metrics.h"
#include "sd.h"
#include "serve_jobs.h"
#include "sink.h"
#include "vm_label.h"
#include "vms_json.h"

#define MAX_ROUTES 16
#define RATE_NS	   10000000000ULL /* rates are over about as long */
#define NR_PAST	   12

struct serve_routes {
	struct serve_jobs *jobs;
	struct serve_routes_opts opts;
	struct http_route table[MAX_ROUTES];
	size_t nr;
	pthread_mutex_t lock;
	struct host_stats *now;		  /* NULL until the first */
	struct host_stats *past[NR_PAST]; /* the oldest first */
	size_t nr_past;
};

static uint64_t mono_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

void serve_routes__publish(struct serve_routes *r, struct host_stats *hs)
{
	struct host_stats *old, *dropped = NULL;

	pthread_mutex_lock(&r->lock);
	old = r->now;
	r->now = hs;
	if (old && r->nr_past == NR_PAST) {
		dropped = r->past[0];
		memmove(r->past, r->past + 1, (NR_PAST - 1) * sizeof(r->past[0]));
		r->nr_past--;
	}
	if (old)
		r->past[r->nr_past++] = old;
	pthread_mutex_unlock(&r->lock);
	host_stats__put(dropped);
}

/* What is shown now, with a reference, and what was before it, for rates. */
static struct host_stats *get(struct serve_routes *r, struct host_stats **earlier)
{
	struct host_stats *hs = NULL;
	size_t i;

	pthread_mutex_lock(&r->lock);
	if (r->now)
		hs = host_stats__get(r->now);
	if (earlier) {
		*earlier = NULL;
		for (i = 0; i < r->nr_past && hs && hs->mono_ns - r->past[i]->mono_ns > RATE_NS; i++)
			;
		if (i < r->nr_past)
			*earlier = host_stats__get(r->past[i]);
	}
	pthread_mutex_unlock(&r->lock);
	return hs;
}

ssize_t serve_routes__find_vm(struct serve_routes *r, const char *label, uint32_t *id)
{
	struct host_stats *hs = get(r, NULL);
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

/* --- replies --- */

static void release_sink(void *sink)
{
	sink__close(sink);
}

/* Takes @sink. */
static void reply_sink(struct http_request *req, const char *type, struct sink *sink, int err)
{
	static const struct http_header headers[] = { { "Cache-Control", "no-store" } };
	struct http_reply reply = {
		.status = 200,
		.content_type = type,
		.release = release_sink,
		.owner = sink,
		.may_gzip = true,
		.headers = headers,
		.nr_headers = 1,
	};

	if (err) {
		sink__close(sink);
		http_request__reply_text(req, 500, "%s", strerror(-err));
		return;
	}
	reply.body = sink__data(sink, &reply.body_len);
	http_request__reply(req, &reply);
}

static void not_yet(struct http_request *req)
{
	http_request__reply_text(req, 503, "starting");
}

/* --- pages --- */

static void on_metrics(void *ctx, struct http_request *req)
{
	struct serve_routes *r = ctx;
	struct host_stats *hs = get(r, NULL);
	enum metrics_format format = metrics__negotiate(http_request__header(req, "Accept"));
	struct metrics_opts opts = { .now_mono_ns = mono_ns(), .without_exporter = r->opts.without_exporter };
	struct sink *sink = NULL;
	int err;

	if (!hs) {
		not_yet(req);
		return;
	}
	err = sink__memory(&sink);
	if (!err)
		err = metrics__write(hs, &opts, format, sink);
	host_stats__put(hs);
	reply_sink(req, metrics__content_type(format), sink, err);
}

static void on_sd(void *ctx, struct http_request *req)
{
	const char *host = http_request__header(req, "Host");
	struct host_stats *hs = get(ctx, NULL);
	struct sink *sink = NULL;
	int err;

	if (!hs) {
		not_yet(req);
		return;
	}
	if (!sd__is_address(host)) {
		host_stats__put(hs);
		http_request__reply_text(req, 400, "no Host that could be given out");
		return;
	}
	err = sink__memory(&sink);
	if (!err)
		err = sd__write(hs, host, sink);
	host_stats__put(hs);
	reply_sink(req, SD_TYPE, sink, err);
}

static void on_vms(void *ctx, struct http_request *req)
{
	struct host_stats *earlier, *hs = get(ctx, &earlier);
	struct sink *sink = NULL;
	int err;

	if (!hs) {
		not_yet(req);
		return;
	}
	err = sink__memory(&sink);
	if (!err)
		err = vms_json__write(hs, earlier, mono_ns(), sink);
	host_stats__put(hs);
	host_stats__put(earlier);
	reply_sink(req, VMS_JSON_TYPE, sink, err);
}

/* An error that go tool pprof shows to its user. */
static void refuse(struct http_request *req, unsigned int status, const char *text)
{
	static const struct http_header headers[] = { { "X-Go-Pprof", "1" } };
	struct http_reply reply = {
		.status = status,
		.content_type = "text/plain; charset=utf-8",
		.body = text,
		.body_len = strlen(text),
		.headers = headers,
		.nr_headers = 1,
	};

	http_request__reply(req, &reply);
}

static void take_profile(struct serve_routes *r, struct http_request *req, enum snap_measure measure)
{
	const char *seconds = http_request__query(req, "seconds");
	struct serve_job job = {
		.format = SERVE_PPROF,
		.measure = measure,
		.seconds = 30, /* as Go's own server */
		.vm = (char *)http_request__query(req, "vm"),
	};
	unsigned long n;
	char *end;

	if (seconds) {
		errno = 0;
		n = strtoul(seconds, &end, 10);
		if (*seconds < '0' || *seconds > '9' || *end || errno || !n || n > SERVE_MAX_SECONDS) {
			refuse(req, 400, "seconds: give a whole number from 1 to 300\n");
			return;
		}
		job.seconds = n;
	}
	serve_jobs__add(r->jobs, req, &job);
}

static void on_profile(void *ctx, struct http_request *req)
{
	take_profile(ctx, req, SNAP_MEASURE_SAMPLES);
}

static void on_exits_profile(void *ctx, struct http_request *req)
{
	take_profile(ctx, req, SNAP_MEASURE_EXITS);
}

static void on_flame(void *ctx, struct http_request *req)
{
	static const char *const kinds[] = {
		[SNAP_MEASURE_SAMPLES] = "cpu",
		[SNAP_MEASURE_EXITS] = "exits",
		[SNAP_MEASURE_EXIT_TIME] = "exit_time",
	};
	const char *kind = http_request__query(req, "kind");
	struct serve_job job = { .format = SERVE_FLAME, .vm = (char *)http_request__query(req, "vm") };
	struct serve_routes *r = ctx;
	size_t i;

	for (i = 0; kind && i < sizeof(kinds) / sizeof(kinds[0]) && strcmp(kind, kinds[i]); i++)
		;
	if (!job.vm || i == sizeof(kinds) / sizeof(kinds[0])) {
		http_request__reply_text(req, 400, "give vm=LABEL, and kind=cpu, exits or exit_time");
		return;
	}
	job.measure = i;
	serve_jobs__add(r->jobs, req, &job);
}

static void on_exits(void *ctx, struct http_request *req)
{
	struct serve_job job = { .format = SERVE_EXITS, .vm = (char *)http_request__query(req, "vm") };
	struct serve_routes *r = ctx;

	if (job.vm)
		serve_jobs__add(r->jobs, req, &job);
	else
		http_request__reply_text(req, 400, "give vm=LABEL");
}

static void on_healthy(void *ctx, struct http_request *req)
{
	(void)ctx;
	http_request__reply_text(req, 200, "ukprof is healthy.");
}

static void on_ready(void *ctx, struct http_request *req)
{
	struct host_stats *hs = get(ctx, NULL);

	if (hs)
		http_request__reply_text(req, 200, "ukprof is ready.");
	else
		not_yet(req);
	host_stats__put(hs);
}

static void on_page(void *ctx, struct http_request *req)
{
	struct http_header headers[] = {
		{ "Content-Security-Policy", live_page__csp() },
		{ "Referrer-Policy", "no-referrer" },
		{ "Cache-Control", "no-cache" },
	};
	struct http_reply reply = {
		.status = 200,
		.content_type = "text/html; charset=utf-8",
		.release = http_body__static,
		.may_gzip = true,
		.headers = headers,
		.nr_headers = sizeof(headers) / sizeof(headers[0]),
	};

	(void)ctx;
	reply.body = live_page(&reply.body_len);
	http_request__reply(req, &reply);
}

/* --- table --- */

int serve_routes__new(struct serve_routes **out, struct serve_jobs *jobs, const struct serve_routes_opts *opts)
{
	static const struct http_route routes[] = {
		{ .path = "/", .handler = on_page },
		{ .path = "/sd", .handler = on_sd },
		{ .path = "/-/healthy", .handler = on_healthy, .open = true },
		{ .path = "/-/ready", .handler = on_ready, .open = true },
		{ .path = "/api/v1/vms", .handler = on_vms },
		{ .path = "/api/v1/flame", .handler = on_flame },
		{ .path = "/api/v1/exits", .handler = on_exits },
		{ .path = "/debug/pprof/profile", .handler = on_profile },
		{ .path = "/debug/pprof/exits", .handler = on_exits_profile },
	};
	struct serve_routes *r;
	size_t i;

	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (*opts->telemetry_path != '/' || !strcmp(opts->telemetry_path, routes[i].path))
			return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->jobs = jobs;
	r->opts = *opts;
	pthread_mutex_init(&r->lock, NULL);
	memcpy(r->table, routes, sizeof(routes));
	r->nr = sizeof(routes) / sizeof(routes[0]);
	r->table[r->nr++] = (struct http_route){ .path = opts->telemetry_path, .handler = on_metrics };
	*out = r;
	return 0;
}

void serve_routes__free(struct serve_routes *r)
{
	size_t i;

	if (!r)
		return;
	for (i = 0; i < r->nr_past; i++)
		host_stats__put(r->past[i]);
	host_stats__put(r->now);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

const struct http_route *serve_routes__table(const struct serve_routes *r, size_t *nr)
{
	*nr = r->nr;
	return r->table;
}
