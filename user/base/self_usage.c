/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "self_usage.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC 1000000000ull

/* Fields of /proc/self/stat behind the name, which may itself hold spaces and parentheses. */
static int read_stat(struct self_usage *u, uint64_t *start_ticks)
{
	uint64_t utime, stime, vsize;
	int64_t rss_pages;
	char buf[1024], *p;
	FILE *f;
	size_t n;
	long hz = sysconf(_SC_CLK_TCK);

	f = fopen("/proc/self/stat", "re");
	if (!f)
		return -errno;
	n = fread(buf, 1, sizeof(buf) - 1, f);
	fclose(f);
	buf[n] = '\0';
	p = strrchr(buf, ')');
	if (!p || sscanf(p + 1,
			 " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
			 " %*d %*d %*d %*d %*d %*d %" SCNu64 " %" SCNu64 " %" SCNd64,
			 &utime, &stime, start_ticks, &vsize, &rss_pages) != 5)
		return -EBADMSG;
	/* Ticks are coarse; the clock below is the same sum in nanoseconds. */
	u->cpu_ns = (utime + stime) * (NSEC_PER_SEC / hz);
	u->virtual_bytes = vsize;
	u->rss_bytes = rss_pages > 0 ? (uint64_t)rss_pages * sysconf(_SC_PAGESIZE) : 0;
	return 0;
}

static int read_boot_time(uint64_t *seconds)
{
	char line[256];
	int err = -EBADMSG;
	FILE *f;

	f = fopen("/proc/stat", "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "btime %" SCNu64, seconds) == 1) {
			err = 0;
			break;
		}
	}
	fclose(f);
	return err;
}

static int count_fds(uint64_t *nr)
{
	struct dirent *entry;
	DIR *dir;

	dir = opendir("/proc/self/fd");
	if (!dir)
		return -errno;
	*nr = 0;
	while ((entry = readdir(dir)))
		*nr += entry->d_name[0] != '.';
	closedir(dir);
	(*nr)--; /* the folder's own */
	return 0;
}

int self_usage__read(struct self_usage *out)
{
	struct self_usage u = { 0 };
	uint64_t ticks, boot;
	struct rlimit limit;
	struct timespec ts;
	int err;

	err = read_stat(&u, &ticks);
	if (err)
		return err;
	err = read_boot_time(&boot);
	if (err)
		return err;
	err = count_fds(&u.open_fds);
	if (err)
		return err;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return -errno;
	u.max_fds = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
	if (!clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts))
		u.cpu_ns = ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
	u.start_wall_ns = boot * NSEC_PER_SEC + ticks * (NSEC_PER_SEC / sysconf(_SC_CLK_TCK));
	*out = u;
	return 0;
}
