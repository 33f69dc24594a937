/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kvm_stats.h"

#define PID 4242

static char top[64], debugfs[96], proc[96];

static int unlink_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int make_tree(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/kvm-stats.XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(debugfs, sizeof(debugfs), "%s/kvm", top);
	snprintf(proc, sizeof(proc), "%s/proc", top);
	return 0;
}

static int drop_tree(void **state)
{
	(void)state;
	return nftw(top, unlink_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void make_folders(char *path)
{
	char *p;

	for (p = path + strlen(top) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0700);
		*p = '/';
	}
}

/* A file below @debugfs; KVM lets nobody write what is no counter. */
static void put_mode(const char *name, const char *content, mode_t mode)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", debugfs, name);
	make_folders(path);
	remove(path);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(content, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void put_counter(const char *name, const char *content)
{
	put_mode(name, content, 0644);
}

static void put_state(const char *name, const char *content)
{
	put_mode(name, content, 0444);
}

static struct kvm_stats *read_all(int vm_fd)
{
	struct kvm_stats *s = NULL;

	assert_int_equal(kvm_stats__read_at(debugfs, proc, PID, vm_fd, &s), 0);
	return s;
}

static int64_t get(const struct kvm_stats *s, int vm_fd, int vcpu, const char *name)
{
	int64_t value = -4711;

	if (kvm_stats__get(s, vm_fd, vcpu, name, &value))
		assert_int_equal(value, -4711);
	return value;
}

/* What a kernel offers is read, whatever its name, in an order that does not depend on the directory. */
static void reads_every_number(void **state)
{
	static const char *const want[] = { "exits", "future_counter", "max_depth", "mmu_unsync", "tsc-offset" };
	struct kvm_stats *s;
	size_t i;

	(void)state;
	put_counter("4242-13/future_counter", "18\n");
	put_state("4242-13/vcpu1/tsc-offset", "-9120354284\n");
	put_counter("4242-13/mmu_unsync", "2\n"); /* writable in 5.10 */
	put_counter("4242-13/max_depth", "9\n");
	put_counter("4242-13/exits", "10677\n");
	s = read_all(13);
	assert_int_equal(s->nr, ARRAY_SIZE(want));
	for (i = 0; i < s->nr; i++) {
		assert_string_equal(s->stats[i].name, want[i]);
		assert_int_equal(s->stats[i].vm_fd, 13);
		assert_int_equal(s->stats[i].vcpu, i == 4 ? 1 : KVM_STATS_ALL);
		assert_int_equal(s->stats[i].is_counter, i < 2);
	}
	assert_int_equal(s->stats[0].value, 10677);
	assert_int_equal(s->stats[4].value, -9120354284);
	assert_int_equal(s->nr_skipped, 0);
	kvm_stats__free(s);
}

/* One bucket of a histogram says nothing, and to read the reverse maps disturbs the guest. */
static void leaves_out_what_misleads_or_disturbs(void **state)
{
	struct kvm_stats *s;

	(void)state;
	put_counter("4242-13/halt_wait_hist", "7\n");
	put_counter("4242-13/mmu_rmaps_stat", "7\n");
	put_counter("4242-13/halt_wait_ns", "8\n");
	s = read_all(13);
	assert_int_equal(s->nr, 1);
	assert_string_equal(s->stats[0].name, "halt_wait_ns");
	assert_int_equal(s->nr_skipped, 0);
	kvm_stats__free(s);
}

static void counts_what_is_no_number(void **state)
{
	static const char *const odd[] = { "",	     "\n",   "12 monkeys\n",	      "Rmap_Count: 0\n",
					   "0x10\n", "1 2\n", "99999999999999999999\n" };
	char name[64], lines[4096];
	struct kvm_stats *s;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		snprintf(name, sizeof(name), "4242-13/odd%zu", i);
		put_counter(name, odd[i]);
	}
	memset(lines, '1', sizeof(lines) - 1);
	lines[sizeof(lines) - 1] = '\0';
	put_counter("4242-13/long", lines);
	memset(lines, '\n', sizeof(lines) - 1);
	lines[0] = '1';
	put_counter("4242-13/padded", lines);
	put_counter("4242-13/largest", "9223372036854775807\n");
	s = read_all(13);
	assert_int_equal(s->nr, 1);
	assert_int_equal(get(s, 13, KVM_STATS_ALL, "largest"), INT64_MAX);
	assert_int_equal(s->nr_skipped, ARRAY_SIZE(odd) + 2);
	kvm_stats__free(s);
}

/* A folder is named after the thread that created the VM, not after the process. */
static void finds_a_vm_by_any_thread(void **state)
{
	struct kvm_stats *s = NULL;
	char path[256];

	(void)state;
	put_counter("4250-13/exits", "5\n");
	assert_int_equal(kvm_stats__read_at(debugfs, proc, PID, 13, &s), -ENOENT);
	assert_null(s);
	snprintf(path, sizeof(path), "%s/4242/task/4250/", proc);
	make_folders(path);
	s = read_all(13);
	assert_int_equal(get(s, 13, KVM_STATS_ALL, "exits"), 5);
	kvm_stats__free(s);
}

static void takes_only_what_was_asked_for(void **state)
{
	struct kvm_stats *s;

	(void)state;
	put_counter("exits", "1\n"); /* of all VMs */
	put_counter("4242-9/exits", "20\n");
	put_counter("4242-9/vcpu0/exits", "7\n");
	put_counter("4242-9/vcpu10/exits", "13\n");
	put_counter("4242-9/vcpu0x/exits", "100\n");
	put_counter("4242-9/vcpu-1/exits", "100\n");
	put_counter("4242-9/other/exits", "100\n");
	put_counter("4242-10/exits", "300\n");
	put_counter("4242-10x/exits", "4000\n");
	put_counter("4242-/exits", "4000\n");
	put_counter("42420-9/exits", "4000\n");
	put_counter("424-9/exits", "4000\n");
	s = read_all(9);
	assert_int_equal(s->nr, 3);
	assert_int_equal(get(s, 9, KVM_STATS_ALL, "exits"), 20);
	assert_int_equal(get(s, 9, 0, "exits"), 7);
	assert_int_equal(get(s, 9, 10, "exits"), 13);
	assert_int_equal(get(s, 9, 1, "exits"), -4711);
	assert_int_equal(get(s, 10, KVM_STATS_ALL, "exits"), -4711);
	kvm_stats__free(s);

	s = read_all(KVM_STATS_ALL);
	assert_int_equal(s->nr, 4);
	assert_int_equal(s->stats[0].vm_fd, 9);
	assert_int_equal(s->stats[3].vm_fd, 10); /* as numbers, not as text */
	assert_int_equal(get(s, KVM_STATS_ALL, KVM_STATS_ALL, "exits"), 320);
	kvm_stats__free(s);
}

static void a_sum_stops_at_the_largest_number(void **state)
{
	struct kvm_stats *s;

	(void)state;
	put_counter("4242-9/exits", "9223372036854775807\n");
	put_counter("4242-10/exits", "1\n");
	s = read_all(KVM_STATS_ALL);
	assert_int_equal(get(s, KVM_STATS_ALL, KVM_STATS_ALL, "exits"), INT64_MAX);
	kvm_stats__free(s);
}

static void a_difference_counts_from_the_first_read(void **state)
{
	struct kvm_stats *before, *after, *delta = NULL;

	(void)state;
	put_counter("4242-9/exits", "1000\n");
	put_counter("4242-9/io_exits", "500\n");
	put_counter("4242-9/same", "7\n");
	put_counter("4242-9/max_size", "5\n");
	put_counter("4242-9/gone", "3\n");
	put_state("4242-9/pages_4k", "4\n");
	put_state("4242-9/vcpu0/tsc-offset", "-10\n");
	before = read_all(KVM_STATS_ALL);
	put_counter("4242-9/exits", "1010\n");
	put_counter("4242-9/io_exits", "20\n"); /* someone wrote 0 to it */
	put_counter("4242-9/max_size", "8\n");
	put_state("4242-9/pages_4k", "2\n");
	put_counter("4242-9/new", "11\n");
	put_counter("4242-10/exits", "30\n");
	{
		char path[256];

		snprintf(path, sizeof(path), "%s/4242-9/gone", debugfs);
		assert_int_equal(remove(path), 0);
	}
	after = read_all(KVM_STATS_ALL);
	assert_int_equal(kvm_stats__delta(before, after, &delta), 0);
	assert_int_equal(delta->nr, after->nr);
	assert_int_equal(get(delta, 9, KVM_STATS_ALL, "exits"), 10);
	assert_int_equal(get(delta, 9, KVM_STATS_ALL, "io_exits"), 20);
	assert_int_equal(get(delta, 9, KVM_STATS_ALL, "same"), 0);
	assert_int_equal(get(delta, 9, KVM_STATS_ALL, "max_size"), 8);
	assert_int_equal(get(delta, 9, KVM_STATS_ALL, "gone"), -4711);
	assert_int_equal(get(delta, 9, KVM_STATS_ALL, "pages_4k"), 2);
	assert_int_equal(get(delta, 9, KVM_STATS_ALL, "new"), 11);
	assert_int_equal(get(delta, 10, KVM_STATS_ALL, "exits"), 30);
	assert_int_equal(get(delta, 9, 0, "tsc-offset"), -10);
	kvm_stats__free(before);
	kvm_stats__free(after);
	assert_int_equal(get(delta, 9, KVM_STATS_ALL, "exits"), 10); /* it owns what it holds */
	kvm_stats__free(delta);
}

static void says_what_to_do(void **state)
{
	struct kvm_stats *s = NULL;
	const char *cause, *hint;
	size_t i;
	static const struct {
		int err;
		const char *word;
	} want[] = {
		{ -ENODEV, "mount -t debugfs" }, { -ENOENT, "thread" },		{ -EACCES, "root" },
		{ -EPERM, "lockdown" },		 { -ENOMEM, NULL },		{ -EIO, NULL },
	};

	(void)state;
	assert_int_equal(kvm_stats__read_at(debugfs, proc, PID, 9, &s), -ENODEV);
	put_counter("exits", "1\n");
	assert_int_equal(kvm_stats__read_at(debugfs, proc, PID, 9, &s), -ENOENT);
	put_counter("4242-9", "a file, not a folder\n");
	assert_int_equal(kvm_stats__read_at(debugfs, proc, PID, 9, &s), -ENOENT);
	assert_null(s);
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		cause = hint = NULL;
		kvm_stats__explain(want[i].err, &cause, &hint);
		assert_non_null(cause);
		if (want[i].word)
			assert_non_null(strstr(hint, want[i].word));
		else
			assert_null(hint);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, drop_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_every_number),
		TEST(leaves_out_what_misleads_or_disturbs),
		TEST(counts_what_is_no_number),
		TEST(finds_a_vm_by_any_thread),
		TEST(takes_only_what_was_asked_for),
		TEST(a_sum_stops_at_the_largest_number),
		TEST(a_difference_counts_from_the_first_read),
		TEST(says_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
