/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_LOADER_H
#define USER_LOADER_H

/*
 * loader - the BPF object: opened, sized, loaded, and spoken to. The only module that calls libbpf.
 *
 * Threads: the collector thread. Everything that was attached is gone with loader__free(), or with the
 * process, however it ends: nothing is pinned.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "ukprof_abi.h"

struct loader;
struct opener;
struct unwind_arrays;

/* The name of the sampling program as loader__for_each_cost() gives it. */
#define LOADER_SAMPLE_PROGRAM "ukp_on_sample"

/** loader__runs_for_exits() - is it a program that runs for VM exits? @program: a name as above. */
bool loader__runs_for_exits(const char *program);

struct loader_opts {
	uint64_t ring_bytes; /* power of two, at least a page */
	bool exits;	     /* load what accounts for VM exits, too */
	bool host_stacks;    /* samples that hit the host bring its stacks: UKP_REC_HOST_SAMPLE */
	uint32_t max_vms;    /* at once; tables of the kernel are sized by it. 0: 1024 */
	bool unwind;	     /* make room for unwind tables */
	struct opener *opener; /* who may count what programs cost, if this process may not; borrowed. NULL: nobody */
};

/**
 * loader__new() - load the programs.
 * @out: on success receives the loader, owned by the caller; untouched on error.
 *
 * Says on stderr what is missing and what to do about it.
 *
 * Return: 0; -EPERM without the privileges; -ENOENT if the kernel has no BTF; -EOPNOTSUPP if it is
 * too old or the KVM module is not loaded; or another negative errno.
 */
int loader__new(struct loader **out, const struct loader_opts *opts);
void loader__free(struct loader *l); /* accepts NULL */

/** loader__libbpf_version() - such as "v1.1"; static. */
const char *loader__libbpf_version(void);

/* --- discovery --- */

/* One file descriptor to ask the kernel about. */
struct loader_target {
	uint32_t tgid;
	uint32_t fd;
	bool is_vm;
};

/**
 * loader__find() - what KVM knows behind file descriptors.
 * @targets: array of @nr.
 * @tgid: 0, or the only process that the targets belong to, which spares the kernel a walk over all.
 * @visit: called for each descriptor that was found, with the VM's slots or NULL.
 *
 * Return: 0 or a negative errno. Cost: a walk over the files of the process, or of all processes.
 */
int loader__find(struct loader *l, const struct loader_target *targets, size_t nr, uint32_t tgid,
		 void (*visit)(void *ctx, const struct ukp_found *found, const struct ukp_slot *slots),
		 void *ctx);

/* --- what the sampling program is told --- */

int loader__set_vm(struct loader *l, uint32_t vm, const struct ukp_vm *value);
int loader__set_vcpu(struct loader *l, uint32_t tid, const struct ukp_vcpu *value);
void loader__del_vm(struct loader *l, uint32_t vm);
void loader__del_vcpu(struct loader *l, uint32_t tid);
/** loader__want_text() - ask for @nr more text probes of a VM; replaces what is still open. */
void loader__want_text(struct loader *l, uint32_t vm, uint32_t nr);

/* --- unwind tables: one for each image, shared by all VMs that run it --- */

/**
 * loader__add_unwind() - copy a table into the kernel.
 * @arrays: copied.
 * @out: receives what a VM that runs the image is told (struct ukp_vm), with the base as the image has it: add
 *	the load bias.
 *
 * Return: 0; -ENOSPC if there is no room for it, or opts.unwind was not set; -ENOMEM. Cost: a memcpy().
 */
int loader__add_unwind(struct loader *l, const struct unwind_arrays *arrays, struct ukp_unwind_image *out);
/** loader__del_unwind() - its room may be used again; no VM has it any more. */
void loader__del_unwind(struct loader *l, const struct ukp_unwind_image *image);

/* --- sampling --- */

struct loader_link;

/**
 * loader__attach() - run the sampling program on a perf event.
 * @perf_fd: taken: closed with the link, or on error.
 * @out: receives the link; detach with loader__detach().
 *
 * Return: 0 or a negative errno.
 */
int loader__attach(struct loader *l, int perf_fd, struct loader_link **out);
void loader__detach(struct loader_link *link); /* accepts NULL */

/**
 * loader__fits_kvm() - whether the KVM that is loaded is still the one that the programs were made for. A module
 * that was removed and loaded again matters only where its variables are read: before kernel 5.17.
 */
bool loader__fits_kvm(const struct loader *l);

/* --- VM exits --- */

/**
 * loader__attach_exits() - begin to account for the exits of all vCPUs in the vcpus map.
 *
 * Return: 0; -EOPNOTSUPP if this KVM has no such tracepoints (its module is not loaded); or another
 * negative errno. A loader made with opts.exits only.
 */
int loader__attach_exits(struct loader *l);
/** loader__detach_exits() - end it; what was counted stays readable. */
void loader__detach_exits(struct loader *l);

/**
 * loader__set_exit_stacks() - how often exits are picked for their guest stack; from now on, at no other cost.
 * @set: exit_stacks 0 ends it.
 */
void loader__set_exit_stacks(struct loader *l, const struct ukp_settings *set);

/* Visit what was counted. Each returns 0 or the first result of @visit that is not 0. */
int loader__for_each_exit_row(struct loader *l,
			      int (*visit)(void *ctx, const struct ukp_exit_row_key *key, const struct ukp_exit_row *row),
			      void *ctx);
int loader__for_each_exit_site(struct loader *l,
			       int (*visit)(void *ctx, const struct ukp_exit_site_key *key,
					    const struct ukp_exit_site *site),
			       void *ctx);
int loader__for_each_virq(struct loader *l, int (*visit)(void *ctx, const struct ukp_virq_key *key, uint64_t count),
			  void *ctx);
/** loader__forget_exits() - drop what was counted of some VMs. @vms: array of @nr ids. */
void loader__forget_exits(struct loader *l, const uint32_t *vms, size_t nr);

/** loader__for_each_vcpu() - entries of the vcpus map; now.ts_ns tells whether an exit is under way. */
int loader__for_each_vcpu(struct loader *l, int (*visit)(void *ctx, uint32_t tid, const struct ukp_vcpu *vcpu),
			  void *ctx);

/**
 * loader__count_cost() - ask the kernel to count runs and time of BPF programs, or no longer; it costs some
 * 50 ns per run of any program on the host. Without the right (CAP_SYS_ADMIN) nothing happens.
 */
void loader__count_cost(struct loader *l, bool on);

/**
 * loader__for_each_cost() - what each loaded program cost, where the kernel counts it.
 * @visit: @name is static until loader__free().
 */
int loader__for_each_cost(struct loader *l,
			  int (*visit)(void *ctx, const char *name, uint64_t runs, uint64_t run_ns), void *ctx);

/* --- what comes back --- */

/**
 * loader__set_handler() - who takes the records of the ring.
 * @handle: called by loader__consume(); @data is valid during the call.
 *
 * Return: 0 or a negative errno.
 */
int loader__set_handler(struct loader *l, void (*handle)(void *ctx, const void *data, size_t len), void *ctx);

/** loader__ring_fd() - becomes readable when the ring is worth reading. */
int loader__ring_fd(const struct loader *l);

/** loader__consume() - hand all waiting records to the handler. Return: their number, or an errno. */
int loader__consume(struct loader *l);

/** loader__counters() - the sum over all processors; no system call. @v: UKP_CTR_MAX values. */
void loader__counters(const struct loader *l, uint64_t *v);

#endif /* USER_LOADER_H */
