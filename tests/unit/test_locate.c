/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf_fixture.h"

#include "locate.h"

#define PAGES    64
#define TEXT_LEN (PAGES * 4096)
#define BASE     0x100000ull
#define MAX      16

static uint8_t text[TEXT_LEN];
static struct locate_probe probes[MAX];
static uint8_t bytes[MAX][UKP_TEXT_LEN];
static size_t nr;
static struct locate_info info;

static struct image *open_text(uint16_t type)
{
	return elf_open(&(struct elf_desc){
		.type = type, .addr = BASE, .text = text, .text_len = TEXT_LEN });
}

static int reset(void **state)
{
	(void)state;
	elf_random_text(text, TEXT_LEN, 1);
	memset(bytes, 0, sizeof(bytes));
	nr = 0;
	return 0;
}

/* The guest ran @gva, where its memory is @mem, which stands at @mem_gva. */
static void probe(uint64_t gva, const uint8_t *mem, uint64_t mem_gva, size_t mem_len)
{
	struct locate_probe *p = &probes[nr];
	size_t i;

	p->gva = gva & ~(UKP_TEXT_LEN - 1ull);
	p->rip = gva;
	p->len = UKP_TEXT_LEN;
	p->bytes = bytes[nr];
	for (i = 0; i < UKP_TEXT_LEN; i++)
		bytes[nr][i] = p->gva + i - mem_gva < mem_len ? mem[p->gva + i - mem_gva] : 0;
	nr++;
}

/* RIP at image offset @off, with the image loaded at @bias. */
static void ran(uint64_t off, uint64_t bias)
{
	probe(BASE + off + bias, text, BASE + bias, TEXT_LEN);
}

/* Code of something else, at a GVA of its own. */
static void ran_foreign(uint64_t gva, uint32_t seed)
{
	uint8_t other[4096];

	elf_random_text(other, sizeof(other), 1000 + seed);
	probe(gva, other, gva & ~4095ull, sizeof(other));
}

static enum locate_result find(uint16_t type)
{
	struct image *img = open_text(type);
	enum locate_result result;

	result = locate__find(img, probes, nr, &info);
	image__free(img);
	return result;
}

static void linked_address_is_found(void **state)
{
	(void)state;
	ran(0x10, 0);
	ran(0x12345, 0);
	assert_int_equal(find(ET_EXEC), LOCATE_FOUND);
	assert_int_equal(info.bias, 0);
	assert_int_equal(info.nr_matching, 2);
}

static void any_page_of_the_upper_half_is_found(void **state)
{
	uint64_t seed = 99, bias, i;

	(void)state;
	for (i = 0; i < 20; i++) {
		reset(NULL);
		bias = (0xffffffff80000000 | (next_random(&seed) & 0x7ff00000)) +
		       (next_random(&seed) & 0xff) * 4096;
		bias -= BASE;
		ran(next_random(&seed) % (TEXT_LEN - 64), bias);
		ran(next_random(&seed) % (TEXT_LEN - 64), bias);
		ran(next_random(&seed) % (TEXT_LEN - 64), bias);
		assert_int_equal(find(i & 1 ? ET_DYN : ET_EXEC), LOCATE_FOUND);
		assert_int_equal(info.bias, bias);
		assert_int_equal(info.nr_matching, 3);
	}
}

static void a_pic_image_may_run_where_it_is_linked_or_below(void **state)
{
	(void)state;
	ran(0x2010, 0);
	assert_int_equal(find(ET_DYN), LOCATE_FOUND);
	assert_int_equal(info.bias, 0);
	reset(NULL);
	ran(0x2010, -BASE);
	assert_int_equal(find(ET_DYN), LOCATE_FOUND);
	assert_int_equal(info.bias, -BASE);
}

static void code_that_repeats_is_ambiguous(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < PAGES; i++)
		memcpy(text + 4096 * i, text, 4096);
	ran(0x1010, 0x40000000);
	assert_int_equal(find(ET_EXEC), LOCATE_AMBIGUOUS);
	assert_int_equal(find(ET_DYN), LOCATE_AMBIGUOUS);
	/* The linked address is preferred among equals, for an image that has one. */
	reset(NULL);
	for (i = 0; i < PAGES; i++)
		memcpy(text + 4096 * i, text, 4096);
	ran(0x8010, 0);
	assert_int_equal(find(ET_EXEC), LOCATE_FOUND);
	assert_int_equal(info.bias, 0);
	assert_int_equal(find(ET_DYN), LOCATE_AMBIGUOUS);
}

/* Pages that are the same up to one probe: the other probe decides. */
static void pages_that_are_nearly_the_same_are_told_apart(void **state)
{
	(void)state;
	memcpy(text + 4096 * 9, text + 4096 * 5, 4096);
	text[4096 * 9 + 0x7e0] ^= 1;
	ran(4096 * 5 + 0x100, 0x7000000);
	assert_int_equal(find(ET_DYN), LOCATE_AMBIGUOUS);
	ran(4096 * 5 + 0x7d0, 0x7000000);
	assert_int_equal(find(ET_DYN), LOCATE_FOUND);
	assert_int_equal(info.bias, 0x7000000);
}

