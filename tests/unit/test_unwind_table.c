/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The compiled unwind table against libdw's own answer at every byte of code of real programs, evaluated by an
 * interpreter of DWARF expressions that knows nothing of the table; then tables that are broken on purpose.
 */
#include "elf_fixture.h"

#include <dirent.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <link.h>
#include <time.h>

#include "unwind_table.h"

#define REG_RBP 6
#define REG_RSP 7
#define REG_RA	16

static char unit_dir[256]; /* where this program is, and what the Makefile put beside it */

/* --- what libdw says, evaluated --- */

/* A machine whose every word of memory and every register is different. */
static uint64_t word_at(uint64_t addr)
{
	return (addr ^ 0x5bd1e995) * 0x9e3779b97f4a7c15ull;
}

static uint64_t reg_value(unsigned int reg, uint64_t pc)
{
	return reg == REG_RA ? pc : reg == REG_RSP ? 0x7ffd00001230ull : 0x7ffd10004560ull + 0x1000008 * reg;
}

/* Returns false for an operation that is not known here. Enough for what assemblers and compilers write. */
static bool eval(const Dwarf_Op *ops, size_t nr, uint64_t pc, uint64_t cfa, uint64_t *out)
{
	uint64_t stack[16];
	size_t i, sp = 0;

	for (i = 0; i < nr; i++) {
		const Dwarf_Op *op = &ops[i];

		if (sp == 16)
			return false;
		if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
			stack[sp++] = reg_value(op->atom - DW_OP_breg0, pc) + op->number;
			continue;
		}
		if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31) {
			stack[sp++] = op->atom - DW_OP_lit0;
			continue;
		}
		switch (op->atom) {
		case DW_OP_bregx:
			stack[sp++] = reg_value(op->number, pc) + op->number2;
			continue;
		case DW_OP_call_frame_cfa:
			stack[sp++] = cfa;
			continue;
		case DW_OP_plus_uconst:
			assert_true(sp >= 1);
			stack[sp - 1] += op->number;
			continue;
		case DW_OP_deref:
			assert_true(sp >= 1);
			stack[sp - 1] = word_at(stack[sp - 1]);
			continue;
		}
		if (sp < 2)
			return false;
		sp--;
		switch (op->atom) {
		case DW_OP_plus:
			stack[sp - 1] += stack[sp];
			break;
		case DW_OP_minus:
			stack[sp - 1] -= stack[sp];
			break;
		case DW_OP_and:
			stack[sp - 1] &= stack[sp];
			break;
		case DW_OP_shl:
			stack[sp - 1] <<= stack[sp];
			break;
		case DW_OP_ge:
			stack[sp - 1] = (int64_t)stack[sp - 1] >= (int64_t)stack[sp];
			break;
		default:
			return false;
		}
	}
	if (!sp)
		return false;
	*out = stack[sp - 1];
	return true;
}

enum fate { NOT_COVERED, NOT_FOLLOWED, END, CALLER };

/* The caller of a function that stands at an address. */
struct caller {
	enum fate fate;
	uint64_t cfa;
	uint64_t ra;
	uint64_t rsp;
	uint64_t rbp; /* 0: nobody knows */
	bool is_signal;
};

/* The value that a register had in the caller. @known: false if there is none. */
static bool caller_reg(Dwarf_Frame *frame, int reg, uint64_t pc, uint64_t cfa, uint64_t *value, bool *known)
{
	Dwarf_Op mem[3], *ops;
	uint64_t at;
	size_t nr;

	*known = true;
	assert_int_equal(dwarf_frame_register(frame, reg, mem, &ops, &nr), 0);
	if (!nr) {
		*known = !ops;
		*value = reg_value(reg, pc);
		return true;
	}
	if (ops[0].atom == DW_OP_regx) {
		*value = reg_value(ops[0].number, pc);
		return true;
	}
	if (ops[nr - 1].atom == DW_OP_stack_value)
		return eval(ops, nr - 1, pc, cfa, value);
	if (!eval(ops, nr, pc, cfa, &at))
		return false;
	*value = word_at(at);
	return true;
}

/* Which rules the table may leave out: anything but these. */
static bool may_be_left_out(Dwarf_Frame *frame)
{
	Dwarf_Op mem[3], *ops;
	Dwarf_Word base;
	size_t nr;

	/* The return address is anywhere but at an offset from the CFA. */
	if (dwarf_frame_register(frame, REG_RA, mem, &ops, &nr) || nr != 2 || ops[1].atom != DW_OP_plus_uconst)
		return true;
	if (dwarf_frame_cfa(frame, &ops, &nr) || !nr)
		return true;
	/* The CFA is counted from another register, or computed. */
	base = ops[0].atom == DW_OP_bregx ? ops[0].number : (Dwarf_Word)ops[0].atom - DW_OP_breg0;
	return (base != REG_RBP && base != REG_RSP) || (nr > 1 && nr != 9 && !(nr == 2 && ops[1].atom == DW_OP_deref));
}

static struct caller ask_libdw(Dwarf_CFI *source, uint64_t pc, bool *left_out)
{
	struct caller c = { .fate = NOT_COVERED };
	bool known, known_rbp, known_rsp;
	Dwarf_Addr start, end;
	Dwarf_Frame *frame;
	Dwarf_Op *ops;
	size_t nr;

	*left_out = false;
	if (!source || dwarf_cfi_addrframe(source, pc, &frame))
		return c;
	dwarf_frame_info(frame, &start, &end, &c.is_signal);
	assert_true(start <= pc && pc < end);
	*left_out = may_be_left_out(frame);
	c.fate = CALLER;
	if (!caller_reg(frame, REG_RA, pc, 0, &c.ra, &known))
		c.fate = NOT_FOLLOWED;
	else if (!known)
		c.fate = END;
	else if (dwarf_frame_cfa(frame, &ops, &nr) || !eval(ops, nr, pc, 0, &c.cfa) ||
		 !caller_reg(frame, REG_RA, pc, c.cfa, &c.ra, &known) ||
		 !caller_reg(frame, REG_RSP, pc, c.cfa, &c.rsp, &known_rsp) || !known_rsp ||
		 !caller_reg(frame, REG_RBP, pc, c.cfa, &c.rbp, &known_rbp))
		c.fate = NOT_FOLLOWED;
	else if (!known_rbp)
		c.rbp = 0;
	free(frame);
	return c;
}

