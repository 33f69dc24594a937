/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_STAT_FORMATS_H
#define EXPORTERS_STAT_FORMATS_H

/* stat_formats - the formats that stat_format.c puts in its table. Others ask stat_format__by_name(). */

#include "stat_format.h"

extern const struct stat_format stat_format_text;
extern const struct stat_format stat_format_perf;
extern const struct stat_format stat_format_kvmexit;
extern const struct stat_format stat_format_json;
extern const struct stat_format stat_format_csv;

#endif /* EXPORTERS_STAT_FORMATS_H */
