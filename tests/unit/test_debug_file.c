/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <libgen.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "debug_file.h"
#include "image.h"
#include "symbolizer.h"
#include "symtab.h"
#include "unwind_table.h"

/* with_id and without_id, from split.c, are beside this program. */
static char build[256], dir[] = "/tmp/ukprof-debug-XXXXXX", app[64], root[64];

static void sh(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (system(line))
		fail_msg("%s", line);
}

/* app: stripped; app.debug: what it lost, and app names it. */
static void split(const char *program)
{
	sh("rm -rf %s && mkdir -p %s/root", dir, dir);
	sh("cd %s && objcopy --only-keep-debug %s/%s app.debug && objcopy -S --add-gnu-debuglink=app.debug %s/%s app", dir,
	   build, program, build, program);
}

static struct image *open_app(void)
{
	struct image *img = NULL;

	assert_int_equal(image__open(&img, app), IMAGE_OK);
	return img;
}

static uint64_t address(struct image *img, const char *name)
{
	const struct image_text *text = image__text(img, 0);
	struct symtab *st = NULL;
	struct symtab_sym sym;
	uint64_t at;

	assert_int_equal(symtab__new(&st, img), 0);
	for (at = text->addr; at < text->addr + text->len; at++) {
		if (!symtab__lookup(st, at, &sym) && !strcmp(sym.name, name)) {
			symtab__free(st);
			return at;
		}
	}
	fail_msg("%s has no symbol", name);
	return 0;
}

/* Looks for the debug file; @where: its path below the folder of the test, or NULL. */
static enum debug_file_verdict attach(struct image *img, const char *where)
{
	enum debug_file_verdict verdict;
	char *path = NULL, want[128];

	verdict = debug_file__attach(img, root, &path);
	assert_int_equal(!path, !where);
	if (where) {
		snprintf(want, sizeof(want), "%s/%s", dir, where);
		assert_string_equal(path, want);
	}
	free(path);
	return verdict;
}

static void assert_found(const char *where)
{
	struct image *img = open_app();

	assert_int_equal(attach(img, where), DEBUG_FILE_ATTACHED);
	address(img, "split_outer");
	image__free(img);
}

static void assert_not_found(const char *where, enum debug_file_verdict verdict)
{
	struct image *img = open_app();
	struct symtab *st = NULL;

	assert_int_equal(attach(img, where), verdict);
	assert_int_not_equal(symtab__new(&st, img), 0);
	image__free(img);
}

/* Names, lines, inlined functions and unwind tables: as if it had never been stripped. */
static void a_debug_file_gives_all_that_was_stripped(void **state)
{
	struct unwind_table *stripped = NULL, *whole = NULL, *both = NULL;
	struct unwind_stats a, b;
	const struct sym_frame *frames;
	struct symbolizer *s = NULL;
	struct image *img;
	char path[512];
	uint64_t at;
	size_t i, nr;

	(void)state;
	split("without_id");
	img = open_app();
	assert_int_not_equal(unwind_table__new(&stripped, img), 0);
	assert_int_equal(attach(img, "app.debug"), DEBUG_FILE_ATTACHED);
	assert_int_equal(unwind_table__new(&both, img), 0);
	unwind_table__stats(both, &a);
	unwind_table__free(both);
	at = address(img, "split_outer");
	assert_string_equal(image__path(img), app);
	assert_int_equal(symbolizer__new(&s), 0);
	assert_int_equal(symbolizer__add_image(s, img, 0, true), 0);
	for (i = 0; i < 64; i++) {
		nr = symbolizer__resolve(s, at + i, false, &frames);
		if (nr == 2)
			break;
	}
	assert_int_equal(nr, 2);
	assert_string_equal(frames[0].name, "split_inner");
	assert_string_equal(frames[1].name, "split_outer");
	assert_non_null(strstr(frames[0].file, "split.c"));
	assert_true(frames[0].line > 0);
	symbolizer__put(s);

	snprintf(path, sizeof(path), "%s/without_id", build);
	assert_int_equal(image__open(&img, path), IMAGE_OK);
	assert_int_equal(unwind_table__new(&whole, img), 0);
	unwind_table__stats(whole, &b);
	unwind_table__free(whole);
	image__free(img);
	assert_true(a.covered_bytes > 0);
	assert_int_equal(a.covered_bytes, b.covered_bytes);
}

