/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flame_tree.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "name.h"
#include "snapshot.h"
#include "strbuf.h"
#include "strpool.h"
#include "symbolizer.h"

struct flame_tree {
	struct flame_node *nodes; /* preorder */
	size_t nr;
	struct strpool *names;
	struct flame_stats stats;
	bool by_library;
};

/* A node while the tree grows: children come after their parent, in no useful order. */
struct key {
	uint32_t parent;
	uint32_t name;
	uint32_t kind;
};

/* What an address reads as: a run of frames in builder.parts, outermost first. */
struct address_key {
	uint64_t gva;
	uint32_t vm;
	uint32_t is_return;
};

struct part {
	uint32_t name;
	uint32_t kind;
};

struct run {
	size_t first;
	size_t nr;
	bool is_unverified; /* a name of it is marked */
};

struct builder {
	const struct snapshot *snap;
	unsigned int flags;
	struct strbuf text; /* scratch */
	struct strpool *names;
	struct strpool *keys; /* struct key; its ids number the nodes */
	uint64_t *self;       /* by node */
	size_t cap_self;
	struct strpool *addresses; /* struct address_key; its ids number the runs */
	struct run *runs;
	size_t cap_runs;
	struct part *parts;
	size_t nr_parts;
	size_t cap_parts;
	struct flame_stats stats;
};

