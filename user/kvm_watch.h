/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_KVM_WATCH_H
#define USER_KVM_WATCH_H

/*
 * kvm_watch - KVM's own statistics of the VMs of a session, from when each was found until now.
 *
 * Threads: the collector thread.
 */

#include <stdint.h>
#include <sys/types.h>

struct exit_stats;
struct kvm_watch;
struct recording;

/** kvm_watch__new() - Return: 0 or -ENOMEM. */
int kvm_watch__new(struct kvm_watch **out);
void kvm_watch__free(struct kvm_watch *w); /* accepts NULL */

/** kvm_watch__vm() - from now on this VM, too. An error is kept for kvm_watch__err(). */
void kvm_watch__vm(struct kvm_watch *w, uint32_t id, pid_t pid, int fd);

/** kvm_watch__tick() - read them all again. What a VM showed last is kept when it has gone. */
void kvm_watch__tick(struct kvm_watch *w);

/** kvm_watch__err() - 0 if the statistics of any VM could be read, else why not: see kvm_stats__explain(). */
int kvm_watch__err(const struct kvm_watch *w);

/** kvm_watch__fill() - set the members kvm and nr_kvm of @stats. @rec: the VMs by their ids. Return: 0 or -ENOMEM. */
int kvm_watch__fill(const struct kvm_watch *w, const struct recording *rec, struct exit_stats *stats);

#endif /* USER_KVM_WATCH_H */
