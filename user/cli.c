/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
	(void)state;
	switch (key) {
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

void cli__parse(const struct argp *argp, int argc, char **argv, void *input)
{
	static char name[64];

	snprintf(name, sizeof(name), "ukprof %s", argv[0]);
	argv[0] = name;
	argp_err_exit_status = CLI_USAGE;
	argp_parse(argp, argc, argv, 0, NULL, input);
}

uint64_t cli__uint(struct argp_state *state, const char *option, const char *arg, uint64_t min, uint64_t max)
{
	uint64_t v = 0;
	int err = units__parse_uint(arg, max, &v);

	if (err || v < min)
		argp_error(state, "%s: '%s' is %s: give a number from %" PRIu64 " to %" PRIu64, option, arg,
			   err == -EINVAL ? "not a number" : "out of range", min, max);
	return v;
}

uint64_t cli__duration(struct argp_state *state, const char *option, const char *arg)
{
	uint64_t ns = 0;

	if (units__parse_duration(arg, &ns))
		argp_error(state, "%s: '%s' is not a duration: give one such as 10, 10s, 500ms or 2m", option, arg);
	return ns;
}

static void list_formats(void)
{
	const struct exporter *const *e;
	char line[256] = "";

	for (e = exporter__table(); *e; e++) {
		strncat(line, " ", sizeof(line) - strlen(line) - 1);
		strncat(line, (*e)->name, sizeof(line) - strlen(line) - 1);
	}
	log_hint("formats are:%s", line);
}

const struct exporter *cli__format(const char *format, const char *path)
{
	const struct exporter *e;

	if (format) {
		e = exporter__by_name(format);
		if (!e) {
			log_err("output: no format is called %s", format);
			list_formats();
		}
		return e;
	}
	e = exporter__by_path(path);
	if (!e) {
		log_err("output: %s: its ending names no format", path);
		log_hint("name it .html, .svg, .folded, .pb.gz or .ukp, or pass -f FORMAT");
	}
	return e;
}

/* --- output files --- */

struct output {
	int fd;
	char *path;
	char *tmp; /* NULL: written in place */
};

static struct output *new_output(const char *path)
{
	struct output *o = calloc(1, sizeof(*o));

	if (!o || !(o->path = strdup(path))) {
		free(o);
		log_err("output: out of memory");
		return NULL;
	}
	o->fd = -1;
	return o;
}

static bool is_special(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISREG(st.st_mode);
}

struct output *output__open(const char *path, bool stream, bool is_binary)
{
	struct output *o = new_output(path);

	if (!o)
		return NULL;
	if (!strcmp(path, "-")) {
		if (is_binary && isatty(STDOUT_FILENO)) {
			log_err("output: this format is binary and standard output is a terminal");
			log_hint("pass -o FILE, or send it into a pipe");
			goto err;
		}
		o->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	} else if (stream || is_special(path)) {
		o->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	} else {
		if (asprintf(&o->tmp, "%s.%d.tmp", path, (int)getpid()) < 0)
			o->tmp = NULL;
		else if (!access(path, F_OK) && access(path, W_OK))
			o->fd = -1; /* a file that was made read-only is not replaced behind its back */
		else
			o->fd = open(o->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	}
	if (o->fd >= 0)
		return o;
	log_err("output: %s: can't be written: %s", path, strerror(errno));
	log_hint("choose another place: -o FILE");
err:
	if (o->fd < 0 && o->tmp) {
		free(o->tmp);
		o->tmp = NULL;
	}
	output__abandon(o);
	return NULL;
}

int output__fd(const struct output *o)
{
	return o->fd;
}

int output__commit(struct output *o)
{
	int err = 0;

	if (close(o->fd))
		err = -errno;
	o->fd = -1;
	if (!err && o->tmp && rename(o->tmp, o->path))
		err = -errno;
	if (!err && o->tmp) {
		free(o->tmp);
		o->tmp = NULL;
	}
	output__abandon(o);
	return err;
}

void output__abandon(struct output *o)
{
	if (!o)
		return;
	if (o->fd >= 0)
		close(o->fd);
	if (o->tmp)
		unlink(o->tmp);
	free(o->tmp);
	free(o->path);
	free(o);
}

int cli__export(const struct snapshot *snap, const struct exporter *exporter, struct output *o, const char *path)
{
	static const struct export_opts opts;
	struct sink *sink = NULL;
	int err, close_err;

	err = sink__fd(&sink, output__fd(o));
	if (!err)
		err = exporter->write(snap, &opts, sink);
	close_err = sink__close(sink);
	if (!err)
		err = close_err;
	if (err)
		output__abandon(o);
	else
		err = output__commit(o);
	if (err == -EPIPE)
		return CLI_OK; /* the reader has seen enough */
	if (err) {
		log_err("output: %s: %s", path, strerror(-err));
		return CLI_FAILED;
	}
	return CLI_OK;
}
