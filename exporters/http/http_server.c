/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_server.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "http_auth.h"
#include "http_listen.h"
#include "http_parse.h"
#include "log.h"
#include "strbuf.h"
#include "web_config.h"

#define MAX_LISTENERS	16
#define MAX_EVENTS	64
#define MAX_ACCEPTS	64	    /* from one listener in one turn of the loop */
#define TICK_MS		100	    /* how late a limit may strike */
#define SLOW_MS		1000	    /* a header that takes longer counts against its address */
#define LINGER_MS	500	    /* to let a client read why it was refused */
#define STOP_MS		1000
#define CONFIG_CHECK_MS 1000
#define CONFIG_RETRY_MS 10000
#define TLS_OUT_LEN	16384	    /* a TLS record */
#define MHD_POOL_LEN	(32 * 1024) /* header and what libmicrohttpd makes of it */
#define MIN_GZIP_LEN	512

/*
 * A connection's life:
 *
 *	TLS ──► HEAD ──► REQUEST ──► closed
 *	  └───────┴──► LINGER ──► closed
 *
 * TLS and HEAD wait for the client. Bytes of a plain connection are only peeked at, so they cost no memory of
 * ours, and libmicrohttpd, which gets the socket in REQUEST, reads them once more. A TLS connection stays
 * here: libmicrohttpd gets one end of a socket pair and never sees a TLS record.
 */
enum conn_state { CONN_TLS, CONN_HEAD, CONN_REQUEST, CONN_LINGER };

enum source_kind { SOURCE_LISTENER, SOURCE_WAKE, SOURCE_MHD, SOURCE_TCP, SOURCE_PIPE };

/* What an epoll event points to. */
struct source {
	enum source_kind kind;
	void *of;
};

/* One address and what it holds; kept while any connection points to it. */
struct addr_use {
	struct addr_use *next;
	struct http_addr_key key;
	unsigned int refs, nr_waiting, nr_requests;
};

struct conn {
	struct conn *prev, *next; /* all, oldest first */
	struct http_server *srv;
	struct source tcp, pipe;
	enum conn_state state;
	bool is_dead; /* freed at the end of this turn: an event of the same turn may still point here */
	int fd;	      /* -1: closed */
	const struct http_listener *listener;
	struct sockaddr_storage addr;
	struct addr_use *use;
	uint64_t since_ms, moved_ms;
	size_t nr_seen; /* bytes of the header so far */

	/* TLS only */
	struct web_config *cfg; /* of the credentials */
	gnutls_session_t tls;
	bool wants_tls;
	char *in;
	int pipe_fd;
	char *out;
	size_t out_off, out_len;
	bool is_in_mhd;

	struct http_request *req;
};

struct http_request {
	struct conn *conn;
	struct http_head head;
	struct web_config *cfg; /* of headers and passwords; NULL: none */
	struct MHD_Connection *mhd;
	struct MHD_Response *response; /* until it is queued */
	unsigned int status;
	uint64_t answered_ms; /* when it was queued; 0: not yet */
	bool is_counted, is_authorized, is_suspended, is_gone, is_completed;
	struct http_pending *pending;
	struct http_auth_job *job;
	char client[80];
};

struct http_pending {
	struct http_pending *next;
	struct http_server *srv;  /* holds a reference */
	struct http_request *req; /* HTTP thread, under the lock; NULL: gone */
	struct web_config *cfg;
	bool accepts_gzip;
	_Atomic bool is_gone;
	void (*gone)(void *ctx);
	void *ctx;
	struct MHD_Response *response;
	unsigned int status;
};

struct counters {
	_Atomic uint64_t requests[6], refused[HTTP_NR_REFUSALS], aborted;
	_Atomic uint32_t nr_conns, nr_requests;
};

struct http_server {
	_Atomic unsigned int refs; /* the owner's and one of each pending request */
	const struct http_route *routes;
	size_t nr_routes;
	void *ctx;
	struct http_limits limits;
	unsigned int max_requests;
	char **host_names;
	size_t nr_host_names;
	char *config_path;
	struct web_config *cfg;
	uint64_t config_check_ms;

	struct http_listener listeners[MAX_LISTENERS];
	struct source listener_sources[MAX_LISTENERS];
	size_t nr_listeners;
	bool is_accepting;
	uint64_t accept_again_ms;

	pthread_t thread;
	bool is_started;
	_Atomic bool stop;
	bool is_stopping;
	int epoll_fd, wake_fd;
	struct source wake_source, mhd_source;
	struct MHD_Daemon *mhd;
	bool mhd_is_due;
	struct http_auth *auth;

	struct conn *conns, *last_conn, *adding;
	struct addr_use *uses;
	uint64_t now_ms;
	char *buf; /* max_header_len + 1, for peeking */
	struct http_head head;

	pthread_mutex_t lock;	      /* pending requests: their @req, @is_gone and this list */
	struct http_pending *replied; /* answered by other threads */

	struct counters counters;
};

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
	out->nr_conns = atomic_load_explicit(&c->nr_conns, memory_order_relaxed);
	out->nr_requests = atomic_load_explicit(&c->nr_requests, memory_order_relaxed);
}

static void count_refusal(struct http_server *srv, enum http_refusal why)
{
	atomic_fetch_add_explicit(&srv->counters.refused[why], 1, memory_order_relaxed);
}

static void count_status(struct http_server *srv, unsigned int status)
{
	atomic_fetch_add_explicit(&srv->counters.requests[status / 100 % 6], 1, memory_order_relaxed);
}

