/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

#define KERNEL_GROUP 1 /* what the kernel sends, not what udev repeats */
#define ROOM	     (1 << 20)

struct kvm_events {
	int fd;
	uint64_t first_created; /* the kernel's count before the first event; valid with nr_events */
	uint64_t last_created;
	uint64_t nr_events;
};

int kvm_events__new(struct kvm_events **out)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	struct kvm_events *e;
	int room = ROOM, err;

	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (e->fd < 0 || bind(e->fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
		kvm_events__free(e);
		return err;
	}
	/* A burst of other devices must not push ours out. More than the limit of the host needs a right. */
	if (setsockopt(e->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		setsockopt(e->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	*out = e;
	return 0;
}

void kvm_events__free(struct kvm_events *e)
{
	if (!e)
		return;
	if (e->fd >= 0)
		close(e->fd);
	free(e);
}

int kvm_events__fd(const struct kvm_events *e)
{
	return e->fd;
}

/* A message is "action@path" and then KEY=VALUE, each ended by a NUL. */
bool kvm_events__parse(struct kvm_events *e, const char *msg, size_t len)
{
	static const char suffix[] = "/kvm";
	const char *end = msg + len, *field;
	uint64_t created = 0;
	bool creates = false;
	size_t n;

	n = strnlen(msg, len);
	if (n == len || n < sizeof(suffix) - 1 || strcmp(msg + n - (sizeof(suffix) - 1), suffix))
		return false;
	for (field = msg + n + 1; field < end; field += n + 1) {
		n = strnlen(field, end - field);
		if (field + n == end)
			break; /* not ended: a cut message */
		if (!strncmp(field, "CREATED=", 8))
			created = strtoull(field + 8, NULL, 10);
		else if (!strcmp(field, "EVENT=create"))
			creates = true;
	}
	if (!created)
		return false;
	if (!e->nr_events++)
		e->first_created = created - creates;
	if (created > e->last_created)
		e->last_created = created;
	return true;
}

bool kvm_events__read(struct kvm_events *e)
{
	bool any = false;
	char buf[8192];
	ssize_t n;

	for (;;) {
		n = recv(e->fd, buf, sizeof(buf), 0);
		if (n < 0 && errno == ENOBUFS) {
			any = true; /* some were lost: who knows */
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return any;
		any |= kvm_events__parse(e, buf, n);
	}
}

uint64_t kvm_events__nr_created(const struct kvm_events *e)
{
	return e->nr_events ? e->last_created - e->first_created : 0;
}
