/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_SERVE_COLLECTOR_H
#define USER_SERVE_COLLECTOR_H

/*
 * serve_collector - the process that looks at VMs: it keeps the rights that VMs to come take, has no listening socket
 * and never sees a byte of HTTP.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "naming.h"
#include "session.h"

struct serve_collector_opts {
	struct session_opts session;
	struct naming_opts images; /* of all VMs */
	size_t max_functions;
	size_t max_libraries;
	size_t max_profiles; /* that are taken at once */
	bool kvm_stats; /* export KVM's own statistics */
	bool without_exporter;
};

/**
 * serve_collector__run() - from loading to a signal; takes the calling thread.
 * @front: the child. @sock: the line to it; taken. Both have ended when it returns.
 *
 * Gives up all rights that are not needed any more once the programs are loaded. Return: exit status, reported.
 */
int serve_collector__run(struct serve_collector_opts *o, pid_t front, int sock);

#endif /* USER_SERVE_COLLECTOR_H */
