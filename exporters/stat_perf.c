/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * stat_perf - the layout of "perf kvm stat report --stdio", for scripts that read it.
 *
 * Samples are the exits whose time is known, as there. perf keeps the sum of squares for its relative error of
 * the mean; here it is estimated from the histogram.
 *
 * Source: perf 6.1, builtin-kvm.c, print_result().
 */
#include "stat_formats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exit_names.h"
#include "exit_stats.h"
#include "sink.h"
#include "stat_rows.h"
#include "strbuf.h"

#define NAME_WIDTH 20

static double square_root(double x)
{
	double root = x > 1 ? x : 1;
	int i;

	/* Newton's method: halves first, then doubles the digits. 128 steps reach any double. */
	for (i = 0; i < 128 && x > 0; i++)
		root = (root + x / root) / 2;
	return x > 0 ? root : 0;
}

/* Standard error of the mean in percent of it. */
static double relative_error(const struct exit_row *row)
{
	double mean, at, squares = 0;
	size_t i;

	if (row->nr_timed < 2 || !row->total_ns)
		return 0;
	mean = (double)row->total_ns / row->nr_timed;
	for (i = 0; i < EXIT_NR_BUCKETS; i++) {
		at = 1.5 * (1ull << i);
		at = at < row->min_ns ? row->min_ns : at > row->max_ns ? row->max_ns : at;
		squares += row->buckets[i] * (at - mean) * (at - mean);
	}
	return square_root(squares / (row->nr_timed - 1) / row->nr_timed) / mean * 100;
}

/* As "%*.2f", without the locale. */
static void put_fixed(struct sink *sink, int width, double value)
{
	uint64_t hundredths = value * 100 + 0.5;
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 ".%02u", hundredths / 100,
		 (unsigned int)(hundredths % 100));
	sink__printf(sink, "%*s", width, text);
}

static int by_samples(const void *pa, const void *pb)
{
	const struct exit_row *a = pa, *b = pb;

	if (a->nr_timed != b->nr_timed)
		return a->nr_timed < b->nr_timed ? 1 : -1;
	if (a->isa != b->isa)
		return a->isa < b->isa ? -1 : 1;
	return (a->reason > b->reason) - (a->reason < b->reason);
}

static int put_row(struct sink *sink, const struct exit_row *row, const struct exit_row *total)
{
	struct strbuf sb = { 0 };
	int err;

	/* perf has no name for a failed entry, either; two words would be two columns for a reader. */
	if (row->isa == EXIT_ISA_VMX && row->reason > 0xffff)
		strbuf__printf(&sb, "UNKNOWN_0x%" PRIx32, row->reason);
	else
		exit_names__reason(&sb, row->isa, row->reason);
	strbuf__truncate(&sb, NAME_WIDTH - 1); /* perf's buffer */
	err = strbuf__err(&sb);
	sink__printf(sink, "%*s %10" PRIu64 " ", NAME_WIDTH, strbuf__str(&sb), row->nr_timed);
	strbuf__free(&sb);
	put_fixed(sink, 8, (double)row->nr_timed / total->nr_timed * 100);
	sink__puts(sink, "% ");
	put_fixed(sink, 8, total->total_ns ? (double)row->total_ns / total->total_ns * 100 : 0);
	sink__puts(sink, "% ");
	put_fixed(sink, 9, row->min_ns / 1e3);
	sink__puts(sink, "us ");
	put_fixed(sink, 9, row->max_ns / 1e3);
	sink__puts(sink, "us ");
	put_fixed(sink, 9, (double)row->total_ns / row->nr_timed / 1e3);
	sink__puts(sink, "us ( +-");
	put_fixed(sink, 7, relative_error(row));
	sink__puts(sink, "% )\n");
	return err;
}

static uint64_t nr_lost(const struct exit_stats *stats)
{
	size_t i;

	for (i = 0; i < stats->nr_counters; i++)
		if (!strcmp(stats->counters[i].label, "lost"))
			return stats->counters[i].value;
	return 0;
}

static int put_report(struct sink *sink, const struct exit_stats *stats,
		      const struct exit_filter *reasons, int64_t vm, int64_t vcpu)
{
	struct exit_row total = { 0 };
	struct stat_rows r;
	size_t i;
	int err;

	err = stat_rows__new(&r, stats, reasons, vm, vcpu);
	if (err)
		return err;
	qsort(r.rows, r.nr, sizeof(*r.rows), by_samples);
	sink__puts(sink, "\n\nAnalyze events for ");
	if (vm == STAT_ALL)
		sink__puts(sink, "all VMs, ");
	else
		sink__printf(sink, "pid(s) %d, ", stats->vms[vm].pid);
	if (vcpu == STAT_ALL)
		sink__puts(sink, "all VCPUs:\n\n");
	else
		sink__printf(sink, "VCPU %" PRId64 ":\n\n", vcpu);
	sink__printf(sink, "%*s %10s %9s %9s %11s %11s %16s \n\n", NAME_WIDTH, "VM-EXIT", "Samples",
		     "Samples%", "Time%", "Min Time", "Max Time", "Avg time");
	for (i = 0; i < r.nr; i++)
		stat_rows__add(&total, &r.rows[i]);
	for (i = 0; i < r.nr && r.rows[i].nr_timed && !err; i++)
		err = put_row(sink, &r.rows[i], &total);
	sink__printf(sink,
		     "\nTotal Samples:%" PRIu64 ", Total events handled time:", total.nr_timed);
	put_fixed(sink, 0, total.total_ns / 1e3);
	sink__puts(sink, "us.\n\n");
	if (nr_lost(stats))
		sink__printf(sink, "\nLost events: %" PRIu64 "\n\n", nr_lost(stats));
	stat_rows__free(&r);
	return err;
}

static int write_perf(const struct exit_stats *stats, const struct stat_opts *opts,
		      struct sink *sink)
{
	int64_t vcpu;
	size_t vm;
	int err = 0;

	if (!opts->per_vcpu) {
		err = put_report(sink, stats, opts->reasons, stats->nr_vms == 1 ? 0 : STAT_ALL,
				 STAT_ALL);
		return err ? err : sink__error(sink);
	}
	for (vm = 0; vm < stats->nr_vms; vm++) {
		vcpu = stat_rows__next_vcpu(stats, vm, 0);
		for (; vcpu >= 0 && !err; vcpu = stat_rows__next_vcpu(stats, vm, vcpu + 1))
			err = put_report(sink, stats, opts->reasons, vm, vcpu);
	}
	return err ? err : sink__error(sink);
}

const struct stat_format stat_format_perf = {
	.name = "perf",
	.help = "the layout of perf kvm stat report; no functions",
	.write = write_perf,
};
