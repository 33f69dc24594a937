/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef USER_CLI_H
#define USER_CLI_H

/*
 * cli - what all verbs share: exit codes, options that mean the same everywhere, and the output file.
 */

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

struct exporter;
struct sink;
struct snapshot;

/* Exit status of ukprof. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_NO_VM = 3,	   /* no such VM, or it ended before a sample */
	CLI_NO_RIGHTS = 4, /* privilege or kernel feature missing */
	CLI_ABORTED = 130, /* second Ctrl-C */
};

/* A verb: "record", … */
struct cli_verb {
	const char *name;
	const char *help; /* one line */
	int (*run)(int argc, char **argv);
};

extern const struct cli_verb verb_record;
extern const struct cli_verb verb_report;
extern const struct cli_verb verb_serve;
extern const struct cli_verb verb_stat;
extern const struct cli_verb verb_list;
extern const struct cli_verb verb_check;

/* Options of every verb: -v, -q, -V. Use as argp child. */
extern const struct argp_child cli_common[];

/**
 * cli__parse() - argp_parse() with our exit status for usage errors and the verb in messages.
 * @argv: [0] is the verb.
 */
void cli__parse(const struct argp *argp, int argc, char **argv, void *input);

/**
 * cli__usage_error() - report wrong usage in one sentence and end with status 2.
 * @hint: what to do instead, or NULL to point at the verb's --help.
 */
void cli__usage_error(const char *hint, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));

/**
 * cli__nearest() - the word that a mistyped one may have meant.
 * @words: NULL-terminated.
 *
 * Return: borrowed from @words; NULL if none is near.
 */
const char *cli__nearest(const char *word, const char *const *words);

/* Parse an option's value, or end with a usage error that names the range. @option: as messages show it. */
uint64_t cli__uint(const char *option, const char *arg, uint64_t min, uint64_t max);
uint64_t cli__duration(const char *option, const char *arg);

/**
 * cli__format() - the format of an output.
 * @format: value of -f, or NULL: the file's ending decides.
 * @path: value of -o, or NULL.
 * @capture: the caller can write .ukp, too; hints then say so.
 *
 * Reports an unknown name or ending with the list of those there are.
 *
 * Return: the format, or NULL.
 */
const struct exporter *cli__format(const char *format, const char *path, bool capture);

/* --- output files --- */

struct output;

/**
 * output__open() - make sure that a result can be written, before it is worked for.
 * @path: file, or "-" for standard output.
 * @stream: true: written as the bytes come, at once under its name; an older file is not emptied, the
 *	writer does that with its first bytes. False: under a temporary name,
 *	which takes the place of @path when all is well, so a failure leaves an older file as it was.
 * @is_binary: refused on a terminal.
 *
 * Reports what is wrong. Return: the output, or NULL.
 */
struct output *output__open(const char *path, bool stream, bool is_binary);
int output__fd(const struct output *o);
/** output__commit() - the result is complete. Frees @o. Return: 0 or a negative errno, not reported. */
int output__commit(struct output *o);
/** output__abandon() - there will be none: removes what is empty or temporary. Frees @o; accepts NULL. */
void output__abandon(struct output *o);

/**
 * cli__abort_on_signal() - from now on SIGINT, SIGTERM and SIGHUP end the program with status 130, leaving
 *	no temporary file; SIGPIPE is ignored. While a session runs it takes these signals itself.
 */
void cli__abort_on_signal(void);

/**
 * cli__close_stdout() - all that was printed has arrived, or it is reported. Call last.
 *
 * Return: exit status.
 */
int cli__close_stdout(void);

/**
 * cli__finish() - close a sink on an output and commit it, or abandon it after an error; reports errors.
 * @o: taken. @sink: taken; may be NULL.
 * @err: 0, or what writing has met so far.
 *
 * Return: exit status. A reader that has closed its end of a pipe is no failure.
 */
int cli__finish(struct output *o, struct sink *sink, int err, const char *path);

/**
 * cli__export() - write a snapshot to an output and commit it; takes @o, reports errors.
 *
 * Return: exit status.
 */
int cli__export(const struct snapshot *snap, const struct exporter *exporter, struct output *o, const char *path);

#endif /* USER_CLI_H */
