/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "strbuf.h"

#define MIN_GZIP_LEN 512

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
int http_response__new(struct MHD_Response **out, const struct http_reply *reply, const struct web_config *cfg,
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

bool http_request__accepts_gzip(const struct http_request *req)
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
	err = http_response__new(&req->response, reply, req->cfg, http_request__accepts_gzip(req));
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

void http_request__refuse(struct http_request *req, unsigned int status, enum http_refusal why, const char *text)
{
	/* The first is for go tool pprof, which shows an error's text only if it comes from a server like Go's own. */
	struct http_header headers[2] = { { "X-Go-Pprof", "1" }, { "Retry-After", "1" } };
	struct http_reply reply = {
		.status = status,
		.content_type = "text/plain; charset=utf-8",
		.body = text,
		.body_len = strlen(text),
		.headers = headers,
		.nr_headers = 1 + (status == 503 || status == 401),
	};

	if (status == 401)
		headers[1] = (struct http_header){ "WWW-Authenticate", "Basic realm=\"ukprof\", charset=\"UTF-8\"" };
	http_server__count_refusal(req->conn->srv, why);
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
	pending->accepts_gzip = http_request__accepts_gzip(req);
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
int http_response__new_error(struct MHD_Response **out, const struct web_config *cfg)
{
	static const char text[] = "the answer could not be made\n";
	struct http_reply reply = {
		.content_type = "text/plain; charset=utf-8",
		.body = text,
		.body_len = strlen(text),
		.release = http_body__static,
	};

	return http_response__new(out, &reply, cfg, false);
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
		err = http_response__new(&response, reply, pending->cfg, pending->accepts_gzip);
		if (err) {
			status = 500;
			http_response__new_error(&response, pending->cfg);
		}
	}

	pthread_mutex_lock(&srv->lock);
	if (!atomic_load(&pending->is_gone)) {
		pending->response = response;
		pending->status = status;
		pending->next = srv->replied;
		srv->replied = pending;
		http_server__wake(srv); /* under the lock: behind it the server may be freed */
		pthread_mutex_unlock(&srv->lock);
		return err;
	}
	pthread_mutex_unlock(&srv->lock);
	if (response)
		MHD_destroy_response(response);
	http_pending__free(pending);
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
