/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "name.h"

#include <stdbool.h>
#include <string.h>

#include "strbuf.h"
#include "utf8.h"

#define ELLIPSIS    "\xe2\x80\xa6"
#define REPLACEMENT "\xef\xbf\xbd"

/* Characters that move the cursor, end a line, or make a text look like another one. */
static bool is_unprintable(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || /* C0, DEL, C1 */
	       cp == 0xad || cp == 0x61c ||               /* soft hyphen, Arabic letter mark */
	       (cp >= 0x200b && cp <= 0x200f) ||          /* zero width, direction marks */
	       (cp >= 0x2028 && cp <= 0x202e) ||          /* line separators, direction overrides */
	       (cp >= 0x2060 && cp <= 0x206f) || /* invisible operators, direction isolates */
	       cp == 0xfeff || (cp >= 0xe0000 && cp <= 0xe007f); /* byte order mark, tags */
}

/* XML 1.0 has no U+FFFE and U+FFFF; their likes in other planes are non-characters as well. */
static bool is_nonchar(uint32_t cp)
{
	return (cp & 0xfffe) == 0xfffe || (cp >= 0xfdd0 && cp <= 0xfdef);
}

void name__clean(struct strbuf *out, const char *name, unsigned int flags)
{
	/* Enough to tell whether the name is too long: no byte shrinks to nothing. */
	size_t left = strnlen(name, 4 * NAME_MAX_BYTES), start = out->len, cut = start, n,
	       piece_len;
	const char *piece;
	uint32_t cp;

	if (!left) {
		strbuf__puts(out, "[no name]");
		return;
	}
	for (; left && !strbuf__err(out); name += n, left -= n) {
		n = utf8__decode(name, left, &cp);
		piece = name;
		piece_len = n;
		if (!n || is_nonchar(cp)) {
			piece = REPLACEMENT;
			piece_len = strlen(REPLACEMENT);
		} else if (is_unprintable(cp)) {
			piece = "?";
			piece_len = 1;
		} else if (cp == ';' && (flags & NAME_NO_SEMICOLON)) {
			piece = ":";
		}
		if (!n)
			n = 1;
		if (out->len - start + piece_len > NAME_MAX_BYTES) {
			strbuf__truncate(out, cut);
			strbuf__puts(out, ELLIPSIS);
			return;
		}
		strbuf__add(out, piece, piece_len);
		/* The last place at which the ellipsis would still fit. */
		if (out->len - start <= NAME_MAX_BYTES - strlen(ELLIPSIS))
			cut = out->len;
	}
}

uint32_t name__hash(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h;
}
