/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "opener.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd_msg.h"
#include "hostinfo.h"
#include "rights.h"
#include "subprocess.h"

#define BPF_STATS 0 /* beside enum opener_event */
#define MAX_HZ	  10000

struct opener {
	pid_t pid;
	int sock;
};

struct ask {
	uint32_t what; /* enum opener_event, or BPF_STATS */
	uint32_t tid;
	uint32_t freq_hz;
	uint32_t zero;
	uint64_t config;
};

struct answer {
	int32_t err; /* 0: a descriptor comes with it */
};

static int open_event(const struct ask *ask)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.freq = 1,
		.sample_freq = ask->freq_hz,
		.sample_type = PERF_SAMPLE_IP,
		.disabled = 1,
	};
	int fd;

	if (ask->what == OPENER_CYCLES) {
		attr.type = PERF_TYPE_HARDWARE;
		attr.config = PERF_COUNT_HW_CPU_CYCLES;
	} else if (ask->what == OPENER_KVM_EXIT) {
		attr = (struct perf_event_attr){
			.size = sizeof(attr),
			.type = PERF_TYPE_TRACEPOINT,
			.config = ask->config,
			.sample_period = 1ULL << 62,
		};
	}
	fd = syscall(SYS_perf_event_open, &attr, ask->tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_stats(void)
{
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);

	return fd < 0 ? -errno : fd;
}

/* --- the child --- */

static bool is_right(const struct ask *ask, size_t len, long kvm_exit)
{
	bool samples = ask->what == OPENER_CPU_CLOCK || ask->what == OPENER_CYCLES;

	if (len != sizeof(*ask) || ask->what > OPENER_KVM_EXIT || ask->zero)
		return false;
	if (ask->tid > INT32_MAX || (ask->what == BPF_STATS && ask->tid))
		return false;
	if (samples ? !ask->freq_hz || ask->freq_hz > MAX_HZ : ask->freq_hz)
		return false;
	return ask->config == (ask->what == OPENER_KVM_EXIT ? (uint64_t)kvm_exit : 0);
}

/* Anything but its work ends it. */
static int install_filter(void)
{
	static const int calls[] = { SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(perf_event_open), SCMP_SYS(close),
				     SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn) };
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err = ctx ? 0 : -ENOMEM;
	size_t i;

	for (i = 0; i < sizeof(calls) / sizeof(calls[0]) && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1, SCMP_A0(SCMP_CMP_EQ, BPF_ENABLE_STATS));
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}

static int run_child(const void *ctx, int sock, pid_t parent)
{
	long kvm_exit = hostinfo__tracepoint_id("kvm", "kvm_exit");
	struct answer answer;
	struct ask ask;
	ssize_t n;
	int fd;

	(void)ctx;
	/* It keeps nothing else open: who waits for the end of another line would wait for this process, too. */
	if (subprocess__only_line(sock))
		return EXIT_FAILURE;
	subprocess__ignore_signals();
	if (rights__keep_opener() || prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent || install_filter())
		return EXIT_FAILURE;
	for (;;) {
		n = fd_msg__receive(SUBPROCESS_LINE, &ask, sizeof(ask), NULL);
		if (n <= 0 || !is_right(&ask, n, kvm_exit))
			return n ? EXIT_FAILURE : EXIT_SUCCESS;
		fd = ask.what == BPF_STATS ? open_stats() : open_event(&ask);
		answer.err = fd < 0 ? fd : 0;
		if (fd_msg__send(SUBPROCESS_LINE, &answer, sizeof(answer), fd < 0 ? -1 : fd, 0))
			return EXIT_FAILURE;
		if (fd >= 0)
			close(fd);
	}
}

/* --- the parent --- */

int opener__start(struct opener **out)
{
	struct opener *o;
	int err;

	if (!rights__can_open_all()) {
		*out = NULL;
		return 0;
	}
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	err = subprocess__start(run_child, NULL, &o->pid, &o->sock);
	if (err) {
		free(o);
		return err;
	}
	*out = o;
	return 0;
}

void opener__stop(struct opener *o)
{
	if (!o)
		return;
	subprocess__stop(o->pid, o->sock);
	free(o);
}

static int request(struct opener *o, const struct ask *ask)
{
	struct answer answer;
	int fd = -1, err;
	ssize_t n;

	err = fd_msg__send(o->sock, ask, sizeof(*ask), -1, 0);
	if (err)
		return err;
	n = fd_msg__receive(o->sock, &answer, sizeof(answer), &fd);
	if (n != sizeof(answer) || (!answer.err && fd < 0))
		return -EPIPE;
	return answer.err ? answer.err : fd;
}

static bool was_refused(int fd)
{
	return fd == -EACCES || fd == -EPERM;
}

int opener__event(struct opener *o, enum opener_event event, uint32_t tid, uint32_t freq_hz, uint64_t config)
{
	struct ask ask = { .what = event, .tid = tid ? tid : (uint32_t)gettid(), .freq_hz = freq_hz, .config = config };
	int fd = open_event(&ask);

	return was_refused(fd) && o ? request(o, &ask) : fd;
}

int opener__bpf_stats(struct opener *o)
{
	const struct ask ask = { .what = BPF_STATS };
	int fd = open_stats();

	return was_refused(fd) && o ? request(o, &ask) : fd;
}
