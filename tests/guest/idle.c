// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * idle.c - a guest that sleeps: woken by its local APIC timer, busy for a known part of each tick.
 *
 * Stacks: _start;kmain;idle_loop;do_hlt and _start;kmain;idle_loop;hot_busy (ap_main on other vCPUs).
 * The counters busy_tsc and total_tsc are the truth about the share. Needs a local APIC: ukvmm --irqchip.
 *
 * Arguments: tick_us=N period of the timer (default 10000)
 *	      busy=N	percent of each tick (default 10)
 */
#include "guest.h"

enum {
	TICKS,
	BUSY_TSC,
	TOTAL_TSC
};
static const char *const names[] = { "ticks", "busy_tsc", "total_tsc", NULL };

FRAME static void do_hlt(void)
{
	LEAF_FRAME();
	asm volatile("hlt" : : : "memory");
}

FRAME static void hot_busy(uint64_t until)
{
	do
		spin(100);
	while ((int64_t)(rdtsc() - until) < 0);
}

FRAME static void idle_loop(uint64_t busy_percent, uint64_t *count)
{
	uint64_t start, now, begin, per_tick;

	/* Two ticks to measure the tick in TSC cycles, then keep to it. */
	do_hlt();
	start = rdtsc();
	do_hlt();
	do_hlt();
	per_tick = (rdtsc() - start) / 2;
	begin = rdtsc();
	for (;;) {
		do_hlt();
		start = rdtsc();
		if (busy_percent)
			hot_busy(start + per_tick * busy_percent / 100);
		now = rdtsc();
		count[TICKS]++;
		count[BUSY_TSC] += now - start;
		count[TOTAL_TSC] = now - begin;
	}
}

static inline __attribute__((always_inline)) void run(unsigned long vcpu)
{
	if (!(boot_info->flags & BOOT_IRQCHIP))
		fatal("no local APIC: run ukvmm with --irqchip");
	guest_ready("idle", names, vcpu);
	start_timer(arg_number("tick_us", 10000) * 1000);
	idle_loop(arg_number("busy", 10), (uint64_t *)oracle()->values[vcpu]);
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
