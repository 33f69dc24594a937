/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What can be told of the live page without a browser; tests/interop/live.cjs drives it in one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "live_page.h"

/* The caller frees it. */
static char *page_text(void)
{
	const void *page;
	char *text;
	size_t len;

	page = live_page(&len);
	text = strndup(page, len);
	assert_non_null(text);
	assert_int_equal(strlen(text), len); /* no NUL in the document */
	return text;
}

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

/* "'sha256-…'" of a text, as a policy writes it. The caller frees it. */
static char *policy_hash(const char *text)
{
	unsigned char digest[32];
	gnutls_datum_t raw = { digest, sizeof(digest) }, encoded;
	char *hash;

	assert_int_equal(gnutls_hash_fast(GNUTLS_DIG_SHA256, text, strlen(text), digest), 0);
	assert_int_equal(gnutls_base64_encode2(&raw, &encoded), 0);
	assert_true(asprintf(&hash, "'sha256-%.*s'", (int)encoded.size, (char *)encoded.data) > 0);
	gnutls_free(encoded.data);
	return hash;
}

static void live_page_is_complete(void **state)
{
	char *text = page_text();

	(void)state;
	assert_int_equal(strncmp(text, "<!doctype html>\n", 16), 0);
	assert_int_equal(strcmp(text + strlen(text) - 8, "</html>\n"), 0);
	assert_null(strstr(text, "{{")); /* no place was left open */
	assert_non_null(strstr(text, "function flameGraph("));
	assert_non_null(strstr(text, "\"api/v1/vms\""));
	free(text);
}

/* Nothing from elsewhere, and no way to make markup of a name. */
static void live_page_loads_and_parses_nothing(void **state)
{
	static const char *const forbidden[] = { "http:",     "https:",
						 "src=",      "innerHTML",
						 "outerHTML", "insertAdjacentHTML",
						 "eval(",     "document.write",
						 "@import",   "url(",
						 "unsafe-",   " style=",
						 "onclick=\"" };
	char *text = page_text();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		if (strstr(text, forbidden[i]))
			fail_msg("the page has %s", forbidden[i]);
	free(text);
}

/* A browser would run nothing if a hash were wrong. */
static void live_page_policy_fits(void **state)
{
	char *text = page_text(), *script = between(text, "<script>", "</script>"),
	     *style = between(text, "<style>", "</style>"), *hash;
	char *policy = between(text, "Content-Security-Policy\" content=\"", "\"");

	(void)state;
	hash = policy_hash(script);
	assert_non_null(strstr(policy, hash));
	free(hash);
	hash = policy_hash(style);
	assert_non_null(strstr(policy, hash));
	free(hash);
	assert_int_equal(strncmp(policy, "default-src 'none'; ", 20), 0);
	/* The header says the same, and more. */
	assert_int_equal(strncmp(live_page__csp(), policy, strlen(policy)), 0);
	assert_string_equal(live_page__csp() + strlen(policy), "; frame-ancestors 'none'");
	free(policy);
	free(style);
	free(script);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live_page_is_complete),
		cmocka_unit_test(live_page_loads_and_parses_nothing),
		cmocka_unit_test(live_page_policy_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
