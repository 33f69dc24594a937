/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is kept on the disk comes back as it was, or not at all. */
#include "records.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "answer_cache.h"
#include "readers.h"
#include "unwind_table.h"

#define LEN (sizeof(text) - 1)

static const char text[] = "rows and rules of an image";
static char folder[64];
static struct answer_cache *cache;

static struct stat image_stat(uint64_t ino)
{
	return (struct stat){ .st_dev = 5, .st_ino = ino, .st_size = 1000, .st_mtim.tv_sec = 1, .st_ctim.tv_sec = 2 };
}

static struct answer_cache_key image_key(uint64_t ino)
{
	struct stat st = image_stat(ino);
	struct answer_cache_key key;

	assert_true(answer_cache__key(&key, &st, NULL));
	return key;
}

static bool has(const struct answer_cache_key *key)
{
	void *data;
	size_t len;

	if (!answer_cache__get(cache, key, 1 << 20, &data, &len))
		return false;
	assert_int_equal(len, LEN);
	assert_memory_equal(data, text, LEN);
	free(data);
	return true;
}

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/ukprof-unit-XXXXXX");
	return !mkdtemp(folder) || answer_cache__open(&cache, folder);
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	answer_cache__free(cache);
	cache = NULL;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

/* The only file in the folder. */
static char *only_file(void)
{
	DIR *dir = opendir(folder);
	struct dirent *de;
	char *path = NULL;

	assert_non_null(dir);
	while ((de = readdir(dir))) {
		if (*de->d_name == '.')
			continue;
		assert_null(path);
		assert_true(asprintf(&path, "%s/%s", folder, de->d_name) > 0);
	}
	closedir(dir);
	return path;
}

static void what_was_kept_comes_back(void **state)
{
	struct answer_cache_key a = image_key(1), b = image_key(2);
	struct answer_cache *again;

	(void)state;
	assert_false(has(&a));
	answer_cache__put(cache, &a, text, LEN);
	assert_true(has(&a));
	assert_false(has(&b));
	/* To another process, too. */
	assert_int_equal(answer_cache__open(&again, folder), 0);
	answer_cache__free(cache);
	cache = again;
	assert_true(has(&a));
	assert_false(answer_cache__get(NULL, &a, 1 << 20, NULL, NULL));
	answer_cache__put(NULL, &a, text, LEN);
}

static void another_version_is_another_file(void **state)
{
	struct answer_cache_key key = image_key(1), other;
	struct stat st, debug = image_stat(9);

	(void)state;
	answer_cache__put(cache, &key, text, LEN);
	st = image_stat(1);
	st.st_size++;
	assert_true(answer_cache__key(&other, &st, NULL));
	assert_false(has(&other));
	st = image_stat(1);
	st.st_mtim.tv_nsec++;
	assert_true(answer_cache__key(&other, &st, NULL));
	assert_false(has(&other));
	st = image_stat(1);
	st.st_ctim.tv_nsec++;
	assert_true(answer_cache__key(&other, &st, NULL));
	assert_false(has(&other));
	st = image_stat(1);
	st.st_dev++;
	assert_true(answer_cache__key(&other, &st, NULL));
	assert_false(has(&other));
	st = image_stat(1);
	assert_true(answer_cache__key(&other, &st, &debug));
	assert_false(has(&other));
	assert_true(has(&key));
	/* The latest takes the former one's place. */
	answer_cache__put(cache, &other, text, LEN);
	assert_true(has(&other));
	assert_false(has(&key));
	free(only_file());
}

/* The next build of ukprof may make other tables of the same image. */
static void another_program_starts_anew(void **state)
{
	struct answer_cache_key key = image_key(1);
	char command[256];

	(void)state;
	answer_cache__put(cache, &key, text, LEN);
	snprintf(command, sizeof(command), "/proc/%d/exe has %s", getpid(), folder);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "cp /proc/%d/exe %s/copy && %s/copy has %s; test $? = 1", getpid(), folder, folder, folder);
	assert_int_equal(system(command), 0);
}

static void what_was_changed_a_moment_ago_has_no_key(void **state)
{
	struct stat st = image_stat(1), debug = image_stat(2);
	struct answer_cache_key key;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &st.st_ctim);
	assert_false(answer_cache__key(&key, &st, NULL));
	st.st_ctim.tv_sec -= 5;
	assert_true(answer_cache__key(&key, &st, NULL));
	clock_gettime(CLOCK_REALTIME, &debug.st_ctim);
	assert_false(answer_cache__key(&key, &st, &debug));
	debug.st_ctim.tv_sec += 3600; /* clocks jump */
	assert_false(answer_cache__key(&key, &st, &debug));
}