static void another_build_differs(void **state)
{
	(void)state;
	ran(0x3000, 0);
	ran(0x4000, 0);
	text[0x3005] ^= 0xff;
	text[0x4000] ^= 0xff;
	assert_int_equal(find(ET_EXEC), LOCATE_DIFFERENT);
	assert_int_equal(info.differs_at, BASE + 0x3005);
	/* As many for as against prove nothing. */
	text[0x4000] ^= 0xff;
	assert_int_equal(find(ET_EXEC), LOCATE_DIFFERENT);
	/* Patched code, such as alternatives: most of what ran is the image's. */
	ran(0x5000, 0);
	assert_int_equal(find(ET_EXEC), LOCATE_FOUND);
	assert_int_equal(info.nr_matching, 2);
}

static void firmware_alone_is_no_proof(void **state)
{
	(void)state;
	assert_int_equal(find(ET_EXEC), LOCATE_NO_PROBES);
	ran_foreign(0xfffffff0, 1);
	ran_foreign(0xf1234, 2);
	assert_int_equal(find(ET_EXEC), LOCATE_NOT_COVERED);
	assert_int_equal(find(ET_DYN), LOCATE_NOT_COVERED);
	ran(0x10, 0);
	assert_int_equal(find(ET_EXEC), LOCATE_FOUND);
	assert_int_equal(info.nr_matching, 1);
}

static void probes_of_another_image_do_not_confuse(void **state)
{
	(void)state;
	ran_foreign(0xf1234, 1);
	ran(0x10, 0x20000000);
	ran_foreign(0x7f001234, 2);
	ran(0x8010, 0x20000000);
	assert_int_equal(find(ET_EXEC), LOCATE_FOUND);
	assert_int_equal(info.bias, 0x20000000);
	assert_int_equal(info.nr_matching, 2);
}

/* A unikernel that was rebuilt has the old start code and another application: no majority makes it ours. */
static void other_code_inside_the_image_disproves_it(void **state)
{
	(void)state;
	ran(0x10, 0);
	ran(0x8010, 0);
	ran_foreign(BASE + 0x9000, 3);
	assert_int_equal(find(ET_EXEC), LOCATE_DIFFERENT);
	assert_int_equal(info.differs_at, BASE + 0x9000);
}

/* A probe ends at a multiple of 256 bytes: the last byte alone would agree with every 256th page. */
static void a_rip_at_the_end_of_its_probe_proves_as_much_as_any(void **state)
{
	uint64_t i;

	(void)state;
	for (i = 0; i < 32; i++) {
		reset(NULL);
		ran(0x10ff - i % 8, 0x30000000 + (i << 20));
		assert_int_equal(find(ET_DYN), LOCATE_FOUND);
		assert_int_equal(info.bias, 0x30000000 + (i << 20));
	}
	/* And one byte that happens to be the same is no proof of the linked address. */
	for (i = 0; i < 4; i++) {
		reset(NULL);
		ran_foreign(BASE + 0x10ff, i);
		text[0x10ff] = bytes[0][255];
		assert_int_equal(find(ET_EXEC), LOCATE_DIFFERENT);
	}
}

static void a_rip_at_the_end_of_the_text_proves_as_much_as_any(void **state)
{
	(void)state;
	ran(TEXT_LEN - 1, 0x30000000);
	assert_int_equal(find(ET_DYN), LOCATE_FOUND);
	assert_int_equal(info.bias, 0x30000000);
	reset(NULL);
	ran_foreign(BASE + TEXT_LEN - 1, 5);
	text[TEXT_LEN - 1] = bytes[0][255];
	assert_int_equal(find(ET_EXEC), LOCATE_DIFFERENT);
}

/* One probe agrees with the linked address by chance, or as a copy of the loader's: the many win. */
static void the_bias_of_most_probes_wins_over_the_linked_one(void **state)
{
	(void)state;
	ran(0x10, 0);
	ran(0x2010, 0x40000000);
	ran(0x3010, 0x40000000);
	ran(0x4010, 0x40000000);
	assert_int_equal(find(ET_EXEC), LOCATE_FOUND);
	assert_int_equal(info.bias, 0x40000000);
	assert_int_equal(info.nr_matching, 3);
}

static void the_text_may_be_smaller_than_a_probe(void **state)
{
	struct image *img;

	(void)state;
	ran(0, 0);
	img = elf_open(&(struct elf_desc){ .addr = BASE, .text = text, .text_len = 5 });
	assert_int_equal(locate__find(img, probes, nr, &info), LOCATE_FOUND);
	image__free(img);
}

#define TEST(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(linked_address_is_found),
		TEST(any_page_of_the_upper_half_is_found),
		TEST(a_pic_image_may_run_where_it_is_linked_or_below),
		TEST(code_that_repeats_is_ambiguous),
		TEST(pages_that_are_nearly_the_same_are_told_apart),
		TEST(another_build_differs),
		TEST(firmware_alone_is_no_proof),
		TEST(probes_of_another_image_do_not_confuse),
		TEST(other_code_inside_the_image_disproves_it),
		TEST(a_rip_at_the_end_of_its_probe_proves_as_much_as_any),
		TEST(a_rip_at_the_end_of_the_text_proves_as_much_as_any),
		TEST(the_bias_of_most_probes_wins_over_the_linked_one),
		TEST(the_text_may_be_smaller_than_a_probe),
	};

	return cmocka_run_group_tests(tests, elf_setup, elf_teardown);
}
