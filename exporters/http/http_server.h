/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

/*
 * http_server - a small read-only HTTP/1.1 server that expects to be attacked.
 *
 * One thread, the HTTP thread, does everything: it accepts, waits until a request's header is complete,
 * checks it byte by byte, and only then hands the connection to libmicrohttpd, which never meets a slow or
 * malformed request. Handlers run on that thread, so they must be quick; what takes longer is deferred and
 * answered from another thread.
 *
 * What clients may do: GET and HEAD, without a body, one request on each connection. Everything else is
 * answered 4xx or 5xx and closed. No path is ever a file name: routes are a table.
 *
 * Lifetime: everything that an accessor returns is borrowed until the handler returns, or, after
 * http_request__defer(), gone at that call: copy first. Threads: each function says so.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_server;
struct http_request;
struct http_pending;

/* --- options --- */

/* 0 in any member means the default. Times are in milliseconds. */
struct http_limits {
	unsigned int max_conns;       /* connections at all; default 256. When full, the slowest one goes */
	unsigned int max_per_addr;    /* slow connections and requests of one IPv4 address or IPv6 /64; 16 */
	unsigned int max_header_len;  /* bytes of request line and header; 8192 */
	unsigned int max_target_len;  /* bytes of the request target; 2048 */
	unsigned int header_ms;       /* from accept to the complete header, with the TLS handshake; 10000 */
	unsigned int header_idle_ms;  /* between two pieces of the header; 5000 */
	unsigned int send_ms;         /* from the reply to its last byte taken by the client; 30000 */
	unsigned int send_idle_ms;    /* without the client taking a byte; 5000 */
};

struct http_opts {
	/*
	 * "127.0.0.1:21835", "[::1]:9", "localhost:80", ":21835" (every address, IPv4 and IPv6); port 0 lets the
	 * kernel choose. Borrowed until http_server__new() returns.
	 */
	const char *const *listen;
	size_t nr_listen;
	bool systemd_socket; /* listen on what systemd hands over ($LISTEN_FDS), and not on @listen */

	const char *config_path;  /* see web_config.h; NULL: no TLS, no passwords. Copied */
	unsigned int max_requests; /* under way at once, deferred ones included; more get 503. 0: 40 */

	/*
	 * Names by which this host may be called when it listens on loopback, beside localhost and the loopback
	 * addresses; a web page elsewhere can point its own name here. Copied.
	 */
	const char *const *host_names;
	size_t nr_host_names;

	struct http_limits limits;
};

/* --- routes --- */

/*
 * Must call exactly one of http_request__reply(), _reply_text(), _defer(); a handler that calls none has
 * its client told 500. Runs on the HTTP thread. HEAD comes as GET does; the server leaves the body away.
 */
typedef void (*http_handler)(void *ctx, struct http_request *req);

struct http_route {
	const char *path; /* begins with '/'; compared with the path as sent: "%2f" and "//" match nothing */
	bool prefix;      /* also everything below: "/vm/" gets "/vm/7"; default: the whole path */
	bool open;        /* answered without a password, for health probes */
	http_handler handler;
};

/* --- life --- */

/**
 * http_server__new() - bind the addresses and read the configuration; nobody is answered yet.
 * @out: the server; the caller owns it.
 * @opts: borrowed, copied where it matters.
 * @routes: borrowed until http_server__free(); the first match wins.
 * @ctx: handed to each handler.
 *
 * Warns when it listens beyond loopback without TLS or without passwords. What is wrong has been logged.
 *
 * Return: 0; -EINVAL for an address, an option or a configuration that is not valid; -EADDRINUSE,
 * -EACCES and so on from bind(2); -ENOENT if systemd gave no socket; -ENOMEM.
 */
int http_server__new(struct http_server **out, const struct http_opts *opts, const struct http_route *routes,
		     size_t nr_routes, void *ctx);

/** http_server__start() - start the HTTP thread. Return: 0 or a negative errno, logged. */
int http_server__start(struct http_server *srv);

/**
 * http_server__stop() - close the sockets, answer every deferred request 503, end the HTTP thread.
 *
 * Handlers and gone callbacks do not run any more once it has returned. May be called twice. Takes at most a
 * second: a client that does not take its answer by then loses it. Threads: not the HTTP thread.
 */
void http_server__stop(struct http_server *srv);

/** http_server__free() - accepts NULL; stops first. Deferred requests may be replied to even later. */
void http_server__free(struct http_server *srv);

size_t http_server__nr_listeners(const struct http_server *srv);

/** http_server__port() - the TCP port that listener @i is bound to; 0 for a Unix socket. Threads: any. */
unsigned int http_server__port(const struct http_server *srv, size_t i);

/* --- what the server says of itself --- */

