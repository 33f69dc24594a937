/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "grow.h"
#include "image.h"
#include "library.h"
#include "lines.h"
#include "strbuf.h"
#include "strpool.h"
#include "symtab.h"

_Static_assert(LINES_MAX_FRAMES <= SYM_MAX_DEPTH, "frames of one address");

struct image_names {
	struct image *img; /* borrowed */
	struct symtab *st;
	struct lines *lines; /* NULL: it has none, or they were not asked for */
	bool has_tried_lines;
	char *root; /* directory that its units share; NULL: not asked for yet */
};

int image_names__new(struct image_names **out, struct image *img)
{
	struct image_names *n;
	int err;

	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->img = img;
	err = symtab__new(&n->st, img);
	if (err) {
		free(n);
		return err;
	}
	*out = n;
	return 0;
}

void image_names__free(struct image_names *n)
{
	if (!n)
		return;
	lines__free(n->lines);
	symtab__free(n->st);
	free(n->root);
	free(n);
}

bool image_names__has_lines(struct image_names *n)
{
	if (!n->has_tried_lines) {
		n->has_tried_lines = true;
		/* Names are enough: what is wrong with its lines is not worth a word. */
		if (lines__open(&n->lines, image__lines_fd(n->img)))
			n->lines = NULL;
	}
	return n->lines;
}

/* --- an answer being made --- */

struct builder {
	struct sym_answers *out;
	struct strpool *pointers; /* of strings that stay where they are; many are met again */
	uint32_t *at_pointer;
	size_t room_pointers;
	struct strpool *contents;
	uint32_t *at_content;
	size_t room_contents;
	struct strbuf strings;
	size_t room_frames;
	struct lines_frame last[LINES_MAX_FRAMES]; /* of the last address: what is near to it has most of them, too */
	size_t nr_last;
};

static int begin(struct builder *b, struct sym_answers *out, size_t nr)
{
	memset(b, 0, sizeof(*b));
	memset(out, 0, sizeof(*out));
	b->out = out;
	out->counts = calloc(nr, 1);
	if (!out->counts || strpool__new(&b->pointers) || strpool__new(&b->contents))
		return -ENOMEM;
	strbuf__addc(&b->strings, '\0');
	return strbuf__err(&b->strings);
}

static int end(struct builder *b, int err)
{
	strpool__free(b->pointers);
	strpool__free(b->contents);
	free(b->at_pointer);
	free(b->at_content);
	if (!err)
		err = strbuf__err(&b->strings);
	if (err) {
		strbuf__free(&b->strings);
		sym_answers__release(b->out);
		return err;
	}
	b->out->strings = b->strings.data;
	b->out->strings_len = b->strings.len;
	return 0;
}

static bool is_full(const struct builder *b)
{
	return b->strings.len > SYM_MAX_STRINGS - (SYM_MAX_DEPTH * 2 + 1) * (SYM_MAX_STRING + 1);
}

static int add_content(struct builder *b, const char *str, uint32_t *at)
{
	size_t len = strnlen(str, SYM_MAX_STRING), nr = strpool__nr(b->contents);
	int64_t id;

	*at = 0;
	if (!len)
		return 0;
	id = strpool__add(b->contents, str, len);
	if (id < 0 || grow__to((void **)&b->at_content, &b->room_contents, id + 1, sizeof(*b->at_content)))
		return -ENOMEM;
	if ((size_t)id == nr) {
		b->at_content[id] = b->strings.len;
		strbuf__add(&b->strings, str, len);
		strbuf__addc(&b->strings, '\0');
	}
	*at = b->at_content[id];
	return strbuf__err(&b->strings);
}

/* A string that stays where it is. @is_symbol: make it readable. */
static int add_pointer(struct builder *b, const char *str, bool is_symbol, uint32_t *at)
{
	size_t nr = strpool__nr(b->pointers);
	char *readable;
	int64_t id;
	int err;

	*at = 0;
	if (!str)
		return 0;
	id = strpool__add(b->pointers, &str, sizeof(str));
	if (id < 0 || grow__to((void **)&b->at_pointer, &b->room_pointers, id + 1, sizeof(*b->at_pointer)))
		return -ENOMEM;
	if ((size_t)id == nr) {
		readable = is_symbol ? demangle__name(str) : NULL;
		err = add_content(b, readable ? readable : str, &b->at_pointer[id]);
		free(readable);
		if (err)
			return err;
	}
	*at = b->at_pointer[id];
	return 0;
}

