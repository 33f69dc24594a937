/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <zlib.h>

#include "http_server.h"
#include "http_fixture.h"

/* "secret", cost 4 */
#define SECRET "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
#define BASIC  "Authorization: Basic YWxpY2U6c2VjcmV0\r\n" /* alice:secret */
#define WRONG  "Authorization: Basic YWxpY2U6cGVwcGVy\r\n" /* alice:pepper */
#define HOST   "Host: localhost\r\n"

#define BIG_LEN (8 << 20)

static struct http_server *server;
static unsigned int port;
static _Atomic unsigned int nr_handled, nr_gone, nr_released;
static struct http_pending *pending;
static sem_t deferred, gone;
static char *big;

static void on_hello(void *ctx, struct http_request *req)
{
	assert_ptr_equal(ctx, &server);
	nr_handled++;
	http_request__reply_text(req, 200, "hello");
}

static void on_echo(void *ctx, struct http_request *req)
{
	const char *a = http_request__query(req, "a"), *b = http_request__query(req, "b");

	(void)ctx;
	nr_handled++;
	http_request__reply_text(req, 200, "a=%s b=%s key1=%s ua=%s path=%s client=%s", a ? a : "-", b ? b : "-",
				 http_request__query_key(req, 1) ? http_request__query_key(req, 1) : "-",
				 http_request__header(req, "user-agent") ? http_request__header(req, "User-Agent") : "-",
				 http_request__path(req), http_request__client(req));
}

static void on_nothing(void *ctx, struct http_request *req)
{
	(void)ctx, (void)req;
	nr_handled++;
}

static void released(void *owner)
{
	assert_ptr_equal(owner, &nr_released);
	nr_released++;
}

static void on_big(void *ctx, struct http_request *req)
{
	struct http_header header = { "Cache-Control", "no-store" };
	struct http_reply reply = {
		.status = 200,
		.content_type = "text/html",
		.body = big,
		.body_len = BIG_LEN,
		.release = released,
		.owner = &nr_released,
		.may_gzip = true,
		.headers = &header,
		.nr_headers = 1,
	};

	(void)ctx;
	nr_handled++;
	assert_int_equal(http_request__reply(req, &reply), 0);
}

static void on_bad_header(void *ctx, struct http_request *req)
{
	struct http_header header = { "X-Vm", "a\r\nSet-Cookie: b" };
	struct http_reply reply = { .status = 200, .body = "x", .body_len = 1, .headers = &header, .nr_headers = 1 };

	(void)ctx;
	nr_handled++;
	assert_int_equal(http_request__reply(req, &reply), -EINVAL);
}

static void client_gone(void *ctx)
{
	assert_ptr_equal(ctx, &pending);
	nr_gone++;
	sem_post(&gone);
}

static void on_defer(void *ctx, struct http_request *req)
{
	(void)ctx;
	nr_handled++;
	pending = http_request__defer(req, client_gone, &pending);
	assert_non_null(pending);
	sem_post(&deferred);
}

static const struct http_route routes[] = {
	{ .path = "/", .handler = on_hello },
	{ .path = "/health", .handler = on_hello, .open = true },
	{ .path = "/echo", .handler = on_echo },
	{ .path = "/vm/", .prefix = true, .handler = on_echo },
	{ .path = "/nothing", .handler = on_nothing },
	{ .path = "/big", .handler = on_big },
	{ .path = "/bad-header", .handler = on_bad_header },
	{ .path = "/defer", .handler = on_defer },
};

static void start_with(struct http_opts *opts)
{
	static const char *const listen_to[] = { "127.0.0.1:0" };

	opts->listen = listen_to;
	opts->nr_listen = 1;
	assert_int_equal(http_server__new(&server, opts, routes, sizeof(routes) / sizeof(routes[0]), &server), 0);
	assert_int_equal(http_server__start(server), 0);
	port = http_server__port(server, 0);
	assert_int_not_equal(port, 0);
	nr_handled = nr_gone = nr_released = 0;
}

static int start(void **state)
{
	struct http_opts opts = { 0 };

	(void)state;
	start_with(&opts);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	http_server__free(server);
	server = NULL;
	return 0;
}

static void wait_for(sem_t *sem)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DEADLINE_MS / 1000;
	if (sem_timedwait(sem, &until))
		fail_msg("waited for nothing");
}

/* One request and all of its answer. The caller frees it. */
static char *talk_bytes(const char *bytes, size_t len, size_t *out_len)
{
	int fd = client_open(port, NULL);
	char *text;

	client_send(fd, bytes, len);
	text = client_read(fd, out_len);
	close(fd);
	return text;
}

static char *talk(const char *request)
{
	return talk_bytes(request, strlen(request), NULL);
}

static void answers(const char *request, unsigned int status, const char *with)
{
	char *text = talk(request), want[32];

	snprintf(want, sizeof(want), "HTTP/1.1 %u ", status);
	if (strncmp(text, want, strlen(want)) || (with && !strstr(text, with)))
		fail_msg("answer to %s: %s\nand not %u with %s", request, text, status, with ? with : "anything");
	if (!strstr(text, "\r\nX-Content-Type-Options: nosniff\r\n") || !strstr(text, "\r\nConnection: close\r\n"))
		fail_msg("headers missing in: %s", text);
	free(text);
}

static struct http_counters counters(void)
{
	struct http_counters c;

	http_server__counters(server, &c);
	return c;
}

static bool soon(bool (*is_so)(void))
{
	for (uint64_t end = clock_now_ms() + DEADLINE_MS; clock_now_ms() < end; usleep(1000))
		if (is_so())
			return true;
	return false;
}

static bool no_conns(void)
{
	return !counters().nr_conns && !counters().nr_requests;
}

/* --- requests and answers --- */

