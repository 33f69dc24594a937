// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * irq.c - interrupts that arrive in known functions: the stack of a handler goes on in the code that it interrupted.
 *
 * Three functions are interrupted for known shares of the time, 1/2, 3/10 and 1/5, and all time is the handler's. Built
 * without frame pointers. The entry stubs are of the kinds that unikernels have:
 *
 *	stub_cfi	CFI of a signal frame
 *	stub_bare	no CFI: saves all registers and calls
 *	stub_error	no CFI, no type and no size; the processor has pushed an error code, the stub a vector
 *	stub_own	no CFI, on a stack of its own (IST), with room for an FXSAVE area; uses RBP for itself
 *	stub_outer	as stub_bare; its handler is interrupted in turn
 *
 * With how=int the processor interrupts: INT, and a page fault where there is an error code; IRET is the way back. KVM's
 * instruction emulator knows neither in 64-bit mode: with how=hand, the default, the guest itself writes what the
 * processor would, and goes back by a jump. irq.expect has the stacks and shares.
 *
 * With how=timer the local APIC's timer interrupts wherever the guest is, and the stub is gcc's. The handler, which takes a
 * small part of the time, is found above the functions tick_* by their shares: irq-timer.expect.
 *
 * Arguments: how=int, how=timer
 *	      scale=N  iterations of the shortest call, average (default 8000)
 *	      rounds=N vCPU 0 prints the counters and ends the guest after N rounds (default: never)
 */
#include "guest.h"

#define VECTOR_TIMER 32
#define VECTOR_FAULT 14
#define VECTOR_CFI   48
#define VECTOR_BARE  49
#define VECTOR_OWN   50
#define VECTOR_OUTER 51
#define OWN_STACK    8192
#define UNMAPPED     0x600000000000ul /* no page of the guest; reading it takes two bytes of code */

static const char *const names[] = { "rounds", "ticks", NULL };

uint64_t todo;
uint8_t is_by_hand = 1;
uint8_t own_stack[OWN_STACK] __attribute__((aligned(16)));
static uint64_t ticks;

#define KEEP_FRAME() asm volatile("")

FRAME static void hot(uint64_t n)
{
	spin(n);
}

FRAME static void handler_work(uint64_t n)
{
	volatile uint64_t room[30];

	room[n % 30] = n;
	hot(room[n % 30]);
	KEEP_FRAME();
}

void handle(void);
FRAME void handle(void)
{
	handler_work(todo);
	KEEP_FRAME();
}

/* The end of all stubs: the frame is all that is left on the stack. By hand, RCX and RDX are nobody's. */
#define GO_BACK                      \
	"	cmpb $0, is_by_hand(%rip)\n" \
	"	jne 9f\n"                    \
	"	iretq\n"                     \
	"9:	mov (%rsp), %rdx\n"        \
	"	mov 24(%rsp), %rsp\n"        \
	"	jmp *%rdx\n"
#define PUSH_ALL                                                                                      \
	"	push %rax\n	push %rbx\n	push %rcx\n	push %rdx\n	push %rsi\n	push %rdi\n	push %rbp\n" \
	"	push %r8\n	push %r9\n	push %r10\n	push %r11\n	push %r12\n	push %r13\n	push %r14\n" \
	"	push %r15\n"
#define POP_ALL                                                                                     \
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %r11\n	pop %r10\n	pop %r9\n	pop %r8\n" \
	"	pop %rbp\n	pop %rdi\n	pop %rsi\n	pop %rdx\n	pop %rcx\n	pop %rbx\n	pop %rax\n"
#define SAVED(reg) "	push %" reg "\n	.cfi_adjust_cfa_offset 8\n"
#define TAKEN(reg) "	pop %" reg "\n	.cfi_adjust_cfa_offset -8\n"

void stub_cfi(void);
void stub_bare(void);
void stub_error(void);
void stub_own(void);
void stub_outer(void);
asm(".text\n"
    ".type stub_cfi, @function\n"
    "stub_cfi:\n"
    "	.cfi_startproc\n"
    "	.cfi_signal_frame\n"
    "	.cfi_def_cfa rsp, 40\n"
    "	.cfi_offset rip, -40\n"
    "	.cfi_offset rsp, -16\n"
    SAVED("rax") SAVED("rcx") SAVED("rdx") SAVED("rsi") SAVED("rdi") SAVED("r8") SAVED("r9") SAVED("r10") SAVED("r11")
    "	cld\n"
    "	call handle\n"
    TAKEN("r11") TAKEN("r10") TAKEN("r9") TAKEN("r8") TAKEN("rdi") TAKEN("rsi") TAKEN("rdx") TAKEN("rcx") TAKEN("rax")
    GO_BACK
    "	.cfi_endproc\n"
    ".size stub_cfi, . - stub_cfi\n"

    ".type stub_bare, @function\n"
    "stub_bare:\n"
    PUSH_ALL
    "	cld\n"
    "	call handle\n"
    POP_ALL
    GO_BACK
    ".size stub_bare, . - stub_bare\n"

    "stub_error:\n"
    "	push $14\n"
    PUSH_ALL
    "	mov %rsp, %rdi\n"
    "	call handle\n"
    POP_ALL
    "	add $16, %rsp\n"
    "	cmpb $0, is_by_hand(%rip)\n"
    "	jne 1f\n"
    "	addq $2, (%rsp)\n"
    "1:\n"
    GO_BACK

    ".type stub_own, @function\n"
    "stub_own:\n"
    PUSH_ALL
    "	mov %rsp, %rbp\n"
    "	sub $512, %rsp\n"
    "	and $-16, %rsp\n"
    "	call handle\n"
    "	mov %rbp, %rsp\n"
    POP_ALL
    GO_BACK
    ".size stub_own, . - stub_own\n"

    ".type stub_outer, @function\n"
    "stub_outer:\n"
    PUSH_ALL
    "	cld\n"
    "	call handle_and_interrupt\n"
    POP_ALL
    GO_BACK
    ".size stub_outer, . - stub_outer\n");

