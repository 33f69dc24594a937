/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pair.h - what pair and its application agree on. */
#ifndef GUEST_PAIR_H
#define GUEST_PAIR_H

#include <stdint.h>

#define APP_BASE 0x100000000000ul /* where OSv loads its application */

typedef void (*app_entry)(uint64_t n, uint64_t ring);

#endif /* GUEST_PAIR_H */
