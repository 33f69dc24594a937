/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stats.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEBUGFS_KVM "/sys/kernel/debug/kvm"

static int add(struct kvm_stats *s, const struct kvm_stat *stat)
{
	struct kvm_stat *stats;
	char *name;

	/* Grown by doubling: the length is a power of two whenever it is full. */
	if (!(s->nr & (s->nr - 1))) {
		stats = reallocarray(s->stats, s->nr ? 2 * s->nr : 1, sizeof(*stats));
		if (!stats)
			return -ENOMEM;
		s->stats = stats;
	}
	name = strdup(stat->name);
	if (!name)
		return -ENOMEM;
	s->stats[s->nr] = *stat;
	s->stats[s->nr++].name = name;
	return 0;
}

void kvm_stats__free(struct kvm_stats *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < s->nr; i++)
		free((char *)s->stats[i].name);
	free(s->stats);
	free(s);
}

static int compare(const void *pa, const void *pb)
{
	const struct kvm_stat *a = pa, *b = pb;

	if (a->vm_fd != b->vm_fd)
		return a->vm_fd < b->vm_fd ? -1 : 1;
	if (a->vcpu != b->vcpu)
		return a->vcpu < b->vcpu ? -1 : 1;
	return strcmp(a->name, b->name);
}

static bool is_left_out(const char *name)
{
	size_t len = strlen(name);

	return !strcmp(name, "mmu_rmaps_stat") || (len > 5 && !strcmp(name + len - 5, "_hist"));
}

/* Return: 0; -EINVAL if it is no number; or the error of reading. */
static int read_number(int dir, const char *name, struct kvm_stat *stat)
{
	char text[64], *end;
	struct stat st;
	ssize_t len;
	int fd, err = 0;

	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	len = read(fd, text, sizeof(text) - 1);
	if (len < 0 || fstat(fd, &st))
		err = -errno;
	close(fd);
	if (err)
		return err;
	text[len] = '\0';
	errno = 0;
	stat->value = strtoll(text, &end, 10);
	if (errno || end == text || strspn(end, "\n") != strlen(end) || len == sizeof(text) - 1)
		return -EINVAL;
	/* A write of 0 resets counters, so KVM makes them writable; peaks, too, and in 5.10 mmu_unsync. */
	stat->is_counter = st.st_mode & S_IWUSR && strncmp(name, "max_", 4) && strcmp(name, "mmu_unsync");
	stat->name = name;
	return 0;
}

static bool is_folder(int dir, const char *name)
{
	struct stat st;

	return !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode);
}

