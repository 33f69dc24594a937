/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "export_fixture.h"
#include "flame_tree.h"

static struct flame_tree *tree_of(struct snapshot *snap, unsigned int flags)
{
	struct flame_tree *t = NULL;

	assert_int_equal(flame_tree__new(&t, snap, flags), 0);
	snapshot__put(snap); /* the tree lives on without it */
	return t;
}

static void assert_node(const struct flame_tree *t, size_t i, const char *name,
			enum flame_kind kind, uint32_t depth, uint64_t total, uint64_t self)
{
	const struct flame_node *n = flame_tree__node(t, i);

	assert_string_equal(flame_tree__name(t, n->name), name);
	assert_int_equal(n->kind, kind);
	assert_int_equal(n->depth, depth);
	assert_int_equal(n->total, total);
	assert_int_equal(n->self, self);
}

static void tree_of_one_vm_has_it_as_root(void **state)
{
	struct flame_tree *t = tree_of(fix_small(), 0);

	(void)state;
	assert_int_equal(flame_tree__nr(t), 15);
	assert_node(t, 0, "web0", FLAME_VM, 0, 100, 0);
	assert_node(t, 1, "[no guest registers]", FLAME_MARKER, 1, 1, 0);
	assert_node(t, 2, "[vmm]", FLAME_VMM, 2, 1, 1);
	assert_node(t, 3, "[unmapped]", FLAME_MARKER, 1, 5, 0);
	assert_node(t, 4, "worker_b", FLAME_GUEST, 2, 5, 0);
	assert_node(t, 5, "hot_leaf", FLAME_GUEST, 3, 5, 5);
	assert_node(t, 6, "kmain", FLAME_GUEST, 1, 94, 0);
	assert_node(t, 7, "0xffff8000deadbeef", FLAME_UNKNOWN, 2, 3, 3);
	assert_node(t, 8, "worker_a", FLAME_GUEST, 2, 59, 0);
	assert_node(t, 9, "clamp", FLAME_INLINE, 3, 9, 9);
	assert_node(t, 10, "hot_leaf", FLAME_GUEST, 3, 50, 50);
	assert_node(t, 11, "worker_b", FLAME_GUEST, 2, 32, 0);
	assert_node(t, 12, "[kvm]", FLAME_KVM, 3, 8, 8);
	assert_node(t, 13, "[vmm]", FLAME_VMM, 3, 4, 4);
	assert_node(t, 14, "hot_leaf", FLAME_GUEST, 3, 20, 20);
	assert_int_equal(flame_tree__node(t, 8)->end, 11);
	assert_int_equal(flame_tree__node(t, 0)->end, 15);
	assert_int_equal(flame_tree__node(t, 14)->parent, 11);
	assert_int_equal(flame_tree__nr_names(t), 11);
	flame_tree__free(t);
	flame_tree__free(NULL);
}

static void tree_accounts_for_every_sample(void **state)
{
	struct flame_tree *t = tree_of(fix_small(), 0);
	const struct flame_stats *st = flame_tree__stats(t);

	(void)state;
	assert_int_equal(st->total, 100);
	assert_int_equal(st->guest, 87);
	assert_int_equal(st->kvm, 8);
	assert_int_equal(st->vmm, 5);
	assert_int_equal(st->complete, 94);
	assert_int_equal(st->incomplete, 5);
	assert_int_equal(st->no_registers, 1);
	assert_int_equal(st->frames, 3 * 70 + 2 * (9 + 8 + 4 + 5 + 3));
	assert_int_equal(st->unresolved, 3);
	assert_int_equal(st->unverified, 0);
	flame_tree__free(t);
}

/* Functions of one library that call each other are one frame; a library that is called again is a new one. */
static void tree_by_library_has_a_frame_for_each_run(void **state)
{
	struct flame_tree *t = tree_of(fix_by_library(), 0);

	(void)state;
	assert_true(flame_tree__is_by_library(t));
	assert_int_equal(flame_tree__nr(t), 7);
	assert_node(t, 0, "web0", FLAME_VM, 0, 11, 0);
	assert_node(t, 1, "app", FLAME_GUEST, 1, 11, 0);
	assert_node(t, 2, "[unknown]", FLAME_UNKNOWN, 2, 1, 1);
	assert_node(t, 3, "lib/ukalloc", FLAME_GUEST, 2, 10, 3);
	assert_node(t, 4, "app", FLAME_GUEST, 3, 2, 0);
	assert_node(t, 5, "lib/ukalloc", FLAME_GUEST, 4, 2, 2);
	assert_node(t, 6, "lib/nolibc", FLAME_GUEST, 3, 5, 5);
	assert_int_equal(flame_tree__stats(t)->total, 11);
	assert_int_equal(flame_tree__stats(t)->unresolved, 2);
	flame_tree__free(t);
}

