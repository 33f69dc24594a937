/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_RECORDS_H
#define UNIT_RECORDS_H

/* records - records as the ring buffer brings them, and a random number generator that repeats itself. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/types.h>

#include "ukprof_abi.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

union any_record {
	struct ukp_sample sample;
	struct ukp_text text;
	struct ukp_exit_sample exit;
	struct {
		struct ukp_exit_sample exit_head;
		uint64_t exit_frames[UKP_MAX_FRAMES];
	} exit_room;
	struct ukp_host_sample host;
	struct {
		struct ukp_host_sample host_head;
		uint64_t host_frames[UKP_MAX_KERNEL + UKP_MAX_VMM + UKP_MAX_FRAMES];
	} host_room;
	struct {
		struct ukp_sample head;
		uint64_t frames[UKP_MAX_FRAMES];
	} room;
};

/* Frames @first, @first + 1, … Return: length of the record. */
static inline size_t make_sample(union any_record *rec, uint32_t vm, uint32_t vcpu, uint8_t place,
				 uint8_t stop, uint16_t nr_frames, uint64_t first)
{
	uint64_t frame;
	uint16_t i;

	memset(rec, 0, sizeof(*rec));
	rec->sample = (struct ukp_sample){
		.hdr = {
			.kind = UKP_REC_SAMPLE,
			.len = sizeof(struct ukp_sample) + nr_frames * sizeof(uint64_t),
			.ts_ns = 5000000000,
			.vm = vm,
			.vcpu = vcpu,
		},
		.period = 1000,
		.tid = 77,
		.place = place,
		.stop = stop,
		.nr_frames = nr_frames,
	};
	for (i = 0; i < nr_frames && i < UKP_MAX_FRAMES; i++) {
		frame = first + i;
		memcpy((char *)rec + sizeof(rec->sample) + i * sizeof(frame), &frame,
		       sizeof(frame));
	}
	return rec->sample.hdr.len;
}

/* A VM exit that stands for @count of 1000 ns each; frames as above. Return: length of the record. */
static inline size_t make_exit(union any_record *rec, uint32_t vm, uint32_t reason, uint8_t detail, uint64_t value,
			       uint64_t count, uint16_t nr_frames, uint64_t first)
{
	uint64_t frame;
	uint16_t i;

	memset(rec, 0, sizeof(*rec));
	rec->exit = (struct ukp_exit_sample){
		.hdr = {
			.kind = UKP_REC_EXIT,
			.len = sizeof(struct ukp_exit_sample) + nr_frames * sizeof(uint64_t),
			.ts_ns = 5000000000,
			.vm = vm,
		},
		.count = count,
		.ns = count * 1000,
		.value = value,
		.reason = reason,
		.isa = 2,
		.detail = detail,
		.nr_frames = nr_frames,
	};
	for (i = 0; i < nr_frames && i < UKP_MAX_FRAMES; i++) {
		frame = first + i;
		memcpy((char *)rec + sizeof(rec->exit) + i * sizeof(frame), &frame, sizeof(frame));
	}
	return rec->exit.hdr.len;
}

/* A sample that hit the host, in KVM if there are kernel frames; frames count on from @first: kernel, VMM, guest. */
static inline size_t make_host(union any_record *rec, uint32_t vm, uint8_t nr_kernel, uint8_t nr_vmm, uint16_t nr_frames,
			       uint64_t first)
{
	size_t nr = nr_kernel + nr_vmm + nr_frames, i;
	uint64_t frame;

	memset(rec, 0, sizeof(*rec));
	rec->host = (struct ukp_host_sample){
		.hdr = {
			.kind = UKP_REC_HOST_SAMPLE,
			.len = sizeof(struct ukp_host_sample) + nr * sizeof(uint64_t),
			.ts_ns = 5000000000,
			.vm = vm,
		},
		.period = 1000,
		.place = nr_kernel ? UKP_PLACE_KVM : UKP_PLACE_VMM,
		.nr_frames = nr_frames,
		.isa = UKP_ISA_SVM,
		.detail = UKP_DETAIL_PIO_OUT,
		.nr_kernel = nr_kernel,
		.value = 0x80,
		.reason = 0x7b,
		.nr_vmm = nr_vmm,
	};
	for (i = 0; i < nr && i < UKP_MAX_KERNEL + UKP_MAX_VMM + UKP_MAX_FRAMES; i++) {
		frame = first + i;
		memcpy((char *)rec + sizeof(rec->host) + i * sizeof(frame), &frame, sizeof(frame));
	}
	return rec->host.hdr.len;
}

static inline size_t make_text(union any_record *rec, uint32_t vm, uint64_t rip, uint8_t fill)
{
	memset(rec, 0, sizeof(*rec));
	rec->text = (struct ukp_text){
		.hdr = { .kind = UKP_REC_TEXT,
			 .len = sizeof(struct ukp_text),
			 .ts_ns = 1,
			 .vm = vm },
		.gva = rip & ~(UKP_TEXT_LEN - 1ull),
		.rip = rip,
	};
	memset(rec->text.bytes, fill, UKP_TEXT_LEN);
	return rec->text.hdr.len;
}

static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif /* UNIT_RECORDS_H */
