/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check_xml.h"
#include "export_fixture.h"

static void svg_golden(void **state)
{
	size_t len;
	char *text = fix_export(&exporter_svg, fix_small(), &len);
	struct xml_counts counts;

	(void)state;
	check_xml(text, &counts);
	assert_int_equal(counts.frames, 15); /* as many as the tree has nodes */
	assert_int_equal(counts.scripts, 0);
	assert_int_equal(counts.links, 0);
	fix_assert_golden("small.svg", text, len);
	free(text);
}

static void svg_survives_hostile_names(void **state)
{
	struct xml_counts counts;
	uint64_t total;
	char *text;

	(void)state;
	text = fix_export(&exporter_svg, fix_hostile(&total), NULL);
	check_xml(text, &counts);
	assert_int_equal(counts.frames, 1 + total);
	assert_int_equal(counts.scripts, 0);
	assert_int_equal(counts.links, 0);
	free(text);
}

/* "<0.1%" in a tooltip has to be quoted like any text. */
static void svg_quotes_its_own_words(void **state)
{
	struct snapshot *snap = fix_new();
	struct xml_counts counts;
	char *text;
	int vm;

	(void)state;
	vm = fix_add_vm(snap, "a", NULL, false);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 2400, 1);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 1, 2);
	snapshot__seal(snap);
	text = fix_export(&exporter_svg, snap, NULL);
	check_xml(text, &counts);
	assert_int_equal(counts.frames, 3);
	assert_non_null(strstr(text, "0x2 (1 sample, &lt;0.1%, self 1)"));
	free(text);
}

static void svg_leaves_out_what_is_too_narrow(void **state)
{
	struct snapshot *snap = fix_new();
	struct xml_counts counts;
	char *text;
	int vm;

	(void)state;
	vm = fix_add_vm(snap, "a", NULL, false);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 10000, 1);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 1, 3, 2, 2, 2);
	snapshot__seal(snap);
	text = fix_export(&exporter_svg, snap, NULL);
	check_xml(text, &counts);
	assert_int_equal(counts.frames, 2);
	free(text);
}

static void svg_of_nothing_says_so(void **state)
{
	struct snapshot *snap = fix_new();
	struct xml_counts counts;
	char *text;

	(void)state;
	fix_add_vm(snap, "idle", NULL, false);
	snapshot__seal(snap);
	text = fix_export(&exporter_svg, snap, NULL);
	check_xml(text, &counts);
	assert_int_equal(counts.frames, 0);
	assert_non_null(strstr(text, "No samples. "));
	free(text);
}

static void svg_of_a_very_deep_stack_is_cut(void **state)
{
	enum {
		DEPTH = 3000
	};
	uint64_t frames[DEPTH] = { 0 };
	struct snapshot *snap = fix_new();
	struct xml_counts counts;
	char *text;

	(void)state;
	fix_add_stack(snap, fix_add_vm(snap, "a", NULL, false), 0, SNAP_PLACE_GUEST, NULL, 1, DEPTH,
		      frames);
	snapshot__seal(snap);
	text = fix_export(&exporter_svg, snap, NULL);
	check_xml(text, &counts);
	assert_int_equal(counts.frames, 1000);
	assert_non_null(strstr(text, "Frames deeper than 1,000 are not drawn."));
	free(text);
}

/* Counts that overflow: sums stop at the top, and no frame leaves the picture. */
static void svg_of_absurd_counts_stays_inside(void **state)
{
	struct snapshot *snap = fix_new();
	struct xml_counts counts;
	const char *p;
	char *text;
	int vm;

	(void)state;
	vm = fix_add_vm(snap, "a", NULL, false);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, UINT64_MAX, 1);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, UINT64_MAX, 2);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, UINT64_MAX - 5, 3);
	snapshot__seal(snap);
	text = fix_export(&exporter_svg, snap, NULL);
	check_xml(text, &counts);
	for (p = text; (p = strstr(p, " x=\"")); p++)
		assert_in_range(strtol(p + 4, NULL, 10), 0, 1200);
	assert_null(strstr(text, "width=\"-"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(svg_golden),
		cmocka_unit_test(svg_survives_hostile_names),
		cmocka_unit_test(svg_quotes_its_own_words),
		cmocka_unit_test(svg_leaves_out_what_is_too_narrow),
		cmocka_unit_test(svg_of_nothing_says_so),
		cmocka_unit_test(svg_of_a_very_deep_stack_is_cut),
		cmocka_unit_test(svg_of_absurd_counts_stays_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
