/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_JSON_H
#define BASE_JSON_H

/* json - the one part of JSON that is easy to get wrong: strings. */

#include <stdio.h>

/**
 * json__print_str() - a string with its quotes, or null.
 * @str: any bytes; what is not UTF-8 becomes U+FFFD. NULL prints null.
 */
void json__print_str(FILE *f, const char *str);

#endif /* BASE_JSON_H */
