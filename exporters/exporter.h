/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_EXPORTER_H
#define EXPORTERS_EXPORTER_H

/*
 * exporter - one output format of a profile.
 *
 * A format is a value of this struct with a pure write function: the same snapshot and options give the
 * same bytes, whatever the time, the locale or the machine. Adding a format touches its own file and the
 * table in exporter.c.
 */

#include <stdbool.h>
#include <stddef.h>

struct sink;
struct snapshot;

struct export_opts {
	const char *title; /* for pages and pictures; NULL: made from the VMs' names */
};

struct exporter {
	const char *name;		/* as -f takes it: "folded", "html", "svg", "pprof" */
	const char *const *suffixes;	/* file endings with the dot, NULL-terminated: ".pb.gz", ".pprof" */
	const char *help;		/* one line for --help */
	bool is_binary;			/* must not be written to a terminal */
	/*
	 * Writes the whole profile. Return: 0; -ENOMEM; or the sink's first error.
	 */
	int (*write)(const struct snapshot *snap, const struct export_opts *opts, struct sink *sink);
};

extern const struct exporter exporter_text;
extern const struct exporter exporter_folded;
extern const struct exporter exporter_html;
extern const struct exporter exporter_svg;
extern const struct exporter exporter_pprof;

/** exporter__table() - all formats, NULL-terminated, in the order in which help shows them. */
const struct exporter *const *exporter__table(void);

/** exporter__by_name() - the format called @name, or NULL. */
const struct exporter *exporter__by_name(const char *name);

/** exporter__by_path() - the format whose suffix ends @path (the longest wins), or NULL. */
const struct exporter *exporter__by_path(const char *path);

#endif /* EXPORTERS_EXPORTER_H */
