/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "symtab.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "image.h"

/* Names may share their bytes in the file, but not here: a small file must not fill our memory. */
#define MAX_NAMES_LEN (256u << 20)

struct range {
	uint64_t start;
	uint64_t end;
	uint64_t sym_start; /* of the whole symbol: a nested one may have cut it in pieces */
	uint32_t name;	    /* offset into names */
	uint32_t file;	    /* likewise, plus one; 0: not known */
};

struct symtab {
	struct range *ranges;
	size_t nr;
	size_t cap;
	char *names;
	size_t names_len;
	size_t names_cap;
};

#define RANK_LABEL 5 /* local and untyped */

/* A symbol on its way into the table. */
struct raw {
	uint64_t start;
	uint64_t end;
	uint32_t name;
	uint32_t file;
	uint8_t rank; /* lower is better */
	bool sized;
};

struct builder {
	struct symtab *st;
	struct raw *raws;
	size_t nr;
	size_t cap;
	const char *file; /* of the symbol before, which is where it stands in the image */
	uint32_t file_at;
};

static int add_name(struct symtab *st, const char *name, uint32_t *at)
{
	size_t len = strlen(name) + 1;

	if (st->names_len + len > MAX_NAMES_LEN)
		return -EBADMSG;
	if (grow__to((void **)&st->names, &st->names_cap, st->names_len + len, 1))
		return -ENOMEM;
	*at = st->names_len;
	memcpy(st->names + st->names_len, name, len);
	st->names_len += len;
	return 0;
}

/* Kept once for all symbols of a file, which follow each other. */
static int add_file(struct builder *b, const char *file)
{
	int err;

	if (file == b->file)
		return 0;
	err = file ? add_name(b->st, file, &b->file_at) : 0;
	if (!err)
		b->file = file;
	return err;
}

static int visit_sym(void *ctx, const struct image_sym *sym)
{
	struct builder *b = ctx;
	struct raw *raw;
	uint32_t name;
	int bind, err;

	err = add_name(b->st, sym->name, &name);
	if (!err)
		err = add_file(b, sym->file);
	if (err)
		return err;
	if (grow__to((void **)&b->raws, &b->cap, b->nr + 1, sizeof(*b->raws)))
		return -ENOMEM;
	raw = &b->raws[b->nr++];
	raw->name = name;
	raw->file = sym->file ? b->file_at + 1 : 0;
	raw->start = sym->addr;
	raw->sized = sym->size != 0;
	raw->end = sym->section_end;
	if (raw->sized && sym->size < sym->section_end - sym->addr)
		raw->end = sym->addr + sym->size;
	bind = sym->bind == STB_GLOBAL ? 0 : sym->bind == STB_WEAK ? 1 : 2;
	raw->rank = 2 * bind + (sym->type == STT_NOTYPE);
	return 0;
}

static int compare_raws(const void *pa, const void *pb, void *ctx)
{
	const struct raw *a = pa, *b = pb;
	const char *names = ctx;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->sized != b->sized)
		return a->sized ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return strcmp(names + a->name, names + b->name);
}

static int add_range(struct symtab *st, const struct raw *raw, uint64_t start, uint64_t end)
{
	if (start >= end)
		return 0;
	if (grow__to((void **)&st->ranges, &st->cap, st->nr + 1, sizeof(*st->ranges)))
		return -ENOMEM;
	st->ranges[st->nr++] = (struct range){ start, end, raw->start, raw->name, raw->file };
	return 0;
}

/*
 * Another name at the address of the symbols opened last. The first of the sorted ones is the better and stays
 * on top; what a longer one covers beyond it is still the longer one's, so that goes below.
 */
static void open_alias(struct raw **open, size_t *nr_open, struct raw *raw)
{
	size_t k = *nr_open;

	while (k && open[k - 1]->start == raw->start)
		k--;
	if (!raw->sized || raw->end <= open[k]->end)
		return;
	memmove(open + k + 1, open + k, (*nr_open - k) * sizeof(*open));
	open[k] = raw;
	(*nr_open)++;
}

