/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_serve - ukprof serve: every VM of this host, always, over HTTP. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "cmd_target.h"
#include "host_stats.h"
#include "http_server.h"
#include "log.h"
#include "naming.h"
#include "recording.h"
#include "serve_jobs.h"
#include "serve_routes.h"
#include "serve_stats.h"
#include "session.h"
#include "units.h"

#define DEFAULT_ADDRESS "127.0.0.1:21835"
#define RING_BYTES	(8u << 20)
#define PUBLISH_NS	1000000000ULL
#define AGE_NS		300000000000ULL
#define MAX_ADDRESSES	16

enum {
	OPT_LISTEN = 256,
	OPT_TELEMETRY_PATH,
	OPT_CONFIG_FILE,
	OPT_SYSTEMD_SOCKET,
	OPT_MAX_REQUESTS,
	OPT_DISABLE_EXPORTER_METRICS,
	OPT_HOST,
	OPT_LOG_LEVEL,
	OPT_LOG_FORMAT,
	OPT_LEVEL,
	OPT_FUNCTIONS,
	OPT_MAX_VMS,
};

struct serve_opts {
	struct session_opts session;
	struct http_opts http;
	struct serve_routes_opts routes;
	const char *addresses[MAX_ADDRESSES];
	const char *hosts[MAX_ADDRESSES];
	const char *symbols;
	size_t max_functions;
};

static const struct argp_option options[] = {
	{ "freq", 'F', "HZ", 0, "samples per second and vCPU, 1-10000 (default: 19)", 0 },
	{ "level", OPT_LEVEL, "LEVEL", 0,
	  "sampling: look at no exits; exits (default): count every exit; full: and take stacks of some all the time, "
	  "not only while somebody asks for them", 0 },
	{ "functions", OPT_FUNCTIONS, "N", 0, "export the samples of the N hottest functions of each VM, up to 100 (default: 0)", 0 },
	{ "max-vms", OPT_MAX_VMS, "N", 0, "VMs at once, 1-100000; the kernel's tables are sized by it (default: 2048)", 0 },
	{ "symbols", 's', "FILE", 0, "unstripped image of all guests (default: what each VMM booted, or its .dbg twin)", 0 },
	{ "web.listen-address", OPT_LISTEN, "ADDRESS", 0,
	  "where to listen; repeatable; ':21835' is every address of this host (default: " DEFAULT_ADDRESS ")", 1 },
	{ "web.telemetry-path", OPT_TELEMETRY_PATH, "PATH", 0, "path of the metrics (default: /metrics)", 1 },
	{ "web.config.file", OPT_CONFIG_FILE, "FILE", 0, "TLS and passwords, as the exporters of Prometheus read it", 1 },
	{ "web.systemd-socket", OPT_SYSTEMD_SOCKET, NULL, 0, "listen on the sockets that systemd hands over", 1 },
	{ "web.max-requests", OPT_MAX_REQUESTS, "N", 0, "requests at once, 1-1000 (default: 40)", 1 },
	{ "web.disable-exporter-metrics", OPT_DISABLE_EXPORTER_METRICS, NULL, 0, "leave out what is about ukprof itself", 1 },
	{ "web.host-name", OPT_HOST, "NAME", 0, "another name by which clients may call this host when it listens on loopback; repeatable", 1 },
	{ "log.level", OPT_LOG_LEVEL, "LEVEL", 0, "error, warn, info (default) or debug", 2 },
	{ "log.format", OPT_LOG_FORMAT, "FORMAT", 0, "logfmt or json (default: as all of ukprof)", 2 },
	{ 0 },
};

static void add_word(const char *option, const char **words, size_t *nr, const char *arg)
{
	if (*nr == MAX_ADDRESSES)
		cli__usage_error("give at most 16", "%s: too many", option);
	words[(*nr)++] = arg;
}

