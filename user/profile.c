/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "profile.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/*
 * A million stacks of 127 frames would be a gigabyte. Honest stacks are short on average; a guest that makes
 * up long ones meets this limit first.
 */
#define MEAN_FRAMES 24

/* A stack; its frames stand in the arena, so a sample of a known stack allocates nothing. */
struct node {
	uint64_t hash;
	uint64_t count;
	uint64_t weight;
	size_t frames; /* index into the arena */
	uint64_t aged; /* count at the last profile__age() */
	uint32_t quiet; /* calls of it since the count changed */
	struct profile_key key;
	uint16_t nr_frames;
};

/* What a stack had counted when a mark was set; a stack that came later has no entry. */
struct moment {
	uint64_t count;
	uint64_t weight;
};

struct profile_mark {
	struct profile_mark *next;
	struct moment *moments;
	size_t nr;
	size_t cap;
	size_t nr_kept; /* while stacks are dropped */
};

/* Keys are compared as bytes. */
_Static_assert(sizeof(struct profile_key) == 32, "profile_key has no padding");

struct profile {
	struct node *nodes;
	size_t nr;
	size_t cap;
	size_t max;
	size_t max_frames; /* of all stacks together */
	uint32_t *index; /* node number + 1, open addressing; 0 is free */
	size_t index_size;
	uint64_t *arena;
	size_t arena_len;
	size_t arena_cap;
	uint64_t nr_overflow;
	uint64_t hash_key; /* odd */
	struct profile_mark *marks;
};

int profile__new(struct profile **out, size_t max_stacks)
{
	struct profile *p;

	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->max = max_stacks;
	p->max_frames = max_stacks * MEAN_FRAMES > UKP_MAX_FRAMES ? max_stacks * MEAN_FRAMES : UKP_MAX_FRAMES;
	/* Without it hashing works as well, but guests could choose stacks that all fall into one slot. */
	if (getrandom(&p->hash_key, sizeof(p->hash_key), GRND_NONBLOCK) < 0)
		p->hash_key = (uintptr_t)p * 0x9e3779b97f4a7c15ULL;
	p->hash_key |= 1;
	*out = p;
	return 0;
}

void profile__free(struct profile *p)
{
	if (!p)
		return;
	free(p->nodes);
	free(p->index);
	free(p->arena);
	free(p);
}

