/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ukprof.bpf - find VMs, sample vCPU threads, account for VM exits. Addresses only: names are user space's work. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "ukprof_abi.h"

char LICENSE[] SEC("license") = "GPL";

/* Kernels before 5.17 only: addresses of kvm's current_vcpu and of __per_cpu_offset; 0: not known. */
const volatile __u64 current_vcpu_addr = 0;
const volatile __u64 per_cpu_offset_addr = 0;
/* Wake the reader when the ring holds this much; it looks by itself several times a second anyway. */
const volatile __u64 wakeup_bytes = 1 << 20;

/* The host has neither VMX nor SVM. */
const volatile __u32 is_emulated = 0;

/* Samples that hit the host bring its stacks, too. */
const volatile __u32 host_stacks = 0;
/* What the host's processors are: an isa of kvm_exit, or 0. */
const volatile __u32 host_isa = 0;
/* Where RSP is always known, the programs have no part that does without. Tests withhold it where it is known. */
const volatile __u32 rsp_is = UKP_RSP_LAZY;

static __always_inline int ukp_read_hva(void *dst, __u32 len, __u64 hva)
{
	return bpf_probe_read_user(dst, len, (void *)hva);
}

struct ukp_walk;
static __always_inline int ukp_translate(struct ukp_walk *w, __u64 gva);
static __always_inline int ukp_step(struct ukp_walk *w);
static __always_inline int ukp_interrupt(struct ukp_walk *w);
static __always_inline int ukp_fp_part(struct ukp_walk *w);
static __always_inline void ukp_unwind_lookup(struct ukp_walk *w, __u64 gva);
static __always_inline void ukp_unwind_entry(struct ukp_walk *w);
static __always_inline int ukp_recover(struct ukp_walk *w);
static __always_inline int ukp_page(struct ukp_walk *w, __u32 i);
static __always_inline int ukp_reg(struct ukp_walk *w, __u32 i);
static __always_inline int ukp_over(struct ukp_walk *w, __u64 from, __u64 end);
static __always_inline int ukp_along(struct ukp_walk *w);
static __always_inline int ukp_word(struct ukp_walk *w, __u64 slot, __u64 word);
static __always_inline int ukp_look(struct ukp_walk *w);
static __always_inline int ukp_try(struct ukp_walk *w, __u64 slot);
static __always_inline int ukp_frame(struct ukp_walk *w, __u32 i);
static __always_inline int ukp_judge(struct ukp_walk *w, __u64 slot);
static __always_inline int ukp_saved(struct ukp_walk *w, __u64 gva);

#include "guest_recover.h"
#include "guest_walk.h"
#include "maps.bpf.h"
#include "guest_regs.bpf.h"
#include "find.bpf.h"

static __always_inline void add(enum ukp_counter which, __u64 n)
{
	struct ukp_counters *row;
	__u32 cpu = bpf_get_smp_processor_id();

	row = bpf_map_lookup_elem(&counters, &cpu);
	if (row)
		__sync_fetch_and_add(&row->v[which], n);
}

static __always_inline void count(enum ukp_counter which)
{
	add(which, 1);
}

static __always_inline int output(void *rec, __u64 len)
{
	__u64 flags = BPF_RB_NO_WAKEUP;

	if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) + len >= wakeup_bytes)
		flags = BPF_RB_FORCE_WAKEUP;
	return bpf_ringbuf_output(&ring, rec, len, flags);
}

#include "guest_stack.bpf.h"
#include "unwind.bpf.h"
#include "recover.bpf.h"
#include "exits.bpf.h"
#include "host_stack.bpf.h"

static __always_inline __u8 sample_place(struct bpf_perf_event_data *ctx, struct kvm_vcpu *vcpu)
{
	if ((ctx->regs.cs & 3) == 3)
		return UKP_PLACE_VMM;
	return interrupted_guest(vcpu) ? UKP_PLACE_GUEST : UKP_PLACE_KVM;
}

