/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HTTP_INTERNAL_H
#define HTTP_INTERNAL_H

/*
 * http_internal - what the parts of the HTTP server share; nobody else includes it.
 *
 *	http_server.c    life, the thread and its loop, accepting, time limits
 *	http_conn.c      a connection until its header is complete; TLS
 *	http_dispatch.c  from a complete header to a handler, through libmicrohttpd
 *	http_request.c   a request, what handlers ask of it, and its end
 *	http_reply.c     answers, at once and deferred
 *
 * Threads: the HTTP thread, where nothing else is said.
 */

#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "http_auth.h"
#include "http_listen.h"
#include "http_parse.h"
#include "http_server.h"
#include "web_config.h"

#define MAX_LISTENERS 16
#define SLOW_MS	      1000  /* a header or a send that takes longer counts against its address */
#define TLS_OUT_LEN   16384 /* a TLS record */

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
	_Atomic uint64_t requests[6], refused[HTTP_NR_REFUSALS], aborted, nr_accepted;
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

/* --- http_server.c --- */

/* One more descriptor for the loop. Return: 0 or a negative errno. */
int http_server__watch(struct http_server *srv, int fd, uint32_t events, struct source *source);

/* End the wait of the loop. Threads: any. */
void http_server__wake(void *srv);
void http_server__unref(struct http_server *srv); /* threads: any */
void http_server__count_refusal(struct http_server *srv, enum http_refusal why);
void http_server__count_status(struct http_server *srv, unsigned int status);

/* --- http_conn.c --- */

/* Takes @fd. */
void http_conn__new(struct http_server *srv, const struct http_listener *listener, int fd,
		    const struct sockaddr_storage *addr);
void http_conn__on_event(struct conn *c, uint32_t events);

/* Waits for its client's header. */
static inline bool http_conn__is_waiting(const struct conn *c)
{
	return c->state == CONN_TLS || c->state == CONN_HEAD;
}

/* Also begins the new state's time. */
void http_conn__set_state(struct conn *c, enum conn_state state);

/* An answer to what libmicrohttpd will never see; the connection lingers until the client has read it. */
void http_conn__refuse(struct conn *c, const struct http_refused *refused);

/* Close what is ours; it is freed at the end of the turn, or when libmicrohttpd is through with it. */
void http_conn__close(struct conn *c);
void http_conn__close_pipe(struct conn *c);
void http_conn__drop(struct conn *c, enum http_refusal why); /* close and count */
void http_conn__free(struct conn *c);

/* TLS: the answer from libmicrohttpd to the client, as far as it takes it. */
void http_conn__pump(struct conn *c);

/* --- http_dispatch.c --- */

int http_server__start_mhd(struct http_server *srv); /* 0 or a negative errno */

/* Make libmicrohttpd read the checked @bytes: from the socket, or through a pair of them. Takes what @head owns. */
void http_request__hand_over(struct conn *c, struct http_head *head, const char *bytes, size_t len);

/* @err: what came of the check: -EACCES wrong, else it could not be made. */
void http_request__refuse_password(struct http_request *req, int err);

/* --- http_request.c --- */

struct http_request *http_request__new(struct conn *c, const struct http_head *head); /* NULL: no memory */
void http_request__free(struct http_request *req);				      /* accepts NULL */

/* Nobody waits for its worker or its password check any more. */
void http_request__detach(struct http_request *req);
void http_request__resume(struct http_request *req);
void http_request__gone(struct http_request *req);    /* the client has left */
void http_request__uncount(struct http_request *req); /* it is not under way any more */
void http_pending__free(struct http_pending *pending); /* threads: any */

/* --- http_reply.c --- */

/*
 * Releases the body of @reply whatever happens. Threads: any.
 * Return: 0; -ENOMEM; -EINVAL for a header that cannot be sent.
 */
int http_response__new(struct MHD_Response **out, const struct http_reply *reply, const struct web_config *cfg,
		       bool accepts_gzip);
int http_response__new_error(struct MHD_Response **out, const struct web_config *cfg);

bool http_request__accepts_gzip(const struct http_request *req);

/* An answer of the server's own; counted. */
void http_request__refuse(struct http_request *req, unsigned int status, enum http_refusal why, const char *text);

#endif /* HTTP_INTERNAL_H */
