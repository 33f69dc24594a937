// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * callers.c - one hot leaf, called by three functions for known shares of the time: 1/2, 3/10 and 1/5.
 *
 * All time is the leaf's, so who loses the leaf's caller knows nothing. Built without frame pointers and with
 * .debug_frame alone, as unikernels often are. callers.expect has the stacks and shares. What is outside the
 * spin loop is under 0.1 % of the instructions. With HOT_IN_ASM the leaf is assembler without call frame information, in
 * a build with frame pointers.
 *
 * Arguments: scale=N  iterations of the shortest call, average (default 16000)
 *	      rounds=N vCPU 0 prints the counters and ends the guest after N rounds (default: never)
 */
#include "guest.h"

enum {
	ROUNDS,
	BY_HALF,
	BY_THIRD,
	BY_FIFTH
};
static const char *const names[] = { "rounds", "by_half", "by_third", "by_fifth", NULL };

/* The empty asm after each call keeps it from becoming a jump. */
#define KEEP_FRAME() asm volatile("")

#ifdef HOT_IN_ASM
/* As the assembler of a C library: no call frame information, no frame; memmove() jumps into memcpy(). */
void hot(uint64_t n);
asm(".text\n"
    "hot_loop:\n"
    "	dec	%rdi\n"
    "	jnz	hot_loop\n"
    "	ret\n"
    ".type hot, @function\n"
    "hot:\n"
    "	test	%rdi, %rdi\n"
    "	jnz	hot_loop\n"
    "	ret\n"
    ".size hot, . - hot\n"
    ".type hot_loop, @function\n"
    ".size hot_loop, hot - hot_loop\n");
#else
FRAME static void hot(uint64_t n)
{
	spin(n);
}
#endif

FRAME static void by_half(uint64_t n, uint64_t *count)
{
	hot(n * 5);
	count[BY_HALF] += n * 5;
}

/* Two frames more, one of them large. */
FRAME static void third_inner(uint64_t n)
{
	hot(n * 3);
	KEEP_FRAME();
}

FRAME static void by_third(uint64_t n, uint64_t *count)
{
	volatile uint64_t room[100];

	room[n % 100] = n;
	third_inner(room[n % 100]);
	count[BY_THIRD] += n * 3;
}

FRAME static void by_fifth(uint64_t n, uint64_t *count)
{
	hot(n * 2);
	count[BY_FIFTH] += n * 2;
}

static inline __attribute__((always_inline)) void run(unsigned long vcpu)
{
	uint64_t *count = (uint64_t *)oracle()->values[vcpu];
	uint64_t scale = arg_number("scale", 16000), rounds = arg_number("rounds", 0);
	uint64_t seed = 88172645463325252 + vcpu;
	uint64_t n;
	unsigned int r;

	if (scale < 8)
		scale = 8;
	guest_ready("callers", names, vcpu);
	for (r = 0; vcpu || !rounds || r < rounds; r++) {
		/* Every round has the shares; lengths that are no one's multiple keep it out of step with any clock. */
		n = scale - scale / 4 + next_random(&seed) % (scale / 2);
		by_half(n, count);
		by_third(n, count);
		by_fifth(n, count);
		count[ROUNDS]++;
	}
	print_counters();
	guest_exit(0);
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
