/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "exits.h"
#include "hostinfo.h"
#include "kvm_events.h"
#include "kvm_scan.h"
#include "loader.h"
#include "log.h"
#include "rights.h"
#include "unwinding.h"
#include "vm_census.h"
#include "vm_registry.h"

#define TICK_NS	      250000000ULL /* look for new and gone vCPUs, flush, report */
#define EARLY_TICK_NS 25000000ULL /* the sooner the image is proven, the fewer samples go without its table */
#define NR_EARLY      8
#define RESCAN_NS     5000000000ULL /* look for all, event or not */
#define SETTLE_NS     3000000000ULL /* after an event: vCPUs come a little later than their VM */
#define NO_VM_NS      1000000000ULL /* without a VM for so long, KVM is let go */
#define TEXT_AT_START 32		   /* text probes asked of a new VM */
#define TEXT_PER_TICK 4

struct session {
	struct session_opts opts;
	const struct session_ops *ops; /* of session__run() */
	void *ops_ctx;
	struct recording *rec;
	struct loader *loader;
	struct vm_registry *registry;
	struct sampler *sampler;
	struct unwinding *unwinding;
	struct kvm_events *events; /* NULL: not asked for, or the kernel sends none */
	uint64_t event_ns;	   /* of the last event */
	uint64_t scan_ns;	   /* of the last look at all */
	uint64_t alive_ns;	   /* when a VM was there last */
	uint64_t nr_seen;	   /* VMs */
	struct vm_census census;
	struct exits *exits; /* NULL: not asked for */
	struct level_account *levels;
	enum level level;
	pid_t pid; /* resolved target; 0: all */
	int epoll_fd;
	int signal_fd;
	int timer_fd;
	sigset_t old_mask;
	uint64_t start_ns;
	bool running;  /* VMs that are found are recorded */
	bool counting; /* VM exits */
	int err; /* first error of a callback */
	bool explained;
	char text[256];
};

/* The image is a guess until it is proven, which takes a tick or two: what the guest runs is rarely another. */
static void set_unwind(struct session *s, struct vm *vm)
{
	struct unwinding_image images[UNWINDING_MAX_IMAGES];
	struct ukp_unwind_image tables[UKP_MAX_TABLES];
	size_t nr, i;

	if (!s->ops->tables)
		return;
	nr = s->ops->tables(s->ops_ctx, vm->id, vm->info.image, images);
	if (unwinding__use(s->unwinding, vm->id, images, nr, tables))
		vm_registry__set_unwind(s->registry, vm, tables);
	for (i = 0; i < nr; i++)
		free(images[i].path);
}

/* --- registry callbacks: what is found is recorded, and sampled --- */

static int record_vm(struct session *s, struct vm *vm)
{
	struct recording_vm rv = {
		.id = vm->id,
		.pid = vm->pid,
		.name = vm->name,
		.vmm = vm->info.vmm,
		.image = vm->info.image,
		.args = vm->info.args,
		.mem_bytes = vm->mem_bytes,
	};

	uint64_t offset;

	if (s->ops->linear_offset && s->ops->linear_offset(s->ops_ctx, vm->info.image, &offset))
		vm_registry__set_linear(s->registry, vm, offset);
	set_unwind(s, vm);
	loader__want_text(s->loader, vm->id, TEXT_AT_START);
	if (s->ops->vm_new)
		s->ops->vm_new(s->ops_ctx, vm->id, vm->pid, vm->fd);
	return recording__vm(s->rec, &rv);
}

static int start_vcpu(struct session *s, struct vcpu *vcpu)
{
	struct sampler_thread *t = NULL;
	int err;

	err = sampler__start(s->sampler, vcpu->tid, &t);
	if (!err) {
		vcpu->user = t;
		return 0;
	}
	if (err != -ESRCH && !s->explained) {
		sampler__explain(&s->opts.sampler, err);
		s->explained = true;
		s->err = err;
	}
	return err;
}

static uint64_t nr_created(const struct session *s)
{
	return s->events ? kvm_events__nr_created(s->events) : 0;
}

