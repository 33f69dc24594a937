/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_FRONT_FILTER_H
#define USER_FRONT_FILTER_H

/*
 * front_filter - the system calls that the HTTP process of 'ukprof serve' may make from now on.
 *
 * A list of what it needs: serve what is open already, wait, memory, time, threads, and read (never write) files, for
 * certificates are read again when they change. Anything else fails with EPERM; what no server ever calls by mistake, such
 * as execve(2), bpf(2) or ptrace(2), ends the process.
 *
 * Threads: call it while there is one; the later ones inherit it. It cannot be undone.
 */

/** front_filter__install() - Return: 0; -EOPNOTSUPP if the kernel has no filters; a negative errno. */
int front_filter__install(void);

#endif /* USER_FRONT_FILTER_H */