static uint64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void wake(void *ctx)
{
	struct http_server *srv = ctx;
	uint64_t one = 1;

	/* Full means that it has been woken already. */
	if (write(srv->wake_fd, &one, sizeof(one)) < 0)
		return;
}

/* --- connections and addresses --- */

static struct addr_use *use_get(struct http_server *srv, const struct http_addr_key *key)
{
	struct addr_use *use;

	for (use = srv->uses; use; use = use->next)
		if (!memcmp(&use->key, key, sizeof(*key)))
			break;
	if (!use) {
		use = calloc(1, sizeof(*use));
		if (!use)
			return NULL;
		use->key = *key;
		use->next = srv->uses;
		srv->uses = use;
	}
	use->refs++;
	return use;
}

static void use_put(struct http_server *srv, struct addr_use *use)
{
	struct addr_use **at = &srv->uses;

	if (--use->refs)
		return;
	while (*at != use)
		at = &(*at)->next;
	*at = use->next;
	free(use);
}

static bool is_waiting(const struct conn *c)
{
	return c->state == CONN_TLS || c->state == CONN_HEAD;
}

static void set_state(struct conn *c, enum conn_state state)
{
	c->use->nr_waiting -= is_waiting(c);
	c->state = state;
	c->use->nr_waiting += is_waiting(c);
	c->since_ms = c->moved_ms = c->srv->now_ms;
}

