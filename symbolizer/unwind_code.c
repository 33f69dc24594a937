/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwind_code.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "code_flow.h"
#include "grow.h"
#include "image.h"
#include "unwind_rules.h"

struct function {
	uint64_t start, end;
	const uint8_t *code;
};

struct functions {
	const struct image *img;
	struct function *all;
	size_t nr, room;
};

/* --- the image's functions --- */

static int add_function(void *ctx, const struct image_sym *sym)
{
	struct functions *fs = ctx;
	const struct image_text *text;
	size_t i;

	/* What was moved away from a function is jumped to, with a stack that only the jump knows. */
	if (sym->type != STT_FUNC || !sym->size || strstr(sym->name, ".cold"))
		return 0;
	for (i = 0; i < image__nr_texts(fs->img); i++) {
		text = image__text(fs->img, i);
		if (sym->addr - text->addr >= text->len || text->len - (sym->addr - text->addr) < sym->size)
			continue;
		if (grow__to((void **)&fs->all, &fs->room, fs->nr + 1, sizeof(*fs->all)))
			return -ENOMEM;
		fs->all[fs->nr++] = (struct function){ sym->addr, sym->addr + sym->size, text->bytes + (sym->addr - text->addr) };
		break;
	}
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

/* Sorted; of those that overlap, the first. */
static int find_functions(struct functions *fs, struct image *img)
{
	size_t i, nr = 0;
	int err;

	*fs = (struct functions){ .img = img };
	err = image__for_each_sym(img, add_function, fs);
	if (err && err != -ENOMEM)
		err = 0;
	if (!fs->nr)
		return err;
	qsort(fs->all, fs->nr, sizeof(*fs->all), by_start);
	for (i = 0; i < fs->nr; i++)
		if (!nr || fs->all[i].start >= fs->all[nr - 1].end)
			fs->all[nr++] = fs->all[i];
	fs->nr = nr;
	return err;
}

static bool begins_with_frame(const struct function *f)
{
	static const uint8_t endbr[] = { 0xf3, 0x0f, 0x1e, 0xfa }, gcc[] = { 0x55, 0x48, 0x89, 0xe5 },
			     other[] = { 0x55, 0x48, 0x8b, 0xec };
	const uint8_t *at = f->code;
	uint64_t len = f->end - f->start;

	if (len >= sizeof(endbr) && !memcmp(at, endbr, sizeof(endbr))) {
		at += sizeof(endbr);
		len -= sizeof(endbr);
	}
	return len >= sizeof(gcc) && (!memcmp(at, gcc, sizeof(gcc)) || !memcmp(at, other, sizeof(other)));
}

bool unwind_code__has_frames(struct image *img)
{
	uint64_t with = 0, all = 0;
	struct functions fs;
	size_t i;

	find_functions(&fs, img);
	for (i = 0; i < fs.nr; i++) {
		all += fs.all[i].end - fs.all[i].start;
		with += begins_with_frame(&fs.all[i]) ? fs.all[i].end - fs.all[i].start : 0;
	}
	free(fs.all);
	return with > all / 2;
}

/* --- rows --- */

/* A row at which a range begins, or its rule changes. */
static int add_row(struct unwind_cfi *cfi, uint64_t addr, const struct ukp_unwind_rule *rule, struct unwind_rules *rules)
{
	int index = unwind_rules__add(rules, rule);

	if (index == -ENOMEM)
		return index;
	return unwind_cfi__push(cfi, addr, index < 0 ? UKP_UNWIND_RULE_UNSUPPORTED : index, true);
}

static int end_range(struct unwind_cfi *cfi, uint64_t addr)
{
	return unwind_cfi__push(cfi, addr, UKP_UNWIND_RULE_NONE, false);
}

/* Returns false if it is more than a rule can say. */
static bool rule_of(const struct code_state *s, struct ukp_unwind_rule *out)
{
	*out = (struct ukp_unwind_rule){ .ra_offset = -8 };
	/* RSP is not known on every host, nor in every function. */
	out->cfa = s->frame ? UKP_CFA_RBP : UKP_CFA_RSP;
	out->cfa_offset = s->frame ? s->frame : s->height;
	if (out->cfa_offset == CODE_FLOW_UNKNOWN)
		return false;
	if (s->saved) {
		out->rbp = UKP_RBP_AT_CFA;
		out->rbp_offset = -s->saved;
		return s->saved <= -INT16_MIN;
	}
	out->rbp = s->is_lost ? UKP_RBP_LOST : UKP_RBP_SAME;
	return true;
}

static int add_rows(struct unwind_cfi *cfi, const struct function *f, const struct code_point *points,
		    struct unwind_rules *rules)
{
	uint64_t at, len = f->end - f->start, end = 0;
	struct ukp_unwind_rule rule, last;
	bool has_last = false;
	int err = 0;

	for (at = 0; at < len && !err; at++) {
		if (!points[at].len)
			continue;
		/* Nothing is known of what was not reached: tables, or code behind a call that does not return. */
		if (at > end) {
			err = end_range(cfi, f->start + end);
			has_last = false;
		}
		if (at >= end)
			end = at + points[at].len;
		if (!rule_of(&points[at].state, &rule))
			return -EINVAL;
		if (has_last && !memcmp(&rule, &last, sizeof(rule)))
			continue;
		last = rule;
		has_last = true;
		rule.flags = at ? 0 : UKP_UNWIND_ENTRY;
		if (!err)
			err = add_row(cfi, f->start + at, &rule, rules);
	}
	return err ? err : end_range(cfi, f->start + end);
}

static int read_function(struct unwind_cfi *cfi, const struct function *f, struct code_point *points,
			 struct unwind_rules *rules)
{
	size_t nr = cfi->nr;
	int err;

	err = code_flow__follow(f->code, f->end - f->start, f->start, points);
	if (err) {
		cfi->nr_rejected += err == -EINVAL;
		return err == -EINVAL ? 0 : err;
	}
	err = add_rows(cfi, f, points, rules);
	if (err == -EINVAL) {
		/* The row that ended the function before may have given way to this one's first. */
		cfi->nr = nr;
		cfi->nr_rejected++;
		return end_range(cfi, f->start);
	}
	cfi->nr_ranges++;
	return err;
}

/* What the machine begins with is the end of stacks. */
static int end_stacks(struct unwind_cfi *cfi, const struct function *f, struct unwind_rules *rules)
{
	static const struct ukp_unwind_rule rule = { .cfa = UKP_CFA_END };
	int err;

	err = add_row(cfi, f->start, &rule, rules);
	return err ? err : end_range(cfi, f->end);
}

int unwind_code__read(struct unwind_cfi *cfi, struct image *img, struct unwind_rules *rules)
{
	struct code_point *points;
	struct functions fs;
	size_t i;
	int err;

	memset(cfi, 0, sizeof(*cfi));
	err = find_functions(&fs, img);
	points = malloc(CODE_FLOW_MAX_LEN * sizeof(*points));
	if (!points)
		err = -ENOMEM;
	for (i = 0; i < fs.nr && !err; i++) {
		if (fs.all[i].start <= image__entry(img) && image__entry(img) < fs.all[i].end)
			err = end_stacks(cfi, &fs.all[i], rules);
		else
			err = read_function(cfi, &fs.all[i], points, rules);
	}
	free(points);
	free(fs.all);
	return err;
}
