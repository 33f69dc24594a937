// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * shares.c - a guest that spends known shares of its time in named functions at known call depths.
 *
 * One round calls each worker once; the iterations of the five leaves stand in the proportion
 * 8:4:2:1:1, exactly, in every round. Rounds differ in order (the same 64
 * for ever) and in length (pseudo-random), so that no sampling period can fall into step with them. What is outside the spin loops is
 * under 0.1 % of the instructions. shares.expect has the stacks and shares.
 *
 * Arguments: scale=N  iterations of the shortest leaf, average (default 8000)
 *	      rounds=N vCPU 0 prints the counters and ends the guest after N rounds (default: never)
 */
#include "guest.h"

#define NR_ROUNDS  64
#define NR_WORKERS 5

enum {
	ROUNDS,
	HOT_A,
	HOT_B,
	HOT_C,
	HOT_D,
	HOT_E
};
static const char *const names[] = { "rounds", "hot_a", "hot_b", "hot_c", "hot_d", "hot_e", NULL };

/* One plan for all vCPUs, made by vCPU 0 before they start. */
static struct {
	uint8_t order[NR_WORKERS];
} plan[NR_ROUNDS];
static uint64_t nr_rounds;
static uint64_t round_scale;

/* The empty asm after each call keeps it from becoming a jump. */
#define KEEP_FRAME() asm volatile("")

FRAME static void hot_a(uint64_t n)
{
	spin(n);
}

FRAME static void hot_b(uint64_t n)
{
	spin(n);
}

FRAME static void hot_c(uint64_t n)
{
	spin(n);
}

FRAME static void hot_d(uint64_t n)
{
	spin(n);
}

FRAME static void hot_e(uint64_t n)
{
	spin(n);
}

FRAME static void mid_a(uint64_t n)
{
	hot_a(n);
	KEEP_FRAME();
}

FRAME static void mid2_c(uint64_t n)
{
	hot_c(n);
	KEEP_FRAME();
}

FRAME static void mid_c(uint64_t n)
{
	mid2_c(n);
	KEEP_FRAME();
}

FRAME static void worker_a(uint64_t n, uint64_t *count)
{
	mid_a(n * 8);
	count[HOT_A] += n * 8;
}

FRAME static void worker_b(uint64_t n, uint64_t *count)
{
	hot_b(n * 4);
	count[HOT_B] += n * 4;
}

FRAME static void worker_c(uint64_t n, uint64_t *count)
{
	mid_c(n * 2);
	count[HOT_C] += n * 2;
}

/* No worker between: hot_d and hot_e are called by kmain and ap_main themselves. */
static inline __attribute__((always_inline)) void run_round(unsigned int r, uint64_t n, uint64_t *count)
{
	unsigned int i;

	for (i = 0; i < NR_WORKERS; i++) {
		switch (plan[r].order[i]) {
		case HOT_A:
			worker_a(n, count);
			break;
		case HOT_B:
			worker_b(n, count);
			break;
		case HOT_C:
			worker_c(n, count);
			break;
		case HOT_D:
			hot_d(n);
			count[HOT_D] += n;
			break;
		default:
			hot_e(n);
			count[HOT_E] += n;
		}
	}
	count[ROUNDS]++;
}

/*
 * 3/4 to 5/4 of the scale, another each time: rounds that came again and again kept step with the sampler now
 * and then, where time is that of an emulator.
 */
static inline __attribute__((always_inline)) uint64_t round_length(uint64_t *seed)
{
	return round_scale - round_scale / 4 + next_random(seed) % (round_scale / 2 + 1);
}

static void make_plan(void)
{
	uint64_t seed = 0x9e3779b97f4a7c15;
	unsigned int r, i, j;
	uint8_t t;

	for (r = 0; r < NR_ROUNDS; r++) {
		for (i = 0; i < NR_WORKERS; i++)
			plan[r].order[i] = HOT_A + i;
		for (i = NR_WORKERS - 1; i > 0; i--) {
			j = next_random(&seed) % (i + 1);
			t = plan[r].order[i];
			plan[r].order[i] = plan[r].order[j];
			plan[r].order[j] = t;
		}
	}
}

void ap_main(struct boot_info *bi, unsigned long vcpu)
{
	uint64_t *count = (uint64_t *)oracle()->values[vcpu];
	uint64_t seed = 88172645463325252 + vcpu;
	unsigned int r;

	(void)bi;
	guest_ready("shares", names, vcpu);
	/* Start elsewhere in the plan: vCPUs that do the same at the same time hide mix-ups. */
	for (r = vcpu * 7;; r++)
		run_round(r % NR_ROUNDS, round_length(&seed), count);
}

void kmain(struct boot_info *bi, unsigned long vcpu)
{
	uint64_t *count = (uint64_t *)oracle()->values[vcpu];
	uint64_t seed = 88172645463325252, scale = arg_number("scale", 8000), start;
	unsigned int r;

	(void)bi;
	round_scale = scale < 4 ? 4 : scale;
	make_plan();
	nr_rounds = arg_number("rounds", 0);
	guest_ready("shares", names, vcpu);
	start = rdtsc();
	for (r = 0;; r++) {
		run_round(r % NR_ROUNDS, round_length(&seed), count);
		if (nr_rounds && count[ROUNDS] == nr_rounds)
			break;
	}
	start = rdtsc() - start;
	print_counters();
	puts_raw("cycles ");
	put_number(start);
	puts_raw("\n");
	guest_exit(0);
}