static void tree_of_several_vms_has_a_common_root(void **state)
{
	struct snapshot *snap = fix_new();
	struct flame_tree *t;
	int a, b;

	(void)state;
	b = fix_add_vm(snap, "b", NULL, false);
	a = fix_add_vm(snap, "a", fix_symbolizer(), false);
	STACK(snap, a, 0, SNAP_PLACE_GUEST, NULL, 2, 0x100310);
	STACK(snap, b, 0, SNAP_PLACE_GUEST, NULL, 3, 0x100310);
	snapshot__seal(snap);
	t = tree_of(snap, 0);
	assert_node(t, 0, "all", FLAME_ALL, 0, 5, 0);
	assert_node(t, 1, "a", FLAME_VM, 1, 2, 0);
	assert_node(t, 2, "hot_leaf [unverified]", FLAME_GUEST, 2, 2, 2);
	assert_node(t, 3, "b", FLAME_VM, 1, 3, 0);
	assert_node(t, 4, "0x100310", FLAME_UNKNOWN, 2, 3, 3);
	assert_int_equal(flame_tree__stats(t)->unverified, 2);
	flame_tree__free(t);
}

static void tree_of_nothing_has_a_root(void **state)
{
	struct snapshot *snap = fix_new();
	struct flame_tree *t;

	(void)state;
	snapshot__seal(snap);
	t = tree_of(snap, 0);
	assert_int_equal(flame_tree__nr(t), 1);
	assert_node(t, 0, "all", FLAME_ALL, 0, 0, 0);
	flame_tree__free(t);
}

/* A count of 0 draws nothing and would print as a line that says nothing. */
static void tree_leaves_out_empty_stacks(void **state)
{
	struct snapshot *snap = fix_new();
	struct flame_tree *t;

	(void)state;
	STACK(snap, fix_add_vm(snap, "a", NULL, false), 0, SNAP_PLACE_GUEST, NULL, 0, 0x100310);
	snapshot__seal(snap);
	t = tree_of(snap, 0);
	assert_int_equal(flame_tree__nr(t), 1);
	flame_tree__free(t);
}

/* A guest may call a function "[kvm]"; it is not to be mistaken for the host's share. */
static void tree_keeps_a_guests_kvm_apart(void **state)
{
	static const struct sym_frame frames[] = { { .name = "[kvm]" } };
	static const struct fake_range ranges[] = { { 0, 100, frames, 1 } };
	struct snapshot *snap = fix_new();
	struct flame_tree *t;
	int vm;

	(void)state;
	vm = fix_add_vm(snap, "a", fake_symbolizer__new(ranges, 1, NULL, 0), true);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 1, 8, 8);
	STACK(snap, vm, 0, SNAP_PLACE_KVM, NULL, 2, 8);
	snapshot__seal(snap);
	t = tree_of(snapshot__get(snap), 0);
	assert_int_equal(flame_tree__nr(t), 4);
	assert_node(t, 2, "[kvm]", FLAME_GUEST, 2, 1, 1);
	assert_node(t, 3, "[kvm]", FLAME_KVM, 2, 2, 2);
	flame_tree__free(t);

	t = tree_of(snap, FLAME_TREE_BY_TEXT);
	assert_int_equal(flame_tree__nr(t), 4); /* all, a, [kvm], [kvm] */
	flame_tree__free(t);
}