static void answers_get(void **state)
{
	(void)state;
	answers("GET / HTTP/1.1\r\n" HOST "\r\n", 200, "\r\nContent-Length: 6\r\n");
	answers("GET / HTTP/1.1\r\n" HOST "\r\n", 200, "\r\n\r\nhello\n");
	answers("GET / HTTP/1.0\r\n\r\n", 200, "hello");
	answers("GET / HTTP/1.1\r\nhOsT:localhost:80 \t\r\nContent-Length: 0\r\n\r\n", 200, "hello");
	answers("GET /none HTTP/1.1\r\n" HOST "\r\n", 404, NULL);
	answers("GET /%2f HTTP/1.1\r\n" HOST "\r\n", 404, NULL);
	answers("GET // HTTP/1.1\r\n" HOST "\r\n", 404, NULL);
	answers("GET /health/ HTTP/1.1\r\n" HOST "\r\n", 404, NULL);
	answers("GET /nothing HTTP/1.1\r\n" HOST "\r\n", 500, NULL);
	answers("GET /bad-header HTTP/1.1\r\n" HOST "\r\n", 500, NULL);
	assert_int_equal(counters().requests[2], 4);
	assert_int_equal(counters().requests[4], 4);
	assert_int_equal(counters().requests[5], 2);
	assert_int_equal(counters().refused[HTTP_REFUSED_NO_ROUTE], 4);
	assert_true(soon(no_conns));
}

/* A header that comes byte by byte is as good as one that comes whole. */
static void takes_pieces(void **state)
{
	static const char request[] = "GET / HTTP/1.1\r\n" HOST "\r\n";
	int fd = client_open(port, NULL), i;
	char *text;

	(void)state;
	for (i = 0; request[i]; i++) {
		client_send(fd, request + i, 1);
		usleep(500);
	}
	text = client_read(fd, NULL);
	assert_non_null(strstr(text, "hello"));
	free(text);
	close(fd);
}

static void answers_head_without_body(void **state)
{
	char *text;

	(void)state;
	text = talk("HEAD / HTTP/1.1\r\n" HOST "\r\n");
	assert_non_null(strstr(text, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(text, "\r\nContent-Length: 6\r\n"));
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
	free(text);
	text = talk("HEAD /none HTTP/1.1\r\n" HOST "\r\n");
	assert_non_null(strstr(text, "HTTP/1.1 404 "));
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
	free(text);
}

static void decodes_queries(void **state)
{
	(void)state;
	answers("GET /echo?a=1&b=x%26y+%C3%A9 HTTP/1.1\r\n" HOST "User-Agent: me\r\n\r\n", 200,
		"a=1 b=x&y \xc3\xa9 key1=b ua=me path=/echo client=127.0.0.1:");
	answers("GET /echo?a HTTP/1.1\r\n" HOST "\r\n", 200, "a= b=- key1=-");
	answers("GET /echo?a=b=c&& HTTP/1.1\r\n" HOST "\r\n", 200, "a=b=c b=-");
	answers("GET /vm/7?b=2 HTTP/1.1\r\n" HOST "\r\n", 200, "b=2 key1=- ua=- path=/vm/7");
	nr_handled = 0;
	answers("GET /echo?a=1&a=2 HTTP/1.1\r\n" HOST "\r\n", 400, NULL);
	answers("GET /echo?a=1&%61=2 HTTP/1.1\r\n" HOST "\r\n", 400, NULL);
	answers("GET /echo?a=%ff HTTP/1.1\r\n" HOST "\r\n", 400, NULL);
	answers("GET /echo?a=%c0%80 HTTP/1.1\r\n" HOST "\r\n", 400, NULL);
	answers("GET /echo?a=%00 HTTP/1.1\r\n" HOST "\r\n", 400, NULL);
	answers("GET /echo?a=%c2%85 HTTP/1.1\r\n" HOST "\r\n", 400, NULL);
	answers("GET /echo?a=%4 HTTP/1.1\r\n" HOST "\r\n", 400, NULL);
	answers("GET /echo?=1 HTTP/1.1\r\n" HOST "\r\n", 400, NULL);
	assert_int_equal(nr_handled, 0);
}

static void compresses_for_those_who_can_read_it(void **state)
{
	static const struct {
		const char *header;
		bool is_packed;
	} cases[] = {
		{ "", false },
		{ "Accept-Encoding: gzip\r\n", true },
		{ "Accept-Encoding: br, gzip;q=0.5\r\n", true },
		{ "Accept-Encoding: gzip;q=0, br\r\n", false },
		{ "Accept-Encoding: identity\r\n", false },
		{ "Accept-Encoding: *\r\n", true },
		{ "Accept-Encoding: xgzip\r\n", false },
	};
	char *unpacked = malloc(BIG_LEN + 1);

	(void)state;
	assert_non_null(unpacked);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char request[256], *text, *body, *length;
		size_t len, body_len;

		snprintf(request, sizeof(request), "GET /big HTTP/1.1\r\n" HOST "%s\r\n", cases[i].header);
		text = talk_bytes(request, strlen(request), &len);
		body = strstr(text, "\r\n\r\n") + 4;
		body_len = len - (body - text);
		body[-1] = '\0';
		assert_non_null(strstr(text, "\r\nVary: Accept-Encoding"));
		assert_non_null(strstr(text, "\r\nCache-Control: no-store"));
		length = strstr(text, "\r\nContent-Length: ");
		assert_non_null(length);
		assert_int_equal(atoi(length + 18), body_len);
		assert_int_equal(!!strstr(text, "\r\nContent-Encoding: gzip"), cases[i].is_packed);
		if (cases[i].is_packed) {
			z_stream z = { .next_in = (unsigned char *)body, .avail_in = body_len,
				       .next_out = (unsigned char *)unpacked, .avail_out = BIG_LEN + 1 };

			assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
			assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
			assert_int_equal(z.total_out, BIG_LEN);
			inflateEnd(&z);
			body = unpacked;
		} else {
			assert_int_equal(body_len, BIG_LEN);
		}
		assert_memory_equal(body, big, BIG_LEN);
		free(text);
	}
	free(unpacked);
	assert_true(soon(no_conns));
	assert_int_equal(nr_released, sizeof(cases) / sizeof(cases[0]));
}

/* --- hostile requests --- */

static char *repeat(const char *before, const char *what, size_t nr, const char *after)
{
	char *text = malloc(strlen(before) + strlen(what) * nr + strlen(after) + 1), *at;

	assert_non_null(text);
	at = stpcpy(text, before);
	while (nr--)
		at = stpcpy(at, what);
	strcpy(at, after);
	return text;
}

