/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

/* units - numbers as people type them. Strict: the whole string must be one number with one unit. */

#include <stdint.h>

/**
 * units__parse_uint() - a plain decimal number.
 * @max: largest value that is accepted.
 *
 * Return: 0; -EINVAL if @str is not a number; -ERANGE if it is larger than @max.
 */
int units__parse_uint(const char *str, uint64_t max, uint64_t *out);

/**
 * units__parse_duration() - "10", "10s", "500ms", "2.5s", "2m", "1h".
 * @out_ns: receives nanoseconds, at least 1.
 *
 * Return: 0; -EINVAL if @str is not a duration; -ERANGE if it is 0 or more than a year.
 */
int units__parse_duration(const char *str, uint64_t *out_ns);

/**
 * units__parse_size() - "65536", "64K", "8M", "1G"; powers of 1024.
 *
 * Return: 0; -EINVAL if @str is not a size; -ERANGE if it does not fit 64 bits.
 */
int units__parse_size(const char *str, uint64_t *out_bytes);

#endif /* BASE_UNITS_H */
