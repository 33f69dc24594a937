/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exit_stats.h"
#include "level.h"
#include "naming.h"
#include "recording.h"
#include "symbolizer.h"

/* What the kernel held of a vCPU outside its tables when the window closed or the vCPU went. */
struct open_exit {
	uint32_t vm;
	uint32_t vcpu;
	struct ukp_exit_now now; /* an exit whose entry was never seen, or ts_ns is 0 */
	struct ukp_exit_run run; /* exits that were not yet put into the table of sites */
};

struct exits {
	struct loader *loader;
	struct open_exit *open;
	size_t nr_open;
};

int exits__new(struct exits **out, struct loader *l)
{
	struct exits *e;

	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->loader = l;
	*out = e;
	return 0;
}

void exits__free(struct exits *e)
{
	if (!e)
		return;
	free(e->open);
	free(e);
}

int exits__start(struct exits *e)
{
	return loader__attach_exits(e->loader);
}

struct gone {
	struct exits *exits;
	uint32_t tid; /* 0: all */
};

static int keep_open(void *ctx, uint32_t tid, const struct ukp_vcpu *vcpu)
{
	struct gone *g = ctx;
	struct open_exit *open;

	if ((!vcpu->now.ts_ns && !vcpu->run.count) || (g->tid && g->tid != tid))
		return 0;
	open = reallocarray(g->exits->open, g->exits->nr_open + 1, sizeof(*open));
	if (!open)
		return -ENOMEM;
	g->exits->open = open;
	open[g->exits->nr_open++] = (struct open_exit){ vcpu->vm, vcpu->vcpu_id, vcpu->now, vcpu->run };
	return 0;
}

/* Forget what was under way: the programs may be attached again later. */
static int reset_now(void *ctx, uint32_t tid, const struct ukp_vcpu *vcpu)
{
	struct exits *e = ctx;
	struct ukp_vcpu value = *vcpu;

	if (!value.now.ts_ns && !value.now.entry_ns && !value.run.count)
		return 0;
	value.run.count = 0;
	value.now.ts_ns = 0;
	value.now.entry_ns = 0;
	loader__set_vcpu(e->loader, tid, &value);
	return 0;
}

void exits__vcpu_gone(struct exits *e, uint32_t tid)
{
	struct gone g = { e, tid };

	loader__for_each_vcpu(e->loader, keep_open, &g);
}

void exits__stop(struct exits *e)
{
	struct gone g = { e, 0 };

	loader__detach_exits(e->loader);
	loader__for_each_vcpu(e->loader, keep_open, &g);
	loader__for_each_vcpu(e->loader, reset_now, e);
}

static bool is_among(const uint32_t *vms, size_t nr, uint32_t vm)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (vms[i] == vm)
			return true;
	return false;
}

void exits__forget_vms(struct exits *e, const uint32_t *vms, size_t nr)
{
	size_t i, n = 0;

	for (i = 0; i < e->nr_open; i++)
		if (!is_among(vms, nr, e->open[i].vm))
			e->open[n++] = e->open[i];
	e->nr_open = n;
	loader__forget_exits(e->loader, vms, nr);
}

/* --- freezing --- */

struct builder {
	const struct recording *rec;
	const uint32_t *vm; /* the only one, or NULL */
	struct exit_stats *stats;
};

static void *append(void *array, size_t *nr, size_t size)
{
	/* Doubling by the count alone: arrays of a few hundred elements, built once. */
	if (*nr & (*nr - 1))
		return array;
	return reallocarray(array, *nr ? 2 * *nr : 1, size);
}

static uint32_t vm_index(const struct builder *b, uint32_t id)
{
	size_t place;

	if (b->vm)
		return *b->vm == id ? 0 : UINT32_MAX;
	place = recording__place(b->rec, id);
	return place == RECORDING_NOWHERE ? UINT32_MAX : (uint32_t)place;
}

static struct exit_row *add_row(struct builder *b, uint32_t vm, uint32_t vcpu, uint32_t isa, uint32_t reason)
{
	struct exit_stats *s = b->stats;
	struct exit_row *rows;
	uint32_t index = vm_index(b, vm);
	size_t i;

	if (index == UINT32_MAX)
		return NULL;
	for (i = 0; i < s->nr_rows; i++)
		if (s->rows[i].vm == index && s->rows[i].vcpu == vcpu && s->rows[i].isa == isa &&
		    s->rows[i].reason == reason)
			return &s->rows[i];
	rows = append(s->rows, &s->nr_rows, sizeof(*rows));
	if (!rows)
		return NULL;
	s->rows = rows;
	rows[s->nr_rows] = (struct exit_row){ .vm = index, .vcpu = vcpu, .isa = isa, .reason = reason };
	return &rows[s->nr_rows++];
}

