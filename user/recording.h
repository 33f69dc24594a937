/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_RECORDING_H
#define USER_RECORDING_H

/*
 * recording - everything that was learnt in one recording, whether it happens now or is replayed.
 *
 * The live session and the reader of capture files make the same calls in the same order: begin, then
 * VMs and records as they come, then end. Records are the bytes of the ring buffer; they are checked
 * here, once, for a capture file is as foreign as a guest.
 *
 * Threads: the collector thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile.h"

struct capture_writer;
struct recording;

#define RECORDING_EVENT_EXITS "exits"

/* Facts known at the start. Strings are borrowed by the call and copied. */
struct recording_info {
	const char *version;	/* of the ukprof that recorded */
	const char *host;	/* kernel release */
	const char *event;	/* "cpu-clock", "cycles", RECORDING_EVENT_EXITS */
	uint32_t freq_hz;
	uint64_t period_ns;	/* 0 for events that do not count time */
	uint64_t start_wall_ns; /* CLOCK_REALTIME */
	uint64_t start_mono_ns; /* CLOCK_MONOTONIC, the clock of the records */
	bool host_stacks;	/* samples that hit the host have its stacks */
	bool is_emulated;	/* the host runs guest code in KVM's instruction emulator: its time is the guest's */
};

struct recording_vm {
	uint32_t id; /* as records name it */
	int pid;
	const char *name;
	const char *vmm;
	const char *image; /* path, or NULL */
	const char *args;  /* guest kernel's arguments, or NULL */
	uint64_t mem_bytes;
};

/* The name of an address of the host, told by the host that recorded. */
#define RECORDING_KERNEL UINT32_MAX

struct recording_symbol {
	uint32_t vm;	  /* whose VMM, or RECORDING_KERNEL */
	uint64_t addr;	  /* as looked up: a return address already less one */
	const char *name; /* empty: no code stands there, the walk had gone astray */
};

enum recording_end {
	RECORDING_CUT = 0, /* no end was seen: the recorder died, or the file was cut */
	RECORDING_FINISHED,
	RECORDING_INTERRUPTED, /* by the user */
	RECORDING_VM_ENDED,
};

#define RECORDING_MAX_VMS   16384
#define RECORDING_MAX_TEXTS 64 /* text probes kept of one VM: the first half of them, and the latest */

#define RECORDING_NOWHERE   SIZE_MAX

#define RECORDING_METHODS   (UKP_BY_ALL + 1) /* combinations of UKP_BY_* */

/* X(NAME, label, help): how the callers of a stack were found, each stack once. */
#define RECORDING_WAYS(X)                                                                                 \
	X(TABLE, "table", "By the image's unwind tables")                                                 \
	X(FP, "fp", "By frame pointers")                                                                  \
	X(BOTH, "both", "By unwind tables and frame pointers")                                            \
	X(RECOVERED, "recovered", "By tables, from an RSP or a leaf's caller that was found on the stack and proven")        \
	X(WEAK, "weak", "By tables, from an RSP or interrupt frame found on the stack, and the proof has a gap") \
	X(FRAME, "frame", "By tables, across an interrupt frame that was found by its layout")            \
	X(NONE, "none", "No caller was found, or none was looked for")

enum recording_way {
#define X(name, label, help) RECORDING_BY_##name,
	RECORDING_WAYS(X)
#undef X
	RECORDING_NR_WAYS
};

/* What one text probe brought. */
struct recording_text {
	uint64_t gva;
	uint64_t rip;
	uint8_t bytes[UKP_TEXT_LEN];
};

/* A VM with what was learnt of it. */
struct recording_vm_data {
	bool forgotten; /* a free place: nothing else is set */
	uint32_t serial; /* never used again */
	uint32_t id;
	int pid;
	char *name;
	char *vmm;
	char *image;
	char *args;
	uint64_t mem_bytes;
	uint64_t nr_samples;
	uint64_t nr_place[3];		 /* by enum ukp_place */
	uint64_t nr_stop[UKP_STOP_MAX];	 /* by enum ukp_stop */
	uint64_t nr_exit_stop[UKP_STOP_MAX]; /* of the stacks of exits */
	uint64_t nr_methods[RECORDING_METHODS]; /* samples by the UKP_BY_* that found their callers */
	uint64_t nr_exit_methods[RECORDING_METHODS]; /* stacks of exits, likewise */
	uint32_t nr_vcpus;		 /* highest vCPU id sampled + 1 */
	size_t nr_texts, texts_cap;
	uint64_t nr_texts_taken;	 /* with those that are not kept any more: tells whether there is news */
	struct recording_text *texts;
};