/* Each bit of the file. */
static void a_damaged_file_is_none(void **state)
{
	struct answer_cache_key key = image_key(1);
	unsigned char byte, changed;
	char *path;
	off_t at, len;
	int fd, bit;

	(void)state;
	answer_cache__put(cache, &key, text, LEN);
	path = only_file();
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	len = lseek(fd, 0, SEEK_END);
	assert_true(len > (off_t)LEN);
	for (at = 0; at < len; at++) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		for (bit = 0; bit < 8; bit++) {
			changed = byte ^ 1 << bit;
			assert_int_equal(pwrite(fd, &changed, 1, at), 1);
			assert_false(has(&key));
		}
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_true(has(&key));
	assert_int_equal(pwrite(fd, "", 1, len), 1); /* longer */
	assert_false(has(&key));
	for (at = len - 1; at >= 0; at--) {
		assert_int_equal(ftruncate(fd, at), 0);
		assert_false(has(&key));
	}
	close(fd);
	answer_cache__put(cache, &key, text, LEN);
	assert_true(has(&key));
	free(path);
}

static void more_than_is_wanted_is_none(void **state)
{
	struct answer_cache_key key = image_key(1);
	void *data;
	size_t len;

	(void)state;
	answer_cache__put(cache, &key, text, LEN);
	assert_false(answer_cache__get(cache, &key, LEN - 1, &data, &len));
	assert_true(has(&key));
}

static void a_foreign_file_is_none(void **state)
{
	struct answer_cache_key key = image_key(1);
	char *path, *other;

	(void)state;
	answer_cache__put(cache, &key, text, LEN);
	path = only_file();
	assert_int_equal(chmod(path, 0666), 0);
	assert_false(has(&key));
	assert_int_equal(chmod(path, 0640), 0);
	assert_true(has(&key));
	if (!geteuid()) {
		assert_int_equal(chown(path, 65534, 0), 0);
		assert_false(has(&key));
		assert_int_equal(chown(path, 0, 0), 0);
	}
	assert_true(asprintf(&other, "%s.moved", path) > 0);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_false(has(&key));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(has(&key)); /* and nobody waits */
	answer_cache__put(cache, &key, text, LEN);
	assert_true(has(&key));
	free(other);
	free(path);
}

static void a_foreign_folder_is_not_used(void **state)
{
	struct answer_cache *c;

	(void)state;
	assert_int_equal(chmod(folder, 0770), 0);
	assert_int_equal(answer_cache__open(&c, folder), -EPERM);
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(answer_cache__open(&c, folder), 0);
	answer_cache__free(c);
	if (!geteuid()) {
		assert_int_equal(chown(folder, 65534, 0), 0);
		assert_int_equal(answer_cache__open(&c, folder), -EPERM);
	}
	assert_int_equal(answer_cache__open(&c, "/dev/null"), -ENOTDIR);
	assert_int_equal(answer_cache__open(&c, "/proc/nowhere/at/all"), -ENOENT);
}

