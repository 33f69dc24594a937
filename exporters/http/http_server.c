/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

#define MAX_EVENTS	64
#define MAX_ACCEPTS	64  /* from one listener in one turn of the loop */
#define TICK_MS		100 /* how late a limit may strike */
#define LINGER_MS	500 /* to let a client read why it was refused */
#define STOP_MS		1000
#define CONFIG_CHECK_MS 1000
#define CONFIG_RETRY_MS 10000

static const struct {
	const char *label, *help;
} refusals[] = {
#define X(name, label, help) { label, help },
	HTTP_REFUSALS(X)
#undef X
};

const char *http_refusal__label(enum http_refusal why)
{
	return refusals[why].label;
}

const char *http_refusal__help(enum http_refusal why)
{
	return refusals[why].help;
}

void http_server__counters(const struct http_server *srv, struct http_counters *out)
{
	const struct counters *c = &srv->counters;
	size_t i;

	for (i = 0; i < 6; i++)
		out->requests[i] = atomic_load_explicit(&c->requests[i], memory_order_relaxed);
	for (i = 0; i < HTTP_NR_REFUSALS; i++)
		out->refused[i] = atomic_load_explicit(&c->refused[i], memory_order_relaxed);
	out->aborted = atomic_load_explicit(&c->aborted, memory_order_relaxed);
	out->nr_accepted = atomic_load_explicit(&c->nr_accepted, memory_order_relaxed);
	out->nr_conns = atomic_load_explicit(&c->nr_conns, memory_order_relaxed);
	out->nr_requests = atomic_load_explicit(&c->nr_requests, memory_order_relaxed);
}

void http_server__count_refusal(struct http_server *srv, enum http_refusal why)
{
	atomic_fetch_add_explicit(&srv->counters.refused[why], 1, memory_order_relaxed);
}

void http_server__count_status(struct http_server *srv, unsigned int status)
{
	atomic_fetch_add_explicit(&srv->counters.requests[status / 100 % 6], 1, memory_order_relaxed);
}

void http_server__wake(void *ctx)
{
	struct http_server *srv = ctx;
	uint64_t one = 1;

	/* Full means that it has been woken already. */
	if (write(srv->wake_fd, &one, sizeof(one)) < 0)
		return;
}

