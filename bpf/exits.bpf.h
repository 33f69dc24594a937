/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BPF_EXITS_BPF_H
#define BPF_EXITS_BPF_H

/*
 * exits - what VM exits cost and which guest code causes them, added up in the kernel.
 *
 * The tracepoints of one exit come in order on the vCPU's own thread: kvm_exit, then what it was for
 * (kvm_pio, kvm_mmio, …), perhaps kvm_userspace_exit, then kvm_entry. So the exit under way stands in
 * the thread's entry of the vcpus map, and rows and sites have one writer.
 */

static __always_inline struct ukp_vcpu *watched_vcpu(void)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&vcpus, &tid);
}

#define SVM_EXIT_IOIO 0x7b
#define SVM_EXIT_MSR  0x7c
#define SVM_EXIT_NPF  0x400

/*
 * What the processor wrote at the exit: three words in a row, as the hardware lays them out, so one read
 * brings them all. Source: AMD APM vol. 2, appendix B: EXITCODE, EXITINFO1, EXITINFO2.
 */
struct svm_exit {
	__u64 code;
	__u64 info_1;
	__u64 info_2;
};

static __always_inline bool read_svm_exit(struct svm_exit *e, struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *svm = (void *)((__u64)vcpu - bpf_core_field_offset(struct vcpu_svm, vcpu));
	struct vmcb *vmcb = BPF_CORE_READ(svm, vmcb);

	return !bpf_probe_read_kernel(e, sizeof(*e),
				      (void *)((__u64)vmcb + bpf_core_field_offset(struct vmcb, control) +
					       bpf_core_field_offset(struct vmcb_control_area, exit_code)));
}

/*
 * What the processor itself says of the exit. The tracepoints behind it say the same and, for MMIO, more;
 * but on 7.2, where two vCPU threads shared a processor, 20 of 2000 of their runs were missing, as if the
 * kernel left out a program that a preempted thread is still in. Source: AMD APM vol. 2, 15.10.2 (IOIO), 15.11 (MSR), 15.25.6 (NPF).
 */
static __always_inline void svm_detail(struct ukp_exit_now *now, const struct svm_exit *e, struct kvm_vcpu *vcpu)
{
	switch (now->reason) {
	case SVM_EXIT_IOIO:
		now->detail = e->info_1 & 1 ? UKP_DETAIL_PIO_IN : UKP_DETAIL_PIO_OUT;
		now->value = (e->info_1 >> 16) & 0xffff;
		break;
	case SVM_EXIT_MSR:
		now->detail = e->info_1 & 1 ? UKP_DETAIL_MSR_WRITE : UKP_DETAIL_MSR_READ;
		now->value = (__u32)BPF_CORE_READ(vcpu, arch.regs[UKP_REG_RCX]);
		break;
	case SVM_EXIT_NPF:
		now->detail = UKP_DETAIL_PAGE_FAULT;
		now->value = e->info_2 & ~0x1fffffULL;
		break;
	}
}

static __always_inline __u32 vmx_exit_reason(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = (void *)((__u64)vcpu - bpf_core_field_offset(struct vcpu_vmx, vcpu));

	if (bpf_core_field_exists(struct vcpu_vmx___vt, vt))
		return BPF_CORE_READ((struct vcpu_vmx___vt *)vmx, vt.exit_reason.full);
	return BPF_CORE_READ(vmx, exit_reason.full);
}

/* Position of the highest bit, by halves; below UKP_EXIT_BUCKETS. */
static __always_inline __u64 duration_bucket(__u64 ns)
{
	__u64 bucket = 0;

	bucket |= (ns >> 32 ? 32 : 0);
	ns >>= bucket;
	if (ns >> 16) {
		bucket |= 16;
		ns >>= 16;
	}
	if (ns >> 8) {
		bucket |= 8;
		ns >>= 8;
	}
	if (ns >> 4) {
		bucket |= 4;
		ns >>= 4;
	}
	if (ns >> 2) {
		bucket |= 2;
		ns >>= 2;
	}
	bucket |= ns >> 1;
	/* Hold it in one register: the older verifiers forget a bound that was tested on a copy. */
	asm volatile("" : "+r"(bucket));
	if (bucket >= UKP_EXIT_BUCKETS)
		bucket = UKP_EXIT_BUCKETS - 1;
	return bucket;
}