/* One stack, two exits: by count and by time they weigh differently. */
static void tree_shows_exits_and_host_frames(void **state)
{
	static const struct snap_host_frame io[] = { { SNAP_FRAME_EXIT, "io" },
						     { SNAP_FRAME_EXIT, "out 0xe4" },
						     { SNAP_FRAME_KVM, "io_interception" } };
	static const struct snap_host_frame hlt[] = { { SNAP_FRAME_EXIT, "hlt" } };
	static const uint64_t frames[] = { 8 };
	enum snap_measure measure;
	struct snap_info info = fix_info;
	struct snapshot *snap;
	struct flame_tree *t;
	int i;

	(void)state;
	for (measure = SNAP_MEASURE_EXITS; measure <= SNAP_MEASURE_EXIT_TIME; measure++) {
		info.measure = measure;
		assert_int_equal(snapshot__new(&snap, &info), 0);
		fix_add_vm(snap, "a", NULL, false);
		for (i = 0; i < 2; i++) { /* equal ones are merged */
			struct snap_stack a = { .place = SNAP_PLACE_VMM, .nr_frames = 1, .frames = frames,
						.nr_host = 3, .host = io, .count = 5, .weight_ns = 7600 };
			struct snap_stack b = { .place = SNAP_PLACE_KVM, .nr_frames = 1, .frames = frames,
						.nr_host = 1, .host = hlt, .count = 1, .weight_ns = 900000 };

			assert_int_equal(snapshot__add_stack(snap, &a), 0);
			assert_int_equal(snapshot__add_stack(snap, &b), 0);
		}
		snapshot__seal(snap);
		assert_int_equal(snapshot__nr_stacks(snap), 2);
		t = tree_of(snap, 0);
		assert_int_equal(flame_tree__nr(t), 6);
		assert_node(t, 1, "0x8", FLAME_UNKNOWN, 1, measure == SNAP_MEASURE_EXITS ? 12 : 1815, 0);
		assert_node(t, 2, "hlt", FLAME_EXIT, 2, measure == SNAP_MEASURE_EXITS ? 2 : 1800,
			    measure == SNAP_MEASURE_EXITS ? 2 : 1800);
		assert_node(t, 3, "io", FLAME_EXIT, 2, measure == SNAP_MEASURE_EXITS ? 10 : 15, 0);
		assert_node(t, 4, "out 0xe4", FLAME_EXIT, 3, measure == SNAP_MEASURE_EXITS ? 10 : 15, 0);
		assert_node(t, 5, "io_interception", FLAME_KVM, 4, measure == SNAP_MEASURE_EXITS ? 10 : 15,
			    measure == SNAP_MEASURE_EXITS ? 10 : 15);
		flame_tree__free(t);
	}
}

static void tree_sums_stop_at_the_top(void **state)
{
	struct snapshot *snap = fix_new();
	struct flame_tree *t;
	int vm;

	(void)state;
	vm = fix_add_vm(snap, "a", NULL, false);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, UINT64_MAX, 8);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 5, 9);
	snapshot__seal(snap);
	t = tree_of(snap, 0);
	assert_true(flame_tree__node(t, 0)->total == UINT64_MAX);
	assert_true(flame_tree__stats(t)->total == UINT64_MAX);
	flame_tree__free(t);
}

/* A capture may claim any depth; nothing here recurses. */
static void tree_may_be_very_deep(void **state)
{
	enum {
		DEPTH = 200000
	};
	struct snapshot *snap = fix_new();
	uint64_t *frames = calloc(DEPTH, sizeof(*frames));
	struct flame_tree *t;
	int vm;

	(void)state;
	assert_non_null(frames);
	vm = fix_add_vm(snap, "a", NULL, false);
	fix_add_stack(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 1, DEPTH, frames);
	snapshot__seal(snap);
	t = tree_of(snap, 0);
	assert_int_equal(flame_tree__nr(t), DEPTH + 1);
	assert_int_equal(flame_tree__node(t, DEPTH)->depth, DEPTH);
	flame_tree__free(t);
	free(frames);
}

/* Names are looked up once per address, however often it was sampled. */
static void tree_resolves_an_address_once(void **state)
{
	struct flame_tree *t;

	(void)state;
	fake_nr_resolved = 0;
	t = tree_of(fix_small(), 0);
	/* 0x100310, 0x100160, 0x100220 and the unknown one as RIP; 0x100020, 0x100100, 0x100120, 0x100220 as return. */
	assert_int_equal(fake_nr_resolved, 8);
	flame_tree__free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree_of_one_vm_has_it_as_root),
		cmocka_unit_test(tree_accounts_for_every_sample),
		cmocka_unit_test(tree_by_library_has_a_frame_for_each_run),
		cmocka_unit_test(tree_of_several_vms_has_a_common_root),
		cmocka_unit_test(tree_of_nothing_has_a_root),
		cmocka_unit_test(tree_leaves_out_empty_stacks),
		cmocka_unit_test(tree_keeps_a_guests_kvm_apart),
		cmocka_unit_test(tree_shows_exits_and_host_frames),
		cmocka_unit_test(tree_sums_stop_at_the_top),
		cmocka_unit_test(tree_may_be_very_deep),
		cmocka_unit_test(tree_resolves_an_address_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
