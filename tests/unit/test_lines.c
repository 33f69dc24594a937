/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines and inlined functions of this very program, which knows where its code is. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lines.h"

extern char __executable_start;

/* Addresses noted by the code itself, with the lines that hold them. */
static uint64_t in_inner, in_plain, in_nested;
static uint32_t inner_line, outer_line, plain_line, nested_line;

#define HERE(var) __asm__ volatile("lea 0(%%rip), %0" : "=r"(var))

static inline __attribute__((always_inline)) void inner(void)
{
	HERE(in_inner); inner_line = __LINE__;
}

static inline __attribute__((always_inline)) void middle(void)
{
	inner();
}

static __attribute__((noinline)) void outer(void)
{
	middle(); outer_line = __LINE__;
}

static __attribute__((noinline)) void plain(void)
{
	HERE(in_plain); plain_line = __LINE__;
}

/* Its entry is within that of the function around, its code is not. */
static __attribute__((noinline)) void around(void)
{
	__attribute__((noinline)) void nested(void)
	{
		inner();
		HERE(in_nested); nested_line = __LINE__;
	}

	nested();
}

static int open_lines(struct lines **out, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = lines__open(out, fd);
	close(fd);
	return err;
}

static struct lines *open_self(void)
{
	struct lines *l = NULL;

	assert_int_equal(open_lines(&l, "/proc/self/exe"), 0);
	return l;
}

static void assert_file(const struct lines_frame *f)
{
	assert_non_null(f->file);
	assert_non_null(strstr(f->file, "test_lines.c"));
}

static int count_self(void *ctx, const char *dir, const char *name)
{
	*(size_t *)ctx += name && dir && strstr(name, "test_lines.c");
	return 0;
}

static int refuse(void *ctx, const char *dir, const char *name)
{
	(void)ctx, (void)dir, (void)name;
	return -ENOMEM;
}

