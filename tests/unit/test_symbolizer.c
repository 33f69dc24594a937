/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf_fixture.h"

#include <errno.h>
#include <pthread.h>

#include "symbolizer.h"

#define BASE 0x100000ull

static const struct elf_sym kernel[] = {
	{ "kmain", BASE, 0x40, STB_GLOBAL, STT_FUNC, ELF_TEXT },
	{ "idle", BASE + 0x40, 0x40, STB_GLOBAL, STT_FUNC, ELF_TEXT },
};
static const struct elf_sym app[] = { { "app", 0x1000, 0x80, STB_GLOBAL, STT_FUNC, ELF_TEXT } };

static struct symbolizer *new_symbolizer(void)
{
	struct symbolizer *s = NULL;

	assert_int_equal(symbolizer__new(&s), 0);
	return s;
}

static void add(struct symbolizer *s, const struct elf_desc *d, uint64_t bias)
{
	assert_int_equal(symbolizer__add_image(s, elf_open(d), bias, true), 0);
}

static const struct elf_desc kernel_desc = {
	.text_len = 0x100, .syms = kernel, .nr_syms = 2, .has_build_id = true
};
static const struct elf_desc app_desc = {
	.type = ET_DYN, .text_len = 0x100, .syms = app, .nr_syms = 1
};

static void assert_name(struct symbolizer *s, uint64_t gva, bool is_return, const char *name,
			uint64_t start)
{
	const struct sym_frame *f = (void *)1;
	size_t nr = symbolizer__resolve(s, gva, is_return, &f);

	assert_int_equal(nr, name ? 1 : 0);
	if (!name)
		return;
	assert_string_equal(f->name, name);
	assert_int_equal(f->start, start);
	assert_null(f->file);
	assert_int_equal(f->line, 0);
	assert_false(f->is_inline);
}

static void a_call_that_ends_a_function_belongs_to_it(void **state)
{
	struct symbolizer *s = new_symbolizer();

	(void)state;
	add(s, &kernel_desc, 0);
	assert_name(s, BASE + 0x40, false, "idle", BASE + 0x40);
	assert_name(s, BASE + 0x40, true, "kmain", BASE);
	assert_name(s, BASE + 0x80, false, NULL, 0);
	assert_name(s, BASE + 0x80, true, "idle", BASE + 0x40);
	assert_name(s, BASE, true, NULL, 0);
	assert_name(s, 0, true, NULL, 0);
	assert_name(s, UINT64_MAX, false, NULL, 0);
	symbolizer__put(s);
}

/* And each with its own proof, or without one. */
static void several_images_each_at_its_bias(void **state)
{
	struct symbolizer *s = new_symbolizer();
	const struct sym_frame *f;
	struct sym_image_info info;

	(void)state;
	add(s, &kernel_desc, 0xffffffff80000000);
	assert_int_equal(symbolizer__add_image(s, elf_open(&app_desc), 0x40000000, false), 0);
	assert_int_equal(symbolizer__resolve(s, 0xffffffff80000000 + BASE, false, &f), 1);
	assert_false(f->is_unverified);
	assert_int_equal(symbolizer__resolve(s, 0x40001020, false, &f), 1);
	assert_true(f->is_unverified);
	assert_int_equal(symbolizer__nr_images(s), 2);
	assert_name(s, 0xffffffff80000000 + BASE, false, "kmain", 0xffffffff80000000 + BASE);
	assert_name(s, 0x40001020, false, "app", 0x40001000);
	assert_name(s, BASE, false, NULL, 0);
	symbolizer__image_info(s, 0, &info);
	assert_string_equal(info.build_id, "deadbeef");
	assert_int_equal(info.gva_start, 0xffffffff80000000 + BASE);
	assert_int_equal(info.gva_end, 0xffffffff80000000 + BASE + 0x100);
	assert_int_equal(info.file_offset, 0x200);
	assert_false(info.is_unverified);
	symbolizer__image_info(s, 1, &info);
	assert_true(info.is_unverified);
	assert_null(info.build_id);
	assert_int_equal(info.gva_start, 0x40001000);
	symbolizer__put(s);
}

static void a_bias_may_wrap(void **state)
{
	struct symbolizer *s = new_symbolizer();

	(void)state;
	add(s, &kernel_desc, -BASE);
	assert_name(s, 0x10, false, "kmain", 0);
	symbolizer__put(s);
}

