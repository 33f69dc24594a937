/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd_image.h"

error_t cmd_image__parse(int key, char *arg, struct naming_opts *o)
{
	switch (key) {
	case 's':
		o->symbols = arg;
		break;
	case CMD_IMAGE_FORCE:
		o->force = true;
		break;
	case CMD_IMAGE_DEBUG_DIR:
		o->debug_dir = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}