static int on_vm_new(void *ctx, struct vm *vm)
{
	struct session *s = ctx;

	s->nr_seen++;
	return s->running ? record_vm(s, vm) : 0;
}

static void on_vm_gone(void *ctx, struct vm *vm)
{
	struct session *s = ctx;

	if (s->running && s->ops->vm_gone)
		s->ops->vm_gone(s->ops_ctx, vm->id);
}

static int on_vcpu_new(void *ctx, struct vcpu *vcpu)
{
	struct session *s = ctx;

	return s->running && s->level >= LEVEL_SAMPLING ? start_vcpu(s, vcpu) : 0;
}

static void on_vcpu_gone(void *ctx, struct vcpu *vcpu)
{
	struct session *s = ctx;

	if (s->counting)
		exits__vcpu_gone(s->exits, vcpu->tid);
	sampler__stop(vcpu->user);
	vcpu->user = NULL;
}

/* --- finding the target --- */

static void hint_vms(struct session *s)
{
	struct vm *vm;
	size_t i;

	for (i = 0; i < vm_registry__nr(s->registry); i++) {
		vm = vm_registry__vm(s->registry, i);
		if (vm && vm->alive)
			log_hint("-p %d is %s (%s)", vm->pid, vm->name, vm->info.vmm);
	}
}

static enum session_status check_process(pid_t pid)
{
	pid_t leader;

	if (access("/proc/self/stat", R_OK)) {
		log_err("session: /proc is not mounted: processes can't be looked at");
		log_hint("mount -t proc proc /proc");
		return SESSION_FAILED;
	}
	leader = pid ? kvm_scan__leader(pid) : 0;
	if (leader == pid)
		return SESSION_OK;
	if (leader) {
		log_err("session: %d is a thread of process %d", pid, leader);
		log_hint("pass the process: -p %d", leader);
	} else {
		log_err("session: no process has PID %d", pid);
		if (hostinfo__hides_processes())
			log_hint("or it is hidden, for /proc is mounted with hidepid: run as root");
		else
			log_hint("'ukprof list' shows the VMs of this host");
	}
	return SESSION_NO_VM;
}

static enum session_status find_by_pid(struct session *s, pid_t pid)
{
	int err = vm_registry__refresh(s->registry, pid);

	switch (-err) {
	case 0:
		break;
	case ESRCH:
		log_err("session: no process has PID %d", pid);
		log_hint("'ukprof list' shows the VMs of this host");
		return SESSION_NO_VM;
	case ENODEV:
		log_err("session: process %d holds no KVM: it is not a VMM, or runs its guest without KVM", pid);
		log_hint("'ukprof list' shows the VMs of this host");
		return SESSION_NO_VM;
	case EACCES:
	case EPERM:
		if (rights__missing(true))
			log_err("session: process %d may not be looked into: %s is missing", pid, rights__missing(true));
		else
			log_err("session: process %d may not be looked into: %s", pid, strerror(-err));
		rights__hint();
		return SESSION_NO_RIGHTS;
	default:
		log_err("session: process %d: its VM can't be read: %s", pid, strerror(-err));
		if (err == -EMFILE)
			log_hint("raise the limit on open files: ulimit -n 1024");
		return SESSION_FAILED;
	}
	if (!vm_registry__nr_alive(s->registry)) {
		log_err("session: process %d: the kernel shows no VM behind its KVM descriptors", pid);
		log_hint("if ukprof runs in a container, give it the host's PID namespace (--pid=host)");
		return SESSION_FAILED;
	}
	s->pid = pid;
	return SESSION_OK;
}

static enum session_status find_all(struct session *s)
{
	int err = vm_registry__refresh(s->registry, 0);
	struct vm *vm, *found = NULL;
	size_t i, nr = 0;

