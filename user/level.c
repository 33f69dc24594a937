/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "level.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loader.h"

#define MEASURED_ONE_IN 8 /* ticks */

/* Sums that only grow; the account takes differences. */
struct sums {
	uint64_t exits;
	uint64_t samples;
	uint64_t exit_run_ns;
	uint64_t sample_run_ns;
};

struct level_account {
	struct loader *loader;
	struct level_use use[NR_LEVELS];
	enum level level;
	bool running;
	bool measuring;
	uint64_t since_ns;
	uint64_t nr_ticks;
	struct sums since;	    /* when the level was set, or at the last tick */
	struct sums measured_since; /* when measuring began */
};

const char *level__name(enum level level)
{
	static const char *const names[NR_LEVELS] = { "counters", "sampling", "exits", "full" };

	return names[level];
}

int level__parse(const char *name)
{
	int i;

	for (i = 0; i < NR_LEVELS; i++)
		if (!strcmp(name, level__name(i)))
			return i;
	return -1;
}

int level_account__new(struct level_account **out, struct loader *l)
{
	struct level_account *a;

	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->loader = l;
	*out = a;
	return 0;
}

void level_account__free(struct level_account *a)
{
	free(a);
}

static int add_cost(void *ctx, const char *name, uint64_t runs, uint64_t run_ns)
{
	struct sums *s = ctx;

	(void)runs;
	if (!strcmp(name, LOADER_SAMPLE_PROGRAM))
		s->sample_run_ns += run_ns;
	else if (loader__runs_for_exits(name))
		s->exit_run_ns += run_ns;
	return 0;
}

static struct sums take_sums(const struct level_account *a)
{
	uint64_t v[UKP_CTR_MAX];
	struct sums s = { 0 };

	loader__counters(a->loader, v);
	s.exits = v[UKP_CTR_EXITS];
	s.samples = v[UKP_CTR_FIRED];
	loader__for_each_cost(a->loader, add_cost, &s);
	return s;
}

static void stop_measuring(struct level_account *a, const struct sums *now)
{
	struct level_use *use = &a->use[a->level];

	if (!a->measuring)
		return;
	use->measured_exits += now->exits - a->measured_since.exits;
	use->measured_samples += now->samples - a->measured_since.samples;
	use->exit_run_ns += now->exit_run_ns - a->measured_since.exit_run_ns;
	use->sample_run_ns += now->sample_run_ns - a->measured_since.sample_run_ns;
	a->measuring = false;
	loader__count_cost(a->loader, false);
}

static void start_measuring(struct level_account *a)
{
	if (a->level == LEVEL_COUNTERS)
		return;
	loader__count_cost(a->loader, true);
	a->measured_since = take_sums(a);
	a->measuring = true;
}

static void take_stock(struct level_account *a, const struct sums *now, uint64_t now_ns)
{
	struct level_use *use = &a->use[a->level];

	use->ns += now_ns - a->since_ns;
	use->exits += now->exits - a->since.exits;
	use->samples += now->samples - a->since.samples;
	a->since = *now;
	a->since_ns = now_ns;
}

void level_account__set(struct level_account *a, enum level level, uint64_t now_ns)
{
	struct sums now = take_sums(a);

	if (a->running)
		take_stock(a, &now, now_ns);
	stop_measuring(a, &now);
	a->level = level;
	a->since = now;
	a->since_ns = now_ns;
	a->nr_ticks = 0;
	a->running = true;
	start_measuring(a);
}

/* Returns false if nothing runs. */
static bool settle(struct level_account *a, uint64_t now_ns)
{
	struct sums now;

	if (!a->running)
		return false;
	now = take_sums(a);
	take_stock(a, &now, now_ns);
	stop_measuring(a, &now);
	return true;
}

void level_account__tick(struct level_account *a, uint64_t now_ns)
{
	if (settle(a, now_ns) && !(++a->nr_ticks % MEASURED_ONE_IN))
		start_measuring(a);
}

void level_account__stop(struct level_account *a, uint64_t now_ns)
{
	settle(a, now_ns);
	a->running = false;
}

const struct level_use *level_account__use(const struct level_account *a, enum level level)
{
	return &a->use[level];
}
