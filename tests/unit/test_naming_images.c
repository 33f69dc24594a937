/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf_fixture.h"

#include <errno.h>

#include "log.h"
#include "naming.h"
#include "readers.h"
#include "recording.h"
#include "symbolizer.h"
#include "unwinding.h"

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

static struct readers *readers;

static void put_image(const char *path, const struct elf_desc *d)
{
	struct strbuf sb = elf_build(d);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(sb.data, 1, sb.len, f), sb.len);
	assert_int_equal(fclose(f), 0);
	strbuf__free(&sb);
}

/* Frees its path. */
static void assert_table(struct unwinding_image *table, const char *path, uint64_t bias, bool is_proven)
{
	assert_string_equal(table->path, path);
	assert_int_equal(table->bias, bias);
	assert_int_equal(table->is_proven, is_proven);
	free(table->path);
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
	uint64_t base = d->addr ? d->addr : d->type == ET_DYN ? 0x1000 : BASE;
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
	struct naming_opts opts = { .images = { { .path = path } }, .nr_images = path != NULL, .force = force, .readers = readers };
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
	struct unwinding_image tables[NAMING_MAX_IMAGES];

	(void)state;
	put_image(elf_path, &other);
	n = named(elf_path, false);
	probe(r, &kernel, 0, BASE + 0x20);
	assert_int_equal(assert_leaf(n, r, BASE + 0x20, NULL, false), -EBADMSG);
	assert_int_equal(verdict(n), NAMING_WRONG);
	assert_int_equal(naming__tables(n, r, VM, NULL, tables), 0);
	naming__free(n);
	recording__free(r);
}

