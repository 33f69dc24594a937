/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What can be told of the page without a browser; tests/interop/page.cjs drives it in one.
 */
#include "export_fixture.h"
#include "strbuf.h"

#define DATA_BEGIN "<script type=\"application/json\" id=\"profile\">"

/* The part between two marks, which the caller frees; the begin mark must be there exactly once. */
static char *between(const char *text, const char *begin, const char *end)
{
	const char *p = strstr(text, begin), *q;

	assert_non_null(p);
	assert_null(strstr(p + 1, begin));
	p += strlen(begin);
	q = strstr(p, end);
	assert_non_null(q);
	return strndup(p, q - p);
}

static size_t count_of(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

/* Style and script are the same in every page and change with the design, so the golden is without them. */
static void html_golden(void **state)
{
	char *text = fix_export(&exporter_html, fix_small(), NULL), *facts, *data;
	struct strbuf sb = { 0 };

	(void)state;
	facts = between(text, "<header>", "</header>");
	data = between(text, DATA_BEGIN, "</script>");
	strbuf__printf(&sb, "%s\n%s\n", facts, data);
	fix_assert_golden("small.html.txt", sb.data, sb.len);
	strbuf__free(&sb);
	free(facts);
	free(data);
	free(text);
}

static void html_is_complete(void **state)
{
	char *text = fix_export(&exporter_html, fix_small(), NULL), *hash;

	(void)state;
	assert_int_equal(strncmp(text, "<!doctype html>\n", 16), 0);
	assert_null(strstr(text, "{{")); /* no place was left open */
	assert_null(strstr(text, "http:"));
	assert_null(strstr(text, "https:"));
	assert_null(strstr(text, "innerHTML"));
	assert_null(strstr(text, "eval("));
	assert_non_null(strstr(text, "default-src 'none'"));
	hash = between(text, "script-src 'sha256-", "'");
	assert_int_equal(strlen(hash), 44);
	assert_string_equal(hash + 43, "=");
	free(hash);
	assert_null(strstr(text, "unsafe-"));
	assert_null(strstr(text, "class=\"empty\""));
	assert_int_equal(strcmp(text + strlen(text) - 8, "</html>\n"), 0);
	free(text);
}

/* Of the three '<' and '>' in a name none arrives, so nothing can end the element or begin a comment. */
static void html_survives_hostile_names(void **state)
{
	uint64_t total;
	char *text = fix_export(&exporter_html, fix_hostile(&total), NULL), *data, *header;
	const char *p;

	(void)state;
	assert_int_equal(count_of(text, "<script"), 2);
	assert_int_equal(count_of(text, "</script"), 2);
	assert_int_equal(count_of(text, "<img"), 0);
	assert_int_equal(count_of(text, "</style"), 1);
	assert_int_equal(count_of(text, "<!--"), 0);
	data = between(text, DATA_BEGIN, "</script>");
	assert_null(strpbrk(data, "<>&"));
	for (p = data; *p; p++)
		assert_true((unsigned char)*p >= 0x20 || *p == '\n');
	header = between(text, "<header>", "</header>");
	assert_non_null(strstr(header, "&quot;quotes&quot; and &#39;quotes&#39;"));
	free(header);
	free(data);
	free(text);
}

static void html_of_nothing_says_so(void **state)
{
	struct snapshot *snap = fix_new();
	char *text;

	(void)state;
	fix_add_vm(snap, "idle", NULL, false);
	snapshot__seal(snap);
	text = fix_export(&exporter_html, snap, NULL);
	assert_non_null(strstr(text, "<div class=\"empty\"><strong>No samples</strong>"));
	free(text);
}

static void html_title_can_be_given(void **state)
{
	struct export_opts opts = { .title = "before </title><script>alert(1)</script>" };
	struct snapshot *snap = fix_small();
	struct sink *sink;
	size_t len;

	(void)state;
	assert_int_equal(sink__memory(&sink), 0);
	assert_int_equal(exporter_html.write(snap, &opts, sink), 0);
	assert_non_null(strstr(
		sink__data(sink, &len),
		"<title>before &lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt; – flame graph</title>"));
	sink__close(sink);
	snapshot__put(snap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(html_golden),
		cmocka_unit_test(html_is_complete),
		cmocka_unit_test(html_survives_hostile_names),
		cmocka_unit_test(html_of_nothing_says_so),
		cmocka_unit_test(html_title_can_be_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
