/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_internal.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "strbuf.h"

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

void http_conn__set_state(struct conn *c, enum conn_state state)
{
	c->use->nr_waiting -= http_conn__is_waiting(c);
	c->state = state;
	c->use->nr_waiting += http_conn__is_waiting(c);
	c->since_ms = c->moved_ms = c->srv->now_ms;
}

void http_conn__close_pipe(struct conn *c)
{
	if (c->pipe_fd >= 0)
		close(c->pipe_fd);
	c->pipe_fd = -1;
}

/* Ours to close, not libmicrohttpd's. It is freed at the end of the turn, or when libmicrohttpd is through. */
void http_conn__close(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	http_conn__close_pipe(c);
	if (c->is_in_mhd || c->is_dead)
		return;
	c->is_dead = true;
	if (http_conn__is_waiting(c))
		c->use->nr_waiting--;
	atomic_fetch_sub_explicit(&c->srv->counters.nr_conns, 1, memory_order_relaxed);
}

void http_conn__free(struct conn *c)
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

void http_conn__drop(struct conn *c, enum http_refusal why)
{
	http_server__count_refusal(c->srv, why);
	http_conn__close(c);
}

/* Bytes that come now are thrown away: to close a socket with unread bytes would take the answer back. */
static void linger(struct conn *c)
{
	http_conn__set_state(c, CONN_LINGER);
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
void http_conn__refuse(struct conn *c, const struct http_refused *refused)
{
	struct strbuf sb = { 0 };

	http_server__count_refusal(c->srv, refused->why);
	http_server__count_status(c->srv, refused->status);
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

/* --- reading the header --- */

/* @is_last: no more bytes will come. */
static void try_head(struct conn *c, const char *bytes, size_t len, bool is_last)
{
	struct http_server *srv = c->srv;
	struct http_refused refused;
	int ret;

	ret = http_parse__head(bytes, len, &srv->limits, &srv->head, &refused);
	if (ret == 1)
		http_request__hand_over(c, &srv->head, bytes, len);
	else if (ret == -EBADMSG)
		http_conn__refuse(c, &refused);
	else if (ret < 0)
		http_conn__drop(c, HTTP_REFUSED_FULL);
	else if (is_last)
		http_conn__close(c);
}

static void read_plain(struct conn *c, bool is_last)
{
	struct http_server *srv = c->srv;
	ssize_t n = recv(c->fd, srv->buf, srv->limits.max_header_len + 1, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		http_conn__close(c);
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
			http_conn__close(c);
			return;
		}
		if (first != 0x16) { /* handshake record: RFC 8446, 5.1 */
			http_conn__refuse(c, &not_tls);
			return;
		}
		if (start_tls(c)) {
			http_conn__drop(c, HTTP_REFUSED_FULL);
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
		http_conn__drop(c, HTTP_REFUSED_TLS);
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
		http_conn__drop(c, HTTP_REFUSED_FULL);
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
			http_conn__close(c);
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
void http_conn__pump(struct conn *c)
{
	ssize_t n;

	while (c->pipe_fd >= 0 && c->fd >= 0) {
		if (!c->out_len) {
			n = read(c->pipe_fd, c->out, TLS_OUT_LEN);
			if (n < 0 && (errno == EAGAIN || errno == EINTR))
				return;
			if (n <= 0) {
				http_conn__close_pipe(c);
				if (c->req)
					http_request__uncount(c->req);
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
			http_conn__close(c);
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
		http_conn__pump(c);
	}
	if (!(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) || !c->req)
		return;
	/* Who has an answer may have said that it will send no more: it can still read. */
	if (!c->req->answered_ms)
		http_request__gone(c->req);
}

static void discard(struct conn *c)
{
	ssize_t n;

	do {
		n = recv(c->fd, c->srv->buf, c->srv->limits.max_header_len, MSG_DONTWAIT);
	} while (n > 0);
	if (!n || (errno != EAGAIN && errno != EINTR))
		http_conn__close(c);
}

void http_conn__on_event(struct conn *c, uint32_t events)
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
	if (is_last && !c->is_dead && http_conn__is_waiting(c))
		http_conn__close(c);
}

/* --- arriving --- */

void http_conn__new(struct http_server *srv, const struct http_listener *listener, int fd,
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
		http_server__count_refusal(srv, HTTP_REFUSED_FULL);
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
		http_conn__set_state(c, CONN_TLS);
	} else {
		http_conn__set_state(c, CONN_HEAD);
	}
	atomic_fetch_add_explicit(&srv->counters.nr_conns, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&srv->counters.nr_accepted, 1, memory_order_relaxed);
	if (http_server__watch(srv, fd, EPOLLIN | EPOLLRDHUP | EPOLLET | (c->cfg ? EPOLLOUT : 0), &c->tcp))
		http_conn__drop(c, HTTP_REFUSED_FULL);
	else
		http_conn__on_event(c, 0);
}
