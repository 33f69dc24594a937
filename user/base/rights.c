/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rights.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <unistd.h>

#include "log.h"

#define NOBODY	  65534 /* user and group */
#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* Needed as long as VMs come; the last only to read images in folders of others. */
static const cap_value_t collector_caps[] = { CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH };

static bool has(cap_value_t cap, cap_flag_t set)
{
	cap_flag_value_t value = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (caps)
		cap_get_flag(caps, cap, set, &value);
	cap_free(caps);
	return value == CAP_SET;
}

const char *rights__missing(bool of_others)
{
	bool is_admin = has(CAP_SYS_ADMIN, CAP_EFFECTIVE); /* which includes the first two: capabilities(7) */

	if (!is_admin && !has(CAP_BPF, CAP_EFFECTIVE))
		return "CAP_BPF";
	if (!is_admin && !has(CAP_PERFMON, CAP_EFFECTIVE))
		return "CAP_PERFMON";
	return of_others && !has(CAP_SYS_PTRACE, CAP_EFFECTIVE) ? "CAP_SYS_PTRACE" : NULL;
}

void rights__hint(void)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[len > 0 ? len : 0] = '\0';
	log_hint("sudo ukprof …, or once: setcap cap_bpf,cap_perfmon,cap_sys_ptrace=ep %s", len > 0 ? path : "ukprof");
}

/* Nothing but these for any program that is started from here on; only who has CAP_SETPCAP can. */
static int bound(const cap_value_t *keep, size_t nr)
{
	cap_value_t cap;
	size_t i;

	for (cap = 0; has(CAP_SETPCAP, CAP_EFFECTIVE) && cap_get_bound(cap) >= 0; cap++) {
		for (i = 0; i < nr && keep[i] != cap; i++)
			;
		if (i == nr && cap_drop_bound(cap))
			return -errno;
	}
	return cap_reset_ambient() ? -errno : 0;
}

/* Exactly these in effect and permitted, as far as they are permitted now. */
static int set_caps(const cap_value_t *keep, size_t nr)
{
	cap_t caps;
	size_t i;
	int err;

	caps = cap_init();
	if (!caps)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		if (!has(keep[i], CAP_PERMITTED))
			continue;
		cap_set_flag(caps, CAP_PERMITTED, 1, &keep[i], CAP_SET);
		cap_set_flag(caps, CAP_EFFECTIVE, 1, &keep[i], CAP_SET);
	}
	err = cap_set_proc(caps) ? -errno : 0;
	cap_free(caps);
	return err;
}

static int no_new_privs(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

int rights__keep_collector(void)
{
	int err = bound(collector_caps, NR(collector_caps));

	if (!err)
		err = set_caps(collector_caps, NR(collector_caps));
	return err ? err : no_new_privs();
}

bool rights__can_open_all(void)
{
	return has(CAP_SYS_ADMIN, CAP_EFFECTIVE);
}

int rights__keep_opener(void)
{
	static const cap_value_t admin[] = { CAP_SYS_ADMIN };
	int err = bound(admin, NR(admin));

	if (!err)
		err = set_caps(admin, NR(admin));
	return err ? err : no_new_privs();
}

static int become(const char *user)
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (!pw)
		return errno ? -errno : -ENOENT;
	if (!pw->pw_uid || !pw->pw_gid)
		return -EINVAL;
	if (setgroups(0, NULL) || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid))
		return -errno;
	return 0;
}

static bool has_none(void)
{
	cap_value_t cap;

	for (cap = 0; cap_get_bound(cap) >= 0; cap++)
		if (has(cap, CAP_PERMITTED) || has(cap, CAP_EFFECTIVE) || has(cap, CAP_INHERITABLE) ||
		    cap_get_ambient(cap) > 0)
			return false;
	return true;
}

static bool is_clean(void)
{
	uid_t r, e, s;

	return has_none() && !getresuid(&r, &e, &s) && r && e && s;
}

int rights__drop_all(const char *user)
{
	int err = bound(NULL, 0); /* first, for it takes a right */

	if (!err && (!geteuid() || !getuid()))
		err = become(user);
	if (!err)
		err = set_caps(NULL, 0);
	if (!err)
		err = no_new_privs();
	return err ? err : is_clean() ? 0 : -EPERM;
}

int rights__drop_reader(void)
{
	int err = bound(NULL, 0);

	if (!err && (!geteuid() || !getuid()) && has(CAP_SETUID, CAP_EFFECTIVE) && has(CAP_SETGID, CAP_EFFECTIVE) &&
	    (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)))
		err = -errno;
	if (!err)
		err = set_caps(NULL, 0);
	if (!err)
		err = no_new_privs();
	return err ? err : has_none() ? 0 : -EPERM;
}

void rights__drop_thread(void)
{
	cap_t none = cap_init();

	if (!none || cap_set_proc(none))
		log_warn("rights: a thread keeps capabilities that it does not need");
	cap_free(none);
}
