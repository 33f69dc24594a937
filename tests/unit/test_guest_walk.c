/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The walk of a guest's stack, as BPF runs it, over byte arrays that play the guest's memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/types.h>

#include "ukprof_abi.h"

#define RAM_SIZE (16ull << 20)
#define HVA_BASE 0x7f0000000000ull
#define ROOT     0x1000ull /* guest-physical address of the top page table */
#define STACK_PA 0x200000ull
#define STACK_VA 0x400000ull

static uint8_t *ram;
static unsigned int nr_reads;
static void (*on_read)(void); /* what other vCPUs do meanwhile; NULL: nothing */
static uint64_t unreadable; /* HVA of a page that is not resident; 0: all are */

static int ukp_read_hva(void *dst, __u32 len, __u64 hva)
{
	nr_reads++;
	/* A read that leaves the guest's memory would be one of the VMM's own. */
	assert_true(hva >= HVA_BASE && hva - HVA_BASE <= RAM_SIZE - len);
	/* BPF reads across a page end of the VMM as well, but pages of the guest need not be neighbours. */
	assert_true((hva & 4095) + len <= 4096);
	if (on_read)
		on_read();
	if (unreadable && (hva & ~4095ull) == unreadable)
		return -14;
	memcpy(dst, ram + (hva - HVA_BASE), len);
	return 0;
}

#include "walk_glue.h"

#define P  UKP_PTE_PRESENT
#define PS UKP_PTE_LARGE

/* One frame costs a read of its record, or two halves and up to two translations. */
#define MAX_READS (UKP_MAX_FRAMES * (2 + 2 * 5))

static struct ukp_walk w;
static uint64_t next_table;

static void put64(uint64_t gpa, uint64_t value)
{
	assert_true(gpa <= RAM_SIZE - 8);
	memcpy(ram + gpa, &value, 8);
}

static uint64_t get64(uint64_t gpa)
{
	uint64_t value;

	memcpy(&value, ram + gpa, 8);
	return value;
}

/* Map a page of 4 KiB (level 1), 2 MiB (2) or 1 GiB (3). Return: where its entry stands. */
static uint64_t map(uint64_t gva, uint64_t gpa, int level)
{
	uint64_t table = w.cr3 & UKP_PTE_ADDR, at;
	int l = w.cr4 & UKP_CR4_LA57 ? 5 : 4;

	for (;; l--) {
		at = table + ((gva >> (12 + 9 * (l - 1))) & 511) * 8;
		if (l == level)
			break;
		if (!(get64(at) & P)) {
			put64(at, next_table | P | 2);
			next_table += 4096;
		}
		table = get64(at) & UKP_PTE_ADDR;
	}
	put64(at, gpa | P | 2 | (level > 1 ? PS : 0));
	return at;
}

static void add_slot(uint64_t gpa, uint64_t size, uint64_t hva)
{
	w.slots[w.nr_slots++] = (struct ukp_slot){ gpa, size, hva };
}

static void reset_ram(void)
{
	memset(ram, 0, RAM_SIZE);
	memset(&w, 0, sizeof(w));
	w.cr0 = UKP_CR0_PE | UKP_CR0_PG;
	w.efer = UKP_EFER_LMA;
	w.cr3 = ROOT | 0x18; /* cache bits are no part of the address */
	w.rip = 0x100010;
	next_table = 0x10000;
	unreadable = 0;
	on_read = NULL;
	nr_reads = 0;
	nr_rows = 0;
}

/* 64-bit mode, one slot with all memory, the stack's 64 KiB mapped by small pages. */
static int reset(void **state)
{
	uint64_t off;

	(void)state;
	reset_ram();
	add_slot(0, RAM_SIZE, HVA_BASE);
	for (off = 0; off < 0x10000; off += 4096)
		map(STACK_VA + off, STACK_PA + off, 1);
	w.rbp = STACK_VA;
	return 0;
}

/* A frame record in the stack's pages. */
static void frame(uint64_t gva, uint64_t fp, uint64_t ret)
{
	put64(gva - STACK_VA + STACK_PA, fp);
	put64(gva - STACK_VA + STACK_PA + 8, ret);
}

/* @nr records from STACK_VA on, 16 bytes apart; return addresses 0x1000 + i; the last one's caller is @end. */
static void chain(unsigned int nr, uint64_t end)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		frame(STACK_VA + 16 * i, i + 1 < nr ? STACK_VA + 16 * (i + 1) : end, 0x1000 + i);
}

static void walk(void)
{
	memset(w.frames, 0xa5, sizeof(w.frames));
	w.stop = UKP_STOP_MAX;
	nr_reads = 0;
	nr_lookups = 0;
	ukp_walk_stack(&w, 1);
	/* A row may need four words: the CFA, RBP, the return address, RSP. */
	assert_true(nr_reads <= (w.unwind[0].nr_pages ? 4 * 6 * UKP_MAX_FRAMES + 6 * UKP_INTERRUPTS * UKP_INTERRUPT_PIECES
						   : MAX_READS));
	assert_true(nr_lookups <= UKP_MAX_FRAMES + 1);
	assert_true(w.nr_frames <= UKP_MAX_FRAMES);
}

/* @nr frames: RIP and the chain's return addresses. */
static void assert_walk(enum ukp_stop stop, unsigned int nr)
{
	unsigned int i;

	walk();
	assert_int_equal(w.stop, stop);
	assert_int_equal(w.nr_frames, nr);
	if (nr)
		assert_int_equal(w.frames[0], w.rip);
	for (i = 1; i < nr; i++)
		assert_int_equal(w.frames[i], 0x1000 + i - 1);
	/* Nothing is written behind the frames. */
	assert_int_equal(w.frames[UKP_MAX_FRAMES], 0xa5a5a5a5a5a5a5a5);
}

/* --- the chain of frame pointers --- */

static void three_frames(void **state)
{
	(void)state;
	chain(3, 0);
	assert_walk(UKP_STOP_ROOT, 4);
	/* One translation for the page, one read for the piece of the stack that has them all. */
	assert_int_equal(nr_reads, 4 + 1);
}

static void frame_pointer_0_is_the_root(void **state)
{
	(void)state;
	w.rbp = 0;
	assert_walk(UKP_STOP_ROOT, 1);
	assert_int_equal(nr_reads, 0);
}

static void return_address_0_is_the_root(void **state)
{
	(void)state;
	chain(3, STACK_VA + 48);
	frame(STACK_VA + 48, STACK_VA + 64, 0);
	frame(STACK_VA + 64, 0, 0x1234);
	assert_walk(UKP_STOP_ROOT, 4);
}

static void bad_frame_pointers_are_not_followed(void **state)
{
	static const uint64_t bad[] = {
		STACK_VA + 1,       STACK_VA + 4,       7,
		0x800000000000,     0xffff7ffffffffff8, 0x123456789abcdef0,
		0xfffffffffffffff8, 0xfffffffffffffff0, UINT64_MAX,
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		w.rbp = bad[i];
		/* The record of the last whole 16 bytes does not wrap; there is no page either. */
		assert_walk(bad[i] == 0xfffffffffffffff0 ? UKP_STOP_UNMAPPED : UKP_STOP_BADFP, 1);
		w.rbp = STACK_VA;
		chain(2, bad[i]);
		if (bad[i] <= STACK_VA + 16)
			assert_walk(UKP_STOP_BACKWARDS, 3);
		else
			assert_walk(bad[i] == 0xfffffffffffffff0 ? UKP_STOP_UNMAPPED
								 : UKP_STOP_BADFP,
				    3);
	}
}

/* RBP may lead anywhere, such as to the table of interrupt vectors at 0. */
static void impossible_return_addresses_are_no_frames(void **state)
{
	(void)state;
	w.rbp = STACK_VA;
	frame(STACK_VA, STACK_VA + 16, 0x1000);
	frame(STACK_VA + 16, STACK_VA + 32, 0xf000ff53f0000000);
	assert_walk(UKP_STOP_BADFP, 2);
}

static void canonical_depends_on_the_paging_mode(void **state)
{
	(void)state;
	w.rbp = 0x00ff000000000000;
	assert_walk(UKP_STOP_BADFP, 1);
	w.cr4 = UKP_CR4_LA57;
	assert_walk(UKP_STOP_UNMAPPED, 1);
	w.rbp = 0x0100000000000000;
	assert_walk(UKP_STOP_BADFP, 1);
}

static void the_last_record_of_the_address_space_is_read(void **state)
{
	(void)state;
	map(0xfffffffffffff000, STACK_PA, 1);
	put64(STACK_PA + 4080, 0);
	put64(STACK_PA + 4088, 0x1000);
	w.rbp = 0xfffffffffffffff0;
	assert_walk(UKP_STOP_ROOT, 2);
}

static void loops_end(void **state)
{
	(void)state;
	frame(STACK_VA, STACK_VA, 0x1000);
	assert_walk(UKP_STOP_BACKWARDS, 2);

	frame(STACK_VA, STACK_VA + 32, 0x1000);
	frame(STACK_VA + 32, STACK_VA, 0x1001);
	assert_walk(UKP_STOP_BACKWARDS, 3);

	w.rbp = STACK_VA + 32;
	frame(STACK_VA + 32, STACK_VA + 16, 0x1000);
	assert_walk(UKP_STOP_BACKWARDS, 2);
}

/* 127 frames are kept, the leaf included: 126 records make a complete stack of 127. */
static void depth_is_exact(void **state)
{
	(void)state;
	chain(125, 0);
	assert_walk(UKP_STOP_ROOT, 126);
	chain(126, 0);
	assert_walk(UKP_STOP_ROOT, 127);
	chain(127, 0);
	assert_walk(UKP_STOP_DEPTH, 127);
	chain(128, 0);
	assert_walk(UKP_STOP_DEPTH, 127);
	chain(4096, 0);
	assert_walk(UKP_STOP_DEPTH, 127);
}

static void a_million_frames_cost_as_much_as_127(void **state)
{
	uint64_t i;

	(void)state;
	reset_ram();
	add_slot(0, RAM_SIZE, HVA_BASE);
	/* 16 bytes each do not fit the arena: the last page of the chain is mapped over and over. */
	for (i = 0; i < 1000000 * 16; i += 4096)
		map(STACK_VA + i, STACK_PA, 1);
	for (i = 0; i < 256; i++)
		put64(STACK_PA + 16 * i + 8, 0x1000 + i);
	for (i = 0; i < 256; i++)
		put64(STACK_PA + 16 * i, STACK_VA + 16 * (i + 1));
	w.rbp = STACK_VA;
	assert_walk(UKP_STOP_DEPTH, 127);
	assert_true(nr_reads <= 127 + 4);
}

/* The dearest stack there is: every record straddles two pages, all of them far apart. */
static void reads_stay_bounded(void **state)
{
	uint64_t i, va;

	(void)state;
	reset_ram();
	w.cr4 = UKP_CR4_LA57;
	add_slot(0, RAM_SIZE, HVA_BASE);
	for (i = 0; i < 200; i++) {
		va = STACK_VA + 0x200000 * i;
		map(va, STACK_PA + 0x2000 * i, 1);
		map(va + 4096, STACK_PA + 0x2000 * i + 4096, 1);
		put64(STACK_PA + 0x2000 * i + 4088, va + 0x200000 + 4088);
		put64(STACK_PA + 0x2000 * i + 4096, 0x1000 + i);
	}
	w.rbp = STACK_VA + 4088;
	assert_walk(UKP_STOP_DEPTH, 127);
	assert_int_equal(nr_reads, 126 * 12);
}

/* --- modes --- */

static void real_mode_has_no_frame(void **state)
{
	(void)state;
	chain(3, 0);
	w.cr0 = 0;
	assert_walk(UKP_STOP_REALMODE, 0);
	assert_int_equal(nr_reads, 0);
}

static void legacy_modes_have_the_leaf(void **state)
{
	(void)state;
	chain(3, 0);
	w.cr0 = UKP_CR0_PE;
	assert_walk(UKP_STOP_LEGACY, 1);
	w.cr0 = UKP_CR0_PE | UKP_CR0_PG;
	w.efer = 0x100; /* LME without LMA: long mode is not active yet */
	assert_walk(UKP_STOP_LEGACY, 1);
	assert_int_equal(nr_reads, 0);
}

