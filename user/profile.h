/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_PROFILE_H
#define USER_PROFILE_H

/*
 * profile - stacks and how often each was seen: what thousands of samples or VM exits are folded into.
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

/*
 * What tells stacks apart beside their frames; the exit's members are 0 in a profile of samples, but for those
 * with the host's stacks.
 */
struct profile_key {
	uint64_t value;	 /* of detail */
	uint32_t vm;
	uint32_t vcpu;
	uint32_t reason; /* raw code of the exit */
	uint8_t isa;
	uint8_t detail;	 /* enum ukp_detail */
	uint8_t place;	 /* enum ukp_place */
	uint8_t stop;	 /* enum ukp_stop */
	uint8_t nr_kernel; /* frames of the host's kernel, and of the VMM */
	uint8_t nr_vmm;
	uint8_t reserved[6]; /* 0 */
};

struct profile_stack {
	struct profile_key key;
	uint16_t nr_frames; /* of the guest */
	uint64_t count;
	uint64_t weight; /* nanoseconds, or what the samples' periods count */
	const uint64_t *frames; /* borrowed from the profile; NULL, as the next, in a stack without any frames */
	const uint64_t *host;	/* likewise: key.nr_kernel of the kernel's, then key.nr_vmm of the VMM's */
};

/** profile__new() - @max_stacks: different stacks that are kept, with 24 frames each on average. Return: 0 or -ENOMEM. */
int profile__new(struct profile **out, size_t max_stacks);
void profile__free(struct profile *p); /* accepts NULL */

/**
 * profile__add() - count a stack that has been validated.
 * @frames: @nr_frames in all: key->nr_kernel of the host's kernel, key->nr_vmm of the VMM, at most UKP_MAX_FRAMES
 *	of the guest. What is over a limit loses all of them.
 * @count, @weight: what it stands for; added up.
 *
 * Return: 0 or -ENOMEM.
 */
int profile__add(struct profile *p, const struct profile_key *key, const uint64_t *frames, uint16_t nr_frames,
		 uint64_t count, uint64_t weight);

/* Indices of stacks hold until the next profile__forget() or profile__age(). */
size_t profile__nr(const struct profile *p);
void profile__stack(const struct profile *p, size_t i, struct profile_stack *out);
uint64_t profile__nr_overflow(const struct profile *p);

/*
 * A moment of the profile, to take differences from: what each stack had counted then. It costs 16 bytes per
 * stack, and holds whatever is forgotten in between.
 */
struct profile_mark;

/** profile__mark() - mark this moment. Return: 0 or -ENOMEM. */
int profile__mark(struct profile *p, struct profile_mark **out);
/** profile__unmark() - accepts NULL; before profile__free(). */
void profile__unmark(struct profile *p, struct profile_mark *m);
/** profile__since() - as profile__stack(), with count and weight since @m only; both may be 0. */
void profile__since(const struct profile *p, const struct profile_mark *m, size_t i, struct profile_stack *out);
/** profile__move_mark() - @m marks this moment from now on. Return: 0 or -ENOMEM (it is as before). */
int profile__move_mark(struct profile *p, struct profile_mark *m);

/** profile__forget() - drop all stacks of a VM, whose id may then be given to another. */
void profile__forget(struct profile *p, uint32_t vm);

/**
 * profile__age() - make room where it gets scarce: from half full on, drop the stacks that were not seen since the
 * call before the last one, nor since any mark. To be called every few minutes.
 *
 * Return: stacks that were dropped.
 */
size_t profile__age(struct profile *p);

#endif /* USER_PROFILE_H */
