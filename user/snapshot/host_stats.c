/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host_stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4096

/* Strings stand in blocks one after the other: a few allocations for a few hundred VMs. */
struct block {
	struct block *next;
	size_t len;
	size_t cap;
	char data[];
};

int host_stats__new(struct host_stats **out)
{
	struct host_stats *hs;

	hs = calloc(1, sizeof(*hs));
	if (!hs)
		return -ENOMEM;
	hs->refs = 1;
	hs->version = "";
	hs->level = "";
	*out = hs;
	return 0;
}

int host_stats__copy_str(struct host_stats *hs, const char **dst, const char *src)
{
	struct block *block = hs->strings;
	size_t len, cap;

	if (!src) {
		*dst = NULL;
		return 0;
	}
	len = strlen(src) + 1;
	if (!block || block->cap - block->len < len) {
		cap = len > BLOCK_BYTES ? len : BLOCK_BYTES;
		block = malloc(sizeof(*block) + cap);
		if (!block)
			return -ENOMEM;
		block->next = hs->strings;
		block->len = 0;
		block->cap = cap;
		hs->strings = block;
	}
	*dst = memcpy(block->data + block->len, src, len);
	block->len += len;
	return 0;
}

struct host_stats *host_stats__get(struct host_stats *hs)
{
	__atomic_add_fetch(&hs->refs, 1, __ATOMIC_RELAXED);
	return hs;
}

static void free_vm(struct host_vm *vm)
{
	free(vm->stops);
	free(vm->methods);
	free(vm->vcpus);
	free(vm->exits);
	free(vm->functions);
	free(vm->libraries);
	free(vm->kvm_stats);
	free(vm->images);
}

void host_stats__put(struct host_stats *hs)
{
	struct block *block, *next;
	size_t i;

	if (!hs || __atomic_sub_fetch(&hs->refs, 1, __ATOMIC_ACQ_REL))
		return;
	/* A half-built one may have a count and no array yet. */
	for (i = 0; hs->vms && i < hs->nr_vms; i++)
		free_vm(&hs->vms[i]);
	for (block = hs->strings; block; block = next) {
		next = block->next;
		free(block);
	}
	free(hs->stops);
	free(hs->methods);
	free(hs->drops);
	free(hs->counters);
	free(hs->costs);
	free(hs->http.refused);
	free(hs->vms);
	free(hs);
}

const char *host_vcpu_state__label(enum host_vcpu_state state)
{
	static const char *const labels[HOST_NR_VCPU_STATES] = {
		[HOST_VCPU_GUEST] = "guest",     [HOST_VCPU_EXIT] = "exit",
		[HOST_VCPU_VMM] = "vmm",         [HOST_VCPU_HALTED] = "halted",
		[HOST_VCPU_WAITING] = "waiting",
	};

	return labels[state];
}

const char *host_image_state__label(enum host_image_state state)
{
	static const char *const labels[HOST_NR_IMAGE_STATES] = {
		[HOST_IMAGE_NONE] = "none",
		[HOST_IMAGE_UNVERIFIED] = "unverified",
		[HOST_IMAGE_VERIFIED] = "verified",
		[HOST_IMAGE_WRONG] = "wrong",
	};

	return labels[state];
}
