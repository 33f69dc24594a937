/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_CODE_FLOW_H
#define SYMBOLIZER_CODE_FLOW_H

/*
 * code_flow - what the stack is like at each instruction of a function, read from its code.
 *
 * See unwind_code.h. Bounded: each instruction is decoded once for each attempt, and there are CODE_FLOW_ATTEMPTS at most.
 *
 * Threads: no state.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CODE_FLOW_MAX_LEN  (1u << 20) /* bytes of a function; a longer one is not followed */
#define CODE_FLOW_ATTEMPTS 16	      /* calls that do not return are found one in each */

#define CODE_FLOW_UNKNOWN INT32_MIN

/*
 * Distances below the CFA (RSP of the caller after the return) in bytes: behind the call RSP is 8 below.
 */
struct code_state {
	int32_t height; /* of RSP, or CODE_FLOW_UNKNOWN */
	int32_t frame;	/* of what RBP points to, where it is a frame pointer: as saved; else 0 */
	int32_t saved;	/* of the word that the caller's RBP was saved to; 0: RBP has it, or it is lost */
	bool is_lost;	/* the caller's RBP was overwritten, and not saved before */
};

struct code_point {
	struct code_state state; /* before the instruction */
	uint32_t call;		 /* offset plus 1 of the call that the code is straight behind, or 0 */
	uint8_t len;		 /* of the instruction; 0: none begins here, or none that is reached */
};

/**
 * code_flow__follow() - follow a function along all of its paths.
 * @code, @len: all of its bytes. @addr: where they are.
 * @points: room for @len; filled in by offset.
 *
 * Return: 0; -EINVAL: it can't be followed, and @points is no good; -ENOMEM.
 */
int code_flow__follow(const uint8_t *code, size_t len, uint64_t addr, struct code_point *points);

#endif /* SYMBOLIZER_CODE_FLOW_H */
