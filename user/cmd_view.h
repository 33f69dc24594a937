/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_CMD_VIEW_H
#define USER_CMD_VIEW_H

/* cmd_view - what the verbs that show stacks share: the options that say how, from names to weights. */

#include <argp.h>
#include <stdbool.h>

#include "cmd_image.h"
#include "naming.h"

/* What was asked for; zeroed, it is what is shown by default. Strings are borrowed. */
struct cmd_view {
	struct naming_opts images;
	const char *exits_only; /* an option that was given and is about VM exits, or NULL */
	bool by_time;
	bool idle;
	bool by_library;
	bool roots;
};

enum { CMD_VIEW_WEIGHT = 2048, CMD_VIEW_IDLE, CMD_VIEW_NO_INLINE, CMD_VIEW_BY, CMD_VIEW_ROOTS }; /* keys */

/* Rows of an argp option table. */
#define CMD_VIEW_OPTIONS                                                                                         \
	CMD_IMAGE_OPTIONS,                                                                                               \
	{ "weight", CMD_VIEW_WEIGHT, "WHAT", 0, "of exits: count (default), or time, the host time they took", 0 },         \
	{ "idle", CMD_VIEW_IDLE, NULL, 0, "count the time of exits in which the guest waits (HLT), too", 0 },               \
	{ "no-inline", CMD_VIEW_NO_INLINE, NULL, 0, "show no inlined functions, and no lines", 0 },             \
	{ "by", CMD_VIEW_BY, "WHAT", 0, "function (default), or library: the micro-library or module that it is of", 0 }, \
	{ "roots", CMD_VIEW_ROOTS, NULL, 0, "a frame below the VM says where a sample hit: [guest], [kvm] or [vmm]", 0 }

/**
 * cmd_view__parse() - take a key of an argp parser that belongs to the view. A wrong value ends the program with
 * a usage error.
 *
 * Return: 0; ARGP_ERR_UNKNOWN if the key is none of these.
 */
error_t cmd_view__parse(int key, char *arg, struct cmd_view *v);

/** cmd_view__naming() - as naming__new(), and names as asked for. */
int cmd_view__naming(const struct cmd_view *v, struct naming **out);

/** cmd_view__what() - what a snapshot is to hold. @is_exits: the recording is of VM exits, not of samples. */
struct naming_what cmd_view__what(const struct cmd_view *v, bool is_exits);

#endif /* USER_CMD_VIEW_H */