/* X(name, label, help): requests and connections that no handler saw. */
#define HTTP_REFUSALS(X)                                                                       \
	X(MALFORMED, "malformed", "Request that is not well-formed HTTP/1.1")                  \
	X(BODY, "body", "Request with a body")                                                 \
	X(TOO_LONG, "too_long", "Request target or header too long")                           \
	X(METHOD, "method", "Method other than GET and HEAD")                                  \
	X(HOST, "host", "Host header that does not name this host")                            \
	X(QUERY, "query", "Malformed or repeated query parameter")                             \
	X(NO_ROUTE, "no_route", "Path that is not served")                                     \
	X(AUTH, "auth", "Missing or wrong password")                                           \
	X(AUTH_BUSY, "auth_busy", "Password not checked: too many at once or after a failure") \
	X(BUSY, "busy", "Too many requests under way")                                         \
	X(ADDR_BUSY, "addr_busy", "Too many requests of one address under way")                \
	X(TLS, "tls", "TLS handshake that failed")                                             \
	X(TIMEOUT, "timeout", "Connection closed: header not complete in time")                \
	X(EVICTED, "evicted", "Connection closed: slow, and its place was needed")             \
	X(FULL, "full", "Connection closed at once: no place for it")

enum http_refusal {
#define X(name, label, help) HTTP_REFUSED_##name,
	HTTP_REFUSALS(X)
#undef X
	HTTP_NR_REFUSALS
};

struct http_counters {
	uint64_t requests[6]; /* answered, by status / 100; [0] is unused */
	uint64_t refused[HTTP_NR_REFUSALS];
	uint64_t aborted;     /* the client went away, or was too slow, before it had its whole answer */
	uint64_t nr_accepted; /* connections that were taken up */
	uint32_t nr_conns;    /* now */
	uint32_t nr_requests; /* now, deferred ones included */
};

const char *http_refusal__label(enum http_refusal why);
const char *http_refusal__help(enum http_refusal why);

/** http_server__counters() - a copy. Threads: any. */
void http_server__counters(const struct http_server *srv, struct http_counters *out);

/* --- the request; HTTP thread, inside the handler --- */

/** http_request__path() - as sent, without the query; not decoded, begins with '/'. */
const char *http_request__path(const struct http_request *req);

/**
 * http_request__query() - the value of a query parameter.
 *
 * Decoded, valid UTF-8 without control characters. A query that is malformed, too long or names a key twice
 * has been answered 400 before any handler runs.
 *
 * Return: the value, "" for a key without one; NULL if the key is not there.
 */
const char *http_request__query(const struct http_request *req, const char *key);

/** http_request__query_key() - the name of the @i-th parameter, to refuse unknown ones; NULL past the last. */
const char *http_request__query_key(const struct http_request *req, size_t i);

/** http_request__header() - a header's value, visible ASCII and spaces; NULL if it is not there. */
const char *http_request__header(const struct http_request *req, const char *name);

/** http_request__client() - the client's address and port, as "127.0.0.1:4711" or "[::1]:4711". */
const char *http_request__client(const struct http_request *req);

/* --- the reply --- */

struct http_header {
	const char *name, *value;
};

struct http_reply {
	unsigned int status;
	const char *content_type; /* NULL: none. Copied */
	const void *body;
	size_t body_len; /* bytes */
	/*
	 * How long @body lives. NULL: it is copied before the call returns. Else it is borrowed, and
	 * release(owner) is called exactly once, on any thread, when the server is through with it, also if the
	 * call fails. http_body__static() is a release for what lives for ever.
	 */
	void (*release)(void *owner);
	void *owner;
	bool may_gzip;			   /* compress, if the client can read it and it pays */
	const struct http_header *headers; /* more headers; copied */
	size_t nr_headers;
};

void http_body__static(void *owner);

/**
 * http_request__reply() - answer; HTTP thread, inside the handler.
 *
 * The server adds Content-Length, Date, X-Content-Type-Options, Connection and the headers of the
 * configuration.
 *
 * Return: 0; -ENOMEM; -EINVAL for a header that cannot be sent. After an error the client is told 500 and
 * there is nothing more to do.
 */
int http_request__reply(struct http_request *req, const struct http_reply *reply);

/** http_request__reply_text() - answer with a text/plain line; a newline is added. */
int http_request__reply_text(struct http_request *req, unsigned int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* --- deferred replies --- */

/**
 * http_request__defer() - answer later; HTTP thread, inside the handler.
 * @gone: called at most once, on the HTTP thread, when the client has gone or the server stops, unless the
 *	reply came first. It may not call http_pending__reply(); set a flag and wake the one who works. A
 *	client that closes only its sending side has gone, too. May be NULL.
 * @ctx: for @gone.
 *
 * Return: the pending request, which the caller owns and must end with http_pending__reply(), gone or not;
 * NULL if there is no memory: the client is told 500.
 */
struct http_pending *http_request__defer(struct http_request *req, void (*gone)(void *ctx), void *ctx);

/** http_pending__is_gone() - nobody waits for this answer any more. Threads: any. */
bool http_pending__is_gone(const struct http_pending *pending);

/**
 * http_pending__reply() - answer a deferred request and give it up. Threads: any, also after
 * http_server__free().
 * @pending: taken, whatever is returned. When the call returns, @gone has run or never will.
 *
 * Compression, if any, is done on the calling thread.
 *
 * Return: 0; -ECANCELED if the client had gone; -ENOMEM or -EINVAL as http_request__reply().
 */
int http_pending__reply(struct http_pending *pending, const struct http_reply *reply);
int http_pending__reply_text(struct http_pending *pending, unsigned int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* HTTP_SERVER_H */
