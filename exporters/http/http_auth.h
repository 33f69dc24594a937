/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HTTP_AUTH_H
#define HTTP_AUTH_H

/*
 * http_auth - passwords, checked on a thread of their own.
 *
 * One bcrypt costs 100 ms, so the HTTP thread never does one: it asks the memory of right passwords, or queues
 * a check. The queue is short, an address has few places in it, and an address that was wrong waits a second
 * before its next check: so guessers cost at most one CPU, and those who know their password do not wait for
 * them. The memory holds keyed hashes (user, password and the file's hash together), so a changed file
 * forgets by itself.
 *
 * Threads: all functions belong to the HTTP thread; @wake is called on the checking thread.
 */

#include "http_listen.h"
#include "web_config.h"

struct http_auth;

struct http_auth_job {
	struct http_auth_job *next;
	struct web_config *cfg;
	char *user, *password;
	struct http_addr_key key;
	int result; /* 0 right; -EACCES wrong; -ENOMEM not checked */
	void *owner; /* the caller's; NULL once nobody waits */
};

int http_auth__new(struct http_auth **out, void (*wake)(void *ctx), void *ctx);
void http_auth__free(struct http_auth *auth); /* accepts NULL; ends its thread */

/**
 * http_auth__check() - may this client in?
 * @header: value of Authorization, or NULL.
 * @job: receives the queued check.
 *
 * Return: 1 yes; -EACCES no; 0 queued: the answer comes from http_auth__next_done(); -EBUSY not checked, ask
 * again in a second; -ENOMEM.
 */
int http_auth__check(struct http_auth *auth, struct web_config *cfg, const char *header,
		     const struct http_addr_key *key, struct http_auth_job **job);

/** http_auth__next_done() - a check that is done; the caller frees it with http_auth_job__free(). NULL: no more. */
struct http_auth_job *http_auth__next_done(struct http_auth *auth);
void http_auth_job__free(struct http_auth_job *job);

#endif /* HTTP_AUTH_H */
