/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_VM_REGISTRY_H
#define USER_VM_REGISTRY_H

/*
 * vm_registry - the VMs of this host and their vCPUs, as they come and go.
 *
 * vm_registry__refresh() compares what /proc and the kernel say with what is known, and reports the
 * differences by callbacks. A VM is (VMM pid, its start time, address of struct kvm), so a recycled pid
 * is another VM, and a VMM with two VMs has two.
 *
 * Threads: the collector thread. Lifetime: a struct vm lives until the registry does, so an id stays
 * good for records that are still on their way; what it points to is constant.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "loader.h"
#include "vmm_info.h"

struct vm;
struct vm_registry;

struct vcpu {
	struct vm *vm;
	uint32_t id;
	uint32_t tid; /* 0: no thread has run it yet */
	uint64_t kernel_addr;
	uint64_t rip, cr0, cr3, efer; /* when last refreshed */
	void *user;   /* the callbacks' own, NULL at first */
	bool seen;    /* registry's own mark */
};

struct vm {
	uint32_t id; /* small, unique in the registry until it is released; key of the BPF map */
	pid_t pid;
	int fd; /* the VMM's descriptor of the VM, when it was found */
	uint64_t start_time;
	uint64_t kvm; /* kernel address */
	struct vmm_info info;
	char *name; /* unique among the VMs of the registry */
	uint64_t mem_bytes; /* sum of the slots */
	uint64_t linear_offset;
	bool has_linear;
	struct ukp_vm map_value; /* as last written to the BPF map */
	size_t nr_vcpus;
	struct vcpu **vcpus;
	uint32_t nr_vcpus_ever;
	bool alive;
	bool seen; /* registry's own mark */
};

struct vm_registry_ops {
	/* A VM was found; its map entry is written already. */
	int (*vm_new)(void *ctx, struct vm *vm);
	void (*vm_gone)(void *ctx, struct vm *vm);
	/* A vCPU has a thread (a new one, or another than before). Its map entry is written already. */
	int (*vcpu_new)(void *ctx, struct vcpu *vcpu);
	/* Its thread is not valid any more; the map entry is removed right after. */
	void (*vcpu_gone)(void *ctx, struct vcpu *vcpu);
};

/**
 * vm_registry__new() - an empty registry.
 * @l: borrowed for the registry's life.
 * @ops: copied; any member may be NULL.
 */
int vm_registry__new(struct vm_registry **out, struct loader *l, const struct vm_registry_ops *ops, void *ctx);
/** vm_registry__free() - reports nothing any more; accepts NULL. */
void vm_registry__free(struct vm_registry *reg);

/** vm_registry__set_max() - VMs that are known at once; more are not taken up. Default: no limit. */
void vm_registry__set_max(struct vm_registry *reg, size_t max);

/** vm_registry__reuse_names() - a VM may have the name of one that has ended. */
void vm_registry__reuse_names(struct vm_registry *reg);

/**
 * vm_registry__refresh() - look again.
 * @pid: only this process, or 0 for all.
 *
 * Return: 0; -ESRCH if @pid does not exist; -EACCES if it may not be looked into; -ENODEV if it holds
 * no KVM; -ENOMEM; or a negative errno of the kernel.
 */
int vm_registry__refresh(struct vm_registry *reg, pid_t pid);

/**
 * vm_registry__set_linear() - a VM's image has a fixed distance between virtual and physical addresses.
 * @offset: GVA minus GPA, a multiple of 4096. Used where the guest's page tables lead nowhere: on Intel
 *	KVM's copy of CR3 may be older than the guest's.
 */
void vm_registry__set_linear(struct vm_registry *reg, struct vm *vm, uint64_t offset);

/** vm_registry__set_unwind() - walks of the VM's stacks go by these UKP_MAX_TABLES from now on; all 0: by none. */
void vm_registry__set_unwind(struct vm_registry *reg, struct vm *vm, const struct ukp_unwind_image *unwind);

/** vm_registry__release() - a VM that is not alive any more is forgotten, and its id may be given to another. */
void vm_registry__release(struct vm_registry *reg, uint32_t id);

size_t vm_registry__nr(const struct vm_registry *reg); /* ids that were ever in use */
/** vm_registry__vm() - NULL for an id that is free. */
struct vm *vm_registry__vm(const struct vm_registry *reg, size_t id);
size_t vm_registry__nr_alive(const struct vm_registry *reg);

#endif /* USER_VM_REGISTRY_H */
