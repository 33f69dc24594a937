/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_SERVE_ROUTES_H
#define USER_SERVE_ROUTES_H

/*
 * serve_routes - the paths of 'ukprof serve': from an HTTP request to a question for the collector, and from its
 * reply to the client's answer.
 *
 * Threads: handlers run on the HTTP thread of the front; answers come from the thread of serve_calls.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http_server.h"

struct serve_calls;
struct serve_routes;

/** serve_routes__can_have() - is this path free for the metrics? */
bool serve_routes__can_have(const char *telemetry_path);

/** serve_routes__new() - @calls, @telemetry_path: borrowed. Return: 0 or -ENOMEM. */
int serve_routes__new(struct serve_routes **out, struct serve_calls *calls, const char *telemetry_path);
void serve_routes__free(struct serve_routes *r); /* accepts NULL; after the HTTP server */

/** serve_routes__set_server() - whose counters go with each request for metrics; borrowed. Before it is started. */
void serve_routes__set_server(struct serve_routes *r, const struct http_server *http);

/** serve_routes__table() - for http_server__new(), with the routes as context. */
const struct http_route *serve_routes__table(const struct serve_routes *r, size_t *nr);

/**
 * serve_routes__answer() - pass a reply on, with the headers of its kind.
 * @ask: enum serve_ask. @format: of SERVE_ASK_METRICS. @pending: taken.
 * @reply: status and body are set; other members are filled in.
 */
void serve_routes__answer(uint32_t ask, uint32_t format, struct http_pending *pending, struct http_reply *reply);

#endif /* USER_SERVE_ROUTES_H */
