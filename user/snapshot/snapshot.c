/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "strpool.h"
#include "symbolizer.h"

struct snapshot {
	int refs;
	struct snap_info info;
	char *event;
	char *host;
	struct snap_vm *vms;
	size_t nr_vms;
	struct snap_stack *stacks;
	size_t nr_stacks;
	size_t cap_stacks;
	struct snap_counter *counters;
	size_t nr_counters;
	struct strpool *names; /* of host frames */
};

int snapshot__new(struct snapshot **out, const struct snap_info *info)
{
	struct snapshot *s;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->refs = 1;
	s->info = *info;
	s->event = strdup(info->event ? info->event : "");
	s->host = info->host ? strdup(info->host) : NULL;
	if (!s->event || (info->host && !s->host)) {
		snapshot__put(s);
		return -ENOMEM;
	}
	if (strpool__new(&s->names)) {
		snapshot__put(s);
		return -ENOMEM;
	}
	s->info.event = s->event;
	s->info.host = s->host;
	*out = s;
	return 0;
}

static void free_vm(struct snap_vm *vm)
{
	free((char *)vm->name);
	free((char *)vm->vmm);
	free((char *)vm->image_path);
	free((char *)vm->build_id);
	symbolizer__put(vm->syms);
}

static int copy_str(const char **dst, const char *src)
{
	*dst = src ? strdup(src) : NULL;
	return src && !*dst ? -ENOMEM : 0;
}

int snapshot__add_vm(struct snapshot *s, const struct snap_vm *vm)
{
	struct snap_vm copy = *vm, *vms;
	int err = 0;

	err |= copy_str(&copy.name, vm->name ? vm->name : "");
	err |= copy_str(&copy.vmm, vm->vmm ? vm->vmm : "");
	err |= copy_str(&copy.image_path, vm->image_path);
	err |= copy_str(&copy.build_id, vm->build_id);
	vms = err ? NULL : reallocarray(s->vms, s->nr_vms + 1, sizeof(*vms));
	if (!vms) {
		free_vm(&copy);
		return -ENOMEM;
	}
	s->vms = vms;
	s->vms[s->nr_vms] = copy;
	return s->nr_vms++;
}

/* Names repeat in nearly every stack: each is kept once. The pool may move, so indices until it is sealed. */
static int copy_host(struct snapshot *s, const struct snap_stack *stack, struct snap_host_frame **out)
{
	struct snap_host_frame *host;
	uint32_t i;
	int64_t id;

	*out = NULL;
	if (!stack->nr_host)
		return 0;
	host = calloc(stack->nr_host, sizeof(*host));
	if (!host)
		return -ENOMEM;
	for (i = 0; i < stack->nr_host; i++) {
		id = strpool__add(s->names, stack->host[i].name, strlen(stack->host[i].name) + 1);
		if (id < 0) {
			free(host);
			return -ENOMEM;
		}
		host[i].kind = stack->host[i].kind;
		host[i].name = (const char *)(uintptr_t)id;
	}
	*out = host;
	return 0;
}

static void free_stack(struct snap_stack *stack)
{
	free((uint64_t *)stack->frames);
	free((struct snap_host_frame *)stack->host);
}

int snapshot__add_stack(struct snapshot *s, const struct snap_stack *stack)
{
	struct snap_host_frame *host;
	struct snap_stack *stacks;
	uint64_t *frames = NULL;
	size_t cap;
	uint32_t i;

	if (s->nr_stacks == s->cap_stacks) {
		cap = s->cap_stacks ? 2 * s->cap_stacks : 64;
		stacks = reallocarray(s->stacks, cap, sizeof(*stacks));
		if (!stacks)
			return -ENOMEM;
		s->stacks = stacks;
		s->cap_stacks = cap;
	}
	if (stack->nr_frames) {
		frames = malloc(stack->nr_frames * sizeof(*frames));
		if (!frames)
			return -ENOMEM;
		memcpy(frames, stack->frames, stack->nr_frames * sizeof(*frames));
	}
	if (copy_host(s, stack, &host)) {
		free(frames);
		return -ENOMEM;
	}
	s->stacks[s->nr_stacks] = *stack;
	s->stacks[s->nr_stacks].host = host;
	s->stacks[s->nr_stacks++].frames = frames;
	for (i = 0; i < stack->nr_frames; i++)
		symbolizer__expect(s->vms[stack->vm].syms, frames[i], i > 0);
	return 0;
}

