/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "locate.h"

#include <stdbool.h>
#include <string.h>

#include "image.h"

#define PAGE 4096ULL
/*
 * A probe agrees when this many bytes from RIP on are the image's (or all, at the end of the text).
 * Ahead of RIP may stand another function's padding or data, so only code that ran is compared.
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
};

/* How all probes compare under one bias. */
struct verdict {
	size_t good;
	size_t patched;
	size_t against; /* other code: it takes one to disprove the image */
	uint64_t differs_at;
};

static void compare(const struct image *img, const struct locate_probe *p, uint64_t bias, struct likeness *out)
{
	size_t skip = p->rip - p->gva, len = p->len - skip, i, n;
	const struct image_text *text;
	uint64_t addr = p->rip - bias;
	const uint8_t *a, *b;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < image__nr_texts(img); i++) {
		text = image__text(img, i);
		if (addr - text->addr >= text->len)
			continue;
		if (len > text->len - (addr - text->addr))
			len = text->len - (addr - text->addr);
		if (len > MIN_MATCH)
			len = MIN_MATCH;
		a = text->bytes + (addr - text->addr);
		b = p->bytes + skip;
		out->len = out->first = len;
		for (n = 0; n < len; n++) {
			out->same += a[n] == b[n];
			if (a[n] != b[n] && out->first == len)
				out->first = n;
		}
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
			v->differs_at = probes[i].rip + l.first;
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
	bool tie;
};

static void consider(struct best *best, uint64_t bias, const struct verdict *v)
{
	if (!is_proof(v))
		return;
	if (v->good > best->good)
		*best = (struct best){ .bias = bias, .good = v->good };
	else if (v->good == best->good && bias != best->bias)
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
	if (!image__is_pic(img) && is_proof(&linked)) {
		info->nr_matching = linked.good;
		return LOCATE_FOUND;
	}
	for (i = 0; i < nr; i++)
		try_pages(img, probes, nr, &probes[i], &best);
	if (best.good && !best.tie) {
		info->bias = best.bias;
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