/* Another sample's walk leaves its page behind; page tables may have changed since. */
static void a_walk_forgets_the_former_one(void **state)
{
	uint64_t pte;

	(void)state;
	chain(3, 0);
	assert_walk(UKP_STOP_ROOT, 4);
	pte = map(STACK_VA, STACK_PA, 1);
	put64(pte, 0);
	assert_walk(UKP_STOP_UNMAPPED, 1);
}

/* --- page tables --- */

static void every_page_size_translates(void **state)
{
	static const uint64_t base[] = { 0, 0x401000, 0x400000, 0x40000000 };
	int level, levels;

	(void)state;
	for (levels = 4; levels <= 5; levels++) {
		for (level = 1; level <= 3; level++) {
			reset_ram();
			w.cr4 = levels == 5 ? UKP_CR4_LA57 : 0;
			add_slot(0, RAM_SIZE, HVA_BASE);
			map(base[level], level == 3 ? 0 : STACK_PA, level);
			w.rbp = base[level] + (level == 3 ? STACK_PA : 0) + 0x340;
			put64(STACK_PA + 0x340, w.rbp + 64);
			put64(STACK_PA + 0x348, 0x1000);
			put64(STACK_PA + 0x380, 0);
			put64(STACK_PA + 0x388, 0x1001);
			assert_walk(UKP_STOP_ROOT, 3);
			assert_int_equal(nr_reads, levels - level + 1 + 1);
			assert_int_equal(w.page_size, 4096);
		}
	}
}

static void high_half_translates(void **state)
{
	(void)state;
	map(0xffffffff80000000, STACK_PA, 1);
	put64(STACK_PA, 0);
	put64(STACK_PA + 8, 0x1000);
	w.rbp = 0xffffffff80000000;
	assert_walk(UKP_STOP_ROOT, 2);
}

static void non_present_ends_at_every_level(void **state)
{
	uint64_t table, at;
	int levels, level, l;

	(void)state;
	for (levels = 4; levels <= 5; levels++) {
		for (level = 1; level <= levels; level++) {
			reset_ram();
			w.cr4 = levels == 5 ? UKP_CR4_LA57 : 0;
			add_slot(0, RAM_SIZE, HVA_BASE);
			map(STACK_VA, STACK_PA, 1);
			chain(3, 0);
			w.rbp = STACK_VA;
			assert_walk(UKP_STOP_ROOT, 4);
			table = ROOT;
			for (l = levels;; l--) {
				at = table + ((STACK_VA >> (12 + 9 * (l - 1))) & 511) * 8;
				if (l == level)
					break;
				table = get64(at) & UKP_PTE_ADDR;
			}
			put64(at, get64(at) & ~P);
			assert_walk(UKP_STOP_UNMAPPED, 1);
			assert_int_equal(nr_reads, levels - level + 1);
			/* The same entry leads to a table or a page outside of all memory. */
			put64(at, 0x00000ffffffff000 | P);
			assert_walk(UKP_STOP_NOSLOT, 1);
			/* The same entry, in a page that is not resident. */
			unreadable = HVA_BASE + (at & ~4095ull);
			assert_walk(UKP_STOP_NOTRESIDENT, 1);
		}
	}
}

static void top_table_outside_of_memory(void **state)
{
	static const uint64_t roots[] = { RAM_SIZE, 0x000ffffffffff000, UINT64_MAX };
	size_t i;

	(void)state;
	chain(3, 0);
	for (i = 0; i < 3; i++) {
		w.cr3 = roots[i];
		assert_walk(UKP_STOP_NOSLOT, 1);
		assert_int_equal(nr_reads, 0);
	}
}

static void unmapped_in_the_middle_keeps_what_was_found(void **state)
{
	(void)state;
	chain(3, STACK_VA + 0x100000);
	assert_walk(UKP_STOP_UNMAPPED, 4);
}

/* An entry that points to its own table is legal and walks through it level by level; it must end. */
static void table_that_points_to_itself(void **state)
{
	(void)state;
	reset_ram();
	add_slot(0, RAM_SIZE, HVA_BASE);
	put64(ROOT, ROOT | P);
	w.rbp = 8; /* every index 0: the page is the table itself */
	put64(ROOT + 8, 16);
	put64(ROOT + 16, 0x1000);
	put64(ROOT + 24, 0); /* the record at 16: caller 0x1000, return address 0 */
	walk();
	assert_int_equal(w.stop, UKP_STOP_ROOT);
	assert_int_equal(w.nr_frames, 2);
	assert_int_equal(w.frames[1], 0x1000);
	assert_int_equal(nr_reads, 4 + 1);
}

/* Bits 52 to 62 are reserved or the software's, bit 63 forbids execution: none is part of the address. */
static void reserved_bits_are_no_address(void **state)
{
	uint64_t pte = map(STACK_VA, STACK_PA, 1);

	(void)state;
	chain(3, 0);
	put64(pte, get64(pte) | 0xfff0000000000e60);
	assert_walk(UKP_STOP_ROOT, 4);
}

/* In a PDPTE and a PDE bit 12 is a memory type when the page is large. */
static void large_page_address_has_no_low_bits(void **state)
{
	uint64_t at;

	(void)state;
	reset_ram();
	add_slot(0, RAM_SIZE, HVA_BASE);
	at = map(STACK_VA, STACK_PA, 2);
	put64(at, get64(at) | 0x1ff000);
	chain(3, 0);
	w.rbp = STACK_VA;
	assert_walk(UKP_STOP_ROOT, 4);
}

/* Bit 7 of a PML4E or PML5E is reserved: no processor has pages that large. */
static void large_bit_at_the_top_is_no_page(void **state)
{
	uint64_t at = ROOT + ((STACK_VA >> 39) & 511) * 8;

	(void)state;
	chain(3, 0);
	put64(at, get64(at) | PS);
	assert_walk(UKP_STOP_ROOT, 4);
}

static void record_on_two_pages(void **state)
{
	(void)state;
	/* Neighbours for the guest, the wrong way round for the VMM. */
	map(STACK_VA, STACK_PA + 0x5000, 1);
	map(STACK_VA + 4096, STACK_PA, 1);
	put64(STACK_PA + 0x5ff8, STACK_VA + 4096 + 16);
	put64(STACK_PA, 0x1000);
	put64(STACK_PA + 16, 0);
	put64(STACK_PA + 24, 0x1001);
	put64(STACK_PA + 0x6000, 0xbad); /* what follows in the VMM's memory */
	w.rbp = STACK_VA + 4088;
	assert_walk(UKP_STOP_ROOT, 3);
}

static void record_whose_second_page_is_missing(void **state)
{
	uint64_t pte = map(STACK_VA + 4096, STACK_PA + 4096, 1);

	(void)state;
	frame(STACK_VA, STACK_VA + 4088, 0x1000);
	frame(STACK_VA + 4088, 0, 0x1001);
	assert_walk(UKP_STOP_ROOT, 3);
	put64(pte, 0);
	assert_walk(UKP_STOP_UNMAPPED, 2);
	put64(pte, (STACK_PA + 4096) | P);
	unreadable = HVA_BASE + STACK_PA + 4096;
	assert_walk(UKP_STOP_NOTRESIDENT, 2);
}

/* --- slots --- */

static void page_that_is_not_resident(void **state)
{
	(void)state;
	chain(256, STACK_VA + 4096);
	frame(STACK_VA + 16, STACK_VA + 4096, 0x1001);
	unreadable = HVA_BASE + STACK_PA + 4096;
	assert_walk(UKP_STOP_NOTRESIDENT, 3);
}

static void no_slots(void **state)
{
	(void)state;
	chain(3, 0);
	w.nr_slots = 0;
	assert_walk(UKP_STOP_NOSLOT, 1);
	assert_int_equal(nr_reads, 0);
}

/* A 2 MiB page over two slots that the VMM has far apart, the upper one below the lower. */
static void large_page_spans_two_slots(void **state)
{
	(void)state;
	reset_ram();
	add_slot(0, STACK_PA + 0x8000, HVA_BASE);
	add_slot(STACK_PA + 0x8000, 0x8000, HVA_BASE + 0x800000);
	map(STACK_VA, STACK_PA, 2);
	put64(STACK_PA + 0x7ff8, STACK_VA + 0x8010);
	put64(0x800000, 0x1000);
	put64(0x800010, 0);
	put64(0x800018, 0x1001);
	w.rbp = STACK_VA + 0x7ff8;
	assert_walk(UKP_STOP_ROOT, 3);
}

static void all_slots_are_used(void **state)
{
	int i;

	(void)state;
	chain(3, 0);
	w.nr_slots = 0;
	for (i = 0; i < UKP_MAX_SLOTS - 1; i++)
		add_slot(0x100000000 + 0x1000 * (uint64_t)i, 0x1000, 1);
	add_slot(0, RAM_SIZE, HVA_BASE);
	assert_walk(UKP_STOP_ROOT, 4);
	/* More than there are: the number comes from a map that others could have written. */
	w.nr_slots = 100;
	assert_walk(UKP_STOP_ROOT, 4);
}

static void slot_of_size_0_holds_nothing(void **state)
{
	(void)state;
	chain(3, 0);
	w.nr_slots = 0;
	add_slot(0, 0, 1);
	add_slot(ROOT, 0, 1);
	add_slot(0, RAM_SIZE, HVA_BASE);
	assert_walk(UKP_STOP_ROOT, 4);
	w.nr_slots = 2;
	assert_walk(UKP_STOP_NOSLOT, 1);
}

/* A page that reaches beyond its slot is no page: its rest would be the VMM's own memory. */
static void page_that_overhangs_its_slot(void **state)
{
	(void)state;
	chain(3, 0);
	w.slots[0].size = STACK_PA + 0x800;
	assert_walk(UKP_STOP_NOSLOT, 1);
	/* And a table entry at a slot's very end. */
	w.slots[0].size = ROOT + 4;
	assert_walk(UKP_STOP_NOSLOT, 1);
}

static void slot_at_the_end_of_the_address_space(void **state)
{
	(void)state;
	chain(3, 0);
	add_slot(0xfffffffffffff000, 0x1000, HVA_BASE);
	w.has_linear = 1;
	w.linear_offset = 0;
	w.rbp = 0xfffffffffffffff0;
	assert_walk(UKP_STOP_ROOT, 1);
}

/* --- the linear fallback --- */

static void linear_offset_helps_where_tables_are_missing(void **state)
{
	(void)state;
	chain(3, 0);
	w.cr3 = RAM_SIZE;
	w.has_linear = 1;
	w.linear_offset = STACK_VA - STACK_PA;
	assert_walk(UKP_STOP_ROOT, 4);
	assert_int_equal(nr_reads, 1);

	w.cr3 = 0x300000; /* a page of zeros: CR3 of an older time */
	assert_walk(UKP_STOP_ROOT, 4);

	w.cr3 = ROOT;
	unreadable = HVA_BASE + ROOT;
	assert_walk(UKP_STOP_ROOT, 4);
}

static void tables_win_over_the_linear_offset(void **state)
{
	(void)state;
	chain(3, 0);
	w.has_linear = 1;
	w.linear_offset = 0;
	assert_walk(UKP_STOP_ROOT, 4);
}

/* The reason is that of the page tables: they come first. */
static void linear_offset_that_leads_nowhere(void **state)
{
	(void)state;
	chain(3, 0);
	w.has_linear = 1;
	w.linear_offset = STACK_VA + 1;
	put64(ROOT, 0);
	assert_walk(UKP_STOP_UNMAPPED, 1);
	w.cr3 = RAM_SIZE;
	assert_walk(UKP_STOP_NOSLOT, 1);
	w.cr3 = ROOT;
	unreadable = HVA_BASE + ROOT;
	assert_walk(UKP_STOP_NOTRESIDENT, 1);
}

/* A page is remembered as a whole, so its GVA and its GPA must agree in the low 12 bits. */
static void linear_offset_that_is_no_multiple_of_a_page(void **state)
{
	(void)state;
	chain(3, 0);
	w.cr3 = RAM_SIZE;
	w.has_linear = 1;
	w.linear_offset = STACK_VA - STACK_PA - 0x18;
	assert_walk(UKP_STOP_NOSLOT, 1);
}

/* --- by the image's tables --- */

#define ROW(from, to, ...) (rows[nr_rows++] = (struct rows){ from, to, { __VA_ARGS__ } })

