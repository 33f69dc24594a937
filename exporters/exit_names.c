/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exit_names.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "exit_stats.h"
#include "strbuf.h"

#define ARRAY_SIZE(a)      (sizeof(a) / sizeof((a)[0]))

#define VMX_BASIC_REASON   0xffffu
#define VMX_FAILED_VMENTRY 0x80000000u
#define VMX_HLT            12
#define SVM_HLT            0x78
#define SVM_IDLE_HLT       0xa6

struct code_name {
	uint32_t code;
	const char *name;
};

#define X(code, name) { code, name },
static const struct code_name vmx_reasons[] = {
#include "exit_vmx.inc"
};

static const struct code_name svm_reasons[] = {
#include "exit_svm.inc"
};
#undef X

struct range_name {
	uint64_t first;
	uint64_t last;
	const char *name;
};

/* Devices of a PC and of QEMU. Source: Linux /proc/ioports; QEMU docs/specs (fw_cfg, isa-debug-exit). */
static const struct range_name pc_ports[] = {
	{ 0x20, 0x21, "PIC" },
	{ 0x40, 0x43, "PIT" },
	{ 0x60, 0x60, "keyboard" },
	{ 0x61, 0x61, "system control" },
	{ 0x64, 0x64, "keyboard" },
	{ 0x70, 0x71, "RTC" },
	{ 0x80, 0x80, "POST" },
	{ 0x92, 0x92, "A20" },
	{ 0xa0, 0xa1, "PIC" },
	{ 0xe9, 0xe9, "debug console" },
	{ 0xf4, 0xf4, "isa-debug-exit" },
	{ 0x2e8, 0x2ef, "COM4" },
	{ 0x2f8, 0x2ff, "COM2" },
	{ 0x3b0, 0x3df, "VGA" },
	{ 0x3e8, 0x3ef, "COM3" },
	{ 0x3f8, 0x3ff, "COM1" },
	{ 0x402, 0x402, "debug console" },
	{ 0x501, 0x501, "isa-debug-exit" },
	{ 0x510, 0x511, "fw_cfg" },
	{ 0x514, 0x51b, "fw_cfg DMA" },
	{ 0x600, 0x60b, "ACPI PM" },
	{ 0xcf8, 0xcfb, "PCI config" },
	{ 0xcfc, 0xcff, "PCI config" },
};

/* Hypercalls of Solo5's hvt tender. Source: Solo5 include/hvt_abi.h. */
static const struct range_name solo5_ports[] = {
	{ 0x501, 0x501, "Solo5 walltime" },   { 0x502, 0x502, "Solo5 puts" },
	{ 0x503, 0x503, "Solo5 poll" },       { 0x504, 0x504, "Solo5 block_write" },
	{ 0x505, 0x505, "Solo5 block_read" }, { 0x506, 0x506, "Solo5 net_write" },
	{ 0x507, 0x507, "Solo5 net_read" },   { 0x508, 0x508, "Solo5 halt" },
	{ 0x600, 0x600, "Solo5 ring kick" },
};

static const struct range_name mmio_areas[] = {
	{ 0xa0000, 0xbffff, "VGA" },
	{ 0xfeb00000, 0xfeb02fff, "virtio-mmio" }, /* QEMU's microvm: 24 of 512 bytes */
	{ 0xfec00000, 0xfec00fff, "IOAPIC" },
	{ 0xfed00000, 0xfed003ff, "HPET" },
	{ 0xfee00000, 0xfee00fff, "LAPIC" },
};

