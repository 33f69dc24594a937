/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BPF_UKPROF_ABI_H
#define BPF_UKPROF_ABI_H

/*
 * ukprof_abi - what the BPF programs and user space say to each other: records, map values, counters.
 *
 * The includer provides __u8 to __u64 (vmlinux.h or linux/types.h). Numbers in an enum are appended,
 * never reused: they are written into capture files as they are. Every record has its size and the
 * offset of its variable part asserted on both sides.
 */

#include "unwind_row.h"

#define UKP_ABI_VERSION 2 /* 2: UKP_REC_HOST_SAMPLE; a file without one still says 1 */

#define UKP_MAX_FRAMES 127 /* frames kept of one stack, the leaf included */
#define UKP_MAX_KERNEL 63  /* frames kept of the host kernel's stack, and of the VMM's: bit masks */
#define UKP_MAX_VMM    63
#define UKP_MAX_SLOTS  16  /* memory ranges of one VM that the walk knows: the largest ones */
#define UKP_TEXT_LEN   256 /* bytes of one text probe: aligned, so it never crosses a page */

/* Where a sample hit the vCPU's thread. */
enum ukp_place {
	UKP_PLACE_GUEST = 0, /* the interrupt came while the guest ran */
	UKP_PLACE_KVM = 1,   /* host kernel: handling an exit, emulating, or a system call of the VMM */
	UKP_PLACE_VMM = 2,   /* user code of the VMM */
};

/*
 * X(NAME, value, label, help): why the walk of a guest stack ended. The frames before it are valid in
 * every case. ROOT is the only one that means "complete".
 */
#define UKP_STOPS(X)                                                                                  \
	X(ROOT, 0, "root", "Saved frame pointer or return address was 0: the stack is complete")      \
	X(DEPTH, 1, "depth", "The stack has more frames than are kept")                               \
	X(UNMAPPED, 2, "unmapped", "A frame's address has no translation in the guest's page tables") \
	X(NOSLOT, 3, "noslot", "A physical address is outside the VM's memory")                       \
	X(BACKWARDS, 4, "backwards", "A saved frame pointer did not move up the stack")               \
	X(NOTRESIDENT, 5, "notresident", "A page of the guest is not resident in the VMM")            \
	X(BADFP, 6, "badfp", "A frame pointer was misaligned or not a canonical address")             \
	X(REALMODE, 7, "realmode", "The vCPU was in real mode: addresses need a segment")             \
	X(LEGACY, 8, "legacy", "The vCPU was not in 64-bit mode: only RIP is known")                  \
	X(STALERIP, 9, "stalerip", "KVM had not read the guest's RIP for this exit")                  \
	X(STALESLOTS, 10, "staleslots", "The VM's memory layout was changing")                        \
	X(MOVED, 11, "moved", "The thread was running another vCPU")                                  \
	X(NOROW, 12, "norow", "No unwind table covers the code, and RBP is no frame pointer there")   \
	X(BADROW, 13, "badrow", "The unwind table's rule can't be followed, or leads nowhere")         \
	X(NORSP, 14, "norsp", "The unwind table counts from RSP, which KVM had not read for this exit")

enum ukp_stop {
#define X(name, value, label, help) UKP_STOP_##name = (value),
	UKP_STOPS(X)
#undef X
	UKP_STOP_MAX
};

/* How the callers of a stack were found: any combination; 0 if none was looked for. */
#define UKP_BY_FP     1 /* frame pointers */
#define UKP_BY_TABLE  2 /* the image's unwind tables */
#define UKP_BY_NO_RSP 4 /* the leaf's row needs RSP, which KVM had not read: a caller may be missing */
#define UKP_BY_RECOVERED 8 /* RSP, or the caller of a leaf without a row, was found on the stack and proven by calls on it */
#define UKP_BY_WEAK	 16 /* it was recovered, and the proof has a gap: callers may be wrong */
#define UKP_BY_FRAME	 32 /* an interrupt frame was found by its layout: strong evidence; with UKP_BY_WEAK it was far away */
#define UKP_BY_ALL	 63

