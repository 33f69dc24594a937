/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_UNWIND_CFI_H
#define SYMBOLIZER_UNWIND_CFI_H

/*
 * unwind_cfi - what one section of call frame information says of every address: .eh_frame or .debug_frame.
 *
 * The section is foreign. Before libdw executes any of it, entries that it could not execute in bounded time
 * and memory are taken out of a private copy: their addresses have no row, and are counted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image;
struct unwind_rules;

/* From this address to the next row's one rule holds. A rule with UKP_UNWIND_ENTRY or _PART begins a range here. */
struct unwind_cfi_row {
	uint64_t addr;
	uint16_t rule; /* UKP_UNWIND_RULE_NONE: not covered */
};

struct unwind_cfi {
	struct unwind_cfi_row *rows; /* by address; the last one ends the last range */
	size_t nr;
	size_t room;
	uint64_t nr_ranges;   /* FDEs in use */
	uint64_t nr_rejected; /* FDEs that are malformed, or cost too much to execute */
	uint64_t nr_outside;  /* FDEs for addresses that are no code of the image, as those of discarded functions */
};

/**
 * unwind_cfi__read() - compile a section.
 * @cfi: filled in; release it with unwind_cfi__release() in any case. Empty if there is no such section.
 * @img: borrowed for the call.
 * @is_eh: .eh_frame; else .debug_frame.
 * @rules: rules that are met are added.
 *
 * Return: 0, also for a section that is no good, whose ranges are then missing; -EBADMSG if it can't be read at
 * all; -EFBIG beyond 256 MiB or 16 million rows; -ENOMEM.
 * Cost: about 0.5 us per row.
 */
int unwind_cfi__read(struct unwind_cfi *cfi, struct image *img, bool is_eh, struct unwind_rules *rules);
void unwind_cfi__release(struct unwind_cfi *cfi);

/**
 * unwind_cfi__push() - a row at the end of the list; one at the same address, which ended the range before, goes.
 * @addr: not below that of the last row.
 * @begins: a range begins here; its row stays apart from that of the range before, even if both say the same.
 *
 * Return: 0; -EFBIG beyond 16 million rows; -ENOMEM.
 */
int unwind_cfi__push(struct unwind_cfi *cfi, uint64_t addr, uint16_t rule, bool begins);

#endif /* SYMBOLIZER_UNWIND_CFI_H */
