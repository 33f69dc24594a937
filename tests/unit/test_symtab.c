/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf_fixture.h"

#include <errno.h>

#include "symtab.h"

#define BASE 0x100000ull
#define FUNC(name, off, size)                                            \
	{                                                                \
		name, BASE + (off), size, STB_GLOBAL, STT_FUNC, ELF_TEXT \
	}

static struct symtab *build(const struct elf_sym *syms, size_t nr)
{
	struct image *img =
		elf_open(&(struct elf_desc){ .text_len = 0x1000, .syms = syms, .nr_syms = nr });
	struct symtab *st = NULL;

	assert_int_equal(symtab__new(&st, img), 0);
	image__free(img); /* the table must not need it */
	return st;
}

#define BUILD(...)                                     \
	build((const struct elf_sym[]){ __VA_ARGS__ }, \
	      ARRAY_SIZE(((struct elf_sym[]){ __VA_ARGS__ })))

/* @want: name at BASE + @off, or NULL. */
static void assert_at(const struct symtab *st, uint64_t off, const char *want)
{
	struct symtab_sym sym;
	int err;

	err = symtab__lookup(st, BASE + off, &sym);
	if (!want) {
		assert_int_equal(err, -ENOENT);
		return;
	}
	assert_int_equal(err, 0);
	assert_string_equal(sym.name, want);
	assert_true(sym.start <= BASE + off && BASE + off < sym.end);
}

static void a_function_owns_its_bytes_and_no_more(void **state)
{
	struct symtab *st =
		BUILD(FUNC("f", 0x100, 0x20), FUNC("g", 0x120, 0x10), FUNC("h", 0x200, 1));
	struct symtab_sym sym;

	(void)state;
	assert_int_equal(symtab__nr(st), 3);
	assert_at(st, 0xff, NULL);
	assert_at(st, 0x100, "f");
	assert_at(st, 0x11f, "f"); /* what a call that ends f returns to, less one */
	assert_at(st, 0x120, "g");
	assert_at(st, 0x12f, "g");
	assert_at(st, 0x130, NULL);
	assert_at(st, 0x1ff, NULL);
	assert_at(st, 0x200, "h");
	assert_at(st, 0x201, NULL);
	assert_int_equal(symtab__lookup(st, 0, &sym), -ENOENT);
	assert_int_equal(symtab__lookup(st, UINT64_MAX, &sym), -ENOENT);
	symtab__free(st);
	symtab__free(NULL);
}

static void symbols_without_a_size_reach_to_the_next(void **state)
{
	struct symtab *st = BUILD({ "_start", BASE, 0, STB_GLOBAL, STT_NOTYPE, ELF_TEXT },
				  { "loop", BASE + 8, 0, STB_LOCAL, STT_NOTYPE, ELF_TEXT },
				  FUNC("sized", 0x100, 0x10),
				  { "tail", BASE + 0x200, 0, STB_LOCAL, STT_NOTYPE, ELF_TEXT });

	(void)state;
	assert_at(st, 0, "_start");
	assert_at(st, 7, "_start");
	assert_at(st, 8, "loop");
	assert_at(st, 0xff, "loop");
	assert_at(st, 0x100, "sized");
	assert_at(st, 0x110, NULL); /* a size is believed: behind it stands padding */
	assert_at(st, 0x200, "tail");
	assert_at(st, 0xfff, "tail");
	assert_at(st, 0x1000, NULL);
	symtab__free(st);
}

