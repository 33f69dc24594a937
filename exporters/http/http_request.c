/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_internal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

void http_pending__free(struct http_pending *pending)
{
	if (pending->response)
		MHD_destroy_response(pending->response);
	web_config__free(pending->cfg);
	http_server__unref(pending->srv);
	free(pending);
}

/* Nobody waits any more: for the worker of a deferred request, or for a password check. */
void http_request__detach(struct http_request *req)
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

void http_request__resume(struct http_request *req)
{
	if (!req->is_suspended)
		return;
	req->is_suspended = false;
	MHD_resume_connection(req->mhd);
	req->conn->srv->mhd_is_due = true;
}

void http_request__gone(struct http_request *req)
{
	if (req->is_gone)
		return;
	req->is_gone = true;
	http_request__detach(req);
	http_request__resume(req);
}

void http_request__uncount(struct http_request *req)
{
	if (!req->is_counted)
		return;
	req->is_counted = false;
	req->conn->use->nr_requests--;
	atomic_fetch_sub_explicit(&req->conn->srv->counters.nr_requests, 1, memory_order_relaxed);
}

void http_request__free(struct http_request *req)
{
	if (!req)
		return;
	http_request__detach(req);
	http_request__uncount(req);
	if (req->response)
		MHD_destroy_response(req->response);
	web_config__free(req->cfg);
	http_head__free(&req->head);
	free(req);
}

struct http_request *http_request__new(struct conn *c, const struct http_head *head)
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
