/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>

#include "utf8.h"

static enum log_format format;
static enum log_level shown = LOG_LEVEL_INFO;
static char status[256];

static const char *const names[] = { "err", "warn", "info", "debug", "trace" };
static const int priorities[] = { 3, 4, 6, 7, 7 }; /* of syslog */

void log__set_level(enum log_level level)
{
	shown = level;
}

enum log_level log__level(void)
{
	return shown;
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

/* systemd says which stream is the journal's: "device:inode". Stderr may have been redirected since. */
static bool is_journal(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return env && sscanf(env, "%llu:%llu", &dev, &ino) == 2 && !fstat(STDERR_FILENO, &st) && st.st_dev == dev &&
	       st.st_ino == ino;
}

/*
 * Names come from command lines of others: in a message they must neither steer the terminal nor look
 * like a message of their own. Only the kernel's words, which debug levels show, may have several lines.
 */
static void make_harmless(char *text, bool keep_lines)
{
	size_t left = strlen(text), len;
	uint32_t cp;

	for (; left; text += len, left -= len) {
		len = utf8__decode(text, left, &cp);
		if (len && (cp >= 0xa0 || (cp >= ' ' && cp < 0x7f) || (keep_lines && (cp == '\n' || cp == '\t'))))
			continue;
		if (!len)
			len = 1;
		memset(text, '?', len);
	}
}

static void put_quoted(const char *text)
{
	putc('"', stderr);
	for (; *text; text++) {
		if (*text == '\n' || *text == '\t') {
			fputs(*text == '\n' ? "\\n" : "\\t", stderr);
			continue;
		}
		if (*text == '"' || *text == '\\')
			putc('\\', stderr);
		putc(*text, stderr);
	}
	putc('"', stderr);
}

/* What was made harmless holds no other control characters than line ends and tabs. */
static void put_line(const char *word, const char *text)
{
	struct timespec ts;
	char time[32];
	struct tm tm;

	if (format == LOG_FORMAT_PLAIN) {
		fprintf(stderr, "%s: %s\n", word, text);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(stderr, format == LOG_FORMAT_JSON ? "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"msg\":" :
						   "time=%s.%03ldZ level=%s msg=", time, ts.tv_nsec / 1000000, word);
	put_quoted(text);
	fputs(format == LOG_FORMAT_JSON ? "}\n" : "\n", stderr);
}

void log__set_format(enum log_format new_format)
{
	format = new_format;
}

static void write_line(enum log_level level, const char *word, const char *fmt, va_list ap)
{
	char *text;

	if (!log__shows(level))
		return;
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	else
		make_harmless(text, level >= LOG_LEVEL_DEBUG);
	flockfile(stderr);
	erase_status();
	if (is_journal())
		fprintf(stderr, "<%d>", priorities[level]);
	put_line(word, text ? text : "out of memory");
	draw_status();
	funlockfile(stderr);
	free(text);
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
