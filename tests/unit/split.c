/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * split - a program that test_debug_file strips, and whose debug file it keeps: with lines, an inlined function and
 * .debug_frame. It is never run.
 */
static inline __attribute__((always_inline)) int split_inner(int a)
{
	return a * 3 + 1;
}

__attribute__((noinline)) int split_outer(int a)
{
	volatile int room[8] = { a };

	return split_inner(room[a & 7]);
}

void _start(void)
{
	split_outer(1);
	for (;;)
		;
}
