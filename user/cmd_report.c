/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_report - ukprof report: a capture file in any format, with names, needing no privilege. */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "account.h"
#include "capture.h"
#include "cmd_view.h"
#include "exporter.h"
#include "log.h"
#include "naming.h"
#include "readers.h"
#include "recording.h"
#include "snapshot.h"

struct report_opts {
	const char *input;
	const char *output;
	const char *format;
	struct cmd_view view;
};

static const struct argp_option options[] = {
	CMD_VIEW_OPTIONS,
	{ "output", 'o', "FILE", 0, "where to; its ending names the format: .html .svg .folded .pb.gz .txt "
				    "(default: standard output)", 0 },
	{ "format", 'f', "FORMAT", 0, "html, svg, folded, text or pprof, whatever the ending (default: by the ending, else text)", 0 },
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct report_opts *o = state->input;

	switch (key) {
	case 'o':
		o->output = arg;
		break;
	case 'f':
		o->format = arg;
		break;
	case ARGP_KEY_ARG:
		if (o->input)
			cli__usage_error("one capture at a time: ukprof report FILE.ukp", "'%s' is one file too many", arg);
		o->input = arg;
		break;
	case ARGP_KEY_END:
		if (!o->input)
			cli__usage_error("ukprof report FILE.ukp; it is made by: ukprof record -o FILE.ukp",
					 "the capture file is missing");
		break;
	default:
		return cmd_view__parse(key, arg, &o->view);
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse_opt,
	.args_doc = "FILE.ukp",
	.doc = "Show or convert a capture file.\v"
	       "Examples:\n"
	       "  ukprof report web.ukp                       hottest functions and stacks\n"
	       "  ukprof report web.ukp -o web.folded         any format, later\n"
	       "  ukprof report web.ukp -s app.dbg -o w.html  with a better image\n"
	       "  ukprof report - <web.ukp                    from standard input",
	.children = cli_common,
};

static int read_capture(const char *path, struct recording *rec)
{
	enum capture_verdict verdict;
	uint64_t cut;

	verdict = capture__read(path, rec, &cut);
	if (verdict) {
		log_err("capture: %s: %s%s%s", path, capture__verdict_str(verdict),
			verdict == CAPTURE_UNREADABLE ? ": " : "",
			verdict == CAPTURE_UNREADABLE ? strerror(errno) : "");
		if (verdict == CAPTURE_NOT_CAPTURE)
			log_hint("a capture is made by: ukprof record -o FILE.ukp");
		if (verdict == CAPTURE_NEWER)
			log_hint("this is ukprof %s: use the one that recorded, or a newer one", UKPROF_VERSION);
		return CLI_FAILED;
	}
	if (recording__how_ended(rec) == RECORDING_CUT) {
		log_warn("capture: %s: cut short: the recorder was killed or the file is not whole: what is there is used",
			 path);
		if (cut)
			log_debug("capture: %s: %" PRIu64 " bytes at the end are no whole chunk", path, cut);
	}
	return CLI_OK;
}

static int run_report(struct report_opts *o)
{
	const char *path = o->output ? o->output : "-";
	const struct exporter *exporter;
	struct recording *rec = NULL;
	struct snapshot *snap = NULL;
	struct readers *readers = NULL;
	struct naming *naming = NULL;
	struct output *out = NULL;
	struct naming_what what;
	bool is_exits;
	int ret, err;

	exporter = cli__format(o->format ? o->format : o->output ? NULL : "text", o->output, false);
	if (!exporter)
		return CLI_USAGE;
	if (!cmd_image__start_readers(&readers))
		return CLI_FAILED;
	o->view.images.readers = readers;
	err = cmd_view__naming(&o->view, &naming);
	if (!err)
		err = recording__new(&rec);
	ret = CLI_FAILED;
	if (err == -EINVAL)
		goto out;
	if (err)
		goto no_memory;
	ret = read_capture(o->input, rec);
	if (ret)
		goto out;
	ret = CLI_FAILED;
	out = output__open(path, false, exporter->is_binary);
	if (!out)
		goto out;
	is_exits = recording__is_of_exits(rec);
	what = cmd_view__what(&o->view, is_exits);
	if (!is_exits && o->view.exits_only) {
		log_err("report: %s: %s is about VM exits, and this capture is of samples", o->input,
			o->view.exits_only);
		log_hint("record with --exits to look at VM exits");
		ret = CLI_USAGE;
		goto out;
	}
	err = naming__snapshot(naming, rec, &what, &snap);
	if (!snap)
		goto no_memory;
	ret = cli__export(snap, exporter, out, path);
	out = NULL;
	if (is_exits)
		account__print_exits(rec, naming__unresolved(naming, rec, true));
	else
		account__print(rec, naming__unresolved(naming, rec, false));
	if (!ret && err)
		ret = CLI_FAILED;
	goto out;

no_memory:
	log_err("report: out of memory");
out:
	output__abandon(out);
	snapshot__put(snap);
	recording__free(rec);
	naming__free(naming);
	readers__stop(readers);
	return ret;
}

static int run(int argc, char **argv)
{
	struct report_opts o = { 0 };

	cli__parse(&argp, argc, argv, &o);
	cli__abort_on_signal();
	return run_report(&o);
}

const struct cli_verb verb_report = { "report", "show a capture, or turn it into another format", run };
