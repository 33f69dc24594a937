/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_HOSTINFO_H
#define USER_HOSTINFO_H

/* hostinfo - facts about this host, read from sysfs, proc and tracefs. The only place that knows vendors. */

#include <stdbool.h>
#include <stddef.h>

enum kvm_vendor {
	KVM_VENDOR_NONE = 0, /* KVM is not loaded */
	KVM_VENDOR_INTEL,
	KVM_VENDOR_AMD,
	KVM_VENDOR_SOFTWARE, /* KVM without VMX or SVM: the host emulates guest code */
};

enum kvm_vendor hostinfo__kvm_vendor(void);
const char *hostinfo__kvm_vendor_str(enum kvm_vendor vendor);

/** hostinfo__has_kvm_types() - the kernel describes the vendor's part of a vCPU; modules have types from 5.11 on. */
bool hostinfo__has_kvm_types(void);

/** hostinfo__tracepoint_id() - id of a classic event; 0 if there is none, or a negative errno. */
long hostinfo__tracepoint_id(const char *system, const char *event);

/** hostinfo__tracefs() - where tracefs is mounted, or NULL. */
const char *hostinfo__tracefs(void);

int hostinfo__perf_event_paranoid(void);  /* -100 if unknown */
int hostinfo__perf_max_sample_rate(void); /* Hz; 0 if unknown */
bool hostinfo__has_pmu(void);
/** hostinfo__lockdown() - "none", "integrity", "confidentiality", or "unknown". */
const char *hostinfo__lockdown(void);
/** hostinfo__release() - the kernel's release, such as "6.1.0-50-amd64". */
const char *hostinfo__release(void);

/** hostinfo__is_since() - a release is this one or a later one; false if it can't be read. */
bool hostinfo__is_since(const char *release, unsigned int major, unsigned int minor);

/** hostinfo__hides_processes() - /proc does not show us the processes of others (hidepid). */
bool hostinfo__hides_processes(void);

#endif /* USER_HOSTINFO_H */
