/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "library.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PARTS 64 /* directories of a path that are looked at */

/* A directory of a path. */
struct part {
	const char *name;
	size_t len;
};

static bool is(const struct part *p, const char *word)
{
	return p->len == strlen(word) && !memcmp(p->name, word, p->len);
}

static bool is_one_of(const struct part *p, const char *const *words)
{
	for (; *words; words++)
		if (is(p, *words))
			return true;
	return false;
}

/* Directories below which each one is a library. */
static const char *const shelves[] = {
	"lib", "libs", "plat", "arch", "drivers", "vendor", "third_party", "modules", "crates", NULL,
};

static bool is_shelf(const struct part *p)
{
	return is_one_of(p, shelves);
}

/* --- paths --- */

/* Appends the parts of @path; ".." takes the last one away. Returns the new length, 0 if there is no room. */
static size_t append_path(char *out, size_t len, const char *path)
{
	size_t n;

	for (; *path; path += n) {
		if (*path == '/') {
			n = 1;
			continue;
		}
		n = strcspn(path, "/");
		if (n == 1 && *path == '.')
			continue;
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			while (len && out[--len] != '/')
				;
			continue;
		}
		if (len + 1 + n >= LIBRARY_MAX_PATH)
			return 0;
		out[len++] = '/';
		memcpy(out + len, path, n);
		len += n;
	}
	return len;
}

size_t library__path(char *out, const char *dir, const char *name)
{
	bool relative = false;
	size_t len = 0;
	char *unit;

	if (!name || !*name)
		return 0;
	if (*name != '/' && dir && *dir) {
		len = append_path(out, 0, dir);
		if (!len && strspn(dir, "/.") != strlen(dir))
			return 0;
		relative = *dir != '/';
	}
	len = append_path(out, len, name);
	out[len] = '\0';
	if (relative && len)
		memmove(out, out + 1, len--);
	/* rustc adds the name of the codegen unit: src/lib.rs/@/hermit.6ca1fbbe-cgu.0 */
	unit = strstr(out, "/@/");
	if (unit) {
		*unit = '\0';
		len = unit - out;
	}
	return len;
}

static size_t split(const char *path, struct part *parts)
{
	size_t nr = 0, n;

	for (path += *path == '/'; nr < MAX_PARTS; path += n + 1) {
		n = strcspn(path, "/");
		if (!path[n]) /* the file itself */
			break;
		if (n)
			parts[nr++] = (struct part){ path, n };
	}
	return nr;
}

/* --- root --- */

static int compare(const void *pa, const void *pb)
{
	return strcmp(*(const char *const *)pa, *(const char *const *)pb);
}

static bool is_shared(const char **paths, size_t nr, size_t len)
{
	const char *root = paths[nr / 2];
	size_t i, n = 0;

	for (i = 0; i < nr; i++)
		n += !strncmp(paths[i], root, len);
	return n >= nr - nr / 8;
}

/* A path whose beginning was taken off; a compiler's own temporary file; Cargo's downloads; Rust's own libraries. */
static bool has_no_vote(const char *path)
{
	return *path != '/' || (!strncmp(path, "/tmp/", 5) && !strchr(path + 5, '/')) || strstr(path, "/registry/src/") ||
	       !strncmp(path, "/rustc/", 7);
}

size_t library__root(char *out, const char **paths, size_t nr)
{
	struct part parts[MAX_PARTS];
	const char *middle;
	size_t n, i, len = 1;

	for (i = 0, n = 0; i < nr; i++)
		if (!has_no_vote(paths[i]))
			paths[n++] = paths[i];
	nr = n;
	*out = '\0';
	if (!nr)
		return 0;
	/* Sorted, those of one directory stand together; a group of more than half of them holds the middle one. */
	qsort(paths, nr, sizeof(*paths), compare);
	middle = paths[nr / 2];
	for (n = split(middle, parts); n; n--) {
		len = parts[n - 1].name + parts[n - 1].len + 1 - middle;
		if (is_shared(paths, nr, len))
			break;
		len = 1;
	}
	/* lib/NAME/: the outermost shelf and what is on it stay in the path. */
	while (n && (is_shelf(&parts[n - 1]) || (n > 1 && is_shelf(&parts[n - 2])))) {
		n--;
		len = n ? (size_t)(parts[n - 1].name + parts[n - 1].len + 1 - middle) : 1;
	}
	memcpy(out, middle, len);
	out[len] = '\0';
	return len;
}

/* --- names --- */

/* Joined by '/', as many as there is room for. */
static size_t join(char *out, const struct part *parts, size_t nr)
{
	size_t i, len = 0;

	for (i = 0; i < nr && len + 1 + parts[i].len < LIBRARY_MAX_NAME; i++) {
		if (i)
			out[len++] = '/';
		memcpy(out + len, parts[i].name, parts[i].len);
		len += parts[i].len;
	}
	out[len] = '\0';
	return len;
}

static size_t on_shelf(char *out, const char *shelf, const char *name, size_t len)
{
	int n = snprintf(out, LIBRARY_MAX_NAME, "%s/%.*s", shelf, (int)len, name);

	return n < LIBRARY_MAX_NAME ? n : 0;
}

static bool is_lib(const struct part *p)
{
	return p->len > 3 && !memcmp(p->name, "lib", 3);
}

/* smoltcp-0.8.0: the name without the version. */
static size_t crate_len(const struct part *p)
{
	size_t i;

	for (i = 1; i + 1 < p->len; i++)
		if (p->name[i] == '-' && isdigit((unsigned char)p->name[i + 1]))
			return i;
	return p->len;
}

/* The library that begins with part @i, of the @nr that are left; 0 if none does. */
static size_t begins_here(char *out, const struct part *p, size_t nr)
{
	if (nr > 1 && is_lib(&p[0]) && is(&p[1], "origin"))
		return on_shelf(out, "libs", p[0].name + 3, p[0].len - 3);
	if (nr > 2 && is(&p[0], "build") && is_lib(&p[1]) && is(&p[2], "origin"))
		return on_shelf(out, "libs", p[1].name + 3, p[1].len - 3);
	if (nr > 1 && is(&p[0], "build") && is_lib(&p[1]))
		return on_shelf(out, "lib", p[1].name + 3, p[1].len - 3);
	if (nr > 3 && is(&p[0], "registry") && is(&p[1], "src"))
		return on_shelf(out, "crates", p[3].name, crate_len(&p[3]));
	if (nr > 3 && is(&p[0], "rustc") && is(&p[2], "library"))
		return join(out, p + 2, 2);
	if (nr > 1 && is(&p[0], "drivers"))
		return join(out, p, nr < 3 ? nr : 3);
	if (nr > 1 && is_shelf(&p[0]))
		return join(out, p, 2);
	return 0;
}

size_t library__name(char *out, const char *root, const char *path)
{
	struct part parts[MAX_PARTS];
	size_t root_len = strlen(root), nr, i, len;
	bool below = root_len > 1 && !strncmp(path, root, root_len);
	bool inside = below || *path != '/';

	nr = split(below ? path + root_len : path, parts);
	for (i = 0; i < nr; i++) {
		len = begins_here(out, parts + i, nr - i);
		if (len)
			return len;
	}
	if (!inside && nr == 1 && is(&parts[0], "tmp"))
		return 0;
	if (inside && nr)
		return join(out, parts, nr < 3 ? nr : 3);
	/* In the shared directory itself: it is called like that. */
	if (below)
		nr = split(root, parts);
	if (below && nr)
		return join(out, parts + nr - 1, 1);
	return nr < 2 ? join(out, parts, nr) : join(out, parts + nr - 2, 2);
}
