/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_CHECK_JSON_H
#define UNIT_CHECK_JSON_H

/*
 * check_json - is a text JSON? The grammar, no more; numbers without an exponent. Fails the test if not.
 */

#include <ctype.h>

#include "export_fixture.h"

static inline const char *json_skip_value(const char *p);

static inline const char *json_skip_space(const char *p)
{
	while (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')
		p++;
	return p;
}

static inline const char *json_skip_string(const char *p)
{
	assert_int_equal(*p, '"');
	for (p++; *p != '"'; p++) {
		assert_true((unsigned char)*p >= 0x20);
		if (*p == '\\') {
			p++;
			assert_non_null(strchr("\"\\/bfnrtu", *p));
			assert_int_not_equal(*p, '\0');
		}
	}
	return p + 1;
}

static inline const char *json_skip_list(const char *p, char end, bool has_keys)
{
	p = json_skip_space(p + 1);
	if (*p == end)
		return p + 1;
	for (;;) {
		p = json_skip_space(p);
		if (has_keys) {
			p = json_skip_space(json_skip_string(p));
			assert_int_equal(*p++, ':');
		}
		p = json_skip_space(json_skip_value(p));
		if (*p == end)
			return p + 1;
		assert_int_equal(*p++, ',');
	}
}

static inline const char *json_skip_value(const char *p)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t i;

	p = json_skip_space(p);
	if (*p == '{')
		return json_skip_list(p, '}', true);
	if (*p == '[')
		return json_skip_list(p, ']', false);
	if (*p == '"')
		return json_skip_string(p);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strncmp(p, words[i], strlen(words[i])))
			return p + strlen(words[i]);
	if (*p == '-')
		p++;
	assert_true(isdigit((unsigned char)*p));
	assert_false(*p == '0' && isdigit((unsigned char)p[1]));
	while (isdigit((unsigned char)*p))
		p++;
	if (*p == '.') {
		p++;
		assert_true(isdigit((unsigned char)*p));
		while (isdigit((unsigned char)*p))
			p++;
	}
	return p;
}

static inline void assert_json(const char *text)
{
	assert_string_equal(json_skip_space(json_skip_value(text)), "");
}

#endif /* UNIT_CHECK_JSON_H */
