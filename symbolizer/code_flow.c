/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "code_flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <Zydis/Zydis.h>

#include "grow.h"

/* One way to go on. */
struct edge {
	uint32_t to;
	uint32_t call;
	struct code_state state;
};

struct flow {
	const uint8_t *code;
	size_t len;
	uint64_t addr;
	ZydisDecoder decoder;
	struct code_point *points;
	uint8_t *is_last; /* by offset: this call does not return */
	struct edge *edges;
	size_t nr_edges, room;
	bool has_table; /* a jump through one was met, with this state */
	struct code_state at_table;
	size_t seen; /* all before it was looked at for what only a table leads to */
};

struct insn {
	ZydisDecodedInstruction i;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
};

static bool same(const struct code_state *a, const struct code_state *b)
{
	return a->height == b->height && a->frame == b->frame && a->saved == b->saved && a->is_lost == b->is_lost;
}

/* --- what an instruction does to the stack --- */

static ZydisRegister reg_of(const ZydisDecodedOperand *op)
{
	if (op->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return ZYDIS_REGISTER_NONE;
	return ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, op->reg.value);
}

/* RSP or RBP in full, not a part. */
static bool is_reg(const ZydisDecodedOperand *op, ZydisRegister reg)
{
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER && op->reg.value == reg;
}

