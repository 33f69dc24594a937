/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BPF_GUEST_WALK_H
#define BPF_GUEST_WALK_H

/*
 * guest_walk - from a guest's registers to its call stack, by reading the VMM's memory.
 *
 * One source, two compilers: the BPF programs include it, and so do the unit tests, which run it over
 * byte arrays that play the guest. It knows no maps and no helpers. The includer defines before:
 *
 *	ukp_read_hva(dst, len, hva)	copy @len bytes of the VMM's memory; 0, or not 0 if not readable
 *	ukp_translate(w, gva)		call ukp_walk_translate(); BPF puts it in a function of its own,
 *					so that the verifier sees it once and not once per frame
 *	ukp_step(w)			call ukp_walk_step(), likewise
 *	ukp_unwind_lookup(w, gva)	find the rule of an address by w->unwind and put it into w->rule, its place
 *					into w->row
 *	ukp_interrupt(w)		call ukp_walk_interrupt(), as ukp_step()
 *	ukp_fp_part(w)			call ukp_walk_fp_part(), as ukp_step()
 *	ukp_recover(w)			guest_recover.h's ukp_recover_stack(), or 0 where RSP is always known
 *
 * The guest may write anything anywhere at any time: page tables and stacks are bounded, every address
 * is checked against the slots, and what is found is only ever a number to report.
 *
 * Source: Intel SDM vol. 3A, 4.5 (4-level and 5-level paging); System V ABI for x86-64, 3.2.2 (frames);
 * DWARF 5, 6.4 (call frame information).
 */

#define UKP_PTE_PRESENT 0x1ULL
#define UKP_PTE_LARGE	0x80ULL
#define UKP_PTE_ADDR	0x000ffffffffff000ULL
#define UKP_CR0_PE	0x1ULL
#define UKP_CR0_PG	0x80000000ULL
#define UKP_CR4_LA57	0x1000ULL
#define UKP_EFER_LMA	0x400ULL

#define UKP_WINDOW 256 /* bytes of stack read at once; a power of two; about five frames of -O2 code */

#define UKP_INTERRUPTS	     8  /* entry stubs without a row that are seen through in one stack */
#define UKP_INTERRUPT_PIECES 13 /* windows that are searched for an interrupt frame: AVX-512's registers may lie below it */
#define UKP_INTERRUPT_NEAR   20 /* words below a frame, if there is nothing but registers and two numbers */

#define UKP_LOOK       256 /* bytes looked through at once for slots; a power of two, so they are on one page */
#define UKP_WEAK_SLOTS 4   /* of each kind; a power of two */
#define UKP_NR_REGS    16

#define UKP_WALK_HEAD sizeof(struct ukp_exit_sample) /* the largest header that frames follow */

/* Which row a rule was taken from; the includer's numbers. */
struct ukp_row_place {
	__u32 row;
	__u32 page;
	__u32 table;
};

