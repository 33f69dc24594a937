/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd_msg.h"
#include "http_fixture.h"
#include "http_server.h"
#include "serve_calls.h"
#include "serve_link.h"
#include "serve_routes.h"
#include "sink.h"

/* --- the collector's end, with a front made of a raw socket --- */

static struct serve_link *serving;
static int front, wake_fd;
static sem_t arrived;
static struct link_request *held[SERVE_MAX_REQUESTS + 1];
static _Atomic size_t nr_held;

static void hold(void *ctx, struct link_request *req)
{
	assert_ptr_equal(ctx, &serving);
	held[nr_held] = req;
	nr_held++;
	sem_post(&arrived);
}

static void wait_arrived(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DEADLINE_MS / 1000;
	assert_return_code(sem_timedwait(&arrived, &until), errno);
}

static void say(enum serve_ask ask, uint64_t id)
{
	struct serve_request req;

	serve_request__init(&req, ask, id);
	assert_int_equal(fd_msg__send(front, &req, sizeof(req), -1, 0), 0);
}

static void hear(struct serve_reply *reply, enum serve_say what)
{
	int fd;

	assert_int_equal(fd_msg__receive(front, reply, sizeof(*reply), &fd), sizeof(*reply));
	assert_int_equal(serve_reply__check(reply, sizeof(*reply), fd), 0);
	assert_int_equal(reply->say, what);
	if (fd >= 0)
		close(fd);
}

static void open_link(void)
{
	struct serve_reply go;
	int socks[2];

	nr_held = 0;
	assert_int_equal(sem_init(&arrived, 0, 0), 0);
	wake_fd = eventfd(0, EFD_CLOEXEC);
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	front = socks[1];
	assert_int_equal(serve_link__new(&serving, socks[0], wake_fd), 0);
	say(SERVE_ASK_HELLO, 0);
	assert_int_equal(serve_link__wait_hello(serving), 0);
	assert_int_equal(serve_link__start(serving, hold, &serving), 0);
	hear(&go, SERVE_SAY_GO);
}

static void close_link(void)
{
	close(front); /* first: nobody reads what follows */
	for (size_t i = 0; i < nr_held; i++)
		if (held[i])
			link_request__reply_text(held[i], 503, "stopping");
	serve_link__free(serving);
	close(wake_fd);
	sem_destroy(&arrived);
}

/* The link breaks, and says why, after it has woken the collector. */
static void expect_broken(int err)
{
	uint64_t nr;

	do
		assert_int_equal(read(wake_fd, &nr, sizeof(nr)), sizeof(nr));
	while (!serve_link__error(serving));
	assert_int_equal(serve_link__error(serving), err);
	close_link();
}

static void requests_come_and_are_answered(void **state)
{
	struct serve_reply reply;
	struct sink *sink;

	(void)state;
	open_link();
	say(SERVE_ASK_READY, 3);
	wait_arrived();
	assert_int_equal(link_request__ask(held[0])->ask, SERVE_ASK_READY);
	assert_null(link_request__text(held[0]));
	assert_true(link_request__reply_text(held[0], 200, "yes"));
	held[0] = NULL;
	hear(&reply, SERVE_SAY_DONE);
	assert_int_equal(reply.id, 3);
	assert_int_equal(reply.text_len, 3);
	say(SERVE_ASK_VMS, 9);
	wait_arrived();
	assert_int_equal(sink__memory(&sink), 0);
	sink__printf(sink, "%1000d", 1);
	assert_true(link_request__reply(held[1], sink));
	held[1] = NULL;
	hear(&reply, SERVE_SAY_DONE);
	assert_int_equal(reply.id, 9);
	assert_int_equal(reply.body_len, 1000);
	assert_int_equal(serve_link__error(serving), 0);
	serve_link__stop(serving);
	hear(&reply, SERVE_SAY_BYE);
	close_link();
}

static void a_cancelled_request_is_gone(void **state)
{
	uint64_t nr;

	(void)state;
	open_link();
	say(SERVE_ASK_READY, 1);
	say(SERVE_ASK_READY, 2);
	wait_arrived();
	wait_arrived();
	say(SERVE_ASK_CANCEL, 77); /* answered a moment ago: not an error */
	say(SERVE_ASK_CANCEL, 2);
	while (!link_request__is_gone(held[1]))
		assert_int_equal(read(wake_fd, &nr, sizeof(nr)), sizeof(nr));
	assert_false(link_request__is_gone(held[0]));
	assert_int_equal(serve_link__error(serving), 0);
	close_link();
}

