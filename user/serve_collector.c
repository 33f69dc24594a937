/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "serve_collector.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"
#include "cmd_target.h"
#include "host_stats.h"
#include "log.h"
#include "naming.h"
#include "readers.h"
#include "recording.h"
#include "rights.h"
#include "serve_front.h"
#include "serve_jobs.h"
#include "serve_link.h"
#include "serve_pages.h"
#include "serve_stats.h"
#include "service.h"
#include "vm_registry.h"

#define PUBLISH_NS 1000000000ULL
#define AGE_NS	   300000000000ULL

struct serve {
	struct recording *rec;
	struct readers *readers;
	struct naming *naming;
	struct session *session;
	struct serve_stats *stats;
	struct serve_jobs *jobs;
	struct serve_pages *pages;
	struct serve_link *link;
	struct service *service;
	enum level base_level;
	uint64_t published_ns;
	uint64_t aged_ns;
	size_t nr_told;
	bool is_ready;
};

static bool on_linear_offset(void *ctx, const char *image, uint64_t *offset)
{
	const struct serve *s = ctx;

	return naming__linear_offset(s->naming, image, offset);
}

static size_t on_tables(void *ctx, uint32_t id, const char *image, struct unwinding_image *out)
{
	const struct serve *s = ctx;

	return naming__tables(s->naming, s->rec, id, image, out);
}

static void on_vm_new(void *ctx, uint32_t id, pid_t pid, int fd)
{
	struct serve *s = ctx;

	(void)pid;
	(void)fd;
	if (serve_stats__vm_new(s->stats, id))
		log_err("serve: out of memory");
}

static void on_vm_gone(void *ctx, uint32_t id)
{
	struct serve *s = ctx;

	serve_stats__vm_gone(s->stats, id, clock__mono_ns());
}

static bool find_vm(void *ctx, const char *label, uint32_t *id, size_t *place)
{
	struct serve *s = ctx;
	uint32_t serial;

	return serve_pages__find_vm(s->pages, label, &serial) >= 0 &&
	       serve_stats__find(s->stats, serial, id, place);
}

static void run_jobs(struct serve *s)
{
	bool full;

	serve_jobs__run(s->jobs, s->session, s->rec, s->naming, find_vm, s);
	if (!session__exits(s->session))
		return;
	/* Stacks of exits cost: they are taken while somebody wants them. */
	full = s->base_level == LEVEL_FULL || serve_jobs__wants_exit_stacks(s->jobs);
	if (full != (session__level(s->session) == LEVEL_FULL))
		session__set_level(s->session, full ? LEVEL_FULL : s->base_level);
}

static void on_wake(void *ctx)
{
	run_jobs(ctx);
}

static int publish(struct serve *s)
{
	struct host_stats *hs;
	int err;

	readers__tidy(s->readers);
	err = naming__update(s->naming, s->rec);
	if (!err)
		err = serve_stats__publish(s->stats, s->session, &hs);
	if (err)
		return err;
	serve_pages__publish(s->pages, hs);
	if (!s->is_ready) {
		s->is_ready = true;
		log_info("serve: ready");
		service__notify(s->service, "READY=1");
	}
	return 0;
}

/* VMs that ended a while ago. Not while somebody takes a profile that they are part of. */
static void forget_vms(struct serve *s, uint64_t now)
{
	uint32_t ids[256];
	size_t nr, i;

	nr = serve_stats__due(s->stats, now, ids, sizeof(ids) / sizeof(ids[0]));
	if (!nr || (serve_jobs__is_busy(s->jobs) && nr < sizeof(ids) / sizeof(ids[0])))
		return;
	for (i = 0; i < nr; i++)
		naming__forget(s->naming, recording__place(s->rec, ids[i]));
	serve_stats__forget(s->stats, ids, nr);
	session__release_vms(s->session, ids, nr);
}

/* How many VMs there are, for 'systemctl status'; when that has changed. */
static void tell_service(struct serve *s, uint64_t now)
{
	size_t nr = vm_registry__nr_alive(session__registry(s->session));
	char text[64];

	service__alive(s->service, now);
	if (nr == s->nr_told)
		return;
	s->nr_told = nr;
	snprintf(text, sizeof(text), "STATUS=%zu VM%s", nr, nr == 1 ? "" : "s");
	service__notify(s->service, text);
}

