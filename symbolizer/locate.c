/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "locate.h"

#include <stdbool.h>
#include <string.h>

#include "image.h"

#define PAGE 4096ULL
/*
 * A probe agrees when this many bytes from RIP on are the image's. Before RIP may stand another function's
 * padding or data, so only code that ran is compared, unless the probe or the text ends too soon behind RIP:
 * then the bytes before it join in, for the few that are left agree by chance.
 */
#define MIN_MATCH 32

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Do the bytes at RIP agree under @bias? Returns 1 or 0, then with the GVA of the first other byte in
 * @differs_at; or -1 if the image has no code there.
 */
static int agrees(const struct image *img, const struct locate_probe *p, uint64_t bias, uint64_t *differs_at)
{
	uint64_t skip = p->rip - p->gva, addr = p->rip - bias, off, before, behind, i;
	const struct image_text *text;
	const uint8_t *a, *b;

	for (i = 0; i < image__nr_texts(img); i++) {
		text = image__text(img, i);
		off = addr - text->addr;
		if (off >= text->len)
			continue;
		behind = smaller(smaller(p->len - skip, text->len - off), MIN_MATCH);
		before = smaller(smaller(skip, off), MIN_MATCH - behind);
		a = text->bytes + off - before;
		b = p->bytes + skip - before;
		for (i = 0; i < before + behind; i++) {
			if (a[i] != b[i]) {
				*differs_at = p->rip - before + i;
				return 0;
			}
		}
		return 1;
	}
	return -1;
}

/* What all probes say about a bias. */
struct score {
	size_t good;	     /* probes that agree */
	size_t against;	     /* probes that the image covers with other bytes */
	uint64_t differs_at; /* of the first one against */
};

static struct score score(const struct image *img, const struct locate_probe *probes, size_t nr, uint64_t bias)
{
	struct score sc = { 0 };
	uint64_t differs_at;
	size_t i;
	int ret;

	for (i = 0; i < nr; i++) {
		ret = agrees(img, &probes[i], bias, &differs_at);
		if (ret > 0)
			sc.good++;
		else if (!ret && !sc.against++)
			sc.differs_at = differs_at;
	}
	return sc;
}

struct best {
	uint64_t bias;
	size_t good;
	bool is_linked; /* the linked address: it wins among equals */
	bool tie;
};

static void consider(struct best *best, uint64_t bias, const struct score *sc)
{
	/* More probes against than for: the likeness of a few bytes is chance. */
	if (!sc->good || sc->against >= sc->good)
		return;
	if (sc->good > best->good)
		*best = (struct best){ .bias = bias, .good = sc->good };
	else if (sc->good == best->good && bias != best->bias && !best->is_linked)
		best->tie = true;
}

/* Every page of the text as the place of probe @p. */
static void try_pages(const struct image *img, const struct locate_probe *probes, size_t nr,
		      const struct locate_probe *p, struct best *best)
{
	const struct image_text *text;
	uint64_t addr, at;
	struct score sc;
	size_t i;

	for (i = 0; i < image__nr_texts(img); i++) {
		text = image__text(img, i);
		addr = (text->addr & ~(PAGE - 1)) | (p->rip & (PAGE - 1));
		if (addr < text->addr)
			addr += PAGE;
		for (; addr - text->addr < text->len; addr += PAGE) {
			if (agrees(img, p, p->rip - addr, &at) <= 0)
				continue;
			sc = score(img, probes, nr, p->rip - addr);
			consider(best, p->rip - addr, &sc);
		}
	}
}

enum locate_result locate__find(const struct image *img, const struct locate_probe *probes, size_t nr,
				struct locate_info *info)
{
	struct best best = { 0 };
	struct score linked;
	size_t i;

	memset(info, 0, sizeof(*info));
	if (!nr)
		return LOCATE_NO_PROBES;

	linked = score(img, probes, nr, 0);
	if (!image__is_pic(img)) {
		consider(&best, 0, &linked);
		best.is_linked = best.good;
	}
	if (best.good < nr)
		for (i = 0; i < nr; i++)
			try_pages(img, probes, nr, &probes[i], &best);
	if (best.good && !best.tie) {
		info->bias = best.bias;
		info->nr_matching = best.good;
		return LOCATE_FOUND;
	}
	if (best.good)
		return LOCATE_AMBIGUOUS;
	if (linked.against) {
		info->differs_at = linked.differs_at;
		return LOCATE_DIFFERENT;
	}
	return LOCATE_NOT_COVERED;
}
