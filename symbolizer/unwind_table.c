/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwind_table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "image.h"
#include "unwind_cfi.h"
#include "unwind_code.h"
#include "unwind_rules.h"
#include "unwind_stubs.h"

#define PAGE	(1ull << UKP_UNWIND_PAGE_BITS)
#define FAR_GAP (256ull << 20) /* pages over a gap would cost more than the code beyond is worth */

struct unwind_table {
	uint64_t base;
	struct ukp_unwind_page *pages;
	struct ukp_unwind_row *rows;
	struct unwind_rules *rules; /* NULL: imported */
	struct ukp_unwind_rule *own_rules; /* NULL: not imported */
	size_t nr_own_rules;
	size_t nr_pages;
	size_t nr_rows;
	struct unwind_stats stats;
};

static bool is_usable(const struct unwind_rules *rules, uint16_t rule)
{
	return unwind_rules__all(rules)[rule].cfa >= UKP_CFA_END;
}

static bool begins_range(const struct unwind_rules *rules, uint16_t rule)
{
	return unwind_rules__all(rules)[rule].flags & (UKP_UNWIND_ENTRY | UKP_UNWIND_PART);
}

/* --- the two sections become one list --- */

/* The mark of a range's first row is for that row alone. */
static uint16_t unmarked(struct unwind_rules *rules, uint16_t rule)
{
	int index = unwind_rules__plain(rules, rule);

	return index < 0 ? UKP_UNWIND_RULE_UNSUPPORTED : index;
}

/* @begins: a row that begins a range stays, whatever the one before it says. */
static int push(struct unwind_cfi *out, uint64_t addr, uint16_t rule, bool begins)
{
	if (!begins && (out->nr ? out->rows[out->nr - 1].rule == rule : rule == UKP_UNWIND_RULE_NONE))
		return 0;
	if (grow__to((void **)&out->rows, &out->room, out->nr + 1, sizeof(*out->rows)))
		return -ENOMEM;
	out->rows[out->nr++] = (struct unwind_cfi_row){ addr, rule };
	return 0;
}

static int merge(struct unwind_cfi *out, const struct unwind_cfi *eh, const struct unwind_cfi *debug,
		 struct unwind_rules *rules)
{
	uint16_t in_eh = UKP_UNWIND_RULE_NONE, in_debug = UKP_UNWIND_RULE_NONE, rule;
	bool eh_row, debug_row, is_eh, begins;
	size_t i = 0, k = 0;
	uint64_t addr;
	int err = 0;

	while (!err && (i < eh->nr || k < debug->nr)) {
		if (k == debug->nr || (i < eh->nr && eh->rows[i].addr <= debug->rows[k].addr))
			addr = eh->rows[i].addr;
		else
			addr = debug->rows[k].addr;
		eh_row = i < eh->nr && eh->rows[i].addr == addr;
		debug_row = k < debug->nr && debug->rows[k].addr == addr;
		if (eh_row)
			in_eh = eh->rows[i++].rule;
		if (debug_row)
			in_debug = debug->rows[k++].rule;
		/* "Not followed" says more than "not there". */
		is_eh = is_usable(rules, in_eh) || in_debug == UKP_UNWIND_RULE_NONE;
		rule = is_eh ? in_eh : in_debug;
		begins = (is_eh ? eh_row : debug_row) && begins_range(rules, rule);
		/* The other section has a row here; the range goes on as it was. */
		if (!begins && out->nr && out->rows[out->nr - 1].rule == rule)
			continue;
		err = push(out, addr, begins ? rule : unmarked(rules, rule), begins);
	}
	return err;
}

/* --- the part of the list that becomes the table --- */

static uint64_t covered(const struct unwind_cfi *list, size_t first, size_t end)
{
	uint64_t sum = 0;
	size_t i;

	for (i = first; i + 1 < end; i++)
		if (list->rows[i].rule != UKP_UNWIND_RULE_NONE)
			sum += list->rows[i + 1].addr - list->rows[i].addr;
	return sum;
}

/* Rows @first to @end, whose code lies together; what is left out is counted. */
static void choose_group(struct unwind_table *t, const struct unwind_cfi *list, size_t *first, size_t *end)
{
	uint64_t best = 0, sum, all = 0;
	size_t begin = 0, i;

	*first = *end = 0;
	for (i = 1; i <= list->nr; i++) {
		/* A group ends with a row that says so; the last row of the list does. */
		if (i < list->nr && (list->rows[i - 1].rule != UKP_UNWIND_RULE_NONE ||
				     list->rows[i].addr - list->rows[i - 1].addr < FAR_GAP))
			continue;
		sum = covered(list, begin, i);
		all += sum;
		if (sum > best) {
			best = sum;
			*first = begin;
			*end = i;
		}
		begin = i;
	}
	t->stats.far_bytes = all - best;
}

