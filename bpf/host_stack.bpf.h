/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BPF_HOST_STACK_BPF_H
#define BPF_HOST_STACK_BPF_H

/*
 * host_stack - samples that hit the host while it handles an exit: the kernel's stack and the VMM's go with the guest's.
 *
 * The kernel unwinds itself by its own tables. The VMM's stack is by frame pointers, which many are built without:
 * then it is short, and may hold an address that is none of its code.
 */

/* The exit that the vCPU left the guest by last, which is the one being handled. */
static __always_inline void exit_at_hand(struct ukp_host_sample *s, const struct ukp_vcpu *known)
{
	struct kvm_vcpu *vcpu = (void *)known->vcpu;
	bool is_followed = known->now.ts_ns;
	struct ukp_exit_now now = {};
	struct svm_exit svm = {};

	/* The vendor's part of the vCPU still has it, where the kernel describes that. */
	if (!is_followed && host_isa == UKP_ISA_SVM && bpf_core_type_exists(struct vcpu_svm)) {
		if (!read_svm_exit(&svm, vcpu))
			return;
		now.isa = UKP_ISA_SVM;
		now.reason = (__u32)svm.code;
		svm_detail(&now, &svm, vcpu);
	} else if (!is_followed && host_isa == UKP_ISA_VMX && bpf_core_type_exists(struct vcpu_vmx)) {
		now.isa = UKP_ISA_VMX;
		now.reason = vmx_exit_reason(vcpu);
	} else {
		/*
		 * Where exits are accounted for it is known, with what it was for. Between KVM's tracepoint and the guest
		 * it is the last one that was seen; isa is 0 if none was.
		 */
		now.isa = known->now.isa;
		now.reason = known->now.reason;
		now.detail = known->now.detail;
		now.value = known->now.value;
	}
	s->isa = now.isa;
	s->reason = now.reason;
	s->detail = now.detail;
	s->value = now.value;
}

/*
 * Hand the sample at hand to user space with the host's stacks. @s: the sample without them.
 *
 * Return: 0; -1 if there is no working memory or no room.
 */
static __always_inline int send_host_sample(struct bpf_perf_event_data *ctx, const struct ukp_walk *w,
					    const struct ukp_sample *s, const struct ukp_vcpu *known)
{
	__u64 nr_kernel = 0, nr_vmm = 0, nr = w->nr_frames & UKP_MAX_FRAMES;
	struct ukp_host_record *rec;
	struct ukp_host_sample *head;
	__u32 zero = 0;
	__u64 *frames;
	long len;

	rec = bpf_map_lookup_elem(&host_record, &zero);
	if (!rec)
		return -1;
	head = (struct ukp_host_sample *)rec->words;
	frames = rec->words + sizeof(*head) / 8;
	if (s->place == UKP_PLACE_KVM) {
		len = bpf_get_stack(ctx, frames, UKP_MAX_KERNEL * 8, 0);
		nr_kernel = len > 0 ? (len >> 3) & UKP_MAX_KERNEL : 0;
	}
	/* Held in a register: the older verifiers forget a bound that was put on a copy. */
	asm volatile("" : "+r"(nr_kernel));
	nr_kernel &= UKP_MAX_KERNEL;
	len = bpf_get_stack(ctx, frames + nr_kernel, UKP_MAX_VMM * 8, BPF_F_USER_STACK);
	nr_vmm = len > 0 ? (len >> 3) & UKP_MAX_VMM : 0;
	asm volatile("" : "+r"(nr_vmm));
	nr_vmm &= UKP_MAX_VMM;
	asm volatile("" : "+r"(nr));
	nr &= UKP_MAX_FRAMES;
	bpf_probe_read_kernel(frames + nr_kernel + nr_vmm, nr * 8, w->frames);
	*head = (struct ukp_host_sample){
		.hdr = s->hdr,
		.period = s->period,
		.tid = s->tid,
		.cpu = s->cpu,
		.place = s->place,
		.stop = s->stop,
		.nr_frames = nr,
		.methods = s->methods,
		.nr_kernel = nr_kernel,
		.nr_vmm = nr_vmm,
	};
	head->hdr.kind = UKP_REC_HOST_SAMPLE;
	head->hdr.len = sizeof(*head) + (nr_kernel + nr_vmm + nr) * 8;
	/* Another vCPU's exit is none of this stack's. */
	if (s->stop != UKP_STOP_MOVED)
		exit_at_hand(head, known);
	return output(rec, sizeof(*head) + (nr_kernel + nr_vmm + nr) * 8) ? -1 : 0;
}

#endif /* BPF_HOST_STACK_BPF_H */
