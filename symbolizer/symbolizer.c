/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "symbolizer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "image.h"
#include "library.h"
#include "lines.h"
#include "symtab.h"

struct member {
	struct image *img;
	struct symtab *st;
	struct lines *lines; /* NULL: it has none */
	uint64_t bias;
	char *root; /* directory that its units share; NULL: not asked for yet */
	bool is_proven;
};

/* One address that was asked for; nr is 0 when nothing covers it. */
struct entry {
	uint64_t key; /* address, as looked up (a return address already less one) */
	struct sym_frame *frames;
	char **readable; /* of each frame: its name, if it had to be made */
	size_t nr_asked; /* images there were when it was looked up */
	const char *library; /* NULL: not asked for yet */
	size_t member;	 /* that answered */
	uint8_t nr;
};

struct symbolizer {
	int refs;
	bool without_lines;
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
	char **libraries; /* names, each once; they never move */
	size_t nr_libraries;
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

static void free_entry(struct entry *e)
{
	uint8_t i;

	if (!e)
		return;
	for (i = 0; i < e->nr; i++)
		free(e->readable[i]);
	free(e->readable);
	free(e->frames);
	free(e);
}

void symbolizer__put(struct symbolizer *s)
{
	size_t i;

	if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (i = 0; i < s->nr_members; i++) {
		lines__free(s->members[i].lines);
		symtab__free(s->members[i].st);
		image__free(s->members[i].img);
		free(s->members[i].root);
	}
	for (i = 0; i < s->nr_libraries; i++)
		free(s->libraries[i]);
	free(s->libraries);
	for (i = 0; i < s->index_size; i++)
		free_entry(s->index[i]);
	free(s->members);
	free(s->index);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int symbolizer__add_image(struct symbolizer *s, struct image *img, uint64_t bias, bool is_proven)
{
	struct lines *lines = NULL;
	struct member *members;
	struct symtab *st = NULL;
	int err;

	err = symtab__new(&st, img);
	if (err)
		goto err;
	/* Names are enough: what is wrong with its lines is not worth a word. */
	if (s->without_lines || lines__open(&lines, image__lines_path(img)))
		lines = NULL;
	pthread_mutex_lock(&s->lock);
	members = reallocarray(s->members, s->nr_members + 1, sizeof(*members));
	if (members) {
		s->members = members;
		s->members[s->nr_members++] = (struct member){ .img = img, .st = st, .lines = lines, .bias = bias, .is_proven = is_proven };
	}
	pthread_mutex_unlock(&s->lock);
	if (members)
		return 0;
	err = -ENOMEM;
	lines__free(lines);
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
	info->has_lines = m->lines;
	info->is_unverified = !m->is_proven;
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

static void take_frames(struct entry *e, const struct lines_frame *found, size_t nr, uint64_t start, bool is_proven)
{
	size_t i;

	e->frames = calloc(nr, sizeof(*e->frames));
	e->readable = calloc(nr, sizeof(*e->readable));
	if (!e->frames || !e->readable) {
		free(e->frames);
		free(e->readable);
		e->frames = NULL;
		e->readable = NULL;
		return;
	}
	for (i = 0; i < nr; i++) {
		e->readable[i] = found[i].name ? demangle__name(found[i].name) : NULL;
		e->frames[i] = (struct sym_frame){
			.name = e->readable[i] ? e->readable[i] : found[i].name ? found[i].name : "",
			.start = start,
			.file = found[i].file,
			.line = found[i].line,
			.is_inline = i + 1 < nr,
			.is_unverified = !is_proven,
		};
	}
	e->nr = nr;
}

static void fill(const struct symbolizer *s, struct entry *e)
{
	struct lines_frame found[LINES_MAX_FRAMES];
	struct symtab_sym sym;
	size_t i = e->nr_asked, nr;

	e->nr_asked = s->nr_members;
	for (; i < s->nr_members; i++) {
		if (symtab__lookup(s->members[i].st, e->key - s->members[i].bias, &sym))
			continue;
		nr = s->members[i].lines ? lines__lookup(s->members[i].lines, e->key - s->members[i].bias, found) : 0;
		if (!nr)
			memset(&found[nr++], 0, sizeof(found[0]));
		/* The symbol table has the last word on the function itself; DWARF adds what was inlined into it. */
		found[nr - 1].name = sym.name;
		e->member = i;
		take_frames(e, found, nr, sym.start + s->members[i].bias, s->members[i].is_proven);
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
	*frames = e->frames;
	return e->nr;
}

/* --- libraries --- */

struct paths {
	char **all;
	size_t nr, cap;
};

static int visit_unit(void *ctx, const char *dir, const char *name)
{
	char path[LIBRARY_MAX_PATH], **all;
	struct paths *p = ctx;

	if (!library__path(path, dir, name))
		return 0;
	if (p->nr == p->cap) {
		all = reallocarray(p->all, p->cap ? 2 * p->cap : 64, sizeof(*all));
		if (!all)
			return -ENOMEM;
		p->all = all;
		p->cap = p->cap ? 2 * p->cap : 64;
	}
	p->all[p->nr] = strdup(path);
	return p->all[p->nr] ? (p->nr++, 0) : -ENOMEM;
}

static int find_root(struct member *m)
{
	char root[LIBRARY_MAX_PATH];
	struct paths paths = { 0 };
	const char **votes;
	size_t i;
	int err;

	err = lines__for_each_unit(m->lines, visit_unit, &paths);
	votes = err ? NULL : calloc(paths.nr + 1, sizeof(*votes));
	if (votes) {
		for (i = 0; i < paths.nr; i++)
			votes[i] = paths.all[i];
		library__root(root, votes, paths.nr);
		m->root = strdup(root);
	}
	for (i = 0; i < paths.nr; i++)
		free(paths.all[i]);
	free(paths.all);
	free(votes);
	return m->root ? 0 : -ENOMEM;
}

/* The one copy of a name, or NULL if there is no memory. */
static const char *keep_library(struct symbolizer *s, const char *name)
{
	char **libraries;
	size_t i;

	for (i = 0; i < s->nr_libraries; i++)
		if (!strcmp(s->libraries[i], name))
			return s->libraries[i];
	libraries = reallocarray(s->libraries, s->nr_libraries + 1, sizeof(*libraries));
	if (!libraries)
		return NULL;
	s->libraries = libraries;
	libraries[i] = strdup(name);
	return libraries[i] ? libraries[s->nr_libraries++] : NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static const char *find_library(struct symbolizer *s, const struct entry *e)
{
	struct member *m = &s->members[e->member];
	char path[LIBRARY_MAX_PATH], name[LIBRARY_MAX_NAME];
	const char *unit = NULL, *dir = NULL;
	struct symtab_sym sym;

	if (m->lines)
		unit = lines__unit(m->lines, e->key - m->bias, &dir);
	if (m->lines && !m->root && find_root(m))
		return NULL;
	if (unit && library__path(path, dir, unit) && library__name(name, m->root, path))
		return keep_library(s, name);
	if (!symtab__lookup(m->st, e->key - m->bias, &sym) && sym.file) {
		/* NASM leaves the whole path that it was given. */
		if (*sym.file == '/' && library__path(path, NULL, sym.file) &&
		    library__name(name, m->root ? m->root : "", path))
			return keep_library(s, name);
		return keep_library(s, base_name(sym.file));
	}
	snprintf(name, sizeof(name), "[%.*s]", (int)sizeof(name) - 3, base_name(image__path(m->img)));
	return keep_library(s, name);
}

const char *symbolizer__library(struct symbolizer *s, uint64_t gva, bool is_return)
{
	const char *library = NULL;
	struct entry *e;

	if (!s)
		return NULL;
	pthread_mutex_lock(&s->lock);
	e = find_entry(s, gva - is_return);
	if (e && e->nr && !e->library)
		e->library = find_library(s, e);
	if (e)
		library = e->library;
	pthread_mutex_unlock(&s->lock);
	return library;
}
