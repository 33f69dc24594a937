/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_HOST_FIXTURE_H
#define UNIT_HOST_FIXTURE_H

/*
 * host_fixture - snapshots of the host for the tests of metrics, service discovery and the list of VMs.
 * Include export_fixture.h first.
 */

#include "host_stats.h"

#define FIX_WALL_NS 1767225600000000000ull /* 2026-01-01 00:00:00 UTC */
#define FIX_SEC     1000000000ull

static const struct host_label fix_stops[] = {
	{ "root", "The stack is complete" },
	{ "depth", "The stack has more frames than are kept" },
	{ "unmapped", "A frame's address has no translation" },
};

static const struct host_label fix_methods[] = {
	{ "frame_pointer", "By the saved frame pointer" },
	{ "table", "By the image's unwind table" },
};

static inline void *fix_array(const void *data, size_t nr, size_t size)
{
	void *copy = calloc(nr + 1, size);

	assert_non_null(copy);
	memcpy(copy, data, nr * size);
	return copy;
}

#define FIX_ARRAY(owner, member, array)                                                      \
	do {                                                                                 \
		(owner)->member = fix_array((array), ARRAY_SIZE(array), sizeof((array)[0])); \
		(owner)->nr_##member = ARRAY_SIZE(array);                                    \
	} while (0)

/* @n exits of @ns each. */
static inline struct host_exit fix_exit(uint32_t isa, uint32_t reason, uint64_t n, uint64_t ns)
{
	struct host_exit e = {
		.isa = isa, .reason = reason, .count = n, .nr_timed = n, .total_ns = n * ns
	};
	size_t i = 0;

	while (i + 1 < EXIT_NR_BUCKETS && (2ull << i) <= ns)
		i++;
	e.buckets[i] = n;
	return e;
}

/* A host without VMs. Released with host_stats__put(). */
static inline struct host_stats *fix_host_new(void)
{
	static const struct host_counter drops[] = {
		{ "ring_full", "Samples dropped: the ring buffer was full", 7 },
		{ "no_vcpu", "Samples dropped: the thread is not a known vCPU any more", 0 },
	};
	static const struct host_counter counters[] = { { "fired", "Sampling interrupts taken",
							  1000 } };
	static const struct host_counter refused[] = { { "busy", "Too many connections", 2 } };
	static const struct host_cost costs[] = { { "on_sample", 1000, 1234567 },
						  { "on_exit", 0, 0 } };
	struct host_stats *hs = NULL;

	assert_int_equal(host_stats__new(&hs), 0);
	hs->version = "0.1.0";
	hs->revision = "0123abc";
	hs->libbpf = "1.1";
	hs->host = "6.1.0-31-amd64";
	hs->level = "exits";
	hs->start_wall_ns = FIX_WALL_NS;
	hs->wall_ns = FIX_WALL_NS + 60 * FIX_SEC;
	hs->mono_ns = 1000 * FIX_SEC;
	hs->period_ns = 10101010;
	hs->nr_snapshots = 60;
	hs->collect_ns = 1500000;
	hs->nr_vms_seen = 3;
	hs->nr_vms_gone = 1;
	FIX_ARRAY(hs, stops, fix_stops);
	FIX_ARRAY(hs, methods, fix_methods);
	FIX_ARRAY(hs, drops, drops);
	FIX_ARRAY(hs, counters, counters);
	FIX_ARRAY(hs, costs, costs);
	FIX_ARRAY(&hs->http, refused, refused);
	hs->http.requests[HOST_HTTP_2XX] = 58;
	hs->http.requests[HOST_HTTP_4XX] = 1;
	hs->http.connections = 12;
	hs->http.connections_open = 2;
	hs->http.profiles_served = 4;
	hs->self = (struct self_usage){
		.cpu_ns = 1230000000,
		.rss_bytes = 20971520,
		.virtual_bytes = 104857600,
		.open_fds = 42,
		.max_fds = 1024,
		.start_wall_ns = FIX_WALL_NS - FIX_SEC / 4,
	};
	return hs;
}

/* Names and the like; no samples, no vCPUs, no exits. Earlier pointers to VMs are invalid after it. */
static inline struct host_vm *fix_host_add_vm(struct host_stats *hs, const char *name)
{
	struct host_vm *vm;

	hs->vms = reallocarray(hs->vms, hs->nr_vms + 1, sizeof(*hs->vms));
	assert_non_null(hs->vms);
	vm = &hs->vms[hs->nr_vms];
	*vm = (struct host_vm){
		.id = hs->nr_vms + 1,
		.pid = 4242 + hs->nr_vms,
		.vmm = "qemu-system-x86_64",
		.up = true,
		.seen_wall_ns = FIX_WALL_NS + FIX_SEC,
		.mem_bytes = 134217728,
	};
	hs->nr_vms++;
	assert_int_equal(host_stats__copy_str(hs, &vm->name, name), 0);
	return vm;
}

