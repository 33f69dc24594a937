/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stat_format.h"

#include <stddef.h>
#include <string.h>

#include "stat_formats.h"

static const struct stat_format *const table[] = {
	&stat_format_text, &stat_format_perf, &stat_format_kvmexit,
	&stat_format_json, &stat_format_csv,  NULL,
};

const struct stat_format *const *stat_format__table(void)
{
	return table;
}

const struct stat_format *stat_format__by_name(const char *name)
{
	size_t i;

	for (i = 0; table[i]; i++)
		if (!strcmp(table[i]->name, name))
			return table[i];
	return NULL;
}
