/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * stat_json - all there is, as one JSON object.
 *
 * Times are in nanoseconds. Addresses and the like are strings in hexadecimal: JSON's readers keep 53 bits of
 * a number. No option changes that but the choice of reasons: rows and sites are of those, "all" is the sum of
 * all reasons. "schema" grows when a member changes its meaning or goes away.
 */
#include "stat_formats.h"

#include <inttypes.h>

#include "exit_filter.h"
#include "exit_names.h"
#include "exit_stats.h"
#include "markup.h"
#include "name.h"
#include "sink.h"
#include "stat_rows.h"
#include "strbuf.h"

static int put_marked(struct sink *sink, const char *key, const char *name, const char *mark)
{
	struct strbuf sb = { 0 };
	int err;

	sink__printf(sink, "\"%s\":", key);
	if (!name) {
		sink__puts(sink, "null");
		return 0;
	}
	name__clean(&sb, name, 0);
	strbuf__puts(&sb, mark);
	err = strbuf__err(&sb);
	markup__json(sink, strbuf__str(&sb));
	strbuf__free(&sb);
	return err;
}

static int put_name(struct sink *sink, const char *key, const char *name)
{
	return put_marked(sink, key, name, "");
}

static int put_reason(struct sink *sink, uint32_t isa, uint32_t reason)
{
	struct strbuf sb = { 0 };
	int err;

	exit_names__reason(&sb, isa, reason);
	err = strbuf__err(&sb);
	sink__printf(sink, "\"isa\":\"%s\",\"reason_code\":%" PRIu32 ",\"reason\":\"%s\"",
		     stat_rows__isa_name(isa), reason, strbuf__str(&sb));
	strbuf__free(&sb);
	return err;
}

static int put_row(struct sink *sink, const struct exit_row *row)
{
	size_t i;
	int err;

	sink__printf(sink, "{\"vcpu\":%" PRIu32 ",", row->vcpu);
	err = put_reason(sink, row->isa, row->reason);
	sink__printf(sink, ",\"idle\":%s,\"exits\":%" PRIu64 ",\"timed\":%" PRIu64,
		     exit_names__is_idle(row->isa, row->reason) ? "true" : "false", row->count,
		     row->nr_timed);
	sink__printf(sink,
		     ",\"total_ns\":%" PRIu64 ",\"min_ns\":%" PRIu64 ",\"max_ns\":%" PRIu64
		     ",\"user_exits\":%" PRIu64 ",\"user_ns\":%" PRIu64 ",\"buckets\":[",
		     row->total_ns, row->min_ns, row->max_ns, row->nr_user, row->user_ns);
	for (i = 0; i < EXIT_NR_BUCKETS; i++)
		sink__printf(sink, "%s%" PRIu64, i ? "," : "", row->buckets[i]);
	sink__puts(sink, "]}");
	return err;
}

static int put_site(struct sink *sink, const struct exit_stats *stats, const struct exit_site *site)
{
	struct strbuf sb = { 0 };
	struct stat_site s;
	int err, err2;

	stat_site__resolve(&s, stats, site);
	sink__puts(sink, "{");
	err = put_marked(sink, "function", s.function, s.mark);
	if (s.function)
		sink__printf(sink, ",\"offset\":%" PRIu64, s.offset);
	else
		sink__puts(sink, ",\"offset\":null");
	if (site->has_rip)
		sink__printf(sink, ",\"rip\":\"0x%" PRIx64 "\",", site->rip);
	else
		sink__puts(sink, ",\"rip\":null,");
	err2 = put_reason(sink, site->isa, site->reason);
	if (site->detail != EXIT_DETAIL_NONE) {
		exit_names__detail(&sb, stats->vms[site->vm].vmm, site->detail, site->value);
		sink__printf(sink, ",\"detail\":\"%s\",\"value\":\"0x%" PRIx64 "\",\"text\":\"%s\"",
			     exit_names__detail_kind(site->detail), site->value, strbuf__str(&sb));
		if (!err2)
			err2 = strbuf__err(&sb);
		strbuf__free(&sb);
	} else {
		sink__puts(sink, ",\"detail\":null,\"value\":null,\"text\":null");
	}
	sink__printf(sink,
		     ",\"exits\":%" PRIu64 ",\"total_ns\":%" PRIu64 ",\"user_ns\":%" PRIu64 "}",
		     site->count, site->total_ns, site->user_ns);
	return err ? err : err2;
}

/* A comma and a new line between the elements of an array. */
static void separate(struct sink *sink, size_t *nr)
{
	sink__puts(sink, (*nr)++ ? ",\n" : "\n");
}

static void put_all(struct sink *sink, const struct exit_stats *stats, uint32_t vm)
{
	struct exit_row all = { 0 };
	size_t i;

	for (i = 0; i < stats->nr_rows; i++)
		if (stats->rows[i].vm == vm)
			stat_rows__add(&all, &stats->rows[i]);
	sink__printf(sink,
		     "\"all\":{\"exits\":%" PRIu64 ",\"timed\":%" PRIu64 ",\"total_ns\":%" PRIu64 "}",
		     all.count, all.nr_timed, all.total_ns);
}