/* Refused: an error, or closed without a word. Never a handler, never two answers, never 200. */
static void is_refused_bytes(const char *bytes, size_t len, unsigned int status)
{
	unsigned int before = nr_handled;
	char *text = talk_bytes(bytes, len, NULL), *first = strstr(text, "HTTP/1.1 ");

	if (nr_handled != before)
		fail_msg("reached a handler: %.300s", bytes);
	if (first && (first != text || strstr(first + 1, "HTTP/1.1 ") || atoi(first + 9) < 400))
		fail_msg("%.300s was answered: %.1000s", bytes, text);
	if (status && (!first || atoi(first + 9) != (int)status))
		fail_msg("%.300s was answered: %.1000s and not %u", bytes, text, status);
	free(text);
}

static void is_refused(const char *request, unsigned int status)
{
	is_refused_bytes(request, strlen(request), status);
}

#define SMUGGLED "GET /health HTTP/1.1\r\n" HOST "\r\n"

static void refuses_hostile_requests(void **state)
{
	static const char nul[] = "GET /\0x HTTP/1.1\r\n" HOST "\r\n";
	static const char tls[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
	char *text;

	(void)state;
	/* A second request hidden behind the first. */
	is_refused("GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 400);
	is_refused("GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 44\r\n\r\n" SMUGGLED, 400);
	is_refused("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx", 400);
	is_refused("GET / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400);
	is_refused("GET / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n", 413);
	is_refused("GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", 413);
	is_refused("GET / HTTP/1.1\r\n" HOST "\r\n" SMUGGLED, 400);
	/* Paths. */
	is_refused("GET /../ HTTP/1.1\r\n" HOST "\r\n", 400);
	is_refused("GET /vm/../../etc/passwd HTTP/1.1\r\n" HOST "\r\n", 400);
	is_refused("GET /vm/.. HTTP/1.1\r\n" HOST "\r\n", 400);
	is_refused("GET /vm/%00 HTTP/1.1\r\n" HOST "\r\n", 400);
	is_refused("GET /vm/%0d%0aSet-Cookie:a HTTP/1.1\r\n" HOST "\r\n", 400);
	is_refused_bytes(nul, sizeof(nul) - 1, 400);
	is_refused("GET http://localhost/ HTTP/1.1\r\n" HOST "\r\n", 400);
	is_refused("GET localhost:80 HTTP/1.1\r\n" HOST "\r\n", 400);
	is_refused("GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400);
	is_refused("GET /vm/\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400);
	is_refused("GET /#a HTTP/1.1\r\n" HOST "\r\n", 400);
	/* Line ends. */
	is_refused("GET / HTTP/1.1\n" HOST "\r\n", 400);
	is_refused("GET / HTTP/1.1\r\nHost: localhost\n\r\n", 400);
	is_refused("GET / HTTP/1.1\r\n" HOST "\n", 400);
	is_refused("GET / HTTP/1.1\r\nHost: local\rhost\r\n\r\n", 400);
	is_refused("GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", 400);
	is_refused("GET / HTTP/1.1\r\n " HOST "\r\n", 400);
	is_refused("\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400);
	/* Headers. */
	is_refused("GET / HTTP/1.1\r\n\r\n", 400);
	is_refused("GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", 400);
	is_refused("GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400);
	is_refused("GET / HTTP/1.1\r\n" HOST "Host: evil\r\n\r\n", 400);
	is_refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400);
	is_refused("GET / HTTP/1.1\r\n" HOST ": x\r\n\r\n", 400);
	is_refused("GET / HTTP/1.1\r\n" HOST "x\r\n\r\n", 400);
	is_refused("GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n", 400);
	is_refused("GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n", 417);
	/* Methods and versions. */
	is_refused("TRACE / HTTP/1.1\r\n" HOST "\r\n", 405);
	is_refused("CONNECT localhost:80 HTTP/1.1\r\n" HOST "\r\n", 405);
	is_refused("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 405);
	is_refused("get / HTTP/1.1\r\n" HOST "\r\n", 405);
	is_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", 405);
	is_refused("G@T / HTTP/1.1\r\n" HOST "\r\n", 400);
	is_refused("GET / HTTP/9.9\r\n" HOST "\r\n", 505);
	is_refused("GET / HTTP/1.2\r\n" HOST "\r\n", 400);
	is_refused("GET /\r\n\r\n", 400);
	is_refused("GET  / HTTP/1.1\r\n" HOST "\r\n", 400);
	is_refused("GET / HTTP/1.1 \r\n" HOST "\r\n", 400);
	is_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
	is_refused_bytes(tls, sizeof(tls) - 1, 400);
	/* Sizes. */
	text = repeat("GET /", "a", 40000, " HTTP/1.1\r\n" HOST "\r\n");
	is_refused(text, 414);
	free(text);
	text = repeat("GET / HTTP/1.1\r\n" HOST "X: ", "a", 40000, "\r\n\r\n");
	is_refused(text, 431);
	free(text);
	text = repeat("GET / HTTP/1.1\r\n" HOST, "X: a\r\n", 5000, "\r\n");
	is_refused(text, 431);
	free(text);
	assert_int_equal(nr_handled, 0);
	assert_int_equal(counters().requests[2], 0);
	assert_true(soon(no_conns));
	answers("GET / HTTP/1.1\r\n" HOST "\r\n", 200, "hello");
}

/* Every header, cut anywhere, is waited for or refused, and never answered 200. */
static void waits_for_the_end_of_any_prefix(void **state)
{
	static const char request[] = "GET /echo?a=%41 HTTP/1.1\r\nHost: localhost\r\nX: y\r\n\r\n";

	(void)state;
	for (size_t len = 0; len < sizeof(request) - 1; len++) {
		int fd = client_open(port, NULL);
		char *text;

		client_send(fd, request, len);
		shutdown(fd, SHUT_WR);
		text = client_read(fd, NULL);
		if (*text)
			fail_msg("%zu bytes were answered: %s", len, text);
		free(text);
		close(fd);
	}
	assert_int_equal(nr_handled, 0);
}

/* A web page elsewhere may make its own name point here: it must not read profiles. */
static void refuses_other_names_on_loopback(void **state)
{
	static const char *const good[] = { "localhost", "LocalHost:1", "127.0.0.1", "127.9.8.7:80", "[::1]", "[::1]:80" };
	static const char *const bad[] = { "evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
					   "10.0.0.1", "[::2]", "127.1", "127.0.0.256", "localhos" };
	char request[128];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", good[i]);
		answers(request, 200, "hello");
	}
	nr_handled = 0;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
		answers(request, 403, "Host");
	}
	assert_int_equal(nr_handled, 0);
	assert_int_equal(counters().refused[HTTP_REFUSED_HOST], 8);
}

static void takes_given_names_on_loopback(void **state)
{
	static const char *const names[] = { "profiler.example" };
	struct http_opts opts = { .host_names = names, .nr_host_names = 1 };

	(void)state;
	start_with(&opts);
	answers("GET / HTTP/1.1\r\nHost: Profiler.example:80\r\n\r\n", 200, "hello");
	answers("GET / HTTP/1.1\r\nHost: profiler\r\n\r\n", 403, NULL);
}

/* --- limits --- */

static void closes_slow_headers(void **state)
{
	struct http_opts opts = { .limits = { .header_ms = 600, .header_idle_ms = 200 } };
	uint64_t began;
	int idle, drip;

	(void)state;
	start_with(&opts);
	began = clock_now_ms();
	idle = client_open(port, NULL);
	drip = client_open(port, NULL);
	client_send(drip, "GET /", 5);
	for (int i = 0; i < 100 && !client_is_closed(drip, 50); i++)
		client_send(drip, "a", 1);
	assert_in_range(clock_now_ms() - began, 550, 2000);
	assert_true(client_is_closed(idle, 0));
	assert_int_equal(counters().refused[HTTP_REFUSED_TIMEOUT], 2);
	close(idle);
	close(drip);
}

static void closes_slow_readers(void **state)
{
	struct http_opts opts = { .limits = { .send_ms = 700 } };
	char chunk[1000];
	int fd, small = 4096;

	(void)state;
	start_with(&opts);
	fd = client_open(port, NULL);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	client_send(fd, "GET /big HTTP/1.1\r\n" HOST "\r\n", strlen("GET /big HTTP/1.1\r\n" HOST "\r\n"));
	for (uint64_t end = clock_now_ms() + DEADLINE_MS; clock_now_ms() < end && !nr_released; usleep(20000))
		if (recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT) == 0)
			break;
	assert_int_equal(nr_released, 1);
	assert_true(soon(no_conns));
	assert_int_equal(counters().aborted, 1);
	close(fd);
}

static bool two_requests(void)
{
	return counters().nr_requests == 2;
}

static void limits_requests_under_way(void **state)
{
	struct http_opts opts = { .max_requests = 2 };
	struct http_pending *first;
	int a, b;

	(void)state;
	start_with(&opts);
	a = client_open(port, NULL);
	client_send(a, "GET /defer HTTP/1.1\r\n" HOST "\r\n", strlen("GET /defer HTTP/1.1\r\n" HOST "\r\n"));
	wait_for(&deferred);
	first = pending;
	b = client_open(port, "127.0.0.9");
	client_send(b, "GET /defer HTTP/1.1\r\n" HOST "\r\n", strlen("GET /defer HTTP/1.1\r\n" HOST "\r\n"));
	wait_for(&deferred);
	assert_true(soon(two_requests));
	answers("GET / HTTP/1.1\r\n" HOST "\r\n", 503, "\r\nX-Go-Pprof: 1\r\nRetry-After: 1\r\n");
	assert_int_equal(counters().refused[HTTP_REFUSED_BUSY], 1);
	assert_int_equal(http_pending__reply_text(first, 200, "first"), 0);
	assert_int_equal(http_pending__reply_text(pending, 200, "second"), 0);
	free(client_read(a, NULL));
	free(client_read(b, NULL));
	assert_true(soon(no_conns));
	answers("GET / HTTP/1.1\r\n" HOST "\r\n", 200, "hello");
	close(a);
	close(b);
}

static void limits_requests_of_one_address(void **state)
{
	struct http_opts opts = { .limits = { .max_per_addr = 1 } };
	int fd, other;
	char *text;

	(void)state;
	start_with(&opts);
	fd = client_open(port, NULL);
	client_send(fd, "GET /defer HTTP/1.1\r\n" HOST "\r\n", strlen("GET /defer HTTP/1.1\r\n" HOST "\r\n"));
	wait_for(&deferred);
	answers("GET / HTTP/1.1\r\n" HOST "\r\n", 503, NULL);
	assert_int_equal(counters().refused[HTTP_REFUSED_ADDR_BUSY], 1);
	other = client_open(port, "127.0.0.9");
	client_send(other, "GET / HTTP/1.1\r\n" HOST "\r\n", strlen("GET / HTTP/1.1\r\n" HOST "\r\n"));
	text = client_read(other, NULL);
	assert_non_null(strstr(text, "hello"));
	free(text);
	assert_int_equal(http_pending__reply_text(pending, 200, "done"), 0);
	free(client_read(fd, NULL));
	close(fd);
	close(other);
}

/* Four times as many slow clients as there are places: nobody else may notice. */
static void serves_others_among_slow_clients(void **state)
{
	enum { NR_SLOW = 240, NR_SCRAPES = 40 };
	struct http_opts opts = { .limits = { .max_conns = 60 } };
	uint64_t slowest = 0;
	int slow[NR_SLOW];

	(void)state;
	start_with(&opts);
	for (int i = 0; i < NR_SLOW; i++) {
		slow[i] = client_open(port, "127.0.0.2");
		client_send(slow[i], "GET / HTTP/1.1\r\n", i % 16);
	}
	for (int i = 0; i < NR_SCRAPES; i++) {
		/* Every second one comes from the attackers' own address. */
		int fd = client_open(port, i % 2 ? "127.0.0.2" : NULL);
		uint64_t began = clock_now_ms();
		char *text;

		client_send(fd, SMUGGLED, strlen(SMUGGLED));
		text = client_read(fd, NULL);
		if (!strstr(text, "hello"))
			fail_msg("scrape %d was answered: %s", i, text);
		free(text);
		close(fd);
		if (clock_now_ms() - began > slowest)
			slowest = clock_now_ms() - began;
		close(slow[i]);
		slow[i] = client_open(port, "127.0.0.2");
	}
	assert_in_range(slowest, 0, 1000); /* a machine under test may be busy; the benchmark has the figure */
	assert_in_range(counters().nr_conns, 1, 60);
	assert_true(counters().refused[HTTP_REFUSED_EVICTED] >= NR_SLOW - 60);
	for (int i = 0; i < NR_SLOW; i++)
		close(slow[i]);
	assert_true(soon(no_conns));
}

/* It is counted first, and closed then. */
static bool sixteen_of_twenty_evicted(void)
{
	return counters().refused[HTTP_REFUSED_EVICTED] == 16 && counters().nr_conns == 4;
}

static void keeps_few_slow_ones_of_an_address(void **state)
{
	struct http_opts opts = { .limits = { .max_per_addr = 4 } };
	int slow[20];

	(void)state;
	start_with(&opts);
	for (int i = 0; i < 20; i++)
		slow[i] = client_open(port, NULL);
	assert_true(soon(sixteen_of_twenty_evicted));
	for (int i = 0; i < 20; i++)
		assert_int_equal(client_is_closed(slow[i], i < 16 ? 1000 : 0), i < 16);
	for (int i = 0; i < 20; i++)
		close(slow[i]);
}

/* --- deferred answers --- */

static int ask_deferred(const char *request)
{
	int fd = client_open(port, NULL);

	client_send(fd, request, strlen(request));
	wait_for(&deferred);
	return fd;
}

#define DEFER "GET /defer HTTP/1.1\r\n" HOST

static void answers_later_from_another_thread(void **state)
{
	int fd = ask_deferred(DEFER "\r\n");
	char *text;

	(void)state;
	assert_false(http_pending__is_gone(pending));
	answers("GET / HTTP/1.1\r\n" HOST "\r\n", 200, "hello"); /* nobody else waits */
	assert_false(client_is_closed(fd, 0));
	assert_int_equal(http_pending__reply_text(pending, 202, "late"), 0);
	text = client_read(fd, NULL);
	assert_non_null(strstr(text, "HTTP/1.1 202 "));
	assert_non_null(strstr(text, "\r\n\r\nlate\n"));
	free(text);
	close(fd);

	fd = ask_deferred("HEAD /defer HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(http_pending__reply_text(pending, 200, "late"), 0);
	text = client_read(fd, NULL);
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
	free(text);
	close(fd);
	assert_true(soon(no_conns));
	assert_int_equal(nr_gone, 0);
}

static void compresses_a_late_answer(void **state)
{
	struct http_reply reply = { .status = 200, .body = big, .body_len = BIG_LEN, .release = released,
				    .owner = &nr_released, .may_gzip = true };
	int fd = ask_deferred(DEFER "Accept-Encoding: gzip\r\n\r\n");
	size_t len;
	char *text;

	(void)state;
	assert_int_equal(http_pending__reply(pending, &reply), 0);
	text = client_read(fd, &len);
	assert_non_null(strstr(text, "Content-Encoding: gzip"));
	assert_in_range(len, 100, BIG_LEN / 10);
	assert_int_equal(nr_released, 1);
	free(text);
	close(fd);
}

static void tells_that_the_client_is_gone(void **state)
{
	struct http_reply reply = { .status = 200, .body = big, .body_len = 10, .release = released, .owner = &nr_released };
	int fd = ask_deferred(DEFER "\r\n");

	(void)state;
	close(fd);
	wait_for(&gone);
	assert_true(http_pending__is_gone(pending));
	assert_true(soon(no_conns));
	assert_int_equal(http_pending__reply(pending, &reply), -ECANCELED);
	assert_int_equal(nr_released, 1);
	assert_int_equal(nr_gone, 1);
}

static void answers_503_when_it_stops(void **state)
{
	int fd = ask_deferred(DEFER "\r\n");
	char *text;

	(void)state;
	http_server__stop(server);
	wait_for(&gone);
	text = client_read(fd, NULL);
	assert_non_null(strstr(text, "HTTP/1.1 503 "));
	free(text);
	close(fd);
	assert_true(http_pending__is_gone(pending));
	http_server__free(server);
	server = NULL;
	/* A worker may come late. */
	assert_int_equal(http_pending__reply_text(pending, 200, "late"), -ECANCELED);
}

/* A reply that came before the end is sent, however close. */
static void sends_what_was_replied_before_the_end(void **state)
{
	size_t len;
	char *text;
	int i, fd;

	for (i = 0; i < 300; i++) {
		start(state);
		fd = ask_deferred(DEFER "\r\n");
		assert_int_equal(http_pending__reply_text(pending, 200, "just in time"), 0);
		http_server__stop(server);
		text = client_read(fd, &len);
		assert_non_null(strstr(text, "just in time"));
		free(text);
		close(fd);
		http_server__free(server);
		server = NULL;
	}
}

/* Both ends of a deferred request at once, again and again: for the sanitizers. */
static void *reply_soon(void *arg)
{
	(void)arg;
	for (int i = 0; i < 300; i++) {
		wait_for(&deferred);
		http_pending__reply_text(pending, 200, "late");
	}
	return NULL;
}

static void survives_replies_to_those_who_leave(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, reply_soon, NULL), 0);
	for (int i = 0; i < 300; i++) {
		int fd = client_open(port, NULL);

		client_send(fd, DEFER "\r\n", strlen(DEFER "\r\n"));
		/* The next client must not overwrite @pending before it is answered. */
		for (unsigned int tries = 0; (int)nr_handled <= i && tries < DEADLINE_MS; tries++)
			usleep(100);
		usleep(i % 7 * 20);
		close(fd);
		assert_true(soon(no_conns));
		int left;
		do
			sem_getvalue(&deferred, &left);
		while (left);
	}
	pthread_join(thread, NULL);
	assert_int_equal(nr_handled, 300);
	while (!sem_trywait(&gone))
		;
}

/* --- TLS and passwords --- */

static struct tls_files files;

static const char *write_config(const char *text)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/web.yml", files.dir);
	write_text(path, text);
	return path;
}

static void start_tls(const char *config)
{
	struct http_opts opts = { .config_path = write_config(config) };

	start_with(&opts);
}

struct tls_client {
	int fd;
	gnutls_session_t session;
	gnutls_certificate_credentials_t creds;
};

/* Return: 0 or what the handshake said. @serial receives the server certificate's last serial byte. */
static int tls_open(struct tls_client *c, const char *priority, bool has_cert, unsigned char *serial)
{
	const gnutls_datum_t *peer;
	unsigned int nr;
	int ret;

	c->fd = client_open(port, NULL);
	assert_int_equal(gnutls_certificate_allocate_credentials(&c->creds), 0);
	if (has_cert)
		assert_int_equal(gnutls_certificate_set_x509_key_file(c->creds, files.client_cert, files.client_key,
								      GNUTLS_X509_FMT_PEM), 0);
	assert_int_equal(gnutls_init(&c->session, GNUTLS_CLIENT), 0);
	assert_int_equal(gnutls_priority_set_direct(c->session, priority, NULL), 0);
	gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->creds);
	gnutls_transport_set_int(c->session, c->fd);
	do {
		ret = gnutls_handshake(c->session);
	} while (ret < 0 && !gnutls_error_is_fatal(ret));
	if (!ret && serial) {
		gnutls_x509_crt_t crt;
		size_t len = 1;

		peer = gnutls_certificate_get_peers(c->session, &nr);
		assert_non_null(peer);
		assert_int_equal(gnutls_x509_crt_init(&crt), 0);
		assert_int_equal(gnutls_x509_crt_import(crt, peer, GNUTLS_X509_FMT_DER), 0);
		assert_int_equal(gnutls_x509_crt_get_serial(crt, serial, &len), 0);
		gnutls_x509_crt_deinit(crt);
	}
	return ret;
}

static void tls_close(struct tls_client *c)
{
	gnutls_deinit(c->session);
	gnutls_certificate_free_credentials(c->creds);
	close(c->fd);
}

/* Return: the answer, or NULL if the connection broke. */
static char *tls_talk(struct tls_client *c, const char *request, size_t *out_len)
{
	size_t len = 0, room = BIG_LEN + 4096;
	char *text = malloc(room);
	ssize_t n;

	assert_non_null(text);
	n = gnutls_record_send(c->session, request, strlen(request));
	while (n > 0 && len < room - 1) {
		n = gnutls_record_recv(c->session, text + len, room - 1 - len);
		if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
			n = 1;
		else if (n > 0)
			len += n;
	}
	text[len] = '\0';
	if (out_len)
		*out_len = len;
	if (n == 0)
		return text;
	free(text);
	return NULL;
}

#define TLS_CONFIG "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
#define NORMAL	   "NORMAL"

static void speaks_tls(void **state)
{
	struct tls_client c;
	size_t len;
	char *text;

	(void)state;
	start_tls(TLS_CONFIG);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(tls_open(&c, i ? NORMAL ":-VERS-TLS1.3" : NORMAL, false, NULL), 0);
		text = tls_talk(&c, "GET / HTTP/1.1\r\n" HOST "\r\n", NULL);
		assert_non_null(text);
		assert_non_null(strstr(text, "hello"));
		assert_non_null(strstr(text, "X-Content-Type-Options: nosniff"));
		free(text);
		tls_close(&c);
	}
	/* More than fits any buffer, and it ends with a notice that it has not been cut. */
	assert_int_equal(tls_open(&c, NORMAL, false, NULL), 0);
	text = tls_talk(&c, "GET /big HTTP/1.1\r\n" HOST "\r\n", &len);
	assert_non_null(text);
	assert_true(len > BIG_LEN);
	assert_memory_equal(text + len - BIG_LEN, big, BIG_LEN);
	free(text);
	tls_close(&c);
	/* The same strict reader. */
	nr_handled = 0;
	assert_int_equal(tls_open(&c, NORMAL, false, NULL), 0);
	text = tls_talk(&c, "GET / HTTP/1.1\n" HOST "\r\n", NULL);
	assert_non_null(text);
	assert_non_null(strstr(text, "HTTP/1.1 400 "));
	free(text);
	tls_close(&c);
	/* No TLS at all. */
	text = talk("GET / HTTP/1.1\r\n" HOST "\r\n");
	assert_non_null(strstr(text, "HTTP/1.1 400 "));
	assert_non_null(strstr(text, "HTTPS"));
	free(text);
	assert_int_equal(nr_handled, 0);
	assert_true(soon(no_conns));
}

