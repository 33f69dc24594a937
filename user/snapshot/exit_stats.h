/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SNAPSHOT_EXIT_STATS_H
#define SNAPSHOT_EXIT_STATS_H

/*
 * exit_stats - VM exits of a time window, frozen: by reason and by the guest code that caused them.
 *
 * Counts are exact, not sampled. The time of an exit is that from the tracepoint kvm_exit to the next
 * kvm_entry of the same vCPU; an exit without one (the vCPU was still handling it when the window
 * closed, or never came back) is in count and not in nr_timed.
 *
 * Threads: plain data, immutable once it is handed out.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbolizer;

#define EXIT_NR_BUCKETS 40 /* bucket i: durations from 2^i to 2^(i+1) - 1 ns; 0 is in the first */

/* Whose reason codes these are; values of the field isa of kvm_exit. Source: asm/kvm_host.h, KVM_ISA_*. */
enum exit_isa {
	EXIT_ISA_UNKNOWN = 0,
	EXIT_ISA_VMX = 1,
	EXIT_ISA_SVM = 2,
};

/* Exits of one reason on one vCPU. */
struct exit_row {
	uint32_t vm;	     /* index into vms */
	uint32_t vcpu;
	uint32_t isa;	     /* enum exit_isa */
	uint32_t reason;     /* raw code as the hardware gave it; on VMX bit 31 marks a failed entry */
	uint64_t count;
	uint64_t nr_timed;   /* exits whose time is known */
	uint64_t total_ns;   /* of those */
	uint64_t min_ns;
	uint64_t max_ns;
	uint64_t nr_user;    /* timed exits that went to the VMM's user code */
	uint64_t user_ns;    /* their time, part of total_ns */
	uint64_t guest_ns;   /* in the guest, from the entry before to the exit; 0 for the first exit seen */
	uint64_t buckets[EXIT_NR_BUCKETS]; /* of the timed ones; adds up to nr_timed */
};

/* What an exit was for, where a tracepoint told. */
enum exit_detail {
	EXIT_DETAIL_NONE = 0,
	EXIT_DETAIL_PIO_IN,	/* port */
	EXIT_DETAIL_PIO_OUT,	/* port */
	EXIT_DETAIL_MMIO_READ,	/* GPA */
	EXIT_DETAIL_MMIO_WRITE, /* GPA */
	EXIT_DETAIL_MSR_READ,	/* MSR number */
	EXIT_DETAIL_MSR_WRITE,	/* MSR number */
	EXIT_DETAIL_HYPERCALL,	/* hypercall number */
	EXIT_DETAIL_PAGE_FAULT, /* GPA, rounded down to 2 MiB */
	EXIT_NR_DETAILS
};

/* Exits that one instruction of the guest caused, by what they were for. All vCPUs of the VM together. */
struct exit_site {
	uint32_t vm;
	uint32_t isa;
	uint32_t reason;
	uint32_t detail;   /* enum exit_detail */
	uint64_t value;	   /* port, address, number */
	uint64_t rip;	   /* GVA; meaningless if !has_rip */
	bool has_rip;	   /* false: KVM had not read it */
	uint64_t count;
	uint64_t total_ns; /* of the timed ones */
	uint64_t user_ns;
};

/* Interrupts injected into the guest. */
struct exit_virq {
	uint32_t vm;
	uint32_t vector;
	uint64_t count;
};

/* One of KVM's own statistics of a VM in the window. */
struct exit_kvm_stat {
	uint32_t vm;
	const char *name; /* as KVM spells it, such as "io_exits"; owned */
	int64_t value;	  /* of a counter its growth, else as it stands; unit by the name: "_ns", else a count */
	bool is_counter;
};

struct exit_vm {
	const char *name;
	const char *vmm;
	int pid;
	struct symbolizer *syms; /* NULL: sites stay addresses */
	bool verified;
	uint64_t nr_place[3]; /* samples in the guest, in KVM, in the VMM; 0 at level "counters" */
};

/* One figure of the account: lost, unmatched, overflows. */
struct exit_counter {
	const char *label;
	const char *help;
	uint64_t value;
};

/* What a BPF program cost, where the kernel counts it (kernel.bpf_stats_enabled), else runs is 0. */
struct exit_cost {
	const char *program;
	uint64_t runs;
	uint64_t run_ns;
};

/* A level of detail that was used in the window, and what it cost the vCPUs; see user/level.h. */
struct exit_level {
	const char *name; /* "counters", "sampling", "exits", "full"; static */
	uint64_t ns;
	uint64_t exits;
	uint64_t samples;
	/* In the part of the time in which the kernel was asked to count cost: */
	uint64_t measured_exits;
	uint64_t measured_samples;
	uint64_t exit_run_ns;
	uint64_t sample_run_ns;
};

struct exit_stats {
	uint64_t duration_ns;
	uint64_t start_wall_ns;
	const char *level; /* the closest that was used; static */
	size_t nr_levels;
	struct exit_level *levels; /* those that were used */
	size_t nr_kvm;
	struct exit_kvm_stat *kvm; /* by VM and name; none where they can't be read */
	size_t nr_vms, nr_rows, nr_sites, nr_virqs, nr_counters, nr_costs;
	struct exit_vm *vms;
	struct exit_row *rows;	     /* sorted by VM, vCPU, isa, reason */
	struct exit_site *sites;     /* sorted by VM, RIP, reason, detail, value */
	struct exit_virq *virqs;     /* sorted by VM, vector */
	struct exit_counter *counters;
	struct exit_cost *costs;
};

/** exit_stats__has_exits() - whether exits were looked at, at any time: without, there is only what KVM counts. */
bool exit_stats__has_exits(const struct exit_stats *s);

/** exit_stats__free() - release all arrays, the names and symbolizers of the VMs and the struct itself; accepts NULL. */
void exit_stats__free(struct exit_stats *s);

#endif /* SNAPSHOT_EXIT_STATS_H */
