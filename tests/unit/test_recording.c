/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "records.h"

#include "profile.h"
#include "recording.h"

static struct recording *new_recording(void)
{
	struct recording *r = NULL;

	assert_int_equal(recording__new(&r), 0);
	assert_int_equal(recording__begin(r,
					  &(struct recording_info){ .event = "cpu-clock",
								    .start_mono_ns = 4000000000 }),
			 0);
	assert_int_equal(recording__vm(r, &(struct recording_vm){ .id = 0, .name = "a" }), 0);
	assert_int_equal(recording__vm(r, &(struct recording_vm){ .id = 9, .name = "b" }), 0);
	return r;
}

static void assert_account(const struct recording *r, uint64_t samples, uint64_t bad)
{
	struct profile_stack st;
	uint64_t sum = 0, places = 0, stops = 0, methods = 0, in_vms = 0;
	const struct recording_vm_data *vm;
	size_t i, k;

	assert_int_equal(recording__nr_samples(r), samples);
	assert_int_equal(recording__nr_bad(r), bad);
	for (i = 0; i < profile__nr(recording__profile(r)); i++) {
		profile__stack(recording__profile(r), i, &st);
		sum += st.count;
	}
	for (i = 0; i < recording__nr_vms(r); i++) {
		vm = recording__vm_data(r, i);
		in_vms += vm->nr_samples;
		for (k = 0; k < ARRAY_SIZE(vm->nr_place); k++)
			places += vm->nr_place[k];
		for (k = 0; k < UKP_STOP_MAX; k++)
			stops += vm->nr_stop[k];
		for (k = 0; k < RECORDING_METHODS; k++)
			methods += vm->nr_methods[k];
	}
	assert_int_equal(sum, samples);
	assert_int_equal(in_vms, samples);
	assert_int_equal(places, samples);
	assert_int_equal(stops, samples);
	assert_int_equal(methods, samples);
}

/* Every combination is one way, so the ways add up to the samples. */
static void every_stack_was_found_in_one_way(void **state)
{
	static const struct {
		uint8_t methods;
		enum recording_way way;
	} cases[] = {
		{ 0, RECORDING_BY_NONE },
		{ UKP_BY_NO_RSP, RECORDING_BY_NONE },
		{ UKP_BY_FP, RECORDING_BY_FP },
		{ UKP_BY_TABLE, RECORDING_BY_TABLE },
		{ UKP_BY_TABLE | UKP_BY_FP | UKP_BY_NO_RSP, RECORDING_BY_BOTH },
		{ UKP_BY_TABLE | UKP_BY_RECOVERED, RECORDING_BY_RECOVERED },
		{ UKP_BY_TABLE | UKP_BY_FP | UKP_BY_RECOVERED, RECORDING_BY_RECOVERED },
		{ UKP_BY_TABLE | UKP_BY_WEAK, RECORDING_BY_WEAK },
	};
	struct recording_vm_data vm = { 0 };
	uint64_t nr[RECORDING_NR_WAYS], sum = 0;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(nr, 0, sizeof(nr));
		memset(&vm, 0, sizeof(vm));
		vm.nr_methods[cases[i].methods] = 7;
		recording__add_ways(vm.nr_methods, nr);
		assert_int_equal(nr[cases[i].way], 7);
	}
	memset(nr, 0, sizeof(nr));
	for (i = 0; i < RECORDING_METHODS; i++)
		vm.nr_methods[i] = 1 + i;
	recording__add_ways(vm.nr_methods, nr);
	for (i = 0; i < RECORDING_NR_WAYS; i++)
		sum += nr[i];
	assert_int_equal(sum, RECORDING_METHODS * (RECORDING_METHODS + 1) / 2);
}