static bool one_failed_handshake(void)
{
	return counters().refused[HTTP_REFUSED_TLS] == 1;
}

static void refuses_old_tls(void **state)
{
	struct tls_client c;

	(void)state;
	start_tls(TLS_CONFIG);
	assert_int_not_equal(tls_open(&c, "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0", false, NULL), 0);
	tls_close(&c);
	assert_true(soon(one_failed_handshake));
}

static void refuses_tls12_when_asked(void **state)
{
	struct tls_client c;

	(void)state;
	start_tls(TLS_CONFIG "  min_version: TLS13\n");
	assert_int_not_equal(tls_open(&c, "NORMAL:-VERS-TLS1.3", false, NULL), 0);
	tls_close(&c);
	assert_int_equal(tls_open(&c, "NORMAL", false, NULL), 0);
	tls_close(&c);
}

static void asks_for_client_certificates(void **state)
{
	struct tls_client c;
	char *text = NULL;

	(void)state;
	start_tls(TLS_CONFIG "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n");
	/* In TLS 1.3 the client's handshake is over before the server's no arrives. */
	if (!tls_open(&c, NORMAL, false, NULL))
		text = tls_talk(&c, "GET / HTTP/1.1\r\n" HOST "\r\n", NULL);
	assert_null(text);
	tls_close(&c);
	assert_int_equal(nr_handled, 0);
	assert_true(soon(one_failed_handshake));

	assert_int_equal(tls_open(&c, NORMAL, true, NULL), 0);
	text = tls_talk(&c, "GET / HTTP/1.1\r\n" HOST "\r\n", NULL);
	assert_non_null(text);
	assert_non_null(strstr(text, "hello"));
	free(text);
	tls_close(&c);

	/* A certificate that was made for something else. */
	strcpy(files.client_cert, files.cert);
	strcpy(files.client_key, files.key);
	text = NULL;
	if (!tls_open(&c, NORMAL, true, NULL))
		text = tls_talk(&c, "GET / HTTP/1.1\r\n" HOST "\r\n", NULL);
	assert_null(text);
	tls_close(&c);
}