/* What one walk needs, and what it remembers. */
struct ukp_walk {
	/* set by the caller */
	__u64 rip;
	__u64 rbp;
	__u64 rsp; /* used if has_rsp */
	__u64 cr0;
	__u64 cr3;
	__u64 cr4;
	__u64 efer;
	__u64 linear_offset; /* multiple of 4096; used if has_linear and the page tables lead nowhere */
	__u32 has_linear;
	__u32 which; /* the includer's: tells its walks apart in ukp_translate() */
	__u32 is_emulated; /* the host emulates the guest's instructions one by one */
	__u32 nr_slots;
	__u32 has_rsp;
	struct ukp_slot slots[UKP_MAX_SLOTS];
	struct ukp_unwind_image unwind[UKP_MAX_TABLES]; /* the first has nr_pages 0: frame pointers are all there is */
	/* set by ukp_walk_translate(): the page translated last; most frames of a stack share it */
	__u64 page_gva;
	__u64 page_size; /* 0: nothing translated yet */
	__u64 page_hva;
	/* set by ukp_walk_read(): a copy of a piece of the stack, for one read costs more than its bytes */
	__u64 window_gva;
	__u64 window_len; /* 0: no copy yet */
	__u8 window[UKP_WINDOW + 16] __attribute__((aligned(8)));
	/* set by ukp_unwind_lookup() */
	struct ukp_unwind_rule rule;
	struct ukp_row_place row;
	struct ukp_row_place step_row; /* by ukp_walk_step(): of the frame that it went on from */
	/* the frame that ukp_walk_step() goes on from */
	__u64 pc;
	__u64 sp;
	__u64 fp;
	__u8 has_sp;
	__u8 has_fp;
	__u8 is_call; /* pc is a return address: the call before it may be the function's last instruction */
	__u8 methods; /* UKP_BY_* */
	__u32 nr_interrupts; /* how many more may be searched for */
	/* ukp_walk_interrupt()'s: the last four words, the last one first, and where the next one is */
	__u64 interrupt[4];
	__u64 interrupt_at;
	/* guest_recover.h's; regs and stacks are set by the caller, if RSP is not known */
	__u32 is_alone;		  /* the VM has no other vCPU */
	__u64 regs[UKP_NR_REGS];  /* general registers, as KVM numbers them */
	struct ukp_stacks stacks; /* of this vCPU; the caller keeps it for the next walk */
	struct ukp_row_place entry_row;
	__u64 entry;
	__u64 leaf_entry;
	__s64 leaf_offset; /* of its return address from its RSP */
	__u64 code_gva;	   /* the slot that holds the image; code_size 0: not known */
	__u64 code_hva;
	__u64 code_size;
	__u64 edge_ret; /* the last edge that was looked at, and the last word */
	__u32 edge_row;
	__u32 edge;
	__u64 checked;
	__u32 checked_edge;
	__u32 reserved4;
	__u64 tried;
	__u64 limit;
	__u64 found; /* a slot that is proven, if found_limit is 0; else if there is no other one below that */
	__u64 found_limit;
	__u64 piece_end; /* of the part of it that is in one piece with the slot */
	__u64 end;	 /* of the stack that was tried: RSP of its outermost frame */
	__u64 handler_end; /* of the part of it that only the handler of its outermost interrupt has; 0: there is none */
	__u64 interrupted; /* where on another stack the interrupted code was */
	__u64 other;	   /* a slot on another stack, from where an interrupt leads to the same code */
	__u64 elsewhere; /* a slot of each lesser kind; 0: none */
	__u64 recursive;
	__u64 brief;
	__u64 tail;
	__u64 weak[2][UKP_WEAK_SLOTS];
	__u32 nr_weak[2];
	__u32 nr_translations; /* these four: how many are left */
	__u32 nr_checks;
	__u32 nr_tries;
	__u32 nr_other_allowed;
	__u32 nr_other; /* of the walk that is tried: calls of other functions; proven ones */
	__u32 nr_proven;
	__u32 nr_looks;
	__u32 nr_read;
	__u32 leaf_edge; /* the least that is asked of the leaf's */
	__u64 look_at;
	__u64 look_end;
	__u64 candidate;
	__u32 look_index;
	__u32 one_index;
	__u8 is_one;
	__u8 is_near;
	__u8 is_doubtful;
	__u8 is_recursive;
	__u8 is_own; /* a register points into the stack that was tried */
	__u8 is_rival;
	__u8 is_elsewhere; /* the slot is good, but the stack may be another vCPU's or thread's */
	__u8 is_stale;	   /* a register that an interrupt has saved is a return address: something else was there since */
	__u8 is_switched;  /* an interrupt has changed the stack */
	__u8 is_here;	   /* a register points into the handler's part */
	__u8 other_is_switched;
	__u8 other_is_here;
	__u8 reserved3[4];
	__u64 words[UKP_LOOK / 8];
	/* set by ukp_walk_stack() */
	__u32 nr_frames;
	__u32 stop; /* enum ukp_stop */
	/* the caller's record header ends right before the frames, so both leave in one piece */
	__u8 head[UKP_WALK_HEAD] __attribute__((aligned(8)));
	__u64 frames[UKP_MAX_FRAMES + 1];
};

