/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BPF_GUEST_STACK_BPF_H
#define BPF_GUEST_STACK_BPF_H

/* guest_stack - the walk of guest_walk.h, set up from a vCPU that stands still on its own thread. */

/* The deepest part of a walk, verified once: a global function that finds its state in the scratch. */
__noinline int ukp_translate_in(__u32 which, __u64 gva)
{
	struct ukp_scratch *sc;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc)
		return UKP_STOP_UNMAPPED;
	return ukp_walk_translate(&sc->walk, gva);
}

static __always_inline int ukp_translate(struct ukp_walk *w, __u64 gva)
{
	return ukp_translate_in(w->which, gva);
}

/* Some frames of a walk by frame pointers; verified once, too. */
__noinline int ukp_fp_part_in(__u32 which)
{
	struct ukp_scratch *sc;

	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc)
		return UKP_STOP_UNMAPPED;
	return ukp_walk_fp_part(&sc->walk);
}

static __always_inline int ukp_fp_part(struct ukp_walk *w)
{
	return ukp_fp_part_in(w->which);
}

/* Is RSP to be looked for? Where it is always known the verifier drops the code for it. */
static __always_inline bool may_recover(const struct ukp_walk *w, bool recovers)
{
	return recovers && rsp_is != UKP_RSP_KNOWN && !w->has_rsp;
}

static __always_inline void load_walk(struct ukp_walk *w, const struct ukp_vm *vm, const struct ukp_vcpu *known)
{
	struct kvm_vcpu *vcpu = (void *)known->vcpu;
	struct kvm *kvm = (void *)known->kvm;

	w->rbp = BPF_CORE_READ(vcpu, arch.regs[UKP_REG_RBP]);
	w->rsp = BPF_CORE_READ(vcpu, arch.regs[UKP_REG_RSP]);
	w->has_rsp = has_rsp(vcpu);
	__builtin_memcpy(w->unwind, vm->unwind, sizeof(w->unwind));
	w->cr0 = BPF_CORE_READ(vcpu, arch.cr0);
	w->cr3 = BPF_CORE_READ(vcpu, arch.cr3);
	w->cr4 = BPF_CORE_READ(vcpu, arch.cr4);
	w->efer = BPF_CORE_READ(vcpu, arch.efer);
	if (may_recover(w, true)) {
		bpf_core_read(w->regs, sizeof(w->regs), &vcpu->arch.regs);
		w->stacks = known->stacks;
		w->is_alone = BPF_CORE_READ(kvm, online_vcpus.counter) == 1;
	}
	w->linear_offset = vm->linear_offset;
	w->has_linear = vm->flags & UKP_VM_LINEAR;
	w->nr_slots = vm->nr_slots;
	w->is_emulated = is_emulated;
	for (int i = 0; i < UKP_MAX_SLOTS; i++) {
		if (i >= (int)vm->nr_slots)
			break;
		w->slots[i] = vm->slots[i];
	}
}

static __always_inline bool same_generation(const struct ukp_vm *vm, const struct ukp_vcpu *known)
{
	struct kvm *kvm = (void *)known->kvm;
	struct kvm_memslots *memslots = BPF_CORE_READ(kvm, memslots[0]);

	return BPF_CORE_READ(memslots, generation) == vm->generation;
}

/* Only a vCPU that belongs to this very thread is looked into: it can't go away under its own thread. */
static __always_inline bool runs_here(struct kvm_vcpu *vcpu, __u32 tid)
{
	struct pid *pid = BPF_CORE_READ(vcpu, pid);

	return pid && BPF_CORE_READ(pid, numbers[0].nr) == (int)tid;
}

/*
 * Make @w, whose scratch is @w->which, ready for a walk from @rip. False: the memory layout is just changing, and @w says
 * so, with as much of a stack as there is.
 */
static __always_inline bool load_guest(struct ukp_walk *w, const struct ukp_vm *vm, const struct ukp_vcpu *known,
				       __u64 rip)
{
	struct kvm_vcpu *vcpu = (void *)known->vcpu;

	if (!same_generation(vm, known)) {
		w->frames[0] = rip;
		w->nr_frames = BPF_CORE_READ(vcpu, arch.cr0) & UKP_CR0_PE ? 1 : 0;
		w->stop = UKP_STOP_STALESLOTS;
		return false;
	}
	load_walk(w, vm, known);
	w->rip = rip;
	return true;
}

/* The guest's stack: frames, nr_frames and stop of @w, which is ready. */
static __always_inline void walk_loaded(struct ukp_walk *w, struct ukp_vcpu *known, bool recovers)
{
	ukp_walk_stack(w, recovers);
	if (may_recover(w, recovers))
		known->stacks = w->stacks;
}

#endif /* BPF_GUEST_STACK_BPF_H */
