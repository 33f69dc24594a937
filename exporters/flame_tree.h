/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_FLAME_TREE_H
#define EXPORTERS_FLAME_TREE_H

/*
 * flame_tree - a snapshot as a tree of named frames: what folded stacks and flame graphs show.
 *
 * The one place that decides how a stack reads from its root to its leaf:
 *
 *   VM name                  always
 *   [guest] [kvm] [vmm]      where the sample hit, if the profile has roots
 *   [stop word]              when the stack is incomplete: it must not look as if it began at the entry
 *   guest functions          inlined ones expanded; an address without a name as 0x…; or
 *   guest libraries          where the profile is by library: one frame for each run of functions of one
 *   [no guest registers]     instead of them, when not even RIP was known
 *   VM exit                  its reason, then what it was for, where the profile is of exits
 *   host functions           where they are known; else
 *   [kvm] or [vmm]           when the sample hit the host on behalf of the vCPU
 *
 * Stacks that read the same are one path. Names are clean (name.h).
 *
 * Threads: immutable once built. Lifetime: owns all it holds; the snapshot may go.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flame_tree;
struct snapshot;

/* What a frame stands for; chooses its colour. Written into pages, so numbers stay as they are. */
enum flame_kind {
	FLAME_ALL = 0,     /* root of a tree of several VMs */
	FLAME_VM = 1,      /* a VM's name */
	FLAME_GUEST = 2,   /* guest function */
	FLAME_INLINE = 3,  /* guest function that the compiler inlined into its parent */
	FLAME_KVM = 4,     /* host kernel */
	FLAME_VMM = 5,     /* user code of the VMM */
	FLAME_UNKNOWN = 6, /* guest address without a name */
	FLAME_MARKER = 7,  /* a remark, such as why the walk ended */
	FLAME_EXIT = 8,    /* a VM exit's reason, and what it was for */
	NR_FLAME_KINDS
};

struct flame_node {
	uint32_t name;   /* for flame_tree__name() */
	uint32_t parent; /* index; the root's is 0 */
	uint32_t depth;  /* 0 for the root */
	uint32_t end;    /* index of the first node behind this one's subtree */
	enum flame_kind kind;
	uint64_t total; /* of the subtree, in the unit of the snapshot's measure; sums stop at UINT64_MAX */
	uint64_t self;  /* what ends here */
};

/* What totals count: in sentences, and as a heading. */
struct flame_unit {
	const char *one;   /* "sample" */
	const char *many;  /* "samples" */
	const char *title; /* "Samples" */
};

/** flame__unit() - of a snapshot's measure. */
const struct flame_unit *flame__unit(const struct snapshot *snap);

struct snap_stack;
/** flame__value() - what a stack counts in that unit. */
uint64_t flame__value(const struct snapshot *snap, const struct snap_stack *stack);

/* Account of the samples in a tree. Each of the three groups adds up to total by itself. */
struct flame_stats {
	uint64_t total;
	uint64_t guest, kvm, vmm;                    /* by place */
	uint64_t complete, incomplete, no_registers; /* by what is known of the guest's stack */
	uint64_t frames,
		unresolved;  /* guest frames times samples, and those of them without a name */
	uint64_t unverified; /* samples whose names are marked */
};

/* Frames that print the same are one, whatever their kind, and names hold no ';' (folded stacks). */
#define FLAME_TREE_BY_TEXT 0x1u

/**
 * flame_tree__new() - build the tree of a snapshot.
 * @out: on success receives the tree, owned by the caller; untouched on error.
 * @snap: borrowed, may be put as soon as this returns.
 * @flags: FLAME_TREE_* or 0.
 *
 * Nodes stand in preorder, siblings by the bytes of their names. Stacks with a count of 0 are left out.
 * Node 0 is the VM when the snapshot has exactly one, and "all" otherwise.
 *
 * Return: 0 or -ENOMEM.
 * Cost: one hash look-up per frame; an address is resolved once per VM.
 */
int flame_tree__new(struct flame_tree **out, const struct snapshot *snap, unsigned int flags);
void flame_tree__free(struct flame_tree *t); /* accepts NULL */

/** flame_tree__nr() - number of nodes, at least 1. */
size_t flame_tree__nr(const struct flame_tree *t);
const struct flame_node *flame_tree__node(const struct flame_tree *t, size_t i);

/** flame_tree__nr_names(), flame_tree__name() - distinct names, in order of first use in preorder. */
size_t flame_tree__nr_names(const struct flame_tree *t);
const char *flame_tree__name(const struct flame_tree *t, uint32_t name);

const struct flame_stats *flame_tree__stats(const struct flame_tree *t);

/** flame_tree__is_by_library() - its guest frames are libraries. */
bool flame_tree__is_by_library(const struct flame_tree *t);

/** flame__add() - a sum that stops at UINT64_MAX. */
uint64_t flame__add(uint64_t a, uint64_t b);

/* Texts of the frames that are no functions; pprof uses them too. */
#define FLAME_TEXT_GUEST   "[guest]"
#define FLAME_TEXT_KVM     "[kvm]"
#define FLAME_TEXT_VMM     "[vmm]"
#define FLAME_TEXT_NO_REGS "[no guest registers]"
#define FLAME_TEXT_NO_LIB  "[unknown]" /* by library: code without a name */

#endif /* EXPORTERS_FLAME_TREE_H */