/* A return address and the frame pointer of the caller, as a function's prologue leaves them. */
struct ukp_frame_record {
	__u64 fp;
	__u64 ret;
};

/* A number of which the compiler knows nothing: a mask on it stays, for verifiers that have forgotten its bounds. */
static inline __attribute__((always_inline)) __u64 ukp_opaque(__u64 n)
{
	asm volatile("" : "+r"(n));
	return n;
}

/* 1 if @a is below @b, without a branch: verifiers follow both ways of each. Source: Warren, Hacker's Delight, 2-12. */
static inline __attribute__((always_inline)) __u64 ukp_is_below(__u64 a, __u64 b)
{
	return ((~a & b) | ((~a | b) & (a - b))) >> 63;
}

/* The table whose code an address is in; UKP_MAX_TABLES if there is none. */
static inline __attribute__((always_inline)) __u32 ukp_which_table(const struct ukp_walk *w, __u64 gva)
{
	int i;

	for (i = 0; i < UKP_MAX_TABLES; i++)
		if ((gva - w->unwind[i].base) >> UKP_UNWIND_PAGE_BITS < w->unwind[i].nr_pages)
			break;
	return i;
}

static inline __attribute__((always_inline)) int ukp_in_code(const struct ukp_walk *w, __u64 gva)
{
	return ukp_which_table(w, gva) < UKP_MAX_TABLES;
}

/* Where the VMM has @len bytes of guest-physical memory, or 0. An HVA of 0 is never a slot's. */
static inline __attribute__((always_inline)) __u64 ukp_gpa_to_hva(const struct ukp_walk *w, __u64 gpa,
								  __u64 len)
{
	for (int i = 0; i < UKP_MAX_SLOTS; i++) {
		__u64 off;

		if (i >= (int)w->nr_slots)
			break;
		off = gpa - w->slots[i].gpa;
		if (off < w->slots[i].size && len <= w->slots[i].size - off)
			return w->slots[i].hva + off;
	}
	return 0;
}

static inline __attribute__((always_inline)) int ukp_is_canonical(const struct ukp_walk *w, __u64 gva)
{
	int shift = w->cr4 & UKP_CR4_LA57 ? 7 : 16;

	return (__u64)((__s64)(gva << shift) >> shift) == gva;
}

/*
 * Fill page_gva, page_size and page_hva for the page that holds @gva. Pages larger than 4 KiB are
 * remembered only as far as one 4 KiB piece, for a large page may span two slots.
 */
static inline __attribute__((always_inline)) int ukp_walk_translate(struct ukp_walk *w, __u64 gva)
{
	__u64 table = w->cr3 & UKP_PTE_ADDR, gpa = 0, entry = 0, hva;
	int level, levels = w->cr4 & UKP_CR4_LA57 ? 5 : 4;
	int stop = UKP_STOP_UNMAPPED;

	w->page_size = 0;
	for (level = 5; level >= 1; level--) {
		int shift = 12 + 9 * (level - 1);

		if (level > levels)
			continue;
		hva = ukp_gpa_to_hva(w, table + ((gva >> shift) & 511) * 8, 8);
		if (!hva) {
			stop = UKP_STOP_NOSLOT;
			break;
		}
		if (ukp_read_hva(&entry, sizeof(entry), hva)) {
			stop = UKP_STOP_NOTRESIDENT;
			break;
		}
		if (!(entry & UKP_PTE_PRESENT))
			break;
		if (level == 1 || (level <= 3 && (entry & UKP_PTE_LARGE))) {
			__u64 mask = (1ULL << shift) - 1;

			gpa = (entry & UKP_PTE_ADDR & ~mask) | (gva & mask);
			stop = UKP_STOP_ROOT;
			break;
		}
		table = entry & UKP_PTE_ADDR;
	}
	if (stop != UKP_STOP_ROOT) {
		/* On VMX CR3 is only as new as KVM's last look at it; an image's fixed offset is not. */
		if (!w->has_linear || w->linear_offset & 0xfff)
			return stop;
		gpa = gva - w->linear_offset;
	}
	hva = ukp_gpa_to_hva(w, gpa & ~0xfffULL, 4096);
	if (!hva)
		return stop == UKP_STOP_ROOT ? UKP_STOP_NOSLOT : stop;
	w->page_gva = gva & ~0xfffULL;
	w->page_hva = hva;
	w->page_size = 4096;
	return UKP_STOP_ROOT;
}

