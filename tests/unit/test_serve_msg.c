/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd_msg.h"
#include "metrics.h"
#include "serve_msg.h"

/* One of each kind, as a right front sends it, with all its members at their upper ends. */
static struct serve_request right_request(enum serve_ask ask)
{
	struct serve_request r;

	serve_request__init(&r, ask, ask == SERVE_ASK_HELLO ? 0 : UINT64_MAX);
	switch (ask) {
	case SERVE_ASK_METRICS:
		r.format = METRICS_OPENMETRICS;
		memset(&r.http, 0xff, sizeof(r.http));
		break;
	case SERVE_ASK_SD:
		assert_true(serve_request__set_text(&r, "[::1]:21835"));
		break;
	case SERVE_ASK_PROFILE:
		r.seconds = SERVE_MAX_SECONDS;
		/* fall through */
	case SERVE_ASK_FLAME:
		r.measure = SNAP_MEASURE_EXIT_TIME;
		r.by_library = 1;
		/* fall through */
	case SERVE_ASK_EXITS:
		assert_true(serve_request__set_text(&r, "w\xc3\xa9" "b/1"));
		break;
	default:
		break;
	}
	return r;
}

static int check(const struct serve_request *r)
{
	return serve_request__check(r, sizeof(*r));
}

static void right_requests_are_taken(void **state)
{
	struct serve_request r;

	(void)state;
	for (int ask = SERVE_ASK_HELLO; ask < SERVE_NR_ASKS; ask++) {
		r = right_request(ask);
		assert_int_equal(check(&r), 0);
	}
	r = right_request(SERVE_ASK_PROFILE);
	assert_true(serve_request__set_text(&r, ""));
	assert_int_equal(check(&r), 0); /* of all VMs */
}

static void a_wrong_length_is_refused(void **state)
{
	struct serve_request r = right_request(SERVE_ASK_READY);
	char longer[sizeof(r) + 1] = { 0 };

	(void)state;
	for (size_t len = 0; len < sizeof(r); len++)
		assert_int_equal(serve_request__check(&r, len), -EBADMSG);
	memcpy(longer, &r, sizeof(r));
	assert_int_equal(serve_request__check(longer, sizeof(longer)), -EBADMSG);
}

