/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <locale.h>

#include "export_fixture.h"

static void folded_golden(void **state)
{
	size_t len;
	char *text = fix_export(&exporter_folded, fix_small(), &len);

	(void)state;
	fix_assert_golden("small.folded", text, len);
	free(text);
}

static void assert_folded(struct snapshot *snap, const char *want)
{
	char *text;

	snapshot__seal(snap);
	text = fix_export(&exporter_folded, snap, NULL);
	assert_string_equal(text, want);
	free(text);
}

/* A ';' inside a symbol would split one frame into two; ':' keeps the line parseable. */
static void folded_escapes_separator(void **state)
{
	static const struct sym_frame semicolon[] = { { .name = "C::operator;" } };
	static const struct sym_frame colon[] = { { .name = "C::operator:" } };
	static const struct fake_range ranges[] = { { 0, 100, semicolon, 1 },
						    { 100, 200, colon, 1 } };
	struct snapshot *snap = fix_new();
	int vm;

	(void)state;
	vm = fix_add_vm(snap, "vm;0", fake_symbolizer__new(ranges, 2, NULL, 0), true);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 3, 8);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 4,
	      108); /* reads the same, so it is the same line */
	assert_folded(snap, "vm:0;C::operator: 7\n");
}

static void folded_says_where_a_stack_is_incomplete(void **state)
{
	struct snapshot *snap = fix_new();
	int vm;

	(void)state;
	vm = fix_add_vm(snap, "vm", fix_symbolizer(), true);
	STACK(snap, vm, 0, SNAP_PLACE_KVM, "depth", 3, 0x100310, 0x100220);
	fix_add_stack(snap, vm, 0, SNAP_PLACE_GUEST, "noslot", 2, 0, NULL);
	assert_folded(snap, "vm;[depth];worker_b;hot_leaf;[kvm] 3\n"
			    "vm;[noslot];[no guest registers] 2\n");
}

static void folded_marks_unverified_names(void **state)
{
	struct snapshot *snap = fix_new();
	int a, b;

	(void)state;
	a = fix_add_vm(snap, "a", fix_symbolizer(), false);
	b = fix_add_vm(snap, "b", NULL,
		       false); /* no image: an address is no claim that could be wrong */
	STACK(snap, a, 0, SNAP_PLACE_GUEST, NULL, 1, 0x100160, 0x100020);
	STACK(snap, b, 0, SNAP_PLACE_GUEST, NULL, 2, 0x100160, 0x100020);
	assert_folded(snap, "a;kmain [unverified];worker_a [unverified];clamp [unverified] 1\n"
			    "b;0x100020;0x100160 2\n");
}

/* The mark is for the image's names only, not for those of a proven one in the same guest. */
static void folded_marks_names_by_image(void **state)
{
	struct snapshot *snap = fix_new();
	int vm;

	(void)state;
	vm = fix_add_vm(snap, "a", fix_two_images(), true);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 1, 2010, 1010);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 3, 1020);
	assert_folded(snap, "a;kmain 3\na;kmain;app [unverified] 1\n");
}

static void folded_of_nothing_is_empty(void **state)
{
	struct snapshot *snap = fix_new();

	(void)state;
	assert_folded(snap, "");
}

/* Whatever the names: every line is one stack of three frames and a count, printable UTF-8. */
static void folded_survives_hostile_names(void **state)
{
	uint64_t total, sum = 0;
	char *text = fix_export(&exporter_folded, fix_hostile(&total), NULL), *line, *space, *p,
	     *rest;
	int nr_lines = 0, semicolons;

	(void)state;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		space = strrchr(line, ' ');
		assert_non_null(space);
		assert_true(space[1] >= '0' && space[1] <= '9');
		sum += strtoull(space + 1, &p, 10);
		assert_int_equal(*p, '\0');
		semicolons = 0;
		for (p = line; p < space; p++) {
			assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
			semicolons += *p == ';';
		}
		assert_int_equal(semicolons, 2);
		assert_true(strlen(line) < 3 * 1100);
		nr_lines++;
	}
	assert_int_equal(sum, total);
	assert_int_equal(nr_lines, total / 3);
	free(text);
}

static void folded_does_not_depend_on_the_locale(void **state)
{
	size_t len;
	char *text;

	(void)state;
	if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "C.UTF-8"))
		skip();
	text = fix_export(&exporter_folded, fix_small(), &len);
	fix_assert_golden("small.folded", text, len);
	setlocale(LC_ALL, "C");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folded_golden),
		cmocka_unit_test(folded_escapes_separator),
		cmocka_unit_test(folded_says_where_a_stack_is_incomplete),
		cmocka_unit_test(folded_marks_unverified_names),
		cmocka_unit_test(folded_marks_names_by_image),
		cmocka_unit_test(folded_of_nothing_is_empty),
		cmocka_unit_test(folded_survives_hostile_names),
		cmocka_unit_test(folded_does_not_depend_on_the_locale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