/* Code at 0x1000 to 0x1fff, 0x100 for each function; w's registers are those of its leaf, RIP at 0x1010. */
static void use_table(uint64_t rsp)
{
	w.unwind[0].nr_pages = 1;
	w.rip = 0x1010;
	w.rsp = rsp;
	w.has_rsp = 1;
	w.rbp = 0xdeadbeef; /* no frame pointer */
}

static void word(uint64_t gva, uint64_t value)
{
	put64(gva - STACK_VA + STACK_PA, value);
}

static void assert_frames(enum ukp_stop stop, uint8_t methods, unsigned int nr, ...)
{
	unsigned int i;
	va_list ap;

	walk();
	assert_int_equal(w.stop, stop);
	assert_int_equal(w.methods, methods);
	assert_int_equal(w.nr_frames, nr);
	va_start(ap, nr);
	for (i = 0; i < nr; i++)
		assert_int_equal(w.frames[i], va_arg(ap, uint64_t));
	va_end(ap);
	assert_int_equal(w.frames[UKP_MAX_FRAMES], 0xa5a5a5a5a5a5a5a5);
}

#define A(x) ((uint64_t)(x))

/* A leaf without a frame, a function with a large one, one that saved RBP deep in it, one that uses RBP, the root. */
static void put_five_functions(void)
{
	use_table(STACK_VA);
	ROW(0x1000, 0x10ff, .cfa = UKP_CFA_RSP, .cfa_offset = 8, .ra_offset = -8);
	ROW(0x1100, 0x11ff, .cfa = UKP_CFA_RSP, .cfa_offset = 0x400, .ra_offset = -8);
	ROW(0x1200, 0x12ff, .cfa = UKP_CFA_RSP, .cfa_offset = 0x30, .ra_offset = -8, .rbp = UKP_RBP_AT_CFA, .rbp_offset = -0x20);
	ROW(0x1300, 0x13ff, .cfa = UKP_CFA_RBP, .cfa_offset = 16, .ra_offset = -8, .rbp = UKP_RBP_AT_CFA, .rbp_offset = -16);
	ROW(0x1400, 0x14ff, .cfa = UKP_CFA_END);
	word(STACK_VA, 0x1110);
	word(STACK_VA + 8 + 0x400 - 8, 0x1210);
	word(STACK_VA + 0x408 + 0x30 - 0x20, STACK_VA + 0x500);
	word(STACK_VA + 0x408 + 0x30 - 8, 0x1310);
	word(STACK_VA + 0x500, 0x1234567);
	word(STACK_VA + 0x508, 0x1410);
}

static void tables_find_all_callers(void **state)
{
	(void)state;
	put_five_functions();
	assert_frames(UKP_STOP_ROOT, UKP_BY_TABLE, 5, A(0x1010), A(0x1110), A(0x1210), A(0x1310), A(0x1410));
	assert_int_equal(nr_lookups, 5);
	/* One translation; three reads bring the five words, for two of them lie near others. */
	assert_int_equal(nr_reads, 4 + 3);
	/* No word above the root's frame is touched. */
	unreadable = HVA_BASE + STACK_PA + 0x1000;
	assert_frames(UKP_STOP_ROOT, UKP_BY_TABLE, 5, A(0x1010), A(0x1110), A(0x1210), A(0x1310), A(0x1410));
}

static void tables_lead_to_no_impossible_addresses(void **state)
{
	(void)state;
	put_five_functions();
	word(STACK_VA + 0x400, 0x175fcd6014dadbe);
	assert_frames(UKP_STOP_BADROW, UKP_BY_TABLE, 2, A(0x1010), A(0x1110));
	ROW(0x1100, 0x11ff, .cfa = UKP_CFA_NONE);
	nr_rows--;
	rows[1] = rows[nr_rows];
	w.rbp = STACK_VA + 0x400 - 8;
	assert_frames(UKP_STOP_NOROW, UKP_BY_TABLE, 2, A(0x1010), A(0x1110));
}

/* A call may be its function's last instruction: the return address is then another's. The leaf's is its own. */
static void return_addresses_are_looked_up_one_less(void **state)
{
	(void)state;
	put_five_functions();
	w.rip = 0x1000;
	word(STACK_VA, 0x1200);
	word(STACK_VA + 0x400, 0x1300);
	word(STACK_VA + 0x430, 0x1400);
	word(STACK_VA + 0x508, 0x1500);
	assert_frames(UKP_STOP_ROOT, UKP_BY_TABLE, 5, A(0x1000), A(0x1200), A(0x1300), A(0x1400), A(0x1500));
}

/* RSP is ahead of RIP by a PUSH, or by a POP; what stands in the return address's place is a stack address. */
static void half_done_instructions_are_seen_through(void **state)
{
	uint64_t s = STACK_VA + 0x10; /* the same stack a little higher, so that there is something below it */

	(void)state;
	put_five_functions();
	w.is_emulated = 1;
	word(s, 0x1110);
	word(s + 0x400, 0x1210);
	word(s + 0x418, STACK_VA + 0x500);
	word(s + 0x430, 0x1310);
	word(s - 8, STACK_VA + 0x500);
	w.rsp = s - 8;
	assert_frames(UKP_STOP_ROOT, UKP_BY_TABLE, 5, A(0x1010), A(0x1110), A(0x1210), A(0x1310), A(0x1410));
	word(s + 8, STACK_VA + 0x500);
	w.rsp = s + 8;
	assert_frames(UKP_STOP_ROOT, UKP_BY_TABLE, 5, A(0x1010), A(0x1110), A(0x1210), A(0x1310), A(0x1410));
	/* Code that is in no table may well call: its address stays where nothing better is near. */
	w.rsp = s;
	word(s, 0x99910);
	word(s - 8, 0);
	walk();
	assert_int_equal(w.frames[1], 0x99910);
	/* Where a processor runs the guest there are no half-done instructions. */
	w.is_emulated = 0;
	w.rsp = s + 8;
	word(s, 0x1110);
	walk();
	assert_int_equal(w.frames[1], STACK_VA + 0x500);
}

static void interrupted_code_is_looked_up_as_it_is(void **state)
{
	(void)state;
	put_five_functions();
	/* The leaf is an interrupt handler on its own stack; it hit the first instruction of a function. */
	nr_rows = 0;
	ROW(0x1000, 0x10ff, .cfa = UKP_CFA_RSP, .cfa_offset = 48, .ra_offset = -40, .rsp_offset = -16,
	    .rbp = UKP_RBP_AT_CFA, .rbp_offset = -48, .flags = UKP_UNWIND_SIGNAL | UKP_UNWIND_SAVES_SP);
	ROW(0x1200, 0x12ff, .cfa = UKP_CFA_RSP, .cfa_offset = 8, .ra_offset = -8);
	ROW(0x1300, 0x13ff, .cfa = UKP_CFA_RBP, .cfa_offset = 16, .ra_offset = -8);
	ROW(0x1400, 0x14ff, .cfa = UKP_CFA_END);
	w.rsp = STACK_VA + 0x2000;
	word(STACK_VA + 0x2000, STACK_VA + 0x500); /* RBP */
	word(STACK_VA + 0x2008, 0x1200);	   /* RIP */
	word(STACK_VA + 0x2020, STACK_VA + 0x200); /* RSP: below the handler's */
	word(STACK_VA + 0x200, 0x1310);
	assert_frames(UKP_STOP_ROOT, UKP_BY_TABLE, 4, A(0x1010), A(0x1201), A(0x1310), A(0x1410));
}

static void aligned_stacks_are_followed(void **state)
{
	(void)state;
	use_table(STACK_VA);
	w.rbp = STACK_VA + 0x100;
	ROW(0x1000, 0x10ff, .cfa = UKP_CFA_AT_RBP, .cfa_offset = -8, .ra_offset = -8, .rbp = UKP_RBP_AT_RBP);
	ROW(0x1100, 0x11ff, .cfa = UKP_CFA_AT_RSP, .cfa_offset = 0x10, .ra_offset = -8);
	ROW(0x1200, 0x12ff, .cfa = UKP_CFA_RBP, .cfa_offset = 16, .ra_offset = -8);
	ROW(0x1300, 0x13ff, .cfa = UKP_CFA_END);
	word(STACK_VA + 0xf8, STACK_VA + 0x150);
	word(STACK_VA + 0x100, STACK_VA + 0x300);
	word(STACK_VA + 0x148, 0x1110);
	word(STACK_VA + 0x160, STACK_VA + 0x200);
	word(STACK_VA + 0x1f8, 0x1210);
	word(STACK_VA + 0x308, 0x1310);
	assert_frames(UKP_STOP_ROOT, UKP_BY_TABLE, 4, A(0x1010), A(0x1110), A(0x1210), A(0x1310));
}

static void code_without_rows_goes_by_the_frame_pointer(void **state)
{
	(void)state;
	put_five_functions();
	/* 0x1110 is in assembler that has a frame but no row; its caller is in the table again. */
	rows[1].first = rows[1].last = 0;
	w.rbp = STACK_VA + 0x3f8;
	word(STACK_VA + 0x3f8, 0x777);
	assert_frames(UKP_STOP_ROOT, UKP_BY_TABLE | UKP_BY_FP, 5, A(0x1010), A(0x1110), A(0x1210), A(0x1310), A(0x1410));
	/* Nothing has a row: as without a table. */
	nr_rows = 0;
	w.rbp = STACK_VA;
	chain(3, 0);
	assert_frames(UKP_STOP_ROOT, UKP_BY_FP, 4, A(0x1010), A(0x1000), A(0x1001), A(0x1002));
}

static void what_is_no_frame_pointer_is_not_followed(void **state)
{
	static const uint64_t bad[] = { 0xdeadbeef, STACK_VA + 4, 0x8000000000000000, UINT64_MAX - 7, STACK_VA - 8, 8 };
	size_t i;

	(void)state;
	put_five_functions();
	rows[1].first = rows[1].last = 0;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		w.rbp = bad[i];
		assert_frames(UKP_STOP_NOROW, UKP_BY_TABLE, 2, A(0x1010), A(0x1110));
	}
	/* An outermost function without a row has RBP 0, by the ABI. */
	w.rbp = 0;
	assert_frames(UKP_STOP_ROOT, UKP_BY_TABLE, 2, A(0x1010), A(0x1110));
	w.rbp = STACK_VA + 0x100000;
	assert_frames(UKP_STOP_UNMAPPED, UKP_BY_TABLE, 2, A(0x1010), A(0x1110));
}

static void rules_that_can_not_be_followed(void **state)
{
	(void)state;
	put_five_functions();
	rows[1].rule.cfa = UKP_CFA_UNSUPPORTED;
	assert_frames(UKP_STOP_BADROW, UKP_BY_TABLE, 2, A(0x1010), A(0x1110));
	rows[1].rule.cfa = 200; /* whatever is in the map */
	assert_frames(UKP_STOP_BADROW, UKP_BY_TABLE, 2, A(0x1010), A(0x1110));

	/* A function that loses RBP; its caller needs it. */
	nr_rows = 0;
	put_five_functions();
	rows[2].rule.rbp = UKP_RBP_LOST;
	assert_frames(UKP_STOP_BADROW, UKP_BY_TABLE, 4, A(0x1010), A(0x1110), A(0x1210), A(0x1310));
	rows[3].rule.cfa = UKP_CFA_NONE;
	assert_frames(UKP_STOP_NOROW, UKP_BY_TABLE, 4, A(0x1010), A(0x1110), A(0x1210), A(0x1310));

	/* Places where no word can be. */
	nr_rows = 0;
	put_five_functions();
	rows[0].rule.cfa_offset = 12;
	assert_frames(UKP_STOP_BADROW, 0, 1, A(0x1010));
	w.rsp = 0x7ffffffffff8;
	rows[0].rule.cfa_offset = 0x18;
	assert_frames(UKP_STOP_BADROW, 0, 1, A(0x1010));
	w.rsp = STACK_VA + 0x200000;
	assert_frames(UKP_STOP_UNMAPPED, 0, 1, A(0x1010));
}