/* Each kind with one member that it does not have, or beyond its range. */
static void each_wrong_member_is_refused(void **state)
{
	struct serve_request right, r;

	(void)state;
#define REFUSED(change)                                     \
	do {                                                \
		r = right;                                  \
		change;                                     \
		if (check(&r) != -EBADMSG)                  \
			fail_msg("kind %d: " #change, ask); \
	} while (0)
	for (int ask = SERVE_ASK_HELLO; ask < SERVE_NR_ASKS; ask++) {
		right = right_request(ask);
		REFUSED(r.magic++);
		REFUSED(r.ask = SERVE_ASK_NONE);
		REFUSED(r.ask = SERVE_NR_ASKS);
		REFUSED(r.ask = UINT32_MAX);
		REFUSED(r.id = ask == SERVE_ASK_HELLO);
		REFUSED(r.format = right.format + 1);
		REFUSED(r.format = UINT32_MAX);
		REFUSED(r.measure = right.measure + 1);
		REFUSED(r.measure = UINT32_MAX);
		REFUSED(r.by_library = right.by_library + 1);
		REFUSED(r.by_library = UINT32_MAX);
		REFUSED(r.reserved = 1);
		REFUSED(r.seconds = right.seconds + 1);
		REFUSED(r.seconds = UINT32_MAX);
		REFUSED(r.text[SERVE_TEXT_LEN - 1] = 'x'); /* behind the text */
		REFUSED(r.text_len++);			   /* a NUL in it, or a text where none belongs */
		REFUSED(r.text_len = SERVE_TEXT_LEN + 1);
		REFUSED(r.text_len = UINT32_MAX);
		if (right.text_len) {
			REFUSED(r.text[0] = '\n');
			REFUSED(r.text[0] = 0x7f);
			REFUSED(r.text[0] = (char)0xff);
			REFUSED(r.text[right.text_len - 1] = (char)0xc3); /* cut */
			REFUSED(r.text_len--);
		}
		if (right.seconds)
			REFUSED(r.seconds = 0);
		if (right.text_len && ask != SERVE_ASK_PROFILE)
			REFUSED((memset(r.text, 0, sizeof(r.text)), r.text_len = 0));
		if (ask != SERVE_ASK_METRICS) {
			REFUSED(r.http.requests[0] = 1);
			REFUSED(r.http.refused[HTTP_NR_REFUSALS - 1] = 1);
			REFUSED(r.http.nr_conns = 1);
			REFUSED(r.http.nr_accepted = 1);
		}
	}
#undef REFUSED
}

static void texts_have_a_length_and_an_alphabet(void **state)
{
	char text[SERVE_TEXT_LEN + 2];
	struct serve_request r;

	(void)state;
	serve_request__init(&r, SERVE_ASK_EXITS, 1);
	memset(text, 'a', sizeof(text));
	text[SERVE_TEXT_LEN + 1] = '\0';
	assert_false(serve_request__set_text(&r, text));
	assert_false(serve_request__set_text(&r, "a\tb"));
	assert_false(serve_request__set_text(&r, "\xc2\x85"));
	assert_int_equal(r.text_len, 0);
	text[SERVE_TEXT_LEN] = '\0';
	assert_true(serve_request__set_text(&r, text));
	assert_int_equal(check(&r), 0);
}

/* Whatever passes is within its bounds, however it came about. */
static void noise_is_refused_or_in_range(void **state)
{
	size_t taken = 0, refused = 0;
	struct serve_request r;

	(void)state;
	srand(21835);
	for (int i = 0; i < 300000; i++) {
		r = right_request(SERVE_ASK_HELLO + rand() % (SERVE_NR_ASKS - 1));
		for (int nr = rand() % 4; nr; nr--)
			((char *)&r)[rand() % (rand() % 2 ? sizeof(r) : 48)] = rand();
		if (check(&r)) {
			refused++;
			continue;
		}
		taken++;
		assert_in_range(r.ask, SERVE_ASK_HELLO, SERVE_NR_ASKS - 1);
		assert_in_range(r.format, 0, METRICS_OPENMETRICS);
		assert_in_range(r.measure, 0, SNAP_MEASURE_EXIT_TIME);
		assert_in_range(r.seconds, 0, SERVE_MAX_SECONDS);
		assert_in_range(r.text_len, 0, SERVE_TEXT_LEN);
		assert_int_equal(strnlen(r.text, SERVE_TEXT_LEN), r.text_len);
	}
	assert_true(taken > 1000 && refused > 1000);
}

/* --- replies --- */

static struct serve_reply right_reply(void)
{
	struct serve_reply r;

	serve_reply__init(&r, SERVE_SAY_DONE);
	r.id = 7;
	r.status = 404;
	r.text_len = 3;
	memcpy(r.text, "no\n", 3);
	return r;
}

static void replies_are_checked_alike(void **state)
{
	struct serve_reply right = right_reply(), r = right;
	int fd = serve_body__new("body", 4), pipes[2];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(serve_reply__check(&r, sizeof(r), -1), 0);
	assert_int_equal(serve_reply__check(&r, sizeof(r) - 1, -1), -EBADMSG);
	assert_int_equal(serve_reply__check(&r, 0, -1), -EBADMSG);
	assert_int_equal(serve_reply__check(&r, sizeof(r), fd), -EBADMSG); /* nobody asked for it */
#define REFUSED(change, with)                                                        \
	do {                                                                         \
		r = right;                                                           \
		change;                                                              \
		assert_int_equal(serve_reply__check(&r, sizeof(r), with), -EBADMSG); \
	} while (0)
	REFUSED(r.magic++, -1);
	REFUSED(r.say = SERVE_SAY_NONE, -1);
	REFUSED(r.say = SERVE_NR_SAYS, -1);
	REFUSED(r.say = SERVE_SAY_GO, -1); /* with all that is in it */
	REFUSED(r.say = SERVE_SAY_BYE, -1);
	REFUSED(r.id = 0, -1);
	REFUSED(r.status = 0, -1);
	REFUSED(r.status = 302, -1);
	REFUSED(r.status = UINT32_MAX, -1);
	REFUSED(r.text_len = SERVE_TEXT_LEN + 1, -1);
	REFUSED(r.text_len = UINT32_MAX, -1);
	REFUSED(r.text_len--, -1);
	REFUSED(r.body_len = 4, -1);
	REFUSED(r.body_len = 4, fd); /* two bodies */

	memset(right.text, 0, sizeof(right.text));
	right.text_len = 0;
	right.body_len = 4;
	r = right;
	assert_int_equal(serve_reply__check(&r, sizeof(r), fd), 0);
	REFUSED(r.body_len = 0, fd);
	REFUSED(r.body_len = 3, fd);
	REFUSED(r.body_len = 5, fd);
	REFUSED(r.body_len = SERVE_MAX_BODY + 1ULL, fd);
	REFUSED(r.body_len = UINT64_MAX, fd);
	assert_return_code(pipe(pipes), 0);
	REFUSED(r.body_len = 4, pipes[0]);
	REFUSED(r.body_len = 4, 9999);
#undef REFUSED
	serve_reply__init(&r, SERVE_SAY_BYE);
	assert_int_equal(serve_reply__check(&r, sizeof(r), -1), 0);
	assert_int_equal(serve_reply__check(&r, sizeof(r), fd), -EBADMSG);
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

/* A body that could still shrink would kill its reader. */
static void an_unsealed_body_is_refused(void **state)
{
	struct serve_reply r = right_reply();
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "body", 4), 4);
	memset(r.text, 0, sizeof(r.text));
	r.text_len = 0;
	r.body_len = 4;
	assert_int_equal(serve_reply__check(&r, sizeof(r), fd), -EBADMSG);
	assert_return_code(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	assert_int_equal(serve_reply__check(&r, sizeof(r), fd), -EBADMSG);
	close(fd);
	assert_int_equal(serve_body__new("", SERVE_MAX_BODY + 1UL), -EFBIG);
}

static void messages_and_descriptors_arrive(void **state)
{
	struct serve_reply r = right_reply(), got;
	int socks[2], fd = -2, body, before;
	char big[sizeof(r) + 8] = { 0 };

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, socks), 0);
	body = serve_body__new("body", 4);
	assert_int_equal(fd_msg__send(socks[0], &r, sizeof(r), -1, 0), 0);
	assert_int_equal(fd_msg__receive(socks[1], &got, sizeof(got), &fd), sizeof(got));
	assert_memory_equal(&got, &r, sizeof(r));
	assert_int_equal(fd, -1);
	assert_int_equal(fd_msg__send(socks[0], &r, sizeof(r), body, 0), 0);
	assert_int_equal(fd_msg__receive(socks[1], &got, sizeof(got), &fd), sizeof(got));
	assert_true(fd >= 0);
	close(fd);

	/* Longer than it may be, or with a descriptor where none may come: none is left open. */
	before = dup(body);
	close(before);
	assert_int_equal(fd_msg__send(socks[0], big, sizeof(big), body, 0), 0);
	assert_int_equal(fd_msg__receive(socks[1], &got, sizeof(got), &fd), -EBADMSG);
	assert_int_equal(fd_msg__send(socks[0], &r, sizeof(r), body, 0), 0);
	assert_int_equal(fd_msg__receive(socks[1], &got, sizeof(got), NULL), -EBADMSG);
	fd = dup(body);
	assert_int_equal(fd, before);
	close(fd);
	close(body);
	close(socks[0]);
	assert_int_equal(fd_msg__receive(socks[1], &got, sizeof(got), &fd), 0);
	assert_int_equal(fd_msg__send(socks[1], &r, sizeof(r), -1, 0), -EPIPE);
	close(socks[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_requests_are_taken),
		cmocka_unit_test(a_wrong_length_is_refused),
		cmocka_unit_test(each_wrong_member_is_refused),
		cmocka_unit_test(texts_have_a_length_and_an_alphabet),
		cmocka_unit_test(noise_is_refused_or_in_range),
		cmocka_unit_test(replies_are_checked_alike),
		cmocka_unit_test(an_unsealed_body_is_refused),
		cmocka_unit_test(messages_and_descriptors_arrive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
