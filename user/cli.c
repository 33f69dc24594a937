/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exporter.h"
#include "log.h"
#include "sink.h"
#include "snapshot.h"
#include "units.h"

/* --- options --- */

static void print_version(void)
{
	printf("ukprof %s\n", UKPROF_VERSION);
	exit(CLI_OK);
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	static int verbosity = LOG_LEVEL_INFO;

	(void)arg;
	switch (key) {
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_SHORT_USAGE | ARGP_HELP_POST_DOC);
		putchar('\n');
		exit(CLI_OK);
	case '?':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	case 'v':
		log__set_level(++verbosity);
		return 0;
	case 'q':
		verbosity = LOG_LEVEL_ERR;
		log__set_level(verbosity);
		return 0;
	case 'V':
		print_version();
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option common_options[] = {
	{ NULL, 'h', NULL, 0, "usage and examples", -1 },
	{ "help", '?', NULL, 0, "this list", -1 },
	{ "verbose", 'v', NULL, 0, "say more; twice: libbpf's words, too", -1 },
	{ "quiet", 'q', NULL, 0, "only errors", -1 },
	{ "version", 'V', NULL, 0, "print the version", -1 },
	{ 0 },
};

static const struct argp common_argp = { .options = common_options, .parser = parse_common };

const struct argp_child cli_common[] = {
	{ &common_argp, 0, NULL, 0 },
	{ 0 },
};

/* --- wrong usage: one sentence, one hint, status 2 --- */

static const char *verb_name = "ukprof";

void cli__usage_error(const char *hint, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_err("%s: %s", verb_name, text);
	if (hint)
		log_hint("%s", hint);
	else
		log_hint("'ukprof %s --help' explains the options", verb_name);
	exit(CLI_USAGE);
}

/* How many letters to add, leave out or change to make one word of the other. */
static size_t distance(const char *a, const char *b)
{
	size_t len = strlen(b), row[32], i, k, diagonal, up, best;

	if (len >= sizeof(row) / sizeof(row[0]))
		return SIZE_MAX;
	for (k = 0; k <= len; k++)
		row[k] = k;
	for (i = 0; a[i]; i++) {
		diagonal = row[0];
		row[0] = i + 1;
		for (k = 1; k <= len; k++) {
			up = row[k];
			best = diagonal + (a[i] != b[k - 1]);
			if (up + 1 < best)
				best = up + 1;
			if (row[k - 1] + 1 < best)
				best = row[k - 1] + 1;
			diagonal = up;
			row[k] = best;
		}
	}
	return row[len];
}

const char *cli__nearest(const char *word, const char *const *words)
{
	const char *nearest = NULL;
	size_t best = 3, d; /* further away it is another word and not a slip */

	for (; *words; words++) {
		d = distance(word, *words);
		if (d < best && d < strlen(word)) {
			nearest = *words;
			best = d;
		}
	}
	return nearest;
}

#define MAX_OPTIONS 48

struct option_list {
	const struct argp_option *options[MAX_OPTIONS];
	const char *names[MAX_OPTIONS + 1]; /* NULL-terminated, in the same order */
	size_t nr;
};

static void add_options(struct option_list *list, const struct argp_option *o)
{
	for (; o && (o->name || o->key) && list->nr < MAX_OPTIONS; o++) {
		list->options[list->nr] = o;
		list->names[list->nr++] = o->name ? o->name : "";
	}
}

static const struct argp_option *find_short(const struct option_list *list, int key)
{
	size_t i;

	for (i = 0; i < list->nr; i++)
		if (list->options[i]->key == key)
			return list->options[i];
	return NULL;
}

/* A long option may be shortened as long as one only is meant. */
static const struct argp_option *find_long(const struct option_list *list, const char *word)
{
	const struct argp_option *found = NULL;
	const char *name = word + 2, *nearest;
	size_t len = strcspn(name, "="), i;
	char hint[64], bare[32];

	for (i = 0; i < list->nr; i++) {
		if (strncmp(list->names[i], name, len))
			continue;
		if (!list->names[i][len])
			return list->options[i];
		if (found)
			cli__usage_error(NULL, "%.*s may mean --%s or --%s", (int)len + 2, word, found->name,
					 list->names[i]);
		found = list->options[i];
	}
	if (found)
		return found;
	snprintf(bare, sizeof(bare), "%.*s", (int)(len < 31 ? len : 31), name);
	nearest = cli__nearest(bare, list->names);
	if (nearest)
		snprintf(hint, sizeof(hint), "did you mean --%s?", nearest);
	cli__usage_error(nearest ? hint : NULL, "no option is called %.*s", (int)len + 2, word);
}

/* @value: what follows the option in the same word, or NULL. Return: whether the next word is its value, too. */
static bool check_value(const struct argp_option *o, const char *shown, const char *value, const char *next)
{
	if (!o->arg && value)
		cli__usage_error(NULL, "%s takes no value", shown);
	if (o->arg && !value && !next)
		cli__usage_error(NULL, "%s: %s is missing", shown, o->arg);
	return o->arg && !value;
}

/* Find what is unknown or incomplete before argp does: it prints getopt's words, with no hint. */
static void check_options(const struct argp *argp, int argc, char **argv)
{
	struct option_list list = { .nr = 0 };
	const struct argp_option *o;
	char shown[64], *p;
	int i;

	add_options(&list, argp->options);
	add_options(&list, common_options);
	for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (argv[i][0] != '-' || !argv[i][1])
			continue;
		if (argv[i][1] == '-') {
			o = find_long(&list, argv[i]);
			snprintf(shown, sizeof(shown), "--%s", o->name);
			p = strchr(argv[i], '=');
			i += check_value(o, shown, p ? p + 1 : NULL, argv[i + 1]);
			continue;
		}
		for (p = argv[i] + 1; *p; p++) {
			o = find_short(&list, *p);
			if (!o)
				cli__usage_error(NULL, "no option is called -%c", *p);
			if (!o->arg)
				continue;
			snprintf(shown, sizeof(shown), "-%c", *p);
			i += check_value(o, shown, p[1] ? p + 1 : NULL, argv[i + 1]);
			break;
		}
	}
}

