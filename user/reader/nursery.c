/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nursery.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd_msg.h"
#include "reader_child.h"
#include "reader_filter.h"
#include "rights.h"
#include "subprocess.h"

#define MAX_CPU_S 600 /* of one reader in all its life: a backstop, for who asks does not wait for so long */
#define MAX_FILES 16
#define STUCK_S	  10 /* a nursery that does not answer for so long is none */

struct nursery {
	pid_t pid;
	int sock;
	pthread_mutex_t lock;
};

enum { MAKE = 1, END };

struct order {
	int32_t what;
	int32_t pid; /* END */
};

/* --- the child --- */

static int limit(int what, uint64_t value)
{
	struct rlimit rl;

	if (getrlimit(what, &rl))
		return -errno;
	if (rl.rlim_max == RLIM_INFINITY || rl.rlim_max > value)
		rl.rlim_max = value;
	rl.rlim_cur = rl.rlim_max;
	return setrlimit(what, &rl) ? -errno : 0;
}

/* For itself, and so for all that it makes. */
static int set_limits(uint64_t max_memory)
{
	int err = limit(RLIMIT_CORE, 0);

#ifndef __SANITIZE_ADDRESS__
	if (!err)
		err = limit(RLIMIT_AS, max_memory);
#else
	(void)max_memory;
#endif
	if (!err)
		err = limit(RLIMIT_CPU, MAX_CPU_S);
	if (!err)
		err = limit(RLIMIT_NOFILE, MAX_FILES);
	return err ? err : limit(RLIMIT_FSIZE, 0);
}

/* Where memory gets short, a reader goes before a VM does. It may be refused: then it is as it was. */
static void go_first(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "1000", 4) < 0)
		errno = 0;
	close(fd);
}

static int leave_terminal(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC), i;

	if (fd < 0)
		return -errno;
#ifdef __SANITIZE_ADDRESS__
	i = 2; /* it has something to say there */
#else
	i = 3;
#endif
	while (i-- > 0)
		if (dup2(fd, i) < 0)
			return -errno;
	close(fd);
	return 0;
}

static void run_reader(const struct reader_filter *filter, int sock, pid_t owner)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != owner || prctl(PR_SET_NAME, "ukprof-reader") ||
	    subprocess__only_line(sock) || reader_filter__reader(filter))
		_exit(EXIT_FAILURE);
	_exit(reader_child__run(SUBPROCESS_LINE));
}

static int make(const struct reader_filter *filter, int sock, pid_t owner)
{
	long pid = syscall(SYS_clone, (long)(CLONE_PARENT | SIGCHLD), 0L, 0L, 0L, 0L);

	if (!pid)
		run_reader(filter, sock, owner);
	return pid < 0 ? -errno : (int)pid;
}

/* What else there was to be done at a signal is of no use here, and least of all at a crash. */
static void set_signals(void)
{
	sigset_t none;
	int sig;

	for (sig = 1; sig < SIGRTMIN; sig++)
		signal(sig, SIG_DFL);
	subprocess__ignore_signals();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int run_nursery(const void *ctx, int sock, pid_t owner)
{
	const uint64_t *max_memory = ctx;
	struct reader_filter *filter;
	struct order order;
	int32_t answer;
	ssize_t len;
	int fd;

	set_signals();
	go_first();
	if (prctl(PR_SET_NAME, "ukprof-nursery") || subprocess__only_line(sock) || leave_terminal() ||
	    set_limits(*max_memory) || rights__drop_reader() || prctl(PR_SET_DUMPABLE, 0) ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != owner || reader_filter__new(&filter) ||
	    reader_filter__nursery(filter))
		return EXIT_FAILURE;
	for (;;) {
		len = fd_msg__receive(SUBPROCESS_LINE, &order, sizeof(order), &fd);
		if (len != sizeof(order))
			return len ? EXIT_FAILURE : EXIT_SUCCESS;
		if (order.what == MAKE) {
			answer = make(filter, fd, owner);
			close(fd);
		} else {
			answer = kill(order.pid, SIGKILL) ? -errno : 0;
		}
		if (fd_msg__send(SUBPROCESS_LINE, &answer, sizeof(answer), -1, 0))
			return EXIT_FAILURE;
	}
}

/* --- who started it --- */

int nursery__start(struct nursery **out, uint64_t max_memory)
{
	struct timeval stuck = { .tv_sec = STUCK_S };
	struct nursery *n;
	int err;

	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	err = subprocess__start(run_nursery, &max_memory, &n->pid, &n->sock);
	if (err) {
		free(n);
		return err;
	}
	setsockopt(n->sock, SOL_SOCKET, SO_RCVTIMEO, &stuck, sizeof(stuck));
	setsockopt(n->sock, SOL_SOCKET, SO_SNDTIMEO, &stuck, sizeof(stuck));
	pthread_mutex_init(&n->lock, NULL);
	*out = n;
	return 0;
}

void nursery__stop(struct nursery *n)
{
	if (!n)
		return;
	subprocess__stop(n->pid, n->sock);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

static int32_t give_order(struct nursery *n, const struct order *order, int fd)
{
	int32_t answer;
	int err;

	pthread_mutex_lock(&n->lock);
	err = fd_msg__send(n->sock, order, sizeof(*order), fd, 0);
	if (!err && fd_msg__receive(n->sock, &answer, sizeof(answer), NULL) != sizeof(answer))
		err = -EPIPE;
	pthread_mutex_unlock(&n->lock);
	return err ? err : answer;
}

int nursery__make(struct nursery *n, pid_t *pid, int *sock)
{
	const struct order order = { .what = MAKE };
	int32_t answer;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	answer = give_order(n, &order, fds[1]);
	close(fds[1]);
	if (answer <= 0) {
		close(fds[0]);
		return answer ? answer : -EPIPE;
	}
	*pid = answer;
	*sock = fds[0];
	return 0;
}

int nursery__end(struct nursery *n, pid_t pid)
{
	const struct order order = { .what = END, .pid = pid };
	int status = 0;

	/* It is another user's where this process is root's: then that takes a right which this process has given up. */
	if (kill(pid, SIGKILL))
		give_order(n, &order, -1);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}
