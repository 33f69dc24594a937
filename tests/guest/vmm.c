// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vmm.c - ukvmm, a small VMM for the test guests: no firmware, no devices, known behaviour.
 *
 * It loads an ELF image, builds page tables in guest RAM, enters 64-bit mode at e_entry and then only
 * counts: every exit that reaches user space is kept by kind, and at the end the numbers go to the
 * --stats file beside those the guest kept itself. guest_abi.h is the contract with the guest.
 *
 * Threads: one per vCPU, named vcpuN; the main thread waits for signals (with --main-thread it runs
 * vCPU 0 itself, as Solo5's hvt does). Guest memory is never trusted, not even our own guests'.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "guest_abi.h"

#define KIB4         0x1000ull
#define MIB2         0x200000ull
#define GIB1         0x40000000ull
#define GAP_SIZE     0x10000000ull /* hole in guest physical space made by --mem-gap */
#define MMIO_START   0xfec00000ull /* mapped for the APICs and GPA_MMIO, no RAM there */
#define MMIO_END     0xff000000ull
#define DYN_BIAS     0x1000000ull /* where an ET_DYN image goes without --load-bias */
#define PTE_P        1ull
#define PTE_RW       2ull
#define PTE_PS       0x80ull
#define PTE_ADDR     0x000ffffffffff000ull
#define CPUID_LEAVES 256

enum {
	CNT_OUT,
	CNT_IN,
	CNT_CONSOLE,
	CNT_DISCARD,
	CNT_MMIO_READ,
	CNT_MMIO_WRITE,
	CNT_HLT,
	CNT_INTR,
	CNT_OTHER,
	NR_CNT,
};

static const char *const cnt_names[NR_CNT] = {
	[CNT_OUT] = "pio_out",     [CNT_IN] = "pio_in",           [CNT_CONSOLE] = "console",
	[CNT_DISCARD] = "discard", [CNT_MMIO_READ] = "mmio_read", [CNT_MMIO_WRITE] = "mmio_write",
	[CNT_HLT] = "hlt",         [CNT_INTR] = "intr",           [CNT_OTHER] = "other",
};

struct slot {
	uint64_t gpa, size;
	uint8_t *hva;
};

struct vcpu {
	unsigned int id;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
	uint64_t cnt[NR_CNT]; /* written by the vCPU's thread only */
	uint64_t cpu_ns;
};

/* One VM per process; set up by main() before any vCPU runs, constant from then on. */
static struct {
	const char *image, *name, *pid_file, *stats_file;
	uint64_t mem_size, page_size, linear, load_bias;
	unsigned int nr_vcpus;
	double duration;
	bool has_gap, has_bias, has_irqchip, on_main_thread, is_quiet, has_hugepages, has_userfault;

	int kvm_fd, vm_fd;
	struct slot slots[2];
	unsigned int nr_slots;
	uint64_t tables_next; /* next free page at the bottom */
	uint64_t top;         /* everything above is stacks and overflowing tables */
	uint64_t root;        /* CR3 */
	uint64_t entry;
	struct vcpu vcpus[GUEST_MAX_VCPUS];
	size_t run_size;
	struct timespec start;
} vm = {
	.mem_size = 64 << 20,
	.page_size = MIB2,
	.nr_vcpus = 1,
};

static volatile sig_atomic_t stop, want_stats;
static int exit_status;
static pthread_mutex_t exit_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t main_thread;
static __thread struct vcpu *self;

static void die(const char *hint, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

static void die(const char *hint, const char *fmt, ...)
{
	va_list ap;

	fputs("err: ukvmm: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	if (hint)
		fprintf(stderr, "hint: %s\n", hint);
	if (vm.pid_file)
		unlink(vm.pid_file);
	exit(1);
}

/* --- guest memory ----------------------------------------------------------------------------- */

/* Host address of guest bytes [gpa, gpa + len), or NULL if they are not inside one memslot. */
static void *guest_ptr(uint64_t gpa, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < vm.nr_slots; i++) {
		struct slot *s = &vm.slots[i];

		if (gpa >= s->gpa && gpa - s->gpa <= s->size && len <= s->size - (gpa - s->gpa))
			return s->hva + (gpa - s->gpa);
	}
	return NULL;
}

static void add_slot(uint64_t gpa, uint64_t size)
{
	struct kvm_userspace_memory_region r = { .guest_phys_addr = gpa, .memory_size = size };
	struct slot *s = &vm.slots[vm.nr_slots];
	uint8_t *hva;

	/* 2 MiB more than needed: lets us align, so that huge pages are possible when asked for. */
	hva = mmap(NULL, size + MIB2, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (hva == MAP_FAILED)
		die("give the guest less memory with -m", "guest RAM: %s", strerror(errno));
	hva = (uint8_t *)(((uintptr_t)hva + MIB2 - 1) & ~(MIB2 - 1));
	/* With 4 KiB host pages every fresh guest page is one EPT or NPT violation: countable. */
	madvise(hva, size, vm.has_hugepages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);

	r.slot = vm.nr_slots;
	r.userspace_addr = (uintptr_t)hva;
	if (ioctl(vm.vm_fd, KVM_SET_USER_MEMORY_REGION, &r))
		die(NULL, "KVM_SET_USER_MEMORY_REGION: %s", strerror(errno));

	s->gpa = gpa;
	s->size = size;
	s->hva = hva;
	vm.nr_slots++;
}

static uint64_t alloc_table(void)
{
	uint64_t gpa;

	if (vm.tables_next < GPA_TABLES_END) {
		gpa = vm.tables_next;
		vm.tables_next += KIB4;
		return gpa;
	}
	vm.top -= KIB4;
	if (!guest_ptr(vm.top, KIB4))
		die("use -P 2m or more memory", "no room for page tables");
	return vm.top;
}

static void map_page(uint64_t gva, uint64_t gpa, uint64_t page_size)
{
	uint64_t *table = guest_ptr(vm.root, KIB4);
	int shift = 39, leaf_shift = page_size == GIB1 ? 30 : page_size == MIB2 ? 21 : 12;

	for (; shift > leaf_shift; shift -= 9) {
		uint64_t *e = &table[gva >> shift & 511];

		if (!(*e & PTE_P))
			*e = alloc_table() | PTE_P | PTE_RW;
		else if (shift != 39 && *e & PTE_PS)
			return; /* already mapped by a larger page, to the same place */
		table = guest_ptr(*e & PTE_ADDR, KIB4);
	}
	table[gva >> shift & 511] = gpa | PTE_P | PTE_RW | (shift > 12 ? PTE_PS : 0);
}

static void map_range(uint64_t gva, uint64_t gpa, uint64_t len)
{
	uint64_t skew = gpa & (vm.page_size - 1), off;

	for (off = 0; off < len + skew; off += vm.page_size)
		map_page(gva - skew + off, gpa - skew + off, vm.page_size);
}

static void build_tables(void)
{
	unsigned int i;

	vm.tables_next = GPA_TABLES;
	vm.root = alloc_table();
	for (i = 0; i < vm.nr_slots; i++) {
		struct slot *s = &vm.slots[i];

		if (vm.linear && s->gpa + s->size > vm.linear)
			die("use less memory, or a larger --linear",
			    "identity map and --linear 0x%" PRIx64 " overlap", vm.linear);
		map_range(s->gpa, s->gpa, s->size);
		if (vm.linear)
			map_range(s->gpa + vm.linear, s->gpa, s->size);
	}
	map_range(MMIO_START, MMIO_START, MMIO_END - MMIO_START);
}

/* --- image ------------------------------------------------------------------------------------ */

/* ELF32 and ELF64 headers brought to one shape. */
struct phdr {
	uint32_t type;
	uint64_t offset, vaddr, paddr, filesz, memsz;
};

static void relocate(uint64_t rela, uint64_t len)
{
	uint64_t off;

	for (off = 0; off + sizeof(Elf64_Rela) <= len; off += sizeof(Elf64_Rela)) {
		Elf64_Rela *r = guest_ptr(rela + off, sizeof(*r));
		uint64_t value, *where;

		if (!r)
			die(NULL, "%s: relocations outside the image", vm.image);
		if (ELF64_R_TYPE(r->r_info) != R_X86_64_RELATIVE)
			die("link with -static-pie and hidden visibility",
			    "%s: relocation type %u is not R_X86_64_RELATIVE", vm.image,
			    (unsigned int)ELF64_R_TYPE(r->r_info));
		where = guest_ptr(r->r_offset + vm.load_bias, sizeof(*where));
		if (!where)
			die(NULL, "%s: relocation outside the image", vm.image);
		value = r->r_addend + vm.load_bias + vm.linear;
		memcpy(where, &value, sizeof(value));
	}
}

static void relocate_dynamic(const struct phdr *ph)
{
	uint64_t rela = 0, len = 0, off;

	for (off = 0; off + sizeof(Elf64_Dyn) <= ph->filesz; off += sizeof(Elf64_Dyn)) {
		Elf64_Dyn *d = guest_ptr(ph->paddr + vm.load_bias + off, sizeof(*d));

		if (!d || d->d_tag == DT_NULL)
			break;
		if (d->d_tag == DT_RELA)
			rela = d->d_un.d_ptr + vm.load_bias;
		else if (d->d_tag == DT_RELASZ)
			len = d->d_un.d_val;
	}
	relocate(rela, len);
}

static void load_segment(const struct phdr *ph, const uint8_t *file, uint64_t file_len)
{
	uint64_t gpa = ph->paddr + vm.load_bias;
	void *to;

	if (ph->filesz > ph->memsz || ph->offset > file_len || ph->filesz > file_len - ph->offset)
		die("is the file complete?", "%s: segment outside the file", vm.image);
	if (gpa < GPA_IMAGE_MIN || gpa + ph->memsz > vm.slots[0].gpa + vm.slots[0].size)
		die("link at 1 MiB or above, or give more memory with -m",
		    "%s: segment at 0x%" PRIx64 " does not fit in RAM", vm.image, gpa);
	to = guest_ptr(gpa, ph->memsz);
	if (!to)
		die("give more memory with -m", "%s: segment outside RAM", vm.image);
	memcpy(to, file + ph->offset, ph->filesz);
}

static void load_image(void)
{
	uint64_t phoff, phentsize, phnum, i, max_shift = 0;
	struct phdr dynamic = { 0 };
	const uint8_t *file;
	const Elf64_Ehdr *e;
	const Elf32_Ehdr *e32;
	bool is64;
	struct stat st;
	int fd;

	fd = open(vm.image, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		die(NULL, "%s: %s", vm.image, strerror(errno));
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < sizeof(*e))
		die("give the unikernel's ELF file", "%s: not an ELF image", vm.image);
	file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		die(NULL, "%s: %s", vm.image, strerror(errno));

	e = (const void *)file;
	e32 = (const void *)file;
	is64 = e->e_ident[EI_CLASS] == ELFCLASS64;
	if (memcmp(e->e_ident, ELFMAG, SELFMAG) || e->e_ident[EI_DATA] != ELFDATA2LSB)
		die("give the unikernel's ELF file", "%s: not an ELF image", vm.image);
	/* An ELF32 header may hold 64-bit code: Unikraft boots such a file. e_machine is at one place. */
	if (is64 ? e->e_machine != EM_X86_64 : e->e_machine != EM_386)
		die("build the guest for x86-64", "%s: not an x86 image", vm.image);
	if (e->e_type != ET_EXEC && e->e_type != ET_DYN)
		die("link it first", "%s: not an executable image", vm.image);

	if (e->e_type == ET_DYN && !vm.has_bias)
		vm.load_bias = DYN_BIAS;
	else if (e->e_type == ET_EXEC && vm.has_bias)
		die("only ET_DYN (static-PIE) images can move", "%s: --load-bias on ET_EXEC",
		    vm.image);

	phoff = is64 ? e->e_phoff : e32->e_phoff;
	phnum = is64 ? e->e_phnum : e32->e_phnum;
	phentsize = is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	if (phoff > (uint64_t)st.st_size || phnum * phentsize > st.st_size - phoff)
		die("is the file complete?", "%s: program headers outside the file", vm.image);

	for (i = 0; i < phnum; i++) {
		const Elf64_Phdr *p = (const void *)(file + phoff + i * phentsize);
		const Elf32_Phdr *q = (const void *)p;
		struct phdr ph;

		if (is64)
			ph = (struct phdr){ p->p_type,  p->p_offset, p->p_vaddr,
					    p->p_paddr, p->p_filesz, p->p_memsz };
		else
			ph = (struct phdr){ q->p_type,  q->p_offset, q->p_vaddr,
					    q->p_paddr, q->p_filesz, q->p_memsz };
		if (ph.type == PT_DYNAMIC)
			dynamic = ph;
		if (ph.type != PT_LOAD || !ph.memsz)
			continue;
		load_segment(&ph, file, st.st_size);
		/* One that is linked nowhere runs wherever its memory is shown. */
		if (e->e_type != ET_DYN && ph.vaddr - ph.paddr != vm.linear)
			max_shift = ph.vaddr - ph.paddr;
	}
	/* Linked at the identity address also works while --linear maps it a second time. */
	if (max_shift) {
		char hint[64];

		snprintf(hint, sizeof(hint), "add --linear 0x%" PRIx64, max_shift);
		die(hint, "%s: linked at physical + 0x%" PRIx64 ", which is not mapped", vm.image,
		    max_shift);
	}
	if (e->e_type == ET_DYN && dynamic.memsz)
		relocate_dynamic(&dynamic);

	vm.entry = (is64 ? e->e_entry : e32->e_entry) + vm.load_bias;
	if (e->e_type == ET_DYN)
		vm.entry += vm.linear;
	munmap((void *)file, st.st_size);
	close(fd);
}

/* --- machine ---------------------------------------------------------------------------------- */

static void create_vm(void)
{
	uint64_t half;

	vm.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm.kvm_fd < 0)
		die(errno == EACCES ? "run as root or join the group that owns /dev/kvm"
				    : "load kvm-intel or kvm-amd; in a VM, enable nesting",
		    "/dev/kvm: %s", strerror(errno));
	if (ioctl(vm.kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		die(NULL, "/dev/kvm: unknown API version");
	vm.vm_fd = ioctl(vm.kvm_fd, KVM_CREATE_VM, 0ul);
	if (vm.vm_fd < 0)
		die("'dmesg | grep kvm' may say why", "KVM_CREATE_VM: %s", strerror(errno));
	/* Only some Intel hosts need this page, none minds it. */
	ioctl(vm.vm_fd, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	if (vm.has_irqchip && ioctl(vm.vm_fd, KVM_CREATE_IRQCHIP, 0))
		die("run without --irqchip", "KVM_CREATE_IRQCHIP: %s", strerror(errno));

	if (vm.has_gap) {
		half = vm.mem_size / 2 & ~(MIB2 - 1);
		add_slot(0, half);
		add_slot(half + GAP_SIZE, vm.mem_size - half);
	} else {
		add_slot(0, vm.mem_size);
	}
	vm.top = vm.slots[vm.nr_slots - 1].gpa + vm.slots[vm.nr_slots - 1].size;
	if (vm.top > MMIO_START)
		die("use less memory", "RAM would reach the MMIO hole at 0x%llx", MMIO_START);
}

static void write_boot_info(char **args)
{
	struct boot_info *bi = guest_ptr(GPA_BOOT_INFO, sizeof(*bi));
	char *text = guest_ptr(GPA_ARGS, KIB4);
	size_t len = 0;

	bi->magic = BOOT_INFO_MAGIC;
	bi->flags = BOOT_UKVMM | (vm.has_irqchip ? BOOT_IRQCHIP : 0);
	bi->nr_vcpus = vm.nr_vcpus;
	bi->ram_size = vm.slots[0].size;
	bi->ram2_gpa = vm.nr_slots > 1 ? vm.slots[1].gpa : 0;
	bi->ram2_size = vm.nr_slots > 1 ? vm.slots[1].size : 0;
	bi->args = GPA_ARGS;
	bi->page_size = vm.page_size;
	bi->linear = vm.linear;
	for (; *args; args++) {
		if (len + strlen(*args) + 2 > KIB4)
			die(NULL, "guest arguments longer than %llu bytes", KIB4);
		len += sprintf(text + len, "%s%s", len ? " " : "", *args);
	}
}

static void set_cpuid(struct vcpu *v)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[CPUID_LEAVES];
	} * c;
	bool has_gib_pages = false;
	unsigned int i;

	c = calloc(1, sizeof(*c));
	if (!c)
		die(NULL, "out of memory");
	c->head.nent = CPUID_LEAVES;
	if (ioctl(vm.kvm_fd, KVM_GET_SUPPORTED_CPUID, c))
		die(NULL, "KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
	for (i = 0; i < c->head.nent; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[i];

		if (e->function == 1) {
			e->ebx = (e->ebx & 0xffffff) | v->id << 24;
			e->ecx |= 1u << 31; /* a hypervisor is there; KVM leaves this to the VMM */
		} else if (e->function == 0x80000001) {
			has_gib_pages = e->edx & 1 << 26;
		} else if (e->function == 0xb || e->function == 0x1f) {
			e->edx = v->id;
		}
	}
	if (vm.page_size == GIB1 && !has_gib_pages)
		die("use -P 2m", "this KVM offers its guests no 1 GiB pages");
	if (ioctl(v->fd, KVM_SET_CPUID2, c))
		die(NULL, "KVM_SET_CPUID2: %s", strerror(errno));
	free(c);
}

static void create_vcpu(struct vcpu *v, unsigned int id)
{
	struct kvm_segment code = { .base = 0,
				    .limit = 0xffffffff,
				    .selector = 8,
				    .type = 0xb,
				    .present = 1,
				    .s = 1,
				    .l = 1,
				    .g = 1 };
	struct kvm_segment data = { .base = 0,
				    .limit = 0xffffffff,
				    .selector = 0x10,
				    .type = 3,
				    .present = 1,
				    .s = 1,
				    .db = 1,
				    .g = 1 };
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_regs regs = { 0 };
	struct kvm_sregs sregs;
	uint64_t stack, *ret;

	v->id = id;
	v->fd = ioctl(vm.vm_fd, KVM_CREATE_VCPU, (unsigned long)id);
	if (v->fd < 0)
		die("use fewer vCPUs", "KVM_CREATE_VCPU %u: %s", id, strerror(errno));
	v->run = mmap(NULL, vm.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED)
		die(NULL, "vcpu%u: kvm_run: %s", id, strerror(errno));
	set_cpuid(v);
	if (!id) {
		struct boot_info *bi = guest_ptr(GPA_BOOT_INFO, sizeof(*bi));
		int khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);

		bi->tsc_khz = khz > 0 ? khz : 0;
	}

	if (ioctl(v->fd, KVM_GET_SREGS, &sregs))
		die(NULL, "KVM_GET_SREGS: %s", strerror(errno));
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 = 0x80010033; /* PG WP NE ET MP PE */
	sregs.cr3 = vm.root;
	sregs.cr4 = 0x20;   /* PAE */
	sregs.efer = 0x500; /* LMA LME */
	if (ioctl(v->fd, KVM_SET_SREGS, &sregs))
		die("this KVM may not support 64-bit guests", "KVM_SET_SREGS: %s", strerror(errno));

	/* Stacks end at the top of RAM, in the second slot if there is one. */
	stack = vm.slots[vm.nr_slots - 1].gpa + vm.slots[vm.nr_slots - 1].size -
		(uint64_t)id * GUEST_STACK_SIZE - 8;
	ret = guest_ptr(stack, sizeof(*ret));
	*ret = 0;
	regs.rip = vm.entry;
	regs.rsp = stack + vm.linear;
	regs.rdi = GPA_BOOT_INFO;
	regs.rsi = id;
	regs.rflags = 0x202; /* IF: some hosts get no tick into a guest that disables interrupts */
	if (ioctl(v->fd, KVM_SET_REGS, &regs))
		die(NULL, "KVM_SET_REGS: %s", strerror(errno));
	if (vm.has_irqchip && ioctl(v->fd, KVM_SET_MP_STATE, &mp))
		die(NULL, "KVM_SET_MP_STATE: %s", strerror(errno));
}

/* --- running ---------------------------------------------------------------------------------- */

/* The first reason to stop decides the exit status. */
static void end_vm(int status)
{
	pthread_mutex_lock(&exit_lock);
	if (!stop) {
		exit_status = status;
		stop = 1;
	}
	pthread_mutex_unlock(&exit_lock);
}

static void allow_batch(void)
{
	struct oracle *o = guest_ptr(GPA_ORACLE, sizeof(*o));

	if (o)
		__atomic_fetch_add(&o->batches_allowed, 1, __ATOMIC_RELAXED);
}

static void on_signal(int sig)
{
	if (sig == SIGTERM || sig == SIGINT || sig == SIGALRM)
		stop = 1;
	else if (sig == SIGUSR2)
		want_stats = 1;
	else if (sig == SIGHUP)
		allow_batch();
	/* Also covers a signal that arrives just before KVM_RUN. */
	if (self)
		self->run->immediate_exit = 1;
}

/* Whoever touches it from now on waits for an answer that never comes. */
static void never_answer(void *area, size_t len)
{
	struct uffdio_register range = { .range = { (uintptr_t)area, len }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range))
		die(NULL, "userfaultfd: %s", strerror(errno));
}

static void discard_fault_area(void)
{
	struct slot *s = &vm.slots[0];
	size_t len;

	if (s->size <= GPA_FAULT_AREA)
		return;
	len = (vm.nr_slots > 1 ? s->size : vm.top) - GPA_FAULT_AREA;
	madvise(s->hva + GPA_FAULT_AREA, len, MADV_DONTNEED);
	if (vm.has_userfault)
		never_answer(s->hva + GPA_FAULT_AREA, len);
}

static void handle_io(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	size_t len = (size_t)run->io.size * run->io.count;

	if (run->io.direction == KVM_EXIT_IO_IN) {
		v->cnt[CNT_IN]++;
		memset(data, 0xff, len);
		return;
	}
	switch (run->io.port) {
	case PORT_CONSOLE:
		v->cnt[CNT_CONSOLE]++;
		if (!vm.is_quiet)
			fwrite(data, 1, len, stdout);
		break;
	case PORT_EXIT:
		end_vm(data[0]);
		break;
	case PORT_DISCARD:
		v->cnt[CNT_DISCARD]++;
		discard_fault_area();
		break;
	default:
		v->cnt[CNT_OUT]++;
	}
}

static void handle_mmio(struct vcpu *v)
{
	if (v->run->mmio.is_write) {
		v->cnt[CNT_MMIO_WRITE]++;
	} else {
		v->cnt[CNT_MMIO_READ]++;
		memset(v->run->mmio.data, 0, sizeof(v->run->mmio.data));
	}
}

static void report_crash(struct vcpu *v, const char *what, uint64_t code)
{
	struct kvm_regs regs = { 0 };
	const uint8_t *insn;
	int i;

	ioctl(v->fd, KVM_GET_REGS, &regs);
	fflush(stdout);
	fprintf(stderr,
		"err: ukvmm: vcpu%u: %s 0x%" PRIx64 " at rip 0x%llx rsp 0x%llx rbp 0x%llx, bytes",
		v->id, what, code, regs.rip, regs.rsp, regs.rbp);
	insn = guest_ptr(regs.rip - (regs.rip >= vm.linear ? vm.linear : 0), 8);
	for (i = 0; insn && i < 8; i++)
		fprintf(stderr, " %02x", insn[i]);
	fputc('\n', stderr);
	end_vm(1);
}

static void write_stats(void);

static void run_vcpu(struct vcpu *v)
{
	struct timespec ts;

	self = v;
	while (!stop) {
		if (ioctl(v->fd, KVM_RUN, 0) < 0) {
			if (errno != EINTR && errno != EAGAIN) {
				report_crash(v, "KVM_RUN failed, errno", errno);
				break;
			}
			v->cnt[CNT_INTR]++;
			v->run->immediate_exit = 0;
			if (want_stats && vm.on_main_thread && !v->id)
				write_stats();
			continue;
		}
		switch (v->run->exit_reason) {
		case KVM_EXIT_IO:
			handle_io(v);
			break;
		case KVM_EXIT_MMIO:
			handle_mmio(v);
			break;
		case KVM_EXIT_HLT:
			v->cnt[CNT_HLT]++;
			break;
		case KVM_EXIT_INTR:
			v->cnt[CNT_INTR]++;
			break;
		case KVM_EXIT_SHUTDOWN:
			report_crash(v, "triple fault", 0);
			break;
		case KVM_EXIT_FAIL_ENTRY:
			report_crash(v, "entry failed, reason",
				     v->run->fail_entry.hardware_entry_failure_reason);
			break;
		case KVM_EXIT_INTERNAL_ERROR:
			report_crash(v, "KVM internal error, suberror", v->run->internal.suberror);
			break;
		default:
			v->cnt[CNT_OTHER]++;
			report_crash(v, "unexpected exit", v->run->exit_reason);
		}
	}
	self = NULL;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	v->cpu_ns = ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *v = arg;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", v->id);
	pthread_setname_np(pthread_self(), name);
	run_vcpu(v);
	pthread_kill(main_thread, SIGUSR1);
	return NULL;
}

static void write_oracle(FILE *f, const struct oracle *o)
{
	unsigned int i, j, nr = o->nr_counters;

	if (o->magic != ORACLE_MAGIC || nr > ORACLE_MAX_COUNTERS)
		return;
	fprintf(f, "guest %.*s\n", (int)sizeof(o->guest), o->guest);
	for (j = 0; j < nr; j++) {
		unsigned long long sum = 0;

		for (i = 0; i < vm.nr_vcpus; i++) {
			fprintf(f, "vcpu%u.%.*s %llu\n", i, ORACLE_NAME_LEN, o->names[j],
				o->values[i][j]);
			sum += o->values[i][j];
		}
		fprintf(f, "total.%.*s %llu\n", ORACLE_NAME_LEN, o->names[j], sum);
	}
}

/* Written beside and renamed, so that a reader never sees half a file. */
static void write_stats(void)
{
	struct timespec now;
	char tmp[4096];
	unsigned int i, j;
	FILE *f;

	want_stats = 0;
	if (!vm.stats_file)
		return;
	snprintf(tmp, sizeof(tmp), "%s.tmp", vm.stats_file);
	f = fopen(tmp, "we");
	if (!f) {
		fprintf(stderr, "warn: ukvmm: %s: %s\n", tmp, strerror(errno));
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	fprintf(f, "vmm.run_ns %lld\n",
		(now.tv_sec - vm.start.tv_sec) * 1000000000ll + now.tv_nsec - vm.start.tv_nsec);
	for (i = 0; i < vm.nr_vcpus; i++) {
		for (j = 0; j < NR_CNT; j++)
			fprintf(f, "vmm.vcpu%u.%s %" PRIu64 "\n", i, cnt_names[j],
				vm.vcpus[i].cnt[j]);
		if (stop)
			fprintf(f, "vmm.vcpu%u.cpu_ns %" PRIu64 "\n", i, vm.vcpus[i].cpu_ns);
	}
	write_oracle(f, guest_ptr(GPA_ORACLE, sizeof(struct oracle)));
	if (fclose(f) || rename(tmp, vm.stats_file))
		fprintf(stderr, "warn: ukvmm: %s: %s\n", vm.stats_file, strerror(errno));
}

static void run_vm(void)
{
	static const int term[] = { SIGTERM, SIGINT, SIGALRM, SIGUSR2, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal };
	struct itimerval it = { 0 };
	sigset_t blocked, waiting, usr1, old;
	unsigned int i;

	sigemptyset(&blocked);
	for (i = 0; i < sizeof(term) / sizeof(*term); i++) {
		sigaction(term[i], &sa, NULL);
		sigaddset(&blocked, term[i]);
	}
	sigaction(SIGUSR1, &sa, NULL);
	sigaddset(&blocked, SIGUSR1);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &blocked, &old);
	waiting = old;
	for (i = 0; i < sizeof(term) / sizeof(*term); i++)
		sigdelset(&waiting, term[i]);
	sigdelset(&waiting, SIGUSR1);

	main_thread = pthread_self();
	clock_gettime(CLOCK_MONOTONIC, &vm.start);
	/* vCPU threads are to see only the kick; the mask is inherited. */
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	for (i = vm.on_main_thread ? 1 : 0; i < vm.nr_vcpus; i++) {
		struct vcpu *v = &vm.vcpus[i];

		if (pthread_create(&v->thread, NULL, vcpu_thread, v))
			die(NULL, "vcpu%u: cannot create its thread", i);
		v->started = true;
	}
	pthread_sigmask(SIG_BLOCK, &blocked, NULL);
	if (vm.duration > 0) {
		it.it_value.tv_sec = (time_t)vm.duration;
		it.it_value.tv_usec = (vm.duration - it.it_value.tv_sec) * 1e6;
		setitimer(ITIMER_REAL, &it, NULL);
	}

	if (vm.on_main_thread) {
		/* Without 'self' the handler could not break a KVM_RUN that is about to start. */
		self = &vm.vcpus[0];
		pthread_sigmask(SIG_UNBLOCK, &blocked, NULL);
		run_vcpu(&vm.vcpus[0]);
		pthread_sigmask(SIG_BLOCK, &blocked, NULL);
	} else {
		while (!stop) {
			sigsuspend(&waiting);
			if (want_stats)
				write_stats();
		}
	}
	stop = 1;
	for (i = 0; i < vm.nr_vcpus; i++)
		if (vm.vcpus[i].started)
			pthread_kill(vm.vcpus[i].thread, SIGUSR1);
	for (i = 0; i < vm.nr_vcpus; i++)
		if (vm.vcpus[i].started)
			pthread_join(vm.vcpus[i].thread, NULL);
}

/* --- command line ----------------------------------------------------------------------------- */

static const char usage[] =
	"Usage: ukvmm [OPTION...] IMAGE [ARG...]\n"
	"Run a test guest on /dev/kvm. Console output goes to stdout.\n"
	"\n"
	"  -m, --mem=MB          guest RAM in MiB, 4-3072 (default: 64)\n"
	"  -c, --cpus=N          vCPUs, 1-16 (default: 1)\n"
	"  -P, --page=SIZE       page size of the guest's map: 4k, 2m or 1g (default: 2m)\n"
	"      --mem-gap         RAM in two memslots with a 256 MiB hole between; stacks in the second\n"
	"      --load-bias=ADDR  run a static-PIE image at its link address + ADDR (default: 0x1000000)\n"
	"      --linear=OFFSET   also map virtual = physical + OFFSET, such as 0x40000000\n"
	"      --irqchip         in-kernel interrupt controllers (then HLT waits in the kernel)\n"
	"      --hugepages       let the host back RAM with huge pages (default: never)\n"
	"      --userfault       memory that the guest gives back is never answered for by userfaultfd\n"
	"      --main-thread     run vCPU 0 on the main thread\n"
	"  -n, --name=NAME       name of the process\n"
	"      --pid-file=FILE   write the process id to FILE, remove it at the end\n"
	"      --stats=FILE      write counters to FILE at the end and on SIGUSR2\n"
	"      --duration=SEC    stop after SEC seconds, such as 1.5 (default: until stopped)\n"
	"  -q, --quiet           no console output\n"
	"\n"
	"SIGHUP allows a guest that waits for it (exits ... loop on_signal) one more batch.\n"
	"Exit status: what the guest wrote to port 0xf4; 0 if stopped from outside; 1 failure; 2 usage.\n"
	"\n"
	"Examples:\n"
	"  ukvmm -c 2 --duration 10 --stats out.txt shares scale=4000\n"
	"  ukvmm --linear 0x40000000 shares-high\n";

static uint64_t parse_number(const char *opt, const char *s, uint64_t min, uint64_t max)
{
	char *end;
	uint64_t v;

	errno = 0;
	v = strtoull(s, &end, 0);
	if (errno || end == s || *end || v < min || v > max) {
		fprintf(stderr,
			"err: ukvmm: %s %s: want a number from %" PRIu64 " to %" PRIu64 "\n", opt,
			s, min, max);
		exit(2);
	}
	return v;
}

static char **parse_options(int argc, char **argv)
{
	enum {
		O_GAP = 256,
		O_BIAS,
		O_LINEAR,
		O_IRQCHIP,
		O_HUGE,
		O_USERFAULT,
		O_MAIN,
		O_PID,
		O_STATS,
		O_DUR
	};
	static const struct option opts[] = {
		{ "mem", 1, NULL, 'm' },          { "cpus", 1, NULL, 'c' },
		{ "page", 1, NULL, 'P' },         { "name", 1, NULL, 'n' },
		{ "quiet", 0, NULL, 'q' },        { "help", 0, NULL, 'h' },
		{ "mem-gap", 0, NULL, O_GAP },    { "load-bias", 1, NULL, O_BIAS },
		{ "linear", 1, NULL, O_LINEAR },  { "irqchip", 0, NULL, O_IRQCHIP },
		{ "hugepages", 0, NULL, O_HUGE }, { "userfault", 0, NULL, O_USERFAULT },
		{ "main-thread", 0, NULL, O_MAIN },
		{ "pid-file", 1, NULL, O_PID },   { "stats", 1, NULL, O_STATS },
		{ "duration", 1, NULL, O_DUR },   { NULL, 0, NULL, 0 },
	};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "+m:c:P:n:qh", opts, NULL)) != -1) {
		switch (c) {
		case 'm':
			vm.mem_size = parse_number("-m", optarg, 4, 3072) << 20;
			break;
		case 'c':
			vm.nr_vcpus = parse_number("-c", optarg, 1, GUEST_MAX_VCPUS);
			break;
		case 'P':
			vm.page_size = !strcmp(optarg, "4k")   ? KIB4
				       : !strcmp(optarg, "2m") ? MIB2
				       : !strcmp(optarg, "1g") ? GIB1
							       : 0;
			if (!vm.page_size) {
				fprintf(stderr, "err: ukvmm: -P %s: want 4k, 2m or 1g\n", optarg);
				exit(2);
			}
			break;
		case 'n':
			vm.name = optarg;
			break;
		case 'q':
			vm.is_quiet = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		case O_GAP:
			vm.has_gap = true;
			break;
		case O_BIAS:
			vm.load_bias = parse_number("--load-bias", optarg, 0, MMIO_START) &
				       ~(KIB4 - 1);
			vm.has_bias = true;
			break;
		case O_LINEAR:
			vm.linear = parse_number("--linear", optarg, 0, 0xffffffff80000000ull) & ~(GIB1 - 1);
			break;
		case O_IRQCHIP:
			vm.has_irqchip = true;
			break;
		case O_USERFAULT:
			vm.has_userfault = true;
			break;
		case O_HUGE:
			vm.has_hugepages = true;
			break;
		case O_MAIN:
			vm.on_main_thread = true;
			break;
		case O_PID:
			vm.pid_file = optarg;
			break;
		case O_STATS:
			vm.stats_file = optarg;
			break;
		case O_DUR:
			vm.duration = strtod(optarg, &end);
			if (*end || end == optarg || !(vm.duration > 0 && vm.duration < 1e8)) {
				fprintf(stderr, "err: ukvmm: --duration %s: want seconds\n",
					optarg);
				exit(2);
			}
			break;
		default:
			fputs("hint: see 'ukvmm --help'\n", stderr);
			exit(2);
		}
	}
	if (optind >= argc) {
		fputs("err: ukvmm: no image given\nhint: see 'ukvmm --help'\n", stderr);
		exit(2);
	}
	vm.image = argv[optind];
	return argv + optind + 1;
}

int main(int argc, char **argv)
{
	char **args = parse_options(argc, argv);
	unsigned int i;
	int run_size;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (vm.name)
		prctl(PR_SET_NAME, vm.name);

	create_vm();
	/* Stacks lie above everything else, then tables that find no room at the bottom. */
	vm.top -= (uint64_t)vm.nr_vcpus * GUEST_STACK_SIZE;
	build_tables();
	load_image();
	write_boot_info(args);

	run_size = ioctl(vm.kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (run_size < (int)sizeof(struct kvm_run))
		die(NULL, "KVM_GET_VCPU_MMAP_SIZE: %s", strerror(errno));
	vm.run_size = run_size;
	for (i = 0; i < vm.nr_vcpus; i++)
		create_vcpu(&vm.vcpus[i], i);

	if (vm.pid_file) {
		FILE *f = fopen(vm.pid_file, "we");

		if (!f || fprintf(f, "%d\n", getpid()) < 0 || fclose(f))
			die(NULL, "%s: %s", vm.pid_file, strerror(errno));
	}
	run_vm();
	fflush(stdout);
	write_stats();
	if (vm.pid_file)
		unlink(vm.pid_file);
	return exit_status;
}
