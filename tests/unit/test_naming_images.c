/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf_fixture.h"

#include <errno.h>

#include "log.h"
#include "naming.h"
#include "recording.h"
#include "symbolizer.h"

#define BASE 0x100000ull
#define LEN  0x2000
#define VM   3 /* its number in records */

static const struct elf_sym kernel_syms[] = {
	{ "kmain", BASE, 0x1000, STB_GLOBAL, STT_FUNC, ELF_TEXT },
	{ "idle", BASE + 0x1000, 0x1000, STB_GLOBAL, STT_FUNC, ELF_TEXT },
};
static const struct elf_sym pic_syms[] = { { "app", 0x1000, LEN, STB_GLOBAL, STT_FUNC, ELF_TEXT } };
static const struct elf_desc kernel = { .text_len = LEN, .seed = 1, .syms = kernel_syms, .nr_syms = 2 };
static const struct elf_desc other = { .text_len = LEN, .seed = 2, .syms = kernel_syms, .nr_syms = 2 };
static const struct elf_desc pic = { .type = ET_DYN, .text_len = LEN, .seed = 3, .syms = pic_syms, .nr_syms = 1 };

static void put_image(const char *path, const struct elf_desc *d)
{
	struct strbuf sb = elf_build(d);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(sb.data, 1, sb.len, f), sb.len);
	assert_int_equal(fclose(f), 0);
	strbuf__free(&sb);
}

/* One VM that was sampled once, at @rip. @image: what its command line names. */
static struct recording *recorded(const char *image, uint64_t rip)
{
	struct recording *r = NULL;
	union any_record rec;
	size_t len;

	assert_int_equal(recording__new(&r), 0);
	assert_int_equal(recording__begin(r, &(struct recording_info){ .event = "cpu-clock" }), 0);
	assert_int_equal(recording__vm(r, &(struct recording_vm){ .id = VM, .name = "a", .vmm = "x", .image = image }), 0);
	len = make_sample(&rec, VM, 0, UKP_PLACE_GUEST, UKP_STOP_ROOT, 1, rip);
	assert_int_equal(recording__record(r, &rec, len), 0);
	return r;
}

/* The guest runs @d, loaded at @bias: a probe of image address @addr. */
static void probe(struct recording *r, const struct elf_desc *d, uint64_t bias, uint64_t addr)
{
	uint64_t base = d->type == ET_DYN ? 0x1000 : BASE;
	union any_record rec;
	uint8_t text[LEN];
	size_t len;

	elf_random_text(text, LEN, d->seed);
	len = make_text(&rec, VM, addr + bias, 0);
	rec.text.gva = (addr & ~(UKP_TEXT_LEN - 1ull)) + bias;
	memcpy(rec.text.bytes, text + (addr & ~(UKP_TEXT_LEN - 1ull)) - base, UKP_TEXT_LEN);
	assert_int_equal(recording__record(r, &rec, len), 0);
}

static struct naming *named(const char *path, bool force)
{
	struct naming_opts opts = { .symbols = path, .force = force };
	struct naming *n = NULL;

	assert_int_equal(naming__new(&n, &opts), 0);
	return n;
}

/* What a snapshot says of the leaf at @rip: @name, NULL for an address. Return: of naming__snapshot(). */
static int assert_leaf(struct naming *n, const struct recording *r, uint64_t rip, const char *name, bool verified)
{
	struct naming_what what = { 0 };
	const struct sym_frame *frames;
	struct snapshot *snap = NULL;
	const struct snap_vm *vm;
	size_t nr;
	int ret;

	ret = naming__snapshot(n, r, &what, &snap);
	assert_non_null(snap);
	vm = snapshot__vm(snap, 0);
	nr = symbolizer__resolve(vm->syms, rip, false, &frames);
	assert_int_equal(nr, name ? 1 : 0);
	if (name)
		assert_string_equal(frames[0].name, name);
	assert_int_equal(vm->verified, verified);
	snapshot__put(snap);
	return ret;
}

static enum naming_verdict verdict(struct naming *n)
{
	struct naming_status status;

	naming__status(n, 0, &status);
	return status.verdict;
}