static __always_inline void add_to_row(const struct ukp_vcpu *known, const struct ukp_exit_now *now, __u64 ns,
				       bool timed, __u64 bucket)
{
	struct ukp_exit_row_key key = {
		.vm = known->vm,
		.vcpu = known->vcpu_id,
		.isa = now->isa,
		.reason = now->reason,
	};
	struct ukp_exit_row *row, *none;
	__u32 zero = 0;

	row = bpf_map_lookup_elem(&exit_rows, &key);
	if (!row) {
		none = bpf_map_lookup_elem(&exit_zero, &zero);
		if (!none || bpf_map_update_elem(&exit_rows, &key, none, BPF_NOEXIST) ||
		    !(row = bpf_map_lookup_elem(&exit_rows, &key))) {
			count(UKP_CTR_EXIT_ROWS_FULL);
			return;
		}
	}
	row->count++;
	row->guest_ns += now->guest_ns;
	if (!timed)
		return;
	row->nr_timed++;
	row->total_ns += ns;
	if (row->nr_timed == 1 || ns < row->min_ns)
		row->min_ns = ns;
	if (ns > row->max_ns)
		row->max_ns = ns;
	if (now->to_user) {
		row->nr_user++;
		row->user_ns += ns;
	}
	row->buckets[bucket]++;
}

/* The run is over: its sums belong to the table. Not inlined: what it keeps on the stack, a walk behind it needs. */
static __noinline void put_run(const struct ukp_vcpu *known)
{
	const struct ukp_exit_run *run = &known->run;
	struct ukp_exit_site_key key = {
		.rip = run->rip,
		.value = run->value,
		.vm = known->vm,
		.vcpu = known->vcpu_id,
		.reason = run->reason,
		.isa = run->isa,
		.detail = run->detail,
		.has_rip = run->has_rip,
	};
	struct ukp_exit_site *site, none = {};

	site = bpf_map_lookup_elem(&exit_sites, &key);
	if (!site) {
		if (bpf_map_update_elem(&exit_sites, &key, &none, BPF_NOEXIST) ||
		    !(site = bpf_map_lookup_elem(&exit_sites, &key))) {
			add(UKP_CTR_EXIT_SITES_FULL, run->count);
			return;
		}
	}
	site->count += run->count;
	site->total_ns += run->total_ns;
	site->user_ns += run->user_ns;
}

static __always_inline void add_to_site(struct ukp_vcpu *known, const struct ukp_exit_now *now, __u64 ns, bool timed)
{
	struct ukp_exit_run *run = &known->run;

	if (!run->count || run->rip != now->rip || run->value != now->value || run->reason != now->reason ||
	    run->detail != now->detail || run->isa != now->isa || run->has_rip != now->has_rip) {
		if (run->count)
			put_run(known);
		run->rip = now->rip;
		run->value = now->value;
		run->reason = now->reason;
		run->isa = now->isa;
		run->detail = now->detail;
		run->has_rip = now->has_rip;
		run->count = 0;
		run->total_ns = 0;
		run->user_ns = 0;
	}
	run->count++;
	if (timed) {
		run->total_ns += ns;
		if (now->to_user)
			run->user_ns += ns;
	}
}

#define VMX_EXIT_HLT	12
#define VMX_EXIT_MWAIT	36
#define SVM_EXIT_HLT	0x78
#define SVM_EXIT_MWAIT	0x8b
#define SVM_EXIT_MWAITC 0x8c

/* The guest waits: what passes then is nobody's cost. */
static __always_inline bool is_idle(const struct ukp_exit_now *now)
{
	if (now->isa == UKP_ISA_VMX)
		return now->reason == VMX_EXIT_HLT || now->reason == VMX_EXIT_MWAIT;
	return now->reason == SVM_EXIT_HLT || now->reason == SVM_EXIT_MWAIT || now->reason == SVM_EXIT_MWAITC;
}

