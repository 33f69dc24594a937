// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hostile.c - guests that attack whoever looks at them from outside.
 *
 * The argument mode=NAME chooses what every vCPU does for ever, in a function hostile_NAME; RSP stays
 * valid, so that interrupts do no harm. The counter spins shows that it is alive.
 *
 *	rbp_self	 the frame's saved pointer points to the frame itself
 *	rbp_cycle2	 two frames that point to each other
 *	rbp_odd		 frame pointer not aligned
 *	rbp_mmio	 frame pointer into guest physical space without RAM
 *	rbp_noncanonical 0x8000000000000000
 *	rbp_unmapped	 canonical, but without page table
 *	rbp_wrap	 0xfffffffffffffff8: reading the frame would wrap around to 0
 *	rbp_straddle	 four bytes before the end of RAM
 *	rbp_random	 another random value about every thousand instructions
 *	pml4_loop	 a top-level entry that points to its own table; RBP goes through it
 *	pt_outside	 a top-level entry that points beyond all memory; RBP goes through it
 *	pt_mmio		 the same into MMIO space
 *	cr3_swap	 CR3 changes all the time between two equal tables
 *	long_chain	 a valid chain of frames=N frames (default 1000000, 16 bytes each)
 *	ballooned	 a frame whose caller's is in memory that the guest has given back; with ukvmm --userfault nobody
 *			 ever answers for it
 *	random_rip	 runs code at 65536 addresses without symbols
 *	race		 vCPU 0 shows a chain that the other vCPUs rewrite all the time (at least 2 vCPUs)
 */
#include "guest.h"

#define RESERVE    0x400000
#define RIP_BLOCKS 65536
#define RIP_STEP   64

static const char *const names[] = { "spins", NULL };

struct frame {
	volatile uint64_t next, ret;
};

static struct frame frames[64];
static uint64_t other_pml4[512] __attribute__((aligned(4096)));

static uint64_t read_cr3(void)
{
	uint64_t v;

	asm volatile("mov %%cr3, %0" : "=r"(v));
	return v & ~0xfffull;
}

static uint64_t canonical(unsigned int i4, unsigned int i3, unsigned int i2, unsigned int i1)
{
	uint64_t v = (uint64_t)i4 << 39 | (uint64_t)i3 << 30 | (uint64_t)i2 << 21 |
		     (uint64_t)i1 << 12;

	return i4 & 256 ? v | 0xffffull << 48 : v;
}

/* Sets RBP and stays. RAX and RDX are what the loop needs. */
#define STAY(rbp_value, count)                            \
	do {                                              \
		asm volatile("mov %1, %%rbp\n"            \
			     ".p2align 5\n"               \
			     "1:	mov $100000, %%ecx\n"    \
			     "2:	dec %%ecx\n"             \
			     "	jnz 2b\n"                  \
			     "	incq (%0)\n"               \
			     "	jmp 1b\n"                  \
			     :                            \
			     : "a"(count), "d"(rbp_value) \
			     : "rcx", "memory");          \
		__builtin_unreachable();                  \
	} while (0)

/* One function for each mode, so that a test can find it by name. */
#define HOSTILE(mode)                                                                             \
	FRAME __attribute__((noreturn)) static void hostile_##mode(uint64_t rbp, uint64_t *count) \
	{                                                                                         \
		STAY(rbp, count);                                                                 \
	}

HOSTILE(rbp_self)
HOSTILE(rbp_cycle2)
HOSTILE(rbp_odd)
HOSTILE(rbp_mmio)
HOSTILE(rbp_noncanonical)
HOSTILE(rbp_unmapped)
HOSTILE(rbp_wrap)
HOSTILE(rbp_straddle)
HOSTILE(pml4_loop)
HOSTILE(pt_outside)
HOSTILE(pt_mmio)
HOSTILE(long_chain)
HOSTILE(ballooned)
HOSTILE(race)