static void what_is_out_of_turn_breaks_the_link(void **state)
{
	struct serve_request req;
	int i;

	(void)state;
	open_link();
	say(SERVE_ASK_HELLO, 0);
	expect_broken(-EBADMSG);

	open_link();
	say(SERVE_ASK_READY, 5);
	say(SERVE_ASK_READY, 5);
	expect_broken(-EBADMSG);

	open_link();
	say(SERVE_ASK_READY, 5);
	say(SERVE_ASK_READY, 4);
	expect_broken(-EBADMSG);

	open_link();
	assert_int_equal(send(front, "?", 1, 0), 1);
	expect_broken(-EBADMSG);

	open_link();
	serve_request__init(&req, SERVE_ASK_READY, 1);
	assert_int_equal(fd_msg__send(front, &req, sizeof(req), front, 0), 0); /* with a descriptor */
	expect_broken(-EBADMSG);

	open_link();
	for (i = 1; i <= SERVE_MAX_REQUESTS + 1; i++)
		say(SERVE_ASK_READY, i);
	expect_broken(-EBADMSG);
	assert_int_equal(nr_held, SERVE_MAX_REQUESTS);

	open_link();
	assert_return_code(shutdown(front, SHUT_WR), 0);
	expect_broken(-EPIPE);
}

static void a_front_that_never_came_is_noticed(void **state)
{
	struct serve_link *l;
	int socks[2];

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, socks), 0);
	assert_int_equal(serve_link__new(&l, socks[0], -1), 0);
	close(socks[1]);
	assert_int_equal(serve_link__wait_hello(l), -EPIPE);
	serve_link__free(l);

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, socks), 0);
	assert_int_equal(serve_link__new(&l, socks[0], -1), 0);
	front = socks[1];
	say(SERVE_ASK_READY, 1);
	assert_int_equal(serve_link__wait_hello(l), -EBADMSG);
	serve_link__free(l);
	close(front);
}

/* --- both ends, and a client --- */

static struct serve_calls *calls;
static struct serve_routes *routes;
static struct http_server *http;
static _Atomic int calls_result;

static void *run_calls(void *arg)
{
	(void)arg;
	calls_result = serve_calls__run(calls);
	return NULL;
}

/* Says what was asked. */
static void tell(void *ctx, struct link_request *req)
{
	const struct serve_request *ask = link_request__ask(req);
	struct sink *sink;

	(void)ctx;
	if (ask->ask == SERVE_ASK_EXITS) {
		link_request__reply_text(req, 404, "no such VM\n");
		return;
	}
	assert_int_equal(sink__memory(&sink), 0);
	sink__printf(sink, "ask=%u format=%u measure=%u seconds=%u text=%s", ask->ask, ask->format, ask->measure,
		     ask->seconds, link_request__text(req) ? link_request__text(req) : "-");
	link_request__reply(req, sink);
}

static int start_front(int sock, pthread_t *thread)
{
	const char *address = "127.0.0.1:0";
	struct http_opts opts = { .listen = &address, .nr_listen = 1 };
	const struct http_route *table;
	size_t nr;

	assert_int_equal(serve_calls__new(&calls, sock), 0);
	assert_int_equal(serve_routes__new(&routes, calls, "/metrics"), 0);
	table = serve_routes__table(routes, &nr);
	assert_int_equal(http_server__new(&http, &opts, table, nr, routes), 0);
	serve_routes__set_server(routes, http);
	calls_result = 1;
	assert_int_equal(pthread_create(thread, NULL, run_calls, NULL), 0);
	assert_int_equal(http_server__start(http), 0);
	return http_server__port(http, 0);
}

static void expect(unsigned int port, const char *target, const char *status, const char *words)
{
	int fd = client_open(port, NULL);
	char request[1024], *text;

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
	client_send(fd, request, strlen(request));
	text = client_read(fd, NULL);
	if (strncmp(text + 9, status, 3) || !strstr(text, words))
		fail_msg("%s: wanted %s and '%s', got: %s", target, status, words, text);
	free(text);
	close(fd);
}

static void close_front(pthread_t thread, int sock, int result)
{
	pthread_join(thread, NULL);
	assert_int_equal(calls_result, result);
	http_server__free(http);
	serve_routes__free(routes);
	serve_calls__free(calls);
	close(sock);
}