/* Adapt the chance to the rate of exits: by what was before, never by the exit at hand, or sums were biased. */
static __always_inline void adapt_pick(struct ukp_exit_pick *pick, __u64 ts_ns, __u32 wanted)
{
	__u32 shift;

	if (ts_ns - pick->window_ns >= UKP_PICK_WINDOW_NS) {
		/* Down one step a window, for rates that swing. */
		shift = pick->shift & 31;
		if (shift && pick->nr < (wanted << shift) / 2)
			pick->shift = shift - 1;
		pick->window_ns = ts_ns;
		pick->nr = 0;
	}
	shift = pick->shift & 31;
	if (pick->nr++ >= 2 * (wanted << shift) && shift < UKP_PICK_MAX_SHIFT)
		pick->shift = shift + 1;
}

/*
 * Is the exit at hand to be picked, and with what chance, 1 in 2^*@shift? By count or by time, whichever
 * is likelier: then both the count and the time of all exits can be estimated from the same ones.
 */
static __always_inline bool is_picked(struct ukp_vcpu *known, __u64 ts_ns, __u64 bucket, const struct ukp_settings *set,
				      __u32 *shift)
{
	__u32 by_count, by_time;

	if (set->exit_shift == UKP_EXIT_SHIFT_AUTO) {
		by_count = known->pick.shift & 31;
		adapt_pick(&known->pick, ts_ns, set->exit_stacks);
	} else {
		by_count = set->exit_shift & 31;
	}
	by_time = set->exit_time_log2 > bucket ? set->exit_time_log2 - bucket : 0;
	*shift = by_time < by_count && !is_idle(&known->now) ? by_time & 31 : by_count;
	return !(bpf_get_prandom_u32() & ((1u << *shift) - 1));
}

/* Make the scratch ready for the stack of the exit at hand. A function of its own, so that its part of the stack is free again. */
__noinline int ukp_load_exit(__u32 which)
{
	struct ukp_vcpu *known = watched_vcpu();
	struct ukp_scratch *sc;
	struct ukp_vm *vm;

	if (!known)
		return 0;
	vm = bpf_map_lookup_elem(&vms, &known->vm);
	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!vm || !sc)
		return 0;
	sc->walk.which = which;
	return load_guest(&sc->walk, vm, known, known->now.rip);
}

/*
 * The guest's stack where it exited. A guest may exit at any rate, and each of the host's ticks is an exit: a search for RSP
 * that takes longer than a tick would be all that goes on. So a long one earns the guest some time without.
 */
static __always_inline void walk_exit(struct ukp_walk *w, struct ukp_vcpu *known)
{
	__u64 began_ns, took_ns;

	if (!ukp_load_exit(UKP_SCRATCH_EXIT))
		return;
	if (rsp_is == UKP_RSP_KNOWN) {
		walk_loaded(w, known, false);
		return;
	}
	began_ns = bpf_ktime_get_ns();
	walk_loaded(w, known, began_ns >= known->pick.recover_ns);
	took_ns = bpf_ktime_get_ns() - began_ns;
	if (took_ns > UKP_RECOVER_LONG_NS)
		known->pick.recover_ns = began_ns + took_ns + (took_ns < UKP_RECOVER_REST_NS ? took_ns : UKP_RECOVER_REST_NS);
}

/*
 * Hand the guest's stack at the exit that is over to user space. Interrupts are off, so the scratch is ours.
 * A global function, for it is verified once: inlined, kernels up to 6.1 verify the walk for each state in which
 * the exit may have been accounted, eight times.
 */
