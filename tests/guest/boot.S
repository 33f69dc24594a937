/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot.S - the first instructions of every test guest.
 *
 *	_start		64-bit entry of each vCPU, see guest_abi.h; the root of every stack
 *	pvh_start	32-bit entry used by QEMU -kernel: makes what _start wants, then goes there
 *	trampoline	16-bit entry of further vCPUs after a PVH boot, copied to GPA_TRAMPOLINE
 *
 * All of it is position independent: a PVH boot runs at physical addresses in an image that may be linked
 * at physical + LINEAR.
 */
#include "guest_abi.h"

#define CR0_PE	  1
#define CR0_WP	  0x10000
#define CR0_PG	  0x80000000
#define CR4_PAE	  0x20
#define MSR_EFER  0xc0000080
#define EFER_LME  0x100
#define SEL_CODE  8
#define SEL_DATA  0x10
#define SEL_CODE32 0x18

	.section .text.boot, "ax"
	.code64

	.global _start
	.type _start, @function
_start:
	.cfi_startproc
	.cfi_undefined rip
	xor	%ebp, %ebp
	mov	%rdi, %rbx
	mov	%rsi, %r12
	and	$-16, %rsp
	call	boot_cpu
	mov	%rbx, %rdi
	mov	%r12, %rsi
	test	%r12d, %r12d
	jnz	1f
	call	kmain
	jmp	2f
1:	call	ap_main
2:	xor	%edi, %edi
	call	guest_exit
	ud2
	.cfi_endproc
	.size _start, . - _start

/*
 * Interrupts. Exceptions end the guest with a message; everything else returns at once, except the timer
 * of the local APIC, which counts.
 */
	.global exception_stubs
	.type exception_stubs, @function
	.balign 16
exception_stubs:
	.set	vector, 0
	.rept	32
	.balign 16
	.if	(vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21)
	.else
	push	$0
	.endif
	push	$vector
	jmp	exception_common
	.set	vector, vector + 1
	.endr
exception_common:
	mov	%rsp, %rdi
	mov	%cr2, %rsi
	and	$-16, %rsp
	cld
	call	exception
	ud2
	.size exception_stubs, . - exception_stubs

	.global irq_ignore
	.type irq_ignore, @function
irq_ignore:
	.cfi_startproc
	.cfi_signal_frame
	.cfi_def_cfa rsp, 40
	.cfi_offset rip, -40
	.cfi_offset rsp, -16
	iretq
	.cfi_endproc
	.size irq_ignore, . - irq_ignore

	.global irq_timer
	.type irq_timer, @function
irq_timer:
	.cfi_startproc
	.cfi_signal_frame
	.cfi_def_cfa rsp, 40
	.cfi_offset rip, -40
	.cfi_offset rsp, -16
	push	%rax
	.cfi_adjust_cfa_offset 8
	incq	timer_ticks(%rip)
	mov	$0xfee000b0, %eax
	movl	$0, (%rax)
	pop	%rax
	.cfi_adjust_cfa_offset -8
	iretq
	.cfi_endproc
	.size irq_timer, . - irq_timer

/* --- PVH: 32 bits, no paging, EBX = start info ------------------------------------------------- */

	.code32
	.global pvh_start
	.type pvh_start, @function
pvh_start:
	cli
	cld
	mov	%ebx, %esi
	mov	$0x5000, %esp		/* eight bytes of conventional memory that nobody uses */
	call	1f
1:	pop	%ebp			/* physical address of 1b */

	/* Four page directories that map 4 GiB by 2 MiB pages. */
	lea	(boot_pd - 1b)(%ebp), %edi
	mov	$0x83, %eax
	mov	$2048, %ecx
2:	mov	%eax, (%edi)
	movl	$0, 4(%edi)
	add	$0x200000, %eax
	add	$8, %edi
	dec	%ecx
	jnz	2b

	lea	(boot_pdpt - 1b)(%ebp), %edi
	lea	(boot_pd - 1b + 3)(%ebp), %eax
	mov	%eax, (%edi)
	add	$4096, %eax
	mov	%eax, 8(%edi)
	add	$4096, %eax
	mov	%eax, 16(%edi)
	add	$4096, %eax
	mov	%eax, 24(%edi)
