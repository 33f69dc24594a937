/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BPF_GUEST_RECOVER_H
#define BPF_GUEST_RECOVER_H

/*
 * guest_recover - the leaf's place on the stack where RSP is not known, found in the stack itself.
 *
 * VMX keeps RSP where nobody reads it. What a row that counts from RSP needs is the slot of the leaf's return
 * address; the rest of the walk is exact again. Words of the stack that lead into code are candidates, and each
 * must prove itself: the call before the return address leads to where the leaf's function begins; and from
 * there on every frame that the tables give has a return address whose call leads to the frame's own function,
 * up to the outermost one. That last part is what rejects old stacks: below the live frames there are the
 * remains of earlier calls, whole chains of them. Where such a chain meets the live frames, the word at the
 * meeting place is the return address of a live call, and that call leads to another function.
 *
 * What the proof can't tell apart:
 *
 *	indirect calls	  lead anywhere. A chain that has one is taken as proven only if no other is found up to
 *			  there on the stack; where the leaf itself is called so, the result is marked weak.
 *	interrupt frames  have no call: as above; and the stack of a handler that has ended may be whole up to the code that
 *			  it had interrupted, if another one interrupts the same code now. The later one's return addresses
 *			  are then where the older one has saved registers, if both are on one stack and the older one has
 *			  saved more; see ukp_cross_interrupt(). Else a register has to say which, or it is marked weak.
 *	a return address  of 0 ends a thread's stack, and so does any other 0: as above, and weak with one call alone.
 *	tail calls	  leave the return address of a call to another function: weak.
 *	recursion	  through the leaf's own function: every activation has such a slot: weak. More than
 *			  512 bytes below the outermost one it is not seen.
 *	other stacks	  of threads or vCPUs that stand in the same function: see ukp_recover_owner().
 *
 * Where to look: the slots of the vCPU's former samples and around them, then what RBP and the other registers
 * point to; and while that brings nothing, a little of the image's data, of the end of its memory and of low
 * memory in each sample, for that is where unikernels have their stacks.
 *
 * As guest_walk.h, for two compilers; the includer defines besides:
 *
 *	ukp_unwind_entry(w)	 where the function of w->entry_row begins, into w->entry; 0 if not known
 *	ukp_word(w, slot, word)	 call ukp_recover_word(); the others likewise
 *	ukp_look(w)
 *	ukp_along(w)
 *	ukp_over(w, from, end)
 *	ukp_page(w, i)
 *	ukp_reg(w, i)
 *	ukp_try(w, slot)
 *	ukp_frame(w, i)
 *	ukp_judge(w, slot)
 *	ukp_saved(w, gva)
 */

#include "guest_walk.h"

#define UKP_LOOK_WORDS     (UKP_LOOK / 8)
#define UKP_NEAR           512  /* bytes around a former slot */
#define UKP_RIVAL_ROOM     4096 /* bytes above a slot that are searched for another one as good */
#define UKP_MAX_TRIES      8    /* walks from candidates in one sample */
#define UKP_RIVAL_BELOW    2048 /* bytes below a handler's slot that are */
#define UKP_PIECES         ((UKP_RIVAL_BELOW + UKP_RIVAL_ROOM) / UKP_LOOK + 1)
#define UKP_STACK_ROOM     (1ULL << 20)  /* the largest stack that is taken for one */
#define UKP_STACK_NEAR     (64ULL << 10) /* what is farther apart is on different stacks */
#define UKP_REG_NR_RSP     4
#define UKP_REG_NR_RBP     5
#define UKP_SEARCH_PAGES   16 /* pages of memory looked through for the stack in one sample */
#define UKP_SEARCH_TRIES   64 /* pages asked for; many are not there */
#define UKP_SEARCH_TOP     (256ULL << 10)
#define UKP_SEARCH_LOW     (640ULL << 10)
#define UKP_SEARCH_LOCAL   (32ULL << 10)
#define UKP_SEARCH_PATIENT 256 /* samples in vain; from then on only each 16th searches */

/* What the code before an address says of it as a return address. */
enum ukp_edge_kind {
	UKP_EDGE_NONE = 0,  /* no call */
	UKP_EDGE_OTHER = 1, /* a call of another function */
	UKP_EDGE_UNPROVEN =
		2, /* an indirect call, or the callee's beginning is not known, or an interrupt */
	UKP_EDGE_PROVEN = 3, /* a call of this function */
};

#define UKP_LOOK_CANDIDATE 2

/* What is looked for beside the slot that was found. */
#define UKP_RIVAL_ANY     1 /* any other on its stack */
#define UKP_RIVAL_HANDLER 2 /* another handler's stack */