/* A VM with some of everything, and one that was just found. */
static inline struct host_stats *fix_host_small(void)
{
	static const struct host_vcpu vcpus[] = {
		{ 0, { 50 * FIX_SEC, 2500000000, 250000000, 5 * FIX_SEC, 1250000001 } },
		{ 1, { 1, 0, 0, 59 * FIX_SEC, 0 } },
	};
	static const uint64_t stops[] = { 90, 3, 7 }, methods[] = { 300, 55 };
	static const struct host_kvm_stat stats[] = {
		{ "halt_exits", true, 77 },
		{ "pages_4k", false, 512 },
	};
	static const struct host_function functions[] = { { "hot_leaf", 60, false }, { "worker_a", 20, false } };
	static const struct host_function libraries[] = { { "lib/ukalloc", 70, false }, { "app", 10, false } };
	static const struct host_image images[] = {
		{ "/srv/web/app.dbg", "0123456789abcdef", HOST_IMAGE_VERIFIED },
		{ "/srv/web/lib.so", NULL, HOST_IMAGE_VERIFIED },
	};
	struct host_stats *hs = fix_host_new();
	struct host_vm *vm = fix_host_add_vm(hs, "web0");
	struct host_exit exits[] = {
		fix_exit(EXIT_ISA_VMX, 30, 1000, 3000),    /* IO_INSTRUCTION */
		fix_exit(EXIT_ISA_VMX, 12, 50, 100000000), /* HLT */
		fix_exit(EXIT_ISA_VMX, 1, 3, 700),         /* EXTERNAL_INTERRUPT */
	};

	exits[0].user_ns = 2000000;
	exits[0].count++;        /* one is still being handled */
	exits[2].buckets[0] = 1; /* one of each extreme */
	exits[2].buckets[EXIT_NR_BUCKETS - 1] = 1;
	exits[2].buckets[9] = 1;
	vm->image_path = "/srv/web/app.dbg";
	vm->image_name = "app.dbg";
	vm->build_id = "0123456789abcdef";
	vm->uuid = "5f1c2d3e-0000-4000-8000-000000000001";
	vm->image = HOST_IMAGE_VERIFIED;
	vm->samples[SNAP_PLACE_GUEST] = 87;
	vm->samples[SNAP_PLACE_KVM] = 8;
	vm->samples[SNAP_PLACE_VMM] = 5;
	vm->stops = fix_array(stops, ARRAY_SIZE(stops), sizeof(*stops));
	vm->methods = fix_array(methods, ARRAY_SIZE(methods), sizeof(*methods));
	vm->nr_frames = 355;
	vm->nr_unresolved_frames = 11;
	vm->nr_unresolved_samples = 4;
	vm->nr_virqs = 99;
	FIX_ARRAY(vm, vcpus, vcpus);
	FIX_ARRAY(vm, exits, exits);
	FIX_ARRAY(vm, functions, functions);
	FIX_ARRAY(vm, libraries, libraries);
	FIX_ARRAY(vm, kvm_stats, stats);
	FIX_ARRAY(vm, images, images);
	fix_host_add_vm(hs, "idle\"\\0");
	return hs;
}

/*
 * A VM for each hostile name, two for some, and one of 1 MB; each with as many reasons, vCPUs, functions and
 * statistics as a guest could come up with.
 */
static inline struct host_stats *fix_host_hostile(void)
{
	static const char *const twins[] = { "bad\xfe\xff utf8 \xc3(\xe2\x82",
					     "?",
					     "\t",
					     "\n",
					     "[no name]",
					     "web",
					     "web",
					     "web~28",
					     "web~28" };
	struct host_stats *hs = fix_host_new();
	size_t nr = ARRAY_SIZE(fix_hostile_names), i, k;
	struct host_exit exits[300];
	struct host_vcpu vcpus[256];
	struct host_kvm_stat stats[100];
	struct host_function functions[ARRAY_SIZE(fix_hostile_names)];
	struct host_vm *vm;
	char *long_name, buf[32];

	long_name = malloc((1 << 20) + 1);
	assert_non_null(long_name);
	for (i = 0; i < 1 << 20; i += 2)
		memcpy(long_name + i, "\xc3\xa9", 2);
	long_name[1 << 20] = '\0';

	for (i = 0; i < ARRAY_SIZE(exits); i++)
		exits[i] = fix_exit(i % 2 ? EXIT_ISA_VMX : EXIT_ISA_SVM,
				    i < 4 ? i : 0x10000 * (uint32_t)i + 0xff00, 1 + i,
				    1ull << i % 45);
	for (i = 0; i < ARRAY_SIZE(vcpus); i++)
		vcpus[i] = (struct host_vcpu){ .id = 1000 + i,
					       .state_ns = { i, 1, 2, 3, UINT64_MAX / 300 } };
	for (i = 0; i < nr + ARRAY_SIZE(twins) + 1; i++) {
		vm = fix_host_add_vm(hs, i < nr                       ? fix_hostile_names[i]
					 : i < nr + ARRAY_SIZE(twins) ? twins[i - nr]
								      : long_name);
		vm->vmm = vm->name;
		vm->image_path = vm->image_name = vm->uuid = vm->build_id = vm->name;
		vm->pid = i % 2 ? INT32_MAX : -1;
		for (k = 0; k < ARRAY_SIZE(functions); k++)
			functions[k] = (struct host_function){ fix_hostile_names[k], 1, false };
		for (k = 0; k < ARRAY_SIZE(stats); k++) {
			snprintf(buf, sizeof(buf), "stat\"%zu\n", k);
			stats[k] = (struct host_kvm_stat){ .cumulative = k % 2, .value = k };
			assert_int_equal(host_stats__copy_str(hs, &stats[k].name, buf), 0);
		}
		FIX_ARRAY(vm, exits, exits);
		FIX_ARRAY(vm, vcpus, vcpus);
		FIX_ARRAY(vm, kvm_stats, stats);
		FIX_ARRAY(vm, functions, functions);
	}
	free(long_name);
	return hs;
}

#endif /* UNIT_HOST_FIXTURE_H */
