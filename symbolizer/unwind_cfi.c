/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwind_cfi.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <gelf.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "image.h"
#include "unwind_row.h"
#include "unwind_rules.h"

#define MAX_SECTION  (256ull << 20)
#define MAX_ROWS     (16u << 20)
#define MAX_REGISTER 128	  /* libdw allocates up to the largest number that is named */
#define MAX_REMEMBER 32		  /* and a copy of all registers for each state that is remembered */
#define MAX_EXPR     64		  /* bytes of an expression; gcc's longest for a stack frame has 11 */
#define MAX_EXPRS    (1u << 20)	  /* bytes of all expressions: each byte may become an operation of 32 */
#define MAX_WORK     (1ull << 28) /* instruction bytes that are executed beyond those of well-behaved ranges */
#define PAD	     64		  /* libdw reads a few bytes beyond a malformed last entry */

#define REG_RAX 0
#define REG_RBP 6
#define REG_RSP 7
#define REG_RA	16

struct cie {
	uint64_t offset;
	uint8_t encoding; /* of addresses in its FDEs */
	bool is_sized;	  /* its FDEs have augmentation data */
	bool is_good;
	uint64_t nr_advances;
	uint64_t program_len;
};

struct fde {
	uint64_t start;
	uint64_t end;
};

struct parser {
	struct unwind_cfi *cfi;
	const struct image *img;
	struct unwind_rules *rules;
	bool is_eh;
	uint64_t addr; /* of the section */
	uint8_t *bytes; /* in the file below */
	uint64_t len;
	void *file; /* an ELF file of this section alone */
	size_t file_len;
	struct cie *cies; /* by offset */
	size_t nr_cies;
	struct fde *fdes;
	size_t nr_fdes;
	uint64_t work;
	uint64_t expr_bytes;
};

/* --- a bounded view of bytes --- */

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

static const uint8_t *take(struct cursor *c, uint64_t len)
{
	const uint8_t *at = c->at;

	if (c->failed || len > (uint64_t)(c->end - c->at)) {
		c->failed = true;
		return NULL;
	}
	c->at += len;
	return at;
}

static uint64_t take_uint(struct cursor *c, size_t size)
{
	const uint8_t *p = take(c, size);
	uint64_t v = 0;

	if (p)
		memcpy(&v, p, size);
	return v;
}

/* LEB128; of a signed one only the length matters here. */
static uint64_t take_uleb(struct cursor *c)
{
	uint64_t v = 0;
	unsigned int shift;
	const uint8_t *p;

	for (shift = 0; shift < 70; shift += 7) {
		p = take(c, 1);
		if (!p)
			return 0;
		if (shift < 64)
			v |= (uint64_t)(*p & 0x7f) << shift;
		if (!(*p & 0x80))
			return v;
	}
	c->failed = true;
	return 0;
}

/* --- programs: which are safe to execute --- */

/* Operands: r register, u number, b block, 1/2/4 bytes of an advance; NULL: not accepted. Source: DWARF 5, 7.24. */
static const char *const operands[64] = {
	[DW_CFA_nop] = "",
	[DW_CFA_advance_loc1] = "1",
	[DW_CFA_advance_loc2] = "2",
	[DW_CFA_advance_loc4] = "4",
	[DW_CFA_offset_extended] = "ru",
	[DW_CFA_restore_extended] = "r",
	[DW_CFA_undefined] = "r",
	[DW_CFA_same_value] = "r",
	[DW_CFA_register] = "rr",
	[DW_CFA_remember_state] = "+",
	[DW_CFA_restore_state] = "-",
	[DW_CFA_def_cfa] = "ru",
	[DW_CFA_def_cfa_register] = "r",
	[DW_CFA_def_cfa_offset] = "u",
	[DW_CFA_def_cfa_expression] = "b",
	[DW_CFA_expression] = "rb",
	[DW_CFA_offset_extended_sf] = "ru",
	[DW_CFA_def_cfa_sf] = "ru",
	[DW_CFA_def_cfa_offset_sf] = "u",
	[DW_CFA_val_offset] = "ru",
	[DW_CFA_val_offset_sf] = "ru",
	[DW_CFA_val_expression] = "rb",
	[DW_CFA_GNU_args_size] = "u",
	[DW_CFA_GNU_negative_offset_extended] = "ru",
};

