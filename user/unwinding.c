/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwinding.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "loader.h"
#include "log.h"
#include "readers.h"
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

/* An image that a VM was said to run, and its table. */
struct use {
	struct unwinding_image image; /* owns the path */
	ssize_t table;		      /* index, or -1 */
};

/* What a VM was told. */
struct user {
	struct use *uses; /* array of nr; NULL: nothing */
	size_t nr;
	struct ukp_unwind_image told[UKP_MAX_TABLES];
};

struct unwinding {
	struct loader *loader;
	struct readers *readers;
	const char *debug_dir;
	struct table *tables;
	size_t nr_tables;
	struct user *users; /* by VM */
	size_t nr_users;
	bool said_full;
};

int unwinding__new(struct unwinding **out, struct loader *l, struct readers *readers, const char *debug_dir)
{
	struct unwinding *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->loader = l;
	u->readers = readers;
	u->debug_dir = debug_dir;
	*out = u;
	return 0;
}

static void free_uses(struct use *uses, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		free(uses[i].image.path);
	free(uses);
}

void unwinding__free(struct unwinding *u)
{
	size_t i;

	if (!u)
		return;
	for (i = 0; i < u->nr_users; i++)
		free_uses(u->users[i].uses, u->users[i].nr);
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
	uint64_t data, data_len;
	struct reader *img = NULL;
	int err;

	if (reader__open(u->readers, path, false, &img))
		return;
	t->is_pic = reader__facts(img)->is_pic;
	data = reader__facts(img)->data;
	data_len = reader__facts(img)->data_len;
	reader__attach_debug_file(img, u->debug_dir, NULL);
	err = reader__unwind_table(img, &table);
	reader__put(img);
	if (err == -ENOENT)
		log_debug("unwinding: %s: has no unwind table: stacks go by frame pointers", path);
	else if (err)
		log_debug("unwinding: %s: no unwind table: %s: stacks go by frame pointers", path, strerror(-err));
	if (err)
		return;
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
	if (stats.code_bytes)
		log_info("unwinding: %s: has neither unwind tables nor frame pointers: a table was made from its code, for "
			 "%.1f%% of it", path, 100.0 * stats.code_bytes / stats.text_bytes);
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

static void put_uses(struct unwinding *u, struct use *uses, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (uses[i].table >= 0)
			put_table(u, uses[i].table);
	free_uses(uses, nr);
}

/* Returns false without memory, and then there is none of them. */
static bool get_uses(struct unwinding *u, const struct unwinding_image *images, size_t nr, struct use **out)
{
	struct use *uses = nr ? calloc(nr, sizeof(*uses)) : NULL;
	size_t i;

	if (nr && !uses)
		return false;
	for (i = 0; i < nr; i++) {
		uses[i].image = images[i];
		uses[i].image.path = strdup(images[i].path);
		uses[i].table = uses[i].image.path ? get_table(u, images[i].path) : -1;
		if (!uses[i].image.path) {
			put_uses(u, uses, i);
			return false;
		}
	}
	*out = uses;
	return true;
}

static bool same_images(const struct user *user, const struct unwinding_image *images, size_t nr)
{
	const struct unwinding_image *had;
	size_t i;

	for (i = 0; i < nr && nr == user->nr; i++) {
		had = &user->uses[i].image;
		if (had->bias != images[i].bias || had->is_proven != images[i].is_proven || strcmp(had->path, images[i].path))
			return false;
	}
	return nr == user->nr;
}

/* The first images that have tables which may be used. */
static void choose_tables(const struct unwinding *u, const struct user *user, struct ukp_unwind_image *out)
{
	const struct table *table;
	const struct use *use;
	size_t i, nr = 0;

	memset(out, 0, UKP_MAX_TABLES * sizeof(*out));
	for (i = 0; i < user->nr; i++) {
		use = &user->uses[i];
		table = use->table < 0 ? NULL : &u->tables[use->table];
		if (!table || !table->image.nr_pages || (!use->image.is_proven && table->is_pic))
			continue;
		if (nr == UKP_MAX_TABLES) {
			log_debug("unwinding: %s: the VM has %d images with unwind tables already: its stacks go by frame pointers",
				  use->image.path, UKP_MAX_TABLES);
			continue;
		}
		out[nr] = table->image;
		out[nr].base += use->image.bias;
		out[nr].data += use->image.bias;
		nr++;
	}
}

bool unwinding__use(struct unwinding *u, uint32_t vm, const struct unwinding_image *images, size_t nr,
		    struct ukp_unwind_image *out)
{
	struct ukp_unwind_image chosen[UKP_MAX_TABLES];
	struct use *uses = NULL, *had;
	struct user *user;
	size_t nr_had;

	if (!nr && vm >= u->nr_users)
		return false;
	user = get_user(u, vm);
	if (!user || same_images(user, images, nr))
		return false;
	/* The new ones first: a table that stays has a user all the time. */
	if (!get_uses(u, images, nr, &uses))
		nr = 0;
	had = user->uses;
	nr_had = user->nr;
	user->uses = uses;
	user->nr = nr;
	put_uses(u, had, nr_had);
	choose_tables(u, user, chosen);
	if (!memcmp(chosen, user->told, sizeof(chosen)))
		return false;
	memcpy(user->told, chosen, sizeof(chosen));
	memcpy(out, chosen, sizeof(chosen));
	return true;
}