static int watch(struct http_server *srv, int fd, uint32_t events, struct source *source)
{
	struct epoll_event ev = { .events = events, .data.ptr = source };

	return epoll_ctl(srv->epoll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static void close_pipe(struct conn *c)
{
	if (c->pipe_fd >= 0)
		close(c->pipe_fd);
	c->pipe_fd = -1;
}

/* Ours to close, not libmicrohttpd's. It is freed at the end of the turn, or when libmicrohttpd is through. */
static void conn_close(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	close_pipe(c);
	if (c->is_in_mhd || c->is_dead)
		return;
	c->is_dead = true;
	if (is_waiting(c))
		c->use->nr_waiting--;
	atomic_fetch_sub_explicit(&c->srv->counters.nr_conns, 1, memory_order_relaxed);
}

static void conn_free(struct conn *c)
{
	struct http_server *srv = c->srv;

	*(c->prev ? &c->prev->next : &srv->conns) = c->next;
	*(c->next ? &c->next->prev : &srv->last_conn) = c->prev;
	if (c->tls)
		gnutls_deinit(c->tls);
	web_config__free(c->cfg);
	if (c->in)
		explicit_bzero(c->in, c->nr_seen);
	free(c->in);
	free(c->out);
	use_put(srv, c->use);
	free(c);
}

static void conn_drop(struct conn *c, enum http_refusal why)
{
	count_refusal(c->srv, why);
	conn_close(c);
}

/* Bytes that come now are thrown away: to close a socket with unread bytes would take the answer back. */
static void linger(struct conn *c)
{
	set_state(c, CONN_LINGER);
	if (c->tls)
		gnutls_bye(c->tls, GNUTLS_SHUT_WR);
	shutdown(c->fd, SHUT_WR);
}

static void add_config_headers(struct strbuf *sb, const struct web_config *cfg)
{
	const struct web_config_pair *headers;
	size_t nr, i;

	if (!cfg)
		return;
	headers = web_config__headers(cfg, &nr);
	for (i = 0; i < nr; i++)
		strbuf__printf(sb, "%s: %s\r\n", headers[i].name, headers[i].value);
}

/* An answer to what libmicrohttpd will never see. Small, so it fits the socket's buffer or is lost. */
static void refuse(struct conn *c, const struct http_refused *refused)
{
	struct strbuf sb = { 0 };

	count_refusal(c->srv, refused->why);
	count_status(c->srv, refused->status);
	strbuf__printf(&sb,
		       "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
		       "Content-Length: %zu\r\nX-Content-Type-Options: nosniff\r\n%s",
		       refused->status, MHD_get_reason_phrase_for(refused->status), strlen(refused->text) + 1,
		       refused->status == 405 ? "Allow: GET, HEAD\r\n" : "");
	add_config_headers(&sb, c->srv->cfg);
	strbuf__puts(&sb, "\r\n");
	if (!refused->is_head)
		strbuf__printf(&sb, "%s\n", refused->text);
	if (!strbuf__err(&sb)) {
		if (c->tls)
			gnutls_record_send(c->tls, sb.data, sb.len);
		else
			send(c->fd, sb.data, sb.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	strbuf__free(&sb);
	linger(c);
}

/* --- requests that are over, or nobody waits for --- */

static void srv_unref(struct http_server *srv)
{
	if (atomic_fetch_sub(&srv->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&srv->lock);
	close(srv->wake_fd);
	free(srv);
}

static void pending_free(struct http_pending *pending)
{
	if (pending->response)
		MHD_destroy_response(pending->response);
	web_config__free(pending->cfg);
	srv_unref(pending->srv);
	free(pending);
}

/* Nobody waits any more: for the worker of a deferred request, or for a password check. */
static void request_detach(struct http_request *req)
{
	struct http_server *srv = req->conn->srv;
	struct http_pending *pending;

	pthread_mutex_lock(&srv->lock);
	pending = req->pending;
	if (pending) {
		req->pending = NULL;
		pending->req = NULL;
		if (!pending->response) {
			atomic_store(&pending->is_gone, true);
			if (pending->gone)
				pending->gone(pending->ctx);
		}
	}
	pthread_mutex_unlock(&srv->lock);
	if (req->job)
		req->job->owner = NULL;
	req->job = NULL;
}

static void request_resume(struct http_request *req)
{
	if (!req->is_suspended)
		return;
	req->is_suspended = false;
	MHD_resume_connection(req->mhd);
	req->conn->srv->mhd_is_due = true;
}

static void request_gone(struct http_request *req)
{
	if (req->is_gone)
		return;
	req->is_gone = true;
	request_detach(req);
	request_resume(req);
}

static void request_uncount(struct http_request *req)
{
	if (!req->is_counted)
		return;
	req->is_counted = false;
	req->conn->use->nr_requests--;
	atomic_fetch_sub_explicit(&req->conn->srv->counters.nr_requests, 1, memory_order_relaxed);
}

static void request_free(struct http_request *req)
{
	if (!req)
		return;
	request_detach(req);
	request_uncount(req);
	if (req->response)
		MHD_destroy_response(req->response);
	web_config__free(req->cfg);
	http_head__free(&req->head);
	free(req);
}

/* --- replies --- */

void http_body__static(void *owner)
{
	(void)owner;
}

/* Return: the compressed body and its length, or NULL if it does not pay. */
static void *gzip(const void *body, size_t len, size_t *out_len)
{
	z_stream z = { 0 };
	unsigned char *out;
	size_t room = len - len / 8; /* less gain is not worth the client's time */
	int ret;

	if (len > UINT32_MAX / 2 || deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return NULL;
	out = malloc(room);
	if (!out) {
		deflateEnd(&z);
		return NULL;
	}
	z.next_in = (unsigned char *)body;
	z.avail_in = len;
	z.next_out = out;
	z.avail_out = room;
	ret = deflate(&z, Z_FINISH);
	*out_len = z.total_out;
	deflateEnd(&z);
	if (ret != Z_STREAM_END) {
		free(out);
		return NULL;
	}
	return out;
}

static int add_header(struct MHD_Response *response, const char *name, const char *value)
{
	return MHD_add_response_header(response, name, value) == MHD_YES ? 0 : -EINVAL;
}

static int add_headers(struct MHD_Response *response, const struct http_reply *reply, const struct web_config *cfg)
{
	const struct web_config_pair *pairs;
	size_t nr, i;
	int err;

	err = add_header(response, "X-Content-Type-Options", "nosniff");
	if (!err)
		err = add_header(response, "Connection", "close");
	if (!err && reply->content_type)
		err = add_header(response, "Content-Type", reply->content_type);
	for (i = 0; !err && i < reply->nr_headers; i++)
		err = add_header(response, reply->headers[i].name, reply->headers[i].value);
	if (err || !cfg)
		return err;

	/* What a handler says of its own page is more exact. */
	pairs = web_config__headers(cfg, &nr);
	for (i = 0; !err && i < nr; i++)
		if (!MHD_get_response_header(response, pairs[i].name))
			err = add_header(response, pairs[i].name, pairs[i].value);
	return err;
}

/* Releases the body whatever happens. Threads: any. */
static int make_response(struct MHD_Response **out, const struct http_reply *reply, const struct web_config *cfg,
			 bool accepts_gzip)
{
	bool varies = reply->may_gzip && reply->body_len >= MIN_GZIP_LEN;
	struct MHD_Response *response;
	void *packed = NULL;
	size_t packed_len = 0;
	int err = 0;

	if (varies && accepts_gzip)
		packed = gzip(reply->body, reply->body_len, &packed_len);
	if (packed || !reply->release) {
		response = MHD_create_response_from_buffer(packed ? packed_len : reply->body_len,
							   packed ? packed : (void *)reply->body,
							   packed ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_MUST_COPY);
		if (reply->release)
			reply->release(reply->owner);
		if (!response)
			free(packed);
	} else {
		response = MHD_create_response_from_buffer_with_free_callback_cls(
			reply->body_len, (void *)reply->body, reply->release, reply->owner);
		if (!response)
			reply->release(reply->owner);
	}
	if (!response)
		return -ENOMEM;

	if (varies)
		err = add_header(response, "Vary", "Accept-Encoding");
	if (!err && packed)
		err = add_header(response, "Content-Encoding", "gzip");
	if (!err)
		err = add_headers(response, reply, cfg);
	if (err) {
		MHD_destroy_response(response);
		return err;
	}
	*out = response;
	return 0;
}

/* One line of text as a reply; the caller frees it. */
static int format_text(struct http_reply *reply, unsigned int status, const char *fmt, va_list ap)
{
	struct strbuf sb = { 0 };
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		return -ENOMEM;
	strbuf__printf(&sb, "%s\n", text);
	free(text);
	if (strbuf__err(&sb)) {
		strbuf__free(&sb);
		return -ENOMEM;
	}
	*reply = (struct http_reply){
		.status = status,
		.content_type = "text/plain; charset=utf-8",
		.body = sb.data,
		.body_len = sb.len,
		.release = free,
		.owner = sb.data,
	};
	return 0;
}

static bool accepts_gzip(const struct http_request *req)
{
	return http_parse__accepts_gzip(http_head__field(&req->head, "Accept-Encoding"));
}

int http_request__reply(struct http_request *req, const struct http_reply *reply)
{
	int err;

	if (req->response) {
		MHD_destroy_response(req->response);
		req->response = NULL;
	}
	err = make_response(&req->response, reply, req->cfg, accepts_gzip(req));
	if (!err)
		req->status = reply->status;
	return err;
}

int http_request__reply_text(struct http_request *req, unsigned int status, const char *fmt, ...)
{
	struct http_reply reply;
	va_list ap;
	int err;

	va_start(ap, fmt);
	err = format_text(&reply, status, fmt, ap);
	va_end(ap);
	return err ? err : http_request__reply(req, &reply);
}

static void reply_refusal(struct http_request *req, unsigned int status, enum http_refusal why, const char *text)
{
	struct http_header header = { "Retry-After", "1" };
	struct http_reply reply = {
		.status = status,
		.content_type = "text/plain; charset=utf-8",
		.body = text,
		.body_len = strlen(text),
		.headers = &header,
		.nr_headers = status == 503 || status == 401,
	};

	if (status == 401)
		header = (struct http_header){ "WWW-Authenticate", "Basic realm=\"ukprof\", charset=\"UTF-8\"" };
	count_refusal(req->conn->srv, why);
	http_request__reply(req, &reply);
}

struct http_pending *http_request__defer(struct http_request *req, void (*gone)(void *ctx), void *ctx)
{
	struct http_pending *pending = calloc(1, sizeof(*pending));

	if (!pending)
		return NULL;
	pending->srv = req->conn->srv;
	atomic_fetch_add(&pending->srv->refs, 1);
	pending->req = req;
	pending->cfg = web_config__ref(req->cfg);
	pending->accepts_gzip = accepts_gzip(req);
	pending->gone = gone;
	pending->ctx = ctx;
	req->pending = pending;
	req->is_suspended = true;
	MHD_suspend_connection(req->mhd);
	return pending;
}

bool http_pending__is_gone(const struct http_pending *pending)
{
	return atomic_load(&pending->is_gone);
}

/* The answer to a request whose own answer could not be made. */
static int make_error(struct MHD_Response **out, const struct web_config *cfg)
{
	static const char text[] = "the answer could not be made\n";
	struct http_reply reply = {
		.content_type = "text/plain; charset=utf-8",
		.body = text,
		.body_len = strlen(text),
		.release = http_body__static,
	};

	return make_response(out, &reply, cfg, false);
}

int http_pending__reply(struct http_pending *pending, const struct http_reply *reply)
{
	struct http_server *srv = pending->srv;
	struct MHD_Response *response = NULL;
	unsigned int status = reply->status;
	int err = -ECANCELED;

	if (http_pending__is_gone(pending)) {
		if (reply->release)
			reply->release(reply->owner);
	} else {
		err = make_response(&response, reply, pending->cfg, pending->accepts_gzip);
		if (err) {
			status = 500;
			make_error(&response, pending->cfg);
		}
	}

	pthread_mutex_lock(&srv->lock);
	if (!atomic_load(&pending->is_gone)) {
		pending->response = response;
		pending->status = status;
		pending->next = srv->replied;
		srv->replied = pending;
		wake(srv); /* under the lock: behind it the server may be freed */
		pthread_mutex_unlock(&srv->lock);
		return err;
	}
	pthread_mutex_unlock(&srv->lock);
	if (response)
		MHD_destroy_response(response);
	pending_free(pending);
	return -ECANCELED;
}

int http_pending__reply_text(struct http_pending *pending, unsigned int status, const char *fmt, ...)
{
	struct http_reply reply = { .status = 500 };
	va_list ap;
	int err, ret;

	va_start(ap, fmt);
	err = format_text(&reply, status, fmt, ap);
	va_end(ap);
	ret = http_pending__reply(pending, &reply);
	return err ? err : ret;
}

/* --- accessors --- */

const char *http_request__path(const struct http_request *req)
{
	return req->head.path;
}

const char *http_request__query(const struct http_request *req, const char *key)
{
	for (size_t i = 0; i < req->head.nr_params; i++)
		if (!strcmp(req->head.params[i].key, key))
			return req->head.params[i].value;
	return NULL;
}

const char *http_request__query_key(const struct http_request *req, size_t i)
{
	return i < req->head.nr_params ? req->head.params[i].key : NULL;
}

const char *http_request__header(const struct http_request *req, const char *name)
{
	return http_head__field(&req->head, name);
}

const char *http_request__client(const struct http_request *req)
{
	return req->client;
}

/* --- from a complete header to a handler --- */

static const struct http_route *find_route(const struct http_server *srv, const char *path)
{
	for (size_t i = 0; i < srv->nr_routes; i++) {
		const struct http_route *route = &srv->routes[i];

		if (route->prefix ? !strncmp(path, route->path, strlen(route->path)) : !strcmp(path, route->path))
			return route;
	}
	return NULL;
}

/* Ends the send of the one that has been slowest for longest, of the address that has most of them. */
static bool evict_sender(struct http_server *srv)
{
	struct conn *victim = NULL;

	for (struct conn *c = srv->conns; c; c = c->next) {
		if (c->state != CONN_REQUEST || !c->req || !c->req->is_counted || !c->req->answered_ms ||
		    srv->now_ms - c->req->answered_ms < SLOW_MS)
			continue;
		if (!victim || c->use->nr_requests > victim->use->nr_requests)
			victim = c;
	}
	if (!victim)
		return false;
	count_refusal(srv, HTTP_REFUSED_EVICTED);
	request_uncount(victim->req);
	if (victim->fd >= 0)
		shutdown(victim->fd, SHUT_RDWR);
	close_pipe(victim);
	return true;
}

/* Return: true, or it has been answered 503. */
static bool admit(struct http_request *req)
{
	struct http_server *srv = req->conn->srv;

	if (req->is_counted)
		return true;
	if (srv->is_stopping) {
		reply_refusal(req, 503, HTTP_REFUSED_BUSY, "the server is stopping\n");
		return false;
	}
	if (req->conn->use->nr_requests >= srv->limits.max_per_addr && !req->conn->listener->is_unix) {
		reply_refusal(req, 503, HTTP_REFUSED_ADDR_BUSY, "too many requests of this address are under way\n");
		return false;
	}
	if (srv->counters.nr_requests >= srv->max_requests && !evict_sender(srv)) {
		reply_refusal(req, 503, HTTP_REFUSED_BUSY, "too many requests are under way\n");
		return false;
	}
	req->is_counted = true;
	req->conn->use->nr_requests++;
	atomic_fetch_add_explicit(&srv->counters.nr_requests, 1, memory_order_relaxed);
	return true;
}

/* Return: true; else it has been answered, or waits for a check. */
static bool authorize(struct http_request *req)
{
	struct http_server *srv = req->conn->srv;
	size_t nr = 0;
	int ret;

	if (req->cfg)
		web_config__users(req->cfg, &nr);
	if (!nr || req->is_authorized)
		return true;
	ret = http_auth__check(srv->auth, req->cfg, http_head__field(&req->head, "Authorization"),
			       &req->conn->use->key, &req->job);
	if (ret == 1)
		return true;
	if (ret == 0) {
		req->job->owner = req;
		req->is_suspended = true;
		MHD_suspend_connection(req->mhd);
	} else if (ret == -EACCES) {
		reply_refusal(req, 401, HTTP_REFUSED_AUTH, "a name and a password are needed\n");
	} else {
		reply_refusal(req, 503, HTTP_REFUSED_AUTH_BUSY, "the password was not checked: try again later\n");
	}
	return false;
}

static void dispatch(struct http_request *req)
{
	struct http_server *srv = req->conn->srv;
	const struct http_route *route = find_route(srv, req->head.path);

	if (!admit(req) || ((!route || !route->open) && !authorize(req)))
		return;
	if (!route) {
		reply_refusal(req, 404, HTTP_REFUSED_NO_ROUTE, "there is no such page\n");
		return;
	}
	route->handler(srv->ctx, req);
}

/* libmicrohttpd calls this once for the header, once for the end of the request, and after each resume. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *url, const char *method,
				  const char *version, const char *upload, size_t *upload_len, void **req_ctx)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct conn *c = info->socket_context;
	struct http_request *req = c->req;
	struct http_server *srv = ctx;
	enum MHD_Result ret;

	(void)url, (void)method, (void)version, (void)upload, (void)upload_len;
	/* A second request of one connection cannot be: the gate hands over exactly one. */
	if (!req || req->is_gone || req->answered_ms)
		return MHD_NO;
	if (!*req_ctx) {
		*req_ctx = req;
		req->mhd = mhd;
		return MHD_YES;
	}
	if (!req->response)
		dispatch(req);
	if (req->is_suspended)
		return MHD_YES;
	if (!req->response) {
		req->status = 500;
		if (make_error(&req->response, req->cfg))
			return MHD_NO;
	}
	ret = MHD_queue_response(mhd, req->status, req->response);
	MHD_destroy_response(req->response);
	req->response = NULL;
	req->answered_ms = srv->now_ms;
	count_status(srv, req->status);
	return ret;
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **req_ctx, enum MHD_RequestTerminationCode how)
{
	struct http_request *req = *req_ctx;
	struct http_server *srv = ctx;

	(void)mhd;
	if (!req)
		return;
	if (how != MHD_REQUEST_TERMINATED_COMPLETED_OK)
		atomic_fetch_add_explicit(&srv->counters.aborted, 1, memory_order_relaxed);
	req->is_completed = true;
	/* A TLS answer is still on its way through us. */
	if (!req->conn->tls)
		request_uncount(req);
}

static void pump(struct conn *c);

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_ctx,
			  enum MHD_ConnectionNotificationCode what)
{
	struct http_server *srv = ctx;
	struct conn *c = *socket_ctx;

	(void)mhd;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*socket_ctx = srv->adding;
		return;
	}
	c->is_in_mhd = false;
	if (!c->tls) {
		/* libmicrohttpd closes the socket behind this; its number may be another's soon. */
		if (c->fd >= 0)
			epoll_ctl(srv->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
		c->fd = -1;
		conn_close(c);
	} else if (c->fd < 0 || (c->pipe_fd < 0 && c->state == CONN_REQUEST)) {
		conn_close(c); /* else pump() still has something to send */
	}
	if (c->is_dead) {
		request_free(c->req);
		c->req = NULL;
	}
}

static const struct http_refused wrong_host = {
	.status = 403,
	.why = HTTP_REFUSED_HOST,
	.text = "the Host header does not name this machine",
};

static struct http_request *request_new(struct conn *c, const struct http_head *head)
{
	struct http_request *req = calloc(1, sizeof(*req));

	if (!req)
		return NULL;
	req->conn = c;
	req->head = *head;
	req->cfg = web_config__ref(c->srv->cfg);
	http_listen__print(&c->addr, req->client, sizeof(req->client));
	return req;
}

/* Make libmicrohttpd read the checked bytes: from the socket, or through a pair of them. */
static void hand_over(struct conn *c, struct http_head *head, const char *bytes, size_t len)
{
	static const struct sockaddr_un unix_addr = { .sun_family = AF_UNIX };
	struct http_server *srv = c->srv;
	const void *addr = &c->addr;
	socklen_t addr_len;
	int pair[2] = { -1, -1 }, fd = c->fd;

	if (c->listener->is_loopback && head->host &&
	    !http_parse__is_local_name(head->host, srv->host_names, srv->nr_host_names)) {
		struct http_refused refused = wrong_host;

		refused.is_head = head->is_head;
		http_head__free(head);
		refuse(c, &refused);
		return;
	}
	c->req = request_new(c, head);
	if (!c->req) {
		http_head__free(head);
		conn_drop(c, HTTP_REFUSED_FULL);
		return;
	}
	if (c->tls) {
		c->out = malloc(TLS_OUT_LEN);
		if (!c->out || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) ||
		    send(pair[0], bytes, len, MSG_NOSIGNAL) != (ssize_t)len ||
		    watch(srv, pair[0], EPOLLIN | EPOLLET, &c->pipe)) {
			if (pair[0] >= 0) {
				close(pair[0]);
				close(pair[1]);
			}
			request_free(c->req);
			c->req = NULL;
			conn_drop(c, HTTP_REFUSED_FULL);
			return;
		}
		c->pipe_fd = pair[0];
		fd = pair[1];
	}
	if (c->tls || c->listener->is_unix) {
		addr = &unix_addr;
		addr_len = sizeof(unix_addr);
	} else {
		addr_len = c->addr.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	}

	set_state(c, CONN_REQUEST);
	srv->adding = c;
	c->is_in_mhd = true;
	srv->mhd_is_due = true;
	if (MHD_add_connection(srv->mhd, fd, addr, addr_len) == MHD_YES)
		return;
	/* It has closed the socket. */
	c->is_in_mhd = false;
	if (!c->tls)
		c->fd = -1;
	request_free(c->req);
	c->req = NULL;
	conn_drop(c, HTTP_REFUSED_FULL);
}

/* --- reading the header --- */

/* @is_last: no more bytes will come. */
static void try_head(struct conn *c, const char *bytes, size_t len, bool is_last)
{
	struct http_server *srv = c->srv;
	struct http_refused refused;
	int ret;

	ret = http_parse__head(bytes, len, &srv->limits, &srv->head, &refused);
	if (ret == 1)
		hand_over(c, &srv->head, bytes, len);
	else if (ret == -EBADMSG)
		refuse(c, &refused);
	else if (ret < 0)
		conn_drop(c, HTTP_REFUSED_FULL);
	else if (is_last)
		conn_close(c);
}

static void read_plain(struct conn *c, bool is_last)
{
	struct http_server *srv = c->srv;
	ssize_t n = recv(c->fd, srv->buf, srv->limits.max_header_len + 1, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(c);
		return;
	}
	if ((size_t)n != c->nr_seen)
		c->moved_ms = srv->now_ms;
	c->nr_seen = n;
	try_head(c, srv->buf, n, is_last);
}

static int start_tls(struct conn *c)
{
	static const gnutls_datum_t http11 = { (unsigned char *)"http/1.1", 8 };
	static gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT,
	};
	gnutls_session_t tls;

	if (gnutls_init(&tls, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS) < 0)
		return -ENOMEM;
	if (gnutls_priority_set(tls, web_config__priority(c->cfg)) < 0 ||
	    gnutls_credentials_set(tls, GNUTLS_CRD_CERTIFICATE, web_config__creds(c->cfg)) < 0 ||
	    gnutls_alpn_set_protocols(tls, &http11, 1, 0) < 0) {
		gnutls_deinit(tls);
		return -ENOMEM;
	}
	if (web_config__needs_client_cert(c->cfg)) {
		gnutls_certificate_server_set_request(tls, GNUTLS_CERT_REQUIRE);
		gnutls_session_set_verify_cert2(tls, &purpose, 1, 0);
	}
	gnutls_transport_set_int(tls, c->fd);
	c->tls = tls;
	return 0;
}

static void shake_hands(struct conn *c)
{
	static const struct http_refused not_tls = {
		.status = 400,
		.why = HTTP_REFUSED_TLS,
		.text = "this port speaks HTTPS",
	};
	unsigned char first;
	ssize_t n;
	int ret;

	if (!c->tls) {
		n = recv(c->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			conn_close(c);
			return;
		}
		if (first != 0x16) { /* handshake record: RFC 8446, 5.1 */
			refuse(c, &not_tls);
			return;
		}
		if (start_tls(c)) {
			conn_drop(c, HTTP_REFUSED_FULL);
			return;
		}
	}
	do {
		ret = gnutls_handshake(c->tls);
	} while (ret == GNUTLS_E_INTERRUPTED || (ret < 0 && ret != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(ret)));
	if (ret == GNUTLS_E_AGAIN) {
		c->moved_ms = c->srv->now_ms;
		return;
	}
	if (ret < 0) {
		gnutls_alert_send_appropriate(c->tls, ret);
		conn_drop(c, HTTP_REFUSED_TLS);
		return;
	}
	c->state = CONN_HEAD; /* the handshake's time is part of the header's: no new deadline */
	c->moved_ms = c->srv->now_ms;
}

static void read_tls(struct conn *c)
{
	size_t room = c->srv->limits.max_header_len + 1;
	ssize_t n;

	if (!c->in)
		c->in = malloc(room);
	if (!c->in) {
		conn_drop(c, HTTP_REFUSED_FULL);
		return;
	}
	while (c->state == CONN_HEAD && !c->is_dead) {
		if (c->nr_seen == room)
			return;
		n = gnutls_record_recv(c->tls, c->in + c->nr_seen, room - c->nr_seen);
		if (n == GNUTLS_E_AGAIN)
			return;
		if (n < 0 && !gnutls_error_is_fatal(n))
			continue;
		if (n <= 0) {
			conn_close(c);
			return;
		}
		c->nr_seen += n;
		c->moved_ms = c->srv->now_ms;
		/* The rest of the record, so that what follows the header is seen. */
		if (gnutls_record_check_pending(c->tls))
			continue;
		try_head(c, c->in, c->nr_seen, false);
	}
}

/* The answer from libmicrohttpd to the client, as far as it takes it. */
static void pump(struct conn *c)
{
	ssize_t n;

	while (c->pipe_fd >= 0 && c->fd >= 0) {
		if (!c->out_len) {
			n = read(c->pipe_fd, c->out, TLS_OUT_LEN);
			if (n < 0 && (errno == EAGAIN || errno == EINTR))
				return;
			if (n <= 0) {
				close_pipe(c);
				if (c->req)
					request_uncount(c->req);
				linger(c);
				return;
			}
			c->out_len = n;
			c->out_off = 0;
		}
		n = gnutls_record_send(c->tls, c->out + c->out_off, c->out_len);
		if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
			return;
		if (n < 0) {
			conn_close(c);
			return;
		}
		c->moved_ms = c->srv->now_ms;
		c->out_off += n;
		c->out_len -= n;
	}
}

/* Has the client of a request that is under way left? Whatever else it sends is not read. */
static void watch_client(struct conn *c, uint32_t events)
{
	char byte;
	ssize_t n;

	if (c->tls && c->fd >= 0) {
		n = gnutls_record_recv(c->tls, &byte, 1);
		if (n == 0 || (n < 0 && gnutls_error_is_fatal(n)))
			events |= EPOLLRDHUP;
		pump(c);
	}
	if (!(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) || !c->req)
		return;
	/* Who has an answer may have said that it will send no more: it can still read. */
	if (!c->req->answered_ms)
		request_gone(c->req);
}

static void discard(struct conn *c)
{
	ssize_t n;

	do {
		n = recv(c->fd, c->srv->buf, c->srv->limits.max_header_len, MSG_DONTWAIT);
	} while (n > 0);
	if (!n || (errno != EAGAIN && errno != EINTR))
		conn_close(c);
}

static void on_client(struct conn *c, uint32_t events)
{
	bool is_last = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);

	if (c->is_dead || (c->fd < 0 && c->state != CONN_REQUEST))
		return;
	if (c->state == CONN_TLS)
		shake_hands(c);
	if (c->is_dead)
		return;
	if (c->state == CONN_HEAD && c->tls)
		read_tls(c);
	else if (c->state == CONN_HEAD)
		read_plain(c, is_last);
	else if (c->state == CONN_REQUEST)
		watch_client(c, events);
	else if (c->state == CONN_LINGER)
		discard(c);
	if (is_last && !c->is_dead && is_waiting(c))
		conn_close(c);
}

/* --- accepting --- */

static void log_config_failure(const struct http_server *srv)
{
	log_warn("http: %s: the changed configuration is not used: the old one stays", srv->config_path);
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
		log_config_failure(srv);
		srv->config_check_ms = srv->now_ms + CONFIG_RETRY_MS;
		return;
	}
	log_info("http: %s: read again", srv->config_path);
	web_config__free(srv->cfg);
	srv->cfg = cfg;
}

