/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_STAT_FORMAT_H
#define EXPORTERS_STAT_FORMAT_H

/*
 * stat_format - one layout of VM exit statistics. Like an exporter: pure, the same input gives the same
 * bytes.
 */

#include <stdbool.h>

struct exit_filter;
struct exit_stats;
struct sink;

struct stat_opts {
	bool by_function; /* rows are guest functions with reason and detail, instead of reasons */
	bool by_library;  /* with by_function: rows are the functions' libraries (text only) */
	unsigned int top; /* rows of a by_function table; 0: all */
	bool per_vcpu;	  /* a table for each vCPU */
	/*
	 * Reasons to show; NULL: all. Percentages, and totals of the layouts of others, are of what is shown; text
	 * and json tell the sum of all beside it.
	 */
	const struct exit_filter *reasons;
};

struct stat_format {
	const char *name; /* as -f takes it: "text", "perf", "kvmexit", "json", "csv" */
	const char *help;
	int (*write)(const struct exit_stats *stats, const struct stat_opts *opts, struct sink *sink);
};

/** stat_format__table() - all formats, NULL-terminated; the first is the default. */
const struct stat_format *const *stat_format__table(void);
/** stat_format__by_name() - the format called @name, or NULL. */
const struct stat_format *stat_format__by_name(const char *name);

#endif /* EXPORTERS_STAT_FORMAT_H */
