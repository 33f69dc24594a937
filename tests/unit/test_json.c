/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "records.h"

#include <stdio.h>

#include "json.h"
#include "utf8.h"

static void assert_json(const char *str, const char *want)
{
	char *got = NULL;
	size_t len;
	FILE *f = open_memstream(&got, &len);

	assert_non_null(f);
	json__print_str(f, str);
	fclose(f);
	assert_string_equal(got, want);
	free(got);
}

static void strings_are_quoted(void **state)
{
	(void)state;
	assert_json(NULL, "null");
	assert_json("", "\"\"");
	assert_json("a b", "\"a b\"");
	assert_json("a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
	assert_json("\n\t\r\x01\x1f\x7f", "\"\\u000a\\u0009\\u000d\\u0001\\u001f\\u007f\"");
	assert_json("%s%n", "\"%s%n\"");
	assert_json("\xc3\xa9\xe2\x82\xac\xf0\x9f\xa6\x84",
		    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\xa6\x84\"");
}

/* What is no UTF-8 makes the whole document unreadable for others. */
static void broken_utf8_is_replaced(void **state)
{
	(void)state;
	assert_json("a\xff"
		    "b",
		    "\"a\\ufffdb\"");
	assert_json("\xc3", "\"\\ufffd\"");
	assert_json("\xc3(", "\"\\ufffd(\"");
	assert_json("\xe2\x82", "\"\\ufffd\\ufffd\"");
	assert_json("\xc0\xaf", "\"\\ufffd\\ufffd\"");
	assert_json("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"");
	assert_json("\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
}

/* Every code point goes through as itself, whatever its bytes. */
static void every_character_survives(void **state)
{
	uint32_t cp, got;
	char s[5];
	size_t n;

	(void)state;
	for (cp = 0x80; cp <= 0x10ffff; cp++) {
		if (cp < 0x800)
			n = 2, s[0] = 0xc0 | cp >> 6;
		else if (cp < 0x10000)
			n = 3, s[0] = 0xe0 | cp >> 12, s[1] = 0x80 | (cp >> 6 & 0x3f);
		else
			n = 4, s[0] = 0xf0 | cp >> 18, s[1] = 0x80 | (cp >> 12 & 0x3f),
			s[2] = 0x80 | (cp >> 6 & 0x3f);
		s[n - 1] = 0x80 | (cp & 0x3f);
		assert_int_equal(utf8__decode(s, n, &got), cp >= 0xd800 && cp <= 0xdfff ? 0 : n);
		assert_int_equal(utf8__decode(s, n - 1, &got), 0);
		if (cp < 0xd800 || cp > 0xdfff)
			assert_int_equal(got, cp);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_quoted),
		cmocka_unit_test(broken_utf8_is_replaced),
		cmocka_unit_test(every_character_survives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