static int put_vm(struct sink *sink, const struct exit_stats *stats,
		  const struct exit_filter *reasons, uint32_t vm)
{
	const struct exit_vm *v = &stats->vms[vm];
	size_t i, nr;
	int err;

	sink__puts(sink, "{");
	err = put_name(sink, "name", v->name);
	sink__puts(sink, ",");
	if (!err)
		err = put_name(sink, "vmm", v->vmm);
	sink__printf(sink, ",\"pid\":%d,\"verified\":%s,", v->pid, v->verified ? "true" : "false");
	put_all(sink, stats, vm);
	sink__puts(sink, ",\n\"rows\":[");
	for (i = 0, nr = 0; i < stats->nr_rows && !err; i++) {
		if (stats->rows[i].vm != vm ||
		    !exit_filter__match(reasons, stats->rows[i].isa, stats->rows[i].reason))
			continue;
		separate(sink, &nr);
		err = put_row(sink, &stats->rows[i]);
	}
	sink__puts(sink, "],\n\"sites\":[");
	for (i = 0, nr = 0; i < stats->nr_sites && !err; i++) {
		if (stats->sites[i].vm != vm ||
		    !exit_filter__match(reasons, stats->sites[i].isa, stats->sites[i].reason))
			continue;
		separate(sink, &nr);
		err = put_site(sink, stats, &stats->sites[i]);
	}
	sink__printf(sink, "],\n\"samples\":{\"guest\":%" PRIu64 ",\"kvm\":%" PRIu64 ",\"vmm\":%" PRIu64 "},\n\"kvm\":{",
		     v->nr_place[0], v->nr_place[1], v->nr_place[2]);
	for (i = 0, nr = 0; i < stats->nr_kvm && !err; i++) {
		if (stats->kvm[i].vm != vm)
			continue;
		separate(sink, &nr);
		sink__printf(sink, "\"%s\":%" PRId64, stats->kvm[i].name, stats->kvm[i].value);
	}
	sink__puts(sink, "},\n\"virqs\":[");
	for (i = 0, nr = 0; i < stats->nr_virqs; i++) {
		if (stats->virqs[i].vm != vm)
			continue;
		separate(sink, &nr);
		sink__printf(sink, "{\"vector\":%" PRIu32 ",\"injected\":%" PRIu64 "}",
			     stats->virqs[i].vector, stats->virqs[i].count);
	}
	sink__puts(sink, "]}");
	return err;
}

static int write_json(const struct exit_stats *stats, const struct stat_opts *opts,
		      struct sink *sink)
{
	size_t i, nr;
	int err;

	sink__puts(sink, "{\"schema\":1,");
	err = put_name(sink, "level", stats->level);
	sink__printf(sink, ",\"start_wall_ns\":%" PRIu64 ",\"duration_ns\":%" PRIu64 ",\n\"vms\":[",
		     stats->start_wall_ns, stats->duration_ns);
	for (i = 0, nr = 0; i < stats->nr_vms && !err; i++) {
		separate(sink, &nr);
		err = put_vm(sink, stats, opts->reasons, i);
	}
	sink__puts(sink, "],\n\"counters\":[");
	for (i = 0, nr = 0; i < stats->nr_counters && !err; i++) {
		separate(sink, &nr);
		sink__puts(sink, "{");
		err = put_name(sink, "label", stats->counters[i].label);
		sink__puts(sink, ",");
		if (!err)
			err = put_name(sink, "help", stats->counters[i].help);
		sink__printf(sink, ",\"value\":%" PRIu64 "}", stats->counters[i].value);
	}
	sink__puts(sink, "],\n\"costs\":[");
	for (i = 0, nr = 0; i < stats->nr_costs && !err; i++) {
		separate(sink, &nr);
		sink__puts(sink, "{");
		err = put_name(sink, "program", stats->costs[i].program);
		sink__printf(sink, ",\"runs\":%" PRIu64 ",\"run_ns\":%" PRIu64 "}",
			     stats->costs[i].runs, stats->costs[i].run_ns);
	}
	sink__puts(sink, "],\n\"levels\":[");
	for (i = 0, nr = 0; i < stats->nr_levels && !err; i++) {
		const struct exit_level *l = &stats->levels[i];

		separate(sink, &nr);
		sink__puts(sink, "{");
		err = put_name(sink, "level", l->name);
		sink__printf(sink,
			     ",\"ns\":%" PRIu64 ",\"exits\":%" PRIu64 ",\"samples\":%" PRIu64
			     ",\"measured_exits\":%" PRIu64 ",\"exit_run_ns\":%" PRIu64
			     ",\"measured_samples\":%" PRIu64 ",\"sample_run_ns\":%" PRIu64 "}",
			     l->ns, l->exits, l->samples, l->measured_exits, l->exit_run_ns, l->measured_samples,
			     l->sample_run_ns);
	}
	sink__puts(sink, "]}\n");
	return err ? err : sink__error(sink);
}

const struct stat_format stat_format_json = {
	.name = "json",
	.help = "everything as one JSON object",
	.write = write_json,
};
