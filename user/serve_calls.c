/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "serve_calls.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd_msg.h"
#include "http_server.h"
#include "serve_routes.h"

/* A client's request until its reply has come, also if the client has gone: id 0 is a free place. */
struct call {
	struct serve_calls *calls;
	uint64_t id;
	uint32_t ask, format;
	struct http_pending *pending;
};

struct serve_calls {
	int sock;
	pthread_mutex_t lock;
	uint64_t last_id;
	struct call table[SERVE_MAX_REQUESTS];
};

int serve_calls__new(struct serve_calls **out, int sock)
{
	struct serve_calls *calls;

	calls = calloc(1, sizeof(*calls));
	if (!calls)
		return -ENOMEM;
	calls->sock = sock;
	pthread_mutex_init(&calls->lock, NULL);
	*out = calls;
	return 0;
}

void serve_calls__free(struct serve_calls *calls)
{
	size_t i;

	if (!calls)
		return;
	/* Their clients have had the server's own answer. */
	for (i = 0; i < SERVE_MAX_REQUESTS; i++)
		if (calls->table[i].id)
			http_pending__reply_text(calls->table[i].pending, 503, "ukprof is stopping");
	pthread_mutex_destroy(&calls->lock);
	free(calls);
}

static struct call *get_place(struct serve_calls *calls, const struct serve_request *ask)
{
	struct call *call = NULL;
	size_t i;

	pthread_mutex_lock(&calls->lock);
	for (i = 0; i < SERVE_MAX_REQUESTS && calls->table[i].id; i++)
		;
	if (i < SERVE_MAX_REQUESTS) {
		call = &calls->table[i];
		*call = (struct call){ .calls = calls, .id = ++calls->last_id, .ask = ask->ask, .format = ask->format };
	}
	pthread_mutex_unlock(&calls->lock);
	return call;
}

static void free_place(struct call *call)
{
	pthread_mutex_lock(&call->calls->lock);
	call->id = 0;
	pthread_mutex_unlock(&call->calls->lock);
}

/* HTTP thread. The place stays taken until the collector has replied. */
static void on_gone(void *ctx)
{
	struct call *call = ctx;
	struct serve_request msg;

	serve_request__init(&msg, SERVE_ASK_CANCEL, call->id);
	/* Where there is no room it works for nothing, once. */
	fd_msg__send(call->calls->sock, &msg, sizeof(msg), -1, MSG_DONTWAIT);
}

void serve_calls__ask(struct serve_calls *calls, struct http_request *http, struct serve_request *ask)
{
	struct http_pending *pending;
	struct call *call;
	uint64_t id;

	call = get_place(calls, ask);
	if (!call) {
		http_request__reply_text(http, 503, "too many requests are under way");
		return;
	}
	id = call->id;
	pending = http_request__defer(http, on_gone, call);
	if (!pending) {
		free_place(call);
		return;
	}
	/* Before it is sent, for the reply may come at once. */
	pthread_mutex_lock(&calls->lock);
	call->pending = pending;
	pthread_mutex_unlock(&calls->lock);
	ask->id = id;
	if (fd_msg__send(calls->sock, ask, sizeof(*ask), -1, MSG_DONTWAIT)) {
		http_pending__reply_text(pending, 503, "the collector does not answer");
		free_place(call);
	}
}

struct mapping {
	void *data;
	size_t len;
};

static void unmap(void *owner)
{
	struct mapping *m = owner;

	munmap(m->data, m->len);
	free(m);
}

/* Of a reply that was checked. */
static struct mapping *map(int fd, size_t len)
{
	struct mapping *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	m->len = len;
	m->data = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (m->data != MAP_FAILED)
		return m;
	free(m);
	return NULL;
}

static void answer(const struct call *call, const struct serve_reply *msg, int fd)
{
	struct mapping *m = fd >= 0 ? map(fd, msg->body_len) : NULL;
	struct http_reply reply = {
		.status = msg->status,
		.body = m ? m->data : msg->text,
		.body_len = m ? m->len : msg->text_len,
		.release = m ? unmap : NULL,
		.owner = m,
	};

	if (fd >= 0 && !m)
		http_pending__reply_text(call->pending, 500, "out of memory");
	else
		serve_routes__answer(call->ask, call->format, call->pending, &reply);
}

static struct call *find(struct serve_calls *calls, uint64_t id)
{
	struct call *call = NULL;
	size_t i;

	pthread_mutex_lock(&calls->lock);
	for (i = 0; i < SERVE_MAX_REQUESTS && calls->table[i].id != id; i++)
		;
	if (i < SERVE_MAX_REQUESTS && calls->table[i].pending)
		call = &calls->table[i];
	pthread_mutex_unlock(&calls->lock);
	return call;
}

int serve_calls__run(struct serve_calls *calls)
{
	struct serve_reply msg;
	struct call *call;
	ssize_t n;
	int fd, err = 0;

	for (;;) {
		fd = -1;
		n = fd_msg__receive(calls->sock, &msg, sizeof(msg), &fd);
		if (n <= 0)
			return n && n != -ECONNRESET ? n : -EPIPE;
		err = serve_reply__check(&msg, n, fd);
		if (!err && msg.say == SERVE_SAY_BYE)
			return 0;
		call = !err && msg.say == SERVE_SAY_DONE ? find(calls, msg.id) : NULL;
		if (call) {
			answer(call, &msg, fd);
			free_place(call);
		}
		if (fd >= 0)
			close(fd);
		if (!call)
			return -EBADMSG;
	}
}
