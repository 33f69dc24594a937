/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "front_filter.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* Each in a child of its own, for there is no way back. Return: its wait status; 99: the filter could not be had. */
static int in_filter(int (*what)(long arg), long arg)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		prctl(PR_SET_DUMPABLE, 0); /* no core files */
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(front_filter__install() ? 99 : what(arg));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static int call(long nr)
{
	return syscall(nr, 0L, 0L, 0L, 0L, 0L, 0L) == -1 ? errno : 0;
}

static void what_only_an_intruder_calls_is_deadly(void **state)
{
	static const long calls[] = {
		SYS_execve, SYS_execveat, SYS_bpf, SYS_perf_event_open, SYS_ptrace, SYS_process_vm_readv,
		SYS_process_vm_writev, SYS_fork, SYS_vfork, SYS_mount, SYS_setns, SYS_unshare, SYS_finit_module,
		SYS_io_uring_setup, SYS_keyctl, SYS_chroot,
	};

	(void)state;
	for (size_t i = 0; i < NR(calls); i++) {
		int status = in_filter(call, calls[i]);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("system call %ld: status %#x", calls[i], status);
	}
}

static void what_is_not_needed_is_refused(void **state)
{
	static const long calls[] = {
		SYS_socket, SYS_connect, SYS_bind, SYS_listen, SYS_kill, SYS_tkill, SYS_prctl, SYS_setuid, SYS_capset,
		SYS_unlink, SYS_mkdir, SYS_rename, SYS_chmod, SYS_ioctl, SYS_clone, SYS_creat, SYS_memfd_create,
		SYS_tgkill, SYS_pidfd_open, SYS_seccomp, SYS_personality, SYS_setrlimit, 10000 /* of a kernel to come */,
	};

	(void)state;
	for (size_t i = 0; i < NR(calls); i++) {
		int status = in_filter(call, calls[i]);

		if (!WIFEXITED(status) || WEXITSTATUS(status) != EPERM)
			fail_msg("system call %ld: status %#x", calls[i], status);
	}
}

static int open_for(long flags)
{
	int fd = open("/dev/null", flags, 0600);

	return fd < 0 ? errno : 0;
}

static int exec_memory(long prot)
{
	return mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static void arguments_count(void **state)
{
	static const int writing[] = { O_WRONLY, O_RDWR, O_RDONLY | O_CREAT, O_RDONLY | O_TRUNC, O_WRONLY | O_APPEND };
	int status;

	(void)state;
	assert_int_equal(in_filter(open_for, O_RDONLY), 0);
	assert_int_equal(in_filter(open_for, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), 0);
	for (size_t i = 0; i < NR(writing); i++) {
		status = in_filter(open_for, writing[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), EPERM);
	}
	assert_int_equal(in_filter(exec_memory, PROT_READ | PROT_WRITE), 0);
	status = in_filter(exec_memory, PROT_READ | PROT_EXEC);
	assert_int_equal(WEXITSTATUS(status), EPERM);
}

static void *add_one(void *arg)
{
	free(malloc(1 << 20));
	++*(int *)arg;
	return NULL;
}

/* What a server does in the libraries below it. */
static int work(long arg)
{
	int socks[2], count = 0, i;
	char byte = 'x', *big;
	pthread_t thread;

	(void)arg;
	for (i = 0; i < 4; i++)
		if (pthread_create(&thread, NULL, add_one, &count) || pthread_join(thread, NULL))
			return 1;
	big = malloc(64 << 20);
	if (count != 4 || !big)
		return 2;
	big[0] = byte;
	big = realloc(big, 128 << 20);
	if (!big || big[0] != byte)
		return 3;
	free(big);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, socks) || send(socks[0], &byte, 1, MSG_NOSIGNAL) != 1 ||
	    recv(socks[1], &byte, 1, 0) != 1)
		return 4;
	return 0;
}

static void a_server_can_work(void **state)
{
	(void)state;
	assert_int_equal(in_filter(work, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_only_an_intruder_calls_is_deadly),
		cmocka_unit_test(what_is_not_needed_is_refused),
		cmocka_unit_test(arguments_count),
		cmocka_unit_test(a_server_can_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
