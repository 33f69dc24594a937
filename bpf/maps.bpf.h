/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BPF_MAPS_BPF_H
#define BPF_MAPS_BPF_H

/*
 * All maps, each with who writes, who reads, and what "full" means. Sizes marked 1 are set at load.
 * Hash maps that the sampling program reads are preallocated: 5.10 refuses others in an NMI context.
 */

/*
 * Samples and text probes. Written by the sampling program, read by the collector. Full: the record is
 * dropped and counted (DROP_RING_FULL, TEXT_FAILED).
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

/*
 * One row of counters per processor, mapped by user space, so reading them needs no system call.
 * Written by the programs with atomic adds, for an NMI may interrupt another program on the row.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ukp_counters);
} counters SEC(".maps");

/*
 * vCPU threads by thread id. Written by user space before it opens the thread's event, read by the
 * sampling program. Full: user space reports it and leaves the vCPU out.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct ukp_vcpu);
} vcpus SEC(".maps");

/* VMs and their memory ranges. Written by user space, read by the sampling program. Full: as vcpus. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct ukp_vm);
} vms SEC(".maps");

/*
 * How many text probes user space still wants of a VM. Set by user space, counted down by the sampling
 * program. Indexed by VM; a VM beyond the end is not probed and its names stay unverified.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u32);
} text_wanted SEC(".maps");

/*
 * Working memory of the programs that walk stacks: too large for theirs. One per processor and program,
 * for the sampling interrupt may come while the other one walks.
 */
struct ukp_scratch {
	struct ukp_walk walk;
	struct ukp_text text;
};

#define UKP_SCRATCH_SAMPLE 0
#define UKP_SCRATCH_EXIT   1

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct ukp_scratch);
} scratch SEC(".maps");

/*
 * Where a sample with the host's stacks is put together; made only where they are asked for. One per processor:
 * one event at a time samples there.
 */
struct ukp_host_record {
	__u64 words[sizeof(struct ukp_host_sample) / 8 + UKP_MAX_KERNEL + 1 + UKP_MAX_VMM + 1 + UKP_MAX_FRAMES + 1];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ukp_host_record);
} host_record SEC(".maps");

/*
 * Unwind tables of all images, one after the other: see struct ukp_unwind_image. Sizes (1); mapped and written
 * by user space, read by walks. Full: an image has no table, and its stacks go by frame pointers.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ukp_unwind_page);
} unwind_pages SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ukp_unwind_chunk);
} unwind_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ukp_unwind_rule);
} unwind_rules SEC(".maps");

/*
 * File descriptors that the iterator is asked about. Written by user space before it runs the iterator,
 * read by it. Full: user space runs the iterator once more for the rest.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, struct ukp_fd_key);
	__type(value, __u32);
} fd_targets SEC(".maps");

/* Where a walk over a VM's slots stands. One user: the iterator, which runs for one reader at a time. */
struct ukp_slot_walk {
	__u64 memslots;
	__u64 node; /* next slot of the bucket (hash), or 0 */
	__u32 bucket;
	__u32 set;    /* index of the links in use (hash) */
	__u32 nr;     /* slots in all (array) */
	__u32 nr_out;
	struct ukp_found head;
	struct ukp_slot out[UKP_MAX_FOUND_SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ukp_slot_walk);
} slot_walk SEC(".maps");

/*
 * VM exits by vCPU and reason, and by the guest code that caused them; interrupts injected by vector.
 * Made only when exits are asked for. Written by the exit programs, read by user space. Full: counted
 * (EXIT_ROWS_FULL, EXIT_SITES_FULL, VIRQS_FULL); what is in the tables stays exact.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct ukp_exit_row_key);
	__type(value, struct ukp_exit_row);
} exit_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct ukp_exit_site_key);
	__type(value, struct ukp_exit_site);
} exit_sites SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct ukp_virq_key);
	__type(value, __u64);
} virqs SEC(".maps");

/* Written by user space at any time, read by the exit programs: changes need no new program. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ukp_settings);
} settings SEC(".maps");

/* A row and a site of zeros, to begin new ones with: too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ukp_exit_row);
} exit_zero SEC(".maps");

#endif /* BPF_MAPS_BPF_H */
