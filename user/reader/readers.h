/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef READER_READERS_H
#define READER_READERS_H

/*
 * readers - ELF files and DWARF, read in processes that have no rights.
 *
 * An image is foreign, and libelf, libdw and the demanglers of libiberty were not made for that. So each image is read
 * by a process of its own: without capabilities, as nobody where it can be, with a filter of system calls in which
 * nothing can be opened, and with limits of memory and time. This side opens the files, passes descriptors, asks, and
 * checks all that it is told. A reader that crashes, hangs or lies takes the names of its own image with it, and nothing
 * else: that is said on stderr, once, the image then has a verdict, and is not read again until the file changes.
 *
 * A reader is a cache: of those that were not asked for longest, the process is ended when there are too many; the next
 * question starts another one, with the descriptors that were opened first. One that nobody holds any more stays a
 * while for who opens the same file again.
 *
 * Threads: any; a lock of each reader serializes what is asked of it. readers__start() and readers__stop() by the first and
 * only thread there is.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "debug_file.h"
#include "image.h"
#include "locate.h"

struct reader;
struct readers;
struct sym_answers;
struct sym_source;
struct unwind_table;

/* Zeroed: as it should be. */
struct readers_opts {
	uint32_t deadline_ms; /* for one answer, less after several that were late; 0: 20000 */
	uint64_t max_memory;  /* address space of one reader, bytes; 0: 2 GiB */
	uint32_t max_live;    /* processes at once; 0: 32 */
	uint32_t idle_ms;     /* readers__tidy() ends what was not asked for so long; 0: 60000 */
	const char *cache;    /* folder for answer_cache.h; NULL: nothing is kept */
};

/** readers__start() - begin; see nursery__start(). Return: 0 or a negative errno. */
int readers__start(struct readers **out, const struct readers_opts *opts);

/** readers__stop() - end all processes; all readers have been put. Accepts NULL. */
void readers__stop(struct readers *rs);

/** readers__tidy() - end the processes that were not asked for long, and forget readers that nobody holds. Accepts NULL. */
void readers__tidy(struct readers *rs);

/** readers__be_strict() - from now on a reader's failure is an error, not a warning; or not any more. Accepts NULL. */
void readers__be_strict(struct readers *rs, bool is_strict);

/** readers__nr_live() - processes now. */
size_t readers__nr_live(struct readers *rs);

/** readers__nr_cached() - answers that were found on the disk. */
size_t readers__nr_cached(struct readers *rs);

/**
 * reader__open() - read an image.
 * @rs: NULL is allowed, and can read nothing.
 * @any_path: another path that leads to the same file will do; its debug file is then looked for beside that one.
 * @out: on IMAGE_OK receives it, for reader__put(); untouched otherwise.
 *
 * Return: a verdict; errno is set for IMAGE_UNREADABLE.
 */
enum image_verdict reader__open(struct readers *rs, const char *path, bool any_path, struct reader **out);
void reader__put(struct reader *r); /* accepts NULL */

/** reader__verdict() - IMAGE_OK, or what has become of it since it was opened. */
enum image_verdict reader__verdict(struct reader *r);

const char *reader__path(const struct reader *r);
const struct image_facts *reader__facts(const struct reader *r);
/** reader__build_id() - or NULL; borrowed. */
const char *reader__build_id(const struct reader *r);

/** reader__pid() - of the process, for tests; 0: there is none now. */
pid_t reader__pid(struct reader *r);

/* All below: -EIO means that reader__verdict() is not IMAGE_OK any more. */

/** reader__attach_debug_file() - as debug_file__attach(); of each reader once, later calls return the same. */
enum debug_file_verdict reader__attach_debug_file(struct reader *r, const char *root, char **path);

/** reader__read_symbols() - Return: 0; -ENOENT: it has none; -EBADMSG: they are malformed; -EIO. */
int reader__read_symbols(struct reader *r);

/**
 * reader__locate() - as locate__find(), or with @bias as locate__check().
 * @probes: up to READER_MAX_PROBES are looked at. @result, @info: filled in.
 *
 * Return: 0 or -EIO.
 */
int reader__locate(struct reader *r, const struct locate_probe *probes, size_t nr, const uint64_t *bias,
		   enum locate_result *result, struct locate_info *info);

/**
 * reader__functions() - as image_names__functions(). Return: 0; -EIO; -ENOENT, -EBADMSG: of its symbols; -ENOMEM.
 */
int reader__functions(struct reader *r, const uint64_t *addrs, size_t nr, bool lines, struct sym_answers *out);

/**
 * reader__source() - for symbolizer__add_source().
 * @out: filled in; holds the reader until its free() is called.
 *
 * Return: 0; otherwise as reader__read_symbols(); -ENOMEM.
 */
int reader__source(struct reader *r, bool lines, struct sym_source *out);

/** reader__unwind_table() - as unwind_table__new(); or -EIO. */
int reader__unwind_table(struct reader *r, struct unwind_table **out);

#endif /* READER_READERS_H */