void cli__parse(const struct argp *argp, int argc, char **argv, void *input)
{
	static char name[64];

	verb_name = argv[0];
	check_options(argp, argc, argv);
	snprintf(name, sizeof(name), "ukprof %s", argv[0]);
	argv[0] = name;
	argp_err_exit_status = CLI_USAGE;
	setenv("ARGP_HELP_FMT", "rmargin=99,opt-doc-col=24,no-dup-args-note", 0);
	argp_parse(argp, argc, argv, ARGP_NO_HELP, NULL, input);
}

uint64_t cli__uint(const char *option, const char *arg, uint64_t min, uint64_t max)
{
	uint64_t v = 0;
	char hint[96];
	int err = units__parse_uint(arg, max, &v);

	snprintf(hint, sizeof(hint), "give a whole number from %" PRIu64 " to %" PRIu64, min, max);
	if (err == -EINVAL)
		cli__usage_error(hint, "%s: '%s' is not a whole number", option, arg);
	if (err || v < min)
		cli__usage_error(hint, "%s: '%s' is out of range", option, arg);
	return v;
}

uint64_t cli__duration(const char *option, const char *arg)
{
	static const char hint[] = "give one such as 10, 10s, 500ms or 2m, up to a year";
	uint64_t ns = 0;
	int err = units__parse_duration(arg, &ns);

	if (err == -ERANGE)
		cli__usage_error(hint, "%s: '%s' is out of range", option, arg);
	if (err)
		cli__usage_error(hint, "%s: '%s' is not a duration", option, arg);
	return ns;
}