static void takes_a_renewed_certificate(void **state)
{
	unsigned char before, after = 0;
	struct tls_client c;

	(void)state;
	start_tls(TLS_CONFIG);
	assert_int_equal(tls_open(&c, NORMAL, false, &before), 0);
	tls_close(&c);
	make_cert("localhost", NULL, NULL, GNUTLS_KP_TLS_WWW_SERVER, files.cert, files.key, NULL, NULL);
	for (uint64_t end = clock_now_ms() + DEADLINE_MS; clock_now_ms() < end; usleep(100000)) {
		assert_int_equal(tls_open(&c, NORMAL, false, &after), 0);
		tls_close(&c);
		if (after != before)
			return;
	}
	fail_msg("still the old certificate");
}

static void keeps_a_good_configuration(void **state)
{
	struct tls_client c;

	(void)state;
	start_tls(TLS_CONFIG);
	write_config("nonsense: true\n");
	for (uint64_t end = clock_now_ms() + 1500; clock_now_ms() < end; usleep(100000)) {
		assert_int_equal(tls_open(&c, NORMAL, false, NULL), 0);
		tls_close(&c);
	}
}

static void tls_client_may_leave(void **state)
{
	static const char request[] = DEFER "\r\n";
	struct tls_client c;

	(void)state;
	start_tls(TLS_CONFIG);
	assert_int_equal(tls_open(&c, NORMAL, false, NULL), 0);
	assert_int_equal(gnutls_record_send(c.session, request, strlen(request)), strlen(request));
	wait_for(&deferred);
	tls_close(&c);
	wait_for(&gone);
	assert_int_equal(http_pending__reply_text(pending, 200, "late"), -ECANCELED);
	assert_true(soon(no_conns));
}