/* Walk over a program without executing it. Returns false if it is malformed or asks for too much. */
static bool check_program(struct parser *p, struct cursor *c, uint64_t *nr_advances)
{
	const char *operand;
	int depth = 0;
	uint64_t v;
	uint8_t op;

	*nr_advances = 0;
	while (c->at < c->end && !c->failed) {
		op = take_uint(c, 1);
		switch (op & 0xc0) {
		case DW_CFA_advance_loc:
			++*nr_advances;
			continue;
		case DW_CFA_offset:
			take_uleb(c);
			continue;
		case DW_CFA_restore:
			continue;
		}
		operand = operands[op];
		if (!operand)
			return false;
		for (; *operand; operand++) {
			switch (*operand) {
			case 'r':
				if (take_uleb(c) >= MAX_REGISTER)
					return false;
				break;
			case 'u':
				take_uleb(c);
				break;
			case 'b':
				v = take_uleb(c);
				p->expr_bytes += v;
				if (v > MAX_EXPR || p->expr_bytes > MAX_EXPRS)
					return false;
				take(c, v);
				break;
			case '+':
				if (++depth > MAX_REMEMBER)
					return false;
				break;
			case '-':
				if (--depth < 0)
					return false;
				break;
			default:
				++*nr_advances;
				take(c, *operand - '0');
			}
		}
	}
	return !c->failed;
}

/* --- entries --- */

static size_t encoded_size(uint8_t encoding)
{
	switch (encoding & 7) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
		return 8;
	case DW_EH_PE_udata2:
		return 2;
	case DW_EH_PE_udata4:
		return 4;
	}
	return 0;
}

static bool check_augmentation(struct cie *cie, const Dwarf_CIE *info)
{
	const char *letter = info->augmentation;
	struct cursor c = { info->augmentation_data, info->augmentation_data + info->augmentation_data_size, false };
	uint8_t encoding;

	cie->encoding = DW_EH_PE_absptr;
	if (!*letter)
		return true;
	if (*letter++ != 'z')
		return false;
	cie->is_sized = true;
	for (; *letter; letter++) {
		switch (*letter) {
		case 'S':
			break;
		case 'L':
			take(&c, 1);
			break;
		case 'R':
			cie->encoding = take_uint(&c, 1);
			break;
		case 'P':
			encoding = take_uint(&c, 1);
			if (encoding != DW_EH_PE_omit && !encoded_size(encoding))
				return false;
			if (encoding != DW_EH_PE_omit)
				take(&c, encoded_size(encoding));
			break;
		default:
			return false;
		}
	}
	return !c.failed && encoded_size(cie->encoding) &&
	       ((cie->encoding & 0xf0) == DW_EH_PE_absptr || (cie->encoding & 0xf0) == DW_EH_PE_pcrel);
}

static int add_cie(struct parser *p, uint64_t offset, const Dwarf_CIE *info)
{
	struct cursor c = { info->initial_instructions, info->initial_instructions_end, false };
	struct cie *cies, cie = { .offset = offset };

	if (!(p->nr_cies & (p->nr_cies - 1))) {
		cies = reallocarray(p->cies, p->nr_cies ? 2 * p->nr_cies : 1, sizeof(*cies));
		if (!cies)
			return -ENOMEM;
		p->cies = cies;
	}
	cie.program_len = c.end > c.at ? c.end - c.at : 0;
	cie.is_good = info->return_address_register == REG_RA && info->code_alignment_factor < 256 &&
		      check_augmentation(&cie, info) && c.at <= c.end && check_program(p, &c, &cie.nr_advances) &&
		      !cie.nr_advances;
	p->cies[p->nr_cies++] = cie;
	return 0;
}

