/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "export_fixture.h"

static void every_format_is_complete(void **state)
{
	const struct exporter *const *e;

	(void)state;
	for (e = exporter__table(); *e; e++) {
		assert_non_null((*e)->name);
		assert_non_null((*e)->help);
		assert_non_null((*e)->write);
		assert_non_null((*e)->suffixes[0]);
		assert_ptr_equal(exporter__by_name((*e)->name), *e);
	}
	assert_null(exporter__by_name("flamegraph"));
	assert_null(exporter__by_name(""));
}

static void assert_path(const char *path, const struct exporter *want)
{
	assert_ptr_equal(exporter__by_path(path), want);
}

static void format_follows_the_file_ending(void **state)
{
	(void)state;
	assert_path("web.pb.gz", &exporter_pprof);
	assert_path("/tmp/x/web.pprof", &exporter_pprof);
	assert_path("web.folded", &exporter_folded);
	assert_path("web.html.collapsed", &exporter_folded);
	assert_path("web.svg", &exporter_svg);
	assert_path("web.html", &exporter_html);
	assert_path("web.folded.htm", &exporter_html);
	assert_path("web.txt", &exporter_text);
	assert_path("web.text", NULL);
	assert_path("web.gz", NULL);
	assert_path("folded", NULL);
	assert_path("", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_format_is_complete),
		cmocka_unit_test(format_follows_the_file_ending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
