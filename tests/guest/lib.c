// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest.h"

#define APIC           0xfee00000ul
#define APIC_EOI       0xb0
#define APIC_SPIV      0xf0
#define APIC_ICR       0x300
#define APIC_LVT_TIMER 0x320
#define APIC_INITIAL   0x380
#define APIC_DIVIDE    0x3e0
#define TIMER_VECTOR   32
#define FW_CFG_NB_CPUS 5

#define PTE_RW         3ul /* present, writable */
#define PTE_PS         0x80ul
#define GIB            0x40000000ul
#define SMALL_TABLES   128 /* pages=4k: the first 256 MiB by 4 KiB pages, the rest by 2 MiB */

struct boot_info *boot_info;
volatile uint64_t timer_ticks;

static volatile uint32_t nr_arrived;
static volatile uint32_t console_lock;

/* In a static-PIE this needs a relocation; wrong code would otherwise run unnoticed. */
static void *const volatile self_pointer = (void *)&self_pointer;

/* gcc may turn loops into calls of these. */
void *memcpy(void *to, const void *from, size_t n)
{
	char *d = to;
	const char *s = from;

	while (n--)
		*d++ = *s++;
	return to;
}

void *memset(void *to, int c, size_t n)
{
	char *d = to;

	while (n--)
		*d++ = c;
	return to;
}

/* --- console ---------------------------------------------------------------------------------- */

static void put_char(char c)
{
	outb(PORT_CONSOLE, c);
	if (!boot_info || !(boot_info->flags & BOOT_UKVMM))
		outb(PORT_SERIAL, c);
}

void puts_raw(const char *s)
{
	while (*s)
		put_char(*s++);
}

void put_number(uint64_t v)
{
	char buf[24];
	int i = sizeof(buf) - 1;

	buf[i] = '\0';
	do {
		buf[--i] = '0' + v % 10;
		v /= 10;
	} while (v);
	puts_raw(&buf[i]);
}

void put_hex(uint64_t v)
{
	int shift;

	puts_raw("0x");
	for (shift = 60; shift >= 0; shift -= 4)
		if (v >> shift || !shift)
			put_char("0123456789abcdef"[v >> shift & 15]);
}

void guest_exit(int status)
{
	outb(PORT_EXIT, status);
	for (;;)
		asm volatile("cli; hlt");
}

void fatal(const char *why)
{
	puts_raw("fatal: ");
	puts_raw(why);
	put_char('\n');
	guest_exit(126);
}

/* Called by exception_stubs; @frame: vector, error code, then what the processor pushed. */
void exception(const uint64_t *frame, uint64_t cr2);
void exception(const uint64_t *frame, uint64_t cr2)
{
	while (__sync_lock_test_and_set(&console_lock, 1))
		;
	puts_raw("fatal: exception ");
	put_number(frame[0]);
	puts_raw(" error ");
	put_hex(frame[1]);
	puts_raw(" rip ");
	put_hex(frame[2]);
	puts_raw(" cr2 ");
	put_hex(cr2);
	put_char('\n');
	guest_exit(127);
}

/* --- arguments -------------------------------------------------------------------------------- */

static const char *find_arg(const char *name)
{
	const char *s = (const char *)boot_info->args;

	for (;;) {
		const char *n = name;

		while (*s == ' ')
			s++;
		if (!*s)
			return NULL;
		while (*n && *s == *n) {
			s++;
			n++;
		}
		if (!*n && (!*s || *s == ' ' || *s == '='))
			return *s == '=' ? s + 1 : s;
		while (*s && *s != ' ')
			s++;
	}
}

uint64_t arg_number(const char *name, uint64_t def)
{
	const char *s = find_arg(name);
	unsigned int base = 10, digit;
	uint64_t v = 0;

	if (!s || s[-1] != '=')
		return def;
	if (s[0] == '0' && s[1] == 'x') {
		base = 16;
		s += 2;
	}
	for (;; s++) {
		if (*s >= '0' && *s <= '9')
			digit = *s - '0';
		else if (base == 16 && *s >= 'a' && *s <= 'f')
			digit = *s - 'a' + 10;
		else
			break;
		v = v * base + digit;
	}
	if (*s == 'k')
		v <<= 10;
	else if (*s == 'm')
		v <<= 20;
	else if (*s == 'g')
		v <<= 30;
	return v;
}

bool arg_is(const char *name, const char *value)
{
	const char *s = find_arg(name);

	if (!s)
		return false;
	if (!value)
		return true;
	if (s[-1] != '=')
		return false;
	while (*value && *s == *value) {
		s++;
		value++;
	}
	return !*value && (!*s || *s == ' ');
}

/* --- start-up, every vCPU --------------------------------------------------------------------- */

struct idt_entry {
	uint16_t low, selector;
	uint8_t ist, type;
	uint16_t mid;
	uint32_t high, zero;
};

struct __attribute__((packed)) table_ptr {
	uint16_t limit;
	uint64_t base;
};

