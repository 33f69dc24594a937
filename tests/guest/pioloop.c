// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pioloop.c - a guest that does nothing but cause VM exits, as fast as it can, and counts them.
 *
 * Arguments:
 *	kind=pio	a byte to PORT_TEST, which the VMM handles (default)
 *	kind=cpuid	CPUID, which the kernel handles: the cheapest exit there is
 *	work=N		iterations of two instructions between two exits (default 0)
 *
 * The counter loops is the number of exits done. What an observer costs is seen from the loops done with it and
 * without it in the same time, so it is for benchmarks; nothing about shares.
 */
#include "guest.h"

enum { LOOPS };
static const char *const names[] = { "loops", NULL };

FRAME static void pio_loop(uint64_t work, volatile uint64_t *count)
{
	for (;; ++*count) {
		outb(PORT_TEST, 0x55);
		if (work)
			spin(work);
	}
}

FRAME static void cpuid_loop(uint64_t work, volatile uint64_t *count)
{
	uint32_t a, b, c, d;

	for (;; ++*count) {
		cpuid(1, &a, &b, &c, &d);
		if (work)
			spin(work);
	}
}

static inline __attribute__((always_inline)) void run(unsigned long vcpu)
{
	uint64_t *count = (uint64_t *)oracle()->values[vcpu];
	uint64_t work = arg_number("work", 0);

	guest_ready("pioloop", names, vcpu);
	if (arg_is("kind", "cpuid"))
		cpuid_loop(work, &count[LOOPS]);
	pio_loop(work, &count[LOOPS]);
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
