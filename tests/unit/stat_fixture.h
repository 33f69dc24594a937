/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_STAT_FIXTURE_H
#define UNIT_STAT_FIXTURE_H

/*
 * stat_fixture - VM exit statistics for the tests of their layouts. Include export_fixture.h first.
 */

#include "exit_stats.h"
#include "stat_format.h"

/* A row of @n exits, all of which took @ns. */
static inline struct exit_row fix_row(uint32_t vm, uint32_t vcpu, uint32_t isa, uint32_t reason,
				      uint64_t n, uint64_t ns, uint64_t nr_user)
{
	struct exit_row row = {
		.vm = vm,
		.vcpu = vcpu,
		.isa = isa,
		.reason = reason,
		.count = n,
		.nr_timed = n,
		.total_ns = n * ns,
		.min_ns = n ? ns : 0,
		.max_ns = n ? ns : 0,
		.nr_user = nr_user,
		.user_ns = nr_user * ns,
	};
	size_t i = 0;

	while (i + 1 < EXIT_NR_BUCKETS && (2ull << i) <= ns)
		i++;
	row.buckets[i] = n;
	return row;
}

/* The copies are released with exit_stats__free(). */
static inline void *fix_copy(const void *data, size_t len)
{
	void *copy = malloc(len + 1);

	assert_non_null(copy);
	memcpy(copy, data, len);
	return copy;
}

#define FIX_SET(stats, member, array)                                      \
	do {                                                               \
		(stats)->member = fix_copy((array), sizeof(array));        \
		(stats)->nr_##member = sizeof(array) / sizeof((array)[0]); \
	} while (0)

static inline struct exit_stats *fix_stats_new(void)
{
	struct exit_stats *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->duration_ns = 10000000000ull;
	s->start_wall_ns = 1767225600000000000ull;
	s->level = "exits";
	return s;
}

/* As in real ones the names belong to the statistics. */
static inline void fix_own_names(struct exit_stats *s)
{
	size_t i;

	for (i = 0; i < s->nr_vms; i++) {
		s->vms[i].name = strdup(s->vms[i].name);
		s->vms[i].vmm = strdup(s->vms[i].vmm);
	}
}

/* One VM with two vCPUs under QEMU on Intel, and one under a Solo5 tender on AMD, which has no image. */
static inline struct exit_stats *fix_stats(void)
{
	struct exit_stats *s = fix_stats_new();
	struct exit_vm vms[] = {
		{ "web0", "qemu-system-x86_64", 4242, fix_symbolizer(), true, { 0 } },
		{ "net,\"1\"", "solo5-hvt", 77, NULL, false, { 0 } },
	};
	struct exit_row rows[] = {
		fix_row(0, 0, EXIT_ISA_VMX, 10, 3, 900, 0),
		fix_row(0, 0, EXIT_ISA_VMX, 12, 20, 300000000, 0),
		fix_row(0, 0, EXIT_ISA_VMX, 30, 1000, 18000, 1000),
		fix_row(0, 0, EXIT_ISA_VMX, 48, 40, 5000, 0),
		fix_row(0, 1, EXIT_ISA_VMX, 12, 10, 250000000, 0),
		fix_row(0, 1, EXIT_ISA_VMX, 30, 500, 3000, 100),
		fix_row(0, 1, EXIT_ISA_VMX, 0x80000021, 1, 0, 1),
		fix_row(1, 0, EXIT_ISA_SVM, 0x7b, 7, 2000000, 7),
		fix_row(1, 0, EXIT_ISA_SVM, 0x7777, 2, 100, 0),
	};
	struct exit_site sites[] = {
		/* vm, isa, reason, detail, value, rip, has_rip, count, total_ns, user_ns */
		{ 0, EXIT_ISA_VMX, 48, EXIT_DETAIL_PAGE_FAULT, 0x200000, 0, false, 40, 200000, 0 },
		{ 0, EXIT_ISA_VMX, 10, EXIT_DETAIL_NONE, 0, 0x100000, true, 3, 2700, 0 },
		{ 0, EXIT_ISA_VMX, 30, EXIT_DETAIL_PIO_OUT, 0x3f8, 0x100120, true, 600, 10800000,
		  10800000 },
		{ 0, EXIT_ISA_VMX, 30, EXIT_DETAIL_PIO_OUT, 0x3f8, 0x100160, true, 400, 7200000,
		  7200000 },
		{ 0, EXIT_ISA_VMX, 30, EXIT_DETAIL_PIO_IN, 0x71, 0x100310, true, 500, 1500000,
		  300000 },
		{ 0, EXIT_ISA_VMX, 12, EXIT_DETAIL_NONE, 0, 0xffff8000deadbeef, true, 30,
		  8500000000, 0 },
		{ 1, EXIT_ISA_SVM, 0x7b, EXIT_DETAIL_PIO_OUT, 0x501, 0x101010, true, 7, 14000000,
		  14000000 },
	};
	struct exit_virq virqs[] = { { 0, 0x20, 15 }, { 0, 0xec, 1234 } };
	struct exit_counter counters[] = {
		{ "lost", "Exits that were not counted", 3 },
		{ "unmatched", "Exits without an entry", 0 },
		{ "overflow", "Sites that did not fit", 12 },
	};
	struct exit_cost costs[] = { { "on_kvm_exit", 1574, 330540 }, { "on_kvm_pio", 0, 0 } };

	/* Some that never came back. */
	rows[2].count += 1;
	/* Half of the port accesses of vCPU 0 took longer. */
	rows[2].buckets[13] = 500;
	rows[2].buckets[14] = 500;
	rows[2].min_ns = 9000;
	rows[2].max_ns = 31000;
	FIX_SET(s, vms, vms);
	fix_own_names(s);
	FIX_SET(s, rows, rows);
	FIX_SET(s, sites, sites);
	FIX_SET(s, virqs, virqs);
	FIX_SET(s, counters, counters);
	FIX_SET(s, costs, costs);
	return s;
}

