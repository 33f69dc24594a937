/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_COST_SHARES_H
#define USER_COST_SHARES_H

/*
 * cost_shares - an estimated total of time, shared out among programs that were measured now and then.
 *
 * To others each program's time is a counter, and a counter that falls is taken for one that began anew. So what
 * was given to a program stays with it: only what the total has grown by is shared out, in proportion to what the
 * programs' measured times have grown by meanwhile. The shown times add up to the total, as soon as anything was
 * measured.
 *
 * Threads: one at a time.
 */

#include <stddef.h>
#include <stdint.h>

#define COST_SHARES_MAX 32

struct cost_shares {
	struct {
		const char *name;	/* as given; not owned */
		uint64_t measured_ns;	/* highest until now */
		uint64_t considered_ns; /* of that, what has been taken into account */
		uint64_t shown_ns;
	} all[COST_SHARES_MAX];
	size_t nr;
	uint64_t total_ns; /* shared out until now */
};

/** cost_shares__measured() - @name's measured time since the start; programs beyond the room are left out. */
void cost_shares__measured(struct cost_shares *s, const char *name, uint64_t measured_ns);

/** cost_shares__share_out() - the total since the start is now @total_ns; one that is lower than before is ignored. */
void cost_shares__share_out(struct cost_shares *s, uint64_t total_ns);

/** cost_shares__shown_ns() - of @name; never falls. 0 for a program that was never measured. */
uint64_t cost_shares__shown_ns(const struct cost_shares *s, const char *name);

#endif /* USER_COST_SHARES_H */
