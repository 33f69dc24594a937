/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http_parse.h"

static const struct http_limits limits = { .max_header_len = 512, .max_target_len = 100 };

static int parse(const char *bytes, size_t len, struct http_head *head, struct http_refused *refused)
{
	char *exact = malloc(len ? len : 1); /* so that the sanitizer sees a step beyond the end */
	int ret;

	assert_non_null(exact);
	memcpy(exact, bytes, len);
	ret = http_parse__head(exact, len, &limits, head, refused);
	free(exact);
	return ret;
}

static void reads_a_request(void **state)
{
	static const char text[] = "HEAD /a/b?x=%3D&y HTTP/1.1\r\nHost: h:1\r\nX-A:  b c \t\r\nEmpty:\r\n\r\n";
	struct http_refused refused;
	struct http_head head;

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++)
		assert_int_equal(parse(text, len, &head, &refused), 0);
	assert_int_equal(parse(text, sizeof(text) - 1, &head, &refused), 1);
	assert_true(head.is_head);
	assert_string_equal(head.path, "/a/b");
	assert_string_equal(head.host, "h:1");
	assert_int_equal(head.nr_params, 2);
	assert_string_equal(head.params[0].value, "=");
	assert_string_equal(head.params[1].value, "");
	assert_string_equal(http_head__field(&head, "x-a"), "b c");
	assert_string_equal(http_head__field(&head, "empty"), "");
	assert_null(http_head__field(&head, "x"));
	http_head__free(&head);
}

static void keeps_its_limits(void **state)
{
	struct http_refused refused;
	struct http_head head;
	char text[1024];
	int len;

	(void)state;
	len = snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\nHost: h\r\n\r\n", 99, 0);
	assert_int_equal(parse(text, len, &head, &refused), 1);
	http_head__free(&head);
	len = snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\nHost: h\r\n\r\n", 100, 0);
	assert_int_equal(parse(text, len, &head, &refused), -EBADMSG);
	assert_int_equal(refused.status, 414);

	len = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h\r\nX: %0*d\r\n\r\n", 512 - 32, 0);
	assert_int_equal(len, 512);
	assert_int_equal(parse(text, len, &head, &refused), 1);
	http_head__free(&head);
	len = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h\r\nX: %0*d\r\n\r\n", 512 - 31, 0);
	assert_int_equal(parse(text, len, &head, &refused), -EBADMSG);
	assert_int_equal(refused.status, 431);
	assert_int_equal(refused.why, HTTP_REFUSED_TOO_LONG);
}

static bool is_printable(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < 0x20 && *s != '\t') || (unsigned char)*s > 0x7e)
			return false;
	return true;
}

/* What is true of every request that is accepted, whatever its bytes were. */
static void check_accepted(const struct http_head *head)
{
	size_t i, nr_hosts = 0;

	assert_int_equal(head->path[0], '/');
	assert_true(is_printable(head->path));
	assert_null(strstr(head->path, "/../"));
	for (i = 0; i < head->nr_fields; i++) {
		assert_true(*head->fields[i].key && is_printable(head->fields[i].key));
		assert_true(is_printable(head->fields[i].value));
		nr_hosts += !strcasecmp(head->fields[i].key, "Host");
	}
	assert_true(nr_hosts == 1 || (head->is_http10 && !nr_hosts));
	assert_null(http_head__field(head, "Transfer-Encoding"));
	for (i = 0; i < head->nr_params; i++)
		for (const char *s = head->params[i].value; *s; s++)
			assert_true((unsigned char)*s >= 0x20 && *s != 0x7f);
}

/* Bytes are changed, left out, doubled and cut; with a fixed seed, so a failure comes again. */
static void survives_any_bytes(void **state)
{
	static const char *const seeds[] = {
		"GET /vm/7?a=1&b=%c3%a9+x HTTP/1.1\r\nHost: localhost:80\r\nAccept-Encoding: gzip\r\n\r\n",
		"HEAD / HTTP/1.0\r\nAuthorization: Basic YTpi\r\nContent-Length: 0\r\n\r\n",
		"GET /?%41=%42&&c HTTP/1.1\r\nHost: [::1]:1\r\nX:\ty\r\nTransfer-Encoding: x\r\n\r\n",
	};
	static const char spice[] = "\r\n\t :%/?&=.\0\xff\x7f[]-0aZ#+";
	unsigned int seed = 1, nr_accepted = 0, nr_refused = 0;
	struct http_refused refused;
	struct http_head head;
	char text[600];

	(void)state;
	for (int i = 0; i < 60000; i++) {
		size_t len = strlen(seeds[i % 3]);

		memcpy(text, seeds[i % 3], len);
		for (int n = rand_r(&seed) % 4; n >= 0; n--) {
			size_t at = rand_r(&seed) % len, nr = rand_r(&seed) % 8;

			switch (rand_r(&seed) % 4) {
			case 0:
				text[at] = spice[rand_r(&seed) % sizeof(spice)];
				break;
			case 1:
				text[at] = rand_r(&seed);
				break;
			case 2:
				nr = nr < len - at ? nr : len - at - 1;
				memmove(text + at, text + at + nr, len - at - nr);
				len -= nr;
				break;
			default:
				nr = nr < len - at ? nr : len - at;
				if (len + nr > sizeof(text))
					break;
				memmove(text + at + nr, text + at, len - at);
				len += nr;
			}
		}
		switch (parse(text, len, &head, &refused)) {
		case 1:
			nr_accepted++;
			check_accepted(&head);
			http_head__free(&head);
			break;
		case -EBADMSG:
			nr_refused++;
			assert_in_range(refused.status, 400, 505);
			assert_non_null(refused.text);
		}
	}
	assert_true(nr_accepted > 1000 && nr_refused > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_request),
		cmocka_unit_test(keeps_its_limits),
		cmocka_unit_test(survives_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