/* What became of a candidate. */
enum ukp_try_result {
	UKP_TRY_NO = 0,
	UKP_TRY_OTHER =
		1, /* a call of another function is on the way: a tail call, or an old stack */
	UKP_TRY_SHORT = 2,       /* one proven call, and then a 0; or it ends in an interrupt entry */
	UKP_TRY_RECURSIVE = 3,   /* proven, but one of several */
	UKP_TRY_CONDITIONAL = 4, /* proven if there is no other */
	UKP_TRY_PROVEN = 5,
};

/* --- code --- */

/* FF /2 in all its lengths, as the last bytes of the eight before a return address. */
static inline __attribute__((always_inline)) int ukp_is_indirect_call(__u64 code)
{
	__u32 b1 = code >> 8 & 0xff, b2 = code >> 16 & 0xff, b3 = code >> 24 & 0xff,
	      b4 = code >> 32 & 0xff;
	__u32 b5 = code >> 40 & 0xff, b6 = code >> 48 & 0xff, b7 = code >> 56;

	if (b6 == 0xff &&
	    ((b7 & 0xf8) == 0xd0 || ((b7 & 0xf8) == 0x10 && b7 != 0x14 && b7 != 0x15)))
		return 1;
	if (b5 == 0xff && (((b6 & 0xf8) == 0x50 && b6 != 0x54) || (b6 == 0x14 && (b7 & 7) != 5)))
		return 1;
	if (b4 == 0xff && b5 == 0x54)
		return 1;
	if (b2 == 0xff && (((b3 & 0xf8) == 0x90 && b3 != 0x94) || b3 == 0x15))
		return 1;
	return b1 == 0xff && (b2 == 0x94 || (b2 == 0x14 && (b3 & 7) == 5));
}

/* @code: the eight bytes before @ret, the first one lowest. @entry: where the callee begins, or 0. */
static inline __attribute__((always_inline)) int ukp_call_edge(const struct ukp_walk *w, __u64 code,
							       __u64 ret, __u64 entry)
{
	__u64 target = ret + (__s64)(__s32)(code >> 32);
	int is_direct = (code >> 24 & 0xff) == 0xe8 && ukp_in_code(w, target);

	if (is_direct && entry && target == entry)
		return UKP_EDGE_PROVEN;
	if (ukp_is_indirect_call(code) || (is_direct && !entry))
		return UKP_EDGE_UNPROVEN;
	return is_direct ? UKP_EDGE_OTHER : UKP_EDGE_NONE;
}

/*
 * Translate @gva, which is code; the page of the stack that was translated last stays. Images lie in memory in
 * one piece, so the slot's other addresses are taken from this one: bytes that prove a call are the right ones.
 */
static inline __attribute__((always_inline)) int ukp_translate_code(struct ukp_walk *w, __u64 gva,
								    __u64 *hva)
{
	__u64 page_gva = w->page_gva, page_size = w->page_size, page_hva = w->page_hva, at;
	int stop;

	if (!w->nr_translations)
		return UKP_STOP_UNMAPPED;
	w->nr_translations--;
	stop = ukp_translate(w, gva);
	at = w->page_hva + (gva & 0xfff);
	w->page_gva = page_gva;
	w->page_size = page_size;
	w->page_hva = page_hva;
	if (stop != UKP_STOP_ROOT)
		return stop;
	*hva = at;
	for (int i = 0; i < UKP_MAX_SLOTS; i++) {
		if (i >= (int)w->nr_slots)
			break;
		if (at - w->slots[i].hva < w->slots[i].size) {
			w->code_gva = gva - (at - w->slots[i].hva);
			w->code_hva = w->slots[i].hva;
			w->code_size = w->slots[i].size;
			break;
		}
	}
	return UKP_STOP_ROOT;
}

/* Eight bytes of code that are on one page. @as_before: in the piece that was translated before. */
static inline __attribute__((always_inline)) int ukp_code_word(struct ukp_walk *w, __u64 *code,
							       __u64 gva, int as_before)
{
	__u64 off = gva - w->code_gva, hva = 0;

	if (as_before) {
		if (off >= w->code_size || w->code_size - off < 8)
			return UKP_STOP_UNMAPPED;
		hva = w->code_hva + off;
	} else if (ukp_translate_code(w, gva, &hva)) {
		return UKP_STOP_UNMAPPED;
	}
	return ukp_read_hva(code, sizeof(*code), hva) ? UKP_STOP_NOTRESIDENT : UKP_STOP_ROOT;
}