/* Source: Intel SDM volume 4; Linux asm/msr-index.h and uapi asm/kvm_para.h. */
static const struct range_name msrs[] = {
	{ 0x10, 0x10, "TSC" },
	{ 0x11, 0x11, "KVM_WALL_CLOCK" },
	{ 0x12, 0x12, "KVM_SYSTEM_TIME" },
	{ 0x1b, 0x1b, "APIC_BASE" },
	{ 0x3b, 0x3b, "TSC_ADJUST" },
	{ 0x48, 0x48, "SPEC_CTRL" },
	{ 0x49, 0x49, "PRED_CMD" },
	{ 0x8b, 0x8b, "UCODE_REV" },
	{ 0x174, 0x174, "SYSENTER_CS" },
	{ 0x175, 0x175, "SYSENTER_ESP" },
	{ 0x176, 0x176, "SYSENTER_EIP" },
	{ 0x1a0, 0x1a0, "MISC_ENABLE" },
	{ 0x277, 0x277, "PAT" },
	{ 0x6e0, 0x6e0, "TSC_DEADLINE" },
	{ 0x80b, 0x80b, "x2APIC EOI" },
	{ 0x830, 0x830, "x2APIC ICR" },
	{ 0x838, 0x838, "x2APIC TMICT" },
	{ 0x83f, 0x83f, "x2APIC SELF_IPI" },
	{ 0x800, 0x83f, "x2APIC" }, /* the rest: the first match counts */
	{ 0x4b564d00, 0x4b564d00, "KVM_WALL_CLOCK_NEW" },
	{ 0x4b564d01, 0x4b564d01, "KVM_SYSTEM_TIME_NEW" },
	{ 0x4b564d02, 0x4b564d02, "KVM_ASYNC_PF_EN" },
	{ 0x4b564d03, 0x4b564d03, "KVM_STEAL_TIME" },
	{ 0x4b564d04, 0x4b564d04, "KVM_PV_EOI_EN" },
	{ 0x4b564d05, 0x4b564d05, "KVM_POLL_CONTROL" },
	{ 0x4b564d06, 0x4b564d06, "KVM_ASYNC_PF_INT" },
	{ 0x4b564d07, 0x4b564d07, "KVM_ASYNC_PF_ACK" },
	{ 0x4b564d08, 0x4b564d08, "KVM_MIGRATION_CONTROL" },
	{ 0xc0000080, 0xc0000080, "EFER" },
	{ 0xc0000081, 0xc0000081, "STAR" },
	{ 0xc0000082, 0xc0000082, "LSTAR" },
	{ 0xc0000084, 0xc0000084, "SYSCALL_MASK" },
	{ 0xc0000100, 0xc0000100, "FS_BASE" },
	{ 0xc0000101, 0xc0000101, "GS_BASE" },
	{ 0xc0000102, 0xc0000102, "KERNEL_GS_BASE" },
	{ 0xc0000103, 0xc0000103, "TSC_AUX" },
};

/* Source: Linux uapi linux/kvm_para.h, KVM_HC_*. */
static const struct range_name hypercalls[] = {
	{ 1, 1, "VAPIC_POLL_IRQ" }, { 2, 2, "MMU_OP" },          { 3, 3, "FEATURES" },
	{ 5, 5, "KICK_CPU" },       { 9, 9, "CLOCK_PAIRING" },   { 10, 10, "SEND_IPI" },
	{ 11, 11, "SCHED_YIELD" },  { 12, 12, "MAP_GPA_RANGE" },
};

static const struct {
	const char *kind;
	const char *verb;
} details[EXIT_NR_DETAILS] = {
	[EXIT_DETAIL_NONE] = { "", "" },
	[EXIT_DETAIL_PIO_IN] = { "pio_in", "in" },
	[EXIT_DETAIL_PIO_OUT] = { "pio_out", "out" },
	[EXIT_DETAIL_MMIO_READ] = { "mmio_read", "MMIO read" },
	[EXIT_DETAIL_MMIO_WRITE] = { "mmio_write", "MMIO write" },
	[EXIT_DETAIL_MSR_READ] = { "msr_read", "rdmsr" },
	[EXIT_DETAIL_MSR_WRITE] = { "msr_write", "wrmsr" },
	[EXIT_DETAIL_HYPERCALL] = { "hypercall", "hypercall" },
	[EXIT_DETAIL_PAGE_FAULT] = { "page_fault", "fault in 2 MiB at" },
};

static const char *by_code(const struct code_name *table, size_t nr, uint32_t code)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (table[i].code == code)
			return table[i].name;
	return NULL;
}

