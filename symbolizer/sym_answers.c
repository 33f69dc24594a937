/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sym_answers.h"

#include <stdlib.h>
#include <string.h>

#include "image.h"

bool sym_answers__check(const struct sym_answers *a, size_t nr_asked)
{
	uint64_t sum = 0;
	uint32_t i;

	if (!a->nr || a->nr > nr_asked || a->nr_frames > SYM_MAX_ASKED * SYM_MAX_DEPTH)
		return false;
	if (!a->strings_len || a->strings_len > SYM_MAX_STRINGS || a->strings[0] || a->strings[a->strings_len - 1])
		return false;
	for (i = 0; i < a->nr; i++) {
		if (a->counts[i] > SYM_MAX_DEPTH)
			return false;
		sum += a->counts[i];
	}
	if (sum != a->nr_frames)
		return false;
	for (i = 0; i < a->nr_frames; i++)
		if (a->frames[i].name >= a->strings_len || a->frames[i].file >= a->strings_len || a->frames[i].reserved)
			return false;
	return true;
}

void sym_answers__release(struct sym_answers *a)
{
	free(a->counts);
	free(a->frames);
	free(a->strings);
	memset(a, 0, sizeof(*a));
}

void sym_source__set_range(struct sym_source *src, const struct image_facts *facts)
{
	const struct image_range *text;
	uint32_t i;

	src->start = src->end = src->file_offset = 0;
	for (i = 0; i < facts->nr_texts; i++) {
		text = &facts->texts[i];
		if (!i || text->addr < src->start) {
			src->start = text->addr;
			src->file_offset = text->offset;
		}
		if (text->addr + text->len > src->end)
			src->end = text->addr + text->len;
	}
}
