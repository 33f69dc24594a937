/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The HTTP server with the n-th of its allocations failing, for every n: a clean -ENOMEM, or a client that is
 * told or turned away, and a server that goes on. The leak checker of SAN=1 sees what is left behind.
 * The Makefile links this program with --wrap for the allocation functions.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "http_server.h"
#include "http_fixture.h"
#include "web_config.h"

#define SECRET "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
#define MAX_N  500

void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t nr, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t nr, size_t size);
char *__wrap_strdup(const char *s);

static _Atomic long fail_at = -1; /* countdown; -1: never */
static _Atomic bool has_failed;
static __thread bool is_client; /* the test's own allocations do not fail */

static bool must_fail(void)
{
	if (is_client || fail_at < 0 || fail_at-- > 0)
		return false;
	has_failed = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t nr, size_t size)
{
	return must_fail() ? NULL : __real_calloc(nr, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return must_fail() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t nr, size_t size)
{
	return must_fail() ? NULL : __real_reallocarray(p, nr, size);
}

char *__wrap_strdup(const char *s)
{
	return must_fail() ? NULL : __real_strdup(s);
}

static struct tls_files files;
static char config[64];

static void on_page(void *ctx, struct http_request *req)
{
	static char page[4096];
	struct http_reply reply = { .status = 200, .body = page, .body_len = sizeof(page), .may_gzip = true };

	(void)ctx;
	http_request__reply(req, &reply);
}

static void on_defer(void *ctx, struct http_request *req)
{
	struct http_pending *pending = http_request__defer(req, NULL, NULL);

	(void)ctx;
	if (pending)
		http_pending__reply_text(pending, 200, "late");
}

static const struct http_route routes[] = {
	{ .path = "/", .handler = on_page },
	{ .path = "/defer", .handler = on_defer },
};

static void loads_a_configuration_or_says_enomem(void **state)
{
	struct web_config *cfg;
	int ret, n;

	(void)state;
	for (n = 0; n < MAX_N; n++) {
		cfg = (void *)1;
		has_failed = false;
		fail_at = n;
		ret = web_config__load(&cfg, config);
		fail_at = -1;
		if (!has_failed)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_ptr_equal(cfg, (void *)1);
	}
	assert_in_range(n, 10, MAX_N - 1);
	assert_int_equal(ret, 0);
	web_config__free(cfg);
}

static int new_server(struct http_server **out)
{
	static const char *const address[] = { "127.0.0.1:0" }, *const names[] = { "a", "b" };
	struct http_opts opts = { .listen = address, .nr_listen = 1, .host_names = names, .nr_host_names = 2,
				  .config_path = config };

	return http_server__new(out, &opts, routes, 2, NULL);
}

static void makes_a_server_or_says_enomem(void **state)
{
	struct http_server *srv;
	int ret, n;

	(void)state;
	for (n = 0; n < MAX_N; n++) {
		srv = (void *)1;
		has_failed = false;
		fail_at = n;
		ret = new_server(&srv);
		fail_at = -1;
		if (!has_failed)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_ptr_equal(srv, (void *)1);
	}
	assert_in_range(n, 10, MAX_N - 1);
	assert_int_equal(ret, 0);
	http_server__free(srv);
}

/* Return: the status of the answer; 0 for none. */
static int ask(unsigned int port, const char *path)
{
	char request[200], *text;
	int fd, status = 0;

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n"
		 "Authorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n", path);
	fd = client_open(port, NULL);
	client_send(fd, request, strlen(request));
	text = client_read(fd, NULL);
	sscanf(text, "HTTP/1.1 %d ", &status);
	free(text);
	close(fd);
	return status;
}

static void goes_on_serving(void **state)
{
	static const char *const paths[] = { "/", "/defer", "/none", "/a%00" };
	static const int good[] = { 200, 200, 404, 400 };
	struct http_server *srv;
	unsigned int port;
	int n, status;

	(void)state;
	is_client = true;
	write_text(config, "basic_auth_users:\n  alice: " SECRET "\n");
	assert_int_equal(new_server(&srv), 0);
	assert_int_equal(http_server__start(srv), 0);
	port = http_server__port(srv, 0);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		for (n = 0; n < MAX_N; n++) {
			has_failed = false;
			fail_at = n;
			status = ask(port, paths[i]);
			fail_at = -1;
			if (!has_failed)
				break;
			/* Nothing, an error, or the full answer without what was not needed. */
			if (status && status != good[i] && status != 500 && status != 503)
				fail_msg("%s, failure %d: status %d", paths[i], n, status);
		}
		assert_in_range(n, 2, MAX_N - 1);
		assert_int_equal(status, good[i]);
	}
	http_server__free(srv);
}

static int setup(void **state)
{
	(void)state;
	tls_files_make(&files);
	snprintf(config, sizeof(config), "%s/web.yml", files.dir);
	write_text(config, "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
			   "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"
			   "http_server_config:\n  headers:\n    X-Frame-Options: deny\n"
			   "basic_auth_users:\n  alice: " SECRET "\n  bob: " SECRET "\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tls_files_remove(&files);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_a_configuration_or_says_enomem),
		cmocka_unit_test(makes_a_server_or_says_enomem),
		cmocka_unit_test(goes_on_serving),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