/* What the processor pushes, on a stack that it has aligned; then what it does. */
#define BY_HAND(stack, error, stub)                 \
	asm volatile("mov %%rsp, %%rdx\n"           \
		     stack "\n"                     \
		     "and $-16, %%rsp\n"            \
		     "push $0x10\n"                 \
		     "push %%rdx\n"                 \
		     "pushfq\n"                     \
		     "push $8\n"                    \
		     "lea 1f(%%rip), %%rdx\n"       \
		     "push %%rdx\n"                 \
		     error "\n"                     \
		     "jmp " stub "\n"               \
		     "1:\n"                         \
		     : : : "rcx", "rdx", "cc", "memory")
#define BY_INT(vector) asm volatile("int %0" : : "i"(vector) : "memory")

static inline __attribute__((always_inline)) void interrupt_bare(uint64_t n)
{
	todo = n;
	if (is_by_hand)
		BY_HAND("", "", "stub_bare");
	else
		BY_INT(VECTOR_BARE);
}

void handle_and_interrupt(void);
FRAME void handle_and_interrupt(void)
{
	interrupt_bare(todo);
	KEEP_FRAME();
}

FRAME static void by_half(uint64_t n)
{
	todo = n * 5;
	if (is_by_hand)
		BY_HAND("", "", "stub_cfi");
	else
		BY_INT(VECTOR_CFI);
	interrupt_bare(n * 5);
}

FRAME static void third_inner(uint64_t n)
{
	todo = n;
	if (is_by_hand)
		BY_HAND("", "push $0", "stub_error");
	else
		asm volatile("movb (%0), %%al" : : "a"(UNMAPPED) : "memory");
}

/* What stands in its room is what former interrupts have left there. */
FRAME static void by_third(uint64_t n)
{
	volatile uint64_t room[200];

	room[n % 200] = n * 6;
	third_inner(room[n % 200]);
	KEEP_FRAME();
}

FRAME static void by_fifth(uint64_t n)
{
	todo = n * 2;
	if (is_by_hand)
		BY_HAND("lea own_stack+8192(%%rip), %%rsp", "", "stub_own");
	else
		BY_INT(VECTOR_OWN);
	todo = n * 2;
	if (is_by_hand)
		BY_HAND("", "", "stub_outer");
	else
		BY_INT(VECTOR_OUTER);
}

/* --- by the timer --- */

void handle_tick(void);
FRAME void handle_tick(void)
{
	ticks++;
	handler_work(todo);
	end_of_interrupt();
}

/* gcc describes this as a function that was called. */
__attribute__((interrupt)) FRAME static void stub_timer(void *frame)
{
	(void)frame;
	handle_tick();
}

FRAME static void tick_half(uint64_t n)
{
	spin(n * 5);
}

FRAME static void tick_third(uint64_t n)
{
	spin(n * 3);
}

FRAME static void tick_fifth(uint64_t n)
{
	spin(n * 2);
}

/* --- */

/* Code and data as they were, and a task state segment, which names the interrupt stack. */
static uint64_t own_gdt[5] __attribute__((aligned(16))) = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
static uint8_t tss[104] __attribute__((aligned(16)));

static void prepare(void)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} gdtr = { sizeof(own_gdt) - 1, (uint64_t)own_gdt };
	uint64_t base = (uint64_t)tss, top = (uint64_t)own_stack + OWN_STACK;

	memcpy(tss + 36, &top, 8); /* IST1 */
	own_gdt[3] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ul << 40 | (base >> 24 & 0xff) << 56;
	own_gdt[4] = base >> 32;
	asm volatile("lgdt %0; ltr %1" : : "m"(gdtr), "r"((uint16_t)24));
	set_interrupt(VECTOR_CFI, stub_cfi, 0);
	set_interrupt(VECTOR_BARE, stub_bare, 0);
	set_interrupt(VECTOR_FAULT, stub_error, 0);
	set_interrupt(VECTOR_OWN, stub_own, 1);
	set_interrupt(VECTOR_OUTER, stub_outer, 0);
	set_interrupt(VECTOR_TIMER, (void (*)(void))stub_timer, 0);
	is_by_hand = 0;
}

void ap_main(struct boot_info *bi, unsigned long vcpu)
{
	(void)bi;
	guest_ready("irq", names, vcpu);
	for (;;)
		asm volatile("hlt");
}

void kmain(struct boot_info *bi, unsigned long vcpu)
{
	uint64_t *count = (uint64_t *)oracle()->values[vcpu];
	uint64_t seed = 88172645463325252, scale = arg_number("scale", 8000), rounds = arg_number("rounds", 0), n;
	bool is_timer = arg_is("how", "timer");

	(void)bi;
	if (is_timer || arg_is("how", "int"))
		prepare();
	guest_ready("irq", names, vcpu);
	todo = scale;
	if (is_timer)
		start_timer(arg_number("tick_us", 1000) * 1000);
	while (!rounds || count[0] < rounds) {
		n = scale - scale / 4 + next_random(&seed) % (scale / 2 + 1);
		if (is_timer) {
			tick_half(n);
			tick_third(n);
			tick_fifth(n);
		} else {
			by_half(n);
			by_third(n);
			by_fifth(n);
		}
		count[0]++;
		count[1] = ticks;
	}
	print_counters();
	guest_exit(0);
}
