/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MHD_POOL_LEN (32 * 1024) /* header and what libmicrohttpd makes of it */

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
	http_server__count_refusal(srv, HTTP_REFUSED_EVICTED);
	http_request__uncount(victim->req);
	if (victim->fd >= 0)
		shutdown(victim->fd, SHUT_RDWR);
	http_conn__close_pipe(victim);
	return true;
}

/* Return: true, or it has been answered 503. */
static bool admit(struct http_request *req)
{
	struct http_server *srv = req->conn->srv;

	if (req->is_counted)
		return true;
	if (srv->is_stopping) {
		http_request__refuse(req, 503, HTTP_REFUSED_BUSY, "the server is stopping\n");
		return false;
	}
	if (req->conn->use->nr_requests >= srv->limits.max_per_addr && !req->conn->listener->is_unix) {
		http_request__refuse(req, 503, HTTP_REFUSED_ADDR_BUSY, "too many requests of this address are under way\n");
		return false;
	}
	if (srv->counters.nr_requests >= srv->max_requests && !evict_sender(srv)) {
		http_request__refuse(req, 503, HTTP_REFUSED_BUSY, "too many requests are under way\n");
		return false;
	}
	req->is_counted = true;
	req->conn->use->nr_requests++;
	atomic_fetch_add_explicit(&srv->counters.nr_requests, 1, memory_order_relaxed);
	return true;
}

void http_request__refuse_password(struct http_request *req, int err)
{
	if (err == -EACCES)
		http_request__refuse(req, 401, HTTP_REFUSED_AUTH, "a name and a password are needed\n");
	else
		http_request__refuse(req, 503, HTTP_REFUSED_AUTH_BUSY, "the password was not checked: try again later\n");
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
	} else {
		http_request__refuse_password(req, ret);
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
		http_request__refuse(req, 404, HTTP_REFUSED_NO_ROUTE, "there is no such page\n");
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
		if (http_response__new_error(&req->response, req->cfg))
			return MHD_NO;
	}
	ret = MHD_queue_response(mhd, req->status, req->response);
	MHD_destroy_response(req->response);
	req->response = NULL;
	req->answered_ms = srv->now_ms;
	http_server__count_status(srv, req->status);
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
		http_request__uncount(req);
}

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
		http_conn__close(c);
	} else if (c->fd < 0 || (c->pipe_fd < 0 && c->state == CONN_REQUEST)) {
		http_conn__close(c); /* else http_conn__pump() still has something to send */
	}
	if (c->is_dead) {
		http_request__free(c->req);
		c->req = NULL;
	}
}

static const struct http_refused wrong_host = {
	.status = 403,
	.why = HTTP_REFUSED_HOST,
	.text = "the Host header does not name this machine",
};

/* Make libmicrohttpd read the checked bytes: from the socket, or through a pair of them. */
void http_request__hand_over(struct conn *c, struct http_head *head, const char *bytes, size_t len)
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
		http_conn__refuse(c, &refused);
		return;
	}
	c->req = http_request__new(c, head);
	if (!c->req) {
		http_head__free(head);
		http_conn__drop(c, HTTP_REFUSED_FULL);
		return;
	}
	if (c->tls) {
		c->out = malloc(TLS_OUT_LEN);
		if (!c->out || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) ||
		    send(pair[0], bytes, len, MSG_NOSIGNAL) != (ssize_t)len ||
		    http_server__watch(srv, pair[0], EPOLLIN | EPOLLET, &c->pipe)) {
			if (pair[0] >= 0) {
				close(pair[0]);
				close(pair[1]);
			}
			http_request__free(c->req);
			c->req = NULL;
			http_conn__drop(c, HTTP_REFUSED_FULL);
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

	http_conn__set_state(c, CONN_REQUEST);
	srv->adding = c;
	c->is_in_mhd = true;
	srv->mhd_is_due = true;
	if (MHD_add_connection(srv->mhd, fd, addr, addr_len) == MHD_YES)
		return;
	/* It has closed the socket. */
	c->is_in_mhd = false;
	if (!c->tls)
		c->fd = -1;
	http_request__free(c->req);
	c->req = NULL;
	http_conn__drop(c, HTTP_REFUSED_FULL);
}

int http_server__start_mhd(struct http_server *srv)
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
	return http_server__watch(srv, info->epoll_fd, EPOLLIN, &srv->mhd_source);
}
