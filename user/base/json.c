/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json.h"

#include <string.h>

#include "utf8.h"

void json__print_str(FILE *f, const char *str)
{
	size_t left, n;
	uint32_t cp;

	if (!str) {
		fputs("null", f);
		return;
	}
	fputc('"', f);
	for (left = strlen(str); left; str += n, left -= n) {
		n = utf8__decode(str, left, &cp);
		if (!n) {
			fputs("\\ufffd", f);
			n = 1;
		} else if (cp == '"' || cp == '\\') {
			fprintf(f, "\\%c", (int)cp);
		} else if (cp < 0x20 || cp == 0x7f) {
			fprintf(f, "\\u%04x", cp);
		} else {
			fwrite(str, 1, n, f);
		}
	}
	fputc('"', f);
}