	if (err) {
		log_err("session: the VMs of this host can't be read: %s", strerror(-err));
		return SESSION_FAILED;
	}
	if (s->opts.all)
		return SESSION_OK;
	for (i = 0; i < vm_registry__nr(s->registry); i++) {
		vm = vm_registry__vm(s->registry, i);
		if (!vm || !vm->alive || (s->opts.vm_name && strcmp(vm->name, s->opts.vm_name)))
			continue;
		found = vm;
		nr++;
	}
	if (!nr && s->opts.vm_name)
		log_err("session: no VM is called %s", s->opts.vm_name);
	else if (!nr)
		log_err("session: no VM runs under KVM on this host");
	else if (nr > 1)
		log_err("session: %zu VMs run on this host: which one?", nr);
	if (nr == 1) {
		s->pid = found->pid;
		return SESSION_OK;
	}
	if (vm_registry__nr_alive(s->registry))
		hint_vms(s);
	else if (hostinfo__kvm_vendor() == KVM_VENDOR_NONE)
		log_hint("KVM is not loaded: modprobe kvm_intel, or modprobe kvm_amd");
	else
		log_hint("start it with KVM (QEMU: -accel kvm); to see those of other users takes CAP_SYS_PTRACE, or sudo");
	return SESSION_NO_VM;
}

/* --- life cycle --- */

static enum session_status status_of_loader(int err)
{
	return err == -EPERM || err == -ENOENT || err == -EOPNOTSUPP ? SESSION_NO_RIGHTS : SESSION_FAILED;
}

static enum session_status status_of_event(int err)
{
	return err == -EACCES ? SESSION_NO_RIGHTS : status_of_loader(err);
}

/* A fleet of vCPUs needs two or three descriptors each. */
static void raise_file_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim))
		return;
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
}

enum session_status session__new(struct session **out, const struct session_opts *opts, struct recording *rec)
{
	static const struct vm_registry_ops ops = {
		.vm_new = on_vm_new,
		.vm_gone = on_vm_gone,
		.vcpu_new = on_vcpu_new,
		.vcpu_gone = on_vcpu_gone,
	};
	struct loader_opts lo = {
		.ring_bytes = opts->ring_bytes,
		.exits = opts->max_level >= LEVEL_EXITS,
		.host_stacks = opts->host_stacks,
		.max_vms = opts->max_vms,
		.unwind = true,
		.opener = opts->sampler.opener,
	};
	enum session_status status = SESSION_FAILED;
	const char *missing;
	struct session *s;
	int err;

	s = calloc(1, sizeof(*s));
	if (!s) {
		log_err("session: out of memory");
		return SESSION_FAILED;
	}
	s->opts = *opts;
	s->rec = rec;
	s->epoll_fd = s->signal_fd = s->timer_fd = -1;

	/* Before anything is loaded: a wrong PID is a wrong PID, with or without the right to load. */
	status = check_process(opts->pid);
	if (status)
		goto err_free;
	/* Said here, for the kernel's answer depends on what it checks first. */
	status = SESSION_NO_RIGHTS;
	missing = rights__missing(false);
	if (missing) {
		log_err("session: %s is missing: BPF programs can't be loaded", missing);
		rights__hint();
		goto err_free;
	}
	/* There may be no VM yet that would show it, and loading takes a moment. */
	err = opts->all ? sampler__probe(&opts->sampler) : 0;
	if (err) {
		sampler__explain(&opts->sampler, err);
		status = status_of_event(err);
		goto err_free;
	}
	status = SESSION_FAILED;
	raise_file_limit();
	err = loader__new(&s->loader, &lo);
	if (err) {
		status = status_of_loader(err);
		goto err_free;
	}
	if (vm_registry__new(&s->registry, s->loader, &ops, s) ||
	    sampler__new(&s->sampler, s->loader, &opts->sampler) ||
	    unwinding__new(&s->unwinding, s->loader, opts->readers, opts->debug_dir) ||
	    level_account__new(&s->levels, s->loader) ||
	    (opts->max_level >= LEVEL_EXITS && exits__new(&s->exits, s->loader))) {
		log_err("session: out of memory");
		goto err_free;
	}
	vm_registry__set_max(s->registry, opts->max_vms ? opts->max_vms : 1024);
	if (opts->forever)
		vm_registry__reuse_names(s->registry);
	/* Before the first look, or a VM could come in between. */
	if (opts->forever && (err = kvm_events__new(&s->events)))
		log_debug("session: the kernel's VM events: %s", strerror(-err));
	status = opts->pid ? find_by_pid(s, opts->pid) : find_all(s);
	if (status)
		goto err_free;
	/* Events of VMs that this look has found do not count. */
	if (s->events)
		kvm_events__read(s->events);
	vm_census__begin(&s->census, clock__mono_ns(), nr_created(s), s->nr_seen);
	*out = s;
	return SESSION_OK;

err_free:
	session__free(s);
	return status;
}