static void list_formats(bool capture)
{
	const struct exporter *const *e;
	char line[256] = "";

	for (e = exporter__table(); *e; e++) {
		strncat(line, " ", sizeof(line) - strlen(line) - 1);
		strncat(line, (*e)->name, sizeof(line) - strlen(line) - 1);
	}
	log_hint("formats are:%s%s", line, capture ? " ukp" : "");
}

const struct exporter *cli__format(const char *format, const char *path, bool capture)
{
	const struct exporter *e;

	if (format) {
		e = exporter__by_name(format);
		if (!e) {
			log_err("output: no format is called '%s'", format);
			list_formats(capture);
		}
		return e;
	}
	e = exporter__by_path(path);
	if (!e) {
		log_err("output: '%s': its ending names no format", path);
		log_hint("name it .html, .svg, .folded, .txt, .pb.gz%s, or pass -f FORMAT", capture ? " or .ukp" : "");
	}
	return e;
}

/* --- output files --- */

struct output {
	int fd;
	char *path;   /* of the file itself: links are followed once, here */
	char *tmp;    /* NULL: written in place */
	bool is_nameless; /* it gets the name tmp on its way to path */
	bool created; /* in place, and it did not exist before */
};

/* What a signal handler has to remove; set before the file is made, cleared after it is gone. */
static char *volatile tmp_to_remove;

static void abort_at_once(int sig)
{
	char *tmp = tmp_to_remove;

	(void)sig;
	if (tmp)
		unlink(tmp);
	_exit(CLI_ABORTED);
}

void cli__abort_on_signal(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = abort_at_once }, old;
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		/* nohup stays nohup. A script's background job has SIGINT ignored, which is not meant for who sends it one. */
		if (signals[i] != SIGHUP || (!sigaction(SIGHUP, NULL, &old) && old.sa_handler != SIG_IGN))
			sigaction(signals[i], &sa, NULL);
}

static struct output *new_output(const char *path)
{
	struct output *o = calloc(1, sizeof(*o));
	char *real = realpath(path, NULL);

	if (!o || !(o->path = real ? real : strdup(path))) {
		free(real);
		free(o);
		log_err("output: out of memory");
		return NULL;
	}
	o->fd = -1;
	return o;
}

/* /dev/stdout may be a link to a regular file; the file that someone holds open is the one to write to. */
static bool must_stay(const char *path)
{
	return !strncmp(path, "/dev/", 5) || !strncmp(path, "/proc/", 6);
}

static int open_in_place(struct output *o, bool stream)
{
	o->fd = open(o->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	o->created = o->fd >= 0;
	/* A stream is emptied by its writer when there is something to put into it. */
	if (o->fd < 0 && errno == EEXIST)
		o->fd = open(o->path, O_WRONLY | O_CLOEXEC | (stream ? 0 : O_TRUNC));
	return o->fd < 0 ? -errno : 0;
}

/* A file without a name goes away with the process, however that ends. Not every file system has it. */
static int open_nameless(const char *tmp)
{
	const char *slash = strrchr(tmp, '/');
	char dir[PATH_MAX];

	if (access("/proc/self/fd", X_OK)) /* it is given its name through there */
		return -1;
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - tmp) + 1 : 1, slash ? tmp : ".");
	return open(dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
}