static struct idt_entry idt[256] __attribute__((aligned(16)));
extern uint64_t gdt[4];
extern char exception_stubs[], irq_ignore[], irq_timer[];

static void set_idt(unsigned int vector, uint64_t handler, unsigned int ist)
{
	struct idt_entry e = {
		.low = handler,
		.selector = 8,
		.ist = ist,
		.type = 0x8e,
		.mid = handler >> 16,
		.high = handler >> 32,
	};

	idt[vector] = e;
}

void set_interrupt(unsigned int vector, void (*stub)(void), unsigned int ist)
{
	set_idt(vector, (uint64_t)stub, ist);
	idt[vector].type = 0x8f; /* a trap gate: some hosts get no tick into a guest that disables interrupts */
}

static void init_once(void)
{
	unsigned int i;

	for (i = 0; i < 256; i++)
		set_idt(i, i < 32              ? (uint64_t)exception_stubs + i * 16
			   : i == TIMER_VECTOR ? (uint64_t)irq_timer
					       : (uint64_t)irq_ignore, 0);
}

void boot_cpu(struct boot_info *bi, unsigned long vcpu);
static void start_others(void);

/* First C code of every vCPU: own segments and interrupt table, then interrupts on. */
void boot_cpu(struct boot_info *bi, unsigned long vcpu)
{
	struct table_ptr gdtr = { sizeof(gdt) - 1, (uint64_t)gdt };
	struct table_ptr idtr = { sizeof(idt) - 1, (uint64_t)idt };

	boot_info = bi;
	if (!vcpu)
		init_once();
	asm volatile("lgdt %0; lidt %1" : : "m"(gdtr), "m"(idtr));
	if (bi->magic != BOOT_INFO_MAGIC)
		fatal("no boot info: wrong entry or wrong VMM");
	if (self_pointer != (void *)&self_pointer)
		fatal("relocations were not applied");
	if (!vcpu && !(bi->flags & BOOT_UKVMM)) {
		/* The firmware's timer and keyboard interrupts are not for us. */
		outb(0x21, 0xff);
		outb(0xa1, 0xff);
		start_others();
	}
	asm volatile("sti");
}

void guest_ready(const char *guest, const char *const *names, unsigned long vcpu)
{
	struct oracle *o = oracle();
	unsigned int i, j;

	if (!vcpu) {
		memset(o, 0, sizeof(*o));
		for (i = 0; names[i]; i++)
			for (j = 0; names[i][j] && j < ORACLE_NAME_LEN - 1; j++)
				o->names[i][j] = names[i][j];
		for (j = 0; guest[j] && j < sizeof(o->guest) - 1; j++)
			o->guest[j] = guest[j];
		o->nr_counters = i;
		o->nr_vcpus = boot_info->nr_vcpus;
		o->magic = ORACLE_MAGIC;
	}
	__sync_fetch_and_add(&nr_arrived, 1);
	if (vcpu) {
		while (!*(volatile uint32_t *)&o->ready)
			;
		return;
	}
	while (nr_arrived < boot_info->nr_vcpus)
		;
	puts_raw("ready: ");
	puts_raw(guest);
	put_char(' ');
	put_number(boot_info->nr_vcpus);
	puts_raw(boot_info->nr_vcpus == 1 ? " vcpu\n" : " vcpus\n");
	*(volatile uint32_t *)&o->ready = 1;
}

void print_counters(void)
{
	const struct oracle *o = oracle();
	unsigned int i, j;

	for (i = 0; i < o->nr_vcpus; i++) {
		for (j = 0; j < o->nr_counters; j++) {
			puts_raw("count vcpu");
			put_number(i);
			put_char('.');
			puts_raw(o->names[j]);
			put_char(' ');
			put_number(o->values[i][j]);
			put_char('\n');
		}
	}
}

/* --- local APIC ------------------------------------------------------------------------------- */

static void apic_write(unsigned int reg, uint32_t v)
{
	*(volatile uint32_t *)(APIC + reg) = v;
}

void end_of_interrupt(void)
{
	apic_write(APIC_EOI, 0);
}

void start_timer(uint32_t period_ns)
{
	apic_write(APIC_SPIV, 0x1ff);
	apic_write(APIC_DIVIDE, 0xb);                       /* by 1 */
	apic_write(APIC_LVT_TIMER, 0x20000 | TIMER_VECTOR); /* periodic */
	apic_write(APIC_INITIAL, period_ns);
}

/* Same order as at tramp_params in boot.S. */
struct tramp_params {
	uint64_t cr3, entry, stacks, info;
};

extern char trampoline[], trampoline_end[], tramp_params[], boot_stacks[];
void _start(void);

static void wait_io(unsigned int n)
{
	while (n--)
		outb(0x80, 0);
}

