/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "serve_jobs.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "exit_stats.h"
#include "exits.h"
#include "exporter.h"
#include "flame_json.h"
#include "flame_tree.h"
#include "naming.h"
#include "profile.h"
#include "recording.h"
#include "rights.h"
#include "serve_link.h"
#include "session.h"
#include "sink.h"
#include "stat_format.h"

#define MAX_OTHERS    64	   /* jobs in all queues together that are no profiles */
#define EXITS_LINGER  10000000000ULL /* the live page asks again and again */

struct job {
	struct job *next;
	struct link_request *req;
	enum serve_ask ask;
	enum snap_measure measure; /* unless it is about the table of exits */
	bool by_library;
	uint32_t seconds;	   /* from now on; 0: from the start until now, answered at once */
	const char *label;	   /* of the only VM, or NULL for all; the request's */
	/* collector thread */
	struct profile_mark *mark;
	struct recording_counts counts; /* with @mark */
	uint64_t start_wall_ns;
	uint64_t start_ns;
	uint64_t end_ns;
	uint32_t vm;	   /* id in the recording */
	size_t vm_place;
	bool has_vm;
	/* result: one of them */
	unsigned int status; /* not 0: it failed, and @text is why */
	const char *text;
	struct snapshot *snap;
	struct exit_stats *exits;
	uint64_t epoch;
};

struct queue {
	struct job *first, **last;
};

struct serve_jobs {
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_t thread;
	int wake_fd;
	bool stopping;
	size_t nr; /* in all queues */
	size_t nr_profiles;
	size_t max_profiles;
	struct queue fresh;   /* the link's thread to the collector */
	struct queue frozen;  /* collector to the writer */
	struct job *taking;   /* collector's own: being taken */
	uint64_t exits_until_ns; /* collector's own */
	struct serve_job_counts counts;
};

static void put(struct queue *q, struct job *job)
{
	job->next = NULL;
	*q->last = job;
	q->last = &job->next;
}

static struct job *take_all(struct queue *q)
{
	struct job *first = q->first;

	q->first = NULL;
	q->last = &q->first;
	return first;
}

static void free_job(struct job *job)
{
	snapshot__put(job->snap);
	exit_stats__free(job->exits);
	free(job);
}

static bool is_profile(const struct job *job)
{
	return job->ask == SERVE_ASK_PROFILE;
}

/* Not waiting any more. Before the answer is sent: who has it may ask for the next at once. */
static void uncount(struct serve_jobs *j, const struct job *job)
{
	pthread_mutex_lock(&j->lock);
	j->nr--;
	j->nr_profiles -= is_profile(job);
	j->counts.running = j->nr_profiles;
	pthread_mutex_unlock(&j->lock);
}

/* Sends, so not on the collector's thread while it collects. Takes @job. */
static void fail(struct serve_jobs *j, struct job *job, unsigned int status, const char *text)
{
	uncount(j, job);
	link_request__reply_text(job->req, status, text);
	free_job(job);
}

/* --- the writer --- */

static int write_flame(const struct job *job, struct sink *sink)
{
	struct flame_tree *tree;
	int err;

	err = flame_tree__new(&tree, job->snap, 0);
	if (err)
		return err;
	sink__printf(sink, "{\"epoch\":%" PRIu64 ",\"wall_ns\":\"%" PRIu64 "\",\"mono_ns\":\"%" PRIu64 "\",\"flame\":",
		     job->epoch, clock__wall_ns(), job->end_ns);
	flame_json__write(tree, flame__unit(job->snap), sink);
	sink__puts(sink, "}\n");
	flame_tree__free(tree);
	return sink__error(sink);
}

static int write_result(const struct job *job, struct sink *sink)
{
	struct stat_opts stat = { .top = 200 };

	switch (job->ask) {
	case SERVE_ASK_PROFILE:
		return exporter_pprof.write(job->snap, &(struct export_opts){ 0 }, sink);
	case SERVE_ASK_FLAME:
		return write_flame(job, sink);
	case SERVE_ASK_EXITS:
		return stat_format__by_name("json")->write(job->exits, &stat, sink);
	default:
		return -EINVAL;
	}
}

