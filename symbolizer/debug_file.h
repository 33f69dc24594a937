/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_DEBUG_FILE_H
#define SYMBOLIZER_DEBUG_FILE_H

/*
 * debug_file - the separate file with what was stripped from an image: symbols, lines, call frames.
 *
 * It is looked for as gdb does: by the image's build-id below a root folder, then by the name in its
 * .gnu_debuglink beside the image, in the folder .debug there, and below the root. On this machine only: nothing is
 * asked of the network, whatever DEBUGINFOD_URLS says. A file of another build would give wrong names that look
 * right, for the image's bytes prove nothing about it; so its build-id must be the image's, or, where one of the two has
 * none, its checksum the one of .gnu_debuglink.
 *
 * Threads: as the image's. Source: gdb's manual, "Debugging Information in Separate Files".
 */

#include <stdbool.h>
#include <stdint.h>

#include "image.h"

#define DEBUG_FILE_ROOT "/usr/lib/debug"

enum debug_file_verdict {
	DEBUG_FILE_NOT_NEEDED = 0, /* the image has symbols and lines */
	DEBUG_FILE_ATTACHED,	   /* it answers for what the image lacks */
	DEBUG_FILE_NONE,	   /* the image names none, or there is no such file */
	DEBUG_FILE_OTHER_BUILD,	   /* what is there does not belong to the image: not used */
	DEBUG_FILE_NO_MEMORY,
};

/* What an image says of its debug file; without pointers, as struct image_facts. */
struct debug_link {
	uint32_t is_wanted; /* it lacks symbols or lines */
	uint32_t crc;
	char build_id[2 * IMAGE_MAX_BUILD_ID + 8]; /* lower-case hexadecimal, or empty */
	char name[256]; /* of a file, without a folder; or empty */
};

/**
 * debug_file__attach() - find the debug file of an image, and let it answer for what the image lacks.
 * @root: folder of debug files; NULL for DEBUG_FILE_ROOT.
 * @path: receives the path of the file that was attached, or that is of another build; to be freed. Untouched
 *	otherwise. NULL is allowed.
 * Cost: without a build-id the file is read once, for its checksum.
 */
enum debug_file_verdict debug_file__attach(struct image *img, const char *root, char **path);

/* The same in three parts, for those who open files in one process and read them in another. */

/** debug_file__link() - @link: filled in. */
void debug_file__link(struct image *img, struct debug_link *link);

/**
 * debug_file__search() - name the places where it may be, one after the other, until one is right.
 * @image: path of the image.
 * @try: looks at one path; @by_name: it was found by its name. DEBUG_FILE_NONE if there is no such file.
 * @root, @path: as for debug_file__attach().
 */
enum debug_file_verdict debug_file__search(const struct debug_link *link, const char *image, const char *root,
					   enum debug_file_verdict (*try)(void *ctx, const char *path, bool by_name),
					   void *ctx, char **path);

/** debug_file__try() - look at one file, and attach it if it is right. @fd: for reading; taken. */
enum debug_file_verdict debug_file__try(struct image *img, const struct debug_link *link, int fd, const char *path,
					bool by_name);

#endif /* SYMBOLIZER_DEBUG_FILE_H */