static uint64_t mix(uint64_t key, uint64_t h, uint64_t v)
{
	unsigned __int128 product = (unsigned __int128)(h ^ v) * key;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A stack that is looked for. */
struct wanted {
	const struct profile_key *key;
	const uint64_t *frames;
	uint64_t hash;
	uint16_t nr_frames;
};

static uint64_t hash_of(const struct profile *p, const struct wanted *w)
{
	uint64_t h, words[sizeof(*w->key) / 8];
	uint16_t i;

	memcpy(words, w->key, sizeof(words));
	h = mix(p->hash_key, 0x9e3779b97f4a7c15ULL, w->nr_frames);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		h = mix(p->hash_key, h, words[i]);
	for (i = 0; i < w->nr_frames; i++)
		h = mix(p->hash_key, h, w->frames[i]);
	return h;
}

static bool same(const struct profile *p, const struct node *n, const struct wanted *w)
{
	return n->hash == w->hash && n->nr_frames == w->nr_frames && !memcmp(&n->key, w->key, sizeof(n->key)) &&
	       (!w->nr_frames || !memcmp(p->arena + n->frames, w->frames, w->nr_frames * sizeof(*w->frames)));
}

static int grow(struct profile *p, uint16_t nr_frames)
{
	size_t size, i, k, cap;
	uint32_t *index;
	void *mem;

	if (p->nr == p->cap) {
		cap = p->cap ? 2 * p->cap : 256;
		mem = reallocarray(p->nodes, cap, sizeof(*p->nodes));
		if (!mem)
			return -ENOMEM;
		p->nodes = mem;
		p->cap = cap;
	}
	if (p->arena_len + nr_frames > p->arena_cap) {
		cap = p->arena_cap ? 2 * p->arena_cap : 4096;
		mem = reallocarray(p->arena, cap, sizeof(*p->arena));
		if (!mem)
			return -ENOMEM;
		p->arena = mem;
		p->arena_cap = cap;
	}
	if (2 * (p->nr + 1) > p->index_size) {
		size = p->index_size ? 2 * p->index_size : 1024;
		index = calloc(size, sizeof(*index));
		if (!index)
			return -ENOMEM;
		for (i = 0; i < p->nr; i++) {
			for (k = p->nodes[i].hash & (size - 1); index[k]; k = (k + 1) & (size - 1))
				;
			index[k] = i + 1;
		}
		free(p->index);
		p->index = index;
		p->index_size = size;
	}
	return 0;
}

static struct node *find(struct profile *p, const struct wanted *w, size_t *slot)
{
	size_t k = w->hash & (p->index_size - 1);

	for (; p->index[k]; k = (k + 1) & (p->index_size - 1))
		if (same(p, &p->nodes[p->index[k] - 1], w))
			return &p->nodes[p->index[k] - 1];
	*slot = k;
	return NULL;
}

int profile__add(struct profile *p, const struct profile_key *key, const uint64_t *frames, uint16_t nr_frames,
		 uint64_t count, uint64_t weight)
{
	struct wanted w = { .key = key, .frames = frames, .nr_frames = nr_frames };
	struct profile_key bare;
	struct node *n;
	size_t slot;

	if (grow(p, nr_frames))
		return -ENOMEM;
	w.hash = hash_of(p, &w);
	n = find(p, &w, &slot);
	if (!n && (p->nr >= p->max || p->arena_len + nr_frames > p->max_frames)) {
		/* Full: it stays in the totals, its frames are given up. */
		p->nr_overflow++;
		bare = *key;
		bare.nr_kernel = bare.nr_vmm = 0;
		w.key = &bare;
		w.nr_frames = 0;
		w.hash = hash_of(p, &w);
		n = find(p, &w, &slot);
	}
	if (!n) {
		n = &p->nodes[p->nr++];
		*n = (struct node){
			.hash = w.hash,
			.frames = p->arena_len,
			.key = *w.key,
			.nr_frames = w.nr_frames,
		};
		if (w.nr_frames) /* without any there may be no arena yet */
			memcpy(p->arena + p->arena_len, frames, w.nr_frames * sizeof(*frames));
		p->arena_len += w.nr_frames;
		p->index[slot] = p->nr;
	}
	n->count += count;
	n->weight += weight;
	return 0;
}

size_t profile__nr(const struct profile *p)
{
	return p->nr;
}

void profile__stack(const struct profile *p, size_t i, struct profile_stack *out)
{
	const struct node *n = &p->nodes[i];
	uint16_t nr_host = n->key.nr_kernel + n->key.nr_vmm;

	*out = (struct profile_stack){
		.key = n->key,
		.nr_frames = n->nr_frames - nr_host,
		.count = n->count,
		.weight = n->weight,
		.frames = n->nr_frames ? p->arena + n->frames + nr_host : NULL,
		.host = n->nr_frames ? p->arena + n->frames : NULL,
	};
}

uint64_t profile__nr_overflow(const struct profile *p)
{
	return p->nr_overflow;
}

/* --- marks --- */

int profile__move_mark(struct profile *p, struct profile_mark *m)
{
	struct moment *moments;
	size_t i;

	if (p->nr > m->cap) {
		moments = reallocarray(m->moments, p->cap, sizeof(*moments));
		if (!moments)
			return -ENOMEM;
		m->moments = moments;
		m->cap = p->cap;
	}
	for (i = 0; i < p->nr; i++)
		m->moments[i] = (struct moment){ p->nodes[i].count, p->nodes[i].weight };
	m->nr = p->nr;
	return 0;
}

int profile__mark(struct profile *p, struct profile_mark **out)
{
	struct profile_mark *m;

	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	if (profile__move_mark(p, m)) {
		free(m);
		return -ENOMEM;
	}
	m->next = p->marks;
	p->marks = m;
	*out = m;
	return 0;
}

void profile__unmark(struct profile *p, struct profile_mark *m)
{
	struct profile_mark **at;

	if (!m)
		return;
	for (at = &p->marks; *at != m; at = &(*at)->next)
		;
	*at = m->next;
	free(m->moments);
	free(m);
}

void profile__since(const struct profile *p, const struct profile_mark *m, size_t i, struct profile_stack *out)
{
	profile__stack(p, i, out);
	if (i >= m->nr)
		return;
	out->count -= m->moments[i].count;
	out->weight -= m->moments[i].weight;
}

/* --- forgetting --- */

/* Keep the stacks for which @keep is true, in their order; the marks move along. */
static void compact(struct profile *p, bool (*keep)(const struct profile *p, size_t i, uint32_t arg), uint32_t arg)
{
	size_t i, k, n = 0, arena = 0;
	struct profile_mark *m;
	struct node *node;

	for (m = p->marks; m; m = m->next)
		m->nr_kept = 0;
	/* Arena pieces are in the order of the nodes, so moving down never overwrites what is still needed. */
	for (i = 0; i < p->nr; i++) {
		if (!keep(p, i, arg))
			continue;
		/* Those of a mark are the oldest, so they stay in front. */
		for (m = p->marks; m; m = m->next)
			if (i < m->nr)
				m->moments[m->nr_kept++] = m->moments[i];
		node = &p->nodes[n];
		*node = p->nodes[i];
		if (node->nr_frames)
			memmove(p->arena + arena, p->arena + node->frames, node->nr_frames * sizeof(*p->arena));
		node->frames = arena;
		arena += node->nr_frames;
		n++;
	}
	for (m = p->marks; m; m = m->next)
		m->nr = m->nr_kept;
	p->nr = n;
	p->arena_len = arena;
	memset(p->index, 0, p->index_size * sizeof(*p->index));
	for (i = 0; i < n; i++) {
		for (k = p->nodes[i].hash & (p->index_size - 1); p->index[k]; k = (k + 1) & (p->index_size - 1))
			;
		p->index[k] = i + 1;
	}
}

static bool is_not_of(const struct profile *p, size_t i, uint32_t vm)
{
	return p->nodes[i].key.vm != vm;
}

void profile__forget(struct profile *p, uint32_t vm)
{
	if (p->nr)
		compact(p, is_not_of, vm);
}

static bool is_in_use(const struct profile *p, size_t i, uint32_t arg)
{
	const struct profile_mark *m;

	(void)arg;
	if (p->nodes[i].quiet < 2)
		return true;
	for (m = p->marks; m; m = m->next)
		if (i >= m->nr || m->moments[i].count != p->nodes[i].count)
			return true;
	return false;
}

size_t profile__age(struct profile *p)
{
	size_t i, nr = p->nr;

	for (i = 0; i < p->nr; i++) {
		p->nodes[i].quiet = p->nodes[i].count == p->nodes[i].aged ? p->nodes[i].quiet + 1 : 0;
		p->nodes[i].aged = p->nodes[i].count;
	}
	if (2 * p->nr >= p->max || 2 * p->arena_len >= p->max_frames)
		compact(p, is_in_use, 0);
	return nr - p->nr;
}