uint64_t flame__add(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static void bump(uint64_t *sum, uint64_t n)
{
	*sum = flame__add(*sum, n);
}

/* Makes room for element @i of an array and zeroes what is new. */
static int reserve(void *array, size_t *cap, size_t i, size_t size)
{
	size_t n = *cap ? *cap : 64;
	char *p;

	if (i < *cap)
		return 0;
	while (n <= i)
		n *= 2;
	p = reallocarray(*(void **)array, n, size);
	if (!p)
		return -ENOMEM;
	memset(p + *cap * size, 0, (n - *cap) * size);
	*(void **)array = p;
	*cap = n;
	return 0;
}

/* Id of a name that comes from outside, with an optional suffix of our own. */
static int64_t clean_name(struct builder *b, const char *name, const char *suffix)
{
	strbuf__truncate(&b->text, 0);
	name__clean(&b->text, name, b->flags & FLAME_TREE_BY_TEXT ? NAME_NO_SEMICOLON : 0);
	if (suffix)
		strbuf__puts(&b->text, suffix);
	if (strbuf__err(&b->text))
		return -ENOMEM;
	return strpool__add(b->names, b->text.data, b->text.len);
}

/* Steps from node @at to its child, which is made when new. Return: the child or -ENOMEM. */
static int64_t step(struct builder *b, uint32_t at, uint32_t name, enum flame_kind kind)
{
	struct key key = { .parent = at, .name = name };
	int64_t id;

	if (!(b->flags & FLAME_TREE_BY_TEXT))
		key.kind = kind;
	id = strpool__add(b->keys, &key, sizeof(key));
	if (id < 0)
		return id;
	if (reserve(&b->self, &b->cap_self, id, sizeof(*b->self)))
		return -ENOMEM;
	return id;
}

const struct flame_unit *flame__unit(const struct snapshot *snap)
{
	static const struct flame_unit units[] = {
		[SNAP_MEASURE_SAMPLES] = { "sample", "samples", "Samples" },
		[SNAP_MEASURE_EXITS] = { "exit", "exits", "VM exits" },
		[SNAP_MEASURE_EXIT_TIME] = { "\xc2\xb5s", "\xc2\xb5s", "Exit time, \xc2\xb5s" },
	};

	return &units[snapshot__info(snap)->measure];
}

uint64_t flame__value(const struct snapshot *snap, const struct snap_stack *stack)
{
	if (snapshot__info(snap)->measure == SNAP_MEASURE_EXIT_TIME)
		return stack->weight_ns / 1000 + (stack->weight_ns % 1000 >= 500);
	return stack->count;
}

static int64_t step_text(struct builder *b, uint32_t at, const char *text, enum flame_kind kind)
{
	int64_t name;

	name = clean_name(b, text, NULL);
	return name < 0 ? name : step(b, at, name, kind);
}

static int add_part(struct builder *b, int64_t name, enum flame_kind kind)
{
	if (name < 0 || reserve(&b->parts, &b->cap_parts, b->nr_parts, sizeof(*b->parts)))
		return -ENOMEM;
	b->parts[b->nr_parts++] = (struct part){ .name = name, .kind = kind };
	return 0;
}

/* Names of an address, resolved when it is seen for the first time. */
static int lookup(struct builder *b, uint32_t vm_index, uint64_t gva, bool is_return,
		  struct run *run)
{
	const struct snap_vm *vm = snapshot__vm(b->snap, vm_index);
	struct address_key key = { .gva = gva, .vm = vm_index, .is_return = is_return };
	const struct sym_frame *frames;
	size_t nr = strpool__nr(b->addresses), n, i;
	bool by_library = snapshot__info(b->snap)->by_library;
	const char *library;
	char hex[32];
	int64_t id;
	int err = 0;

	id = strpool__add(b->addresses, &key, sizeof(key));
	if (id < 0)
		return id;
	if ((size_t)id < nr) {
		*run = b->runs[id];
		return 0;
	}
	if (reserve(&b->runs, &b->cap_runs, id, sizeof(*b->runs)))
		return -ENOMEM;

	run->first = b->nr_parts;
	n = symbolizer__resolve(vm->syms, gva, is_return, &frames);
	run->is_unverified = n && (!vm->verified || frames[0].is_unverified);
	library = by_library ? symbolizer__library(vm->syms, gva, is_return) : NULL;
	if (library)
		err = add_part(b, clean_name(b, library, run->is_unverified ? NAME_UNVERIFIED : NULL), FLAME_GUEST);
	else if (by_library)
		err = add_part(b, clean_name(b, FLAME_TEXT_NO_LIB, NULL), FLAME_UNKNOWN);
	for (i = by_library ? 0 : n; i-- > 0 && !err;)
		err = add_part(b, clean_name(b, frames[i].name, run->is_unverified ? NAME_UNVERIFIED : NULL),
			       frames[i].is_inline ? FLAME_INLINE : FLAME_GUEST);
	if (!n && !by_library) {
		snprintf(hex, sizeof(hex), "0x%llx", (unsigned long long)gva);
		err = add_part(b, clean_name(b, hex, NULL), FLAME_UNKNOWN);
	}
	run->nr = b->nr_parts - run->first;
	b->runs[id] = *run;
	return err;
}

static int64_t step_guest_frames(struct builder *b, int64_t at, const struct snap_stack *stack, uint64_t value)
{
	bool by_library = snapshot__info(b->snap)->by_library;
	struct part before = { UINT32_MAX, UINT32_MAX };
	bool is_unverified = false;
	struct run run;
	size_t k;
	uint32_t i;
	int err;

	for (i = stack->nr_frames; i-- > 0;) {
		err = lookup(b, stack->vm, stack->frames[i], i > 0, &run);
		if (err)
			return err;
		bump(&b->stats.frames, value);
		if (b->parts[run.first].kind == FLAME_UNKNOWN)
			bump(&b->stats.unresolved, value);
		is_unverified |= run.is_unverified;
		/* A library that calls itself is one frame. */
		if (by_library && b->parts[run.first].name == before.name && b->parts[run.first].kind == before.kind)
			continue;
		before = b->parts[run.first];
		for (k = 0; k < run.nr && at >= 0; k++)
			at = step(b, at, b->parts[run.first + k].name,
				  b->parts[run.first + k].kind);
		if (at < 0)
			break;
	}
	if (is_unverified)
		bump(&b->stats.unverified, value);
	return at;
}

/* The exit and the host's frames, or the one word that is known of them. */
static int64_t step_host_frames(struct builder *b, int64_t at, const struct snap_stack *stack)
{
	static const enum flame_kind kinds[] = {
		[SNAP_FRAME_EXIT] = FLAME_EXIT,
		[SNAP_FRAME_KVM] = FLAME_KVM,
		[SNAP_FRAME_VMM] = FLAME_VMM,
	};
	uint32_t i;

	for (i = 0; i < stack->nr_host && at >= 0; i++)
		at = step_text(b, at, stack->host[i].name, kinds[stack->host[i].kind]);
	if (stack->nr_host || at < 0)
		return at;
	if (stack->place == SNAP_PLACE_KVM)
		return step_text(b, at, FLAME_TEXT_KVM, FLAME_KVM);
	if (stack->place == SNAP_PLACE_VMM)
		return step_text(b, at, FLAME_TEXT_VMM, FLAME_VMM);
	return at;
}

static int64_t step_root(struct builder *b, int64_t at, enum snap_place place)
{
	switch (place) {
	case SNAP_PLACE_KVM:
		return step_text(b, at, FLAME_TEXT_KVM, FLAME_KVM);
	case SNAP_PLACE_VMM:
		return step_text(b, at, FLAME_TEXT_VMM, FLAME_VMM);
	case SNAP_PLACE_GUEST:
		break;
	}
	return step_text(b, at, FLAME_TEXT_GUEST, FLAME_MARKER);
}

static void account(struct builder *b, const struct snap_stack *stack, uint64_t value)
{
	struct flame_stats *st = &b->stats;

	bump(&st->total, value);
	bump(stack->place == SNAP_PLACE_KVM   ? &st->kvm
	     : stack->place == SNAP_PLACE_VMM ? &st->vmm
					      : &st->guest,
	     value);
	bump(!stack->nr_frames ? &st->no_registers
	     : stack->stop     ? &st->incomplete
			       : &st->complete,
	     value);
}

static int add_stack(struct builder *b, const struct snap_stack *stack)
{
	const struct snap_vm *vm = snapshot__vm(b->snap, stack->vm);
	uint64_t value = flame__value(b->snap, stack);
	char word[64];
	int64_t at = 0;

	if (!value)
		return 0;
	account(b, stack, value);
	if (snapshot__nr_vms(b->snap) != 1 || b->flags & FLAME_TREE_BY_TEXT)
		at = step_text(b, at, vm->name, FLAME_VM);
	if (at >= 0 && snapshot__info(b->snap)->roots)
		at = step_root(b, at, stack->place);
	if (at >= 0 && stack->stop) {
		snprintf(word, sizeof(word), "[%s]", stack->stop);
		at = step_text(b, at, word, FLAME_MARKER);
	}
	if (at >= 0)
		at = stack->nr_frames ? step_guest_frames(b, at, stack, value)
				      : step_text(b, at, FLAME_TEXT_NO_REGS, FLAME_MARKER);
	if (at >= 0)
		at = step_host_frames(b, at, stack);
	if (at < 0)
		return at;
	bump(&b->self[at], value);
	return 0;
}

/* --- from the growing tree to preorder --- */

struct child {
	uint32_t parent;
	uint32_t rank; /* of its name among all names */
	uint32_t kind;
	uint32_t id;
};

struct ranked {
	const char *name;
	uint32_t id;
};

static int compare_names(const void *pa, const void *pb)
{
	const struct ranked *a = pa, *b = pb;

	return strcmp(a->name, b->name);
}

#define CMP(a, b) (((a) > (b)) - ((a) < (b)))

static int compare_children(const void *pa, const void *pb)
{
	const struct child *a = pa, *b = pb;

	if (a->parent != b->parent)
		return CMP(a->parent, b->parent);
	if (a->rank != b->rank)
		return CMP(a->rank, b->rank);
	return CMP(a->kind, b->kind);
}

/* All nodes but the root, grouped by parent, siblings in their final order. */
static struct child *sort_children(const struct builder *b, size_t nr)
{
	size_t nr_names = strpool__nr(b->names), i;
	struct ranked *ranked;
	struct child *children = NULL;
	uint32_t *rank;

	ranked = calloc(nr_names, sizeof(*ranked));
	rank = calloc(nr_names, sizeof(*rank));
	if (!ranked || !rank)
		goto out;
	for (i = 0; i < nr_names; i++)
		ranked[i] = (struct ranked){ .name = strpool__get(b->names, i, NULL), .id = i };
	qsort(ranked, nr_names, sizeof(*ranked), compare_names);
	for (i = 0; i < nr_names; i++)
		rank[ranked[i].id] = i;

	children = calloc(nr, sizeof(*children));
	if (!children)
		goto out;
	for (i = 1; i < nr; i++) {
		struct key k;

		/* The pool does not align what it keeps. */
		memcpy(&k, strpool__get(b->keys, i, NULL), sizeof(k));
		children[i - 1] = (struct child){
			.parent = k.parent, .rank = rank[k.name], .kind = k.kind, .id = i
		};
	}
	qsort(children, nr - 1, sizeof(*children), compare_children);
out:
	free(rank);
	free(ranked);
	return children;
}

/* Numbers the names by first use, so the table depends on the tree alone and not on addresses. */
static int renumber_names(struct flame_tree *t, const struct builder *b)
{
	const char *name;
	size_t i, len;
	int64_t id;

	for (i = 0; i < t->nr; i++) {
		name = strpool__get(b->names, t->nodes[i].name, &len);
		id = strpool__add(t->names, name, len);
		if (id < 0)
			return id;
		t->nodes[i].name = id;
	}
	return 0;
}

static void place_node(struct flame_tree *t, const struct builder *b, uint32_t id, uint32_t at,
		       uint32_t parent, uint32_t size, uint64_t total)
{
	struct key k;

	memcpy(&k, strpool__get(b->keys, id, NULL), sizeof(k));
	t->nodes[at] = (struct flame_node){
		.name = k.name,
		.parent = parent,
		.depth = id ? t->nodes[parent].depth + 1 : 0,
		.end = at + size,
		.kind = k.kind,
		.total = total,
		.self = b->self[id],
	};
}

static int finish(struct flame_tree *t, const struct builder *b)
{
	struct child *children = NULL;
	uint32_t *size = NULL, *pos = NULL, next = 0;
	uint64_t *total = NULL;
	struct key k;
	size_t i, nr = strpool__nr(b->keys);
	int err = -ENOMEM;

	t->nr = nr;
	t->by_library = snapshot__info(b->snap)->by_library;
	t->stats = b->stats;
	t->nodes = calloc(nr, sizeof(*t->nodes));
	children = sort_children(b, nr);
	size = calloc(nr, sizeof(*size));
	pos = calloc(nr, sizeof(*pos));
	total = calloc(nr, sizeof(*total));
	if (!t->nodes || !children || !size || !pos || !total)
		goto out;

	/* A child's id is higher than its parent's: backwards, each subtree is complete when it is reached. */
	for (i = nr; i-- > 0;) {
		memcpy(&k, strpool__get(b->keys, i, NULL), sizeof(k));
		size[i]++;
		bump(&total[i], b->self[i]);
		if (i) {
			size[k.parent] += size[i];
			bump(&total[k.parent], total[i]);
		}
	}
	place_node(t, b, 0, 0, 0, size[0], total[0]);
	for (i = 0; i + 1 < nr; i++) {
		const struct child *c = &children[i];

		if (!i || children[i - 1].parent != c->parent)
			next = pos[c->parent] + 1;
		pos[c->id] = next;
		place_node(t, b, c->id, next, pos[c->parent], size[c->id], total[c->id]);
		next += size[c->id];
	}
	err = renumber_names(t, b);
out:
	free(total);
	free(pos);
	free(size);
	free(children);
	return err;
}

/* Node 0 is not the child of any node, so its key names the impossible parent. */
static int add_root(struct builder *b)
{
	bool is_single = snapshot__nr_vms(b->snap) == 1 && !(b->flags & FLAME_TREE_BY_TEXT);
	struct key key = { .parent = UINT32_MAX, .kind = is_single ? FLAME_VM : FLAME_ALL };
	int64_t name;

	name = clean_name(b, is_single ? snapshot__vm(b->snap, 0)->name : "all", NULL);
	if (name < 0)
		return name;
	key.name = name;
	if (strpool__add(b->keys, &key, sizeof(key)) < 0)
		return -ENOMEM;
	return reserve(&b->self, &b->cap_self, 0, sizeof(*b->self));
}

int flame_tree__new(struct flame_tree **out, const struct snapshot *snap, unsigned int flags)
{
	struct builder b = { .snap = snap, .flags = flags };
	struct flame_tree *t;
	size_t i;
	int err;

	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	err = strpool__new(&t->names) || strpool__new(&b.names) || strpool__new(&b.keys) ||
			      strpool__new(&b.addresses)
		      ? -ENOMEM
		      : 0;
	if (!err)
		err = add_root(&b);
	for (i = 0; i < snapshot__nr_stacks(snap) && !err; i++)
		err = add_stack(&b, snapshot__stack(snap, i));
	if (!err)
		err = finish(t, &b);

	strbuf__free(&b.text);
	strpool__free(b.names);
	strpool__free(b.keys);
	strpool__free(b.addresses);
	free(b.self);
	free(b.runs);
	free(b.parts);
	if (err) {
		flame_tree__free(t);
		return err;
	}
	*out = t;
	return 0;
}

void flame_tree__free(struct flame_tree *t)
{
	if (!t)
		return;
	strpool__free(t->names);
	free(t->nodes);
	free(t);
}

size_t flame_tree__nr(const struct flame_tree *t)
{
	return t->nr;
}

const struct flame_node *flame_tree__node(const struct flame_tree *t, size_t i)
{
	return &t->nodes[i];
}

size_t flame_tree__nr_names(const struct flame_tree *t)
{
	return strpool__nr(t->names);
}

const char *flame_tree__name(const struct flame_tree *t, uint32_t name)
{
	return strpool__get(t->names, name, NULL);
}

const struct flame_stats *flame_tree__stats(const struct flame_tree *t)
{
	return &t->stats;
}

bool flame_tree__is_by_library(const struct flame_tree *t)
{
	return t->by_library;
}
