/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_UNWINDING_H
#define USER_UNWINDING_H

/*
 * unwinding - which VM's stacks go by which images' unwind tables; each table is in the kernel once.
 *
 * A table is that of a file as it is now: a file that has changed since is another one.
 *
 * Threads: the collector thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ukprof_abi.h"

struct loader;
struct readers;
struct unwinding;

/* An image that a VM runs. */
struct unwinding_image {
	char *path;
	uint64_t bias;	/* its load bias */
	bool is_proven; /* the guest's code was compared; else a position-independent image gets no table */
};

#define UNWINDING_MAX_IMAGES 16 /* of one VM; UKP_MAX_TABLES of them have tables, the first ones */

/**
 * unwinding__new() - @l, @readers: borrowed for its life; @debug_dir: likewise, see debug_file__attach().
 *
 * Return: 0 or -ENOMEM.
 */
int unwinding__new(struct unwinding **out, struct loader *l, struct readers *readers, const char *debug_dir);
/** unwinding__free() - the kernel's copies go with the loader; accepts NULL. */
void unwinding__free(struct unwinding *u);

/**
 * unwinding__use() - a VM runs these images.
 * @images: array of @nr, at most UNWINDING_MAX_IMAGES; copied. None: the VM's tables are not used any more, which is the
 *	last call for a VM, when no walk of it can begin.
 * @out: receives what the VM is told: UKP_MAX_TABLES of them.
 *
 * Cheap when nothing has changed. What is wrong with an image is said once, at debug level, and so is that there are
 * more images with tables than a VM can have: without a table the walk goes by frame pointers.
 *
 * Return: true if @out differs from what the VM was told before; else it is untouched.
 */
bool unwinding__use(struct unwinding *u, uint32_t vm, const struct unwinding_image *images, size_t nr,
		    struct ukp_unwind_image *out);

#endif /* USER_UNWINDING_H */
