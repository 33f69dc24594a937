/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "serve_routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "live_page.h"
#include "metrics.h"
#include "sd.h"
#include "serve_calls.h"
#include "vms_json.h"

#define MAX_ROUTES 16
#define TEXT_TYPE  "text/plain; charset=utf-8"

struct serve_routes {
	struct serve_calls *calls;
	const struct http_server *http;
	struct http_route table[MAX_ROUTES];
	size_t nr;
};

/* --- questions --- */

static void on_metrics(void *ctx, struct http_request *req)
{
	struct serve_routes *r = ctx;
	struct serve_request ask;
	struct http_counters c;

	serve_request__init(&ask, SERVE_ASK_METRICS, 0);
	ask.format = metrics__negotiate(http_request__header(req, "Accept"));
	http_server__counters(r->http, &c);
	memcpy(ask.http.requests, c.requests, sizeof(ask.http.requests));
	memcpy(ask.http.refused, c.refused, sizeof(ask.http.refused));
	ask.http.nr_conns = c.nr_conns;
	ask.http.nr_accepted = c.nr_accepted;
	serve_calls__ask(r->calls, req, &ask);
}

static void on_sd(void *ctx, struct http_request *req)
{
	const char *host = http_request__header(req, "Host");
	struct serve_routes *r = ctx;
	struct serve_request ask;

	serve_request__init(&ask, SERVE_ASK_SD, 0);
	if (sd__is_address(host) && serve_request__set_text(&ask, host))
		serve_calls__ask(r->calls, req, &ask);
	else
		http_request__reply_text(req, 400, "no Host that could be given out");
}

static void ask_plainly(struct serve_routes *r, struct http_request *req, enum serve_ask what)
{
	struct serve_request ask;

	serve_request__init(&ask, what, 0);
	serve_calls__ask(r->calls, req, &ask);
}

static void on_vms(void *ctx, struct http_request *req)
{
	ask_plainly(ctx, req, SERVE_ASK_VMS);
}

static void on_ready(void *ctx, struct http_request *req)
{
	ask_plainly(ctx, req, SERVE_ASK_READY);
}

/* An error that go tool pprof shows to its user. */
static void refuse(struct http_request *req, unsigned int status, const char *text)
{
	static const struct http_header headers[] = { { "X-Go-Pprof", "1" } };
	struct http_reply reply = {
		.status = status,
		.content_type = TEXT_TYPE,
		.body = text,
		.body_len = strlen(text),
		.headers = headers,
		.nr_headers = 1,
	};

	http_request__reply(req, &reply);
}

/* About one VM; labels are never longer than a text, and never empty. */
static void ask_of_vm(struct serve_routes *r, struct http_request *req, struct serve_request *ask, const char *vm)
{
	if (vm && (!*vm || !serve_request__set_text(ask, vm)))
		refuse(req, 404, "no VM is called so: see /api/v1/vms\n");
	else
		serve_calls__ask(r->calls, req, ask);
}

#define BAD_BY "by: give function or library"

/* by=library; false if it is something else. */
static bool read_by(struct http_request *req, struct serve_request *ask)
{
	const char *by = http_request__query(req, "by");

	ask->by_library = by && !strcmp(by, "library");
	return !by || ask->by_library || !strcmp(by, "function");
}

static void take_profile(struct serve_routes *r, struct http_request *req, enum snap_measure measure)
{
	const char *seconds = http_request__query(req, "seconds");
	struct serve_request ask;
	unsigned long n = 30; /* as Go's own server */
	char *end;

	if (seconds) {
		errno = 0;
		n = strtoul(seconds, &end, 10);
		if (*seconds < '0' || *seconds > '9' || *end || errno || !n || n > SERVE_MAX_SECONDS) {
			refuse(req, 400, "seconds: give a whole number from 1 to 300\n");
			return;
		}
	}
	serve_request__init(&ask, SERVE_ASK_PROFILE, 0);
	ask.measure = measure;
	ask.seconds = n;
	if (!read_by(req, &ask)) {
		refuse(req, 400, BAD_BY "\n");
		return;
	}
	ask_of_vm(r, req, &ask, http_request__query(req, "vm"));
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
	const char *kind = http_request__query(req, "kind"), *vm = http_request__query(req, "vm");
	struct serve_request ask;
	size_t i;

	for (i = 0; kind && i < sizeof(kinds) / sizeof(kinds[0]) && strcmp(kind, kinds[i]); i++)
		;
	if (!vm || i == sizeof(kinds) / sizeof(kinds[0])) {
		http_request__reply_text(req, 400, "give vm=LABEL, and kind=cpu, exits or exit_time");
		return;
	}
	serve_request__init(&ask, SERVE_ASK_FLAME, 0);
	ask.measure = i;
	if (!read_by(req, &ask)) {
		http_request__reply_text(req, 400, BAD_BY);
		return;
	}
	ask_of_vm(ctx, req, &ask, vm);
}

