/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel_types.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sink.h"

#define MAX_LEN (256u << 20)

/* A BTF file: a header, the types, the strings. */
struct btf_file {
	char *data;
	size_t len;
	const struct btf_header *hdr;
	const char *types, *strings;
};

static void release(struct btf_file *f)
{
	free(f->data);
	f->data = NULL;
}

static int check(struct btf_file *f)
{
	const struct btf_header *h = (const struct btf_header *)f->data;

	if (f->len < sizeof(*h) || h->magic != BTF_MAGIC || h->hdr_len < sizeof(*h) || h->hdr_len > f->len ||
	    (uint64_t)h->hdr_len + h->type_off + h->type_len > f->len || (uint64_t)h->hdr_len + h->str_off + h->str_len > f->len)
		return -EBADMSG;
	f->hdr = h;
	f->types = f->data + h->hdr_len + h->type_off;
	f->strings = f->data + h->hdr_len + h->str_off;
	return 0;
}

static int read_btf(struct btf_file *f, const char *name)
{
	char path[64];
	struct stat st;
	ssize_t n = 0;
	int fd, err;

	memset(f, 0, sizeof(*f));
	snprintf(path, sizeof(path), "/sys/kernel/btf/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) ? -errno : st.st_size <= 0 || st.st_size > MAX_LEN ? -EBADMSG : 0;
	if (!err && !(f->data = malloc(st.st_size)))
		err = -ENOMEM;
	while (!err && f->len < (size_t)st.st_size && (n = read(fd, f->data + f->len, st.st_size - f->len)) > 0)
		f->len += n;
	if (!err && n < 0)
		err = -errno;
	close(fd);
	if (!err)
		err = check(f);
	if (err)
		release(f);
	return err;
}

/*
 * A module's types go on counting where those of vmlinux end, and so do the offsets of its strings: one behind the other
 * they are one file. Source: Documentation/bpf/btf.rst; libbpf, btf__parse_split().
 */
static int write_both(int fd, const struct btf_file *base, const struct btf_file *module)
{
	struct btf_header hdr = *base->hdr;
	struct sink *sink;
	int err;

	hdr.hdr_len = sizeof(hdr);
	hdr.type_off = 0;
	hdr.type_len = base->hdr->type_len + (module ? module->hdr->type_len : 0);
	hdr.str_off = hdr.type_len;
	hdr.str_len = base->hdr->str_len + (module ? module->hdr->str_len : 0);
	err = sink__fd(&sink, fd);
	if (err)
		return err;
	sink__write(sink, &hdr, sizeof(hdr));
	sink__write(sink, base->types, base->hdr->type_len);
	if (module)
		sink__write(sink, module->types, module->hdr->type_len);
	sink__write(sink, base->strings, base->hdr->str_len);
	if (module)
		sink__write(sink, module->strings, module->hdr->str_len);
	return sink__close(sink);
}

int kernel_types__open(void)
{
	static const char *const modules[] = { "kvm_amd", "kvm_intel", "kvm" };
	struct btf_file base, module;
	int fd, err, no_module = -ENOENT;
	size_t i;

	err = read_btf(&base, "vmlinux");
	if (err)
		return err;
	for (i = 0; i < sizeof(modules) / sizeof(modules[0]) && no_module == -ENOENT; i++)
		no_module = read_btf(&module, modules[i]);
	fd = memfd_create("ukprof-types", MFD_CLOEXEC);
	err = fd < 0 ? -errno : write_both(fd, &base, no_module ? NULL : &module);
	release(&base);
	if (!no_module)
		release(&module);
	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
	return err;
}
