/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_SYM_ANSWERS_H
#define SYMBOLIZER_SYM_ANSWERS_H

/*
 * sym_answers - what was found at many addresses of one image, in three arrays without pointers in them.
 *
 * So they can come from another process, which need not be trusted: sym_answers__check() is all that it takes.
 *
 * Threads: no state.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYM_MAX_ASKED	1024	    /* addresses at once */
#define SYM_MAX_DEPTH	32	    /* functions at one address */
#define SYM_MAX_STRING	8191	    /* bytes; what is longer is cut */
#define SYM_MAX_STRINGS (16u << 20) /* bytes of all strings of one answer */

/* A function at an address; of a library, only the name. Strings are by their place in sym_answers.strings. */
struct sym_answer {
	uint64_t start; /* image address of the function (of the enclosing function for an inlined one) */
	uint32_t name;	/* 0: "" */
	uint32_t file;	/* 0: not known */
	uint32_t line;	/* 0: not known */
	uint32_t reserved;
};

struct sym_answers {
	uint32_t nr;	     /* addresses that are answered: the first ones of those asked, at least one */
	uint32_t nr_frames;  /* in all */
	uint32_t strings_len; /* the first byte and the last one are NUL */
	uint8_t *counts;     /* of each address: functions there, innermost first; 0: nothing is known */
	struct sym_answer *frames;
	char *strings;
};

_Static_assert(sizeof(struct sym_answer) == 24, "no padding");

/** sym_answers__check() - can they be the answer to @nr_asked addresses? Nothing else need be looked at before. */
bool sym_answers__check(const struct sym_answers *a, size_t nr_asked);

/** sym_answers__release() - free what it holds; it may be zeroed. */
void sym_answers__release(struct sym_answers *a);

/* Who answers for the addresses of one image: image_names.h, or another process in its place. */
struct sym_source {
	void *ctx;
	/* Each: @addrs are image addresses, up to SYM_MAX_ASKED. Return: 0, then @out is the caller's; a negative errno. */
	int (*functions)(void *ctx, const uint64_t *addrs, size_t nr, struct sym_answers *out);
	int (*libraries)(void *ctx, const uint64_t *addrs, size_t nr, struct sym_answers *out);
	void (*free)(void *ctx);
	const char *path;     /* this and the next: borrowed until free() */
	const char *build_id; /* lower-case hexadecimal, or NULL */
	uint64_t start, end;  /* image addresses: of all its code */
	uint64_t file_offset; /* of start */
	bool has_lines;
};

struct image_facts;

/** sym_source__set_range() - start, end and file_offset, by the facts of the image. */
void sym_source__set_range(struct sym_source *src, const struct image_facts *facts);

#endif /* SYMBOLIZER_SYM_ANSWERS_H */
