/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stat_table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "sink.h"

#define MAX_COLUMNS    16
#define MAX_LEFT_WIDTH 44

void stat_table__end(struct stat_table *t)
{
	strbuf__addc(&t->text, '\0');
}

void stat_table__puts(struct stat_table *t, const char *str)
{
	strbuf__puts(&t->text, str);
	stat_table__end(t);
}

void stat_table__printf(struct stat_table *t, const char *fmt, ...)
{
	char cell[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cell, sizeof(cell), fmt, ap);
	va_end(ap);
	stat_table__puts(t, cell);
}

void stat_table__blank(struct stat_table *t)
{
	size_t i;

	for (i = 0; i < strlen(t->align); i++)
		stat_table__end(t);
}

/* In characters: names are valid UTF-8 by now. */
static size_t width_of(const char *str)
{
	size_t nr = 0;

	for (; *str; str++)
		nr += (*str & 0xc0) != 0x80;
	return nr;
}

static void put_spaces(struct sink *sink, size_t nr)
{
	for (; nr; nr--)
		sink__write(sink, " ", 1);
}

int stat_table__print(struct stat_table *t, struct sink *sink)
{
	size_t widths[MAX_COLUMNS] = { 0 }, nr_cols = strlen(t->align), col, width, pending = 0;
	const char *cell, *end = t->text.data + t->text.len;
	int err = strbuf__err(&t->text);
	bool is_left;

	if (err || !t->text.len)
		goto out;
	for (cell = t->text.data, col = 0; cell < end; cell += strlen(cell) + 1) {
		width = width_of(cell);
		if (width > widths[col] && (t->align[col] != 'l' || width <= MAX_LEFT_WIDTH))
			widths[col] = width;
		col = (col + 1) % nr_cols;
	}
	for (cell = t->text.data, col = 0; cell < end; cell += strlen(cell) + 1) {
		width = width_of(cell);
		is_left = t->align[col] == 'l';
		if (!is_left && width < widths[col])
			pending += widths[col] - width;
		if (width) { /* so lines do not end in spaces */
			put_spaces(sink, pending);
			sink__puts(sink, cell);
			pending = 0;
		}
		if (is_left && width < widths[col])
			pending += widths[col] - width;
		pending += 2;
		if (++col == nr_cols) {
			sink__puts(sink, "\n");
			col = 0;
			pending = 0;
		}
	}
out:
	strbuf__free(&t->text);
	return err;
}
