/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * stat_kvmexit - the layout of bcc's kvmexit for one PID, most exits first; several VMs follow each other.
 *
 * Source: bcc tools/kvmexit.py.
 */
#include "stat_formats.h"

#include <inttypes.h>
#include <stdlib.h>

#include "exit_names.h"
#include "exit_stats.h"
#include "sink.h"
#include "stat_rows.h"
#include "strbuf.h"

/* Equal counts: the higher code first, as there. */
static int by_count(const void *pa, const void *pb)
{
	const struct exit_row *a = pa, *b = pb;

	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	if (a->isa != b->isa)
		return a->isa < b->isa ? 1 : -1;
	return (a->reason < b->reason) - (a->reason > b->reason);
}

static int put_report(struct sink *sink, const struct exit_stats *stats,
		      const struct exit_filter *reasons, uint32_t vm, int64_t vcpu)
{
	struct strbuf sb = { 0 };
	struct stat_rows r;
	size_t i;
	int err;

	err = stat_rows__new(&r, stats, reasons, vm, vcpu);
	if (err)
		return err;
	qsort(r.rows, r.nr, sizeof(*r.rows), by_count);
	sink__printf(sink, "Display kvm exit reasons and statistics for PID %d",
		     stats->vms[vm].pid);
	if (vcpu != STAT_ALL)
		sink__printf(sink, " VCPU %" PRId64, vcpu);
	sink__printf(sink, " after sleeping %" PRIu64 " secs.\n", stats->duration_ns / 1000000000);
	sink__printf(sink, "%-35s %s\n", "KVM_EXIT_REASON", "COUNT");
	for (i = 0; i < r.nr && r.rows[i].count; i++) {
		strbuf__truncate(&sb, 0);
		exit_names__reason(&sb, r.rows[i].isa, r.rows[i].reason);
		sink__printf(sink, "%-35s %-8" PRIu64 "\n", strbuf__str(&sb), r.rows[i].count);
	}
	err = strbuf__err(&sb);
	strbuf__free(&sb);
	stat_rows__free(&r);
	return err;
}

static int write_kvmexit(const struct exit_stats *stats, const struct stat_opts *opts,
			 struct sink *sink)
{
	int64_t vcpu;
	size_t vm;
	int err = 0;

	for (vm = 0; vm < stats->nr_vms && !err; vm++) {
		vcpu = stat_rows__next_vcpu(stats, vm, 0);
		if (!opts->per_vcpu || vcpu < 0) {
			err = put_report(sink, stats, opts->reasons, vm, STAT_ALL);
			continue;
		}
		for (; vcpu >= 0 && !err; vcpu = stat_rows__next_vcpu(stats, vm, vcpu + 1))
			err = put_report(sink, stats, opts->reasons, vm, vcpu);
	}
	return err ? err : sink__error(sink);
}

const struct stat_format stat_format_kvmexit = {
	.name = "kvmexit",
	.help = "the layout of bcc's kvmexit; counts only",
	.write = write_kvmexit,
};
