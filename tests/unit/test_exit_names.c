/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "exit_names.h"
#include "exit_stats.h"
#include "strbuf.h"

static void assert_reason(uint32_t isa, uint32_t reason, const char *want)
{
	struct strbuf sb = { 0 };

	exit_names__reason(&sb, isa, reason);
	assert_string_equal(strbuf__str(&sb), want);
	strbuf__free(&sb);
}

static void assert_detail(const char *vmm, uint32_t detail, uint64_t value, const char *want)
{
	struct strbuf sb = { 0 };

	exit_names__detail(&sb, vmm, detail, value);
	assert_string_equal(strbuf__str(&sb), want);
	strbuf__free(&sb);
}

static void reasons_are_spelled_as_the_kernel_does(void **state)
{
	(void)state;
	assert_reason(EXIT_ISA_VMX, 0, "EXCEPTION_NMI");
	assert_reason(EXIT_ISA_VMX, 12, "HLT");
	assert_reason(EXIT_ISA_VMX, 30, "IO_INSTRUCTION");
	assert_reason(EXIT_ISA_VMX, 48, "EPT_VIOLATION");
	assert_reason(EXIT_ISA_VMX, 52, "PREEMPTION_TIMER");
	assert_reason(EXIT_ISA_VMX, 85, "MSR_WRITE_IMM");
	assert_reason(EXIT_ISA_SVM, 0, "read_cr0");
	assert_reason(EXIT_ISA_SVM, 0x4e, "PF excp");
	assert_reason(EXIT_ISA_SVM, 0x60, "interrupt");
	assert_reason(EXIT_ISA_SVM, 0x78, "hlt");
	assert_reason(EXIT_ISA_SVM, 0x7b, "io");
	assert_reason(EXIT_ISA_SVM, 0x7c, "msr");
	assert_reason(EXIT_ISA_SVM, 0x400, "npf");
	assert_reason(EXIT_ISA_SVM, 0x401, "avic_incomplete_ipi");
	assert_reason(EXIT_ISA_SVM, 0x80000001, "vmgexit_mmio_read");
	assert_reason(EXIT_ISA_SVM, 0xffffffff, "invalid_guest_state");
}

static void unknown_reasons_keep_their_number(void **state)
{
	(void)state;
	assert_reason(EXIT_ISA_VMX, 0x4c, "UNKNOWN_0x4c");
	assert_reason(EXIT_ISA_VMX, 0xffff, "UNKNOWN_0xffff");
	assert_reason(EXIT_ISA_SVM, 0x8000ffff, "UNKNOWN_0x8000ffff");
	assert_reason(EXIT_ISA_UNKNOWN, 12, "UNKNOWN_0xc");
	assert_reason(3, 0x80000021, "UNKNOWN_0x80000021");
}

static void flags_of_vmx_follow_the_reason(void **state)
{
	(void)state;
	assert_reason(EXIT_ISA_VMX, 0x80000021, "INVALID_STATE FAILED_VMENTRY");
	assert_reason(EXIT_ISA_VMX, 0x8000ffff, "UNKNOWN_0xffff FAILED_VMENTRY");
	assert_reason(EXIT_ISA_VMX, 0x0800000a, "CPUID 0x8000000");
	assert_reason(EXIT_ISA_VMX, 0x8800000a, "CPUID FAILED_VMENTRY 0x8000000");
}

static void only_hlt_is_idle(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 0x500; i++) {
		assert_int_equal(exit_names__is_idle(EXIT_ISA_VMX, i), i == 12);
		assert_int_equal(exit_names__is_idle(EXIT_ISA_SVM, i), i == 0x78 || i == 0xa6);
		assert_false(exit_names__is_idle(EXIT_ISA_UNKNOWN, i));
	}
	assert_false(exit_names__is_idle(EXIT_ISA_VMX, 0x8000000c));
}

