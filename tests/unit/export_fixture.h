/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_EXPORT_FIXTURE_H
#define UNIT_EXPORT_FIXTURE_H

/*
 * export_fixture - snapshots for the tests of the exporters, and comparison with a golden file.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exporter.h"
#include "fake_symbolizer.h"
#include "sink.h"
#include "snapshot.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * The small guest: kmain calls worker_a and worker_b, both call hot_leaf; worker_a has clamp() inlined from
 * 0x100150 on. The last call in kmain ends the function: its return address, 0x100100, is worker_a's start.
 */
static const struct sym_frame fix_kmain[] = { { "kmain", 0x100000, "boot/main.c", 12, false, false } };
static const struct sym_frame fix_worker_a[] = { { "worker_a", 0x100100, "app/work.c", 30, false, false } };
static const struct sym_frame fix_clamp[] = {
	{ "clamp", 0x100100, "app/clamp.h", 7, true, false },
	{ "worker_a", 0x100100, "app/work.c", 34, false, false },
};
static const struct sym_frame fix_worker_b[] = { { "worker_b", 0x100200, "app/work.c", 50, false, false } };
static const struct sym_frame fix_hot_leaf[] = { { "hot_leaf", 0x100300, NULL, 0, false, false } };

static const struct fake_range fix_ranges[] = {
	{ 0x100000, 0x100100, fix_kmain, 1 },    { 0x100100, 0x100150, fix_worker_a, 1 },
	{ 0x100150, 0x100200, fix_clamp, 2 },    { 0x100200, 0x100300, fix_worker_b, 1 },
	{ 0x100300, 0x100400, fix_hot_leaf, 1 },
};

static const struct sym_image_info fix_images[] = {
	{ "/srv/web/app.dbg", "0123456789abcdef", 0x100000, 0x101000, 0x1000, true, false },
};

static const struct snap_info fix_info = {
	.start_wall_ns = 1767225600000000000ull, /* 2026-01-01 00:00:00 UTC */
	.duration_ns = 10000000000ull,
	.period_ns = 10101010,
	.freq_hz = 99,
	.event = "cpu-clock",
	.host = "6.1.0-31-amd64",
};

static inline struct snapshot *fix_new(void)
{
	struct snapshot *snap = NULL;

	assert_int_equal(snapshot__new(&snap, &fix_info), 0);
	return snap;
}

/* Three libraries: two functions of one that call each other, one of another, code of none. */
static inline struct snapshot *fix_libraries(void)
{
	static const struct sym_frame frames[][1] = {
		{ { .name = "main", .file = "app" } },
		{ { .name = "uk_alloc", .file = "lib/ukalloc" } },
		{ { .name = "uk_alloc_ifpages", .file = "lib/ukalloc" } },
		{ { .name = "memset", .file = "lib/nolibc" } },
	};
	static const struct fake_range ranges[] = {
		{ 0x1000, 0x1100, frames[0], 1 },
		{ 0x1100, 0x1200, frames[1], 1 },
		{ 0x1200, 0x1300, frames[2], 1 },
		{ 0x1300, 0x1400, frames[3], 1 },
	};
	struct snap_info info = fix_info;
	struct snapshot *snap = NULL;
	struct snap_vm vm = { .name = "web0", .vmm = "qemu", .pid = 1, .nr_vcpus = 1, .verified = true };

	info.by_library = true;
	assert_int_equal(snapshot__new(&snap, &info), 0);
	vm.syms = fake_symbolizer__new(ranges, ARRAY_SIZE(ranges), NULL, 0);
	assert_int_equal(snapshot__add_vm(snap, &vm), 0);
	return snap;
}

static inline struct symbolizer *fix_symbolizer(void)
{
	return fake_symbolizer__new(fix_ranges, ARRAY_SIZE(fix_ranges), fix_images,
				    ARRAY_SIZE(fix_images));
}

/* A proven kernel at 1000 and an application at 2000 that is not: frames kmain and app. */
static inline struct symbolizer *fix_two_images(void)
{
	static const struct sym_frame kmain[] = { { .name = "kmain" } };
	static const struct sym_frame app[] = { { .name = "app", .is_unverified = true } };
	static const struct fake_range ranges[] = { { 1000, 1100, kmain, 1 }, { 2000, 2100, app, 1 } };
	static const struct sym_image_info images[] = {
		{ .path = "/srv/kernel", .gva_start = 1000, .gva_end = 1100 },
		{ .path = "/srv/app", .gva_start = 2000, .gva_end = 2100, .is_unverified = true },
	};

	return fake_symbolizer__new(ranges, ARRAY_SIZE(ranges), images, ARRAY_SIZE(images));
}