FRAME __attribute__((noreturn)) static void hostile_rbp_random(uint64_t *count)
{
	asm volatile("mov $0x9e3779b97f4a7c15, %%rdx\n"
		     "1:	mov %%rdx, %%rsi\n"
		     "	shl $13, %%rsi\n"
		     "	xor %%rsi, %%rdx\n"
		     "	mov %%rdx, %%rsi\n"
		     "	shr $7, %%rsi\n"
		     "	xor %%rsi, %%rdx\n"
		     "	mov %%rdx, %%rsi\n"
		     "	shl $17, %%rsi\n"
		     "	xor %%rsi, %%rdx\n"
		     "	mov %%rdx, %%rbp\n"
		     "	mov $500, %%ecx\n"
		     "2:	dec %%ecx\n"
		     "	jnz 2b\n"
		     "	incq (%0)\n"
		     "	jmp 1b\n"
		     :
		     : "a"(count)
		     : "rcx", "rdx", "rsi", "memory");
	__builtin_unreachable();
}

FRAME __attribute__((noreturn)) static void hostile_cr3_swap(uint64_t *count)
{
	uint64_t other = (uint64_t)other_pml4 - LINEAR, mine = read_cr3();

	for (;;) {
		asm volatile("mov %0, %%cr3" : : "r"(other) : "memory");
		spin(500);
		asm volatile("mov %0, %%cr3" : : "r"(mine) : "memory");
		spin(500);
		++*(volatile uint64_t *)count;
	}
}

FRAME __attribute__((noreturn)) static void hostile_random_rip(uint64_t *count)
{
	uint64_t seed = 88172645463325252;

	for (;;) {
		uint64_t to = GPA_FAULT_AREA + (next_random(&seed) % RIP_BLOCKS) * RIP_STEP;

		asm volatile("call *%0" : : "r"(to) : "rcx", "cc", "memory");
		++*(volatile uint64_t *)count;
	}
}

/* Other vCPUs of mode=race: pointers that were checked are not what is read next. */
FRAME __attribute__((noreturn)) static void scribble(uint64_t seed, uint64_t *count)
{
	for (;;) {
		uint64_t r = next_random(&seed);

		frames[r % 64].next = r & 64 ? r : (uint64_t)&frames[r >> 8 & 63];
		++*(volatile uint64_t *)count;
	}
}

/* mov $500, %ecx; 1: dec %ecx; jnz 1b; ret */
static void make_blocks(void)
{
	volatile uint64_t *p = (uint64_t *)GPA_FAULT_AREA;
	unsigned int i;

	if (boot_info->ram_size < GPA_FAULT_AREA + RIP_BLOCKS * RIP_STEP + RESERVE)
		fatal("mode=random_rip needs 32 MiB of memory");
	for (i = 0; i < RIP_BLOCKS; i++, p += RIP_STEP / 8) {
		p[0] = 0x75c9ff000001f4b9;
		p[1] = 0xc3fc;
	}
}

static void make_chain(uint64_t n)
{
	struct frame *f = (struct frame *)GPA_FAULT_AREA;
	uint64_t i, room = 0;

	if (boot_info->ram_size > GPA_FAULT_AREA + RESERVE)
		room = (boot_info->ram_size - GPA_FAULT_AREA - RESERVE) / sizeof(*f);
	if (n > room)
		n = room;
	if (!n)
		fatal("mode=long_chain needs 32 MiB of memory");
	for (i = 0; i < n; i++) {
		f[i].next = i + 1 < n ? (uint64_t)&f[i + 1] : 0;
		f[i].ret = (uint64_t)hostile_long_chain + 8;
	}
}

static void link_frames(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < 64; i++) {
		frames[i].next = (uint64_t)&frames[(i + 1) % n];
		frames[i].ret = (uint64_t)hostile_rbp_self + 8 + i % 4;
	}
}

static void give_back(void)
{
	if (boot_info->ram_size < GPA_FAULT_AREA + RESERVE || !(boot_info->flags & BOOT_UKVMM))
		fatal("mode=ballooned needs ukvmm, and 32 MiB of memory");
	frames[0].next = GPA_FAULT_AREA;
	frames[0].ret = (uint64_t)hostile_ballooned + 8;
	*(volatile uint64_t *)GPA_FAULT_AREA = GPA_FAULT_AREA + 64;
	outb(PORT_DISCARD, 0);
}

