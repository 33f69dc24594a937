/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HTTP_LISTEN_H
#define HTTP_LISTEN_H

/* http_listen - the sockets that the server listens on, and whose address a client has. Threads: any. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct http_listener {
	int fd;
	bool is_loopback; /* bound to a loopback address: a Host header must name one */
	bool is_unix;
	unsigned int port; /* 0: none */
	char name[80];     /* for messages */
};

/** http_listen__open() - bind and listen. What is wrong has been logged. Return: 0 or a negative errno. */
int http_listen__open(struct http_listener *out, const char *address);

/**
 * http_listen__systemd() - take the sockets that systemd hands over.
 * @out: room for @max.
 *
 * Return: how many; -ENOENT if there are none; -EINVAL if one is no listening stream socket. Logged.
 * Source: sd_listen_fds(3), "Notes".
 */
int http_listen__systemd(struct http_listener *out, size_t max);

/* Who a client is to the limits: an IPv4 address, an IPv6 /64, or a Unix socket. */
struct http_addr_key {
	unsigned char bytes[16];
};

struct http_addr_key http_listen__key(const struct sockaddr_storage *addr);
void http_listen__print(const struct sockaddr_storage *addr, char *out, size_t len);

#endif /* HTTP_LISTEN_H */
