/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwind_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RULES  65536
#define NR_BUCKETS 4096 /* a large program has hundreds of rules */

struct entry {
	struct entry *next;
	uint16_t index;
};

struct unwind_rules {
	struct ukp_unwind_rule *all;
	struct entry *buckets[NR_BUCKETS];
	size_t nr;
	size_t room;
	uint16_t last; /* neighbours share rules: tried first */
};

static uint32_t hash(const struct ukp_unwind_rule *rule)
{
	uint64_t words[2];

	memcpy(words, rule, sizeof(words));
	words[0] = (words[0] ^ (words[1] << 7 | words[1] >> 57)) * 0x9e3779b97f4a7c15ull;
	return words[0] >> 52;
}

int unwind_rules__new(struct unwind_rules **out)
{
	static const struct ukp_unwind_rule none = { .cfa = UKP_CFA_NONE };
	static const struct ukp_unwind_rule unsupported = { .cfa = UKP_CFA_UNSUPPORTED };
	struct unwind_rules *rules;

	rules = calloc(1, sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	if (unwind_rules__add(rules, &none) != UKP_UNWIND_RULE_NONE ||
	    unwind_rules__add(rules, &unsupported) != UKP_UNWIND_RULE_UNSUPPORTED) {
		unwind_rules__free(rules);
		return -ENOMEM;
	}
	*out = rules;
	return 0;
}

void unwind_rules__free(struct unwind_rules *rules)
{
	struct entry *e, *next;
	size_t i;

	if (!rules)
		return;
	for (i = 0; i < NR_BUCKETS; i++) {
		for (e = rules->buckets[i]; e; e = next) {
			next = e->next;
			free(e);
		}
	}
	free(rules->all);
	free(rules);
}

int unwind_rules__add(struct unwind_rules *rules, const struct ukp_unwind_rule *rule)
{
	struct ukp_unwind_rule *all;
	struct entry *e;
	uint32_t bucket;
	size_t room;

	if (rules->nr && !memcmp(&rules->all[rules->last], rule, sizeof(*rule)))
		return rules->last;
	bucket = hash(rule);
	for (e = rules->buckets[bucket]; e; e = e->next)
		if (!memcmp(&rules->all[e->index], rule, sizeof(*rule)))
			return rules->last = e->index;
	if (rules->nr == MAX_RULES)
		return -ENOSPC;
	if (rules->nr == rules->room) {
		room = rules->room ? 2 * rules->room : 64;
		all = reallocarray(rules->all, room, sizeof(*all));
		if (!all)
			return -ENOMEM;
		rules->all = all;
		rules->room = room;
	}
	e = malloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->index = rules->nr;
	e->next = rules->buckets[bucket];
	rules->buckets[bucket] = e;
	rules->all[rules->nr] = *rule;
	return rules->last = rules->nr++;
}

int unwind_rules__plain(struct unwind_rules *rules, uint16_t index)
{
	struct ukp_unwind_rule rule = rules->all[index];

	if (!(rule.flags & (UKP_UNWIND_ENTRY | UKP_UNWIND_PART)))
		return index;
	rule.flags &= ~(UKP_UNWIND_ENTRY | UKP_UNWIND_PART);
	return unwind_rules__add(rules, &rule);
}

size_t unwind_rules__nr(const struct unwind_rules *rules)
{
	return rules->nr;
}

const struct ukp_unwind_rule *unwind_rules__all(const struct unwind_rules *rules)
{
	return rules->all;
}
