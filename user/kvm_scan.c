/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_scan.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VM_LINK	  "anon_inode:kvm-vm"
#define VCPU_LINK "anon_inode:kvm-vcpu:"

uint64_t kvm_scan__start_time(pid_t pid)
{
	unsigned long long start = 0;
	char path[64], stat[1024], *p;
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	/* The name in parentheses may hold anything, newlines too; so count fields from its end: start time is the 22nd. */
	len = fread(stat, 1, sizeof(stat) - 1, f);
	stat[len] = '\0';
	p = strrchr(stat, ')');
	if (p)
		if (sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
			   &start) != 1)
			start = 0;
	fclose(f);
	return start;
}

pid_t kvm_scan__leader(pid_t tid)
{
	char path[64], line[256];
	int leader = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (!leader && fgets(line, sizeof(line), f))
		sscanf(line, "Tgid: %d", &leader);
	fclose(f);
	return leader;
}

static bool parse_link(const char *link, struct kvm_fd *out)
{
	if (!strcmp(link, VM_LINK)) {
		out->is_vm = true;
		out->vcpu_id = 0;
		return true;
	}
	if (!strncmp(link, VCPU_LINK, strlen(VCPU_LINK))) {
		out->is_vm = false;
		out->vcpu_id = strtoul(link + strlen(VCPU_LINK), NULL, 10);
		return true;
	}
	return false;
}

/* @link: what a descriptor of the process points to. Return: 0 or -ENOMEM. */
static int add_fd(struct kvm_proc *out, const char *link, int nr)
{
	struct kvm_fd fd, *fds;

	if (!parse_link(link, &fd))
		return 0;
	fd.fd = nr;
	fds = reallocarray(out->fds, out->nr_fds + 1, sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	out->fds = fds;
	out->fds[out->nr_fds++] = fd;
	return 0;
}

/* Has it mapped a vCPU? Every VMM does, to run it. Return: 1, 0 or a negative errno. */
static int has_vcpu(pid_t pid)
{
	char path[64], line[512];
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, VCPU_LINK) != NULL;
	fclose(f);
	return found;
}

static int nr_fd_slots(pid_t pid)
{
	char path[64], line[256];
	int nr = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (!nr && fgets(line, sizeof(line), f))
		sscanf(line, "FDSize: %d", &nr);
	fclose(f);
	return nr;
}

/*
 * The folder of descriptors opens for their owner only, or with CAP_DAC_READ_SEARCH. CAP_SYS_PTRACE is enough to be
 * handed a copy of each, and to see what it is. Only of processes that run a VM, for a copy is not quite nothing.
 */
static int scan_copies(pid_t pid, struct kvm_proc *out)
{
	int pidfd, nr, i, fd, err = has_vcpu(pid);
	char path[64], link[64];
	ssize_t len;

	if (err <= 0)
		return err == -ENOENT ? -ESRCH : err;
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -errno;
	err = 0;
	nr = nr_fd_slots(pid);
	for (i = 0; i < nr && !err; i++) {
		fd = syscall(SYS_pidfd_getfd, pidfd, i, 0);
		if (fd < 0) {
			err = errno == EBADF ? 0 : -errno;
			continue;
		}
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		len = readlink(path, link, sizeof(link) - 1);
		close(fd);
		if (len < 0)
			continue;
		link[len] = '\0';
		err = add_fd(out, link, i);
	}
	close(pidfd);
	if (err)
		kvm_scan__release(out);
	return err;
}

int kvm_scan__pid(pid_t pid, struct kvm_proc *out)
{
	char path[64], link[64];
	struct dirent *de;
	ssize_t len;
	int err = 0;
	DIR *dir;

	memset(out, 0, sizeof(*out));
	out->pid = pid;
	errno = 0;
	out->start_time = kvm_scan__start_time(pid);
	if (!out->start_time)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir && errno == EACCES)
		return scan_copies(pid, out);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!err && (de = readdir(dir))) {
		if (!isdigit((unsigned char)de->d_name[0]))
			continue;
		len = readlinkat(dirfd(dir), de->d_name, link, sizeof(link) - 1);
		if (len < 0)
			continue; /* closed meanwhile */
		link[len] = '\0';
		err = add_fd(out, link, atoi(de->d_name));
	}
	closedir(dir);
	if (err)
		kvm_scan__release(out);
	return err;
}

void kvm_scan__release(struct kvm_proc *proc)
{
	free(proc->fds);
	proc->fds = NULL;
	proc->nr_fds = 0;
}

static int compare_procs(const void *pa, const void *pb)
{
	const struct kvm_proc *a = pa, *b = pb;

	return (a->pid > b->pid) - (a->pid < b->pid);
}

int kvm_scan__all(struct kvm_proc **out, size_t *nr, size_t *nr_denied)
{
	struct kvm_proc *procs = NULL, *p, proc;
	size_t n = 0, denied = 0;
	struct dirent *de;
	int err = 0;
	DIR *dir;

	dir = opendir("/proc");
	if (!dir)
		return -errno;
	while ((de = readdir(dir))) {
		if (!isdigit((unsigned char)de->d_name[0]))
			continue;
		err = kvm_scan__pid(atoi(de->d_name), &proc);
		if (err == -ENOMEM || err == -EMFILE || err == -ENFILE)
			break; /* of ours, not of that process: the list would be short without a word */
		denied += err == -EACCES || err == -EPERM;
		err = 0;
		if (!proc.nr_fds)
			continue;
		p = reallocarray(procs, n + 1, sizeof(*p));
		if (!p) {
			kvm_scan__release(&proc);
			err = -ENOMEM;
			break;
		}
		procs = p;
		procs[n++] = proc;
	}
	closedir(dir);
	if (err) {
		while (n)
			kvm_scan__release(&procs[--n]);
		free(procs);
		return err;
	}
	if (n)
		qsort(procs, n, sizeof(*procs), compare_procs);
	*out = procs;
	*nr = n;
	if (nr_denied)
		*nr_denied = denied;
	return 0;
}
