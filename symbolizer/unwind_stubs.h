/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_UNWIND_STUBS_H
#define SYMBOLIZER_UNWIND_STUBS_H

/*
 * unwind_stubs - where an image's interrupts enter it, as far as no table says so.
 *
 * Unikernels write these stubs by hand, most without call frame information. Each has the one instruction that ends an
 * interrupt, IRETQ, and that is how they are told: the function around those bytes, or where no symbol says which that is,
 * the 512 bytes before them. The image's entry is none. The bytes may be anything else; so a walk looks for the frame that belongs to them, and goes
 * on as in any code without a row if there is none.
 *
 * Source: Intel SDM vol. 2A, IRET (REX.W CF).
 */

#include "unwind_cfi.h"

/**
 * unwind_stubs__find() - the stubs that have no rule that can be followed.
 * @out: filled in; release it with unwind_cfi__release() in any case. Its ranges have a rule with UKP_CFA_INTERRUPT.
 * @img: borrowed for the call.
 * @known: what the tables say.
 * @rules: the rule is added.
 *
 * Return: 0 or -ENOMEM. Cost: a pass over the code; if there is a stub, a symbol table.
 */
int unwind_stubs__find(struct unwind_cfi *out, struct image *img, const struct unwind_cfi *known,
		       struct unwind_rules *rules);

#endif /* SYMBOLIZER_UNWIND_STUBS_H */
