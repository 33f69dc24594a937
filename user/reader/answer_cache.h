/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef READER_ANSWER_CACHE_H
#define READER_ANSWER_CACHE_H

/*
 * answer_cache - a reader's answer about an image, kept on the disk for the next run.
 *
 * What takes long and is the same each time: unwind tables. A file for each image, in the user's own cache folder. An
 * answer belongs to one version of one file, told by device, inode, size and times, of the debug file that it was made
 * with, and of this program. No build-id is looked at, for anybody can write one into another image; and no hash of the
 * contents, which takes as long as what it would save. A file's time of change is set by the kernel alone.
 *
 * What is found is not trusted further than a reader is: it is checked as an answer (reader_msg.h). A file that is not this
 * user's own, that others may write, that is cut or damaged, or of another program, is as good as none, and is
 * written anew.
 *
 * Threads: any, also of several processes at once: files come whole, by rename(2).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWER_CACHE_MAX_BYTES (64u << 20) /* of all files; the ones that were not used for longest go first */

struct stat;
struct answer_cache;

/* One version of one file. Zeroed: none. */
struct answer_cache_file {
	uint64_t dev, ino, size, mtime_ns, ctime_ns;
};

struct answer_cache_key {
	struct answer_cache_file image, debug;
};

/**
 * answer_cache__folder() - of this user: $CACHE_DIRECTORY (systemd), else ukprof in $XDG_CACHE_HOME or in ~/.cache. A home
 * that is another's, as sudo(8) may leave it, is none.
 *
 * Return: to be freed; NULL if there is none, or no memory.
 */
char *answer_cache__folder(void);

/**
 * answer_cache__open() - use @folder; it is made if need be, as is the one above it.
 *
 * Return: 0; -EPERM: it is not this user's own, or others may write there; another negative errno.
 */
int answer_cache__open(struct answer_cache **out, const char *folder);
void answer_cache__free(struct answer_cache *c); /* accepts NULL */

/**
 * answer_cache__key() - what belongs to these files.
 * @debug: NULL: none.
 *
 * Return: false if one was changed a moment ago: the next change might not be told from this one.
 */
bool answer_cache__key(struct answer_cache_key *out, const struct stat *image, const struct stat *debug);

/**
 * answer_cache__get() - what was kept.
 * @c: NULL: nothing.
 * @max: bytes; more is none.
 * @data: to be freed.
 */
bool answer_cache__get(struct answer_cache *c, const struct answer_cache_key *key, size_t max, void **data, size_t *len);

/** answer_cache__put() - keep it, if it can be; another answer about the same file goes. @c: NULL is accepted. */
void answer_cache__put(struct answer_cache *c, const struct answer_cache_key *key, const void *data, size_t len);

#endif /* READER_ANSWER_CACHE_H */
