/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_KALLSYMS_H
#define USER_KALLSYMS_H

/* kallsyms - addresses of the host kernel's symbols, for those who may see them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct kallsyms_want {
	const char *name;
	const char *module; /* NULL: of the kernel itself */
	uint64_t addr;	    /* receives the address; 0 if not found or hidden from us */
	bool is_hidden;	    /* receives whether it is there, but its address is hidden from us */
};

/** kallsyms__find() - look up @nr symbols in one pass. Return: 0, or a negative errno of /proc/kallsyms. */
int kallsyms__find(struct kallsyms_want *want, size_t nr);

/* All functions of the kernel and its modules as they are now, by address. Zeroed before the first use. */
struct kallsyms_table {
	struct kallsyms_sym *syms;
	size_t nr, cap;
	char *names;
	size_t names_len, names_cap;
};

/**
 * kallsyms__read() - Return: 0, also where the addresses are hidden: then the table is empty; -ENOMEM, with an empty
 * table; a negative errno of /proc/kallsyms.
 */
int kallsyms__read(struct kallsyms_table *t);
/** kallsyms__parse() - the same from text, for tests. */
int kallsyms__parse(struct kallsyms_table *t, FILE *f);
/** kallsyms__lookup() - the name of the function at or before an address; NULL if there is none. Borrowed. */
const char *kallsyms__lookup(const struct kallsyms_table *t, uint64_t addr);
void kallsyms__release(struct kallsyms_table *t);

#endif /* USER_KALLSYMS_H */
