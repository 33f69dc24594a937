/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main - choose the verb. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "log.h"

static const struct cli_verb *const verbs[] = {
	&verb_record, &verb_report, &verb_stat, &verb_serve, &verb_list, &verb_check, NULL,
};

static void print_help(FILE *f)
{
	const struct cli_verb *const *v;

	fprintf(f, "Usage: ukprof VERB [OPTION...]\n\n"
		   "Profile unikernels under KVM from the host: no agent, no rebuild, no pause.\n\n");
	for (v = verbs; *v; v++)
		fprintf(f, "  %-8s %s\n", (*v)->name, (*v)->help);
	fprintf(f, "\nExamples:\n"
		   "  ukprof list                            which VMs run here\n"
		   "  ukprof record -p 4242 -d 10 -o x.html  flame graph of ten seconds\n"
		   "  ukprof serve                           metrics, profiles and live pages\n"
		   "  ukprof check                           what this host can do\n"
		   "\n'ukprof VERB --help' has the options of a verb.\n");
}

static void report_unknown(const char *word)
{
	const char *names[sizeof(verbs) / sizeof(verbs[0])] = { NULL };
	char list[256] = "";
	const char *nearest;
	size_t i, len = 0;

	for (i = 0; verbs[i]; i++) {
		names[i] = verbs[i]->name;
		len += snprintf(list + len, sizeof(list) - len, " %s", names[i]);
	}
	nearest = cli__nearest(word, names);
	log_err("ukprof: no verb is called '%s'", word);
	if (nearest)
		log_hint("did you mean: ukprof %s?", nearest);
	else
		log_hint("verbs are%s; 'ukprof --help' explains them", list);
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
	report_unknown(argv[1]);
	return CLI_USAGE;
}
