// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pair.c - a kernel that loads a second image, far away, and calls it: as OSv with its application.
 *
 * pair_app.c is in this image as a whole ELF file. Its segments are copied to a room of 2 MiB, which the guest's own
 * page tables then show at APP_BASE. The application is position independent and has a file of its own; the kernel's
 * symbols say nothing of it. pair.expect has the stacks and shares.
 *
 * With ring=3 the application runs as Nanos's program does, with no right to the kernel's pages and a stack of its own:
 * pair-user.expect. IRET and SYSCALL are the way there and back, of which KVM's instruction emulator knows the second
 * one only: where that runs the guest there is no ring 3.
 *
 * Arguments: ring=3
 *	      scale=N  iterations of the shortest leaf, average (default 8000)
 *	      rounds=N vCPU 0 prints the counters and ends the guest after N rounds (default: never)
 */
#include "guest.h"

#include <elf.h>

#include "pair.h"

#define PTE_FLAGS 7ul /* present, writable, for ring 3, too */
#define PTE_PS	  0x80ul
#define ROOM	  0x200000ul

#define MSR_EFER	0xc0000080
#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define EFER_SCE	1ul

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

/* Code and data of the kernel, where SYSCALL finds them, and of ring 3. */
static uint64_t own_gdt[] __attribute__((aligned(16))) = {
	0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0, 0, 0x00affb000000ffff, 0x00cff3000000ffff,
};

uint64_t kernel_rsp;
void run_user(uint64_t n, uint64_t ring, app_entry entry, uint64_t rsp);
void back_from_user(void);
asm(".text\n"
    ".type run_user, @function\n"
    "run_user:\n"
    "	push %rbp\n"
    "	push %rbx\n"
    "	push %r12\n"
    "	push %r13\n"
    "	push %r14\n"
    "	push %r15\n"
    "	mov %rsp, kernel_rsp(%rip)\n"
    "	push $0x33\n"
    "	push %rcx\n"
    "	pushfq\n"
    "	push $0x2b\n"
    "	push %rdx\n"
    "	iretq\n"
    "back_from_user:\n"
    "	mov kernel_rsp(%rip), %rsp\n"
    "	pop %r15\n"
    "	pop %r14\n"
    "	pop %r13\n"
    "	pop %r12\n"
    "	pop %rbx\n"
    "	pop %rbp\n"
    "	ret\n"
    ".size run_user, . - run_user\n");

static void wrmsr(uint32_t msr, uint64_t v)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

static uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static void prepare_user(void)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} gdtr = { sizeof(own_gdt) - 1, (uint64_t)own_gdt };

	asm volatile("lgdt %0" : : "m"(gdtr));
	wrmsr(MSR_STAR, 8ul << 32);
	wrmsr(MSR_LSTAR, (uint64_t)back_from_user);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
}

FRAME static void call_app(app_entry entry, uint64_t n, uint64_t ring)
{
	if (ring)
		run_user(n, ring, entry, APP_BASE + ROOM - 64);
	else
		entry(n, 0);
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
	uint64_t ring = arg_number("ring", 0);

	(void)bi;
	if (ring)
		prepare_user();
	guest_ready("pair", names, vcpu);
	while (!rounds || count[0] < rounds) {
		n = scale - scale / 4 + next_random(&seed) % (scale / 2 + 1);
		kernel_work(n * 3);
		call_app(entry, n, ring);
		count[0]++;
	}
	print_counters();
	guest_exit(0);
}
