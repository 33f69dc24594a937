/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "range_alloc.h"

static uint32_t take(struct range_alloc *ra, uint32_t len)
{
	uint32_t first = UINT32_MAX;

	assert_int_equal(range_alloc__take(ra, len, &first), 0);
	return first;
}

static void the_first_gap_that_fits_is_taken(void **state)
{
	struct range_alloc ra = { .size = 100 };
	uint32_t first = 77;

	(void)state;
	assert_int_equal(take(&ra, 10), 0);
	assert_int_equal(take(&ra, 20), 10);
	assert_int_equal(take(&ra, 30), 30);
	range_alloc__give(&ra, 10);
	assert_int_equal(take(&ra, 21), 60);
	assert_int_equal(take(&ra, 15), 10);
	assert_int_equal(take(&ra, 5), 25);
	assert_int_equal(range_alloc__take(&ra, 20, &first), -ENOSPC);
	assert_int_equal(first, 77);
	assert_int_equal(take(&ra, 19), 81);
	assert_int_equal(range_alloc__take(&ra, 1, &first), -ENOSPC);
	assert_int_equal(take(&ra, 0), 0);
	range_alloc__give(&ra, 0);
	assert_int_equal(take(&ra, 10), 0);
	range_alloc__release(&ra);
}

static void whole_and_more(void **state)
{
	struct range_alloc ra = { .size = 100 };
	uint32_t first;

	(void)state;
	assert_int_equal(range_alloc__take(&ra, 101, &first), -ENOSPC);
	assert_int_equal(range_alloc__take(&ra, UINT32_MAX, &first), -ENOSPC);
	assert_int_equal(take(&ra, 100), 0);
	assert_int_equal(range_alloc__take(&ra, 1, &first), -ENOSPC);
	range_alloc__give(&ra, 0);
	range_alloc__give(&ra, 0);
	assert_int_equal(take(&ra, 100), 0);
	range_alloc__release(&ra);
}

/* Against an array of bytes. */
static void parts_never_overlap(void **state)
{
	struct range_alloc ra = { .size = 1000 };
	uint32_t firsts[64], lens[64], first, len, i, n, nr = 0;
	uint64_t x = 88172645463325252ull;
	uint8_t used[1000] = { 0 };

	(void)state;
	for (n = 0; n < 20000; n++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (nr == 64 || (nr && x % 5 < 2)) {
			i = x / 8 % nr;
			memset(used + firsts[i], 0, lens[i]);
			range_alloc__give(&ra, firsts[i]);
			nr--;
			firsts[i] = firsts[nr];
			lens[i] = lens[nr];
			continue;
		}
		len = 1 + x / 8 % 60;
		if (range_alloc__take(&ra, len, &first))
			continue;
		assert_true(first + len <= 1000);
		for (i = first; i < first + len; i++)
			assert_false(used[i]);
		memset(used + first, 1, len);
		firsts[nr] = first;
		lens[nr++] = len;
	}
	range_alloc__release(&ra);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_gap_that_fits_is_taken),
		cmocka_unit_test(whole_and_more),
		cmocka_unit_test(parts_never_overlap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
