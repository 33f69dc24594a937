/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_SERVE_MSG_H
#define USER_SERVE_MSG_H

/*
 * serve_msg - what the two processes of 'ukprof serve' say to each other.
 *
 * The front talks to HTTP clients and has no right to anything; the collector looks at VMs and never sees a byte
 * of HTTP. Between them is a SOCK_SEQPACKET pair. Each message is one of the structs below, whole, without
 * pointers and without variable length; the body of a long reply is a sealed memfd that comes with it.
 *
 *	front				collector
 *	HELLO: the sockets are bound ──►
 *				     ◄── GO: the programs are loaded
 *	a request with an id         ──►
 *	CANCEL: its client has gone  ──►
 *				     ◄── DONE: exactly one of each request, cancelled ones included
 *				     ◄── BYE: in good order
 *
 * Both sides take the other for hostile: what does not check ends the connection. A message that is well-formed but
 * out of turn is judged by who keeps the state: serve_link and serve_front.
 *
 * Threads: any; no state.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "http_server.h"
#include "snapshot.h"

#define SERVE_TEXT_LEN	   256	      /* bytes: a label, a host, or the whole of a short reply */
#define SERVE_MAX_BODY	   (256u << 20) /* bytes */
#define SERVE_MAX_REQUESTS 1024	      /* under way at once; --web.max-requests allows 1000 */
#define SERVE_MAX_SECONDS  300

enum serve_ask {
	SERVE_ASK_NONE = 0,
	SERVE_ASK_HELLO,
	SERVE_ASK_CANCEL,
	SERVE_ASK_READY,
	SERVE_ASK_METRICS, /* format, http */
	SERVE_ASK_SD,	   /* text: the Host by which the client called us */
	SERVE_ASK_VMS,
	SERVE_ASK_FLAME,   /* text: the VM's label; measure, by_library */
	SERVE_ASK_EXITS,   /* text: the VM's label */
	SERVE_ASK_PROFILE, /* text: the VM's label, or nothing for all; measure, by_library, seconds */
	SERVE_NR_ASKS
};

/* What the front counted; for /metrics only. */
struct serve_http_counts {
	uint64_t requests[6]; /* as http_counters */
	uint64_t refused[HTTP_NR_REFUSALS];
	uint64_t nr_conns;
	uint64_t nr_accepted;
};

/* Members that a kind does not use are 0. */
struct serve_request {
	uint32_t magic;
	uint32_t ask;	   /* enum serve_ask */
	uint64_t id;	   /* not 0, except of HELLO; the front's choice, never used again */
	uint32_t format;   /* enum metrics_format */
	uint32_t measure;  /* enum snap_measure */
	uint32_t seconds;  /* 1 to SERVE_MAX_SECONDS */
	uint32_t reserved;
	uint32_t by_library; /* 1: guest frames are libraries; of FLAME and PROFILE */
	uint32_t text_len; /* bytes; UTF-8 without control characters; the rest of @text is 0 */
	char text[SERVE_TEXT_LEN];
	struct serve_http_counts http;
};

enum serve_say { SERVE_SAY_NONE = 0, SERVE_SAY_GO, SERVE_SAY_DONE, SERVE_SAY_BYE, SERVE_NR_SAYS };

struct serve_reply {
	uint32_t magic;
	uint32_t say;	   /* enum serve_say; all below is for DONE, else 0 */
	uint64_t id;	   /* the request's */
	uint32_t status;   /* of HTTP: 200, 404, 500 or 503 */
	uint32_t text_len; /* bytes of @text: the body, unless a memfd holds it */
	uint64_t body_len; /* bytes of the memfd; 0: there is none */
	char text[SERVE_TEXT_LEN];
};

_Static_assert(sizeof(struct serve_request) == 40 + SERVE_TEXT_LEN + 8 * (8 + HTTP_NR_REFUSALS), "no padding");
_Static_assert(sizeof(struct serve_reply) == 32 + SERVE_TEXT_LEN, "no padding");

/** serve_request__init() - zeroed, with its kind; then set the members of that kind. */
void serve_request__init(struct serve_request *req, enum serve_ask ask, uint64_t id);

/** serve_request__set_text() - Return: false if it is too long or holds what a text may not. */
bool serve_request__set_text(struct serve_request *req, const char *text);

/**
 * serve_request__check() - is this what a right front could have sent?
 * @len: bytes received.
 *
 * Return: 0 or -EBADMSG.
 */
int serve_request__check(const void *msg, size_t len);

void serve_reply__init(struct serve_reply *reply, enum serve_say say);

/**
 * serve_reply__check() - is this what a right collector could have sent?
 * @fd: that came with it, or -1. It has to be a memfd of the right length which nobody can change any more.
 *
 * Return: 0 or -EBADMSG.
 */
int serve_reply__check(const void *msg, size_t len, int fd);

/**
 * serve_body__new() - a sealed memfd with these bytes.
 *
 * Return: the descriptor, which the caller owns, or a negative errno.
 */
int serve_body__new(const void *data, size_t len);

#endif /* USER_SERVE_MSG_H */