/*
 * X(NAME, label, help): one list feeds the BPF enum, the report and the capture file. FIRED counts
 * program runs; each run ends as STORED or as one of the drops, so FIRED = STORED + sum of drops.
 */
#define UKP_COUNTERS(X)                                                                          \
	X(FIRED, "fired", "Sampling interrupts taken")                                           \
	X(STORED, "stored", "Samples handed to user space")                                      \
	X(DROP_RING_FULL, "ring_full", "Samples dropped: the ring buffer was full")              \
	X(DROP_NO_VCPU, "no_vcpu", "Samples dropped: the thread is not a known vCPU any more")   \
	X(DROP_NO_SCRATCH, "no_scratch", "Samples dropped: no working memory on this processor") \
	X(TEXT_STORED, "text_stored", "Text probes handed to user space")                        \
	X(TEXT_FAILED, "text_failed", "Text probes that could not be read or stored")           \
	X(EXITS, "exits", "VM exits of the vCPUs that are watched")                               \
	X(EXITS_TIMED, "exits_timed", "VM exits whose VM entry was seen, too")                    \
	X(EXITS_UNTIMED, "exits_untimed", "VM exits that were followed by another without entry") \
	X(ENTRIES_ALONE, "entries_alone", "VM entries whose exit was before the start")           \
	X(EXIT_ROWS_FULL, "exit_rows_full", "VM exits not counted by reason: table full")         \
	X(EXIT_SITES_FULL, "exit_sites_full", "VM exits not counted by guest code: table full")   \
	X(VIRQS_FULL, "virqs_full", "Interrupts not counted by vector: table full")               \
	X(EXIT_STACKS, "exit_stacks", "VM exits picked for their guest stack")                    \
	X(EXIT_STACKS_STORED, "exit_stacks_stored", "Guest stacks of VM exits handed to user space") \
	X(EXIT_STACKS_DROPPED, "exit_stacks_dropped", "Guest stacks of VM exits dropped: ring full, or the VM had gone")

enum ukp_counter {
#define X(name, label, help) UKP_CTR_##name,
	UKP_COUNTERS(X)
#undef X
	UKP_CTR_MAX
};

#define UKP_CTR_ROOM 32 /* counters of one processor; room to append */

/* Value of the counters map, one per possible processor: kept apart by cache lines. */
struct ukp_counters {
	__u64 v[UKP_CTR_ROOM];
};

enum ukp_rec_kind {
	UKP_REC_SAMPLE = 1,
	UKP_REC_TEXT = 2,
	UKP_REC_EXIT = 3,
	UKP_REC_HOST_SAMPLE = 4,
};

struct ukp_rec_hdr {
	__u32 kind;  /* enum ukp_rec_kind */
	__u32 len;   /* bytes of the whole record */
	__u64 ts_ns; /* CLOCK_MONOTONIC */
	__u32 vm;    /* key of the vms map */
	__u32 vcpu;  /* KVM's vCPU id */
};

struct ukp_sample {
	struct ukp_rec_hdr hdr;
	__u64 period;	  /* what the sample stands for: ns for clocks, else events */
	__u32 tid;	  /* vCPU thread, as the kernel's initial namespace numbers it */
	__u32 cpu;	  /* host processor */
	__u8 place;	  /* enum ukp_place */
	__u8 stop;	  /* enum ukp_stop */
	__u16 nr_frames;  /* 0 to UKP_MAX_FRAMES */
	__u8 methods;	  /* UKP_BY_* */
	__u8 reserved[3];
	/*
	 * GVAs, leaf first: frames[0] is RIP, the rest are return addresses. Of code that was interrupted and
	 * did not call, it is the address plus 1: what is looked up is one less in every case but the leaf's.
	 */
	__u64 frames[];
};

/* Bytes of guest memory around a sampled RIP, to prove which image runs and where. */
struct ukp_text {
	struct ukp_rec_hdr hdr;
	__u64 gva; /* of bytes[0]; a multiple of UKP_TEXT_LEN */
	__u64 rip; /* where the sample hit, inside bytes */
	__u8 bytes[UKP_TEXT_LEN];
};

/*
 * A VM exit that was picked for its guest stack, and what it stands for: exits are picked with a chance
 * of 1 in @count, chosen before the exit is looked at, so sums over @count and @ns are unbiased.
 */