static bool writes(const struct insn *in, ZydisRegister reg)
{
	int i;

	for (i = 0; i < in->i.operand_count; i++)
		if ((in->ops[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) && reg_of(&in->ops[i]) == reg)
			return true;
	return false;
}

static bool move(struct code_state *s, int64_t bytes)
{
	if (s->height == CODE_FLOW_UNKNOWN)
		return true;
	if (bytes < -(1 << 28) || bytes > 1 << 28)
		return false;
	s->height += bytes;
	/* Nobody gives the return address back, and no stack is that deep. */
	return s->height >= 0 && s->height < 1 << 28;
}

static bool push(struct code_state *s, const struct insn *in)
{
	if (in->i.operand_width != 64 || !move(s, 8))
		return false;
	if (is_reg(&in->ops[0], ZYDIS_REGISTER_RBP) && !s->saved && !s->is_lost && !s->frame) {
		if (s->height == CODE_FLOW_UNKNOWN)
			return false;
		s->saved = s->height;
	}
	return true;
}

static bool pop(struct code_state *s, const struct insn *in)
{
	int32_t height = s->height;

	if (in->i.operand_width != 64 || is_reg(&in->ops[0], ZYDIS_REGISTER_RSP) || !move(s, -8))
		return false;
	if (!is_reg(&in->ops[0], ZYDIS_REGISTER_RBP))
		return true;
	if (!s->saved || height != s->saved)
		return false;
	s->saved = 0;
	s->frame = 0;
	return true;
}

/* From here on RSP is counted from RBP only. */
static bool lose_height(struct code_state *s)
{
	s->height = CODE_FLOW_UNKNOWN;
	return s->frame;
}

static bool add(struct code_state *s, const struct insn *in, int sign)
{
	if (in->ops[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return lose_height(s);
	return move(s, sign * in->ops[1].imm.value.s);
}

/* LEA or MOV to RSP. */
static bool set_rsp(struct code_state *s, const struct insn *in)
{
	const ZydisDecodedOperandMem *mem = &in->ops[1].mem;

	if (in->i.mnemonic == ZYDIS_MNEMONIC_MOV) {
		s->height = s->frame;
		return is_reg(&in->ops[1], ZYDIS_REGISTER_RBP) && s->frame;
	}
	if (mem->index != ZYDIS_REGISTER_NONE || (mem->base == ZYDIS_REGISTER_RBP && !s->frame))
		return false;
	if (mem->base == ZYDIS_REGISTER_RBP) {
		s->height = s->frame;
		return move(s, -mem->disp.value);
	}
	return mem->base == ZYDIS_REGISTER_RSP && move(s, -mem->disp.value);
}

/* RBP gets another value. It is a frame pointer if it points to where the caller's was saved. */
static bool set_rbp(struct code_state *s, const struct insn *in)
{
	/* What only it knew is not known any more. */
	if (s->height == CODE_FLOW_UNKNOWN)
		return false;
	s->frame = 0;
	s->is_lost |= !s->saved;
	if (in->i.mnemonic == ZYDIS_MNEMONIC_MOV && is_reg(&in->ops[0], ZYDIS_REGISTER_RBP) &&
	    is_reg(&in->ops[1], ZYDIS_REGISTER_RSP) && s->height == s->saved)
		s->frame = s->height;
	return true;
}

static bool leave(struct code_state *s)
{
	if (!s->frame)
		return false;
	s->height = s->frame - 8;
	s->frame = 0;
	s->saved = 0;
	return true;
}

/* Behind the instruction. Returns false if that is not known. */
static bool apply(struct code_state *s, const struct insn *in)
{
	const ZydisDecodedOperand *to = &in->ops[0];

	switch (in->i.mnemonic) {
	case ZYDIS_MNEMONIC_PUSH:
		return push(s, in);
	case ZYDIS_MNEMONIC_POP:
		return pop(s, in);
	case ZYDIS_MNEMONIC_PUSHFQ:
		return move(s, 8);
	case ZYDIS_MNEMONIC_POPFQ:
		return move(s, -8);
	case ZYDIS_MNEMONIC_LEAVE:
		return leave(s);
	case ZYDIS_MNEMONIC_CALL:
		return true;
	default:
		break;
	}
	if (writes(in, ZYDIS_REGISTER_RBP))
		return !writes(in, ZYDIS_REGISTER_RSP) && set_rbp(s, in);
	if (!writes(in, ZYDIS_REGISTER_RSP))
		return true;
	if (!is_reg(to, ZYDIS_REGISTER_RSP))
		return false;
	switch (in->i.mnemonic) {
	case ZYDIS_MNEMONIC_SUB:
		return add(s, in, 1);
	case ZYDIS_MNEMONIC_ADD:
		return add(s, in, -1);
	case ZYDIS_MNEMONIC_AND:
		return lose_height(s);
	case ZYDIS_MNEMONIC_LEA:
	case ZYDIS_MNEMONIC_MOV:
		return set_rsp(s, in);
	default:
		return false;
	}
}

/* --- paths --- */

static int add_edge(struct flow *f, uint64_t to, const struct code_state *state, uint32_t call)
{
	if (grow__to((void **)&f->edges, &f->room, f->nr_edges + 1, sizeof(*f->edges)))
		return -ENOMEM;
	f->edges[f->nr_edges++] = (struct edge){ to, call, *state };
	return 0;
}

/* @to: an address; elsewhere it is a tail call, or goes to a part of this function that was moved away. */
static int add_jump(struct flow *f, const struct insn *in, uint32_t at, const struct code_state *state)
{
	uint64_t to;

	if (in->ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		if (!ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&in->i, &in->ops[0], f->addr + at, &to)))
			return -EINVAL;
		return to - f->addr < f->len ? add_edge(f, to - f->addr, state, 0) : 0;
	}
	/* Through a table, or a tail call through a pointer: RSP tells. */
	if (in->i.meta.category != ZYDIS_CATEGORY_UNCOND_BR)
		return -EINVAL;
	if (state->height == 8 && !state->frame)
		return 0;
	if (f->has_table && !same(&f->at_table, state))
		return -EINVAL;
	f->has_table = true;
	f->at_table = *state;
	return 0;
}

/*
 * This can't be: another state where paths meet, or what is no end. Behind a call that never returns there is code of others:
 * the call is to blame, if there is one. Returns -EAGAIN then.
 */
static int blame(struct flow *f, uint32_t call)
{
	if (!call)
		return -EINVAL;
	f->is_last[call - 1] = 1;
	return -EAGAIN;
}

static int take(struct flow *f, const struct edge *e)
{
	struct code_point *p = &f->points[e->to];
	struct code_state state = e->state;
	uint32_t call = e->call, end;
	struct insn in;
	int err = 0;

	if (p->len)
		return same(&p->state, &state) ? 0 : blame(f, call ? call : p->call);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&f->decoder, f->code + e->to, f->len - e->to, &in.i, in.ops)))
		return -EINVAL;
	*p = (struct code_point){ state, call, in.i.length };
	end = e->to + in.i.length;
	switch (in.i.meta.category) {
	case ZYDIS_CATEGORY_RET:
		/* Also what returns from an interrupt, which no call has led to. */
		return in.i.mnemonic == ZYDIS_MNEMONIC_RET && state.height == 8 && !state.saved && !state.is_lost ? 0 : -EINVAL;
	case ZYDIS_CATEGORY_UNCOND_BR:
		return add_jump(f, &in, e->to, &state);
	case ZYDIS_CATEGORY_COND_BR:
		err = add_jump(f, &in, e->to, &state);
		break;
	case ZYDIS_CATEGORY_CALL:
		if (f->is_last[e->to])
			return 0;
		call = e->to + 1;
		break;
	default:
		if (in.i.mnemonic == ZYDIS_MNEMONIC_UD2 || in.i.mnemonic == ZYDIS_MNEMONIC_INT3)
			return 0;
		if (in.i.mnemonic == ZYDIS_MNEMONIC_SYSRET || !apply(&state, &in))
			return -EINVAL;
	}
	/* At the end of a function there is a call that does not return, or none of this is so. */
	if (!err && end < f->len)
		err = add_edge(f, end, &state, call);
	else if (!err && !call)
		err = -EINVAL;
	return err;
}

