/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "host_stats.h"
#include "self_usage.h"

/* Whoever holds a reference may read all of it; the last one to put frees all (leaks show under SAN=1). */
static void reads_until_the_last_put(void **state)
{
	struct host_stats *hs = NULL, *reader;

	(void)state;
	assert_int_equal(host_stats__new(&hs), 0);
	hs->vms = calloc(2, sizeof(*hs->vms));
	assert_non_null(hs->vms);
	hs->nr_vms = 2;
	assert_int_equal(host_stats__copy_str(hs, &hs->vms[0].name, "web0"), 0);
	hs->vms[0].exits = calloc(1, sizeof(*hs->vms[0].exits));
	assert_non_null(hs->vms[0].exits);
	hs->vms[0].nr_exits = 1;
	reader = host_stats__get(hs);
	assert_ptr_equal(reader, hs);
	host_stats__put(hs);
	assert_string_equal(reader->vms[0].name, "web0");
	host_stats__put(reader);
	host_stats__put(NULL);
}

/* Strings do not move when others are added, whatever their sizes. */
static void keeps_strings_where_they_are(void **state)
{
	const char *strs[300], *none = "x";
	struct host_stats *hs = NULL;
	char *long_str = malloc(100001), buf[64];
	size_t i;

	(void)state;
	assert_non_null(long_str);
	memset(long_str, 'a', 100000);
	long_str[100000] = '\0';
	assert_int_equal(host_stats__new(&hs), 0);
	for (i = 0; i < 300; i++) {
		snprintf(buf, sizeof(buf), "the name of virtual machine %zu", i);
		assert_int_equal(host_stats__copy_str(hs, &strs[i], i % 100 == 50 ? long_str : buf),
				 0);
	}
	for (i = 0; i < 300; i++) {
		snprintf(buf, sizeof(buf), "the name of virtual machine %zu", i);
		assert_string_equal(strs[i], i % 100 == 50 ? long_str : buf);
	}
	assert_int_equal(host_stats__copy_str(hs, &none, NULL), 0);
	assert_null(none);
	host_stats__put(hs);
	free(long_str);
}

static void knows_what_this_process_uses(void **state)
{
	struct self_usage a = { 0 }, b = { 0 };
	uint64_t now = time(NULL) * 1000000000ull;
	int fd;

	(void)state;
	assert_int_equal(self_usage__read(&a), 0);
	fd = open("/dev/null", O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(self_usage__read(&b), 0);
	close(fd);
	assert_int_equal(b.open_fds, a.open_fds + 1);
	assert_true(a.open_fds >= 1 && a.open_fds < a.max_fds);
	assert_true(b.cpu_ns >= a.cpu_ns && b.cpu_ns > 0);
	assert_true(a.rss_bytes > 100000 && a.rss_bytes < a.virtual_bytes);
	/* Boot time is kept in whole seconds. */
	assert_true(a.start_wall_ns < now + 2000000000ull &&
		    a.start_wall_ns > now - 3600000000000ull);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_until_the_last_put),
		cmocka_unit_test(keeps_strings_where_they_are),
		cmocka_unit_test(knows_what_this_process_uses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