/* The eight bytes before @ret, which may be on two pages. */
static inline __attribute__((always_inline)) int ukp_code_before(struct ukp_walk *w, __u64 *code,
								 __u64 ret, int as_before)
{
	__u64 off = ret & 0xfff, low = 0, high = 0;
	int stop;

	if (!off || off >= 8)
		return ukp_code_word(w, code, ret - 8, as_before);
	stop = ukp_code_word(w, &low, ret - off - 8, as_before);
	if (!stop)
		stop = ukp_code_word(w, &high, ret - off, as_before);
	*code = low >> 8 * off | high << (64 - 8 * off);
	return stop;
}

static inline __attribute__((always_inline)) int ukp_edge_at(struct ukp_walk *w, __u64 ret,
							     __u64 entry)
{
	__u64 code = 0;
	int edge = UKP_EDGE_NONE;

	if (!ukp_code_before(w, &code, ret, 1))
		edge = ukp_call_edge(w, code, ret, entry);
	if (edge == UKP_EDGE_NONE && !ukp_code_before(w, &code, ret, 0))
		edge = ukp_call_edge(w, code, ret, entry);
	return edge;
}

/* --- one candidate --- */

/* From the frame that w was at before its last step to the one it is at now. Returns enum ukp_edge_kind. */
static inline __attribute__((always_inline)) int ukp_recover_edge(struct ukp_walk *w)
{
	/* Recursion has the same ones over and over. */
	if (w->is_call && w->pc == w->edge_ret && w->step_row.row == w->edge_row)
		return w->edge;
	w->entry_row = w->step_row;
	ukp_unwind_entry(w);
	if (w->entry && w->entry == w->leaf_entry && w->nr_frames > 2)
		w->is_recursive = 1;
	if (!w->is_call)
		return UKP_EDGE_UNPROVEN;
	w->edge_ret = w->pc;
	w->edge_row = w->step_row.row;
	w->edge = ukp_edge_at(w, w->pc, w->entry);
	return w->edge;
}

/* Does a register that is known point into the stack, from @slot on? Then it is this vCPU's. */
static inline __attribute__((always_inline)) void ukp_see_owner(struct ukp_walk *w, __u64 slot)
{
	__u64 is_own = 0, is_here = 0, is_in;
	__u32 i;

	for (i = 0; i < UKP_NR_REGS; i++) {
		if (i == UKP_REG_NR_RSP)
			continue;
		is_in = ukp_is_below(w->regs[i] - slot, w->piece_end - slot);
		is_own |= is_in;
		is_here |= is_in & ukp_is_below(w->regs[i], w->handler_end);
	}
	w->is_own = is_own;
	w->is_here = is_here;
}

/* Is the stack that was tried the one that ends at @end? */
static inline __attribute__((always_inline)) int ukp_same_stack(const struct ukp_walk *w, __u64 end)
{
	if (w->stop == UKP_STOP_DEPTH)
		return end - w->end < UKP_STACK_ROOM;
	return w->end - end + UKP_NEAR < 2 * UKP_NEAR;
}

/*
 * Is the word of the stack at @gva a return address? Not one of a register that an interrupt has saved: code seldom has
 * them in registers.
 */
static inline __attribute__((always_inline)) int ukp_recover_saved(struct ukp_walk *w, __u64 gva)
{
	__u64 word = 0, code = 0;

	if (ukp_walk_word(w, &word, gva) || !ukp_in_code(w, word) ||
	    ukp_code_before(w, &code, word, 1))
		return 0;
	return ukp_call_edge(w, code, word, 0) != UKP_EDGE_NONE;
}

/*
 * From @sp, that of an entry stub, over the frame that the processor has pushed: look at the registers below it.
 * Where another interrupt has hit the same code since, that one's return addresses stand there now, unless its stub saves as many.
 */
static inline __attribute__((always_inline)) void ukp_cross_interrupt(struct ukp_walk *w, __u64 sp)
{
	__u64 at = w->interrupt_at;
	__u32 i;

	/* Of a row that tells where RSP was pushed. */
	if (w->rule.cfa != UKP_CFA_INTERRUPT) {
		if (w->rule.cfa != UKP_CFA_RSP || !(w->rule.flags & UKP_UNWIND_SAVES_SP))
			return;
		at = sp + w->rule.cfa_offset + w->rule.rsp_offset + 16;
	}
	for (i = 6; i < UKP_INTERRUPT_NEAR + 6; i++) {
		if (at - sp < 8 * i || w->is_stale)
			break;
		w->is_stale |= ukp_saved(w, at - 8 * i);
	}
	if (w->piece_end == sp)
		w->handler_end = at;
	if (w->sp - at > 8) {
		w->is_switched = 1;
		w->interrupted = w->sp;
		w->piece_end = w->piece_end == sp ? at : w->piece_end;
	}
}