static void samples_add_up(void **state)
{
	struct recording *r = new_recording();
	const struct recording_vm_data *vm;
	union any_record rec;
	size_t len;
	int i;

	(void)state;
	for (i = 0; i < 20 * UKP_STOP_MAX; i++) {
		len = make_sample(&rec, i % 2 ? 9 : 0, i % 4, i % 3, i / 2 % UKP_STOP_MAX, i % 128, 0x1000);
		rec.sample.methods = i % 4 == 1 ? UKP_BY_TABLE : i % RECORDING_METHODS;
		assert_int_equal(recording__record(r, &rec, len), 0);
	}
	assert_account(r, 20 * UKP_STOP_MAX, 0);
	vm = recording__vm_data(r, 1);
	assert_int_equal(vm->id, 9);
	assert_int_equal(vm->nr_samples, 10 * UKP_STOP_MAX);
	assert_int_equal(vm->nr_methods[UKP_BY_TABLE], 5 * UKP_STOP_MAX);
	assert_int_equal(vm->nr_methods[1], 0);
	assert_int_equal(vm->nr_vcpus, 4);
	assert_int_equal(recording__vm_data(r, 0)->nr_vcpus, 3);
	assert_int_equal(vm->nr_stop[UKP_STOP_MOVED], 10);
	assert_int_equal(vm->nr_stop[UKP_STOP_ROOT], 10);
	recording__free(r);
	recording__free(NULL);
}

/* Exits and samples share the VMs and nothing else. */
static void exits_add_up_apart_from_samples(void **state)
{
	struct recording *r = new_recording();
	uint64_t count = 0, ns = 0;
	struct profile_stack st;
	union any_record rec;
	size_t len, i;

	(void)state;
	for (i = 0; i < 60; i++) {
		len = make_exit(&rec, 9, 0x7b, i % 2 ? UKP_DETAIL_PIO_OUT : UKP_DETAIL_PIO_IN, i % 3, 1u << i % 4, 3,
				0x1000);
		rec.exit.methods = i % 3 ? UKP_BY_TABLE : UKP_BY_TABLE | UKP_BY_RECOVERED;
		assert_int_equal(recording__record(r, &rec, len), 0);
	}
	assert_account(r, 0, 0);
	assert_int_equal(recording__nr_exit_stacks(r), 60);
	assert_int_equal(recording__vm_data(r, 1)->nr_exit_methods[UKP_BY_TABLE], 40);
	assert_int_equal(recording__vm_data(r, 1)->nr_exit_methods[UKP_BY_TABLE | UKP_BY_RECOVERED], 20);
	assert_int_equal(profile__nr(recording__exit_profile(r)), 6);
	for (i = 0; i < 6; i++) {
		profile__stack(recording__exit_profile(r), i, &st);
		assert_int_equal(st.key.reason, 0x7b);
		assert_int_equal(st.nr_frames, 3);
		count += st.count;
		ns += st.weight;
	}
	assert_int_equal(count, 15 * (1 + 2 + 4 + 8));
	assert_int_equal(ns, count * 1000);
	recording__free(r);
}

static void bad_exits_are_refused(void **state)
{
	struct recording *r = new_recording();
	union any_record rec;
	size_t len;

	(void)state;
	len = make_exit(&rec, 9, 1, 0, 0, 0, 1, 0x1000); /* stands for nothing */
	assert_int_equal(recording__record(r, &rec, len), 0);
	len = make_exit(&rec, 9, 1, 0, 0, (1ull << UKP_PICK_MAX_SHIFT) + 1, 1, 0x1000);
	assert_int_equal(recording__record(r, &rec, len), 0);
	len = make_exit(&rec, 9, 1, UKP_DETAIL_MAX, 0, 1, 1, 0x1000);
	assert_int_equal(recording__record(r, &rec, len), 0);
	len = make_exit(&rec, 8, 1, 0, 0, 1, 1, 0x1000); /* of no VM */
	assert_int_equal(recording__record(r, &rec, len), 0);
	len = make_exit(&rec, 9, 1, 0, 0, 1, 2, 0x1000);
	rec.exit.nr_frames = 3; /* more than there are */
	assert_int_equal(recording__record(r, &rec, len), 0);
	rec.exit.nr_frames = 2;
	rec.exit.stop = UKP_STOP_MAX;
	assert_int_equal(recording__record(r, &rec, len), 0);
	rec.exit.stop = UKP_STOP_ROOT;
	rec.exit.methods = RECORDING_METHODS; /* found by what nobody knows */
	assert_int_equal(recording__record(r, &rec, len), 0);
	assert_int_equal(recording__nr_bad(r), 7);
	assert_int_equal(recording__nr_exit_stacks(r), 0);
	recording__free(r);
}

