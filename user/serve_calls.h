/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_SERVE_CALLS_H
#define USER_SERVE_CALLS_H

/*
 * serve_calls - the front's end of the line to the collector: HTTP requests that wait for its replies.
 *
 * A handler asks and is through: the request is deferred. The replies come on another thread, which answers the clients.
 * If the collector cannot take one more, the client is told 503; nobody waits for room.
 */

#include <stdbool.h>

#include "serve_msg.h"

struct http_pending;
struct http_request;
struct serve_calls;

/** serve_calls__new() - @sock: borrowed. Return: 0 or -ENOMEM. */
int serve_calls__new(struct serve_calls **out, int sock);
void serve_calls__free(struct serve_calls *calls); /* accepts NULL; after the HTTP server */

/**
 * serve_calls__ask() - defer a request and send what it asks. Threads: the HTTP thread.
 * @ask: copied; the id is filled in.
 */
void serve_calls__ask(struct serve_calls *calls, struct http_request *http, struct serve_request *ask);

/**
 * serve_calls__run() - answer clients as replies come. Threads: one, not the HTTP thread.
 *
 * Those that wait when it returns are for http_server__stop() to answer.
 *
 * Return: 0: the collector said goodbye; -EPIPE: it has gone; -EBADMSG: what it sent is not what it may send; a negative errno.
 */
int serve_calls__run(struct serve_calls *calls);

#endif /* USER_SERVE_CALLS_H */
