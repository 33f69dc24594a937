// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * exits.c - a guest that causes exactly counted VM exits, each kind from its own function.
 *
 * Arguments, each the number of times in one batch (default 0):
 *	pio_out= pio_in= mmio_read= mmio_write= cpuid= hlt= msr= hypercall= page_fault=
 *	loop	batch after batch for ever, hot_wait between them; without it the guest ends
 *		after one batch
 *	wait=N	iterations in hot_wait (default 100000)
 *	on_signal  in a loop: in hot_wait until ukvmm, by a SIGHUP, allows the next batch, which takes no exit
 *
 * Every vCPU does the same batch. One call of do_KIND is one exit of its kind, from the stack
 * _start;kmain;run_batch;do_KIND (ap_main on other vCPUs). The console causes port writes of its own
 * (ukvmm counts them apart), from put_char. With a local APIC, hlt= starts its timer (1 ms), whose
 * interrupts exit too.
 *
 * hypercall comes last: a software KVM (module kvm_pvm) patches the instruction and runs it again, for ever.
 *
 * page_fault touches fresh pages, 4 KiB apart, from GPA_FAULT_AREA on: one EPT or NPT violation each if the
 * host backs the guest with 4 KiB pages, as ukvmm makes it do. Not more than fit; in a loop only
 * ukvmm with one vCPU can make the pages fresh again, elsewhere the later batches skip it.
 */
#include "guest.h"

#define MSR_APIC_BASE 0x1b /* never passed through to the guest, on neither vendor */
#define HC_POLL_IRQ   1    /* KVM_HC_VAPIC_POLL_IRQ: does nothing */
#define PAGE          4096
#define RESERVE       0x400000 /* stacks and page tables at the end of RAM */

enum {
	BATCHES,
	PIO_OUT,
	PIO_IN,
	MMIO_READ,
	MMIO_WRITE,
	CPUID,
	HLT,
	MSR,
	HYPERCALL,
	PAGE_FAULT,
	NR_KINDS,
};
static const char *const names[] = {
	"batches", "pio_out", "pio_in",    "mmio_read",  "mmio_write", "cpuid",
	"hlt",     "msr",     "hypercall", "page_fault", NULL,
};

static uint64_t nr[NR_KINDS], nr_wait;
static bool is_amd;
static volatile uint32_t nr_done;

FRAME static void do_pio_out(void)
{
	LEAF_FRAME();
	outb(PORT_TEST, 0x55);
}

FRAME static void do_pio_in(void)
{
	LEAF_FRAME();
	inb(PORT_TEST);
}

FRAME static void do_mmio_read(void)
{
	uint32_t v;

	LEAF_FRAME();
	asm volatile("movl (%1), %0" : "=r"(v) : "r"((uint64_t)GPA_MMIO));
}

FRAME static void do_mmio_write(void)
{
	LEAF_FRAME();
	asm volatile("movl %0, (%1)" : : "r"(0x55), "r"((uint64_t)GPA_MMIO) : "memory");
}

FRAME static void do_cpuid(void)
{
	uint32_t a, b, c, d;

	LEAF_FRAME();
	cpuid(1, &a, &b, &c, &d);
}

FRAME static void do_hlt(void)
{
	LEAF_FRAME();
	asm volatile("hlt" : : : "memory");
}

FRAME static void do_msr(void)
{
	uint32_t a, d;

	LEAF_FRAME();
	asm volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(MSR_APIC_BASE));
}

FRAME static void do_hypercall(void)
{
	uint64_t ret;

	LEAF_FRAME();
	if (is_amd)
		asm volatile("vmmcall" : "=a"(ret) : "a"(HC_POLL_IRQ) : "memory");
	else
		asm volatile("vmcall" : "=a"(ret) : "a"(HC_POLL_IRQ) : "memory");
}

FRAME static void do_page_fault(volatile uint64_t *page)
{
	LEAF_FRAME();
	*page = 1;
}

