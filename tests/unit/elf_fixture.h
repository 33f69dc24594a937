/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_ELF_FIXTURE_H
#define UNIT_ELF_FIXTURE_H

/*
 * elf_fixture - small ELF images that a test describes and this writes: one executable segment, one section
 * of code, one of data, a symbol table, a build-id.
 */

#include "records.h"

#include <elf.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image.h"
#include "strbuf.h"

#define ELF_TEXT 1 /* section numbers */
#define ELF_DATA 2

struct elf_sym {
	const char *name;
	uint64_t value;
	uint64_t size;
	uint8_t bind;
	uint8_t type;
	uint16_t shndx;
};

struct elf_desc {
	uint16_t type; /* 0: ET_EXEC */
	uint64_t addr;
	const uint8_t *text; /* NULL: a different byte everywhere */
	size_t text_len;
	uint32_t seed;
	const struct elf_sym *syms;
	size_t nr_syms;
	uint32_t table; /* 0: SHT_SYMTAB */
	bool has_build_id;
};

static char elf_dir[] = "/tmp/ukprof-elf-XXXXXX";
static char elf_path[64];

static inline void elf_align(struct strbuf *sb)
{
	while (sb->len & 15)
		strbuf__addc(sb, 0);
}

/* Code that does not repeat: what a compiler writes does not either, over 32 bytes. */
static inline void elf_random_text(uint8_t *text, size_t len, uint32_t seed)
{
	uint64_t x = 0x9e3779b97f4a7c15ull ^ ((uint64_t)seed << 20);
	size_t i;

	for (i = 0; i < len; i++)
		text[i] = next_random(&x) >> 24;
}

static inline struct strbuf elf_build(const struct elf_desc *d)
{
	static const uint8_t note[] = { 4, 0, 0,   0,   4,   0, 0,    0,    3,    0,
					0, 0, 'G', 'N', 'U', 0, 0xde, 0xad, 0xbe, 0xef };
	uint64_t addr = d->addr ? d->addr : d->type == ET_DYN ? 0x1000 : 0x100000;
	struct strbuf sb = { 0 }, names = { 0 };
	Elf64_Shdr sh[6] = { 0 };
	Elf64_Phdr ph[2] = { 0 };
	Elf64_Ehdr eh = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = d->type ? d->type : ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = addr,
		.e_phoff = sizeof(eh),
		.e_ehsize = sizeof(eh),
		.e_phentsize = sizeof(ph[0]),
		.e_phnum = 2,
		.e_shentsize = sizeof(sh[0]),
		.e_shnum = 6,
	};
	Elf64_Sym sym = { 0 };
	uint8_t *text;
	size_t i;

	text = malloc(d->text_len);
	assert_non_null(text);
	if (d->text)
		memcpy(text, d->text, d->text_len);
	else
		elf_random_text(text, d->text_len, d->seed);
	ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
			      .p_flags = PF_R | PF_X,
			      .p_offset = 0x200,
			      .p_vaddr = addr,
			      .p_paddr = addr,
			      .p_filesz = d->text_len,
			      .p_memsz = d->text_len };
	ph[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
			      .p_flags = PF_R | PF_W,
			      .p_offset = 0x200,
			      .p_vaddr = addr + 0x1000000,
			      .p_filesz = 16,
			      .p_memsz = 0x1000 };
	strbuf__add(&sb, &eh, sizeof(eh));
	strbuf__add(&sb, ph, sizeof(ph));
	while (sb.len < 0x200)
		strbuf__addc(&sb, 0);
	sh[ELF_TEXT] = (Elf64_Shdr){ .sh_type = SHT_PROGBITS,
				     .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
				     .sh_addr = addr,
				     .sh_offset = sb.len,
				     .sh_size = d->text_len };
	sh[ELF_DATA] = (Elf64_Shdr){ .sh_type = SHT_NOBITS,
				     .sh_flags = SHF_ALLOC | SHF_WRITE,
				     .sh_addr = addr + 0x1000000,
				     .sh_offset = sb.len,
				     .sh_size = 0x1000 };
	strbuf__add(&sb, text, d->text_len);
	free(text);
	elf_align(&sb);
	sh[3].sh_type = d->syms ? d->table ? d->table : SHT_SYMTAB : SHT_PROGBITS;
	sh[3].sh_offset = sb.len;
	sh[3].sh_size = (d->nr_syms + 1) * sizeof(sym);
	sh[3].sh_link = 4;
	sh[3].sh_entsize = sizeof(sym);
	strbuf__addc(&names, 0);
	strbuf__add(&sb, &sym, sizeof(sym));
	for (i = 0; i < d->nr_syms; i++) {
		sym.st_name = names.len;
		sym.st_info = ELF64_ST_INFO(d->syms[i].bind, d->syms[i].type);
		sym.st_shndx = d->syms[i].shndx;
		sym.st_value = d->syms[i].value;
		sym.st_size = d->syms[i].size;
		strbuf__add(&names, d->syms[i].name, strlen(d->syms[i].name) + 1);
		strbuf__add(&sb, &sym, sizeof(sym));
	}
	sh[4].sh_type = SHT_STRTAB;
	sh[4].sh_offset = sb.len;
	sh[4].sh_size = names.len;
	strbuf__add(&sb, names.data, names.len);
	strbuf__free(&names);
	elf_align(&sb);
	sh[5].sh_type = d->has_build_id ? SHT_NOTE : SHT_PROGBITS;
	sh[5].sh_addralign = 4;
	sh[5].sh_offset = sb.len;
	sh[5].sh_size = sizeof(note);
	strbuf__add(&sb, note, sizeof(note));
	elf_align(&sb);
	eh.e_shoff = sb.len;
	strbuf__add(&sb, sh, sizeof(sh));
	memcpy(sb.data, &eh, sizeof(eh));
	return sb;
}

static inline void elf_write(const void *data, size_t len)
{
	FILE *f = fopen(elf_path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static inline struct image *elf_open(const struct elf_desc *d)
{
	struct strbuf sb = elf_build(d);
	struct image *img = NULL;

	elf_write(sb.data, sb.len);
	strbuf__free(&sb);
	assert_int_equal(image__open(&img, elf_path), IMAGE_OK);
	return img;
}

static inline int elf_setup(void **state)
{
	(void)state;
	if (!mkdtemp(elf_dir))
		return -1;
	snprintf(elf_path, sizeof(elf_path), "%s/image", elf_dir);
	return 0;
}

static inline int elf_teardown(void **state)
{
	(void)state;
	unlink(elf_path);
	return rmdir(elf_dir);
}

#endif /* UNIT_ELF_FIXTURE_H */