struct ukp_exit_sample {
	struct ukp_rec_hdr hdr;
	__u64 count;	 /* exits: a power of two */
	__u64 ns;	 /* time from exit to entry, times @count */
	__u64 value;	 /* of detail */
	__u32 reason;	 /* raw */
	__u8 isa;
	__u8 detail;	 /* enum ukp_detail */
	__u8 to_user;	 /* KVM_RUN returned to the VMM */
	__u8 stop;	 /* enum ukp_stop */
	__u16 nr_frames; /* 0 to UKP_MAX_FRAMES */
	__u8 methods;	 /* UKP_BY_* */
	__u8 reserved8;
	__u32 reserved;
	__u64 frames[];	 /* as in struct ukp_sample; frames[0] is RIP at the exit */
};

/*
 * A sample that hit the host while it handled an exit of the vCPU, with the host's stacks: in place of a
 * struct ukp_sample, where they were asked for.
 */
struct ukp_host_sample {
	struct ukp_rec_hdr hdr;
	__u64 period;
	__u32 tid;
	__u32 cpu;
	__u8 place;	 /* enum ukp_place; not UKP_PLACE_GUEST */
	__u8 stop;	 /* enum ukp_stop */
	__u16 nr_frames; /* of the guest: 0 to UKP_MAX_FRAMES */
	__u8 methods;	 /* UKP_BY_* */
	__u8 isa;	 /* of the exit; 0: it is not known */
	__u8 detail;	 /* enum ukp_detail */
	__u8 nr_kernel;	 /* 0 to UKP_MAX_KERNEL */
	__u64 value;	 /* of detail */
	__u32 reason;	 /* raw */
	__u8 nr_vmm;	 /* 0 to UKP_MAX_VMM */
	__u8 reserved[3];
	/*
	 * First the host kernel's addresses, then the VMM's, then the guest's as in struct ukp_sample; each leaf
	 * first. The first address of a stack is exact, others are return addresses; the VMM's first one is a return
	 * address, too, if the kernel has frames: it is behind the system call.
	 */
	__u64 frames[];
};

/* What the programs are told of the guest's RSP when they are loaded. */
#define UKP_RSP_KNOWN	 0 /* at every exit */
#define UKP_RSP_LAZY	 1 /* where KVM has read it */
#define UKP_RSP_WITHHELD 2 /* nowhere: for tests, where it is known */

/* Whose exit reasons they are; the numbers of kvm_exit. */
#define UKP_ISA_VMX 1
#define UKP_ISA_SVM 2

/* What an exit was for, where a tracepoint told; appended, never reused. */
enum ukp_detail {
	UKP_DETAIL_NONE = 0,
	UKP_DETAIL_PIO_IN = 1,	   /* port */
	UKP_DETAIL_PIO_OUT = 2,	   /* port */
	UKP_DETAIL_MMIO_READ = 3,  /* GPA */
	UKP_DETAIL_MMIO_WRITE = 4, /* GPA */
	UKP_DETAIL_MSR_READ = 5,   /* MSR number */
	UKP_DETAIL_MSR_WRITE = 6,  /* MSR number */
	UKP_DETAIL_HYPERCALL = 7,  /* hypercall number */
	UKP_DETAIL_PAGE_FAULT = 8, /* GPA, rounded down to 2 MiB */
	UKP_DETAIL_MAX
};

/* The exit that a vCPU is handling; only its own thread touches it. */
struct ukp_exit_now {
	__u64 ts_ns; /* of the exit; 0: the vCPU is in the guest, or no exit was seen yet */
	__u64 entry_ns; /* of the entry before it; 0: not seen */
	__u64 guest_ns; /* from that entry to the exit */
	__u64 rip;
	__u64 value; /* of detail */
	__u32 reason;
	__u8 isa;
	__u8 detail; /* enum ukp_detail */
	__u8 has_rip;
	__u8 to_user; /* KVM_RUN returned to the VMM since */
};

/*
 * Exits that one instruction caused one after the other: added up here and put into the table of sites when
 * another one comes. A guest that exits a lot does so in loops.
 */
