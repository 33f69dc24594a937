/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf_fixture.h"

#include <errno.h>
#include <fcntl.h>

#include "symtab.h"

static const struct elf_sym syms[] = {
	{ "f", 0x100000, 0x40, STB_GLOBAL, STT_FUNC, ELF_TEXT },
	{ "g", 0x100040, 0, STB_LOCAL, STT_NOTYPE, ELF_TEXT },
};
static const struct elf_desc desc = {
	.text_len = 0x100, .syms = syms, .nr_syms = 2, .has_build_id = true
};

static enum image_verdict open_bytes(const void *data, size_t len)
{
	struct image *img = (void *)1;
	enum image_verdict verdict;

	elf_write(data, len);
	verdict = image__open(&img, elf_path);
	if (verdict)
		assert_ptr_equal(img, (void *)1); /* untouched */
	else
		image__free(img);
	return verdict;
}

static void a_linked_image_is_read(void **state)
{
	struct image *img = elf_open(&desc);
	uint8_t want[0x100];

	(void)state;
	assert_string_equal(image__path(img), elf_path);
	assert_string_equal(image__build_id(img), "deadbeef");
	assert_false(image__is_pic(img));
	assert_int_equal(image__entry(img), 0x100000);
	assert_int_equal(image__nr_texts(img), 1); /* the data segment is no text */
	assert_int_equal(image__text(img, 0)->addr, 0x100000);
	assert_int_equal(image__text(img, 0)->paddr, 0x100000);
	assert_int_equal(image__text(img, 0)->len, 0x100);
	assert_int_equal(image__text(img, 0)->offset, 0x200);
	elf_random_text(want, sizeof(want), 0);
	assert_memory_equal(image__text(img, 0)->bytes, want, sizeof(want));
	image__free(img);
	image__free(NULL);

	img = elf_open(&(struct elf_desc){ .type = ET_DYN, .text_len = 16 });
	assert_true(image__is_pic(img));
	assert_null(image__build_id(img));
	image__free(img);
}

/* Bytes of the header that are changed, and what is said then. */
static void every_verdict_is_given(void **state)
{
	static const struct {
		size_t at;
		int width;
		uint64_t value;
		enum image_verdict want;
	} cases[] = {
		{ 0, 1, 'X', IMAGE_NOT_ELF },
		{ EI_CLASS, 1, ELFCLASS32, IMAGE_32BIT },
		{ EI_CLASS, 1, 0, IMAGE_MALFORMED },
		{ EI_CLASS, 1, 7, IMAGE_MALFORMED },
		{ EI_DATA, 1, ELFDATA2MSB, IMAGE_OTHER_MACHINE },
		{ offsetof(Elf64_Ehdr, e_machine), 2, EM_AARCH64, IMAGE_OTHER_MACHINE },
		{ offsetof(Elf64_Ehdr, e_machine), 2, EM_386, IMAGE_OTHER_MACHINE },
		{ offsetof(Elf64_Ehdr, e_type), 2, ET_REL, IMAGE_NOT_LINKED },
		{ offsetof(Elf64_Ehdr, e_type), 2, ET_CORE, IMAGE_NOT_LINKED },
		{ offsetof(Elf64_Ehdr, e_type), 2, 0, IMAGE_NOT_LINKED },
		{ offsetof(Elf64_Ehdr, e_phnum), 2, 0, IMAGE_NO_CODE },
		{ offsetof(Elf64_Ehdr, e_phnum), 2, 0xffff, IMAGE_TRUNCATED },
		{ offsetof(Elf64_Ehdr, e_phoff), 8, UINT64_MAX, IMAGE_TRUNCATED },
		{ offsetof(Elf64_Ehdr, e_phoff), 8, UINT64_MAX - 100, IMAGE_TRUNCATED },
		{ offsetof(Elf64_Ehdr, e_shoff), 8, 1 << 20, IMAGE_TRUNCATED },
		{ offsetof(Elf64_Ehdr, e_shnum), 2, 0xfe00, IMAGE_TRUNCATED },
		/* The program header of the code. */
		{ 64 + offsetof(Elf64_Phdr, p_flags), 4, PF_R, IMAGE_NO_CODE },
		{ 64 + offsetof(Elf64_Phdr, p_type), 4, PT_NOTE, IMAGE_NO_CODE },
		{ 64 + offsetof(Elf64_Phdr, p_filesz), 8, 0, IMAGE_NO_CODE },
		{ 64 + offsetof(Elf64_Phdr, p_filesz), 8, 1 << 20, IMAGE_TRUNCATED },
		{ 64 + offsetof(Elf64_Phdr, p_filesz), 8, UINT64_MAX, IMAGE_TRUNCATED },
		{ 64 + offsetof(Elf64_Phdr, p_offset), 8, UINT64_MAX - 8, IMAGE_TRUNCATED },
		{ 64 + offsetof(Elf64_Phdr, p_vaddr), 8, UINT64_MAX - 8, IMAGE_MALFORMED },
	};
	struct strbuf sb = elf_build(&desc);
	char saved[8];
	size_t i;

	(void)state;
	assert_int_equal(open_bytes(sb.data, sb.len), IMAGE_OK);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		memcpy(saved, sb.data + cases[i].at, 8);
		memcpy(sb.data + cases[i].at, &cases[i].value, cases[i].width);
		if (open_bytes(sb.data, sb.len) != cases[i].want)
			fail_msg("case %zu: %s", i,
				 image__verdict_str(open_bytes(sb.data, sb.len)));
		memcpy(sb.data + cases[i].at, saved, 8);
	}
	strbuf__free(&sb);
}