#define USERS "basic_auth_users:\n  alice: " SECRET "\n"

static void asks_for_a_password(void **state)
{
	uint64_t end;
	char *text;

	(void)state;
	start_tls(USERS "http_server_config:\n  headers:\n    X-Frame-Options: deny\n");
	answers("GET / HTTP/1.1\r\n" HOST "\r\n", 401, "\r\nWWW-Authenticate: Basic realm=\"ukprof\"");
	answers("GET /none HTTP/1.1\r\n" HOST "\r\n", 401, NULL); /* what is here is nobody's business */
	answers("GET /health HTTP/1.1\r\n" HOST "\r\n", 200, "hello");
	nr_handled = 0;
	answers("GET / HTTP/1.1\r\n" HOST "Authorization: Basic !\r\n\r\n", 401, NULL);
	answers("GET / HTTP/1.1\r\n" HOST "Authorization: Bearer YWxpY2U6c2VjcmV0\r\n\r\n", 401, NULL);
	answers("GET / HTTP/1.1\r\n" HOST BASIC BASIC "\r\n", 400, NULL);
	assert_int_equal(nr_handled, 0);
	answers("GET / HTTP/1.1\r\n" HOST BASIC "\r\n", 200, "\r\nX-Frame-Options: deny\r\n");

	answers("GET / HTTP/1.1\r\n" HOST WRONG "\r\n", 401, NULL);
	/* Who was wrong waits; who was right before does not. */
	answers("GET / HTTP/1.1\r\n" HOST WRONG "\r\n", 503, "Retry-After");
	answers("GET / HTTP/1.1\r\n" HOST BASIC "\r\n", 200, "hello");
	assert_int_equal(counters().refused[HTTP_REFUSED_AUTH_BUSY], 1);

	/* A removed user is out, whatever is remembered. */
	write_config("basic_auth_users:\n  bob: " SECRET "\n");
	for (end = clock_now_ms() + DEADLINE_MS; clock_now_ms() < end; usleep(50000)) {
		text = talk("GET / HTTP/1.1\r\n" HOST BASIC "\r\n");
		if (!strstr(text, "hello")) {
			free(text);
			return;
		}
		free(text);
	}
	fail_msg("alice is still let in");
}