static const struct cie *find_cie(const struct parser *p, uint64_t offset)
{
	size_t lo = 0, hi = p->nr_cies, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (p->cies[mid].offset == offset)
			return &p->cies[mid];
		if (p->cies[mid].offset < offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static bool is_code(const struct image *img, uint64_t start, uint64_t end)
{
	const struct image_text *text;
	size_t i;

	for (i = 0; i < image__nr_texts(img); i++) {
		text = image__text(img, i);
		if (start >= text->addr && start < end && end - text->addr <= text->len)
			return true;
	}
	return false;
}

/* Returns false if libdw must not see it. */
static bool check_fde(struct parser *p, const Dwarf_FDE *info, struct fde *fde)
{
	const struct cie *cie = find_cie(p, info->CIE_pointer);
	struct cursor c = { info->start, info->end, false };
	uint64_t nr_advances, work, mask;
	size_t size;

	if (!cie || !cie->is_good)
		goto rejected;
	size = encoded_size(cie->encoding);
	fde->start = take_uint(&c, size);
	if (cie->encoding & DW_EH_PE_signed && size < 8) {
		mask = 1ull << (8 * size - 1);
		fde->start = (fde->start ^ mask) - mask;
	}
	if ((cie->encoding & 0xf0) == DW_EH_PE_pcrel)
		fde->start += p->addr + (info->start - p->bytes);
	fde->end = fde->start + take_uint(&c, size);
	if (cie->is_sized)
		take(&c, take_uleb(&c));
	if (c.failed)
		goto rejected;
	if (!is_code(p->img, fde->start, fde->end)) {
		p->cfi->nr_outside++;
		return false;
	}
	work = c.end - c.at;
	if (!check_program(p, &c, &nr_advances))
		goto rejected;
	/* libdw executes a range from its start for each of its rows. */
	work = (work + cie->program_len) * (nr_advances + 1);
	if (work > 4096 && (p->work += work) > MAX_WORK) {
		p->work -= work;
		goto rejected;
	}
	return true;

rejected:
	p->cfi->nr_rejected++;
	return false;
}

/* Make an entry one that libdw steps over: a CIE of a version that does not exist. */
static void hide_entry(struct parser *p, uint64_t offset)
{
	uint8_t *at = p->bytes + offset;
	size_t size = 4;
	uint32_t len;

	memcpy(&len, at, 4);
	at += 4;
	if (len == UINT32_MAX) {
		at += 8;
		size = 8;
	}
	memset(at, p->is_eh ? 0 : 0xff, size);
	at[size] = 0xff;
}

/* Visit all entries: CIEs first, for an FDE of .debug_frame may come before its CIE. */
static int read_entries(struct parser *p, const unsigned char *e_ident, bool want_cies)
{
	Elf_Data data = { .d_buf = p->bytes, .d_size = p->len, .d_type = ELF_T_BYTE, .d_version = EV_CURRENT };
	Dwarf_CFI_Entry entry;
	Dwarf_Off at, next = 0;
	struct fde *fdes, fde;
	int err, result;

	for (at = 0;; at = next) {
		result = dwarf_next_cfi(e_ident, &data, p->is_eh, at, &next, &entry);
		if (result > 0 || next == at)
			return 0;
		if (result < 0) {
			if (next == (Dwarf_Off)-1 || next <= at)
				return 0;
			continue;
		}
		if (dwarf_cfi_cie_p(&entry)) {
			err = want_cies ? add_cie(p, at, &entry.cie) : 0;
			if (err)
				return err;
			if (!want_cies && !find_cie(p, at)->is_good)
				hide_entry(p, at);
			continue;
		}
		if (want_cies)
			continue;
		if (!check_fde(p, &entry.fde, &fde)) {
			hide_entry(p, at);
			continue;
		}
		if (!(p->nr_fdes & (p->nr_fdes - 1))) {
			fdes = reallocarray(p->fdes, p->nr_fdes ? 2 * p->nr_fdes : 1, sizeof(*fdes));
			if (!fdes)
				return -ENOMEM;
			p->fdes = fdes;
		}
		p->fdes[p->nr_fdes++] = fde;
	}
}

/* --- an ELF file around the section, for libdw takes no less --- */

enum { SH_NULL, SH_FRAME, SH_NAMES, NR_SH };

/* Its own file, and not the image: the search table of .eh_frame_hdr would be one more thing to distrust. */
static int wrap_section(struct parser *p, const struct image_section *section)
{
	static const char names[] = "\0.eh_frame\0.debug_frame\0.shstrtab";
	uint64_t names_at = sizeof(Elf64_Ehdr) + ((section->len + PAD + 15) & ~15ull);
	uint64_t headers_at = names_at + ((sizeof(names) + 15) & ~15ull);
	Elf64_Ehdr eh = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_ehsize = sizeof(eh),
		.e_shoff = headers_at,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = NR_SH,
		.e_shstrndx = SH_NAMES,
	};
	Elf64_Shdr sh[NR_SH] = {
		[SH_FRAME] = { .sh_name = p->is_eh ? 1 : 11,
			       .sh_type = SHT_PROGBITS,
			       .sh_flags = p->is_eh ? SHF_ALLOC : 0,
			       .sh_addr = section->addr,
			       .sh_offset = sizeof(eh),
			       .sh_size = section->len,
			       .sh_addralign = 8 },
		[SH_NAMES] = { .sh_name = 24,
			       .sh_type = SHT_STRTAB,
			       .sh_offset = names_at,
			       .sh_size = sizeof(names),
			       .sh_addralign = 1 },
	};

	p->file_len = headers_at + sizeof(sh);
	p->file = calloc(1, p->file_len);
	if (!p->file)
		return -ENOMEM;
	memcpy(p->file, &eh, sizeof(eh));
	p->bytes = (uint8_t *)p->file + sizeof(eh);
	p->len = section->len;
	p->addr = section->addr;
	memcpy(p->bytes, section->bytes, section->len);
	memcpy((char *)p->file + names_at, names, sizeof(names));
	memcpy((char *)p->file + headers_at, sh, sizeof(sh));
	return 0;
}

/* --- rules --- */

static bool fits16(Dwarf_Word v)
{
	return (int64_t)v >= INT16_MIN && (int64_t)v <= INT16_MAX;
}

/* REG + offset, as one operation. */
static bool is_register_offset(const Dwarf_Op *op, Dwarf_Word *reg, Dwarf_Word *offset)
{
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
		*reg = op->atom - DW_OP_breg0;
		*offset = op->number;
		return true;
	}
	*reg = op->number;
	*offset = op->number2;
	return op->atom == DW_OP_bregx;
}

