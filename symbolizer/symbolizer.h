/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_SYMBOLIZER_H
#define SYMBOLIZER_SYMBOLIZER_H

/*
 * symbolizer - names for the addresses of one guest.
 *
 * A guest may run several images (a kernel and an application), each at a load bias of its own. The
 * symbolizer holds them, finds the image that an address belongs to, and remembers what it found, so an
 * address is resolved once however often it was sampled.
 *
 * Threads: symbolizer__resolve() fills a cache; calls on one symbolizer are serialized by a lock inside,
 * and what they returned stays valid and constant until the last symbolizer__put().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image;
struct sym_source;
struct symbolizer;

/* One function at an address. With inlined functions an address has several, innermost first. */
struct sym_frame {
	const char *name;   /* readable name; never NULL, may contain any byte an ELF file can hold but NUL; up to 8 KiB */
	uint64_t start;	    /* GVA of the function's first byte (of the enclosing function for an inlined one) */
	const char *file;   /* source file, or NULL when there are no line tables */
	uint32_t line;	    /* 1-based, 0 when unknown */
	bool is_inline;	    /* inlined into the next frame of the result */
	bool is_unverified; /* its image is not proven to be what the guest runs */
};

/* Facts about an image for those that describe it to others (pprof's mappings, reports). */
struct sym_image_info {
	const char *path;
	const char *build_id; /* lower-case hexadecimal, or NULL */
	uint64_t gva_start;   /* of its executable code, load bias added */
	uint64_t gva_end;
	uint64_t file_offset; /* of gva_start in the file */
	bool has_lines;
	bool is_unverified; /* it is not proven to be what the guest runs */
};

/**
 * symbolizer__new() - an empty set of images.
 * @out: receives it with one reference, owned by the caller; untouched on error.
 *
 * Return: 0 or -ENOMEM.
 */
int symbolizer__new(struct symbolizer **out);
struct symbolizer *symbolizer__get(struct symbolizer *s);
void symbolizer__put(struct symbolizer *s); /* accepts NULL */

/**
 * symbolizer__add_image() - let an image answer for its addresses.
 * @img: taken, also on error.
 * @bias: load bias, GVA minus image address; may wrap.
 * @is_proven: it is what the guest runs, at that bias.
 *
 * Return: 0; -ENOENT if the image has no symbols at all; -EBADMSG if its tables are malformed; -ENOMEM.
 */
int symbolizer__add_image(struct symbolizer *s, struct image *img, uint64_t bias, bool is_proven);

/**
 * symbolizer__add_source() - let another one answer for the addresses of an image, see sym_answers.h.
 * @src: copied; its ctx is taken, also on error.
 *
 * Return: 0 or -ENOMEM.
 */
int symbolizer__add_source(struct symbolizer *s, const struct sym_source *src, uint64_t bias, bool is_proven);

/** symbolizer__without_lines() - images that are added later show no inlined functions and no source lines. */
void symbolizer__without_lines(struct symbolizer *s);

size_t symbolizer__nr_images(const struct symbolizer *s);
void symbolizer__image_info(const struct symbolizer *s, size_t i, struct sym_image_info *info);

/**
 * symbolizer__resolve() - the functions at an address.
 * @s: NULL is allowed and knows nothing.
 * @gva: guest virtual address.
 * @is_return: true for a return address: it is looked up one byte lower, so that a call which ends a
 *	function still belongs to its caller.
 * @frames: receives the functions, innermost first; borrowed, valid until the last symbolizer__put().
 *
 * Return: number of frames; 0 if no symbol covers the address.
 */
size_t symbolizer__resolve(struct symbolizer *s, uint64_t gva, bool is_return,
			   const struct sym_frame **frames);

/**
 * symbolizer__expect() - this address will be resolved. The first one of those that were told so is asked for together
 * with the others, which is cheaper where another process has to be asked.
 * @s: NULL is allowed. Other parameters: as for symbolizer__resolve().
 */
void symbolizer__expect(struct symbolizer *s, uint64_t gva, bool is_return);

/**
 * symbolizer__library() - the micro-library or module that the code at an address belongs to.
 * @s, @gva, @is_return: as for symbolizer__resolve().
 *
 * By the path of its compilation unit (library.h); without DWARF the source file that the symbol table has of a
 * local symbol; else "[file name of the image]".
 *
 * Return: borrowed, valid until the last symbolizer__put(); NULL where symbolizer__resolve() finds nothing.
 * Cost: a look at all compilation units for the first address of an image, then one of the address's own.
 */
const char *symbolizer__library(struct symbolizer *s, uint64_t gva, bool is_return);

#endif /* SYMBOLIZER_SYMBOLIZER_H */