static void count_bytes(struct unwind_table *t, const struct unwind_cfi *list, size_t first, size_t end)
{
	uint64_t len;
	size_t i;

	for (i = first; i + 1 < end; i++) {
		len = list->rows[i + 1].addr - list->rows[i].addr;
		if (unwind_rules__all(t->rules)[list->rows[i].rule].cfa == UKP_CFA_INTERRUPT)
			continue;
		if (is_usable(t->rules, list->rows[i].rule))
			t->stats.covered_bytes += len;
		else if (list->rows[i].rule != UKP_UNWIND_RULE_NONE)
			t->stats.unsupported_bytes += len;
	}
}

/* --- pages and rows --- */

static int pack(struct unwind_table *t, const struct unwind_cfi *list, size_t first, size_t end)
{
	uint16_t rule = UKP_UNWIND_RULE_NONE;
	struct ukp_unwind_page *page;
	uint64_t addr;
	size_t i, k;

	t->base = list->rows[first].addr & ~(PAGE - 1);
	/* The last row only ends the range before it. */
	t->nr_pages = ((list->rows[end - 1].addr - 1 - t->base) >> UKP_UNWIND_PAGE_BITS) + 1;
	t->pages = calloc(t->nr_pages, sizeof(*t->pages));
	t->rows = malloc((end - first + t->nr_pages) * sizeof(*t->rows));
	if (!t->pages || !t->rows)
		return -ENOMEM;
	for (k = 0, i = first; k < t->nr_pages; k++) {
		page = &t->pages[k];
		addr = t->base + k * PAGE;
		page->first = t->nr_rows;
		if (i == end || list->rows[i].addr != addr)
			t->rows[t->nr_rows++] = (struct ukp_unwind_row){ 0, unmarked(t->rules, rule) };
		for (; i < end && list->rows[i].addr - addr < PAGE; i++) {
			rule = list->rows[i].rule;
			t->rows[t->nr_rows++] = (struct ukp_unwind_row){ list->rows[i].addr - addr, rule };
		}
		page->nr = t->nr_rows - page->first;
		if (page->nr == 1 && t->rows[page->first].rule == UKP_UNWIND_RULE_NONE) {
			t->nr_rows--;
			*page = (struct ukp_unwind_page){ 0 };
		}
	}
	return 0;
}

static int build(struct unwind_table *t, const struct unwind_cfi *list)
{
	size_t first, end;
	int err;

	choose_group(t, list, &first, &end);
	if (first == end)
		return -ENOENT;
	count_bytes(t, list, first, end);
	/* Stubs alone are not worth a table: most of its stacks would be the dearer for nothing. */
	if (!t->stats.covered_bytes)
		return -ENOENT;
	err = pack(t, list, first, end);
	t->stats.bytes = t->nr_pages * sizeof(*t->pages) + t->nr_rows * sizeof(*t->rows) +
			 unwind_rules__nr(t->rules) * sizeof(struct ukp_unwind_rule);
	return err;
}

static void count_cfi(struct unwind_stats *stats, const struct unwind_cfi *cfi)
{
	stats->nr_ranges += cfi->nr_ranges;
	stats->nr_rejected += cfi->nr_rejected;
	stats->nr_outside += cfi->nr_outside;
}

int unwind_table__new(struct unwind_table **out, struct image *img)
{
	struct unwind_cfi eh = { 0 }, debug = { 0 }, sections = { 0 }, stubs = { 0 }, list = { 0 };
	struct unwind_table *t;
	bool is_code;
	size_t i;
	int err;

	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	err = unwind_rules__new(&t->rules);
	if (!err)
		err = unwind_cfi__read(&eh, img, true, t->rules);
	if (!err)
		err = unwind_cfi__read(&debug, img, false, t->rules);
	/* Frame pointers need no table, and stacks by them cost less. */
	is_code = !err && !eh.nr && !debug.nr && !unwind_code__has_frames(img);
	if (is_code)
		err = unwind_code__read(&eh, img, t->rules);
	if (!err)
		err = merge(&sections, &eh, &debug, t->rules);
	if (!err && sections.nr)
		err = unwind_stubs__find(&stubs, img, &sections, t->rules);
	if (!err)
		err = merge(&list, &sections, &stubs, t->rules);
	for (i = 0; i < image__nr_texts(img); i++)
		t->stats.text_bytes += image__text(img, i)->len;
	count_cfi(&t->stats, &eh);
	count_cfi(&t->stats, &debug);
	unwind_cfi__release(&eh);
	unwind_cfi__release(&debug);
	t->stats.nr_stubs = stubs.nr_ranges;
	unwind_cfi__release(&sections);
	unwind_cfi__release(&stubs);
	if (!err)
		err = build(t, &list);
	t->stats.code_bytes = is_code ? t->stats.covered_bytes : 0;
	unwind_cfi__release(&list);
	if (err) {
		unwind_table__free(t);
		return err;
	}
	*out = t;
	return 0;
}

/* --- a table of another process --- */