/*
 * The next frame of such a walk, kept and proven. What adds up is in w, for verifiers tell paths apart by what is in
 * variables. Returns UKP_WALK_ON, the stop reason, or UKP_NO_FRAME.
 */
#define UKP_NO_FRAME 254

static inline __attribute__((always_inline)) int ukp_recover_frame(struct ukp_walk *w, __u32 i)
{
	__u64 sp = w->sp;
	int edge, stop;

	stop = ukp_walk_step(w);
	if (stop != UKP_WALK_ON)
		return stop;
	if (!w->is_call)
		ukp_cross_interrupt(w, sp);
	if (w->piece_end == sp && w->sp - sp < UKP_STACK_ROOM)
		w->piece_end = w->sp;
	if (i >= UKP_MAX_FRAMES)
		return UKP_STOP_DEPTH;
	w->frames[ukp_opaque(i) & UKP_MAX_FRAMES] = w->pc + !w->is_call;
	w->nr_frames = i + 1;
	edge = ukp_recover_edge(w);
	/* The leaf's was looked at before, but another vCPU may have changed it. */
	if (i == 1 && edge < (int)w->leaf_edge)
		return UKP_NO_FRAME;
	if (edge == UKP_EDGE_PROVEN)
		w->nr_proven++;
	if (edge == UKP_EDGE_UNPROVEN)
		w->limit = w->piece_end;
	if (edge == UKP_EDGE_OTHER && i > 1)
		w->nr_other++;
	return edge == UKP_EDGE_NONE || w->nr_other > w->nr_other_allowed ? UKP_NO_FRAME
									  : UKP_WALK_ON;
}

/*
 * Walk from the leaf as if its return address stood at @slot: frames, nr_frames and stop are the result. That the
 * word there follows a call is known. Returns enum ukp_try_result; if it is CONDITIONAL, there must be no other such
 * slot below w->limit.
 */
static inline __attribute__((always_inline)) int ukp_recover_try(struct ukp_walk *w, __u64 slot)
{
	int i, stop = UKP_STOP_DEPTH;

	w->tried = slot;
	w->methods = 0;
	w->nr_frames = 1;
	w->nr_proven = 0;
	w->nr_other = 0;
	w->edge_ret = 0;
	w->limit = 0;
	w->handler_end = 0;
	w->is_recursive = 0;
	w->is_stale = 0;
	w->is_switched = 0;
	w->nr_interrupts = UKP_INTERRUPTS;
	w->pc = w->rip;
	w->sp = slot - w->leaf_offset;
	w->piece_end = w->sp;
	w->fp = w->rbp;
	w->has_sp = 1;
	w->has_fp = 1;
	w->is_call = 0;
	for (i = 1; i <= UKP_MAX_FRAMES; i++) {
		stop = ukp_frame(w, i);
		if (stop != UKP_WALK_ON)
			break;
	}
	if (stop == UKP_NO_FRAME)
		return w->nr_other ? UKP_TRY_OTHER : UKP_TRY_NO;
	w->stop = stop;
	return ukp_judge(w, slot);
}

/*
 * What the walk from @slot has come to. A function of its own: verifiers follow what comes behind a loop once for each
 * way out of it.
 */
static inline __attribute__((always_inline)) int ukp_recover_judge(struct ukp_walk *w, __u64 slot)
{
	w->end = w->sp;
	ukp_see_owner(w, slot);
	/* An interrupt has interrupted something; without its frame the chain is an old one, or the code is no entry stub. */
	if (w->rule.cfa == UKP_CFA_INTERRUPT && w->stop != UKP_STOP_DEPTH && !w->nr_other)
		return UKP_TRY_SHORT;
	if (w->stop != UKP_STOP_ROOT && w->stop != UKP_STOP_DEPTH) {
		/* Code without rows ends many a stack. Anything else is no end. */
		if (w->stop != UKP_STOP_NOROW || w->nr_proven < 2)
			return UKP_TRY_NO;
		w->limit = w->piece_end;
	}
	if (w->nr_other)
		return UKP_TRY_OTHER;
	if (w->is_stale)
		return UKP_TRY_SHORT;
	/* 0 in place of a return address ends a thread's stack; but memory is full of zeros. */
	if (w->stop == UKP_STOP_ROOT && w->rule.cfa != UKP_CFA_END) {
		if (w->nr_proven < 2)
			return UKP_TRY_SHORT;
		w->limit = w->piece_end + UKP_NEAR;
	}
	if (w->is_recursive)
		return UKP_TRY_RECURSIVE;
	return w->limit ? UKP_TRY_CONDITIONAL : UKP_TRY_PROVEN;
}

