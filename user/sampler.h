/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_SAMPLER_H
#define USER_SAMPLER_H

/*
 * sampler - perf events on vCPU threads, one per thread, each running the BPF sampling program.
 *
 * The event belongs to the thread and not to a processor: it counts while the thread runs, follows it
 * when it moves, and so survives processors that go offline.
 *
 * Threads: the collector thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "loader.h"

struct opener;

enum sampler_event {
	SAMPLER_CPU_CLOCK = 0, /* hrtimer: works everywhere */
	SAMPLER_CYCLES,	       /* PMU; needs one */
};

struct sampler;

struct sampler_opts {
	enum sampler_event event;
	uint32_t freq_hz;
	struct opener *opener; /* who opens what this process may not; borrowed. NULL: nobody */
};

/** sampler__probe() - can the event be opened at all, on this thread? Return: as sampler__start(). */
int sampler__probe(const struct sampler_opts *opts);

/** sampler__new() - Return: 0 or -ENOMEM. @l is borrowed. */
int sampler__new(struct sampler **out, struct loader *l, const struct sampler_opts *opts);
void sampler__free(struct sampler *s); /* accepts NULL */

struct sampler_thread;

/**
 * sampler__start() - sample a vCPU thread.
 * @out: receives what sampler__stop() takes.
 *
 * Return: 0; -ESRCH if the thread is gone; -EPERM or -EACCES without the right; -ENOENT or -EOPNOTSUPP if
 * the event does not exist here; -EMFILE if descriptors ran out. Reported by sampler__explain().
 */
int sampler__start(struct sampler *s, uint32_t tid, struct sampler_thread **out);
void sampler__stop(struct sampler_thread *t); /* accepts NULL */

/** sampler__explain() - say on stderr why sampler__start() or sampler__probe() failed, and what to do. */
void sampler__explain(const struct sampler_opts *opts, int err);

/** sampler__event_name() - as perf calls it. */
const char *sampler__event_name(enum sampler_event event);
/** sampler__period_ns() - distance of samples; 0 for events that do not count time. */
uint64_t sampler__period_ns(const struct sampler_opts *opts);

#endif /* USER_SAMPLER_H */
