/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sampler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/perf_event.h>

#include "hostinfo.h"
#include "log.h"
#include "opener.h"
#include "rights.h"

struct sampler {
	struct loader *loader;
	struct sampler_opts opts;
	int rip_fd;	  /* event on our own thread, or -1: keeps the probe registered, before any other */
	long kvm_exit_id; /* of the tracepoint that makes VMX read RIP; 0: not needed, -1: not to be had */
};

struct sampler_thread {
	struct loader_link *link;
	int rip_fd; /* event on kvm_exit, or -1 */
};

const char *sampler__event_name(enum sampler_event event)
{
	return event == SAMPLER_CYCLES ? "cycles" : "cpu-clock";
}

uint64_t sampler__period_ns(const struct sampler_opts *opts)
{
	return opts->event == SAMPLER_CPU_CLOCK ? 1000000000ULL / opts->freq_hz : 0;
}

/*
 * KVM on Intel reads RIP from the VMCS only when somebody asks. The classic kvm_exit event asks, at every
 * exit, as long as it is enabled; it need not be delivered, so it counts with a period that never ends.
 * Source: arch/x86/kvm/trace.h, TRACE_EVENT_KVM_EXIT: kvm_rip_read() in TP_fast_assign.
 */
static int open_rip_event(const struct sampler *s, uint32_t tid)
{
	return s->kvm_exit_id > 0 ? opener__event(s->opts.opener, OPENER_KVM_EXIT, tid, 0, s->kvm_exit_id) : -1;
}

/* @tid: 0: this thread. */
static int open_sample_event(const struct sampler_opts *opts, uint32_t tid)
{
	enum opener_event event = opts->event == SAMPLER_CYCLES ? OPENER_CYCLES : OPENER_CPU_CLOCK;

	return opener__event(opts->opener, event, tid, opts->freq_hz, 0);
}

int sampler__probe(const struct sampler_opts *opts)
{
	int fd = open_sample_event(opts, 0);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int sampler__new(struct sampler **out, struct loader *l, const struct sampler_opts *opts)
{
	struct sampler *s;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->loader = l;
	s->opts = *opts;
	if (hostinfo__kvm_vendor() == KVM_VENDOR_INTEL) {
		s->kvm_exit_id = hostinfo__tracepoint_id("kvm", "kvm_exit");
		if (s->kvm_exit_id <= 0) {
			s->kvm_exit_id = -1;
			log_warn("sampler: tracepoint kvm_exit can't be looked up: the guest's RIP may be stale");
			log_hint("mount tracefs: mount -t tracefs tracefs /sys/kernel/tracing");
		}
	}
	s->rip_fd = open_rip_event(s, 0);
	*out = s;
	return 0;
}

void sampler__free(struct sampler *s)
{
	if (!s)
		return;
	if (s->rip_fd >= 0)
		close(s->rip_fd);
	free(s);
}

int sampler__start(struct sampler *s, uint32_t tid, struct sampler_thread **out)
{
	struct sampler_thread *t;
	int fd, err;

	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->rip_fd = open_rip_event(s, tid);
	fd = open_sample_event(&s->opts, tid);
	err = fd < 0 ? fd : loader__attach(s->loader, fd, &t->link);
	if (err) {
		sampler__stop(t);
		return err;
	}
	*out = t;
	return 0;
}

void sampler__stop(struct sampler_thread *t)
{
	if (!t)
		return;
	loader__detach(t->link);
	if (t->rip_fd >= 0)
		close(t->rip_fd);
	free(t);
}

/* Debian's and Ubuntu's kernels know levels above 2, at which CAP_PERFMON is not enough. */
static void explain_refusal(const char *event, int err)
{
	int paranoid = hostinfo__perf_event_paranoid();

	if (rights__missing(false)) {
		log_err("sampler: %s: perf event can't be opened: %s is missing", event, rights__missing(false));
		rights__hint();
	} else if (paranoid > 2) {
		log_err("sampler: %s: perf event can't be opened: kernel.perf_event_paranoid is %d", event, paranoid);
		log_hint("sysctl kernel.perf_event_paranoid=2, or run as root: with more than 2 CAP_PERFMON is not enough");
	} else {
		log_err("sampler: %s: perf event can't be opened, although the rights are there: %s", event, strerror(-err));
		log_hint("see /sys/kernel/security/lockdown, and the logs of SELinux or AppArmor");
	}
}

void sampler__explain(const struct sampler_opts *opts, int err)
{
	const char *event = sampler__event_name(opts->event);

	int max = hostinfo__perf_max_sample_rate();

	if (err == -EINVAL && max > 0 && opts->freq_hz > (uint32_t)max) {
		log_err("sampler: %s: %u Hz is more than this kernel allows: %d Hz", event, opts->freq_hz, max);
		log_hint("pass a lower -F, or raise the limit: sysctl kernel.perf_event_max_sample_rate=%u", opts->freq_hz);
		return;
	}
	if (err == -EACCES || err == -EPERM) {
		explain_refusal(event, err);
		return;
	}
	log_err("sampler: %s: perf event can't be opened: %s", event, strerror(-err));
	switch (-err) {
	case ENOENT:
	case EOPNOTSUPP:
	case ENODEV:
		log_hint("this host has no PMU for it: use -e cpu-clock, which works everywhere");
		break;
	case EMFILE:
		log_hint("raise the limit on open files: ulimit -n 65536");
		break;
	}
}
