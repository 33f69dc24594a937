/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "serve_link.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "fd_msg.h"
#include "rights.h"
#include "sink.h"

#define STUCK_S 10 /* a front that does not read for so long is none */

struct link_request {
	struct link_request *next;
	struct serve_link *link;
	struct serve_request ask;
	char text[SERVE_TEXT_LEN + 1];
	atomic_bool is_gone;
};

struct serve_link {
	int sock;
	int wake_fd;
	void (*handler)(void *ctx, struct link_request *req);
	void *ctx;
	pthread_t thread;
	bool is_started;
	_Atomic int err;
	uint64_t last_id; /* the thread's own */
	pthread_mutex_t lock;
	struct link_request *first; /* under way */
	size_t nr;
};

int serve_link__new(struct serve_link **out, int sock, int wake_fd)
{
	struct timeval stuck = { .tv_sec = STUCK_S };
	struct serve_link *l;

	l = calloc(1, sizeof(*l));
	if (!l) {
		close(sock);
		return -ENOMEM;
	}
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &stuck, sizeof(stuck));
	l->sock = sock;
	l->wake_fd = wake_fd;
	pthread_mutex_init(&l->lock, NULL);
	*out = l;
	return 0;
}

static void wake(const struct serve_link *l)
{
	uint64_t one = 1;

	if (write(l->wake_fd, &one, sizeof(one)) < 0)
		return; /* full: it is awake */
}

/* The first reason stays. */
static void set_broken(struct serve_link *l, int err)
{
	int none = 0;

	atomic_compare_exchange_strong(&l->err, &none, err);
	wake(l);
}

int serve_link__wait_hello(struct serve_link *l)
{
	struct serve_request msg;
	ssize_t n = fd_msg__receive(l->sock, &msg, sizeof(msg), NULL);

	if (n <= 0)
		return n == -EBADMSG ? n : -EPIPE;
	return serve_request__check(&msg, n) || msg.ask != SERVE_ASK_HELLO ? -EBADMSG : 0;
}

static void cancel(struct serve_link *l, uint64_t id)
{
	struct link_request *req;

	pthread_mutex_lock(&l->lock);
	for (req = l->first; req && req->ask.id != id; req = req->next)
		;
	if (req)
		req->is_gone = true;
	pthread_mutex_unlock(&l->lock);
	wake(l);
}

static int take(struct serve_link *l, const struct serve_request *msg)
{
	struct link_request *req;
	bool full;

	/* Ids only grow, so that none is under way twice. */
	if (msg->ask == SERVE_ASK_HELLO || msg->id <= l->last_id)
		return -EBADMSG;
	l->last_id = msg->id;
	req = calloc(1, sizeof(*req));
	if (!req)
		return -ENOMEM;
	req->link = l;
	req->ask = *msg;
	memcpy(req->text, msg->text, msg->text_len);
	pthread_mutex_lock(&l->lock);
	full = l->nr == SERVE_MAX_REQUESTS;
	if (!full) {
		req->next = l->first;
		l->first = req;
		l->nr++;
	}
	pthread_mutex_unlock(&l->lock);
	if (full) {
		free(req);
		return -EBADMSG;
	}
	l->handler(l->ctx, req);
	return 0;
}

static void *reader(void *arg)
{
	struct serve_link *l = arg;
	struct serve_request msg;
	ssize_t n;
	int err;

	rights__drop_thread();
	do {
		n = fd_msg__receive(l->sock, &msg, sizeof(msg), NULL);
		err = n > 0 ? serve_request__check(&msg, n) : n ? (int)n : -EPIPE;
		if (!err && msg.ask == SERVE_ASK_CANCEL)
			cancel(l, msg.id);
		else if (!err)
			err = take(l, &msg);
	} while (!err);
	set_broken(l, err == -ECONNRESET ? -EPIPE : err);
	return NULL;
}

int serve_link__start(struct serve_link *l, void (*handler)(void *ctx, struct link_request *req), void *ctx)
{
	struct serve_reply go;
	int err;

	l->handler = handler;
	l->ctx = ctx;
	err = -pthread_create(&l->thread, NULL, reader, l);
	if (err)
		return err;
	l->is_started = true;
	serve_reply__init(&go, SERVE_SAY_GO);
	return fd_msg__send(l->sock, &go, sizeof(go), -1, 0);
}

int serve_link__error(struct serve_link *l)
{
	return l->err;
}

void serve_link__stop(struct serve_link *l)
{
	struct serve_reply bye;

	serve_reply__init(&bye, SERVE_SAY_BYE);
	if (!l->is_started)
		return;
	fd_msg__send(l->sock, &bye, sizeof(bye), -1, MSG_DONTWAIT);
	/* The front still reads what was sent. */
	shutdown(l->sock, SHUT_RDWR);
	pthread_join(l->thread, NULL);
	l->is_started = false;
}

void serve_link__free(struct serve_link *l)
{
	if (!l)
		return;
	serve_link__stop(l);
	close(l->sock);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* --- requests --- */

const struct serve_request *link_request__ask(const struct link_request *req)
{
	return &req->ask;
}

const char *link_request__text(const struct link_request *req)
{
	return *req->text ? req->text : NULL;
}

bool link_request__is_gone(const struct link_request *req)
{
	return req->is_gone;
}

/* Takes @req. */
static bool finish(struct link_request *req, struct serve_reply *reply, int fd)
{
	struct serve_link *l = req->link;
	struct link_request **at;
	int err;

	reply->id = req->ask.id;
	pthread_mutex_lock(&l->lock);
	for (at = &l->first; *at != req; at = &(*at)->next)
		;
	*at = req->next;
	l->nr--;
	pthread_mutex_unlock(&l->lock);
	err = fd_msg__send(l->sock, reply, sizeof(*reply), fd, 0);
	if (err)
		set_broken(l, err == -ECONNRESET ? -EPIPE : err);
	free(req);
	return !err;
}

bool link_request__reply_text(struct link_request *req, unsigned int status, const char *text)
{
	size_t len = strlen(text);
	struct serve_reply reply;

	serve_reply__init(&reply, SERVE_SAY_DONE);
	reply.status = status;
	reply.text_len = len < sizeof(reply.text) ? len : sizeof(reply.text);
	memcpy(reply.text, text, reply.text_len);
	return finish(req, &reply, -1);
}

bool link_request__reply(struct link_request *req, struct sink *sink)
{
	struct serve_reply reply;
	const void *data;
	size_t len;
	bool sent;
	int fd;

	data = sink__data(sink, &len);
	fd = serve_body__new(data, len);
	sink__close(sink);
	if (fd < 0) {
		link_request__reply_text(req, 500, strerror(-fd));
		return false;
	}
	serve_reply__init(&reply, SERVE_SAY_DONE);
	reply.status = 200;
	reply.body_len = len;
	sent = finish(req, &reply, fd);
	close(fd);
	return sent;
}
