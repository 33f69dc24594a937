/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host_names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demangle.h"
#include "kallsyms.h"
#include "log.h"
#include "profile.h"
#include "readers.h"
#include "recording.h"
#include "sym_answers.h"

#define MAX_FILES    1024  /* of all VMMs together; a QEMU maps about a hundred */
#define MAX_MAPPINGS 4096 /* executable ones of one VMM */

/* An ELF file that a VMM has mapped. */
struct file {
	uint32_t vm; /* its root folder is where the path leads from */
	char *path;
	struct reader *img; /* NULL: it has no symbols */
};

/* Executable memory of a VMM. */
struct mapping {
	uint64_t start, end;
	uint64_t offset; /* in the file */
	char *path;	 /* as the kernel says; empty for anonymous memory */
};

struct vmm {
	uint32_t vm;
	struct mapping *maps;
	size_t nr;
	bool is_fresh; /* read in this update */
};

struct host_names {
	struct readers *readers;
	size_t next; /* stack of the profile */
	bool has_kernel;
	struct kallsyms_table kernel;
	struct file *files;
	size_t nr_files;
	struct vmm *vmms;
	size_t nr_vmms;
};

int host_names__new(struct host_names **out, struct readers *readers)
{
	struct host_names *h;

	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->readers = readers;
	*out = h;
	return 0;
}

static void release_maps(struct vmm *vmm)
{
	size_t i;

	for (i = 0; i < vmm->nr; i++)
		free(vmm->maps[i].path);
	free(vmm->maps);
	vmm->maps = NULL;
	vmm->nr = 0;
}

void host_names__free(struct host_names *h)
{
	size_t i;

	if (!h)
		return;
	for (i = 0; i < h->nr_files; i++) {
		reader__put(h->files[i].img);
		free(h->files[i].path);
	}
	for (i = 0; i < h->nr_vmms; i++)
		release_maps(&h->vmms[i]);
	kallsyms__release(&h->kernel);
	free(h->files);
	free(h->vmms);
	free(h);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* --- the VMM --- */

static int add_mapping(struct vmm *vmm, const struct mapping *m)
{
	struct mapping *maps;

	maps = reallocarray(vmm->maps, vmm->nr + 1, sizeof(*maps));
	if (!maps)
		return -ENOMEM;
	vmm->maps = maps;
	maps[vmm->nr] = *m;
	maps[vmm->nr].path = strdup(m->path);
	return maps[vmm->nr].path ? (vmm->nr++, 0) : -ENOMEM;
}

/* One that has ended leaves what was read before as it was. */
static int read_maps(struct vmm *vmm, int pid)
{
	char path[64], perms[8], *line = NULL, *name;
	struct mapping m;
	size_t size = 0;
	int at, err = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (!err && getline(&line, &size, f) > 0 && vmm->nr < MAX_MAPPINGS) {
		at = 0;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %*s %*s %n", &m.start, &m.end, perms, &m.offset,
			   &at) < 4 || !at || perms[2] != 'x')
			continue;
		if (!vmm->is_fresh) /* the first: the process is there */
			release_maps(vmm);
		vmm->is_fresh = true;
		name = line + at;
		name[strcspn(name, "\n")] = '\0';
		m.path = name;
		err = add_mapping(vmm, &m);
	}
	free(line);
	fclose(f);
	return err;
}

static const struct mapping *find_mapping(const struct vmm *vmm, uint64_t addr)
{
	size_t i;

	for (i = 0; i < vmm->nr; i++)
		if (addr >= vmm->maps[i].start && addr < vmm->maps[i].end)
			return &vmm->maps[i];
	return NULL;
}

static int get_vmm(struct host_names *h, uint32_t vm, struct vmm **out)
{
	struct vmm *vmms;
	size_t i;

	for (i = 0; i < h->nr_vmms; i++) {
		if (h->vmms[i].vm == vm) {
			*out = &h->vmms[i];
			return 0;
		}
	}
	vmms = reallocarray(h->vmms, h->nr_vmms + 1, sizeof(*vmms));
	if (!vmms)
		return -ENOMEM;
	h->vmms = vmms;
	vmms[h->nr_vmms] = (struct vmm){ .vm = vm };
	*out = &vmms[h->nr_vmms++];
	return 0;
}

/* What can't be read has no symbols: its frames are called by its name. */
static int read_file(struct host_names *h, struct file *file, int pid)
{
	char *path;

	if (asprintf(&path, "/proc/%d/root%s", pid, file->path) < 0)
		return -ENOMEM;
	/* VMMs of one kind have the same files. */
	if (!reader__open(h->readers, path, true, &file->img) && reader__read_symbols(file->img)) {
		reader__put(file->img);
		file->img = NULL;
	}
	free(path);
	return 0;
}