/* --- what the table says, evaluated --- */

static struct caller ask_table(const struct unwind_table *t, uint64_t pc)
{
	const struct ukp_unwind_rule *rule = unwind_table__lookup(t, pc, NULL);
	uint64_t rbp = reg_value(REG_RBP, pc), rsp = reg_value(REG_RSP, pc);
	struct caller c = { .fate = CALLER, .is_signal = rule->flags & UKP_UNWIND_SIGNAL };

	switch (rule->cfa) {
	case UKP_CFA_NONE:
	case UKP_CFA_INTERRUPT:
		return (struct caller){ .fate = NOT_COVERED };
	case UKP_CFA_UNSUPPORTED:
		return (struct caller){ .fate = NOT_FOLLOWED };
	case UKP_CFA_END:
		return (struct caller){ .fate = END };
	case UKP_CFA_RSP:
		c.cfa = rsp + rule->cfa_offset;
		break;
	case UKP_CFA_RBP:
		c.cfa = rbp + rule->cfa_offset;
		break;
	case UKP_CFA_AT_RSP:
		c.cfa = word_at(rsp + rule->cfa_offset);
		break;
	case UKP_CFA_AT_RBP:
		c.cfa = word_at(rbp + rule->cfa_offset);
		break;
	default:
		fail_msg("rule with CFA %u", rule->cfa);
	}
	c.ra = word_at(c.cfa + rule->ra_offset);
	c.rsp = rule->flags & UKP_UNWIND_SAVES_SP ? word_at(c.cfa + rule->rsp_offset) : c.cfa;
	c.rbp = rule->rbp == UKP_RBP_SAME   ? rbp :
		rule->rbp == UKP_RBP_AT_CFA ? word_at(c.cfa + rule->rbp_offset) :
		rule->rbp == UKP_RBP_AT_RBP ? word_at(rbp + rule->rbp_offset) :
					      0;
	return c;
}

/* --- the comparison --- */

struct source {
	int fd;
	Elf *elf;
	Dwarf *dwarf;
	Dwarf_CFI *eh;
	Dwarf_CFI *debug;
};

static void open_source(struct source *s, const char *path)
{
	assert_int_not_equal(elf_version(EV_CURRENT), EV_NONE);
	s->fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(s->fd >= 0);
	s->elf = elf_begin(s->fd, ELF_C_READ_MMAP, NULL);
	assert_non_null(s->elf);
	s->eh = dwarf_getcfi_elf(s->elf);
	s->dwarf = dwarf_begin_elf(s->elf, DWARF_C_READ, NULL);
	s->debug = s->dwarf ? dwarf_getcfi(s->dwarf) : NULL;
}

static void close_source(struct source *s)
{
	if (s->eh)
		dwarf_cfi_end(s->eh);
	dwarf_end(s->dwarf);
	elf_end(s->elf);
	close(s->fd);
}

static struct unwind_table *open_table(const char *path)
{
	struct unwind_table *t = NULL;
	struct image *img = NULL;

	assert_int_equal(image__open(&img, path), IMAGE_OK);
	assert_int_equal(unwind_table__new(&t, img), 0);
	image__free(img);
	return t;
}

static bool same(const struct caller *a, const struct caller *b)
{
	if (a->fate != b->fate)
		return false;
	return a->fate != CALLER || (a->cfa == b->cfa && a->ra == b->ra && a->rsp == b->rsp && a->is_signal == b->is_signal &&
				     (a->rbp == b->rbp || !b->rbp));
}

struct tally {
	uint64_t nr;
	uint64_t by_fate[CALLER + 1];
	uint64_t rbp_lost; /* the table gave up on RBP where it could be known */
	uint64_t nr_handlers;
};

static void compare_at(struct source *s, const struct unwind_table *t, uint64_t pc, struct tally *tally)
{
	struct caller eh, debug, want, got;
	bool eh_out, debug_out, out;

	eh = ask_libdw(s->eh, pc, &eh_out);
	debug = ask_libdw(s->debug, pc, &debug_out);
	got = ask_table(t, pc);
	if (eh.fate == END || (eh.fate == CALLER && !eh_out) || debug.fate == NOT_COVERED) {
		want = eh;
		out = eh_out;
	} else {
		want = debug;
		out = debug_out;
	}
	/* libdw takes the section's word for a handler that is described as if it was called. */
	if (got.is_signal && !want.is_signal && got.rsp == word_at(want.cfa + 16)) {
		want.is_signal = true;
		want.rsp = got.rsp;
		tally->nr_handlers++;
	}
	tally->nr++;
	tally->by_fate[got.fate]++;
	tally->rbp_lost += got.fate == CALLER && !got.rbp && want.rbp;
	if (out && got.fate == NOT_FOLLOWED && want.fate != END)
		return;
	if (!same(&want, &got))
		fail_msg("at 0x%lx: libdw says fate %d, CFA 0x%lx, RA 0x%lx, RSP 0x%lx, RBP 0x%lx, signal %d; "
			 "the table %d, 0x%lx, 0x%lx, 0x%lx, 0x%lx, %d", pc, want.fate, want.cfa, want.ra, want.rsp,
			 want.rbp, want.is_signal, got.fate, got.cfa, got.ra, got.rsp, got.rbp, got.is_signal);
}