/* Make a place: of those that wait, the oldest of the address that has most. */
static bool evict(struct http_server *srv)
{
	struct conn *victim = NULL;

	for (struct conn *c = srv->conns; c; c = c->next) {
		if (c->is_dead || c->state == CONN_REQUEST)
			continue;
		if (c->state == CONN_LINGER) {
			conn_close(c);
			return true;
		}
		if (!victim || c->use->nr_waiting > victim->use->nr_waiting)
			victim = c;
	}
	if (!victim)
		return false;
	/* Its header may have come a moment ago. */
	on_client(victim, 0);
	if (!victim->is_dead && is_waiting(victim))
		conn_drop(victim, HTTP_REFUSED_EVICTED);
	return true;
}

static void conn_new(struct http_server *srv, const struct http_listener *listener, int fd,
		     const struct sockaddr_storage *addr)
{
	struct http_addr_key key = http_listen__key(addr);
	struct conn *c;

	c = calloc(1, sizeof(*c));
	if (c)
		c->use = use_get(srv, &key);
	if (!c || !c->use) {
		free(c);
		close(fd);
		count_refusal(srv, HTTP_REFUSED_FULL);
		return;
	}
	c->srv = srv;
	c->fd = fd;
	c->pipe_fd = -1;
	c->listener = listener;
	c->addr = *addr;
	c->tcp = (struct source){ SOURCE_TCP, c };
	c->pipe = (struct source){ SOURCE_PIPE, c };
	c->prev = srv->last_conn;
	*(c->prev ? &c->prev->next : &srv->conns) = c;
	srv->last_conn = c;
	c->state = CONN_LINGER;
	if (srv->cfg && web_config__creds(srv->cfg)) {
		c->cfg = web_config__ref(srv->cfg);
		set_state(c, CONN_TLS);
	} else {
		set_state(c, CONN_HEAD);
	}
	atomic_fetch_add_explicit(&srv->counters.nr_conns, 1, memory_order_relaxed);
	if (watch(srv, fd, EPOLLIN | EPOLLRDHUP | EPOLLET | (c->cfg ? EPOLLOUT : 0), &c->tcp))
		conn_drop(c, HTTP_REFUSED_FULL);
	else
		on_client(c, 0);
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
			/* The client stays in the queue, and would wake us again and again. */
			count_refusal(srv, HTTP_REFUSED_FULL);
			evict(srv);
			watch_listeners(srv, false);
			srv->accept_again_ms = srv->now_ms + TICK_MS;
			return;
		}
		if (fd < 0 && (errno == EAGAIN || errno == EINVAL || errno == EBADF))
			return;
		if (fd < 0)
			continue; /* that one has gone */
		if (srv->counters.nr_conns >= srv->limits.max_conns && !evict(srv)) {
			count_refusal(srv, HTTP_REFUSED_FULL);
			close(fd);
			continue;
		}
		conn_new(srv, listener, fd, &addr);
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
		nr += !d->is_dead && is_waiting(d) && d->use == c->use && c->srv->now_ms - d->since_ms > SLOW_MS;
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
				conn_close(c);
		} else if (is_waiting(c)) {
			if (age > limits->header_ms || idle > limits->header_idle_ms)
				conn_drop(c, HTTP_REFUSED_TIMEOUT);
			else if (age > SLOW_MS && is_one_too_many(c))
				conn_drop(c, HTTP_REFUSED_EVICTED);
		} else if (c->req && c->req->answered_ms &&
			   (now - c->req->answered_ms > limits->send_ms || (c->tls && idle > limits->send_idle_ms &&
			    now - c->req->answered_ms > limits->send_idle_ms))) {
			/* libmicrohttpd sees to the idle limit of plain ones, and closes this one when it notices. */
			if (c->tls)
				conn_close(c);
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
		request_free(c->req);
		conn_free(c);
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
			request_resume(pending->req);
		pending_free(pending);
	}

	while (srv->auth && (job = http_auth__next_done(srv->auth))) {
		struct http_request *req = job->owner;

		if (req) {
			req->job = NULL;
			req->is_authorized = job->is_right;
			if (!job->is_right)
				reply_refusal(req, 401, HTTP_REFUSED_AUTH, "a name and a password are needed\n");
			request_resume(req);
		}
		http_auth_job__free(job);
	}
}

