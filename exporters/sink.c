/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "strbuf.h"

#define BUF_SIZE (64 * 1024)

struct sink {
	int err;
	int (*write)(struct sink *s, const void *data, size_t len);
	int (*finish)(struct sink *s);   /* flush what is buffered; not called after an error */
	void (*release)(struct sink *s); /* free what the kind of sink owns; may be NULL */
	struct strbuf mem;
	int fd;
	struct sink *next;
	z_stream z;
	size_t nr_buf; /* bytes waiting in buf */
	unsigned char *buf;
};

static int new_sink(struct sink **out, size_t buf_size)
{
	struct sink *s;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->fd = -1;
	if (buf_size) {
		s->buf = malloc(buf_size);
		if (!s->buf) {
			free(s);
			return -ENOMEM;
		}
	}
	*out = s;
	return 0;
}

/* --- file descriptor --- */

static int write_all(int fd, const unsigned char *data, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	ssize_t n;

	while (len) {
		n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			/* A terminal or pipe that someone else made non-blocking. */
			if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
				return -errno;
			continue;
		}
		if (n < 0)
			return -errno;
		data += n;
		len -= n;
	}
	return 0;
}

static int fd_finish(struct sink *s)
{
	int err;

	err = write_all(s->fd, s->buf, s->nr_buf);
	s->nr_buf = 0;
	return err;
}

static int fd_write(struct sink *s, const void *data, size_t len)
{
	int err;

	if (s->nr_buf + len > BUF_SIZE) {
		err = fd_finish(s);
		if (err)
			return err;
	}
	if (len >= BUF_SIZE)
		return write_all(s->fd, data, len);
	memcpy(s->buf + s->nr_buf, data, len);
	s->nr_buf += len;
	return 0;
}

int sink__fd(struct sink **out, int fd)
{
	struct sink *s;
	int err;

	err = new_sink(&s, BUF_SIZE);
	if (err)
		return err;
	s->fd = fd;
	s->write = fd_write;
	s->finish = fd_finish;
	*out = s;
	return 0;
}

/* --- memory --- */

static int mem_write(struct sink *s, const void *data, size_t len)
{
	strbuf__add(&s->mem, data, len);
	return strbuf__err(&s->mem);
}

static int mem_finish(struct sink *s)
{
	(void)s;
	return 0;
}

int sink__memory(struct sink **out)
{
	struct sink *s;
	int err;

	err = new_sink(&s, 0);
	if (err)
		return err;
	s->write = mem_write;
	s->finish = mem_finish;
	*out = s;
	return 0;
}

const void *sink__data(const struct sink *s, size_t *len)
{
	*len = s->mem.len;
	return strbuf__str(&s->mem);
}

/* --- gzip --- */

/* zlib's memory comes from here, so that a test which fails allocations reaches it too. */
static void *z_alloc(void *opaque, unsigned int nr, unsigned int size)
{
	(void)opaque;
	return calloc(nr, size);
}

static void z_free(void *opaque, void *p)
{
	(void)opaque;
	free(p);
}

static int gzip_pump(struct sink *s, int flush)
{
	int ret;

	do {
		s->z.next_out = s->buf;
		s->z.avail_out = BUF_SIZE;
		ret = deflate(&s->z, flush);
		sink__write(s->next, s->buf, BUF_SIZE - s->z.avail_out);
	} while (ret == Z_OK && !s->z.avail_out);
	return sink__error(s->next);
}

static int gzip_write(struct sink *s, const void *data, size_t len)
{
	const unsigned char *p = data;
	int err = 0;

	while (len && !err) {
		s->z.next_in = (unsigned char *)p;
		s->z.avail_in = len < INT_MAX ? len : INT_MAX;
		p += s->z.avail_in;
		len -= s->z.avail_in;
		err = gzip_pump(s, Z_NO_FLUSH);
	}
	return err;
}

static int gzip_finish(struct sink *s)
{
	s->z.next_in = NULL;
	s->z.avail_in = 0;
	return gzip_pump(s, Z_FINISH);
}

static void gzip_release(struct sink *s)
{
	deflateEnd(&s->z);
}

int sink__gzip(struct sink **out, struct sink *next)
{
	struct sink *s;
	int err;

	err = new_sink(&s, BUF_SIZE);
	if (err)
		return err;
	s->z.zalloc = z_alloc;
	s->z.zfree = z_free;
	/* 16 asks for a gzip wrapper; its default header has no name and time 0. */
	if (deflateInit2(&s->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK) {
		free(s->buf);
		free(s);
		return -ENOMEM;
	}
	s->next = next;
	s->write = gzip_write;
	s->finish = gzip_finish;
	s->release = gzip_release;
	*out = s;
	return 0;
}

/* --- for all --- */

void sink__write(struct sink *s, const void *data, size_t len)
{
	if (!s->err && len)
		s->err = s->write(s, data, len);
}

void sink__puts(struct sink *s, const char *str)
{
	sink__write(s, str, strlen(str));
}

void sink__printf(struct sink *s, const char *fmt, ...)
{
	char small[256], *big;
	va_list ap;
	int n;

	if (s->err)
		return;
	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < 0) {
		s->err = -errno;
		return;
	}
	if ((size_t)n < sizeof(small)) {
		sink__write(s, small, n);
		return;
	}
	big = malloc((size_t)n + 1);
	if (!big) {
		s->err = -ENOMEM;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(big, (size_t)n + 1, fmt, ap);
	va_end(ap);
	sink__write(s, big, n);
	free(big);
}

int sink__error(const struct sink *s)
{
	return s->err;
}

int sink__close(struct sink *s)
{
	int err;

	if (!s)
		return 0;
	err = s->err ? s->err : s->finish(s);
	if (s->release)
		s->release(s);
	strbuf__free(&s->mem);
	free(s->buf);
	free(s);
	return err;
}
