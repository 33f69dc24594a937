/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "export_fixture.h"
#include "name.h"
#include "strbuf.h"
#include "utf8.h"

static void assert_cleaned(const char *name, unsigned int flags, const char *want)
{
	struct strbuf sb = { 0 };

	strbuf__puts(&sb, "before:");
	name__clean(&sb, name, flags);
	assert_int_equal(strbuf__err(&sb), 0);
	assert_string_equal(strbuf__str(&sb) + strlen("before:"), want);
	strbuf__free(&sb);
}

static void name_keeps_what_is_harmless(void **state)
{
	(void)state;
	assert_cleaned("main", 0, "main");
	assert_cleaned("std::vector<int, A<int> >::at(size_t) const", 0,
		       "std::vector<int, A<int> >::at(size_t) const");
	assert_cleaned("\xc3\xa9\xe6\xbc\xa2\xf0\x9f\xa6\x84", 0,
		       "\xc3\xa9\xe6\xbc\xa2\xf0\x9f\xa6\x84");
}

static void name_replaces_what_is_not(void **state)
{
	(void)state;
	assert_cleaned("a\nb\tc\x7f", 0, "a?b?c?");
	assert_cleaned("\033[31m", 0, "?[31m");
	assert_cleaned("c1 \xc2\x9b"
		       "31m",
		       0, "c1 ?31m");
	assert_cleaned("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xae\xef\xbb\xbf", 0, "????");
	assert_cleaned("\xff\xc3(", 0, "\xef\xbf\xbd\xef\xbf\xbd(");
	assert_cleaned("\xef\xbf\xbf", 0, "\xef\xbf\xbd");
	assert_cleaned("cut \xe2\x82", 0, "cut \xef\xbf\xbd\xef\xbf\xbd");
}

static void name_is_never_empty(void **state)
{
	(void)state;
	assert_cleaned("", 0, "[no name]");
}

static void name_separator_only_where_asked(void **state)
{
	(void)state;
	assert_cleaned("a;b", 0, "a;b");
	assert_cleaned("a;b", NAME_NO_SEMICOLON, "a:b");
}

/* 1024 bytes fit as they are; one more and the end gives way to an ellipsis, between two characters. */
static void name_is_cut_between_characters(void **state)
{
	char name[1100], want[1100];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[1024] = '\0';
	assert_cleaned(name, 0, name);

	name[1024] = 'x';
	name[1025] = '\0';
	memset(want, 'x', 1021);
	strcpy(want + 1021, "\xe2\x80\xa6");
	assert_cleaned(name, 0, want);

	/* The two-byte character at 1020 would leave no room for the ellipsis: it goes as well. */
	memcpy(name + 1020, "\xc3\xa9", 2);
	strcpy(want + 1020, "\xe2\x80\xa6");
	assert_cleaned(name, 0, want);
}

/* Bytes grow when they are replaced: the limit is on what comes out. */
static void name_limit_is_on_the_output(void **state)
{
	struct strbuf sb = { 0 };
	char *name;
	size_t i, n;
	uint32_t cp;

	(void)state;
	name = malloc(1 << 20);
	assert_non_null(name);
	memset(name, 0xff, (1 << 20) - 1);
	name[(1 << 20) - 1] = '\0';
	name__clean(&sb, name, 0);
	assert_in_range(sb.len, 1020, 1024);
	for (i = 0; i < sb.len; i += n) {
		n = utf8__decode(sb.data + i, sb.len - i, &cp);
		assert_true(n > 0);
	}
	strbuf__free(&sb);
	free(name);
}

static void hash_depends_on_the_name(void **state)
{
	(void)state;
	assert_int_equal(name__hash(""), 2166136261u);
	assert_int_equal(name__hash("a"), 0xe40c292c); /* FNV-1a test vector */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_keeps_what_is_harmless),
		cmocka_unit_test(name_replaces_what_is_not),
		cmocka_unit_test(name_is_never_empty),
		cmocka_unit_test(name_separator_only_where_asked),
		cmocka_unit_test(name_is_cut_between_characters),
		cmocka_unit_test(name_limit_is_on_the_output),
		cmocka_unit_test(hash_depends_on_the_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