/** recording__new() - Return: 0 or -ENOMEM. */
int recording__new(struct recording **out);
void recording__free(struct recording *r); /* accepts NULL */

/** recording__set_capture() - also write everything to a file; borrowed, may be NULL. Before begin. */
void recording__set_capture(struct recording *r, struct capture_writer *w);

/** recording__capture_err() - 0, or the first error that writing the capture file met. */
int recording__capture_err(const struct recording *r);

/* Each returns 0, -ENOMEM, or the capture file's error. */
int recording__begin(struct recording *r, const struct recording_info *info);
int recording__vm(struct recording *r, const struct recording_vm *vm);

/**
 * recording__forget_vm() - drop a VM and its stacks; its id, and its place among the VMs, may be used again.
 * Not written to a capture file.
 */
void recording__forget_vm(struct recording *r, uint32_t id);

/** recording__age() - give up the stacks that were not seen for long, where room gets scarce: profile__age(). */
void recording__age(struct recording *r);

/**
 * recording__epoch() - changes whenever what was counted so far may have become less: for a reader that takes
 * differences. @vm: place of the VM it looks at, or -1.
 */
uint64_t recording__epoch(const struct recording *r, int64_t vm);

/**
 * recording__record() - a record of the ring buffer, or of a capture file.
 * @data: @len bytes; copied. A record that is short, of unknown kind, or contradicts itself is counted
 *	and skipped.
 */
int recording__record(struct recording *r, const void *data, size_t len);

/**
 * recording__symbol() - a name of the host's, for the addresses of profile_stack.host; kept in the capture file, for they
 * mean something to the kernel that runs and to the VMM's process only. The first name of an address stays, of a
 * VM that is forgotten, too.
 */
int recording__symbol(struct recording *r, const struct recording_symbol *sym);
/** recording__symbol_name() - borrowed until the next recording__symbol(); NULL if none was told. */
const char *recording__symbol_name(const struct recording *r, uint32_t vm, uint64_t addr);

/** recording__counters() - the BPF side's counters as they stand; replaces the former ones. */
int recording__counters(struct recording *r, const uint64_t *v);
int recording__end(struct recording *r, enum recording_end how, uint64_t duration_ns);

/** recording__add_ways() - add what is counted by UKP_BY_* to @nr by enum recording_way. */
void recording__add_ways(const uint64_t methods[RECORDING_METHODS], uint64_t nr[RECORDING_NR_WAYS]);

/** recording__stop_label() - the word for an enum ukp_stop, such as "unmapped"; static. */
const char *recording__stop_label(unsigned int stop);

const struct recording_info *recording__info(const struct recording *r);
size_t recording__nr_vms(const struct recording *r);
const struct recording_vm_data *recording__vm_data(const struct recording *r, size_t i);

/** recording__place() - Return: the place among the VMs of the one that records call @id; RECORDING_NOWHERE if none is. */
size_t recording__place(const struct recording *r, uint32_t id);
struct profile *recording__profile(const struct recording *r);
struct profile *recording__exit_profile(const struct recording *r); /* of VM exits; weights in ns */
uint64_t recording__nr_exit_stacks(const struct recording *r); /* taken into it */
bool recording__is_of_exits(const struct recording *r); /* made to look at exits: RECORDING_EVENT_EXITS */
const uint64_t *recording__counter_values(const struct recording *r); /* UKP_CTR_MAX */
uint64_t recording__nr_samples(const struct recording *r); /* taken into the profile */
uint64_t recording__nr_bad(const struct recording *r);	    /* records that were skipped */

/* Where samples and exits have got to, since the start. */
struct recording_counts {
	uint64_t bpf[UKP_CTR_MAX]; /* recording__counter_values() */
	uint64_t bad;		   /* recording__nr_bad() */
	uint64_t overflow;	   /* kept without frames: too many different stacks */
};

/** recording__counts() - all of them as they stand. */
void recording__counts(const struct recording *r, struct recording_counts *out);
uint64_t recording__duration_ns(const struct recording *r);
enum recording_end recording__how_ended(const struct recording *r);

/**
 * recording__unaccounted() - fired minus stored minus dropped, plus what user space lost. 0 in a complete
 * recording; anything else is a defect, or a file that was cut.
 */
int64_t recording__unaccounted(const struct recording *r);
uint64_t recording__nr_dropped(const struct recording *r);

#endif /* USER_RECORDING_H */