/* A file that is still being copied must never pass for a whole one. */
static void a_file_cut_anywhere_is_noticed(void **state)
{
	struct strbuf sb = elf_build(&desc);
	enum image_verdict verdict;
	size_t len;

	(void)state;
	for (len = 0; len < sb.len; len++) {
		verdict = open_bytes(sb.data, len);
		assert_int_equal(verdict, len < EI_NIDENT ? IMAGE_NOT_ELF : IMAGE_TRUNCATED);
	}
	assert_int_equal(open_bytes(sb.data, sb.len), IMAGE_OK);
	strbuf__free(&sb);
}

static void sections_beyond_the_file_are_noticed(void **state)
{
	struct strbuf sb = elf_build(&desc);
	Elf64_Shdr *sh = (Elf64_Shdr *)(sb.data + sb.len) - 6;
	int i;

	(void)state;
	for (i = 1; i < 6; i++) {
		if (i == ELF_DATA) /* no bytes in the file: any size is fine */
			continue;
		sh[i].sh_size += 1ull << 40;
		assert_int_equal(open_bytes(sb.data, sb.len), IMAGE_TRUNCATED);
		sh[i].sh_size -= 1ull << 40;
		sh[i].sh_offset = UINT64_MAX - 4;
		assert_int_equal(open_bytes(sb.data, sb.len), IMAGE_TRUNCATED);
		sh[i].sh_offset = 0x200;
	}
	strbuf__free(&sb);
}