static void survives_a_password_guesser(void **state)
{
	enum { NR_GUESSES = 200 };
	int fds[NR_GUESSES];
	unsigned int nr_busy = 0;

	(void)state;
	start_tls("basic_auth_users:\n  alice: " SECRET "\n"
		  "  slow: $2b$10$l8wAAXEnnCGfQXKLQ/wrPerZh0M6LcJWqNklUYJusWdPuuvIa/8Yi\n");
	answers("GET / HTTP/1.1\r\n" HOST BASIC "\r\n", 200, "hello");
	for (int i = 0; i < NR_GUESSES; i++) {
		static const char guess[] = "GET / HTTP/1.1\r\n" HOST "Authorization: Basic c2xvdzp4\r\n\r\n";
		char from[20];

		snprintf(from, sizeof(from), "127.0.1.%d", i + 1);
		fds[i] = client_open(port, from);
		client_send(fds[i], guess, strlen(guess));
	}
	answers("GET / HTTP/1.1\r\n" HOST BASIC "\r\n", 200, "hello");
	answers("GET /health HTTP/1.1\r\n" HOST "\r\n", 200, "hello");
	for (int i = 0; i < NR_GUESSES; i++) {
		char *text = client_read(fds[i], NULL);

		nr_busy += !!strstr(text, "HTTP/1.1 503 ");
		assert_null(strstr(text, "HTTP/1.1 200 "));
		free(text);
		close(fds[i]);
	}
	assert_true(nr_busy >= NR_GUESSES / 2);
	assert_true(soon(no_conns));
}

/* --- addresses --- */

