/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwind_stubs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "image.h"
#include "symtab.h"
#include "unwind_row.h"
#include "unwind_rules.h"

#define MAX_STUBS   4096 /* an image has a few; what has more has the bytes in its data */
#define MAX_UNNAMED 512	 /* bytes of a stub without a symbol */

static const uint8_t iretq[] = { 0x48, 0xcf };

struct stub {
	uint64_t start;
	uint64_t end;
};

struct finder {
	struct image *img;
	const struct unwind_cfi *known;
	const struct unwind_rules *rules;
	struct symtab *symbols; /* NULL: not asked for yet, or there are none */
	bool has_asked;
	struct stub *stubs;
	size_t nr, room;
};

/* The piece of code around an address that no rule is for. Returns false if one is. */
static bool find_gap(const struct finder *f, uint64_t addr, struct stub *gap)
{
	const struct unwind_cfi_row *rows = f->known->rows;
	size_t lo = 0, hi = f->known->nr, mid;

	/* The row is before lo. */
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (rows[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo && unwind_rules__all(f->rules)[rows[lo - 1].rule].cfa >= UKP_CFA_END)
		return false;
	if (lo && gap->start < rows[lo - 1].addr)
		gap->start = rows[lo - 1].addr;
	if (lo < f->known->nr && gap->end > rows[lo].addr)
		gap->end = rows[lo].addr;
	return true;
}

static int ask_symbols(struct finder *f)
{
	int err;

	if (f->has_asked)
		return 0;
	f->has_asked = true;
	err = symtab__new(&f->symbols, f->img);
	return err == -ENOMEM ? err : 0;
}

/* @addr: of the instruction. */
static int add_stub(struct finder *f, const struct image_text *text, uint64_t addr)
{
	struct stub stub = { text->addr, text->addr + text->len };
	const struct stub *last = f->nr ? &f->stubs[f->nr - 1] : NULL;
	struct symtab_sym sym;
	int err;

	if ((last && addr >= last->start && addr < last->end) || !find_gap(f, addr, &stub))
		return 0;
	if (last && stub.start < last->end && last->end <= addr)
		stub.start = last->end;
	err = ask_symbols(f);
	if (err)
		return err;
	if (!f->symbols || symtab__lookup(f->symbols, addr, &sym)) {
		sym.start = addr - stub.start > MAX_UNNAMED ? addr - MAX_UNNAMED : stub.start;
		sym.end = addr + sizeof(iretq);
	}
	/* What the machine begins with is the end of stacks, whatever is in it. */
	if (sym.start <= image__entry(f->img) && image__entry(f->img) < sym.end)
		return 0;
	if (stub.start < sym.start)
		stub.start = sym.start;
	if (stub.end > sym.end)
		stub.end = sym.end;
	if (grow__to((void **)&f->stubs, &f->room, f->nr + 1, sizeof(*f->stubs)))
		return -ENOMEM;
	f->stubs[f->nr++] = stub;
	return 0;
}

static int find_in(struct finder *f, const struct image_text *text)
{
	const uint8_t *at = text->bytes, *end = text->bytes + text->len;
	int err = 0;

	while (!err && f->nr < MAX_STUBS) {
		at = memmem(at, end - at, iretq, sizeof(iretq));
		if (!at)
			return 0;
		err = add_stub(f, text, text->addr + (at - text->bytes));
		at++;
	}
	return err;
}

static int compare_stubs(const void *a, const void *b)
{
	const struct stub *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int write_rows(const struct finder *f, struct unwind_cfi *out, struct unwind_rules *rules)
{
	/* Its callees' call is not of the function that the row before is of. */
	static const struct ukp_unwind_rule rule = { .cfa = UKP_CFA_INTERRUPT, .flags = UKP_UNWIND_PART };
	uint64_t at = 0;
	int index;
	size_t i;

	if (!f->nr)
		return 0;
	index = unwind_rules__add(rules, &rule);
	if (index < 0)
		return index == -ENOMEM ? index : 0;
	out->rows = reallocarray(NULL, f->nr, 2 * sizeof(*out->rows));
	if (!out->rows)
		return -ENOMEM;
	out->room = 2 * f->nr;
	qsort(f->stubs, f->nr, sizeof(*f->stubs), compare_stubs);
	for (i = 0; i < f->nr; i++) {
		/* Segments may overlap. */
		if (f->stubs[i].start < at || f->stubs[i].start >= f->stubs[i].end)
			continue;
		if (out->nr && f->stubs[i].start == at)
			out->nr--;
		at = f->stubs[i].end;
		out->nr_ranges++;
		out->rows[out->nr++] = (struct unwind_cfi_row){ f->stubs[i].start, index };
		out->rows[out->nr++] = (struct unwind_cfi_row){ at, UKP_UNWIND_RULE_NONE };
	}
	return 0;
}

int unwind_stubs__find(struct unwind_cfi *out, struct image *img, const struct unwind_cfi *known,
		       struct unwind_rules *rules)
{
	struct finder f = { .img = img, .known = known, .rules = rules };
	int err = 0;
	size_t i;

	memset(out, 0, sizeof(*out));
	for (i = 0; !err && i < image__nr_texts(img); i++)
		err = find_in(&f, image__text(img, i));
	if (!err)
		err = write_rows(&f, out, rules);
	symtab__free(f.symbols);
	free(f.stubs);
	return err;
}