__noinline int ukp_send_exit_stack(__u64 ts_ns, __u64 ns, __u32 shift)
{
	struct ukp_vcpu *known = watched_vcpu();
	__u32 which = UKP_SCRATCH_EXIT, nr;
	struct ukp_exit_sample *rec;
	struct ukp_scratch *sc;
	struct ukp_walk *w;

	if (!known)
		return 0;
	count(UKP_CTR_EXIT_STACKS);
	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc || !bpf_map_lookup_elem(&vms, &known->vm)) {
		count(UKP_CTR_EXIT_STACKS_DROPPED);
		return 0;
	}
	w = &sc->walk;
	rec = (struct ukp_exit_sample *)(w->head + UKP_WALK_HEAD - sizeof(*rec));
	/* All that is known is put down before the walk: what would wait on the stack meanwhile, its functions need. */
	*rec = (struct ukp_exit_sample){
		.hdr = {
			.kind = UKP_REC_EXIT,
			.ts_ns = ts_ns,
			.vm = known->vm,
			.vcpu = known->vcpu_id,
		},
		.count = 1ull << (shift & 63),
		.ns = ns << (shift & 63),
		.value = known->now.value,
		.reason = known->now.reason,
		.isa = known->now.isa,
		.detail = known->now.detail,
		.to_user = known->now.to_user,
	};
	w->nr_frames = 0;
	w->methods = 0;
	w->stop = UKP_STOP_STALERIP;
	if (known->now.has_rip)
		walk_exit(w, known);
	nr = w->nr_frames & UKP_MAX_FRAMES;
	rec->hdr.len = sizeof(*rec) + nr * sizeof(__u64);
	rec->stop = w->stop;
	rec->nr_frames = nr;
	rec->methods = w->methods;
	count(output(rec, sizeof(*rec) + nr * sizeof(__u64)) ? UKP_CTR_EXIT_STACKS_DROPPED :
								 UKP_CTR_EXIT_STACKS_STORED);
	return 0;
}

/* The exit under way is over, or was overtaken by another (@timed false). */
static __always_inline __u64 finish_exit(struct ukp_vcpu *known, __u64 ts_ns, bool timed)
{
	__u64 ns = ts_ns - known->now.ts_ns, bucket = duration_bucket(ns);

	add_to_row(known, &known->now, ns, timed, bucket);
	add_to_site(known, &known->now, ns, timed);
	count(timed ? UKP_CTR_EXITS_TIMED : UKP_CTR_EXITS_UNTIMED);
	known->now.ts_ns = 0;
	return bucket;
}

static __always_inline void begin_exit(struct ukp_vcpu *known, __u32 isa, __u32 reason)
{
	struct kvm_vcpu *vcpu = (void *)known->vcpu;
	struct ukp_exit_now *now = &known->now;
	__u64 ts_ns = bpf_ktime_get_ns();

	if (now->ts_ns)
		finish_exit(known, ts_ns, false);
	count(UKP_CTR_EXITS);
	now->value = 0;
	now->detail = UKP_DETAIL_NONE;
	now->to_user = 0;
	now->isa = isa;
	now->reason = reason;
	/* SVM has it at every exit; VMX reads it when somebody asks. */
	now->has_rip = isa == UKP_ISA_SVM || has_rip(vcpu);
	now->rip = now->has_rip ? read_rip(vcpu) : 0;
	now->guest_ns = now->entry_ns ? ts_ns - now->entry_ns : 0;
	now->entry_ns = 0;
	now->ts_ns = ts_ns;
}

/*
 * From 5.16 on: (vcpu, isa). A thread may run several vCPUs: the exit must be of the one that we know.
 */
SEC("raw_tp/kvm_exit")
int ukp_on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct ukp_vcpu *known = watched_vcpu();
	__u32 isa = ctx->args[1], reason = ~0u;
	struct svm_exit svm = {};
	struct kvm_vcpu *vcpu;

	if (!known || ctx->args[0] != known->vcpu)
		return 0;
	vcpu = (void *)known->vcpu;
	/* The vendor's own part of the vCPU has the reason. */
	if (isa == UKP_ISA_SVM && bpf_core_type_exists(struct vcpu_svm)) {
		if (read_svm_exit(&svm, vcpu))
			reason = (__u32)svm.code;
	} else if (isa == UKP_ISA_VMX && bpf_core_type_exists(struct vcpu_vmx)) {
		reason = vmx_exit_reason(vcpu);
	}
	begin_exit(known, isa, reason);
	if (isa == UKP_ISA_SVM)
		svm_detail(&known->now, &svm, vcpu);
	return 0;
}

/* Up to 5.15: (reason, vcpu, isa). A kernel with fewer arguments refuses to attach this one. */
SEC("raw_tp/kvm_exit")
int ukp_on_exit_3(struct bpf_raw_tracepoint_args *ctx)
{
	struct ukp_vcpu *known = watched_vcpu();

	if (known && ctx->args[1] == known->vcpu)
		begin_exit(known, ctx->args[2], ctx->args[0]);
	return 0;
}

