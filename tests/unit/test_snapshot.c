/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "export_fixture.h"

#include <pthread.h>

static void equal_stacks_are_merged(void **state)
{
	struct snapshot *snap = fix_new();
	uint64_t count, weight;
	int a, b;

	(void)state;
	a = fix_add_vm(snap, "a", NULL, false);
	b = fix_add_vm(snap, "b", NULL, false);
	STACK(snap, a, 0, SNAP_PLACE_GUEST, NULL, 1, 1, 2, 3);
	STACK(snap, b, 0, SNAP_PLACE_GUEST, NULL, 2, 1, 2, 3);
	STACK(snap, a, 1, SNAP_PLACE_GUEST, NULL, 4, 1, 2, 3);
	STACK(snap, a, 0, SNAP_PLACE_KVM, NULL, 8, 1, 2, 3);
	STACK(snap, a, 0, SNAP_PLACE_GUEST, "depth", 16, 1, 2, 3);
	STACK(snap, a, 0, SNAP_PLACE_GUEST, NULL, 32, 2, 3);
	fix_add_stack(snap, a, 0, SNAP_PLACE_GUEST, NULL, 64, 0, NULL);
	STACK(snap, a, 0, SNAP_PLACE_GUEST, NULL, 128, 1, 2, 3); /* the first one again */
	fix_add_stack(snap, a, 0, SNAP_PLACE_GUEST, NULL, 256, 0, NULL);
	snapshot__seal(snap);
	assert_int_equal(snapshot__nr_stacks(snap), 7);
	snapshot__total(snap, &count, &weight);
	assert_int_equal(count, 511);
	assert_int_equal(weight, 511 * fix_info.period_ns);
	snapshot__total(snap, NULL, NULL);
	/* No frames first, then by the root. */
	assert_int_equal(snapshot__stack(snap, 0)->count, 320);
	assert_int_equal(snapshot__stack(snap, 1)->count, 32);
	assert_int_equal(snapshot__stack(snap, 2)->count, 129);
	snapshot__put(snap);
}

/* The same profile gives the same order, however it was put in. */
static void order_does_not_depend_on_how_it_came(void **state)
{
	struct snapshot *snap[2];
	const struct snap_stack *x, *y;
	uint32_t i, k, at;
	int round;

	(void)state;
	for (round = 0; round < 2; round++) {
		snap[round] = fix_new();
		for (i = 0; i < 3; i++)
			fix_add_vm(snap[round], "vm", NULL, false);
		for (k = 0; k < 500; k++) {
			at = round ? 499 - k : k;
			STACK(snap[round], at % 3, at % 2, at % 3, at % 5 ? NULL : "root", 1 + at,
			      at * 7 % 11, at % 13, at % 4);
		}
		snapshot__seal(snap[round]);
	}
	assert_int_equal(snapshot__nr_stacks(snap[0]), snapshot__nr_stacks(snap[1]));
	for (i = 0; i < snapshot__nr_stacks(snap[0]); i++) {
		x = snapshot__stack(snap[0], i);
		y = snapshot__stack(snap[1], i);
		assert_int_equal(x->vm, y->vm);
		assert_int_equal(x->vcpu, y->vcpu);
		assert_int_equal(x->place, y->place);
		assert_int_equal(x->count, y->count);
		assert_int_equal(x->nr_frames, y->nr_frames);
		assert_memory_equal(x->frames, y->frames, x->nr_frames * sizeof(*x->frames));
	}
	snapshot__put(snap[0]);
	snapshot__put(snap[1]);
}

static void everything_is_copied(void **state)
{
	char name[] = "web", event[] = "cycles", build_id[] = "ab";
	struct snap_info info = { .event = event };
	struct snap_vm vm = { .name = name, .build_id = build_id };
	uint64_t frames[] = { 1, 2 };
	struct snap_stack stack = { .nr_frames = 2, .frames = frames, .count = 1 };
	struct snapshot *snap = NULL;

	(void)state;
	assert_int_equal(snapshot__new(&snap, &info), 0);
	assert_int_equal(snapshot__add_vm(snap, &vm), 0);
	assert_int_equal(snapshot__add_vm(snap, &vm), 1);
	assert_int_equal(snapshot__add_stack(snap, &stack), 0);
	name[0] = event[0] = build_id[0] = 'X';
	frames[0] = 9;
	snapshot__seal(snap);
	assert_string_equal(snapshot__info(snap)->event, "cycles");
	assert_null(snapshot__info(snap)->host);
	assert_string_equal(snapshot__vm(snap, 1)->name, "web");
	assert_string_equal(snapshot__vm(snap, 1)->vmm, "");
	assert_string_equal(snapshot__vm(snap, 1)->build_id, "ab");
	assert_null(snapshot__vm(snap, 1)->image_path);
	assert_int_equal(snapshot__stack(snap, 0)->frames[0], 1);
	snapshot__put(snap);
	snapshot__put(NULL);
}

static void the_symbolizer_lives_as_long_as_the_snapshot(void **state)
{
	struct symbolizer *syms = fix_symbolizer();
	struct snapshot *snap = fix_new();

	(void)state;
	symbolizer__get(syms);
	fix_add_vm(snap, "a", syms, true);
	assert_int_equal(syms->refs, 2);
	assert_ptr_equal(snapshot__get(snap), snap);
	snapshot__put(snap);
	assert_int_equal(syms->refs, 2);
	snapshot__put(snap);
	assert_int_equal(syms->refs, 1);
	symbolizer__put(syms);
}

static void *get_and_put(void *snap)
{
	int i;

	for (i = 0; i < 100000; i++)
		snapshot__put(snapshot__get(snap));
	snapshot__put(snap);
	return NULL;
}

/* The collector gives its reference away while readers still hold theirs; the last one frees. */
static void references_are_counted_across_threads(void **state)
{
	struct snapshot *snap = fix_small();
	pthread_t threads[4];
	int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		snapshot__get(snap);
		assert_int_equal(pthread_create(&threads[i], NULL, get_and_put, snap), 0);
	}
	assert_int_equal(snapshot__nr_stacks(snap), 9);
	snapshot__put(snap);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void an_empty_snapshot_is_sealed(void **state)
{
	struct snapshot *snap = fix_new();
	uint64_t count = 1, weight = 1;

	(void)state;
	snapshot__seal(snap);
	snapshot__total(snap, &count, &weight);
	assert_int_equal(count, 0);
	assert_int_equal(weight, 0);
	assert_int_equal(snapshot__nr_vms(snap), 0);
	assert_int_equal(snapshot__nr_counters(snap), 0);
	snapshot__put(snap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_stacks_are_merged),
		cmocka_unit_test(order_does_not_depend_on_how_it_came),
		cmocka_unit_test(everything_is_copied),
		cmocka_unit_test(the_symbolizer_lives_as_long_as_the_snapshot),
		cmocka_unit_test(references_are_counted_across_threads),
		cmocka_unit_test(an_empty_snapshot_is_sealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