static void listens_where_it_is_told(void **state)
{
	static const char *const good[] = { ":0", "127.0.0.1:0", "localhost:0" };
	static const char *const bad[] = { "localhost", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "::1:80", "no.invalid:1" };
	struct http_opts opts = { .listen = good, .nr_listen = 3 };
	struct http_server *srv = NULL;

	(void)state;
	assert_int_equal(http_server__new(&srv, &opts, routes, 1, NULL), 0);
	assert_int_equal(http_server__nr_listeners(srv), 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_not_equal(http_server__port(srv, i), 0);
	http_server__free(srv);

	srv = NULL;
	opts.nr_listen = 1;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		opts.listen = &bad[i];
		assert_int_equal(http_server__new(&srv, &opts, routes, 1, NULL), -EINVAL);
		assert_null(srv);
	}
	opts.nr_listen = 0;
	assert_int_equal(http_server__new(&srv, &opts, routes, 1, NULL), -EINVAL);
	opts.systemd_socket = true;
	unsetenv("LISTEN_PID");
	assert_int_equal(http_server__new(&srv, &opts, routes, 1, NULL), -ENOENT);
}

static bool has_ipv6(void)
{
	struct sockaddr_in6 me = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && !bind(fd, (struct sockaddr *)&me, sizeof(me));

	if (fd >= 0)
		close(fd);
	return has;
}

static void answers_over_ipv6(void **state)
{
	static const char *const address[] = { "[::1]:0" };
	struct http_opts opts = { .listen = address, .nr_listen = 1 };
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	char *text;
	int fd;

	(void)state;
	if (!has_ipv6())
		skip();
	assert_int_equal(http_server__new(&server, &opts, routes, sizeof(routes) / sizeof(routes[0]), &server), 0);
	assert_int_equal(http_server__start(server), 0);
	to.sin6_port = htons(http_server__port(server, 0));
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	client_send(fd, "GET /echo HTTP/1.1\r\nHost: [::1]\r\n\r\n", strlen("GET /echo HTTP/1.1\r\nHost: [::1]\r\n\r\n"));
	text = client_read(fd, NULL);
	assert_non_null(strstr(text, "client=[::1]:"));
	free(text);
	close(fd);
}

/* In a child, for systemd's sockets have fixed numbers. It ends with the number of what went wrong. */
static int be_activated(int listener)
{
	struct http_opts opts = { .systemd_socket = true };
	struct http_server *srv;
	char pid[20];

	if (dup2(listener, 3) != 3)
		return 1;
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	if (http_server__new(&srv, &opts, routes, sizeof(routes) / sizeof(routes[0]), &server))
		return 2;
	if (http_server__nr_listeners(srv) != 1 || !http_server__port(srv, 0) || getenv("LISTEN_FDS"))
		return 3;
	if (http_server__start(srv))
		return 4;
	port = http_server__port(srv, 0);
	answers("GET / HTTP/1.1\r\n" HOST "\r\n", 200, "hello");
	http_server__free(srv);

	/* Not a socket. */
	if (dup2(open("/dev/null", O_RDWR), 3) != 3)
		return 5;
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	return http_server__new(&srv, &opts, routes, 1, NULL) == -EINVAL ? 0 : 6;
}

static void takes_sockets_from_systemd(void **state)
{
	struct sockaddr_in me = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status;
	pid_t child;

	(void)state;
	assert_return_code(bind(fd, (struct sockaddr *)&me, sizeof(me)), 0);
	assert_return_code(listen(fd, 8), 0);
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		_exit(be_activated(fd));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
}

static void tells_that_a_port_is_taken(void **state)
{
	const char *address[1];
	struct http_opts opts = { .listen = address, .nr_listen = 1 };
	struct http_server *srv = NULL;
	char text[32];

	(void)state;
	snprintf(text, sizeof(text), "127.0.0.1:%u", port);
	address[0] = text;
	assert_int_equal(http_server__new(&srv, &opts, routes, 1, NULL), -EADDRINUSE);
	assert_null(srv);
}

static int setup(void **state)
{
	(void)state;
	sem_init(&deferred, 0, 0);
	sem_init(&gone, 0, 0);
	big = malloc(BIG_LEN);
	for (int i = 0; big && i < BIG_LEN; i++)
		big[i] = "0123456789abcdef"[i / 64 % 16];
	return !big;
}

static int teardown(void **state)
{
	(void)state;
	free(big);
	return 0;
}

static int make_files(void **state)
{
	(void)state;
	tls_files_make(&files);
	return 0;
}

static int stop_and_remove(void **state)
{
	stop(state);
	tls_files_remove(&files);
	return 0;
}

#define PLAIN(test) cmocka_unit_test_setup_teardown(test, start, stop)
#define OWN(test)   cmocka_unit_test_setup_teardown(test, NULL, stop)
#define FILES(test) cmocka_unit_test_setup_teardown(test, make_files, stop_and_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAIN(answers_get),
		PLAIN(takes_pieces),
		PLAIN(answers_head_without_body),
		PLAIN(decodes_queries),
		PLAIN(compresses_for_those_who_can_read_it),
		PLAIN(refuses_hostile_requests),
		PLAIN(waits_for_the_end_of_any_prefix),
		PLAIN(refuses_other_names_on_loopback),
		OWN(takes_given_names_on_loopback),
		OWN(closes_slow_headers),
		OWN(closes_slow_readers),
		OWN(limits_requests_under_way),
		OWN(limits_requests_of_one_address),
		OWN(serves_others_among_slow_clients),
		OWN(keeps_few_slow_ones_of_an_address),
		PLAIN(answers_later_from_another_thread),
		PLAIN(compresses_a_late_answer),
		PLAIN(tells_that_the_client_is_gone),
		PLAIN(answers_503_when_it_stops),
		cmocka_unit_test(sends_what_was_replied_before_the_end),
		PLAIN(survives_replies_to_those_who_leave),
		FILES(speaks_tls),
		FILES(refuses_old_tls),
		FILES(refuses_tls12_when_asked),
		FILES(asks_for_client_certificates),
		FILES(takes_a_renewed_certificate),
		FILES(keeps_a_good_configuration),
		FILES(tls_client_may_leave),
		FILES(asks_for_a_password),
		FILES(survives_a_password_guesser),
		OWN(answers_over_ipv6),
		cmocka_unit_test(listens_where_it_is_told),
		cmocka_unit_test(takes_sockets_from_systemd),
		PLAIN(tells_that_a_port_is_taken),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