/* At every byte of every executable section, and around them. */
static struct tally compare(const char *path)
{
	struct tally tally = { 0 };
	struct unwind_table *t = open_table(path);
	struct unwind_stats stats;
	Elf_Scn *scn = NULL;
	struct source s;
	GElf_Shdr sh;
	uint64_t pc;

	open_source(&s, path);
	while ((scn = elf_nextscn(s.elf, scn))) {
		assert_non_null(gelf_getshdr(scn, &sh));
		if (!(sh.sh_flags & SHF_EXECINSTR))
			continue;
		for (pc = sh.sh_addr; pc < sh.sh_addr + sh.sh_size; pc++)
			compare_at(&s, t, pc, &tally);
		assert_int_equal(ask_table(t, sh.sh_addr + sh.sh_size + 0x100000000).fate, NOT_COVERED);
	}
	close_source(&s);
	unwind_table__stats(t, &stats);
	assert_int_equal(stats.nr_rejected, 0);
	assert_int_equal(stats.covered_bytes, tally.by_fate[CALLER] + tally.by_fate[END]);
	assert_int_equal(stats.unsupported_bytes, tally.by_fate[NOT_FOLLOWED]);
	unwind_table__free(t);
	print_message("%s: %lu bytes: %lu have a caller, %lu are outermost, %lu not followed, %lu not covered\n", path,
		      tally.nr, tally.by_fate[CALLER], tally.by_fate[END], tally.by_fate[NOT_FOLLOWED],
		      tally.by_fate[NOT_COVERED]);
	return tally;
}

static const char *beside(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", unit_dir, name);
	return path;
}

