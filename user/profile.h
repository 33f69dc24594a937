/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_PROFILE_H
#define USER_PROFILE_H

/*
 * profile - stacks and how often each was seen: what thousands of samples are folded into.
 *
 * Memory grows with the number of different stacks and not with time; a guest that makes up addresses
 * meets the limit on stacks or on their frames, and what is over it is counted under the VM with no frames
 * (so totals stay right) and in nr_overflow.
 *
 * Threads: the collector thread.
 */

#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "ukprof_abi.h"

struct profile;

struct profile_stack {
	uint32_t vm;
	uint32_t vcpu;
	uint8_t place; /* enum ukp_place */
	uint8_t stop;  /* enum ukp_stop */
	uint16_t nr_frames;
	uint64_t count;
	uint64_t weight; /* sum of the samples' periods */
	const uint64_t *frames; /* borrowed from the profile */
};

/** profile__new() - @max_stacks: different stacks that are kept, with 24 frames each on average. Return: 0 or -ENOMEM. */
int profile__new(struct profile **out, size_t max_stacks);
void profile__free(struct profile *p); /* accepts NULL */

/** profile__add() - count a sample that has been validated. Return: 0 or -ENOMEM. */
int profile__add(struct profile *p, const struct ukp_sample *s);

size_t profile__nr(const struct profile *p);
void profile__stack(const struct profile *p, size_t i, struct profile_stack *out);
uint64_t profile__nr_overflow(const struct profile *p);

#endif /* USER_PROFILE_H */
