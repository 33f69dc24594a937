/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_SERVE_FRONT_H
#define USER_SERVE_FRONT_H

/*
 * serve_front - the process that talks to clients: it has the sockets, TLS and passwords, and no right to anything.
 *
 * It binds what it listens on with the rights that ukprof was started with, gives them all up, and asks the collector
 * for what it shows. It ends when the collector does.
 */

#include <sys/types.h>

#include "http_server.h"

struct serve_front_opts {
	struct http_opts http;
	const char *telemetry_path;
	const char *user; /* to become, if started as root */
};

/**
 * serve_front__start() - fork it. Call it before there are threads, and before there is anything it should not have.
 * @pid: receives the child's.
 * @sock: receives the collector's end of the line; the caller owns it.
 *
 * What systemd handed over stays open in the front only. Return: 0 or a negative errno.
 */
int serve_front__start(const struct serve_front_opts *opts, pid_t *pid, int *sock);

/**
 * serve_front__wait() - until it has ended; after some seconds, kill it.
 *
 * Return: its wait status, see waitpid(2).
 */
int serve_front__wait(pid_t pid);

#endif /* USER_SERVE_FRONT_H */
