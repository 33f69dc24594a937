/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd_exits.h"

#include <string.h>

#include "cli.h"

bool cmd_exits__parse_weight(const char *arg)
{
	if (!strcmp(arg, "time"))
		return true;
	if (strcmp(arg, "count"))
		cli__usage_error("give count or time", "--weight: '%s' is neither", arg);
	return false;
}

enum snap_measure cmd_exits__measure(bool is_exits, bool by_time)
{
	if (!is_exits)
		return SNAP_MEASURE_SAMPLES;
	return by_time ? SNAP_MEASURE_EXIT_TIME : SNAP_MEASURE_EXITS;
}
