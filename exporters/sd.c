/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sd.h"

#include <string.h>

#include "host_stats.h"
#include "markup.h"
#include "sink.h"
#include "strbuf.h"
#include "vm_label.h"

#define MAX_ADDRESS_BYTES 261 /* a DNS name of 255, a colon and a port */

bool sd__is_address(const char *address)
{
	static const char digits[] = "0123456789";
	const char *p = address;
	size_t len;

	if (!p || strlen(p) > MAX_ADDRESS_BYTES)
		return false;
	if (*p == '[') {
		len = strspn(p + 1, "0123456789abcdefABCDEF:.");
		if (!len || p[1 + len] != ']')
			return false;
		p += len + 2;
	} else {
		len = strspn(p,
			     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
		if (!len)
			return false;
		p += len;
	}
	if (!*p)
		return true;
	len = *p == ':' ? strspn(p + 1, digits) : 0;
	return len >= 1 && len <= 5 && !p[1 + len];
}

/* @value: untrusted; without one there is no label. */
static int put_label(struct sink *sink, const char *key, const char *value)
{
	struct strbuf sb = { 0 };
	int err;

	if (!value || !*value)
		return 0;
	vm_label__add(&sb, value);
	err = strbuf__err(&sb);
	sink__printf(sink, ",\"%s\":", key);
	markup__json(sink, strbuf__str(&sb));
	strbuf__free(&sb);
	return err;
}

static int put_vm(struct sink *sink, const struct host_vm *vm, const char *label,
		  const char *address, int host_len)
{
	struct strbuf instance = { 0 };
	int err;

	strbuf__printf(&instance, "%.*s/%s", host_len, address, label);
	err = strbuf__err(&instance);
	sink__printf(sink, "{\"targets\":[\"%s\"],\"labels\":{\"__param_vm\":", address);
	markup__json(sink, label);
	sink__puts(sink, ",\"instance\":");
	markup__json(sink, strbuf__str(&instance));
	sink__puts(sink, ",\"vm\":");
	markup__json(sink, label);
	strbuf__free(&instance);
	/* VMs of one image are one service: their profiles can be added up. */
	if (!err)
		err = put_label(sink, "service_name", vm->image_name ? vm->image_name : vm->name);
	if (!err)
		err = put_label(sink, "unikernel", vm->image_name);
	if (!err)
		err = put_label(sink, "vmm", vm->vmm);
	if (!err)
		err = put_label(sink, "__meta_ukprof_uuid", vm->uuid);
	if (!err)
		err = put_label(sink, "__meta_ukprof_kernel", vm->image_path);
	if (!err)
		err = put_label(sink, "__meta_ukprof_build_id", vm->build_id);
	sink__printf(sink, ",\"__meta_ukprof_pid\":\"%d\"}}", vm->pid);
	return err;
}

int sd__write(const struct host_stats *hs, const char *address, struct sink *sink)
{
	struct vm_labels *labels = NULL;
	const char *separator = "";
	size_t host_len, i;
	int err;

	/* A colon inside brackets is part of the address. */
	host_len = *address == '[' ? strcspn(address, "]") + 1 : strcspn(address, ":");
	err = vm_labels__new(&labels, hs);
	if (err)
		return err;
	sink__puts(sink, "[");
	for (i = 0; i < hs->nr_vms && !err; i++) {
		if (!hs->vms[i].up)
			continue;
		sink__printf(sink, "%s\n", separator);
		separator = ",";
		err = put_vm(sink, &hs->vms[i], vm_labels__get(labels, i), address, host_len);
	}
	sink__puts(sink, "\n]\n");
	vm_labels__free(labels);
	return err ? err : sink__error(sink);
}
