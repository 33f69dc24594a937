/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm_registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_scan.h"
#include "log.h"

struct vm_registry {
	struct loader *loader;
	struct vm_registry_ops ops;
	void *ctx;
	struct vm **vms; /* by id; NULL: free for the next VM */
	size_t nr;
	size_t max;
	bool reuse_names;
	int err; /* first error of a visit */
	const struct kvm_proc *procs; /* of the refresh that is going on */
	size_t nr_procs;
};

int vm_registry__new(struct vm_registry **out, struct loader *l, const struct vm_registry_ops *ops, void *ctx)
{
	struct vm_registry *reg;

	reg = calloc(1, sizeof(*reg));
	if (!reg)
		return -ENOMEM;
	reg->loader = l;
	reg->max = SIZE_MAX;
	reg->ops = *ops;
	reg->ctx = ctx;
	*out = reg;
	return 0;
}

static void free_vm(struct vm *vm)
{
	size_t i;

	if (!vm)
		return;
	for (i = 0; i < vm->nr_vcpus; i++)
		free(vm->vcpus[i]);
	free(vm->vcpus);
	vmm_info__release(&vm->info);
	free(vm->name);
	free(vm);
}

void vm_registry__free(struct vm_registry *reg)
{
	size_t i;

	if (!reg)
		return;
	for (i = 0; i < reg->nr; i++)
		free_vm(reg->vms[i]);
	free(reg->vms);
	free(reg);
}

static const struct kvm_proc *proc_of(const struct vm_registry *reg, uint32_t tgid)
{
	size_t i;

	for (i = 0; i < reg->nr_procs; i++)
		if ((uint32_t)reg->procs[i].pid == tgid)
			return &reg->procs[i];
	return NULL;
}

static struct vm *find_vm(const struct vm_registry *reg, const struct kvm_proc *proc, uint64_t kvm)
{
	struct vm *vm;
	size_t i;

	for (i = 0; i < reg->nr; i++) {
		vm = reg->vms[i];
		if (vm && vm->alive && vm->pid == proc->pid && vm->start_time == proc->start_time && vm->kvm == kvm)
			return vm;
	}
	return NULL;
}

static bool has_name(const struct vm_registry *reg, const char *name)
{
	size_t i;

	for (i = 0; i < reg->nr; i++)
		if (reg->vms[i] && (reg->vms[i]->alive || !reg->reuse_names) && !strcmp(reg->vms[i]->name, name))
			return true;
	return false;
}

/* A name that no other VM has: "web", then "web-4242". */
static char *unique_name(const struct vm_registry *reg, const char *name, pid_t pid)
{
	char *out;
	int n;

	if (!has_name(reg, name))
		return strdup(name);
	if (asprintf(&out, "%s-%d", name, (int)pid) < 0)
		return NULL;
	for (n = 2;; n++) {
		if (!has_name(reg, out))
			return out;
		free(out);
		if (asprintf(&out, "%s-%d.%d", name, (int)pid, n) < 0)
			return NULL;
	}
}

static struct vm *add_vm(struct vm_registry *reg, const struct kvm_proc *proc, uint64_t kvm)
{
	struct vm **vms, *vm;
	size_t id;
	int err;

	for (id = 0; id < reg->nr && reg->vms[id]; id++)
		;
	if (id >= reg->max)
		return NULL;
	vm = calloc(1, sizeof(*vm));
	vms = vm && id == reg->nr ? reallocarray(reg->vms, reg->nr + 1, sizeof(*vms)) : reg->vms;
	if (!vm || !vms)
		goto no_memory;
	reg->vms = vms;
	vm->id = id;
	vm->pid = proc->pid;
	vm->start_time = proc->start_time;
	vm->kvm = kvm;
	vm->alive = true;
	vm->map_value.generation = ~0ULL;
	err = vmm_info__read(proc->pid, &vm->info);
	if (err == -ESRCH) {
		free_vm(vm); /* ended while we looked */
		return NULL;
	}
	if (err)
		goto no_memory;
	vm->name = unique_name(reg, vm->info.name, proc->pid);
	if (!vm->name)
		goto no_memory;
	reg->vms[id] = vm;
	reg->nr += id == reg->nr;
	return vm;

no_memory:
	free_vm(vm);
	reg->err = -ENOMEM;
	return NULL;
}

static int compare_slots(const void *pa, const void *pb)
{
	const struct ukp_slot *a = pa, *b = pb;

	return (a->size < b->size) - (a->size > b->size);
}

