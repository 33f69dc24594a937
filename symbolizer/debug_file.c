/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debug_file.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

#define MAX_LINK 4096 /* bytes of .gnu_debuglink: a file name, and a checksum */

/* What an image says of its debug file. */
struct link {
	const char *build_id; /* NULL: none; borrowed from the image */
	char name[MAX_LINK];  /* empty: none */
	uint32_t crc;
};

static void read_link(struct image *img, struct link *link)
{
	struct image_section s;
	size_t len, at;

	memset(link, 0, sizeof(*link));
	link->build_id = image__build_id(img);
	if (image__read_section(img, ".gnu_debuglink", MAX_LINK, &s))
		return;
	/* The name, zeros up to a multiple of four, the checksum. A name with a folder could lead anywhere. */
	len = strnlen((char *)s.bytes, s.len);
	at = (len + 4) & ~(size_t)3;
	if (len && at + sizeof(link->crc) <= s.len && !memchr(s.bytes, '/', len) &&
	    strcmp((char *)s.bytes, ".") && strcmp((char *)s.bytes, "..")) {
		memcpy(link->name, s.bytes, len);
		memcpy(&link->crc, s.bytes + at, sizeof(link->crc));
	}
	free(s.bytes);
}

/* Is @debug a part of the build that @link is of? @by_name: it was found by its name. */
static bool belongs(struct image *debug, const struct link *link, bool by_name)
{
	const char *id = image__build_id(debug);
	uint32_t crc;

	if (id && link->build_id)
		return !strcmp(id, link->build_id);
	return by_name && !image__crc32(debug, &crc) && crc == link->crc;
}

/* @path: taken. */
static enum debug_file_verdict try(struct image *img, const struct link *link, bool by_name, char *path, char **out)
{
	enum debug_file_verdict verdict = DEBUG_FILE_NONE;
	enum image_verdict opened;
	struct image *debug = NULL;

	if (!path)
		return DEBUG_FILE_NO_MEMORY;
	opened = image__open_debug(&debug, path);
	if (opened == IMAGE_NO_MEMORY)
		verdict = DEBUG_FILE_NO_MEMORY;
	/* A stripped file may carry its own name: what has no symbols either is no debug file. */
	else if (!opened && (image__has_section(debug, ".symtab") || image__has_section(debug, ".debug_info")))
		verdict = belongs(debug, link, by_name) ? DEBUG_FILE_ATTACHED : DEBUG_FILE_OTHER_BUILD;
	if (verdict == DEBUG_FILE_ATTACHED)
		image__attach(img, debug);
	else
		image__free(debug);
	if (out && (verdict == DEBUG_FILE_ATTACHED || verdict == DEBUG_FILE_OTHER_BUILD)) {
		free(*out);
		*out = path;
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

enum debug_file_verdict debug_file__attach(struct image *img, const char *root, char **path)
{
	enum debug_file_verdict verdict = DEBUG_FILE_NONE, now;
	char *found = NULL, *folder;
	struct link link;
	char digits[4];
	int i;

	if (image__has_section(img, ".symtab") && image__has_section(img, ".debug_info"))
		return DEBUG_FILE_NOT_NEEDED;
	read_link(img, &link);
	if (!root)
		root = DEBUG_FILE_ROOT;
	if (link.build_id && strlen(link.build_id) > 2) {
		memcpy(digits, link.build_id, 2);
		memcpy(digits + 2, "/", 2);
		verdict = try(img, &link, false, joined(root, "/.build-id/", digits, link.build_id + 2, ".debug"), &found);
	}
	folder = *link.name ? folder_of(image__path(img)) : NULL;
	for (i = 0; i < 3 && folder && (verdict == DEBUG_FILE_NONE || verdict == DEBUG_FILE_OTHER_BUILD); i++) {
		now = try(img, &link, true,
			  i < 2 ? joined(folder, i ? "/.debug/" : "/", link.name, "", "") :
				  joined(root, folder, "/", link.name, ""),
			  &found);
		if (now != DEBUG_FILE_NONE)
			verdict = now;
	}
	free(folder);
	if (path && found)
		*path = found;
	else
		free(found);
	return verdict;
}