/*
 * At most a window, and at least a byte. The mask changes nothing; it is there for verifiers that forget
 * a bound which was tested on a copy of a register.
 */
static inline __attribute__((always_inline)) __u64 ukp_window_len(__u64 left)
{
	if (left > UKP_WINDOW)
		left = UKP_WINDOW;
	left = ukp_opaque(left);
	return ((left - 1) & (UKP_WINDOW - 1)) + 1;
}

/*
 * Read two words of the stack at @gva, which is 8-byte aligned; they may lie on two pages.
 * Returns UKP_STOP_ROOT when done, else the stop reason.
 */
static inline __attribute__((always_inline)) int ukp_walk_read(struct ukp_walk *w, struct ukp_frame_record *rec,
							       __u64 gva)
{
	__u64 off = gva - w->window_gva, left;
	int stop;

	if (off < w->window_len && w->window_len - off >= sizeof(*rec)) {
		off &= UKP_WINDOW - 8;
		*rec = *(struct ukp_frame_record *)(w->window + off);
		return UKP_STOP_ROOT;
	}
	off = gva - w->page_gva;
	if (off >= w->page_size) {
		stop = ukp_translate(w, gva);
		if (stop)
			return stop;
		off = gva - w->page_gva;
	}
	off &= 0xfff;
	left = 4096 - off;
	if (left >= sizeof(*rec)) {
		left = ukp_window_len(left);
		w->window_len = 0;
		if (ukp_read_hva(w->window, left, w->page_hva + off))
			return UKP_STOP_NOTRESIDENT;
		w->window_gva = gva;
		w->window_len = left;
		*rec = *(struct ukp_frame_record *)w->window;
		return UKP_STOP_ROOT;
	}
	if (ukp_read_hva(&rec->fp, sizeof(rec->fp), w->page_hva + off))
		return UKP_STOP_NOTRESIDENT;
	stop = ukp_translate(w, gva + 8);
	if (stop)
		return stop;
	return ukp_read_hva(&rec->ret, sizeof(rec->ret), w->page_hva) ? UKP_STOP_NOTRESIDENT :
									UKP_STOP_ROOT;
}

/* Read one word of the stack at @gva, which is 8-byte aligned. Returns as ukp_walk_read(). */
static inline __attribute__((always_inline)) int ukp_walk_word(struct ukp_walk *w, __u64 *word, __u64 gva)
{
	__u64 off = gva - w->window_gva, left;
	int stop;

	if (off < w->window_len && w->window_len - off >= sizeof(*word)) {
		off &= UKP_WINDOW - 8;
		*word = *(__u64 *)(w->window + off);
		return UKP_STOP_ROOT;
	}
	off = gva - w->page_gva;
	if (off >= w->page_size) {
		stop = ukp_translate(w, gva);
		if (stop)
			return stop;
		off = gva - w->page_gva;
	}
	off &= 0xff8;
	left = 4096 - off;
	left = ukp_window_len(left);
	w->window_len = 0;
	if (ukp_read_hva(w->window, left, w->page_hva + off))
		return UKP_STOP_NOTRESIDENT;
	w->window_gva = gva;
	w->window_len = left;
	*word = *(__u64 *)w->window;
	return UKP_STOP_ROOT;
}

/* --- by the image's tables --- */

#define UKP_WALK_ON 255 /* of ukp_walk_step(): there is a caller */

