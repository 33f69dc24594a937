/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_WALK_GLUE_H
#define UNIT_WALK_GLUE_H

/*
 * walk_glue - the walk of a guest's stack outside of BPF: what guest_walk.h and guest_recover.h ask of their includer, with a
 * table of a few rows. ukp_read_hva() comes before this header.
 */

struct ukp_walk;
static int ukp_translate(struct ukp_walk *w, __u64 gva);
static int ukp_step(struct ukp_walk *w);
static int ukp_interrupt(struct ukp_walk *w);
static int ukp_fp_part(struct ukp_walk *w);
static void ukp_unwind_lookup(struct ukp_walk *w, __u64 gva);
static void ukp_unwind_entry(struct ukp_walk *w);
static int ukp_recover(struct ukp_walk *w);
static int ukp_page(struct ukp_walk *w, __u32 i);
static int ukp_reg(struct ukp_walk *w, __u32 i);
static int ukp_over(struct ukp_walk *w, __u64 from, __u64 end);
static int ukp_along(struct ukp_walk *w);
static int ukp_word(struct ukp_walk *w, __u64 slot, __u64 word);
static int ukp_look(struct ukp_walk *w);
static int ukp_try(struct ukp_walk *w, __u64 slot);
static int ukp_frame(struct ukp_walk *w, __u32 i);
static int ukp_judge(struct ukp_walk *w, __u64 slot);
static int ukp_saved(struct ukp_walk *w, __u64 gva);

#include "guest_recover.h"
#include "guest_walk.h"

static int ukp_step(struct ukp_walk *w)
{
	return ukp_walk_step(w);
}

static int ukp_interrupt(struct ukp_walk *w)
{
	return ukp_walk_interrupt(w);
}

static int ukp_fp_part(struct ukp_walk *w)
{
	return ukp_walk_fp_part(w);
}

static int ukp_recover(struct ukp_walk *w)
{
	return ukp_recover_stack(w);
}

static int ukp_page(struct ukp_walk *w, __u32 i)
{
	return ukp_recover_page(w, i);
}

static int ukp_reg(struct ukp_walk *w, __u32 i)
{
	return ukp_recover_reg(w, i);
}

static int ukp_over(struct ukp_walk *w, __u64 from, __u64 end)
{
	return ukp_recover_over(w, from, end);
}

static int ukp_along(struct ukp_walk *w)
{
	return ukp_recover_along(w);
}

static int ukp_word(struct ukp_walk *w, __u64 slot, __u64 word)
{
	return ukp_recover_word(w, slot, word);
}

static int ukp_look(struct ukp_walk *w)
{
	return ukp_recover_look(w);
}

static int ukp_try(struct ukp_walk *w, __u64 slot)
{
	return ukp_recover_try(w, slot);
}

static int ukp_frame(struct ukp_walk *w, __u32 i)
{
	return ukp_recover_frame(w, i);
}

static int ukp_judge(struct ukp_walk *w, __u64 slot)
{
	return ukp_recover_judge(w, slot);
}

static int ukp_saved(struct ukp_walk *w, __u64 gva)
{
	return ukp_recover_saved(w, gva);
}

static int ukp_translate(struct ukp_walk *w, __u64 gva)
{
	return ukp_walk_translate(w, gva);
}

/* The table of a test: what holds from @first to @last. */
struct rows {
	uint64_t first, last;
	struct ukp_unwind_rule rule;
};

#define MAX_ROWS 32

static struct rows rows[MAX_ROWS];
static size_t nr_rows;
static unsigned int nr_lookups;

static void ukp_unwind_lookup(struct ukp_walk *w, __u64 gva)
{
	size_t i;

	nr_lookups++;
	w->rule = (struct ukp_unwind_rule){ .cfa = UKP_CFA_NONE };
	for (i = 0; i < nr_rows; i++) {
		if (gva >= rows[i].first && gva <= rows[i].last) {
			w->rule = rows[i].rule;
			w->row.row = i;
		}
	}
}

/* A test puts the rows of a function one after the other, the first one marked. */
static void ukp_unwind_entry(struct ukp_walk *w)
{
	size_t i;

	w->entry = 0;
	for (i = w->entry_row.row; i < nr_rows && !w->entry; i--)
		if (rows[i].rule.flags & UKP_UNWIND_ENTRY)
			w->entry = rows[i].first;
}

#endif /* UNIT_WALK_GLUE_H */
