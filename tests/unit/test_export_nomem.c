/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Every exporter, every layout of exit statistics and every page about the host with the n-th allocation
 * failing, for every n: a clean -ENOMEM and nothing left behind.
 * The Makefile links this program with --wrap for the allocation functions.
 */
#include <errno.h>

#include "export_fixture.h"
#include "host_fixture.h"
#include "metrics.h"
#include "stat_fixture.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t nr, size_t size);
char *__real_strdup(const char *s);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t nr, size_t size);
char *__wrap_strdup(const char *s);
void __wrap_free(void *p);

static long fail_at = -1; /* countdown; -1: never */
static long nr_live;      /* blocks that are not freed */
static bool has_failed;

static bool must_fail(void)
{
	if (fail_at < 0 || fail_at-- > 0)
		return false;
	has_failed = true;
	return true;
}

static void *counted(void *p)
{
	nr_live += p != NULL;
	return p;
}

void *__wrap_malloc(size_t size)
{
	return must_fail() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t nr, size_t size)
{
	return must_fail() ? NULL : counted(__real_calloc(nr, size));
}

void *__wrap_realloc(void *p, size_t size)
{
	if (must_fail())
		return NULL;
	return p ? __real_realloc(p, size) : counted(__real_realloc(p, size));
}

void *__wrap_reallocarray(void *p, size_t nr, size_t size)
{
	if (must_fail())
		return NULL;
	return p ? __real_reallocarray(p, nr, size) : counted(__real_reallocarray(p, nr, size));
}

char *__wrap_strdup(const char *s)
{
	return must_fail() ? NULL : counted(__real_strdup(s));
}

void __wrap_free(void *p)
{
	nr_live -= p != NULL;
	__real_free(p);
}

static int export_to_memory(const struct exporter *exporter, const struct snapshot *snap)
{
	struct export_opts opts = { .title = NULL };
	struct sink *sink = NULL;
	int err, err_close;

	err = sink__memory(&sink);
	if (err)
		return err;
	err = exporter->write(snap, &opts, sink);
	err_close = sink__close(sink);
	return err ? err : err_close;
}

/* One snapshot of every kind of frame, one of several VMs. */
static void sweep(const struct exporter *exporter, struct snapshot *snap)
{
	long live = nr_live, n;
	int err;

	for (n = 0;; n++) {
		fail_at = n;
		has_failed = false;
		err = export_to_memory(exporter, snap);
		fail_at = -1;
		assert_int_equal(nr_live, live);
		assert_int_equal(err, has_failed ? -ENOMEM : 0);
		if (!has_failed)
			break;
	}
	print_message("%s: %ld allocations\n", exporter->name, n);
	assert_true(n > 5);
	snapshot__put(snap);
}

static void allocation_failures_are_clean(void **state)
{
	const struct exporter *const *e;
	uint64_t total;

	(void)state;
	for (e = exporter__table(); *e; e++) {
		sweep(*e, fix_small());
		sweep(*e, fix_hostile(&total));
	}
}

static int stat_to_memory(const struct stat_format *format, const struct exit_stats *stats,
			  const struct stat_opts *opts)
{
	struct sink *sink = NULL;
	int err, err_close;

	err = sink__memory(&sink);
	if (err)
		return err;
	err = format->write(stats, opts, sink);
	err_close = sink__close(sink);
	return err ? err : err_close;
}

static void sweep_stat(const struct stat_format *format, struct exit_stats *stats,
		       const struct stat_opts *opts)
{
	long live = nr_live, n;
	int err;

	for (n = 0;; n++) {
		fail_at = n;
		has_failed = false;
		err = stat_to_memory(format, stats, opts);
		fail_at = -1;
		assert_int_equal(nr_live, live);
		assert_int_equal(err, has_failed ? -ENOMEM : 0);
		if (!has_failed)
			break;
	}
	print_message("%s: %ld allocations\n", format->name, n);
	assert_true(n > 1);
	exit_stats__free(stats);
}

static void allocation_failures_of_the_exit_statistics_are_clean(void **state)
{
	static const struct stat_opts opts[] = { { 0 },
						 { .by_function = true },
						 { .per_vcpu = true } };
	const struct stat_format *const *f;
	size_t i;

	(void)state;
	for (f = stat_format__table(); *f; f++) {
		for (i = 0; i < ARRAY_SIZE(opts); i++) {
			sweep_stat(*f, fix_stats(), &opts[i]);
			sweep_stat(*f, fix_hostile_stats(), &opts[i]);
		}
	}
}

/* Return: 0 or the error of the step that failed. */
static int build_snapshot(void)
{
	struct snap_vm vm = { .name = "a", .vmm = "qemu", .image_path = "x", .build_id = "y" };
	struct snap_stack stack = { .nr_frames = 1, .frames = (const uint64_t[]){ 1 }, .count = 1 };
	struct snap_counter counter = { "a", "b", 1 };
	struct snapshot *snap;
	int err;

	err = snapshot__new(&snap, &fix_info);
	if (err)
		return err;
	err = snapshot__add_vm(snap, &vm);
	if (err >= 0)
		err = snapshot__add_stack(snap, &stack);
	if (err >= 0)
		err = snapshot__add_counter(snap, &counter);
	snapshot__seal(snap);
	snapshot__put(snap);
	return err;
}

static void allocation_failures_of_the_snapshot_are_clean(void **state)
{
	long live = nr_live, n;
	int err;

	(void)state;
	for (n = 0;; n++) {
		fail_at = n;
		has_failed = false;
		err = build_snapshot();
		fail_at = -1;
		assert_int_equal(nr_live, live);
		assert_int_equal(err, has_failed ? -ENOMEM : 0);
		if (!has_failed)
			break;
	}
	assert_true(n > 8);
}

static int host_to_memory(const struct host_stats *hs, enum metrics_format format)
{
	struct sink *sink = NULL;
	int err, err_close;

	err = sink__memory(&sink);
	if (err)
		return err;
	err = metrics__write(hs, NULL, format, sink);
	err_close = sink__close(sink);
	return err ? err : err_close;
}

static void sweep_host(struct host_stats *hs, enum metrics_format format)
{
	long live = nr_live, n;
	int err;

	for (n = 0;; n++) {
		fail_at = n;
		has_failed = false;
		err = host_to_memory(hs, format);
		fail_at = -1;
		assert_int_equal(nr_live, live);
		assert_int_equal(err, has_failed ? -ENOMEM : 0);
		if (!has_failed)
			break;
	}
	print_message("page of the host: %ld allocations\n", n);
	assert_true(n > 5);
	host_stats__put(hs);
}

static void allocation_failures_are_clean_about_the_host(void **state)
{
	(void)state;
	sweep_host(fix_host_small(), METRICS_TEXT);
	sweep_host(fix_host_small(), METRICS_OPENMETRICS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocation_failures_are_clean),
		cmocka_unit_test(allocation_failures_of_the_snapshot_are_clean),
		cmocka_unit_test(allocation_failures_of_the_exit_statistics_are_clean),
		cmocka_unit_test(allocation_failures_are_clean_about_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