static bool is_target(const struct session *s, const struct vm *vm)
{
	return vm && vm->alive && (!s->pid || vm->pid == s->pid);
}

const char *session__describe(struct session *s)
{
	struct vm *vm, *first = NULL;
	size_t i, nr = 0;

	for (i = 0; i < vm_registry__nr(s->registry); i++) {
		vm = vm_registry__vm(s->registry, i);
		if (!is_target(s, vm))
			continue;
		if (!nr++)
			first = vm;
	}
	if (nr == 1)
		snprintf(s->text, sizeof(s->text), "%s (%s, PID %d, %zu vCPU%s)", first->name, first->info.vmm,
			 first->pid, first->nr_vcpus, first->nr_vcpus == 1 ? "" : "s");
	else
		snprintf(s->text, sizeof(s->text), "%zu VMs", nr);
	return s->text;
}

static int set_tick(struct session *s, long ns)
{
	struct itimerspec tick = { .it_value.tv_nsec = ns, .it_interval.tv_nsec = ns };

	return timerfd_settime(s->timer_fd, 0, &tick, NULL);
}

static int open_fds(struct session *s)
{
	struct epoll_event ev = { .events = EPOLLIN };
	sigset_t mask;
	int fds[5], nr = 0, i;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	if (s->exits) {
		sigaddset(&mask, SIGUSR1);
		sigaddset(&mask, SIGUSR2);
	}
	sigprocmask(SIG_BLOCK, &mask, &s->old_mask);
	s->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->signal_fd < 0 || s->timer_fd < 0 || s->epoll_fd < 0 ||
	    set_tick(s, EARLY_TICK_NS))
		return -errno;
	fds[nr++] = s->signal_fd;
	fds[nr++] = s->timer_fd;
	fds[nr++] = loader__ring_fd(s->loader);
	if (s->opts.wake_fd)
		fds[nr++] = s->opts.wake_fd;
	if (s->events)
		fds[nr++] = kvm_events__fd(s->events);
	for (i = 0; i < nr; i++) {
		ev.data.fd = fds[i];
		if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fds[i], &ev))
			return -errno;
	}
	return 0;
}

static void on_record(void *ctx, const void *data, size_t len)
{
	struct session *s = ctx;
	int err = recording__record(s->rec, data, len);

	if (err && !s->err)
		s->err = err;
}

static int begin_recording(struct session *s)
{
	struct recording_info info = {
		.version = UKPROF_VERSION,
		.host = hostinfo__release(),
		.host_stacks = s->opts.host_stacks,
		.event = s->opts.level == LEVEL_FULL ? RECORDING_EVENT_EXITS :
						       sampler__event_name(s->opts.sampler.event),
		.freq_hz = s->opts.sampler.freq_hz,
		.period_ns = sampler__period_ns(&s->opts.sampler),
		.start_wall_ns = clock__wall_ns(),
		.start_mono_ns = s->start_ns,
		.is_emulated = hostinfo__kvm_vendor() == KVM_VENDOR_SOFTWARE,
	};

	return recording__begin(s->rec, &info);
}

static int start_counting(struct session *s)
{
	int err = exits__start(s->exits);

	s->counting = !err;
	if (!err)
		return 0;
	log_err("session: VM exits can't be counted: %s", strerror(-err));
	if (err == -EOPNOTSUPP)
		log_hint("KVM's tracepoints are not there: is the kvm module loaded?");
	s->explained = true;
	return err;
}

static void stop_counting(struct session *s)
{
	if (s->counting)
		exits__stop(s->exits);
	s->counting = false;
}