static void set_log_level(const char *arg)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	size_t i;

	for (i = 0; i < 4 && strcmp(arg, names[i]); i++)
		;
	if (i == 4)
		cli__usage_error("levels are error, warn, info and debug", "--log.level: no level is called '%s'", arg);
	log__set_level((enum log_level)i);
}

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct serve_opts *o = state->input;
	int level;

	switch (key) {
	case 'F':
		o->session.sampler.freq_hz = cli__uint("-F", arg, 1, 10000);
		break;
	case 's':
		o->symbols = arg;
		break;
	case OPT_LEVEL:
		level = level__parse(arg);
		if (level < LEVEL_SAMPLING)
			cli__usage_error("levels are sampling, exits and full", "--level: no level of serve is called '%s'", arg);
		o->session.level = level;
		break;
	case OPT_FUNCTIONS:
		o->max_functions = cli__uint("--functions", arg, 0, 100);
		break;
	case OPT_MAX_VMS:
		o->session.max_vms = cli__uint("--max-vms", arg, 1, 100000);
		break;
	case OPT_LISTEN:
		add_word("--web.listen-address", o->addresses, &o->http.nr_listen, arg);
		break;
	case OPT_HOST:
		add_word("--web.host-name", o->hosts, &o->http.nr_host_names, arg);
		break;
	case OPT_TELEMETRY_PATH:
		o->routes.telemetry_path = arg;
		break;
	case OPT_CONFIG_FILE:
		o->http.config_path = arg;
		break;
	case OPT_SYSTEMD_SOCKET:
		o->http.systemd_socket = true;
		break;
	case OPT_MAX_REQUESTS:
		o->http.max_requests = cli__uint("--web.max-requests", arg, 1, 1000);
		break;
	case OPT_DISABLE_EXPORTER_METRICS:
		o->routes.without_exporter = true;
		break;
	case OPT_LOG_LEVEL:
		set_log_level(arg);
		break;
	case OPT_LOG_FORMAT:
		if (!strcmp(arg, "logfmt"))
			log__set_format(LOG_FORMAT_LOGFMT);
		else if (!strcmp(arg, "json"))
			log__set_format(LOG_FORMAT_JSON);
		else
			cli__usage_error("formats are logfmt and json", "--log.format: no format is called '%s'", arg);
		break;
	case ARGP_KEY_ARG:
		cli__usage_error("serve takes options only; it looks at every VM of this host", "'%s' is not understood", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse_opt,
	.doc = "Look at every VM of this host, also those that start later, and answer over HTTP:\n"
	       "metrics for Prometheus, profiles for pprof and its kin, live flame graphs for people.\v"
	       "Examples:\n"
	       "  ukprof serve                                  http://" DEFAULT_ADDRESS "/\n"
	       "  ukprof serve --web.listen-address=:21835 --web.config.file=web.yml\n"
	       "  curl localhost:21835/metrics\n"
	       "  go tool pprof 'http://localhost:21835/debug/pprof/profile?seconds=10&vm=web'",
	.children = cli_common,
};

/* --- the collector's side --- */

struct serve {
	struct recording *rec;
	struct naming *naming;
	struct session *session;
	struct serve_stats *stats;
	struct serve_jobs *jobs;
	struct serve_routes *routes;
	struct http_server *http;
	enum level base_level;
	uint64_t published_ns;
	uint64_t aged_ns;
	bool is_ready;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static bool on_linear_offset(void *ctx, const char *image, uint64_t *offset)
{
	const struct serve *s = ctx;

	return naming__linear_offset(s->naming, image, offset);
}

static void on_vm_new(void *ctx, uint32_t id, pid_t pid, int fd)
{
	struct serve *s = ctx;

	(void)pid;
	(void)fd;
	if (serve_stats__vm_new(s->stats, id, now_ns()))
		log_err("serve: out of memory");
}

static void on_vm_gone(void *ctx, uint32_t id)
{
	struct serve *s = ctx;

	serve_stats__vm_gone(s->stats, id, now_ns());
}

static bool find_vm(void *ctx, const char *label, uint32_t *id, size_t *place)
{
	struct serve *s = ctx;
	uint32_t serial;

	return serve_routes__find_vm(s->routes, label, &serial) >= 0 &&
	       serve_stats__find(s->stats, serial, id, place);
}

static void run_jobs(struct serve *s)
{
	bool full;

	serve_jobs__run(s->jobs, s->session, s->rec, s->naming, find_vm, s);
	if (!session__exits(s->session))
		return;
	/* Stacks of exits cost: they are taken while somebody wants them. */
	full = s->base_level == LEVEL_FULL || serve_jobs__wants_exit_stacks(s->jobs);
	if (full != (session__level(s->session) == LEVEL_FULL))
		session__set_level(s->session, full ? LEVEL_FULL : s->base_level);
}

static void on_wake(void *ctx)
{
	run_jobs(ctx);
}

static void add_http(const struct serve *s, struct host_stats *hs)
{
	struct serve_job_counts jobs;
	struct http_counters c;
	size_t i;

	http_server__counters(s->http, &c);
	serve_jobs__counts(s->jobs, &jobs);
	for (i = 0; i < HOST_NR_HTTP_CLASSES; i++)
		hs->http.requests[i] = c.requests[i + 1];
	hs->http.connections = c.nr_accepted;
	hs->http.connections_open = c.nr_conns;
	hs->http.profiles_served = jobs.served;
	hs->http.profiles_refused = jobs.refused;
	hs->http.profiles_running = jobs.running;
	hs->http.refused = calloc(HTTP_NR_REFUSALS, sizeof(*hs->http.refused));
	for (i = 0; hs->http.refused && i < HTTP_NR_REFUSALS; i++)
		hs->http.refused[hs->http.nr_refused++] = (struct host_counter){
			http_refusal__label(i), http_refusal__help(i), c.refused[i],
		};
}

static int publish(struct serve *s)
{
	struct host_stats *hs;
	int err;

	err = naming__update(s->naming, s->rec);
	if (!err)
		err = serve_stats__publish(s->stats, s->session, &hs);
	if (err)
		return err;
	add_http(s, hs);
	serve_routes__publish(s->routes, hs);
	if (!s->is_ready) {
		s->is_ready = true;
		log_info("serve: ready");
	}
	return 0;
}

/* VMs that ended a while ago. Not while somebody takes a profile that they are part of. */
static void forget_vms(struct serve *s, uint64_t now)
{
	uint32_t ids[256];
	size_t nr, i, k;

	nr = serve_stats__due(s->stats, now, ids, sizeof(ids) / sizeof(ids[0]));
	if (!nr || (serve_jobs__is_busy(s->jobs) && nr < sizeof(ids) / sizeof(ids[0])))
		return;
	for (i = 0; i < nr; i++)
		for (k = 0; k < recording__nr_vms(s->rec); k++)
			if (!recording__vm_data(s->rec, k)->forgotten && recording__vm_data(s->rec, k)->id == ids[i])
				naming__forget(s->naming, k);
	serve_stats__forget(s->stats, ids, nr);
	session__release_vms(s->session, ids, nr);
}

static int on_tick(void *ctx, uint64_t elapsed_ns)
{
	struct serve *s = ctx;
	uint64_t now = now_ns();
	int err = 0;

	(void)elapsed_ns;
	run_jobs(s);
	if (now - s->published_ns >= PUBLISH_NS) {
		err = publish(s);
		s->published_ns = now;
		forget_vms(s, now);
	}
	if (now - s->aged_ns >= AGE_NS) {
		recording__age(s->rec);
		s->aged_ns = now;
	}
	return err;
}

static void say_where(const struct serve *s, const struct serve_opts *o)
{
	size_t i;

	for (i = 0; i < http_server__nr_listeners(s->http); i++)
		log_info("serve: listening on %s, port %u",
			 i < o->http.nr_listen ? o->addresses[i] : "what systemd handed over", http_server__port(s->http, i));
}

static int start_http(struct serve *s, const struct serve_opts *o)
{
	size_t nr;
	const struct http_route *table = serve_routes__table(s->routes, &nr);
	int err;

	err = http_server__new(&s->http, &o->http, table, nr, s->routes);
	if (!err)
		err = http_server__start(s->http);
	return err;
}

static int run_serve(struct serve_opts *o)
{
	struct session_ops ops = {
		.tick = on_tick,
		.linear_offset = on_linear_offset,
		.vm_new = on_vm_new,
		.vm_gone = on_vm_gone,
		.wake = on_wake,
	};
	struct serve s = { .base_level = o->session.level };
	enum session_status status;
	int ret = CLI_FAILED, err;

	o->session.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = o->session.wake_fd < 0 ? -errno : naming__new(&s.naming, o->symbols);
	if (!err)
		err = recording__new(&s.rec);
	if (!err)
		err = serve_stats__new(&s.stats, s.rec, s.naming, o->max_functions);
	if (!err)
		err = serve_jobs__new(&s.jobs, o->session.wake_fd);
	if (!err)
		err = serve_routes__new(&s.routes, s.jobs, &o->routes);
	if (err == -EINVAL && s.jobs)
		cli__usage_error("choose another path, such as /metrics", "--web.telemetry-path: '%s' can't be used",
				 o->routes.telemetry_path);
	if (err) {
		if (err != -EINVAL)
			log_err("serve: %s", strerror(-err));
		goto out;
	}
	status = session__new(&s.session, &o->session, s.rec);
	if (!status && start_http(&s, o))
		goto out;
	if (!status) {
		say_where(&s, o);
		status = session__run(s.session, &ops, &s);
	}
	ret = cmd_target__exit_status(status);
out:
	if (s.http)
		http_server__stop(s.http);
	if (s.jobs)
		serve_jobs__stop(s.jobs, s.rec);
	http_server__free(s.http);
	serve_routes__free(s.routes);
	serve_jobs__free(s.jobs);
	session__free(s.session);
	serve_stats__free(s.stats);
	recording__free(s.rec);
	naming__free(s.naming);
	if (o->session.wake_fd >= 0)
		close(o->session.wake_fd);
	return ret;
}

static int run(int argc, char **argv)
{
	struct serve_opts o = {
		.session = {
			.sampler = { .event = SAMPLER_CPU_CLOCK, .freq_hz = 19 },
			.all = true,
			.forever = true,
			.level = LEVEL_EXITS,
			.exit_stack_hz = 99,
			.ring_bytes = RING_BYTES,
			.max_vms = 2048,
		},
		.routes = { .telemetry_path = "/metrics" },
	};

	o.http.listen = o.addresses;
	/* An engine that takes all the profiles it may gets its metrics, too. */
	o.http.limits.max_per_addr = SERVE_MAX_PROFILES + 8;
	o.http.host_names = o.hosts;
	cli__parse(&argp, argc, argv, &o);
	/* The programs for exits are loaded only if they may be used. */
	o.session.max_level = o.session.level >= LEVEL_EXITS ? LEVEL_FULL : LEVEL_SAMPLING;
	if (!o.http.nr_listen && !o.http.systemd_socket)
		o.addresses[o.http.nr_listen++] = DEFAULT_ADDRESS;
	cli__abort_on_signal();
	return run_serve(&o);
}

const struct cli_verb verb_serve = { "serve", "all VMs of this host over HTTP: metrics, profiles, live flame graphs", run };