static bool is_rule(const struct ukp_unwind_rule *r)
{
	const uint8_t flags = UKP_UNWIND_SIGNAL | UKP_UNWIND_SAVES_SP | UKP_UNWIND_ENTRY | UKP_UNWIND_PART;

	return r->cfa < UKP_CFA_MAX && r->rbp < UKP_RBP_MAX && !(r->flags & ~flags) && !r->reserved[0] &&
	       !r->reserved[1] && !r->reserved[2];
}

/* The rows of a page begin at offset 0 and go up, and none is shared with another page. */
static bool is_page(const struct unwind_arrays *a, const struct ukp_unwind_page *page, uint64_t next)
{
	const struct ukp_unwind_row *rows = a->rows + page->first;
	uint32_t i;

	if (!page->nr)
		return true;
	if (page->first != next || page->nr > PAGE || page->nr > a->nr_rows - next || rows[0].offset)
		return false;
	for (i = 0; i < page->nr; i++)
		if (rows[i].rule >= a->nr_rules || (i && rows[i].offset < rows[i - 1].offset))
			return false;
	return true;
}

static bool is_table(const struct unwind_arrays *a)
{
	uint64_t next = 0;
	size_t i;

	if (!a->nr_pages || a->nr_pages > UNWIND_MAX_PAGES || !a->nr_rows || a->nr_rows > UNWIND_MAX_ROWS ||
	    a->nr_rules <= UKP_UNWIND_RULE_UNSUPPORTED || a->nr_rules > UNWIND_MAX_RULES || a->base % PAGE ||
	    a->base + a->nr_pages * PAGE - 1 < a->base)
		return false;
	for (i = 0; i < a->nr_rules; i++)
		if (!is_rule(&a->rules[i]))
			return false;
	for (i = 0; i < a->nr_pages; i++) {
		if (!is_page(a, &a->pages[i], next))
			return false;
		next += a->pages[i].nr;
	}
	return next == a->nr_rows && a->rules[UKP_UNWIND_RULE_NONE].cfa == UKP_CFA_NONE &&
	       a->rules[UKP_UNWIND_RULE_UNSUPPORTED].cfa == UKP_CFA_UNSUPPORTED;
}

static void *copy_of(const void *array, size_t len)
{
	void *copy = malloc(len);

	return copy ? memcpy(copy, array, len) : NULL;
}

int unwind_table__import(struct unwind_table **out, const struct unwind_arrays *arrays, const struct unwind_stats *stats)
{
	struct unwind_table *t;

	if (!is_table(arrays))
		return -EBADMSG;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->base = arrays->base;
	t->nr_pages = arrays->nr_pages;
	t->nr_rows = arrays->nr_rows;
	t->nr_own_rules = arrays->nr_rules;
	t->stats = *stats;
	t->pages = copy_of(arrays->pages, t->nr_pages * sizeof(*t->pages));
	t->rows = copy_of(arrays->rows, t->nr_rows * sizeof(*t->rows));
	t->own_rules = copy_of(arrays->rules, t->nr_own_rules * sizeof(*t->own_rules));
	if (!t->pages || !t->rows || !t->own_rules) {
		unwind_table__free(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

static const struct ukp_unwind_rule *all_rules(const struct unwind_table *t)
{
	return t->own_rules ? t->own_rules : unwind_rules__all(t->rules);
}

void unwind_table__free(struct unwind_table *t)
{
	if (!t)
		return;
	unwind_rules__free(t->rules);
	free(t->own_rules);
	free(t->pages);
	free(t->rows);
	free(t);
}

const struct ukp_unwind_rule *unwind_table__lookup(const struct unwind_table *t, uint64_t addr, unsigned int *steps)
{
	const struct ukp_unwind_rule *rules = all_rules(t);
	uint32_t lo, hi, mid;
	uint64_t page = (addr - t->base) >> UKP_UNWIND_PAGE_BITS;
	unsigned int i;

	if (steps)
		*steps = 0;
	if (addr < t->base || page >= t->nr_pages || !t->pages[page].nr)
		return &rules[UKP_UNWIND_RULE_NONE];
	/* The row is in [lo, hi). */
	lo = t->pages[page].first;
	hi = lo + t->pages[page].nr;
	for (i = 0; i < UKP_UNWIND_STEPS && hi - lo > 1; i++) {
		mid = lo + (hi - lo) / 2;
		if (t->rows[mid].offset <= (addr & (PAGE - 1)))
			lo = mid;
		else
			hi = mid;
	}
	if (steps)
		*steps = i + 1;
	return &rules[t->rows[lo].rule];
}

void unwind_table__arrays(const struct unwind_table *t, struct unwind_arrays *out)
{
	*out = (struct unwind_arrays){
		.base = t->base,
		.pages = t->pages,
		.rows = t->rows,
		.rules = all_rules(t),
		.nr_pages = t->nr_pages,
		.nr_rows = t->nr_rows,
		.nr_rules = t->own_rules ? t->nr_own_rules : unwind_rules__nr(t->rules),
	};
}

void unwind_table__stats(const struct unwind_table *t, struct unwind_stats *out)
{
	*out = t->stats;
}