/* One sample is one, whatever it brings; the frames of the three are told apart. */
static void host_samples_are_samples(void **state)
{
	struct recording *r = new_recording();
	struct profile_stack st;
	union any_record rec;
	size_t len, i;

	(void)state;
	for (i = 0; i < 3; i++) {
		len = make_host(&rec, 9, 4, 3, 2, 0x1000);
		assert_int_equal(recording__record(r, &rec, len), 0);
	}
	len = make_host(&rec, 9, 3, 4, 2, 0x1000); /* the same addresses, divided otherwise */
	assert_int_equal(recording__record(r, &rec, len), 0);
	len = make_host(&rec, 9, UKP_MAX_KERNEL, UKP_MAX_VMM, UKP_MAX_FRAMES, 0x1000);
	assert_int_equal(recording__record(r, &rec, len), 0);
	len = make_host(&rec, 9, 0, 0, 0, 0x1000);
	assert_int_equal(recording__record(r, &rec, len), 0);
	assert_account(r, 6, 0);
	assert_int_equal(profile__nr(recording__profile(r)), 4);
	profile__stack(recording__profile(r), 0, &st);
	assert_int_equal(st.count, 3);
	assert_int_equal(st.nr_frames, 2);
	assert_int_equal(st.key.nr_kernel, 4);
	assert_int_equal(st.key.nr_vmm, 3);
	assert_int_equal(st.key.reason, 0x7b);
	assert_int_equal(st.host[0], 0x1000);
	assert_int_equal(st.host[6], 0x1006);
	assert_int_equal(st.frames[0], 0x1007);
	profile__stack(recording__profile(r), 2, &st);
	assert_int_equal(st.nr_frames, UKP_MAX_FRAMES);
	assert_int_equal(st.frames[UKP_MAX_FRAMES - 1], 0x1000 + UKP_MAX_KERNEL + UKP_MAX_VMM + UKP_MAX_FRAMES - 1);
	recording__free(r);
}

static void bad_host_samples_are_refused(void **state)
{
	struct recording *r = new_recording();
	uint64_t bad = 0;
	union any_record rec;
	size_t len, n;

	(void)state;
#define REFUSED(change)                                               \
	do {                                                          \
		len = make_host(&rec, 9, 4, 3, 2, 0x1000);            \
		change;                                               \
		assert_int_equal(recording__record(r, &rec, len), 0); \
		assert_account(r, 0, ++bad);                          \
	} while (0)
	len = make_host(&rec, 9, 4, 3, 2, 0x1000);
	for (n = 0; n < len; n++)
		REFUSED(rec.host.hdr.len = len = n);
	REFUSED(len = rec.host.hdr.len += 8);
	REFUSED(rec.host.nr_kernel = 5);
	REFUSED(rec.host.nr_kernel = UKP_MAX_KERNEL + 1);
	REFUSED(rec.host.nr_kernel = UINT8_MAX);
	REFUSED(rec.host.nr_vmm = UINT8_MAX);
	REFUSED(rec.host.nr_frames = UINT16_MAX);
	REFUSED(len = make_host(&rec, 9, UKP_MAX_KERNEL + 1, 0, 0, 0));
	REFUSED(len = make_host(&rec, 9, 1, UKP_MAX_VMM + 1, 0, 0));
	REFUSED(len = make_host(&rec, 9, 1, 0, UKP_MAX_FRAMES + 1, 0));
	REFUSED(rec.host.place = UKP_PLACE_GUEST); /* such a one has no host's stacks */
	REFUSED(rec.host.place = UKP_PLACE_VMM);   /* interrupted in user code: the kernel has none */
	REFUSED(rec.host.place = 3);
	REFUSED(rec.host.stop = UKP_STOP_MAX);
	REFUSED(rec.host.methods = RECORDING_METHODS);
	REFUSED(rec.host.isa = 3);
	REFUSED(rec.host.detail = UKP_DETAIL_MAX);
	REFUSED(rec.host.hdr.vcpu = 65536);
	REFUSED(rec.host.hdr.vm = 8);
#undef REFUSED
	recording__free(r);
}

static void symbols_of_the_host_are_kept(void **state)
{
	struct recording *r = new_recording();
	struct recording_symbol sym;
	char longest[1024];
	int i;

	(void)state;
	assert_null(recording__symbol_name(r, RECORDING_KERNEL, 1));
	for (i = 0; i < 1000; i++) {
		sym = (struct recording_symbol){ i % 3 ? 9 : RECORDING_KERNEL, i, i % 2 ? "odd" : "" };
		assert_int_equal(recording__symbol(r, &sym), 0);
	}
	sym.name = "another";
	assert_int_equal(recording__symbol(r, &sym), 0);
	assert_string_equal(recording__symbol_name(r, RECORDING_KERNEL, 999), "odd"); /* the first stays */
	assert_string_equal(recording__symbol_name(r, RECORDING_KERNEL, 6), "");
	assert_string_equal(recording__symbol_name(r, 9, 7), "odd");
	assert_null(recording__symbol_name(r, RECORDING_KERNEL, 7));
	assert_null(recording__symbol_name(r, 0, 7));
	assert_int_equal(recording__nr_bad(r), 0);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(recording__symbol(r, &(struct recording_symbol){ 9, 5000, longest }), 0);
	assert_int_equal(recording__nr_bad(r), 1);
	assert_null(recording__symbol_name(r, 9, 5000));
	recording__free(r);
}

