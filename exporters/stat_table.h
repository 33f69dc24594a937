/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_STAT_TABLE_H
#define EXPORTERS_STAT_TABLE_H

/*
 * stat_table - aligned columns for a terminal.
 *
 * Cells are added from left to right, row by row; two spaces separate columns. Errors stick in @text.
 */

#include "strbuf.h"

struct sink;

struct stat_table {
	const char *align;  /* one letter for each column: 'l' or 'r'; borrowed */
	struct strbuf text; /* cells, each NUL-terminated */
};

/** stat_table__puts() - the next cell. */
void stat_table__puts(struct stat_table *t, const char *str);
void stat_table__printf(struct stat_table *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/** stat_table__end() - end a cell whose text was appended to @text. */
void stat_table__end(struct stat_table *t);
/** stat_table__blank() - an empty line. */
void stat_table__blank(struct stat_table *t);

/**
 * stat_table__print() - write all rows and make the table empty again.
 *
 * A cell far longer than the others of a left-aligned column does not widen the column.
 *
 * Return: 0 or -ENOMEM; errors of the sink stay in the sink.
 */
int stat_table__print(struct stat_table *t, struct sink *sink);

#endif /* EXPORTERS_STAT_TABLE_H */
