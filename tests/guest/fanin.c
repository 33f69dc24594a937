// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fanin.c - one hot leaf with three callers, right above it or below 24 or 120 frames of recursion: 1/2, 3/10 and
 * 1/5 of the time. fanin.expect has the stacks.
 *
 * Built by two compilers at three levels, with and without frame pointers (fanin-COMPILER-LEVEL-fp|nofp): whatever code
 * comes of it, the shares are the same. What is outside the spin loop is under 1 % of the instructions.
 *
 * Arguments: scale=N  iterations of the shortest call, average (default 12000)
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

FRAME static void hot(uint64_t n)
{
	spin(n);
}

/* rec_N(N, n) makes N frames of rec_N, then hot spins n times. */
#define RECURSE(depth)                                                 \
	FRAME static void rec_##depth(unsigned int levels, uint64_t n) \
	{                                                              \
		if (levels > 1)                                        \
			rec_##depth(levels - 1, n);                    \
		else                                                   \
			hot(n);                                        \
		KEEP_FRAME();                                          \
	}

RECURSE(24)
RECURSE(120)

FRAME static void by_half(uint64_t n, uint64_t *count)
{
	hot(n * 5);
	count[BY_HALF] += n * 5;
}

FRAME static void by_third(uint64_t n, uint64_t *count)
{
	rec_24(24, n * 3);
	count[BY_THIRD] += n * 3;
}

FRAME static void by_fifth(uint64_t n, uint64_t *count)
{
	rec_120(120, n * 2);
	count[BY_FIFTH] += n * 2;
}

/* Every round has the shares. Each has another length, and another order, or it falls into step with a slow sampler. */
static inline __attribute__((always_inline)) void run_round(uint64_t n, uint64_t order, uint64_t *count)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		switch ((i * (order & 1 ? 1 : 2) + order / 2) % 3) {
		case 0:
			by_half(n, count);
			break;
		case 1:
			by_third(n, count);
			break;
		default:
			by_fifth(n, count);
		}
	}
	count[ROUNDS]++;
}

static inline __attribute__((always_inline)) void run(unsigned long vcpu)
{
	uint64_t *count = (uint64_t *)oracle()->values[vcpu];
	uint64_t scale = arg_number("scale", 12000), rounds = arg_number("rounds", 0);
	uint64_t seed = 88172645463325252 + vcpu;
	unsigned int r;
	uint64_t n;

	if (scale < 8)
		scale = 8;
	guest_ready("fanin", names, vcpu);
	for (r = 0; vcpu || !rounds || r < rounds; r++) {
		n = scale - scale / 4 + next_random(&seed) % (scale / 2);
		run_round(n, next_random(&seed) >> 32, count);
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
