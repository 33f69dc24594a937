/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_KVM_SCAN_H
#define USER_KVM_SCAN_H

/*
 * kvm_scan - which processes hold KVM file descriptors. Only /proc is read, so any VMM is found.
 *
 * Source: virt/kvm/kvm_main.c names the files "kvm-vm" and "kvm-vcpu:ID" (anon_inode_getfile()).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct kvm_fd {
	int fd;
	bool is_vm;	  /* a VM, else a vCPU */
	uint32_t vcpu_id; /* of a vCPU, from the file's name */
};

struct kvm_proc {
	pid_t pid;
	uint64_t start_time; /* clock ticks after boot: with the pid it names a process for good */
	size_t nr_fds;
	struct kvm_fd *fds;
};

/**
 * kvm_scan__pid() - the KVM descriptors of one process.
 * @out: filled in; release with kvm_scan__release(). nr_fds is 0 for a process without KVM.
 *
 * Return: 0; -ESRCH if there is no such process; -EACCES or -EPERM without the right to look; -EMFILE,
 * -ENFILE or -ENOMEM if we lack the means.
 */
int kvm_scan__pid(pid_t pid, struct kvm_proc *out);
void kvm_scan__release(struct kvm_proc *proc);

/**
 * kvm_scan__all() - every process that holds KVM descriptors, by pid.
 * @out: receives an array of @nr; free each with kvm_scan__release() and then the array with free().
 * @nr_denied: processes that could not be looked into; may be NULL.
 *
 * Return: 0; -EMFILE, -ENFILE or -ENOMEM; or the error of opening /proc.
 */
int kvm_scan__all(struct kvm_proc **out, size_t *nr, size_t *nr_denied);

/** kvm_scan__leader() - the process that a thread belongs to: itself for a process; 0 if there is none. */
pid_t kvm_scan__leader(pid_t tid);

/** kvm_scan__start_time() - start time of a process, in ticks; 0 if there is no such process. */
uint64_t kvm_scan__start_time(pid_t pid);

#endif /* USER_KVM_SCAN_H */
