/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_UNWIND_TABLE_H
#define SYMBOLIZER_UNWIND_TABLE_H

/*
 * unwind_table - for each address of an image's code, how to get from there to the caller.
 *
 * Compiled from .eh_frame and .debug_frame together: unikernels often have a little of the one and most of the
 * other. Where both cover an address, the one with a rule that can be followed wins, .eh_frame first. The
 * arrays have the layout of unwind_row.h and are copied into BPF maps as they are.
 *
 * Threads: immutable once built. Lifetime: independent of the image.
 */

#include <stddef.h>
#include <stdint.h>

#include "unwind_row.h"

/* Of one table; code beyond is too far from the rest, or the sections are too large. */
#define UNWIND_MAX_PAGES (1u << 20)
#define UNWIND_MAX_ROWS	 (40u << 20)
#define UNWIND_MAX_RULES (1u << 16)

struct image;
struct unwind_table;

/* The table's arrays; borrowed until unwind_table__free(). */
struct unwind_arrays {
	uint64_t base; /* image address of the first page: a multiple of 64 KiB */
	const struct ukp_unwind_page *pages;
	const struct ukp_unwind_row *rows;
	const struct ukp_unwind_rule *rules;
	size_t nr_pages;
	size_t nr_rows;
	size_t nr_rules;
};

struct unwind_stats {
	uint64_t bytes;		   /* of all arrays */
	uint64_t text_bytes;	   /* of the image */
	uint64_t covered_bytes;	   /* of them, those with a rule that can be followed */
	uint64_t unsupported_bytes; /* those with a rule that can't */
	uint64_t code_bytes;	   /* covered by rules that were read from the code: see unwind_code.h */
	uint64_t far_bytes;	   /* with a rule, but too far from most of the code: left out */
	uint64_t nr_ranges;	   /* functions or parts of them (FDEs) in use, of both sections */
	uint64_t nr_rejected;	   /* those that are malformed or too costly: no rows */
	uint64_t nr_outside;	   /* those that are for no code of the image, as discarded functions */
	uint64_t nr_stubs;	   /* interrupt entries that no section covers: see unwind_stubs.h */
};

/**
 * unwind_table__new() - compile the table of an image.
 * @out: on success receives the table, owned by the caller; untouched on error.
 * @img: borrowed for the call.
 *
 * Return: 0; -ENOENT if the image has no table that can be followed; -EBADMSG if its sections can't be read;
 * -EFBIG if they are too large; -ENOMEM.
 * Cost: about 0.5 us per row; 50 MB of code have about 900 thousand.
 */
int unwind_table__new(struct unwind_table **out, struct image *img);
void unwind_table__free(struct unwind_table *t); /* accepts NULL */

/**
 * unwind_table__import() - a table that another process has compiled, and that need not be trusted.
 * @arrays, @stats: copied. Every index, bound and enumerated value is checked.
 *
 * Return: 0; -EBADMSG if unwind_table__new() could not have made it; -ENOMEM.
 */
int unwind_table__import(struct unwind_table **out, const struct unwind_arrays *arrays, const struct unwind_stats *stats);

/**
 * unwind_table__lookup() - the rule of an address.
 * @addr: image address; of a return address pass addr - 1.
 * @steps: receives how many rows were looked at, or NULL.
 *
 * Return: borrowed from the table, never NULL; cfa is UKP_CFA_NONE where nothing is known.
 */
const struct ukp_unwind_rule *unwind_table__lookup(const struct unwind_table *t, uint64_t addr, unsigned int *steps);

void unwind_table__arrays(const struct unwind_table *t, struct unwind_arrays *out);
void unwind_table__stats(const struct unwind_table *t, struct unwind_stats *out);

#endif /* SYMBOLIZER_UNWIND_TABLE_H */