/* One VM for each hostile name, with a function of that name. */
static inline struct exit_stats *fix_hostile_stats(void)
{
	static struct sym_frame frames[ARRAY_SIZE(fix_hostile_names)];
	static struct fake_range ranges[ARRAY_SIZE(fix_hostile_names)];
	struct exit_vm vms[ARRAY_SIZE(fix_hostile_names)];
	struct exit_row rows[ARRAY_SIZE(fix_hostile_names)];
	struct exit_site sites[ARRAY_SIZE(fix_hostile_names)];
	struct exit_counter counters[] = { { "a\nb\"", "c\033\\", UINT64_MAX } };
	struct exit_cost costs[] = { { "x\"\n", 1, 2 } };
	struct exit_stats *s = fix_stats_new();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(frames); i++) {
		frames[i] = (struct sym_frame){ .name = fix_hostile_names[i], .start = 0x1000 * i };
		ranges[i] = (struct fake_range){ 0x1000 * i, 0x1000 * (i + 1), &frames[i], 1 };
	}
	for (i = 0; i < ARRAY_SIZE(frames); i++) {
		vms[i] =
			(struct exit_vm){ fix_hostile_names[i], fix_hostile_names[i], (int)i,
					  fake_symbolizer__new(ranges, ARRAY_SIZE(ranges), NULL, 0),
					  false, { 0 } };
		rows[i] = fix_row(i, 0, i % 4, 0xffff0000 + i, UINT64_MAX, 1, UINT64_MAX);
		rows[i].total_ns = UINT64_MAX;
		rows[i].max_ns = UINT64_MAX;
		sites[i] = (struct exit_site){ i,          i % 4,
					       30,         i % (EXIT_NR_DETAILS + 2),
					       UINT64_MAX, 0x1000 * i + 8,
					       true,       UINT64_MAX,
					       UINT64_MAX, 0 };
	}
	FIX_SET(s, vms, vms);
	fix_own_names(s);
	FIX_SET(s, rows, rows);
	FIX_SET(s, sites, sites);
	FIX_SET(s, counters, counters);
	FIX_SET(s, costs, costs);
	return s;
}

/* Writes statistics, which it frees. Return: what was written, NUL-terminated; free() it. */
static inline char *fix_stat_write(const char *format, struct exit_stats *stats,
				   const struct stat_opts *opts)
{
	const struct stat_format *f = stat_format__by_name(format);
	struct sink *sink = NULL;
	size_t n;
	char *copy;

	assert_non_null(f);
	assert_int_equal(sink__memory(&sink), 0);
	assert_int_equal(f->write(stats, opts, sink), 0);
	sink__data(sink, &n);
	copy = malloc(n + 1);
	assert_non_null(copy);
	memcpy(copy, sink__data(sink, &n), n);
	copy[n] = '\0';
	assert_int_equal(strlen(copy), n);
	assert_int_equal(sink__close(sink), 0);
	exit_stats__free(stats);
	return copy;
}

#endif /* UNIT_STAT_FIXTURE_H */