/* The caller by the frame pointer, where no row says anything about the code. */
static inline __attribute__((always_inline)) int ukp_step_fp(struct ukp_walk *w)
{
	struct ukp_frame_record rec;
	__u64 fp = w->fp;
	int stop;

	if (!w->has_fp)
		return UKP_STOP_NOROW;
	if (!fp)
		return UKP_STOP_ROOT;
	/* Below RSP there is no frame: RBP is used for something else. */
	if (fp & 7 || !ukp_is_canonical(w, fp) || fp > fp + 15 || (w->has_sp && fp < w->sp))
		return UKP_STOP_NOROW;
	stop = ukp_walk_read(w, &rec, fp);
	if (stop)
		return stop;
	if (!rec.ret)
		return UKP_STOP_ROOT;
	/* No code is there: RBP is used for something else. */
	if (!ukp_is_canonical(w, rec.ret))
		return UKP_STOP_NOROW;
	w->methods |= UKP_BY_FP;
	w->pc = rec.ret;
	w->sp = fp + 16;
	w->fp = rec.fp;
	w->has_sp = 1;
	w->is_call = 1;
	return UKP_WALK_ON;
}

/*
 * The leaf's rule counts from RSP, and RSP is not known. If RBP is a frame pointer it leads to a function of
 * the table, maybe the caller's caller (UKP_BY_NO_RSP); where it is used for something else, better none.
 */
static inline __attribute__((always_inline)) int ukp_step_no_rsp(struct ukp_walk *w)
{
	w->methods |= UKP_BY_NO_RSP;
	if (ukp_step_fp(w) != UKP_WALK_ON)
		return UKP_STOP_NORSP;
	ukp_unwind_lookup(w, w->pc - 1);
	if (w->rule.cfa != UKP_CFA_NONE)
		return UKP_WALK_ON;
	w->methods &= ~UKP_BY_FP;
	return UKP_STOP_NORSP;
}

/* A word of the stack where a rule says that one is. */
static inline __attribute__((always_inline)) int ukp_rule_word(struct ukp_walk *w, __u64 *word, __u64 gva)
{
	if (gva & 7 || !ukp_is_canonical(w, gva))
		return UKP_STOP_BADROW;
	return ukp_walk_word(w, word, gva);
}

/* Is it code of the table? Changes w->rule. */
static inline __attribute__((always_inline)) int ukp_is_code(struct ukp_walk *w, __u64 gva)
{
	ukp_unwind_lookup(w, gva - 1);
	return w->rule.cfa != UKP_CFA_NONE;
}

/*
 * Where the host emulates the guest's instructions, a sample may find a PUSH or POP half done: RSP is written
 * back before RIP. Then the return address is one word off, and what is read in its place leads nowhere.
 * Returns how far off it is, or 0.
 */
static inline __attribute__((always_inline)) __s64 ukp_half_done(struct ukp_walk *w, __u64 *ret, __u64 gva)
{
	__u64 word = 0;

	if (!ukp_rule_word(w, &word, gva + 8) && ukp_is_code(w, word)) {
		*ret = word;
		return 8;
	}
	if (!ukp_rule_word(w, &word, gva - 8) && ukp_is_code(w, word)) {
		*ret = word;
		return -8;
	}
	return 0;
}

/*
 * What has the bits of selectors and flags: CS and SS of ring 0 or 3 and of the global table, of the same ring; bit 1 of
 * the flags is always set, 3, 5, 15, 17 (virtual 8086 mode) and those above 21 never. Without a branch: there are hundreds of
 * words. Returns 0 if they may be.
 */
static inline __attribute__((always_inline)) __u64 ukp_no_interrupt(__u64 cs, __u64 flags, __u64 ss)
{
	return ((cs | ss) & ~0xfbULL) | ((cs ^ cs >> 1) & 1) | ((cs ^ ss) & 3) | (flags & ~0x3d7fd7ULL) | (~flags & 2);
}

/*
 * Look through the next window of the stack of an entry stub for what the processor has pushed: RIP, CS, RFLAGS, RSP, SS.
 * RIP is in the images' code; the frame ends at a multiple of 16, for the processor has aligned the stack; where it goes on
 * is right above, or on another stack. Returns 1 if it is found, -1 if the stack can't be read, else 0.
 */
