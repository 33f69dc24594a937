/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_record - ukprof record: sample a VM and write what was seen. */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "capture.h"
#include "cmd_target.h"
#include "cmd_view.h"
#include "exporter.h"
#include "host_names.h"
#include "hostinfo.h"
#include "log.h"
#include "naming.h"
#include "readers.h"
#include "recording.h"
#include "session.h"
#include "snapshot.h"
#include "units.h"

#define DEFAULT_OUTPUT "ukprof.html"
#define DEFAULT_RING   (8u << 20)

#define PROOF_HZ 19 /* samples that show the guest's code, so that names can be proven */

enum { OPT_BUFFER = 256, OPT_EXITS, OPT_EVERY, OPT_HOST };

struct record_opts {
	struct session_opts session;
	const char *output;
	const char *format;
	struct cmd_view view;
	unsigned int freq_hz;	/* 0: not given */
	bool has_event;
	bool exits;
};

static const struct argp_option options[] = {
	CMD_TARGET_OPTIONS,
	{ "freq", 'F', "HZ", 0, "samples per second and vCPU, 1-10000 (default: 99; with --exits: stacks of exits, 999)", 0 },
	{ "event", 'e', "EVENT", 0, "cpu-clock (default: works everywhere) or cycles (needs a PMU)", 0 },
	{ "exits", OPT_EXITS, NULL, 0, "show the guest code that causes VM exits, instead of where time goes", 0 },
	{ "every", OPT_EVERY, "N", 0, "take the stack of 1 in N exits, rounded up to a power of two; 1 takes all "
				      "(default: as -F allows)", 0 },
	{ "host", OPT_HOST, NULL, 0, "samples that hit the host show its stack, too: the exit, the kernel's functions, the VMM's", 0 },
	CMD_VIEW_OPTIONS,
	{ "output", 'o', "FILE", 0, "where to; its ending names the format: .html .svg .folded .txt .pb.gz .ukp "
				    "(default: " DEFAULT_OUTPUT "; - is standard output)", 0 },
	{ "format", 'f', "FORMAT", 0, "html, svg, folded, text, pprof or ukp, whatever the ending (default: by the ending)", 0 },
	{ "buffer", OPT_BUFFER, "SIZE", 0, "ring buffer between kernel and ukprof, 4K-1G, rounded up to a power of two (default: 8M)", 0 },
	{ 0 },
};

static uint64_t parse_ring(const char *arg)
{
	static const char hint[] = "give a size from 4K to 1G, such as 64K or 8M";
	uint64_t size = 0, pow2 = sysconf(_SC_PAGESIZE);

	if (units__parse_size(arg, &size))
		cli__usage_error(hint, "--buffer: '%s' is not a size", arg);
	if (size < pow2 || size > 1u << 30)
		cli__usage_error(hint, "--buffer: '%s' is out of range", arg);
	while (pow2 < size)
		pow2 *= 2;
	return pow2;
}

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct record_opts *o = state->input;

	switch (key) {
	case 'F':
		o->freq_hz = cli__uint("-F", arg, 1, 10000);
		break;
	case OPT_EXITS:
		o->exits = true;
		break;
	case OPT_EVERY:
		o->session.exit_every = cli__uint("--every", arg, 1, 1 << UKP_PICK_MAX_SHIFT);
		o->view.exits_only = "--every";
		break;
	case OPT_HOST:
		o->session.host_stacks = true;
		break;
	case 'e':
		o->has_event = true;
		if (!strcmp(arg, "cycles"))
			o->session.sampler.event = SAMPLER_CYCLES;
		else if (!strcmp(arg, "cpu-clock"))
			o->session.sampler.event = SAMPLER_CPU_CLOCK;
		else
			cli__usage_error("give cpu-clock or cycles", "-e: no event is called '%s'", arg);
		break;
	case 'o':
		o->output = arg;
		break;
	case 'f':
		o->format = arg;
		break;
	case OPT_BUFFER:
		o->session.ring_bytes = parse_ring(arg);
		break;
	case ARGP_KEY_END:
		if (o->view.exits_only && !o->exits)
			cli__usage_error("add --exits", "%s is about VM exits", o->view.exits_only);
		if (o->session.host_stacks && o->exits)
			cli__usage_error("leave one of the two out", "--host is about samples, and --exits takes none");
		if (o->has_event && o->exits)
			cli__usage_error("leave one of the two out", "-e chooses the clock of samples, and --exits takes none");
		return cmd_target__parse(key, arg, state, &o->session);
	default:
		if (cmd_view__parse(key, arg, &o->view) == ARGP_ERR_UNKNOWN)
			return cmd_target__parse(key, arg, state, &o->session);
	}
	return 0;
}