/* Show user space the code around RIP, if it asked. */
static __always_inline void probe_text(struct ukp_scratch *sc, const struct ukp_rec_hdr *hdr)
{
	__u32 vm = hdr->vm, *wanted;
	__u64 gva;

	wanted = bpf_map_lookup_elem(&text_wanted, &vm);
	if (!wanted || !*wanted || sc->walk.stop == UKP_STOP_LEGACY || !sc->walk.nr_frames)
		return;
	__sync_fetch_and_add(wanted, -1);

	gva = sc->walk.rip & ~(UKP_TEXT_LEN - 1ULL);
	if (ukp_translate_in(UKP_SCRATCH_SAMPLE, gva) != UKP_STOP_ROOT ||
	    bpf_probe_read_user(sc->text.bytes, UKP_TEXT_LEN,
				(void *)(sc->walk.page_hva + (gva & 0xfff)))) {
		count(UKP_CTR_TEXT_FAILED);
		return;
	}
	sc->text.hdr = *hdr;
	sc->text.hdr.kind = UKP_REC_TEXT;
	sc->text.hdr.len = sizeof(sc->text);
	sc->text.gva = gva;
	sc->text.rip = sc->walk.rip;
	count(output(&sc->text, sizeof(sc->text)) ? UKP_CTR_TEXT_FAILED : UKP_CTR_TEXT_STORED);
}

SEC("perf_event")
int ukp_on_sample(struct bpf_perf_event_data *ctx)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid(), which = UKP_SCRATCH_SAMPLE, nr;
	struct ukp_scratch *sc;
	struct ukp_sample *sample;
	struct ukp_vcpu *known;
	struct kvm_vcpu *vcpu;
	struct ukp_walk *w;
	struct ukp_vm *vm;
	int err;

	count(UKP_CTR_FIRED);
	known = bpf_map_lookup_elem(&vcpus, &tid);
	vm = known ? bpf_map_lookup_elem(&vms, &known->vm) : 0;
	if (!known || !vm) {
		count(UKP_CTR_DROP_NO_VCPU);
		return 0;
	}
	sc = bpf_map_lookup_elem(&scratch, &which);
	if (!sc) {
		count(UKP_CTR_DROP_NO_SCRATCH);
		return 0;
	}
	w = &sc->walk;
	vcpu = (void *)known->vcpu;

	w->nr_frames = 0;
	w->methods = 0;
	if (!runs_here(vcpu, tid)) {
		w->stop = UKP_STOP_MOVED;
	} else if (!has_rip(vcpu)) {
		w->stop = UKP_STOP_STALERIP;
	} else {
		w->which = UKP_SCRATCH_SAMPLE;
		if (load_guest(w, vm, known, read_rip(vcpu)))
			walk_loaded(w, known, true);
	}

	nr = w->nr_frames & UKP_MAX_FRAMES;
	sample = (struct ukp_sample *)(w->head + UKP_WALK_HEAD - sizeof(*sample));
	*sample = (struct ukp_sample){
		.hdr = {
			.kind = UKP_REC_SAMPLE,
			.len = sizeof(struct ukp_sample) + nr * sizeof(__u64),
			.ts_ns = bpf_ktime_get_ns(),
			.vm = known->vm,
			.vcpu = known->vcpu_id,
		},
		.period = ctx->sample_period,
		.tid = tid,
		.cpu = bpf_get_smp_processor_id(),
		.place = w->stop == UKP_STOP_MOVED ? UKP_PLACE_KVM : sample_place(ctx, vcpu),
		.stop = w->stop,
		.nr_frames = nr,
		.methods = w->methods,
	};
	/* An emulating host runs guest code in the kernel: that is no exit. */
	if (host_stacks && sample->place != UKP_PLACE_GUEST && !(is_emulated && sample->place == UKP_PLACE_KVM))
		err = send_host_sample(ctx, w, sample, known);
	else
		err = output(sample, sizeof(struct ukp_sample) + nr * sizeof(__u64));
	if (err) {
		count(UKP_CTR_DROP_RING_FULL);
		return 0;
	}
	count(UKP_CTR_STORED);
	if (w->stop != UKP_STOP_STALESLOTS)
		probe_text(sc, &sample->hdr);
	return 0;
}

SEC("iter/task_file")
int ukp_find(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct ukp_fd_key key = {};
	struct ukp_found found = {};
	__u32 *kind;

	if (!task || !file)
		return 0;
	key.tgid = task->tgid;
	key.fd = ctx->fd;
	kind = bpf_map_lookup_elem(&fd_targets, &key);
	if (!kind)
		return 0;
	found.kind = *kind;
	found.tgid = key.tgid;
	found.fd = key.fd;
	if (found.kind == UKP_FD_VM)
		find_vm(ctx->meta->seq, &found, file->private_data);
	else
		find_vcpu(ctx->meta->seq, &found, file->private_data);
	return 0;
}
