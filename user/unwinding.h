/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_UNWINDING_H
#define USER_UNWINDING_H

/*
 * unwinding - which VM's stacks go by which image's unwind table; each table is in the kernel once.
 *
 * A table is that of a file as it is now: a file that has changed since is another one.
 *
 * Threads: the collector thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loader;
struct ukp_unwind_image;
struct unwinding;

/** unwinding__new() - @l: borrowed for its life; @debug_dir: likewise, see debug_file__attach(). Return: 0 or -ENOMEM. */
int unwinding__new(struct unwinding **out, struct loader *l, const char *debug_dir);
/** unwinding__free() - the kernel's copies go with the loader; accepts NULL. */
void unwinding__free(struct unwinding *u);

/**
 * unwinding__use() - a VM runs this image.
 * @path: of the image; copied.
 * @bias: its load bias.
 * @is_proven: the guest's code was compared; else a position-independent image gets no table.
 * @out: receives what the VM is told.
 *
 * Cheap when nothing has changed. What is wrong with the image is said once, at debug level: without a table
 * the walk goes by frame pointers.
 *
 * Return: true if @out differs from what the VM was told before.
 */
bool unwinding__use(struct unwinding *u, uint32_t vm, const char *path, uint64_t bias, bool is_proven,
		    struct ukp_unwind_image *out);

/** unwinding__drop() - the VM runs it no more. Call it when no walk of the VM can begin. Return: as above. */
bool unwinding__drop(struct unwinding *u, uint32_t vm, struct ukp_unwind_image *out);

#endif /* USER_UNWINDING_H */
