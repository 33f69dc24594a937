/* SPDX-License-Identifier: GPL-2.0-or-later */
/* text - a profile to read on a terminal: the account, the hottest functions, the hottest stacks. */
#include "exporter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "flame_tree.h"
#include "name.h"
#include "sink.h"
#include "snapshot.h"
#include "strbuf.h"
#include "symbolizer.h"

#define MAX_FUNCTIONS 20
#define MAX_STACKS    3

struct function {
	uint64_t self;
	uint64_t total;
	uint32_t name;
};

/* printf's %f follows the locale: a decimal comma would make another file of the same profile. */
static unsigned int scaled(uint64_t part, uint64_t whole, unsigned int all)
{
	return whole ? (double)part / whole * all + 0.5 : 0;
}

static void print_percent(struct sink *sink, const char *before, uint64_t part, uint64_t whole)
{
	unsigned int tenths = scaled(part, whole, 1000);

	sink__printf(sink, "%s%u.%u%%", before, tenths / 10, tenths % 10);
}

static void print_column(struct sink *sink, uint64_t part, uint64_t whole)
{
	unsigned int hundredths = scaled(part, whole, 10000);

	sink__printf(sink, "%3u.%02u%%  ", hundredths / 100, hundredths % 100);
}

static int print_clean(struct sink *sink, const char *str)
{
	struct strbuf sb = { 0 };
	int err;

	name__clean(&sb, str, 0);
	err = strbuf__err(&sb);
	sink__puts(sink, strbuf__str(&sb));
	strbuf__free(&sb);
	return err;
}

static int print_vm(struct sink *sink, const struct snap_vm *vm)
{
	struct sym_image_info image;
	size_t i;
	int err;

	sink__puts(sink, "# vm ");
	err = print_clean(sink, vm->name);
	sink__puts(sink, " (");
	if (!err)
		err = print_clean(sink, vm->vmm);
	sink__printf(sink, ", PID %d, %u vCPU%s)", vm->pid, vm->nr_vcpus, vm->nr_vcpus == 1 ? "" : "s");
	if (vm->syms && symbolizer__nr_images(vm->syms) > 1) {
		for (i = 0; i < symbolizer__nr_images(vm->syms) && !err; i++) {
			symbolizer__image_info(vm->syms, i, &image);
			sink__puts(sink, i ? "; " : ": ");
			err = print_clean(sink, image.path);
			sink__puts(sink, vm->verified && !image.is_unverified ? ", verified" : ", not verified");
		}
	} else if (vm->image_path) {
		sink__puts(sink, ": ");
		if (!err)
			err = print_clean(sink, vm->image_path);
		sink__puts(sink, vm->verified ? ", verified" : vm->syms ? ", not verified" : ", not used");
	} else {
		sink__puts(sink, ": no image");
	}
	sink__puts(sink, "\n");
	return err;
}

static uint64_t counter(const struct snapshot *snap, const char *label)
{
	size_t i;

	for (i = 0; i < snapshot__nr_counters(snap); i++)
		if (!strcmp(snapshot__counter(snap, i)->label, label))
			return snapshot__counter(snap, i)->value;
	return 0;
}

static int print_account(struct sink *sink, const struct snapshot *snap, const struct flame_stats *st)
{
	const struct snap_info *info = snapshot__info(snap);
	size_t i;
	int err;

	sink__puts(sink, "# event ");
	err = print_clean(sink, info->event);
	if (info->freq_hz)
		sink__printf(sink, " at %u Hz", info->freq_hz);
	sink__printf(sink, ", %" PRIu64 ".%u s", info->duration_ns / 1000000000,
		     (unsigned int)(info->duration_ns / 100000000 % 10));
	if (info->host) {
		sink__puts(sink, ", host kernel ");
		if (!err)
			err = print_clean(sink, info->host);
	}
	sink__printf(sink, "\n# %s %" PRIu64, flame__unit(snap)->many, st->total);
	if (info->measure == SNAP_MEASURE_SAMPLES) {
		print_percent(sink, ": guest ", st->guest, st->total);
		print_percent(sink, ", kvm ", st->kvm, st->total);
	} else {
		print_percent(sink, ": handled in kvm ", st->kvm, st->total);
	}
	print_percent(sink, ", vmm ", st->vmm, st->total);
	print_percent(sink, "\n# stacks: complete ", st->complete, st->total);
	print_percent(sink, ", incomplete ", st->incomplete, st->total);
	print_percent(sink, ", without registers ", st->no_registers, st->total);
	print_percent(sink, "; frames without a name ", st->unresolved, st->frames);
	sink__puts(sink, "\n");
	sink__printf(sink, "# interrupts %" PRIu64 " = stored %" PRIu64 " + dropped %" PRIu64 "\n",
		     counter(snap, "fired"), counter(snap, "stored"),
		     counter(snap, "ring_full") + counter(snap, "no_vcpu") + counter(snap, "no_scratch"));
	sink__puts(sink, "# counters:");
	for (i = 0; i < snapshot__nr_counters(snap); i++)
		sink__printf(sink, " %s %" PRIu64, snapshot__counter(snap, i)->label, snapshot__counter(snap, i)->value);
	sink__puts(sink, "\n");
	return err;
}

