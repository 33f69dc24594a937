/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "range_alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void range_alloc__release(struct range_alloc *ra)
{
	free(ra->taken);
	ra->taken = NULL;
	ra->nr = 0;
}

int range_alloc__take(struct range_alloc *ra, uint32_t len, uint32_t *first)
{
	uint32_t at = 0, end;
	struct range *taken;
	size_t i;

	if (!len) {
		*first = 0;
		return 0;
	}
	for (i = 0; i <= ra->nr; i++) {
		end = i < ra->nr ? ra->taken[i].first : ra->size;
		if (end - at >= len)
			break;
		if (i == ra->nr)
			return -ENOSPC;
		at = ra->taken[i].first + ra->taken[i].len;
	}
	taken = reallocarray(ra->taken, ra->nr + 1, sizeof(*taken));
	if (!taken)
		return -ENOMEM;
	ra->taken = taken;
	memmove(taken + i + 1, taken + i, (ra->nr - i) * sizeof(*taken));
	taken[i] = (struct range){ at, len };
	ra->nr++;
	*first = at;
	return 0;
}

void range_alloc__give(struct range_alloc *ra, uint32_t first)
{
	size_t i;

	for (i = 0; i < ra->nr; i++) {
		if (ra->taken[i].first != first)
			continue;
		ra->nr--;
		memmove(ra->taken + i, ra->taken + i + 1, (ra->nr - i) * sizeof(*ra->taken));
		return;
	}
}
