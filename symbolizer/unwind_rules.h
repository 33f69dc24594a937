/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_UNWIND_RULES_H
#define SYMBOLIZER_UNWIND_RULES_H

/*
 * unwind_rules - the different rules of one table, each with a number of 16 bits.
 *
 * Numbers 0 and 1 are UKP_UNWIND_RULE_NONE and UKP_UNWIND_RULE_UNSUPPORTED from the start.
 */

#include <stddef.h>
#include <stdint.h>

#include "unwind_row.h"

struct unwind_rules;

/* Return: 0 or -ENOMEM. */
int unwind_rules__new(struct unwind_rules **out);
void unwind_rules__free(struct unwind_rules *rules); /* accepts NULL */

/**
 * unwind_rules__add() - the number of a rule.
 * @rule: copied; its padding is 0.
 *
 * Return: the number; -ENOSPC if 65536 others are there already; -ENOMEM.
 */
int unwind_rules__add(struct unwind_rules *rules, const struct ukp_unwind_rule *rule);

/** unwind_rules__plain() - the number of the same rule without UKP_UNWIND_ENTRY and _PART. Return: as above. */
int unwind_rules__plain(struct unwind_rules *rules, uint16_t index);

size_t unwind_rules__nr(const struct unwind_rules *rules);
/** unwind_rules__all() - array by number; borrowed until the next add. */
const struct ukp_unwind_rule *unwind_rules__all(const struct unwind_rules *rules);

#endif /* SYMBOLIZER_UNWIND_RULES_H */