static void details_are_told(void **state)
{
	(void)state;
	assert_detail(NULL, EXIT_DETAIL_NONE, 5, "");
	assert_detail("qemu-system-x86_64", EXIT_DETAIL_PIO_OUT, 0x3f8, "out 0x3f8 (COM1)");
	assert_detail("qemu-system-x86_64", EXIT_DETAIL_PIO_IN, 0x3fd, "in 0x3fd (COM1)");
	assert_detail(NULL, EXIT_DETAIL_PIO_IN, 0x71, "in 0x71 (RTC)");
	assert_detail(NULL, EXIT_DETAIL_PIO_OUT, 0xcf8, "out 0xcf8 (PCI config)");
	assert_detail(NULL, EXIT_DETAIL_PIO_OUT, 0x1234, "out 0x1234");
	assert_detail(NULL, EXIT_DETAIL_MMIO_WRITE, 0xfee000b0, "MMIO write 0xfee000b0 (LAPIC)");
	assert_detail(NULL, EXIT_DETAIL_MMIO_READ, 0xfeb00000,
		      "MMIO read 0xfeb00000 (virtio-mmio)");
	assert_detail(NULL, EXIT_DETAIL_MMIO_READ, UINT64_MAX, "MMIO read 0xffffffffffffffff");
	assert_detail(NULL, EXIT_DETAIL_MSR_READ, 0x10, "rdmsr 0x10 (TSC)");
	assert_detail(NULL, EXIT_DETAIL_MSR_WRITE, 0x6e0, "wrmsr 0x6e0 (TSC_DEADLINE)");
	assert_detail(NULL, EXIT_DETAIL_MSR_WRITE, 0x830, "wrmsr 0x830 (x2APIC ICR)");
	assert_detail(NULL, EXIT_DETAIL_MSR_WRITE, 0x80d, "wrmsr 0x80d (x2APIC)");
	assert_detail(NULL, EXIT_DETAIL_MSR_WRITE, 0x840, "wrmsr 0x840");
	assert_detail(NULL, EXIT_DETAIL_MSR_WRITE, 0x4b564d01,
		      "wrmsr 0x4b564d01 (KVM_SYSTEM_TIME_NEW)");
	assert_detail(NULL, EXIT_DETAIL_HYPERCALL, 10, "hypercall 10 (SEND_IPI)");
	assert_detail(NULL, EXIT_DETAIL_HYPERCALL, 99, "hypercall 99");
	assert_detail(NULL, EXIT_DETAIL_PAGE_FAULT, 0x200000, "fault in 2 MiB at 0x200000");
	assert_detail(NULL, 77, 1, "detail 77 0x1");
	assert_string_equal(exit_names__detail_kind(EXIT_DETAIL_NONE), "");
	assert_string_equal(exit_names__detail_kind(EXIT_DETAIL_MSR_WRITE), "msr_write");
	assert_string_equal(exit_names__detail_kind(77), "unknown");
}

/* Port 0x501 is a hypercall for one VMM and a device of another. */
static void ports_depend_on_the_vmm(void **state)
{
	(void)state;
	assert_detail("qemu-system-x86_64", EXIT_DETAIL_PIO_OUT, 0x501,
		      "out 0x501 (isa-debug-exit)");
	assert_detail("solo5-hvt", EXIT_DETAIL_PIO_OUT, 0x501, "out 0x501 (Solo5 walltime)");
	assert_detail("solo5-hvt", EXIT_DETAIL_PIO_OUT, 0x507, "out 0x507 (Solo5 net_read)");
	assert_detail("solo5-hvt", EXIT_DETAIL_PIO_OUT, 0x600, "out 0x600 (Solo5 ring kick)");
	assert_detail("solo5-hvt", EXIT_DETAIL_PIO_OUT, 0x3f8, "out 0x3f8 (COM1)");
	assert_detail("qemu-system-x86_64", EXIT_DETAIL_PIO_OUT, 0x604, "out 0x604 (ACPI PM)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reasons_are_spelled_as_the_kernel_does),
		cmocka_unit_test(unknown_reasons_keep_their_number),
		cmocka_unit_test(flags_of_vmx_follow_the_reason),
		cmocka_unit_test(only_hlt_is_idle),
		cmocka_unit_test(details_are_told),
		cmocka_unit_test(ports_depend_on_the_vmm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
