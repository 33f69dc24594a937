// SPDX-License-Identifier: GPL-2.0-or-later
#include "cost_shares.h"

#include <stdbool.h>
#include <string.h>

static size_t find(const struct cost_shares *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->nr; i++)
		if (!strcmp(s->all[i].name, name))
			break;
	return i;
}

void cost_shares__measured(struct cost_shares *s, const char *name, uint64_t measured_ns)
{
	size_t i = find(s, name);

	if (i == COST_SHARES_MAX)
		return;
	if (i == s->nr)
		s->all[s->nr++].name = name;
	if (measured_ns > s->all[i].measured_ns)
		s->all[i].measured_ns = measured_ns;
}

/* Of the time that was measured, what counts now: that since the last time, or all of it if there is none since. */
static uint64_t weight(const struct cost_shares *s, size_t i, bool since)
{
	return s->all[i].measured_ns - (since ? s->all[i].considered_ns : 0);
}

static uint64_t sum_of_weights(const struct cost_shares *s, bool since)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < s->nr; i++)
		sum += weight(s, i, since);
	return sum;
}

void cost_shares__share_out(struct cost_shares *s, uint64_t total_ns)
{
	uint64_t left_ns, left_weight, w, part;
	bool since = true;
	size_t i;

	if (total_ns <= s->total_ns)
		return;
	left_ns = total_ns - s->total_ns;
	left_weight = sum_of_weights(s, since);
	if (!left_weight) {
		since = false;
		left_weight = sum_of_weights(s, since);
	}
	if (!left_weight)
		return;
	s->total_ns = total_ns;
	for (i = 0; i < s->nr; i++) {
		w = weight(s, i, since);
		/* Of what is left, so that rounding loses nothing: the last one with a weight gets all of it. */
		part = w == left_weight ? left_ns : (uint64_t)((double)left_ns * w / left_weight);
		if (part > left_ns)
			part = left_ns;
		s->all[i].shown_ns += part;
		s->all[i].considered_ns = s->all[i].measured_ns;
		left_ns -= part;
		left_weight -= w;
	}
}

uint64_t cost_shares__shown_ns(const struct cost_shares *s, const char *name)
{
	size_t i = find(s, name);

	return i < s->nr ? s->all[i].shown_ns : 0;
}