static void an_image_that_differs_is_used_by_force(void **state)
{
	struct recording *r = recorded(NULL, BASE + 0x20);
	struct naming *n;
	struct unwinding_image tables[NAMING_MAX_IMAGES];

	(void)state;
	put_image(elf_path, &other);
	n = named(elf_path, true);
	probe(r, &kernel, 0, BASE + 0x20);
	assert_int_equal(assert_leaf(n, r, BASE + 0x20, "kmain", false), 0);
	/* What is known of it does not change by force. */
	assert_int_equal(verdict(n), NAMING_WRONG);
	assert_int_equal(naming__tables(n, r, VM, NULL, tables), 1);
	assert_table(&tables[0], elf_path, 0, false);
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

static void firmware(struct recording *r, int nr)
{
	union any_record rec;
	size_t len;
	int i;

	for (i = 0; i < nr; i++) {
		len = make_text(&rec, VM, 0xe0000 + 16 * i, 0x40 + i / 16);
		assert_int_equal(recording__record(r, &rec, len), 0);
	}
}

/* However much was seen of the firmware, an image that is loaded after it is proven. */
static void a_guest_may_be_in_its_firmware_for_long(void **state)
{
	struct recording *r = recorded(elf_path, BASE + 0x20);
	struct naming *n = named(NULL, false);
	int i;

	(void)state;
	put_image(elf_path, &kernel);
	for (i = 1; i < 10; i++) {
		firmware(r, 100 * i);
		assert_int_equal(naming__update(n, r), 0);
		assert_int_equal(verdict(n), NAMING_UNVERIFIED);
	}
	probe(r, &kernel, 0, BASE + 0x20);
	assert_int_equal(assert_leaf(n, r, BASE + 0x20, "kmain", true), 0);
	naming__free(n);
	recording__free(r);
}

/* What ran where the image is loaded later does not speak against it. */
static void memory_that_was_used_before_is_no_disproof(void **state)
{
	struct recording *r = recorded(elf_path, BASE + 0x20);
	struct naming *n = named(NULL, false);

	(void)state;
	put_image(elf_path, &kernel);
	probe(r, &other, 0, BASE + 0x20);
	assert_int_equal(assert_leaf(n, r, BASE + 0x20, NULL, false), 0);
	assert_int_equal(verdict(n), NAMING_WRONG);
	probe(r, &kernel, 0, BASE + 0x40);
	assert_int_equal(assert_leaf(n, r, BASE + 0x20, "kmain", true), 0);
	naming__free(n);
	recording__free(r);
}

/* A disproof stays, however much of what the two builds have in common is seen after it. */
static void a_disproof_is_not_forgotten(void **state)
{
	struct recording *r = recorded(elf_path, BASE + 0x20);
	struct naming *n = named(NULL, false);
	uint64_t i;

	(void)state;
	put_image(elf_path, &kernel);
	probe(r, &other, 0, BASE + 0x20);
	for (i = 0x100; i < LEN - 0x40; i += 0x10)
		probe(r, &kernel, 0, BASE + i);
	assert_int_equal(assert_leaf(n, r, BASE + 0x20, NULL, false), 0);
	assert_int_equal(verdict(n), NAMING_WRONG);
	naming__free(n);
	recording__free(r);
}

/* --- several images --- */

#define APP_AT 0x100000000000ull

static char app_path[80];

static const struct elf_desc program = { .addr = 0x400000, .text_len = LEN, .seed = 4, .syms = (const struct elf_sym[]){
	{ "prog", 0x400000, LEN, STB_GLOBAL, STT_FUNC, ELF_TEXT } }, .nr_syms = 1 };

/* The kernel, then an application at @app_at, or wherever its bytes are if that is 0. */
static int two(struct naming **n, const struct elf_desc *app, uint64_t app_at, bool force)
{
	struct naming_opts opts = {
		.readers = readers,
		.images = { { .path = elf_path }, { .path = app_path, .address = app_at, .has_address = app_at } },
		.nr_images = 2,
		.force = force,
	};

	put_image(elf_path, &kernel);
	put_image(app_path, app);
	return naming__new(n, &opts);
}

static void assert_frame(struct symbolizer *s, uint64_t gva, const char *name, bool is_unverified)
{
	const struct sym_frame *f;

	assert_int_equal(symbolizer__resolve(s, gva, false, &f), name ? 1 : 0);
	if (!name)
		return;
	assert_string_equal(f->name, name);
	assert_int_equal(f->is_unverified, is_unverified);
}

static struct symbolizer *syms_of(struct naming *n)
{
	struct naming_status status;

	naming__status(n, 0, &status);
	return status.syms;
}

static enum naming_verdict verdict_of(struct naming *n, size_t k)
{
	struct naming_image_status status;

	naming__image_status(n, 0, k, &status);
	return status.verdict;
}

static void each_image_is_found_by_its_own_bytes(void **state)
{
	struct recording *r = recorded(NULL, BASE + 0x20);
	struct naming *n = NULL;
	struct unwinding_image tables[NAMING_MAX_IMAGES];

	(void)state;
	assert_int_equal(two(&n, &pic, 0, false), 0);
	probe(r, &kernel, 0x3000, BASE + 0x20);
	assert_int_equal(naming__update(n, r), 0);
	assert_frame(syms_of(n), BASE + 0x3020, "kmain", false);
	assert_int_equal(verdict_of(n, 0), NAMING_VERIFIED);
	assert_int_equal(verdict_of(n, 1), NAMING_UNVERIFIED);
	assert_int_equal(verdict(n), NAMING_UNVERIFIED);
	/* Another image than the first is not guessed. */
	assert_int_equal(naming__tables(n, r, VM, NULL, tables), 1);
	assert_table(&tables[0], elf_path, 0x3000, true);
	probe(r, &pic, APP_AT, 0x1020);
	assert_int_equal(naming__update(n, r), 0);
	assert_frame(syms_of(n), BASE + 0x3020, "kmain", false);
	assert_frame(syms_of(n), APP_AT + 0x1020, "app", false);
	assert_int_equal(verdict(n), NAMING_VERIFIED);
	assert_int_equal(naming__tables(n, r, VM, NULL, tables), 2);
	assert_table(&tables[0], elf_path, 0x3000, true);
	assert_table(&tables[1], app_path, APP_AT, true);
	naming__free(n);
	recording__free(r);
}

/* The address is that of the image's first page, wherever it is linked. */
static void an_address_gives_names_that_are_in_doubt(void **state)
{
	struct recording *r = recorded(NULL, BASE + 0x20);
	struct naming *n = NULL;

	(void)state;
	assert_int_equal(two(&n, &pic, APP_AT, false), 0);
	probe(r, &kernel, 0, BASE + 0x20);
	assert_int_equal(naming__update(n, r), 0);
	assert_frame(syms_of(n), BASE + 0x20, "kmain", false);
	assert_frame(syms_of(n), APP_AT + 0x20, "app", true);
	assert_frame(syms_of(n), APP_AT + 0x1020 + LEN, NULL, false);
	/* Proven, the same names are in doubt no more. */
	probe(r, &pic, APP_AT - 0x1000, 0x1020);
	assert_int_equal(naming__update(n, r), 0);
	assert_frame(syms_of(n), APP_AT + 0x20, "app", false);
	naming__free(n);
	recording__free(r);
}

static void a_wrong_image_leaves_the_others_alone(void **state)
{
	struct recording *r = recorded(NULL, BASE + 0x20);
	struct naming *n = NULL;
	int force;

	(void)state;
	probe(r, &kernel, 0, BASE + 0x20);
	probe(r, &other, APP_AT - BASE, BASE + 0x20);
	for (force = 0; force < 2; force++) {
		assert_int_equal(two(&n, &pic, APP_AT, force), 0);
		assert_int_equal(assert_leaf(n, r, BASE + 0x20, "kmain", true), force ? 0 : -EBADMSG);
		assert_frame(syms_of(n), APP_AT + 0x20, force ? "app" : NULL, true);
		assert_int_equal(verdict_of(n, 0), NAMING_VERIFIED);
		assert_int_equal(verdict_of(n, 1), NAMING_WRONG);
		assert_int_equal(verdict(n), NAMING_WRONG);
		naming__free(n);
	}
	recording__free(r);
}

/* A program and a kernel that was linked for the same place, and moved away from it. */
static void code_of_one_image_says_nothing_against_another(void **state)
{
	struct recording *r = recorded(NULL, BASE + 0x20);
	const uint64_t slide = 0xffffffffe0000000;
	struct elf_desc app = program;
	struct elf_sym sym = { "prog", BASE, LEN, STB_GLOBAL, STT_FUNC, ELF_TEXT };
	struct naming *n = NULL;

	(void)state;
	app.addr = BASE;
	app.syms = &sym;
	assert_int_equal(two(&n, &app, 0, false), 0);
	probe(r, &app, 0, BASE + 0x20);
	assert_int_equal(naming__update(n, r), 0);
	assert_int_equal(verdict_of(n, 1), NAMING_VERIFIED);
	probe(r, &kernel, slide, BASE + 0x1020);
	assert_int_equal(assert_leaf(n, r, BASE + 0x20, "prog", true), 0);
	assert_frame(syms_of(n), BASE + slide + 0x1020, "idle", false);
	assert_int_equal(verdict(n), NAMING_VERIFIED);
	naming__free(n);
	recording__free(r);
}

static void two_images_in_one_place_are_an_error(void **state)
{
	struct naming_opts opts = { .images = { { elf_path, BASE, true }, { app_path, BASE + 0x1000, true } }, .nr_images = 2,
				    .readers = readers };
	struct recording *r = recorded(NULL, BASE + 0x20);
	struct elf_sym sym = { "prog", BASE + 0x1000, LEN, STB_GLOBAL, STT_FUNC, ELF_TEXT };
	struct elf_desc app = program;
	struct naming *n = NULL;

	(void)state;
	put_image(elf_path, &kernel);
	put_image(app_path, &program);
	assert_int_equal(naming__new(&n, &opts), -EINVAL);
	opts.images[1].address = BASE + LEN;
	assert_int_equal(naming__new(&n, &opts), 0);
	naming__free(n);
	opts.images[1].address++;
	assert_int_equal(naming__new(&n, &opts), -EINVAL);
	opts.images[1] = (struct naming_image){ .path = elf_path };
	opts.images[0].has_address = false;
	assert_int_equal(naming__new(&n, &opts), -EINVAL);
	/* Where it shows only while it runs: the one that is proven stays, whatever the order. */
	app.addr = BASE + 0x1000;
	app.syms = &sym;
	assert_int_equal(two(&n, &app, 0, false), 0);
	probe(r, &kernel, 0, BASE + 0x20);
	assert_int_equal(assert_leaf(n, r, BASE + 0x20, "kmain", true), -EBADMSG);
	assert_int_equal(verdict_of(n, 1), NAMING_WRONG);
	naming__free(n);
	recording__free(r);
}

static int setup(void **state)
{
	log__set_level(LOG_LEVEL_ERR);
	if (elf_setup(state))
		return -1;
	snprintf(app_path, sizeof(app_path), "%s.app", elf_path);
	return readers__start(&readers, NULL);
}

static int teardown(void **state)
{
	readers__stop(readers);
	unlink(app_path);
	return elf_teardown(state);
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
		cmocka_unit_test(a_guest_may_be_in_its_firmware_for_long),
		cmocka_unit_test(memory_that_was_used_before_is_no_disproof),
		cmocka_unit_test(a_disproof_is_not_forgotten),
		cmocka_unit_test(each_image_is_found_by_its_own_bytes),
		cmocka_unit_test(an_address_gives_names_that_are_in_doubt),
		cmocka_unit_test(a_wrong_image_leaves_the_others_alone),
		cmocka_unit_test(code_of_one_image_says_nothing_against_another),
		cmocka_unit_test(two_images_in_one_place_are_an_error),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
