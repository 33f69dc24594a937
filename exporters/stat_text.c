/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stat_text - VM exits to read on a terminal: where the time goes, who handles them, the account. */
#include "stat_formats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exit_names.h"
#include "exit_stats.h"
#include "name.h"
#include "sink.h"
#include "stat_format.h"
#include "stat_rows.h"
#include "stat_table.h"
#include "strbuf.h"

#define NS_PER_S 1000000000ull

/* --- cells; printf's %f follows the locale, so fractions are made of integers --- */

/* @number in 3 significant digits or all before the point, with a unit: "870ns", "1.23us", "12.0ms", "1234s". */
static void print_time(struct strbuf *sb, uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	uint64_t unit = 1, next;
	size_t i = 0;

	/* 999.5us would round to 1000us. */
	for (; i + 1 < sizeof(units) / sizeof(units[0]) && ns >= 1000 * unit - unit / 2; i++)
		unit *= 1000;
	if (!i) {
		strbuf__printf(sb, "%" PRIu64 "ns", ns);
		return;
	}
	next = unit / 100;
	if (ns / next < 1000 && (ns + next / 2) / next < 1000) { /* up to 9.99 */
		ns = (ns + next / 2) / next;
		strbuf__printf(sb, "%" PRIu64 ".%02u%s", ns / 100, (unsigned int)(ns % 100),
			       units[i]);
		return;
	}
	next = unit / 10;
	if (ns / next < 1000 && (ns + next / 2) / next < 1000) { /* up to 99.9 */
		ns = (ns + next / 2) / next;
		strbuf__printf(sb, "%" PRIu64 ".%u%s", ns / 10, (unsigned int)(ns % 10), units[i]);
		return;
	}
	strbuf__printf(sb, "%" PRIu64 "%s", ns / unit + (ns % unit >= unit / 2), units[i]);
}

static void time_cell(struct stat_table *t, const char *mark, uint64_t ns, bool is_known)
{
	if (is_known) {
		strbuf__puts(&t->text, mark);
		print_time(&t->text, ns);
	} else {
		strbuf__addc(&t->text, '-');
	}
	stat_table__end(t);
}

static void rate_cell(struct stat_table *t, uint64_t count, uint64_t duration_ns)
{
	double rate;

	if (!duration_ns) {
		stat_table__puts(t, "-");
		return;
	}
	rate = (double)count * NS_PER_S / duration_ns;
	if (rate >= 99.95) {
		stat_table__printf(t, "%" PRIu64,
				   rate < 1e18 ? (uint64_t)(rate + 0.5) : UINT64_MAX);
		return;
	}
	count = rate * 10 + 0.5;
	stat_table__printf(t, "%" PRIu64 ".%u", count / 10, (unsigned int)(count % 10));
}

static void percent_cell(struct stat_table *t, uint64_t part, uint64_t whole)
{
	unsigned int tenths = whole ? (double)part / whole * 1000 + 0.5 : 0;

	if (whole)
		stat_table__printf(t, "%u.%u%%", tenths / 10, tenths % 10);
	else
		stat_table__puts(t, "-");
}

/* Whose code ran before the guest went on. Some of both is never shown as 0% or 100%. */
static void handler_cell(struct stat_table *t, uint64_t nr_user, uint64_t nr)
{
	unsigned int percent;

	if (!nr) {
		stat_table__puts(t, "-");
	} else if (!nr_user) {
		stat_table__puts(t, "kernel");
	} else if (nr_user >= nr) {
		stat_table__puts(t, "vmm");
	} else {
		percent = (double)nr_user / nr * 100 + 0.5;
		stat_table__printf(t, "vmm %u%%", percent < 1 ? 1 : percent > 99 ? 99 : percent);
	}
}

/* --- reasons --- */

static void row_cells(struct stat_table *t, const struct exit_row *row, uint64_t duration_ns)
{
	stat_table__printf(t, "%" PRIu64, row->count);
	rate_cell(t, row->count, duration_ns);
	time_cell(t, "", row->total_ns, row->nr_timed);
}

static void time_cells(struct stat_table *t, const struct exit_row *row)
{
	bool is_timed = row->nr_timed;

	time_cell(t, "", is_timed ? row->total_ns / row->nr_timed : 0, is_timed);
	time_cell(t, "~", stat_rows__percentile_ns(row, 50), is_timed);
	time_cell(t, "~", stat_rows__percentile_ns(row, 99), is_timed);
	time_cell(t, "", row->max_ns, is_timed);
	handler_cell(t, row->nr_user, row->nr_timed);
}

/* @busy_ns: time of all that is not idle; 0 leaves the percentage out. */
static void add_row(struct stat_table *t, const char *name, const struct exit_row *row,
		    uint64_t duration_ns, uint64_t busy_ns)
{
	if (name)
		strbuf__puts(&t->text, name);
	else
		exit_names__reason(&t->text, row->isa, row->reason);
	stat_table__end(t);
	row_cells(t, row, duration_ns);
	percent_cell(t, row->total_ns, busy_ns);
	time_cells(t, row);
}

