/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_serve - ukprof serve: every VM of this host, always, over HTTP. */
#include "cli.h"

#include <string.h>
#include <unistd.h>

#include "cmd_image.h"
#include "log.h"
#include "opener.h"
#include "readers.h"
#include "rights.h"
#include "serve_collector.h"
#include "serve_front.h"
#include "serve_jobs.h"
#include "serve_routes.h"

#define DEFAULT_ADDRESS "127.0.0.1:21835"
#define RING_BYTES	(8u << 20)
#define MAX_ADDRESSES	16

enum {
	OPT_LISTEN = 256,
	OPT_TELEMETRY_PATH,
	OPT_CONFIG_FILE,
	OPT_SYSTEMD_SOCKET,
	OPT_MAX_REQUESTS,
	OPT_DISABLE_EXPORTER_METRICS,
	OPT_HOST,
	OPT_USER,
	OPT_LOG_LEVEL,
	OPT_LOG_FORMAT,
	OPT_LEVEL,
	OPT_FUNCTIONS,
	OPT_LIBRARIES,
	OPT_MAX_VMS,
	OPT_KVM_STATS,
	OPT_MAX_PROFILES,
};

struct serve_opts {
	struct serve_collector_opts collector;
	struct serve_front_opts front;
	const char *addresses[MAX_ADDRESSES];
	const char *hosts[MAX_ADDRESSES];
};