static void labels_within_a_routine_are_its_own(void **state)
{
	struct symtab *st = BUILD({ "entry", BASE, 0, STB_GLOBAL, STT_NOTYPE, ELF_TEXT },
				  { "..@10.skip", BASE + 4, 0, STB_LOCAL, STT_NOTYPE, ELF_TEXT },
				  { "..@10.out", BASE + 8, 0, STB_LOCAL, STT_NOTYPE, ELF_TEXT },
				  { "leave", BASE + 0x10, 0, STB_GLOBAL, STT_NOTYPE, ELF_TEXT },
				  { "leave.retry", BASE + 0x14, 0, STB_LOCAL, STT_NOTYPE, ELF_TEXT },
				  { "leave.out", BASE + 0x18, 0, STB_LOCAL, STT_NOTYPE, ELF_TEXT },
				  { "leaves", BASE + 0x20, 0, STB_LOCAL, STT_NOTYPE, ELF_TEXT },
				  /* No label: others can call it, or it has a size. */
				  { "leaves.all", BASE + 0x28, 0, STB_GLOBAL, STT_NOTYPE, ELF_TEXT },
				  { "leaves.all.cold", BASE + 0x30, 8, STB_LOCAL, STT_FUNC, ELF_TEXT },
				  /* Of another routine than the one before it. */
				  { "other", BASE + 0x40, 0, STB_LOCAL, STT_NOTYPE, ELF_TEXT },
				  { "leave.late", BASE + 0x44, 0, STB_LOCAL, STT_NOTYPE, ELF_TEXT },
				  /* At the end of one, where the next begins. */
				  FUNC("sized", 0x50, 8), { "sized.mid", BASE + 0x54, 0, STB_LOCAL, STT_NOTYPE, ELF_TEXT },
				  { "sized.end", BASE + 0x58, 0, STB_LOCAL, STT_NOTYPE, ELF_TEXT },
				  { "zzz", BASE + 0x58, 0, STB_LOCAL, STT_NOTYPE, ELF_TEXT });

	(void)state;
	assert_int_equal(symtab__nr(st), 9);
	assert_at(st, 0x4, "entry");
	assert_at(st, 0xf, "entry");
	assert_at(st, 0x10, "leave");
	assert_at(st, 0x14, "leave");
	assert_at(st, 0x1f, "leave");
	assert_at(st, 0x20, "leaves");
	assert_at(st, 0x28, "leaves.all");
	assert_at(st, 0x30, "leaves.all.cold");
	assert_at(st, 0x40, "other");
	assert_at(st, 0x44, "leave.late");
	assert_at(st, 0x54, "sized");
	assert_at(st, 0x58, "zzz");
	symtab__free(st);
}

static void the_innermost_sized_symbol_wins(void **state)
{
	struct symtab_sym sym;
	struct symtab *st = BUILD(FUNC("outer", 0, 0x100), FUNC("inner", 0x20, 0x20),
				  FUNC("in_in", 0x28, 8), FUNC("overlaps", 0xf0, 0x20),
				  { "label", BASE + 0x50, 0, STB_GLOBAL, STT_NOTYPE, ELF_TEXT });

	(void)state;
	assert_at(st, 0x1f, "outer");
	assert_at(st, 0x20, "inner");
	assert_at(st, 0x28, "in_in");
	assert_at(st, 0x30, "inner");
	assert_at(st, 0x40, "outer");
	assert_at(st, 0x50, "outer"); /* a label inside a function is no function */
	assert_at(st, 0xef, "outer");
	assert_at(st, 0xf0, "overlaps");
	assert_at(st, 0x10f, "overlaps");
	assert_at(st, 0x110, NULL);
	/* A piece still says where its function begins. */
	assert_int_equal(symtab__lookup(st, BASE + 0x40, &sym), 0);
	assert_int_equal(sym.start, BASE);
	symtab__free(st);
}

static void one_name_is_chosen_per_address(void **state)
{
	struct symtab *st =
		BUILD({ "local", BASE, 0x10, STB_LOCAL, STT_FUNC, ELF_TEXT },
		      { "weak", BASE, 0x10, STB_WEAK, STT_FUNC, ELF_TEXT },
		      { "zglobal", BASE, 0x10, STB_GLOBAL, STT_FUNC, ELF_TEXT },
		      { "zz", BASE, 0x10, STB_GLOBAL, STT_FUNC, ELF_TEXT },
		      { "aaa", BASE, 0x10, STB_GLOBAL, STT_NOTYPE, ELF_TEXT },
		      { "weak2", BASE + 0x20, 0x10, STB_WEAK, STT_FUNC, ELF_TEXT },
		      { "local2", BASE + 0x20, 0x10, STB_LOCAL, STT_FUNC, ELF_TEXT },
		      { "unsized", BASE + 0x30, 0, STB_GLOBAL, STT_FUNC, ELF_TEXT },
		      { "sized", BASE + 0x30, 0x10, STB_LOCAL, STT_NOTYPE, ELF_TEXT },
		      { "ifunc", BASE + 0x50, 0x10, STB_GLOBAL, STT_GNU_IFUNC, ELF_TEXT });

	(void)state;
	assert_at(st, 0, "zglobal");
	assert_at(st, 0x20, "weak2");
	assert_at(st, 0x30, "sized");
	assert_at(st, 0x40, NULL);
	assert_at(st, 0x50, "ifunc");
	symtab__free(st);
}

