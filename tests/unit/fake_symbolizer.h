/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_FAKE_SYMBOLIZER_H
#define UNIT_FAKE_SYMBOLIZER_H

/*
 * fake_symbolizer - symbolizer.h for tests of those who use it: answers from a table that the test fills.
 *
 * A test program includes this once. Since it defines every function of symbolizer.h, the linker leaves the
 * real one in the archive.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "symbolizer.h"

struct fake_range {
	uint64_t start; /* GVA */
	uint64_t end;
	const struct sym_frame *frames; /* innermost first; borrowed */
	size_t nr;
};

struct symbolizer {
	int refs;
	const struct fake_range *ranges;
	size_t nr_ranges;
	const struct sym_image_info *images;
	size_t nr_images;
};

/* How many times symbolizer__resolve() was asked. */
static unsigned int fake_nr_resolved;

/* Aborts when there is no memory, so it may be called outside of the code under test only. */
static inline struct symbolizer *fake_symbolizer__new(const struct fake_range *ranges,
						      size_t nr_ranges,
						      const struct sym_image_info *images,
						      size_t nr_images)
{
	struct symbolizer *s = calloc(1, sizeof(*s));

	assert(s);
	*s = (struct symbolizer){ 1, ranges, nr_ranges, images, nr_images };
	return s;
}

int symbolizer__new(struct symbolizer **out)
{
	*out = fake_symbolizer__new(NULL, 0, NULL, 0);
	return 0;
}

struct symbolizer *symbolizer__get(struct symbolizer *s)
{
	s->refs++;
	return s;
}

void symbolizer__put(struct symbolizer *s)
{
	if (s && !--s->refs)
		free(s);
}

int symbolizer__add_image(struct symbolizer *s, struct image *img, uint64_t bias, bool is_proven)
{
	(void)s, (void)img, (void)bias, (void)is_proven;
	return -ENOENT;
}

size_t symbolizer__nr_images(const struct symbolizer *s)
{
	return s->nr_images;
}

void symbolizer__image_info(const struct symbolizer *s, size_t i, struct sym_image_info *info)
{
	*info = s->images[i];
}

size_t symbolizer__resolve(struct symbolizer *s, uint64_t gva, bool is_return,
			   const struct sym_frame **frames)
{
	uint64_t addr = is_return ? gva - 1 : gva;
	size_t i;

	fake_nr_resolved++;
	for (i = 0; s && i < s->nr_ranges; i++) {
		if (addr >= s->ranges[i].start && addr < s->ranges[i].end) {
			*frames = s->ranges[i].frames;
			return s->ranges[i].nr;
		}
	}
	return 0;
}

void symbolizer__expect(struct symbolizer *s, uint64_t gva, bool is_return)
{
	(void)s, (void)gva, (void)is_return;
}

/* The file of the function that is not inlined. */
const char *symbolizer__library(struct symbolizer *s, uint64_t gva, bool is_return)
{
	const struct sym_frame *frames;
	size_t nr = symbolizer__resolve(s, gva, is_return, &frames);

	return nr ? frames[nr - 1].file ? frames[nr - 1].file : "[image]" : NULL;
}

#endif /* UNIT_FAKE_SYMBOLIZER_H */