static int by_time(const void *pa, const void *pb)
{
	const struct exit_row *a = pa, *b = pb;

	if (a->total_ns != b->total_ns)
		return a->total_ns < b->total_ns ? 1 : -1;
	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	if (a->isa != b->isa)
		return a->isa < b->isa ? -1 : 1;
	return (a->reason > b->reason) - (a->reason < b->reason);
}

static void add_head(struct stat_table *t, const char *const *titles)
{
	for (; *titles; titles++)
		stat_table__puts(t, *titles);
}

/* @nr_others: exits of reasons that are not shown. */
static void print_none(struct sink *sink, uint64_t nr_others)
{
	if (nr_others)
		sink__printf(sink, "no VM exits of these reasons, %" PRIu64 " of others\n", nr_others);
	else
		sink__puts(sink, "no VM exits: the guest did not run, or never left guest mode\n");
}

/* The table of one VM, or of one of its vCPUs. */
static int print_reasons(struct sink *sink, const struct exit_stats *stats,
			 const struct exit_filter *reasons, uint32_t vm, int64_t vcpu)
{
	static const char *const titles[] = { "reason", "exits",      "exits/s", "time",
					      "time%",  "avg",        "p50",     "p99",
					      "max",    "handled in", NULL };
	struct stat_table t = { .align = "lrrrrrrrrl" };
	struct exit_row busy = { 0 }, shown = { 0 };
	struct stat_rows r;
	size_t i, nr_idle = 0;
	int err;

	err = stat_rows__new(&r, stats, reasons, vm, vcpu);
	if (err)
		return err;
	sink__puts(sink, "\n");
	if (vcpu != STAT_ALL)
		sink__printf(sink, "vCPU %" PRId64 "\n", vcpu);
	if (!r.nr) {
		print_none(sink, r.all.count);
		goto out;
	}
	qsort(r.rows, r.nr, sizeof(*r.rows), by_time);
	for (i = 0; i < r.nr; i++) {
		stat_rows__add(&shown, &r.rows[i]);
		if (exit_names__is_idle(r.rows[i].isa, r.rows[i].reason))
			nr_idle++;
		else
			stat_rows__add(&busy, &r.rows[i]);
	}
	add_head(&t, titles);
	for (i = 0; i < r.nr; i++)
		if (!exit_names__is_idle(r.rows[i].isa, r.rows[i].reason))
			add_row(&t, NULL, &r.rows[i], stats->duration_ns, busy.total_ns);
	add_row(&t, "total", &busy, stats->duration_ns, busy.total_ns);
	if (nr_idle) {
		stat_table__blank(&t);
		for (i = 0; i < r.nr; i++) {
			if (!exit_names__is_idle(r.rows[i].isa, r.rows[i].reason))
				continue;
			exit_names__reason(&t.text, r.rows[i].isa, r.rows[i].reason);
			add_row(&t, " (idle)", &r.rows[i], stats->duration_ns, 0);
		}
		add_row(&t, "total with idle", &shown, stats->duration_ns, 0);
	}
	if (reasons) {
		stat_table__blank(&t);
		add_row(&t, "all reasons", &r.all, stats->duration_ns, 0);
	}
	err = stat_table__print(&t, sink);
out:
	stat_rows__free(&r);
	return err;
}

/* --- functions --- */

static void place_cell(struct stat_table *t, const struct stat_site *s)
{
	if (s->function) {
		name__clean(&t->text, s->function, 0);
		strbuf__puts(&t->text, s->mark);
		if (s->has_offset && s->offset)
			strbuf__printf(&t->text, "+0x%" PRIx64, s->offset);
	} else if (s->site.has_rip) {
		strbuf__printf(&t->text, "0x%" PRIx64, s->site.rip);
	} else {
		strbuf__puts(&t->text, "[rip unknown]");
	}
	stat_table__end(t);
}

static void site_cells(struct stat_table *t, const struct exit_stats *stats,
		       const struct exit_site *s)
{
	stat_table__printf(t, "%" PRIu64, s->count);
	rate_cell(t, s->count, stats->duration_ns);
	time_cell(t, "", s->total_ns, true);
	time_cell(t, "", s->count ? s->total_ns / s->count : 0, s->count);
}

static void rest_cells(struct stat_table *t, const char *what)
{
	stat_table__puts(t, what);
	stat_table__puts(t, "");
	stat_table__puts(t, "");
}