static void clients_are_served_through_the_line(void **state)
{
	char big[700];
	struct serve_reply go;
	struct serve_link *l;
	unsigned int port;
	pthread_t thread;
	int socks[2], fd;

	(void)state;
	wake_fd = eventfd(0, EFD_CLOEXEC);
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	assert_int_equal(serve_link__new(&l, socks[0], wake_fd), 0);
	assert_int_equal(serve_link__start(l, tell, NULL), 0);
	assert_int_equal(fd_msg__receive(socks[1], &go, sizeof(go), &fd), sizeof(go));
	port = start_front(socks[1], &thread);

	expect(port, "/metrics", "200", "ask=4 format=0 measure=0 seconds=0 text=-");
	expect(port, "/metrics", "200", "Cache-Control: no-store");
	expect(port, "/api/v1/vms", "200", "Content-Type: application/json");
	expect(port, "/sd", "200", "text=localhost");
	expect(port, "/api/v1/flame?vm=web&kind=exit_time", "200", "measure=2 seconds=0 text=web");
	expect(port, "/debug/pprof/profile", "200", "measure=0 seconds=30 text=-");
	expect(port, "/debug/pprof/exits?seconds=300&vm=w%C3%A9b", "200", "measure=1 seconds=300 text=w\xc3\xa9" "b");
	expect(port, "/debug/pprof/profile?seconds=301", "400", "X-Go-Pprof");
	expect(port, "/debug/pprof/profile?vm=", "404", "no VM");
	expect(port, "/api/v1/exits?vm=x", "404", "no such VM");
	expect(port, "/api/v1/exits", "400", "vm=LABEL");
	expect(port, "/-/healthy", "200", "healthy");
	memset(big, 'v', sizeof(big));
	memcpy(big, "/api/v1/exits?vm=", 17);
	big[sizeof(big) - 1] = '\0';
	expect(port, big, "404", "no VM");

	serve_link__stop(l);
	close_front(thread, socks[1], 0);
	serve_link__free(l);
	close(wake_fd);
}

/* Answers of a collector that was taken over, or of another build. */
static void wrong_answers_end_the_front(void **state)
{
	struct serve_reply reply;
	pthread_t thread;
	unsigned int port;
	int socks[2];

	(void)state;
	for (int how = 0; how < 4; how++) {
		assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
		port = start_front(socks[1], &thread);
		serve_reply__init(&reply, SERVE_SAY_DONE);
		reply.id = 1; /* nobody asked */
		reply.status = 200;
		if (how == 0)
			assert_int_equal(send(socks[0], "?", 1, 0), 1);
		else if (how < 3)
			assert_int_equal(fd_msg__send(socks[0], &reply, sizeof(reply), how == 2 ? 0 : -1, 0), 0);
		close(socks[0]);
		pthread_join(thread, NULL);
		assert_int_equal(calls_result, how < 3 ? -EBADMSG : -EPIPE);
		/* Those who ask now are told at once. */
		expect(port, "/metrics", "503", "collector");
		http_server__free(http);
		serve_routes__free(routes);
		serve_calls__free(calls);
		close(socks[1]);
	}
}

/* A collector that stands still: what it has no room for is refused, and nobody hangs beyond the stop. */
static void a_stuck_collector_costs_503(void **state)
{
	int socks[2], fds[4];
	pthread_t thread;
	unsigned int port;
	char *text;

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks), 0);
	port = start_front(socks[1], &thread);
	for (int i = 0; i < 4; i++) {
		fds[i] = client_open(port, NULL);
		client_send(fds[i], "GET /-/ready HTTP/1.1\r\nHost: localhost\r\n\r\n", 42);
	}
	for (int i = 0; i < 4; i++)
		assert_false(client_is_closed(fds[i], 50));
	close(socks[0]);
	pthread_join(thread, NULL);
	http_server__stop(http);
	for (int i = 0; i < 4; i++) {
		text = client_read(fds[i], NULL);
		assert_non_null(strstr(text, "503"));
		free(text);
		close(fds[i]);
	}
	serve_routes__free(routes);
	assert_int_equal(calls_result, -EPIPE);
	http_server__free(http);
	serve_calls__free(calls);
	close(socks[1]);
}

static void the_path_of_metrics_is_not_anothers(void **state)
{
	(void)state;
	assert_true(serve_routes__can_have("/metrics"));
	assert_true(serve_routes__can_have("/probe"));
	assert_false(serve_routes__can_have("/sd"));
	assert_false(serve_routes__can_have("/"));
	assert_false(serve_routes__can_have("metrics"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_come_and_are_answered),
		cmocka_unit_test(a_cancelled_request_is_gone),
		cmocka_unit_test(what_is_out_of_turn_breaks_the_link),
		cmocka_unit_test(a_front_that_never_came_is_noticed),
		cmocka_unit_test(clients_are_served_through_the_line),
		cmocka_unit_test(wrong_answers_end_the_front),
		cmocka_unit_test(a_stuck_collector_costs_503),
		cmocka_unit_test(the_path_of_metrics_is_not_anothers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