static void stacks_that_do_not_go_up_end(void **state)
{
	(void)state;
	put_five_functions();
	rows[0].rule.cfa_offset = 0;
	assert_frames(UKP_STOP_BACKWARDS, 0, 1, A(0x1010));
	rows[0].rule.cfa_offset = -8;
	assert_frames(UKP_STOP_BACKWARDS, 0, 1, A(0x1010));
	rows[0].rule.cfa_offset = 8;
	word(STACK_VA + 0x418, STACK_VA + 0x100); /* RBP of the fourth is below the third's frame */
	assert_frames(UKP_STOP_BACKWARDS, UKP_BY_TABLE, 4, A(0x1010), A(0x1110), A(0x1210), A(0x1310));
}

static void return_address_0_ends_a_table_walk(void **state)
{
	(void)state;
	put_five_functions();
	word(STACK_VA + 0x430, 0);
	assert_frames(UKP_STOP_ROOT, UKP_BY_TABLE, 3, A(0x1010), A(0x1110), A(0x1210));
}

/* On Intel. One frame later RSP is known. */
static void without_rsp_the_leaf_goes_by_the_frame_pointer(void **state)
{
	(void)state;
	put_five_functions();
	w.has_rsp = 0;
	w.rsp = 0x1111;
	w.rbp = STACK_VA + 0x3f8;
	word(STACK_VA + 0x400, 0x1210);
	assert_frames(UKP_STOP_ROOT, UKP_BY_TABLE | UKP_BY_FP | UKP_BY_NO_RSP, 4, A(0x1010), A(0x1210), A(0x1310), A(0x1410));
	/* A row that counts from RBP needs no RSP. */
	w.rip = 0x1310;
	w.rbp = STACK_VA + 0x500;
	assert_frames(UKP_STOP_ROOT, UKP_BY_TABLE, 2, A(0x1310), A(0x1410));
	/* RBP is used for something else: an odd number, 0, a place on the stack without a frame. */
	w.rip = 0x1010;
	w.rbp = 0x123;
	assert_frames(UKP_STOP_NORSP, UKP_BY_NO_RSP, 1, A(0x1010));
	w.rbp = 0;
	assert_frames(UKP_STOP_NORSP, UKP_BY_NO_RSP, 1, A(0x1010));
	w.rbp = STACK_VA + 0x3f8;
	word(STACK_VA + 0x400, 0x5555);
	assert_frames(UKP_STOP_NORSP, UKP_BY_NO_RSP, 1, A(0x1010));
	word(STACK_VA + 0x400, 0);
	assert_frames(UKP_STOP_NORSP, UKP_BY_NO_RSP, 1, A(0x1010));
}

static void depth_by_table_is_exact(void **state)
{
	unsigned int nr, i;

	(void)state;
	use_table(STACK_VA);
	ROW(0x1000, 0x10ff, .cfa = UKP_CFA_RSP, .cfa_offset = 24, .ra_offset = -8);
	ROW(0x1400, 0x14ff, .cfa = UKP_CFA_END);
	for (nr = 125; nr <= 129; nr++) {
		for (i = 0; i < nr; i++)
			word(STACK_VA + 24 * i + 16, i + 1 < nr ? 0x1010 : 0x1410);
		walk();
		assert_int_equal(w.stop, nr <= 126 ? UKP_STOP_ROOT : UKP_STOP_DEPTH);
		assert_int_equal(w.nr_frames, nr <= 126 ? nr + 1 : 127);
		assert_int_equal(w.frames[126], nr < 126 ? 0xa5a5a5a5a5a5a5a5 : nr == 126 ? 0x1410 : 0x1010);
		assert_int_equal(w.frames[UKP_MAX_FRAMES], 0xa5a5a5a5a5a5a5a5);
		assert_true(nr_reads <= 127 / 10 + 6);
	}
}

static void the_last_word_before_an_unmapped_page(void **state)
{
	(void)state;
	put_five_functions();
	nr_rows = 0;
	ROW(0x1000, 0x10ff, .cfa = UKP_CFA_RSP, .cfa_offset = 8, .ra_offset = -8);
	w.rsp = STACK_VA + 0xfff8;
	word(w.rsp, 0x1510);
	w.rbp = 0;
	assert_frames(UKP_STOP_ROOT, UKP_BY_TABLE, 2, A(0x1010), A(0x1510));
}

static void a_page_that_is_not_resident_ends_a_table_walk(void **state)
{
	(void)state;
	put_five_functions();
	rows[1].rule.cfa_offset = 0x1400;
	unreadable = HVA_BASE + STACK_PA + 0x1000;
	assert_frames(UKP_STOP_NOTRESIDENT, UKP_BY_TABLE, 2, A(0x1010), A(0x1110));
}

/* --- interrupt frames that no row tells of --- */

#define CODE_LEN 0x10000 /* what nr_pages 1 is, from base 0 on */

/* What the processor pushes: RIP, CS, RFLAGS, RSP, SS from @at on. */
static void interrupt_frame(uint64_t at, uint64_t rip, uint64_t rsp)
{
	const uint64_t words[] = { rip, 8, 0x246, rsp, 0x10 };
	size_t i;

	for (i = 0; i < 5; i++)
		word(at + 8 * i, words[i]);
}

/*
 * A handler 0x1000 that a stub 0x1100 without a row has called; it has interrupted 0x1200 at its first instruction, which
 * 0x1310 has called. @room: bytes between what the stub was called with and the frame.
 */
static uint64_t put_stub(uint64_t room)
{
	uint64_t at = STACK_VA + 8 + room;
	uint64_t i;

	use_table(STACK_VA);
	nr_rows = 0;
	ROW(0x1000, 0x10ff, .cfa = UKP_CFA_RSP, .cfa_offset = 8, .ra_offset = -8);
	ROW(0x1100, 0x11ff, .cfa = UKP_CFA_INTERRUPT);
	ROW(0x1200, 0x12ff, .cfa = UKP_CFA_RSP, .cfa_offset = 8, .ra_offset = -8);
	ROW(0x1300, 0x13ff, .cfa = UKP_CFA_END);
	for (i = 0; i < 0x4000; i += 8)
		word(STACK_VA + i, 0x1010);
	word(STACK_VA, 0x1110);
	interrupt_frame(at, 0x1200, at + 40);
	word(at + 40, 0x1310);
	return at;
}

#define BY_FRAME     (UKP_BY_TABLE | UKP_BY_FRAME)
#define FRAMES_OF_IT A(0x1010), A(0x1110), A(0x1201), A(0x1310)

static void an_interrupt_frame_is_found_by_its_layout(void **state)
{
	uint64_t room, at;

	(void)state;
	/* Frames end at multiples of 16, and stand 8 bytes above STACK_VA and more: all distances there are. */
	for (room = 0; room < 13 * UKP_WINDOW - 40; room += 16) {
		at = put_stub(room);
		assert_frames(UKP_STOP_ROOT, BY_FRAME | (room > 160 ? UKP_BY_WEAK : 0), 4, FRAMES_OF_IT);
		assert_true(nr_reads <= 4 + 4 + room / 128);
		/* The stack was aligned first. */
		interrupt_frame(at, 0x1200, at + 48);
		word(at + 40, 0xbad);
		word(at + 48, 0x1310);
		assert_frames(UKP_STOP_ROOT, BY_FRAME | (room > 160 ? UKP_BY_WEAK : 0), 4, FRAMES_OF_IT);
	}
	/* On two pages, the guest's neighbours and nobody else's. */
	w.rsp = STACK_VA + 0xf90;
	word(w.rsp, 0x1110);
	map(STACK_VA + 0x1000, STACK_PA + 0x9000, 1);
	for (at = STACK_VA + 0xf98; at < STACK_VA + 0x1000; at += 8)
		word(at, 0);
	at = STACK_VA + 0xfe8;
	interrupt_frame(at, 0x1200, at + 40);
	word(at + 24, 0);
	word(at + 32, 0x11);
	put64(STACK_PA + 0x9000, at + 40);
	put64(STACK_PA + 0x9008, 0x10);
	put64(STACK_PA + 0x9010, 0x1310);
	assert_frames(UKP_STOP_ROOT, BY_FRAME, 4, FRAMES_OF_IT);
}

static void the_leaf_may_be_the_stub_itself(void **state)
{
	uint64_t at = put_stub(0x40);

	(void)state;
	for (w.rsp = at; w.rsp >= STACK_VA + 8; w.rsp -= 8) {
		w.rip = 0x1100;
		assert_frames(UKP_STOP_ROOT, BY_FRAME, 3, A(0x1100), A(0x1201), A(0x1310));
	}
	/* It is about to go back: what is above is the interrupted code's. */
	w.rsp = at + 8;
	walk();
	assert_int_equal(w.nr_frames, 1);
	assert_int_equal(w.stop, UKP_STOP_NOROW);
}

static void interrupts_may_come_from_another_stack(void **state)
{
	static const uint64_t flags[] = { 0x2, 0x246, 0x10246, 0x3d7fd7 };
	uint64_t at = put_stub(0x40), other = STACK_VA + 0x8000;
	size_t i;

	(void)state;
	interrupt_frame(at, 0x1200, other);
	word(other, 0x1310);
	assert_frames(UKP_STOP_ROOT, BY_FRAME, 4, FRAMES_OF_IT);
	/* From ring 3, and with SS 0 from ring 0. */
	word(at + 8, 0x33);
	word(at + 32, 0x2b);
	assert_frames(UKP_STOP_ROOT, BY_FRAME, 4, FRAMES_OF_IT);
	word(at + 8, 8);
	word(at + 32, 0);
	assert_frames(UKP_STOP_ROOT, BY_FRAME, 4, FRAMES_OF_IT);
	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		word(at + 16, flags[i]);
		assert_frames(UKP_STOP_ROOT, BY_FRAME, 4, FRAMES_OF_IT);
	}
}

/* A handler of the kernel, and an application of an image of its own. */
static void interrupts_may_hit_another_image(void **state)
{
	uint64_t at = put_stub(0x40), app = 0x100000001200;

	(void)state;
	interrupt_frame(at, app, at + 40);
	rows[2].first = rows[2].last = app;
	assert_frames(UKP_STOP_NOROW, UKP_BY_TABLE, 2, A(0x1010), A(0x1110));
	w.unwind[UKP_MAX_TABLES - 1] = (struct ukp_unwind_image){ .base = app & ~0xffffull, .nr_pages = 1 };
	assert_frames(UKP_STOP_ROOT, BY_FRAME, 4, A(0x1010), A(0x1110), app + 1, A(0x1310));
}

/* Every word that is no such word is enough to see that it is no frame. */
static void what_is_no_interrupt_frame_is_not_taken(void **state)
{
	static const struct {
		unsigned int index;
		uint64_t value;
	} bad[] = {
		{ 0, CODE_LEN },	  { 0, UINT64_MAX },	  { 0, STACK_VA },	/* RIP */
		{ 1, 0 },	     { 1, 3 },		  { 1, 9 },		  { 1, 0x0c },		/* CS */
		{ 1, 0x0b },	     { 1, 0x108 },	  { 1, 0x8000000000000008 },			/* of another ring than SS */
		{ 2, 0 },	     { 2, 0x244 },	  { 2, 0x24e },		  { 2, 0x266 },		/* RFLAGS */
		{ 2, 0x8246 },	     { 2, 0x20246 },	  { 2, 0x400246 },	  { 2, 0x100000246 },
		{ 3, 0 },	     { 3, STACK_VA + 8 },	  { 3, STACK_VA + 0x48 }, { 3, STACK_VA + 0x74 }, /* RSP */
		{ 3, 0x800000000000 }, { 3, UINT64_MAX - 7 + 1 },
		{ 4, 0x11 },	     { 4, 0x13 },	  { 4, 0x14 },		  { 4, 0x110 },		/* SS */
	};
	uint64_t at;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		at = put_stub(0x40);
		word(at + 8 * bad[i].index, bad[i].value);
		assert_frames(UKP_STOP_NOROW, UKP_BY_TABLE, 2, A(0x1010), A(0x1110));
	}
	/* Nor where the processor would not have put it. */
	put_stub(0x48);
	assert_frames(UKP_STOP_NOROW, UKP_BY_TABLE, 2, A(0x1010), A(0x1110));
	/* Or farther away than any stub's. */
	put_stub(13 * UKP_WINDOW + 8);
	assert_frames(UKP_STOP_NOROW, UKP_BY_TABLE, 2, A(0x1010), A(0x1110));
	/* Code without a stub has no interrupt frame, whatever the stack holds. */
	put_stub(0x40);
	rows[1].rule.cfa = UKP_CFA_NONE;
	assert_frames(UKP_STOP_NOROW, UKP_BY_TABLE, 2, A(0x1010), A(0x1110));
}

