// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pair_app.c - the application that pair.c loads: position independent, a file of its own.
 *
 * Entered at app_start, with the number of iterations and the ring. In ring 3 that is the root of its stack, and
 * SYSCALL the way back; in ring 0 it is called.
 */
#include "guest.h"
#include "pair.h"

FRAME static void app_long(uint64_t n)
{
	spin(n);
}

FRAME static void app_short(uint64_t n)
{
	spin(n);
}

FRAME static void app_worker(uint64_t n)
{
	app_long(n * 4);
	asm volatile("");
}

asm(".text\n"
    ".global app_start\n"
    ".type app_start, @function\n"
    "app_start:\n"
    "	.cfi_startproc\n"
    "	test %esi, %esi\n"
    "	jz app_main\n"
    "	.cfi_undefined rip\n"
    "	xor %ebp, %ebp\n"
    "	call app_main\n"
    "	syscall\n"
    "	.cfi_endproc\n"
    ".size app_start, . - app_start\n");

void app_main(uint64_t n);
void app_main(uint64_t n)
{
	app_worker(n);
	app_short(n);
	asm volatile("");
}
