/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer_cache.h"
#include "cli.h"
#include "log.h"
#include "readers.h"

/* FILE@0x1000; a file whose own name ends like that goes first. */
static void add_image(struct naming_opts *o, char *arg)
{
	char *at = strrchr(arg, '@'), *end;
	struct naming_image *im;

	if (o->nr_images == NAMING_MAX_IMAGES)
		cli__usage_error("give at most 16", "-s: too many images");
	im = &o->images[o->nr_images++];
	im->path = arg;
	if (!at || at[1] != '0' || (at[2] | 0x20) != 'x' || !access(arg, F_OK))
		return;
	errno = 0;
	im->address = strtoull(at + 1, &end, 16);
	if (!at[3] || *end || errno)
		cli__usage_error("give an address such as 0x100000000000", "-s: '%s' is no address", at + 1);
	im->has_address = true;
	*at = '\0';
}

error_t cmd_image__parse(int key, char *arg, struct naming_opts *o)
{
	switch (key) {
	case 's':
		add_image(o, arg);
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

bool cmd_image__start_readers(struct readers **out)
{
	struct readers_opts opts = { .cache = NULL };
	char *cache = answer_cache__folder();
	int err;

	opts.cache = cache;
	err = readers__start(out, &opts);
	free(cache);
	if (err)
		log_err("reader: no process can be made that reads images: %s", strerror(-err));
	if (err == -EMFILE)
		log_hint("raise the limit on open files: ulimit -n 1024");
	return !err;
}