static int on_tick(void *ctx, uint64_t elapsed_ns)
{
	struct serve *s = ctx;
	uint64_t now = clock__mono_ns();
	int err = serve_link__error(s->link);

	(void)elapsed_ns;
	if (err)
		return err;
	run_jobs(s);
	if (now - s->published_ns >= PUBLISH_NS) {
		err = publish(s);
		s->published_ns = now;
		forget_vms(s, now);
		tell_service(s, now);
	}
	if (now - s->aged_ns >= AGE_NS) {
		recording__age(s->rec);
		s->aged_ns = now;
	}
	return err;
}

/* --- life --- */

static int open_all(struct serve *s, struct serve_collector_opts *o, int sock)
{
	int err;

	s->service = service__open();
	o->session.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (o->session.wake_fd < 0) {
		err = -errno;
		close(sock);
		return err;
	}
	err = serve_link__new(&s->link, sock, o->session.wake_fd);
	if (!err)
		err = naming__new(&s->naming, &o->images);
	if (!err)
		err = recording__new(&s->rec);
	if (!err)
		err = serve_stats__new(&s->stats, s->rec, s->naming, o->max_functions, o->max_libraries,
				       o->kvm_stats);
	return err;
}

/* Threads come after the rights went, so that they have none too many; signals are for the collector's alone. */
static int open_line(struct serve *s, const struct serve_collector_opts *o)
{
	sigset_t all, old;
	int err;

	err = rights__keep_collector();
	if (err) {
		log_err("serve: rights can't be given up: %s", strerror(-err));
		return err;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = serve_jobs__new(&s->jobs, o->session.wake_fd, o->max_profiles);
	if (!err)
		err = serve_pages__new(&s->pages, s->jobs, o->without_exporter);
	if (!err)
		err = serve_link__start(s->link, serve_pages__answer, s->pages);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		log_err("serve: the HTTP process can't be reached: %s", strerror(-err));
	return err;
}

static void close_all(struct serve *s, struct serve_collector_opts *o)
{
	if (s->jobs)
		serve_jobs__stop(s->jobs, s->rec);
	serve_link__free(s->link);
	serve_pages__free(s->pages);
	serve_jobs__free(s->jobs);
	session__free(s->session);
	serve_stats__free(s->stats);
	recording__free(s->rec);
	naming__free(s->naming);
	service__close(s->service);
	if (o->session.wake_fd >= 0)
		close(o->session.wake_fd);
}

static void explain_end(int err, int status)
{
	if (err == -EBADMSG)
		log_err("serve: the HTTP process sent what it may not");
	else if (err == -EAGAIN)
		log_err("serve: the HTTP process does not read its answers");
	else if (err && WIFSIGNALED(status))
		log_err("serve: the HTTP process was ended by signal %d: %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (err)
		log_err("serve: the HTTP process has ended, status %d", WEXITSTATUS(status));
}

int serve_collector__run(struct serve_collector_opts *o, pid_t front, int sock)
{
	struct session_ops ops = {
		.tick = on_tick,
		.linear_offset = on_linear_offset,
		.tables = on_tables,
		.vm_new = on_vm_new,
		.vm_gone = on_vm_gone,
		.wake = on_wake,
	};
	struct serve s = { .base_level = o->session.level, .nr_told = SIZE_MAX, .readers = o->images.readers };
	enum session_status status;
	int ret = CLI_FAILED, err, broken = 0;

	err = open_all(&s, o, sock);
	if (err) {
		log_err("serve: %s", strerror(-err));
		goto out;
	}
	/* The front has said what is wrong. */
	if (serve_link__wait_hello(s.link))
		goto out;
	status = session__new(&s.session, &o->session, s.rec);
	if (!status && open_line(&s, o))
		goto out;
	if (!status)
		status = session__run(s.session, &ops, &s);
	broken = s.is_ready || !status ? serve_link__error(s.link) : 0;
	ret = cmd_target__exit_status(broken ? SESSION_FAILED : status);
	service__notify(s.service, "STOPPING=1");
out:
	close_all(&s, o);
	/* An attacker in it could ignore our leaving. */
	if (broken == -EBADMSG)
		kill(front, SIGKILL);
	explain_end(broken, serve_front__wait(front));
	return ret;
}
