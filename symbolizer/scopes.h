/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_SCOPES_H
#define SYMBOLIZER_SCOPES_H

/*
 * scopes - the functions of one compilation unit, and what is inlined into them, by address; for lines.c.
 *
 * What is within a function is read when one of its addresses is asked for. DWARF is foreign input: depth and number of
 * entries are bounded.
 *
 * Threads: one at a time. Source: DWARF 5, 2.17 (ranges), 3.3.8 (inlined subroutines).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <elfutils/libdw.h>

#define SCOPES_MAX_FOUND 32 /* of one address */

/* Where a function, inlined or not, has its code. */
struct scope {
	uint64_t start;
	uint64_t end;
	uint64_t reach; /* highest end of this and all scopes before it */
	Dwarf_Off die;
	uint16_t depth; /* of nesting: the deepest is the innermost */
	bool is_inline;
	bool has_name; /* it was read: when it is asked for first, for most are asked for again */
	uint32_t call_line; /* where it was inlined; this and the next, 0: not known */
	uint32_t call_file; /* of the unit's files */
	uint32_t body; /* of a function: in scopes.bodies */
	const char *name;
};

struct scope_list {
	struct scope *all; /* by start, then by depth */
	size_t nr;
};

/* What is within a function. */
struct scope_body {
	struct scope_list list;
	bool is_read;
};

/* Scopes, until their number is known: memory to use again. All zero: empty; free(all) ends it. */
struct scope_scratch {
	struct scope *all;
	size_t nr, room;
	uint32_t nr_functions;
};

/* Of one unit. All zero: not read. */
struct scopes {
	Dwarf_Die cu;
	bool is_whole; /* what is within functions stands among them */
	bool is_c;     /* or C++: compilers put no code into types */
	struct scope_list functions;
	struct scope_body *bodies;
	uint32_t nr_bodies;
	unsigned int nr_entries; /* that were looked at */
};

/** scopes__read() - the functions of a unit. What can't be read, or has no memory, is not there. */
void scopes__read(struct scopes *s, Dwarf_Die *cu, struct scope_scratch *scratch);
void scopes__drop(struct scopes *s);

/**
 * scopes__find() - the functions that hold an address, the innermost first.
 * @out: SCOPES_MAX_FOUND of them; valid until the next call.
 *
 * Return: their number.
 */
size_t scopes__find(struct scopes *s, uint64_t addr, struct scope_scratch *scratch, struct scope **out);

/** scopes__name() - as the linker knows it, if it does; NULL if it has no name. Valid as long as the Dwarf. */
const char *scopes__name(const struct scopes *s, struct scope *scope);

#endif /* SYMBOLIZER_SCOPES_H */
