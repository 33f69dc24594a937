/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SNAPSHOT_HOST_STATS_H
#define SNAPSHOT_HOST_STATS_H

/*
 * host_stats - all VMs of this host and ukprof itself, frozen: what 'serve' publishes about once a second,
 * and all that /metrics, /sd and /api/v1/vms see.
 *
 * Every count and every time is cumulative since ukprof first saw its owner, and never falls as long as
 * that owner is in the snapshot; readers take differences. Labels that an array is given with (stop reasons,
 * methods, stages of drops) are constant while ukprof runs, so that a series once seen does not go away.
 *
 * Threads: plain data for the one thread that fills it in. Immutable from the moment it is handed out; then
 * any thread may read it. References are counted atomically: get and put may be called from any thread.
 *
 * Lifetime: arrays come from malloc() and its kin and belong to the snapshot. Strings that are called
 * untrusted or "copied" go through host_stats__copy_str() and belong to it, too; others are static.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exit_stats.h"
#include "self_usage.h"
#include "snapshot.h"

#define HOST_NR_PLACES (SNAP_PLACE_VMM + 1) /* index: enum snap_place */

/* What a vCPU thread does with its time; adds up to the time since it was first seen. */
enum host_vcpu_state {
	HOST_VCPU_GUEST = 0, /* runs guest code: from a VM entry to the next VM exit */
	HOST_VCPU_EXIT,      /* in the host kernel, handling a VM exit */
	HOST_VCPU_VMM,       /* in the VMM's user code */
	HOST_VCPU_HALTED,    /* the guest has nothing to do: HLT */
	HOST_VCPU_WAITING, /* could run, but the host runs something else, or it waits for the host */
	HOST_NR_VCPU_STATES
};

/* What is known of the image whose names are shown. */
enum host_image_state {
	HOST_IMAGE_NONE = 0,   /* none was found: addresses stay addresses */
	HOST_IMAGE_UNVERIFIED, /* not yet compared with guest memory */
	HOST_IMAGE_VERIFIED,   /* its text is what the guest runs */
	HOST_IMAGE_WRONG,      /* its text is not what the guest runs: names are used only by force */
	HOST_NR_IMAGE_STATES
};

/* The name and meaning of one slot of an array of counts. Static strings; the label is [a-z0-9_]+. */
struct host_label {
	const char *label;
	const char *help;
};

/* A count with its name; static strings, the label is [a-z0-9_]+. */
struct host_counter {
	const char *label;
	const char *help;
	uint64_t value;
};

struct host_vcpu {
	uint32_t id; /* KVM's vCPU id: unique in its VM */
	uint64_t state_ns[HOST_NR_VCPU_STATES];
};

/* VM exits of one reason, of all vCPUs of a VM. */
struct host_exit {
	uint32_t isa;    /* enum exit_isa */
	uint32_t reason; /* raw code as the hardware gave it */
	uint64_t count;
	uint64_t nr_timed; /* exits whose time is known */
	uint64_t total_ns; /* of those */
	uint64_t user_ns;  /* part of total_ns: exits that went to the VMM's user code */
	uint64_t buckets[EXIT_NR_BUCKETS]; /* of the timed ones; adds up to nr_timed */
};

/* Samples that hit one function, or one library, itself, not what it calls. */
struct host_function {
	const char *name; /* copied; untrusted: it comes from an image */
	uint64_t samples;
	bool is_unverified; /* the image was not compared with what the guest runs, or differs */
};

/* One of KVM's own statistics. */
struct host_kvm_stat {
	const char *name; /* copied; as the kernel spells it, such as "halt_wait_ns" */
	bool cumulative;  /* only grows; false: a state, such as "pages_4k" */
	uint64_t value;
};

/* An image that a VM runs, or is said to run. */
struct host_image {
	const char *path;     /* copied; untrusted, never NULL */
	const char *build_id; /* copied; or NULL */
	enum host_image_state state;
};

struct host_vm {
	uint32_t id; /* unique in this run of ukprof, never used again */
	int pid;     /* of the VMM */
	/* Copied strings. Names of a VM and of its image come from a user or a guest: untrusted. */
	const char *name; /* never NULL; unique: a VM that is gone makes room for a successor */
	const char *vmm;  /* base name such as "qemu-system-x86_64"; never NULL */
	const char *image_path; /* NULL without an image */
	const char *image_name; /* its last component; NULL without an image */
	const char *build_id;   /* lower-case hexadecimal, or NULL: unikernels rarely have one */
	const char *uuid;       /* or NULL */
	enum host_image_state image; /* of several images the worst: wrong, unverified, verified, none */
	struct host_image *images;   /* the first one's path and build-id are those above */
	size_t nr_images;
	bool up;               /* false: its VMM has ended; it may stay for a while */
	uint64_t seen_wall_ns; /* when ukprof first saw it, CLOCK_REALTIME */
	uint64_t mem_bytes;    /* sum of its memory slots */

