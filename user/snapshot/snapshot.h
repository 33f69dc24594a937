/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SNAPSHOT_SNAPSHOT_H
#define SNAPSHOT_SNAPSHOT_H

/*
 * snapshot - what was profiled, frozen: the only thing an exporter sees of a profile.
 *
 * A snapshot holds addresses and counts, the VMs they belong to, and for each VM the symbolizer that
 * knows its images. Stacks are unique and sorted, so equal profiles give equal bytes in every format.
 *
 * Threads: immutable once snapshot__seal() has returned, so any thread may read it. References are
 * counted atomically: snapshot__get() and snapshot__put() may be called from any thread.
 *
 * Lifetime: strings, frames and symbolizers belong to the snapshot and live until its last put.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbolizer;
struct snapshot;

/* Where a sample hit. */
enum snap_place {
	SNAP_PLACE_GUEST = 0, /* the vCPU was running guest code */
	SNAP_PLACE_KVM = 1,   /* the host kernel, on behalf of the vCPU: frames are the guest's at its exit */
	SNAP_PLACE_VMM = 2,   /* the VMM's user code on the vCPU thread: frames likewise */
};

struct snap_vm {
	const char *name;	 /* unique in the snapshot, never NULL; chosen by a user or a guest: untrusted */
	const char *vmm;	 /* executable's base name, such as "qemu-system-x86_64"; never NULL */
	const char *image_path;	 /* image whose names are shown, or NULL */
	const char *build_id;	 /* lower-case hexadecimal, or NULL: unikernels rarely have one */
	int pid;		 /* of the VMM */
	uint32_t nr_vcpus;	 /* seen while recording */
	bool verified;		 /* an image's text was compared with guest memory and is the same; names of other
				    images are marked: sym_frame.is_unverified. false: all names are in doubt */
	struct symbolizer *syms; /* owned by the snapshot; NULL when there is no image: frames stay addresses */
};

/*
 * What follows the guest's leaf: the exit that it caused and the host's frames that handle it. Ordered from
 * the guest on, so the last one is the innermost.
 */
enum snap_frame_kind {
	SNAP_FRAME_EXIT = 0, /* reason of a VM exit, and what it was for */
	SNAP_FRAME_KVM = 1,  /* function of the host kernel */
	SNAP_FRAME_VMM = 2,  /* function of the VMM */
};

struct snap_host_frame {
	enum snap_frame_kind kind;
	const char *name; /* never NULL */
};

struct snap_stack {
	uint32_t vm;	     /* index into vms */
	uint32_t vcpu;	     /* KVM's vCPU id */
	enum snap_place place;
	const char *stop;    /* why the walk ended early, such as "unmapped"; NULL: the stack is complete */
	uint32_t nr_frames;  /* may be 0, when not even RIP was known */
	const uint64_t *frames; /* GVAs, leaf first: frames[0] is RIP, the rest are return addresses */
	uint32_t nr_host;    /* 0: the place is all that is known of the host's side */
	const struct snap_host_frame *host;
	uint64_t count;	     /* samples, or VM exits (an estimate where not every one was looked at) */
	uint64_t weight_ns;  /* what they stand for, in nanoseconds */
};

/* One figure of the account that is given with every profile, such as {"ring_full", "Samples …", 3}. */
struct snap_counter {
	const char *label; /* static string */
	const char *help;  /* static string */
	uint64_t value;
};

/* What the width of a frame shows, and the unit of totals. */
enum snap_measure {
	SNAP_MEASURE_SAMPLES = 0,   /* snap_stack.count */
	SNAP_MEASURE_EXITS = 1,	    /* snap_stack.count, of VM exits */
	SNAP_MEASURE_EXIT_TIME = 2, /* snap_stack.weight_ns, of VM exits; shown in microseconds */
};

/* Facts about the recording as a whole. */
struct snap_info {
	uint64_t start_wall_ns; /* CLOCK_REALTIME at the start; 0 when unknown */
	uint64_t duration_ns;
	uint64_t period_ns;	/* nominal distance of samples on a vCPU; 0 for events that do not count time */
	uint32_t freq_hz;
	const char *event;	/* "cpu-clock", "cycles", "exits" */
	enum snap_measure measure;
	bool by_library;	/* a guest frame shows the library of its function; several in a row are one */
	bool roots;		/* below the VM a frame says where a sample hit: [guest], [kvm] or [vmm] */
	const char *host;	/* host's kernel release, or NULL */
};

/**
 * snapshot__new() - begin a snapshot.
 * @out: on success receives it with one reference, which the caller owns; untouched on error.
 * @info: facts about the recording; copied, strings included.
 *
 * Return: 0 or -ENOMEM.
 */
int snapshot__new(struct snapshot **out, const struct snap_info *info);

/**
 * snapshot__add_vm() - add a VM.
 * @vm: copied with its strings; the reference in @vm->syms is taken, also on error.
 *
 * Return: index of the VM, or -ENOMEM.
 */
int snapshot__add_vm(struct snapshot *s, const struct snap_vm *vm);

/**
 * snapshot__add_stack() - add a stack.
 * @stack: copied with its frames; equal stacks (all but count and weight) are merged by
 *	snapshot__seal(). @stack->stop must be a static string or NULL.
 *
 * The symbolizer of its VM is told to expect its addresses.
 *
 * Return: 0 or -ENOMEM.
 */
int snapshot__add_stack(struct snapshot *s, const struct snap_stack *stack);

/**
 * snapshot__add_counter() - add a figure to the account; the strings are borrowed and must be static.
 *
 * Return: 0 or -ENOMEM.
 */
int snapshot__add_counter(struct snapshot *s, const struct snap_counter *counter);

/** snapshot__seal() - merge and sort; from here on the snapshot is immutable. */
void snapshot__seal(struct snapshot *s);

struct snapshot *snapshot__get(struct snapshot *s);
void snapshot__put(struct snapshot *s); /* accepts NULL */

const struct snap_info *snapshot__info(const struct snapshot *s);
size_t snapshot__nr_vms(const struct snapshot *s);
const struct snap_vm *snapshot__vm(const struct snapshot *s, size_t i);
size_t snapshot__nr_stacks(const struct snapshot *s);
const struct snap_stack *snapshot__stack(const struct snapshot *s, size_t i);
size_t snapshot__nr_counters(const struct snapshot *s);
const struct snap_counter *snapshot__counter(const struct snapshot *s, size_t i);

/** snapshot__total() - samples and nanoseconds of all stacks; either pointer may be NULL. */
void snapshot__total(const struct snapshot *s, uint64_t *count, uint64_t *weight_ns);

#endif /* SNAPSHOT_SNAPSHOT_H */
