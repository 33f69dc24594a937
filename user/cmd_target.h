/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_CMD_TARGET_H
#define USER_CMD_TARGET_H

/* cmd_target - what the verbs that attach to a VM share: the options that choose it, and their exit status. */

#include <argp.h>

#include "session.h"

enum { CMD_TARGET_VM = 1024 }; /* key of --vm */

/* Rows of an argp option table: -p, --vm, -a and -d. */
#define CMD_TARGET_OPTIONS                                                                                       \
	{ "pid", 'p', "PID", 0, "the VMM's process; may be left out if one VM runs on this host", 0 },           \
	{ "vm", CMD_TARGET_VM, "NAME", 0, "the VM's name, as 'ukprof list' shows it", 0 },                       \
	{ "all", 'a', NULL, 0, "every VM on this host, also those that start meanwhile", 0 },                    \
	{ "duration", 'd', "TIME", 0,                                                                            \
	  "stop after TIME, such as 30s or 5m, up to a year (default: until Ctrl-C)", 0 }

/**
 * cmd_target__parse() - take a key of an argp parser that belongs to the target.
 * @o: its members pid, vm_name, all and duration_ns are set. Contradictions and stray arguments end the
 *	program with a usage error.
 *
 * Return: 0; ARGP_ERR_UNKNOWN if the key is none of these.
 */
error_t cmd_target__parse(int key, char *arg, struct argp_state *state, struct session_opts *o);

/** cmd_target__exit_status() - the exit status that a session's status means. */
int cmd_target__exit_status(enum session_status status);

#endif /* USER_CMD_TARGET_H */
