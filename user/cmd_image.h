/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_CMD_IMAGE_H
#define USER_CMD_IMAGE_H

/* cmd_image - what the verbs that show names share: the options that say from which image they come. */

#include <argp.h>

#include "naming.h"

enum { CMD_IMAGE_FORCE = 2064, CMD_IMAGE_DEBUG_DIR }; /* keys */

/* Rows of an argp option table. */
#define CMD_IMAGE_OPTIONS                                                                                        \
	{ "symbols", 's', "FILE[@ADDRESS]", 0,                                                                    \
	  "unstripped image of the guest (default: what the VMM booted, or its .dbg twin); repeatable: kernel first, then "  \
	  "applications; the address only where the guest's code can't tell it", 0 },                                       \
	{ "force", CMD_IMAGE_FORCE, NULL, 0, "use the names of an image that is not what the guest runs; each is marked [unverified]", 0 }, \
	{ "debug-dir", CMD_IMAGE_DEBUG_DIR, "DIR", 0, "where debug files of stripped images are (default: /usr/lib/debug)", 0 }

/**
 * cmd_image__parse() - take a key of an argp parser that belongs to the images. A wrong value ends the program with
 * a usage error.
 * @arg: is cut before its address.
 *
 * Return: 0; ARGP_ERR_UNKNOWN if the key is none of these.
 */
error_t cmd_image__parse(int key, char *arg, struct naming_opts *o);

/**
 * cmd_image__start_readers() - as readers__start(). Call it before anything that a reader is not to have: BPF programs,
 * threads. Return: false: it was reported.
 */
bool cmd_image__start_readers(struct readers **out);

#endif /* USER_CMD_IMAGE_H */
