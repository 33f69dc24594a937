/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd_view.h"

#include <string.h>

#include "cli.h"

/* Returns true for time. */
static bool parse_weight(const char *arg)
{
	if (!strcmp(arg, "time"))
		return true;
	if (strcmp(arg, "count"))
		cli__usage_error("give count or time", "--weight: '%s' is neither", arg);
	return false;
}

/* Returns true for libraries. */
static bool parse_by(const char *arg)
{
	if (!strcmp(arg, "library"))
		return true;
	if (strcmp(arg, "function"))
		cli__usage_error("give function or library", "--by: '%s' is neither", arg);
	return false;
}

error_t cmd_view__parse(int key, char *arg, struct cmd_view *v)
{
	switch (key) {
	case CMD_VIEW_WEIGHT:
		v->by_time = parse_weight(arg);
		v->exits_only = "--weight";
		break;
	case CMD_VIEW_IDLE:
		v->idle = true;
		v->exits_only = "--idle";
		break;
	case CMD_VIEW_NO_INLINE:
		v->images.no_inline = true;
		break;
	case CMD_VIEW_BY:
		v->by_library = parse_by(arg);
		break;
	case CMD_VIEW_ROOTS:
		v->roots = true;
		break;
	default:
		return cmd_image__parse(key, arg, &v->images);
	}
	return 0;
}

int cmd_view__naming(const struct cmd_view *v, struct naming **out)
{
	struct naming_opts opts = v->images;

	/* The lines tell the library. */
	if (v->by_library)
		opts.no_inline = false;
	return naming__new(out, &opts);
}

struct naming_what cmd_view__what(const struct cmd_view *v, bool is_exits)
{
	struct naming_what what = {
		.measure = SNAP_MEASURE_SAMPLES,
		.by_library = v->by_library,
		.roots = v->roots,
		.idle = v->idle,
	};

	if (is_exits)
		what.measure = v->by_time ? SNAP_MEASURE_EXIT_TIME : SNAP_MEASURE_EXITS;
	return what;
}
