/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <locale.h>

#include "export_fixture.h"
#include "utf8.h"

static void assert_text(struct snapshot *snap, const char *want)
{
	char *text;

	snapshot__seal(snap);
	text = fix_export(&exporter_text, snap, NULL);
	assert_string_equal(text, want);
	free(text);
}

static const char small[] =
	"# vm web0 (qemu-system-x86_64, PID 4242, 2 vCPUs): /srv/web/app.dbg, verified\n"
	"# event cpu-clock at 99 Hz, 10.0 s, host kernel 6.1.0-31-amd64\n"
	"# samples 100: guest 87.0%, kvm 8.0%, vmm 5.0%\n"
	"# stacks: complete 94.0%, incomplete 5.0%, without registers 1.0%; frames without a name 1.1%\n"
	"# interrupts 0 = stored 0 + dropped 7\n"
	"# counters: samples 100 ring_full 7 vcpu_full 0\n"
	"\n"
	"   self    total  function\n"
	" 75.00%   75.00%  hot_leaf\n"
	"  9.00%    9.00%  clamp\n"
	"  8.00%    8.00%  [kvm]\n"
	"  5.00%    5.00%  [vmm]\n"
	"  3.00%    3.00%  0xffff8000deadbeef\n"
	"  0.00%   94.00%  kmain\n"
	"  0.00%   59.00%  worker_a\n"
	"  0.00%   37.00%  worker_b\n"
	"  0.00%    5.00%  [unmapped]\n"
	"  0.00%    1.00%  [no guest registers]\n"
	"\n"
	"hottest stacks\n"
	" 50.00%  50 samples\n"
	"           hot_leaf\n"
	"           worker_a\n"
	"           kmain\n"
	"           web0\n"
	" 20.00%  20 samples\n"
	"           hot_leaf\n"
	"           worker_b\n"
	"           kmain\n"
	"           web0\n"
	"  9.00%  9 samples\n"
	"           clamp\n"
	"           worker_a\n"
	"           kmain\n"
	"           web0\n";

static void text_is_exactly_this(void **state)
{
	(void)state;
	assert_text(fix_small(), small);
}

static void text_does_not_depend_on_the_locale(void **state)
{
	(void)state;
	if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "C.UTF-8"))
		skip();
	assert_text(fix_small(), small);
	setlocale(LC_ALL, "C");
}

/* fib calls fib calls fib: the samples below are one time the function's, not three times. */
static void recursion_counts_a_function_once(void **state)
{
	static const struct sym_frame fib[] = { { .name = "fib" } };
	static const struct sym_frame even[] = { { .name = "even" } };
	static const struct fake_range ranges[] = { { 0, 100, fib, 1 }, { 100, 200, even, 1 } };
	struct snapshot *snap = fix_new();
	char *text;
	int vm;

	(void)state;
	vm = fix_add_vm(snap, "fib", fake_symbolizer__new(ranges, 2, NULL, 0), true);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 6, 8, 16, 24);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 2, 8, 108, 16);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 2, 108, 16);
	snapshot__seal(snap);
	text = fix_export(&exporter_text, snap, NULL);
	/* The VM has the function's name, too, and is no function. */
	assert_non_null(strstr(text, "\n 80.00%  100.00%  fib\n"));
	assert_non_null(strstr(text, "\n 20.00%   40.00%  even\n\n"));
	free(text);
}

static void all_images_are_listed(void **state)
{
	struct snapshot *snap = fix_new();
	char *text;

	(void)state;
	STACK(snap, fix_add_vm(snap, "a", fix_two_images(), true), 0, SNAP_PLACE_GUEST, NULL, 1, 1010);
	snapshot__seal(snap);
	text = fix_export(&exporter_text, snap, NULL);
	assert_non_null(strstr(text, "2 vCPUs): /srv/kernel, verified; /srv/app, not verified\n"));
	free(text);
}

