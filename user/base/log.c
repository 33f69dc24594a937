/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum log_level shown = LOG_LEVEL_INFO;
static char status[256];

static const char *const names[] = { "err", "warn", "info", "debug", "trace" };
static const int priorities[] = { 3, 4, 6, 7, 7 }; /* of syslog */

void log__set_level(enum log_level level)
{
	shown = level;
}

bool log__shows(enum log_level level)
{
	return level <= shown;
}

static void erase_status(void)
{
	if (status[0])
		fputs("\r\033[K", stderr);
}

static void draw_status(void)
{
	if (status[0])
		fputs(status, stderr);
	fflush(stderr);
}

void log__set_status(const char *line)
{
	if (!isatty(STDERR_FILENO) || !log__shows(LOG_LEVEL_INFO))
		return;
	flockfile(stderr);
	erase_status();
	snprintf(status, sizeof(status), "%s", line ? line : "");
	draw_status();
	funlockfile(stderr);
}

static void write_line(enum log_level level, const char *word, const char *fmt, va_list ap)
{
	if (!log__shows(level))
		return;
	flockfile(stderr);
	erase_status();
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>", priorities[level]);
	fprintf(stderr, "%s: ", word);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	draw_status();
	funlockfile(stderr);
}

void log__write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(level, names[level], fmt, ap);
	va_end(ap);
}

void log_hint(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(LOG_LEVEL_ERR, "hint", fmt, ap);
	va_end(ap);
}
