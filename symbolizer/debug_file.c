/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debug_file.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

#define MAX_LINK 4096 /* bytes of .gnu_debuglink: a file name, and a checksum */

void debug_file__link(struct image *img, struct debug_link *link)
{
	const char *id = image__build_id(img);
	struct image_section s;
	size_t len, at;

	memset(link, 0, sizeof(*link));
	link->is_wanted = !image__has_section(img, ".symtab") || !image__has_section(img, ".debug_info");
	if (id)
		memcpy(link->build_id, id, strlen(id) + 1);
	if (image__read_section(img, ".gnu_debuglink", MAX_LINK, &s))
		return;
	/* The name, zeros up to a multiple of four, the checksum. A name with a folder could lead anywhere. */
	len = strnlen((char *)s.bytes, s.len);
	at = (len + 4) & ~(size_t)3;
	if (len && len < sizeof(link->name) && at + sizeof(link->crc) <= s.len && !memchr(s.bytes, '/', len) &&
	    strcmp((char *)s.bytes, ".") && strcmp((char *)s.bytes, "..")) {
		memcpy(link->name, s.bytes, len);
		memcpy(&link->crc, s.bytes + at, sizeof(link->crc));
	}
	free(s.bytes);
}

/* Is @debug a part of the build that @link is of? @by_name: it was found by its name. */
static bool belongs(struct image *debug, const struct debug_link *link, bool by_name)
{
	const char *id = image__build_id(debug);
	uint32_t crc;

	if (id && *link->build_id)
		return !strcmp(id, link->build_id);
	return by_name && !image__crc32(debug, &crc) && crc == link->crc;
}

enum debug_file_verdict debug_file__try(struct image *img, const struct debug_link *link, int fd, const char *path,
					bool by_name)
{
	enum debug_file_verdict verdict = DEBUG_FILE_NONE;
	enum image_verdict opened;
	struct image *debug = NULL;

	opened = image__open_fd(&debug, fd, path, true);
	if (opened == IMAGE_NO_MEMORY)
		verdict = DEBUG_FILE_NO_MEMORY;
	/* A stripped file may carry its own name: what has no symbols either is no debug file. */
	else if (!opened && (image__has_section(debug, ".symtab") || image__has_section(debug, ".debug_info")))
		verdict = belongs(debug, link, by_name) ? DEBUG_FILE_ATTACHED : DEBUG_FILE_OTHER_BUILD;
	if (verdict == DEBUG_FILE_ATTACHED)
		image__attach(img, debug);
	else
		image__free(debug);
	return verdict;
}

/* --- where it may be --- */

struct search {
	enum debug_file_verdict (*try)(void *ctx, const char *path, bool by_name);
	void *ctx;
	char *found;
};

/* @path: taken. */
static enum debug_file_verdict try_path(struct search *s, bool by_name, char *path)
{
	enum debug_file_verdict verdict = path ? s->try(s->ctx, path, by_name) : DEBUG_FILE_NO_MEMORY;

	if (verdict == DEBUG_FILE_ATTACHED || verdict == DEBUG_FILE_OTHER_BUILD) {
		free(s->found);
		s->found = path;
	} else {
		free(path);
	}
	return verdict;
}

static char *joined(const char *a, const char *b, const char *c, const char *d, const char *e)
{
	char *path;

	return asprintf(&path, "%s%s%s%s%s", a, b, c, d, e) < 0 ? NULL : path;
}

/* The folder that a file is in, without links: below the root its whole path counts. */
static char *folder_of(const char *file)
{
	char *real = realpath(file, NULL), *slash = real ? strrchr(real, '/') : NULL;

	if (slash)
		*slash = '\0';
	return real;
}

enum debug_file_verdict debug_file__search(const struct debug_link *link, const char *image, const char *root,
					   enum debug_file_verdict (*try)(void *ctx, const char *path, bool by_name),
					   void *ctx, char **path)
{
	enum debug_file_verdict verdict = DEBUG_FILE_NONE, now;
	struct search s = { .try = try, .ctx = ctx };
	char digits[4], *folder;
	int i;

	if (!link->is_wanted)
		return DEBUG_FILE_NOT_NEEDED;
	if (!root)
		root = DEBUG_FILE_ROOT;
	if (strlen(link->build_id) > 2) {
		memcpy(digits, link->build_id, 2);
		memcpy(digits + 2, "/", 2);
		verdict = try_path(&s, false, joined(root, "/.build-id/", digits, link->build_id + 2, ".debug"));
	}
	folder = *link->name ? folder_of(image) : NULL;
	for (i = 0; i < 3 && folder && (verdict == DEBUG_FILE_NONE || verdict == DEBUG_FILE_OTHER_BUILD); i++) {
		now = try_path(&s, true,
			       i < 2 ? joined(folder, i ? "/.debug/" : "/", link->name, "", "") :
				       joined(root, folder, "/", link->name, ""));
		if (now != DEBUG_FILE_NONE)
			verdict = now;
	}
	free(folder);
	if (path && s.found)
		*path = s.found;
	else
		free(s.found);
	return verdict;
}

/* --- all in one process --- */

struct here {
	struct image *img;
	struct debug_link link;
};

static enum debug_file_verdict try_here(void *ctx, const char *path, bool by_name)
{
	struct here *here = ctx;
	int fd = image__open_file(path);

	return fd < 0 ? DEBUG_FILE_NONE : debug_file__try(here->img, &here->link, fd, path, by_name);
}

enum debug_file_verdict debug_file__attach(struct image *img, const char *root, char **path)
{
	struct here here = { .img = img };

	debug_file__link(img, &here.link);
	return debug_file__search(&here.link, image__path(img), root, try_here, &here, path);
}