static void bad_records_are_counted_and_change_nothing(void **state)
{
	struct recording *r = new_recording();
	uint64_t bad = 0;
	union any_record rec;
	size_t len, n;

	(void)state;
#define BAD(n)                                                      \
	do {                                                        \
		assert_int_equal(recording__record(r, &rec, n), 0); \
		assert_account(r, 0, ++bad);                        \
	} while (0)
	/* Short by any number of bytes, also where the header agrees. */
	len = make_sample(&rec, 0, 0, 0, 0, 5, 0x1000);
	for (n = 0; n < len; n++)
		BAD(n);
	for (n = sizeof(struct ukp_rec_hdr); n < len; n++) {
		rec.sample.hdr.len = n;
		BAD(n);
	}
	rec.sample.hdr.len = len + 8;
	BAD(len + 8);
	rec.sample.hdr.len = UINT32_MAX;
	BAD(len);

	len = make_sample(&rec, 1, 0, 0, 0, 5, 0x1000); /* no such VM */
	BAD(len);
	len = make_sample(&rec, UINT32_MAX, 0, 0, 0, 5, 0x1000);
	BAD(len);
	len = make_sample(&rec, 0, 0, UKP_PLACE_VMM + 1, 0, 5, 0x1000);
	BAD(len);
	len = make_sample(&rec, 0, 0, 0, UKP_STOP_MAX, 5, 0x1000);
	BAD(len);
	len = make_sample(&rec, 0, 0, 255, 255, 5, 0x1000);
	BAD(len);
	len = make_sample(&rec, 0, UINT32_MAX, 0, 0, 5, 0x1000);
	BAD(len);
	len = make_sample(&rec, 0, 65536, 0, 0, 5, 0x1000);
	BAD(len);
	make_sample(&rec, 0, 0, 0, 0, 5, 0x1000);
	rec.sample.hdr.kind = 0;
	BAD(sizeof(rec.sample) + 40);
	rec.sample.hdr.kind = 3;
	BAD(sizeof(rec.sample) + 40);
	rec.sample.hdr.kind = UKP_REC_TEXT;
	BAD(sizeof(rec.sample) + 40);

	len = make_text(&rec, 0, 0x100010, 1);
	rec.text.gva++;
	BAD(len);
	rec.text.gva += 0xff;
	BAD(len);
	rec.text.gva -= 0x200;
	BAD(len);
	len = make_text(&rec, 0, 0x100010, 1);
	rec.text.hdr.len = len + 8;
	BAD(len + 8);
	assert_int_equal(recording__vm_data(r, 0)->nr_texts, 0);
	recording__free(r);
}

/* One frame more than are kept, in a record that is otherwise right. */
static void too_many_frames_are_bad(void **state)
{
	size_t len = sizeof(struct ukp_sample) + (UKP_MAX_FRAMES + 1) * sizeof(uint64_t);
	struct recording *r = new_recording();
	struct ukp_sample *s = calloc(1, len);

	(void)state;
	s->hdr.kind = UKP_REC_SAMPLE;
	s->hdr.len = len;
	s->nr_frames = UKP_MAX_FRAMES + 1;
	assert_int_equal(recording__record(r, s, len), 0);
	assert_account(r, 0, 1);
	free(s);
	recording__free(r);
}