static int give_name(struct output *o)
{
	char link[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", o->fd);
	tmp_to_remove = o->tmp;
	return linkat(AT_FDCWD, link, AT_FDCWD, o->tmp, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

static int open_tmp(struct output *o, const struct stat *old)
{
	char *tmp;
	int err = 0;

	/* A file that was made read-only is not replaced behind its owner's back. */
	if (old && access(o->path, W_OK))
		return -errno;
	if (asprintf(&tmp, "%s.%d.tmp", o->path, (int)getpid()) < 0)
		return -ENOMEM;
	o->fd = open_nameless(tmp);
	if (o->fd < 0) {
		tmp_to_remove = tmp;
		o->fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		err = o->fd < 0 ? -errno : 0;
	} else {
		o->is_nameless = true;
	}
	if (err) {
		tmp_to_remove = NULL;
		free(tmp);
		return err;
	}
	o->tmp = tmp;
	/* Who may read the old result may read the new one, and nobody else. */
	if (old && (fchmod(o->fd, old->st_mode & 0777) || fchown(o->fd, old->st_uid, old->st_gid)))
		log_debug("output: %s: owner or mode could not be kept: %s", o->path, strerror(errno));
	return 0;
}

struct output *output__open(const char *path, bool stream, bool is_binary)
{
	struct output *o = new_output(path);
	struct stat st;
	bool exists;
	int err = 0;

	if (!o)
		return NULL;
	exists = !stat(o->path, &st);
	if (!strcmp(path, "-")) {
		if (is_binary && isatty(STDOUT_FILENO)) {
			log_err("output: standard output: a terminal, and this format is binary");
			log_hint("pass -o FILE, or send it into a pipe");
			goto err;
		}
		o->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
		err = o->fd < 0 ? -errno : 0;
	} else if (stream || must_stay(path) || must_stay(o->path) || (exists && !S_ISREG(st.st_mode))) {
		err = open_in_place(o, stream);
	} else {
		err = open_tmp(o, exists ? &st : NULL);
	}
	if (!err)
		return o;
	log_err("output: %s: can't be written: %s", strcmp(path, "-") ? path : "standard output", strerror(-err));
	if (err == -ENOENT)
		log_hint("make the folder first, or choose another place: -o FILE");
	else
		log_hint("choose another place: -o FILE");
err:
	output__abandon(o);
	return NULL;
}

int output__fd(const struct output *o)
{
	return o->fd;
}

static void forget_tmp(struct output *o)
{
	tmp_to_remove = NULL;
	free(o->tmp);
	o->tmp = NULL;
}

int output__commit(struct output *o)
{
	int err = o->is_nameless ? give_name(o) : 0;

	if (close(o->fd) && !err)
		err = -errno;
	o->fd = -1;
	if (!err && o->tmp && rename(o->tmp, o->path))
		err = -errno;
	if (!err && o->tmp)
		forget_tmp(o);
	output__abandon(o);
	return err;
}

void output__abandon(struct output *o)
{
	struct stat st;

	if (!o)
		return;
	/* An empty file that we made ourselves tells nobody anything. */
	if (o->fd >= 0 && o->created && !fstat(o->fd, &st) && S_ISREG(st.st_mode) && !st.st_size)
		unlink(o->path);
	if (o->fd >= 0)
		close(o->fd);
	if (o->tmp) {
		unlink(o->tmp);
		forget_tmp(o);
	}
	free(o->path);
	free(o);
}

int cli__close_stdout(void)
{
	int err = ferror(stdout) ? EIO : 0;

	if (fclose(stdout))
		err = errno;
	if (!err || err == EPIPE)
		return CLI_OK;
	log_err("output: standard output: %s", strerror(err));
	return CLI_FAILED;
}

int cli__finish(struct output *o, struct sink *sink, int err, const char *path)
{
	int close_err = sink__close(sink);

	if (!err)
		err = close_err;
	if (err)
		output__abandon(o);
	else
		err = output__commit(o);
	if (err == -EPIPE)
		return CLI_OK; /* the reader has seen enough */
	if (err) {
		log_err("output: %s: %s", strcmp(path, "-") ? path : "standard output", strerror(-err));
		if (err != -ENOMEM)
			log_hint("choose another place: -o FILE");
		return CLI_FAILED;
	}
	return CLI_OK;
}

int cli__export(const struct snapshot *snap, const struct exporter *exporter, struct output *o, const char *path)
{
	static const struct export_opts opts;
	struct sink *sink = NULL;
	int err, ret;

	err = sink__fd(&sink, output__fd(o));
	if (!err)
		err = exporter->write(snap, &opts, sink);
	ret = cli__finish(o, sink, err, path);
	if (ret && err != -ENOMEM)
		log_hint("a recording to FILE.ukp is written as it comes");
	return ret;
}
