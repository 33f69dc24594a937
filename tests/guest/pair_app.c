// SPDX-License-Identifier: GPL-2.0-or-later
/* pair_app.c - the application that pair.c loads: position independent, a file of its own. */
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

void app_main(uint64_t n);
void app_main(uint64_t n)
{
	app_worker(n);
	app_short(n);
	asm volatile("");
}