static inline __attribute__((always_inline)) int ukp_walk_interrupt(struct ukp_walk *w)
{
	__u64 ss = w->interrupt[0], rsp = w->interrupt[1], flags = w->interrupt[2], cs = w->interrupt[3], rip = 0;
	__u64 at = w->interrupt_at, off;
	int i, found = 0;

	if (!ukp_is_canonical(w, at) || ukp_walk_word(w, &off, at))
		return -1;
	off = at - w->window_gva;
	for (i = 0; i < UKP_WINDOW / 8; i++) {
		if (off >= w->window_len)
			break;
		rip = cs;
		cs = flags;
		flags = rsp;
		rsp = ss;
		ss = *(__u64 *)(w->window + (ukp_opaque(off) & (UKP_WINDOW - 8)));
		off += 8;
		at += 8;
		if (!(ukp_no_interrupt(cs, flags, ss) | (at & 15) | (rsp & 7))) {
			found = 1;
			break;
		}
	}
	w->interrupt[0] = ss;
	w->interrupt[1] = rsp;
	w->interrupt[2] = flags;
	w->interrupt[3] = cs;
	w->interrupt_at = at;
	/* What lies between the stub's frame and this one can't be where the interrupted code's stack is. */
	if (!found || cs < 8 || !rsp || !ukp_is_canonical(w, rsp) || rsp - w->sp < at - w->sp || !ukp_in_code(w, rip))
		return 0;
	w->pc = rip;
	return 1;
}

/*
 * From an entry stub without a row to the code that was interrupted. RBP is still that code's, unless it points to where
 * the stub has saved registers. Returns 0 if there is no such frame.
 */
static inline __attribute__((always_inline)) int ukp_step_interrupt(struct ukp_walk *w)
{
	__u64 len;
	int i, found = 0;

	if (!w->has_sp || w->sp & 7 || !w->nr_interrupts)
		return 0;
	w->nr_interrupts--;
	w->interrupt[0] = ~0ULL; /* no selector */
	w->interrupt[1] = ~0ULL;
	w->interrupt[2] = ~0ULL;
	w->interrupt[3] = ~0ULL;
	w->interrupt_at = w->sp;
	for (i = 0; i < UKP_INTERRUPT_PIECES; i++) {
		found = ukp_interrupt(w);
		if (found)
			break;
	}
	if (found != 1)
		return 0;
	len = w->interrupt_at - w->sp;
	w->methods |= UKP_BY_TABLE | UKP_BY_FRAME;
	if (len > (UKP_INTERRUPT_NEAR + 5) * 8)
		w->methods |= UKP_BY_WEAK;
	if (w->fp - w->sp < len)
		w->has_fp = 0;
	w->sp = w->interrupt[1];
	w->is_call = 0;
	return 1;
}

/*
 * From code without a row that has not moved RSP: assembler of C libraries, mostly (memcpy), and any function's first
 * instruction. Its caller's frame pointer would lead past its caller. The word at RSP is its return address if the call before
 * that went to such code: to this function, or to one that has jumped here. Returns 0 if it did not.
 */
static inline __attribute__((always_inline)) int ukp_step_leaf(struct ukp_walk *w)
{
	__u64 ret, low, high = 0, code, at, target;
	__u32 shift;

	if (w->is_call || !w->has_sp || w->sp & 7 || !ukp_is_canonical(w, w->sp))
		return 0;
	if (ukp_walk_word(w, &ret, w->sp) || !ukp_in_code(w, ret - 5) || !ukp_in_code(w, ret))
		return 0;
	/* The eight bytes before it, which may be on two pages, from aligned words. */
	at = (ret - 8) & ~7ULL;
	shift = (ret & 7) * 8;
	if (ukp_walk_word(w, &low, at) || (shift && ukp_walk_word(w, &high, at + 8)))
		return 0;
	code = shift ? low >> shift | high << (64 - shift) : low;
	target = ret + (__s64)(__s32)(code >> 32);
	if ((code >> 24 & 0xff) != 0xe8 || !ukp_in_code(w, target))
		return 0;
	ukp_unwind_lookup(w, target);
	if (w->rule.cfa != UKP_CFA_NONE)
		return 0;
	w->methods |= UKP_BY_RECOVERED;
	w->pc = ret;
	w->sp += 8;
	w->is_call = 1;
	return 1;
}

