/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_SERVE_LINK_H
#define USER_SERVE_LINK_H

/*
 * serve_link - the collector's end of the line to the front: takes requests, sends replies.
 *
 * One thread reads; it has no rights, and hands each request that checks to a handler. A message that does not check,
 * or is out of turn, means that the front is not what was started: the link is broken for good, and so is serve.
 *
 * Threads: each function says so. Lifetime: a request lives until it is replied to, exactly once.
 */

#include <stdbool.h>
#include <stddef.h>

#include "serve_msg.h"

struct link_request;
struct serve_link;
struct sink;

/**
 * serve_link__new() - @sock: taken. @wake_fd: an eventfd that is written when a request was cancelled, or the link broke; borrowed.
 *
 * Return: 0; -ENOMEM. Threads: the collector's, as of all functions but those of link_request.
 */
int serve_link__new(struct serve_link **out, int sock, int wake_fd);

/** serve_link__wait_hello() - until the front listens. Return: 0; -EPIPE if it ended first; -EBADMSG. */
int serve_link__wait_hello(struct serve_link *l);

/**
 * serve_link__start() - let the front begin. @handler: called on the link's thread for each request; it has to see to the reply.
 *
 * Return: 0 or a negative errno.
 */
int serve_link__start(struct serve_link *l, void (*handler)(void *ctx, struct link_request *req), void *ctx);

/** serve_link__error() - 0; -EPIPE: the front has ended; -EBADMSG: it sent what it may not; -EAGAIN: it does not read. */
int serve_link__error(struct serve_link *l);

/** serve_link__stop() - say goodbye; no handler runs after it has returned. May be called twice. */
void serve_link__stop(struct serve_link *l);

/** serve_link__free() - accepts NULL; stops first. All requests have been replied to. */
void serve_link__free(struct serve_link *l);

/* --- a request; threads: any, one at a time --- */

/** link_request__ask() - what is asked: checked; borrowed. */
const struct serve_request *link_request__ask(const struct link_request *req);

/** link_request__text() - its text as a string; borrowed. NULL: it has none. */
const char *link_request__text(const struct link_request *req);

/** link_request__is_gone() - nobody waits for it any more; it has to be replied to all the same. */
bool link_request__is_gone(const struct link_request *req);

/** link_request__reply_text() - @req: taken. @text: up to SERVE_TEXT_LEN bytes. Return: whether it was sent. */
bool link_request__reply_text(struct link_request *req, unsigned int status, const char *text);

/** link_request__reply() - status 200 and what a memory sink holds. @req, @sink: taken. Return: whether just that was sent. */
bool link_request__reply(struct link_request *req, struct sink *sink);

#endif /* USER_SERVE_LINK_H */