/*
 * A word of the stack that leads into code. Returns 1 if a call of the leaf's function is before it: it is to be
 * tried.
 */
static inline __attribute__((always_inline)) int ukp_recover_word(struct ukp_walk *w, __u64 slot,
								  __u64 word)
{
	__u32 k;

	if (word != w->checked) {
		if (!w->nr_checks)
			return 0;
		w->nr_checks--;
		w->checked = word;
		w->checked_edge = ukp_edge_at(w, word, w->leaf_entry);
	}
	if (w->checked_edge == UKP_EDGE_PROVEN)
		return slot != w->found;
	if (w->checked_edge == UKP_EDGE_NONE || !w->is_near)
		return 0;
	/* For later, if nothing better is found; the lowest come first. */
	k = w->checked_edge == UKP_EDGE_UNPROVEN ? 0 : 1;
	if (w->nr_weak[k] < UKP_WEAK_SLOTS) {
		w->weak[k][ukp_opaque(w->nr_weak[k]) & (UKP_WEAK_SLOTS - 1)] = slot;
		w->nr_weak[k]++;
	}
	return 0;
}

/*
 * Look through the piece of memory at w->look_at, from its word w->look_index on. Returns UKP_LOOK_CANDIDATE and
 * w->candidate, if there is one, -1 if the memory can't be read, else 0.
 */
static inline __attribute__((always_inline)) int ukp_recover_look(struct ukp_walk *w)
{
	__u64 off = w->look_at - w->page_gva;
	__u32 i;

	if (!w->look_index) {
		if (!ukp_is_canonical(w, w->look_at))
			return -1;
		if (off >= w->page_size) {
			if (ukp_translate(w, w->look_at))
				return -1;
			off = w->look_at - w->page_gva;
		}
		if (ukp_read_hva(w->words, UKP_LOOK, w->page_hva + (off & 0xf00)))
			return -1;
	}
	for (i = 0; i < UKP_LOOK_WORDS; i++) {
		if (i < w->look_index || (w->is_one && i != w->one_index) ||
		    !ukp_in_code(w, w->words[i]))
			continue;
		if (ukp_word(w, w->look_at + 8 * i, w->words[i])) {
			w->candidate = w->look_at + 8 * i;
			w->look_index = i + 1;
			return UKP_LOOK_CANDIDATE;
		}
	}
	return 0;
}

/* --- where to look --- */

/* On to the next candidate, from w->look_at up to w->look_end. Returns as above; -1 if nothing could be read. */
static inline __attribute__((always_inline)) int ukp_recover_along(struct ukp_walk *w)
{
	int i, result;

	for (i = 0; i < UKP_PIECES; i++) {
		if (w->look_at >= w->look_end)
			break;
		result = ukp_look(w);
		if (result == UKP_LOOK_CANDIDATE)
			return result;
		w->look_index = 0;
		if (result < 0) {
			w->look_at |= 0xfff; /* there is nothing on this page */
			w->look_at++;
		} else {
			w->look_at += UKP_LOOK;
			w->nr_looks++;
		}
	}
	return w->nr_looks ? 0 : -1;
}

/* Walk from w->candidate, and see what that makes of it. Returns 1 if there is nothing more to look for. */
static inline __attribute__((always_inline)) int ukp_consider(struct ukp_walk *w)
{
	__u64 slot = w->candidate;
	int result;

	if (!w->nr_tries) {
		w->is_doubtful = 1;
		return 1;
	}
	w->nr_tries--;
	result = ukp_try(w, slot);
	if (w->is_rival == UKP_RIVAL_HANDLER) {
		if (result < UKP_TRY_RECURSIVE)
			return 0;
		w->other = slot;
		w->other_is_here = w->is_here;
		w->other_is_switched = w->is_switched;
		return 1;
	}
	if (w->is_rival) {
		w->is_doubtful |= result >= UKP_TRY_RECURSIVE;
		return w->is_doubtful;
	}
	if (result >= UKP_TRY_CONDITIONAL) {
		if (w->is_own || w->is_alone || ukp_same_stack(w, w->stacks.own_end)) {
			w->found = slot;
			w->found_limit = result == UKP_TRY_PROVEN ? 0 : w->limit;
			return 1;
		}
		if (!w->elsewhere)
			w->elsewhere = slot;
	}
	if (result == UKP_TRY_RECURSIVE && !w->recursive)
		w->recursive = slot;
	if (result == UKP_TRY_SHORT && !w->brief)
		w->brief = slot;
	if (result == UKP_TRY_OTHER && !w->tail)
		w->tail = slot;
	return 0;
}

