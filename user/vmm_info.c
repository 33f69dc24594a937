/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm_info.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_ARGS    1024
#define MAX_CMDLINE (1 << 20)

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* Texts that a user may choose freely: one of them may look like an option and is none. */
static const char *const text_options[] = { "name", "kernel", "k", "append", "cmdline", "params", "p", "id", NULL };

/* The value if @arg is "-@name" or "--@name", alone or with "=value"; @next: the argument behind it, or NULL. */
static const char *value_of(const char *arg, const char *next, const char *name)
{
	size_t len = strlen(name);

	if (arg[0] != '-')
		return NULL;
	arg += arg[1] == '-' ? 2 : 1;
	if (strncmp(arg, name, len))
		return NULL;
	return arg[len] == '=' ? arg + len + 1 : arg[len] ? NULL : next;
}

/* Value of "-opt VALUE", "--opt VALUE" or "--opt=VALUE"; the last one given counts, as in VMMs. */
static const char *option(const char *const *argv, int argc, const char *name)
{
	const char *found = NULL, *next, *value;
	int i, k;

	for (i = 1; i < argc; i++) {
		next = i + 1 < argc ? argv[i + 1] : NULL;
		value = value_of(argv[i], next, name);
		if (value)
			found = value;
		for (k = 0; text_options[k] && value_of(argv[i], next, text_options[k]) != next; k++)
			;
		if (text_options[k])
			i++;
	}
	return found;
}

/* Value of KEY in QEMU's "key=value,key=value", where ",," stands for a comma; @key NULL: the first, bare one. */
static char *qemu_value(const char *list, const char *key)
{
	size_t len = key ? strlen(key) : 0;
	char *out = malloc(strlen(list) + 1), *o;
	bool match;

	while (out && *list) {
		/* The bare value comes first, and no '=' before its first comma, escaped or not. */
		match = key ? !strncmp(list, key, len) && list[len] == '=' : list[strcspn(list, "=,")] != '=';
		if (match && key)
			list += len + 1;
		o = out;
		while (*list && (*list != ',' || list[1] == ',')) {
			list += *list == ',';
			*o++ = *list++;
		}
		*o = '\0';
		if (match && *out)
			return out;
		if (!key)
			break;
		list += *list == ',';
	}
	free(out);
	return NULL;
}

static char *dup_or_null(const char *str)
{
	return str && *str ? strdup(str) : NULL;
}

static void parse_qemu(const char *const *argv, int argc, struct vmm_info *out)
{
	const char *name = option(argv, argc, "name");

	out->image_shown = dup_or_null(option(argv, argc, "kernel"));
	out->args = dup_or_null(option(argv, argc, "append"));
	if (name) {
		out->name = qemu_value(name, "guest");
		if (!out->name)
			out->name = qemu_value(name, NULL);
	}
}

static void parse_firecracker(const char *const *argv, int argc, struct vmm_info *out)
{
	out->name = dup_or_null(option(argv, argc, "id"));
}

static void parse_cloud_hypervisor(const char *const *argv, int argc, struct vmm_info *out)
{
	out->image_shown = dup_or_null(option(argv, argc, "kernel"));
	out->args = dup_or_null(option(argv, argc, "cmdline"));
}

static void parse_kvmtool(const char *const *argv, int argc, struct vmm_info *out)
{
	const char *kernel = option(argv, argc, "kernel"), *params = option(argv, argc, "params");

	out->image_shown = dup_or_null(kernel ? kernel : option(argv, argc, "k"));
	out->name = dup_or_null(option(argv, argc, "name"));
	out->args = dup_or_null(params ? params : option(argv, argc, "p"));
}

static char *join(const char *const *argv, int argc)
{
	size_t len = 1;
	char *str, *p;
	int i;

	for (i = 0; i < argc; i++)
		len += strlen(argv[i]) + 1;
	str = p = argc ? malloc(len) : NULL;
	for (i = 0; str && i < argc; i++)
		p += sprintf(p, "%s%s", i ? " " : "", argv[i]);
	return str;
}

/* solo5-hvt and its like: [OPTION…] [--] IMAGE [--] [ARGUMENT…] */
static void parse_tender(const char *const *argv, int argc, struct vmm_info *out)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--")) {
			i++;
			break;
		}
		if (argv[i][0] != '-')
			break;
	}
	if (i >= argc)
		return;
	out->image_shown = dup_or_null(argv[i++]);
	if (i < argc && !strcmp(argv[i], "--"))
		i++;
	out->args = join(argv + i, argc - i);
}

typedef void (*parse_fn)(const char *const *argv, int argc, struct vmm_info *out);

static const struct {
	const char *prefix; /* of the executable's base name */
	parse_fn parse;
} vmms[] = {
	{ "qemu", parse_qemu },
	{ "kvm", parse_qemu },
	{ "firecracker", parse_firecracker },
	{ "cloud-hyperviso", parse_cloud_hypervisor },
	{ "lkvm", parse_kvmtool },
	{ "vm-kvmtool", parse_kvmtool },
	{ "solo5-hvt", parse_tender },
};

