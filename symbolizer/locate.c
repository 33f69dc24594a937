/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "locate.h"

#include <stdbool.h>
#include <string.h>

#include "image.h"

#define PAGE 4096ULL
/*
 * A probe agrees when this many bytes are the image's: from RIP on, for what ran is code, and where the
 * probe or the text ends before, as many more from before RIP. A few bytes would agree by chance.
 */
#define MIN_MATCH 32
/*
 * A probe with fewer equal bytes than this share of them shows other code; with more, code that was
 * patched while it ran, as a kernel does with its own switches.
 */
#define SAME_CODE(same, len) ((same) * 2 >= (len))

/* How a probe compares with the image. */
struct likeness {
	size_t len;   /* bytes compared; 0 if the image has no code there */
	size_t first; /* index of the first that differs, or len */
	size_t same;
	uint64_t differs_at; /* GVA of that first byte */
};

/* How all probes compare under one bias. */
struct verdict {
	size_t good;
	size_t patched;
	size_t against; /* other code: it takes one to disprove the image */
	uint64_t differs_at;
};

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void compare(const struct image *img, const struct locate_probe *p, uint64_t bias, struct likeness *out)
{
	uint64_t skip = p->rip - p->gva, addr = p->rip - bias, off, before, behind;
	const struct image_text *text;
	const uint8_t *a, *b;
	size_t i, n;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < image__nr_texts(img); i++) {
		text = image__text(img, i);
		off = addr - text->addr;
		if (off >= text->len)
			continue;
		behind = smaller(smaller(p->len - skip, text->len - off), MIN_MATCH);
		before = smaller(smaller(skip, off), MIN_MATCH - behind);
		a = text->bytes + off - before;
		b = p->bytes + skip - before;
		out->len = out->first = before + behind;
		out->differs_at = p->rip - before;
		for (n = 0; n < out->len; n++) {
			out->same += a[n] == b[n];
			if (a[n] != b[n] && out->first == out->len)
				out->first = n;
		}
		out->differs_at += out->first;
		return;
	}
}

static void judge(const struct image *img, const struct locate_probe *probes, size_t nr, uint64_t bias,
		  struct verdict *v)
{
	struct likeness l;
	size_t i;

	memset(v, 0, sizeof(*v));
	for (i = 0; i < nr; i++) {
		compare(img, &probes[i], bias, &l);
		if (!l.len)
			continue;
		if (l.same == l.len) {
			v->good++;
			continue;
		}
		if (!v->patched && !v->against)
			v->differs_at = l.differs_at;
		if (SAME_CODE(l.same, l.len))
			v->patched++;
		else
			v->against++;
	}
}

static bool is_proof(const struct verdict *v)
{
	return v->good > v->patched && !v->against;
}

struct best {
	uint64_t bias;
	size_t good;
	bool is_linked; /* the linked address: it wins among equals */
	bool tie;
};

static void consider(struct best *best, uint64_t bias, const struct verdict *v)
{
	if (!is_proof(v))
		return;
	if (v->good > best->good)
		*best = (struct best){ .bias = bias, .good = v->good };
	else if (v->good == best->good && bias != best->bias && !best->is_linked)
		best->tie = true;
}

/* Every page of the text as the place of probe @p. */
static void try_pages(const struct image *img, const struct locate_probe *probes, size_t nr,
		      const struct locate_probe *p, struct best *best)
{
	const struct image_text *text;
	uint64_t addr, bias;
	struct likeness l;
	struct verdict v;
	size_t i;

	for (i = 0; i < image__nr_texts(img); i++) {
		text = image__text(img, i);
		addr = (text->addr & ~(PAGE - 1)) | (p->rip & (PAGE - 1));
		if (addr < text->addr)
			addr += PAGE;
		for (; addr - text->addr < text->len; addr += PAGE) {
			bias = p->rip - addr;
			compare(img, p, bias, &l);
			if (l.same != l.len)
				continue;
			judge(img, probes, nr, bias, &v);
			consider(best, bias, &v);
		}
	}
}

enum locate_result locate__find(const struct image *img, const struct locate_probe *probes, size_t nr,
				struct locate_info *info)
{
	struct best best = { 0 };
	struct verdict linked;
	size_t i;

	memset(info, 0, sizeof(*info));
	if (!nr)
		return LOCATE_NO_PROBES;

	judge(img, probes, nr, 0, &linked);
	if (!image__is_pic(img)) {
		consider(&best, 0, &linked);
		best.is_linked = best.good;
	}
	if (best.good < nr)
		for (i = 0; i < nr; i++)
			try_pages(img, probes, nr, &probes[i], &best);
	info->bias = best.bias;
	if (best.good && !best.tie) {
		info->nr_matching = best.good;
		return LOCATE_FOUND;
	}
	if (best.good)
		return LOCATE_AMBIGUOUS;
	if (linked.patched || linked.against) {
		info->differs_at = linked.differs_at;
		return LOCATE_DIFFERENT;
	}
	return LOCATE_NOT_COVERED;
}

enum locate_result locate__check(const struct image *img, const struct locate_probe *probes, size_t nr, uint64_t bias,
				 struct locate_info *info)
{
	struct verdict v;

	memset(info, 0, sizeof(*info));
	info->bias = bias;
	judge(img, probes, nr, bias, &v);
	info->differs_at = v.differs_at;
	info->nr_matching = v.good;
	if (is_proof(&v))
		return LOCATE_FOUND;
	if (v.patched || v.against)
		return LOCATE_DIFFERENT;
	return nr ? LOCATE_NOT_COVERED : LOCATE_NO_PROBES;
}
