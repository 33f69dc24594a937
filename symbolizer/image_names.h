/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_IMAGE_NAMES_H
#define SYMBOLIZER_IMAGE_NAMES_H

/*
 * image_names - names for the addresses of one image: its symbol table, its DWARF, and the libraries its code is of.
 *
 * Threads: one at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sym_answers.h"

struct image;
struct image_names;

/**
 * image_names__new() - read the symbols.
 * @img: borrowed for its life, with the debug file that it has by now.
 *
 * Return: 0; -ENOENT if the image has no symbols at all; -EBADMSG if its tables are malformed; -ENOMEM.
 */
int image_names__new(struct image_names **out, struct image *img);
void image_names__free(struct image_names *n); /* accepts NULL */

/** image_names__has_lines() - read the line tables, if that was not done. Return: whether there are any. */
bool image_names__has_lines(struct image_names *n);

/**
 * image_names__functions() - the functions at some addresses; readable names.
 * @addrs: image addresses; @nr: of them, 1 to SYM_MAX_ASKED.
 * @lines: with source lines and inlined functions.
 *
 * Return: 0, then @out is the caller's, and not always of all addresses; -ENOMEM.
 */
int image_names__functions(struct image_names *n, const uint64_t *addrs, size_t nr, bool lines, struct sym_answers *out);

/** image_names__libraries() - likewise, their libraries, see symbolizer__library(). */
int image_names__libraries(struct image_names *n, const uint64_t *addrs, size_t nr, bool lines, struct sym_answers *out);

#endif /* SYMBOLIZER_IMAGE_NAMES_H */