static void the_folder_is_made(void **state)
{
	struct answer_cache *c;
	char path[128];
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/.cache/ukprof", folder);
	assert_int_equal(answer_cache__open(&c, path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	answer_cache__free(c);
}

static void the_oldest_make_room(void **state)
{
	const size_t len = 5 << 20, room = ANSWER_CACHE_MAX_BYTES / len;
	struct answer_cache_key key;
	char *data = calloc(1, len), path[128];
	struct timespec used[2] = { { .tv_sec = 100 }, { .tv_sec = 100 } };
	void *found;
	size_t got, i;
	FILE *f;

	(void)state;
	assert_non_null(data);
	snprintf(path, sizeof(path), "%s/notes", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	for (i = 0; i < room + 3; i++) {
		key = image_key(100 + i);
		answer_cache__put(cache, &key, data, len);
		snprintf(path, sizeof(path), "%s/unwind-5-%zx", folder, 100 + i);
		used[1].tv_sec++;
		/* The first is used last. */
		if (i)
			assert_int_equal(utimensat(AT_FDCWD, path, used, 0), 0);
	}
	for (i = 0; i < room + 3; i++) {
		key = image_key(100 + i);
		assert_int_equal(answer_cache__get(cache, &key, len, &found, &got), i == 0 || i > 3);
		if (i == 0 || i > 3)
			free(found);
	}
	snprintf(path, sizeof(path), "%s/notes", folder);
	assert_int_equal(access(path, F_OK), 0);
	answer_cache__put(cache, &key, data, ANSWER_CACHE_MAX_BYTES); /* one that would leave no room for others */
	assert_true(answer_cache__get(cache, &key, ANSWER_CACHE_MAX_BYTES, &found, &got));
	assert_int_equal(got, len);
	free(found);
	free(data);
}

/* It is @name in the folder of the test. */
static void assert_users_folder(const char *name)
{
	char *path = answer_cache__folder(), want[128];

	snprintf(want, sizeof(want), "%s%s", folder, name);
	assert_string_equal(path, want);
	free(path);
}

static void the_users_own_folder(void **state)
{
	(void)state;
	unsetenv("CACHE_DIRECTORY");
	setenv("XDG_CACHE_HOME", folder, 1);
	assert_users_folder("/ukprof");
	setenv("XDG_CACHE_HOME", "relative", 1);
	assert_null(answer_cache__folder());
	unsetenv("XDG_CACHE_HOME");
	setenv("HOME", folder, 1);
	assert_users_folder("/.cache/ukprof");
	assert_int_equal(chmod(folder, 0777), 0); /* not only the user's */
	assert_null(answer_cache__folder());
	unsetenv("HOME");
	assert_null(answer_cache__folder());
	assert_int_equal(chmod(folder, 0700), 0);
	setenv("CACHE_DIRECTORY", folder, 1);
	assert_users_folder("");
	unsetenv("CACHE_DIRECTORY");
}

/* --- a reader that is not asked --- */

/* The C library: it is large enough, and was not changed a moment ago. */
static struct unwind_table *table_of_libc(size_t *nr_cached)
{
	const struct readers_opts opts = { .cache = folder };
	struct unwind_table *table = NULL;
	struct readers *rs = NULL;
	struct reader *r = NULL;

	assert_int_equal(readers__start(&rs, &opts), 0);
	assert_int_equal(reader__open(rs, "/usr/lib/x86_64-linux-gnu/libc.so.6", false, &r), IMAGE_OK);
	assert_int_equal(reader__unwind_table(r, &table), 0);
	*nr_cached = readers__nr_cached(rs);
	reader__put(r);
	readers__stop(rs);
	return table;
}

static void assert_same_table(const struct unwind_table *a, const struct unwind_table *b)
{
	struct unwind_arrays x, y;

	unwind_table__arrays(a, &x);
	unwind_table__arrays(b, &y);
	assert_int_equal(x.nr_rows, y.nr_rows);
	assert_int_equal(x.nr_pages, y.nr_pages);
	assert_int_equal(x.nr_rules, y.nr_rules);
	assert_memory_equal(x.rows, y.rows, x.nr_rows * sizeof(*x.rows));
	assert_memory_equal(x.pages, y.pages, x.nr_pages * sizeof(*x.pages));
	assert_memory_equal(x.rules, y.rules, x.nr_rules * sizeof(*x.rules));
}

static void an_unwind_table_is_made_once(void **state)
{
	struct unwind_table *first, *second, *third;
	size_t nr;
	char *path;
	FILE *f;

	(void)state;
	first = table_of_libc(&nr);
	assert_int_equal(nr, 0);
	second = table_of_libc(&nr);
	assert_int_equal(nr, 1);
	assert_same_table(first, second);
	/* Damaged: made anew, and kept again. */
	path = only_file();
	f = fopen(path, "r+");
	assert_non_null(f);
	assert_int_equal(fseek(f, 5000, SEEK_SET), 0);
	fputs("not what it was", f);
	assert_int_equal(fclose(f), 0);
	free(path);
	third = table_of_libc(&nr);
	assert_int_equal(nr, 0);
	assert_same_table(first, third);
	unwind_table__free(third);
	third = table_of_libc(&nr);
	assert_int_equal(nr, 1);
	assert_same_table(first, third);
	unwind_table__free(first);
	unwind_table__free(second);
	unwind_table__free(third);
}

/* Whole and of this program, but no answer to that question: as from a reader that lies, without its end. */
static void a_lie_is_found_out(void **state)
{
	struct unwind_table *table;
	struct answer_cache_key key;
	struct stat st;
	size_t nr;

	(void)state;
	assert_int_equal(stat("/usr/lib/x86_64-linux-gnu/libc.so.6", &st), 0);
	assert_true(answer_cache__key(&key, &st, NULL));
	answer_cache__put(cache, &key, text, LEN);
	assert_true(has(&key));
	table = table_of_libc(&nr);
	assert_int_equal(nr, 0);
	unwind_table__free(table);
	table = table_of_libc(&nr);
	assert_int_equal(nr, 1);
	unwind_table__free(table);
}

#define OWN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* With "has FOLDER": is the answer of the first image there? 0: it is, 1: not, else an error. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		OWN(what_was_kept_comes_back),
		OWN(another_version_is_another_file),
		OWN(another_program_starts_anew),
		OWN(what_was_changed_a_moment_ago_has_no_key),
		OWN(a_damaged_file_is_none),
		OWN(more_than_is_wanted_is_none),
		OWN(a_foreign_file_is_none),
		OWN(a_foreign_folder_is_not_used),
		OWN(the_folder_is_made),
		OWN(the_oldest_make_room),
		OWN(the_users_own_folder),
		OWN(an_unwind_table_is_made_once),
		OWN(a_lie_is_found_out),
	};
	struct answer_cache_key key;

	if (argc == 3 && !strcmp(argv[1], "has")) {
		key = image_key(1);
		if (answer_cache__open(&cache, argv[2]))
			return 2;
		return !has(&key);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
