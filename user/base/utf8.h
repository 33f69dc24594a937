/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

/*
 * utf8 - reading UTF-8 that may be broken.
 */

#include <stddef.h>
#include <stdint.h>

/**
 * utf8__decode() - the character at the start of a string.
 * @s: @len bytes, at least one.
 * @cp: receives the code point on success.
 *
 * Overlong forms, surrogates and values above U+10FFFF are refused.
 *
 * Return: its length in bytes, 1 to 4; 0 if no valid character starts here.
 * Source: RFC 3629, section 4.
 */
size_t utf8__decode(const char *s, size_t len, uint32_t *cp);

#endif /* BASE_UTF8_H */
