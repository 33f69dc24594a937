/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMLINUX_H
#define VMLINUX_H

/*
 * vmlinux.h - the kernel types that the BPF programs read, and no others.
 *
 * Written by hand as CO-RE flavours instead of dumped from one kernel: only the members that are read,
 * by their kernel names; libbpf finds the offsets of the running kernel when it loads the object. So a
 * build needs no BTF, and KVM's types are here although on distributions KVM is a module and its types
 * are in no vmlinux BTF. A suffix ___NAME is a flavour: another shape of the same kernel type.
 *
 * Compared with the BTF of Debian's 5.10.223, 6.1.176, 6.12.107 and 7.2.13 and of 6.18.44.
 */

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;

enum {
	false = 0,
	true = 1,
};

/* --- kernel ABI that BPF programs see: not relocated --- */

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
};

enum {
	BPF_F_NO_PREALLOC = 1 << 0,
	BPF_F_MMAPABLE = 1 << 10,
};

enum {
	BPF_F_USER_STACK = 1 << 8,
};

enum {
	BPF_RB_NO_WAKEUP = 1 << 0,
	BPF_RB_FORCE_WAKEUP = 1 << 1,
};

enum {
	BPF_RB_AVAIL_DATA = 0,
	BPF_RB_RING_SIZE = 1,
};

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8;
	unsigned long ax, cx, dx, si, di;
	unsigned long orig_ax;
	unsigned long ip;
	unsigned long cs;
	unsigned long flags;
	unsigned long sp;
	unsigned long ss;
};

/* Context of a raw_tp program. */
struct bpf_raw_tracepoint_args {
	__u64 args[12];
};

/* Context of a perf_event program; the verifier translates the offsets of this uapi layout. */
struct bpf_perf_event_data {
	struct pt_regs regs;
	__u64 sample_period;
	__u64 addr;
};

/* --- kernel types, relocated by CO-RE --- */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct upid {
	int nr;
};

struct pid {
	struct upid numbers[1];
};

struct task_struct {
	int pid;
	int tgid;
	struct pid *thread_pid;
};

struct file {
	void *private_data;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct kvm_memory_slot {
	struct hlist_node id_node[2]; /* from 5.17 on */
	__u64 base_gfn;
	unsigned long npages;
	unsigned long userspace_addr;
	__u32 flags;
	__u16 as_id;
};

/* From 5.17 on: slots hang in a hash by id; two sets, node_idx says which links are in use. */
struct kvm_memslots {
	__u64 generation;
	struct hlist_head id_hash[128];
	int node_idx;
};

/* Up to 5.16: an array of slots follows the header. */
struct kvm_memslots___array {
	__u64 generation;
	int used_slots;
	struct kvm_memory_slot memslots[0];
};

struct kvm {
	struct kvm_memslots *memslots[1];
	struct {
		int counter;
	} online_vcpus;
};

struct kvm_vcpu_arch {
	unsigned long regs[17]; /* indexed by enum kvm_reg; up to 7.1 RIP is the last */
	__u32 regs_avail;	/* bits by enum kvm_reg */
	unsigned long cr0;
	unsigned long cr3;
	unsigned long cr4;
	__u64 efer;
	__u8 handling_intr_from_guest; /* from 5.17 on */
};

/* 7.2: RIP has left the array, and the bits are a bitmap; their numbers are the same. */
struct kvm_vcpu_arch___rip {
	unsigned long rip;
	unsigned long regs_avail[1];
};

struct kvm_vcpu {
	struct kvm *kvm;
	int vcpu_id;
	struct pid *pid;
	struct kvm_vcpu_arch arch;
};

struct kvm_vcpu___rip {
	struct kvm_vcpu_arch___rip arch;
};

/* kvm_amd */
struct vmcb_control_area {
	__u32 exit_code; /* 64 bits in 7.2: read by its relocated size */
	__u64 exit_info_1;
	__u64 exit_info_2;
};

struct vmcb {
	struct vmcb_control_area control;
};

struct vcpu_svm {
	struct kvm_vcpu vcpu;
	struct vmcb *vmcb;
};

/* kvm_intel */
union vmx_exit_reason {
	__u32 full;
};

struct vcpu_vmx {
	struct kvm_vcpu vcpu;
	union vmx_exit_reason exit_reason;
};

struct vcpu_vt {
	union vmx_exit_reason exit_reason;
};

/* 7.2 (and some before): what VMX and TDX share has a struct of its own. */
struct vcpu_vmx___vt {
	struct vcpu_vt vt;
};

#pragma clang attribute pop

#endif /* VMLINUX_H */