SEC("raw_tp/kvm_entry")
int ukp_on_entry(struct bpf_raw_tracepoint_args *ctx)
{
	struct ukp_vcpu *known = watched_vcpu();
	struct ukp_settings *set;
	__u64 ts_ns, ns, bucket;
	__u32 zero = 0, shift;

	if (!known || ctx->args[0] != known->vcpu)
		return 0;
	ts_ns = bpf_ktime_get_ns();
	if (known->now.ts_ns) {
		ns = ts_ns - known->now.ts_ns;
		bucket = finish_exit(known, ts_ns, true);
		set = bpf_map_lookup_elem(&settings, &zero);
		if (set && set->exit_stacks && is_picked(known, ts_ns, bucket, set, &shift))
			ukp_send_exit_stack(ts_ns, ns, shift);
	} else {
		count(UKP_CTR_ENTRIES_ALONE);
	}
	known->now.entry_ns = ts_ns;
	return 0;
}

static __always_inline int note_detail(enum ukp_detail detail, __u64 value)
{
	struct ukp_vcpu *known = watched_vcpu();

	if (known && known->now.ts_ns) {
		known->now.detail = detail;
		known->now.value = value;
	}
	return 0;
}

SEC("raw_tp/kvm_userspace_exit")
int ukp_on_userspace_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct ukp_vcpu *known = watched_vcpu();

	if (known)
		known->now.to_user = 1;
	return 0;
}

/* (rw, port, …): rw is 1 for OUT */
SEC("raw_tp/kvm_pio")
int ukp_on_pio(struct bpf_raw_tracepoint_args *ctx)
{
	return note_detail(ctx->args[0] ? UKP_DETAIL_PIO_OUT : UKP_DETAIL_PIO_IN, (__u16)ctx->args[1]);
}

/* (type, len, gpa, …): type is 2 for a write, 0 and 1 for a read before and after it was answered */
SEC("raw_tp/kvm_mmio")
int ukp_on_mmio(struct bpf_raw_tracepoint_args *ctx)
{
	return note_detail((__u32)ctx->args[0] == 2 ? UKP_DETAIL_MMIO_WRITE : UKP_DETAIL_MMIO_READ, ctx->args[2]);
}

/* (gpa) */
SEC("raw_tp/kvm_fast_mmio")
int ukp_on_fast_mmio(struct bpf_raw_tracepoint_args *ctx)
{
	return note_detail(UKP_DETAIL_MMIO_WRITE, ctx->args[0]);
}

/* (write, ecx, …) */
SEC("raw_tp/kvm_msr")
int ukp_on_msr(struct bpf_raw_tracepoint_args *ctx)
{
	return note_detail((__u32)ctx->args[0] ? UKP_DETAIL_MSR_WRITE : UKP_DETAIL_MSR_READ, (__u32)ctx->args[1]);
}

/* (nr, …) */
SEC("raw_tp/kvm_hypercall")
int ukp_on_hypercall(struct bpf_raw_tracepoint_args *ctx)
{
	return note_detail(UKP_DETAIL_HYPERCALL, ctx->args[0]);
}

/* (address, code), from 6.1 on at the latest (vcpu, address, code) */
SEC("raw_tp/kvm_page_fault")
int ukp_on_page_fault(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 gpa = ctx->args[0] >> 63 ? ctx->args[1] : ctx->args[0];

	return note_detail(UKP_DETAIL_PAGE_FAULT, gpa & ~0x1fffffULL);
}

/* (vector, …); on the vCPU's thread, on its way in */
SEC("raw_tp/kvm_inj_virq")
int ukp_on_inj_virq(struct bpf_raw_tracepoint_args *ctx)
{
	struct ukp_vcpu *known = watched_vcpu();
	struct ukp_virq_key key = { .vector = (__u32)ctx->args[0] };
	__u64 *n, zero = 0;

	if (!known)
		return 0;
	key.vm = known->vm;
	n = bpf_map_lookup_elem(&virqs, &key);
	if (!n) {
		bpf_map_update_elem(&virqs, &key, &zero, BPF_NOEXIST);
		n = bpf_map_lookup_elem(&virqs, &key);
	}
	if (n)
		__sync_fetch_and_add(n, 1);
	else
		count(UKP_CTR_VIRQS_FULL);
	return 0;
}

#endif /* BPF_EXITS_BPF_H */
