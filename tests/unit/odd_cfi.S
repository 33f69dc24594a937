/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * odd_cfi.S - functions whose call frame information is unusual; never run, only read (test_unwind_table).
 *
 * Assembled three times: PART 1 has tables in .eh_frame alone, 2 in .debug_frame alone, 3 in both.
 */
#define DEF_CFA_EXPRESSION 0x0f
#define EXPRESSION	   0x10
#define BREG6		   0x76
#define BREG7		   0x77

	.macro	function name
	.global \name
	.type	\name, @function
\name:
	.endm

	.text

#if PART == 1
	.cfi_sections .eh_frame

function _start
	.cfi_startproc
	.cfi_undefined rip
	hlt
	.cfi_endproc

function eh_frame_pointer
	.cfi_startproc
	push	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset rbp, -16
	mov	%rsp, %rbp
	.cfi_def_cfa_register rbp
	nop
	pop	%rbp
	.cfi_restore rbp
	.cfi_def_cfa rsp, 8
	ret
	.cfi_endproc

function eh_remember
	.cfi_startproc
	push	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_remember_state
	push	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	.cfi_remember_state
	sub	$0x100, %rsp
	.cfi_adjust_cfa_offset 0x100
	nop
	.cfi_restore_state
	nop
	.cfi_restore_state
	ret
	.cfi_endproc

	/* no table between these two: 5 bytes */
	nop
	nop
	nop
	nop
	nop

function eh_cfa_expression
	.cfi_startproc
	.cfi_escape DEF_CFA_EXPRESSION, 2, BREG7, 8
	nop
	.cfi_escape DEF_CFA_EXPRESSION, 2, BREG6, 16
	nop
	ret
	.cfi_endproc

function eh_aligned_stack
	.cfi_startproc
	lea	8(%rsp), %r10
	.cfi_def_cfa r10, 0		/* not followed: 14 bytes, up to the next rule of the CFA */
	and	$-32, %rsp
	push	-8(%r10)
	push	%rbp
	.cfi_escape EXPRESSION, 6, 2, BREG6, 0
	mov	%rsp, %rbp
	push	%r10
	.cfi_escape DEF_CFA_EXPRESSION, 3, BREG6, 0x78, 0x06
	nop
	nop
	.cfi_escape DEF_CFA_EXPRESSION, 3, BREG7, 0x10, 0x06
	nop
	ret
	.cfi_endproc

function eh_computed
	.cfi_startproc
	.cfi_escape DEF_CFA_EXPRESSION, 5, BREG7, 8, 0x31, 0x31, 0x1c	/* not followed: 4 bytes */
	nop
	nop
	nop
	ret
	.cfi_endproc

	.balign	16
function eh_plt
	.cfi_startproc
	.cfi_escape DEF_CFA_EXPRESSION, 11, BREG7, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22
	.fill	53, 1, 0x90
	.cfi_def_cfa rsp, 8
	.fill	7, 1, 0x90
	.cfi_escape DEF_CFA_EXPRESSION, 11, BREG7, 8, 0x80, 0, 0x3f, 0x1a, 0x36, 0x2a, 0x33, 0x24, 0x22
	.fill	36, 1, 0x90
	.cfi_endproc

function eh_interrupt
	.cfi_startproc
	.cfi_signal_frame
	.cfi_def_cfa rsp, 40
	.cfi_offset rip, -40
	.cfi_offset rsp, -16
	push	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_offset rbp, -48
	nop
	pop	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	iretq
	.cfi_endproc

	/* Interrupt entries without a table: what has a size, what has none, and what only looks like one. */
function bare_stub
	push	%rax
	call	eh_remember
	pop	%rax
	iretq
	nop
	.size bare_stub, . - bare_stub

function bare_other
	mov	%rax, %rcx
	ret
	.size bare_other, . - bare_other

	.global bare_label
bare_label:
	push	$1
	iretq
	iretq

function eh_iretq_bytes
	.cfi_startproc
	mov	$0xcf48, %eax
	ret
	.cfi_endproc

	/* As gcc describes a function with the attribute interrupt. */
function eh_handler
	.cfi_startproc
	push	%rax
	.cfi_def_cfa_offset 16
	.cfi_offset rax, -16
	nop
	pop	%rax
	.cfi_restore rax
	.cfi_def_cfa_offset 8
	iretq
	.cfi_endproc

	/* Goes to ring 3, say: it was called. */
function eh_leaves
	.cfi_startproc
	push	%rbx
	.cfi_def_cfa_offset 16
	.cfi_offset rbx, -16
	nop
	iretq
	.cfi_endproc

function eh_rbp_is_gone
	.cfi_startproc
	.cfi_undefined rbp
	nop
	.cfi_register rbp, r11
	nop
	.cfi_offset rbp, -70000
	ret
	.cfi_endproc

function eh_large_frame
	.cfi_startproc
	sub	$0x12345678, %rsp
	.cfi_adjust_cfa_offset 0x12345678
	.cfi_offset rbp, -0x7ff8
	nop
	add	$0x12345678, %rsp
	.cfi_adjust_cfa_offset -0x12345678
	ret
	.cfi_endproc

function eh_return_address_in_register
	.cfi_startproc
	.cfi_register rip, rcx	/* not followed: 2 bytes */
	nop
	nop
	.cfi_offset rip, -8
	ret
	.cfi_endproc

	/* Rows of more than one page of 64 KiB, some of them without a change. */
function eh_large_function
	.cfi_startproc
	push	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	.fill	0x2ffff, 1, 0x90
	pop	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	.fill	0x10001, 1, 0x90
	ret
	.cfi_endproc

	/* Nothing is known of a whole page. */
	.fill	0x20000, 1, 0x90
#endif

#if PART == 2
	.cfi_sections .debug_frame

function debug_frameless
	.cfi_startproc
	push	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	push	%rbx
	.cfi_adjust_cfa_offset 8
	nop
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	pop	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	ret
	.cfi_endproc

	/* .eh_frame, by hand, has 8 bytes that it can't express, then 8 bytes of another opinion; then only
	   .debug_frame goes on. */
function overlap
	.cfi_startproc
	.cfi_def_cfa_offset 24
	.fill	32, 1, 0x90
	.cfi_endproc

	.section .eh_frame, "a", @progbits
cie:	.long	cie_end - cie_start
cie_start:
	.long	0
	.byte	1
	.asciz	"zR"
	.uleb128 1
	.sleb128 -8
	.byte	16
	.uleb128 1
	.byte	0x1b		/* pcrel, sdata4 */
	.byte	0x0c, 7, 8	/* def_cfa rsp, 8 */
	.byte	0x90, 1		/* offset rip, -8 */
	.balign	8
cie_end:
	.long	fde_end - fde_start
fde_start:
	.long	fde_start - cie
	.long	overlap - .
	.long	16
	.uleb128 0
	.byte	DEF_CFA_EXPRESSION, 4, BREG7, 8, 0x30, 0x22
	.byte	0x48		/* advance 8 */
	.byte	0x0c, 7, 48
	.balign	8
fde_end:
#endif

#if PART == 3
	.cfi_sections .eh_frame, .debug_frame

function both_same
	.cfi_startproc
	sub	$24, %rsp
	.cfi_adjust_cfa_offset 24
	nop
	add	$24, %rsp
	.cfi_adjust_cfa_offset -24
	ret
	.cfi_endproc
#endif

	.section .note.GNU-stack, "", @progbits
