/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_OPENER_H
#define USER_OPENER_H

/*
 * opener - a small process that keeps CAP_SYS_ADMIN, so that the one which looks at VMs need not.
 *
 * Two things take that right while VMs come and go: perf events where kernel.perf_event_paranoid is above 2, as
 * Debian sets it, and switching on the kernel's count of what BPF programs cost. This process does these two for who
 * started it, hands over the descriptor, and may make no other system call. There is none where ukprof was started
 * without CAP_SYS_ADMIN: then these two just fail.
 *
 * Threads: the collector's.
 */

#include <stdint.h>

struct opener;

/**
 * opener__start() - fork it. Call it with all rights, and before there are threads.
 * @out: receives it; NULL: this process has no CAP_SYS_ADMIN that it could give.
 *
 * Return: 0 or a negative errno.
 */
int opener__start(struct opener **out);

/** opener__stop() - end it and wait for that; accepts NULL. */
void opener__stop(struct opener *o);

enum opener_event {
	OPENER_CPU_CLOCK = 1,
	OPENER_CYCLES,
	OPENER_KVM_EXIT, /* the classic event, counting without ever being delivered */
};

/**
 * opener__event() - a perf event on a thread; disabled, but for the last kind.
 * @o: NULL: this process does it by itself, as it also does if it can.
 * @freq_hz: 1 to 10000; 0 for OPENER_KVM_EXIT.
 * @config: id of the tracepoint for OPENER_KVM_EXIT, else 0.
 *
 * Return: a descriptor, which the caller owns; a negative errno of perf_event_open(2); -EPIPE if the opener is gone.
 */
int opener__event(struct opener *o, enum opener_event event, uint32_t tid, uint32_t freq_hz, uint64_t config);

/** opener__bpf_stats() - count what BPF programs cost while it is open. Return: as opener__event(). */
int opener__bpf_stats(struct opener *o);

#endif /* USER_OPENER_H */