static void begin_stop(struct http_server *srv)
{
	srv->is_stopping = true;
	watch_listeners(srv, false);
	for (struct conn *c = srv->conns; c; c = c->next) {
		struct http_request *req = c->req;

		if (c->is_dead)
			continue;
		if (is_waiting(c)) {
			conn_close(c);
		} else if (req && req->is_suspended) {
			request_detach(req);
			reply_refusal(req, 503, HTTP_REFUSED_BUSY, "the server is stopping\n");
			request_resume(req);
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

	srv->now_ms = clock_ms();
	for (i = 0; i < n; i++) {
		struct source *source = events[i].data.ptr;

		if (source->kind == SOURCE_WAKE)
			take_replies(srv);
		else if (source->kind == SOURCE_TCP)
			on_client(source->of, events[i].events);
		else if (source->kind == SOURCE_PIPE && !((struct conn *)source->of)->is_dead)
			pump(source->of);
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
		err = http_auth__new(&srv->auth, wake, srv);
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

static int start_mhd(struct http_server *srv)
{
	const union MHD_DaemonInfo *info;

	srv->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
				    on_request, srv, MHD_OPTION_NOTIFY_COMPLETED, on_completed, srv,
				    MHD_OPTION_NOTIFY_CONNECTION, on_connection, srv, MHD_OPTION_CONNECTION_LIMIT,
				    srv->limits.max_conns, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MHD_POOL_LEN,
				    MHD_OPTION_CONNECTION_TIMEOUT, (srv->limits.send_idle_ms + 999) / 1000,
				    MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (!srv->mhd)
		return -EIO;
	info = MHD_get_daemon_info(srv->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info || info->epoll_fd < 0)
		return -EIO;
	srv->mhd_source.kind = SOURCE_MHD;
	return watch(srv, info->epoll_fd, EPOLLIN, &srv->mhd_source);
}

int http_server__start(struct http_server *srv)
{
	sigset_t all, old;
	int err;

	err = start_mhd(srv);
	if (err)
		goto fail;
	srv->wake_source.kind = SOURCE_WAKE;
	err = watch(srv, srv->wake_fd, EPOLLIN, &srv->wake_source);
	for (size_t i = 0; !err && i < srv->nr_listeners; i++)
		err = watch(srv, srv->listeners[i].fd, EPOLLIN, &srv->listener_sources[i]);
	if (err)
		goto fail;
	srv->is_accepting = true;
	srv->now_ms = clock_ms();

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
		wake(srv);
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
		conn_close(c);
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
	srv_unref(srv);
}

size_t http_server__nr_listeners(const struct http_server *srv)
{
	return srv->nr_listeners;
}

unsigned int http_server__port(const struct http_server *srv, size_t i)
{
	return srv->listeners[i].port;
}