/* The largest slots first: the walk tries them in this order, and what does not fit is ROMs. */
static void set_slots(struct vm_registry *reg, struct vm *vm, const struct ukp_found *found,
		      const struct ukp_slot *slots)
{
	struct ukp_slot sorted[UKP_MAX_FOUND_SLOTS];
	struct ukp_vm value = { .generation = found->generation };
	uint32_t i;

	memcpy(sorted, slots, found->nr_slots * sizeof(*slots));
	qsort(sorted, found->nr_slots, sizeof(*sorted), compare_slots);
	vm->mem_bytes = 0;
	for (i = 0; i < found->nr_slots; i++)
		vm->mem_bytes += sorted[i].size;
	value.nr_slots = found->nr_slots < UKP_MAX_SLOTS ? found->nr_slots : UKP_MAX_SLOTS;
	memcpy(value.slots, sorted, value.nr_slots * sizeof(*sorted));
	value.linear_offset = vm->linear_offset;
	value.flags = vm->has_linear ? UKP_VM_LINEAR : 0;
	memcpy(value.unwind, vm->map_value.unwind, sizeof(value.unwind));
	if (!memcmp(&value, &vm->map_value, sizeof(value)))
		return;
	vm->map_value = value;
	if (loader__set_vm(reg->loader, vm->id, &value) && !reg->err)
		reg->err = -ENOSPC;
}

static void drop_vcpu(struct vm_registry *reg, struct vcpu *vcpu)
{
	if (!vcpu->tid)
		return;
	if (reg->ops.vcpu_gone)
		reg->ops.vcpu_gone(reg->ctx, vcpu);
	loader__del_vcpu(reg->loader, vcpu->tid);
	vcpu->tid = 0;
}

static struct vcpu *get_vcpu(struct vm *vm, const struct ukp_found *found)
{
	struct vcpu **vcpus, *vcpu;
	size_t i;

	for (i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpus[i]->kernel_addr == found->vcpu)
			return vm->vcpus[i];
	vcpu = calloc(1, sizeof(*vcpu));
	vcpus = vcpu ? reallocarray(vm->vcpus, vm->nr_vcpus + 1, sizeof(*vcpus)) : NULL;
	if (!vcpus) {
		free(vcpu);
		return NULL;
	}
	vm->vcpus = vcpus;
	vm->vcpus[vm->nr_vcpus++] = vcpu;
	vm->nr_vcpus_ever++;
	vcpu->vm = vm;
	vcpu->id = found->vcpu_id;
	vcpu->kernel_addr = found->vcpu;
	return vcpu;
}

static void on_found_vm(void *ctx, const struct ukp_found *found, const struct ukp_slot *slots)
{
	struct vm_registry *reg = ctx;
	const struct kvm_proc *proc;
	bool is_new;
	struct vm *vm;

	proc = proc_of(reg, found->tgid);
	if (found->kind != UKP_FD_VM || !proc || !found->kvm)
		return;
	vm = find_vm(reg, proc, found->kvm);
	is_new = !vm;
	if (is_new)
		vm = add_vm(reg, proc, found->kvm);
	if (!vm)
		return;
	vm->seen = true;
	vm->fd = found->fd;
	set_slots(reg, vm, found, slots);
	if (is_new && reg->ops.vm_new && reg->ops.vm_new(reg->ctx, vm))
		reg->err = -ENOMEM;
}

static void on_found_vcpu(void *ctx, const struct ukp_found *found, const struct ukp_slot *slots)
{
	struct vm_registry *reg = ctx;
	struct ukp_vcpu value;
	struct vcpu *vcpu;
	struct vm *vm;
	const struct kvm_proc *proc;

	(void)slots;
	proc = proc_of(reg, found->tgid);
	vm = found->kind == UKP_FD_VCPU && proc ? find_vm(reg, proc, found->kvm) : NULL;
	vcpu = vm ? get_vcpu(vm, found) : NULL;
	if (!vcpu)
		return;
	vcpu->seen = true;
	vcpu->rip = found->rip;
	vcpu->cr0 = found->cr0;
	vcpu->cr3 = found->cr3;
	vcpu->efer = found->efer;
	if (vcpu->tid == found->tid)
		return;
	drop_vcpu(reg, vcpu);
	if (!found->tid)
		return;
	vcpu->tid = found->tid;
	value = (struct ukp_vcpu){
		.vcpu = found->vcpu,
		.kvm = found->kvm,
		.vm = vm->id,
		.vcpu_id = found->vcpu_id,
	};
	if (loader__set_vcpu(reg->loader, found->tid, &value)) {
		reg->err = -ENOSPC;
		vcpu->tid = 0;
		return;
	}
	/* The thread may be gone already: then it is as if it had not been found. */
	if (reg->ops.vcpu_new && reg->ops.vcpu_new(reg->ctx, vcpu)) {
		loader__del_vcpu(reg->loader, vcpu->tid);
		vcpu->tid = 0;
	}
}

/* VMs first: a vCPU needs its VM, whatever order the descriptors have. */
static int find_all(struct vm_registry *reg, bool vms, uint32_t tgid)
{
	struct loader_target *targets = NULL, *t;
	size_t nr = 0, i, k;
	int err;

	for (i = 0; i < reg->nr_procs; i++) {
		for (k = 0; k < reg->procs[i].nr_fds; k++) {
			if (reg->procs[i].fds[k].is_vm != vms)
				continue;
			t = reallocarray(targets, nr + 1, sizeof(*t));
			if (!t) {
				free(targets);
				return -ENOMEM;
			}
			targets = t;
			targets[nr++] = (struct loader_target){
				reg->procs[i].pid, reg->procs[i].fds[k].fd, vms,
			};
		}
	}
	err = loader__find(reg->loader, targets, nr, tgid, vms ? on_found_vm : on_found_vcpu, reg);
	free(targets);
	return err;
}

