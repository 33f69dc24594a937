/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int units__parse_uint(const char *str, uint64_t max, uint64_t *out)
{
	unsigned long long v;
	char *end;

	if (!isdigit((unsigned char)*str))
		return -EINVAL;
	errno = 0;
	v = strtoull(str, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno == ERANGE || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

struct unit {
	const char *suffix;
	double factor;
};

static int parse_scaled(const char *str, const struct unit *units, double *out)
{
	const char *p = str;
	double v = 0, place = 0.1;

	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++)
		v = v * 10 + (*p - '0');
	if (*p == '.') {
		if (!isdigit((unsigned char)*++p))
			return -EINVAL;
		for (; isdigit((unsigned char)*p); p++, place /= 10)
			v += place * (*p - '0');
	}
	for (; units->suffix; units++) {
		if (!strcmp(p, units->suffix)) {
			*out = v * units->factor;
			return 0;
		}
	}
	return -EINVAL;
}

int units__parse_duration(const char *str, uint64_t *out_ns)
{
	static const struct unit units[] = {
		{ "", 1e9 }, { "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 },
		{ "m", 60e9 }, { "min", 60e9 }, { "h", 3600e9 }, { NULL, 0 },
	};
	double ns;
	int err;

	err = parse_scaled(str, units, &ns);
	if (err)
		return err;
	if (ns < 1 || ns > 366 * 86400e9)
		return -ERANGE;
	*out_ns = ns + 0.5;
	return 0;
}

int units__parse_size(const char *str, uint64_t *out_bytes)
{
	static const struct unit units[] = {
		{ "", 1 },	     { "K", 1024. },	      { "k", 1024. },
		{ "M", 1024. * 1024 }, { "G", 1024. * 1024 * 1024 }, { NULL, 0 },
	};
	double bytes;
	int err;

	err = parse_scaled(str, units, &bytes);
	if (err)
		return err;
	if (bytes >= 9e18)
		return -ERANGE;
	*out_bytes = bytes;
	return 0;
}