static int get_file(struct host_names *h, uint32_t vm, int pid, const char *path, const struct file **out)
{
	struct file *files;
	size_t i;
	int err;

	*out = NULL;
	for (i = 0; i < h->nr_files; i++) {
		if (h->files[i].vm == vm && !strcmp(h->files[i].path, path)) {
			*out = &h->files[i];
			return 0;
		}
	}
	if (*path != '/' || h->nr_files == MAX_FILES)
		return 0;
	files = reallocarray(h->files, h->nr_files + 1, sizeof(*files));
	if (!files)
		return -ENOMEM;
	h->files = files;
	files[i] = (struct file){ .vm = vm, .path = strdup(path) };
	if (!files[i].path)
		return -ENOMEM;
	err = read_file(h, &files[i], pid);
	h->nr_files++;
	*out = &files[i];
	return err;
}

/* The symbol at an offset of the file: its readable name, or NULL. @answers: holds it. */
static const char *find_symbol(const struct file *file, uint64_t offset, struct sym_answers *answers)
{
	const struct image_facts *facts;
	uint64_t addr;
	size_t i;

	if (!file || !file->img)
		return NULL;
	facts = reader__facts(file->img);
	for (i = 0; i < facts->nr_texts && offset - facts->texts[i].offset >= facts->texts[i].len; i++)
		;
	if (i == facts->nr_texts)
		return NULL;
	addr = facts->texts[i].addr + offset - facts->texts[i].offset;
	if (reader__functions(file->img, &addr, 1, false, answers) || !answers->counts[0])
		return NULL;
	return answers->strings + answers->frames[0].name;
}

static int tell(struct recording *r, uint32_t vm, uint64_t addr, const char *name, bool in_brackets)
{
	struct recording_symbol sym = { .vm = vm, .addr = addr, .name = name };
	char text[256];

	if (in_brackets) {
		snprintf(text, sizeof(text), "[%s]", name);
		sym.name = text;
	}
	return recording__symbol(r, &sym);
}

static int name_vmm(struct host_names *h, struct recording *r, const struct recording_vm_data *vm, uint64_t addr)
{
	struct sym_answers answers = { 0 };
	const struct mapping *m;
	const struct file *file;
	const char *name;
	struct vmm *vmm;
	int err;

	err = get_vmm(h, vm->id, &vmm);
	if (err)
		return err;
	m = find_mapping(vmm, addr);
	if (!m && !vmm->is_fresh) { /* it may have mapped more since */
		err = read_maps(vmm, vm->pid);
		m = find_mapping(vmm, addr);
	}
	if (err)
		return err;
	/* Of a process that is gone nothing can be said. */
	if (!m)
		return vmm->is_fresh ? tell(r, vm->id, addr, "", false) : 0;
	if (*m->path == '[') /* [vdso] */
		return tell(r, vm->id, addr, m->path, false);
	if (!*m->path)
		return tell(r, vm->id, addr, "anon", true);
	err = get_file(h, vm->id, vm->pid, m->path, &file);
	if (err)
		return err;
	name = find_symbol(file, addr - m->start + m->offset, &answers);
	err = name ? tell(r, vm->id, addr, name, false) : tell(r, vm->id, addr, base_name(m->path), true);
	sym_answers__release(&answers);
	return err;
}

/* --- the kernel --- */

static int name_kernel(struct host_names *h, struct recording *r, uint64_t addr)
{
	char *readable;
	const char *name;
	int err;

	if (!h->has_kernel) {
		err = kallsyms__read(&h->kernel);
		if (err == -ENOMEM)
			return err;
		h->has_kernel = true;
		if (!h->kernel.nr) {
			log_warn("host: the addresses of the kernel's functions are hidden: its frames have no names");
			log_hint("give CAP_SYSLOG as well, or be root; see kernel.kptr_restrict");
		}
	}
	name = kallsyms__lookup(&h->kernel, addr);
	if (!name)
		return tell(r, RECORDING_KERNEL, addr, "kernel", true);
	readable = demangle__name(name);
	err = tell(r, RECORDING_KERNEL, addr, readable ? readable : name, false);
	free(readable);
	return err;
}

/* --- all of a recording --- */

static int name_stack(struct host_names *h, struct recording *r, const struct profile_stack *stack)
{
	size_t place = recording__place(r, stack->key.vm);
	uint64_t addr;
	uint32_t i;
	int err = 0;

	for (i = 0; i < stack->key.nr_kernel && !err; i++) {
		addr = stack->host[i] - (i > 0);
		if (!recording__symbol_name(r, RECORDING_KERNEL, addr))
			err = name_kernel(h, r, addr);
	}
	for (; i < (uint32_t)stack->key.nr_kernel + stack->key.nr_vmm && !err; i++) {
		addr = stack->host[i] - (i > 0);
		if (place != RECORDING_NOWHERE && !recording__symbol_name(r, stack->key.vm, addr))
			err = name_vmm(h, r, recording__vm_data(r, place), addr);
	}
	return err;
}

int host_names__update(struct host_names *h, struct recording *r)
{
	const struct profile *p = recording__profile(r);
	struct profile_stack stack;
	size_t i;
	int err = 0;

	for (i = 0; i < h->nr_vmms; i++)
		h->vmms[i].is_fresh = false;
	for (; h->next < profile__nr(p) && !err; h->next++) {
		profile__stack(p, h->next, &stack);
		if (stack.key.nr_kernel || stack.key.nr_vmm)
			err = name_stack(h, r, &stack);
	}
	return err;
}
