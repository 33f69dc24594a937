/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_stat - ukprof stat: VM exits by reason, and by the guest code that causes them. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd_image.h"
#include "cmd_target.h"
#include "exit_filter.h"
#include "exit_names.h"
#include "exit_stats.h"
#include "exits.h"
#include "hostinfo.h"
#include "kvm_stats.h"
#include "kvm_watch.h"
#include "log.h"
#include "naming.h"
#include "readers.h"
#include "recording.h"
#include "session.h"
#include "sink.h"
#include "stat_format.h"
#include "strbuf.h"

/* Samples only bring the guest's code, to prove its image by; a few are enough. */
#define PROOF_HZ   49
#define RING_BYTES (256u << 10)

enum { OPT_BY = 256, OPT_TOP, OPT_PER_VCPU, OPT_REASON, OPT_LEVEL };

struct stat_cmd_opts {
	struct session_opts session;
	struct stat_opts stat;
	struct exit_filter reasons;
	struct naming_opts images;
	const char *output;
	const char *format;
};

static const struct argp_option options[] = {
	CMD_TARGET_OPTIONS,
	{ "by", OPT_BY, "WHAT", 0, "reason (default), function: the guest code that causes the exits, or library: its micro-library", 0 },
	{ "top", OPT_TOP, "N", 0, "rows of a table by function or library, 1-10000 (default: 30)", 0 },
	{ "per-vcpu", OPT_PER_VCPU, NULL, 0, "a table for each vCPU", 0 },
	{ "reason", OPT_REASON, "NAME[,NAME...]", 0,
	  "show these exits only, by name or code; repeatable; help lists the names", 0 },
	{ "level", OPT_LEVEL, "LEVEL", 0,
	  "counters: what KVM counts anyway, at no cost; sampling: and where vCPUs are; exits (default): every exit; "
	  "full: and the stacks of some. SIGUSR1 and SIGUSR2 change it by one while it runs", 0 },
	CMD_IMAGE_OPTIONS,
	{ "output", 'o', "FILE", 0, "where to (default: standard output)", 0 },
	{ "format", 'f', "FORMAT", 0, "text (default), perf, kvmexit, json or csv", 0 },
	{ 0 },
};

/* --- reasons --- */

static void list_reasons(void)
{
	static const struct {
		uint32_t isa;
		const char *title;
	} tables[] = { { EXIT_ISA_VMX, "Intel (VMX)" }, { EXIT_ISA_SVM, "AMD (SVM)" } };
	const char *name;
	uint32_t code;
	size_t i, t;

	for (t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		printf("%s%-11s %-12s name\n", t ? "\n" : "", tables[t].title, "code");
		for (i = 0; (name = exit_names__nth(tables[t].isa, i, &code)); i++)
			printf("%11" PRIu32 " 0x%-10" PRIx32 " %s\n", code, code, name);
	}
	exit(cli__close_stdout());
}

static bool has_part(const char *name, const char *part)
{
	return *part && strcasestr(name, part);
}

/* Names that hold the word, else the nearest of each vendor: "did you mean EPT_VIOLATION or EPT_MISCONFIG?". */
static void suggest(struct strbuf *sb, const char *word)
{
	static const uint32_t isas[] = { EXIT_ISA_VMX, EXIT_ISA_SVM };
	const char *near[6], *words[128], *name;
	size_t nr = 0, i, k, n;
	char cased[64];

	for (k = 0; k < 2; k++)
		for (i = 0; (name = exit_names__nth(isas[k], i, NULL)); i++)
			if (has_part(name, word) && nr < sizeof(near) / sizeof(near[0]))
				near[nr++] = name;
	for (k = 0; k < 2 && !nr; k++) {
		/* Intel's names are upper case, AMD's are lower case. */
		for (i = 0; word[i] && i < sizeof(cased) - 1; i++)
			cased[i] = k ? tolower((unsigned char)word[i]) : toupper((unsigned char)word[i]);
		cased[i] = '\0';
		for (n = 0; n < sizeof(words) / sizeof(words[0]) - 1; n++)
			if (!(words[n] = exit_names__nth(isas[k], n, NULL)))
				break;
		words[n] = NULL;
		name = cli__nearest(cased, words);
		if (name)
			near[nr++] = name;
	}
	for (i = 0; i < nr; i++)
		strbuf__printf(sb, "%s%s", !i ? "did you mean " : i + 1 < nr ? ", " : " or ", near[i]);
	if (nr)
		strbuf__puts(sb, "? ");
	strbuf__puts(sb, "'ukprof stat --reason help' lists all names; a code is a number such as 48 or 0x400");
}

