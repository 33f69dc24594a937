/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm_label.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host_stats.h"
#include "name.h"
#include "strbuf.h"
#include "strpool.h"

#define HASH_BYTES 9 /* "~" and eight digits */
#define MAX_HASHED_LEN \
	4096 /* a longer name is told apart by its first bytes only: a scrape is short */

/* The pool's ids are the VMs' indices: a label that is not new would have the id of an earlier VM. */
struct vm_labels {
	struct strpool *pool;
};

/* FNV-1a, as name__hash(), of a bounded piece. */
static uint32_t hash_start(const char *name)
{
	uint32_t h = 2166136261u;
	size_t i;

	for (i = 0; i < MAX_HASHED_LEN && name[i]; i++)
		h = (h ^ (unsigned char)name[i]) * 16777619u;
	return h;
}

void vm_label__add(struct strbuf *out, const char *name)
{
	size_t start = out->len, len;

	name__clean(out, name, 0);
	if (strbuf__err(out))
		return;
	len = out->len - start;
	if (len <= VM_LABEL_MAX_BYTES && !strcmp(out->data + start, name))
		return;
	if (len > VM_LABEL_MAX_BYTES - HASH_BYTES) {
		len = VM_LABEL_MAX_BYTES - HASH_BYTES;
		while (((unsigned char)out->data[start + len] & 0xc0) == 0x80)
			len--; /* not in the middle of a character */
		strbuf__truncate(out, start + len);
	}
	strbuf__printf(out, "~%08" PRIx32, hash_start(name));
}

int vm_labels__new(struct vm_labels **out, const struct host_stats *hs)
{
	struct strbuf sb = { 0 };
	struct vm_labels *labels;
	int64_t id;
	size_t i;
	int err;

	labels = calloc(1, sizeof(*labels));
	if (!labels)
		return -ENOMEM;
	err = strpool__new(&labels->pool);
	if (err)
		goto err_free;
	for (i = 0; i < hs->nr_vms; i++) {
		strbuf__truncate(&sb, 0);
		vm_label__add(&sb, hs->vms[i].name);
		for (;;) {
			err = strbuf__err(&sb);
			if (err)
				goto err_free;
			id = strpool__add(labels->pool, sb.data, sb.len);
			if (id < 0) {
				err = id;
				goto err_free;
			}
			if ((size_t)id == i)
				break;
			strbuf__printf(&sb, "~%" PRIu32, hs->vms[i].id);
		}
	}
	strbuf__free(&sb);
	*out = labels;
	return 0;

err_free:
	strbuf__free(&sb);
	vm_labels__free(labels);
	return err;
}

void vm_labels__free(struct vm_labels *labels)
{
	if (!labels)
		return;
	strpool__free(labels->pool);
	free(labels);
}

const char *vm_labels__get(const struct vm_labels *labels, size_t i)
{
	return strpool__get(labels->pool, i, NULL);
}

ssize_t vm_labels__find(const struct vm_labels *labels, const char *label)
{
	size_t i, nr = strpool__nr(labels->pool);

	for (i = 0; i < nr; i++)
		if (!strcmp(vm_labels__get(labels, i), label))
			return i;
	return -ENOENT;
}
