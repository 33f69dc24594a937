/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_LEVEL_H
#define USER_LEVEL_H

/*
 * level - how closely VMs are looked at, and what each level has cost so far.
 *
 * The cost is that of our own BPF programs as the kernel counts it. Counting costs, too, so it is switched on
 * for one tick in eight, from the first on.
 *
 * Threads: the collector thread.
 */

#include <stdbool.h>
#include <stdint.h>

struct loader;

enum level {
	LEVEL_COUNTERS = 0, /* nothing of ours runs; KVM's own statistics can be read */
	LEVEL_SAMPLING = 1, /* stacks on a clock; nothing runs at an exit */
	LEVEL_EXITS = 2,    /* and every exit is accounted for */
	LEVEL_FULL = 3,	    /* and some exits are picked for their guest stack */
	NR_LEVELS
};

/** level__name() - "counters", "sampling", "exits", "full"; static. */
const char *level__name(enum level level);

/** level__parse() - Return: the level called @name, or -1. */
int level__parse(const char *name);

/* What one level was used for, and what it cost. */
struct level_use {
	uint64_t ns;	  /* how long */
	uint64_t exits;	  /* counted in that time */
	uint64_t samples; /* sampling interrupts taken */
	/* while cost was counted, which is a part of that time */
	uint64_t measured_exits;
	uint64_t measured_samples;
	uint64_t exit_run_ns;	/* of all programs that run for exits */
	uint64_t sample_run_ns; /* of the sampling program */
};

struct level_account;

/** level_account__new() - @l: borrowed. Return: 0 or -ENOMEM. */
int level_account__new(struct level_account **out, struct loader *l);
void level_account__free(struct level_account *a); /* accepts NULL */

/** level_account__set() - from now on it is @level that costs. */
void level_account__set(struct level_account *a, enum level level, uint64_t now_ns);
/** level_account__tick() - to be called a few times a second. */
void level_account__tick(struct level_account *a, uint64_t now_ns);
/** level_account__stop() - nothing of ours runs any more. */
void level_account__stop(struct level_account *a, uint64_t now_ns);

const struct level_use *level_account__use(const struct level_account *a, enum level level);

#endif /* USER_LEVEL_H */