static void unknown_reason(const char *word)
{
	struct strbuf sb = { 0 };

	suggest(&sb, word);
	cli__usage_error(strbuf__str(&sb), "--reason: no exit reason is called '%s'", word);
}

static void choose_reasons(struct stat_cmd_opts *o, const char *arg)
{
	char *words, *rest, *word;

	if (!strcmp(arg, "help"))
		list_reasons();
	words = rest = strdup(arg);
	while ((word = words ? strsep(&rest, ",") : NULL)) {
		switch (exit_filter__add(&o->reasons, word)) {
		case 0:
			continue;
		case -ENOENT:
			unknown_reason(word);
		}
		break;
	}
	if (word || !words) {
		log_err("stat: out of memory");
		exit(CLI_FAILED);
	}
	free(words);
	o->stat.reasons = &o->reasons;
}

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct stat_cmd_opts *o = state->input;
	int level;

	switch (key) {
	case OPT_BY:
		if (!strcmp(arg, "function"))
			o->stat.by_function = true;
		else if (!strcmp(arg, "library"))
			o->stat.by_function = o->stat.by_library = true;
		else if (!strcmp(arg, "reason"))
			o->stat.by_function = false;
		else
			cli__usage_error("give reason, function or library", "--by: '%s' is not understood", arg);
		break;
	case OPT_TOP:
		o->stat.top = cli__uint("--top", arg, 1, 10000);
		break;
	case OPT_PER_VCPU:
		o->stat.per_vcpu = true;
		break;
	case OPT_LEVEL:
		level = level__parse(arg);
		if (level < 0)
			cli__usage_error("levels are counters, sampling, exits and full", "--level: no level is called '%s'",
					 arg);
		o->session.level = level;
		break;
	case OPT_REASON:
		choose_reasons(o, arg);
		break;
	case 'o':
		o->output = arg;
		break;
	case 'f':
		o->format = arg;
		break;
	default:
		if (cmd_image__parse(key, arg, &o->images) == ARGP_ERR_UNKNOWN)
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
	       "  ukprof stat -p 4242 -d 10 --reason io,msr   only some of them\n"
	       "  ukprof stat -p 4242 --level counters  what KVM counts anyway, at no cost\n"
	       "  ukprof stat --vm web -f json -o web.json  for scripts",
	.children = cli_common,
};

/* Takes @out. */
static int write_stats(const struct stat_cmd_opts *o, const struct stat_format *format,
		       const struct exit_stats *stats, struct output *out)
{
	struct sink *sink = NULL;
	int err;

	err = sink__fd(&sink, output__fd(out));
	if (!err)
		err = format->write(stats, &o->stat, sink);
	return cli__finish(out, sink, err, o->output);
}

static bool is_any_shown(const struct exit_stats *stats, const struct exit_filter *reasons)
{
	size_t i;

	for (i = 0; i < stats->nr_rows; i++)
		if (exit_filter__match(reasons, stats->rows[i].isa, stats->rows[i].reason))
			return true;
	return false;
}

static void explain_kvm(const struct kvm_watch *kvm, enum log_level level)
{
	const char *cause, *hint;

	if (!kvm_watch__err(kvm))
		return;
	kvm_stats__explain(kvm_watch__err(kvm), &cause, &hint);
	log__write(level, "stat: KVM's own statistics: %s", cause);
	if (hint && level <= LOG_LEVEL_WARN)
		log_hint("%s", hint);
}

static void on_vm_new(void *ctx, uint32_t id, pid_t pid, int fd)
{
	kvm_watch__vm(ctx, id, pid, fd);
}

static int on_tick(void *ctx, uint64_t elapsed_ns)
{
	(void)elapsed_ns;
	kvm_watch__tick(ctx);
	return 0;
}

