/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "sink.h"

static void memory_keeps_all_bytes(void **state)
{
	struct sink *s;
	char big[1000];
	size_t len;

	(void)state;
	assert_int_equal(sink__memory(&s), 0);
	assert_string_equal(sink__data(s, &len), "");
	assert_int_equal(len, 0);
	memset(big, 'y', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	sink__puts(s, "a");
	sink__write(s, "\0b", 2);
	sink__printf(s, "%d%s", 7, big); /* longer than the sink's own buffer */
	assert_int_equal(sink__error(s), 0);
	assert_memory_equal(sink__data(s, &len), "a\0b7yyy", 7);
	assert_int_equal(len, 4 + 999);
	assert_int_equal(sink__close(s), 0);
	assert_int_equal(sink__close(NULL), 0);
}

static void fd_gets_everything_at_close(void **state)
{
	char path[] = "/tmp/ukprof-sink-XXXXXX", *want, *got;
	size_t len = 0, cap = 1 << 20;
	struct sink *s;
	int fd, i;

	(void)state;
	want = malloc(cap);
	got = malloc(cap);
	assert_non_null(want);
	assert_non_null(got);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(sink__fd(&s, fd), 0);
	/* Pieces of all sizes: less than the buffer, more than what is left in it, more than all of it. */
	for (i = 0; i < 20; i++) {
		size_t n = (size_t)1 << i >> 2;

		memset(want + len, 'a' + i, n);
		sink__write(s, want + len, n);
		len += n;
	}
	assert_int_equal(sink__close(s), 0);
	assert_int_equal(pread(fd, got, cap, 0), len);
	assert_memory_equal(got, want, len);
	assert_int_equal(close(fd), 0); /* borrowed, so still open */
	free(want);
	free(got);
}

static void *read_slowly(void *arg)
{
	static char buf[1 << 20];
	size_t total = 0;
	ssize_t n;

	while ((n = read(*(int *)arg, buf, 5000)) > 0)
		total += n;
	return (void *)total;
}

/* A pipe that somebody made non-blocking is waited for, not an error. */
static void fd_waits_when_it_would_block(void **state)
{
	char *data = calloc(1, 1 << 20);
	pthread_t reader;
	struct sink *s;
	void *total;
	int fds[2];

	(void)state;
	assert_non_null(data);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(pthread_create(&reader, NULL, read_slowly, &fds[0]), 0);
	assert_int_equal(sink__fd(&s, fds[1]), 0);
	sink__write(s, data, 1 << 20);
	sink__puts(s, "end");
	assert_int_equal(sink__close(s), 0);
	close(fds[1]);
	assert_int_equal(pthread_join(reader, &total), 0);
	assert_int_equal(total, (1 << 20) + 3);
	close(fds[0]);
	free(data);
}

static void fd_error_sticks_and_is_told(void **state)
{
	struct sink *s;
	int fd;

	(void)state;
	fd = open("/dev/full", O_WRONLY);
	if (fd < 0)
		skip();
	assert_int_equal(sink__fd(&s, fd), 0);
	sink__puts(s, "small enough to be buffered");
	assert_int_equal(sink__error(s), 0);
	assert_int_equal(sink__close(s), -ENOSPC);

	assert_int_equal(sink__fd(&s, fd), 0);
	for (int i = 0; i < 20000; i++)
		sink__printf(s, "line %d\n", i);
	assert_int_equal(sink__error(s), -ENOSPC);
	assert_int_equal(sink__close(s), -ENOSPC);
	close(fd);
}

static void fd_broken_pipe_is_an_error(void **state)
{
	struct sink *s;
	int fds[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	assert_int_equal(sink__fd(&s, fds[1]), 0);
	sink__puts(s, "x");
	assert_int_equal(sink__close(s), -EPIPE);
	close(fds[1]);
}

static size_t gunzip(const void *data, size_t len, char *out, size_t cap)
{
	z_stream z = { .next_in = (unsigned char *)data,
		       .avail_in = len,
		       .next_out = (unsigned char *)out,
		       .avail_out = cap };

	assert_int_equal(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	inflateEnd(&z);
	return z.total_out;
}

static void gzip_round_trip(void **state)
{
	struct sink *mem, *gz;
	char *want, *got;
	const unsigned char *head;
	size_t len, cap = 1 << 20, i;

	(void)state;
	want = malloc(cap);
	got = malloc(cap);
	assert_non_null(want);
	assert_non_null(got);
	for (i = 0; i < cap; i++)
		want[i] = (i * 2654435761u) >>
			  24; /* hard to compress, so the buffer is flushed often */
	assert_int_equal(sink__memory(&mem), 0);
	assert_int_equal(sink__gzip(&gz, mem), 0);
	sink__write(gz, want, 10);
	sink__write(gz, want + 10, cap - 10);
	assert_int_equal(sink__close(gz), 0);
	head = sink__data(mem, &len);
	assert_memory_equal(head, "\x1f\x8b\x08\x00\x00\x00\x00\x00", 8); /* no name, time 0 */
	assert_int_equal(gunzip(head, len, got, cap), cap);
	assert_memory_equal(got, want, cap);
	assert_int_equal(sink__close(mem), 0);
	free(want);
	free(got);
}

static void gzip_of_nothing_is_a_gzip_file(void **state)
{
	struct sink *mem, *gz;
	const void *data;
	size_t len;
	char got[1];

	(void)state;
	assert_int_equal(sink__memory(&mem), 0);
	assert_int_equal(sink__gzip(&gz, mem), 0);
	assert_int_equal(sink__close(gz), 0);
	data = sink__data(mem, &len);
	assert_int_equal(gunzip(data, len, got, sizeof(got)), 0);
	assert_int_equal(sink__close(mem), 0);
}

static void gzip_passes_on_the_error_behind_it(void **state)
{
	struct sink *file, *gz;
	int fd;

	(void)state;
	fd = open("/dev/full", O_WRONLY);
	if (fd < 0)
		skip();
	assert_int_equal(sink__fd(&file, fd), 0);
	assert_int_equal(sink__gzip(&gz, file), 0);
	for (unsigned int i = 1; i < 200000; i++)
		sink__printf(gz, "%u", i * 2654435761u);
	assert_int_equal(sink__close(gz), -ENOSPC);
	assert_int_equal(sink__close(file), -ENOSPC);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_keeps_all_bytes),
		cmocka_unit_test(fd_gets_everything_at_close),
		cmocka_unit_test(fd_waits_when_it_would_block),
		cmocka_unit_test(fd_error_sticks_and_is_told),
		cmocka_unit_test(fd_broken_pipe_is_an_error),
		cmocka_unit_test(gzip_round_trip),
		cmocka_unit_test(gzip_of_nothing_is_a_gzip_file),
		cmocka_unit_test(gzip_passes_on_the_error_behind_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
