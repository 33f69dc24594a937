/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "export_fixture.h"
#include "flame_look.h"
#include "strbuf.h"

static void assert_printed(struct strbuf *sb, const char *want)
{
	assert_string_equal(strbuf__str(sb), want);
	strbuf__free(sb);
}

static void counts_are_grouped(void **state)
{
	struct strbuf sb = { 0 };

	(void)state;
	flame__print_count(&sb, 0);
	assert_printed(&sb, "0");
	flame__print_count(&sb, 999);
	assert_printed(&sb, "999");
	flame__print_count(&sb, 1000);
	assert_printed(&sb, "1,000");
	flame__print_count(&sb, UINT64_MAX);
	assert_printed(&sb, "18,446,744,073,709,551,615");
}

/* A share that is not nothing must not read as nothing. */
static void percentages_do_not_round_to_none_or_all(void **state)
{
	static const struct {
		uint64_t part, whole;
		const char *want;
	} t[] = {
		{ 0, 100, "0.0%" },
		{ 1, 100000, "<0.1%" },
		{ 1, 1000, "0.1%" },
		{ 1, 8, "12.5%" },
		{ 99999, 100000, ">99.9%" },
		{ 7, 7, "100.0%" },
		{ 0, 0, "0.0%" },
		{ UINT64_MAX / 2, UINT64_MAX, "50.0%" },
	};
	struct strbuf sb = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		flame__print_percent(&sb, t[i].part, t[i].whole);
		assert_printed(&sb, t[i].want);
	}
}

static void times_have_a_fitting_unit(void **state)
{
	static const struct {
		uint64_t ns;
		const char *want;
	} t[] = {
		{ 0, "0 µs" },
		{ 999999, "999 µs" },
		{ 850000000, "850 ms" },
		{ 10000000000, "10.0 s" },
		{ 59999999999, "59.9 s" },
		{ 125000000000, "2 min 05 s" },
		{ 3720000000000, "1 h 02 min" },
	};
	struct strbuf sb = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		flame__print_time(&sb, t[i].ns);
		assert_printed(&sb, t[i].want);
	}
}

/* Relative luminance, WCAG 2: 0.2126 R + 0.7152 G + 0.0722 B of the linear values. */
static double luminance(const char *hex)
{
	static const double weight[] = { 0.2126, 0.7152, 0.0722 };
	double sum = 0, c, x;
	unsigned int rgb, i, k;

	assert_int_equal(strlen(hex), 7);
	rgb = strtoul(hex + 1, NULL, 16);
	for (i = 0; i < 3; i++) {
		c = (rgb >> (16 - 8 * i) & 0xff) / 255.0;
		x = (c + 0.055) / 1.055;
		if (c <= 0.04045) {
			c /= 12.92;
		} else {
			/* x to the 2.4: the fifth root of x^12, by Newton's method, spares libm. */
			double y = 1, p = 1;

			for (k = 0; k < 12; k++)
				p *= x;
			for (k = 0; k < 60; k++)
				y = (4 * y + p / (y * y * y * y)) / 5;
			c = y;
		}
		sum += weight[i] * c;
	}
	return sum;
}

static double contrast(const char *a, const char *b)
{
	double la = luminance(a), lb = luminance(b);

	return la > lb ? (la + 0.05) / (lb + 0.05) : (lb + 0.05) / (la + 0.05);
}

/* WCAG 2 AA asks for 4.5; the inks are those of svg.c and viewer.css. */
static void text_is_readable_on_every_shade(void **state)
{
	int kind, i;

	(void)state;
	assert_true(contrast("#000000", "#ffffff") > 20.9 && contrast("#000000", "#ffffff") < 21.1);
	for (kind = 0; kind < NR_FLAME_KINDS; kind++) {
		assert_non_null(flame_palettes[kind].label);
		assert_non_null(flame_palettes[kind].light[0]);
		for (i = 0; flame_palettes[kind].light[i]; i++) {
			assert_true(contrast(flame_palettes[kind].light[i], "#1c1917") >= 4.5);
			assert_true(contrast(flame_palettes[kind].dark[i], "#fafaf9") >= 4.5);
		}
		assert_null(flame_palettes[kind].dark[i]);
		assert_true(flame_palette__shade(kind, "main") < (size_t)i);
	}
}

static void gather(struct flame_facts *f, struct snapshot *snap, const struct export_opts *opts)
{
	struct flame_tree *t;

	assert_int_equal(flame_tree__new(&t, snap, 0), 0);
	assert_int_equal(flame_facts__init(f, snap, t, opts), 0);
	flame_tree__free(t);
	snapshot__put(snap);
}

static const char *fact(const struct flame_facts *f, const char *label)
{
	size_t i;

	for (i = 0; i < f->nr_facts; i++)
		if (!strcmp(f->facts[i].label, label))
			return f->facts[i].value;
	return "(not there)";
}