/*
 * Try what is from @from up to @end, at most UKP_PIECES of it. Returns 1 if there is nothing more to look for, -1 if
 * nothing could be read, else 0.
 */
static inline __attribute__((always_inline)) int ukp_recover_over(struct ukp_walk *w, __u64 from,
								  __u64 end)
{
	int i, result = 0;

	w->look_at = from & ~(UKP_LOOK - 1ULL);
	w->look_end = end;
	w->look_index = 0;
	w->one_index = from / 8 & (UKP_LOOK_WORDS - 1);
	w->nr_looks = 0;
	for (i = 0; i <= UKP_MAX_TRIES; i++) {
		result = ukp_along(w);
		if (result != UKP_LOOK_CANDIDATE)
			return result;
		if (ukp_consider(w))
			return 1;
	}
	return 1;
}

/* The @pos-th byte of what is searched for stacks; 0 if there is no such. */
static inline __attribute__((always_inline)) __u64 ukp_search_gva(const struct ukp_walk *w,
								  __u64 pos)
{
	if (pos < w->unwind[0].data_len)
		return w->unwind[0].data + pos;
	pos -= w->unwind[0].data_len;
	if (pos < UKP_SEARCH_TOP)
		return w->code_size ? w->code_gva + w->code_size - UKP_SEARCH_TOP + pos : 0;
	return pos - UKP_SEARCH_TOP;
}

/* Which page is searched as the @i-th of a sample: into w->look_at, or 0. */
static inline __attribute__((always_inline)) int ukp_recover_page(struct ukp_walk *w, __u32 i)
{
	__u64 all = w->unwind[0].data_len + UKP_SEARCH_TOP + UKP_SEARCH_LOW, pos;

	if (w->stacks.slots[0] && w->stacks.nr_misses & 1) {
		pos = ((__u64)w->stacks.nr_misses + i) * 4096;
		w->look_at = w->stacks.slots[0] + pos % UKP_SEARCH_LOCAL - UKP_SEARCH_LOCAL / 2;
	} else {
		w->stacks.search += 4096;
		w->look_at = ukp_search_gva(w, w->stacks.search % all);
	}
	w->look_at &= ~0xfffULL;
	return 0;
}

/* Look through a few pages of the guest's memory, others each time. */
static inline __attribute__((always_inline)) void ukp_recover_search(struct ukp_walk *w)
{
	int i, result;

	w->is_near = 0;
	w->nr_read = 0;
	for (i = 0; i < UKP_SEARCH_TRIES; i++) {
		if (w->nr_read >= UKP_SEARCH_PAGES)
			break;
		ukp_page(w, i);
		result = ukp_over(w, w->look_at, w->look_at + 4096);
		if (result == 1)
			return;
		if (!result)
			w->nr_read++;
	}
}

/* What is around the @i-th register's value, if that may be on a stack: w->look_at to look_end, else the same. */
static inline __attribute__((always_inline)) int ukp_recover_reg(struct ukp_walk *w, __u32 i)
{
	__u64 at = w->regs[i & (UKP_NR_REGS - 1)];

	w->look_at = 0;
	w->look_end = 0;
	if (w->nr_read == 4 || i == UKP_REG_NR_RSP || i == UKP_REG_NR_RBP || at < 4096 ||
	    !ukp_is_canonical(w, at) || ukp_in_code(w, at))
		return 0;
	w->look_at = at - UKP_LOOK;
	w->look_end = at + UKP_LOOK;
	return 0;
}

/* The vCPU's former slots, what its registers point to, and the search; w->found is the result. */
static inline __attribute__((always_inline)) void ukp_recover_find(struct ukp_walk *w)
{
	int i, result = 0;

	w->is_near = 1;
	w->is_one = 1;
	for (i = 0; i < UKP_STACK_SLOTS; i++) {
		if (w->stacks.slots[i])
			result = ukp_over(w, w->stacks.slots[i], w->stacks.slots[i] + 1);
		if (result == 1)
			return;
	}
	w->is_one = 0;
	for (i = 0; i < UKP_STACK_SLOTS; i++) {
		if (w->stacks.slots[i])
			result = ukp_over(w, w->stacks.slots[i] - UKP_NEAR,
					  w->stacks.slots[i] + UKP_NEAR);
		if (result == 1)
			return;
	}
	/* The frame that RBP points to is the caller's or above; nothing is that uses RBP for something else. */
	if (w->rbp > 4096 && ukp_over(w, w->rbp - 1024, w->rbp + UKP_LOOK) == 1)
		return;
	w->nr_read = 0;
	for (i = 0; i < UKP_NR_REGS; i++) {
		ukp_reg(w, i);
		result = ukp_over(w, w->look_at, w->look_end);
		if (result == 1)
			return;
		if (!result)
			w->nr_read++;
	}
	if (w->elsewhere || (w->stacks.nr_misses > UKP_SEARCH_PATIENT && w->stacks.nr_misses & 15))
		return;
	ukp_recover_search(w);
}

