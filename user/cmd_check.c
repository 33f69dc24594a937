/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd_check - ukprof check: what this host can do, item by item, with the remedy for what is missing. */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/perf_event.h>

#include "hostinfo.h"
#include "json.h"
#include "loader.h"
#include "log.h"
#include "rights.h"
#include "sampler.h"

enum mark {
	MARK_OK,
	MARK_LIMITED, /* works, with less */
	MARK_MISSING, /* recording does not work without */
};

struct check {
	bool json;
	int nr;
	int nr_missing;
};

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "one JSON document instead of lines", 0 },
	{ 0 },
};

static error_t parse_opt(int key, char *arg, struct argp_state *state)
{
	struct check *c = state->input;

	switch (key) {
	case 'j':
		c->json = true;
		break;
	case ARGP_KEY_ARG:
		cli__usage_error(NULL, "'%s' is not understood", arg);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse_opt,
	.doc = "Show what this host offers to ukprof, and how to get what is missing.\v"
	       "The exit status is 0 if recording works, else 4.",
	.children = cli_common,
};

static void item(struct check *c, const char *name, enum mark mark, const char *found, const char *remedy)
{
	static const char *const words[] = { "ok", "limited", "missing" };

	c->nr_missing += mark == MARK_MISSING;
	if (c->json) {
		printf("%s{\"item\":", c->nr++ ? "," : "");
		json__print_str(stdout, name);
		printf(",\"status\":\"%s\",\"found\":", words[mark]);
		json__print_str(stdout, found);
		printf(",\"remedy\":");
		json__print_str(stdout, mark == MARK_OK ? NULL : remedy);
		printf("}");
		return;
	}
	printf("%-8s %-22s %s\n", words[mark], name, found);
	if (mark != MARK_OK && remedy)
		printf("%-8s %-22s -> %s\n", "", "", remedy);
}

static void check_kernel(struct check *c)
{
	bool ok = hostinfo__is_since(hostinfo__release(), 5, 10);

	item(c, "kernel", ok ? MARK_OK : MARK_MISSING, hostinfo__release(), "use Linux 5.10 or newer");
}

static void check_btf(struct check *c)
{
	bool ok = !access("/sys/kernel/btf/vmlinux", R_OK);

	item(c, "kernel types (BTF)", ok ? MARK_OK : MARK_MISSING,
	     ok ? "/sys/kernel/btf/vmlinux" : "/sys/kernel/btf/vmlinux is not there",
	     "use a kernel with CONFIG_DEBUG_INFO_BTF=y, as those of the distributions are, and mount sysfs");
}

static void check_kvm(struct check *c)
{
	enum kvm_vendor vendor = hostinfo__kvm_vendor();

	item(c, "KVM", vendor == KVM_VENDOR_NONE ? MARK_MISSING : vendor == KVM_VENDOR_SOFTWARE ? MARK_LIMITED : MARK_OK,
	     hostinfo__kvm_vendor_str(vendor),
	     vendor == KVM_VENDOR_NONE ? "modprobe kvm_intel, or modprobe kvm_amd" :
					 "guests are slow here, and no kvm_exit event ever fires; sampling works");
}

static void check_tracefs(struct check *c)
{
	const char *tracefs = hostinfo__tracefs();
	bool needed = hostinfo__kvm_vendor() == KVM_VENDOR_INTEL;

	item(c, "tracefs", tracefs ? MARK_OK : MARK_LIMITED, tracefs ? tracefs : "not mounted, or not for us",
	     needed ? "mount -t tracefs tracefs /sys/kernel/tracing (on Intel the guest's RIP depends on it)" :
		      "mount -t tracefs tracefs /sys/kernel/tracing (not needed for record on this host)");
}

static void check_programs(struct check *c)
{
	struct loader_opts lo = { .ring_bytes = sysconf(_SC_PAGESIZE) };
	const char *missing = rights__missing(false);
	char why[64];
	struct loader *l = NULL;
	int err;

	if (missing) {
		snprintf(why, sizeof(why), "not tried: %s is missing", missing);
		item(c, "BPF programs", MARK_MISSING, why, "sudo ukprof check");
		return;
	}
	log__set_level(LOG_LEVEL_NONE); /* the table says it */
	err = loader__new(&l, &lo);
	log__set_level(LOG_LEVEL_INFO);
	loader__free(l);
	item(c, "BPF programs", err ? MARK_MISSING : MARK_OK, err ? strerror(-err) : "load on this kernel",
	     "see the items above; 'ukprof record -v -v' shows the kernel's own words");
}

static int try_event(__u32 type, __u64 config)
{
	struct perf_event_attr attr = {
		.type = type, .config = config, .size = sizeof(attr), .freq = 1, .sample_freq = 99, .disabled = 1,
	};
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void check_events(struct check *c)
{
	char remedy[160];
	int err;

	err = try_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK);
	snprintf(remedy, sizeof(remedy), "run as root, or with CAP_PERFMON and kernel.perf_event_paranoid at most 2 (now %d)",
		 hostinfo__perf_event_paranoid());
	item(c, "event cpu-clock", err ? MARK_MISSING : MARK_OK, err ? strerror(-err) : "works", remedy);
	err = try_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES);
	item(c, "event cycles", err ? MARK_LIMITED : MARK_OK,
	     !err ? "works" : hostinfo__has_pmu() ? strerror(-err) : "this host has no PMU",
	     "nothing to do: cpu-clock, the default, does not need it");
}

static void check_lockdown(struct check *c)
{
	const char *lockdown = hostinfo__lockdown();

	item(c, "lockdown", strcmp(lockdown, "confidentiality") ? MARK_OK : MARK_MISSING, lockdown,
	     "lockdown=confidentiality forbids reading kernel memory: boot with lockdown=integrity");
}

static int run(int argc, char **argv)
{
	struct check c = { 0 };

	cli__parse(&argp, argc, argv, &c);
	if (c.json)
		printf("{\"schema\":1,\"version\":\"%s\",\"items\":[", UKPROF_VERSION);
	check_kernel(&c);
	check_btf(&c);
	check_kvm(&c);
	check_lockdown(&c);
	check_tracefs(&c);
	check_events(&c);
	check_programs(&c);
	if (c.json)
		printf("],\"can_record\":%s}\n", c.nr_missing ? "false" : "true");
	else
		printf("%s\n", c.nr_missing ? "recording does not work here yet" : "recording works here");
	if (cli__close_stdout())
		return CLI_FAILED;
	return c.nr_missing ? CLI_NO_RIGHTS : CLI_OK;
}

const struct cli_verb verb_check = { "check", "what this host can do, and how to get what is missing", run };