/* From w's frame to its caller's: UKP_WALK_ON and pc, sp and fp are the caller's, or the stop reason. */
static inline __attribute__((always_inline)) int ukp_walk_step(struct ukp_walk *w)
{
	__u64 base, cfa, ret = 0, fp = 0, sp;
	struct ukp_unwind_rule rule;
	int stop;

	ukp_unwind_lookup(w, w->pc - w->is_call);
	rule = w->rule;
	w->step_row = w->row;
	if (rule.cfa == UKP_CFA_INTERRUPT && ukp_step_interrupt(w))
		return UKP_WALK_ON;
	if (rule.cfa == UKP_CFA_NONE && ukp_step_leaf(w))
		return UKP_WALK_ON;
	if (rule.cfa == UKP_CFA_NONE || rule.cfa == UKP_CFA_INTERRUPT)
		return ukp_step_fp(w);
	if (rule.cfa == UKP_CFA_END)
		return UKP_STOP_ROOT;
	if (rule.cfa == UKP_CFA_RSP || rule.cfa == UKP_CFA_AT_RSP) {
		if (!w->has_sp)
			return ukp_step_no_rsp(w);
		base = w->sp;
	} else if (w->has_fp && (rule.cfa == UKP_CFA_RBP || rule.cfa == UKP_CFA_AT_RBP)) {
		base = w->fp;
	} else {
		return UKP_STOP_BADROW;
	}
	cfa = base + rule.cfa_offset;
	if (rule.cfa == UKP_CFA_AT_RSP || rule.cfa == UKP_CFA_AT_RBP) {
		stop = ukp_rule_word(w, &cfa, cfa);
		if (stop)
			return stop;
	}
	/* A caller's stack is above its callee's. An interrupt may switch to any other. */
	if (w->has_sp && cfa <= w->sp)
		return UKP_STOP_BACKWARDS;
	/* What is saved lies below the return address, and reads go upwards. */
	if (rule.rbp == UKP_RBP_AT_CFA || rule.rbp == UKP_RBP_AT_RBP) {
		if (rule.rbp == UKP_RBP_AT_RBP && !w->has_fp)
			return UKP_STOP_BADROW;
		base = rule.rbp == UKP_RBP_AT_CFA ? cfa : w->fp;
		stop = ukp_rule_word(w, &fp, base + rule.rbp_offset);
		if (stop)
			return stop;
	}
	stop = ukp_rule_word(w, &ret, cfa + rule.ra_offset);
	if (stop)
		return stop;
	sp = cfa;
	if (w->is_emulated && !w->is_call && rule.cfa == UKP_CFA_RSP && ret && !ukp_is_code(w, ret))
		sp += ukp_half_done(w, &ret, cfa + rule.ra_offset);
	if (rule.flags & UKP_UNWIND_SAVES_SP) {
		stop = ukp_rule_word(w, &sp, cfa + rule.rsp_offset);
		if (stop)
			return stop;
	}
	if (!ret)
		return UKP_STOP_ROOT;
	if (!ukp_is_canonical(w, ret))
		return UKP_STOP_BADROW;
	w->methods |= UKP_BY_TABLE;
	w->pc = ret;
	w->sp = sp;
	w->has_sp = 1;
	if (rule.rbp == UKP_RBP_LOST)
		w->has_fp = 0;
	else if (rule.rbp != UKP_RBP_SAME) {
		w->fp = fp;
		w->has_fp = 1;
	}
	w->is_call = !(rule.flags & UKP_UNWIND_SIGNAL);
	return UKP_WALK_ON;
}

