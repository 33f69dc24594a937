/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_VM_LABEL_H
#define EXPORTERS_VM_LABEL_H

/*
 * vm_label - what a VM is called on the wire: the label vm of metrics, ?vm= of profiles, service discovery.
 *
 * A VM's name is chosen by a user or a guest. Its label is that name wherever the name is clean (name.h) and
 * short; else it is the cleaned name, cut, and "~" with a hash of the original, so that two names that differ
 * in what was removed do not become one series. Labels of one snapshot are unique.
 *
 * A label depends on the VM's own name only, so it stays the same while other VMs come and go. The exception
 * are names that were made to collide: there the later VM has "~" and its id behind its label.
 *
 * Threads: one thread at a time; read-only once it is made.
 */

#include <stddef.h>
#include <sys/types.h>

struct host_stats;
struct strbuf;
struct vm_labels;

#define VM_LABEL_MAX_BYTES \
	128 /* of a label, unless it had to be told from one that was made to collide */

/**
 * vm_labels__new() - the labels of all VMs of a snapshot.
 * @hs: borrowed for the call only.
 *
 * Return: 0 or -ENOMEM.
 * Cost: about 0.2 us per VM.
 */
int vm_labels__new(struct vm_labels **out, const struct host_stats *hs);
void vm_labels__free(struct vm_labels *labels); /* accepts NULL */

/** vm_labels__get() - label of the VM with index @i in the snapshot; valid UTF-8, never empty; borrowed. */
const char *vm_labels__get(const struct vm_labels *labels, size_t i);

/** vm_labels__find() - index of the VM with that label; -ENOENT if there is none. */
ssize_t vm_labels__find(const struct vm_labels *labels, const char *label);

/**
 * vm_label__add() - append an untrusted name as a label, by the rule above but for collisions.
 * @out: check strbuf__err() afterwards.
 */
void vm_label__add(struct strbuf *out, const char *name);

#endif /* EXPORTERS_VM_LABEL_H */