/* Its vCPUs are sampled, or no longer. */
static int start_vm(struct session *s, struct vm *vm)
{
	size_t k;

	for (k = 0; k < vm->nr_vcpus; k++)
		if (vm->vcpus[k]->tid && !vm->vcpus[k]->user)
			start_vcpu(s, vm->vcpus[k]);
	return s->err;
}

static void stop_vm(struct vm *vm)
{
	size_t k;

	for (k = 0; k < vm->nr_vcpus; k++) {
		sampler__stop(vm->vcpus[k]->user);
		vm->vcpus[k]->user = NULL;
	}
}

static void set_exit_stacks(struct session *s, bool on)
{
	struct ukp_settings set = { .exit_shift = UKP_EXIT_SHIFT_AUTO };
	uint64_t hz = s->opts.exit_stack_hz;

	if (on && hz) {
		set.exit_stacks = hz * UKP_PICK_WINDOW_NS / 1000000000;
		set.exit_stacks += !set.exit_stacks;
		for (set.exit_time_log2 = 0; 2ull << set.exit_time_log2 <= 1000000000 / hz; set.exit_time_log2++)
			;
		if (s->opts.exit_every)
			for (set.exit_shift = 0; 1ull << set.exit_shift < s->opts.exit_every; set.exit_shift++)
				;
	}
	loader__set_exit_stacks(s->loader, &set);
}

int session__set_level(struct session *s, enum level level)
{
	struct vm *vm;
	size_t i;
	int err = 0;

	if (level > s->opts.max_level)
		return -EINVAL;
	/* What is attached on the way up is the new level's from its first run on; on the way down, to its last. */
	if (level > s->level)
		level_account__set(s->levels, level, clock__mono_ns());
	if (level < LEVEL_EXITS)
		stop_counting(s);
	for (i = 0; i < vm_registry__nr(s->registry) && !err; i++) {
		vm = vm_registry__vm(s->registry, i);
		if (!is_target(s, vm))
			continue;
		if (level < LEVEL_SAMPLING)
			stop_vm(vm);
		else
			err = start_vm(s, vm);
	}
	/* After the samplers: on Intel their events make KVM read RIP, and must be asked first. */
	if (!err && level >= LEVEL_EXITS && !s->counting)
		err = start_counting(s);
	if (err) {
		level_account__set(s->levels, s->level, clock__mono_ns());
		return err;
	}
	set_exit_stacks(s, level == LEVEL_FULL);
	if (level <= s->level)
		level_account__set(s->levels, level, clock__mono_ns());
	s->level = level;
	return 0;
}

/* Look at what was found by session__new(); from here on the registry's callbacks do. */
static int start_sampling(struct session *s)
{
	struct vm *vm;
	size_t i, k;
	int err;

	s->running = true;
	for (i = 0; i < vm_registry__nr(s->registry); i++) {
		vm = vm_registry__vm(s->registry, i);
		if (is_target(s, vm)) {
			err = record_vm(s, vm);
			if (err)
				return err;
			continue;
		}
		/* Its vCPUs would run our programs for nothing. */
		for (k = 0; vm && k < vm->nr_vcpus; k++)
			loader__del_vcpu(s->loader, vm->vcpus[k]->tid);
	}
	return session__set_level(s, s->opts.level);
}

static int take_counters(struct session *s)
{
	uint64_t v[UKP_CTR_MAX];

	loader__counters(s->loader, v);
	return recording__counters(s->rec, v);
}

/* Order matters: no more samples, then what is in the ring, then counters that can't move any more. */
static void session__stop(struct session *s)
{
	struct vm *vm;
	size_t i, k;

	stop_counting(s);
	if (s->levels)
		level_account__stop(s->levels, clock__mono_ns());
	for (i = 0; s->registry && i < vm_registry__nr(s->registry); i++) {
		vm = vm_registry__vm(s->registry, i);
		for (k = 0; vm && k < vm->nr_vcpus; k++)
			on_vcpu_gone(s, vm->vcpus[k]);
	}
	if (s->running)
		loader__consume(s->loader);
	s->running = false;
}