/* Follow the tables from w's registers; frames, nr_frames and stop are the result. */
static inline __attribute__((always_inline)) void ukp_walk_table(struct ukp_walk *w)
{
	int i, stop;

	w->pc = w->rip;
	w->sp = w->rsp;
	w->fp = w->rbp;
	w->has_sp = !!w->has_rsp;
	w->has_fp = 1;
	w->is_call = 0;
	w->nr_interrupts = UKP_INTERRUPTS;
	for (i = 1; i <= UKP_MAX_FRAMES; i++) {
		stop = ukp_step(w);
		if (stop != UKP_WALK_ON) {
			w->stop = stop;
			return;
		}
		if (i == UKP_MAX_FRAMES)
			break;
		/* Not with "!": each iteration would be verified for both. */
		w->frames[i & UKP_MAX_FRAMES] = w->pc + (w->is_call ^ 1);
		w->nr_frames = i + 1;
	}
	w->stop = UKP_STOP_DEPTH;
}

/* --- by frame pointers alone --- */

#define UKP_FP_PART 14 /* frames in one call of ukp_fp_part(): few are verified, and a call costs each of them little */

/* On by the frame pointers from w->fp, UKP_FP_PART frames: UKP_WALK_ON, or the stop reason. */
static inline __attribute__((always_inline)) int ukp_walk_fp_part(struct ukp_walk *w)
{
	struct ukp_frame_record rec;
	__u64 fp = w->fp;
	__u32 nr;
	int i, stop;

	for (i = 0; i < UKP_FP_PART; i++) {
		if (!fp)
			return UKP_STOP_ROOT;
		if (fp & 7 || !ukp_is_canonical(w, fp) || fp > fp + 15)
			return UKP_STOP_BADFP;
		stop = ukp_walk_read(w, &rec, fp);
		if (stop)
			return stop;
		if (!rec.ret)
			return UKP_STOP_ROOT;
		/* No code is there: RBP is used for something else. */
		if (!ukp_is_canonical(w, rec.ret))
			return UKP_STOP_BADFP;
		nr = w->nr_frames;
		w->frames[nr & UKP_MAX_FRAMES] = rec.ret;
		w->nr_frames = nr + 1;
		if (rec.fp && rec.fp <= fp)
			return UKP_STOP_BACKWARDS;
		fp = rec.fp;
	}
	w->fp = fp;
	return UKP_WALK_ON;
}

/* Follow the frame pointers from w->rbp; frames, nr_frames and stop are the result. */
static inline __attribute__((always_inline)) void ukp_walk_fp(struct ukp_walk *w)
{
	int i, stop;

	w->fp = w->rbp;
	stop = UKP_WALK_ON;
	for (i = 1; i < UKP_MAX_FRAMES && stop == UKP_WALK_ON; i += UKP_FP_PART)
		stop = ukp_fp_part(w);
	if (stop == UKP_WALK_ON)
		stop = w->fp ? UKP_STOP_DEPTH : UKP_STOP_ROOT;
	w->stop = stop;
	if (w->nr_frames > 1)
		w->methods = UKP_BY_FP;
}

/*
 * The call stack at w's registers. The mode is that of this very sample: a guest passes through real
 * mode and 32-bit mode while it boots, and a 64-bit walk of 32-bit code would invent callers.
 * @recovers: RSP is looked for where it is not known.
 */
static inline __attribute__((always_inline)) void ukp_walk_stack(struct ukp_walk *w, int recovers)
{
	w->page_size = 0;
	w->window_len = 0;
	w->nr_frames = 0;
	w->methods = 0;
	if (!(w->cr0 & UKP_CR0_PE)) {
		w->stop = UKP_STOP_REALMODE;
		return;
	}
	w->frames[0] = w->rip;
	w->nr_frames = 1;
	if (!(w->cr0 & UKP_CR0_PG) || !(w->efer & UKP_EFER_LMA)) {
		w->stop = UKP_STOP_LEGACY;
		return;
	}
	if (!w->unwind[0].nr_pages)
		ukp_walk_fp(w);
	else if (w->has_rsp || !recovers || !ukp_recover(w))
		ukp_walk_table(w);
}

_Static_assert(((UKP_MAX_FRAMES + 1) & UKP_MAX_FRAMES) == 0, "UKP_MAX_FRAMES works as a mask");
_Static_assert((UKP_MAX_FRAMES - 1) % UKP_FP_PART == 0, "all parts of a walk by frame pointers are whole");

#endif /* BPF_GUEST_WALK_H */
