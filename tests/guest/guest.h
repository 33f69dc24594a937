/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.h - what the test guests share: start-up, console, arguments, counters, the spin loop.
 *
 * Freestanding, integers only, no floating point: a software KVM runs these guests in the kernel's
 * instruction emulator, which knows the plain integer instructions best.
 */
#ifndef GUEST_GUEST_H
#define GUEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest_abi.h"

/* A function whose frame is part of what a test expects. */
#ifdef __clang__ /* makes no clones */
#define FRAME __attribute__((noinline, used))
#else
#define FRAME __attribute__((noinline, noclone, used))
#endif

/*
 * gcc gives a leaf function that does not touch its stack no frame, even with -mno-omit-leaf-frame-pointer
 * (ix86_finalize_stack_frame_flags() drops it when optimizing). Asking for the frame's address is what makes
 * one. Without -DLEAF_FRAMES this is what gcc does by itself.
 */
#ifdef LEAF_FRAMES
#define LEAF_FRAME() asm volatile("" : : "r"(__builtin_frame_address(0)))
#else
#define LEAF_FRAME() asm volatile("")
#endif

extern struct boot_info *boot_info;
extern volatile uint64_t timer_ticks; /* local APIC timer interrupts, all vCPUs */

/* Every guest has these two; _start calls the first on vCPU 0, the second on all others. */
void kmain(struct boot_info *bi, unsigned long vcpu);
void ap_main(struct boot_info *bi, unsigned long vcpu);

static inline void outb(uint16_t port, uint8_t v)
{
	asm volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void cpuid(uint32_t leaf, uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
	asm volatile("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d) : "a"(leaf), "c"(0));
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

/*
 * spin() - the time that a test expects somewhere: two instructions per iteration, the same bytes at the
 * same alignment in every function that has it.
 * @n: iterations, at least 1.
 */
static inline __attribute__((always_inline)) void spin(uint64_t n)
{
	LEAF_FRAME();
	asm volatile(".p2align 5\n"
		     "1:	dec %0\n"
		     "	jnz 1b\n"
		     : "+r"(n)
		     :
		     : "cc");
}

static inline struct oracle *oracle(void)
{
	return (struct oracle *)GPA_ORACLE;
}

/* Pseudo-random numbers that are the same in every run (xorshift64). @state: not 0. */
static inline uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

void *memcpy(void *to, const void *from, size_t n);
void puts_raw(const char *s);
void put_number(uint64_t v);
void put_hex(uint64_t v);

/* Value of the argument "name=VALUE" (decimal or 0x..., suffixes k, m, g), or @def if it is not given. */
uint64_t arg_number(const char *name, uint64_t def);
/* True if the word @name, or "name=@value" when @value is not NULL, is among the arguments. */
bool arg_is(const char *name, const char *value);

/*
 * guest_ready() - meet all other vCPUs, then vCPU 0 prints "ready: NAME N vcpus".
 * @names: counter names, NULL-terminated; only vCPU 0's are used.
 */
void guest_ready(const char *guest, const char *const *names, unsigned long vcpu);
/* Prints each counter of each vCPU as "count vcpuN.NAME VALUE". */
void print_counters(void);
/* Starts the local APIC timer: vector 32 every @period_ns (QEMU and KVM count at 1 GHz). */
void start_timer(uint32_t period_ns);
void end_of_interrupt(void);
/*
 * Have interrupts of a vector taken by @stub, which can be interrupted in turn. @ist: the stack of the task state segment that
 * is switched to, or 0.
 */
void set_interrupt(unsigned int vector, void (*stub)(void), unsigned int ist);
/* Ends the VM if the VMM listens on PORT_EXIT, else halts for ever. */
void guest_exit(int status) __attribute__((noreturn));
void fatal(const char *why) __attribute__((noreturn));

#endif /* GUEST_GUEST_H */