/* w is at the end of the walk from @slot, whatever was tried since. Returns 0 if the guest has changed it. */
static inline __attribute__((always_inline)) int ukp_again(struct ukp_walk *w, __u64 slot)
{
	return w->tried == slot || ukp_try(w, slot) >= UKP_TRY_SHORT;
}

/*
 * Is there another slot? Below the one found, if the leaf's function has called itself, and farther if what was found is a
 * handler's: its remains may be in a frame that was not filled. Up to where another chain could have split off, if a call on
 * the way is not proven.
 */
static inline __attribute__((always_inline)) void ukp_recover_rivals(struct ukp_walk *w)
{
	__u64 slot = w->found, end = w->found_limit ? w->found_limit : slot;
	__u64 below = w->handler_end && !w->is_here ? UKP_RIVAL_BELOW : UKP_NEAR;

	if (end - slot > UKP_RIVAL_ROOM)
		w->is_doubtful = 1;
	else
		ukp_over(w, slot - below, end);
}

/*
 * What is found is a handler's, and the interrupt proves nothing. Has another one interrupted the same code, on another stack?
 * If a register points into one's part, that is it. Else likelier the one on the interrupted code's own stack: there dead
 * ones are soon written over, while interrupts' stacks keep theirs. w is at the end of the walk from w->found.
 */
static inline __attribute__((always_inline)) void ukp_recover_handler(struct ukp_walk *w)
{
	__u64 slot = w->found, other;
	__u32 is_switched = w->is_switched;
	int i;

	w->is_rival = UKP_RIVAL_HANDLER;
	w->other = 0;
	w->nr_tries = UKP_MAX_TRIES;
	/* Stubs that change the stack often keep in RBP where it was. */
	if (w->rbp > 4096)
		ukp_over(w, w->rbp - 1024, w->rbp + UKP_LOOK);
	/* The interrupted code may have gone on since. */
	if (is_switched && !w->other && !w->is_doubtful)
		ukp_over(w, w->interrupted - UKP_RIVAL_ROOM, w->interrupted);
	for (i = 0; i < UKP_STACK_SLOTS; i++) {
		other = w->stacks.slots[i];
		if (other && other - slot + UKP_NEAR >= 2 * UKP_NEAR && !w->other &&
		    !w->is_doubtful)
			ukp_over(w, other - UKP_NEAR, other + UKP_NEAR);
	}
	if (w->other && !w->is_doubtful) {
		w->is_elsewhere = !w->other_is_here;
		if (w->other_is_here || (is_switched && !w->other_is_switched))
			w->found = w->other;
	}
}

/*
 * Which of the guest's stacks is this vCPU's? One that a register points into. Without such a register, the leaf's
 * function must have no slot on the other stacks that are known; of a VM with several vCPUs too few are.
 */
static inline __attribute__((always_inline)) void ukp_recover_owner(struct ukp_walk *w)
{
	__u64 slot = w->found, other;
	int i;

	if (w->is_own) {
		if (w->stop != UKP_STOP_DEPTH)
			w->stacks.own_end = w->end;
		return;
	}
	if (!w->is_alone) {
		if (!ukp_same_stack(w, w->stacks.own_end))
			w->is_elsewhere = 1;
		return;
	}
	for (i = 0; i < UKP_STACK_SLOTS; i++) {
		other = w->stacks.slots[i];
		if (!w->stacks.ends[i] || w->is_doubtful ||
		    (ukp_same_stack(w, w->stacks.ends[i]) &&
		     other - slot + UKP_STACK_NEAR < 2 * UKP_STACK_NEAR))
			continue;
		ukp_over(w, other - UKP_NEAR, other + UKP_NEAR);
		w->is_doubtful |= !ukp_again(w, slot);
	}
	w->is_elsewhere = w->is_doubtful;
}