/* @fd is taken over. */
static int read_folder(struct kvm_stats *s, int fd, int vm_fd, int vcpu)
{
	struct kvm_stat stat = { .vm_fd = vm_fd, .vcpu = vcpu };
	int err = 0, sub, id, len;
	struct dirent *de;
	DIR *dir;

	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	while (!err && (de = readdir(dir))) {
		if (de->d_name[0] == '.' || is_left_out(de->d_name))
			continue;
		if (is_folder(fd, de->d_name)) {
			len = 0;
			if (vcpu != KVM_STATS_ALL || sscanf(de->d_name, "vcpu%d%n", &id, &len) != 1 ||
			    de->d_name[len] || id < 0)
				continue;
			sub = openat(fd, de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			err = sub < 0 ? -errno : read_folder(s, sub, vm_fd, id);
		} else {
			err = read_number(fd, de->d_name, &stat);
			if (!err)
				err = add(s, &stat);
		}
		if (err == -EINVAL) {
			s->nr_skipped++;
			err = 0;
		} else if (err == -ENOENT) {
			err = 0; /* the VM ended meanwhile, or the vCPU */
		}
	}
	closedir(dir);
	return err;
}

/* Whether a thread of @pid created the VM of this folder; then @fd is its descriptor. */
static bool is_of(const char *name, const char *proc, pid_t pid, int *fd)
{
	char path[PATH_MAX];
	int tid, len = 0;

	if (!isdigit((unsigned char)name[0]) || sscanf(name, "%d-%d%n", &tid, fd, &len) != 2 || name[len] || *fd < 0)
		return false;
	if (tid == pid)
		return true;
	snprintf(path, sizeof(path), "%s/%d/task/%d", proc, (int)pid, tid);
	return !access(path, F_OK);
}

int kvm_stats__read_at(const char *debugfs_kvm, const char *proc, pid_t pid, int vm_fd, struct kvm_stats **out)
{
	struct kvm_stats *s;
	int err = -ENOENT, fd, sub;
	struct dirent *de;
	bool found = false;
	DIR *dir;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	dir = opendir(debugfs_kvm);
	if (!dir) {
		err = errno == ENOENT ? -ENODEV : -errno;
		free(s);
		return err;
	}
	err = 0;
	while (!err && (de = readdir(dir))) {
		if (!is_of(de->d_name, proc, pid, &fd) || (vm_fd != KVM_STATS_ALL && vm_fd != fd))
			continue;
		sub = openat(dirfd(dir), de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		err = sub < 0 ? -errno : read_folder(s, sub, fd, KVM_STATS_ALL);
		if (err == -ENOENT || err == -ENOTDIR)
			err = 0; /* ended, or not a VM's folder */
		else
			found = true;
	}
	closedir(dir);
	if (!err && !found)
		err = -ENOENT;
	if (err) {
		kvm_stats__free(s);
		return err;
	}
	if (s->nr)
		qsort(s->stats, s->nr, sizeof(*s->stats), compare);
	*out = s;
	return 0;
}

int kvm_stats__read(pid_t pid, int vm_fd, struct kvm_stats **out)
{
	return kvm_stats__read_at(DEBUGFS_KVM, "/proc", pid, vm_fd, out);
}

int kvm_stats__delta(const struct kvm_stats *before, const struct kvm_stats *after, struct kvm_stats **out)
{
	const struct kvm_stat *was;
	struct kvm_stats *s;
	size_t i;
	int err;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->nr_skipped = after->nr_skipped;
	for (i = 0; i < after->nr; i++) {
		err = add(s, &after->stats[i]);
		if (err) {
			kvm_stats__free(s);
			return err;
		}
		if (!s->stats[i].is_counter || !before->nr)
			continue;
		was = bsearch(&after->stats[i], before->stats, before->nr, sizeof(*was), compare);
		if (was && was->value <= s->stats[i].value)
			s->stats[i].value -= was->value;
	}
	*out = s;
	return 0;
}

int kvm_stats__get(const struct kvm_stats *s, int vm_fd, int vcpu, const char *name, int64_t *value)
{
	int64_t sum = 0;
	bool found = false;
	size_t i;

	for (i = 0; i < s->nr; i++) {
		if ((vm_fd != KVM_STATS_ALL && s->stats[i].vm_fd != vm_fd) || s->stats[i].vcpu != vcpu ||
		    strcmp(s->stats[i].name, name))
			continue;
		found = true;
		if (__builtin_add_overflow(sum, s->stats[i].value, &sum))
			sum = s->stats[i].value < 0 ? INT64_MIN : INT64_MAX;
	}
	if (!found)
		return -ENOENT;
	*value = sum;
	return 0;
}

void kvm_stats__explain(int err, const char **cause, const char **hint)
{
	*hint = NULL;
	switch (err) {
	case -ENODEV:
		*cause = "there is no " DEBUGFS_KVM;
		*hint = "mount debugfs: mount -t debugfs none /sys/kernel/debug; it needs CONFIG_DEBUG_FS and kvm loaded";
		break;
	case -ENOENT:
		*cause = "no VM of this process is in " DEBUGFS_KVM;
		*hint = "a VM is listed by the thread that created it and by its first descriptor; that thread may have ended";
		break;
	case -EACCES:
		*cause = DEBUGFS_KVM " may not be read";
		*hint = "run as root";
		break;
	case -EPERM:
		*cause = "this kernel is locked down, which hides KVM's counters";
		*hint = "see /sys/kernel/security/lockdown; ukprof's own counts do not need them";
		break;
	case -ENOMEM:
		*cause = "out of memory";
		break;
	default:
		*cause = strerror(-err);
		break;
	}
}
