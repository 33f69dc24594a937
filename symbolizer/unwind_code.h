/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_UNWIND_CODE_H
#define SYMBOLIZER_UNWIND_CODE_H

/*
 * unwind_code - an unwind table made from the code itself, for images that were built without one.
 *
 * What call frame information says of compiled code can be read from the code: each instruction's effect on RSP and RBP is
 * known, a function begins behind a call and ends with RSP where it was. Each function is followed along all of its
 * paths; where two meet with a different stack, where RSP is set to what is not known, or a RET is reached with something
 * left on the stack, the function has no rows. Calls are taken to return with RSP as it was, but those behind which another
 * path comes along with a different stack: they do not return. What only a jump table leads to begins with the stack of
 * the jump.
 *
 * Instructions are decoded by Zydis. Source of their effects: Intel SDM vol. 2.
 */

#include <stdbool.h>

#include "unwind_cfi.h"

struct image;
struct unwind_rules;

/**
 * unwind_code__read() - the rules of functions with a symbol of a known size.
 * @cfi: filled in; release it with unwind_cfi__release() in any case. Functions that can't be followed are rejected ranges.
 * @img: borrowed for the call.
 * @rules: rules that are met are added.
 *
 * Return: 0; -EFBIG beyond 16 million rows; -ENOMEM. Cost: about 40 ns a byte of code.
 */
int unwind_code__read(struct unwind_cfi *cfi, struct image *img, struct unwind_rules *rules);

/** unwind_code__has_frames() - do most of the functions (by bytes) begin with a frame pointer? */
bool unwind_code__has_frames(struct image *img);

#endif /* SYMBOLIZER_UNWIND_CODE_H */
