/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_SESSION_H
#define USER_SESSION_H

/*
 * session - one live recording from start to end: load, find, sample, collect, stop.
 *
 * The order of shutdown is written down in session__stop() and nowhere else.
 *
 * Threads: the calling thread is the collector thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "level.h"
#include "recording.h"
#include "sampler.h"

struct exits;
struct loader;
struct readers;
struct vm_registry;
struct session;
struct unwinding_image;

struct session_opts {
	pid_t pid;	     /* this process; 0: see vm_name and all */
	const char *vm_name; /* the VM of this name, or NULL */
	bool host_stacks;    /* samples that hit the host bring its stacks */
	bool all;	     /* every VM, also those that start later */
	struct sampler_opts sampler;
	enum level level;     /* to begin with */
	enum level max_level; /* from LEVEL_EXITS on the programs for exits are loaded, and session__exits() is there */
	uint32_t exit_stack_hz; /* LEVEL_FULL: stacks of exits wanted per vCPU and second */
	uint32_t exit_every;	/* or pick 1 in so many by count, rounded up to a power of two; 0: by exit_stack_hz */
	const char *debug_dir; /* where debug files are, see debug_file.h; NULL: the usual folder */
	struct readers *readers; /* read the images for their unwind tables; borrowed. NULL: there are no tables */
	uint64_t ring_bytes;
	uint32_t max_vms;     /* at once, 0: 1024; more are left out, and counted by session__nr_missed() */
	uint64_t duration_ns; /* 0: until a signal */
	bool forever; /* with all: VMs come and go; ended ones are the caller's to give up: session__release_vm() */
	int wake_fd;  /* an eventfd: session_ops.wake() is called soon after it was written; 0: none */
};

/* What the caller wants to know or do while it runs, several times a second. */
struct session_ops {
	/* Return: 0; anything else ends the recording with that error. */
	int (*tick)(void *ctx, uint64_t elapsed_ns);
	/*
	 * Distance of virtual and physical addresses that a VM's image is linked for, see
	 * vm_registry__set_linear(); false if there is none. May be NULL.
	 */
	bool (*linear_offset)(void *ctx, const char *image, uint64_t *offset);
	/*
	 * The files whose unwind tables the VM's stacks can go by, see naming__tables(); asked again and again. May
	 * be NULL: frame pointers are all there is.
	 */
	size_t (*tables)(void *ctx, uint32_t id, const char *image, struct unwinding_image *out);
	/* A VM is looked at from now on: @id is its in the recording, @fd the VMM's descriptor of it. May be NULL. */
	void (*vm_new)(void *ctx, uint32_t id, pid_t pid, int fd);
	/* It has ended; what was seen of it is still there. May be NULL. */
	void (*vm_gone)(void *ctx, uint32_t id);
	/* See session_opts.wake_fd. */
	void (*wake)(void *ctx);
};

enum session_status {
	SESSION_OK = 0,
	SESSION_FAILED,	   /* reported */
	SESSION_NO_VM,	   /* reported: no such process or VM, or none on this host */
	SESSION_NO_RIGHTS, /* reported: privilege or kernel feature missing */
	SESSION_CUT,	   /* not reported: the capture file took no more, see recording__capture_err() */
};

/**
 * session__new() - load the programs and find the VM; nothing is sampled yet.
 * @rec: borrowed for the session's life; session__run() fills it.
 */
enum session_status session__new(struct session **out, const struct session_opts *opts, struct recording *rec);

/**
 * session__run() - sample until the time is over, a signal comes, or the last VM is gone.
 *
 * SIGINT, SIGTERM and SIGHUP end it in good order; when it returns they have their former effect, so a
 * further one ends the program at once. (Those that came while it was stopping count as the same: some
 * supervisors send a signal to the process and then to its group.) The recording has been ended and its counters add up.
 */
enum session_status session__run(struct session *s, const struct session_ops *ops, void *ctx);

void session__free(struct session *s); /* accepts NULL */

/**
 * session__run_stats() - runs of the sampling program and their time as the kernel counted them, if
 * kernel.bpf_stats_enabled is set, else 0. An account that is independent of ours.
 */
void session__run_stats(const struct session *s, uint64_t *runs, uint64_t *ns);

/** session__exits() - what session__run() counted; borrowed. NULL if session_opts.max_level has none. */
struct exits *session__exits(struct session *s);

/** session__levels() - the levels that were used and what they cost; borrowed. */
const struct level_account *session__levels(const struct session *s);

/**
 * session__set_level() - look more or less closely from now on; up to session_opts.max_level, while
 * session__run() runs. SIGUSR1 and SIGUSR2 do the same, a step up and a step down, where max_level has exits.
 *
 * Return: 0 or a negative errno, which is also said on stderr; then nothing is attached that was not before.
 */
int session__set_level(struct session *s, enum level level);

/** session__release_vms() - forget VMs that have ended: @ids may be given to others from now on. */
void session__release_vms(struct session *s, const uint32_t *ids, size_t nr);

/** session__nr_missed() - VMs that the kernel says were created since the start, and that were never seen. */
uint64_t session__nr_missed(const struct session *s);

/** session__level() - at which it looks now. */
enum level session__level(const struct session *s);

/** session__loader(), session__registry() - borrowed; for who shows their state. */
struct loader *session__loader(const struct session *s);
struct vm_registry *session__registry(const struct session *s);

/** session__describe() - "web (qemu-system-x86_64, PID 4242, 2 vCPUs)"; borrowed. */
const char *session__describe(struct session *s);

#endif /* USER_SESSION_H */