static void names_of_what_the_guest_runs_are_proven(void **state)
{
	struct recording *r = recorded(elf_path, BASE + 0x20);
	struct naming *n = named(NULL, false);

	(void)state;
	put_image(elf_path, &kernel);
	probe(r, &kernel, 0, BASE + 0x20);
	assert_int_equal(assert_leaf(n, r, BASE + 0x20, "kmain", true), 0);
	assert_int_equal(verdict(n), NAMING_VERIFIED);
	naming__free(n);
	recording__free(r);
}

static void names_without_proof_are_in_doubt(void **state)
{
	struct recording *r = recorded(elf_path, BASE + 0x20);
	struct naming *n = named(NULL, false);

	(void)state;
	put_image(elf_path, &kernel);
	assert_int_equal(assert_leaf(n, r, BASE + 0x20, "kmain", false), 0);
	assert_int_equal(verdict(n), NAMING_UNVERIFIED);
	/* The proof may come later. */
	probe(r, &kernel, 0, BASE + 0x20);
	assert_int_equal(assert_leaf(n, r, BASE + 0x20, "kmain", true), 0);
	naming__free(n);
	recording__free(r);
}

static void an_image_that_differs_is_refused(void **state)
{
	struct recording *r = recorded(NULL, BASE + 0x20);
	struct naming *n;
	uint64_t bias;
	bool proven;

	(void)state;
	put_image(elf_path, &other);
	n = named(elf_path, false);
	probe(r, &kernel, 0, BASE + 0x20);
	assert_int_equal(assert_leaf(n, r, BASE + 0x20, NULL, false), -EBADMSG);
	assert_int_equal(verdict(n), NAMING_WRONG);
	assert_null(naming__image(n, r, VM, NULL, &bias, &proven));
	naming__free(n);
	recording__free(r);
}

static void an_image_that_differs_is_used_by_force(void **state)
{
	struct recording *r = recorded(NULL, BASE + 0x20);
	struct naming *n;
	uint64_t bias;
	bool proven;
	char *path;

	(void)state;
	put_image(elf_path, &other);
	n = named(elf_path, true);
	probe(r, &kernel, 0, BASE + 0x20);
	assert_int_equal(assert_leaf(n, r, BASE + 0x20, "kmain", false), 0);
	/* What is known of it does not change by force. */
	assert_int_equal(verdict(n), NAMING_WRONG);
	path = naming__image(n, r, VM, NULL, &bias, &proven);
	assert_string_equal(path, elf_path);
	assert_int_equal(bias, 0);
	assert_false(proven);
	free(path);
	naming__free(n);
	recording__free(r);
}

/* Force does not make a good image doubtful. */
static void force_leaves_a_proof_alone(void **state)
{
	struct recording *r = recorded(NULL, BASE + 0x20);
	struct naming *n;

	(void)state;
	put_image(elf_path, &kernel);
	n = named(elf_path, true);
	probe(r, &kernel, 0x3000, BASE + 0x20);
	probe(r, &kernel, 0x3000, BASE + 0x1020);
	assert_int_equal(assert_leaf(n, r, BASE + 0x3020, "kmain", true), 0);
	naming__free(n);
	recording__free(r);
}

/* Where it runs is not known, so each name would be a wrong one: there is nothing to force. */
static void force_invents_no_load_address(void **state)
{
	struct recording *r = recorded(NULL, 0x401020);
	struct naming *n;

	(void)state;
	put_image(elf_path, &pic);
	n = named(elf_path, true);
	probe(r, &kernel, 0x301000, BASE + 0x20);
	assert_int_equal(assert_leaf(n, r, 0x401020, NULL, false), 0);
	assert_int_equal(verdict(n), NAMING_UNVERIFIED);
	naming__free(n);
	recording__free(r);
}

static int setup(void **state)
{
	log__set_level(LOG_LEVEL_ERR);
	return elf_setup(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_what_the_guest_runs_are_proven),
		cmocka_unit_test(names_without_proof_are_in_doubt),
		cmocka_unit_test(an_image_that_differs_is_refused),
		cmocka_unit_test(an_image_that_differs_is_used_by_force),
		cmocka_unit_test(force_leaves_a_proof_alone),
		cmocka_unit_test(force_invents_no_load_address),
	};

	return cmocka_run_group_tests(tests, setup, elf_teardown);
}