static int add_frames(struct builder *b, const struct lines_frame *found, size_t nr, uint64_t start)
{
	struct sym_answer *frames, *last;
	const struct lines_frame *same;
	size_t i;
	int err;

	if (grow__to((void **)&b->out->frames, &b->room_frames, b->out->nr_frames + nr, sizeof(*frames)))
		return -ENOMEM;
	frames = &b->out->frames[b->out->nr_frames];
	last = frames - b->nr_last;
	for (i = 0; i < nr; i++) {
		frames[i] = (struct sym_answer){ .start = start, .line = found[i].line };
		same = nr - i <= b->nr_last ? &b->last[b->nr_last - (nr - i)] : NULL;
		if (same && same->name == found[i].name)
			frames[i].name = last[same - b->last].name;
		else if ((err = add_pointer(b, found[i].name, true, &frames[i].name)))
			return err;
		if (same && same->file == found[i].file)
			frames[i].file = last[same - b->last].file;
		else if ((err = add_pointer(b, found[i].file, false, &frames[i].file)))
			return err;
	}
	memcpy(b->last, found, nr * sizeof(*found));
	b->nr_last = nr;
	b->out->nr_frames += nr;
	b->out->counts[b->out->nr] = nr;
	return 0;
}

int image_names__functions(struct image_names *n, const uint64_t *addrs, size_t nr, bool lines, struct sym_answers *out)
{
	struct lines_frame found[LINES_MAX_FRAMES];
	struct symtab_sym sym;
	struct builder b;
	size_t nr_found;
	int err;

	lines = lines && image_names__has_lines(n);
	err = begin(&b, out, nr);
	for (; !err && out->nr < nr && !is_full(&b); out->nr++) {
		if (symtab__lookup(n->st, addrs[out->nr], &sym))
			continue;
		nr_found = lines ? lines__lookup(n->lines, addrs[out->nr], found) : 0;
		if (!nr_found)
			memset(&found[nr_found++], 0, sizeof(found[0]));
		/* The symbol table has the last word on the function itself; DWARF adds what was inlined into it. */
		found[nr_found - 1].name = sym.name;
		err = add_frames(&b, found, nr_found, sym.start);
	}
	return end(&b, err);
}

/* --- libraries --- */

struct paths {
	char **all;
	size_t nr, cap;
};

static int visit_unit(void *ctx, const char *dir, const char *name)
{
	char path[LIBRARY_MAX_PATH];
	struct paths *p = ctx;

	if (!library__path(path, dir, name))
		return 0;
	if (grow__to((void **)&p->all, &p->cap, p->nr + 1, sizeof(*p->all)))
		return -ENOMEM;
	p->all[p->nr] = strdup(path);
	return p->all[p->nr] ? (p->nr++, 0) : -ENOMEM;
}

static int find_root(struct image_names *n)
{
	char root[LIBRARY_MAX_PATH];
	struct paths paths = { 0 };
	const char **votes;
	size_t i;
	int err;

	err = lines__for_each_unit(n->lines, visit_unit, &paths);
	votes = err ? NULL : calloc(paths.nr + 1, sizeof(*votes));
	if (votes) {
		for (i = 0; i < paths.nr; i++)
			votes[i] = paths.all[i];
		library__root(root, votes, paths.nr);
		n->root = strdup(root);
	}
	for (i = 0; i < paths.nr; i++)
		free(paths.all[i]);
	free(paths.all);
	free(votes);
	return n->root ? 0 : -ENOMEM;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* @name: receives it; LIBRARY_MAX_NAME bytes. Return: it, or where it is kept; NULL if there is no memory. */
static const char *find_library(struct image_names *n, uint64_t addr, const struct symtab_sym *sym, bool lines, char *name)
{
	const char *unit = NULL, *dir = NULL;
	char path[LIBRARY_MAX_PATH];

	if (lines)
		unit = lines__unit(n->lines, addr, &dir);
	if (lines && !n->root && find_root(n))
		return NULL;
	if (unit && library__path(path, dir, unit) && library__name(name, n->root, path))
		return name;
	if (sym->file) {
		/* NASM leaves the whole path that it was given. */
		if (*sym->file == '/' && library__path(path, NULL, sym->file) &&
		    library__name(name, n->root ? n->root : "", path))
			return name;
		return base_name(sym->file);
	}
	snprintf(name, LIBRARY_MAX_NAME, "[%.*s]", LIBRARY_MAX_NAME - 3, base_name(image__path(n->img)));
	return name;
}

int image_names__libraries(struct image_names *n, const uint64_t *addrs, size_t nr, bool lines, struct sym_answers *out)
{
	char room[LIBRARY_MAX_NAME];
	struct sym_answer *frame;
	struct symtab_sym sym;
	const char *name;
	struct builder b;
	int err;

	lines = lines && image_names__has_lines(n);
	err = begin(&b, out, nr);
	for (; !err && out->nr < nr && !is_full(&b); out->nr++) {
		if (symtab__lookup(n->st, addrs[out->nr], &sym))
			continue;
		name = find_library(n, addrs[out->nr], &sym, lines, room);
		err = name ? grow__to((void **)&out->frames, &b.room_frames, out->nr_frames + 1, sizeof(*frame)) : -ENOMEM;
		if (err)
			break;
		frame = &out->frames[out->nr_frames++];
		*frame = (struct sym_answer){ .start = sym.start };
		err = add_content(&b, name, &frame->name);
		out->counts[out->nr] = 1;
	}
	return end(&b, err);
}