/* Two names at one address with different sizes: what only the longer one covers is still the longer one's. */
static void a_short_alias_does_not_hide_the_rest(void **state)
{
	struct symtab *st = BUILD(FUNC("a_entry", 0, 0x10), FUNC("b_all", 0, 0x100),
				  FUNC("c_half", 0, 0x80), FUNC("next", 0x100, 0x10),
				  { "l_long", BASE + 0x200, 0x40, STB_LOCAL, STT_FUNC, ELF_TEXT },
				  FUNC("g_short", 0x200, 0x20));

	(void)state;
	assert_at(st, 0, "a_entry");
	assert_at(st, 0xf, "a_entry");
	assert_at(st, 0xff, "b_all");
	assert_at(st, 0x100, "next");
	assert_at(st, 0x200, "g_short");
	assert_at(st, 0x21f, "g_short");
	assert_at(st, 0x220, "l_long");
	assert_at(st, 0x23f, "l_long");
	assert_at(st, 0x240, NULL);
	symtab__free(st);
}

static void what_names_no_code_is_left_out(void **state)
{
	struct symtab *st =
		BUILD({ "data", BASE + 0x1000000, 8, STB_GLOBAL, STT_OBJECT, ELF_DATA },
		      { "data_func", BASE + 0x1000000, 8, STB_GLOBAL, STT_FUNC, ELF_DATA },
		      { "object", BASE, 8, STB_GLOBAL, STT_OBJECT, ELF_TEXT },
		      { "section", BASE, 0, STB_LOCAL, STT_SECTION, ELF_TEXT },
		      { "file.c", BASE, 0, STB_LOCAL, STT_FILE, SHN_ABS },
		      { "absolute", BASE, 8, STB_GLOBAL, STT_NOTYPE, SHN_ABS },
		      { "undefined", BASE, 8, STB_GLOBAL, STT_FUNC, SHN_UNDEF },
		      { "no_section", BASE, 8, STB_GLOBAL, STT_FUNC, 77 },
		      { ".L123", BASE, 8, STB_LOCAL, STT_FUNC, ELF_TEXT },
		      { "", BASE, 8, STB_GLOBAL, STT_FUNC, ELF_TEXT },
		      { "_etext", BASE + 0x1000, 0, STB_GLOBAL, STT_NOTYPE,
			ELF_TEXT }, /* at its section's end */
		      { "before", BASE - 1, 8, STB_GLOBAL, STT_FUNC, ELF_TEXT },
		      FUNC("too_long", 0xff0, 0x100000), FUNC("huge", 0x100, UINT64_MAX));

	(void)state;
	assert_at(st, 0, NULL);
	assert_at(st, 0x100, "huge"); /* cut at the end of its section */
	assert_at(st, 0xfff, "too_long");
	assert_at(st, 0x1000, NULL);
	assert_at(st, 0x1000000, NULL);
	assert_int_equal(symtab__nr(st), 2);
	symtab__free(st);
}

static void images_without_names_say_so(void **state)
{
	static const struct elf_sym data[] = { { "d", BASE + 0x1000000, 8, STB_GLOBAL, STT_OBJECT,
						 ELF_DATA } };
	struct symtab *st = (void *)1;
	struct image *img;

	(void)state;
	img = elf_open(&(struct elf_desc){ .text_len = 64 });
	assert_int_equal(symtab__new(&st, img), -ENOENT);
	image__free(img);
	img = elf_open(&(struct elf_desc){ .text_len = 64, .syms = data, .nr_syms = 1 });
	assert_int_equal(symtab__new(&st, img), -ENOENT);
	image__free(img);
	assert_ptr_equal(st, (void *)1);
}

