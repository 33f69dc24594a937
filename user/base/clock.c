/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clock.h"

#include <time.h>

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t clock__mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock__mono_ms(void)
{
	return clock__mono_ns() / 1000000;
}

uint64_t clock__wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}
