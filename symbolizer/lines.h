/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_LINES_H
#define SYMBOLIZER_LINES_H

/*
 * lines - source lines and inlined functions of an address, from an image's DWARF.
 *
 * A compilation unit is read when one of its addresses is asked for the first time, and what is within a
 * function when one of the function's is; both are kept. DWARF is foreign input: depth, number of entries and
 * strings are bounded, and what contradicts itself is left out.
 *
 * Threads: one at a time. Source: DWARF 5, 2.17 (ranges), 3.3.8 (inlined subroutines), 6.2 (lines).
 */

#include <stddef.h>
#include <stdint.h>

#define LINES_MAX_FRAMES 32

struct lines;

/* A function at an address; strings are borrowed until lines__free(). */
struct lines_frame {
	const char *name; /* mangled where the compiler mangles; NULL if unknown */
	const char *file; /* NULL if unknown */
	uint32_t line;	  /* of the address, or of the call in the function around; 0 if unknown */
};

/**
 * lines__open() - @fd: of the image, for reading; borrowed, for a copy of it is kept. @out: on success receives it.
 *
 * Return: 0; -ENOENT if it has no line tables; -errno if it can't be read; -ENOMEM.
 */
int lines__open(struct lines **out, int fd);
void lines__free(struct lines *l); /* accepts NULL */

/**
 * lines__lookup() - the functions at an image address, innermost first.
 * @frames: receives up to LINES_MAX_FRAMES; the last one is the function that is not inlined.
 *
 * Return: their number; 0 if the image's DWARF does not cover the address.
 */
size_t lines__lookup(struct lines *l, uint64_t addr, struct lines_frame *frames);

/**
 * lines__unit() - path of the source file of the address's compilation unit, as the compiler was given it.
 * @dir: receives the directory that it is relative to, or NULL; may be NULL.
 *
 * Return: borrowed until lines__free(); NULL if there is none.
 */
const char *lines__unit(struct lines *l, uint64_t addr, const char **dir);

/**
 * lines__for_each_unit() - visit the same two strings of all units, each may be NULL.
 *
 * Return: 0, or the first other result of @visit, which ends the visit.
 */
int lines__for_each_unit(struct lines *l, int (*visit)(void *ctx, const char *dir, const char *name), void *ctx);

#endif /* SYMBOLIZER_LINES_H */
