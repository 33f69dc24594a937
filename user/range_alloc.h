/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_RANGE_ALLOC_H
#define USER_RANGE_ALLOC_H

/*
 * range_alloc - which parts of an array are taken: first fit, a few hundred parts at most.
 *
 * Threads: its owner's.
 */

#include <stddef.h>
#include <stdint.h>

struct range {
	uint32_t first;
	uint32_t len;
};

struct range_alloc {
	uint32_t size; /* of the array; set by the owner, with all else 0 */
	struct range *taken; /* by place */
	size_t nr;
};

void range_alloc__release(struct range_alloc *ra);

/**
 * range_alloc__take() - find @len places in a row.
 * @len: 0 takes nothing, at place 0.
 *
 * Return: 0; -ENOSPC if there is no such gap; -ENOMEM.
 */
int range_alloc__take(struct range_alloc *ra, uint32_t len, uint32_t *first);

/** range_alloc__give() - return what was taken at @first. */
void range_alloc__give(struct range_alloc *ra, uint32_t first);

#endif /* USER_RANGE_ALLOC_H */