/* To look at all processes of a host costs: with events, only when there was one, and now and then. */
static bool is_scan_due(const struct session *s, uint64_t now)
{
	return !s->events || now - s->scan_ns >= RESCAN_NS || now - s->event_ns < SETTLE_NS;
}

/*
 * Programs on KVM's tracepoints keep its module from being removed. So there are none while no VM runs; what was
 * counted stays. A module that was loaded anew in between is the same to us, but for kernels before 5.17.
 */
static int let_go_of_kvm(struct session *s, uint64_t now)
{
	bool is_away = !s->alive_ns;

	if (vm_registry__nr_alive(s->registry)) {
		s->alive_ns = now;
		if (is_away && !loader__fits_kvm(s->loader)) {
			log_err("session: KVM was loaded anew, and this kernel does not tell where its new variables are");
			log_hint("start ukprof again");
			s->explained = true;
			return -ESTALE;
		}
		return s->level >= LEVEL_EXITS && !s->counting ? start_counting(s) : 0;
	}
	if (is_away || now - s->alive_ns >= NO_VM_NS) {
		stop_counting(s);
		s->alive_ns = 0;
	}
	return 0;
}

/* Returns false when there is nothing left to record. */
static bool refresh(struct session *s, uint64_t now)
{
	size_t i, nr_targets = 0;
	struct vm *vm;
	int err = 0;

	if (is_scan_due(s, now)) {
		err = vm_registry__refresh(s->registry, s->pid);
		s->scan_ns = now;
	}
	vm_census__judge(&s->census, now, s->scan_ns, nr_created(s), s->nr_seen);
	if (err && err != -ESRCH && err != -ENODEV)
		log_debug("session: refresh: %s", strerror(-err));
	s->err = s->err ? s->err : let_go_of_kvm(s, now);
	for (i = 0; i < vm_registry__nr(s->registry); i++) {
		vm = vm_registry__vm(s->registry, i);
		if (!is_target(s, vm))
			continue;
		loader__want_text(s->loader, vm->id, TEXT_PER_TICK);
		set_unwind(s, vm);
		nr_targets++;
	}
	return s->opts.all || nr_targets;
}

static bool read_fd(int fd, size_t size)
{
	char buf[sizeof(struct signalfd_siginfo)];

	return read(fd, buf, size) == (ssize_t)size;
}

/* Returns true for a signal that ends the session. */
static bool take_signals(struct session *s)
{
	struct signalfd_siginfo si;
	int level;

	while (read(s->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGHUP && s->opts.forever)
			continue; /* a daemon's habit: what can change is read again anyway */
		if (si.ssi_signo != SIGUSR1 && si.ssi_signo != SIGUSR2)
			return true;
		level = (int)s->level + (si.ssi_signo == SIGUSR1 ? 1 : -1);
		if (level < LEVEL_COUNTERS || level > (int)s->opts.max_level)
			log_warn("session: the level is %s already", level__name(s->level));
		else if (!session__set_level(s, level))
			log_info("session: the level is now %s", level__name(level));
	}
	return false;
}

static enum recording_end run_loop(struct session *s, const struct session_ops *ops, void *ctx)
{
	uint64_t end_ns = s->opts.duration_ns ? s->start_ns + s->opts.duration_ns : UINT64_MAX;
	struct epoll_event ev[5];
	uint64_t now = s->start_ns;
	int timeout_ms, nr_early = 0;

