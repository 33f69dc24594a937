/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_EXITS_H
#define USER_EXITS_H

/*
 * exits - from the kernel's tables of VM exits to frozen statistics.
 *
 * Threads: the collector thread.
 */

#include <stdint.h>

#include "loader.h"

struct exit_stats;
struct exits;
struct level_account;
struct naming;
struct recording;

/** exits__new() - @l: made with loader_opts.exits; borrowed. Return: 0 or -ENOMEM. */
int exits__new(struct exits **out, struct loader *l);
void exits__free(struct exits *e); /* accepts NULL */

/** exits__start() - begin to count. Return: 0; -EOPNOTSUPP without KVM's tracepoints; or a negative errno. */
int exits__start(struct exits *e);

/** exits__vcpu_gone() - keep the exit that a thread was handling; call before its map entry goes. */
void exits__vcpu_gone(struct exits *e, uint32_t tid);

/** exits__forget_vms() - drop what was counted of VMs that have ended. */
void exits__forget_vms(struct exits *e, const uint32_t *vms, size_t nr);

/** exits__stop() - end it; exits that are still being handled are counted without a time. */
void exits__stop(struct exits *e);

/**
 * exits__stats() - freeze what was counted.
 * @rec: the VMs by their ids, and the window.
 * @naming: symbolizers of the VMs; borrowed.
 * @levels: what was looked at when, and what it cost.
 * @vm: the id of the only VM that is wanted, or NULL.
 * @out: receives the statistics; release with exit_stats__free().
 *
 * Return: 0 or -ENOMEM.
 */
int exits__stats(struct exits *e, const struct recording *rec, struct naming *naming,
		 const struct level_account *levels, const uint32_t *vm, struct exit_stats **out);

#endif /* USER_EXITS_H */
