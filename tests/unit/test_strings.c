/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "strbuf.h"
#include "strpool.h"
#include "utf8.h"

static void strbuf_holds_what_was_added(void **state)
{
	struct strbuf sb = { 0 };
	int i;

	(void)state;
	assert_string_equal(strbuf__str(&sb), "");
	strbuf__puts(&sb, "ab");
	strbuf__addc(&sb, 'c');
	strbuf__add(&sb, "d\0e", 3);
	strbuf__printf(&sb, "%d-%s", 42, "x");
	assert_int_equal(sb.len, 10);
	assert_memory_equal(sb.data, "abcd\0e42-x", 11);
	strbuf__truncate(&sb, 3);
	strbuf__truncate(&sb, 99);
	assert_string_equal(strbuf__str(&sb), "abc");
	for (i = 0; i < 10000; i++)
		strbuf__puts(&sb, "0123456789");
	assert_int_equal(sb.len, 100003);
	assert_int_equal(strbuf__err(&sb), 0);
	strbuf__free(&sb);
	assert_string_equal(strbuf__str(&sb), "");
}

static void strbuf_error_sticks(void **state)
{
	struct strbuf sb = { 0 };

	(void)state;
	strbuf__puts(&sb, "kept");
	strbuf__add(&sb, "", SIZE_MAX / 2);
	assert_true(strbuf__err(&sb) < 0);
	strbuf__puts(&sb, "ignored");
	assert_string_equal(strbuf__str(&sb), "kept");
	strbuf__free(&sb);
}

static void strpool_numbers_in_order_of_first_use(void **state)
{
	struct strpool *pool;
	char text[16];
	size_t len;
	int i, round;

	(void)state;
	assert_int_equal(strpool__new(&pool), 0);
	assert_int_equal(strpool__add(pool, "", 0), 0);
	assert_int_equal(strpool__add(pool, "a\0b", 3), 1);
	assert_int_equal(strpool__add(pool, "a", 1), 2);
	assert_int_equal(strpool__add(pool, NULL, 0), 0);
	for (round = 0; round < 2; round++)
		for (i = 0; i < 20000; i++)
			assert_int_equal(strpool__add(pool, text, sprintf(text, "s%d", i)), 3 + i);
	assert_int_equal(strpool__nr(pool), 20003);
	assert_string_equal(strpool__get(pool, 3 + 777, &len), "s777");
	assert_int_equal(len, 4);
	assert_memory_equal(strpool__get(pool, 1, NULL), "a\0b", 4);
	strpool__free(pool);
	strpool__free(NULL);
}

static void utf8_decodes_the_valid_and_refuses_the_rest(void **state)
{
	static const struct {
		const char *bytes;
		size_t len, want;
		uint32_t cp;
	} t[] = {
		{ "A", 1, 1, 'A' },
		{ "\0", 1, 1, 0 },
		{ "\xc2\x80", 2, 2, 0x80 },
		{ "\xdf\xbf", 2, 2, 0x7ff },
		{ "\xe0\xa0\x80", 3, 3, 0x800 },
		{ "\xef\xbf\xbf", 3, 3, 0xffff },
		{ "\xf0\x90\x80\x80", 4, 4, 0x10000 },
		{ "\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff },
		{ "\x80", 1, 0, 0 },                 /* continuation byte alone */
		{ "\xc0\xaf", 2, 0, 0 },             /* overlong '/' */
		{ "\xe0\x80\xaf", 3, 0, 0 },         /* overlong '/' */
		{ "\xf0\x80\x80\xaf", 4, 0, 0 },     /* overlong '/' */
		{ "\xed\xa0\x80", 3, 0, 0 },         /* surrogate */
		{ "\xf4\x90\x80\x80", 4, 0, 0 },     /* above U+10FFFF */
		{ "\xf8\x88\x80\x80\x80", 5, 0, 0 }, /* five bytes */
		{ "\xc3(", 2, 0, 0 },                /* not continued */
		{ "\xe2\x82\xac", 2, 0, 0 },         /* cut */
	};
	uint32_t cp;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(utf8__decode(t[i].bytes, t[i].len, &cp), t[i].want);
		if (t[i].want)
			assert_int_equal(cp, t[i].cp);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strbuf_holds_what_was_added),
		cmocka_unit_test(strbuf_error_sticks),
		cmocka_unit_test(strpool_numbers_in_order_of_first_use),
		cmocka_unit_test(utf8_decodes_the_valid_and_refuses_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
