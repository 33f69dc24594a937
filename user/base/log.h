/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_LOG_H
#define BASE_LOG_H

/*
 * log - what ukprof says to a person: always on stderr, for stdout is data.
 *
 * Shape of a message: "level: module: object: what happened: cause", lower case, no full stop, numbers
 * with units. log_hint() adds a second line that says what to do. Per-sample facts are counters, never
 * messages. Where stderr is the journal's stream, lines carry their "<n>" priority. Control characters
 * and broken UTF-8 in what is printed become "?".
 *
 * Threads: any.
 */

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_NONE = -1, /* silence */
	LOG_LEVEL_ERR = 0,   /* the command will fail, or something asked for was lost */
	LOG_LEVEL_WARN = 1,  /* the result is partial */
	LOG_LEVEL_INFO = 2,  /* what is being done, once */
	LOG_LEVEL_DEBUG = 3, /* -v; libbpf's own messages need -v -v */
	LOG_LEVEL_TRACE = 4,
};

/** log__set_level() - the least important level that is shown; default LOG_LEVEL_INFO. */
enum log_format {
	LOG_FORMAT_PLAIN = 0, /* for people: "warn: module: …" */
	LOG_FORMAT_LOGFMT,    /* for collectors of logs: time, level, msg */
	LOG_FORMAT_JSON,
};

void log__set_format(enum log_format format);
void log__set_level(enum log_level level);
enum log_level log__level(void);
bool log__shows(enum log_level level);

/**
 * log__set_status() - a line that is rewritten in place, for progress; NULL or "" removes it.
 *
 * Shown only if stderr is a terminal and the level shows info. Messages go above it.
 */
void log__set_status(const char *line);

void log__write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_hint(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define log_err(...)   log__write(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...)  log__write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log__write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log__write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif /* BASE_LOG_H */
