/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd_target.h"

#include "cli.h"

error_t cmd_target__parse(int key, char *arg, struct argp_state *state, struct session_opts *o)
{
	switch (key) {
	case 'p':
		o->pid = cli__uint("-p", arg, 1, 1 << 22);
		break;
	case CMD_TARGET_VM:
		o->vm_name = arg;
		break;
	case 'a':
		o->all = true;
		break;
	case 'd':
		o->duration_ns = cli__duration("-d", arg);
		break;
	case ARGP_KEY_ARG:
		cli__usage_error("a process is given by -p PID, a VM's name by --vm NAME", "'%s' is not understood",
				 arg);
		break;
	case ARGP_KEY_END:
		if (!!o->pid + !!o->vm_name + o->all > 1)
			cli__usage_error("give one of them", "-p, --vm and --all exclude each other");
		break;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = NULL;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_target__exit_status(enum session_status status)
{
	switch (status) {
	case SESSION_OK:
		return CLI_OK;
	case SESSION_NO_VM:
		return CLI_NO_VM;
	case SESSION_NO_RIGHTS:
		return CLI_NO_RIGHTS;
	case SESSION_FAILED:
	case SESSION_CUT:
		break;
	}
	return CLI_FAILED;
}