static void texts_are_kept_once_and_not_without_end(void **state)
{
	struct recording *r = new_recording();
	const struct recording_vm_data *vm;
	union any_record rec;
	size_t len, i;

	(void)state;
	for (i = 0; i < 3; i++) {
		len = make_text(&rec, 0, 0x100010, 1);
		assert_int_equal(recording__record(r, &rec, len), 0);
	}
	assert_int_equal(recording__vm_data(r, 0)->nr_texts, 1);
	/* The same place with other bytes: only what is there now counts. */
	len = make_text(&rec, 0, 0x100010, 2);
	assert_int_equal(recording__record(r, &rec, len), 0);
	assert_int_equal(recording__vm_data(r, 0)->nr_texts, 1);
	assert_int_equal(recording__vm_data(r, 0)->nr_texts_taken, 2);
	assert_int_equal(recording__vm_data(r, 0)->texts[0].gva, 0x100000);
	assert_int_equal(recording__vm_data(r, 0)->texts[0].bytes[255], 2);
	for (i = 0; i < 1000; i++) {
		len = make_text(&rec, 9, 0x1000 * i, 1);
		assert_int_equal(recording__record(r, &rec, len), 0);
	}
	/* The first ones and the latest ones, in their order. */
	vm = recording__vm_data(r, 1);
	assert_int_equal(vm->nr_texts, RECORDING_MAX_TEXTS);
	assert_int_equal(vm->nr_texts_taken, 1000);
	for (i = 0; i < RECORDING_MAX_TEXTS; i++)
		assert_int_equal(vm->texts[i].rip,
				 0x1000 * (i < RECORDING_MAX_TEXTS / 2 ? i : 1000 - RECORDING_MAX_TEXTS + i));
	/* The last text of the address space. */
	len = make_text(&rec, 0, UINT64_MAX, 3);
	assert_int_equal(recording__record(r, &rec, len), 0);
	assert_int_equal(recording__vm_data(r, 0)->nr_texts, 2);
	assert_account(r, 0, 0);
	recording__free(r);
}

static void unaccounted_is_0_only_if_all_adds_up(void **state)
{
	uint64_t v[UKP_CTR_MAX] = { 0 };
	struct recording *r = new_recording();
	union any_record rec;
	size_t len;
	int i;

	(void)state;
	for (i = 0; i < 5; i++) {
		len = make_sample(&rec, 0, 0, 0, 0, 1, i);
		assert_int_equal(recording__record(r, &rec, len), 0);
	}
	v[UKP_CTR_FIRED] = 11;
	v[UKP_CTR_STORED] = 5;
	v[UKP_CTR_DROP_RING_FULL] = 3;
	v[UKP_CTR_DROP_NO_VCPU] = 2;
	v[UKP_CTR_DROP_NO_SCRATCH] = 1;
	v[UKP_CTR_TEXT_STORED] = 100;
	v[UKP_CTR_TEXT_FAILED] = 100;
	assert_int_equal(recording__counters(r, v), 0);
	assert_int_equal(recording__nr_dropped(r), 6);
	assert_int_equal(recording__unaccounted(r), 0);
	v[UKP_CTR_FIRED] = 12; /* a run that ended as nothing */
	assert_int_equal(recording__counters(r, v), 0);
	assert_int_equal(recording__unaccounted(r), 1);
	v[UKP_CTR_FIRED] = 11;
	v[UKP_CTR_DROP_NO_VCPU] = 3; /* counted twice */
	assert_int_equal(recording__counters(r, v), 0);
	assert_int_equal(recording__unaccounted(r), -1);
	v[UKP_CTR_DROP_NO_VCPU] = 2;
	v[UKP_CTR_FIRED] = v[UKP_CTR_STORED] + 6 + 1;
	v[UKP_CTR_STORED]++; /* lost between the ring and here */
	assert_int_equal(recording__counters(r, v), 0);
	assert_int_equal(recording__unaccounted(r), 1);
	/* The lost one was a record that contradicted itself. */
	assert_int_equal(recording__record(r, &rec, len - 1), 0);
	assert_int_equal(recording__unaccounted(r), 1);
	assert_int_equal(recording__nr_bad(r), 1);
	recording__free(r);
}

static void duration_is_that_of_the_samples_if_there_was_no_end(void **state)
{
	struct recording *r = new_recording();
	union any_record rec;
	size_t len = make_sample(&rec, 0, 0, 0, 0, 0, 0);

	(void)state;
	assert_int_equal(recording__duration_ns(r), 0);
	rec.sample.hdr.ts_ns = 3000000000; /* before the start: another machine's clock */
	assert_int_equal(recording__record(r, &rec, len), 0);
	assert_int_equal(recording__duration_ns(r), 0);
	rec.sample.hdr.ts_ns = 6000000000;
	assert_int_equal(recording__record(r, &rec, len), 0);
	rec.sample.hdr.ts_ns = 5000000000; /* processors' records come in any order */
	assert_int_equal(recording__record(r, &rec, len), 0);
	assert_int_equal(recording__duration_ns(r), 2000000000);
	assert_int_equal(recording__how_ended(r), RECORDING_CUT);
	assert_int_equal(recording__end(r, RECORDING_VM_ENDED, 7), 0);
	assert_int_equal(recording__duration_ns(r), 7);
	assert_int_equal(recording__how_ended(r), RECORDING_VM_ENDED);
	recording__free(r);
}