/* The one place where what was not given is decided. */
static void resolve_options(struct record_opts *o)
{
	struct session_opts *s = &o->session;

	if (!o->exits) {
		s->level = s->max_level = LEVEL_SAMPLING;
		/* The exit that a sample fell into stands in the vendor's part of the vCPU; else exits have to be followed. */
		if (s->host_stacks && !hostinfo__has_kvm_types())
			s->level = s->max_level = LEVEL_EXITS;
		s->sampler.freq_hz = o->freq_hz ? o->freq_hz : 99;
		return;
	}
	s->level = s->max_level = LEVEL_FULL;
	s->exit_stack_hz = o->freq_hz ? o->freq_hz : 999;
	s->sampler.freq_hz = PROOF_HZ;
}

static const struct argp argp = {
	.options = options,
	.parser = parse_opt,
	.doc = "Sample the guest's call stacks of a running VM.\v"
	       "Examples:\n"
	       "  ukprof record -p 4242 -d 10s -o web.html       ten seconds as a flame graph\n"
	       "  ukprof record -p 4242 -s app.dbg -o web.pb.gz  named by app.dbg, for pprof\n"
	       "  ukprof record -p 4242 --exits -o exits.html    which guest code causes VM exits\n"
	       "  ukprof record --vm web -o web.ukp              for 'ukprof report', later",
	.children = cli_common,
};

/* --- one recording --- */

struct record {
	struct recording *rec;
	struct naming *naming;
	struct host_names *host; /* NULL: host stacks are not wanted */
	struct capture_writer *capture; /* NULL: the result is a report */
	struct naming_what what;
	bool exits;
};

/* What the recording is about: samples, or stacks of exits. */
static uint64_t nr_taken(const struct record *r)
{
	return r->exits ? recording__nr_exit_stacks(r->rec) : recording__nr_samples(r->rec);
}

static int on_tick(void *ctx, uint64_t elapsed_ns)
{
	struct record *r = ctx;
	uint64_t total, unresolved;
	char line[160];
	int err;

	err = naming__update(r->naming, r->rec);
	if (!err && r->host)
		err = host_names__update(r->host, r->rec);
	if (!err && r->capture)
		err = capture_writer__flush(r->capture);
	if (err || !isatty(STDERR_FILENO))
		return err;
	if (r->exits) {
		snprintf(line, sizeof(line), "%.0f s: %" PRIu64 " VM exits, %" PRIu64 " stacks", elapsed_ns / 1e9,
			 recording__counter_values(r->rec)[UKP_CTR_EXITS], nr_taken(r));
		log__set_status(line);
		return 0;
	}
	total = recording__nr_samples(r->rec);
	unresolved = naming__unresolved(r->naming, r->rec, false);
	snprintf(line, sizeof(line), "%.0f s: %" PRIu64 " samples, %" PRIu64 " dropped, %.1f%% unresolved",
		 elapsed_ns / 1e9, total, recording__nr_dropped(r->rec), total ? 100.0 * unresolved / total : 0);
	log__set_status(line);
	return 0;
}

