/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "serve_front.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fd_msg.h"
#include "front_filter.h"
#include "log.h"
#include "rights.h"
#include "serve_calls.h"
#include "serve_msg.h"
#include "serve_routes.h"
#include "subprocess.h"

#define GRACE_S		 3 /* from the order to stop to the end, in any case */
#define SYSTEMD_FIRST_FD 3

struct front {
	int sock;
	struct serve_calls *calls;
	struct serve_routes *routes;
	struct http_server *http;
};

/* --- the child --- */

static void on_term(int sig)
{
	(void)sig;
	alarm(GRACE_S);
}

/*
 * The collector ends the front, and Ctrl-C is for the collector. SIGTERM, which also comes when the collector dies, is
 * a deadline, for the clients are to have their 503 first.
 */
static void set_signals(void)
{
	static const int ignored[] = { SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2, SIGQUIT };
	struct sigaction sa = { .sa_handler = SIG_IGN };
	size_t i;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		sigaction(ignored[i], &sa, NULL);
	sa.sa_handler = SIG_DFL;
	sigaction(SIGALRM, &sa, NULL);
	sa.sa_handler = on_term;
	sa.sa_flags = SA_RESTART;
	sigaction(SIGTERM, &sa, NULL);
}

/* systemd gave them to the collector, by number. */
static void claim_sockets(pid_t collector)
{
	const char *pid = getenv("LISTEN_PID");
	char text[16];

	if (!pid || strtol(pid, NULL, 10) != collector)
		return;
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
}

static int give_up_rights(const struct serve_front_opts *opts, pid_t collector)
{
	int err = rights__drop_all(opts->user);

	if (err == -ENOENT)
		log_err("front: --user: no user is called %s", opts->user);
	else if (err == -EINVAL)
		log_err("front: --user: %s is root, which is what it is there to avoid", opts->user);
	else if (err)
		log_err("front: rights can't be given up: %s", strerror(-err));
	if (err)
		return err;
	/* After the change of user, which clears it. The collector may have died before. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) || prctl(PR_SET_DUMPABLE, 0))
		return -errno;
	if (getppid() != collector)
		return -EPIPE;
	err = front_filter__install();
	if (err)
		log_err("front: system calls can't be filtered: %s", strerror(-err));
	return err;
}

static int open_http(struct front *f, const struct serve_front_opts *opts)
{
	const struct http_route *table;
	size_t nr;
	int err;

	err = serve_calls__new(&f->calls, f->sock);
	if (!err)
		err = serve_routes__new(&f->routes, f->calls, opts->telemetry_path);
	if (err) {
		log_err("front: %s", strerror(-err));
		return err;
	}
	table = serve_routes__table(f->routes, &nr);
	err = http_server__new(&f->http, &opts->http, table, nr, f->routes); /* says what is wrong */
	if (!err)
		serve_routes__set_server(f->routes, f->http);
	return err;
}

/* Bound, and without rights: now the collector may begin. Return: -EPIPE: it does not, and has said why. */
static int wait_go(const struct front *f)
{
	struct serve_request hello;
	struct serve_reply go;
	ssize_t n;
	int fd, err;

	serve_request__init(&hello, SERVE_ASK_HELLO, 0);
	err = fd_msg__send(f->sock, &hello, sizeof(hello), -1, 0);
	if (err)
		return err;
	n = fd_msg__receive(f->sock, &go, sizeof(go), &fd);
	if (n <= 0)
		return -EPIPE;
	return serve_reply__check(&go, n, fd) || go.say != SERVE_SAY_GO ? -EBADMSG : 0;
}

static void say_where(const struct front *f, const struct serve_front_opts *opts)
{
	size_t i;

	for (i = 0; i < http_server__nr_listeners(f->http); i++)
		log_info("serve: listening on %s, port %u",
			 opts->http.systemd_socket ? "what systemd handed over" : opts->http.listen[i],
			 http_server__port(f->http, i));
}

static int run_front(const void *ctx, int sock, pid_t collector)
{
	const struct serve_front_opts *opts = ctx;
	struct front f = { .sock = sock };
	int err;

	set_signals();
	claim_sockets(collector);
	err = open_http(&f, opts);
	if (!err)
		err = give_up_rights(opts, collector);
	if (!err)
		err = wait_go(&f);
	if (!err)
		err = http_server__start(f.http);
	if (err)
		return EXIT_FAILURE;
	say_where(&f, opts);
	err = serve_calls__run(f.calls);
	if (err)
		log_err("front: the collector %s: ending", err == -EPIPE ? "has gone" : "sends nonsense");
	alarm(GRACE_S);
	http_server__stop(f.http);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* --- the collector --- */

/* It is to have no socket that listens. */
static void leave_sockets(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int nr = fds ? atoi(fds) : 0, i;

	if (pid && strtol(pid, NULL, 10) == getpid())
		for (i = 0; i < nr && i < 1024; i++)
			close(SYSTEMD_FIRST_FD + i);
}

int serve_front__start(const struct serve_front_opts *opts, pid_t *pid, int *sock)
{
	int err = subprocess__start(run_front, opts, pid, sock);

	if (!err && opts->http.systemd_socket)
		leave_sockets();
	return err;
}

int serve_front__wait(pid_t pid)
{
	const struct timespec nap = { .tv_nsec = 10000000 };
	int status = 0, i;

	for (i = 0; i < (GRACE_S + 1) * 100; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		nanosleep(&nap, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return status;
}