int snapshot__add_counter(struct snapshot *s, const struct snap_counter *counter)
{
	struct snap_counter *counters;

	counters = reallocarray(s->counters, s->nr_counters + 1, sizeof(*counters));
	if (!counters)
		return -ENOMEM;
	s->counters = counters;
	s->counters[s->nr_counters++] = *counter;
	return 0;
}

#define CMP(a, b) (((a) > (b)) - ((a) < (b)))

/* VM, vCPU, then root first, so that stacks which share a path stand together. */
static int compare_stacks(const void *pa, const void *pb)
{
	const struct snap_stack *a = pa, *b = pb;
	uint32_t i, n;
	int c;

	c = CMP(a->vm, b->vm);
	if (!c)
		c = CMP(a->vcpu, b->vcpu);
	n = a->nr_frames < b->nr_frames ? a->nr_frames : b->nr_frames;
	for (i = 1; !c && i <= n; i++)
		c = CMP(a->frames[a->nr_frames - i], b->frames[b->nr_frames - i]);
	if (!c)
		c = CMP(a->nr_frames, b->nr_frames);
	if (!c)
		c = CMP(a->place, b->place);
	for (i = 0; !c && i < a->nr_host && i < b->nr_host; i++) {
		c = CMP(a->host[i].kind, b->host[i].kind);
		if (!c && a->host[i].name != b->host[i].name)
			c = strcmp(a->host[i].name, b->host[i].name);
	}
	if (!c)
		c = CMP(a->nr_host, b->nr_host);
	if (!c)
		c = strcmp(a->stop ? a->stop : "", b->stop ? b->stop : "");
	return c;
}

void snapshot__seal(struct snapshot *s)
{
	struct snap_host_frame *host;
	size_t i, n = 0;
	uint32_t k;

	for (i = 0; i < s->nr_stacks; i++) {
		host = (struct snap_host_frame *)s->stacks[i].host;
		for (k = 0; k < s->stacks[i].nr_host; k++)
			host[k].name = strpool__get(s->names, (uintptr_t)host[k].name, NULL);
	}
	if (s->nr_stacks)
		qsort(s->stacks, s->nr_stacks, sizeof(*s->stacks), compare_stacks);
	for (i = 0; i < s->nr_stacks; i++) {
		if (n && !compare_stacks(&s->stacks[n - 1], &s->stacks[i])) {
			s->stacks[n - 1].count += s->stacks[i].count;
			s->stacks[n - 1].weight_ns += s->stacks[i].weight_ns;
			free_stack(&s->stacks[i]);
		} else {
			s->stacks[n++] = s->stacks[i];
		}
	}
	s->nr_stacks = n;
}

struct snapshot *snapshot__get(struct snapshot *s)
{
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void snapshot__put(struct snapshot *s)
{
	size_t i;

	if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (i = 0; i < s->nr_vms; i++)
		free_vm(&s->vms[i]);
	for (i = 0; i < s->nr_stacks; i++)
		free_stack(&s->stacks[i]);
	strpool__free(s->names);
	free(s->vms);
	free(s->stacks);
	free(s->counters);
	free(s->event);
	free(s->host);
	free(s);
}

const struct snap_info *snapshot__info(const struct snapshot *s)
{
	return &s->info;
}

size_t snapshot__nr_vms(const struct snapshot *s)
{
	return s->nr_vms;
}

const struct snap_vm *snapshot__vm(const struct snapshot *s, size_t i)
{
	return &s->vms[i];
}

size_t snapshot__nr_stacks(const struct snapshot *s)
{
	return s->nr_stacks;
}

const struct snap_stack *snapshot__stack(const struct snapshot *s, size_t i)
{
	return &s->stacks[i];
}

size_t snapshot__nr_counters(const struct snapshot *s)
{
	return s->nr_counters;
}

const struct snap_counter *snapshot__counter(const struct snapshot *s, size_t i)
{
	return &s->counters[i];
}

void snapshot__total(const struct snapshot *s, uint64_t *count, uint64_t *weight_ns)
{
	uint64_t n = 0, w = 0;
	size_t i;

	for (i = 0; i < s->nr_stacks; i++) {
		n += s->stacks[i].count;
		w += s->stacks[i].weight_ns;
	}
	if (count)
		*count = n;
	if (weight_ns)
		*weight_ns = w;
}