/* Takes @out. */
static int report(const struct stat_cmd_opts *o, const struct stat_format *format, struct session *session,
		  const struct recording *rec, struct naming *naming, struct kvm_watch *kvm, struct output *out)
{
	struct exit_stats *stats = NULL;
	int ret;

	if (exits__stats(session__exits(session), rec, naming, session__levels(session), NULL, &stats) ||
	    kvm_watch__fill(kvm, rec, stats)) {
		exit_stats__free(stats);
		log_err("stat: out of memory");
		output__abandon(out);
		return CLI_FAILED;
	}
	if (!exit_stats__has_exits(stats))
		explain_kvm(kvm, LOG_LEVEL_WARN);
	else if (!stats->nr_rows)
		log_warn("stat: no VM exit was seen%s",
			 hostinfo__kvm_vendor() == KVM_VENDOR_SOFTWARE ?
				 ": this host emulates guest code, and such a KVM reports none" :
				 "");
	else if (!is_any_shown(stats, o->stat.reasons))
		log_warn("stat: no VM exit of the chosen reasons was seen, only others");
	ret = write_stats(o, format, stats, out);
	exit_stats__free(stats);
	return ret;
}

static int run_stat(struct stat_cmd_opts *o)
{
	static const struct session_ops ops = { .tick = on_tick, .vm_new = on_vm_new };
	struct kvm_watch *kvm = NULL;
	const struct stat_format *format;
	struct recording *rec = NULL;
	struct session *session = NULL;
	struct readers *readers = NULL;
	struct naming *naming = NULL;
	enum session_status status;
	struct output *out = NULL;
	int ret = CLI_FAILED, err;

	format = stat_format__by_name(o->format);
	if (!format)
		cli__usage_error("formats are text, perf, kvmexit, json and csv", "-f: no format is called '%s'",
				 o->format);
	if (o->session.level < LEVEL_EXITS && strcmp(o->format, "text") && strcmp(o->format, "json"))
		cli__usage_error("give text or json, or --level exits", "-f %s shows exits, and --level %s looks at none",
				 o->format, level__name(o->session.level));
	if (o->stat.by_library && strcmp(o->format, "text"))
		cli__usage_error("leave -f out, or take --by function", "-f %s knows no libraries", o->format);
	if (!cmd_image__start_readers(&readers))
		return CLI_FAILED;
	o->images.readers = o->session.readers = readers;
	err = naming__new(&naming, &o->images);
	if (!err)
		err = recording__new(&rec);
	if (!err)
		err = kvm_watch__new(&kvm);
	if (err == -ENOMEM)
		log_err("stat: out of memory");
	if (err)
		goto out;
	status = session__new(&session, &o->session, rec);
	if (!status) {
		/* Before the counting, or it may have been for nothing. */
		out = output__open(o->output, false, false);
		if (!out)
			goto out;
		log_info("session: counting %s of %s%s",
			 o->session.level < LEVEL_EXITS ? "what KVM tells" : "the exits", session__describe(session),
			 o->session.duration_ns ? "" : " until Ctrl-C");
		status = session__run(session, &ops, kvm);
		kvm_watch__tick(kvm);
	}
	ret = cmd_target__exit_status(status);
	if (!status) {
		if (recording__how_ended(rec) == RECORDING_VM_ENDED)
			log_warn("session: the VM ended: what was counted until then is shown");
		ret = report(o, format, session, rec, naming, kvm, out);
		out = NULL;
	}
out:
	output__abandon(out);
	session__free(session);
	recording__free(rec);
	naming__free(naming);
	readers__stop(readers);
	kvm_watch__free(kvm);
	return ret;
}

static int run(int argc, char **argv)
{
	struct stat_cmd_opts o = {
		.session = {
			.sampler = { .event = SAMPLER_CPU_CLOCK, .freq_hz = PROOF_HZ },
			.level = LEVEL_EXITS,
			.max_level = LEVEL_FULL,
			.exit_stack_hz = 99,
			.ring_bytes = RING_BYTES,
		},
		.stat = { .top = 30 },
		.output = "-",
		.format = "text",
	};
	int ret;

	cli__parse(&argp, argc, argv, &o);
	cli__abort_on_signal();
	o.session.debug_dir = o.images.debug_dir;
	ret = run_stat(&o);
	exit_filter__free(&o.reasons);
	return ret;
}

const struct cli_verb verb_stat = { "stat", "count VM exits, what they cost and which guest code causes them", run };
