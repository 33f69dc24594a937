/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of the host's addresses: of this very process, and of a kernel as its list of symbols tells. */
#include "records.h"

#include <stdio.h>
#include <unistd.h>

#include "host_names.h"
#include "kallsyms.h"
#include "profile.h"
#include "readers.h"
#include "recording.h"

static const char *lookup(const char *text, uint64_t addr)
{
	static struct kallsyms_table t;
	FILE *f = fmemopen((void *)text, strlen(text), "r");

	assert_non_null(f);
	kallsyms__release(&t);
	assert_int_equal(kallsyms__parse(&t, f), 0);
	fclose(f);
	return kallsyms__lookup(&t, addr);
}

static void the_function_at_or_before_an_address(void **state)
{
	static const char text[] = "ffffffff81000100 T second\n"
				   "ffffffff81000000 T first\n"
				   "ffffffff81000080 d data\n"
				   "ffffffffc0000000 t kvm_run\t[kvm]\n"
				   "ffffffff81000100 t an_alias\n"
				   "garbage\n"
				   "ffffffffc0000100 t last [kvm]"; /* no line end */

	(void)state;
	assert_null(lookup(text, 0xffffffff80ffffff));
	assert_string_equal(lookup(text, 0xffffffff81000000), "first");
	assert_string_equal(lookup(text, 0xffffffff810000ff), "first");
	assert_string_equal(lookup(text, 0xffffffff81000100), "an_alias");
	assert_string_equal(lookup(text, 0xffffffffc0000010), "kvm_run");
	assert_string_equal(lookup(text, UINT64_MAX), "last");
}

/* What the kernel shows to those who may not see its addresses. */
static void hidden_addresses_are_no_names(void **state)
{
	(void)state;
	assert_null(lookup("0000000000000000 T first\n0000000000000000 t kvm_run\t[kvm]\n", 0xffffffff81000000));
	lookup("0 t x\n", 0); /* gives the table back */
}

void a_function_with_a_name(void);

__attribute__((noinline)) void a_function_with_a_name(void)
{
	__asm__ volatile("");
}

static const char *name_of(const struct recording *r, uint64_t addr)
{
	return recording__symbol_name(r, 5, addr);
}

static struct readers *readers;

static void the_code_of_this_process(void **state)
{
	uint64_t here = (uintptr_t)a_function_with_a_name, libc = (uintptr_t)getpid, stack, kernel = 0xffffffff81000000;
	uint64_t frames[] = { kernel, here + 1, libc + 2, (uintptr_t)&stack };
	struct recording *r = NULL;
	struct host_names *h = NULL;
	union any_record rec;
	const char *name;
	size_t len;

	(void)state;
	assert_int_equal(recording__new(&r), 0);
	assert_int_equal(recording__begin(r, &(struct recording_info){ .event = "cpu-clock" }), 0);
	assert_int_equal(recording__vm(r, &(struct recording_vm){ .id = 5, .pid = getpid(), .name = "a" }), 0);
	len = make_host(&rec, 5, 1, 3, 0, 0);
	memcpy((char *)&rec + sizeof(rec.host), frames, sizeof(frames));
	assert_int_equal(recording__record(r, &rec, len), 0);
	assert_int_equal(host_names__new(&h, readers), 0);
	assert_int_equal(host_names__update(h, r), 0);
	assert_int_equal(host_names__update(h, r), 0);
	assert_string_equal(name_of(r, here), "a_function_with_a_name"); /* a return address, looked up one lower */
	name = name_of(r, libc + 1);
	assert_non_null(name);
	assert_non_null(strstr(name, "getpid"));
	assert_string_equal(name_of(r, (uintptr_t)&stack - 1), ""); /* no code */
	assert_non_null(recording__symbol_name(r, RECORDING_KERNEL, kernel));
	host_names__free(h);
	host_names__free(NULL);
	recording__free(r);
}

/* Of a process that has ended nothing is said, rather than that its addresses are no code. */
static void a_process_that_is_gone(void **state)
{
	struct recording *r = NULL;
	struct host_names *h = NULL;
	union any_record rec;
	size_t len;

	(void)state;
	assert_int_equal(recording__new(&r), 0);
	assert_int_equal(recording__begin(r, &(struct recording_info){ .event = "cpu-clock" }), 0);
	assert_int_equal(recording__vm(r, &(struct recording_vm){ .id = 5, .pid = 0x7ffffff0, .name = "a" }), 0);
	len = make_host(&rec, 5, 0, 2, 1, 0x401000);
	assert_int_equal(recording__record(r, &rec, len), 0);
	assert_int_equal(host_names__new(&h, readers), 0);
	assert_int_equal(host_names__update(h, r), 0);
	assert_null(name_of(r, 0x401000));
	host_names__free(h);
	recording__free(r);
}

static int setup(void **state)
{
	(void)state;
	return readers__start(&readers, NULL);
}

static int teardown(void **state)
{
	(void)state;
	readers__stop(readers);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_function_at_or_before_an_address),
		cmocka_unit_test(hidden_addresses_are_no_names),
		cmocka_unit_test(the_code_of_this_process),
		cmocka_unit_test(a_process_that_is_gone),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
