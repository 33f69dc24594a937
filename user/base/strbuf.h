/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

/*
 * strbuf - a byte string that grows.
 *
 * A zeroed struct is an empty one. Errors stick: after a failed allocation all further additions do
 * nothing and strbuf__err() tells, so a caller may add many pieces and ask once.
 *
 * Threads: one thread at a time. Lifetime: @data is valid until the next addition or the free.
 */

#include <stddef.h>

struct strbuf {
	char *data; /* NUL-terminated once anything was added; NULL before */
	size_t len; /* bytes, without that NUL */
	size_t cap;
	int err; /* 0 or -ENOMEM */
};

/** strbuf__add() - append @len bytes. */
void strbuf__add(struct strbuf *sb, const void *data, size_t len);
void strbuf__addc(struct strbuf *sb, char c);
void strbuf__puts(struct strbuf *sb, const char *str);
void strbuf__printf(struct strbuf *sb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** strbuf__truncate() - keep the first @len bytes; more than there are changes nothing. */
void strbuf__truncate(struct strbuf *sb, size_t len);

/** strbuf__str() - the content; "" while nothing was added. */
const char *strbuf__str(const struct strbuf *sb);

/** strbuf__err() - 0, or -ENOMEM if any addition failed. */
int strbuf__err(const struct strbuf *sb);

/** strbuf__free() - release the memory; the struct is an empty string again. */
void strbuf__free(struct strbuf *sb);

#endif /* BASE_STRBUF_H */
