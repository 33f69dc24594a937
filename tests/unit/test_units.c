/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "records.h"

#include <errno.h>

#include "units.h"

static void whole_numbers_are_strict(void **state)
{
	static const char *const bad[] = { "",    " 1",  "1 ",  "+1", "-1",      "0x10",
					   "1e3", "1.0", "abc", "1k", "\xd9\xa1" };
	uint64_t v = 7;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(units__parse_uint(bad[i], UINT64_MAX, &v), -EINVAL);
	assert_int_equal(units__parse_uint("99999999999999999999x", UINT64_MAX, &v), -EINVAL);
	assert_int_equal(units__parse_uint("18446744073709551616", UINT64_MAX, &v), -ERANGE);
	assert_int_equal(units__parse_uint("101", 100, &v), -ERANGE);
	assert_int_equal(v, 7); /* untouched on error */
	assert_int_equal(units__parse_uint("18446744073709551615", UINT64_MAX, &v), 0);
	assert_int_equal(v, UINT64_MAX);
	assert_int_equal(units__parse_uint("100", 100, &v), 0);
	assert_int_equal(v, 100);
	assert_int_equal(units__parse_uint("007", 100, &v), 0);
	assert_int_equal(v, 7);
}

static void durations_have_a_unit_or_are_seconds(void **state)
{
	static const struct {
		const char *str;
		uint64_t ns;
	} good[] = {
		{ "10", 10000000000 },
		{ "10s", 10000000000 },
		{ "500ms", 500000000 },
		{ "2.5s", 2500000000 },
		{ "250us", 250000 },
		{ "2m", 120000000000 },
		{ "2min", 120000000000 },
		{ "1h", 3600000000000 },
		{ "0.1", 100000000 },
		{ "0.000000001", 1 },
		{ "366h", 1317600000000000 },
		{ "1.1", 1100000000 },
		{ "8784h", 31622400000000000 },
	};
	static const char *const bad[] = { "",    "s",   "-1",  "+1",  "1 s", " 1",
					   "1.",  ".5",  "1.s", "1S",  "1d",  "1,5",
					   "1e3", "inf", "nan", "1s1", "0x1" };
	static const char *const out[] = { "0", "0s", "0.0000000001", "8785h",
					   "99999999999999999999999999h" };
	char longest[400];
	uint64_t ns = 7;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(units__parse_duration(bad[i], &ns), -EINVAL);
	for (i = 0; i < ARRAY_SIZE(out); i++)
		assert_int_equal(units__parse_duration(out[i], &ns), -ERANGE);
	memset(longest, '9', sizeof(longest)); /* beyond what a double can hold */
	longest[399] = '\0';
	assert_int_equal(units__parse_duration(longest, &ns), -ERANGE);
	assert_int_equal(ns, 7);
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(units__parse_duration(good[i].str, &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
}

static void sizes_are_powers_of_1024(void **state)
{
	static const char *const bad[] = { "", "K", "-1K", "1KB", "1 K", "1Ki", "1T", "0x10" };
	uint64_t v = 7;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(units__parse_size(bad[i], &v), -EINVAL);
	assert_int_equal(units__parse_size("99999999999G", &v), -ERANGE);
	assert_int_equal(v, 7);
	assert_int_equal(units__parse_size("65536", &v), 0);
	assert_int_equal(v, 65536);
	assert_int_equal(units__parse_size("64K", &v), 0);
	assert_int_equal(v, 65536);
	assert_int_equal(units__parse_size("64k", &v), 0);
	assert_int_equal(v, 65536);
	assert_int_equal(units__parse_size("8M", &v), 0);
	assert_int_equal(v, 8 << 20);
	assert_int_equal(units__parse_size("1G", &v), 0);
	assert_int_equal(v, 1 << 30);
	assert_int_equal(units__parse_size("0.5K", &v), 0);
	assert_int_equal(v, 512);
	assert_int_equal(units__parse_size("0", &v), 0);
	assert_int_equal(v, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers_are_strict),
		cmocka_unit_test(durations_have_a_unit_or_are_seconds),
		cmocka_unit_test(sizes_are_powers_of_1024),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