static void a_stub_with_a_frame_pointer_is_followed_by_it(void **state)
{
	(void)state;
	put_stub(0x48);
	w.rbp = STACK_VA + 0x100;
	word(w.rbp, 0);
	word(w.rbp + 8, 0x1310);
	assert_frames(UKP_STOP_ROOT, UKP_BY_TABLE | UKP_BY_FP, 3, A(0x1010), A(0x1110), A(0x1310));
}

/* The handler has kept RBP; the stub may have used it for itself. */
static void rbp_is_the_interrupted_codes(void **state)
{
	uint64_t at = put_stub(0x40);

	(void)state;
	rows[2].rule = (struct ukp_unwind_rule){ .cfa = UKP_CFA_RBP, .cfa_offset = 16, .ra_offset = -8 };
	w.rbp = at + 0x100;
	word(at + 0x108, 0x1310);
	assert_frames(UKP_STOP_ROOT, BY_FRAME, 4, FRAMES_OF_IT);
	for (w.rbp = STACK_VA + 8; w.rbp < at + 40; w.rbp += 8)
		assert_frames(UKP_STOP_BADROW, BY_FRAME, 3, A(0x1010), A(0x1110), A(0x1201));
}

/* Interrupts in interrupts, on a stack in a circle: as many as are seen through, at what they may cost. */
static void nested_interrupts_are_bounded(void **state)
{
	uint64_t at, k;

	(void)state;
	put_stub(0x40);
	for (k = 0; k < 20; k++) {
		at = STACK_VA + 0x48 + 0x40 * k;
		interrupt_frame(at, 0x1100, at + 40);
		word(at - 8, 0);
		word(at - 16, 0);
	}
	walk();
	assert_int_equal(w.stop, UKP_STOP_NOROW);
	assert_int_equal(w.nr_frames, 2 + UKP_INTERRUPTS);
	/* Two stacks that lead to each other, each search as long as can be. */
	put_stub(0x40);
	interrupt_frame(STACK_VA + 0xa48, 0x1100, STACK_VA + 0x2000);
	for (k = 0x2000; k < 0x4000; k += 8)
		word(STACK_VA + k, 0x1010);
	interrupt_frame(STACK_VA + 0x2c08, 0x1100, STACK_VA + 8);
	interrupt_frame(STACK_VA + 0x48, 0, 0);
	walk();
	assert_int_equal(w.stop, UKP_STOP_NOROW);
	assert_int_equal(w.nr_frames, 2 + UKP_INTERRUPTS);
	assert_true(w.methods & UKP_BY_WEAK);
	assert_true(nr_reads <= 8 * 2 * UKP_INTERRUPT_PIECES);
}

static void a_stub_whose_stack_can_not_be_read(void **state)
{
	(void)state;
	put_stub(0x40);
	w.rip = 0x1100;
	w.rsp = STACK_VA + 0x100000;
	assert_frames(UKP_STOP_NOROW, 0, 1, A(0x1100));
	w.rsp = STACK_VA + 0x10000 - 16; /* it ends before a frame does */
	assert_frames(UKP_STOP_NOROW, 0, 1, A(0x1100));
	w.rsp = 0x7fffffffffe8;
	assert_frames(UKP_STOP_NOROW, 0, 1, A(0x1100));
	w.rsp = UINT64_MAX - 7;
	assert_frames(UKP_STOP_NOROW, 0, 1, A(0x1100));
	w.rsp = STACK_VA + 4;
	assert_frames(UKP_STOP_NOROW, 0, 1, A(0x1100));
	w.rsp = STACK_VA;
	unreadable = HVA_BASE + STACK_PA;
	assert_frames(UKP_STOP_NOROW, 0, 1, A(0x1100));
}

static uint64_t rng = 0x853c49e6748fea9bull;

static uint64_t rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

/* --- without RSP --- */

#define CODE_PA 0x300000ull
#define STACK2	(STACK_VA + 0x8000) /* a second stack */

static void code(uint64_t gva, const char *bytes, size_t len)
{
	memcpy(ram + CODE_PA + gva - 0x1000, bytes, len);
}

/* A call of @to whose return address is @ret. */
static void call(uint64_t ret, uint64_t to)
{
	int32_t rel = to - ret;
	char bytes[5] = { (char)0xe8 };

	memcpy(bytes + 1, &rel, 4);
	code(ret - 5, bytes, 5);
}

#define FUNCTION(from, offset) \
	ROW(from, (from) + 0xff, .cfa = UKP_CFA_RSP, .cfa_offset = offset, .ra_offset = -8, .flags = UKP_UNWIND_ENTRY)

/*
 * The root 0x1400 calls 0x1300, that 0x1200, that 0x1100, that the leaf 0x1000: frames of 0x400, 0x30, 0x20 and, of the
 * leaf, 0x18 bytes with the return address. The leaf's stands at @slot. RIP is in the leaf; RSP is not known.
 */
static void put_calls(uint64_t slot)
{
	uint64_t i;

	nr_rows = 0;
	for (i = 0; i < 4; i++)
		map(0x1000 + 4096 * i, CODE_PA + 4096 * i, 1);
	FUNCTION(0x1000, 0x18);
	FUNCTION(0x1100, 0x400);
	FUNCTION(0x1200, 0x30);
	FUNCTION(0x1300, 0x20);
	ROW(0x1400, 0x14ff, .cfa = UKP_CFA_END);
	call(0x1110, 0x1000);
	call(0x1210, 0x1100);
	call(0x1310, 0x1200);
	call(0x1410, 0x1300);
	word(slot, 0x1110);
	word(slot + 0x400, 0x1210);
	word(slot + 0x430, 0x1310);
	word(slot + 0x450, 0x1410);
	w.unwind[0].nr_pages = 1;
	w.rip = 0x1010;
	w.rsp = 0x123456;
	w.rbp = 0xdeadbeef;
	w.is_alone = 1;
	memset(&w.stacks, 0, sizeof(w.stacks));
	memset(w.regs, 0, sizeof(w.regs));
}

/* The dearest sample: all tries, all pages of the search, none of them on the page translated last. */
#define MAX_RECOVER_READS 60000

static void recover(void)
{
	memset(w.frames, 0xa5, sizeof(w.frames));
	w.stop = UKP_STOP_MAX;
	nr_reads = 0;
	ukp_walk_stack(&w, 1);
	assert_true(nr_reads <= MAX_RECOVER_READS);
	assert_true(w.nr_frames <= UKP_MAX_FRAMES);
	assert_int_equal(w.frames[UKP_MAX_FRAMES], 0xa5a5a5a5a5a5a5a5);
}

static void assert_recovered(uint8_t methods, unsigned int nr, ...)
{
	unsigned int i;
	va_list ap;

	recover();
	assert_int_equal(w.methods, methods);
	assert_int_equal(w.nr_frames, nr);
	assert_int_equal(w.stop, nr > 1 ? UKP_STOP_ROOT : UKP_STOP_NORSP);
	va_start(ap, nr);
	for (i = 0; i < nr; i++)
		assert_int_equal(w.frames[i], va_arg(ap, uint64_t));
	va_end(ap);
}

#define PROVEN	  (UKP_BY_TABLE | UKP_BY_RECOVERED)
#define WEAK	  (UKP_BY_TABLE | UKP_BY_WEAK)
#define ALL_CALLS A(0x1010), A(0x1110), A(0x1210), A(0x1310), A(0x1410)

static void a_slot_is_proven_by_its_calls(void **state)
{
	uint64_t slot = STACK_VA + 0x2008;

	(void)state;
	put_calls(slot);
	w.stacks.slots[0] = slot;
	assert_recovered(PROVEN, 5, ALL_CALLS);
	/* It knows where RSP is, too: the callers are looked up from there. */
	assert_int_equal(w.tried, slot);
	/* Around the former one. */
	w.stacks.slots[0] = slot + 0x1f0;
	assert_recovered(PROVEN, 5, ALL_CALLS);
	assert_int_equal(w.stacks.slots[0], slot);
	/* By RBP, as a frame pointer and as anything else that points to the stack. */
	memset(&w.stacks, 0, sizeof(w.stacks));
	w.rbp = slot + 0x3f8;
	assert_recovered(PROVEN, 5, ALL_CALLS);
	/* By another register. */
	memset(&w.stacks, 0, sizeof(w.stacks));
	w.rbp = 1;
	w.regs[12] = slot + 3;
	assert_recovered(PROVEN, 5, ALL_CALLS);
	/* By the search through the image's data. */
	memset(&w.stacks, 0, sizeof(w.stacks));
	memset(w.regs, 0, sizeof(w.regs));
	w.unwind[0].data = STACK_VA - 0x100000;
	w.unwind[0].data_len = 0x110000;
	recover();
	assert_int_equal(w.nr_frames, 1);
	assert_int_equal(w.methods, UKP_BY_NO_RSP);
	while (w.nr_frames == 1 && w.stacks.nr_misses < 300)
		recover();
	assert_int_equal(w.stacks.nr_misses, 0);
	assert_recovered(PROVEN, 5, ALL_CALLS);
	/* From then on it is one read of the slot, and what the frames take. */
	assert_true(nr_reads < 40);
}

/* The walk of an exit: as without the means. */
static void what_never_recovers_does_not(void **state)
{
	(void)state;
	put_calls(STACK_VA + 0x2008);
	w.stacks.slots[0] = STACK_VA + 0x2008;
	nr_reads = 0;
	ukp_walk_stack(&w, 0);
	assert_int_equal(w.methods, UKP_BY_NO_RSP);
	assert_int_equal(w.nr_frames, 1);
	assert_int_equal(w.stop, UKP_STOP_NORSP);
	assert_int_equal(nr_reads, 0);
}

/* The remains of a handler whose interrupt is over, and nothing tells what else there was. */
static void an_interrupt_entry_proves_nothing(void **state)
{
	uint64_t slot = STACK_VA + 0x2008;

	(void)state;
	put_calls(slot);
	w.stacks.slots[0] = slot;
	rows[3].rule = (struct ukp_unwind_rule){ .cfa = UKP_CFA_INTERRUPT };
	/* RBP 0 is that of an outermost function. */
	w.rbp = 0;
	assert_recovered(WEAK, 4, A(0x1010), A(0x1110), A(0x1210), A(0x1310));
	w.rbp = 1;
	recover();
	assert_int_equal(w.stop, UKP_STOP_NOROW);
	assert_int_equal(w.methods, WEAK);
	/* With the frame it is as good as another, if there is no rival. */
	word(slot + 0x450, 0x1450);
	interrupt_frame(slot + 0x460, 0x1410, slot + 0x488);
	assert_recovered(PROVEN | UKP_BY_FRAME, 5, A(0x1010), A(0x1110), A(0x1210), A(0x1310), A(0x1411));
}

/* All calls to all of it: what the search goes through is not there at all, and ends. */
static void a_stack_that_is_nowhere(void **state)
{
	unsigned int most = 0, i;

	(void)state;
	put_calls(STACK_VA);
	w.stacks.slots[0] = STACK_VA + 0x800000;
	w.rbp = 0;
	for (i = 0; i < 600; i++) {
		assert_recovered(UKP_BY_NO_RSP, 1, A(0x1010));
		assert_int_equal(w.stacks.nr_misses, i + 1);
		most = nr_reads > most ? nr_reads : most;
		/* After a while in vain only some samples search. */
		if (i > 300 && (i & 15))
			assert_true(nr_reads < 100);
	}
	assert_true(most < 3000);
	/* Nothing but the stack is missing: unmapped in the guest, not resident in the VMM. */
	w.stacks.slots[0] = STACK_VA;
	unreadable = HVA_BASE + STACK_PA;
	assert_recovered(UKP_BY_NO_RSP, 1, A(0x1010));
	unreadable = 0;
	put64(map(STACK_VA, STACK_PA, 1), 0);
	assert_recovered(UKP_BY_NO_RSP, 1, A(0x1010));
}

