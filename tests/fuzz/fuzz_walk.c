/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_walk - a guest of anybody's making: registers, page tables, stacks, code and unwind rules.
 *
 * What must hold whatever is in memory: no read outside the guest's memory or over the end of a page, a bounded number of
 * them, and a result in its range. A walk is done three times over with what the first has remembered of the stack.
 */
#include "fuzz.h"

#include <string.h>

#include <linux/types.h>

#include "ukprof_abi.h"

#define RAM_SIZE  (128u << 10)
#define HVA_BASE  0x7f0000000000ull
#define ROOT	  (RAM_SIZE - 5 * 4096) /* the page tables are at its end */
#define MAX_READS 60000

static uint8_t ram[RAM_SIZE];
static unsigned int nr_reads;

static int ukp_read_hva(void *dst, __u32 len, __u64 hva)
{
	FUZZ_DEMAND(++nr_reads < MAX_READS);
	FUZZ_DEMAND(hva >= HVA_BASE && hva - HVA_BASE <= RAM_SIZE - len);
	FUZZ_DEMAND((hva & 4095) + len <= 4096);
	memcpy(dst, ram + (hva - HVA_BASE), len);
	return 0;
}

#include "walk_glue.h"

static const uint8_t *input;
static size_t left;

static uint64_t take(size_t size)
{
	uint64_t value = 0;

	if (size > left)
		size = left;
	memcpy(&value, input, size);
	input += size;
	left -= size;
	return value;
}

/* Virtual is physical for the first 128 KiB, in small pages; then whatever the input puts in their place. */
static void make_tables(void)
{
	uint64_t entry, at;
	unsigned int i, nr;

	for (i = 0; i < 3; i++) {
		entry = (ROOT + (i + 1) * 4096) | UKP_PTE_PRESENT;
		memcpy(ram + ROOT + i * 4096, &entry, 8);
	}
	for (i = 0; i < RAM_SIZE / 4096; i++) {
		entry = i * 4096ull | UKP_PTE_PRESENT;
		memcpy(ram + ROOT + 3 * 4096 + i * 8, &entry, 8);
	}
	for (nr = take(1) % 8; nr; nr--) {
		at = take(2) % (4 * 512);
		entry = take(8);
		memcpy(ram + ROOT + at * 8, &entry, 8);
	}
}

static void make_rows(void)
{
	struct ukp_unwind_rule *rule;
	uint64_t at = 0;

	for (nr_rows = 0, take(0); left && nr_rows < MAX_ROWS && (take(1) & 1); nr_rows++) {
		rows[nr_rows].first = at;
		at += take(2);
		rows[nr_rows].last = at++;
		rule = &rows[nr_rows].rule;
		/* Rules are ours: any value, but those of their kinds. */
		*rule = (struct ukp_unwind_rule){
			.cfa_offset = (int8_t)take(1) * 8,
			.ra_offset = (int8_t)take(1),
			.rbp_offset = (int8_t)take(1),
			.rsp_offset = (int8_t)take(1),
			.cfa = take(1) % UKP_CFA_MAX,
			.rbp = take(1) % UKP_RBP_MAX,
			.flags = take(1) & 15,
		};
	}
}

/* Code that is no interrupt entry never has its stack searched for interrupt frames. */
static int has_stub(void)
{
	size_t i;

	for (i = 0; i < nr_rows; i++)
		if (rows[i].rule.cfa == UKP_CFA_INTERRUPT)
			return 1;
	return 0;
}

static struct ukp_walk w;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned int flags, i, k;

	input = data;
	left = len;
	memset(ram, 0, sizeof(ram));
	memset(&w, 0, sizeof(w));
	flags = take(1);
	w.rip = take(4);
	w.rbp = take(flags & 1 ? 8 : 3);
	w.rsp = take(flags & 1 ? 8 : 3);
	w.has_rsp = !!(flags & 2);
	w.is_alone = !!(flags & 4);
	w.is_emulated = !!(flags & 8);
	w.has_linear = !!(flags & 16);
	w.linear_offset = w.has_linear ? take(2) * 4096 : 0;
	w.cr0 = UKP_CR0_PE | UKP_CR0_PG;
	w.cr3 = flags & 32 ? take(8) : ROOT;
	w.cr4 = flags & 64 ? UKP_CR4_LA57 : 0;
	w.efer = flags & 128 ? 0 : UKP_EFER_LMA;
	for (i = 0; i < UKP_NR_REGS && (take(1) & 1); i++)
		w.regs[i] = take(3);
	w.slots[0] = (struct ukp_slot){ 0, RAM_SIZE, HVA_BASE };
	w.nr_slots = 1;
	make_rows();
	w.unwind[0].nr_pages = !!nr_rows;
	/* Its code and stacks: what is left. */
	i = left < ROOT ? left : ROOT;
	memcpy(ram, input + left - i, i);
	left -= i;
	make_tables();
	for (k = 0; k < 3; k++) {
		memset(w.frames, 0xa5, sizeof(w.frames));
		w.stop = UKP_STOP_MAX;
		w.page_size = w.window_len = 0;
		nr_reads = 0;
		ukp_walk_stack(&w, 1);
		FUZZ_DEMAND(w.nr_frames <= UKP_MAX_FRAMES && w.stop < UKP_STOP_MAX && w.methods <= UKP_BY_ALL);
		/* What was not proven is never called so. */
		FUZZ_DEMAND(!(w.methods & UKP_BY_RECOVERED) || (!w.has_rsp && nr_rows));
		FUZZ_DEMAND(!(w.methods & UKP_BY_FRAME) || has_stub());
	}
	return 0;
}
