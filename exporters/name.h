/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_NAME_H
#define EXPORTERS_NAME_H

/*
 * name - makes names that a guest or a user chose fit to be printed.
 *
 * Symbol tables, file names and VM names may hold any byte. Every exporter passes them through here before
 * it applies the quoting of its own format, so no format has to know about terminals, line ends or broken
 * UTF-8.
 */

#include <stdint.h>

struct strbuf;

#define NAME_MAX_BYTES 1024

/* For formats in which ';' separates frames: it becomes ':'. */
#define NAME_NO_SEMICOLON 0x1u

/* Follows a name that may be wrong: its image was not compared with what the guest runs, or differs. */
#define NAME_UNVERIFIED " [unverified]"

/**
 * name__clean() - append a name in a form that is safe to show.
 * @out: receives at most NAME_MAX_BYTES bytes; check strbuf__err() afterwards.
 * @name: NUL-terminated, otherwise anything.
 * @flags: NAME_* or 0.
 *
 * The result is valid UTF-8 on one line, never empty, and legal in XML:
 * control characters (C0, DEL, C1, line and paragraph separators, and those that reverse or hide text)
 * become '?', bytes that are not UTF-8 and non-characters become U+FFFD, an empty name becomes
 * "[no name]", a longer one is cut between two characters and ends in an ellipsis.
 */
void name__clean(struct strbuf *out, const char *name, unsigned int flags);

/** name__hash() - 32 bits that depend on the name only; picks colours (FNV-1a). */
uint32_t name__hash(const char *name);

#endif /* EXPORTERS_NAME_H */