/* FF /2 as an assembler writes it, at the end of eight bytes. */
static void every_form_of_an_indirect_call(void **state)
{
	static const struct {
		uint8_t len;
		uint8_t bytes[8];
	} calls[] = {
		{ 2, { 0xff, 0xd0 } },				   /* call *%rax */
		{ 3, { 0x41, 0xff, 0xd7 } },			   /* call *%r15 */
		{ 2, { 0xff, 0x10 } },				   /* call *(%rax) */
		{ 4, { 0x41, 0xff, 0x14, 0x24 } },		   /* call *(%r12) */
		{ 3, { 0xff, 0x53, 0x18 } },			   /* call *0x18(%rbx) */
		{ 4, { 0xff, 0x54, 0x24, 0x08 } },		   /* call *8(%rsp) */
		{ 3, { 0xff, 0x14, 0xc8 } },			   /* call *(%rax,%rcx,8) */
		{ 7, { 0xff, 0x14, 0xc5, 0x00, 0x20, 0x10, 0x00 } }, /* call *0x102000(,%rax,8) */
		{ 7, { 0xff, 0x94, 0xc3, 0x00, 0x01, 0x00, 0x00 } }, /* call *0x100(%rbx,%rax,8) */
		{ 6, { 0xff, 0x93, 0x00, 0x01, 0x00, 0x00 } },	   /* call *0x100(%rbx) */
		{ 6, { 0xff, 0x15, 0x00, 0x01, 0x00, 0x00 } },	   /* call *0x100(%rip) */
	}, others[] = {
		{ 2, { 0xff, 0xe0 } },				   /* jmp *%rax */
		{ 2, { 0xff, 0xc0 } },				   /* inc %eax */
		{ 3, { 0xff, 0x73, 0x18 } },			   /* push 0x18(%rbx) */
		{ 6, { 0xff, 0x25, 0x00, 0x01, 0x00, 0x00 } },	   /* jmp *0x100(%rip) */
		{ 5, { 0xb8, 0x01, 0x02, 0x03, 0x04 } },	   /* mov $0x4030201,%eax */
		{ 1, { 0xc3 } },
	};
	uint64_t bytes;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		bytes = 0x9090909090909090;
		memcpy((uint8_t *)&bytes + 8 - calls[i].len, calls[i].bytes, calls[i].len);
		assert_true(ukp_is_indirect_call(bytes));
	}
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		bytes = 0x9090909090909090;
		memcpy((uint8_t *)&bytes + 8 - others[i].len, others[i].bytes, others[i].len);
		assert_false(ukp_is_indirect_call(bytes));
	}
}

static void a_leaf_that_is_called_indirectly_is_weak(void **state)
{
	(void)state;
	put_calls(STACK_VA + 0x2008);
	w.stacks.slots[0] = STACK_VA + 0x2008;
	code(0x1110 - 5, "\x90\x90\x90\xff\xd0", 5);
	assert_recovered(WEAK, 5, ALL_CALLS);
	/* So is one whose beginning is not known, as that of a part moved away from its function. */
	call(0x1110, 0x1000);
	rows[0].rule.flags = 0;
	assert_recovered(WEAK, 5, ALL_CALLS);
	rows[0].rule.flags = UKP_UNWIND_ENTRY;
	assert_recovered(PROVEN, 5, ALL_CALLS);
}

/* One in the middle proves nothing of what is below; the chain stands as long as no other does. */
static void an_indirect_call_on_the_way_allows_no_rival(void **state)
{
	uint64_t slot = STACK_VA + 0x2008;

	(void)state;
	put_calls(slot);
	w.stacks.slots[0] = slot;
	code(0x1310 - 5, "\x90\x90\x90\xff\xd0", 5);
	assert_recovered(PROVEN, 5, ALL_CALLS);
	/* The same indirect call has called 0x1500 before, and that the leaf, whose slot was lower. */
	FUNCTION(0x1500, 0x500);
	call(0x1510, 0x1000);
	word(slot + 0x430 - 0x500, 0x1510);
	w.stacks.slots[0] = slot;
	recover();
	assert_int_equal(w.methods, WEAK);
	w.stacks.slots[0] = slot + 0x430 - 0x500;
	recover();
	assert_int_equal(w.methods, WEAK);
}

/*
 * What a call before has left below: 0x1500 was called by 0x1300, too, and called the leaf from a deeper frame. Its
 * chain is whole but for the place where it meets the live frames: there is the return address of another call.
 */
static void old_stacks_below_are_not_taken(void **state)
{
	uint64_t slot = STACK_VA + 0x2008, old = slot + 0x430 - 0x600;

	(void)state;
	put_calls(slot);
	FUNCTION(0x1500, 0x600);
	call(0x1510, 0x1000);
	call(0x1320, 0x1500);
	word(old, 0x1510);
	w.stacks.slots[0] = old;
	assert_recovered(PROVEN, 5, ALL_CALLS);
	assert_int_equal(w.tried, slot);
	/* The old one is the only one that is seen: it may be true, if there are tail calls, but not for certain. */
	put_calls(slot);
	FUNCTION(0x1500, 0x600);
	call(0x1510, 0x1000);
	call(0x1320, 0x1500);
	w.stacks.slots[0] = old;
	word(slot, 0);
	recover();
	assert_int_equal(w.methods & (UKP_BY_RECOVERED | UKP_BY_TABLE), w.methods & UKP_BY_TABLE);
	/* Once it was live, it was proven. */
	word(slot + 0x430, 0x1320);
	assert_recovered(PROVEN, 4, A(0x1010), A(0x1510), A(0x1320), A(0x1410));
}

static void data_that_looks_like_a_return_address(void **state)
{
	uint64_t slot = STACK_VA + 0x2008, i;

	(void)state;
	put_calls(slot);
	/* Pointers into functions, none behind a call; calls of others; a call outside of the code; its operand. */
	for (i = 1; i < 40; i++)
		word(slot - 8 * i, 0x1000 + 0x31 * i % 0x400);
	code(0x1120 - 5, "\xe8\x00\x00\x00\x70", 5);
	word(slot - 0x10, 0x1120);
	word(slot - 0x18, 0x1210);
	word(slot - 0x20, 0x110f);
	w.stacks.slots[0] = slot - 0x40;
	assert_recovered(PROVEN, 5, ALL_CALLS);
	/* With nothing else there is nothing. */
	word(slot, 0x1234);
	recover();
	assert_int_equal(w.methods & UKP_BY_RECOVERED, 0);
}

/* Threads' stacks end with 0; so does an old chain that meets a variable of that value. */
static void a_return_address_of_0_is_half_an_end(void **state)
{
	uint64_t slot = STACK_VA + 0x2008;

	(void)state;
	put_calls(slot);
	w.stacks.slots[0] = slot;
	word(slot + 0x430, 0);
	assert_recovered(PROVEN, 3, A(0x1010), A(0x1110), A(0x1210));
	word(slot + 0x400, 0);
	assert_recovered(WEAK, 2, A(0x1010), A(0x1110));
	/* The old chain with a 0 on the way is lower than the live one, which ends as a stack does. */
	put_calls(slot);
	word(slot - 0x100, 0x1110);
	w.stacks.slots[0] = slot - 0x100;
	assert_recovered(PROVEN, 5, ALL_CALLS);
}

/* A call of the leaf, and above it no stack: the caller's own return address follows no call. */
static void one_good_frame_is_not_enough(void **state)
{
	uint64_t slot = STACK_VA + 0x2008;

	(void)state;
	put_calls(slot);
	w.stacks.slots[0] = slot;
	word(slot + 0x400, 0x1234);
	assert_recovered(UKP_BY_NO_RSP, 1, A(0x1010));
	word(slot + 0x400, STACK_VA);
	assert_recovered(UKP_BY_NO_RSP, 1, A(0x1010));
}

static void a_tail_call_is_weak(void **state)
{
	(void)state;
	put_calls(STACK_VA + 0x2008);
	w.stacks.slots[0] = STACK_VA + 0x2008;
	/* 0x1100 called 0x1500, which jumped to the leaf. */
	FUNCTION(0x1500, 8);
	call(0x1110, 0x1500);
	assert_recovered(WEAK, 5, ALL_CALLS);
	/* 0x1300 called 0x1500, which jumped to 0x1200. */
	call(0x1110, 0x1000);
	call(0x1310, 0x1500);
	assert_recovered(WEAK, 5, ALL_CALLS);
}

static void recursion_of_the_leaf_is_weak(void **state)
{
	uint64_t slot = STACK_VA + 0x2008;
	unsigned int i;

	(void)state;
	put_calls(slot);
	/* The leaf calls itself four times; where it is now is the lowest. */
	call(0x1020, 0x1000);
	for (i = 1; i <= 4; i++)
		word(slot - 0x18 * i, 0x1020);
	w.stacks.slots[0] = slot - 0x18 * 4;
	recover();
	assert_int_equal(w.methods, WEAK);
	assert_int_equal(w.stop, UKP_STOP_ROOT);
	/* Recursion of others is not. */
	w.rip = 0x1510;
	FUNCTION(0x1500, 8);
	call(0x1030, 0x1500);
	word(slot - 0x18 * 5, 0x1030);
	w.stacks.slots[0] = slot - 0x18 * 5;
	assert_recovered(PROVEN, 10, A(0x1510), A(0x1030), A(0x1020), A(0x1020), A(0x1020), A(0x1020), A(0x1110),
			 A(0x1210), A(0x1310), A(0x1410));
}

/* The same frames on a second stack, as two vCPUs or two threads have them. */
static void of_several_stacks_the_own_one_is_taken(void **state)
{
	uint64_t slot = STACK_VA + 0x2008, other = STACK2 + 0x1008;

	(void)state;
	put_calls(other);
	put_calls(slot);
	w.is_alone = 0;
	/* Nothing says whose they are. */
	w.stacks.slots[0] = other;
	assert_recovered(WEAK, 5, ALL_CALLS);
	/* A register points into one. */
	w.regs[3] = slot + 0x100;
	assert_recovered(PROVEN, 5, ALL_CALLS);
	assert_int_equal(w.tried, slot);
	/* It is remembered as the vCPU's own. */
	w.regs[3] = 0;
	assert_recovered(PROVEN, 5, ALL_CALLS);
	assert_int_equal(w.tried, slot);
	/* It is on the other one now: only that has the leaf's slot. */
	word(slot, 0);
	assert_recovered(WEAK, 5, ALL_CALLS);
	assert_int_equal(w.tried, other);
	w.regs[3] = other + 0x100;
	assert_recovered(PROVEN, 5, ALL_CALLS);
}

static void a_thread_that_waits_where_this_one_is_makes_it_weak(void **state)
{
	uint64_t slot = STACK_VA + 0x2008, other = STACK2 + 0x1008;

	(void)state;
	put_calls(other);
	put_calls(slot);
	w.stacks.slots[0] = slot;
	w.stacks.slots[1] = other;
	w.stacks.ends[1] = other + 0x458;
	assert_recovered(WEAK, 5, ALL_CALLS);
	w.stacks.slots[0] = slot;
	w.regs[3] = slot + 0x20;
	assert_recovered(PROVEN, 5, ALL_CALLS);
	/* The other one waits elsewhere. */
	w.regs[3] = 0;
	word(other, 0x1210);
	assert_recovered(PROVEN, 5, ALL_CALLS);
	assert_int_equal(w.tried, slot);
}

/* The leaf is called by an interrupt handler on a stack of its own; what was interrupted did not call. */
static void an_interrupt_on_the_way(void **state)
{
	uint64_t slot = STACK_VA + 0x2008, irq = STACK2 + 0x100;

	(void)state;
	put_calls(slot);
	ROW(0x1500, 0x15ff, .cfa = UKP_CFA_RSP, .cfa_offset = 48, .ra_offset = -40, .rsp_offset = -16,
	    .flags = UKP_UNWIND_SIGNAL | UKP_UNWIND_SAVES_SP | UKP_UNWIND_PART);
	call(0x1510, 0x1000);
	word(irq, 0x1510);
	word(irq + 8 + 8, 0x1250);			    /* RIP */
	word(irq + 8 + 48 - 16, slot + 0x400 + 8); /* RSP */
	word(slot, 0);
	w.stacks.slots[0] = irq;
	assert_recovered(PROVEN, 5, A(0x1010), A(0x1510), A(0x1251), A(0x1310), A(0x1410));
	/* The stub itself is the leaf: where it is on the stack nothing tells. */
	w.rip = 0x1520;
	assert_recovered(UKP_BY_NO_RSP, 1, A(0x1520));
}