static const struct argp_option options[] = {
	{ "freq", 'F', "HZ", 0, "samples per second and vCPU, 1-10000 (default: 19)", 0 },
	{ "level", OPT_LEVEL, "LEVEL", 0,
	  "sampling: look at no exits; exits (default): count every exit; full: and take stacks of some all the time, "
	  "not only while somebody asks for them", 0 },
	{ "functions", OPT_FUNCTIONS, "N", 0, "export the samples of the N hottest functions of each VM, up to 100 (default: 0)", 0 },
	{ "libraries", OPT_LIBRARIES, "N", 0, "likewise of its N hottest micro-libraries or modules (default: 0)", 0 },
	{ "kvm-stats", OPT_KVM_STATS, NULL, 0, "export KVM's own statistics of each VM, too; needs debugfs", 0 },
	{ "max-vms", OPT_MAX_VMS, "N", 0, "VMs at once, 1-100000; the kernel's tables are sized by it (default: 2048)", 0 },
	CMD_IMAGE_OPTIONS,
	{ "web.listen-address", OPT_LISTEN, "ADDRESS", 0,
	  "where to listen; repeatable; ':21835' is every address of this host (default: " DEFAULT_ADDRESS ")", 1 },
	{ "web.telemetry-path", OPT_TELEMETRY_PATH, "PATH", 0, "path of the metrics (default: /metrics)", 1 },
	{ "web.config.file", OPT_CONFIG_FILE, "FILE", 0, "TLS and passwords, as the exporters of Prometheus read it", 1 },
	{ "web.systemd-socket", OPT_SYSTEMD_SOCKET, NULL, 0, "listen on the sockets that systemd hands over", 1 },
	{ "web.max-profiles", OPT_MAX_PROFILES, "N", 0,
	  "profiles taken at once, 1-900; an engine asks for one of each VM (default: 64)", 1 },
	{ "web.max-requests", OPT_MAX_REQUESTS, "N", 0, "requests at once, 1-1000 (default: 40 beside the profiles)", 1 },
	{ "web.disable-exporter-metrics", OPT_DISABLE_EXPORTER_METRICS, NULL, 0, "leave out what is about ukprof itself", 1 },
	{ "web.host-name", OPT_HOST, "NAME", 0, "another name by which clients may call this host when it listens on loopback; repeatable", 1 },
	{ "user", OPT_USER, "NAME", 0,
	  "started as root, whom the process that talks to clients becomes (default: nobody); it reads certificates again", 1 },
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
		o->collector.session.sampler.freq_hz = cli__uint("-F", arg, 1, 10000);
		break;
	case OPT_LEVEL:
		level = level__parse(arg);
		if (level < LEVEL_SAMPLING)
			cli__usage_error("levels are sampling, exits and full", "--level: no level of serve is called '%s'", arg);
		o->collector.session.level = level;
		break;
	case OPT_FUNCTIONS:
		o->collector.max_functions = cli__uint("--functions", arg, 0, 100);
		break;
	case OPT_LIBRARIES:
		o->collector.max_libraries = cli__uint("--libraries", arg, 0, 100);
		break;
	case OPT_MAX_PROFILES:
		o->collector.max_profiles = cli__uint("--web.max-profiles", arg, 1, 900);
		break;
	case OPT_KVM_STATS:
		o->collector.kvm_stats = true;
		break;
	case OPT_MAX_VMS:
		o->collector.session.max_vms = cli__uint("--max-vms", arg, 1, 100000);
		break;
	case OPT_LISTEN:
		add_word("--web.listen-address", o->addresses, &o->front.http.nr_listen, arg);
		break;
	case OPT_HOST:
		add_word("--web.host-name", o->hosts, &o->front.http.nr_host_names, arg);
		break;
	case OPT_TELEMETRY_PATH:
		o->front.telemetry_path = arg;
		break;
	case OPT_CONFIG_FILE:
		o->front.http.config_path = arg;
		break;
	case OPT_SYSTEMD_SOCKET:
		o->front.http.systemd_socket = true;
		break;
	case OPT_MAX_REQUESTS:
		o->front.http.max_requests = cli__uint("--web.max-requests", arg, 1, 1000);
		break;
	case OPT_DISABLE_EXPORTER_METRICS:
		o->collector.without_exporter = true;
		break;
	case OPT_USER:
		if (geteuid())
			cli__usage_error("leave it out: the process that talks to clients has no rights in any case",
					 "--user: only root can become another user");
		o->front.user = arg;
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
		return cmd_image__parse(key, arg, &o->collector.images);
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

static int run_serve(struct serve_opts *o)
{
	struct readers *readers = NULL;
	struct opener *opener = NULL;
	int sock, ret, err;
	pid_t front;

	if (!serve_routes__can_have(o->front.telemetry_path))
		cli__usage_error("choose another path, such as /metrics", "--web.telemetry-path: '%s' can't be used",
				 o->front.telemetry_path);
	if (rights__missing(true)) {
		log_err("serve: %s is missing: VMs can't be looked at", rights__missing(true));
		rights__hint();
		return CLI_NO_RIGHTS;
	}
	/* First of all: the front is to have nothing that comes later. */
	err = serve_front__start(&o->front, &front, &sock);
	if (err) {
		log_err("serve: the HTTP process can't be started: %s", strerror(-err));
		return CLI_FAILED;
	}
	err = opener__start(&opener);
	if (err)
		log_warn("serve: rights can't be kept apart: %s", strerror(-err));
	o->collector.session.sampler.opener = opener;
	/* Without, there are metrics, and addresses instead of names: more than nothing. It was said. */
	if (!cmd_image__start_readers(&readers))
		readers = NULL;
	o->collector.images.readers = o->collector.session.readers = readers;
	ret = serve_collector__run(&o->collector, front, sock);
	readers__stop(readers);
	opener__stop(opener);
	return ret;
}

static int run(int argc, char **argv)
{
	struct serve_opts o = {
		.collector.session = {
			.sampler = { .event = SAMPLER_CPU_CLOCK, .freq_hz = 19 },
			.all = true,
			.forever = true,
			.level = LEVEL_EXITS,
			.exit_stack_hz = 99,
			.ring_bytes = RING_BYTES,
			.max_vms = 2048,
		},
		.collector.max_profiles = SERVE_DEFAULT_PROFILES,
		.front = { .telemetry_path = "/metrics", .user = "nobody" },
	};

	o.front.http.listen = o.addresses;
	o.front.http.host_names = o.hosts;
	cli__parse(&argp, argc, argv, &o);
	/* An engine that takes all the profiles it may gets its metrics, too. */
	o.front.http.limits.max_per_addr = o.collector.max_profiles + 8;
	if (!o.front.http.max_requests)
		o.front.http.max_requests = o.collector.max_profiles + 40;
	o.front.http.limits.max_conns = o.front.http.max_requests + 216;
	/* The programs for exits are loaded only if they may be used. */
	o.collector.session.max_level = o.collector.session.level >= LEVEL_EXITS ? LEVEL_FULL : LEVEL_SAMPLING;
	o.collector.session.debug_dir = o.collector.images.debug_dir;
	if (!o.front.http.nr_listen && !o.front.http.systemd_socket)
		o.addresses[o.front.http.nr_listen++] = DEFAULT_ADDRESS;
	cli__abort_on_signal();
	return run_serve(&o);
}

const struct cli_verb verb_serve = { "serve", "all VMs of this host over HTTP: metrics, profiles, live flame graphs", run };
