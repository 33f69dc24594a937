/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_CMD_EXITS_H
#define USER_CMD_EXITS_H

/* cmd_exits - what the verbs that show VM exits as stacks share: how exits are weighed. */

#include <stdbool.h>

#include "snapshot.h"

/** cmd_exits__parse_weight() - Return: true for "time", false for "count"; else the program ends. */
bool cmd_exits__parse_weight(const char *arg);

enum snap_measure cmd_exits__measure(bool is_exits, bool by_time);

#endif /* USER_CMD_EXITS_H */