static inline int fix_add_vm(struct snapshot *snap, const char *name, struct symbolizer *syms,
			     bool verified)
{
	struct snap_vm vm = {
		.name = name,
		.vmm = "qemu-system-x86_64",
		.image_path = syms ? "/srv/web/app.dbg" : NULL,
		.build_id = syms ? "0123456789abcdef" : NULL,
		.pid = 4242,
		.nr_vcpus = 2,
		.verified = verified,
		.syms = syms,
	};
	int i = snapshot__add_vm(snap, &vm);

	assert_true(i >= 0);
	return i;
}

static inline void fix_add_stack(struct snapshot *snap, int vm, uint32_t vcpu,
				 enum snap_place place, const char *stop, uint64_t count,
				 uint32_t nr, const uint64_t *frames)
{
	struct snap_stack stack = {
		.vm = vm,
		.vcpu = vcpu,
		.place = place,
		.stop = stop,
		.nr_frames = nr,
		.frames = frames,
		.count = count,
		.weight_ns = count * fix_info.period_ns,
	};

	assert_int_equal(snapshot__add_stack(snap, &stack), 0);
}

/* Frames leaf first. */
#define STACK(snap, vm, vcpu, place, stop, count, ...)    \
	fix_add_stack(snap, vm, vcpu, place, stop, count, \
		      ARRAY_SIZE(((uint64_t[]){ __VA_ARGS__ })), (uint64_t[]){ __VA_ARGS__ })

static inline void fix_add_counter(struct snapshot *snap, const char *label, const char *help,
				   uint64_t value)
{
	struct snap_counter counter = { label, help, value };

	assert_int_equal(snapshot__add_counter(snap, &counter), 0);
}

static inline struct snapshot *fix_by_library(void)
{
	struct snapshot *snap = fix_libraries();

	STACK(snap, 0, 0, SNAP_PLACE_GUEST, NULL, 5, 0x1310, 0x1210, 0x1110, 0x1010);
	STACK(snap, 0, 0, SNAP_PLACE_GUEST, NULL, 3, 0x1210, 0x1110, 0x1010);
	STACK(snap, 0, 0, SNAP_PLACE_GUEST, NULL, 2, 0x1110, 0x1010, 0x1210, 0x1010);
	STACK(snap, 0, 0, SNAP_PLACE_GUEST, NULL, 1, 0x9000, 0x9100, 0x1010);
	snapshot__seal(snap);
	return snap;
}

/* One verified VM, 100 samples of every kind but an unverified one. */
static inline struct snapshot *fix_small(void)
{
	struct snapshot *snap = fix_new();
	int vm = fix_add_vm(snap, "web0", fix_symbolizer(), true);

	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 40, 0x100310, 0x100120, 0x100020);
	STACK(snap, vm, 1, SNAP_PLACE_GUEST, NULL, 10, 0x100310, 0x100120, 0x100020);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 20, 0x100310, 0x100220, 0x100100);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 9, 0x100160, 0x100020);
	STACK(snap, vm, 0, SNAP_PLACE_KVM, NULL, 8, 0x100220, 0x100020);
	STACK(snap, vm, 0, SNAP_PLACE_VMM, NULL, 4, 0x100220, 0x100020);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, "unmapped", 5, 0x100310, 0x100220);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 3, 0xFFFF8000DEADBEEF, 0x100020);
	fix_add_stack(snap, vm, 1, SNAP_PLACE_VMM, NULL, 1, 0, NULL);
	fix_add_counter(snap, "samples", "Guest samples submitted to the ring buffer", 100);
	fix_add_counter(snap, "ring_full", "Samples dropped: ring buffer full", 7);
	fix_add_counter(snap, "vcpu_full", "Samples dropped: vCPU state map full", 0);
	snapshot__seal(snap);
	return snap;
}