static void dynsym_serves_where_symtab_is_missing(void **state)
{
	static const struct elf_sym syms[] = { FUNC("exported", 0, 16) };
	struct symtab *st = NULL;
	struct image *img;

	(void)state;
	img = elf_open(&(struct elf_desc){
		.text_len = 64, .syms = syms, .nr_syms = 1, .table = SHT_DYNSYM });
	assert_int_equal(symtab__new(&st, img), 0);
	image__free(img);
	assert_at(st, 15, "exported");
	symtab__free(st);
}

/* Names may share their bytes; a table that multiplies them is an attack on our memory. */
static void names_that_multiply_are_refused(void **state)
{
	size_t nr = 40000, name_len = 60000, i;
	struct elf_sym *syms = calloc(nr, sizeof(*syms));
	char *name = malloc(name_len + 1);
	struct symtab *st = NULL;
	struct image *img = NULL;
	struct strbuf sb;
	Elf64_Sym *table;

	(void)state;
	memset(name, 'n', name_len);
	name[name_len] = '\0';
	for (i = 0; i < nr; i++)
		syms[i] = (struct elf_sym){ i ? "" : name, BASE + i % 0x1000, 1,
					    STB_GLOBAL,    STT_FUNC,          ELF_TEXT };
	sb = elf_build(&(struct elf_desc){ .text_len = 0x1000, .syms = syms, .nr_syms = nr });
	table = (Elf64_Sym *)(sb.data + 0x200 + 0x1000);
	for (i = 0; i < nr; i++)
		table[1 + i].st_name = 1 + i % 100;
	elf_write(sb.data, sb.len);
	strbuf__free(&sb);
	assert_int_equal(image__open(&img, elf_path), IMAGE_OK);
	assert_int_equal(symtab__new(&st, img), -EBADMSG);
	image__free(img);
	free(name);
	free(syms);
}

/* What the ranges say must be what a look at every symbol says, for any arrangement. */
static void ranges_agree_with_a_plain_search(void **state)
{
	uint64_t seed = 12345, x, at;
	struct elf_sym syms[12];
	char names[12][8];
	struct symtab *st;
	struct symtab_sym got;
	int round, i, best;
	bool covered;

	(void)state;
	for (round = 0; round < 300; round++) {
		for (i = 0; i < 12; i++) {
			x = next_random(&seed);
			snprintf(names[i], sizeof(names[i]), "s%d", i);
			syms[i] = (struct elf_sym){
				names[i],          BASE + x % 64,
				1 + (x >> 8) % 40, x >> 20 & 1 ? STB_GLOBAL : STB_LOCAL,
				STT_FUNC,          ELF_TEXT
			};
		}
		st = build(syms, 12);
		for (at = BASE; at < BASE + 128; at++) {
			/* Sized symbols only: an address has a name if any symbol covers it, the latest start. */
			best = -1;
			for (i = 0; i < 12; i++) {
				covered = at - syms[i].value < syms[i].size;
				if (covered && (best < 0 || syms[i].value > syms[best].value))
					best = i;
			}
			if (best < 0) {
				assert_int_equal(symtab__lookup(st, at, &got), -ENOENT);
				continue;
			}
			assert_int_equal(symtab__lookup(st, at, &got), 0);
			assert_int_equal(got.start, syms[best].value);
		}
		symtab__free(st);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_owns_its_bytes_and_no_more),
		cmocka_unit_test(symbols_without_a_size_reach_to_the_next),
		cmocka_unit_test(labels_within_a_routine_are_its_own),
		cmocka_unit_test(the_innermost_sized_symbol_wins),
		cmocka_unit_test(one_name_is_chosen_per_address),
		cmocka_unit_test(a_short_alias_does_not_hide_the_rest),
		cmocka_unit_test(what_names_no_code_is_left_out),
		cmocka_unit_test(images_without_names_say_so),
		cmocka_unit_test(dynsym_serves_where_symtab_is_missing),
		cmocka_unit_test(names_that_multiply_are_refused),
		cmocka_unit_test(ranges_agree_with_a_plain_search),
	};

	return cmocka_run_group_tests(tests, elf_setup, elf_teardown);
}
