/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "service.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

struct service {
	int fd;
	uint64_t every_ns; /* of the watchdog; 0: none */
	uint64_t said_ns;
};

/* "/run/systemd/notify", or "@name" of the abstract kind. Return: a descriptor or a negative errno. */
static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd, err;

	if ((*path != '/' && *path != '@') || len < 2 || len > sizeof(addr.sun_path))
		return -EINVAL;
	memcpy(addr.sun_path, path, len);
	if (*path == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&addr, offsetof(struct sockaddr_un, sun_path) + len))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* 0: none, or not for us. */
static uint64_t watchdog_ns(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t ns = usec ? strtoull(usec, NULL, 10) * 1000 : 0;

	return pid && strtol(pid, NULL, 10) != getpid() ? 0 : ns;
}

struct service *service__open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct service *s = NULL;
	int fd;

	fd = path ? connect_to(path) : -ENOENT;
	if (fd >= 0)
		s = calloc(1, sizeof(*s));
	if (s) {
		s->fd = fd;
		s->every_ns = watchdog_ns() / 2;
	} else if (path) {
		log_warn("service: %s: the service manager can't be told: %s", path, strerror(fd < 0 ? -fd : ENOMEM));
		if (fd >= 0)
			close(fd);
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return s;
}

void service__close(struct service *s)
{
	if (!s)
		return;
	close(s->fd);
	free(s);
}

void service__notify(struct service *s, const char *text)
{
	if (s && send(s->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("service: %s: %s", text, strerror(errno));
}

void service__alive(struct service *s, uint64_t now_ns)
{
	if (!s || !s->every_ns || now_ns - s->said_ns < s->every_ns)
		return;
	s->said_ns = now_ns;
	service__notify(s, "WATCHDOG=1");
}
