/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Which VM is told of which tables. The kernel's copy of them is played: each has a number, its first_page. */
#include "elf_fixture.h"

#include "loader.h"
#include "readers.h"
#include "unwind_table.h"
#include "unwinding.h"

#define BIAS 0x10000000ull

static uint32_t nr_added, nr_deleted;
static struct unwinding *unwinding;
static struct readers *readers;

int loader__add_unwind(struct loader *l, const struct unwind_arrays *arrays, struct ukp_unwind_image *out)
{
	(void)l;
	*out = (struct ukp_unwind_image){
		.base = arrays->base,
		.first_page = ++nr_added,
		.nr_pages = arrays->nr_pages,
		.nr_rules = arrays->nr_rules,
	};
	return 0;
}

void loader__del_unwind(struct loader *l, const struct ukp_unwind_image *image)
{
	(void)l;
	nr_deleted += image->nr_pages > 0;
}

#define GUEST(name) { unit_path("../guest/" name), 0, true }

/* Beside this program is what the Makefile puts there. Valid for the next few calls. */
static char *unit_path(const char *name)
{
	static char paths[16][512];
	static unsigned int i;
	char *path = paths[i++ % 16], *slash;
	ssize_t n = readlink("/proc/self/exe", path, 256);

	assert_true(n > 0);
	path[n] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash + 1, name);
	return path;
}

static int start(void **state)
{
	(void)state;
	nr_added = nr_deleted = 0;
	return readers__start(&readers, NULL) || unwinding__new(&unwinding, NULL, readers, NULL);
}

static int end(void **state)
{
	(void)state;
	unwinding__free(unwinding);
	readers__stop(readers);
	return 0;
}

static void tables_of_several_images_are_told_in_order(void **state)
{
	struct unwinding_image images[] = { GUEST("pair"), GUEST("hostile-bare"), GUEST("pair-app"), GUEST("callers") };
	struct ukp_unwind_image out[UKP_MAX_TABLES];

	(void)state;
	images[2].bias = BIAS;
	assert_true(unwinding__use(unwinding, 3, images, 4, out));
	/* One has no table, and leaves no gap. */
	assert_int_equal(out[0].first_page, 1);
	assert_int_equal(out[0].base, 0x200000);
	assert_int_equal(out[1].first_page, 2);
	assert_int_equal(out[1].base, BIAS);
	assert_int_equal(out[2].first_page, 3);
	assert_int_equal(out[3].nr_pages, 0);
	/* Nothing is new. */
	assert_false(unwinding__use(unwinding, 3, images, 4, out));
	assert_int_equal(nr_added, 3);
	/* The application is gone; the others' tables stay where they are. */
	images[2] = images[3];
	assert_true(unwinding__use(unwinding, 3, images, 3, out));
	assert_int_equal(out[0].first_page, 1);
	assert_int_equal(out[1].first_page, 3);
	assert_int_equal(out[2].nr_pages, 0);
	assert_int_equal(nr_added, 3);
	assert_int_equal(nr_deleted, 1);
	assert_true(unwinding__use(unwinding, 3, NULL, 0, out));
	assert_int_equal(out[0].nr_pages, 0);
	assert_int_equal(nr_deleted, 3);
	assert_false(unwinding__use(unwinding, 3, NULL, 0, out));
	assert_false(unwinding__use(unwinding, 7, NULL, 0, out));
}

static void an_image_is_there_once_for_all_vms(void **state)
{
	struct unwinding_image images[] = { GUEST("pair"), GUEST("pair-app") };
	struct ukp_unwind_image a[UKP_MAX_TABLES], b[UKP_MAX_TABLES];

	(void)state;
	assert_true(unwinding__use(unwinding, 0, images, 2, a));
	images[1].bias = BIAS;
	assert_true(unwinding__use(unwinding, 1, images, 2, b));
	assert_int_equal(a[1].first_page, b[1].first_page);
	assert_int_equal(a[1].base + BIAS, b[1].base);
	assert_int_equal(nr_added, 2);
	unwinding__use(unwinding, 0, NULL, 0, a);
	assert_int_equal(nr_deleted, 0);
	unwinding__use(unwinding, 1, NULL, 0, a);
	assert_int_equal(nr_deleted, 2);
}

static void what_is_not_proven_has_no_table_elsewhere(void **state)
{
	struct unwinding_image images[] = { GUEST("pair"), GUEST("pair-app") };
	struct ukp_unwind_image out[UKP_MAX_TABLES];

	(void)state;
	images[0].is_proven = images[1].is_proven = false;
	images[1].bias = BIAS;
	assert_true(unwinding__use(unwinding, 0, images, 2, out));
	assert_int_equal(out[0].first_page, 1); /* linked for where it is: a guess */
	assert_int_equal(out[1].nr_pages, 0);
	images[0].is_proven = true;
	assert_false(unwinding__use(unwinding, 0, images, 2, out));
	images[1].is_proven = true;
	assert_true(unwinding__use(unwinding, 0, images, 2, out));
	assert_int_equal(out[1].base, BIAS);
	assert_int_equal(nr_added, 2);
}

static void more_images_than_there_are_tables(void **state)
{
	struct unwinding_image images[] = {
		GUEST("pair"), GUEST("pair-app"), GUEST("callers"), GUEST("threads"), GUEST("irq"), GUEST("demo"),
	};
	struct ukp_unwind_image out[UKP_MAX_TABLES];
	unsigned int i;

	(void)state;
	assert_true(unwinding__use(unwinding, 0, images, 6, out));
	for (i = 0; i < UKP_MAX_TABLES; i++)
		assert_int_equal(out[i].first_page, i + 1);
	/* When one goes the next moves up. */
	assert_true(unwinding__use(unwinding, 0, images + 1, 5, out));
	assert_int_equal(out[UKP_MAX_TABLES - 1].first_page, 5);
}

static void a_file_that_is_not_there_has_no_table(void **state)
{
	struct unwinding_image images[] = { { unit_path("none"), 0, true }, GUEST("pair") };
	struct ukp_unwind_image out[UKP_MAX_TABLES];

	(void)state;
	assert_false(unwinding__use(unwinding, 0, images, 1, out));
	assert_true(unwinding__use(unwinding, 0, images, 2, out));
	assert_int_equal(out[0].first_page, 1);
	assert_int_equal(out[1].nr_pages, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tables_of_several_images_are_told_in_order),
		TEST(an_image_is_there_once_for_all_vms),
		TEST(what_is_not_proven_has_no_table_elsewhere),
		TEST(more_images_than_there_are_tables),
		TEST(a_file_that_is_not_there_has_no_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
