/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The object by itself; inside the page the goldens of test_html see it.
 */
#include "check_json.h"
#include "flame_json.h"
#include "flame_tree.h"

/* The caller frees it. */
static char *to_json(struct snapshot *snap)
{
	struct flame_tree *t;
	struct sink *sink;
	const char *data;
	char *text;
	size_t len;

	assert_int_equal(flame_tree__new(&t, snap, 0), 0);
	assert_int_equal(sink__memory(&sink), 0);
	flame_json__write(t, flame__unit(snap), sink);
	data = sink__data(sink, &len);
	text = strndup(data, len);
	assert_int_equal(strlen(text), len);
	assert_int_equal(sink__close(sink), 0);
	flame_tree__free(t);
	snapshot__put(snap);
	return text;
}

static void flame_json_is_json(void **state)
{
	uint64_t total;
	char *text;

	(void)state;
	text = to_json(fix_small());
	assert_json(text);
	assert_non_null(strstr(text, "{\"unit\":[\"sample\",\"samples\"],\n\"kinds\":["));
	assert_int_equal(text[strlen(text) - 1], '}');
	free(text);
	text = to_json(fix_hostile(&total));
	assert_json(text);
	assert_null(strchr(text, '<'));
	free(text);
}

/* What ends at the nodes adds up to the whole, and the levels never leave the tree. */
static void flame_json_nodes_add_up(void **state)
{
	uint64_t total, sum = 0, self;
	char *text = to_json(fix_hostile(&total)), *p;
	long depth = 0, up;
	size_t nr = 0;

	(void)state;
	p = strstr(text, "\"nodes\":[");
	assert_non_null(p);
	for (p += strlen("\"nodes\":["); *p != ']'; nr++) {
		strtoull(p, &p, 10);
		up = strtol(p + 1, &p, 10);
		self = strtoull(p + 1, &p, 10);
		depth = nr ? depth + 1 - up : 0;
		assert_true(!nr || depth > 0);
		sum += self;
		if (*p == ',')
			p++;
	}
	assert_true(nr > 3);
	assert_int_equal(sum, total);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flame_json_is_json),
		cmocka_unit_test(flame_json_nodes_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