/*
 * The CFA of a procedure linkage table: RSP + 8 and, past the push in each entry of 16 bytes, 8 more:
 * breg7 8; breg16 0; lit15; and; litN; ge; lit3; shl; plus. Returns N, or 0 if it is another expression.
 */
static uint8_t plt_push_end(const Dwarf_Op *ops, size_t nr)
{
	static const uint8_t atoms[] = { DW_OP_breg7, DW_OP_breg16, DW_OP_lit15, DW_OP_and, 0,
					 DW_OP_ge,    DW_OP_lit3,   DW_OP_shl,	 DW_OP_plus };
	size_t i;

	if (nr != sizeof(atoms) || ops[0].number != 8 || ops[1].number || ops[4].atom <= DW_OP_lit0 ||
	    ops[4].atom > DW_OP_lit15)
		return 0;
	for (i = 0; i < nr; i++)
		if (atoms[i] && ops[i].atom != atoms[i])
			return 0;
	return ops[4].atom - DW_OP_lit0;
}

/* @plt: receives plt_push_end(); the rule is then that of the part before it. */
static bool read_cfa(Dwarf_Frame *frame, struct ukp_unwind_rule *rule, uint8_t *plt)
{
	Dwarf_Word reg, offset;
	Dwarf_Op *ops;
	size_t nr;

	if (dwarf_frame_cfa(frame, &ops, &nr) || !nr || !ops)
		return false;
	*plt = plt_push_end(ops, nr);
	if (!is_register_offset(&ops[0], &reg, &offset) || (int64_t)offset < INT32_MIN || (int64_t)offset > INT32_MAX ||
	    (reg != REG_RSP && reg != REG_RBP))
		return false;
	rule->cfa_offset = offset;
	if (nr == 1 || *plt)
		rule->cfa = reg == REG_RSP ? UKP_CFA_RSP : UKP_CFA_RBP;
	else if (nr == 2 && ops[1].atom == DW_OP_deref)
		rule->cfa = reg == REG_RSP ? UKP_CFA_AT_RSP : UKP_CFA_AT_RBP;
	else
		return false;
	return true;
}