	uint64_t samples[HOST_NR_PLACES];
	uint64_t *stops;    /* samples by why the walk ended: nr_stops of the host; or NULL */
	uint64_t *methods;  /* samples by how their callers were found: nr_methods; or NULL */
	uint64_t nr_frames; /* of all samples that were looked up */
	uint64_t nr_unresolved_frames;  /* of those, without a name */
	uint64_t nr_unresolved_samples; /* samples whose leaf has no name */
	uint64_t nr_virqs;              /* interrupts injected */

	size_t nr_vcpus;
	struct host_vcpu *vcpus; /* in the order in which they were first seen */
	size_t nr_exits;
	struct host_exit *exits; /* in the order in which reasons were first seen */
	size_t nr_functions;
	struct host_function *functions; /* empty unless asked for; unique; one once in stays in */
	size_t nr_libraries;
	struct host_function *libraries; /* likewise */
	size_t nr_kvm_stats;
	struct host_kvm_stat *kvm_stats; /* may be empty; always in the same order */
};

/* What a BPF program cost, where the kernel counts it (kernel.bpf_stats_enabled), else runs is 0. */
struct host_cost {
	const char *program; /* static */
	uint64_t runs;
	uint64_t run_ns;
};

enum host_http_class {
	HOST_HTTP_1XX = 0,
	HOST_HTTP_2XX,
	HOST_HTTP_3XX,
	HOST_HTTP_4XX,
	HOST_HTTP_5XX,
	HOST_NR_HTTP_CLASSES
};

/* The HTTP server's own figures. */
struct host_http {
	uint64_t requests[HOST_NR_HTTP_CLASSES]; /* answered, by class of status */
	uint64_t connections;                    /* accepted so far */
	uint64_t connections_open;               /* now */
	size_t nr_refused;
	struct host_counter *refused; /* connections and requests turned away, by reason */
	uint64_t profiles_served;     /* /debug/pprof/profile and its like, finished */
	uint64_t profiles_refused;    /* for lack of room: too many at once */
	uint64_t profiles_running;    /* now */
};

struct host_stats {
	int refs;      /* host_stats__get(), host_stats__put() */
	void *strings; /* host_stats__copy_str() */

	const char *version;  /* of ukprof; static, never NULL */
	const char *revision; /* static, or NULL */
	const char *libbpf;   /* version of libbpf in use; static, or NULL */
	const char *host;     /* host's kernel release; copied, or NULL */
	const char *level;    /* what is collected: "sampling", "exits", …; static, never NULL */
	uint64_t start_wall_ns; /* when ukprof began to collect, CLOCK_REALTIME */
	uint64_t wall_ns;       /* of this snapshot, CLOCK_REALTIME */
	uint64_t mono_ns;       /* of this snapshot, CLOCK_MONOTONIC: its age is now minus this */
	uint64_t period_ns;     /* nominal distance of samples on a vCPU; 0: not a time */
	uint64_t nr_snapshots;  /* made so far, this one included */
	uint64_t collect_ns;    /* what making this one took */

	uint64_t nr_vms_seen;   /* VMs ever found */
	uint64_t nr_vms_gone;   /* of those, ended */
	uint64_t nr_vms_missed; /* found and not taken up: no room, no permission, gone too soon */

	size_t nr_stops;
	struct host_label *stops; /* why the walk of a stack ended; "root" is the complete one */
	size_t nr_methods;
	struct host_label *methods; /* how callers were found; may be empty */
	size_t nr_drops;
	struct host_counter *drops; /* lost, by stage; each event in one of them */
	size_t nr_counters;
	struct host_counter *counters; /* other figures of the account */
	size_t nr_costs;
	struct host_cost *costs; /* in a constant order */
	struct host_http http;
	struct self_usage self;

	size_t nr_vms;
	struct host_vm *vms; /* in the order in which they were first seen */
};

/**
 * host_stats__new() - an empty one with one reference, which the caller owns; all members are 0.
 *
 * Set version and level and fill in the arrays; a count and its array are set together, so that
 * host_stats__put() copes with a half-built one.
 *
 * Return: 0 or -ENOMEM.
 */
int host_stats__new(struct host_stats **out);

/**
 * host_stats__copy_str() - keep a copy of a string for as long as the snapshot lives.
 * @dst: receives it; NULL for NULL. Untouched on error.
 *
 * Return: 0 or -ENOMEM.
 */
int host_stats__copy_str(struct host_stats *hs, const char **dst, const char *src);

/** host_stats__get() - one more reference. Return: @hs. */
struct host_stats *host_stats__get(struct host_stats *hs);

/** host_stats__put() - one less; the last releases all arrays, strings and the struct. Accepts NULL. */
void host_stats__put(struct host_stats *hs);

/** host_vcpu_state__label() - "guest", "exit", "vmm", "halted", "waiting". */
const char *host_vcpu_state__label(enum host_vcpu_state state);

/** host_image_state__label() - "none", "unverified", "verified", "wrong". */
const char *host_image_state__label(enum host_image_state state);

#endif /* SNAPSHOT_HOST_STATS_H */
