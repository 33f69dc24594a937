/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_SINK_H
#define EXPORTERS_SINK_H

/*
 * sink - where an exporter's bytes go: a file, memory, or a gzip stream in front of another sink.
 *
 * Errors stick: after the first failed write all further ones do nothing, and sink__close() tells. So an
 * exporter may print without checking each call.
 *
 * Threads: one thread at a time.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct sink;

/** sink__fd() - write to a file descriptor; borrowed, stays open. Return: 0 or -ENOMEM. */
int sink__fd(struct sink **out, int fd);

/** sink__memory() - write to memory; see sink__data(). Return: 0 or -ENOMEM. */
int sink__memory(struct sink **out);

/**
 * sink__gzip() - compress and pass on.
 * @next: borrowed; must outlive the gzip sink, whose close does not close it.
 *
 * The gzip header carries no time and no name, so equal input gives equal bytes.
 *
 * Return: 0 or -ENOMEM.
 */
int sink__gzip(struct sink **out, struct sink *next);

void sink__write(struct sink *s, const void *data, size_t len);
void sink__puts(struct sink *s, const char *str);
void sink__printf(struct sink *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** sink__error() - 0, or the negative errno of the first write that failed. */
int sink__error(const struct sink *s);

/** sink__data() - bytes of a memory sink; borrowed, valid until the next write or the close. */
const void *sink__data(const struct sink *s, size_t *len);

/** sink__close() - flush and free; accepts NULL. Return: 0 or the first error. */
int sink__close(struct sink *s);

#endif /* EXPORTERS_SINK_H */
