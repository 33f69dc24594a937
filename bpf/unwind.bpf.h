/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BPF_UNWIND_BPF_H
#define BPF_UNWIND_BPF_H

/*
 * unwind - the images' tables, and the search for the rule of an address.
 *
 * Tables of all images stand one after the other in three arrays, which user space maps and writes before it
 * gives a VM its share (struct ukp_unwind_image). Whatever the arrays hold, every index is checked: a table
 * that is replaced while a walk goes on makes a wrong stack of a VM that is gone, and nothing worse.
 */

/* Searching a page. A global function: verified once, not once per frame. */
__noinline int ukp_unwind_in(__u32 which, __u64 gva)
{
	struct ukp_unwind_image *table;
	struct ukp_unwind_chunk *chunk;
	struct ukp_unwind_rule *rule;
	struct ukp_unwind_page *page;
	struct ukp_unwind_row row;
	struct ukp_scratch *sc;
	__u32 lo, hi, mid, key;
	__u16 offset;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc)
		return 0;
	sc->walk.rule.cfa = UKP_CFA_NONE;
	/* Read back from memory: of what stands there verifiers know nothing, and go through the search once. */
	sc->walk.row.table = ukp_which_table(&sc->walk, gva);
	asm volatile("" : : : "memory");
	key = sc->walk.row.table;
	if (key >= UKP_MAX_TABLES)
		return 0;
	table = &sc->walk.unwind[key & (UKP_MAX_TABLES - 1)];
	gva -= table->base;
	offset = gva;
	sc->walk.row.page = gva >> UKP_UNWIND_PAGE_BITS;
	key = table->first_page + sc->walk.row.page;
	page = bpf_map_lookup_elem(&unwind_pages, &key);
	if (!page || !page->nr)
		return 0;
	/* The row is in [lo, hi). */
	lo = page->first;
	hi = lo + page->nr;
	for (int i = 0; i < UKP_UNWIND_STEPS; i++) {
		if (hi - lo <= 1)
			break;
		mid = lo + ((hi - lo) >> 1);
		key = mid >> UKP_UNWIND_CHUNK_BITS;
		chunk = bpf_map_lookup_elem(&unwind_rows, &key);
		if (!chunk)
			return 0;
		if (chunk->rows[mid & (UKP_UNWIND_CHUNK - 1)].offset <= offset)
			lo = mid;
		else
			hi = mid;
	}
	key = lo >> UKP_UNWIND_CHUNK_BITS;
	chunk = bpf_map_lookup_elem(&unwind_rows, &key);
	if (!chunk)
		return 0;
	row = chunk->rows[lo & (UKP_UNWIND_CHUNK - 1)];
	sc->walk.row.row = lo;
	if (row.rule >= table->nr_rules)
		return 0;
	key = table->first_rule + row.rule;
	rule = bpf_map_lookup_elem(&unwind_rules, &key);
	if (rule)
		sc->walk.rule = *rule;
	return 0;
}

static __always_inline void ukp_unwind_lookup(struct ukp_walk *w, __u64 gva)
{
	ukp_unwind_in(w->which, gva);
}

#define UKP_ENTRY_PARTS 16 /* a function of more rows has its beginning not known */
#define UKP_ENTRY_PART  8  /* rows looked at in one call */

/* From the row of w->entry_row back to the one that begins its function. Returns 1 to go on. Verified once, too. */
__noinline int ukp_entry_part_in(__u32 which)
{
	struct ukp_unwind_image *table;
	struct ukp_unwind_chunk *chunk;
	struct ukp_unwind_rule *rule;
	struct ukp_unwind_page *page;
	struct ukp_unwind_row row;
	struct ukp_scratch *sc;
	__u32 at, index, key;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc || rsp_is == UKP_RSP_KNOWN)
		return 0;
	at = sc->walk.entry_row.row;
	index = sc->walk.entry_row.page;
	table = &sc->walk.unwind[sc->walk.entry_row.table & (UKP_MAX_TABLES - 1)];
	key = table->first_page + index;
	page = bpf_map_lookup_elem(&unwind_pages, &key);
	for (int i = 0; i < UKP_ENTRY_PART; i++) {
		if (!page || !page->nr)
			return 0;
		key = at >> UKP_UNWIND_CHUNK_BITS;
		chunk = bpf_map_lookup_elem(&unwind_rows, &key);
		if (!chunk)
			return 0;
		row = chunk->rows[at & (UKP_UNWIND_CHUNK - 1)];
		if (row.rule >= table->nr_rules)
			return 0;
		key = table->first_rule + row.rule;
		rule = bpf_map_lookup_elem(&unwind_rules, &key);
		if (!rule || rule->cfa < UKP_CFA_RSP || rule->flags & UKP_UNWIND_PART)
			return 0;
		if (rule->flags & UKP_UNWIND_ENTRY) {
			sc->walk.entry = table->base + ((__u64)index << UKP_UNWIND_PAGE_BITS) + row.offset;
			return 0;
		}
		if (at == page->first) {
			if (!index)
				return 0;
			index--;
			key = table->first_page + index;
			page = bpf_map_lookup_elem(&unwind_pages, &key);
		}
		at--;
	}
	sc->walk.entry_row.row = at;
	sc->walk.entry_row.page = index;
	return 1;
}

/* Where the function of w->entry_row begins, into w->entry. */
__noinline int ukp_entry_in(__u32 which)
{
	struct ukp_scratch *sc;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc || rsp_is == UKP_RSP_KNOWN)
		return 0;
	sc->walk.entry = 0;
	for (int i = 0; i < UKP_ENTRY_PARTS; i++)
		if (!ukp_entry_part_in(which))
			break;
	return 0;
}

static __always_inline void ukp_unwind_entry(struct ukp_walk *w)
{
	ukp_entry_in(w->which);
}

/* One window of the search for an interrupt frame; verified once, too. */
__noinline int ukp_interrupt_in(__u32 which)
{
	struct ukp_scratch *sc;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc)
		return -1;
	return ukp_walk_interrupt(&sc->walk);
}

static __always_inline int ukp_interrupt(struct ukp_walk *w)
{
	return ukp_interrupt_in(w->which);
}

/* One frame of a walk by tables; verified once, too. */
__noinline int ukp_step_in(__u32 which)
{
	struct ukp_scratch *sc;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc)
		return UKP_STOP_UNMAPPED;
	return ukp_walk_step(&sc->walk);
}

static __always_inline int ukp_step(struct ukp_walk *w)
{
	return ukp_step_in(w->which);
}

#endif /* BPF_UNWIND_BPF_H */
