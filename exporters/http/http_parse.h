/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HTTP_PARSE_H
#define HTTP_PARSE_H

/*
 * http_parse - the strict reader of a request's header, before anything else sees it.
 *
 * Accepts less than RFC 9112 lets a server accept: what two programs could read in two ways is refused.
 * Pure functions over bytes. Threads: any.
 */

#include <stdbool.h>
#include <stddef.h>

#include "http_server.h"

#define HTTP_MAX_FIELDS	100
#define HTTP_MAX_PARAMS 32

struct http_param {
	char *key, *value;
};

/* A request that was accepted. Its strings live in one copy of the bytes, which it owns. */
struct http_head {
	char *bytes;
	bool is_head; /* HEAD, else GET */
	bool is_http10;
	char *path;
	char *host; /* value of Host; NULL in HTTP/1.0 without one */
	struct http_param fields[HTTP_MAX_FIELDS];
	size_t nr_fields;
	struct http_param params[HTTP_MAX_PARAMS]; /* decoded */
	size_t nr_params;
};

/* Why a request is not. */
struct http_refused {
	unsigned int status;
	enum http_refusal why;
	const char *text;
	bool is_head;
};

/**
 * http_parse__head() - read a header.
 * @bytes: what has come so far.
 * @head: filled in when the header is complete; release it with http_head__free().
 * @refused: filled in when it is refused, which may be before it is complete.
 *
 * Return: 1 complete; 0 more is needed; -EBADMSG refused; -ENOMEM.
 */
int http_parse__head(const char *bytes, size_t len, const struct http_limits *limits, struct http_head *head,
		     struct http_refused *refused);
void http_head__free(struct http_head *head);

const char *http_head__field(const struct http_head *head, const char *name);

/** http_parse__is_local_name() - does a Host header name this machine's loopback, or one of @names? */
bool http_parse__is_local_name(const char *host, char *const *names, size_t nr_names);

/** http_parse__accepts_gzip() - by the value of Accept-Encoding; NULL: no. */
bool http_parse__accepts_gzip(const char *value);

#endif /* HTTP_PARSE_H */
