/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_STAT_ROWS_H
#define EXPORTERS_STAT_ROWS_H

/*
 * stat_rows - what the layouts of VM exit statistics have in common: rows added up, sites with names.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exit_stats.h"

struct exit_filter;

#define STAT_ALL (-1)

/* Rows of a selection with its VMs and vCPUs added up, sorted by isa and reason. */
struct stat_rows {
	struct exit_row *rows; /* owned; vm and vcpu mean nothing where they were added up */
	size_t nr;
	struct exit_row all; /* the sum, with the reasons that were not chosen */
};

/**
 * stat_rows__new() - select and add up.
 * @out: filled in on success; release it with stat_rows__free().
 * @reasons: NULL for all.
 * @vm: index, or STAT_ALL.
 * @vcpu: number, or STAT_ALL.
 *
 * Return: 0 or -ENOMEM.
 */
int stat_rows__new(struct stat_rows *out, const struct exit_stats *stats, const struct exit_filter *reasons, int64_t vm,
		   int64_t vcpu);
void stat_rows__free(struct stat_rows *rows);

/** stat_rows__sum() - add; a sum stops at the largest number, so no share is ever more than the whole. */
void stat_rows__sum(uint64_t *sum, uint64_t n);

/** stat_rows__add() - add the figures of a row to @sum, which is zeroed before the first one. */
void stat_rows__add(struct exit_row *sum, const struct exit_row *row);
/** stat_sites__add() - the same for a site's. */
void stat_sites__add(struct exit_site *sum, const struct exit_site *site);

/** stat_rows__next_vcpu() - the lowest vCPU of @vm that is >= @from, or -1. */
int64_t stat_rows__next_vcpu(const struct exit_stats *stats, uint32_t vm, int64_t from);

/**
 * stat_rows__percentile_ns() - a percentile of the exits' times, interpolated within its bucket.
 *
 * Never outside of [min_ns, max_ns]. Return: nanoseconds; 0 if no exit is timed.
 */
uint64_t stat_rows__percentile_ns(const struct exit_row *row, unsigned int percent);

/** stat_rows__isa_name() - "vmx", "svm" or "unknown". */
const char *stat_rows__isa_name(uint32_t isa);

/* A site with the function that it lies in. */
struct stat_site {
	struct exit_site site;
	const char *function; /* borrowed from the VM's symbolizer, not cleaned; NULL: none known */
	const char *mark;     /* what is to follow it: "", or NAME_UNVERIFIED */
	uint64_t offset;      /* RIP minus the function's start; meaningless without a function */
	bool has_offset;      /* false for several places in the function */
};

struct stat_sites {
	struct stat_site *sites;
	size_t nr;
	struct exit_site all; /* the sum, with the reasons that were not chosen */
};

/**
 * stat_site__resolve() - find the function of a site.
 *
 * That is the one the instruction is in, not one that was inlined there: the helpers for port I/O are inlined
 * nearly always, and say nothing about who called them.
 */
void stat_site__resolve(struct stat_site *out, const struct exit_stats *stats,
			const struct exit_site *site);

/**
 * stat_sites__new() - the sites of a VM by function, reason, detail and value; most exits first.
 * @reasons: NULL for all.
 * @by_library: by the function's library instead, whose name stands where the function's would.
 *
 * Return: 0 or -ENOMEM.
 */
int stat_sites__new(struct stat_sites *out, const struct exit_stats *stats, const struct exit_filter *reasons,
		    uint32_t vm, bool by_library);
void stat_sites__free(struct stat_sites *sites);

#endif /* EXPORTERS_STAT_ROWS_H */