enum where { WHERE_LOST, WHERE_SAME, WHERE_AT_CFA, WHERE_IS_CFA, WHERE_AT_RBP, WHERE_ELSEWHERE };

static enum where find_register(Dwarf_Frame *frame, int reg, int16_t *offset)
{
	Dwarf_Word base, off = 0;
	Dwarf_Op mem[3], *ops;
	size_t nr;

	*offset = 0;
	if (dwarf_frame_register(frame, reg, mem, &ops, &nr))
		return WHERE_ELSEWHERE;
	if (!nr)
		return ops ? WHERE_LOST : WHERE_SAME;
	if (ops[0].atom != DW_OP_call_frame_cfa)
		return WHERE_ELSEWHERE;
	/* Expressions have the CFA on the stack already, whether they use it or not. */
	if (nr == 2 && is_register_offset(&ops[1], &base, &off)) {
		*offset = off;
		return base == REG_RBP && fits16(off) ? WHERE_AT_RBP : WHERE_ELSEWHERE;
	}
	if (nr >= 2 && ops[1].atom == DW_OP_plus_uconst)
		off = ops[1].number;
	else if (nr >= 2 && ops[1].atom != DW_OP_stack_value)
		return WHERE_ELSEWHERE;
	if (!fits16(off) || nr > 3)
		return WHERE_ELSEWHERE;
	*offset = off;
	if (ops[nr - 1].atom == DW_OP_stack_value)
		return off ? WHERE_ELSEWHERE : WHERE_IS_CFA;
	return nr == (off ? 2 : 1) ? WHERE_AT_CFA : WHERE_ELSEWHERE;
}

static bool read_rule(Dwarf_Frame *frame, bool is_signal, struct ukp_unwind_rule *rule, uint8_t *plt)
{
	enum where where;

	memset(rule, 0, sizeof(*rule));
	*plt = 0;
	if (is_signal)
		rule->flags = UKP_UNWIND_SIGNAL;
	where = find_register(frame, REG_RA, &rule->ra_offset);
	if (where == WHERE_LOST) {
		*rule = (struct ukp_unwind_rule){ .cfa = UKP_CFA_END };
		return true;
	}
	if (where != WHERE_AT_CFA || !read_cfa(frame, rule, plt))
		return false;
	switch (find_register(frame, REG_RBP, &rule->rbp_offset)) {
	case WHERE_SAME:
		rule->rbp = UKP_RBP_SAME;
		break;
	case WHERE_AT_CFA:
		rule->rbp = UKP_RBP_AT_CFA;
		break;
	case WHERE_AT_RBP:
		rule->rbp = UKP_RBP_AT_RBP;
		break;
	default:
		rule->rbp = UKP_RBP_LOST;
		rule->rbp_offset = 0;
	}
	switch (find_register(frame, REG_RSP, &rule->rsp_offset)) {
	case WHERE_IS_CFA:
		return true;
	case WHERE_AT_CFA:
		rule->flags |= UKP_UNWIND_SAVES_SP;
		return true;
	default:
		return false;
	}
}

/* --- rows --- */

