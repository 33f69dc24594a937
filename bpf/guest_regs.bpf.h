/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BPF_GUEST_REGS_BPF_H
#define BPF_GUEST_REGS_BPF_H

/* guest_regs - the registers that KVM holds of a vCPU which is not running right now. */

#define UKP_REG_RCX 1
#define UKP_REG_RSP 4
#define UKP_REG_RBP 5
#define UKP_REG_RIP 16

static __always_inline __u64 read_rip(struct kvm_vcpu *vcpu)
{
	/* From 7.2 on RIP is a member of its own and the array ends before its index. */
	if (bpf_core_field_exists(struct kvm_vcpu_arch___rip, rip))
		return BPF_CORE_READ((struct kvm_vcpu___rip *)vcpu, arch.rip);
	return BPF_CORE_READ(vcpu, arch.regs[UKP_REG_RIP]);
}

/*
 * VMX reads RIP on demand, and this bit says whether it has; without it the value is of an older exit.
 * SVM copies RIP at every exit and leaves the bit set. Bit numbers are the same from 5.10 to 7.2.
 */
static __always_inline __u64 available(struct kvm_vcpu *vcpu)
{
	if (bpf_core_field_exists(struct kvm_vcpu_arch___rip, rip))
		return BPF_CORE_READ((struct kvm_vcpu___rip *)vcpu, arch.regs_avail[0]);
	return BPF_CORE_READ(vcpu, arch.regs_avail);
}

static __always_inline bool has_rip(struct kvm_vcpu *vcpu)
{
	return available(vcpu) & (1u << UKP_REG_RIP);
}

/* The same for RSP, which hardly any exit makes VMX read. */
static __always_inline bool has_rsp(struct kvm_vcpu *vcpu)
{
	if (rsp_is == UKP_RSP_WITHHELD)
		return false;
	return available(vcpu) & (1u << UKP_REG_RSP);
}

/*
 * Did the interrupt that we are in hit the guest? From 5.17 on KVM notes that in the vCPU; before, in a
 * per-CPU pointer of the kvm module, whose address user space finds in kallsyms.
 */
static __always_inline bool interrupted_guest(struct kvm_vcpu *vcpu)
{
	__u64 off = 0, cur = 0;

	if (bpf_core_field_exists(struct kvm_vcpu_arch, handling_intr_from_guest))
		return BPF_CORE_READ(vcpu, arch.handling_intr_from_guest);
	if (!current_vcpu_addr)
		return false;
	bpf_probe_read_kernel(&off, sizeof(off),
			      (void *)(per_cpu_offset_addr + bpf_get_smp_processor_id() * sizeof(off)));
	bpf_probe_read_kernel(&cur, sizeof(cur), (void *)(current_vcpu_addr + off));
	return cur == (__u64)vcpu;
}

#endif /* BPF_GUEST_REGS_BPF_H */
