/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_abi.h - what ukvmm and the test guests agree on.
 *
 * Read by the VMM (C, Linux), by the guests (C, freestanding) and by their boot code (assembler), so
 * constants are plain #defines and the structures use explicit sizes.
 *
 * Entry, 64-bit, at e_entry (both from ukvmm and from the guests' own PVH stub):
 *	RDI = address of struct boot_info, RSI = vCPU id, RBP = 0, RSP = top of this vCPU's own stack
 *	with a return address of 0 pushed, RFLAGS.IF set by ukvmm, paging on (identity; see
 *	boot_info.linear), no IDT. All vCPUs enter at the same address.
 *
 * Everything the host reads from these pages is written by the guest: the VMM checks it. It writes nothing there itself but
 * oracle.batches_allowed.
 */
#ifndef GUEST_GUEST_ABI_H
#define GUEST_GUEST_ABI_H

/* I/O ports */
#define PORT_CONSOLE 0xe9  /* out byte: one character of console output */
#define PORT_SERIAL  0x3f8 /* used besides PORT_CONSOLE when the VMM is not ukvmm */
#define PORT_EXIT    0xf4  /* out byte: end the VM; ukvmm exits with this status */
#define PORT_DISCARD 0xf5  /* out byte: ukvmm gives the pages of the fault area back to its host */
#define PORT_TEST    0xe4  /* what the `exits` guest reads and writes; means nothing */

/* Guest physical addresses */
#define GPA_TRAMPOLINE 0x5000 /* real-mode start of further vCPUs, only when booted by PVH */
#define GPA_BOOT_INFO  0x6000 /* ukvmm only; PVH boots keep it in the image */
#define GPA_ARGS       0x7000 /* ukvmm only: arguments joined by blanks, NUL-terminated, one page */
#define GPA_ORACLE     0x8000 /* struct oracle, two pages; the same under every VMM */
#define GPA_TABLES     0x10000 /* ukvmm's page tables, up to GPA_TABLES_END, then from the top of RAM */
#define GPA_TABLES_END 0x9f000
#define GPA_IMAGE_MIN  0x100000   /* images start here or above */
#define GPA_MMIO       0xfedf0000 /* backed by nothing, mapped: each access is an MMIO exit */
#define GPA_FAULT_AREA \
	0x1000000 /* `exits` and `hostile`: fresh pages; ends with the first RAM slot */

#define GUEST_MAX_VCPUS  16
#define GUEST_STACK_SIZE 0x10000

#define BOOT_INFO_MAGIC  0x746f6f626b75     /* "ukboot" */
#define ORACLE_MAGIC     0x656c6361726f6b75 /* "ukoracle" */

/* boot_info.flags */
#define BOOT_UKVMM          1 /* the VMM is ukvmm: no serial port, exit port works, discard port works */
#define BOOT_IRQCHIP        2 /* there is a local APIC at 0xfee00000 */

#define ORACLE_MAX_COUNTERS 32
#define ORACLE_NAME_LEN     16

#ifndef __ASSEMBLER__

struct boot_info {
	unsigned long long magic;
	unsigned int flags; /* BOOT_* */
	unsigned int nr_vcpus;
	unsigned long long ram_size; /* bytes of RAM that start at GPA 0 */
	unsigned long long ram2_gpa; /* second piece of RAM, 0 if there is none */
	unsigned long long ram2_size;
	unsigned long long args;      /* GPA of the argument string */
	unsigned long long page_size; /* of the identity map: 4 KiB, 2 MiB or 1 GiB */
	unsigned long long linear;    /* virtual = physical + linear is mapped too, 0 if not */
	unsigned long long tsc_khz;   /* 0 if unknown */
};

/*
 * The guest names its counters once and then only adds to values[vcpu][i]. ukvmm writes them to the
 * --stats file as "vcpuN.NAME VALUE"; under QEMU read GPA_ORACLE with the monitor.
 */
struct oracle {
	unsigned long long magic;
	unsigned int nr_counters;
	unsigned int nr_vcpus;
	unsigned int ready; /* 1 once every vCPU is in its main loop */
	unsigned int batches_allowed; /* by the VMM: how often SIGHUP has reached ukvmm */
	char guest[24];
	char names[ORACLE_MAX_COUNTERS][ORACLE_NAME_LEN]; /* NUL-terminated */
	unsigned char pad[4096 - 48 - ORACLE_MAX_COUNTERS * ORACLE_NAME_LEN];
	unsigned long long values[GUEST_MAX_VCPUS][ORACLE_MAX_COUNTERS];
};

_Static_assert(sizeof(struct boot_info) == 72, "boot_info size");
_Static_assert(sizeof(struct oracle) == 8192, "oracle is two pages");

#endif /* __ASSEMBLER__ */
#endif /* GUEST_GUEST_ABI_H */
