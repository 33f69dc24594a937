/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "strpool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "strbuf.h"

#define FREE_SLOT UINT32_MAX

struct entry {
	size_t offset; /* in bytes */
	size_t len;
	uint64_t hash;
};

struct strpool {
	struct strbuf bytes; /* all strings, each with its NUL */
	struct entry *entries;
	size_t nr;
	size_t cap;
	uint32_t *slots; /* open addressing, entry index or FREE_SLOT */
	size_t nr_slots; /* a power of two, at least twice nr */
};

/*
 * The strings come from guests. Where a table ends up in memory is not known to them, so the pool's own
 * address keeps them from choosing names that all fall into one slot. Ids do not depend on the hash.
 */
static uint64_t hash_bytes(const struct strpool *pool, const unsigned char *p, size_t len)
{
	uint64_t h = (uintptr_t)pool * 0x9e3779b97f4a7c15ull ^ len, w;

	while (len) {
		size_t n = len < 8 ? len : 8;

		w = 0;
		memcpy(&w, p, n);
		h = (h ^ w) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
		p += n;
		len -= n;
	}
	h *= 0xc4ceb9fe1a85ec53ull;
	return h ^ h >> 29;
}

int strpool__new(struct strpool **out)
{
	struct strpool *pool;

	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return -ENOMEM;
	*out = pool;
	return 0;
}

void strpool__free(struct strpool *pool)
{
	if (!pool)
		return;
	strbuf__free(&pool->bytes);
	free(pool->entries);
	free(pool->slots);
	free(pool);
}

static int grow_slots(struct strpool *pool)
{
	size_t nr = pool->nr_slots ? 2 * pool->nr_slots : 64, i, k;
	uint32_t *slots;

	slots = reallocarray(NULL, nr, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots, 0xff, nr * sizeof(*slots));
	for (i = 0; i < pool->nr; i++) {
		k = pool->entries[i].hash & (nr - 1);
		while (slots[k] != FREE_SLOT)
			k = (k + 1) & (nr - 1);
		slots[k] = i;
	}
	free(pool->slots);
	pool->slots = slots;
	pool->nr_slots = nr;
	return 0;
}

/* Where a string is, or would be: a slot of its own or a free one. */
static size_t slot_of(const struct strpool *pool, uint64_t hash, const void *data, size_t len)
{
	const struct entry *e;
	size_t k = hash & (pool->nr_slots - 1);

	for (; pool->slots[k] != FREE_SLOT; k = (k + 1) & (pool->nr_slots - 1)) {
		e = &pool->entries[pool->slots[k]];
		if (e->hash == hash && e->len == len &&
		    (!len || !memcmp(pool->bytes.data + e->offset, data, len)))
			break;
	}
	return k;
}

int64_t strpool__find(const struct strpool *pool, const void *data, size_t len)
{
	size_t k;

	if (!pool->nr)
		return -ENOENT;
	k = slot_of(pool, hash_bytes(pool, data, len), data, len);
	return pool->slots[k] == FREE_SLOT ? -ENOENT : (int64_t)pool->slots[k];
}

int64_t strpool__add(struct strpool *pool, const void *data, size_t len)
{
	uint64_t hash = hash_bytes(pool, data, len);
	struct entry *entries, *e;
	size_t k, cap;

	if (2 * (pool->nr + 1) > pool->nr_slots && grow_slots(pool))
		return -ENOMEM;
	k = slot_of(pool, hash, data, len);
	if (pool->slots[k] != FREE_SLOT)
		return pool->slots[k];

	if (pool->nr == INT32_MAX)
		return -ENOMEM;
	if (pool->nr == pool->cap) {
		cap = pool->cap ? 2 * pool->cap : 32;
		entries = reallocarray(pool->entries, cap, sizeof(*entries));
		if (!entries)
			return -ENOMEM;
		pool->entries = entries;
		pool->cap = cap;
	}
	e = &pool->entries[pool->nr];
	*e = (struct entry){ .offset = pool->bytes.len, .len = len, .hash = hash };
	strbuf__add(&pool->bytes, data, len);
	strbuf__addc(&pool->bytes, '\0');
	if (strbuf__err(&pool->bytes))
		return -ENOMEM;
	pool->slots[k] = pool->nr;
	return pool->nr++;
}

size_t strpool__nr(const struct strpool *pool)
{
	return pool->nr;
}

const char *strpool__get(const struct strpool *pool, uint32_t id, size_t *len)
{
	const struct entry *e = &pool->entries[id];

	if (len)
		*len = e->len;
	return pool->bytes.data + e->offset;
}
