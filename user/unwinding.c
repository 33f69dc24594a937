/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwinding.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "debug_file.h"
#include "image.h"
#include "loader.h"
#include "log.h"
#include "unwind_table.h"

/* The table of one file; one without a table is kept, too, so that it is not tried again. */
struct table {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
	struct ukp_unwind_image image; /* base as linked; all 0: no table */
	bool is_pic;
	size_t nr_users; /* 0: a free place */
};

/* What a VM was told. */
struct user {
	char *path;   /* NULL: nothing */
	size_t table; /* index */
	uint64_t bias;
	bool is_proven;
	struct ukp_unwind_image told;
};

struct unwinding {
	struct loader *loader;
	const char *debug_dir;
	struct table *tables;
	size_t nr_tables;
	struct user *users; /* by VM */
	size_t nr_users;
	bool said_full;
};

int unwinding__new(struct unwinding **out, struct loader *l, const char *debug_dir)
{
	struct unwinding *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->loader = l;
	u->debug_dir = debug_dir;
	*out = u;
	return 0;
}

void unwinding__free(struct unwinding *u)
{
	size_t i;

	if (!u)
		return;
	for (i = 0; i < u->nr_users; i++)
		free(u->users[i].path);
	free(u->users);
	free(u->tables);
	free(u);
}

static struct user *get_user(struct unwinding *u, uint32_t vm)
{
	struct user *users;

	if (vm >= u->nr_users) {
		users = reallocarray(u->users, vm + 1, sizeof(*users));
		if (!users)
			return NULL;
		memset(users + u->nr_users, 0, (vm + 1 - u->nr_users) * sizeof(*users));
		u->users = users;
		u->nr_users = vm + 1;
	}
	return &u->users[vm];
}

static void load_table(struct unwinding *u, struct table *t, const char *path)
{
	struct unwind_table *table = NULL;
	struct unwind_arrays arrays;
	struct unwind_stats stats;
	uint64_t data = 0, data_len = 0;
	struct image *img = NULL;
	int err;

	if (image__open(&img, path))
		return;
	t->is_pic = image__is_pic(img);
	image__data(img, &data, &data_len);
	debug_file__attach(img, u->debug_dir, NULL);
	err = unwind_table__new(&table, img);
	image__free(img);
	if (err) {
		log_debug("unwinding: %s: no unwind table: %s: stacks go by frame pointers", path, strerror(-err));
		return;
	}
	unwind_table__arrays(table, &arrays);
	unwind_table__stats(table, &stats);
	err = loader__add_unwind(u->loader, &arrays, &t->image);
	if (err && !u->said_full) {
		log_warn("unwinding: %s: its unwind table does not fit beside the others: stacks go by frame pointers",
			 path);
		u->said_full = true;
	}
	if (!err) {
		t->image.data = data;
		t->image.data_len = data_len;
	}
	log_debug("unwinding: %s: %zu rows, %zu rules, %" PRIu64 " bytes; %.1f%% of the code covered, %" PRIu64
		  " ranges rejected, %" PRIu64 " interrupt entries without a table", path, arrays.nr_rows, arrays.nr_rules,
		  stats.bytes, stats.text_bytes ? 100.0 * stats.covered_bytes / stats.text_bytes : 0, stats.nr_rejected,
		  stats.nr_stubs);
	unwind_table__free(table);
}

/* The table of a file, which has one more user then. Returns its index, or -1. */
static ssize_t get_table(struct unwinding *u, const char *path)
{
	struct table *tables, *t;
	size_t i, spare = u->nr_tables;
	struct stat st;

	if (stat(path, &st))
		return -1;
	for (i = 0; i < u->nr_tables; i++) {
		t = &u->tables[i];
		if (!t->nr_users) {
			spare = i;
		} else if (t->dev == st.st_dev && t->ino == st.st_ino && t->size == st.st_size &&
			   t->mtime.tv_sec == st.st_mtim.tv_sec && t->mtime.tv_nsec == st.st_mtim.tv_nsec) {
			t->nr_users++;
			return i;
		}
	}
	if (spare == u->nr_tables) {
		tables = reallocarray(u->tables, u->nr_tables + 1, sizeof(*tables));
		if (!tables)
			return -1;
		u->tables = tables;
		u->nr_tables++;
	}
	u->tables[spare] = (struct table){
		.dev = st.st_dev,
		.ino = st.st_ino,
		.size = st.st_size,
		.mtime = st.st_mtim,
		.nr_users = 1,
	};
	load_table(u, &u->tables[spare], path);
	return spare;
}

/* Its room is free for others at once: a walk that still goes on there finds numbers of no meaning, no more. */
static void put_table(struct unwinding *u, size_t index)
{
	struct table *t = &u->tables[index];

	if (!--t->nr_users)
		loader__del_unwind(u->loader, &t->image);
}

static bool tell(struct user *user, const struct ukp_unwind_image *image, struct ukp_unwind_image *out)
{
	bool differs = memcmp(&user->told, image, sizeof(*image)) != 0;

	user->told = *image;
	*out = *image;
	return differs;
}

bool unwinding__drop(struct unwinding *u, uint32_t vm, struct ukp_unwind_image *out)
{
	static const struct ukp_unwind_image none;
	struct user *user;

	if (vm >= u->nr_users || !u->users[vm].path)
		return false;
	user = &u->users[vm];
	put_table(u, user->table);
	free(user->path);
	user->path = NULL;
	return tell(user, &none, out);
}

bool unwinding__use(struct unwinding *u, uint32_t vm, const char *path, uint64_t bias, bool is_proven,
		    struct ukp_unwind_image *out)
{
	struct ukp_unwind_image image = { 0 };
	struct user *user = get_user(u, vm);
	ssize_t table;

	if (!user)
		return false;
	if (user->path && user->bias == bias && user->is_proven == is_proven && !strcmp(user->path, path))
		return false;
	table = get_table(u, path);
	if (table < 0)
		return unwinding__drop(u, vm, out);
	if (user->path)
		put_table(u, user->table);
	free(user->path);
	user->path = strdup(path);
	if (!user->path) {
		put_table(u, table);
		return tell(user, &image, out);
	}
	user->table = table;
	user->bias = bias;
	user->is_proven = is_proven;
	if (is_proven || !u->tables[table].is_pic)
		image = u->tables[table].image;
	if (image.nr_pages) {
		image.base += bias;
		image.data += bias;
	}
	return tell(user, &image, out);
}