/* A label of a routine, as NASM names it: switch_stack.retry of switch_stack. */
static bool is_inner_label(const struct raw *raw, const struct raw *routine, const char *names)
{
	size_t len = strlen(names + routine->name);

	return !raw->sized && raw->rank == RANK_LABEL && !strncmp(names + raw->name, names + routine->name, len) &&
	       names[raw->name + len] == '.';
}

/* Takes such labels out of the sorted symbols. The routine is the one before; a label may stand just behind its end. */
static void drop_inner_labels(struct builder *b)
{
	size_t i, n = 0;

	for (i = 0; i < b->nr; i++)
		if (!n || !is_inner_label(&b->raws[i], &b->raws[n - 1], b->st->names))
			b->raws[n++] = b->raws[i];
	b->nr = n;
}

/*
 * Sweep over the sorted symbols with a stack of those that are open: the innermost open one owns an
 * address. Sized symbols may nest (assembly entry points inside a function); unsized ones reach only to
 * the next symbol and never cover an open sized one.
 */
static int sweep(struct builder *b)
{
	struct raw **open = calloc(b->nr + 1, sizeof(*open));
	size_t nr_open = 0, i;
	uint64_t at = 0;
	int err = 0;

	if (!open)
		return -ENOMEM;
	for (i = 0; i <= b->nr && !err; i++) {
		uint64_t next = i < b->nr ? b->raws[i].start : UINT64_MAX;
		struct raw *raw = i < b->nr ? &b->raws[i] : NULL;

		while (nr_open && open[nr_open - 1]->end <= next && !err) {
			err = add_range(b->st, open[nr_open - 1], at, open[nr_open - 1]->end);
			if (open[nr_open - 1]->end > at)
				at = open[nr_open - 1]->end;
			nr_open--;
		}
		if (err || !raw)
			break;
		if (nr_open && open[nr_open - 1]->start == raw->start) {
			open_alias(open, &nr_open, raw);
			continue;
		}
		if (nr_open && !raw->sized && open[nr_open - 1]->sized)
			continue;
		if (nr_open) {
			err = add_range(b->st, open[nr_open - 1], at, next);
			if (!open[nr_open - 1]->sized)
				nr_open--;
		}
		at = next;
		open[nr_open++] = raw;
	}
	free(open);
	return err;
}

int symtab__new(struct symtab **out, struct image *img)
{
	struct builder b = { 0 };
	int err;

	b.st = calloc(1, sizeof(*b.st));
	if (!b.st)
		return -ENOMEM;
	err = image__for_each_sym(img, visit_sym, &b);
	if (!err && !b.nr)
		err = -ENOENT;
	if (!err) {
		qsort_r(b.raws, b.nr, sizeof(*b.raws), compare_raws, b.st->names);
		drop_inner_labels(&b);
		err = sweep(&b);
	}
	free(b.raws);
	if (err) {
		symtab__free(b.st);
		return err;
	}
	*out = b.st;
	return 0;
}

void symtab__free(struct symtab *st)
{
	if (!st)
		return;
	free(st->ranges);
	free(st->names);
	free(st);
}

size_t symtab__nr(const struct symtab *st)
{
	return st->nr;
}

int symtab__lookup(const struct symtab *st, uint64_t addr, struct symtab_sym *out)
{
	size_t lo = 0, hi = st->nr, mid;

	/* The last range that starts at or below addr. */
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (st->ranges[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || addr >= st->ranges[lo - 1].end)
		return -ENOENT;
	out->name = st->names + st->ranges[lo - 1].name;
	out->file = st->ranges[lo - 1].file ? st->names + st->ranges[lo - 1].file - 1 : NULL;
	out->start = st->ranges[lo - 1].sym_start;
	out->end = st->ranges[lo - 1].end;
	return 0;
}