static void on_exits(void *ctx, struct http_request *req)
{
	const char *vm = http_request__query(req, "vm");
	struct serve_request ask;

	serve_request__init(&ask, SERVE_ASK_EXITS, 0);
	if (vm)
		ask_of_vm(ctx, req, &ask, vm);
	else
		http_request__reply_text(req, 400, "give vm=LABEL");
}

static void on_healthy(void *ctx, struct http_request *req)
{
	(void)ctx;
	http_request__reply_text(req, 200, "ukprof is healthy.");
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

/* --- answers --- */

static const char *type_of(uint32_t ask, uint32_t format)
{
	switch (ask) {
	case SERVE_ASK_METRICS:
		return metrics__content_type((enum metrics_format)format);
	case SERVE_ASK_SD:
		return SD_TYPE;
	case SERVE_ASK_VMS:
		return VMS_JSON_TYPE;
	case SERVE_ASK_FLAME:
	case SERVE_ASK_EXITS:
		return "application/json";
	case SERVE_ASK_PROFILE:
		return "application/octet-stream";
	default:
		return TEXT_TYPE;
	}
}

/* go tool pprof shows an error's text only if it comes from a server like Go's own. */
static void answer_error(uint32_t ask, struct http_pending *pending, struct http_reply *reply)
{
	static const struct http_header headers[] = { { "Retry-After", "10" }, { "X-Go-Pprof", "1" } };
	bool busy = reply->status == 503, pprof = ask == SERVE_ASK_PROFILE;

	reply->headers = headers + !busy;
	reply->nr_headers = busy + pprof;
	http_pending__reply(pending, reply);
}

void serve_routes__answer(uint32_t ask, uint32_t format, struct http_pending *pending, struct http_reply *reply)
{
	static const struct http_header fresh[] = { { "Cache-Control", "no-store" } };
	static const struct http_header name[] = { { "Content-Disposition", "attachment; filename=\"profile.pb.gz\"" } };

	reply->content_type = reply->status == 200 ? type_of(ask, format) : TEXT_TYPE;
	if (reply->status != 200) {
		answer_error(ask, pending, reply);
		return;
	}
	reply->may_gzip = ask != SERVE_ASK_PROFILE; /* that one is compressed already */
	reply->headers = ask == SERVE_ASK_PROFILE ? name : fresh;
	reply->nr_headers = 1;
	http_pending__reply(pending, reply);
}

/* --- table --- */

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

bool serve_routes__can_have(const char *telemetry_path)
{
	size_t i;

	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (!strcmp(telemetry_path, routes[i].path))
			return false;
	return *telemetry_path == '/';
}

int serve_routes__new(struct serve_routes **out, struct serve_calls *calls, const char *telemetry_path)
{
	struct serve_routes *r;

	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->calls = calls;
	memcpy(r->table, routes, sizeof(routes));
	r->nr = sizeof(routes) / sizeof(routes[0]);
	r->table[r->nr++] = (struct http_route){ .path = telemetry_path, .handler = on_metrics };
	*out = r;
	return 0;
}

void serve_routes__free(struct serve_routes *r)
{
	free(r);
}

void serve_routes__set_server(struct serve_routes *r, const struct http_server *http)
{
	r->http = http;
}

const struct http_route *serve_routes__table(const struct serve_routes *r, size_t *nr)
{
	*nr = r->nr;
	return r->table;
}
