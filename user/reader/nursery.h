/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef READER_NURSERY_H
#define READER_NURSERY_H

/*
 * nursery - a small process without rights that makes more of its kind, one for each image that is to be read.
 *
 * It is forked first of all, so what it makes has nothing of what comes later: no BPF maps, no descriptors, no threads'
 * locks. Its children are made as children of who started it (CLONE_PARENT), who waits for them.
 *
 * Threads: any; calls are serialized by a lock inside.
 */

#include <stdint.h>
#include <sys/types.h>

struct nursery;

/**
 * nursery__start() - fork it. Call it before there are threads, and with the right to become nobody if there is one.
 * @max_memory: bytes of address space of each reader; not limited where memory is watched by a sanitizer.
 *
 * Return: 0 or a negative errno.
 */
int nursery__start(struct nursery **out, uint64_t max_memory);

/** nursery__stop() - end it; accepts NULL. Those it made are to be ended before. */
void nursery__stop(struct nursery *n);

/**
 * nursery__make() - a process that runs reader_child__run().
 * @pid: receives it; to be waited for, by nursery__end(). @sock: receives the line to it, owned by the caller.
 *
 * Return: 0; -EPIPE: the nursery is gone; another negative errno.
 */
int nursery__make(struct nursery *n, pid_t *pid, int *sock);

/** nursery__end() - end one that was made, and wait for that. Return: its wait status. */
int nursery__end(struct nursery *n, pid_t pid);

#endif /* READER_NURSERY_H */