int unwind_cfi__push(struct unwind_cfi *cfi, uint64_t addr, uint16_t rule, bool begins)
{
	if (cfi->nr && cfi->rows[cfi->nr - 1].addr == addr)
		cfi->nr--;
	if (!begins && (cfi->nr ? cfi->rows[cfi->nr - 1].rule == rule : rule == UKP_UNWIND_RULE_NONE))
		return 0;
	if (cfi->nr == cfi->room && cfi->nr >= MAX_ROWS)
		return -EFBIG;
	if (grow__to((void **)&cfi->rows, &cfi->room, cfi->nr + 1, sizeof(*cfi->rows)))
		return -ENOMEM;
	cfi->rows[cfi->nr++] = (struct unwind_cfi_row){ addr, rule };
	return 0;
}

static int rule_index(struct parser *p, const struct ukp_unwind_rule *rule)
{
	int index = unwind_rules__add(p->rules, rule);

	return index == -ENOSPC ? UKP_UNWIND_RULE_UNSUPPORTED : index;
}

/* Addresses of the table's 16-byte entries are known here, so its expression becomes two rules. */
static int push_plt(struct parser *p, struct ukp_unwind_rule *rule, uint64_t addr, uint64_t end, uint8_t push_end)
{
	struct ukp_unwind_rule pushed = *rule;
	int before, after, err = 0;
	uint64_t at;

	pushed.cfa_offset += 8;
	before = rule_index(p, rule);
	after = rule_index(p, &pushed);
	if (before < 0 || after < 0)
		return -ENOMEM;
	for (at = addr; at < end && !err; at = (at & ~15ull) + ((at & 15) < push_end ? push_end : 16))
		err = unwind_cfi__push(p->cfi, at, (at & 15) < push_end ? before : after, false);
	return err;
}

/* How the first row of a range is marked: a function begins as the call has left the stack. */
static uint8_t begin_flag(const struct ukp_unwind_rule *rule)
{
	if (rule->cfa < UKP_CFA_RSP)
		return 0;
	return rule->cfa == UKP_CFA_RSP && rule->cfa_offset == 8 && rule->ra_offset == -8 &&
			       !(rule->flags & UKP_UNWIND_SIGNAL) ?
		       UKP_UNWIND_ENTRY :
		       UKP_UNWIND_PART;
}

/*
 * What gcc and clang make of __attribute__((interrupt)), and Rust of "x86-interrupt", is described as a function that was
 * called: the return address is right, the caller's RSP is not. Such a function ends in IRETQ, and it saves RAX, which
 * no other does. Expects the range's rows to be executable.
 */
static bool is_handler(const struct parser *p, Dwarf_CFI *source, const struct fde *fde)
{
	static const uint8_t iretq[] = { 0x48, 0xcf };
	const struct image_text *text;
	Dwarf_Addr start, at, next;
	bool ends = false, saves = false, is_signal;
	Dwarf_Frame *frame;
	int16_t offset;
	size_t i;

	for (i = 0; i < image__nr_texts(p->img) && !ends; i++) {
		text = image__text(p->img, i);
		ends = fde->end - fde->start > sizeof(iretq) && fde->start >= text->addr && fde->end - text->addr <= text->len &&
		       !memcmp(text->bytes + (fde->end - sizeof(iretq) - text->addr), iretq, sizeof(iretq));
	}
	for (at = fde->start; ends && !saves && at < fde->end; at = next) {
		if (dwarf_cfi_addrframe(source, at, &frame))
			return false;
		dwarf_frame_info(frame, &start, &next, &is_signal);
		saves = find_register(frame, REG_RAX, &offset) == WHERE_AT_CFA;
		free(frame);
		if (is_signal || next <= at)
			return false;
	}
	return saves;
}

/* Above the return address are CS, RFLAGS, RSP and SS. */
static void make_handler(struct ukp_unwind_rule *rule)
{
	if (rule->cfa < UKP_CFA_RSP || rule->ra_offset != -8 || rule->flags & UKP_UNWIND_SAVES_SP)
		return;
	rule->flags |= UKP_UNWIND_SIGNAL | UKP_UNWIND_SAVES_SP;
	rule->rsp_offset = 16;
}

