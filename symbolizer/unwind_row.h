/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_UNWIND_ROW_H
#define SYMBOLIZER_UNWIND_ROW_H

/*
 * unwind_row - the layout of an unwind table, shared by who builds it and by the BPF programs that read it.
 *
 * Addresses count from the table's base, a multiple of 64 KiB. Pages of 64 KiB say which rows are theirs;
 * a row is 4 bytes, its rule stands in a table of its own, for a program has few different ones. Every page
 * that has rows begins with one at offset 0, so that the last row at or before an offset is the row of the
 * offset, and a page is searched by itself, in UKP_UNWIND_STEPS steps or fewer. Rows of neighbouring pages are
 * neighbours, too.
 *
 * The includer of a BPF program has __u8 to __u64 from vmlinux.h; all others get them here.
 */
#ifndef VMLINUX_H
#include <linux/types.h>
#endif

#define UKP_UNWIND_PAGE_BITS 16
#define UKP_UNWIND_STEPS     17 /* halvings of 65536 rows, and one to see the end */

struct ukp_unwind_row {
	__u16 offset; /* in the page */
	__u16 rule;   /* index */
};

struct ukp_unwind_page {
	__u32 first; /* index of its first row */
	__u32 nr;    /* 0: nothing is known of the page; else up to 65536 */
};

/* Where the caller's stack begins (CFA, canonical frame address: RSP of the caller after the return). */
enum ukp_unwind_cfa {
	UKP_CFA_NONE = 0,	 /* no table covers the address */
	UKP_CFA_UNSUPPORTED = 1, /* one does, in a way that is not followed */
	UKP_CFA_END = 2,	 /* outermost frame: there is no return address */
	UKP_CFA_RSP = 3,	 /* RSP + cfa_offset */
	UKP_CFA_RBP = 4,	 /* RBP + cfa_offset */
	UKP_CFA_AT_RSP = 5,	 /* the word at RSP + cfa_offset */
	UKP_CFA_AT_RBP = 6,	 /* the word at RBP + cfa_offset: functions that align their stack */
	UKP_CFA_INTERRUPT = 7,	 /* an entry stub without a row: what the processor has pushed is found by its layout */
	UKP_CFA_MAX
};

/* Where the caller's RBP is. */
enum ukp_unwind_rbp {
	UKP_RBP_SAME = 0,
	UKP_RBP_AT_CFA = 1, /* the word at CFA + rbp_offset */
	UKP_RBP_AT_RBP = 2, /* the word at RBP + rbp_offset */
	UKP_RBP_LOST = 3,
	UKP_RBP_MAX
};

#define UKP_UNWIND_SIGNAL   1 /* the caller was interrupted, it did not call: look its address up as it is */
#define UKP_UNWIND_SAVES_SP 2 /* the caller's RSP is the word at CFA + rsp_offset, not the CFA */
/*
 * A row of its own begins every function. What calls a function calls its first row's address; a part that was
 * moved away from its function is jumped to, and the stack is not that of a call.
 */
#define UKP_UNWIND_ENTRY 4 /* the row's address is where a function begins */
#define UKP_UNWIND_PART	 8 /* the row begins code whose function is elsewhere */

struct ukp_unwind_rule {
	__s32 cfa_offset;
	__s16 ra_offset; /* the return address is the word at CFA + ra_offset */
	__s16 rbp_offset;
	__s16 rsp_offset;
	__u8 cfa;   /* enum ukp_unwind_cfa */
	__u8 rbp;   /* enum ukp_unwind_rbp */
	__u8 flags; /* UKP_UNWIND_* */
	__u8 reserved[3];
};

#define UKP_UNWIND_RULE_NONE	    0 /* index of the rule with UKP_CFA_NONE, in every table */
#define UKP_UNWIND_RULE_UNSUPPORTED 1

_Static_assert(sizeof(struct ukp_unwind_row) == 4, "ukp_unwind_row size");
_Static_assert(sizeof(struct ukp_unwind_page) == 8, "ukp_unwind_page size");
_Static_assert(sizeof(struct ukp_unwind_rule) == 16, "ukp_unwind_rule size");

#endif /* SYMBOLIZER_UNWIND_ROW_H */
