/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_EXIT_FILTER_H
#define EXPORTERS_EXIT_FILTER_H

/*
 * exit_filter - a choice of exit reasons.
 *
 * A zeroed struct is an empty one, which no exit matches; a NULL pointer stands for "all reasons".
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exit_filter {
	struct exit_filter_item {
		uint32_t isa; /* enum exit_isa; EXIT_ISA_UNKNOWN: any */
		uint32_t reason;
	} *items; /* owned */
	size_t nr;
};

/**
 * exit_filter__add() - choose what a word means.
 * @word: a name of exit_names on either vendor's processors, in any case, with ' ', '-' and '_' taken as equal;
 *	one of the few others that people know ("ioio", "vmmcall"); or a code, decimal or with 0x.
 *
 * A name also chooses what means the same on the other vendor's processors: IO_INSTRUCTION and io are one, npf is
 * EPT_VIOLATION and EPT_MISCONFIG. MSR_READ and MSR_WRITE have no counterpart: msr is both.
 *
 * Return: 0; -ENOENT if there is no such name or code; -ENOMEM.
 */
int exit_filter__add(struct exit_filter *f, const char *word);
void exit_filter__free(struct exit_filter *f);

/**
 * exit_filter__match() - whether an exit is chosen; any is if @f is NULL.
 *
 * On VMX the flags above the low 16 bits do not count, unless the code was given with them.
 */
bool exit_filter__match(const struct exit_filter *f, uint32_t isa, uint32_t reason);

#endif /* EXPORTERS_EXIT_FILTER_H */