static void it_is_found_where_gdb_finds_it(void **state)
{
	char *real;

	(void)state;
	split("without_id");
	assert_found("app.debug");
	sh("cd %s && mkdir .debug && mv app.debug .debug", dir);
	assert_found(".debug/app.debug");
	real = realpath(dir, NULL);
	sh("cd %s && mkdir -p root%s && mv .debug/app.debug root%s", dir, real, real);
	free(real);
	{
		struct image *img = open_app();
		char *path = NULL;

		assert_int_equal(debug_file__attach(img, root, &path), DEBUG_FILE_ATTACHED);
		assert_int_equal(strncmp(path, root, strlen(root)), 0);
		free(path);
		image__free(img);
	}
	sh("rm -r %s/root/*", dir);
	assert_not_found(NULL, DEBUG_FILE_NONE);
}

static void a_build_id_finds_it_by_itself(void **state)
{
	const char *id;
	char where[128];
	struct image *img;

	(void)state;
	split("with_id");
	img = open_app();
	id = image__build_id(img);
	assert_non_null(id);
	snprintf(where, sizeof(where), "root/.build-id/%.2s/%s.debug", id, id + 2);
	sh("cd %s && mkdir -p root/.build-id/%.2s && mv app.debug %s && objcopy -R .gnu_debuglink app", dir, id, where);
	image__free(img);
	assert_found(where);
}

/* Names of another build look right and are wrong. */
static void one_of_another_build_is_not_used(void **state)
{
	(void)state;
	split("without_id");
	sh("cd %s && printf x >>app.debug", dir);
	assert_not_found("app.debug", DEBUG_FILE_OTHER_BUILD);
	split("with_id");
	sh("cd %s && objcopy --only-keep-debug %s/other_id app.debug", dir, build);
	assert_not_found("app.debug", DEBUG_FILE_OTHER_BUILD);
	/* The build-id has the last word: the checksum changes with each tool that touches the file. */
	split("with_id");
	sh("cd %s && printf x >>app.debug", dir);
	assert_found("app.debug");
	/* A good one further on is found all the same. */
	split("without_id");
	sh("cd %s && mkdir .debug && cp app.debug .debug && printf x >>app.debug", dir);
	assert_found(".debug/app.debug");
}

static void what_is_no_debug_file_is_passed_by(void **state)
{
	(void)state;
	split("without_id");
	sh("cd %s && cp app app.debug", dir);
	assert_not_found(NULL, DEBUG_FILE_NONE);
	sh("cd %s && rm app.debug && mkfifo app.debug", dir);
	assert_not_found(NULL, DEBUG_FILE_NONE);
	sh("cd %s && rm app.debug && head -c 100 %s/without_id >app.debug", dir, build);
	assert_not_found(NULL, DEBUG_FILE_NONE);
}

/* A name is a name in these folders, and leads nowhere else. */
static void a_link_with_a_folder_is_not_followed(void **state)
{
	(void)state;
	split("without_id");
	sh("cd %s && mkdir x && mv app.debug x/y.debug && objcopy --dump-section .gnu_debuglink=link app && "
	   "(printf x/y.debug'\\0\\0\\0'; tail -c 4 link) >link2 && objcopy --update-section .gnu_debuglink=link2 app", dir);
	assert_not_found(NULL, DEBUG_FILE_NONE);
	sh("cd %s && printf abc >link && objcopy --update-section .gnu_debuglink=link app", dir);
	assert_not_found(NULL, DEBUG_FILE_NONE);
}

static void a_whole_image_needs_none(void **state)
{
	(void)state;
	split("without_id");
	sh("cd %s && cp %s/without_id app", dir, build);
	{
		struct image *img = open_app();

		assert_int_equal(debug_file__attach(img, root, NULL), DEBUG_FILE_NOT_NEEDED);
		image__free(img);
	}
}

static int setup(void **state)
{
	char self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	(void)state;
	if (n < 0 || !mkdtemp(dir))
		return -1;
	self[n] = '\0';
	snprintf(build, sizeof(build), "%s", dirname(self));
	snprintf(app, sizeof(app), "%s/app", dir);
	snprintf(root, sizeof(root), "%s/root", dir);
	/* It must be of no account. */
	setenv("DEBUGINFOD_URLS", "http://127.0.0.1:9", 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sh("rm -rf %s", dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_debug_file_gives_all_that_was_stripped),
		cmocka_unit_test(it_is_found_where_gdb_finds_it),
		cmocka_unit_test(a_build_id_finds_it_by_itself),
		cmocka_unit_test(one_of_another_build_is_not_used),
		cmocka_unit_test(what_is_no_debug_file_is_passed_by),
		cmocka_unit_test(a_link_with_a_folder_is_not_followed),
		cmocka_unit_test(a_whole_image_needs_none),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