/* An image that comes later may know an address that was asked for before. */
static void an_image_added_later_answers_too(void **state)
{
	struct symbolizer *s = new_symbolizer();

	(void)state;
	assert_name(s, BASE, false, NULL, 0);
	add(s, &kernel_desc, 0);
	assert_name(s, BASE, false, "kmain", BASE);
	symbolizer__put(s);
}

/* The file of a local symbol is that of the STT_FILE before it; a global one has none. No DWARF here. */
static void libraries_without_dwarf(void **state)
{
	static const struct elf_sym syms[] = {
		{ "src/alloc.c", 0, 0, STB_LOCAL, STT_FILE, SHN_ABS },
		{ "grow", BASE, 0x20, STB_LOCAL, STT_FUNC, ELF_TEXT },
		{ "", 0, 0, STB_LOCAL, STT_FILE, SHN_ABS },
		{ "veneer", BASE + 0x20, 0x20, STB_LOCAL, STT_FUNC, ELF_TEXT },
		{ "sched.c", 0, 0, STB_LOCAL, STT_FILE, SHN_ABS },
		{ "pick", BASE + 0x40, 0x20, STB_LOCAL, STT_FUNC, ELF_TEXT },
		{ "/home/u/os/src/x86_64/entry.s", 0, 0, STB_LOCAL, STT_FILE, SHN_ABS },
		{ "entry", BASE + 0xa0, 0x20, STB_LOCAL, STT_FUNC, ELF_TEXT },
		{ "/boot.s", 0, 0, STB_LOCAL, STT_FILE, SHN_ABS },
		{ "boot", BASE + 0xc0, 0x20, STB_LOCAL, STT_FUNC, ELF_TEXT },
		{ "kmain", BASE + 0x60, 0x20, STB_GLOBAL, STT_FUNC, ELF_TEXT },
	};
	static const struct elf_desc desc = { .text_len = 0x100, .syms = syms, .nr_syms = 11 };
	struct symbolizer *s = new_symbolizer();
	const char *image, *alloc;

	(void)state;
	assert_null(symbolizer__library(NULL, BASE, false));
	add(s, &desc, 0x1000);
	alloc = symbolizer__library(s, BASE + 0x1000, false);
	assert_string_equal(alloc, "alloc.c");
	assert_string_equal(symbolizer__library(s, BASE + 0x1040, false), "sched.c");
	assert_string_equal(symbolizer__library(s, BASE + 0x1060, true), "sched.c");
	assert_string_equal(symbolizer__library(s, BASE + 0x10a0, false), "src/x86_64"); /* a whole path */
	assert_string_equal(symbolizer__library(s, BASE + 0x10c0, false), "boot.s");
	image = symbolizer__library(s, BASE + 0x1060, false);
	assert_int_equal(image[0], '[');
	assert_int_equal(image[strlen(image) - 1], ']');
	assert_ptr_equal(symbolizer__library(s, BASE + 0x1020, false), image); /* each name once */
	assert_ptr_equal(symbolizer__library(s, BASE + 0x1000, false), alloc);
	assert_null(symbolizer__library(s, BASE + 0x1080, false));
	assert_null(symbolizer__library(s, BASE, false));
	symbolizer__put(s);
}

/* The library of this very program's code, by its DWARF: tests/unit is where it is built from. */
static void libraries_by_dwarf(void **state)
{
	extern char __executable_start;
	uint64_t start = (uintptr_t)&__executable_start;
	struct symbolizer *s = new_symbolizer();
	struct image *img = NULL;

	(void)state;
	assert_int_equal(image__open(&img, "/proc/self/exe"), IMAGE_OK);
	assert_int_equal(symbolizer__add_image(s, img, image__is_pic(img) ? start : 0, true), 0);
	/* Objects of two checkouts may be in one build: then names have more in front. */
	assert_non_null(strstr(symbolizer__library(s, (uintptr_t)libraries_by_dwarf, false), "tests"));
	assert_non_null(strstr(symbolizer__library(s, (uintptr_t)symbolizer__library, false), "symbolizer"));
	symbolizer__put(s);
}

static void images_without_names_are_refused(void **state)
{
	struct symbolizer *s = new_symbolizer();

	(void)state;
	assert_int_equal(symbolizer__add_image(s, elf_open(&(struct elf_desc){ .text_len = 16 }),
					       0, true),
			 -ENOENT);
	assert_int_equal(symbolizer__nr_images(s), 0);
	assert_name(s, BASE, false, NULL, 0);
	symbolizer__put(s);
	assert_name(NULL, BASE, false, NULL, 0);
	symbolizer__put(NULL);
}

