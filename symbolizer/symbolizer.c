/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "symbolizer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "image.h"
#include "image_names.h"
#include "strpool.h"
#include "sym_answers.h"

struct member {
	struct sym_source src;
	uint64_t bias;
	bool is_proven;
};

/* One address that was asked for; nr is 0 when nothing covers it. */
struct entry {
	uint64_t key; /* address, as looked up (a return address already less one) */
	const struct sym_frame *frames; /* borrowed from the answer that brought them */
	const char *library; /* likewise */
	uint32_t nr_asked; /* images there were when it was looked up */
	uint32_t member;   /* that answered */
	uint8_t nr;
	bool is_waiting; /* to be looked up */
	bool has_library; /* it was asked for */
};

#define ENTRIES_EACH 256 /* that are allocated at once */

/* Of an entry, so that most searches look at no other. */
struct slot {
	uint32_t hash; /* upper bits of its key's */
	uint32_t id;   /* 1 on; 0: free */
};

/* What came with one answer. */
struct batch {
	struct sym_frame *frames;
	char *strings;
};

struct entries {
	struct entry **all;
	size_t nr, room;
};

struct symbolizer {
	int refs;
	bool without_lines;
	pthread_mutex_t lock;
	struct member *members;
	size_t nr_members;
	/* Open addressing over entries that never move, for lists of them are kept. */
	struct slot *index;
	size_t index_size; /* power of two, or 0 */
	struct entry **blocks; /* of ENTRIES_EACH */
	size_t nr_entries, room_blocks;
	struct entries waiting;	    /* to be looked up */
	struct entries no_library; /* that were, and whose library was not asked for */
	struct batch *batches;
	size_t nr_batches, room_batches;
	struct strpool *library_ids;
	char **libraries; /* by id: names, each once; they never move */
	size_t room_libraries;
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

void symbolizer__without_lines(struct symbolizer *s)
{
	s->without_lines = true;
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
	for (i = 0; i < s->nr_members; i++)
		s->members[i].src.free(s->members[i].src.ctx);
	for (i = 0; i < s->nr_entries; i += ENTRIES_EACH)
		free(s->blocks[i / ENTRIES_EACH]);
	for (i = 0; i < s->nr_batches; i++) {
		free(s->batches[i].frames);
		free(s->batches[i].strings);
	}
	for (i = 0; s->library_ids && i < strpool__nr(s->library_ids) && i < s->room_libraries; i++)
		free(s->libraries[i]);
	strpool__free(s->library_ids);
	free(s->libraries);
	free(s->batches);
	free(s->waiting.all);
	free(s->no_library.all);
	free(s->members);
	free(s->blocks);
	free(s->index);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* --- images --- */

int symbolizer__add_source(struct symbolizer *s, const struct sym_source *src, uint64_t bias, bool is_proven)
{
	struct member *members;

	pthread_mutex_lock(&s->lock);
	members = reallocarray(s->members, s->nr_members + 1, sizeof(*members));
	if (members) {
		s->members = members;
		s->members[s->nr_members++] = (struct member){ .src = *src, .bias = bias, .is_proven = is_proven };
	}
	pthread_mutex_unlock(&s->lock);
	if (!members)
		src->free(src->ctx);
	return members ? 0 : -ENOMEM;
}

/* An image that is read in this process. */
struct own_image {
	struct image *img;
	struct image_names *names;
	bool lines;
};

static int own_functions(void *ctx, const uint64_t *addrs, size_t nr, struct sym_answers *out)
{
	struct own_image *own = ctx;

	return image_names__functions(own->names, addrs, nr, own->lines, out);
}

static int own_libraries(void *ctx, const uint64_t *addrs, size_t nr, struct sym_answers *out)
{
	struct own_image *own = ctx;

	return image_names__libraries(own->names, addrs, nr, own->lines, out);
}

static void own_free(void *ctx)
{
	struct own_image *own = ctx;

	image_names__free(own->names);
	image__free(own->img);
	free(own);
}

int symbolizer__add_image(struct symbolizer *s, struct image *img, uint64_t bias, bool is_proven)
{
	struct sym_source src = { .functions = own_functions, .libraries = own_libraries, .free = own_free };
	struct own_image *own = calloc(1, sizeof(*own));
	struct image_facts facts;
	int err;

	if (!own) {
		image__free(img);
		return -ENOMEM;
	}
	own->img = img;
	err = image_names__new(&own->names, img);
	if (err) {
		own_free(own);
		return err;
	}
	own->lines = !s->without_lines && image_names__has_lines(own->names);
	image__facts(img, &facts);
	src.ctx = own;
	src.path = image__path(img);
	src.build_id = image__build_id(img);
	src.has_lines = own->lines;
	sym_source__set_range(&src, &facts);
	return symbolizer__add_source(s, &src, bias, is_proven);
}

size_t symbolizer__nr_images(const struct symbolizer *s)
{
	return s->nr_members;
}

void symbolizer__image_info(const struct symbolizer *s, size_t i, struct sym_image_info *info)
{
	const struct member *m = &s->members[i];

	*info = (struct sym_image_info){
		.path = m->src.path,
		.build_id = m->src.build_id,
		.gva_start = m->src.start + m->bias,
		.gva_end = m->src.end + m->bias,
		.file_offset = m->src.file_offset,
		.has_lines = m->src.has_lines,
		.is_unverified = !m->is_proven,
	};
}

/* --- entries --- */

static struct entry *entry_of(const struct symbolizer *s, uint32_t id)
{
	return &s->blocks[(id - 1) / ENTRIES_EACH][(id - 1) % ENTRIES_EACH];
}

static uint32_t hash_of(uint64_t key)
{
	return (key * 0x9e3779b97f4a7c15ULL) >> 32;
}

static int grow_index(struct symbolizer *s)
{
	size_t size = s->index_size ? 2 * s->index_size : 256, i, k;
	struct slot *index;

	if (4 * (s->nr_entries + 1) <= 3 * s->index_size)
		return 0;
	if (size > UINT32_MAX)
		return -ENOMEM;
	index = calloc(size, sizeof(*index));
	if (!index)
		return -ENOMEM;
	for (i = 0; i < s->index_size; i++) {
		if (!s->index[i].id)
			continue;
		for (k = s->index[i].hash & (size - 1); index[k].id; k = (k + 1) & (size - 1))
			;
		index[k] = s->index[i];
	}
	free(s->index);
	s->index = index;
	s->index_size = size;
	return 0;
}

/* The next one there is room for, to be counted by the caller. */
static struct entry *new_entry(struct symbolizer *s)
{
	size_t block = s->nr_entries / ENTRIES_EACH;
	struct entry *entries;

	if (!(s->nr_entries % ENTRIES_EACH)) {
		if (grow__to((void **)&s->blocks, &s->room_blocks, block + 1, sizeof(*s->blocks)))
			return NULL;
		entries = calloc(ENTRIES_EACH, sizeof(*entries));
		if (!entries)
			return NULL;
		s->blocks[block] = entries;
	}
	return &s->blocks[block][s->nr_entries % ENTRIES_EACH];
}

static int push(struct entries *list, struct entry *e)
{
	if (grow__to((void **)&list->all, &list->room, list->nr + 1, sizeof(*list->all)))
		return -ENOMEM;
	list->all[list->nr++] = e;
	return 0;
}

/* The entry of an address; it waits to be looked up if there are images that were not asked for it. */
static struct entry *get_entry(struct symbolizer *s, uint64_t key)
{
	uint32_t hash = hash_of(key);
	struct entry *e = NULL;
	size_t i;

	if (grow_index(s))
		return NULL;
	for (i = hash & (s->index_size - 1); s->index[i].id; i = (i + 1) & (s->index_size - 1)) {
		if (s->index[i].hash != hash)
			continue;
		e = entry_of(s, s->index[i].id);
		if (e->key == key)
			break;
	}
	if (!s->index[i].id) {
		e = new_entry(s);
		if (!e)
			return NULL;
		e->key = key;
		s->index[i] = (struct slot){ hash, ++s->nr_entries };
	}
	if (!e->nr && !e->is_waiting && e->nr_asked < s->nr_members)
		e->is_waiting = !push(&s->waiting, e);
	return e;
}

/* --- asking --- */

typedef int (*ask_fn)(void *ctx, const uint64_t *addrs, size_t nr, struct sym_answers *out);

/* Takes @a; @asked are the entries that it is about. */
static int take_functions(struct symbolizer *s, size_t member, struct entry *const *asked, struct sym_answers *a)
{
	const struct member *m = &s->members[member];
	struct sym_frame *frames, *frame;
	const struct sym_answer *from = a->frames;
	uint32_t i, k;

	if (!a->nr_frames) {
		sym_answers__release(a);
		return 0;
	}
	frames = calloc(a->nr_frames, sizeof(*frames));
	if (!frames || grow__to((void **)&s->batches, &s->room_batches, s->nr_batches + 1, sizeof(*s->batches))) {
		free(frames);
		sym_answers__release(a);
		return -ENOMEM;
	}
	for (frame = frames, i = 0; i < a->nr; i++) {
		for (k = 0; k < a->counts[i]; k++, from++)
			frame[k] = (struct sym_frame){
				.name = a->strings + from->name,
				.start = from->start + m->bias,
				.file = from->file ? a->strings + from->file : NULL,
				.line = from->line,
				.is_inline = k + 1 < a->counts[i],
				.is_unverified = !m->is_proven,
			};
		if (!k)
			continue;
		asked[i]->frames = frame;
		asked[i]->nr = k;
		asked[i]->member = member;
		asked[i]->has_library = push(&s->no_library, asked[i]); /* without memory there is none */
		frame += k;
	}
	s->batches[s->nr_batches++] = (struct batch){ frames, a->strings };
	a->strings = NULL;
	sym_answers__release(a);
	return 0;
}

/* The one copy of a name, or NULL if there is no memory. */
static const char *keep_library(struct symbolizer *s, const char *name)
{
	size_t room = s->room_libraries;
	int64_t id;

	if (!s->library_ids && strpool__new(&s->library_ids))
		return NULL;
	id = strpool__add(s->library_ids, name, strlen(name));
	if (id < 0 || grow__to((void **)&s->libraries, &s->room_libraries, id + 1, sizeof(*s->libraries)))
		return NULL;
	memset(s->libraries + room, 0, (s->room_libraries - room) * sizeof(*s->libraries));
	if (!s->libraries[id])
		s->libraries[id] = strdup(name);
	return s->libraries[id];
}

/* Takes @a. */
static int take_libraries(struct symbolizer *s, struct entry *const *asked, struct sym_answers *a)
{
	const struct sym_answer *from = a->frames;
	uint32_t i;

	for (i = 0; i < a->nr; from += a->counts[i++])
		if (a->counts[i])
			asked[i]->library = keep_library(s, a->strings + from->name);
	sym_answers__release(a);
	return 0;
}

/* @asked: up to SYM_MAX_ASKED entries, all for one member. */
static void ask(struct symbolizer *s, size_t member, struct entry *const *asked, size_t nr, bool functions)
{
	struct member *m = &s->members[member];
	ask_fn fn = functions ? m->src.functions : m->src.libraries;
	uint64_t addrs[SYM_MAX_ASKED];
	struct sym_answers a;
	size_t done, i;

	for (i = 0; i < nr; i++)
		addrs[i] = asked[i]->key - m->bias;
	for (done = 0; done < nr; done += i) {
		if (fn(m->src.ctx, addrs + done, nr - done, &a))
			return;
		i = a.nr;
		if (functions ? take_functions(s, member, asked + done, &a) : take_libraries(s, asked + done, &a))
			return;
	}
}

/* Ask a member for those of @list that it may know: for functions, all that nobody knew; for libraries, its own. */
static void ask_member(struct symbolizer *s, size_t member, const struct entries *list, bool functions)
{
	struct entry *asked[SYM_MAX_ASKED], *e;
	size_t i, nr = 0;

	for (i = 0; i < list->nr; i++) {
		e = list->all[i];
		if (functions ? e->nr || e->nr_asked > member : e->member != member)
			continue;
		asked[nr++] = e;
		if (nr == SYM_MAX_ASKED) {
			ask(s, member, asked, nr, functions);
			nr = 0;
		}
	}
	if (nr)
		ask(s, member, asked, nr, functions);
}

/* Byte by byte of their addresses, the lowest first; most bytes are the same in all. Without memory they stay. */
static void sort_entries(struct entries *list)
{
	struct entry **from = list->all, **to, **all;
	size_t counts[256], at, i;
	unsigned int shift;

	to = all = reallocarray(NULL, list->nr, sizeof(*all));
	if (!all)
		return;
	for (shift = 0; shift < 64; shift += 8) {
		memset(counts, 0, sizeof(counts));
		for (i = 0; i < list->nr; i++)
			counts[from[i]->key >> shift & 255]++;
		if (counts[from[0]->key >> shift & 255] == list->nr)
			continue;
		for (at = list->nr, i = 256; i-- > 0;)
			counts[i] = at -= counts[i];
		for (i = 0; i < list->nr; i++)
			to[counts[from[i]->key >> shift & 255]++] = from[i];
		to = from;
		from = from == all ? list->all : all;
	}
	if (from == all)
		memcpy(list->all, all, list->nr * sizeof(*all));
	free(all);
}

/* By address, for what is near to each other is named by the same tables and has the same names. */
static void ask_waiting(struct symbolizer *s)
{
	size_t i;

	sort_entries(&s->waiting);
	for (i = 0; i < s->nr_members; i++)
		ask_member(s, i, &s->waiting, true);
	for (i = 0; i < s->waiting.nr; i++) {
		s->waiting.all[i]->nr_asked = s->nr_members;
		s->waiting.all[i]->is_waiting = false;
	}
	s->waiting.nr = 0;
}

void symbolizer__expect(struct symbolizer *s, uint64_t gva, bool is_return)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	get_entry(s, gva - is_return);
	pthread_mutex_unlock(&s->lock);
}

size_t symbolizer__resolve(struct symbolizer *s, uint64_t gva, bool is_return, const struct sym_frame **frames)
{
	struct entry *e;

	*frames = NULL;
	if (!s)
		return 0;
	pthread_mutex_lock(&s->lock);
	e = get_entry(s, gva - is_return);
	if (e && e->is_waiting)
		ask_waiting(s);
	pthread_mutex_unlock(&s->lock);
	if (!e)
		return 0;
	*frames = e->frames;
	return e->nr;
}

const char *symbolizer__library(struct symbolizer *s, uint64_t gva, bool is_return)
{
	const char *library = NULL;
	struct entry *e;
	size_t i;

	if (!s)
		return NULL;
	pthread_mutex_lock(&s->lock);
	e = get_entry(s, gva - is_return);
	if (e && e->is_waiting)
		ask_waiting(s);
	if (e && e->nr && !e->has_library) {
		for (i = 0; i < s->nr_members; i++)
			ask_member(s, i, &s->no_library, false);
		for (i = 0; i < s->no_library.nr; i++)
			s->no_library.all[i]->has_library = true;
		s->no_library.nr = 0;
	}
	if (e)
		library = e->library;
	pthread_mutex_unlock(&s->lock);
	return library;
}