struct ukp_exit_run {
	__u64 rip;
	__u64 value;
	__u32 reason;
	__u8 isa;
	__u8 detail;
	__u8 has_rip;
	__u8 reserved;
	__u64 count; /* 0: none */
	__u64 total_ns;
	__u64 user_ns;
};

/* How often exits of a vCPU are picked; adapts to their rate. Only the vCPU's own thread touches it. */
struct ukp_exit_pick {
	__u64 window_ns;  /* start of the window */
	__u32 nr;	  /* exits in the window */
	__u32 shift;	  /* 1 in 2^shift */
	__u64 recover_ns; /* not before this time RSP is looked for */
};

#define UKP_PICK_WINDOW_NS (1ull << 27) /* 134 ms */
#define UKP_PICK_MAX_SHIFT 24
#define UKP_RECOVER_LONG_NS 500000   /* a walk with recovery that takes longer, half a tick at 1000 Hz, … */
#define UKP_RECOVER_REST_NS 2000000  /* … is followed by as long a time without, or by this if it was preempted */

/*
 * Where on its stacks a vCPU was, for samples that do not know RSP; see guest_recover.h. Written by the programs on
 * the vCPU's own thread; one may interrupt the other, and then what it has learnt is lost.
 */
#define UKP_STACK_SLOTS 4

struct ukp_stacks {
	__u64 slots[UKP_STACK_SLOTS]; /* of leaves' return addresses, the latest first; 0: none */
	__u64 ends[UKP_STACK_SLOTS];  /* where their stacks end, upwards; 0: not known */
	__u64 own_end;		      /* of the last one that a register of this vCPU pointed into; 0: none */
	__u64 search;		      /* bytes of memory looked through so far */
	__u32 nr_misses;	      /* samples in a row whose slot was not found */
	__u32 reserved;
};

/* Value of the vcpus map; key: thread id (__u32). */
struct ukp_vcpu {
	__u64 vcpu; /* kernel address of struct kvm_vcpu */
	__u64 kvm;  /* kernel address of struct kvm */
	__u32 vm;   /* key of the vms map */
	__u32 vcpu_id;
	struct ukp_exit_now now;
	struct ukp_exit_pick pick;
	struct ukp_exit_run run;
	struct ukp_stacks stacks;
};

/* --- settings that user space may change at any time; one struct, mapped by user space --- */

#define UKP_EXIT_SHIFT_AUTO 0xff

struct ukp_settings {
	__u32 exit_stacks;    /* stacks wanted per vCPU and UKP_PICK_WINDOW_NS; 0: none */
	__u32 exit_shift;     /* pick 1 in 2^this by count, or UKP_EXIT_SHIFT_AUTO */
	__u32 exit_time_log2; /* pick surely what lasted 2^this ns or longer; the shorter, the rarer */
	__u32 reserved;
};

#define UKP_EXIT_BUCKETS 40 /* bucket i: 2^i to 2^(i+1) - 1 ns */

/*
 * Key and value of the exit_rows map. A vCPU is handled by one thread at a time and the key names the
 * vCPU, so a row has one writer and needs no atomics.
 */
struct ukp_exit_row_key {
	__u32 vm;
	__u32 vcpu;
	__u32 isa;
	__u32 reason; /* raw */
};

struct ukp_exit_row {
	__u64 count;
	__u64 nr_timed;
	__u64 total_ns;
	__u64 min_ns;
	__u64 max_ns;
	__u64 nr_user;
	__u64 user_ns;
	__u64 guest_ns; /* in the guest, from the entry before to the exit */
	__u64 buckets[UKP_EXIT_BUCKETS];
};

/* Key and value of the exit_sites map; one writer as above. */
struct ukp_exit_site_key {
	__u64 rip;
	__u64 value;
	__u32 vm;
	__u32 vcpu;
	__u32 reason;
	__u8 isa;
	__u8 detail;
	__u8 has_rip;
	__u8 reserved;
};

struct ukp_exit_site {
	__u64 count;
	__u64 total_ns;
	__u64 user_ns;
};

/* Key of the virqs map; value: count (__u64), added to atomically. */
struct ukp_virq_key {
	__u32 vm;
	__u32 vector;
};

