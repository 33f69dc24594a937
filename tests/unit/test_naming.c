/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a stack goes on in the host: which frames are shown, in which order, and what they are called. */
#include "records.h"

#include <stdio.h>

#include "exporter.h"
#include "naming.h"
#include "recording.h"
#include "sink.h"
#include "snapshot.h"

#define KERNEL 0xffffffff81000000
#define VMM    0x401000
#define GUEST  0x100000

static struct recording *new_recording(void)
{
	struct recording *r = NULL;

	assert_int_equal(recording__new(&r), 0);
	assert_int_equal(recording__begin(r, &(struct recording_info){ .event = "cpu-clock" }), 0);
	assert_int_equal(recording__vm(r, &(struct recording_vm){ .id = 3, .name = "a", .vmm = "qemu" }), 0);
	return r;
}

/* A frame is @base plus its number, leaf first; all but the leaf are return addresses. */
static void add(struct recording *r, uint8_t place, uint8_t nr_kernel, uint8_t nr_vmm)
{
	union any_record rec;
	uint64_t frame;
	size_t len, i;

	len = make_host(&rec, 3, nr_kernel, nr_vmm, 1, 0);
	rec.host.place = place;
	rec.host.value = 0x1234;
	for (i = 0; i < (size_t)nr_kernel + nr_vmm + 1; i++) {
		frame = i < nr_kernel ? KERNEL + 16 * i : i < (size_t)nr_kernel + nr_vmm ? VMM + 16 * (i - nr_kernel) : GUEST;
		memcpy((char *)&rec + sizeof(rec.host) + i * sizeof(frame), &frame, sizeof(frame));
	}
	assert_int_equal(recording__record(r, &rec, len), 0);
}

static void name(struct recording *r, uint32_t vm, uint64_t addr, const char *text)
{
	assert_int_equal(recording__symbol(r, &(struct recording_symbol){ vm, addr, text }), 0);
}

/* Folded stacks, without the counts' line ends but one; @r is gone. */
static void assert_folded(struct recording *r, bool roots, const char *want)
{
	struct naming_what what = { .roots = roots, .live = true };
	struct naming *n = NULL;
	struct snapshot *snap = NULL;
	struct sink *sink = NULL;
	const char *data;
	size_t len;

	assert_int_equal(naming__new(&n, &(struct naming_opts){ 0 }), 0);
	assert_int_equal(naming__snapshot(n, r, &what, &snap), 0);
	assert_int_equal(sink__memory(&sink), 0);
	assert_int_equal(exporter_folded.write(snap, &(struct export_opts){ 0 }, sink), 0);
	data = sink__data(sink, &len);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(data, want, len);
	sink__close(sink);
	snapshot__put(snap);
	naming__free(n);
	recording__free(r);
}

/* What is around KVM's own part is the VMM's loop, the same for each exit. */
static void inside_of_kvm_the_way_in_is_left_out(void **state)
{
	struct recording *r = new_recording();

	(void)state;
	add(r, UKP_PLACE_KVM, 4, 2);
	name(r, RECORDING_KERNEL, KERNEL, "svm_vcpu_run");
	name(r, RECORDING_KERNEL, KERNEL + 16 - 1, "kvm_arch_vcpu_ioctl_run");
	name(r, RECORDING_KERNEL, KERNEL + 32 - 1, "kvm_vcpu_ioctl");
	name(r, RECORDING_KERNEL, KERNEL + 48 - 1, "entry_SYSCALL_64");
	name(r, 3, VMM - 1, "ioctl");
	name(r, 3, VMM + 16 - 1, "main");
	assert_folded(r, false, "a;0x100000;io;out 0x1234;kvm_arch_vcpu_ioctl_run;svm_vcpu_run 1\n");
}

/* The VMM handles the exit, and calls the kernel for that: the order of frames is that of calls. */
static void a_system_call_of_the_vmm_is_below_it(void **state)
{
	struct recording *r = new_recording();

	(void)state;
	add(r, UKP_PLACE_KVM, 2, 2);
	name(r, RECORDING_KERNEL, KERNEL, "eventfd_write");
	name(r, RECORDING_KERNEL, KERNEL + 16 - 1, "entry_SYSCALL_64");
	name(r, 3, VMM - 1, "write");
	name(r, 3, VMM + 16 - 1, "handle_io");
	assert_folded(r, true, "a;[kvm];0x100000;io;out 0x1234;handle_io;write;entry_SYSCALL_64;eventfd_write 1\n");
}

