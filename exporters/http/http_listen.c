/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define BACKLOG		 1024
#define SYSTEMD_FIRST_FD 3

static bool is_loopback(const struct sockaddr_storage *addr)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)addr;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;

	if (addr->ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return addr->ss_family == AF_INET6 &&
	       (IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
		(IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127));
}

/* Ask the kernel what the socket is bound to. */
static int describe(struct http_listener *out, int fd)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &len))
		return -errno;
	memset(out, 0, sizeof(*out));
	out->fd = fd;
	out->is_loopback = is_loopback(&addr);
	out->is_unix = addr.ss_family == AF_UNIX;
	if (addr.ss_family == AF_INET || addr.ss_family == AF_INET6)
		out->port = ntohs(((struct sockaddr_in *)&addr)->sin_port); /* at the same place in both */
	http_listen__print(&addr, out->name, sizeof(out->name));
	return 0;
}

static int open_one(const struct addrinfo *ai, bool is_dual)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, off = 0, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, is_dual ? &off : &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, BACKLOG)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int http_listen__open(struct http_listener *out, const char *address)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found = NULL;
	const char *colon = strrchr(address, ':'), *host = address;
	char name[256];
	size_t len;
	int fd = -EADDRNOTAVAIL, err;

	len = colon ? (size_t)(colon - address) : 0;
	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	} else if (memchr(host, ':', len)) {
		colon = NULL;
	}
	if (!colon || !colon[1] || colon[1 + strspn(colon + 1, "0123456789")] || strlen(colon + 1) > 5 ||
	    atoi(colon + 1) > 65535 || len >= sizeof(name)) {
		log_err("http: %s: not an address to listen on", address);
		log_hint("HOST:PORT, [IPV6]:PORT, or :PORT for every address");
		return -EINVAL;
	}
	memcpy(name, host, len);
	name[len] = '\0';

	/* Every address: one socket for both families, or IPv4 alone where the kernel has no IPv6. */
	if (!len)
		strcpy(name, "::");
	err = getaddrinfo(name, colon + 1, &hints, &found);
	if (err) {
		log_err("http: %s: the host is not known: %s", address, gai_strerror(err));
		return -EINVAL;
	}
	/* The first of a name's addresses that this machine has. */
	for (const struct addrinfo *ai = found; ai; ai = ai->ai_next) {
		fd = open_one(ai, !len);
		if (fd >= 0 || (fd != -EADDRNOTAVAIL && fd != -EAFNOSUPPORT))
			break;
	}
	freeaddrinfo(found);
	if (fd == -EAFNOSUPPORT && !len && !getaddrinfo("0.0.0.0", colon + 1, &hints, &found)) {
		fd = open_one(found, false);
		freeaddrinfo(found);
	}
	if (fd < 0) {
		log_err("http: %s: cannot listen: %s", address, strerror(-fd));
		if (fd == -EADDRINUSE)
			log_hint("something else listens there: choose another port, or see 'ss -ltnp'");
		return fd;
	}
	err = describe(out, fd);
	if (err)
		close(fd);
	return err;
}

int http_listen__systemd(struct http_listener *out, size_t max)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int nr = fds ? atoi(fds) : 0, i, is_listening, flags;
	socklen_t len;

	if (!pid || strtol(pid, NULL, 10) != getpid() || nr <= 0) {
		log_err("http: systemd handed over no socket");
		log_hint("start it through its .socket unit, or give an address to listen on");
		return -ENOENT;
	}
	if ((size_t)nr > max)
		nr = (int)max;
	for (i = 0; i < nr; i++) {
		len = sizeof(is_listening);
		if (getsockopt(SYSTEMD_FIRST_FD + i, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) || !is_listening ||
		    describe(&out[i], SYSTEMD_FIRST_FD + i)) {
			log_err("http: descriptor %d from systemd is no listening stream socket", SYSTEMD_FIRST_FD + i);
			return -EINVAL;
		}
		flags = fcntl(SYSTEMD_FIRST_FD + i, F_GETFL);
		fcntl(SYSTEMD_FIRST_FD + i, F_SETFL, flags | O_NONBLOCK);
		fcntl(SYSTEMD_FIRST_FD + i, F_SETFD, FD_CLOEXEC);
	}
	/* They are ours; a child must not think that they are its own. */
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return nr;
}

struct http_addr_key http_listen__key(const struct sockaddr_storage *addr)
{
	struct http_addr_key key = { 0 };

	if (addr->ss_family == AF_INET) {
		key.bytes[10] = key.bytes[11] = 0xff;
		memcpy(key.bytes + 12, &((const struct sockaddr_in *)addr)->sin_addr, 4);
	} else if (addr->ss_family == AF_INET6) {
		const struct in6_addr *v6 = &((const struct sockaddr_in6 *)addr)->sin6_addr;

		/* Who has one address of a /64 has them all. */
		memcpy(key.bytes, v6, IN6_IS_ADDR_V4MAPPED(v6) ? 16 : 8);
	}
	return key;
}

void http_listen__print(const struct sockaddr_storage *addr, char *out, size_t len)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)addr;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;
	char text[INET6_ADDRSTRLEN];

	if (addr->ss_family == AF_INET)
		snprintf(out, len, "%s:%u", inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text)), ntohs(v4->sin_port));
	else if (addr->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		snprintf(out, len, "%s:%u", inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text, sizeof(text)),
			 ntohs(v6->sin6_port));
	else if (addr->ss_family == AF_INET6)
		snprintf(out, len, "[%s]:%u", inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text)),
			 ntohs(v6->sin6_port));
	else
		snprintf(out, len, "unix");
}