/*
 * A stub that saves @nr registers and calls 0x1200, which leads to the leaf as in put_calls(): its code is at @stub, the
 * interrupt frame at @at. Returns the leaf's slot.
 */
static uint64_t put_handler(uint64_t stub, uint64_t at, uint64_t nr)
{
	uint64_t slot = at - 8 * nr - 8 - 0x430, k;

	ROW(stub, stub + 0xff, .cfa = UKP_CFA_INTERRUPT);
	call(stub + 0x10, 0x1200);
	word(slot, 0x1110);
	word(slot + 0x400, 0x1210);
	word(slot + 0x430, stub + 0x10);
	for (k = 1; k <= nr; k++)
		word(at - 8 * k, 0x1000 + k); /* pointers into code, none behind a call */
	return slot;
}

/* The last handler's frame and the one's before are the same; below it the one before may have saved more registers. */
static void remains_of_a_handler_have_a_later_one_in_them(void **state)
{
	uint64_t at = STACK_VA + 0x2488, old, slot, nr;

	(void)state;
	for (nr = 1; nr <= 20; nr++) {
		put_calls(STACK_VA + 0x5008);
		nr_rows = 3;
		ROW(0x1400, 0x14ff, .cfa = UKP_CFA_END);
		old = put_handler(0x1500, at, nr);
		slot = put_handler(0x1600, at, nr - 1);
		interrupt_frame(at, 0x1450, at + 40);
		w.stacks.slots[0] = old;
		assert_recovered(PROVEN | UKP_BY_FRAME, 5, A(0x1010), A(0x1110), A(0x1210), A(0x1610), A(0x1451));
		assert_int_equal(w.tried, slot);
		/* Tables may describe the older one's stub. */
		rows[4].rule = (struct ukp_unwind_rule){ .cfa = UKP_CFA_RSP, .cfa_offset = 8 * nr + 40, .ra_offset = -40,
			.rsp_offset = -16, .flags = UKP_UNWIND_SIGNAL | UKP_UNWIND_SAVES_SP | UKP_UNWIND_PART };
		w.stacks.slots[0] = old;
		assert_recovered(PROVEN | UKP_BY_FRAME, 5, A(0x1010), A(0x1110), A(0x1210), A(0x1610), A(0x1451));
		/* Alone it may be true, if the code had a return address in a register. */
		word(slot, 0);
		w.stacks.slots[0] = old;
		assert_recovered(WEAK, 5, A(0x1010), A(0x1110), A(0x1210), A(0x1510), A(0x1451));
		word(slot + 0x430, 0);
		assert_recovered(PROVEN, 5, A(0x1010), A(0x1110), A(0x1210), A(0x1510), A(0x1451));
	}
}

/* Interrupts' own stacks keep the last handler of each, however long ago it was. */
static void handlers_of_the_same_code_on_two_stacks(void **state)
{
	uint64_t at = STACK_VA + 0x2488, own = STACK2 + 0x1008, slot, other;
	unsigned int i;

	(void)state;
	put_calls(STACK_VA + 0x5008);
	word(at + 40 + 0x18, 0x1410);
	slot = put_handler(0x1500, at, 15);
	interrupt_frame(at, 0x1350, at + 40);
	other = put_handler(0x1600, own, 15);
	interrupt_frame(own, 0x1360, at + 40);
	for (i = 0; i < 4; i++) {
		w.stacks.slots[i & 1] = slot;
		w.stacks.slots[!(i & 1)] = other;
		w.regs[3] = 0;
		/* What is on the interrupted code's stack would have been written over since. */
		assert_recovered(WEAK | UKP_BY_FRAME, 6, A(0x1010), A(0x1110), A(0x1210), A(0x1510), A(0x1351), A(0x1410));
		/* A register says whose it is; not one that points to the interrupted code's. */
		w.regs[3] = i & 2 ? own - 0x40 : own + 0x20;
		assert_recovered(PROVEN | UKP_BY_FRAME, 6, A(0x1010), A(0x1110), A(0x1210), A(0x1610), A(0x1361), A(0x1410));
		w.regs[3] = slot + 0x20;
		assert_recovered(PROVEN | UKP_BY_FRAME, 6, A(0x1010), A(0x1110), A(0x1210), A(0x1510), A(0x1351), A(0x1410));
		w.regs[3] = at + 48;
		assert_recovered(WEAK | UKP_BY_FRAME, 6, A(0x1010), A(0x1110), A(0x1210), A(0x1510), A(0x1351), A(0x1410));
	}
	/* Where the other one is was not known before. */
	memset(&w.stacks, 0, sizeof(w.stacks));
	w.stacks.slots[0] = slot;
	w.rbp = own - 0x40;
	w.regs[5] = w.rbp;
	assert_recovered(PROVEN | UKP_BY_FRAME, 6, A(0x1010), A(0x1110), A(0x1210), A(0x1610), A(0x1361), A(0x1410));
	w.rbp = 1;
	w.regs[5] = 1;
	memset(&w.stacks, 0, sizeof(w.stacks));
	w.stacks.slots[0] = other;
	w.regs[3] = 0;
	assert_recovered(WEAK | UKP_BY_FRAME, 6, A(0x1010), A(0x1110), A(0x1210), A(0x1510), A(0x1351), A(0x1410));
	/* There is only one. */
	word(slot, 0);
	assert_recovered(PROVEN | UKP_BY_FRAME, 6, A(0x1010), A(0x1110), A(0x1210), A(0x1610), A(0x1361), A(0x1410));
}

/* A function was interrupted when it began, and has not filled its frame when it is interrupted again. */
static void a_handler_in_a_frame_that_was_not_filled(void **state)
{
	uint64_t top = STACK_VA + 0x3000, old, slot;

	(void)state;
	put_calls(STACK_VA + 0x5008);
	FUNCTION(0x1700, 8);
	rows[nr_rows - 1].last = 0x1703;
	ROW(0x1704, 0x17ff, .cfa = UKP_CFA_RSP, .cfa_offset = 0x708, .ra_offset = -8);
	call(0x1420, 0x1700);
	word(top, 0x1420);
	old = put_handler(0x1500, top - 40, 15);
	interrupt_frame(top - 40, 0x1702, top);
	slot = put_handler(0x1600, top - 0x700 - 40, 15);
	interrupt_frame(top - 0x700 - 40, 0x1720, top - 0x700);
	w.stacks.slots[0] = slot;
	assert_recovered(PROVEN | UKP_BY_FRAME, 6, A(0x1010), A(0x1110), A(0x1210), A(0x1610), A(0x1721), A(0x1420));
	/* Proven is none that is above another one. */
	w.stacks.slots[0] = old;
	recover();
	assert_int_equal(w.methods, WEAK | UKP_BY_FRAME);
	word(slot, 0);
	w.stacks.slots[0] = old;
	assert_recovered(PROVEN | UKP_BY_FRAME, 6, A(0x1010), A(0x1110), A(0x1210), A(0x1510), A(0x1703), A(0x1420));
}

static void a_call_across_two_pages(void **state)
{
	uint64_t slot = STACK_VA + 0x2008, ret;

	(void)state;
	for (ret = 0x1ffc; ret <= 0x200a; ret++) {
		put_calls(slot);
		ROW(0x1f00, 0x20ff, .cfa = UKP_CFA_RSP, .cfa_offset = 0x400, .ra_offset = -8,
		    .flags = UKP_UNWIND_ENTRY);
		call(ret, 0x1000);
		call(0x1210, 0x1f00);
		word(slot, ret);
		w.stacks.slots[0] = slot;
		assert_recovered(PROVEN, 5, A(0x1010), ret, A(0x1210), A(0x1310), A(0x1410));
		/* Pages of the guest need not be neighbours in the VMM. */
		put64(map(0x2000, 0x500000, 1), 0x500000 | P | 2);
		memcpy(ram + 0x500000, ram + CODE_PA + 0x1000, 4096);
		memset(ram + CODE_PA + 0x1000, 0x90, 4096);
		assert_recovered(PROVEN, 5, A(0x1010), ret, A(0x1210), A(0x1310), A(0x1410));
	}
}

/* No table at all: frame pointers, as ever. No row for the leaf alone: likewise. */
static void without_a_table_nothing_is_recovered(void **state)
{
	uint64_t slot = STACK_VA + 0x2008;

	(void)state;
	put_calls(slot);
	w.stacks.slots[0] = slot;
	w.rbp = 3;
	w.unwind[0].nr_pages = 0;
	recover();
	assert_int_equal(w.stop, UKP_STOP_BADFP);
	assert_int_equal(w.methods, 0);
	w.unwind[0].nr_pages = 1;
	rows[0].last = rows[0].first - 1;
	recover();
	assert_int_equal(w.stop, UKP_STOP_NOROW);
	assert_int_equal(w.nr_frames, 1);
	/* A caller without a row ends a stack; with two calls proven it is one. */
	put_calls(slot);
	w.stacks.slots[0] = slot;
	rows[2].last = rows[2].first - 1;
	recover();
	assert_int_equal(w.stop, UKP_STOP_NOROW);
	assert_int_equal(w.methods, PROVEN);
	assert_int_equal(w.nr_frames, 3);
	rows[1].last = rows[1].first - 1;
	recover();
	assert_int_equal(w.methods & UKP_BY_RECOVERED, 0);
}

/* Every page of the stack is the same one, and its words are calls of the leaf in a circle. */
static void memory_that_is_a_circle_is_bounded(void **state)
{
	uint64_t i;

	(void)state;
	put_calls(STACK_VA + 0x2008);
	for (i = 0; i < 0x1000000; i += 4096)
		map(STACK_VA + i, STACK_PA, 1);
	call(0x1020, 0x1000);
	rows[0].rule.cfa_offset = 8;
	for (i = 0; i < 4096; i += 8)
		word(STACK_VA + i, i & 8 ? 0x1020 : 0x1110);
	for (i = 0; i < 16; i++)
		w.regs[i] = STACK_VA + 0x3000 * i;
	w.rbp = STACK_VA + 0x80000;
	w.unwind[0].data = STACK_VA;
	w.unwind[0].data_len = 0x1000000;
	for (i = 0; i < 300; i++) {
		recover();
		assert_int_equal(w.methods & UKP_BY_RECOVERED, 0);
	}
}

static const uint64_t likely[] = { 0x1020, 0x1110, 0x1210, 0x1310, 0x1410, 0x1510, 0x1320, 0x1234 };

static void write_anywhere(void)
{
	if (!(rnd() % 4))
		word(STACK_VA + 0x2000 + (rnd() & 0x7f8), rnd() & 1 ? likely[rnd() % 8] : STACK_VA + (rnd() & 0xfff8));
}

/* A stack that is proven and then gone, before its frames are gathered: what is handed out is whole all the same. */
static void a_stack_that_changes_meanwhile(void **state)
{
	uint64_t slot = STACK_VA + 0x2008, k;
	unsigned int i, nr_proven = 0;

	(void)state;
	for (i = 0; i < 2000; i++) {
		reset(NULL);
		put_calls(slot);
		w.stacks.slots[0] = slot;
		/* Calls of the leaf that lead nowhere are tried in between, below it. */
		for (k = 0; k < 0x20; k += 8)
			word(slot - 0x100 + k, 0x1110);
		on_read = write_anywhere;
		recover();
		on_read = NULL;
		if (!(w.methods & UKP_BY_RECOVERED))
			continue;
		nr_proven++;
		/* A 0 may have been written where it looks like the end. */
		assert_int_equal(w.stop, UKP_STOP_ROOT);
		assert_true(w.nr_frames >= 3 && w.nr_frames <= 5);
		for (k = 0; k < w.nr_frames; k++)
			assert_int_equal(w.frames[k], 0x1010 + 0x100 * k);
	}
	assert_true(nr_proven > 100 && nr_proven < 1990);
}

