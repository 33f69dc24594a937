// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * threads.c - threads with stacks of their own, that take turns.
 *
 * A thread begins at thread_start, the root of its stack, works for a while, and hands over to the next one with
 * all its callers in place: two thirds of the work are done in turns that begin deep in a thread. threads.expect
 * has the stacks and shares.
 *
 * Arguments: scale=N  iterations of the shortest turn, average (default 8000)
 *	      rounds=N vCPU 0 prints the counters and ends the guest after N rounds (default: never)
 */
#include "guest.h"

#define NR_THREADS 3
#define STACK	   0x8000

static const char *const names[] = { "rounds", NULL };

static uint8_t stacks[NR_THREADS][STACK] __attribute__((aligned(16)));
static uint64_t saved_rsp[NR_THREADS];
static unsigned int current;
static uint64_t length, seed = 88172645463325252, nr_rounds;

/* Saves what a function must keep, and goes on where the other thread has done the same. */
void switch_stack(uint64_t *from, uint64_t to);
asm(".text\n"
    ".type switch_stack, @function\n"
    "switch_stack:\n"
    "	push %rbp\n"
    "	push %rbx\n"
    "	push %r12\n"
    "	push %r13\n"
    "	push %r14\n"
    "	push %r15\n"
    "	mov %rsp, (%rdi)\n"
    "	mov %rsi, %rsp\n"
    "	pop %r15\n"
    "	pop %r14\n"
    "	pop %r13\n"
    "	pop %r12\n"
    "	pop %rbx\n"
    "	pop %rbp\n"
    "	ret\n"
    ".size switch_stack, . - switch_stack\n");

/* The root of each thread: RBP is 0 here, and so is the return address. The thread's function is in RBX. */
void thread_start(void);
asm(".text\n"
    ".type thread_start, @function\n"
    "thread_start:\n"
    "	.cfi_startproc\n"
    "	.cfi_undefined rip\n"
    "	xor %ebp, %ebp\n"
    "	call *%rbx\n"
    "	ud2\n"
    "	.cfi_endproc\n"
    ".size thread_start, . - thread_start\n");

FRAME static void yield(void)
{
	unsigned int from = current;

	current = (current + 1) % NR_THREADS;
	if (!current) {
		oracle()->values[0][0]++;
		if (nr_rounds && oracle()->values[0][0] >= nr_rounds) {
			print_counters();
			guest_exit(0);
		}
		length = arg_number("scale", 8000);
		length = length - length / 4 + next_random(&seed) % (length / 2 + 1);
	}
	switch_stack(&saved_rsp[from], saved_rsp[current]);
}

FRAME static void hot_one(uint64_t n)
{
	spin(n);
}

FRAME static void hot_two(uint64_t n)
{
	spin(n);
}

FRAME static void hot_three(uint64_t n)
{
	spin(n);
}

FRAME static void thread_one(void)
{
	for (;;) {
		hot_one(length);
		yield();
	}
}

FRAME static void two_inner(void)
{
	hot_two(length * 2);
	yield();
	asm volatile("");
}

FRAME static void thread_two(void)
{
	for (;;)
		two_inner();
}

/* The innermost never returns: it hands over, and goes on below its callers. */
FRAME static void three_deep(unsigned int depth)
{
	if (depth) {
		three_deep(depth - 1);
		asm volatile("");
		return;
	}
	while (length) {
		hot_three(length * 5);
		yield();
	}
}

FRAME static void thread_three(void)
{
	three_deep(4);
	asm volatile("");
}

static void prepare(unsigned int i, void (*run)(void))
{
	/* As switch_stack() leaves it: six registers, of which the fifth is RBX, and where to go on. */
	uint64_t *top = (uint64_t *)(stacks[i] + STACK - 16);

	*--top = 0;
	*--top = (uint64_t)thread_start;
	*--top = 0;
	*--top = (uint64_t)run;
	top -= 4;
	saved_rsp[i] = (uint64_t)top;
}

void ap_main(struct boot_info *bi, unsigned long vcpu)
{
	(void)bi;
	guest_ready("threads", names, vcpu);
	for (;;)
		asm volatile("hlt");
}

void kmain(struct boot_info *bi, unsigned long vcpu)
{
	uint64_t boot_rsp;

	(void)bi;
	length = arg_number("scale", 8000);
	nr_rounds = arg_number("rounds", 0);
	prepare(0, thread_one);
	prepare(1, thread_two);
	prepare(2, thread_three);
	guest_ready("threads", names, vcpu);
	switch_stack(&boot_rsp, saved_rsp[0]);
	guest_exit(1);
}
