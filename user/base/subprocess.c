/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "subprocess.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int subprocess__start(subprocess_fn run, const void *ctx, pid_t *pid, int *sock)
{
	pid_t starter = getpid(), child;
	int fds[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	fflush(NULL); /* or both would print it */
	child = fork();
	if (child < 0) {
		err = -errno;
		close(fds[0]);
		close(fds[1]);
		return err;
	}
	if (!child) {
		close(fds[0]);
		_exit(run(ctx, fds[1], starter));
	}
	close(fds[1]);
	*pid = child;
	*sock = fds[0];
	return 0;
}

void subprocess__stop(pid_t pid, int sock)
{
	close(sock);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int subprocess__only_line(int sock)
{
	return dup2(sock, SUBPROCESS_LINE) < 0 || close_range(SUBPROCESS_LINE + 1, ~0U, 0) ? -errno : 0;
}

void subprocess__ignore_signals(void)
{
	static const int ignored[] = { SIGINT, SIGHUP, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGQUIT };
	size_t i;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}