/* What can't be proven, the best evidence first. Returns the slot, or 0. */
static inline __attribute__((always_inline)) __u64 ukp_recover_weak(struct ukp_walk *w)
{
	int i, k, result;

	if (w->recursive && ukp_again(w, w->recursive))
		return w->recursive;
	if (w->brief && ukp_again(w, w->brief))
		return w->brief;
	w->nr_other_allowed = 2;
	w->stop = UKP_STOP_NORSP;
	if (w->tail && ukp_try(w, w->tail) == UKP_TRY_OTHER && w->stop == UKP_STOP_ROOT)
		return w->tail;
	w->nr_other_allowed = 0;
	w->leaf_edge = UKP_EDGE_OTHER;
	for (k = 0; k < 2; k++) {
		for (i = 0; i < UKP_WEAK_SLOTS; i++) {
			if (i >= (int)w->nr_weak[k])
				break;
			w->stop = UKP_STOP_NORSP;
			result = ukp_try(w, w->weak[k][i]);
			if (result >= UKP_TRY_RECURSIVE && w->stop == UKP_STOP_ROOT)
				return w->weak[k][i];
		}
	}
	return 0;
}

/* The latest first; one of the same neighbourhood gives way. */
static inline __attribute__((always_inline)) void ukp_remember_slot(struct ukp_walk *w, __u64 slot)
{
	__u64 next = slot, end = w->stop == UKP_STOP_DEPTH ? 0 : w->end, old, old_end;
	int i;

	for (i = 0; i < UKP_STACK_SLOTS; i++) {
		old = w->stacks.slots[i];
		old_end = w->stacks.ends[i];
		w->stacks.slots[i] = next;
		w->stacks.ends[i] = end;
		if (old - slot + UKP_NEAR / 2 < UKP_NEAR)
			break;
		next = old;
		end = old_end;
	}
	w->stacks.nr_misses = 0;
}

/*
 * Walk the stack of a leaf whose row counts from RSP, without it. Returns 1 if it was walked: frames, nr_frames,
 * stop and methods are the result; 0 if not.
 */
static inline __attribute__((always_inline)) int ukp_recover_stack(struct ukp_walk *w)
{
	__u64 slot;
	int is_handler;

	ukp_unwind_lookup(w, w->rip);
	if (w->rule.cfa != UKP_CFA_RSP || w->rule.flags & UKP_UNWIND_SIGNAL)
		return 0;
	w->leaf_offset = (__s64)w->rule.cfa_offset + w->rule.ra_offset;
	w->entry_row = w->row;
	ukp_unwind_entry(w);
	w->leaf_entry = w->entry;
	w->leaf_edge = UKP_EDGE_PROVEN;
	w->code_size = 0;
	w->nr_translations = 32;
	w->nr_checks = 512;
	w->checked = 0;
	w->checked_edge = UKP_EDGE_NONE;
	w->nr_tries = UKP_MAX_TRIES;
	w->nr_other_allowed = 0;
	w->found = 0;
	w->tried = 0;
	w->is_doubtful = 0;
	w->is_one = 0;
	w->is_rival = 0;
	w->is_elsewhere = 0;
	w->elsewhere = 0;
	w->recursive = 0;
	w->brief = 0;
	w->tail = 0;
	w->nr_weak[0] = 0;
	w->nr_weak[1] = 0;
	/* The leaf's own page tells where the image is. */
	ukp_translate_code(w, w->rip, &slot);
	ukp_recover_find(w);
	if (w->found) {
		w->is_near = 0;
		w->is_one = 0;
		w->is_rival = UKP_RIVAL_ANY;
		w->is_doubtful = 0;
		w->nr_tries = UKP_MAX_TRIES;
		ukp_recover_rivals(w);
		slot = ukp_again(w, w->found) ? w->found : 0;
		is_handler = w->handler_end && !w->is_here;
		if (slot && !w->is_doubtful && is_handler) {
			ukp_recover_handler(w);
			slot = ukp_again(w, w->found) ? w->found : 0;
		}
		/* Of a handler alone in its VM the other stacks were looked at just now. */
		if (slot && !w->is_doubtful && !w->is_elsewhere && !(is_handler && w->is_alone))
			ukp_recover_owner(w);
	} else if (w->elsewhere) {
		w->is_elsewhere = 1;
		slot = ukp_again(w, w->elsewhere) ? w->elsewhere : 0;
	} else {
		w->is_doubtful = 1;
		slot = ukp_recover_weak(w);
	}
	if (slot && (w->is_elsewhere || !w->is_doubtful))
		ukp_remember_slot(w, slot);
	else
		w->stacks.nr_misses++;
	if (!slot) {
		w->nr_frames = 1;
		w->methods = 0;
		return 0;
	}
	w->methods |= w->is_elsewhere || w->is_doubtful ? UKP_BY_WEAK : UKP_BY_RECOVERED;
	return 1;
}

#endif /* BPF_GUEST_RECOVER_H */