static bool on_linear_offset(void *ctx, const char *image, uint64_t *offset)
{
	const struct record *r = ctx;

	return naming__linear_offset(r->naming, image, offset);
}

static size_t on_tables(void *ctx, uint32_t id, const char *image, struct unwinding_image *out)
{
	const struct record *r = ctx;

	return naming__tables(r->naming, r->rec, id, image, out);
}

static void describe_end(const struct record *r, const struct record_opts *o)
{
	switch (recording__how_ended(r->rec)) {
	case RECORDING_VM_ENDED:
		if (nr_taken(r))
			log_warn("session: the VM ended before the recording did: what was seen is kept");
		break;
	case RECORDING_INTERRUPTED:
		if (o->session.duration_ns)
			log_info("session: stopped early by a signal");
		break;
	case RECORDING_FINISHED:
	case RECORDING_CUT:
		break;
	}
	if (recording__how_ended(r->rec) == RECORDING_VM_ENDED || nr_taken(r))
		return;
	if (r->exits) {
		log_warn("session: no VM exit was seen%s",
			 recording__info(r->rec)->is_emulated ?
				 ": this host emulates guest code, and such a KVM reports none" : "");
	} else {
		log_warn("session: no sample was taken: no vCPU ran");
		log_hint("the guest is idle or paused, and only running vCPUs are sampled: give it work, or record longer");
	}
}

/* The capture file took no more. What it holds is whole, and readable. */
static int report_cut(const struct record *r, const char *path)
{
	int err = recording__capture_err(r->rec);

	if (err == -EPIPE)
		return CLI_OK; /* the reader has seen enough */
	log_err("output: %s: %s: the recording stopped after %" PRIu64 " stacks",
		strcmp(path, "-") ? path : "standard output", strerror(-err), nr_taken(r));
	if (capture_writer__has_written(r->capture) && strcmp(path, "-"))
		log_hint("what was written is readable: ukprof report %s; choose another place with -o FILE", path);
	else
		log_hint("choose another place: -o FILE");
	return CLI_FAILED;
}

/* What the sampling itself took, where the kernel counts it (sysctl kernel.bpf_stats_enabled=1). */
static void print_cost(const struct session *session)
{
	uint64_t runs, ns;

	session__run_stats(session, &runs, &ns);
	if (runs)
		log_debug("session: bpf: %" PRIu64 " runs, %" PRIu64 " ns each", runs, ns / runs);
}

/* Write what was recorded, whatever ended it. */
static int finish(struct record *r, struct output *out, const char *path, const struct exporter *exporter)
{
	struct snapshot *snap = NULL;
	int err, status = CLI_OK;

	log__set_status(NULL);
	err = r->host ? host_names__update(r->host, r->rec) : 0;
	if (err)
		log_warn("record: names of the host are missing: %s", strerror(-err));
	err = naming__snapshot(r->naming, r->rec, &r->what, &snap);
	if (err == -EBADMSG)
		status = CLI_FAILED; /* the user named a wrong image: addresses are written, but that is not what was asked */
	else if (err)
		log_err("record: %s", strerror(-err));
	if (r->exits)
		account__print_exits(r->rec, naming__unresolved(r->naming, r->rec, true));
	else
		account__print(r->rec, naming__unresolved(r->naming, r->rec, false));

	if (r->capture) {
		err = capture_writer__close(r->capture);
		r->capture = NULL;
		output__abandon(out);
		if (err && err != -EPIPE) {
			log_err("output: %s: %s", strcmp(path, "-") ? path : "standard output", strerror(-err));
			log_hint("choose another place: -o FILE");
			status = CLI_FAILED;
		}
	} else if (snap) {
		err = cli__export(snap, exporter, out, path);
		if (err)
			status = err;
	} else {
		output__abandon(out);
		status = CLI_FAILED;
	}
	snapshot__put(snap);
	if (status == CLI_OK && strcmp(path, "-"))
		log_info("output: %s", path);
	return status;
}