FRAME static void hot_wait(uint64_t n)
{
	spin(n);
}

static uint64_t first_page(unsigned long vcpu)
{
	return GPA_FAULT_AREA + vcpu * nr[PAGE_FAULT] * PAGE;
}

#define REPEAT(kind, call)                       \
	do {                                     \
		for (i = 0; i < nr[kind]; i++) { \
			call;                    \
			count[kind]++;           \
		}                                \
	} while (0)

FRAME static void run_batch(unsigned long vcpu, uint64_t *count, bool has_fresh_pages)
{
	uint64_t i;

	REPEAT(PIO_OUT, do_pio_out());
	REPEAT(PIO_IN, do_pio_in());
	REPEAT(MMIO_READ, do_mmio_read());
	REPEAT(MMIO_WRITE, do_mmio_write());
	REPEAT(CPUID, do_cpuid());
	REPEAT(HLT, do_hlt());
	REPEAT(MSR, do_msr());
	if (has_fresh_pages)
		REPEAT(PAGE_FAULT, do_page_fault((uint64_t *)(first_page(vcpu) + i * PAGE)));
	REPEAT(HYPERCALL, do_hypercall());
	count[BATCHES]++;
}

static bool on_kvm(void)
{
	uint32_t a, b, c, d;

	cpuid(1, &a, &b, &c, &d);
	if (!(c >> 31))
		return false;
	cpuid(0x40000000, &a, &b, &c, &d);
	return b == 0x4b4d564b && c == 0x564b4d56; /* "KVMK" "VMKV" */
}

static void plan(void)
{
	uint32_t a, b, c, d;
	uint64_t room;
	unsigned int i;

	for (i = PIO_OUT; i < NR_KINDS; i++)
		nr[i] = arg_number(names[i], 0);
	nr_wait = arg_number("wait", 100000);
	cpuid(0, &a, &b, &c, &d);
	is_amd = b == 0x68747541 || b == 0x6f677948; /* "Auth" or "Hygo" */
	if (nr[HYPERCALL] && !on_kvm()) {
		puts_raw("warn: no KVM under this guest: no hypercalls\n");
		nr[HYPERCALL] = 0;
	}
	room = 0;
	if (boot_info->ram_size > GPA_FAULT_AREA + RESERVE)
		room = (boot_info->ram_size - GPA_FAULT_AREA - RESERVE) / PAGE /
		       boot_info->nr_vcpus;
	if (nr[PAGE_FAULT] > room) {
		puts_raw("warn: page_fault limited to ");
		put_number(room);
		puts_raw(" by the guest's memory\n");
		nr[PAGE_FAULT] = room;
	}
}

static inline __attribute__((always_inline)) void run(unsigned long vcpu)
{
	uint64_t *count = (uint64_t *)oracle()->values[vcpu];
	bool on_signal = arg_is("on_signal", NULL);
	bool can_discard = boot_info->flags & BOOT_UKVMM && boot_info->nr_vcpus == 1;

	if (!vcpu)
		plan();
	guest_ready("exits", names, vcpu);
	if (nr[HLT] && boot_info->flags & BOOT_IRQCHIP)
		start_timer(1000000);
	run_batch(vcpu, count, true);
	while (arg_is("loop", NULL)) {
		do
			hot_wait(nr_wait + 1);
		while (on_signal && *(volatile uint32_t *)&oracle()->batches_allowed < count[BATCHES]);
		if (can_discard && nr[PAGE_FAULT])
			outb(PORT_DISCARD, 0);
		run_batch(vcpu, count, can_discard);
	}
	__sync_fetch_and_add(&nr_done, 1);
	while (vcpu || nr_done < boot_info->nr_vcpus)
		hot_wait(1000);
	print_counters();
	guest_exit(0);
}

void ap_main(struct boot_info *bi, unsigned long vcpu)
{
	(void)bi;
	run(vcpu);
}

void kmain(struct boot_info *bi, unsigned long vcpu)
{
	(void)bi;
	run(vcpu);
}
