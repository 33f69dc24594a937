/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "records.h"

#include "hostinfo.h"

static void a_release_is_since_itself_and_all_before(void **state)
{
	(void)state;
	assert_true(hostinfo__is_since("5.17.0", 5, 17));
	assert_true(hostinfo__is_since("5.18.0-1-amd64", 5, 17));
	assert_true(hostinfo__is_since("6.1.0-50-amd64", 5, 17));
	assert_true(hostinfo__is_since("7.2", 5, 17));
	assert_true(hostinfo__is_since("10.0.1", 5, 17));
}

static void what_is_older_or_no_release_is_not_since(void **state)
{
	(void)state;
	assert_false(hostinfo__is_since("5.16.20", 5, 17));
	assert_false(hostinfo__is_since("5.2.0", 5, 17));
	assert_false(hostinfo__is_since("4.18.0-553.el8.x86_64", 5, 17));
	assert_false(hostinfo__is_since("unknown", 5, 17));
	assert_false(hostinfo__is_since("6", 5, 17));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_release_is_since_itself_and_all_before),
		cmocka_unit_test(what_is_older_or_no_release_is_not_since),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
