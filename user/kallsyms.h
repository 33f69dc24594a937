/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_KALLSYMS_H
#define USER_KALLSYMS_H

/* kallsyms - addresses of the host kernel's symbols, for those who may see them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kallsyms_want {
	const char *name;
	const char *module; /* NULL: of the kernel itself */
	uint64_t addr;	    /* receives the address; 0 if not found or hidden from us */
	bool is_hidden;	    /* receives whether it is there, but its address is hidden from us */
};

/** kallsyms__find() - look up @nr symbols in one pass. Return: 0, or a negative errno of /proc/kallsyms. */
int kallsyms__find(struct kallsyms_want *want, size_t nr);

#endif /* USER_KALLSYMS_H */