static int print_functions(struct sink *sink, const struct exit_stats *stats,
			   const struct stat_opts *opts, uint32_t vm)
{
	const char *const titles[] = { "exits", "exits/s", "time", "avg", opts->by_library ? "library" : "function",
				       "reason", "what for", NULL };
	struct stat_table t = { .align = "rrrrlll" };
	struct exit_site total = { 0 }, rest = { 0 };
	struct stat_sites r;
	const struct exit_site *s;
	size_t i, nr;
	char what[64];
	int err;

	err = stat_sites__new(&r, stats, opts->reasons, vm, opts->by_library);
	if (err)
		return err;
	sink__puts(sink, "\n");
	if (!r.nr) {
		print_none(sink, r.all.count);
		goto out;
	}
	nr = opts->top && opts->top < r.nr ? opts->top : r.nr;
	add_head(&t, titles);
	for (i = 0; i < r.nr; i++) {
		s = &r.sites[i].site;
		stat_sites__add(&total, s);
		if (i >= nr) {
			stat_sites__add(&rest, s);
			continue;
		}
		site_cells(&t, stats, s);
		place_cell(&t, &r.sites[i]);
		exit_names__reason(&t.text, s->isa, s->reason);
		stat_table__end(&t);
		exit_names__detail(&t.text, stats->vms[vm].vmm, s->detail, s->value);
		stat_table__end(&t);
	}
	if (nr < r.nr) {
		site_cells(&t, stats, &rest);
		snprintf(what, sizeof(what), "[%zu more row%s]", r.nr - nr,
			 r.nr - nr == 1 ? "" : "s");
		rest_cells(&t, what);
	}
	site_cells(&t, stats, &total);
	rest_cells(&t, "total");
	if (opts->reasons) {
		site_cells(&t, stats, &r.all);
		rest_cells(&t, "all reasons");
	}
	err = stat_table__print(&t, sink);
out:
	stat_sites__free(&r);
	return err;
}

/* --- the rest --- */

static int print_clean(struct sink *sink, const char *str)
{
	struct strbuf sb = { 0 };
	int err;

	name__clean(&sb, str ? str : "", 0);
	err = strbuf__err(&sb);
	sink__puts(sink, strbuf__str(&sb));
	strbuf__free(&sb);
	return err;
}

static int print_vm(struct sink *sink, const struct exit_stats *stats, const struct exit_vm *vm,
		    const struct stat_opts *opts)
{
	uint64_t tenths =
		stats->duration_ns / 100000000 + (stats->duration_ns % 100000000 >= 50000000);
	int err;

	sink__puts(sink, "# vm ");
	err = print_clean(sink, vm->name);
	sink__puts(sink, " (");
	if (!err)
		err = print_clean(sink, vm->vmm);
	sink__printf(sink, ", PID %d), %" PRIu64 ".%u s", vm->pid, tenths / 10,
		     (unsigned int)(tenths % 10));
	if (opts->by_function && !vm->syms)
		sink__puts(sink, ", no image");
	else if (opts->by_function && !vm->verified)
		sink__puts(sink, ", image not verified");
	sink__puts(sink, "\n");
	return err;
}

static int print_virqs(struct sink *sink, const struct exit_stats *stats, uint32_t vm)
{
	static const char *const titles[] = { "vector", "injected", "per s", NULL };
	struct stat_table t = { .align = "lrr" };
	uint64_t total = 0;
	size_t i, nr = 0;

	for (i = 0; i < stats->nr_virqs; i++) {
		if (stats->virqs[i].vm != vm)
			continue;
		if (!nr++)
			add_head(&t, titles);
		stat_table__printf(&t, "0x%02" PRIx32, stats->virqs[i].vector);
		stat_table__printf(&t, "%" PRIu64, stats->virqs[i].count);
		rate_cell(&t, stats->virqs[i].count, stats->duration_ns);
		stat_rows__sum(&total, stats->virqs[i].count);
	}
	if (!nr)
		return 0;
	stat_table__puts(&t, "total");
	stat_table__printf(&t, "%" PRIu64, total);
	rate_cell(&t, total, stats->duration_ns);
	sink__puts(sink, "\ninterrupts injected into the guest\n");
	return stat_table__print(&t, sink);
}

static int print_account(struct sink *sink, const struct exit_stats *stats)
{
	size_t i, nr = 0;
	int err = 0;

	for (i = 0; i < stats->nr_counters && !err; i++) {
		if (!stats->counters[i].value)
			continue;
		sink__puts(sink, nr++ ? " " : "\n# counters: ");
		err = print_clean(sink, stats->counters[i].label);
		sink__printf(sink, " %" PRIu64, stats->counters[i].value);
	}
	if (nr)
		sink__puts(sink, "\n");
	for (i = 0; i < stats->nr_costs && !err; i++) {
		if (!stats->costs[i].runs)
			continue;
		sink__puts(sink, nr++ ? "# cost: " : "\n# cost: ");
		err = print_clean(sink, stats->costs[i].program);
		sink__printf(sink, " %" PRIu64 " ns per run, %" PRIu64 " runs\n",
			     stats->costs[i].run_ns / stats->costs[i].runs, stats->costs[i].runs);
	}
	return err;
}