static void several_vms_and_one_sample(void **state)
{
	struct snapshot *snap = fix_new();
	int a;

	(void)state;
	a = fix_add_vm(snap, "all", NULL, false);
	fix_add_vm(snap, "b", fix_symbolizer(), false);
	STACK(snap, a, 0, SNAP_PLACE_GUEST, NULL, 1, 0x10);
	assert_text(
		snap,
		"# vm all (qemu-system-x86_64, PID 4242, 2 vCPUs): no image\n"
		"# vm b (qemu-system-x86_64, PID 4242, 2 vCPUs): /srv/web/app.dbg, not verified\n"
		"# event cpu-clock at 99 Hz, 10.0 s, host kernel 6.1.0-31-amd64\n"
		"# samples 1: guest 100.0%, kvm 0.0%, vmm 0.0%\n"
		"# stacks: complete 100.0%, incomplete 0.0%, without registers 0.0%; "
		"frames without a name 100.0%\n"
		"# interrupts 0 = stored 0 + dropped 0\n"
		"# counters:\n"
		"\n"
		"   self    total  function\n"
		"100.00%  100.00%  0x10\n"
		"\n"
		"hottest stacks\n"
		"100.00%  1 sample\n"
		"           0x10\n"
		"           all\n"
		"           all\n");
}

static void empty_profile_says_so(void **state)
{
	struct snapshot *snap = fix_new();

	(void)state;
	fix_add_vm(snap, "idle", NULL, false);
	assert_text(snap, "# vm idle (qemu-system-x86_64, PID 4242, 2 vCPUs): no image\n"
			  "# event cpu-clock at 99 Hz, 10.0 s, host kernel 6.1.0-31-amd64\n"
			  "# samples 0: guest 0.0%, kvm 0.0%, vmm 0.0%\n"
			  "# stacks: complete 0.0%, incomplete 0.0%, without registers 0.0%; "
			  "frames without a name 0.0%\n"
			  "# interrupts 0 = stored 0 + dropped 0\n"
			  "# counters:\n"
			  "\n"
			  "no samples: the guest did not run while it was recorded\n");
}

/* Sums that stop at the largest number must not become percentages beyond 100. */
static void text_survives_huge_counts(void **state)
{
	struct snapshot *snap = fix_new();
	char *text;
	int vm;

	(void)state;
	vm = fix_add_vm(snap, "a", NULL, false);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, UINT64_MAX, 0x10);
	STACK(snap, vm, 0, SNAP_PLACE_KVM, NULL, UINT64_MAX, 0x10);
	snapshot__seal(snap);
	text = fix_export(&exporter_text, snap, NULL);
	assert_non_null(strstr(text, "# samples 18446744073709551615: guest 100.0%, kvm 100.0%"));
	assert_non_null(strstr(text, "100.00%  100.00%  0x10\n"));
	free(text);
}

/* Terminals obey control characters; nothing that a guest names may bring one. */
static void text_survives_hostile_names(void **state)
{
	uint64_t total;
	size_t len, i, n;
	char *text = fix_export(&exporter_text, fix_hostile(&total), &len);
	uint32_t cp;
	int nr_lines = 0;

	(void)state;
	assert_int_equal(strlen(text), len);
	for (i = 0; i < len; i += n) {
		n = utf8__decode(text + i, len - i, &cp);
		assert_true(n);
		assert_true(cp == '\n' || (cp >= 0x20 && cp != 0x7f && !(cp >= 0x80 && cp < 0xa0)));
		nr_lines += cp == '\n';
	}
	/* VMs, account, functions (at most 20), stacks (three of two functions, VM and root). */
	assert_int_equal(nr_lines, total / 3 + 5 + 2 + 20 + 2 + 3 * 5);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_exactly_this),
		cmocka_unit_test(text_does_not_depend_on_the_locale),
		cmocka_unit_test(recursion_counts_a_function_once),
		cmocka_unit_test(several_vms_and_one_sample),
		cmocka_unit_test(all_images_are_listed),
		cmocka_unit_test(empty_profile_says_so),
		cmocka_unit_test(text_survives_huge_counts),
		cmocka_unit_test(text_survives_hostile_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