static int by_self(const void *pa, const void *pb)
{
	const struct function *a = pa, *b = pb;

	if (a->self != b->self)
		return a->self < b->self ? 1 : -1;
	if (a->total != b->total)
		return a->total < b->total ? 1 : -1;
	return (a->name > b->name) - (a->name < b->name);
}

static int print_functions(struct sink *sink, const struct flame_tree *t)
{
	size_t nr_names = flame_tree__nr_names(t), nr = flame_tree__nr(t), i, at;
	uint64_t all = flame_tree__stats(t)->total;
	const struct flame_node *n, *p;
	struct function *functions;

	functions = calloc(nr_names + 1, sizeof(*functions));
	if (!functions)
		return -ENOMEM;
	for (i = 0; i < nr_names; i++)
		functions[i].name = i;
	for (i = 0; i < nr; i++) {
		n = flame_tree__node(t, i);
		if (n->kind == FLAME_VM || n->kind == FLAME_ALL)
			continue;
		functions[n->name].self += n->self;
		for (at = i; at; at = p->parent) {
			p = flame_tree__node(t, at);
			if (at != i && p->name == n->name && p->kind != FLAME_VM)
				break;
		}
		if (!at) /* no caller of the same name: its subtree is not counted yet */
			functions[n->name].total += n->total;
	}
	qsort(functions, nr_names, sizeof(*functions), by_self);
	sink__printf(sink, "\n   self    total  %s\n", flame_tree__is_by_library(t) ? "library" : "function");
	for (i = 0; i < nr_names && i < MAX_FUNCTIONS && functions[i].total; i++) {
		print_column(sink, functions[i].self, all);
		print_column(sink, functions[i].total, all);
		sink__printf(sink, "%s\n", flame_tree__name(t, functions[i].name));
	}
	free(functions);
	return 0;
}

static int by_node_self(const void *pa, const void *pb, void *ctx)
{
	const struct flame_node *a = flame_tree__node(ctx, *(const uint32_t *)pa);
	const struct flame_node *b = flame_tree__node(ctx, *(const uint32_t *)pb);

	if (a->self != b->self)
		return a->self < b->self ? 1 : -1;
	return (a > b) - (a < b);
}

static void print_path(struct sink *sink, const struct flame_tree *t, uint32_t leaf)
{
	const struct flame_node *n = flame_tree__node(t, leaf);

	/* Leaf first, one caller a line, as debuggers print a backtrace. */
	for (; leaf; leaf = n->parent, n = flame_tree__node(t, leaf))
		sink__printf(sink, "           %s\n", flame_tree__name(t, n->name));
	sink__printf(sink, "           %s\n", flame_tree__name(t, n->name));
}

static int print_stacks(struct sink *sink, const struct flame_tree *t, const struct flame_unit *unit)
{
	uint64_t all = flame_tree__stats(t)->total;
	size_t nr = flame_tree__nr(t), i;
	const struct flame_node *n;
	uint32_t *order;

	order = calloc(nr, sizeof(*order));
	if (!order)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		order[i] = i;
	qsort_r(order, nr, sizeof(*order), by_node_self, (void *)t);
	sink__puts(sink, "\nhottest stacks\n");
	for (i = 0; i < nr && i < MAX_STACKS; i++) {
		n = flame_tree__node(t, order[i]);
		if (!n->self)
			break;
		print_column(sink, n->self, all);
		sink__printf(sink, "%" PRIu64 " %s\n", n->self, n->self == 1 ? unit->one : unit->many);
		print_path(sink, t, order[i]);
	}
	free(order);
	return 0;
}

static int write_text(const struct snapshot *snap, const struct export_opts *opts, struct sink *sink)
{
	struct flame_tree *t = NULL;
	size_t i;
	int err;

	(void)opts;
	err = flame_tree__new(&t, snap, 0);
	if (err)
		return err;
	for (i = 0; i < snapshot__nr_vms(snap) && !err; i++)
		err = print_vm(sink, snapshot__vm(snap, i));
	if (!err)
		err = print_account(sink, snap, flame_tree__stats(t));
	if (!err && flame_tree__stats(t)->total) {
		err = print_functions(sink, t);
		if (!err)
			err = print_stacks(sink, t, flame__unit(snap));
	} else if (!err) {
		sink__puts(sink, snapshot__info(snap)->measure == SNAP_MEASURE_SAMPLES ?
					 "\nno samples: the guest did not run while it was recorded\n" :
					 "\nno VM exits: none was seen while it was recorded\n");
	}
	flame_tree__free(t);
	return err ? err : sink__error(sink);
}

static const char *const suffixes[] = { ".txt", NULL };

const struct exporter exporter_text = {
	.name = "text",
	.suffixes = suffixes,
	.help = "hottest functions and stacks, to read on a terminal",
	.write = write_text,
};
