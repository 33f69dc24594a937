/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_SERVE_STATS_H
#define USER_SERVE_STATS_H

/*
 * serve_stats - from a session that runs for ever to frozen statistics of the host, about once a second.
 *
 * What the kernel and the recording count is cumulative already; this adds what takes names (unresolved
 * frames, hottest functions), keeps the order in which things were first seen, and remembers a VM for a
 * while after it has ended, so that its last figures can be fetched.
 *
 * Threads: the collector thread; what it publishes may be read by any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct host_stats;
struct naming;
struct recording;
struct serve_stats;
struct session;

/**
 * serve_stats__new() - all borrowed.
 * @max_functions: hottest functions listed of a VM; 0: none.
 * @max_libraries: hottest libraries, likewise.
 * @kvm_stats: read KVM's own statistics of each VM every ten seconds, too: some 60 files.
 *
 * Return: 0 or -ENOMEM.
 */
int serve_stats__new(struct serve_stats **out, struct recording *rec, struct naming *naming, size_t max_functions,
		     size_t max_libraries, bool kvm_stats);
void serve_stats__free(struct serve_stats *s); /* accepts NULL; before the recording */

/** serve_stats__find() - the VM with this host_vm.id: its id and place in the recording. Return: whether there is one. */
bool serve_stats__find(struct serve_stats *s, uint32_t serial, uint32_t *id, size_t *place);

/** serve_stats__vm_new(), serve_stats__vm_gone() - as session_ops tells. Return: 0 or -ENOMEM. */
int serve_stats__vm_new(struct serve_stats *s, uint32_t id);
void serve_stats__vm_gone(struct serve_stats *s, uint32_t id, uint64_t now_ns);

/**
 * serve_stats__publish() - take stock.
 * @out: receives the statistics with one reference; members about HTTP are left 0.
 *
 * Return: 0 or -ENOMEM. Cost: a walk over the stacks and over the kernel's table of exits; names are looked up for
 * the stacks that were seen since the last call.
 */
int serve_stats__publish(struct serve_stats *s, struct session *session, struct host_stats **out);

/**
 * serve_stats__due() - the VMs that ended long enough ago to be forgotten, or that are too many.
 * @ids: receives up to @max.
 *
 * Return: their number. Forget them with session__release_vms(), then serve_stats__forget().
 */
size_t serve_stats__due(const struct serve_stats *s, uint64_t now_ns, uint32_t *ids, size_t max);
void serve_stats__forget(struct serve_stats *s, const uint32_t *ids, size_t nr);

#endif /* USER_SERVE_STATS_H */