/* Where code begins that nothing has led to but, perhaps, a jump table; the end if there is none. */
static size_t next_gap(struct flow *f)
{
	ZydisDecodedInstruction in;
	size_t at = f->seen;

	while (at < f->len) {
		if (f->points[at].len)
			at += f->points[at].len;
		else if (f->code[at] == 0xcc)
			at++;
		/* Between pieces of code there are NOPs of all lengths. */
		else if (ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&f->decoder, NULL, f->code + at, f->len - at, &in)) &&
			 in.mnemonic == ZYDIS_MNEMONIC_NOP)
			at += in.length;
		else
			break;
	}
	f->seen = at;
	return at;
}

static int follow(struct flow *f)
{
	const struct code_state entry = { .height = 8 };
	struct edge e;
	size_t at;
	int err;

	memset(f->points, 0, f->len * sizeof(*f->points));
	f->nr_edges = 0;
	f->has_table = false;
	f->seen = 0;
	err = add_edge(f, 0, &entry, 0);
	while (!err && f->nr_edges) {
		e = f->edges[--f->nr_edges];
		err = take(f, &e);
		if (err == -EINVAL)
			err = blame(f, e.call);
		if (err || f->nr_edges || !f->has_table)
			continue;
		at = next_gap(f);
		if (at < f->len)
			err = add_edge(f, at, &f->at_table, 0);
	}
	return err;
}

int code_flow__follow(const uint8_t *code, size_t len, uint64_t addr, struct code_point *points)
{
	struct flow f = { .code = code, .len = len, .addr = addr, .points = points };
	int i, err = -EAGAIN;

	if (!len || len > CODE_FLOW_MAX_LEN ||
	    !ZYAN_SUCCESS(ZydisDecoderInit(&f.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return -EINVAL;
	f.is_last = calloc(1, len);
	if (!f.is_last)
		return -ENOMEM;
	for (i = 0; err == -EAGAIN && i < CODE_FLOW_ATTEMPTS; i++)
		err = follow(&f);
	free(f.edges);
	free(f.is_last);
	return err == -EAGAIN ? -EINVAL : err;
}
