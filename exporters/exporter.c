/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exporter.h"

#include <string.h>

static const struct exporter *const table[] = {
	&exporter_html, &exporter_svg, &exporter_pprof, &exporter_folded, &exporter_text, NULL,
};

const struct exporter *const *exporter__table(void)
{
	return table;
}

const struct exporter *exporter__by_name(const char *name)
{
	size_t i;

	for (i = 0; table[i]; i++)
		if (!strcmp(table[i]->name, name))
			return table[i];
	return NULL;
}

const struct exporter *exporter__by_path(const char *path)
{
	const struct exporter *best = NULL;
	size_t path_len = strlen(path), best_len = 0, len, i, k;

	for (i = 0; table[i]; i++) {
		for (k = 0; table[i]->suffixes[k]; k++) {
			len = strlen(table[i]->suffixes[k]);
			if (len > best_len && len <= path_len &&
			    !strcmp(path + path_len - len, table[i]->suffixes[k])) {
				best = table[i];
				best_len = len;
			}
		}
	}
	return best;
}