static bool is_capture(const struct record_opts *o)
{
	size_t len = strlen(o->output);

	if (o->format)
		return !strcmp(o->format, "ukp");
	return len > 4 && !strcmp(o->output + len - 4, ".ukp");
}

static int run_record(struct record_opts *o)
{
	struct session_ops ops = { .tick = on_tick, .linear_offset = on_linear_offset, .tables = on_tables };
	const struct exporter *exporter = NULL;
	struct session *session = NULL;
	struct readers *readers = NULL;
	enum session_status status;
	struct output *out = NULL;
	struct record r = {
		.what = cmd_view__what(&o->view, o->exits),
		.exits = o->exits,
	};
	int ret = CLI_FAILED;

	/* All that can be wrong with what was asked is found out before the guest is touched. */
	if (!is_capture(o)) {
		exporter = cli__format(o->format, o->output, true);
		if (!exporter)
			return CLI_USAGE;
	}
	if (!cmd_image__start_readers(&readers))
		return CLI_FAILED;
	o->view.images.readers = o->session.readers = readers;
	switch (cmd_view__naming(&o->view, &r.naming)) {
	case 0:
		break;
	case -EINVAL:
		goto out;
	default:
		goto no_memory;
	}
	if (recording__new(&r.rec) || (o->session.host_stacks && host_names__new(&r.host, readers)))
		goto no_memory;
	status = session__new(&session, &o->session, r.rec);
	if (status) {
		ret = cmd_target__exit_status(status);
		goto out;
	}
	out = output__open(o->output, !exporter, !exporter || exporter->is_binary);
	if (!out)
		goto out;
	if (!exporter && capture_writer__new(&r.capture, dup(output__fd(out))))
		goto no_memory;
	recording__set_capture(r.rec, r.capture);

	if (o->exits)
		log_info("session: recording the VM exits of %s%s", session__describe(session),
			 o->session.duration_ns ? "" : " until Ctrl-C");
	else
		log_info("session: recording %s at %u Hz%s", session__describe(session), o->session.sampler.freq_hz,
			 o->session.duration_ns ? "" : " until Ctrl-C");
	status = session__run(session, &ops, &r);
	print_cost(session);
	session__free(session);
	session = NULL;
	log__set_status(NULL);
	if (status) {
		ret = status == SESSION_CUT ? report_cut(&r, o->output) : cmd_target__exit_status(status);
		goto out;
	}
	if (recording__how_ended(r.rec) == RECORDING_VM_ENDED && !nr_taken(&r)) {
		log_err("session: the VM ended before a %s was seen", o->exits ? "VM exit" : "sample");
		ret = CLI_NO_VM;
		goto out;
	}
	describe_end(&r, o);
	ret = finish(&r, out, o->output, exporter);
	out = NULL;
	goto out;

no_memory:
	log_err("record: out of memory");
out:
	/* Nothing in the file yet: then an older one stays as it was. */
	if (r.capture && capture_writer__has_written(r.capture))
		capture_writer__close(r.capture);
	else
		capture_writer__abandon(r.capture);
	output__abandon(out);
	session__free(session);
	recording__free(r.rec);
	naming__free(r.naming);
	host_names__free(r.host);
	readers__stop(readers);
	return ret;
}

static int run(int argc, char **argv)
{
	struct record_opts o = {
		.session = {
			.sampler = { .event = SAMPLER_CPU_CLOCK },
			.ring_bytes = DEFAULT_RING,
		},
		.output = DEFAULT_OUTPUT,
	};

	cli__parse(&argp, argc, argv, &o);
	resolve_options(&o);
	cli__abort_on_signal();
	o.session.debug_dir = o.view.images.debug_dir;
	return run_record(&o);
}

const struct cli_verb verb_record = { "record", "sample a VM and write a flame graph, profile or capture", run };
