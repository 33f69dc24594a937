/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYMBOLIZER_LIBRARY_H
#define SYMBOLIZER_LIBRARY_H

/*
 * library - which micro-library or module of a unikernel a source file belongs to, told by its path alone.
 *
 * The path is made absolute, and the directory that nearly all files of the image share is taken off, unless the
 * compiler has done so (-ffile-prefix-map). Then the first of these that fits, from the outermost directory on, is
 * the name:
 *
 *   libNAME/origin/…          libs/NAME         what Unikraft downloaded for an external library
 *   build/libNAME/…           lib/NAME          what Unikraft generated for one of its own
 *   drivers/A/B/…             drivers/A/B
 *   registry/src/HOST/NAME-V  crates/NAME       what Cargo downloaded
 *   rustc/HASH/library/NAME   library/NAME      Rust's own
 *   D/NAME/…                  D/NAME            D is lib, libs, plat, arch, vendor, third_party, modules or crates
 *   elsewhere                 the directory     its first three parts; outside of the shared one its last two
 *
 * So lib/ukalloc, libs/lwip and plat/kvm of Unikraft, src/kernel of Nanos, bsd/sys/netinet of OSv and
 * bindings/hvt of Solo5 are what they are called in their source trees, wherever these were built.
 *
 * Threads: no state. Paths are foreign: any bytes but NUL.
 */

#include <stddef.h>

#define LIBRARY_MAX_PATH 4096 /* bytes, with the NUL */
#define LIBRARY_MAX_NAME 128  /* likewise */

/**
 * library__path() - the absolute path of a source file, without "." and "..". It begins without '/' if @dir is relative:
 * then the build system had the directory of the source tree taken off.
 * @out: receives it; LIBRARY_MAX_PATH bytes.
 * @dir: working directory of the compiler, or NULL.
 * @name: as the compiler was given it, or NULL.
 *
 * Return: its length; 0 if there is none, or it is too long.
 */
size_t library__path(char *out, const char *dir, const char *name);

/**
 * library__root() - the deepest directory that holds at least 7 of 8 files.
 * @out: receives it, the '/' at its end included; LIBRARY_MAX_PATH bytes.
 * @paths: array of @nr from library__path(); its order is changed.
 *
 * Files that say where they are from by themselves (relative ones, Cargo's, /tmp) have no vote. A directory that
 * tells libraries apart is not part of it, even if there is only one of them.
 *
 * Return: its length; 0 if no file has a vote.
 */
size_t library__root(char *out, const char **paths, size_t nr);

/**
 * library__name() - the library of a file.
 * @out: receives the name; LIBRARY_MAX_NAME bytes.
 * @root: what library__root() found, NUL-terminated; may be empty.
 * @path: from library__path().
 *
 * Return: its length; 0 if the path says nothing: a file that a compiler made in /tmp, or none.
 */
size_t library__name(char *out, const char *root, const char *path);

#endif /* SYMBOLIZER_LIBRARY_H */