static int on_row(void *ctx, const struct ukp_exit_row_key *key, const struct ukp_exit_row *value)
{
	struct exit_row *row = add_row(ctx, key->vm, key->vcpu, key->isa, key->reason);
	int i;

	if (!row)
		return 0;
	row->count += value->count;
	row->nr_timed = value->nr_timed;
	row->total_ns = value->total_ns;
	row->min_ns = value->min_ns;
	row->max_ns = value->max_ns;
	row->nr_user = value->nr_user;
	row->user_ns = value->user_ns;
	row->guest_ns = value->guest_ns;
	_Static_assert(EXIT_NR_BUCKETS == UKP_EXIT_BUCKETS, "buckets are the same");
	for (i = 0; i < EXIT_NR_BUCKETS; i++)
		row->buckets[i] = value->buckets[i];
	return 0;
}

static int add_site(struct builder *b, uint32_t vm, const struct exit_site *site)
{
	struct exit_stats *s = b->stats;
	struct exit_site *sites;

	sites = append(s->sites, &s->nr_sites, sizeof(*sites));
	if (!sites)
		return -ENOMEM;
	s->sites = sites;
	sites[s->nr_sites] = *site;
	sites[s->nr_sites].vm = vm_index(b, vm);
	if (sites[s->nr_sites].vm == UINT32_MAX)
		return 0;
	if (site->has_rip && sites[s->nr_sites].vm < s->nr_vms)
		symbolizer__expect(s->vms[sites[s->nr_sites].vm].syms, site->rip, false);
	s->nr_sites++;
	return 0;
}

static int on_site(void *ctx, const struct ukp_exit_site_key *key, const struct ukp_exit_site *value)
{
	struct exit_site site = {
		.isa = key->isa,
		.reason = key->reason,
		.detail = key->detail,
		.value = key->value,
		.rip = key->rip,
		.has_rip = key->has_rip,
		.count = value->count,
		.total_ns = value->total_ns,
		.user_ns = value->user_ns,
	};

	return add_site(ctx, key->vm, &site);
}

static int on_virq(void *ctx, const struct ukp_virq_key *key, uint64_t count)
{
	struct builder *b = ctx;
	struct exit_virq *virqs;

	virqs = append(b->stats->virqs, &b->stats->nr_virqs, sizeof(*virqs));
	if (!virqs)
		return -ENOMEM;
	b->stats->virqs = virqs;
	virqs[b->stats->nr_virqs] = (struct exit_virq){ vm_index(b, key->vm), key->vector, count };
	b->stats->nr_virqs += virqs[b->stats->nr_virqs].vm != UINT32_MAX;
	return 0;
}

static int on_cost(void *ctx, const char *name, uint64_t runs, uint64_t run_ns)
{
	struct builder *b = ctx;
	struct exit_cost *costs;

	costs = append(b->stats->costs, &b->stats->nr_costs, sizeof(*costs));
	if (!costs)
		return -ENOMEM;
	b->stats->costs = costs;
	costs[b->stats->nr_costs++] = (struct exit_cost){ name, runs, run_ns };
	return 0;
}

static int add_run(struct builder *b, uint32_t vm, const struct ukp_exit_run *run)
{
	struct exit_site site = {
		.isa = run->isa,
		.reason = run->reason,
		.detail = run->detail,
		.value = run->value,
		.rip = run->rip,
		.has_rip = run->has_rip,
		.count = run->count,
		.total_ns = run->total_ns,
		.user_ns = run->user_ns,
	};

	return run->count ? add_site(b, vm, &site) : 0;
}

/* While exits are still counted. */
static int on_vcpu(void *ctx, uint32_t tid, const struct ukp_vcpu *vcpu)
{
	(void)tid;
	return add_run(ctx, vcpu->vm, &vcpu->run);
}

static int add_open(struct builder *b, const struct exits *e)
{
	struct exit_site site;
	struct exit_row *row;
	size_t i;

	for (i = 0; i < e->nr_open; i++) {
		if (add_run(b, e->open[i].vm, &e->open[i].run))
			return -ENOMEM;
		if (!e->open[i].now.ts_ns)
			continue;
		row = add_row(b, e->open[i].vm, e->open[i].vcpu, e->open[i].now.isa, e->open[i].now.reason);
		if (!row)
			continue;
		row->count++;
		site = (struct exit_site){
			.isa = e->open[i].now.isa,
			.reason = e->open[i].now.reason,
			.detail = e->open[i].now.detail,
			.value = e->open[i].now.value,
			.rip = e->open[i].now.rip,
			.has_rip = e->open[i].now.has_rip,
			.count = 1,
		};
		if (add_site(b, e->open[i].vm, &site))
			return -ENOMEM;
	}
	return 0;
}

#define CMP(a, b) (((a) > (b)) - ((a) < (b)))

static int compare_rows(const void *pa, const void *pb)
{
	const struct exit_row *a = pa, *b = pb;
	int c = CMP(a->vm, b->vm);

	c = c ? c : CMP(a->vcpu, b->vcpu);
	c = c ? c : CMP(a->isa, b->isa);
	return c ? c : CMP(a->reason, b->reason);
}

static int compare_sites(const void *pa, const void *pb)
{
	const struct exit_site *a = pa, *b = pb;
	int c = CMP(a->vm, b->vm);

	c = c ? c : CMP(a->has_rip, b->has_rip);
	c = c ? c : CMP(a->rip, b->rip);
	c = c ? c : CMP(a->isa, b->isa);
	c = c ? c : CMP(a->reason, b->reason);
	c = c ? c : CMP(a->detail, b->detail);
	return c ? c : CMP(a->value, b->value);
}

