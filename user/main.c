/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main - choose the verb. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const struct cli_verb *const verbs[] = {
	&verb_record, &verb_report, &verb_list, &verb_check, NULL,
};

static void print_help(FILE *f)
{
	const struct cli_verb *const *v;

	fprintf(f, "Usage: ukprof VERB [OPTION...]\n\n"
		   "Profile unikernels under KVM from the host: no agent, no rebuild, no pause.\n\n");
	for (v = verbs; *v; v++)
		fprintf(f, "  %-8s %s\n", (*v)->name, (*v)->help);
	fprintf(f, "\nExamples:\n"
		   "  ukprof list                           which VMs run here\n"
		   "  ukprof record -p 4242 -d 10 -o x.html flame graph of ten seconds\n"
		   "  ukprof check                          what this host can do\n"
		   "\n'ukprof VERB --help' has the options of a verb.\n");
}

int main(int argc, char **argv)
{
	static char list[] = "list";
	static char *no_args[] = { list, NULL };
	const struct cli_verb *const *v;

	if (argc < 2)
		return verb_list.run(1, no_args);
	if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		print_help(stdout);
		return CLI_OK;
	}
	if (!strcmp(argv[1], "-V") || !strcmp(argv[1], "--version")) {
		printf("ukprof %s\n", UKPROF_VERSION);
		return CLI_OK;
	}
	for (v = verbs; *v; v++)
		if (!strcmp(argv[1], (*v)->name))
			return (*v)->run(argc - 1, argv + 1);
	fprintf(stderr, "err: ukprof: no verb is called '%s'\n", argv[1]);
	fprintf(stderr, "hint: verbs are");
	for (v = verbs; *v; v++)
		fprintf(stderr, " %s", (*v)->name);
	fprintf(stderr, "; 'ukprof --help' explains them\n");
	return CLI_USAGE;
}