/* What of a VM was not seen any more; all of it, if the VM itself was not. */
static void drop_unseen_of(struct vm_registry *reg, struct vm *vm)
{
	size_t k, n;

	for (k = n = 0; k < vm->nr_vcpus; k++) {
		if (vm->seen && vm->vcpus[k]->seen) {
			vm->vcpus[n++] = vm->vcpus[k];
			continue;
		}
		drop_vcpu(reg, vm->vcpus[k]);
		free(vm->vcpus[k]);
	}
	vm->nr_vcpus = n;
	if (vm->seen)
		return;
	vm->alive = false;
	if (reg->ops.vm_gone)
		reg->ops.vm_gone(reg->ctx, vm);
	loader__del_vm(reg->loader, vm->id);
}

static void drop_unseen(struct vm_registry *reg, pid_t pid)
{
	size_t i;

	for (i = 0; i < reg->nr; i++)
		if (reg->vms[i] && reg->vms[i]->alive && (!pid || reg->vms[i]->pid == pid))
			drop_unseen_of(reg, reg->vms[i]);
}

/* Before anything new is found: a VM that was killed and started again at once finds its name free. */
static void drop_ended(struct vm_registry *reg)
{
	const struct kvm_proc *proc;
	struct vm *vm;
	size_t i;

	for (i = 0; i < reg->nr; i++) {
		vm = reg->vms[i];
		proc = vm && vm->alive ? proc_of(reg, vm->pid) : NULL;
		if (vm && vm->alive && (!proc || proc->start_time != vm->start_time))
			drop_unseen_of(reg, vm);
	}
}

int vm_registry__refresh(struct vm_registry *reg, pid_t pid)
{
	struct kvm_proc *procs = NULL, one;
	size_t nr = 0, i, k;
	int err;

	if (pid) {
		err = kvm_scan__pid(pid, &one);
		procs = err ? NULL : &one;
		nr = err ? 0 : 1;
		if (!err && !one.nr_fds)
			err = -ENODEV;
	} else {
		err = kvm_scan__all(&procs, &nr, NULL);
	}
	if (err == -ENOMEM)
		return err;

	for (i = 0; i < reg->nr; i++) {
		if (!reg->vms[i])
			continue;
		reg->vms[i]->seen = false;
		for (k = 0; k < reg->vms[i]->nr_vcpus; k++)
			reg->vms[i]->vcpus[k]->seen = false;
	}
	reg->procs = procs;
	reg->nr_procs = nr;
	reg->err = 0;
	if (!err && !pid)
		drop_ended(reg);
	if (!err)
		err = find_all(reg, true, pid);
	if (!err)
		err = find_all(reg, false, pid);
	if (!err || err == -ESRCH || err == -ENODEV)
		drop_unseen(reg, pid);
	if (!err)
		err = reg->err;
	reg->procs = NULL;
	reg->nr_procs = 0;
	for (i = 0; i < nr; i++)
		kvm_scan__release(&procs[i]);
	if (procs != &one)
		free(procs);
	return err;
}

void vm_registry__set_linear(struct vm_registry *reg, struct vm *vm, uint64_t offset)
{
	vm->has_linear = true;
	vm->linear_offset = offset;
	vm->map_value.linear_offset = offset;
	vm->map_value.flags |= UKP_VM_LINEAR;
	loader__set_vm(reg->loader, vm->id, &vm->map_value);
}

void vm_registry__set_max(struct vm_registry *reg, size_t max)
{
	reg->max = max;
}

void vm_registry__reuse_names(struct vm_registry *reg)
{
	reg->reuse_names = true;
}

void vm_registry__set_unwind(struct vm_registry *reg, struct vm *vm, const struct ukp_unwind_image *unwind)
{
	memcpy(vm->map_value.unwind, unwind, sizeof(vm->map_value.unwind));
	if (vm->alive)
		loader__set_vm(reg->loader, vm->id, &vm->map_value);
}

void vm_registry__release(struct vm_registry *reg, uint32_t id)
{
	free_vm(reg->vms[id]);
	reg->vms[id] = NULL;
}

size_t vm_registry__nr(const struct vm_registry *reg)
{
	return reg->nr;
}

struct vm *vm_registry__vm(const struct vm_registry *reg, size_t id)
{
	return id < reg->nr ? reg->vms[id] : NULL;
}

size_t vm_registry__nr_alive(const struct vm_registry *reg)
{
	size_t i, n = 0;

	for (i = 0; i < reg->nr; i++)
		n += reg->vms[i] && reg->vms[i]->alive;
	return n;
}
