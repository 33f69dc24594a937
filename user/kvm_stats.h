/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_KVM_STATS_H
#define USER_KVM_STATS_H

/*
 * kvm_stats - KVM's own statistics of the VMs of a process, from debugfs. KVM counts them anyway, so they cost
 * the guest nothing; a read costs us one open, read and close for each of about 60 files.
 *
 * A VM has the folder /sys/kernel/debug/kvm/TID-FD: TID is the thread that created the VM, in the numbers of the
 * first PID namespace, and FD the descriptor it got. Both may be gone by now: the thread may have ended, the
 * descriptor may have been duplicated and closed. Then the folder is not found by its PID.
 *
 * What the folder holds differs between kernels and processors; whatever is there is read, so ask by name and be
 * ready for "not there". Seen: "exits", "io_exits", "mmio_exits", "halt_exits", "irq_exits", "signal_exits",
 * "irq_injections", "nmi_injections", "halt_successful_poll", "halt_poll_invalid", "halt_wakeup", "hypercalls",
 * "insn_emulation", "pf_fixed", "tlb_flush" in 5.10 (41 files) to 7.2 (61 files); not in 5.10, but in 6.1:
 * "halt_wait_ns", "pf_taken", "pf_fast". Some names changed: "irq_window" of 5.10 is "irq_window_exits" in 6.1.
 * These are sums over all vCPUs; the folders vcpuN hold next to nothing: "tsc-offset", since 6.1 "guest_mode", "pid".
 *
 * Left out:
 * - "*_hist": debugfs shows one bucket of the histogram. The whole of it, and all numbers of a single vCPU, are
 *   behind KVM_GET_STATS_FD (5.14 and later) only, and that ioctl refuses everyone but the VMM itself: it compares
 *   the caller's memory with the one that created the VM, also for a descriptor that was taken over.
 * - "mmu_rmaps_stat": no number, and to read it stops the guest's page faults for a while (mmu_lock).
 *
 * Threads: any; no state. Source: virt/kvm/kvm_main.c, kvm_create_vm_debugfs(); arch/x86/kvm/debugfs.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KVM_STATS_ALL (-1) /* as vm_fd: all VMs of the process; as vcpu: the VM as a whole */

struct kvm_stat {
	int vm_fd;
	int vcpu;	 /* or KVM_STATS_ALL */
	bool is_counter; /* only grows; else a state of now, or the largest so far */
	int64_t value;	 /* the unit is in the name: "_ns", else a count */
	const char *name;
};

struct kvm_stats {
	size_t nr;
	struct kvm_stat *stats; /* by VM, vCPU (the VM as a whole first) and name */
	size_t nr_skipped;	/* files that hold no number, or one that does not fit */
};

/**
 * kvm_stats__read() - read them.
 * @pid: the VMM, in the numbers of the first PID namespace.
 * @vm_fd: the VMM's descriptor of the VM, or KVM_STATS_ALL.
 * @out: receives the statistics; release with kvm_stats__free(). Untouched on error.
 *
 * Return: 0; -ENODEV if KVM has no folder in debugfs; -ENOENT if the folder holds no such VM; -EACCES if debugfs
 * is for root only, -EPERM if the kernel is locked down; -ENOMEM; or the error of a read. kvm_stats__explain() has
 * words for all of them.
 */
int kvm_stats__read(pid_t pid, int vm_fd, struct kvm_stats **out);

/** kvm_stats__read_at() - the same below other paths than /sys/kernel/debug/kvm and /proc. For tests. */
int kvm_stats__read_at(const char *debugfs_kvm, const char *proc, pid_t pid, int vm_fd, struct kvm_stats **out);

/**
 * kvm_stats__delta() - what happened between two reads.
 * @before, @after: of one process; borrowed.
 * @out: receives as many values as @after has; release with kvm_stats__free(). Untouched on error.
 *
 * Counters are differences. One that @before has not (a new vCPU or VM) or that went down (someone may write 0 to
 * the file; a new VM may have got the old one's descriptor) counts from 0. States are those of @after.
 *
 * Return: 0 or -ENOMEM.
 */
int kvm_stats__delta(const struct kvm_stats *before, const struct kvm_stats *after, struct kvm_stats **out);

/**
 * kvm_stats__get() - one value, summed over the VMs.
 * @vm_fd: or KVM_STATS_ALL.
 * @vcpu: or KVM_STATS_ALL for that of the VM as a whole.
 * @value: filled in on success.
 *
 * Return: 0 or -ENOENT.
 */
int kvm_stats__get(const struct kvm_stats *s, int vm_fd, int vcpu, const char *name, int64_t *value);

/**
 * kvm_stats__explain() - an error of kvm_stats__read() in words.
 * @cause: receives what is wrong, for an "err:" or "warn:" line; static.
 * @hint: receives what to do, or NULL; static.
 */
void kvm_stats__explain(int err, const char **cause, const char **hint);

void kvm_stats__free(struct kvm_stats *s); /* accepts NULL */

#endif /* USER_KVM_STATS_H */
