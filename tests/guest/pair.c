// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pair.c - a kernel that loads a second image, far away, and calls it: as OSv with its application.
 *
 * pair_app.c is in this image as a whole ELF file. Its segments are copied to a room of 2 MiB, which the guest's own
 * page tables then show at APP_BASE. The application is position independent and has a file of its own; the kernel's
 * symbols say nothing of it. pair.expect has the stacks and shares.
 *
 * Arguments: scale=N  iterations of the shortest leaf, average (default 8000)
 *	      rounds=N vCPU 0 prints the counters and ends the guest after N rounds (default: never)
 */
#include "guest.h"

#include <elf.h>

#include "pair.h"

#define PTE_FLAGS 3ul /* present, writable */
#define PTE_PS	  0x80ul
#define ROOM	  0x200000ul

static const char *const names[] = { "rounds", NULL };

/* The application's file: see the Makefile. */
asm(".section .rodata\n"
    ".balign 16\n"
    "app_file: .incbin \"" APP_FILE "\"\n"
    ".text\n");
extern const char app_file[];

static uint8_t room[ROOM] __attribute__((aligned(ROOM)));
static uint64_t pdpt[512] __attribute__((aligned(4096)));
static uint64_t pd[512] __attribute__((aligned(4096)));

static app_entry load_app(void)
{
	const Elf64_Ehdr *eh = (const void *)app_file;
	const Elf64_Phdr *ph = (const void *)(app_file + eh->e_phoff);
	uint64_t *pml4;
	uint64_t cr3;
	int i;

	for (i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		if (ph[i].p_vaddr + ph[i].p_memsz > ROOM)
			fatal("the application does not fit");
		memcpy(room + ph[i].p_vaddr, app_file + ph[i].p_offset, ph[i].p_filesz);
	}
	asm volatile("mov %%cr3, %0" : "=r"(cr3));
	pml4 = (uint64_t *)(cr3 & ~4095ul);
	pd[APP_BASE >> 21 & 511] = (uint64_t)room | PTE_FLAGS | PTE_PS;
	pdpt[APP_BASE >> 30 & 511] = (uint64_t)pd | PTE_FLAGS;
	pml4[APP_BASE >> 39 & 511] = (uint64_t)pdpt | PTE_FLAGS;
	return (app_entry)(APP_BASE + eh->e_entry);
}

FRAME static void hot_kernel(uint64_t n)
{
	spin(n);
}

FRAME static void kernel_work(uint64_t n)
{
	hot_kernel(n);
	asm volatile("");
}

FRAME static void call_app(app_entry entry, uint64_t n)
{
	entry(n);
	asm volatile("");
}

void ap_main(struct boot_info *bi, unsigned long vcpu)
{
	(void)bi;
	guest_ready("pair", names, vcpu);
	for (;;)
		asm volatile("hlt");
}

void kmain(struct boot_info *bi, unsigned long vcpu)
{
	uint64_t *count = (uint64_t *)oracle()->values[vcpu];
	uint64_t seed = 88172645463325252, scale = arg_number("scale", 8000), rounds = arg_number("rounds", 0), n;
	app_entry entry = load_app();

	(void)bi;
	guest_ready("pair", names, vcpu);
	while (!rounds || count[0] < rounds) {
		n = scale - scale / 4 + next_random(&seed) % (scale / 2 + 1);
		kernel_work(n * 3);
		call_app(entry, n);
		count[0]++;
	}
	print_counters();
	guest_exit(0);
}
