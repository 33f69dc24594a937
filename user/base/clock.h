/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/* clock - the two clocks in use, in nanoseconds. Threads: any. Source: clock_gettime(2). */

#include <stdint.h>

uint64_t clock__mono_ns(void); /* CLOCK_MONOTONIC: for durations; BPF's bpf_ktime_get_ns() */
uint64_t clock__mono_ms(void); /* the same in milliseconds */
uint64_t clock__wall_ns(void); /* CLOCK_REALTIME: since 1970, may jump */

#endif /* BASE_CLOCK_H */
