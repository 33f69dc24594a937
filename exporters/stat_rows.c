/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stat_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exit_filter.h"
#include "name.h"
#include "symbolizer.h"

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* --- rows --- */

void stat_rows__sum(uint64_t *sum, uint64_t n)
{
	if (__builtin_add_overflow(*sum, n, sum))
		*sum = UINT64_MAX;
}

static int by_reason(const void *pa, const void *pb)
{
	const struct exit_row *a = pa, *b = pb;

	return a->isa != b->isa ? compare(a->isa, b->isa) : compare(a->reason, b->reason);
}

void stat_rows__add(struct exit_row *sum, const struct exit_row *row)
{
	size_t i;

	if (row->nr_timed && (!sum->nr_timed || row->min_ns < sum->min_ns))
		sum->min_ns = row->min_ns;
	if (row->nr_timed && row->max_ns > sum->max_ns)
		sum->max_ns = row->max_ns;
	stat_rows__sum(&sum->count, row->count);
	stat_rows__sum(&sum->nr_timed, row->nr_timed);
	stat_rows__sum(&sum->total_ns, row->total_ns);
	stat_rows__sum(&sum->nr_user, row->nr_user);
	stat_rows__sum(&sum->user_ns, row->user_ns);
	for (i = 0; i < EXIT_NR_BUCKETS; i++)
		stat_rows__sum(&sum->buckets[i], row->buckets[i]);
}

