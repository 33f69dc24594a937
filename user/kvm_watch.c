/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exit_stats.h"
#include "kvm_stats.h"
#include "recording.h"

struct watched {
	uint32_t id;
	pid_t pid;
	int fd;
	struct kvm_stats *before; /* NULL: could not be read */
	struct kvm_stats *after;
};

struct kvm_watch {
	struct watched *vms;
	size_t nr;
	size_t nr_read;
	int err;
};

int kvm_watch__new(struct kvm_watch **out)
{
	struct kvm_watch *w;

	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	*out = w;
	return 0;
}

void kvm_watch__free(struct kvm_watch *w)
{
	size_t i;

	if (!w)
		return;
	for (i = 0; i < w->nr; i++) {
		kvm_stats__free(w->vms[i].before);
		kvm_stats__free(w->vms[i].after);
	}
	free(w->vms);
	free(w);
}

void kvm_watch__vm(struct kvm_watch *w, uint32_t id, pid_t pid, int fd)
{
	struct watched *vms, vm = { .id = id, .pid = pid, .fd = fd };
	int err;

	err = kvm_stats__read(pid, fd, &vm.before);
	if (err) {
		w->err = err;
		return;
	}
	vms = reallocarray(w->vms, w->nr + 1, sizeof(*vms));
	if (!vms) {
		kvm_stats__free(vm.before);
		w->err = -ENOMEM;
		return;
	}
	w->vms = vms;
	vms[w->nr++] = vm;
}

void kvm_watch__tick(struct kvm_watch *w)
{
	struct kvm_stats *now;
	size_t i;

	for (i = 0; i < w->nr; i++) {
		if (kvm_stats__read(w->vms[i].pid, w->vms[i].fd, &now))
			continue;
		kvm_stats__free(w->vms[i].after);
		w->vms[i].after = now;
	}
}

int kvm_watch__err(const struct kvm_watch *w)
{
	return w->nr ? 0 : w->err;
}

static int fill_vm(const struct kvm_stats *delta, uint32_t vm, struct exit_stats *stats)
{
	struct exit_kvm_stat *kvm;
	size_t i;

	kvm = reallocarray(stats->kvm, stats->nr_kvm + delta->nr, sizeof(*kvm));
	if (!kvm)
		return -ENOMEM;
	stats->kvm = kvm;
	for (i = 0; i < delta->nr; i++) {
		if (delta->stats[i].vcpu != KVM_STATS_ALL)
			continue;
		kvm[stats->nr_kvm] = (struct exit_kvm_stat){
			.vm = vm,
			.name = strdup(delta->stats[i].name),
			.value = delta->stats[i].value,
			.is_counter = delta->stats[i].is_counter,
		};
		if (!kvm[stats->nr_kvm].name)
			return -ENOMEM;
		stats->nr_kvm++;
	}
	return 0;
}

int kvm_watch__fill(const struct kvm_watch *w, const struct recording *rec, struct exit_stats *stats)
{
	struct kvm_stats *delta;
	size_t i, k;
	int err = 0;

	for (i = 0; i < w->nr && !err; i++) {
		k = recording__place(rec, w->vms[i].id);
		if (k == RECORDING_NOWHERE || !w->vms[i].after)
			continue;
		err = kvm_stats__delta(w->vms[i].before, w->vms[i].after, &delta);
		if (err)
			break;
		err = delta->nr ? fill_vm(delta, k, stats) : 0;
		kvm_stats__free(delta);
	}
	return err;
}