/* The other vCPUs of the guest write while it is looked at. */
static void random_stacks_without_rsp_are_bounded(void **state)
{
	uint64_t i, k;

	(void)state;
	for (i = 0; i < 300; i++) {
		reset(NULL);
		put_calls(STACK_VA + 0x2008);
		call(0x1020, 0x1000);
		call(0x1320, 0x1500);
		FUNCTION(0x1500, 8 * (rnd() % 16));
		for (k = 0; k < nr_rows; k++) {
			rows[k].rule.cfa_offset = 8 * (rnd() % 32);
			rows[k].rule.flags = rnd() % 4 ? UKP_UNWIND_ENTRY : rnd() % 16;
		}
		for (k = 0; k < 0x10000; k += 8)
			word(STACK_VA + k, rnd() & 1 ? likely[rnd() % 8] : STACK_VA + (rnd() & 0xfff8));
		for (k = 0; k < 16; k++)
			w.regs[k] = rnd() & 1 ? rnd() : STACK_VA + (rnd() & 0xffff);
		w.stacks.slots[0] = rnd() & 1 ? rnd() : STACK_VA + (rnd() & 0xffff);
		w.stacks.ends[0] = STACK_VA + (rnd() & 0xffff);
		w.rbp = rnd() & 1 ? rnd() : STACK_VA + (rnd() & 0xffff);
		w.is_alone = rnd() & 1;
		w.unwind[0].data = rnd() & 1 ? rnd() : STACK_VA;
		w.unwind[0].data_len = rnd() & 1 ? rnd() : 0x10000;
		w.rip = 0x1000 + rnd() % 0x600;
		for (k = 0; k < 4; k++) {
			on_read = k & 1 ? write_anywhere : NULL;
			recover();
			assert_true(w.stop < UKP_STOP_MAX);
			assert_true(w.nr_frames >= 1);
			assert_true(w.methods <= UKP_BY_ALL);
		}
	}
}

/* --- leaves that no row is for --- */

/* As memcpy(): the leaf 0x1510 has no row and has not moved RSP; RBP is its caller's, whose caller is 0x1310. */
static void put_bare_leaf(void)
{
	put_calls(STACK_VA + 0x10);
	use_table(STACK_VA + 8);
	ROW(0x1200, 0x12ff, .cfa = UKP_CFA_RBP, .cfa_offset = 16, .ra_offset = -8, .rbp = UKP_RBP_AT_CFA, .rbp_offset = -16);
	nr_rows--;
	rows[2] = rows[nr_rows];
	w.rip = 0x1510;
	w.rbp = STACK_VA + 0x50;
	word(STACK_VA + 8, 0x1220);
	word(STACK_VA + 0x50, 0);
	word(STACK_VA + 0x58, 0x1310);
	word(STACK_VA + 0x60 + 0x18, 0x1410);
	call(0x1220, 0x1500);
}

static void the_caller_of_a_leaf_without_a_row_is_proven_by_its_call(void **state)
{
	const uint8_t ways = UKP_BY_TABLE | UKP_BY_RECOVERED;

	(void)state;
	put_bare_leaf();
	assert_frames(UKP_STOP_ROOT, ways, 4, A(0x1510), A(0x1220), A(0x1310), A(0x1410));
	/* Another such function was called, and has jumped here. */
	call(0x1220, 0x1700);
	assert_frames(UKP_STOP_ROOT, ways, 4, A(0x1510), A(0x1220), A(0x1310), A(0x1410));
}

static void a_call_on_two_pages_is_read(void **state)
{
	int i;

	(void)state;
	for (i = 0; i <= 8; i++) {
		put_bare_leaf();
		ROW(0x1f00, 0x20ff, .cfa = UKP_CFA_RBP, .cfa_offset = 16, .ra_offset = -8, .rbp = UKP_RBP_AT_CFA, .rbp_offset = -16);
		word(STACK_VA + 8, 0x1ffe + i);
		call(0x1ffe + i, 0x1500);
		assert_frames(UKP_STOP_ROOT, UKP_BY_TABLE | UKP_BY_RECOVERED, 4, A(0x1510), A(0x1ffe + i), A(0x1310), A(0x1410));
	}
}

/* What is at RSP is no return address of this function: the frame pointers are all there is. */
static void a_leaf_without_a_row_is_not_given_any_caller(void **state)
{
	const uint8_t ways = UKP_BY_TABLE | UKP_BY_FP;

	(void)state;
	put_bare_leaf();
	call(0x1220, 0x1100); /* a function that has a row */
	assert_frames(UKP_STOP_ROOT, ways, 3, A(0x1510), A(0x1310), A(0x1410));
	call(0x1220, 0x20000); /* not in the image */
	assert_frames(UKP_STOP_ROOT, ways, 3, A(0x1510), A(0x1310), A(0x1410));
	code(0x1220 - 5, "\x90\x90\x90\x90\x90", 5);
	assert_frames(UKP_STOP_ROOT, ways, 3, A(0x1510), A(0x1310), A(0x1410));
	put_bare_leaf();
	word(STACK_VA + 8, STACK_VA + 0x50); /* a saved register */
	assert_frames(UKP_STOP_ROOT, ways, 3, A(0x1510), A(0x1310), A(0x1410));
	put_bare_leaf();
	w.rsp = 0x8000000000000000;
	w.rbp = 0;
	assert_frames(UKP_STOP_ROOT, 0, 1, A(0x1510));
}

/* --- guests that write anything --- */

static void random_guests_are_bounded(void **state)
{
	uint64_t i, k;

	(void)state;
	for (i = 0; i < 20000; i++) {
		reset_ram();
		w.cr4 = rnd() & UKP_CR4_LA57;
		add_slot(0, 0x10000, HVA_BASE);
		add_slot(0x80000000, rnd() % 0x10000, HVA_BASE + 0x100000);
		/* Entries and frames that mostly point into the first 64 KiB. */
		for (k = 0; k < 64; k++) {
			put64(8 * (rnd() % 0x2000), (rnd() & 0xfff8) | (rnd() % 4 ? P : rnd()));
			put64(ROOT + 8 * (rnd() % 64), (rnd() & 0xf000) | P | (rnd() & PS));
		}
		w.cr3 = rnd() % 8 ? ROOT : rnd();
		w.rbp = rnd() % 4 ? rnd() & 0xffff8 : rnd();
		w.has_linear = rnd() & 1;
		w.linear_offset = rnd() & 0xffff;
		walk();
		assert_true(w.stop < UKP_STOP_MAX);
		assert_true(w.nr_frames >= 1);
	}
}

static void random_tables_are_bounded(void **state)
{
	uint64_t i, k;

	(void)state;
	for (i = 0; i < 1000; i++) {
		reset(NULL);
		use_table(STACK_VA + (rnd() & 0xfff8));
		w.has_rsp = rnd() % 8 != 0;
		w.rbp = rnd() % 8 ? STACK_VA + (rnd() & 0xfff8) : rnd();
		for (k = 0; k < 16; k++) {
			ROW(0x1000 + 0x100 * k, 0x10ff + 0x100 * k, .cfa = rnd() % 8, .rbp = rnd() % 5, .flags = rnd() % 8 ? 0 : rnd(),
			    .cfa_offset = rnd() % 32 ? rnd() % 64 * 8 : rnd(), .ra_offset = rnd() % 32 ? -8 : (int)rnd(),
			    .rbp_offset = -8 * (int)(rnd() % 8), .rsp_offset = rnd() & 0xff8);
		}
		for (k = 0; k < 0x10000; k += 8)
			word(STACK_VA + k, rnd() & 1 ? 0x1000 + rnd() % 0x1000 : STACK_VA + (rnd() & 0xfff8));
		walk();
		assert_true(w.stop < UKP_STOP_MAX);
		assert_true(w.nr_frames >= 1);
		assert_int_equal(w.frames[UKP_MAX_FRAMES], 0xa5a5a5a5a5a5a5a5);
	}
}

static int setup(void **state)
{
	(void)state;
	ram = malloc(RAM_SIZE);
	return !ram;
}

static int teardown(void **state)
{
	(void)state;
	free(ram);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(three_frames),
		TEST(frame_pointer_0_is_the_root),
		TEST(return_address_0_is_the_root),
		TEST(bad_frame_pointers_are_not_followed),
		TEST(impossible_return_addresses_are_no_frames),
		TEST(canonical_depends_on_the_paging_mode),
		TEST(the_last_record_of_the_address_space_is_read),
		TEST(loops_end),
		TEST(depth_is_exact),
		TEST(a_million_frames_cost_as_much_as_127),
		TEST(reads_stay_bounded),
		TEST(real_mode_has_no_frame),
		TEST(legacy_modes_have_the_leaf),
		TEST(a_walk_forgets_the_former_one),
		TEST(every_page_size_translates),
		TEST(high_half_translates),
		TEST(non_present_ends_at_every_level),
		TEST(top_table_outside_of_memory),
		TEST(unmapped_in_the_middle_keeps_what_was_found),
		TEST(table_that_points_to_itself),
		TEST(reserved_bits_are_no_address),
		TEST(large_page_address_has_no_low_bits),
		TEST(large_bit_at_the_top_is_no_page),
		TEST(record_on_two_pages),
		TEST(record_whose_second_page_is_missing),
		TEST(page_that_is_not_resident),
		TEST(no_slots),
		TEST(large_page_spans_two_slots),
		TEST(all_slots_are_used),
		TEST(slot_of_size_0_holds_nothing),
		TEST(page_that_overhangs_its_slot),
		TEST(slot_at_the_end_of_the_address_space),
		TEST(linear_offset_helps_where_tables_are_missing),
		TEST(tables_win_over_the_linear_offset),
		TEST(linear_offset_that_leads_nowhere),
		TEST(linear_offset_that_is_no_multiple_of_a_page),
		TEST(tables_find_all_callers),
		TEST(tables_lead_to_no_impossible_addresses),
		TEST(return_addresses_are_looked_up_one_less),
		TEST(half_done_instructions_are_seen_through),
		TEST(interrupted_code_is_looked_up_as_it_is),
		TEST(an_interrupt_frame_is_found_by_its_layout),
		TEST(the_leaf_may_be_the_stub_itself),
		TEST(interrupts_may_come_from_another_stack),
		TEST(interrupts_may_hit_another_image),
		TEST(what_is_no_interrupt_frame_is_not_taken),
		TEST(a_stub_with_a_frame_pointer_is_followed_by_it),
		TEST(rbp_is_the_interrupted_codes),
		TEST(nested_interrupts_are_bounded),
		TEST(a_stub_whose_stack_can_not_be_read),
		TEST(aligned_stacks_are_followed),
		TEST(code_without_rows_goes_by_the_frame_pointer),
		TEST(what_is_no_frame_pointer_is_not_followed),
		TEST(rules_that_can_not_be_followed),
		TEST(stacks_that_do_not_go_up_end),
		TEST(return_address_0_ends_a_table_walk),
		TEST(without_rsp_the_leaf_goes_by_the_frame_pointer),
		TEST(depth_by_table_is_exact),
		TEST(the_last_word_before_an_unmapped_page),
		TEST(a_page_that_is_not_resident_ends_a_table_walk),
		TEST(a_slot_is_proven_by_its_calls),
		TEST(what_never_recovers_does_not),
		TEST(an_interrupt_entry_proves_nothing),
		TEST(a_stack_that_is_nowhere),
		TEST(every_form_of_an_indirect_call),
		TEST(a_leaf_that_is_called_indirectly_is_weak),
		TEST(an_indirect_call_on_the_way_allows_no_rival),
		TEST(old_stacks_below_are_not_taken),
		TEST(data_that_looks_like_a_return_address),
		TEST(a_return_address_of_0_is_half_an_end),
		TEST(one_good_frame_is_not_enough),
		TEST(a_tail_call_is_weak),
		TEST(recursion_of_the_leaf_is_weak),
		TEST(of_several_stacks_the_own_one_is_taken),
		TEST(a_thread_that_waits_where_this_one_is_makes_it_weak),
		TEST(an_interrupt_on_the_way),
		TEST(remains_of_a_handler_have_a_later_one_in_them),
		TEST(handlers_of_the_same_code_on_two_stacks),
		TEST(a_handler_in_a_frame_that_was_not_filled),
		TEST(a_call_across_two_pages),
		TEST(without_a_table_nothing_is_recovered),
		TEST(memory_that_is_a_circle_is_bounded),
		TEST(a_stack_that_changes_meanwhile),
		TEST(random_stacks_without_rsp_are_bounded),
TEST(the_caller_of_a_leaf_without_a_row_is_proven_by_its_call),
		TEST(a_call_on_two_pages_is_read),
		TEST(a_leaf_without_a_row_is_not_given_any_caller),
		TEST(random_guests_are_bounded),
		TEST(random_tables_are_bounded),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