static void guests_agree(void **state)
{
	const char *dir_path = beside("../guest");
	char path[1024];
	struct image *img;
	struct unwind_table *none = NULL;
	struct unwind_stats stats;
	struct dirent *d;
	struct tally tally;
	int nr = 0;
	DIR *dir;

	(void)state;
	snprintf(path, sizeof(path), "%s", dir_path);
	dir = opendir(path);
	assert_non_null(dir);
	while ((d = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/../guest/%s", unit_dir, d->d_name);
		if (d->d_name[0] == '.' || strstr(d->d_name, "vmm") || image__open(&img, path))
			continue;
		if (strstr(d->d_name, "-bare") && !strstr(d->d_name, ".g")) {
			/* They are made to have none: without frame pointers the code makes one. */
			if (!strcmp(d->d_name, "hostile-bare")) {
				assert_int_equal(unwind_table__new(&none, img), -ENOENT);
			} else {
				assert_int_equal(unwind_table__new(&none, img), 0);
				unwind_table__stats(none, &stats);
				assert_true(stats.code_bytes && stats.code_bytes == stats.covered_bytes);
				assert_true(stats.code_bytes > stats.text_bytes / 2);
				unwind_table__free(none);
			}
			image__free(img);
			continue;
		}
		image__free(img);
		tally = compare(path);
		assert_int_equal(tally.by_fate[NOT_FOLLOWED], 0);
		assert_int_equal(tally.rbp_lost, 0);
		assert_true(tally.by_fate[CALLER] > tally.nr / 2);
		nr++;
	}
	closedir(dir);
	assert_true(nr >= 10);
}

static void this_program_agrees(void **state)
{
	struct tally tally;

	(void)state;
	tally = compare("/proc/self/exe");
	assert_true(tally.by_fate[CALLER] > tally.nr * 9 / 10);
	assert_true(tally.by_fate[END] > 0); /* _start */
}

static int find_libc(struct dl_phdr_info *info, size_t size, void *out)
{
	(void)size;
	if (!strstr(info->dlpi_name, "/libc.so"))
		return 0;
	snprintf(out, 256, "%s", info->dlpi_name);
	return 1;
}

static void libc_agrees(void **state)
{
	char path[256] = "";
	struct tally tally;

	(void)state;
	dl_iterate_phdr(find_libc, path);
	assert_true(path[0]);
	tally = compare(path);
	assert_true(tally.by_fate[CALLER] > tally.nr * 95 / 100);
	/* Signal return finds everything through RSP; vfork keeps its return address in a register. */
	assert_true(tally.by_fate[NOT_FOLLOWED] < tally.nr / 1000);
}

static void odd_rules_agree(void **state)
{
	struct tally plain, packed;

	(void)state;
	plain = compare(beside("odd_cfi"));
	assert_int_equal(plain.by_fate[NOT_FOLLOWED], 14 + 4 + 2);
	assert_int_equal(plain.by_fate[END], 1);
	assert_int_equal(plain.nr_handlers, 5); /* bytes of eh_handler */
	assert_int_equal(plain.rbp_lost, 2); /* eh_rbp_is_gone: in another register; too far to write down */
	packed = compare(beside("odd_cfi.z"));
	assert_memory_equal(&plain, &packed, sizeof(plain));
}

/* --- odd rules, one by one: what the comparison can't know --- */

struct find_sym {
	const char *name;
	uint64_t addr;
};

static int match_sym(void *ctx, const struct image_sym *sym)
{
	struct find_sym *f = ctx;

	if (!strcmp(sym->name, f->name))
		f->addr = sym->addr;
	return 0;
}

static uint64_t address_of(const char *path, const char *name)
{
	struct find_sym f = { .name = name };
	struct image *img = NULL;

	assert_int_equal(image__open(&img, path), IMAGE_OK);
	assert_int_equal(image__for_each_sym(img, match_sym, &f), 0);
	image__free(img);
	assert_int_not_equal(f.addr, 0);
	return f.addr;
}

static void the_better_section_wins(void **state)
{
	const char *path = beside("odd_cfi");
	uint64_t addr = address_of(path, "overlap");
	struct unwind_table *t = open_table(path);
	int i;

	(void)state;
	for (i = 0; i < 32; i++)
		assert_int_equal(unwind_table__lookup(t, addr + i, NULL)->cfa_offset, i >= 8 && i < 16 ? 48 : 24);
	addr = address_of(path, "both_same");
	assert_int_equal(unwind_table__lookup(t, addr, NULL)->cfa_offset, 8);
	assert_int_equal(unwind_table__lookup(t, addr + 4, NULL)->cfa_offset, 32);
	unwind_table__free(t);
}

static void interrupt_frames_are_marked(void **state)
{
	const char *path = beside("odd_cfi");
	struct unwind_table *t = open_table(path);
	const struct ukp_unwind_rule *rule;

	(void)state;
	rule = unwind_table__lookup(t, address_of(path, "eh_interrupt") + 1, NULL);
	assert_int_equal(rule->cfa, UKP_CFA_RSP);
	assert_int_equal(rule->cfa_offset, 48);
	assert_int_equal(rule->ra_offset, -40);
	assert_int_equal(rule->rsp_offset, -16);
	assert_int_equal(rule->rbp, UKP_RBP_AT_CFA);
	assert_int_equal(rule->rbp_offset, -48);
	assert_int_equal(rule->flags, UKP_UNWIND_SIGNAL | UKP_UNWIND_SAVES_SP);
	rule = unwind_table__lookup(t, address_of(path, "eh_remember"), NULL);
	assert_int_equal(rule->flags, UKP_UNWIND_ENTRY);
	rule = unwind_table__lookup(t, address_of(path, "eh_handler") + 1, NULL);
	assert_int_equal(rule->cfa_offset, 16);
	assert_int_equal(rule->ra_offset, -8);
	assert_int_equal(rule->rsp_offset, 16);
	assert_int_equal(rule->flags, UKP_UNWIND_SIGNAL | UKP_UNWIND_SAVES_SP);
	rule = unwind_table__lookup(t, address_of(path, "eh_leaves") + 1, NULL);
	assert_int_equal(rule->flags, 0);
	unwind_table__free(t);
}

static void interrupt_entries_without_a_table_are_found(void **state)
{
	const char *path = beside("odd_cfi");
	uint64_t stub = address_of(path, "bare_stub"), other = address_of(path, "bare_other");
	uint64_t label = address_of(path, "bare_label"), after = address_of(path, "eh_iretq_bytes"), addr;
	struct unwind_table *t = open_table(path);
	const struct ukp_unwind_rule *rule;
	struct unwind_stats stats;

	(void)state;
	for (addr = stub; addr < after; addr++) {
		rule = unwind_table__lookup(t, addr, NULL);
		assert_int_equal(rule->cfa, addr >= other && addr < label ? UKP_CFA_NONE : UKP_CFA_INTERRUPT);
		assert_int_equal(rule->flags & UKP_UNWIND_ENTRY, 0);
	}
	for (; addr < after + 6; addr++)
		assert_int_equal(unwind_table__lookup(t, addr, NULL)->cfa, UKP_CFA_RSP);
	unwind_table__stats(t, &stats);
	assert_int_equal(stats.nr_stubs, 2);
	unwind_table__free(t);
}

struct entries {
	struct unwind_arrays a;
	uint64_t begins[8192]; /* addresses of the rows with UKP_UNWIND_ENTRY */
	size_t nr;
	size_t nr_found; /* of them, those with a symbol */
	size_t nr_missed;
	struct unwind_table *t;
};

static int match_entry(void *ctx, const struct image_sym *sym)
{
	struct entries *e = ctx;
	const struct ukp_unwind_rule *rule;
	bool is_entry = false;
	size_t i;

	for (i = 0; i < e->nr; i++) {
		if (e->begins[i] == sym->addr) {
			is_entry = true;
			e->begins[i] = 0; /* several names are one function */
			e->nr_found++;
		}
	}
	rule = unwind_table__lookup(e->t, sym->addr, NULL);
	/* Interrupt stubs are not called. */
	if (sym->type == STT_FUNC && rule->cfa >= UKP_CFA_RSP && !is_entry && !(rule->flags & UKP_UNWIND_SIGNAL))
		e->nr_missed++;
	return 0;
}

/* A caller is proven by where its call leads, so functions must begin where their symbols say, and nowhere else. */
static void functions_begin_with_a_row_of_their_own(void **state)
{
	static const char *const files[] = { "../guest/shares-nofp", "../guest/callers", "../guest/demo" };
	static struct entries e;
	struct image *img;
	size_t i, k, r;

	(void)state;
	for (i = 0; i < 3; i++) {
		memset(&e, 0, sizeof(e));
		e.t = open_table(beside(files[i]));
		unwind_table__arrays(e.t, &e.a);
		for (k = 0; k < e.a.nr_pages; k++) {
			for (r = e.a.pages[k].first; r < e.a.pages[k].first + e.a.pages[k].nr; r++) {
				if (!(e.a.rules[e.a.rows[r].rule].flags & UKP_UNWIND_ENTRY))
					continue;
				assert_true(e.nr < 8192);
				e.begins[e.nr++] = e.a.base + k * 0x10000 + e.a.rows[r].offset;
			}
		}
		assert_int_equal(image__open(&img, beside(files[i])), IMAGE_OK);
		assert_int_equal(image__for_each_sym(img, match_entry, &e), 0);
		image__free(img);
		unwind_table__free(e.t);
		assert_true(e.nr > 20);
		assert_int_equal(e.nr_found, e.nr);
		assert_int_equal(e.nr_missed, 0);
	}
}

/* A function that is longer than a page begins once; what both sections say begins once, too. */
static void functions_begin_only_once(void **state)
{
	const char *path = beside("odd_cfi");
	struct unwind_table *t = open_table(path);
	struct unwind_arrays a;
	uint64_t addr;
	size_t k;
	int i;

	(void)state;
	unwind_table__arrays(t, &a);
	for (k = 1; k < a.nr_pages; k++) {
		if (a.pages[k].nr)
			assert_int_equal(a.rules[a.rows[a.pages[k].first].rule].flags &
						 (UKP_UNWIND_ENTRY | UKP_UNWIND_PART), 0);
	}
	addr = address_of(path, "overlap");
	for (i = 1; i < 32; i++)
		assert_int_equal(unwind_table__lookup(t, addr + i, NULL)->flags & UKP_UNWIND_ENTRY, 0);
	assert_int_equal(unwind_table__lookup(t, address_of(path, "both_same"), NULL)->flags, UKP_UNWIND_ENTRY);
	assert_int_equal(unwind_table__lookup(t, address_of(path, "both_same") + 4, NULL)->flags, 0);
	unwind_table__free(t);
}

/* What BPF relies on: rows and rules in range, pages that begin at offset 0, a search that ends. */
static void the_arrays_are_sound(void **state)
{
	static const char *const files[] = { "odd_cfi", "../guest/shares-nofp", "../guest/demo" };
	struct unwind_arrays a;
	struct unwind_stats stats;
	struct unwind_table *t;
	unsigned int steps;
	size_t i, k, r, nr;
	uint64_t pc;

	(void)state;
	for (i = 0; i < 3; i++) {
		t = open_table(beside(files[i]));
		unwind_table__arrays(t, &a);
		unwind_table__stats(t, &stats);
		assert_int_equal(a.base & 0xffff, 0);
		for (nr = 0, k = 0; k < a.nr_pages; k++) {
			if (!a.pages[k].nr)
				continue;
			assert_int_equal(a.pages[k].first, nr);
			nr += a.pages[k].nr;
			assert_true(nr <= a.nr_rows);
			assert_int_equal(a.rows[a.pages[k].first].offset, 0);
			for (r = a.pages[k].first; r < nr; r++) {
				assert_true(a.rows[r].rule < a.nr_rules);
				if (r + 1 < nr) {
					assert_true(a.rows[r].offset < a.rows[r + 1].offset);
					if (!(a.rules[a.rows[r + 1].rule].flags & (UKP_UNWIND_ENTRY | UKP_UNWIND_PART)))
						assert_int_not_equal(a.rows[r].rule, a.rows[r + 1].rule);
				}
			}
		}
		assert_int_equal(nr, a.nr_rows);
		for (k = 0; k < a.nr_rules; k++) {
			assert_true(a.rules[k].cfa < UKP_CFA_MAX);
			assert_true(a.rules[k].rbp < UKP_RBP_MAX);
		}
		for (pc = a.base; pc < a.base + a.nr_pages * 0x10000; pc += 7) {
			unwind_table__lookup(t, pc, &steps);
			assert_true(steps <= UKP_UNWIND_STEPS);
		}
		assert_int_equal(stats.bytes, a.nr_rows * 4 + a.nr_pages * 8 + a.nr_rules * 16);
		assert_int_equal(unwind_table__lookup(t, a.base - 1, NULL)->cfa, UKP_CFA_NONE);
		assert_int_equal(unwind_table__lookup(t, UINT64_MAX, NULL)->cfa, UKP_CFA_NONE);
		unwind_table__free(t);
	}
}

static void sections_are_read_up_to_a_limit(void **state)
{
	struct image_section plain = { 0 }, packed = { 0 };
	struct image *img = NULL;

	(void)state;
	assert_int_equal(image__open(&img, beside("odd_cfi")), IMAGE_OK);
	assert_int_equal(image__read_section(img, ".debug_frame", 1 << 20, &plain), 0);
	assert_int_equal(image__read_section(img, ".debug_frame", plain.len - 1, &packed), -EFBIG);
	assert_int_equal(image__read_section(img, ".no_such_section", 1 << 20, &packed), -ENOENT);
	assert_null(packed.bytes);
	image__free(img);
	img = NULL;
	assert_int_equal(image__open(&img, beside("odd_cfi.z")), IMAGE_OK);
	/* Refused before it is decompressed, and read all the same afterwards, twice. */
	assert_int_equal(image__read_section(img, ".debug_frame", plain.len - 1, &packed), -EFBIG);
	assert_int_equal(image__read_section(img, ".debug_frame", plain.len, &packed), 0);
	assert_int_equal(packed.len, plain.len);
	assert_memory_equal(packed.bytes, plain.bytes, plain.len);
	free(packed.bytes);
	assert_int_equal(image__read_section(img, ".debug_frame", plain.len, &packed), 0);
	assert_memory_equal(packed.bytes, plain.bytes, plain.len);
	free(packed.bytes);
	free(plain.bytes);
	image__free(img);
}

/* --- tables that are broken --- */

static uint64_t cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Whatever is in the file: a table that can be searched, or an error. */
static int try_file(struct unwind_stats *stats)
{
	struct unwind_table *t = NULL;
	struct unwind_arrays a;
	struct image *img = NULL;
	unsigned int steps;
	uint64_t pc;
	int err;

	if (image__open(&img, elf_path))
		return -EINVAL;
	err = unwind_table__new(&t, img);
	image__free(img);
	if (err) {
		assert_null(t);
		return err;
	}
	unwind_table__arrays(t, &a);
	for (pc = a.base; pc < a.base + a.nr_pages * 0x10000; pc += 61) {
		assert_true(unwind_table__lookup(t, pc, &steps)->cfa < UKP_CFA_MAX);
		assert_true(steps <= UKP_UNWIND_STEPS);
	}
	if (stats)
		unwind_table__stats(t, stats);
	unwind_table__free(t);
	return 0;
}

static uint8_t *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "r");
	struct stat st;
	uint8_t *data;

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	*len = st.st_size;
	data = malloc(*len);
	assert_non_null(data);
	assert_int_equal(fread(data, 1, *len, f), *len);
	fclose(f);
	return data;
}