static int compare_virqs(const void *pa, const void *pb)
{
	const struct exit_virq *a = pa, *b = pb;
	int c = CMP(a->vm, b->vm);

	return c ? c : CMP(a->vector, b->vector);
}

/* The vCPUs of a VM share their sites from here on. */
static void merge_sites(struct exit_stats *s)
{
	size_t i, n = 0;

	for (i = 0; i < s->nr_sites; i++) {
		if (n && !compare_sites(&s->sites[n - 1], &s->sites[i])) {
			s->sites[n - 1].count += s->sites[i].count;
			s->sites[n - 1].total_ns += s->sites[i].total_ns;
			s->sites[n - 1].user_ns += s->sites[i].user_ns;
		} else {
			s->sites[n++] = s->sites[i];
		}
	}
	s->nr_sites = n;
}

static int add_vms(struct builder *b, struct naming *naming)
{
	const struct recording_vm_data *data;
	struct exit_stats *s = b->stats;
	struct naming_status names;
	struct exit_vm *vm;
	size_t i, nr = recording__nr_vms(b->rec);

	s->vms = calloc(nr ? nr : 1, sizeof(*s->vms));
	if (!s->vms)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		data = recording__vm_data(b->rec, i);
		if (b->vm && (data->forgotten || data->id != *b->vm))
			continue;
		vm = &s->vms[s->nr_vms++];
		naming__status(naming, i, &names);
		vm->verified = names.has_proof;
		vm->name = strdup(data->name ? data->name : "");
		vm->vmm = strdup(data->vmm ? data->vmm : "");
		vm->pid = data->pid;
		memcpy(vm->nr_place, data->nr_place, sizeof(vm->nr_place));
		vm->syms = names.syms ? symbolizer__get(names.syms) : NULL;
		if (!vm->name || !vm->vmm)
			return -ENOMEM;
	}
	return 0;
}

static int add_counters(struct builder *b)
{
	static const struct exit_counter names[] = {
#define X(name, label, help) { label, help, 0 },
		UKP_COUNTERS(X)
#undef X
	};
	struct exit_stats *s = b->stats;
	int i;

	s->counters = calloc(UKP_CTR_MAX, sizeof(*s->counters));
	if (!s->counters)
		return -ENOMEM;
	for (i = UKP_CTR_EXITS; i < UKP_CTR_MAX; i++) {
		s->counters[s->nr_counters] = names[i];
		s->counters[s->nr_counters++].value = recording__counter_values(b->rec)[i];
	}
	return 0;
}

static int add_levels(struct builder *b, const struct level_account *levels)
{
	struct exit_stats *s = b->stats;
	const struct level_use *use;
	int i;

	s->levels = calloc(NR_LEVELS, sizeof(*s->levels));
	if (!s->levels)
		return -ENOMEM;
	for (i = 0; i < NR_LEVELS; i++) {
		use = level_account__use(levels, i);
		if (!use->ns)
			continue;
		s->level = level__name(i); /* the closest one */
		s->levels[s->nr_levels++] = (struct exit_level){
			.name = level__name(i),
			.ns = use->ns,
			.exits = use->exits,
			.samples = use->samples,
			.measured_exits = use->measured_exits,
			.measured_samples = use->measured_samples,
			.exit_run_ns = use->exit_run_ns,
			.sample_run_ns = use->sample_run_ns,
		};
	}
	return 0;
}

int exits__stats(struct exits *e, const struct recording *rec, struct naming *naming,
		 const struct level_account *levels, const uint32_t *vm, struct exit_stats **out)
{
	struct builder b = { .rec = rec, .vm = vm };
	struct exit_stats *s;
	int err;

	s = b.stats = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->duration_ns = recording__duration_ns(rec);
	s->start_wall_ns = recording__info(rec)->start_wall_ns;
	err = naming__update(naming, rec);
	if (!err)
		err = add_vms(&b, naming);
	if (!err)
		err = loader__for_each_exit_row(e->loader, on_row, &b);
	if (!err)
		err = loader__for_each_exit_site(e->loader, on_site, &b);
	if (!err)
		err = loader__for_each_vcpu(e->loader, on_vcpu, &b);
	if (!err)
		err = loader__for_each_virq(e->loader, on_virq, &b);
	if (!err)
		err = loader__for_each_cost(e->loader, on_cost, &b);
	if (!err)
		err = add_open(&b, e);
	if (!err)
		err = add_counters(&b);
	if (!err)
		err = add_levels(&b, levels);
	if (err) {
		exit_stats__free(s);
		return err;
	}
	if (s->nr_rows)
		qsort(s->rows, s->nr_rows, sizeof(*s->rows), compare_rows);
	if (s->nr_virqs)
		qsort(s->virqs, s->nr_virqs, sizeof(*s->virqs), compare_virqs);
	if (s->nr_sites)
		qsort(s->sites, s->nr_sites, sizeof(*s->sites), compare_sites);
	merge_sites(s);
	*out = s;
	return 0;
}