	while (!s->err) {
		timeout_ms = end_ns == UINT64_MAX ? -1 : (int)((end_ns - now + 999999) / 1000000 & 0x7fffffff);
		epoll_wait(s->epoll_fd, ev, 5, timeout_ms);
		loader__consume(s->loader);
		now = clock__mono_ns();
		if (take_signals(s))
			return RECORDING_INTERRUPTED;
		if (now >= end_ns)
			return RECORDING_FINISHED;
		if (s->events && kvm_events__read(s->events))
			s->event_ns = now;
		if (s->opts.wake_fd && read_fd(s->opts.wake_fd, sizeof(uint64_t)))
			ops->wake(ctx);
		if (!read_fd(s->timer_fd, sizeof(uint64_t)))
			continue;
		if (nr_early < NR_EARLY && ++nr_early == NR_EARLY)
			set_tick(s, TICK_NS);
		if (!refresh(s, now))
			return RECORDING_VM_ENDED;
		level_account__tick(s->levels, now);
		if (!s->err)
			s->err = take_counters(s);
		if (!s->err && ops->tick)
			s->err = ops->tick(ctx, now - s->start_ns);
	}
	return RECORDING_FINISHED;
}

enum session_status session__run(struct session *s, const struct session_ops *ops, void *ctx)
{
	enum recording_end how;
	int err;

	s->ops = ops;
	s->ops_ctx = ctx;
	err = loader__set_handler(s->loader, on_record, s);
	if (!err)
		err = open_fds(s);
	if (err) {
		log_err("session: the ring buffer can't be set up: %s", strerror(-err));
		if (err == -EMFILE)
			log_hint("raise the limit on open files: ulimit -n 1024");
		return SESSION_FAILED;
	}
	s->start_ns = s->alive_ns = clock__mono_ns();
	err = begin_recording(s);
	if (!err)
		err = start_sampling(s);
	if (!err) {
		how = run_loop(s, ops, ctx);
		err = s->err;
	}
	session__stop(s);
	if (!err)
		err = take_counters(s);
	if (!err)
		err = recording__end(s->rec, how, clock__mono_ns() - s->start_ns);
	while (read_fd(s->signal_fd, sizeof(struct signalfd_siginfo)))
		;
	sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
	if (!err)
		return SESSION_OK;
	if (recording__capture_err(s->rec))
		return SESSION_CUT;
	if (!s->explained)
		log_err("session: recording stopped: %s", strerror(-err));
	return s->explained ? status_of_event(err) : SESSION_FAILED;
}

struct exits *session__exits(struct session *s)
{
	return s->exits;
}

struct run_stats {
	uint64_t runs;
	uint64_t ns;
};

static int add_run_stats(void *ctx, const char *name, uint64_t runs, uint64_t ns)
{
	if (!strcmp(name, LOADER_SAMPLE_PROGRAM))
		*(struct run_stats *)ctx = (struct run_stats){ runs, ns };
	return 0;
}

void session__run_stats(const struct session *s, uint64_t *runs, uint64_t *ns)
{
	struct run_stats stats = { 0 };

	loader__for_each_cost(s->loader, add_run_stats, &stats);
	*runs = stats.runs;
	*ns = stats.ns;
}

void session__release_vms(struct session *s, const uint32_t *ids, size_t nr)
{
	struct ukp_unwind_image unused[UKP_MAX_TABLES];
	size_t i;

	/* Nothing of them may be on its way. */
	loader__consume(s->loader);
	if (s->exits)
		exits__forget_vms(s->exits, ids, nr);
	for (i = 0; i < nr; i++) {
		unwinding__use(s->unwinding, ids[i], NULL, 0, unused);
		recording__forget_vm(s->rec, ids[i]);
		vm_registry__release(s->registry, ids[i]);
	}
}

uint64_t session__nr_missed(const struct session *s)
{
	return s->census.missed;
}

enum level session__level(const struct session *s)
{
	return s->level;
}

struct loader *session__loader(const struct session *s)
{
	return s->loader;
}

struct vm_registry *session__registry(const struct session *s)
{
	return s->registry;
}

const struct level_account *session__levels(const struct session *s)
{
	return s->levels;
}

void session__free(struct session *s)
{
	if (!s)
		return;
	session__stop(s);
	kvm_events__free(s->events);
	vm_registry__free(s->registry);
	sampler__free(s->sampler);
	exits__free(s->exits);
	level_account__free(s->levels);
	unwinding__free(s->unwinding);
	loader__free(s->loader);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	if (s->signal_fd >= 0)
		close(s->signal_fd);
	if (s->timer_fd >= 0)
		close(s->timer_fd);
	free(s);
}