static void frames_stay_where_they_are_while_the_cache_grows(void **state)
{
	const struct sym_frame *first[0x80], *f;
	struct symbolizer *s = new_symbolizer();
	uint64_t i;

	(void)state;
	add(s, &kernel_desc, 0);
	for (i = 0; i < 0x80; i++)
		assert_int_equal(symbolizer__resolve(s, BASE + i, false, &first[i]), 1);
	for (i = 0; i < 100000; i++)
		symbolizer__resolve(s, i << 32, false, &f);
	for (i = 0; i < 0x80; i++) {
		assert_int_equal(symbolizer__resolve(s, BASE + i, false, &f), 1);
		assert_ptr_equal(f, first[i]);
		assert_string_equal(f->name, i < 0x40 ? "kmain" : "idle");
	}
	symbolizer__put(s);
}

/* However many wait, in whatever order and with whichever bias. */
static void those_expected_are_named_as_if_asked_one_by_one(void **state)
{
	static const uint64_t biases[] = { 0, 0x40000000, 0xffffffff80000000 };
	struct symbolizer *s = new_symbolizer(), *one = new_symbolizer();
	const struct sym_frame *f, *expected;
	uint64_t seed = 7, addrs[5000];
	size_t i, nr, nr_known = 0;

	(void)state;
	for (i = 0; i < 3; i++) {
		add(s, &kernel_desc, biases[i]);
		add(one, &kernel_desc, biases[i]);
	}
	for (i = 0; i < 5000; i++) {
		seed = seed * 6364136223846793005 + 1442695040888963407;
		/* Some often, some unknown, some with other upper bytes. */
		addrs[i] = biases[i % 3] + BASE + (seed >> 33) % 0x100 + (i % 7 ? 0 : (seed >> 40) << 24);
		symbolizer__expect(s, addrs[i], i & 1);
	}
	for (i = 0; i < 5000; i++) {
		nr = symbolizer__resolve(one, addrs[i], i & 1, &expected);
		assert_int_equal(symbolizer__resolve(s, addrs[i], i & 1, &f), nr);
		nr_known += nr;
		if (!nr)
			continue;
		assert_string_equal(f->name, expected->name);
		assert_int_equal(f->start, expected->start);
	}
	assert_in_range(nr_known, 1000, 4000);
	symbolizer__put(s);
	symbolizer__put(one);
}

static void the_last_put_frees(void **state)
{
	struct symbolizer *s = new_symbolizer();

	(void)state;
	add(s, &kernel_desc, 0);
	assert_ptr_equal(symbolizer__get(s), s);
	symbolizer__put(s);
	assert_name(s, BASE, false, "kmain", BASE);
	symbolizer__put(s);
}

static void *ask(void *arg)
{
	struct symbolizer *s = arg;
	const struct sym_frame *f;
	uint64_t i, nr_wrong = 0;

	for (i = 0; i < 20000; i++) {
		if (symbolizer__resolve(s, BASE + i % 0x80, false, &f) != 1 ||
		    strcmp(f->name, i % 0x80 < 0x40 ? "kmain" : "idle"))
			nr_wrong++;
		symbolizer__resolve(s, i << 20, i & 1, &f);
	}
	return (void *)nr_wrong;
}

static void threads_may_ask_at_the_same_time(void **state)
{
	struct symbolizer *s = new_symbolizer();
	pthread_t threads[4];
	void *nr_wrong;
	int i;

	(void)state;
	add(s, &kernel_desc, 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, s), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &nr_wrong), 0);
		assert_null(nr_wrong);
	}
	symbolizer__put(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_that_ends_a_function_belongs_to_it),
		cmocka_unit_test(several_images_each_at_its_bias),
		cmocka_unit_test(a_bias_may_wrap),
		cmocka_unit_test(an_image_added_later_answers_too),
		cmocka_unit_test(libraries_without_dwarf),
		cmocka_unit_test(libraries_by_dwarf),
		cmocka_unit_test(images_without_names_are_refused),
		cmocka_unit_test(frames_stay_where_they_are_while_the_cache_grows),
		cmocka_unit_test(those_expected_are_named_as_if_asked_one_by_one),
		cmocka_unit_test(the_last_put_frees),
		cmocka_unit_test(threads_may_ask_at_the_same_time),
	};

	return cmocka_run_group_tests(tests, elf_setup, elf_teardown);
}