/* INIT, SIPI, SIPI to all but ourselves. Each then enters at _start with its APIC id as vCPU id. */
static void start_others(void)
{
	struct tramp_params *p;
	uint64_t cr3;

	if (boot_info->nr_vcpus < 2)
		return;
	asm volatile("mov %%cr3, %0" : "=r"(cr3));
	memcpy((void *)GPA_TRAMPOLINE, trampoline, trampoline_end - trampoline);
	p = (void *)(GPA_TRAMPOLINE + (tramp_params - trampoline));
	p->cr3 = cr3;
	p->entry = (uint64_t)_start;
	p->stacks = (uint64_t)boot_stacks;
	p->info = (uint64_t)boot_info;

	apic_write(APIC_SPIV, 0x1ff);
	apic_write(APIC_ICR, 0xc4500);
	wait_io(1000);
	apic_write(APIC_ICR, 0xc4600 | GPA_TRAMPOLINE >> 12);
	wait_io(200);
	apic_write(APIC_ICR, 0xc4600 | GPA_TRAMPOLINE >> 12);
}

/* --- PVH boot --------------------------------------------------------------------------------- */

struct pvh_start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp, memmap;
	uint32_t nr_memmap, reserved;
};

struct pvh_memmap_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};

static struct boot_info pvh_info;
static char pvh_args[1024];
static uint64_t pvh_pml4[512] __attribute__((aligned(4096)));
static uint64_t pvh_pdpt[512] __attribute__((aligned(4096)));
static uint64_t pvh_pd[4][512] __attribute__((aligned(4096)));
static uint64_t pvh_pt[SMALL_TABLES][512] __attribute__((aligned(4096)));

static uint64_t phys(const void *p)
{
	return (uint64_t)p - LINEAR;
}

/* QEMU says how many vCPUs there are; without its fw_cfg take the argument cpus=N. */
static unsigned int count_vcpus(void)
{
	static const char signature[] = "QEMU";
	unsigned int i, n;

	n = arg_number("cpus", 0);
	if (n)
		return n;
	asm volatile("outw %0, %1" : : "a"((uint16_t)0), "Nd"((uint16_t)0x510));
	for (i = 0; i < 4; i++)
		if (inb(0x511) != signature[i])
			return 1;
	asm volatile("outw %0, %1" : : "a"((uint16_t)FW_CFG_NB_CPUS), "Nd"((uint16_t)0x510));
	n = inb(0x511);
	n |= inb(0x511) << 8;
	return n > GUEST_MAX_VCPUS ? GUEST_MAX_VCPUS : n;
}

static void switch_tables(void)
{
	uint32_t a, b, c, d;
	uint64_t i, j;

	boot_info->page_size = 0x200000;
	if (arg_is("pages", "4k"))
		boot_info->page_size = 0x1000;
	if (arg_is("pages", "1g")) {
		cpuid(0x80000001, &a, &b, &c, &d);
		if (d & 1 << 26)
			boot_info->page_size = GIB;
		else
			puts_raw("warn: no 1 GiB pages here, using 2 MiB\n");
	}

	for (i = 0; i < 4; i++) {
		for (j = 0; j < 512; j++)
			pvh_pd[i][j] = (i * 512 + j) << 21 | PTE_RW | PTE_PS;
		pvh_pdpt[i] = boot_info->page_size == GIB ? i << 30 | PTE_RW | PTE_PS
							  : phys(pvh_pd[i]) | PTE_RW;
	}
	if (boot_info->page_size == 0x1000) {
		for (i = 0; i < SMALL_TABLES; i++) {
			for (j = 0; j < 512; j++)
				pvh_pt[i][j] = (i * 512 + j) << 12 | PTE_RW;
			pvh_pd[0][i] = phys(pvh_pt[i]) | PTE_RW;
		}
	}
	if (LINEAR)
		pvh_pdpt[LINEAR / GIB] = pvh_pdpt[0];
	pvh_pml4[0] = phys(pvh_pdpt) | PTE_RW;
	asm volatile("mov %0, %%cr3" : : "r"(phys(pvh_pml4)) : "memory");
}

struct boot_info *pvh_init(const struct pvh_start_info *si);

/* Makes a boot_info out of the PVH start info and builds the final page tables. */
struct boot_info *pvh_init(const struct pvh_start_info *si)
{
	const struct pvh_memmap_entry *map;
	unsigned int i;

	boot_info = &pvh_info;
	boot_info->magic = BOOT_INFO_MAGIC;
	boot_info->flags = BOOT_IRQCHIP;
	boot_info->linear = LINEAR;
	boot_info->args = (uint64_t)pvh_args;
	if (si->magic != 0x336ec578)
		fatal("no PVH start info");
	if (si->cmdline) {
		const char *s = (const char *)si->cmdline;

		for (i = 0; i < sizeof(pvh_args) - 1 && s[i]; i++)
			pvh_args[i] = s[i];
	}
	if (si->version >= 1) {
		map = (const void *)si->memmap;
		for (i = 0; i < si->nr_memmap; i++)
			if (map[i].type == 1 && map[i].addr <= 0x100000 &&
			    map[i].addr + map[i].size > 0x100000)
				boot_info->ram_size = map[i].addr + map[i].size;
	}
	boot_info->nr_vcpus = count_vcpus();
	switch_tables();
	return boot_info;
}