static void facts_list_all_images(void **state)
{
	struct snapshot *snap = fix_new();
	struct flame_facts f;

	(void)state;
	STACK(snap, fix_add_vm(snap, "a", fix_two_images(), true), 0, SNAP_PLACE_GUEST, NULL, 1, 2010);
	STACK(snap, 0, 0, SNAP_PLACE_GUEST, NULL, 3, 1010);
	snapshot__seal(snap);
	gather(&f, snap, NULL);
	assert_string_equal(fact(&f, "Images"), "kernel, verified; app, unverified");
	assert_int_equal(f.nr_notes, 1);
	assert_non_null(strstr(f.notes[0], "25.0% of samples are named by an image that was not compared"));
	flame_facts__free(&f);
}

static void facts_of_one_vm(void **state)
{
	struct flame_facts f;

	(void)state;
	gather(&f, fix_small(), NULL);
	assert_string_equal(f.title, "web0");
	assert_string_equal(fact(&f, "VM"), "web0");
	assert_string_equal(fact(&f, "VMM"), "qemu-system-x86_64, pid 4242, 2 vCPUs");
	assert_string_equal(fact(&f, "Image"), "app.dbg, verified");
	assert_string_equal(fact(&f, "Build ID"), "0123456789abcdef");
	assert_string_equal(fact(&f, "Event"), "cpu-clock at 99 Hz");
	assert_string_equal(fact(&f, "Recorded"), "2026-01-01 00:00:00 UTC");
	assert_string_equal(fact(&f, "Duration"), "10.0 s");
	assert_string_equal(fact(&f, "vCPU time"), "1.0 s");
	assert_string_equal(fact(&f, "Samples"), "100");
	assert_string_equal(fact(&f, "Lost"), "7");
	assert_string_equal(fact(&f, "Unresolved"), "1.1% of frames");
	assert_string_equal(f.sums,
			    "100 samples = 87 guest + 8 KVM + 5 VMM. Guest stacks: 94 complete + "
			    "5 incomplete + 1 without registers. Lost besides: 7.");
	assert_int_equal(f.nr_notes, 3);
	assert_non_null(strstr(f.notes[0], "7 samples were lost (ring_full 7)"));
	assert_non_null(
		strstr(f.notes[1], "5.0% of samples have an incomplete stack ([unmapped] 5)"));
	assert_non_null(strstr(f.notes[2], "1.0% of samples came without guest registers"));
	flame_facts__free(&f);
}

static void facts_of_several_vms(void **state)
{
	struct snapshot *snap = fix_new();
	struct flame_facts f;
	char name[8];
	int i, vm;

	(void)state;
	for (i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "vm%d", i);
		vm = fix_add_vm(snap, name, i ? NULL : fix_symbolizer(), false);
		STACK(snap, vm, 0, SNAP_PLACE_GUEST, i % 2 ? "depth" : "backwards", 10, 0x100310);
	}
	snapshot__seal(snap);
	gather(&f, snap, &(struct export_opts){ .title = "before\nthe change" });
	assert_string_equal(f.title, "before?the change");
	assert_string_equal(fact(&f, "VMs"), "vm0, vm1, vm2, vm3 and 3 more");
	assert_string_equal(fact(&f, "Image"), "(not there)");
	assert_int_equal(f.nr_notes, 3);
	assert_non_null(strstr(f.notes[0], "([backwards] 40, [depth] 30)"));
	assert_non_null(
		strstr(f.notes[1], "14.3% of samples are named by an image that was not compared"));
	assert_non_null(strstr(f.notes[2], "85.7% of frames have no name."));
	flame_facts__free(&f);
}

static void facts_of_nothing(void **state)
{
	struct snapshot *snap = fix_new();
	struct flame_facts f;

	(void)state;
	snapshot__seal(snap);
	gather(&f, snap, NULL);
	assert_string_equal(f.title, "no VM");
	assert_string_equal(fact(&f, "Samples"), "0");
	assert_string_equal(fact(&f, "Unresolved"), "(not there)");
	assert_int_equal(f.nr_notes, 0);
	flame_facts__free(&f);
}

/* All notes and facts at once fit into their arrays. */
static void facts_have_room_for_everything(void **state)
{
	struct snapshot *snap = fix_new();
	struct flame_facts f;
	int vm;

	(void)state;
	vm = fix_add_vm(snap, "a", fix_symbolizer(), false);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, "a", 1, 5, 0x100310);
	fix_add_stack(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 1, 0, NULL);
	fix_add_counter(snap, "x", "Samples lost: whatever", 1);
	snapshot__seal(snap);
	gather(&f, snap, NULL);
	assert_int_equal(f.nr_facts, 11);
	assert_in_range(f.nr_facts, 0, FLAME_MAX_FACTS);
	assert_int_equal(f.nr_notes, 5);
	assert_in_range(f.nr_notes, 0, FLAME_MAX_NOTES);
	flame_facts__free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_grouped),
		cmocka_unit_test(percentages_do_not_round_to_none_or_all),
		cmocka_unit_test(times_have_a_fitting_unit),
		cmocka_unit_test(text_is_readable_on_every_shade),
		cmocka_unit_test(facts_of_one_vm),
		cmocka_unit_test(facts_list_all_images),
		cmocka_unit_test(facts_of_several_vms),
		cmocka_unit_test(facts_of_nothing),
		cmocka_unit_test(facts_have_room_for_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