/* A piece of guest-physical memory and where the VMM has it. */
struct ukp_slot {
	__u64 gpa;
	__u64 size; /* bytes */
	__u64 hva;
};

/*
 * The unwind table of an image of a VM: which parts of the maps unwind_pages and unwind_rules are its own. All 0:
 * there is none. VMs that run the same image share them.
 */
struct ukp_unwind_image {
	__u64 base; /* GVA of the first page: a multiple of 65536, plus the load bias */
	__u32 first_page;
	__u32 nr_pages;
	__u32 first_rule;
	__u32 nr_rules;
	__u64 data; /* GVA of its variables, among which its first stacks may be */
	__u64 data_len;
};

/* Images of one VM that have tables: a power of two. */
#define UKP_MAX_TABLES 4

/* Value of the unwind_rows map: a row alone is 4 bytes, and an array map rounds values up to 8. */
#define UKP_UNWIND_CHUNK_BITS 10
#define UKP_UNWIND_CHUNK      (1 << UKP_UNWIND_CHUNK_BITS)

struct ukp_unwind_chunk {
	struct ukp_unwind_row rows[UKP_UNWIND_CHUNK];
};

#define UKP_VM_LINEAR 1 /* linear_offset is known: usable where the page tables can't be found */

/* Value of the vms map; key: a small number chosen by user space (__u32). */
struct ukp_vm {
	__u64 generation;    /* of kvm->memslots when slots were read */
	__u64 linear_offset; /* GVA minus GPA of the image: a multiple of 4096, or it is not used */
	__u32 flags;
	__u32 nr_slots;
	struct ukp_slot slots[UKP_MAX_SLOTS];
	struct ukp_unwind_image unwind[UKP_MAX_TABLES]; /* those that there are come first */
};

/* --- discovery: records of the task_file iterator --- */

#define UKP_FD_VM   1
#define UKP_FD_VCPU 2

/* Key of the fd_targets map; value: UKP_FD_VM or UKP_FD_VCPU (__u32). */
struct ukp_fd_key {
	__u32 tgid;
	__u32 fd;
};

#define UKP_MAX_FOUND_SLOTS 128

struct ukp_found {
	__u32 kind; /* UKP_FD_VM or UKP_FD_VCPU */
	__u32 tgid;
	__u32 fd;
	__u32 nr_slots; /* of a VM: struct ukp_slot that follow this record */
	__u64 kvm;
	__u64 generation; /* of a VM */
	/* the rest is about a vCPU */
	__u64 vcpu;
	__u32 vcpu_id;
	__u32 tid; /* 0: has not run yet */
	__u64 rip;
	__u64 cr0;
	__u64 cr3;
	__u64 efer;
};

_Static_assert(sizeof(struct ukp_rec_hdr) == 24, "ukp_rec_hdr size");
_Static_assert(__builtin_offsetof(struct ukp_sample, frames) == 48, "ukp_sample.frames offset");
_Static_assert(__builtin_offsetof(struct ukp_text, bytes) == 40, "ukp_text.bytes offset");
_Static_assert(sizeof(struct ukp_text) == 296, "ukp_text size");
_Static_assert(sizeof(struct ukp_slot) == 24, "ukp_slot size");
_Static_assert(sizeof(struct ukp_unwind_image) == 40, "ukp_unwind_image size");
_Static_assert(sizeof(struct ukp_found) == 80, "ukp_found size");
_Static_assert(sizeof(struct ukp_exit_now) == 48, "ukp_exit_now size");
_Static_assert(__builtin_offsetof(struct ukp_exit_sample, frames) == 64, "ukp_exit_sample.frames offset");
_Static_assert(__builtin_offsetof(struct ukp_host_sample, frames) == 64, "ukp_host_sample.frames offset");
_Static_assert(sizeof(struct ukp_exit_site_key) == 32, "ukp_exit_site_key size");
_Static_assert((int)UKP_CTR_MAX <= UKP_CTR_ROOM, "counters fit their row");
_Static_assert((int)UKP_STOP_MAX <= 256, "stop reasons fit their field");

#endif /* BPF_UKPROF_ABI_H */