int stat_rows__new(struct stat_rows *out, const struct exit_stats *stats,
		   const struct exit_filter *reasons, int64_t vm, int64_t vcpu)
{
	struct exit_row all = { 0 };
	const struct exit_row *row;
	struct exit_row *rows;
	size_t nr = 0, i, k;

	rows = calloc(stats->nr_rows + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	for (i = 0; i < stats->nr_rows; i++) {
		row = &stats->rows[i];
		if ((vm != STAT_ALL && row->vm != vm) || (vcpu != STAT_ALL && row->vcpu != vcpu))
			continue;
		stat_rows__add(&all, row);
		if (exit_filter__match(reasons, row->isa, row->reason))
			rows[nr++] = *row;
	}
	qsort(rows, nr, sizeof(*rows), by_reason);
	for (i = 1, k = 0; i < nr; i++) {
		if (by_reason(&rows[k], &rows[i]))
			rows[++k] = rows[i];
		else
			stat_rows__add(&rows[k], &rows[i]);
	}
	out->rows = rows;
	out->nr = nr ? k + 1 : 0;
	out->all = all;
	return 0;
}

void stat_rows__free(struct stat_rows *rows)
{
	free(rows->rows);
	rows->rows = NULL;
	rows->nr = 0;
}

int64_t stat_rows__next_vcpu(const struct exit_stats *stats, uint32_t vm, int64_t from)
{
	int64_t best = -1;
	size_t i;

	for (i = 0; i < stats->nr_rows; i++)
		if (stats->rows[i].vm == vm && stats->rows[i].vcpu >= from &&
		    (best < 0 || stats->rows[i].vcpu < best))
			best = stats->rows[i].vcpu;
	return best;
}

uint64_t stat_rows__percentile_ns(const struct exit_row *row, unsigned int percent)
{
	uint64_t nr = 0, seen = 0, rank, ns = 0, low;
	size_t i;

	for (i = 0; i < EXIT_NR_BUCKETS; i++)
		stat_rows__sum(&nr, row->buckets[i]);
	if (!nr)
		return 0;
	rank = nr / 100 * percent + (nr % 100 * percent + 99) / 100; /* 1 to nr */
	for (i = 0; i < EXIT_NR_BUCKETS; i++) {
		if (rank - seen <= row->buckets[i]) { /* all seen are of lower rank */
			low = i ? 1ull << i : 0;
			/* The middle of the share of the bucket that belongs to this one. */
			ns = low +
			     ((double)(rank - seen) - 0.5) / row->buckets[i] * ((2ull << i) - low);
			break;
		}
		stat_rows__sum(&seen, row->buckets[i]);
	}
	if (ns > row->max_ns)
		ns = row->max_ns;
	return ns < row->min_ns ? row->min_ns : ns;
}

const char *stat_rows__isa_name(uint32_t isa)
{
	return isa == EXIT_ISA_VMX ? "vmx" : isa == EXIT_ISA_SVM ? "svm" : "unknown";
}

/* --- sites --- */

void stat_site__resolve(struct stat_site *out, const struct exit_stats *stats,
			const struct exit_site *site)
{
	const struct sym_frame *frames, *outer;
	size_t nr = 0;

	memset(out, 0, sizeof(*out));
	out->site = *site;
	out->mark = "";
	if (site->has_rip && stats->vms[site->vm].syms)
		nr = symbolizer__resolve(stats->vms[site->vm].syms, site->rip, false, &frames);
	if (!nr)
		return;
	outer = &frames[nr - 1];
	out->function = outer->name;
	out->mark = stats->vms[site->vm].verified && !outer->is_unverified ? "" : NAME_UNVERIFIED;
	out->offset = site->rip - outer->start;
	out->has_offset = true;
}

static void resolve_library(struct stat_site *out, const struct exit_stats *stats, const struct exit_site *site)
{
	const struct sym_frame *frames;

	memset(out, 0, sizeof(*out));
	out->site = *site;
	out->mark = "";
	if (!site->has_rip)
		return;
	out->function = symbolizer__library(stats->vms[site->vm].syms, site->rip, false);
	if (out->function && symbolizer__resolve(stats->vms[site->vm].syms, site->rip, false, &frames) &&
	    (!stats->vms[site->vm].verified || frames[0].is_unverified))
		out->mark = NAME_UNVERIFIED;
	if (!out->function)
		out->function = "[unknown]";
}

/* By function, or by address where there is none; sites without an address come last. */
static int by_place(const struct stat_site *a, const struct stat_site *b)
{
	if (a->site.has_rip != b->site.has_rip)
		return a->site.has_rip ? -1 : 1;
	if (!a->function != !b->function)
		return a->function ? -1 : 1;
	if (a->function)
		return strcmp(a->function, b->function) ? strcmp(a->function, b->function) : strcmp(a->mark, b->mark);
	return a->site.has_rip ? compare(a->site.rip, b->site.rip) : 0;
}

static int by_key(const void *pa, const void *pb)
{
	const struct stat_site *a = pa, *b = pb;
	int diff = by_place(a, b);

	if (!diff)
		diff = compare(a->site.isa, b->site.isa);
	if (!diff)
		diff = compare(a->site.reason, b->site.reason);
	if (!diff)
		diff = compare(a->site.detail, b->site.detail);
	return diff ? diff : compare(a->site.value, b->site.value);
}

static int by_count(const void *pa, const void *pb)
{
	const struct stat_site *a = pa, *b = pb;

	if (a->site.count != b->site.count)
		return compare(b->site.count, a->site.count);
	return by_key(pa, pb);
}

void stat_sites__add(struct exit_site *sum, const struct exit_site *site)
{
	stat_rows__sum(&sum->count, site->count);
	stat_rows__sum(&sum->total_ns, site->total_ns);
	stat_rows__sum(&sum->user_ns, site->user_ns);
}

static void merge(struct stat_site *into, const struct stat_site *s)
{
	if (into->site.rip != s->site.rip)
		into->has_offset = false;
	stat_sites__add(&into->site, &s->site);
}

int stat_sites__new(struct stat_sites *out, const struct exit_stats *stats,
		    const struct exit_filter *reasons, uint32_t vm, bool by_library)
{
	const struct exit_site *site;
	struct exit_site all = { 0 };
	struct stat_site *sites;
	size_t nr = 0, i, k;

	sites = calloc(stats->nr_sites + 1, sizeof(*sites));
	if (!sites)
		return -ENOMEM;
	for (i = 0; i < stats->nr_sites; i++) {
		site = &stats->sites[i];
		if (site->vm != vm)
			continue;
		stat_sites__add(&all, site);
		if (exit_filter__match(reasons, site->isa, site->reason))
			(by_library ? resolve_library : stat_site__resolve)(&sites[nr++], stats, site);
	}
	qsort(sites, nr, sizeof(*sites), by_key);
	for (i = 1, k = 0; i < nr; i++) {
		if (by_key(&sites[k], &sites[i]))
			sites[++k] = sites[i];
		else
			merge(&sites[k], &sites[i]);
	}
	nr = nr ? k + 1 : 0;
	qsort(sites, nr, sizeof(*sites), by_count);
	out->sites = sites;
	out->nr = nr;
	out->all = all;
	return 0;
}

void stat_sites__free(struct stat_sites *sites)
{
	free(sites->sites);
	sites->sites = NULL;
	sites->nr = 0;
}