static const char *by_value(const struct range_name *table, size_t nr, uint64_t value)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (value >= table[i].first && value <= table[i].last)
			return table[i].name;
	return NULL;
}

void exit_names__reason(struct strbuf *out, uint32_t isa, uint32_t reason)
{
	uint32_t code = reason, flags = 0;
	const char *name = NULL;

	if (isa == EXIT_ISA_VMX) {
		code = reason & VMX_BASIC_REASON;
		flags = reason & ~VMX_BASIC_REASON;
		name = by_code(vmx_reasons, ARRAY_SIZE(vmx_reasons), code);
	} else if (isa == EXIT_ISA_SVM) {
		name = by_code(svm_reasons, ARRAY_SIZE(svm_reasons), code);
	}
	if (name)
		strbuf__puts(out, name);
	else
		strbuf__printf(out, "UNKNOWN_0x%" PRIx32, code);
	if (flags & VMX_FAILED_VMENTRY)
		strbuf__puts(out, " FAILED_VMENTRY");
	flags &= ~VMX_FAILED_VMENTRY;
	if (flags)
		strbuf__printf(out, " 0x%" PRIx32, flags);
}

const char *exit_names__nth(uint32_t isa, size_t i, uint32_t *reason)
{
	const struct code_name *table = isa == EXIT_ISA_VMX ? vmx_reasons : svm_reasons;
	size_t nr = 0;

	if (isa == EXIT_ISA_VMX)
		nr = ARRAY_SIZE(vmx_reasons);
	else if (isa == EXIT_ISA_SVM)
		nr = ARRAY_SIZE(svm_reasons);
	if (i >= nr)
		return NULL;
	if (reason)
		*reason = table[i].code;
	return table[i].name;
}

bool exit_names__is_idle(uint32_t isa, uint32_t reason)
{
	if (isa == EXIT_ISA_VMX)
		return reason == VMX_HLT; /* with a flag the guest did not even run */
	return isa == EXIT_ISA_SVM && (reason == SVM_HLT || reason == SVM_IDLE_HLT);
}

static bool is_solo5(const char *vmm)
{
	return vmm && (strstr(vmm, "solo5") || strstr(vmm, "hvt"));
}

static const char *value_name(const char *vmm, uint32_t detail, uint64_t value)
{
	const char *name = NULL;

	switch (detail) {
	case EXIT_DETAIL_PIO_IN:
	case EXIT_DETAIL_PIO_OUT:
		if (is_solo5(vmm))
			name = by_value(solo5_ports, ARRAY_SIZE(solo5_ports), value);
		return name ? name : by_value(pc_ports, ARRAY_SIZE(pc_ports), value);
	case EXIT_DETAIL_MMIO_READ:
	case EXIT_DETAIL_MMIO_WRITE:
		return by_value(mmio_areas, ARRAY_SIZE(mmio_areas), value);
	case EXIT_DETAIL_MSR_READ:
	case EXIT_DETAIL_MSR_WRITE:
		return by_value(msrs, ARRAY_SIZE(msrs), value);
	case EXIT_DETAIL_HYPERCALL:
		return by_value(hypercalls, ARRAY_SIZE(hypercalls), value);
	}
	return NULL;
}

void exit_names__detail(struct strbuf *out, const char *vmm, uint32_t detail, uint64_t value)
{
	const char *name = value_name(vmm, detail, value);

	if (detail == EXIT_DETAIL_NONE)
		return;
	if (detail >= EXIT_NR_DETAILS)
		strbuf__printf(out, "detail %" PRIu32 " 0x%" PRIx64, detail, value);
	else if (detail == EXIT_DETAIL_HYPERCALL)
		strbuf__printf(out, "hypercall %" PRIu64, value);
	else
		strbuf__printf(out, "%s 0x%" PRIx64, details[detail].verb, value);
	if (name)
		strbuf__printf(out, " (%s)", name);
}

const char *exit_names__detail_kind(uint32_t detail)
{
	return detail < EXIT_NR_DETAILS ? details[detail].kind : "unknown";
}