void http_server__unref(struct http_server *srv)
{
	if (atomic_fetch_sub(&srv->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&srv->lock);
	close(srv->wake_fd);
	free(srv);
}

int http_server__watch(struct http_server *srv, int fd, uint32_t events, struct source *source)
{
	struct epoll_event ev = { .events = events, .data.ptr = source };

	return epoll_ctl(srv->epoll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

/* --- accepting --- */

/* Make a place: of those that wait, the oldest of the address that has most. */
static bool evict(struct http_server *srv)
{
	struct conn *victim = NULL;

	for (struct conn *c = srv->conns; c; c = c->next) {
		if (c->is_dead || c->state == CONN_REQUEST)
			continue;
		if (c->state == CONN_LINGER) {
			http_conn__close(c);
			return true;
		}
		if (!victim || c->use->nr_waiting > victim->use->nr_waiting)
			victim = c;
	}
	if (!victim)
		return false;
	/* Its header may have come a moment ago. */
	http_conn__on_event(victim, 0);
	if (!victim->is_dead && http_conn__is_waiting(victim))
		http_conn__drop(victim, HTTP_REFUSED_EVICTED);
	return true;
}

static void check_config(struct http_server *srv)
{
	struct web_config *cfg;

	if (!srv->cfg || srv->now_ms < srv->config_check_ms)
		return;
	srv->config_check_ms = srv->now_ms + CONFIG_CHECK_MS;
	if (!web_config__is_stale(srv->cfg))
		return;
	if (web_config__load(&cfg, srv->config_path)) {
		log_warn("http: %s: the changed configuration is not used: the old one stays", srv->config_path);
		srv->config_check_ms = srv->now_ms + CONFIG_RETRY_MS;
		return;
	}
	log_info("http: %s: read again", srv->config_path);
	web_config__free(srv->cfg);
	srv->cfg = cfg;
}

static void watch_listeners(struct http_server *srv, bool is_on)
{
	srv->is_accepting = is_on;
	for (size_t i = 0; i < srv->nr_listeners; i++) {
		struct epoll_event ev = { .events = is_on ? EPOLLIN : 0, .data.ptr = &srv->listener_sources[i] };

		epoll_ctl(srv->epoll_fd, EPOLL_CTL_MOD, srv->listeners[i].fd, &ev);
	}
}

static void accept_some(struct http_server *srv, struct http_listener *listener)
{
	check_config(srv);
	for (int i = 0; i < MAX_ACCEPTS; i++) {
		struct sockaddr_storage addr = { 0 };
		socklen_t len = sizeof(addr);
		int fd = accept4(listener->fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
			http_server__count_refusal(srv, HTTP_REFUSED_FULL);
			if (evict(srv))
				continue;
			/* The client stays in the queue, and would wake us again and again. */
			watch_listeners(srv, false);
			srv->accept_again_ms = srv->now_ms + TICK_MS;
			return;
		}
		if (fd < 0 && (errno == EAGAIN || errno == EINVAL || errno == EBADF))
			return;
		if (fd < 0)
			continue; /* that one has gone */
		if (srv->counters.nr_conns >= srv->limits.max_conns && !evict(srv)) {
			http_server__count_refusal(srv, HTTP_REFUSED_FULL);
			close(fd);
			continue;
		}
		http_conn__new(srv, listener, fd, &addr);
	}
}

/* --- time --- */

/* More slow ones of this address, this one included, that are not older? */
static bool is_one_too_many(const struct conn *c)
{
	unsigned int nr = 0;

	if (c->use->nr_waiting <= c->srv->limits.max_per_addr || c->listener->is_unix)
		return false;
	for (const struct conn *d = c; d; d = d->next)
		nr += !d->is_dead && http_conn__is_waiting(d) && d->use == c->use && c->srv->now_ms - d->since_ms > SLOW_MS;
	return nr > c->srv->limits.max_per_addr;
}

static void sweep(struct http_server *srv)
{
	const struct http_limits *limits = &srv->limits;
	uint64_t now = srv->now_ms;

	for (struct conn *c = srv->conns; c; c = c->next) {
		uint64_t age = now - c->since_ms, idle = now - c->moved_ms;

		if (c->is_dead)
			continue;
		if (c->state == CONN_LINGER) {
			if (age > LINGER_MS)
				http_conn__close(c);
		} else if (http_conn__is_waiting(c)) {
			if (age > limits->header_ms || idle > limits->header_idle_ms)
				http_conn__drop(c, HTTP_REFUSED_TIMEOUT);
			else if (age > SLOW_MS && is_one_too_many(c))
				http_conn__drop(c, HTTP_REFUSED_EVICTED);
		} else if (c->req && c->req->answered_ms &&
			   (now - c->req->answered_ms > limits->send_ms || (c->tls && idle > limits->send_idle_ms &&
			    now - c->req->answered_ms > limits->send_idle_ms))) {
			/* libmicrohttpd sees to the idle limit of plain ones, and closes this one when it notices. */
			if (c->tls)
				http_conn__close(c);
			else if (c->fd >= 0)
				shutdown(c->fd, SHUT_RDWR);
		}
	}
	if (!srv->is_accepting && !srv->is_stopping && now >= srv->accept_again_ms)
		watch_listeners(srv, true);
}

static void free_dead(struct http_server *srv)
{
	struct conn *c, *next;

	for (c = srv->conns; c; c = next) {
		next = c->next;
		if (!c->is_dead)
			continue;
		http_request__free(c->req);
		http_conn__free(c);
	}
}

/* --- the thread --- */

static void take_replies(struct http_server *srv)
{
	struct http_pending *pending, *next;
	struct http_auth_job *job;
	uint64_t nr;

	if (read(srv->wake_fd, &nr, sizeof(nr)) < 0)
		nr = 0; /* woken for nothing */

	pthread_mutex_lock(&srv->lock);
	pending = srv->replied;
	srv->replied = NULL;
	for (struct http_pending *p = pending; p; p = p->next) {
		if (!p->req)
			continue;
		p->req->pending = NULL;
		p->req->response = p->response;
		p->req->status = p->status;
		if (!p->response)
			p->req->is_gone = true;
		p->response = NULL;
	}
	pthread_mutex_unlock(&srv->lock);
	for (; pending; pending = next) {
		next = pending->next;
		if (pending->req)
			http_request__resume(pending->req);
		http_pending__free(pending);
	}

	while (srv->auth && (job = http_auth__next_done(srv->auth))) {
		struct http_request *req = job->owner;

		if (req) {
			req->job = NULL;
			req->is_authorized = !job->result;
			if (job->result)
				http_request__refuse_password(req, job->result);
			http_request__resume(req);
		}
		http_auth_job__free(job);
	}
}

static void begin_stop(struct http_server *srv)
{
	srv->is_stopping = true;
	watch_listeners(srv, false);
	take_replies(srv); /* what was replied before the end is sent */
	for (struct conn *c = srv->conns; c; c = c->next) {
		struct http_request *req = c->req;

		if (c->is_dead)
			continue;
		if (http_conn__is_waiting(c)) {
			http_conn__close(c);
		} else if (req && req->is_suspended) {
			http_request__detach(req);
			http_request__refuse(req, 503, HTTP_REFUSED_BUSY, "the server is stopping\n");
			http_request__resume(req);
		}
	}
}

static int wait_ms(struct http_server *srv)
{
	MHD_UNSIGNED_LONG_LONG mhd_ms;

	if (srv->mhd_is_due || (MHD_get_timeout(srv->mhd, &mhd_ms) == MHD_YES && !mhd_ms))
		return 0;
	return srv->conns || !srv->is_accepting ? TICK_MS : -1;
}

static void turn(struct http_server *srv)
{
	struct epoll_event events[MAX_EVENTS];
	int i, n = epoll_wait(srv->epoll_fd, events, MAX_EVENTS, wait_ms(srv));

	srv->now_ms = clock__mono_ms();
	for (i = 0; i < n; i++) {
		struct source *source = events[i].data.ptr;

		if (source->kind == SOURCE_WAKE)
			take_replies(srv);
		else if (source->kind == SOURCE_TCP)
			http_conn__on_event(source->of, events[i].events);
		else if (source->kind == SOURCE_PIPE && !((struct conn *)source->of)->is_dead)
			http_conn__pump(source->of);
	}
	/* Last: those who are here already go before those who come. */
	for (i = 0; i < n && !srv->is_stopping; i++) {
		struct source *source = events[i].data.ptr;

		if (source->kind == SOURCE_LISTENER)
			accept_some(srv, source->of);
	}
	srv->mhd_is_due = false;
	MHD_run(srv->mhd);
	free_dead(srv);
}

static void *serve(void *arg)
{
	struct http_server *srv = arg;
	uint64_t swept_ms = 0, stop_ms = 0;

	while (!stop_ms || (srv->conns && srv->now_ms < stop_ms)) {
		turn(srv);
		if (srv->now_ms - swept_ms >= TICK_MS) {
			swept_ms = srv->now_ms;
			sweep(srv);
			free_dead(srv);
		}
		if (!stop_ms && atomic_load(&srv->stop)) {
			begin_stop(srv);
			free_dead(srv);
			stop_ms = srv->now_ms + STOP_MS;
		}
	}
	return NULL;
}

/* --- life --- */

static void set_defaults(struct http_limits *limits)
{
	static const struct http_limits defaults = {
		.max_conns = 256,
		.max_per_addr = 16,
		.max_header_len = 8192,
		.max_target_len = 2048,
		.header_ms = 10000,
		.header_idle_ms = 5000,
		.send_ms = 30000,
		.send_idle_ms = 5000,
	};
	unsigned int *value = (unsigned int *)limits;
	const unsigned int *def = (const unsigned int *)&defaults;

	_Static_assert(sizeof(defaults) % sizeof(*def) == 0, "limits are unsigned ints");
	for (size_t i = 0; i < sizeof(defaults) / sizeof(*def); i++)
		value[i] = value[i] ? value[i] : def[i];
}

static int open_listeners(struct http_server *srv, const struct http_opts *opts)
{
	int err;

	if (opts->systemd_socket) {
		err = http_listen__systemd(srv->listeners, MAX_LISTENERS);
		if (err < 0)
			return err;
		srv->nr_listeners = err;
	} else if (!opts->nr_listen || opts->nr_listen > MAX_LISTENERS) {
		log_err("http: %zu addresses to listen on: 1 to %d are possible", opts->nr_listen, MAX_LISTENERS);
		return -EINVAL;
	}
	for (size_t i = 0; !opts->systemd_socket && i < opts->nr_listen; i++) {
		err = http_listen__open(&srv->listeners[i], opts->listen[i]);
		if (err)
			return err;
		srv->nr_listeners++;
	}
	for (size_t i = 0; i < srv->nr_listeners; i++)
		srv->listener_sources[i] = (struct source){ SOURCE_LISTENER, &srv->listeners[i] };
	return 0;
}

static void warn_if_open(const struct http_server *srv)
{
	size_t nr_users = 0;
	bool has_tls = srv->cfg && web_config__creds(srv->cfg);

	if (srv->cfg)
		web_config__users(srv->cfg, &nr_users);
	if (has_tls && (nr_users || web_config__needs_client_cert(srv->cfg)))
		return;
	for (size_t i = 0; i < srv->nr_listeners; i++) {
		if (srv->listeners[i].is_loopback || srv->listeners[i].is_unix)
			continue;
		log_warn("http: %s: listening beyond this machine without %s", srv->listeners[i].name,
			 has_tls ? "passwords" : nr_users ? "TLS: passwords can be read on the way" : "TLS or passwords");
		log_hint("profiles show what guests run: see --web.config.file, or listen on 127.0.0.1");
	}
}

static int copy_names(struct http_server *srv, const struct http_opts *opts)
{
	srv->host_names = calloc(opts->nr_host_names + 1, sizeof(*srv->host_names));
	if (!srv->host_names)
		return -ENOMEM;
	for (size_t i = 0; i < opts->nr_host_names; i++) {
		srv->host_names[i] = strdup(opts->host_names[i]);
		if (!srv->host_names[i])
			return -ENOMEM;
		srv->nr_host_names++;
	}
	if (opts->config_path) {
		srv->config_path = strdup(opts->config_path);
		if (!srv->config_path)
			return -ENOMEM;
	}
	return 0;
}

int http_server__new(struct http_server **out, const struct http_opts *opts, const struct http_route *routes,
		     size_t nr_routes, void *ctx)
{
	struct http_server *srv;
	int err;

	srv = calloc(1, sizeof(*srv));
	if (!srv)
		return -ENOMEM;
	srv->refs = 1;
	srv->routes = routes;
	srv->nr_routes = nr_routes;
	srv->ctx = ctx;
	srv->limits = opts->limits;
	set_defaults(&srv->limits);
	srv->max_requests = opts->max_requests ? opts->max_requests : 40;
	pthread_mutex_init(&srv->lock, NULL);
	srv->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	srv->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (srv->epoll_fd < 0 || srv->wake_fd < 0) {
		err = -errno;
		goto err_free;
	}
	srv->buf = malloc(srv->limits.max_header_len + 1);
	err = srv->buf ? copy_names(srv, opts) : -ENOMEM;
	if (err)
		goto err_free;
	if (srv->config_path) {
		err = web_config__load(&srv->cfg, srv->config_path);
		if (err)
			goto err_free;
		err = http_auth__new(&srv->auth, http_server__wake, srv);
		if (err)
			goto err_free;
	}
	err = open_listeners(srv, opts);
	if (err)
		goto err_free;
	warn_if_open(srv);
	*out = srv;
	return 0;

err_free:
	http_server__free(srv);
	return err;
}

int http_server__start(struct http_server *srv)
{
	sigset_t all, old;
	int err;

	err = http_server__start_mhd(srv);
	if (err)
		goto fail;
	srv->wake_source.kind = SOURCE_WAKE;
	err = http_server__watch(srv, srv->wake_fd, EPOLLIN, &srv->wake_source);
	for (size_t i = 0; !err && i < srv->nr_listeners; i++)
		err = http_server__watch(srv, srv->listeners[i].fd, EPOLLIN, &srv->listener_sources[i]);
	if (err)
		goto fail;
	srv->is_accepting = true;
	srv->now_ms = clock__mono_ms();

	/* Signals belong to the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&srv->thread, NULL, serve, srv);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		goto fail;
	pthread_setname_np(srv->thread, "ukprof-http");
	srv->is_started = true;
	return 0;

fail:
	log_err("http: cannot start: %s", strerror(-err));
	return err;
}

void http_server__stop(struct http_server *srv)
{
	if (srv->is_started) {
		atomic_store(&srv->stop, true);
		http_server__wake(srv);
		pthread_join(srv->thread, NULL);
		srv->is_started = false;
	}
	if (srv->mhd)
		MHD_stop_daemon(srv->mhd);
	srv->mhd = NULL;
	for (size_t i = 0; i < srv->nr_listeners; i++)
		if (srv->listeners[i].fd >= 0)
			close(srv->listeners[i].fd);
	for (size_t i = 0; i < srv->nr_listeners; i++)
		srv->listeners[i].fd = -1;
	for (struct conn *c = srv->conns; c; c = c->next)
		http_conn__close(c);
	free_dead(srv);
	http_auth__free(srv->auth);
	srv->auth = NULL;
}

void http_server__free(struct http_server *srv)
{
	if (!srv)
		return;
	http_server__stop(srv);
	web_config__free(srv->cfg);
	for (size_t i = 0; i < srv->nr_host_names; i++)
		free(srv->host_names[i]);
	free(srv->host_names);
	free(srv->config_path);
	free(srv->buf);
	if (srv->epoll_fd >= 0)
		close(srv->epoll_fd);
	http_server__unref(srv);
}

size_t http_server__nr_listeners(const struct http_server *srv)
{
	return srv->nr_listeners;
}

unsigned int http_server__port(const struct http_server *srv, size_t i)
{
	return srv->listeners[i].port;
}
