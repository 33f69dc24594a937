/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "symbolizer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "symtab.h"

struct member {
	struct image *img;
	struct symtab *st;
	uint64_t bias;
};

/* One address that was asked for; nr is 0 when nothing covers it. */
struct entry {
	uint64_t key; /* address, as looked up (a return address already less one) */
	struct sym_frame frame;
	size_t nr_asked; /* images there were when it was looked up */
	uint8_t nr;
};

struct symbolizer {
	int refs;
	pthread_mutex_t lock;
	struct member *members;
	size_t nr_members;
	/*
	 * Open addressing over entries that never move: the frames that were handed out must stay
	 * where they are while the index grows.
	 */
	struct entry **index;
	size_t index_size; /* power of two, or 0 */
	size_t nr_entries;
};

int symbolizer__new(struct symbolizer **out)
{
	struct symbolizer *s;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->refs = 1;
	pthread_mutex_init(&s->lock, NULL);
	*out = s;
	return 0;
}

struct symbolizer *symbolizer__get(struct symbolizer *s)
{
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void symbolizer__put(struct symbolizer *s)
{
	size_t i;

	if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (i = 0; i < s->nr_members; i++) {
		symtab__free(s->members[i].st);
		image__free(s->members[i].img);
	}
	for (i = 0; i < s->index_size; i++)
		free(s->index[i]);
	free(s->members);
	free(s->index);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int symbolizer__add_image(struct symbolizer *s, struct image *img, uint64_t bias)
{
	struct member *members;
	struct symtab *st = NULL;
	int err;

	err = symtab__new(&st, img);
	if (err)
		goto err;
	pthread_mutex_lock(&s->lock);
	members = reallocarray(s->members, s->nr_members + 1, sizeof(*members));
	if (members) {
		s->members = members;
		s->members[s->nr_members++] = (struct member){ img, st, bias };
	}
	pthread_mutex_unlock(&s->lock);
	if (members)
		return 0;
	err = -ENOMEM;
err:
	symtab__free(st);
	image__free(img);
	return err;
}

size_t symbolizer__nr_images(const struct symbolizer *s)
{
	return s->nr_members;
}

void symbolizer__image_info(const struct symbolizer *s, size_t i, struct sym_image_info *info)
{
	const struct member *m = &s->members[i];
	const struct image_text *text;
	size_t k;

	memset(info, 0, sizeof(*info));
	info->path = image__path(m->img);
	info->build_id = image__build_id(m->img);
	for (k = 0; k < image__nr_texts(m->img); k++) {
		text = image__text(m->img, k);
		if (!k || text->addr < info->gva_start) {
			info->gva_start = text->addr;
			info->file_offset = text->offset;
		}
		if (text->addr + text->len > info->gva_end)
			info->gva_end = text->addr + text->len;
	}
	info->gva_start += m->bias;
	info->gva_end += m->bias;
}

static void fill(const struct symbolizer *s, struct entry *e)
{
	struct symtab_sym sym;
	size_t i = e->nr_asked;

	e->nr_asked = s->nr_members;
	for (; i < s->nr_members; i++) {
		if (symtab__lookup(s->members[i].st, e->key - s->members[i].bias, &sym))
			continue;
		e->frame.name = sym.name;
		e->frame.start = sym.start + s->members[i].bias;
		e->nr = 1;
		return;
	}
}

static size_t slot_of(struct entry *const *index, size_t size, uint64_t key)
{
	size_t i = (key * 0x9e3779b97f4a7c15ULL) >> 20;

	for (i &= size - 1; index[i] && index[i]->key != key; i = (i + 1) & (size - 1))
		;
	return i;
}

static int grow_index(struct symbolizer *s)
{
	size_t size = s->index_size ? 2 * s->index_size : 256, i;
	struct entry **index;

	if (2 * (s->nr_entries + 1) <= s->index_size)
		return 0;
	index = calloc(size, sizeof(*index));
	if (!index)
		return -ENOMEM;
	for (i = 0; i < s->index_size; i++)
		if (s->index[i])
			index[slot_of(index, size, s->index[i]->key)] = s->index[i];
	free(s->index);
	s->index = index;
	s->index_size = size;
	return 0;
}

static struct entry *find_entry(struct symbolizer *s, uint64_t key)
{
	struct entry *e;
	size_t i;

	if (grow_index(s))
		return NULL;
	i = slot_of(s->index, s->index_size, key);
	e = s->index[i];
	if (e) {
		if (!e->nr) /* images that were added since may know it */
			fill(s, e);
		return e;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->key = key;
	fill(s, e);
	s->index[i] = e;
	s->nr_entries++;
	return e;
}

size_t symbolizer__resolve(struct symbolizer *s, uint64_t gva, bool is_return, const struct sym_frame **frames)
{
	struct entry *e;

	*frames = NULL;
	if (!s)
		return 0;
	pthread_mutex_lock(&s->lock);
	e = find_entry(s, gva - is_return);
	pthread_mutex_unlock(&s->lock);
	if (!e)
		return 0;
	*frames = &e->frame;
	return e->nr;
}
