/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "records.h"

#include <ctype.h>
#include <errno.h>

#include "exit_filter.h"
#include "exit_names.h"
#include "exit_stats.h"

/* Whether a filter of this one word, which must be known, chooses the exit. */
static bool chooses(const char *word, uint32_t isa, uint32_t reason)
{
	struct exit_filter f = { 0 };
	bool yes;

	assert_int_equal(exit_filter__add(&f, word), 0);
	yes = exit_filter__match(&f, isa, reason);
	exit_filter__free(&f);
	return yes;
}

static void every_name_chooses_its_code(void **state)
{
	char other[64];
	const char *name;
	uint32_t isa, code;
	size_t i, k;

	(void)state;
	for (isa = EXIT_ISA_VMX; isa <= EXIT_ISA_SVM; isa++) {
		for (i = 0; (name = exit_names__nth(isa, i, &code)); i++) {
			assert_true(chooses(name, isa, code));
			assert_false(chooses(name, EXIT_ISA_UNKNOWN, code));
			for (k = 0; name[k]; k++) {
				other[k] = isupper((unsigned char)name[k]) ? tolower((unsigned char)name[k]) :
									     toupper((unsigned char)name[k]);
				if (other[k] == ' ' || other[k] == '-')
					other[k] = '_';
			}
			other[k] = '\0';
			assert_true(chooses(other, isa, code));
		}
		assert_true(i > 60);
	}
	assert_null(exit_names__nth(EXIT_ISA_UNKNOWN, 0, NULL));
	assert_null(exit_names__nth(7, 0, NULL));
}

/* A script written for one vendor's host works on the other's. */
static void a_word_means_the_same_on_both_vendors(void **state)
{
	static const struct {
		const char *word;
		uint32_t vmx, svm;
	} pairs[] = {
		{ "io", 30, 0x7b },	   { "IOIO", 30, 0x7b },	     { "io_instruction", 30, 0x7b },
		{ "cpuid", 10, 0x72 },	   { "HLT", 12, 0x78 },		     { "vmmcall", 18, 0x81 },
		{ "VMCALL", 18, 0x81 },	   { "hypercall", 18, 0x81 },	     { "EPT_VIOLATION", 48, 0x400 },
		{ "npf", 49, 0x400 },	   { "External-Interrupt", 1, 0x60 }, { "shutdown", 2, 0x7f },
		{ "pause", 40, 0x77 },	   { "INTERRUPT_WINDOW", 7, 0x64 },  { "bus lock", 74, 0xa5 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(pairs); i++) {
		assert_true(chooses(pairs[i].word, EXIT_ISA_VMX, pairs[i].vmx));
		assert_true(chooses(pairs[i].word, EXIT_ISA_SVM, pairs[i].svm));
		assert_false(chooses(pairs[i].word, EXIT_ISA_VMX, 52));
		assert_false(chooses(pairs[i].word, EXIT_ISA_SVM, 0x6e));
	}
	assert_true(chooses("msr", EXIT_ISA_VMX, 31));
	assert_true(chooses("msr", EXIT_ISA_VMX, 32));
	assert_false(chooses("MSR_READ", EXIT_ISA_VMX, 32));
	assert_false(chooses("MSR_READ", EXIT_ISA_SVM, 0x7c));
	assert_false(chooses("EPT_VIOLATION", EXIT_ISA_VMX, 49));
}

/* Codes are of whatever processor is there; the flags of a failed entry count only if they are asked for. */
static void codes_may_be_given_as_numbers(void **state)
{
	(void)state;
	assert_true(chooses("48", EXIT_ISA_VMX, 48));
	assert_true(chooses("0x30", EXIT_ISA_VMX, 48));
	assert_true(chooses("0X400", EXIT_ISA_SVM, 0x400));
	assert_true(chooses("010", EXIT_ISA_VMX, 10));
	assert_true(chooses("UNKNOWN_0x7777", EXIT_ISA_SVM, 0x7777));
	assert_true(chooses("0xffffffff", EXIT_ISA_SVM, 0xffffffff));
	assert_true(chooses("33", EXIT_ISA_VMX, 0x80000021));
	assert_true(chooses("INVALID_STATE", EXIT_ISA_VMX, 0x80000021));
	assert_false(chooses("0x80000021", EXIT_ISA_VMX, 33));
	assert_true(chooses("0x80000021", EXIT_ISA_VMX, 0x80000021));
	assert_false(chooses("1", EXIT_ISA_SVM, 0x80000001));
}

static void what_is_no_reason_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",	"i",  "iox",	     "EPT",   "-1",  "+1", "0x",	   "0x100000000", "4294967296",
		"1 ",	" 1", "UNKNOWN_",    "1e3",   "0xg", "io ", "99999999999999999999", "h\303\244lt",
	};
	struct exit_filter f = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(exit_filter__add(&f, wrong[i]), -ENOENT);
	assert_int_equal(f.nr, 0);
	assert_false(exit_filter__match(&f, EXIT_ISA_VMX, 30));
	assert_true(exit_filter__match(NULL, EXIT_ISA_VMX, 30));
	exit_filter__free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_chooses_its_code),
		cmocka_unit_test(a_word_means_the_same_on_both_vendors),
		cmocka_unit_test(codes_may_be_given_as_numbers),
		cmocka_unit_test(what_is_no_reason_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