#if LINEAR
	/* The image runs at physical + LINEAR: show the first GiB there too. */
	lea	(boot_pd - 1b + 3)(%ebp), %eax
	mov	%eax, ((LINEAR >> 30) * 8)(%edi)
#endif
	lea	3(%edi), %eax
	lea	(boot_pml4 - 1b)(%ebp), %edi
	mov	%eax, (%edi)
	mov	%edi, %cr3

	mov	%cr4, %eax
	or	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	wrmsr

	lea	(gdt - 1b)(%ebp), %eax
	push	%eax
	pushw	$(gdt_end - gdt - 1)
	lgdt	(%esp)
	add	$6, %esp
	lea	(pvh_long - 1b)(%ebp), %eax
	push	$SEL_CODE
	push	%eax
	mov	%cr0, %eax
	or	$(CR0_PG | CR0_WP | CR0_PE), %eax
	mov	%eax, %cr0
	lret

	.code64
pvh_long:
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	mov	$LINEAR, %eax
	lea	2f(%rip), %rcx
	add	%rax, %rcx
	jmp	*%rcx			/* from the physical to the linked address */
2:	lea	boot_stacks + GUEST_STACK_SIZE(%rip), %rsp
	xor	%ebp, %ebp
	mov	%esi, %edi
	call	pvh_init
	mov	%rax, %rdi
	xor	%esi, %esi
	lea	boot_stacks + GUEST_STACK_SIZE(%rip), %rsp
	push	$0
	jmp	_start
	.size pvh_start, . - pvh_start

/* --- further vCPUs: 16 bits, CS = GPA_TRAMPOLINE >> 4 ------------------------------------------- */

#define AT(label) (GPA_TRAMPOLINE + (label) - trampoline)

	.code16
	.global trampoline
	.type trampoline, @function
	.balign 16
trampoline:
	cli
	cld
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	(tramp_gdtr - trampoline)
	mov	%cr0, %eax
	or	$CR0_PE, %eax
	mov	%eax, %cr0
	ljmpl	$SEL_CODE32, $AT(tramp32)

	.code32
tramp32:
	mov	$SEL_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%cr4, %eax
	or	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	AT(tramp_cr3), %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	wrmsr
	mov	%cr0, %eax
	or	$(CR0_PG | CR0_WP | CR0_PE), %eax
	mov	%eax, %cr0
	ljmpl	$SEL_CODE, $AT(tramp64)

	.code64
tramp64:
	xor	%eax, %eax
	mov	%eax, %fs
	mov	%eax, %gs
	mov	$1, %eax
	cpuid
	shr	$24, %ebx		/* APIC id: it is KVM's vCPU id too */
	mov	%ebx, %esi
	cmp	$GUEST_MAX_VCPUS, %esi
	jb	2f
1:	hlt
	jmp	1b
2:	lea	1(%rsi), %rsp
	shl	$16, %rsp		/* GUEST_STACK_SIZE */
	add	tramp_stacks(%rip), %rsp
	push	$0
	xor	%ebp, %ebp
	mov	tramp_info(%rip), %rdi
	jmp	*tramp_entry(%rip)

	.balign 16
tramp_gdt:
	.quad	0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff
tramp_gdtr:
	.word	31
	.long	AT(tramp_gdt)
	.balign 8
	.global tramp_params
tramp_params:				/* struct tramp_params in lib.c */
tramp_cr3:	.quad 0
tramp_entry:	.quad 0
tramp_stacks:	.quad 0
tramp_info:	.quad 0
	.global trampoline_end
trampoline_end:
	.size trampoline, . - trampoline

	.data
	.balign 16
	.global gdt
	.type gdt, @object
gdt:	.quad	0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff
gdt_end:
	.size gdt, . - gdt

	.bss
	.balign 4096
boot_pml4:	.skip 4096
boot_pdpt:	.skip 4096
boot_pd:	.skip 4 * 4096
	.global boot_stacks
	.type boot_stacks, @object
boot_stacks:	.skip GUEST_STACK_SIZE * GUEST_MAX_VCPUS
	.size boot_stacks, . - boot_stacks

	/* guest.ld adds the descriptor: eight bytes, the physical address of pvh_start. */
	.section .note.Xen, "a", @note
	.long	4, 8, 18		/* name and descriptor size, XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"

	.section .note.GNU-stack, "", @progbits
