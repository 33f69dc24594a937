/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stat_csv - a row for each reason and vCPU, or for each site; RFC 4180 with a header row. */
#include "stat_formats.h"

#include <inttypes.h>
#include <string.h>

#include "exit_filter.h"
#include "exit_names.h"
#include "exit_stats.h"
#include "name.h"
#include "sink.h"
#include "stat_rows.h"
#include "strbuf.h"

static void put_field(struct sink *sink, const char *str)
{
	if (!strpbrk(str, "\",\r\n")) {
		sink__puts(sink, str);
		return;
	}
	sink__puts(sink, "\"");
	for (; *str; str++)
		sink__write(sink, *str == '"' ? "\"\"" : str, *str == '"' ? 2 : 1);
	sink__puts(sink, "\"");
}

/* A name and what follows it; NULL is an empty field. */
static int put_marked(struct sink *sink, const char *name, const char *mark)
{
	struct strbuf sb = { 0 };
	int err;

	if (!name)
		return 0;
	name__clean(&sb, name, 0);
	strbuf__puts(&sb, mark);
	err = strbuf__err(&sb);
	put_field(sink, strbuf__str(&sb));
	strbuf__free(&sb);
	return err;
}

static int put_name(struct sink *sink, const char *name)
{
	return put_marked(sink, name, "");
}

static int put_reason(struct sink *sink, uint32_t isa, uint32_t reason)
{
	struct strbuf sb = { 0 };
	int err;

	exit_names__reason(&sb, isa, reason);
	err = strbuf__err(&sb);
	put_field(sink, strbuf__str(&sb));
	strbuf__free(&sb);
	return err;
}

static int put_row(struct sink *sink, const struct exit_stats *stats, const struct exit_row *row)
{
	int err, err2;

	err = put_name(sink, stats->vms[row->vm].name);
	sink__printf(sink, ",%" PRIu32 ",%s,%" PRIu32 ",", row->vcpu, stat_rows__isa_name(row->isa),
		     row->reason);
	err2 = put_reason(sink, row->isa, row->reason);
	sink__printf(sink,
		     ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
		     ",%" PRIu64 "\r\n",
		     row->count, row->nr_timed, row->total_ns, row->min_ns, row->max_ns,
		     row->nr_user, row->user_ns);
	return err ? err : err2;
}

static int put_site(struct sink *sink, const struct exit_stats *stats, const struct exit_site *site)
{
	struct stat_site s;
	int err, err2, err3;

	stat_site__resolve(&s, stats, site);
	err = put_name(sink, stats->vms[site->vm].name);
	sink__puts(sink, ",");
	err2 = put_marked(sink, s.function, s.mark);
	sink__puts(sink, ",");
	if (s.function)
		sink__printf(sink, "%" PRIu64, s.offset);
	sink__puts(sink, ",");
	if (site->has_rip)
		sink__printf(sink, "0x%" PRIx64, site->rip);
	sink__puts(sink, ",");
	err3 = put_reason(sink, site->isa, site->reason);
	sink__printf(sink, ",%s,", exit_names__detail_kind(site->detail));
	if (site->detail != EXIT_DETAIL_NONE)
		sink__printf(sink, "0x%" PRIx64, site->value);
	sink__printf(sink, ",%" PRIu64 ",%" PRIu64 "\r\n", site->count, site->total_ns);
	return err ? err : err2 ? err2 : err3;
}

static int write_csv(const struct exit_stats *stats, const struct stat_opts *opts,
		     struct sink *sink)
{
	size_t i;
	int err = 0;

	if (opts->by_function) {
		sink__puts(sink, "vm,function,offset,rip,reason,detail,value,exits,total_ns\r\n");
		for (i = 0; i < stats->nr_sites && !err; i++)
			if (exit_filter__match(opts->reasons, stats->sites[i].isa,
					       stats->sites[i].reason))
				err = put_site(sink, stats, &stats->sites[i]);
	} else {
		sink__puts(sink,
			   "vm,vcpu,isa,reason_code,reason,exits,timed,total_ns,min_ns,max_ns,"
			   "user_exits,user_ns\r\n");
		for (i = 0; i < stats->nr_rows && !err; i++)
			if (exit_filter__match(opts->reasons, stats->rows[i].isa,
					       stats->rows[i].reason))
				err = put_row(sink, stats, &stats->rows[i]);
	}
	return err ? err : sink__error(sink);
}

const struct stat_format stat_format_csv = {
	.name = "csv",
	.help = "raw numbers for spreadsheets and scripts; all rows",
	.write = write_csv,
};