static void what_is_no_file_is_unreadable_and_does_not_hang(void **state)
{
	struct image *img = NULL;
	char fifo[80];

	(void)state;
	errno = 0;
	assert_int_equal(image__open(&img, elf_dir), IMAGE_UNREADABLE);
	assert_int_equal(errno, EISDIR);
	snprintf(fifo, sizeof(fifo), "%s/fifo", elf_dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	errno = 0;
	assert_int_equal(image__open(&img, fifo), IMAGE_UNREADABLE);
	assert_int_equal(errno, EINVAL);
	unlink(fifo);
	assert_int_equal(image__open(&img, fifo), IMAGE_UNREADABLE);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(image__open(&img, "/dev/zero"), IMAGE_UNREADABLE);
	assert_int_equal(image__open(&img, ""), IMAGE_UNREADABLE);
	assert_int_equal(open_bytes("", 0), IMAGE_NOT_ELF);
	assert_int_equal(open_bytes("#!/bin/sh\necho hello, world\n", 28), IMAGE_NOT_ELF);
	assert_null(img);
}

static void every_verdict_has_words(void **state)
{
	enum image_verdict v;

	(void)state;
	for (v = IMAGE_OK; v <= IMAGE_NO_MEMORY; v++) {
		assert_true(strcmp(image__verdict_str(v), "unknown") != 0);
		assert_true((image__hint(v)[0] != '\0') == (v != IMAGE_OK && v != IMAGE_NO_MEMORY));
	}
}

static int count_syms(void *ctx, const struct image_sym *sym)
{
	assert_true(strlen(sym->name) > 0);
	assert_true(sym->addr < sym->section_end);
	return ++*(int *)ctx == 3 ? -ECANCELED : 0;
}

static void visitors_may_stop(void **state)
{
	static const struct elf_sym four[] = {
		{ "a", 0x100000, 1, 0, STT_FUNC, ELF_TEXT },
		{ "b", 0x100001, 1, 0, STT_FUNC, ELF_TEXT },
		{ "c", 0x100002, 1, 0, STT_FUNC, ELF_TEXT },
		{ "d", 0x100003, 1, 0, STT_FUNC, ELF_TEXT },
	};
	struct image *img =
		elf_open(&(struct elf_desc){ .text_len = 64, .syms = four, .nr_syms = 4 });
	int nr = 0;

	(void)state;
	assert_int_equal(image__for_each_sym(img, count_syms, &nr), -ECANCELED);
	assert_int_equal(nr, 3);
	image__free(img);
}

/* Memory is bounded and nothing crashes, whatever a file says; the sanitizers see the rest. */
static void mutated_files_never_crash(void **state)
{
	struct strbuf sb = elf_build(&desc);
	uint64_t seed = 0x5eed, x;
	char *copy = malloc(sb.len);
	struct symtab_sym sym;
	struct symtab *st;
	struct image *img;
	int i, k, nr, err, nr_ok = 0;
	size_t at;

	(void)state;
	for (i = 0; i < 5000; i++) {
		memcpy(copy, sb.data, sb.len);
		for (nr = 1 + next_random(&seed) % 4, k = 0; k < nr; k++) {
			x = next_random(&seed);
			/* Headers and tables, seldom the code. */
			at = x & 1 ? x / 2 % 0x100 : 0x300 + x / 2 % (sb.len - 0x300);
			copy[at] = x & 2 ? x >> 40
					 : (const uint8_t[]){ 0, 1, 0x7f, 0xff }[x >> 50 & 3];
		}
		elf_write(copy, sb.len - (next_random(&seed) % 8 ? 0 : next_random(&seed) % 64));
		img = NULL;
		if (image__open(&img, elf_path))
			continue;
		nr_ok++;
		st = NULL;
		err = symtab__new(&st, img);
		assert_true(!err || err == -ENOENT || err == -EBADMSG);
		for (k = 0; st && k < 0x140; k++)
			if (!symtab__lookup(st, 0x100000 + k, &sym))
				assert_true(strlen(sym.name) < sb.len);
		symtab__free(st);
		image__free(img);
	}
	assert_true(nr_ok > 100);
	free(copy);
	strbuf__free(&sb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_linked_image_is_read),
		cmocka_unit_test(every_verdict_is_given),
		cmocka_unit_test(a_file_cut_anywhere_is_noticed),
		cmocka_unit_test(sections_beyond_the_file_are_noticed),
		cmocka_unit_test(what_is_no_file_is_unreadable_and_does_not_hang),
		cmocka_unit_test(every_verdict_has_words),
		cmocka_unit_test(visitors_may_stop),
		cmocka_unit_test(mutated_files_never_crash),
	};

	return cmocka_run_group_tests(tests, elf_setup, elf_teardown);
}
