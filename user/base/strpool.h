/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_STRPOOL_H
#define BASE_STRPOOL_H

/*
 * strpool - byte strings, each kept once and known by a small number.
 *
 * Ids count 0, 1, 2 … in the order in which strings were first seen, so they index arrays of the caller.
 * A key need not be text: the bytes of a struct without padding do as well.
 *
 * Threads: one thread at a time.
 */

#include <stddef.h>
#include <stdint.h>

struct strpool;

/** strpool__new() - an empty pool; the caller owns it. Return: 0 or -ENOMEM. */
int strpool__new(struct strpool **out);
void strpool__free(struct strpool *pool); /* accepts NULL */

/**
 * strpool__add() - the id of a string, which is copied when it is new.
 *
 * Return: the id, or -ENOMEM (also beyond 2^31 - 1 strings).
 * Cost: one hash of the string; O(1).
 */
int64_t strpool__add(struct strpool *pool, const void *data, size_t len);

/** strpool__find() - the id of a string that was added. Return: the id, or -ENOENT. */
int64_t strpool__find(const struct strpool *pool, const void *data, size_t len);

/** strpool__nr() - number of strings, one more than the highest id. */
size_t strpool__nr(const struct strpool *pool);

/**
 * strpool__get() - the string of an id that strpool__add() gave.
 * @len: receives its length in bytes; may be NULL.
 *
 * Return: its bytes with a NUL after them; borrowed, valid until the next strpool__add().
 */
const char *strpool__get(const struct strpool *pool, uint32_t id, size_t *len);

#endif /* BASE_STRPOOL_H */