static int set_fallbacks(struct vmm_info *out)
{
	if (!out->name)
		out->name = strdup(base_name(out->image_shown ? out->image_shown : out->vmm));
	return out->name ? 0 : -ENOMEM;
}

static parse_fn known_parser(const char *vmm)
{
	size_t i;

	for (i = 0; i < sizeof(vmms) / sizeof(vmms[0]); i++)
		if (!strncmp(vmm, vmms[i].prefix, strlen(vmms[i].prefix)))
			return vmms[i].parse;
	return NULL;
}

int vmm_info__parse(const char *const *argv, int argc, struct vmm_info *out)
{
	parse_fn parse;
	int err;

	memset(out, 0, sizeof(*out));
	out->vmm = strdup(argc ? base_name(argv[0]) : "");
	if (!out->vmm)
		return -ENOMEM;
	parse = known_parser(out->vmm);
	if (parse)
		parse(argv, argc, out);
	err = set_fallbacks(out);
	if (err)
		vmm_info__release(out);
	return err;
}

void vmm_info__release(struct vmm_info *info)
{
	free(info->vmm);
	free(info->name);
	free(info->image);
	free(info->image_shown);
	free(info->args);
	memset(info, 0, sizeof(*info));
}

static bool is_elf(const char *path)
{
	char magic[SELFMAG];
	struct stat st;
	bool yes = false;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && pread(fd, magic, sizeof(magic), 0) == SELFMAG)
		yes = !memcmp(magic, ELFMAG, SELFMAG);
	close(fd);
	return yes;
}

/* A path of the process as seen from here; the plain path where both mean the same file. */
static char *path_in(pid_t pid, const char *path)
{
	struct stat ours, theirs;
	char cwd[4096];
	char *through, *plain;
	ssize_t len;

	if (path[0] == '/') {
		if (asprintf(&through, "/proc/%d/root%s", (int)pid, path) < 0 || !(plain = strdup(path)))
			return NULL;
	} else {
		char link[64];

		snprintf(link, sizeof(link), "/proc/%d/cwd", (int)pid);
		len = readlink(link, cwd, sizeof(cwd) - 1);
		cwd[len < 0 ? 0 : len] = '\0';
		if (asprintf(&through, "%s/%s", link, path) < 0 || asprintf(&plain, "%s/%s", cwd, path) < 0)
			return NULL;
	}
	if (!stat(plain, &ours) && !stat(through, &theirs) && ours.st_dev == theirs.st_dev &&
	    ours.st_ino == theirs.st_ino) {
		free(through);
		return plain;
	}
	free(plain);
	return through;
}

static char *read_cmdline(pid_t pid, size_t *len)
{
	char path[64], *buf;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	f = fopen(path, "re");
	buf = f ? malloc(MAX_CMDLINE + 1) : NULL;
	n = buf ? fread(buf, 1, MAX_CMDLINE, f) : 0;
	if (f)
		fclose(f);
	if (buf)
		buf[n] = '\0';
	*len = n;
	return buf;
}

int vmm_info__read(pid_t pid, struct vmm_info *out)
{
	const char *argv[MAX_ARGS];
	char link[64], exe[4096], *buf, *p;
	int argc = 0, i, err;
	size_t n;
	ssize_t exe_len;

	errno = 0;
	buf = read_cmdline(pid, &n);
	if (!buf)
		return errno == ENOENT || errno == ESRCH ? -ESRCH : errno ? -errno : -ENOMEM;
	for (p = buf; p < buf + n && argc < MAX_ARGS; p += strlen(p) + 1)
		argv[argc++] = p;
	/* A process may rename itself in argv[0]; what it runs is in exe. */
	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	exe_len = readlink(link, exe, sizeof(exe) - 1);
	if (exe_len > 0 && argc) {
		exe[exe_len] = '\0';
		if ((p = strstr(exe, " (deleted)")))
			*p = '\0';
		argv[0] = exe;
	}
	err = vmm_info__parse(argv, argc, out);
	if (err)
		goto out;
	if (!known_parser(out->vmm)) {
		/* The first argument that is an ELF file. */
		for (i = 1; i < argc && !out->image; i++) {
			if (argv[i][0] == '-')
				continue;
			out->image = path_in(pid, argv[i]);
			if (out->image && is_elf(out->image)) {
				out->image_shown = strdup(argv[i]);
				free(out->name);
				out->name = NULL;
				err = set_fallbacks(out);
			} else {
				free(out->image);
				out->image = NULL;
			}
		}
	} else if (out->image_shown) {
		out->image = path_in(pid, out->image_shown);
	}
out:
	free(buf);
	return err;
}

char *vmm_info__symbol_twin(const char *image)
{
	char *twin;

	if (asprintf(&twin, "%s.dbg", image) < 0)
		return NULL;
	if (is_elf(twin))
		return twin;
	free(twin);
	return NULL;
}
