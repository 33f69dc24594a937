/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_SUBPROCESS_H
#define BASE_SUBPROCESS_H

/*
 * subprocess - a process of our own program with a line to it, for work that is to have other rights.
 *
 * Threads: before there are others, as of any fork().
 */

#include <sys/types.h>

/**
 * subprocess_fn - what the new process does.
 * @sock: its end of the line. @starter: who is at the other end.
 *
 * Return: the exit status. Nothing of the starter's is undone by exit().
 */
typedef int (*subprocess_fn)(const void *ctx, int sock, pid_t starter);

/**
 * subprocess__start() - fork.
 * @sock: receives this end of the line: SOCK_SEQPACKET, close-on-exec.
 *
 * Return: 0 or a negative errno; outputs are untouched on error.
 */
int subprocess__start(subprocess_fn run, const void *ctx, pid_t *pid, int *sock);

/** subprocess__stop() - close the line, at which the process ends by itself, and wait for that. */
void subprocess__stop(pid_t pid, int sock);

#define SUBPROCESS_LINE 3

/**
 * subprocess__only_line() - in the new process: keep the line, as SUBPROCESS_LINE, and no descriptor above it.
 *
 * Return: 0 or a negative errno.
 */
int subprocess__only_line(int sock);

/** subprocess__ignore_signals() - in the new process: it ends when the line does; Ctrl-C and SIGTERM are for who started it. */
void subprocess__ignore_signals(void);

#endif /* BASE_SUBPROCESS_H */