/* What each level of detail was used for, and what our programs took of the vCPUs' time. */
static int print_levels(struct sink *sink, const struct exit_stats *stats)
{
	const struct exit_level *l;
	size_t i;
	int err = 0;

	for (i = 0; i < stats->nr_levels && !err; i++) {
		l = &stats->levels[i];
		sink__printf(sink, "# level %s: %" PRIu64 ".%u s", l->name, l->ns / 1000000000,
			     (unsigned int)(l->ns / 100000000 % 10));
		if (l->samples)
			sink__printf(sink, ", %" PRIu64 " samples", l->samples);
		if (l->measured_samples)
			sink__printf(sink, " at %" PRIu64 " ns each", l->sample_run_ns / l->measured_samples);
		if (l->exits)
			sink__printf(sink, ", %" PRIu64 " exits", l->exits);
		if (l->measured_exits)
			sink__printf(sink, " at %" PRIu64 " ns each", l->exit_run_ns / l->measured_exits);
		if (!l->samples && !l->exits)
			sink__puts(sink, ", at no cost to the guest");
		sink__puts(sink, "\n");
	}
	return err;
}

/* KVM's own statistics: all that there is below the level "exits". */
static int print_kvm(struct sink *sink, const struct exit_stats *stats, uint32_t vm)
{
	static const char *const titles[] = { "KVM's own statistics", "count", "per second", NULL };
	struct stat_table t = { .align = "lrr" };
	const struct exit_kvm_stat *k;
	size_t i, nr = 0;

	sink__puts(sink, "\n");
	for (i = 0; i < stats->nr_kvm; i++)
		nr += stats->kvm[i].vm == vm && stats->kvm[i].value;
	if (!nr) {
		sink__puts(sink, "KVM counted nothing: the guest did not run, or its statistics can't be read\n");
		return 0;
	}
	add_head(&t, titles);
	for (i = 0; i < stats->nr_kvm; i++) {
		k = &stats->kvm[i];
		if (k->vm != vm || !k->value)
			continue;
		stat_table__puts(&t, k->name);
		stat_table__printf(&t, "%" PRId64, k->value);
		if (k->is_counter && stats->duration_ns)
			stat_table__printf(&t, "%.1f", (double)k->value * 1e9 / (double)stats->duration_ns);
		else
			stat_table__puts(&t, k->is_counter ? "-" : "(a state)");
	}
	return stat_table__print(&t, sink);
}

static void print_places(struct sink *sink, const struct exit_vm *vm)
{
	uint64_t total = vm->nr_place[0] + vm->nr_place[1] + vm->nr_place[2];

	if (total)
		sink__printf(sink, "\n%" PRIu64 " samples: guest %.1f%%, kvm %.1f%%, vmm %.1f%%\n", total,
			     100.0 * vm->nr_place[0] / total, 100.0 * vm->nr_place[1] / total,
			     100.0 * vm->nr_place[2] / total);
}

static int print_block(struct sink *sink, const struct exit_stats *stats,
		       const struct stat_opts *opts, uint32_t vm)
{
	int64_t vcpu;
	int err;

	err = print_vm(sink, stats, &stats->vms[vm], opts);
	if (err)
		return err;
	if (!exit_stats__has_exits(stats)) {
		print_places(sink, &stats->vms[vm]);
		return print_kvm(sink, stats, vm);
	}
	vcpu = stat_rows__next_vcpu(stats, vm, 0);
	if (opts->by_function) {
		err = print_functions(sink, stats, opts, vm);
	} else if (opts->per_vcpu && vcpu >= 0) {
		for (; vcpu >= 0 && !err; vcpu = stat_rows__next_vcpu(stats, vm, vcpu + 1))
			err = print_reasons(sink, stats, opts->reasons, vm, vcpu);
	} else {
		err = print_reasons(sink, stats, opts->reasons, vm, STAT_ALL);
	}
	return err ? err : print_virqs(sink, stats, vm);
}

static int write_text(const struct exit_stats *stats, const struct stat_opts *opts,
		      struct sink *sink)
{
	size_t i;
	int err = 0;

	for (i = 0; i < stats->nr_vms && !err; i++) {
		if (i)
			sink__puts(sink, "\n");
		err = print_block(sink, stats, opts, i);
	}
	if (!stats->nr_vms)
		sink__puts(sink, "# no VMs\n");
	if (!err)
		err = print_account(sink, stats);
	if (!err)
		err = print_levels(sink, stats);
	return err ? err : sink__error(sink);
}

const struct stat_format stat_format_text = {
	.name = "text",
	.help = "exits by reason or function, to read on a terminal",
	.write = write_text,
};
