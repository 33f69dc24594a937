/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_NAMING_H
#define USER_NAMING_H

/*
 * naming - which images each VM of a recording runs, proven by bytes; and the snapshot with those names.
 *
 * Truth before names: an image is used when the code that was read from the guest is the image's, at one
 * load bias. An image that differs is not used, unless that is asked for; where the guest showed no code, and where
 * the image differs, names are marked unverified.
 *
 * Threads: the collector thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "snapshot.h"

struct naming;
struct profile_mark;
struct readers;
struct recording;
struct recording_counts;
struct snapshot;
struct symbolizer;
struct unwinding_image;

#define NAMING_MAX_IMAGES 16

/* An image that guests run. */
struct naming_image {
	const char *path;
	uint64_t address; /* GVA of its first byte; not used without has_address: the guest's code tells */
	bool has_address;
};

/* What was asked for; zeroed, it is what is shown by default. */
struct naming_opts {
	struct naming_image images[NAMING_MAX_IMAGES]; /* of all VMs, the kernel's first */
	size_t nr_images;	/* 0: what the VMs' command lines name */
	const char *debug_dir; /* where debug files are, see debug_file.h; NULL: the usual folder */
	struct readers *readers; /* read the images; borrowed for its life. NULL: no image can be read */
	bool force;	     /* use an image that is not what the guest runs; its names are marked */
	bool no_inline;	     /* show no inlined functions and no source lines */
};

/**
 * naming__new() - prepare.
 * @opts: copied.
 *
 * The user's images are opened at once, so that a wrong file, or two in one place, are reported before anything is
 * recorded.
 *
 * Return: 0; -EINVAL if it is of no use (reported on stderr); -ENOMEM.
 */
int naming__new(struct naming **out, const struct naming_opts *opts);
void naming__free(struct naming *n); /* accepts NULL */

/**
 * naming__update() - look at what the recording has learnt since; cheap when there is nothing new.
 *
 * Return: 0 or -ENOMEM.
 */
int naming__update(struct naming *n, const struct recording *r);

/**
 * naming__unresolved() - samples whose leaf has no name; those without any frame are counted, too.
 * @exits: of the VM exits instead.
 * Cost: one cached look-up per stack.
 */
uint64_t naming__unresolved(struct naming *n, const struct recording *r, bool exits);

/* What of a recording is to be frozen. */
struct naming_what {
	enum snap_measure measure; /* samples, or VM exits by count or time */
	bool roots;		   /* a frame below the VM says where a sample hit */
	bool by_library;	   /* guest frames are libraries, not functions */
	bool idle;		   /* the time of exits in which the guest waits, too (HLT) */
	bool live;		   /* while it goes on: nothing is said on stderr, and there may be more to learn */
	const uint32_t *vm;	   /* the id of the only VM, or NULL for all */
	const struct profile_mark *since; /* of the profile that the measure is about; NULL: from the start */
	const struct recording_counts *counts_since; /* likewise, of the counters; NULL: from the start */
	uint64_t start_wall_ns, duration_ns; /* of @since; not used without */
};

/** naming__forget() - the VM at place @i of the recording is another from now on. */
void naming__forget(struct naming *n, size_t i);

/* What is known of the image whose names are shown. */
enum naming_verdict { NAMING_NONE, NAMING_UNVERIFIED, NAMING_VERIFIED, NAMING_WRONG };

struct naming_status {
	enum naming_verdict verdict; /* the worst of its images': wrong, unverified, verified, none */
	const char *path;	  /* of the first image, or NULL; borrowed until the next update */
	const char *build_id;	  /* or NULL; borrowed likewise */
	struct symbolizer *syms;  /* borrowed, or NULL */
	size_t nr_images;
	bool has_proof; /* at least one image is proven; names of others tell by themselves: sym_frame.is_unverified */
};

/* What is known of one image of a VM. */
struct naming_image_status {
	enum naming_verdict verdict;
	const char *path;     /* borrowed until the next update */
	const char *build_id; /* or NULL; borrowed likewise */
};

/** naming__status() - of the VM at place @i. */
void naming__status(const struct naming *n, size_t i, struct naming_status *out);
/** naming__image_status() - of its image @k, less than nr_images. */
void naming__image_status(const struct naming *n, size_t i, size_t k, struct naming_image_status *out);

/**
 * naming__snapshot() - freeze the recording with its names.
 * @out: receives the snapshot, owned by the caller.
 *
 * Says on stderr, once per VM, when names are missing or not proven, and why.
 *
 * Return: 0; -EBADMSG if the user's image is not what a guest runs and is not used (the snapshot is good, its frames
 * are addresses); -ENOMEM.
 */
int naming__snapshot(struct naming *n, const struct recording *r, const struct naming_what *what,
		     struct snapshot **out);

/**
 * naming__linear_offset() - distance of virtual and physical addresses that a VM's image is linked for.
 * @image: as the VMM's command line names it, or NULL; the user's image goes first.
 *
 * A guess until text probes that were read by it are the image's.
 *
 * Return: true if there is one.
 */
bool naming__linear_offset(const struct naming *n, const char *image, uint64_t *offset);

/**
 * naming__tables() - the files whose unwind tables a VM's stacks can go by.
 * @id: of the VM in the recording.
 * @image: as the VMM's command line names it, or NULL; for a VM that the recording has not seen yet.
 * @out: array of NAMING_MAX_IMAGES; receives the images, whose paths the caller frees. The first may be a guess, for most
 *	guests run one image alone; the others are what the guest's code was compared with and is the same.
 *
 * Return: how many; 0 if there is none, or the guest runs other code.
 */
size_t naming__tables(const struct naming *n, const struct recording *r, uint32_t id, const char *image,
		      struct unwinding_image *out);

#endif /* USER_NAMING_H */