static void write_job(struct serve_jobs *j, struct job *job)
{
	struct sink *sink = NULL;
	int err;

	if (link_request__is_gone(job->req)) {
		fail(j, job, 503, "the client has gone\n");
		return;
	}
	if (job->status) {
		fail(j, job, job->status, job->text);
		return;
	}
	err = sink__memory(&sink);
	if (!err)
		err = write_result(job, sink);
	if (err) {
		sink__close(sink);
		fail(j, job, 500, "out of memory\n");
		return;
	}
	uncount(j, job);
	if (link_request__reply(job->req, sink) && is_profile(job)) {
		pthread_mutex_lock(&j->lock);
		j->counts.served++;
		pthread_mutex_unlock(&j->lock);
	}
	free_job(job);
}

static void *writer(void *ctx)
{
	struct serve_jobs *j = ctx;
	struct job *job;

	rights__drop_thread();
	pthread_mutex_lock(&j->lock);
	for (;;) {
		job = j->frozen.first;
		if (!job && j->stopping)
			break;
		if (!job) {
			pthread_cond_wait(&j->work, &j->lock);
			continue;
		}
		j->frozen.first = job->next;
		if (!job->next)
			j->frozen.last = &j->frozen.first;
		pthread_mutex_unlock(&j->lock);
		write_job(j, job);
		pthread_mutex_lock(&j->lock);
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

int serve_jobs__new(struct serve_jobs **out, int wake_fd, size_t max_profiles)
{
	struct serve_jobs *j;
	sigset_t all, old;
	int err;

	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	j->wake_fd = wake_fd;
	j->max_profiles = max_profiles;
	j->fresh.last = &j->fresh.first;
	j->frozen.last = &j->frozen.first;
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->work, NULL);
	/* Signals belong to the main thread: here one would end the program at once. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&j->thread, NULL, writer, j);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err) {
		free(j);
		return -err;
	}
	*out = j;
	return 0;
}

/* --- the link's thread --- */

static void wake(const struct serve_jobs *j)
{
	uint64_t one = 1;

	if (write(j->wake_fd, &one, sizeof(one)) < 0)
		return; /* full: it is awake */
}

void serve_jobs__add(struct serve_jobs *j, struct link_request *req)
{
	const struct serve_request *ask = link_request__ask(req);
	bool profile = ask->ask == SERVE_ASK_PROFILE, full;
	struct job *job = calloc(1, sizeof(*job));

	if (!job) {
		link_request__reply_text(req, 503, "out of memory\n");
		return;
	}
	job->req = req;
	job->ask = ask->ask;
	job->measure = ask->measure;
	job->by_library = ask->by_library;
	job->seconds = ask->seconds;
	job->label = link_request__text(req);
	pthread_mutex_lock(&j->lock);
	full = j->stopping || (profile ? j->nr_profiles == j->max_profiles : j->nr - j->nr_profiles == MAX_OTHERS);
	if (full) {
		j->counts.refused += profile;
	} else {
		j->nr++;
		j->nr_profiles += profile;
		j->counts.running = j->nr_profiles;
		put(&j->fresh, job);
	}
	pthread_mutex_unlock(&j->lock);
	if (full) {
		link_request__reply_text(req, 503, "too many profiles are being taken: try again later\n");
		free(job);
		return;
	}
	wake(j);
}

/* --- the collector --- */

static bool is_exits(const struct job *job)
{
	return job->ask != SERVE_ASK_EXITS && job->measure != SNAP_MEASURE_SAMPLES;
}

static struct profile *profile_of(const struct job *job, struct recording *rec)
{
	return is_exits(job) ? recording__exit_profile(rec) : recording__profile(rec);
}

static void hand_over(struct serve_jobs *j, struct job *job)
{
	pthread_mutex_lock(&j->lock);
	put(&j->frozen, job);
	pthread_cond_signal(&j->work);
	pthread_mutex_unlock(&j->lock);
}

/* The writer says so: a front that does not read may not keep the collector waiting. */
static void fail_later(struct serve_jobs *j, struct job *job, unsigned int status, const char *text)
{
	job->status = status;
	job->text = text;
	hand_over(j, job);
}

static void freeze(struct serve_jobs *j, struct job *job, struct session *session, struct recording *rec,
		   struct naming *naming)
{
	struct naming_what what = {
		.measure = job->measure,
		.by_library = job->by_library,
		.live = true,
		.vm = job->has_vm ? &job->vm : NULL,
		.since = job->mark,
		.counts_since = job->mark ? &job->counts : NULL,
		.start_wall_ns = job->start_wall_ns,
		.duration_ns = job->end_ns - job->start_ns,
	};
	int err;

	if (job->ask == SERVE_ASK_EXITS)
		err = exits__stats(session__exits(session), rec, naming, session__levels(session), what.vm, &job->exits);
	else
		err = naming__snapshot(naming, rec, &what, &job->snap);
	profile__unmark(profile_of(job, rec), job->mark);
	job->mark = NULL;
	job->epoch = recording__epoch(rec, job->has_vm ? (int64_t)job->vm_place : -1);
	if (err)
		fail_later(j, job, 500, "out of memory\n");
	else
		hand_over(j, job);
}

void serve_jobs__run(struct serve_jobs *j, struct session *session, struct recording *rec, struct naming *naming,
		     bool (*find_vm)(void *ctx, const char *label, uint32_t *id, size_t *place), void *ctx)
{
	uint64_t now = clock__mono_ns();
	struct job *job, *next, **at;

	pthread_mutex_lock(&j->lock);
	job = take_all(&j->fresh);
	pthread_mutex_unlock(&j->lock);
	for (; job; job = next) {
		next = job->next;
		job->has_vm = job->label;
		job->start_ns = now;
		job->end_ns = now + job->seconds * 1000000000ULL;
		job->start_wall_ns = clock__wall_ns();
		if (is_exits(job) && job->end_ns + EXITS_LINGER > j->exits_until_ns)
			j->exits_until_ns = job->end_ns + EXITS_LINGER;
		if (job->has_vm && !find_vm(ctx, job->label, &job->vm, &job->vm_place)) {
			fail_later(j, job, 404, "no VM is called so: see /api/v1/vms\n");
		} else if (!session__exits(session) && (is_exits(job) || job->ask == SERVE_ASK_EXITS)) {
			fail_later(j, job, 404, "VM exits are not looked at: start ukprof serve with --level exits\n");
		} else if (!job->seconds) {
			freeze(j, job, session, rec, naming);
		} else if (profile__mark(profile_of(job, rec), &job->mark)) {
			fail_later(j, job, 500, "out of memory\n");
		} else {
			recording__counts(rec, &job->counts);
			job->next = j->taking;
			j->taking = job;
		}
	}
	for (at = &j->taking; (job = *at);) {
		if (!link_request__is_gone(job->req) && job->end_ns > now) {
			at = &job->next;
			continue;
		}
		*at = job->next;
		job->end_ns = now;
		freeze(j, job, session, rec, naming);
	}
}

bool serve_jobs__wants_exit_stacks(const struct serve_jobs *j)
{
	return j->exits_until_ns > clock__mono_ns();
}

bool serve_jobs__is_busy(const struct serve_jobs *j)
{
	return j->taking;
}

void serve_jobs__counts(struct serve_jobs *j, struct serve_job_counts *out)
{
	pthread_mutex_lock(&j->lock);
	*out = j->counts;
	pthread_mutex_unlock(&j->lock);
}

static void fail_all(struct serve_jobs *j, struct job *job, struct recording *rec)
{
	struct job *next;

	for (; job; job = next) {
		next = job->next;
		if (job->mark)
			profile__unmark(profile_of(job, rec), job->mark);
		job->mark = NULL;
		fail(j, job, 503, "ukprof is stopping\n");
	}
}

void serve_jobs__stop(struct serve_jobs *j, struct recording *rec)
{
	struct job *fresh;

	pthread_mutex_lock(&j->lock);
	j->stopping = true;
	fresh = take_all(&j->fresh);
	pthread_cond_signal(&j->work);
	pthread_mutex_unlock(&j->lock);
	pthread_join(j->thread, NULL);
	fail_all(j, fresh, rec);
	fail_all(j, j->taking, rec);
	j->taking = NULL;
}

void serve_jobs__free(struct serve_jobs *j)
{
	if (!j)
		return;
	pthread_cond_destroy(&j->work);
	pthread_mutex_destroy(&j->lock);
	free(j);
}