/* Names that try to break out of a format; each is a VM and a function. */
static const char *const fix_hostile_names[] = {
	"line\nbreak 99",
	"tab\tcr\rnul",
	"semi;colon;s",
	"\"quotes\" and 'quotes' and `ticks`",
	"</script><script>alert(1)</script>",
	"<!--<script>",
	"]]></style></svg><img src=x onerror=alert(1)>",
	"&lt;&amp;&#0;",
	"back\\slash\\u003c\\",
	"\033[31mred\033[0m\033]0;title\007",
	"\001\002\003\177",
	"bad\xff\xfe utf8 \xc3(\xe2\x82",
	"overlong \xc0\xaf surrogate \xed\xa0\x80",
	"sep\xe2\x80\xa8para\xe2\x80\xa9",
	"\xe2\x80\xaetxet desrever",
	"\xef\xbf\xbe nonchar \xef\xbf\xbf",
	"",
	" leading and trailing ",
	"42",
	"${7*7}{{7*7}}%n%s",
	"=cmd|' /C calc'!A0",
	"__proto__",
	"constructor",
	"C::operator;",
	"std::vector<int, std::allocator<int> >::push_back(int&&)",
	"\xf0\x9f\xa6\x84 unicorn \xe6\xbc\xa2\xe5\xad\x97",
};

#define FIX_LONG_NAME_BYTES (1 << 20)

/* One VM per hostile name with one function of that name, 3 samples each, plus a name of 1 MB. */
static inline struct snapshot *fix_hostile(uint64_t *total)
{
	static struct sym_frame frames[ARRAY_SIZE(fix_hostile_names) + 1];
	static struct fake_range ranges[ARRAY_SIZE(fix_hostile_names) + 1];
	static char *long_name;
	struct snapshot *snap = fix_new();
	size_t nr = ARRAY_SIZE(frames), i;
	const char *name;
	int vm;

	if (!long_name) {
		long_name = malloc(FIX_LONG_NAME_BYTES + 1);
		assert_non_null(long_name);
		for (i = 0; i < FIX_LONG_NAME_BYTES; i += 2)
			memcpy(long_name + i, "\xc3\xa9", 2); /* é: a cut may not halve it */
		long_name[FIX_LONG_NAME_BYTES] = '\0';
	}
	for (i = 0; i < nr; i++) {
		name = i < ARRAY_SIZE(fix_hostile_names) ? fix_hostile_names[i] : long_name;
		frames[i] = (struct sym_frame){
			.name = name, .start = 0x1000 * i, .file = name, .line = 1
		};
		ranges[i] = (struct fake_range){ 0x1000 * i, 0x1000 * (i + 1), &frames[i], 1 };
		vm = fix_add_vm(snap, name, fake_symbolizer__new(ranges, nr, NULL, 0), i % 2);
		STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 3, 0x1000 * i + 8, 0x1000 * i + 16);
	}
	snapshot__seal(snap);
	*total = 3 * nr;
	return snap;
}

/* Writes a snapshot, which it puts. Return: what was written, NUL-terminated; free() it. */
static inline char *fix_export(const struct exporter *exporter, struct snapshot *snap, size_t *len)
{
	struct sink *sink = NULL;
	size_t n;
	char *copy;

	assert_int_equal(sink__memory(&sink), 0);
	assert_int_equal(exporter->write(snap, &(struct export_opts){ 0 }, sink), 0);
	sink__data(sink, &n);
	copy = malloc(n + 1);
	assert_non_null(copy);
	memcpy(copy, sink__data(sink, &n), n);
	copy[n] = '\0';
	assert_int_equal(sink__close(sink), 0);
	snapshot__put(snap);
	if (len)
		*len = n;
	return copy;
}

/*
 * Compares with tests/golden/@name; with GOLDEN_UPDATE=1 in the environment writes it instead. Tests run in
 * the top folder of the tree.
 */
static inline void fix_assert_golden(const char *name, const void *data, size_t len)
{
	char path[256], *want;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "tests/golden/%s", name);
	if (getenv("GOLDEN_UPDATE")) {
		f = fopen(path, "w");
		assert_non_null(f);
		assert_int_equal(fwrite(data, 1, len, f), len);
		assert_int_equal(fclose(f), 0);
		return;
	}
	f = fopen(path, "r");
	if (!f)
		fail_msg("%s: cannot open; run in the top folder, or make golden-update", path);
	want = malloc(len + 2);
	assert_non_null(want);
	n = fread(want, 1, len + 1, f);
	fclose(f);
	if (n != len || memcmp(want, data, len))
		fail_msg(
			"%s: differs from what was written; see the change with make golden-update",
			path);
	free(want);
}

#endif /* UNIT_EXPORT_FIXTURE_H */
