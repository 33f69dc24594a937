/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "records.h"

#include <stdio.h>
#include <stdlib.h>

#include "cost_shares.h"

#define MS 1000000ULL

static uint64_t shown(const struct cost_shares *s)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < s->nr; i++)
		sum += s->all[i].shown_ns;
	return sum;
}

static void the_total_goes_to_programs_as_measured(void **state)
{
	struct cost_shares s = { 0 };

	(void)state;
	cost_shares__measured(&s, "exit", 3 * MS);
	cost_shares__measured(&s, "entry", 1 * MS);
	cost_shares__share_out(&s, 400 * MS);
	assert_int_equal(cost_shares__shown_ns(&s, "exit"), 300 * MS);
	assert_int_equal(cost_shares__shown_ns(&s, "entry"), 100 * MS);
	assert_int_equal(cost_shares__shown_ns(&s, "nobody"), 0);
}

/* Seen in a lab: hypercalls came to an end, other exits did not, and the time of all hypercalls shrank. */
static void nobodys_time_shrinks_when_others_grow(void **state)
{
	struct cost_shares s = { 0 };

	(void)state;
	cost_shares__measured(&s, "exit", 2 * MS);
	cost_shares__measured(&s, "hypercall", 2 * MS);
	cost_shares__share_out(&s, 100 * MS);
	assert_int_equal(cost_shares__shown_ns(&s, "hypercall"), 50 * MS);
	cost_shares__measured(&s, "exit", 200 * MS);
	cost_shares__measured(&s, "hypercall", 2 * MS);
	cost_shares__share_out(&s, 110 * MS);
	assert_int_equal(cost_shares__shown_ns(&s, "exit"), 60 * MS);
	assert_int_equal(cost_shares__shown_ns(&s, "hypercall"), 50 * MS);
}

static void what_came_while_nothing_was_measured_is_shared_as_before(void **state)
{
	struct cost_shares s = { 0 };

	(void)state;
	cost_shares__measured(&s, "exit", 9 * MS);
	cost_shares__measured(&s, "entry", 3 * MS);
	cost_shares__share_out(&s, 40 * MS);
	cost_shares__share_out(&s, 80 * MS);
	assert_int_equal(cost_shares__shown_ns(&s, "exit"), 60 * MS);
	assert_int_equal(cost_shares__shown_ns(&s, "entry"), 20 * MS);
}

static void nothing_is_lost_before_the_first_measurement(void **state)
{
	struct cost_shares s = { 0 };

	(void)state;
	cost_shares__share_out(&s, 7 * MS); /* to nobody yet */
	cost_shares__measured(&s, "exit", 1);
	cost_shares__share_out(&s, 9 * MS);
	assert_int_equal(cost_shares__shown_ns(&s, "exit"), 9 * MS);
}

static void a_lower_estimate_or_measurement_takes_nothing_back(void **state)
{
	struct cost_shares s = { 0 };

	(void)state;
	cost_shares__measured(&s, "exit", 5 * MS);
	cost_shares__share_out(&s, 50 * MS);
	cost_shares__measured(&s, "exit", 4 * MS);
	cost_shares__share_out(&s, 40 * MS);
	assert_int_equal(cost_shares__shown_ns(&s, "exit"), 50 * MS);
	cost_shares__share_out(&s, 51 * MS);
	assert_int_equal(cost_shares__shown_ns(&s, "exit"), 51 * MS);
}

static void sums_are_exact_and_never_fall(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g" };
	uint64_t measured[7] = { 0 }, last[7] = { 0 }, total = 0;
	struct cost_shares s = { 0 };
	int round, i;

	(void)state;
	srand(1);
	for (round = 0; round < 20000; round++) {
		for (i = 0; i < 7; i++) {
			if (rand() % 3)
				measured[i] += (uint64_t)rand() * (rand() % 1000);
			cost_shares__measured(&s, names[i], measured[i]);
		}
		total += (uint64_t)rand() * 40;
		cost_shares__share_out(&s, total);
		assert_true(shown(&s) == total);
		for (i = 0; i < 7; i++) {
			assert_true(cost_shares__shown_ns(&s, names[i]) >= last[i]);
			last[i] = cost_shares__shown_ns(&s, names[i]);
		}
	}
}

static void more_programs_than_there_is_room_for_are_left_out(void **state)
{
	static char names[COST_SHARES_MAX + 1][8];
	struct cost_shares s = { 0 };
	int i;

	(void)state;
	for (i = 0; i <= COST_SHARES_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "p%d", i);
		cost_shares__measured(&s, names[i], 1);
	}
	cost_shares__share_out(&s, COST_SHARES_MAX);
	assert_int_equal(s.nr, COST_SHARES_MAX);
	assert_int_equal(cost_shares__shown_ns(&s, names[0]), 1);
	assert_int_equal(cost_shares__shown_ns(&s, names[COST_SHARES_MAX]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_total_goes_to_programs_as_measured),
		cmocka_unit_test(nobodys_time_shrinks_when_others_grow),
		cmocka_unit_test(what_came_while_nothing_was_measured_is_shared_as_before),
		cmocka_unit_test(nothing_is_lost_before_the_first_measurement),
		cmocka_unit_test(a_lower_estimate_or_measurement_takes_nothing_back),
		cmocka_unit_test(sums_are_exact_and_never_fall),
		cmocka_unit_test(more_programs_than_there_is_room_for_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
