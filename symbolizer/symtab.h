/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_SYMTAB_H
#define SYMBOLIZER_SYMTAB_H

/*
 * symtab - which function covers an image address.
 *
 * Built once into sorted ranges that do not overlap, so a look-up is one binary search. Independent of
 * the image after it has been built.
 *
 * Threads: immutable after symtab__new(); any thread may look up.
 */

#include <stddef.h>
#include <stdint.h>

struct image;
struct symtab;

struct symtab_sym {
	const char *name; /* borrowed from the table */
	const char *file; /* source file of a local symbol, where the table has it (STT_FILE), or NULL; borrowed */
	uint64_t start;	  /* image address of the function */
	uint64_t end;
};

/**
 * symtab__new() - build the table of an image.
 * @out: on success receives it, owned by the caller; untouched on error.
 * @img: borrowed; may be freed as soon as this returns.
 *
 * Hand-written boot code is usually STT_NOTYPE with size 0; such a symbol is given the room up to the next
 * symbol, capped at the end of its section. Labels within it are no symbols: those that NASM makes in macros
 * (..@13.out), and local ones that begin with its own name and a dot (switch_stack.retry). A symbol with a size
 * keeps it and wins over those without. Where several names stand at one address: global before weak before
 * local, a typed symbol before an untyped one, then the alphabet, so that the choice is the same in every run;
 * a longer one keeps what the better one does not cover.
 *
 * Return: 0; -ENOENT if the image names no code (stripped); -EBADMSG if its table is malformed; -ENOMEM.
 * Cost: O(n log n) once; 32 bytes and the name per symbol.
 * Source: ELF gABI chapter 4, "Symbol Table".
 */
int symtab__new(struct symtab **out, struct image *img);
void symtab__free(struct symtab *st); /* accepts NULL */

size_t symtab__nr(const struct symtab *st);

/**
 * symtab__lookup() - find the symbol that covers an address.
 * @addr: image address. For a return address pass addr - 1.
 *
 * Return: 0; -ENOENT if none does.
 */
int symtab__lookup(const struct symtab *st, uint64_t addr, struct symtab_sym *out);

#endif /* SYMBOLIZER_SYMTAB_H */
