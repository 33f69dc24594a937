/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_KVM_EVENTS_H
#define USER_KVM_EVENTS_H

/*
 * kvm_events - the kernel's word that a VM was created or destroyed, so that nobody has to look all the time.
 *
 * The events may be lost (a full socket) or never come (another network namespace than the first): look now
 * and then all the same.
 *
 * Threads: one thread at a time. Source: virt/kvm/kvm_main.c, kvm_uevent_notify_change().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kvm_events;

/** kvm_events__new() - listen from now on. Return: 0 or a negative errno. */
int kvm_events__new(struct kvm_events **out);
void kvm_events__free(struct kvm_events *e); /* accepts NULL */

/** kvm_events__fd() - readable when something happened. */
int kvm_events__fd(const struct kvm_events *e);

/** kvm_events__read() - take what has come. Return: whether any VM came or went, or events were lost. */
bool kvm_events__read(struct kvm_events *e);

/** kvm_events__nr_created() - VMs created since the first event, which counts: events that were lost are in it. */
uint64_t kvm_events__nr_created(const struct kvm_events *e);

/** kvm_events__parse() - one message; public for its test. Return: whether it is about a VM. */
bool kvm_events__parse(struct kvm_events *e, const char *msg, size_t len);

#endif /* USER_KVM_EVENTS_H */
