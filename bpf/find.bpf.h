/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BPF_FIND_BPF_H
#define BPF_FIND_BPF_H

/*
 * find - what KVM knows behind a file descriptor: vCPUs, their threads, and a VM's memory slots.
 *
 * User space names the descriptors (anon_inode:kvm-vm, anon_inode:kvm-vcpu:N in /proc/PID/fd), because
 * the address of KVM's file operations is not in kallsyms everywhere. KVM walks its slots under SRCU,
 * which an iterator does not hold, so every step is a fault-safe read, bounded, and the generation is
 * read before and after.
 */

/*
 * One step of the walk over the slots: a slot is noted or a bucket is entered. A function of its own
 * with its state in a map, so that the verifier checks it once instead of once per iteration.
 * Returns 0 to go on, 1 at the end.
 */
__noinline int ukp_slot_step(__u32 step)
{
	struct kvm_memory_slot *slot;
	struct ukp_slot_walk *w;
	struct ukp_slot out = {};
	struct hlist_node *node;
	struct hlist_head *head;
	__u32 zero = 0, n;
	__u16 as_id;

	w = bpf_map_lookup_elem(&slot_walk, &zero);
	if (!w)
		return 1;

	if (bpf_core_field_exists(struct kvm_memslots___array, used_slots)) {
		if (step >= w->nr)
			return 1;
		slot = (void *)(w->memslots +
				bpf_core_field_offset(struct kvm_memslots___array, memslots) +
				step * bpf_core_type_size(struct kvm_memory_slot));
	} else if (w->node) {
		node = (void *)w->node;
		slot = (void *)((__u64)node - bpf_core_field_offset(struct kvm_memory_slot, id_node) -
				w->set * bpf_core_type_size(struct hlist_node));
		w->node = (__u64)BPF_CORE_READ(node, next);
	} else {
		if (w->bucket >= 128)
			return 1;
		head = (void *)(w->memslots + bpf_core_field_offset(struct kvm_memslots, id_hash) +
				w->bucket * bpf_core_type_size(struct hlist_head));
		w->node = (__u64)BPF_CORE_READ(head, first);
		w->bucket++;
		return 0;
	}

	as_id = BPF_CORE_READ(slot, as_id);
	out.gpa = BPF_CORE_READ(slot, base_gfn) << 12;
	out.size = BPF_CORE_READ(slot, npages) << 12;
	out.hva = BPF_CORE_READ(slot, userspace_addr);
	if (as_id || !out.size || !out.hva)
		return 0;
	n = w->nr_out;
	if (n >= UKP_MAX_FOUND_SLOTS)
		return 1;
	w->out[n] = out;
	w->nr_out = n + 1;
	return 0;
}

static __always_inline void find_vm(struct seq_file *seq, struct ukp_found *found, struct kvm *kvm)
{
	struct kvm_memslots *memslots = BPF_CORE_READ(kvm, memslots[0]);
	__u32 zero = 0, len;
	struct ukp_slot_walk *w;

	w = bpf_map_lookup_elem(&slot_walk, &zero);
	if (!w)
		return;
	w->memslots = (__u64)memslots;
	w->node = 0;
	w->bucket = 0;
	w->nr_out = 0;
	w->nr = 0;
	w->set = 0;
	if (bpf_core_field_exists(struct kvm_memslots___array, used_slots))
		w->nr = BPF_CORE_READ((struct kvm_memslots___array *)memslots, used_slots);
	else
		w->set = BPF_CORE_READ(memslots, node_idx) & 1;

	found->kvm = (__u64)kvm;
	found->generation = BPF_CORE_READ(memslots, generation);
	for (__u32 i = 0; i < 128 + UKP_MAX_FOUND_SLOTS; i++)
		if (ukp_slot_step(i))
			break;
	/* Changed under the walk: say "unknown", so that user space looks again. */
	if (BPF_CORE_READ(kvm, memslots[0]) != memslots ||
	    BPF_CORE_READ(memslots, generation) != found->generation)
		found->generation = ~0ULL;

	found->nr_slots = w->nr_out;
	w->head = *found;
	len = w->nr_out;
	if (len > UKP_MAX_FOUND_SLOTS)
		len = UKP_MAX_FOUND_SLOTS;
	bpf_seq_write(seq, &w->head, sizeof(w->head) + len * sizeof(struct ukp_slot));
}

static __always_inline void find_vcpu(struct seq_file *seq, struct ukp_found *found, struct kvm_vcpu *vcpu)
{
	struct pid *pid = BPF_CORE_READ(vcpu, pid);

	found->vcpu = (__u64)vcpu;
	found->kvm = (__u64)BPF_CORE_READ(vcpu, kvm);
	found->vcpu_id = BPF_CORE_READ(vcpu, vcpu_id);
	found->tid = pid ? BPF_CORE_READ(pid, numbers[0].nr) : 0;
	found->rip = read_rip(vcpu);
	found->cr0 = BPF_CORE_READ(vcpu, arch.cr0);
	found->cr3 = BPF_CORE_READ(vcpu, arch.cr3);
	found->efer = BPF_CORE_READ(vcpu, arch.efer);
	bpf_seq_write(seq, found, sizeof(*found));
}

#endif /* BPF_FIND_BPF_H */
