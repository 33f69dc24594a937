/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_SELF_USAGE_H
#define BASE_SELF_USAGE_H

/* self_usage - what this process uses of the machine, as /proc/self tells: the process_* metrics. */

#include <stdint.h>

struct self_usage {
	uint64_t cpu_ns; /* user and system time of all threads */
	uint64_t rss_bytes;
	uint64_t virtual_bytes;
	uint64_t open_fds;
	uint64_t max_fds;       /* soft limit; UINT64_MAX: unlimited */
	uint64_t start_wall_ns; /* when the process started, CLOCK_REALTIME */
};

/**
 * self_usage__read() - look now.
 * @out: filled in on success, untouched on error.
 *
 * Return: 0; or the negative errno of reading /proc; -EBADMSG if it reads like nothing known.
 * Cost: about 20 us; opens three files and one folder.
 * Threads: any.
 * Source: proc(5), /proc/pid/stat and /proc/stat (btime).
 */
int self_usage__read(struct self_usage *out);

#endif /* BASE_SELF_USAGE_H */