static void vms_are_limited_and_ids_unique(void **state)
{
	struct recording *r = NULL;
	struct recording_vm vm = { .name = "x" };
	union any_record rec;
	size_t len;
	uint32_t i;

	(void)state;
	assert_int_equal(recording__new(&r), 0);
	for (i = 0; i < RECORDING_MAX_VMS + 10; i++) {
		vm.id = i;
		assert_int_equal(recording__vm(r, &vm), 0);
	}
	assert_int_equal(recording__nr_vms(r), RECORDING_MAX_VMS);
	assert_int_equal(recording__nr_bad(r), 10);
	vm.id = 5;
	assert_int_equal(recording__vm(r, &vm), 0);
	assert_int_equal(recording__nr_bad(r), 11);
	len = make_sample(&rec, RECORDING_MAX_VMS - 1, 0, 0, 0, 1, 1);
	assert_int_equal(recording__record(r, &rec, len), 0);
	assert_account(r, 1, 11);
	recording__free(r);
}

/* What was handed in may be gone as soon as the call returns. */
/* A free place has id 0 and is still no VM 0. */
static void forgotten_vms_are_not_found(void **state)
{
	struct recording *r = new_recording();

	(void)state;
	assert_int_equal(recording__place(r, 0), 0);
	assert_int_equal(recording__place(r, 9), 1);
	assert_true(recording__place(r, 1) == RECORDING_NOWHERE);
	recording__forget_vm(r, 0);
	recording__forget_vm(r, 9);
	assert_true(recording__place(r, 0) == RECORDING_NOWHERE);
	assert_true(recording__place(r, 9) == RECORDING_NOWHERE);
	/* Ids come again, in any order of places. */
	assert_int_equal(recording__vm(r, &(struct recording_vm){ .id = 9, .name = "c" }), 0);
	assert_int_equal(recording__vm(r, &(struct recording_vm){ .id = 0, .name = "d" }), 0);
	assert_string_equal(recording__vm_data(r, recording__place(r, 9))->name, "c");
	assert_string_equal(recording__vm_data(r, recording__place(r, 0))->name, "d");
	recording__free(r);
}

static void strings_are_copied(void **state)
{
	char event[] = "cycles", name[] = "web", args[] = "a=b";
	struct recording *r = NULL;

	(void)state;
	assert_int_equal(recording__new(&r), 0);
	assert_int_equal(recording__begin(r, &(struct recording_info){ .event = event }), 0);
	assert_int_equal(recording__vm(r, &(struct recording_vm){ .name = name, .args = args }), 0);
	event[0] = name[0] = args[0] = 'X';
	assert_string_equal(recording__info(r)->event, "cycles");
	assert_null(recording__info(r)->host);
	assert_string_equal(recording__vm_data(r, 0)->name, "web");
	assert_string_equal(recording__vm_data(r, 0)->args, "a=b");
	assert_null(recording__vm_data(r, 0)->image);
	recording__free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_stack_was_found_in_one_way),
		cmocka_unit_test(samples_add_up),
		cmocka_unit_test(exits_add_up_apart_from_samples),
		cmocka_unit_test(host_samples_are_samples),
		cmocka_unit_test(bad_host_samples_are_refused),
		cmocka_unit_test(symbols_of_the_host_are_kept),
		cmocka_unit_test(bad_exits_are_refused),
		cmocka_unit_test(bad_records_are_counted_and_change_nothing),
		cmocka_unit_test(too_many_frames_are_bad),
		cmocka_unit_test(texts_are_kept_once_and_not_without_end),
		cmocka_unit_test(unaccounted_is_0_only_if_all_adds_up),
		cmocka_unit_test(duration_is_that_of_the_samples_if_there_was_no_end),
		cmocka_unit_test(vms_are_limited_and_ids_unique),
		cmocka_unit_test(forgotten_vms_are_not_found),
		cmocka_unit_test(strings_are_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
