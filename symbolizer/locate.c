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

/* How many bytes from RIP on are the same under @bias; SIZE_MAX if the image has no code there. */
static size_t matching(const struct image *img, const struct locate_probe *p, uint64_t bias, size_t *want)
{
	size_t skip = p->rip - p->gva, len = p->len - skip, i, n;
	const struct image_text *text;
	uint64_t addr = p->rip - bias;
	const uint8_t *a, *b;

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
		for (n = 0; n < len && a[n] == b[n]; n++)
			;
		*want = len;
		return n;
	}
	return SIZE_MAX;
}

/* Probes that agree with @bias; @against counts those that the image covers with other bytes. */
static size_t score(const struct image *img, const struct locate_probe *probes, size_t nr, uint64_t bias,
		    size_t *against, uint64_t *differs_at)
{
	size_t i, n, want, good = 0;

	*against = 0;
	for (i = 0; i < nr; i++) {
		n = matching(img, &probes[i], bias, &want);
		if (n == SIZE_MAX)
			continue;
		if (n == want) {
			good++;
		} else if (!(*against)++) {
			*differs_at = probes[i].rip + n;
		}
	}
	return good;
}

struct best {
	uint64_t bias;
	size_t good;
	bool tie;
};

static void consider(struct best *best, uint64_t bias, size_t good, size_t against)
{
	/* More probes against than for: the likeness of a few bytes is chance. */
	if (!good || against >= good)
		return;
	if (good > best->good)
		*best = (struct best){ .bias = bias, .good = good };
	else if (good == best->good && bias != best->bias)
		best->tie = true;
}

/* Every page of the text as the place of probe @p. */
static void try_pages(const struct image *img, const struct locate_probe *probes, size_t nr,
		      const struct locate_probe *p, struct best *best)
{
	const struct image_text *text;
	size_t i, want, good, against;
	uint64_t addr, bias, at;

	for (i = 0; i < image__nr_texts(img); i++) {
		text = image__text(img, i);
		addr = (text->addr & ~(PAGE - 1)) | (p->rip & (PAGE - 1));
		if (addr < text->addr)
			addr += PAGE;
		for (; addr - text->addr < text->len; addr += PAGE) {
			bias = p->rip - addr;
			if (matching(img, p, bias, &want) != want)
				continue;
			good = score(img, probes, nr, bias, &against, &at);
			consider(best, bias, good, against);
		}
	}
}

enum locate_result locate__find(const struct image *img, const struct locate_probe *probes, size_t nr,
				struct locate_info *info)
{
	uint64_t differs_at = 0;
	struct best best = { 0 };
	size_t i, good, against;

	memset(info, 0, sizeof(*info));
	if (!nr)
		return LOCATE_NO_PROBES;

	good = score(img, probes, nr, 0, &against, &differs_at);
	if (!image__is_pic(img) && good && good > against) {
		info->nr_matching = good;
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
	if (against) {
		info->differs_at = differs_at;
		return LOCATE_DIFFERENT;
	}
	return LOCATE_NOT_COVERED;
}
