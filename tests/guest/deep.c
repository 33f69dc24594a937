// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * deep.c - known shares of time at the bottom of deep recursion: 24, 120 and 220 frames.
 *
 * Half of the time in hot_24, a quarter each in hot_120 and hot_220. Going down and up costs 0.2 % of
 * the instructions at the default scale. deep.expect has the stacks.
 *
 * Arguments: scale=N  iterations at the bottom of rec_120 and of rec_220 (default 200000)
 *	      only=N   one of 24, 120 and 220: stay at this depth (default: all three); any other: so many of rec_24
 *	      rounds=N vCPU 0 prints the counters and ends the guest after N rounds (default: never)
 */
#include "guest.h"

enum {
	ROUNDS,
	HOT_24,
	HOT_120,
	HOT_220
};
static const char *const names[] = { "rounds", "hot_24", "hot_120", "hot_220", NULL };

#define KEEP_FRAME() asm volatile("")

FRAME static void hot_24(uint64_t n)
{
	spin(n);
}

FRAME static void hot_120(uint64_t n)
{
	spin(n);
}

FRAME static void hot_220(uint64_t n)
{
	spin(n);
}

/* rec_N(N, n) makes N frames of rec_N, then hot_N spins n times. */
#define RECURSE(depth)                                                 \
	FRAME static void rec_##depth(unsigned int levels, uint64_t n) \
	{                                                              \
		if (levels > 1)                                        \
			rec_##depth(levels - 1, n);                    \
		else                                                   \
			hot_##depth(n);                                \
		KEEP_FRAME();                                          \
	}

RECURSE(24)
RECURSE(120)
RECURSE(220)

static inline __attribute__((always_inline)) void run(unsigned long vcpu)
{
	uint64_t *count = (uint64_t *)oracle()->values[vcpu];
	uint64_t scale = arg_number("scale", 200000), rounds = arg_number("rounds", 0);
	uint64_t only = arg_number("only", 0);
	uint64_t seed = 88172645463325252 + vcpu;
	uint64_t n, start;
	unsigned int r;

	if (scale < 8)
		scale = 8;
	guest_ready("deep", names, vcpu);
	start = rdtsc();
	for (r = 0; vcpu || !rounds || r < rounds; r++) {
		/*
		 * Every round has the shares. Lengths are independent: pairs that sum up to the same would keep in step
		 * with a sampling clock of their period.
		 */
		n = scale - scale / 4 + next_random(&seed) % (scale / 2);
		if (!only || only == 24) {
			rec_24(24, n * 2);
			count[HOT_24] += n * 2;
		}
		if (!only || only == 120) {
			rec_120(120, n);
			count[HOT_120] += n;
		}
		if (!only || only == 220) {
			rec_220(220, n);
			count[HOT_220] += n;
		}
		if (only && only != 24 && only != 120 && only != 220)
			rec_24(only, n);
		count[ROUNDS]++;
	}
	start = rdtsc() - start;
	print_counters();
	puts_raw("cycles ");
	put_number(start);
	puts_raw("\n");
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
