/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_RIGHTS_H
#define BASE_RIGHTS_H

/*
 * rights - the privileges of this process: which are missing, and how to give them up.
 *
 * Threads: capabilities are each thread's own, and a new thread has those of its maker; so rights__keep_collector()
 * and rights__drop_all() come before there are threads.
 */

#include <stdbool.h>
#include <stddef.h>

/**
 * rights__missing() - the first capability that is needed and is not in effect.
 * @of_others: also the one to look into processes of other users.
 *
 * Return: "CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE", or NULL: all there. Static.
 */
const char *rights__missing(bool of_others);

/** rights__hint() - print how to give ukprof its rights, as the second line of a message. */
void rights__hint(void);

/**
 * rights__keep_collector() - give up all but CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and, if it is there, CAP_DAC_READ_SEARCH;
 * also for all programs this process might start.
 *
 * Return: 0 or a negative errno.
 */
int rights__keep_collector(void);

/** rights__can_open_all() - has this process CAP_SYS_ADMIN, for opener? */
bool rights__can_open_all(void);

/** rights__keep_opener() - give up all but CAP_SYS_ADMIN. Return: 0 or a negative errno. */
int rights__keep_opener(void);

/**
 * rights__drop_all() - give up everything: capabilities, groups, and root's user ID.
 * @user: whom to become if this process is root's; else not looked at.
 *
 * The bounding set can be emptied only by who has CAP_SETPCAP; without it no-new-privs makes it idle.
 *
 * Return: 0; -ENOENT: no such user; -EINVAL: it is root, too; a negative errno. Only after 0 it is done, and it has been
 * read back.
 */
int rights__drop_all(const char *user);

/**
 * rights__drop_reader() - as rights__drop_all(), to become nobody by number; also of a root who may not become another.
 *
 * Return: 0 or a negative errno. No capability is left then.
 */
int rights__drop_reader(void);

/** rights__drop_thread() - the calling thread needs no capabilities. */
void rights__drop_thread(void);

#endif /* BASE_RIGHTS_H */