static void find_frames(const char *path, uint64_t *offset, uint64_t *size)
{
	Elf_Scn *scn = NULL;
	struct source s;
	GElf_Shdr sh;
	const char *name;
	size_t names;

	*size = 0;
	open_source(&s, path);
	assert_int_equal(elf_getshdrstrndx(s.elf, &names), 0);
	while ((scn = elf_nextscn(s.elf, scn))) {
		assert_non_null(gelf_getshdr(scn, &sh));
		name = elf_strptr(s.elf, names, sh.sh_name);
		if ((!strcmp(name, ".eh_frame") || !strcmp(name, ".debug_frame")) && sh.sh_size > *size) {
			*offset = sh.sh_offset;
			*size = sh.sh_size;
		}
	}
	close_source(&s);
	assert_true(*size > 100);
}

static void corrupted_sections_are_survived(void **state)
{
	static const char *const files[] = { "odd_cfi", "../guest/shares-nofp", "../guest/shares-uk.dbg" };
	static const uint8_t evil[] = { 0, 1, 0x7f, 0x80, 0xff };
	uint64_t seed = 0x2545f4914f6cdd1d, offset = 0, size = 0, start;
	int good = 0, bad = 0, round, n;
	uint8_t *data, *copy;
	size_t i, len;

	(void)state;
	start = cpu_ms();
	for (i = 0; i < 3; i++) {
		data = read_file(beside(files[i]), &len);
		find_frames(beside(files[i]), &offset, &size);
		copy = malloc(len);
		assert_non_null(copy);
		for (round = 0; round < 400; round++) {
			memcpy(copy, data, len);
			for (n = 1 + next_random(&seed) % 8; n; n--)
				copy[offset + next_random(&seed) % size] =
					n & 1 ? next_random(&seed) >> 32 : evil[next_random(&seed) % 5];
			elf_write(copy, len);
			if (try_file(NULL))
				bad++;
			else
				good++;
		}
		free(copy);
		free(data);
	}
	print_message("%d tables were built, %d were refused\n", good, bad);
	assert_true(good > 600); /* the rest of a section is still of use */
	assert_true(cpu_ms() - start < 60000);
}

