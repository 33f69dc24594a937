/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "strbuf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for @more bytes and a NUL. */
static int reserve(struct strbuf *sb, size_t more)
{
	size_t cap = sb->cap ? sb->cap : 64;
	char *data;

	if (sb->err)
		return sb->err;
	if (more >= SIZE_MAX / 2 - sb->len) {
		sb->err = -ENOMEM;
		return sb->err;
	}
	while (cap < sb->len + more + 1)
		cap *= 2;
	if (cap == sb->cap)
		return 0;
	data = realloc(sb->data, cap);
	if (!data) {
		sb->err = -ENOMEM;
		return sb->err;
	}
	sb->data = data;
	sb->cap = cap;
	return 0;
}

void strbuf__add(struct strbuf *sb, const void *data, size_t len)
{
	if (reserve(sb, len))
		return;
	if (len)
		memcpy(sb->data + sb->len, data, len);
	sb->len += len;
	sb->data[sb->len] = '\0';
}

void strbuf__addc(struct strbuf *sb, char c)
{
	strbuf__add(sb, &c, 1);
}

void strbuf__puts(struct strbuf *sb, const char *str)
{
	strbuf__add(sb, str, strlen(str));
}

void strbuf__printf(struct strbuf *sb, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || reserve(sb, n))
		return;
	va_start(ap, fmt);
	vsnprintf(sb->data + sb->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	sb->len += n;
}

void strbuf__truncate(struct strbuf *sb, size_t len)
{
	if (len >= sb->len)
		return;
	sb->len = len;
	sb->data[len] = '\0';
}

const char *strbuf__str(const struct strbuf *sb)
{
	return sb->data ? sb->data : "";
}

int strbuf__err(const struct strbuf *sb)
{
	return sb->err;
}

void strbuf__free(struct strbuf *sb)
{
	free(sb->data);
	*sb = (struct strbuf){ 0 };
}