static void inlined_functions_are_frames(void **state)
{
	struct lines_frame frames[LINES_MAX_FRAMES];
	struct lines *l = open_self();
	uint64_t base = (uintptr_t)&__executable_start;
	const char *unit, *dir = NULL;
	size_t nr = 0;

	(void)state;
	outer();
	plain();
	assert_int_equal(lines__lookup(l, in_inner - base, frames), 3);
	assert_string_equal(frames[0].name, "inner");
	assert_string_equal(frames[1].name, "middle");
	assert_string_equal(frames[2].name, "outer");
	assert_int_equal(frames[0].line, inner_line);
	assert_int_equal(frames[2].line, outer_line);
	assert_file(&frames[0]);
	assert_file(&frames[1]);
	assert_file(&frames[2]);
	assert_int_equal(lines__lookup(l, in_plain - base, frames), 1);
	assert_string_equal(frames[0].name, "plain");
	assert_int_equal(frames[0].line, plain_line);
	unit = lines__unit(l, in_plain - base, &dir);
	assert_non_null(unit);
	assert_non_null(strstr(unit, "test_lines.c"));
	assert_non_null(dir);
	assert_int_equal(*dir, '/');
	assert_int_equal(lines__for_each_unit(l, count_self, &nr), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(lines__for_each_unit(l, refuse, NULL), -ENOMEM);
	lines__free(l);
	lines__free(NULL);
}

static void what_is_not_covered_is_nothing(void **state)
{
	struct lines_frame frames[LINES_MAX_FRAMES];
	struct lines *l = open_self();

	(void)state;
	assert_int_equal(lines__lookup(l, 0, frames), 0);
	assert_int_equal(lines__lookup(l, UINT64_MAX, frames), 0);
	assert_null(lines__unit(l, UINT64_MAX, NULL));
	lines__free(l);
	l = NULL;
	assert_int_equal(open_lines(&l, "/nonexistent"), -ENOENT);
	assert_int_equal(open_lines(&l, "/dev/null"), -ENOENT);
	assert_int_equal(open_lines(&l, "/bin/true"), -ENOENT);
	assert_null(l);
}

static void a_function_within_another_is_found(void **state)
{
	struct lines_frame frames[LINES_MAX_FRAMES];
	struct lines *l = open_self();
	uint64_t base = (uintptr_t)&__executable_start;
	int i;

	(void)state;
	around();
	for (i = 0; i < 2; i++) {
		assert_int_equal(lines__lookup(l, in_nested - base, frames), 1);
		assert_string_equal(frames[0].name, "nested");
		assert_int_equal(frames[0].line, nested_line);
		/* Others of the same unit are found as before. */
		assert_int_equal(lines__lookup(l, (uintptr_t)around - base, frames), 1);
		assert_string_equal(frames[0].name, "around");
		assert_int_equal(lines__lookup(l, in_inner - base, frames), 2);
		assert_string_equal(frames[0].name, "inner");
		assert_string_equal(frames[1].name, "nested");
	}
	lines__free(l);
}

static bool same_string(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* What is read is kept, so what is asked for first must not matter. */
static void the_order_of_questions_does_not_matter(void **state)
{
	struct lines_frame up[LINES_MAX_FRAMES], down[LINES_MAX_FRAMES];
	struct lines *a = open_self(), *b = open_self();
	extern char __etext;
	uint64_t len = &__etext - &__executable_start, addr, nr_known = 0;
	size_t nr, i;

	(void)state;
	for (addr = 0; addr < len; addr += 7)
		lines__lookup(a, addr, up);
	for (addr = len - len % 7; addr; addr -= 7) {
		nr = lines__lookup(b, addr, down);
		assert_int_equal(lines__lookup(a, addr, up), nr);
		for (i = 0; i < nr; i++) {
			assert_true(same_string(up[i].name, down[i].name));
			assert_true(same_string(up[i].file, down[i].file));
			assert_int_equal(up[i].line, down[i].line);
		}
		nr_known += nr > 0;
	}
	assert_true(nr_known > 1000);
	lines__free(a);
	lines__free(b);
}

static uint32_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005 + 1442695040888963407;
	return *seed >> 33;
}

/* DWARF is foreign: flipped bytes may give wrong lines, and nothing worse. */
static void broken_tables_do_no_harm(void **state)
{
	struct lines_frame frames[LINES_MAX_FRAMES];
	char path[] = "/tmp/test_lines.XXXXXX";
	uint64_t base = (uintptr_t)&__executable_start, seed = 5;
	size_t len, i, k, at;
	struct lines *l;
	char *bytes, *copy;
	FILE *f;
	int fd;

	(void)state;
	f = fopen("/proc/self/exe", "rb");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	len = ftell(f);
	rewind(f);
	bytes = malloc(len);
	copy = malloc(len);
	assert_int_equal(fread(bytes, 1, len, f), len);
	fclose(f);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	for (i = 0; i < 60; i++) {
		memcpy(copy, bytes, len);
		/* The tables are behind the code and before the symbols: about the second half. */
		for (k = 0; k < 200; k++) {
			at = len / 4 + next_random(&seed) % (len - len / 4);
			copy[at] = (char)next_random(&seed);
		}
		assert_int_equal(pwrite(fd, copy, len, 0), (ssize_t)len);
		if (open_lines(&l, path))
			continue;
		for (k = 0; k < 200; k++)
			lines__lookup(l, next_random(&seed) % len, frames);
		lines__lookup(l, in_inner - base, frames);
		lines__free(l);
	}
	close(fd);
	unlink(path);
	free(bytes);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inlined_functions_are_frames),
		cmocka_unit_test(what_is_not_covered_is_nothing),
		cmocka_unit_test(a_function_within_another_is_found),
		cmocka_unit_test(the_order_of_questions_does_not_matter),
		cmocka_unit_test(broken_tables_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