/* @begins: it is the first row of its range. Returns the address where the row ends in @end. */
static int add_row(struct parser *p, Dwarf_CFI *source, uint64_t addr, uint64_t range_end, bool begins, bool handler,
		   uint64_t *end)
{
	struct ukp_unwind_rule rule;
	Dwarf_Addr start, stop;
	Dwarf_Frame *frame;
	bool is_signal, good;
	uint8_t plt;
	int index;

	*end = range_end;
	if (dwarf_cfi_addrframe(source, addr, &frame)) {
		p->cfi->nr_rejected++;
		return unwind_cfi__push(p->cfi, addr, UKP_UNWIND_RULE_NONE, false);
	}
	dwarf_frame_info(frame, &start, &stop, &is_signal);
	if (stop > addr && stop < range_end)
		*end = stop;
	good = read_rule(frame, is_signal, &rule, &plt);
	free(frame);
	if (!good)
		return unwind_cfi__push(p->cfi, addr, UKP_UNWIND_RULE_UNSUPPORTED, false);
	if (plt)
		return push_plt(p, &rule, addr, *end, plt);
	if (handler)
		make_handler(&rule);
	if (begins)
		rule.flags |= begin_flag(&rule);
	index = rule_index(p, &rule);
	return index < 0 ? index : unwind_cfi__push(p->cfi, addr, index, begins);
}

static int compare_fdes(const void *a, const void *b)
{
	const struct fde *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int add_rows(struct parser *p, Dwarf_CFI *source)
{
	uint64_t at = 0;
	bool handler;
	size_t i;
	int err;

	qsort(p->fdes, p->nr_fdes, sizeof(*p->fdes), compare_fdes);
	for (i = 0; i < p->nr_fdes; i++) {
		/* Where ranges overlap, libdw knows the one that comes first in the section, whoever asks. */
		if (at < p->fdes[i].start)
			at = p->fdes[i].start;
		if (at >= p->fdes[i].end)
			continue;
		handler = is_handler(p, source, &p->fdes[i]);
		while (at < p->fdes[i].end) {
			err = add_row(p, source, at, p->fdes[i].end, at == p->fdes[i].start, handler, &at);
			if (err)
				return err;
		}
		err = unwind_cfi__push(p->cfi, at, UKP_UNWIND_RULE_NONE, false);
		if (err)
			return err;
	}
	return 0;
}

static int execute(struct parser *p)
{
	Dwarf_CFI *source = NULL;
	Dwarf *dwarf = NULL;
	int err = -ENOMEM;
	Elf *elf;

	elf = elf_memory(p->file, p->file_len);
	if (!elf)
		return err;
	if (p->is_eh) {
		source = dwarf_getcfi_elf(elf);
	} else {
		dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
		source = dwarf ? dwarf_getcfi(dwarf) : NULL;
	}
	if (source)
		err = add_rows(p, source);
	if (p->is_eh && source)
		dwarf_cfi_end(source);
	dwarf_end(dwarf);
	elf_end(elf);
	return err;
}

int unwind_cfi__read(struct unwind_cfi *cfi, struct image *img, bool is_eh, struct unwind_rules *rules)
{
	struct parser p = { .cfi = cfi, .img = img, .rules = rules, .is_eh = is_eh };
	struct image_section section;
	int err;

	memset(cfi, 0, sizeof(*cfi));
	err = image__read_section(img, is_eh ? ".eh_frame" : ".debug_frame", MAX_SECTION, &section);
	if (err)
		return err == -ENOENT ? 0 : err;
	err = wrap_section(&p, &section);
	free(section.bytes);
	if (!err)
		err = read_entries(&p, p.file, true);
	if (!err)
		err = read_entries(&p, p.file, false);
	if (!err && p.nr_fdes)
		err = execute(&p);
	cfi->nr_ranges = p.nr_fdes;
	free(p.cies);
	free(p.fdes);
	free(p.file);
	return err;
}

void unwind_cfi__release(struct unwind_cfi *cfi)
{
	free(cfi->rows);
	memset(cfi, 0, sizeof(*cfi));
}
