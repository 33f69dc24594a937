/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_FD_MSG_H
#define BASE_FD_MSG_H

/*
 * fd_msg - one message, and perhaps one descriptor, over a SOCK_SEQPACKET pair.
 *
 * Threads: any; no state. Source: unix(7), cmsg(3).
 */

#include <stddef.h>
#include <sys/types.h>

/**
 * fd_msg__send() - one message. @fd: goes with it, or -1; stays the caller's. @flags: for send(2).
 *
 * Return: 0 or a negative errno.
 */
int fd_msg__send(int sock, const void *msg, size_t len, int fd, int flags);

/**
 * fd_msg__receive() - one message; waits for it.
 * @msg: receives up to @len bytes. @fd: receives the descriptor that came, or -1; the caller owns it. NULL: none may come.
 *
 * Return: its length; 0: the other side has closed; -EBADMSG if it was longer, or brought what it may not; a negative errno.
 */
ssize_t fd_msg__receive(int sock, void *msg, size_t len, int *fd);

#endif /* BASE_FD_MSG_H */