static void the_vmms_own_code(void **state)
{
	struct recording *r = new_recording();

	(void)state;
	add(r, UKP_PLACE_VMM, 0, 2);
	name(r, 3, VMM, "handle_io"); /* the leaf is exact */
	name(r, 3, VMM + 16 - 1, "main");
	assert_folded(r, true, "a;[vmm];0x100000;io;out 0x1234;main;handle_io 1\n");
}

/* Without frame pointers the chain leads anywhere: nothing behind such an address is believed. */
static void a_chain_that_went_astray_ends_there(void **state)
{
	struct recording *r = new_recording();

	(void)state;
	add(r, UKP_PLACE_VMM, 0, 4);
	name(r, 3, VMM, "handle_io");
	name(r, 3, VMM + 16 - 1, "run");
	name(r, 3, VMM + 32 - 1, "");
	name(r, 3, VMM + 48 - 1, "main");
	assert_folded(r, false, "a;0x100000;io;out 0x1234;run;handle_io 1\n");
}

static void what_has_no_name_is_an_address(void **state)
{
	struct recording *r = new_recording();

	(void)state;
	add(r, UKP_PLACE_KVM, 2, 1);
	assert_folded(r, false, "a;0x100000;io;out 0x1234;0x401000;0xffffffff81000010;0xffffffff81000000 1\n");
}

/* Files without symbols, and a kernel that hides its own: one frame says all there is. */
static void files_in_a_row_are_one_frame(void **state)
{
	struct recording *r = new_recording();

	(void)state;
	add(r, UKP_PLACE_KVM, 3, 4);
	name(r, RECORDING_KERNEL, KERNEL, "[kernel]");
	name(r, RECORDING_KERNEL, KERNEL + 16 - 1, "[kernel]");
	name(r, RECORDING_KERNEL, KERNEL + 32 - 1, "[kernel]");
	name(r, 3, VMM - 1, "[qemu]");
	name(r, 3, VMM + 16 - 1, "[qemu]");
	name(r, 3, VMM + 32 - 1, "again");
	name(r, 3, VMM + 48 - 1, "again");
	assert_folded(r, false, "a;0x100000;io;out 0x1234;again;again;[qemu];[kernel] 1\n");
}

/* Neither stack could be taken: the place is known all the same. And a name of another VM is not ours. */
static void no_frames_are_a_word(void **state)
{
	struct recording *r = new_recording();

	(void)state;
	add(r, UKP_PLACE_KVM, 0, 0);
	add(r, UKP_PLACE_VMM, 0, 0);
	add(r, UKP_PLACE_VMM, 0, 1);
	name(r, 4, VMM, "another");
	name(r, 3, VMM, "");
	assert_folded(r, false, "a;0x100000;io;out 0x1234;[kvm] 1\na;0x100000;io;out 0x1234;[vmm] 2\n");
}

/* The longest record there can be. */
static void the_longest_stacks(void **state)
{
	struct recording *r = new_recording();
	struct naming_what what = { .live = true };
	struct snapshot *snap = NULL;
	struct naming *n = NULL;
	union any_record rec;
	size_t len;

	(void)state;
	len = make_host(&rec, 3, UKP_MAX_KERNEL, UKP_MAX_VMM, UKP_MAX_FRAMES, KERNEL);
	assert_int_equal(recording__record(r, &rec, len), 0);
	assert_int_equal(naming__new(&n, &(struct naming_opts){ 0 }), 0);
	assert_int_equal(naming__snapshot(n, r, &what, &snap), 0);
	assert_int_equal(snapshot__stack(snap, 0)->nr_host, 2 + UKP_MAX_KERNEL + UKP_MAX_VMM);
	assert_int_equal(snapshot__stack(snap, 0)->nr_frames, UKP_MAX_FRAMES);
	snapshot__put(snap);
	naming__free(n);
	recording__free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inside_of_kvm_the_way_in_is_left_out),
		cmocka_unit_test(a_system_call_of_the_vmm_is_below_it),
		cmocka_unit_test(the_vmms_own_code),
		cmocka_unit_test(a_chain_that_went_astray_ends_there),
		cmocka_unit_test(what_has_no_name_is_an_address),
		cmocka_unit_test(files_in_a_row_are_one_frame),
		cmocka_unit_test(no_frames_are_a_word),
		cmocka_unit_test(the_longest_stacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
