/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hostinfo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static bool read_line(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	bool ok;

	if (!f)
		return false;
	ok = fgets(buf, size, f) != NULL;
	fclose(f);
	if (ok)
		buf[strcspn(buf, "\n")] = '\0';
	return ok;
}

static bool cpu_has(const char *flag)
{
	char line[8192], *p;
	size_t len = strlen(flag);
	bool yes = false;
	FILE *f;

	f = fopen("/proc/cpuinfo", "re");
	if (!f)
		return false;
	while (!yes && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "flags", 5))
			continue;
		for (p = line; !yes && (p = strstr(p, flag)); p += len)
			yes = p > line && p[-1] == ' ' && (p[len] == ' ' || p[len] == '\n');
		break;
	}
	fclose(f);
	return yes;
}

enum kvm_vendor hostinfo__kvm_vendor(void)
{
	bool intel = !access("/sys/module/kvm_intel", F_OK), amd = !access("/sys/module/kvm_amd", F_OK);

	/* Where both are built in, the processor decides which one runs. */
	if (intel && (!amd || cpu_has("vmx")))
		return KVM_VENDOR_INTEL;
	if (amd)
		return KVM_VENDOR_AMD;
	return access("/sys/module/kvm", F_OK) ? KVM_VENDOR_NONE : KVM_VENDOR_SOFTWARE;
}

bool hostinfo__has_kvm_types(void)
{
	const char *module = hostinfo__kvm_vendor() == KVM_VENDOR_INTEL ? "kvm_intel" :
			     hostinfo__kvm_vendor() == KVM_VENDOR_AMD	? "kvm_amd" :
									  NULL;
	char loaded[64], types[64];

	if (!module)
		return true;
	snprintf(loaded, sizeof(loaded), "/sys/module/%s/initstate", module);
	snprintf(types, sizeof(types), "/sys/kernel/btf/%s", module);
	/* Built in, its types are the kernel's. */
	return access(loaded, F_OK) || !access(types, F_OK);
}

const char *hostinfo__kvm_vendor_str(enum kvm_vendor vendor)
{
	switch (vendor) {
	case KVM_VENDOR_NONE:
		return "not loaded";
	case KVM_VENDOR_INTEL:
		return "kvm_intel";
	case KVM_VENDOR_AMD:
		return "kvm_amd";
	case KVM_VENDOR_SOFTWARE:
		return "software, guest code is emulated";
	}
	return "unknown";
}

const char *hostinfo__tracefs(void)
{
	if (!access("/sys/kernel/tracing/events", F_OK))
		return "/sys/kernel/tracing";
	if (!access("/sys/kernel/debug/tracing/events", F_OK))
		return "/sys/kernel/debug/tracing";
	return NULL;
}

long hostinfo__tracepoint_id(const char *system, const char *event)
{
	const char *tracefs = hostinfo__tracefs();
	char path[256], line[32];

	if (!tracefs)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/events/%s/%s/id", tracefs, system, event);
	return read_line(path, line, sizeof(line)) ? strtol(line, NULL, 10) : -ENOENT;
}

int hostinfo__perf_event_paranoid(void)
{
	char line[32];

	return read_line("/proc/sys/kernel/perf_event_paranoid", line, sizeof(line)) ? atoi(line) : -100;
}

int hostinfo__perf_max_sample_rate(void)
{
	char line[32];

	return read_line("/proc/sys/kernel/perf_event_max_sample_rate", line, sizeof(line)) ? atoi(line) : 0;
}

bool hostinfo__has_pmu(void)
{
	return !access("/sys/bus/event_source/devices/cpu", F_OK) ||
	       !access("/sys/bus/event_source/devices/cpu_core", F_OK);
}

const char *hostinfo__lockdown(void)
{
	char line[128];

	if (!read_line("/sys/kernel/security/lockdown", line, sizeof(line)))
		return "unknown";
	if (strstr(line, "[confidentiality]"))
		return "confidentiality";
	return strstr(line, "[integrity]") ? "integrity" : "none";
}

const char *hostinfo__release(void)
{
	static struct utsname names;

	if (!names.release[0] && uname(&names))
		return "unknown";
	return names.release;
}

bool hostinfo__is_since(const char *release, unsigned int major, unsigned int minor)
{
	unsigned int its_major, its_minor;

	if (sscanf(release, "%u.%u", &its_major, &its_minor) != 2)
		return false;
	return its_major > major || (its_major == major && its_minor >= minor);
}

bool hostinfo__hides_processes(void)
{
	return geteuid() && access("/proc/1/stat", F_OK);
}
