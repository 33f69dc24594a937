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

struct image;

#define DEBUG_FILE_ROOT "/usr/lib/debug"

enum debug_file_verdict {
	DEBUG_FILE_NOT_NEEDED = 0, /* the image has symbols and lines */
	DEBUG_FILE_ATTACHED,	   /* it answers for what the image lacks */
	DEBUG_FILE_NONE,	   /* the image names none, or there is no such file */
	DEBUG_FILE_OTHER_BUILD,	   /* what is there does not belong to the image: not used */
	DEBUG_FILE_NO_MEMORY,
};

/**
 * debug_file__attach() - find the debug file of an image, and let it answer for what the image lacks.
 * @root: folder of debug files; NULL for DEBUG_FILE_ROOT.
 * @path: receives the path of the file that was attached, or that is of another build; to be freed. Untouched
 *	otherwise. NULL is allowed.
 * Cost: without a build-id the file is read once, for its checksum.
 */
enum debug_file_verdict debug_file__attach(struct image *img, const char *root, char **path);

#endif /* SYMBOLIZER_DEBUG_FILE_H */
