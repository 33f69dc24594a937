/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_stat - ukprof stat: VM exits by reason, and by the guest code that causes them. */
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cmd_target.h"
#include "exit_stats.h"
#include "exits.h"
#include "hostinfo.h"
#include "log.h"
#include "naming.h"
#include "recording.h"
#include "session.h"
#include "sink.h"
#include "stat_format.h"

/* Samples only bring the guest's code, to prove its image by; a few are enough. */
#define PROOF_HZ   49
#define RING_BYTES (256u << 10)

enum { OPT_BY = 256, OPT_TOP, OPT_PER_VCPU };

struct stat_cmd_opts {
	struct session_opts session;
	struct stat_opts stat;
	const char *symbols;
	const char *output;
	const char *format;
};

static const struct argp_option options[] = {
	CMD_TARGET_OPTIONS,
	{ "by", OPT_BY, "WHAT", 0, "reason (default) or function: the guest code that causes the exits", 0 },
	{ "top", OPT_TOP, "N", 0, "rows of a table by function, 1-10000 (default: 30)", 0 },
	{ "per-vcpu", OPT_PER_VCPU, NULL, 0, "a table for each vCPU", 0 },
	{ "symbols", 's', "FILE", 0, "unstripped image of the guest (default: what the VMM booted, or its .dbg twin)", 0 },
	{ "output", 'o', "FILE", 0, "where to (default: standard output)", 0 },
	{ "format", 'f', "FORMAT", 0, "text (default), perf, kvmexit, json or csv", 0 },
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct stat_cmd_opts *o = state->input;

	switch (key) {
	case OPT_BY:
		if (!strcmp(arg, "function"))
			o->stat.by_function = true;
		else if (!strcmp(arg, "reason"))
			o->stat.by_function = false;
		else
			cli__usage_error("give reason or function", "--by: '%s' is not understood", arg);
		break;
	case OPT_TOP:
		o->stat.top = cli__uint("--top", arg, 1, 10000);
		break;
	case OPT_PER_VCPU:
		o->stat.per_vcpu = true;
		break;
	case 's':
		o->symbols = arg;
		break;
	case 'o':
		o->output = arg;
		break;
	case 'f':
		o->format = arg;
		break;
	default:
		return cmd_target__parse(key, arg, state, &o->session);
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse_opt,
	.doc = "Count the VM exits of a running VM, exactly.\v"
	       "Examples:\n"
	       "  ukprof stat -p 4242 -d 10             exits by reason, with their times\n"
	       "  ukprof stat -p 4242 -d 10 --by function  which guest code causes them\n"
	       "  ukprof stat --vm web -f json -o web.json  for scripts",
	.children = cli_common,
};

static int write_stats(const struct stat_cmd_opts *o, const struct stat_format *format,
		       const struct exit_stats *stats)
{
	struct output *out = output__open(o->output, false, false);
	struct sink *sink = NULL;
	int err;

	if (!out)
		return CLI_FAILED;
	err = sink__fd(&sink, output__fd(out));
	if (!err)
		err = format->write(stats, &o->stat, sink);
	return cli__finish(out, sink, err, o->output);
}

static int report(const struct stat_cmd_opts *o, const struct stat_format *format, struct session *session,
		  const struct recording *rec, struct naming *naming)
{
	struct exit_stats *stats = NULL;
	int ret;

	if (exits__stats(session__exits(session), rec, naming, session__levels(session), &stats)) {
		log_err("stat: out of memory");
		return CLI_FAILED;
	}
	if (!stats->nr_rows)
		log_warn("stat: no VM exit was seen%s",
			 hostinfo__kvm_vendor() == KVM_VENDOR_SOFTWARE ?
				 ": this host emulates guest code, and such a KVM reports none" :
				 "");
	ret = write_stats(o, format, stats);
	exit_stats__free(stats);
	return ret;
}

static int run_stat(const struct stat_cmd_opts *o)
{
	static const struct session_ops ops; /* nothing to do between start and end */
	const struct stat_format *format;
	struct recording *rec = NULL;
	struct session *session = NULL;
	struct naming *naming = NULL;
	enum session_status status;
	int ret = CLI_FAILED, err;

	format = stat_format__by_name(o->format);
	if (!format)
		cli__usage_error("formats are text, perf, kvmexit, json and csv", "-f: no format is called '%s'",
				 o->format);
	err = naming__new(&naming, o->symbols);
	if (!err)
		err = recording__new(&rec);
	if (err == -ENOMEM)
		log_err("stat: out of memory");
	if (err)
		goto out;
	status = session__new(&session, &o->session, rec);
	if (!status) {
		log_info("session: counting the exits of %s%s", session__describe(session),
			 o->session.duration_ns ? "" : " until Ctrl-C");
		status = session__run(session, &ops, NULL);
	}
	ret = cmd_target__exit_status(status);
	if (!status) {
		if (recording__how_ended(rec) == RECORDING_VM_ENDED)
			log_warn("session: the VM ended: what was counted until then is shown");
		ret = report(o, format, session, rec, naming);
	}
out:
	session__free(session);
	recording__free(rec);
	naming__free(naming);
	return ret;
}

static int run(int argc, char **argv)
{
	struct stat_cmd_opts o = {
		.session = {
			.sampler = { .event = SAMPLER_CPU_CLOCK, .freq_hz = PROOF_HZ },
			.level = LEVEL_EXITS,
			.max_level = LEVEL_EXITS,
			.ring_bytes = RING_BYTES,
		},
		.stat = { .top = 30 },
		.output = "-",
		.format = "text",
	};

	cli__parse(&argp, argc, argv, &o);
	signal(SIGPIPE, SIG_IGN);
	return run_stat(&o);
}

const struct cli_verb verb_stat = { "stat", "count VM exits, what they cost and which guest code causes them", run };
