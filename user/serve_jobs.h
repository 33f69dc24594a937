/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_SERVE_JOBS_H
#define USER_SERVE_JOBS_H

/*
 * serve_jobs - requests that take time: profiles of the next N seconds, and what needs the profile as it is now.
 *
 * A request is put in on the thread of the link, taken up by the collector thread, which marks the profile and freezes the
 * difference when its time is over, and written and answered by a third thread, for that may take longer than
 * the ring buffer lasts. Any number of clients costs one sampler.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link_request;
struct naming;
struct recording;
struct serve_jobs;
struct session;

#define SERVE_DEFAULT_PROFILES 64 /* that are taken at once, by default; an engine asks for one of each VM */

/**
 * serve_jobs__new() - starts a thread.
 * @wake_fd: the collector's eventfd; borrowed.
 * @max_profiles: that are taken at once; each costs 16 bytes per stack that is known.
 *
 * Return: 0 or a negative errno.
 */
int serve_jobs__new(struct serve_jobs **out, int wake_fd, size_t max_profiles);

/**
 * serve_jobs__stop() - answer what is under way 503 and end the thread. Threads: the collector's, after the HTTP
 * server was stopped.
 */
void serve_jobs__stop(struct serve_jobs *j, struct recording *rec);
void serve_jobs__free(struct serve_jobs *j); /* accepts NULL; after serve_jobs__stop() */

/**
 * serve_jobs__add() - take a request over: SERVE_ASK_FLAME, _EXITS or _PROFILE; it is answered later, or 503 at once.
 * Threads: the link's.
 * @req: taken.
 */
void serve_jobs__add(struct serve_jobs *j, struct link_request *req);

/**
 * serve_jobs__run() - start what is new, finish what is due. Threads: the collector's; several times a second.
 * @find_vm: the VM that a label names: its id and place in the recording; false if there is none.
 */
void serve_jobs__run(struct serve_jobs *j, struct session *session, struct recording *rec, struct naming *naming,
		     bool (*find_vm)(void *ctx, const char *label, uint32_t *id, size_t *place), void *ctx);

/** serve_jobs__wants_exit_stacks() - somebody is asking for the stacks of exits, or did a moment ago. Collector thread. */
bool serve_jobs__wants_exit_stacks(const struct serve_jobs *j);

/** serve_jobs__is_busy() - a profile is being taken, so no VM should be forgotten. Collector thread. */
bool serve_jobs__is_busy(const struct serve_jobs *j);

struct serve_job_counts {
	uint64_t served;
	uint64_t refused; /* too many at once */
	uint64_t running;
};

/** serve_jobs__counts() - of profiles. Threads: any. */
void serve_jobs__counts(struct serve_jobs *j, struct serve_job_counts *out);

#endif /* USER_SERVE_JOBS_H */