#define TEXT_ADDR 0x400000ull
#define TEXT_LEN  0x100000ull

/* An image with one section of CFI and code that is all zeros. */
static uint8_t text_bytes[TEXT_LEN]; /* the code of the next image */

static void write_image(const char *name, const struct strbuf *cfi)
{
	static const char names[] = "\0.eh_frame\0.debug_frame\0.shstrtab";
	struct strbuf sb = { 0 };
	Elf64_Shdr sh[3] = { 0 };
	Elf64_Phdr ph = { .p_type = PT_LOAD,
			  .p_flags = PF_R | PF_X,
			  .p_offset = 0x1000,
			  .p_vaddr = TEXT_ADDR,
			  .p_paddr = TEXT_ADDR,
			  .p_filesz = TEXT_LEN,
			  .p_memsz = TEXT_LEN };
	Elf64_Ehdr eh = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(eh),
		.e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(ph),
		.e_phnum = 1,
		.e_shentsize = sizeof(sh[0]),
		.e_shnum = 3,
		.e_shstrndx = 2,
		.e_shoff = 0x200,
	};
	uint8_t *zeros = calloc(1, TEXT_LEN);

	assert_non_null(zeros);
	sh[1] = (Elf64_Shdr){ .sh_name = strcmp(name, ".eh_frame") ? 11 : 1,
			      .sh_type = SHT_PROGBITS,
			      .sh_offset = 0x1000 + TEXT_LEN,
			      .sh_size = cfi->len,
			      .sh_addralign = 8 };
	sh[2] = (Elf64_Shdr){ .sh_name = 24, .sh_type = SHT_STRTAB, .sh_offset = 0x300, .sh_size = sizeof(names) };
	strbuf__add(&sb, zeros, 0x1000);
	memcpy(sb.data, &eh, sizeof(eh));
	memcpy(sb.data + sizeof(eh), &ph, sizeof(ph));
	memcpy(sb.data + 0x200, sh, sizeof(sh));
	memcpy(sb.data + 0x300, names, sizeof(names));
	strbuf__add(&sb, text_bytes, TEXT_LEN);
	strbuf__add(&sb, cfi->data, cfi->len);
	elf_write(sb.data, sb.len);
	strbuf__free(&sb);
	free(zeros);
}

static void put32(struct strbuf *sb, uint32_t v)
{
	strbuf__add(sb, &v, 4);
}

static void put_bytes(struct strbuf *sb, const char *bytes, size_t len, size_t times)
{
	for (; times; times--)
		strbuf__add(sb, bytes, len);
}

/* .debug_frame: a common CIE at 0. */
static void begin_cfi(struct strbuf *sb)
{
	put32(sb, 16);
	put32(sb, UINT32_MAX);
	strbuf__add(sb, "\x03\0\x01\x78\x10\x0c\x07\x08\x90\x01\0\0", 12);
}

static void add_range(struct strbuf *sb, uint32_t cie, uint64_t start, uint64_t len, const struct strbuf *program)
{
	put32(sb, 20 + program->len);
	put32(sb, cie);
	strbuf__add(sb, &start, 8);
	strbuf__add(sb, &len, 8);
	if (program->len)
		strbuf__add(sb, program->data, program->len);
}

/* Try a program; a harmless range of 16 bytes follows it and must survive. Returns how many were rejected. */
static uint64_t try_program(const char *bytes, size_t len, size_t times)
{
	struct strbuf sb = { 0 }, program = { 0 }, none = { 0 };
	struct unwind_stats stats = { 0 };
	uint64_t start = cpu_ms();

	put_bytes(&program, bytes, len, times);
	begin_cfi(&sb);
	add_range(&sb, 0, TEXT_ADDR, TEXT_LEN - 16, &program);
	add_range(&sb, 0, TEXT_ADDR + TEXT_LEN - 16, 16, &none);
	write_image(".debug_frame", &sb);
	assert_int_equal(try_file(&stats), 0);
	assert_true(stats.covered_bytes >= 16);
	assert_int_equal(stats.nr_ranges + stats.nr_rejected, 2);
	assert_true(cpu_ms() - start < 10000);
	strbuf__free(&sb);
	strbuf__free(&program);
	return stats.nr_rejected;
}

