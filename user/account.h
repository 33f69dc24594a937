/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_ACCOUNT_H
#define USER_ACCOUNT_H

/* account - the lines at the end of a recording or a report in which all samples add up. */

#include <stdint.h>

struct recording;

/**
 * account__print() - where samples went, on stderr: total, dropped, by place, unresolved, incomplete.
 * @nr_unresolved: samples whose leaf has no name.
 */
void account__print(const struct recording *r, uint64_t nr_unresolved);

/** account__print_exits() - the same for the stacks of VM exits. */
void account__print_exits(const struct recording *r, uint64_t nr_unresolved);

#endif /* USER_ACCOUNT_H */