/* Everything that is shared, by vCPU 0 before the others go on. */
static void prepare(void)
{
	uint64_t *pml4 = (uint64_t *)read_cr3();
	unsigned int i;

	if (arg_is("mode", "rbp_self"))
		link_frames(1);
	else if (arg_is("mode", "rbp_cycle2"))
		link_frames(2);
	else if (arg_is("mode", "race"))
		link_frames(64);
	else if (arg_is("mode", "pml4_loop"))
		pml4[510] = read_cr3() | 3;
	else if (arg_is("mode", "pt_outside"))
		pml4[509] = 0x000ffffffffff003;
	else if (arg_is("mode", "pt_mmio"))
		pml4[508] = GPA_MMIO | 3;
	else if (arg_is("mode", "random_rip"))
		make_blocks();
	else if (arg_is("mode", "long_chain"))
		make_chain(arg_number("frames", 1000000));
	else if (arg_is("mode", "ballooned"))
		give_back();
	else if (arg_is("mode", "cr3_swap"))
		for (i = 0; i < 512; i++)
			other_pml4[i] = pml4[i];
	if (arg_is("mode", "race") && boot_info->nr_vcpus < 2)
		fatal("mode=race needs at least 2 vCPUs");
}

static inline __attribute__((always_inline)) void run(unsigned long vcpu)
{
	uint64_t *count = (uint64_t *)oracle()->values[vcpu];

	if (!vcpu)
		prepare();
	guest_ready("hostile", names, vcpu);
	if (arg_is("mode", "rbp_self"))
		hostile_rbp_self((uint64_t)&frames[0], count);
	if (arg_is("mode", "rbp_cycle2"))
		hostile_rbp_cycle2((uint64_t)&frames[1], count);
	if (arg_is("mode", "rbp_odd"))
		hostile_rbp_odd((uint64_t)&frames[0] + 3, count);
	if (arg_is("mode", "rbp_mmio"))
		hostile_rbp_mmio(GPA_MMIO, count);
	if (arg_is("mode", "rbp_noncanonical"))
		hostile_rbp_noncanonical(1ull << 63, count);
	if (arg_is("mode", "rbp_unmapped"))
		hostile_rbp_unmapped(0x7f0000000000, count);
	if (arg_is("mode", "rbp_wrap"))
		hostile_rbp_wrap(-8ull, count);
	if (arg_is("mode", "rbp_straddle"))
		hostile_rbp_straddle(boot_info->ram_size - 4, count);
	if (arg_is("mode", "rbp_random"))
		hostile_rbp_random(count);
	if (arg_is("mode", "pml4_loop"))
		hostile_pml4_loop(canonical(510, 510, 510, 510), count);
	if (arg_is("mode", "pt_outside"))
		hostile_pt_outside(canonical(509, 0, 0, 0), count);
	if (arg_is("mode", "pt_mmio"))
		hostile_pt_mmio(canonical(508, 0, 0, 0), count);
	if (arg_is("mode", "cr3_swap"))
		hostile_cr3_swap(count);
	if (arg_is("mode", "long_chain"))
		hostile_long_chain(GPA_FAULT_AREA, count);
	if (arg_is("mode", "ballooned"))
		hostile_ballooned((uint64_t)&frames[0], count);
	if (arg_is("mode", "random_rip"))
		hostile_random_rip(count);
	if (arg_is("mode", "race") && !vcpu)
		hostile_race((uint64_t)&frames[0], count);
	if (arg_is("mode", "race"))
		scribble(0x2545f4914f6cdd1d + vcpu, count);
	fatal("unknown mode=");
}

void ap_main(struct boot_info *bi, unsigned long vcpu)
{
	(void)bi;
	run(vcpu);
}

void kmain(struct boot_info *bi, unsigned long vcpu)
{
	(void)bi;
	run(vcpu);
}
