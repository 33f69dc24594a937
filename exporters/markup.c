/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "markup.h"

#include <string.h>

#include "sink.h"

void markup__text(struct sink *sink, const char *text)
{
	size_t n;

	for (;; text++) {
		n = strcspn(text, "<>&\"'");
		sink__write(sink, text, n);
		text += n;
		switch (*text) {
		case '<':
			sink__puts(sink, "&lt;");
			break;
		case '>':
			sink__puts(sink, "&gt;");
			break;
		case '&':
			sink__puts(sink, "&amp;");
			break;
		case '"':
			sink__puts(sink, "&quot;");
			break;
		case '\'':
			sink__puts(sink, "&#39;");
			break;
		default:
			return;
		}
	}
}

void markup__json(struct sink *sink, const char *text)
{
	size_t n;

	sink__puts(sink, "\"");
	for (; *text; text++) {
		n = strcspn(text, "<>&\"\\");
		sink__write(sink, text, n);
		text += n;
		if (!*text)
			break;
		sink__printf(sink, *text == '"' || *text == '\\' ? "\\%c" : "\\u%04x", *text);
	}
	sink__puts(sink, "\"");
}