#define TRY(bytes, times) try_program(bytes, sizeof(bytes) - 1, times)

static void costly_programs_are_not_executed(void **state)
{
	(void)state;
	assert_int_equal(TRY("", 0), 0);
	assert_int_equal(TRY("\x41\x0e\x10\x41\x0e\x08", 50), 0);
	/* A register that would need terabytes. */
	assert_int_equal(TRY("\x05\xff\xff\xff\xff\xff\x0f\x01", 1), 1);
	assert_int_equal(TRY("\x10\xff\xff\xff\xff\x0f\x01\x30", 1), 1);
	/* States remembered by the million, or restored without. */
	assert_int_equal(TRY("\x0a", 4000000), 1);
	assert_int_equal(TRY("\x0b", 1), 1);
	assert_int_equal(TRY("\x0a\x0b", 1000), 0);
	/* A row per byte: each would be executed from the start. */
	assert_int_equal(TRY("\x41\x0e\x10\x41\x0e\x08", 500000), 1);
	/* Expressions: one that is long, many that are short, one that is cut off. */
	assert_int_equal(TRY("\x0f\xff\x7f", 1), 1);
	assert_int_equal(TRY("\x0f\x3c""123456789012345678901234567890123456789012345678901234567890", 100000), 1);
	assert_int_equal(TRY("\x0f\x3c", 1), 1);
	/* No such instruction; an address, which may go backwards; numbers without an end. */
	assert_int_equal(TRY("\x3f", 1), 1);
	assert_int_equal(TRY("\x01\0\0\x40\0\0\0\0\0", 1), 1);
	assert_int_equal(TRY("\x0e\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 1), 1);
	assert_int_equal(TRY("\x0e", 1), 1);
	assert_int_equal(TRY("\x04\x01", 1), 1);
}

static void ranges_that_cover_no_code_are_counted(void **state)
{
	static const uint64_t ranges[][2] = {
		{ 0, 0x100 },		     { TEXT_ADDR - 1, 16 },   { TEXT_ADDR + TEXT_LEN - 8, 16 },
		{ TEXT_ADDR, UINT64_MAX - 4 }, { TEXT_ADDR + 64, 0 }, { UINT64_MAX - 15, 16 },
	};
	struct strbuf sb = { 0 }, none = { 0 };
	struct unwind_stats stats = { 0 };
	size_t i;

	(void)state;
	begin_cfi(&sb);
	for (i = 0; i < 6; i++)
		add_range(&sb, 0, ranges[i][0], ranges[i][1], &none);
	add_range(&sb, 5, TEXT_ADDR, 64, &none); /* its CIE is in the middle of another entry */
	add_range(&sb, 0xfffff0, TEXT_ADDR, 64, &none);
	add_range(&sb, 0, TEXT_ADDR + 0x100, 32, &none);
	write_image(".debug_frame", &sb);
	assert_int_equal(try_file(&stats), 0);
	assert_int_equal(stats.nr_outside, 6);
	assert_int_equal(stats.nr_rejected, 2);
	assert_int_equal(stats.nr_ranges, 1);
	assert_int_equal(stats.covered_bytes, 32);
	strbuf__free(&sb);
}

/* A range that libdw may not execute covers one that it may: asking for the latter must not run the former. */
static void a_rejected_range_hides_no_other(void **state)
{
	struct strbuf sb = { 0 }, bad = { 0 }, none = { 0 };
	struct unwind_stats stats = { 0 };
	struct unwind_table *t;

	(void)state;
	put_bytes(&bad, "\x0e\x30", 2, 1);
	put_bytes(&bad, "\x0a", 1, 1000);
	begin_cfi(&sb);
	add_range(&sb, 0, TEXT_ADDR, TEXT_LEN, &bad);
	add_range(&sb, 0, TEXT_ADDR + 0x100, 32, &none);
	write_image(".debug_frame", &sb);
	assert_int_equal(try_file(&stats), 0);
	assert_int_equal(stats.nr_rejected, 1);
	assert_int_equal(stats.covered_bytes, 32);
	t = open_table(elf_path);
	assert_int_equal(unwind_table__lookup(t, TEXT_ADDR + 0x100, NULL)->cfa_offset, 8);
	unwind_table__free(t);
	strbuf__free(&sb);
	strbuf__free(&bad);
}

/* Of a stripped image: 512 bytes, but not beyond a function with a table, and not into one another. */
static void interrupt_entries_without_a_symbol_are_found(void **state)
{
	static const struct {
		uint64_t first, end;
	} stubs[] = { { 0x20, 0x202 }, { 0x202, 0x212 }, { 0x900 - 512, 0x902 } };
	struct strbuf sb = { 0 }, none = { 0 };
	struct unwind_stats stats = { 0 };
	struct unwind_table *t;
	uint64_t at;
	size_t i;

	(void)state;
	begin_cfi(&sb);
	add_range(&sb, 0, TEXT_ADDR + 0x10, 16, &none);
	add_range(&sb, 0, TEXT_ADDR + 0xa00, 16, &none);
	for (i = 0; i < 3; i++)
		memcpy(text_bytes + stubs[i].end - 2, "\x48\xcf", 2);
	memcpy(text_bytes + 0xa04, "\x48\xcf", 2);
	write_image(".debug_frame", &sb);
	assert_int_equal(try_file(&stats), 0);
	assert_int_equal(stats.nr_stubs, 3);
	assert_int_equal(stats.covered_bytes, 32);
	t = open_table(elf_path);
	for (at = 0; at < TEXT_LEN; at++) {
		for (i = 0; i < 3 && !(at >= stubs[i].first && at < stubs[i].end); i++)
			;
		assert_int_equal(unwind_table__lookup(t, TEXT_ADDR + at, NULL)->cfa,
				 i < 3							  ? UKP_CFA_INTERRUPT :
				 (at & ~15ull) == 0x10 || (at & ~15ull) == 0xa00 ? UKP_CFA_RSP :
										    UKP_CFA_NONE);
	}
	unwind_table__free(t);
	/* More of them than there can be: nothing but those bytes. */
	for (at = 0; at < TEXT_LEN; at += 2)
		memcpy(text_bytes + at, "\x48\xcf", 2);
	write_image(".debug_frame", &sb);
	assert_int_equal(try_file(&stats), 0);
	assert_true(stats.nr_stubs > 1000 && stats.nr_stubs <= 4096);
	assert_int_equal(stats.covered_bytes, 32);
	memset(text_bytes, 0, TEXT_LEN);
	strbuf__free(&sb);
}

static void images_without_tables_have_none(void **state)
{
	struct strbuf sb = { 0 };

	(void)state;
	begin_cfi(&sb);
	write_image(".debug_frame", &sb);
	assert_int_equal(try_file(NULL), -ENOENT);
	write_image(".eh_frame", &sb);
	assert_int_equal(try_file(NULL), -ENOENT);
	strbuf__truncate(&sb, 3);
	write_image(".debug_frame", &sb);
	assert_int_equal(try_file(NULL), -ENOENT);
	strbuf__free(&sb);
	unwind_table__free(NULL);
}

static int setup(void **state)
{
	char *slash;
	ssize_t n;

	n = readlink("/proc/self/exe", unit_dir, sizeof(unit_dir) - 1);
	if (n < 0)
		return -1;
	unit_dir[n] = '\0';
	slash = strrchr(unit_dir, '/');
	*slash = '\0';
	return elf_setup(state);
}

/* What another process made is taken if it could have been made here, and whatever it is, nothing is read beyond. */
static void a_foreign_table_is_checked(void **state)
{
	static const uint8_t values[] = { 0, 1, 2, 0x7f, 0x80, 0xff };
	const struct ukp_unwind_rule *a, *b;
	struct unwind_table *t = NULL, *copy = NULL;
	struct unwind_arrays arrays, broken;
	struct unwind_stats stats;
	struct image *img = NULL;
	size_t len[3], i, k, n, nr_refused = 0;
	uint8_t *bytes[3];
	uint64_t addr, x = 88172645463325252ull;

	(void)state;
	assert_int_equal(image__open(&img, beside("odd_cfi")), IMAGE_OK);
	assert_int_equal(unwind_table__new(&t, img), 0);
	unwind_table__arrays(t, &arrays);
	unwind_table__stats(t, &stats);
	assert_int_equal(unwind_table__import(&copy, &arrays, &stats), 0);
	for (addr = arrays.base; addr < arrays.base + (arrays.nr_pages << UKP_UNWIND_PAGE_BITS); addr += 3) {
		a = unwind_table__lookup(t, addr, NULL);
		b = unwind_table__lookup(copy, addr, NULL);
		assert_memory_equal(a, b, sizeof(*a));
	}
	unwind_table__free(copy);

	len[0] = arrays.nr_pages * sizeof(*arrays.pages);
	len[1] = arrays.nr_rows * sizeof(*arrays.rows);
	len[2] = arrays.nr_rules * sizeof(*arrays.rules);
	for (i = 0; i < 3; i++) {
		bytes[i] = malloc(len[i]);
		assert_non_null(bytes[i]);
	}
	for (n = 0; n < 20000; n++) {
		memcpy(bytes[0], arrays.pages, len[0]);
		memcpy(bytes[1], arrays.rows, len[1]);
		memcpy(bytes[2], arrays.rules, len[2]);
		i = next_random(&x) % 3;
		k = next_random(&x) % len[i];
		bytes[i][k] = values[next_random(&x) % sizeof(values)];
		broken = arrays;
		broken.pages = (void *)bytes[0];
		broken.rows = (void *)bytes[1];
		broken.rules = (void *)bytes[2];
		if (n % 7 == 0)
			broken.nr_rows--;
		copy = NULL;
		if (unwind_table__import(&copy, &broken, &stats)) {
			nr_refused++;
			assert_null(copy);
			continue;
		}
		for (addr = arrays.base; addr < arrays.base + 0x3000; addr += 17) {
			b = unwind_table__lookup(copy, addr, NULL);
			assert_true(b->cfa < UKP_CFA_MAX && b->rbp < UKP_RBP_MAX);
		}
		unwind_table__free(copy);
	}
	assert_true(nr_refused > 5000); /* of each kind there was a lot */
	for (i = 0; i < 3; i++)
		free(bytes[i]);
	unwind_table__free(t);
	image__free(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_foreign_table_is_checked),
		cmocka_unit_test(guests_agree),
		cmocka_unit_test(this_program_agrees),
		cmocka_unit_test(libc_agrees),
		cmocka_unit_test(odd_rules_agree),
		cmocka_unit_test(the_better_section_wins),
		cmocka_unit_test(interrupt_frames_are_marked),
		cmocka_unit_test(interrupt_entries_without_a_table_are_found),
		cmocka_unit_test(interrupt_entries_without_a_symbol_are_found),
		cmocka_unit_test(functions_begin_with_a_row_of_their_own),
		cmocka_unit_test(functions_begin_only_once),
		cmocka_unit_test(the_arrays_are_sound),
		cmocka_unit_test(sections_are_read_up_to_a_limit),
		cmocka_unit_test(corrupted_sections_are_survived),
		cmocka_unit_test(costly_programs_are_not_executed),
		cmocka_unit_test(ranges_that_cover_no_code_are_counted),
		cmocka_unit_test(a_rejected_range_hides_no_other),
		cmocka_unit_test(images_without_tables_have_none),
	};

	return cmocka_run_group_tests(tests, setup, elf_teardown);
}
