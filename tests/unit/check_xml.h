/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_CHECK_XML_H
#define UNIT_CHECK_XML_H

/*
 * check_xml - is a text well-formed? Enough of XML 1.0 for what svg writes: elements, attributes in double
 * quotes, the predefined and numeric references; no comments, CDATA or doctype, which must not appear.
 */

#include "export_fixture.h"
#include "utf8.h"

struct xml_counts {
	size_t elements; /* all start tags */
	size_t frames;   /* <g> with a title */
	size_t scripts;  /* script elements and on… attributes */
	size_t links;    /* href, src, url( outside of text */
};

static inline const char *check_reference(const char *p)
{
	static const char *const known[] = { "&lt;", "&gt;", "&amp;", "&quot;", "&#39;" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (!strncmp(p, known[i], strlen(known[i])))
			return p + strlen(known[i]);
	fail_msg("bad reference: %.20s", p);
	return NULL;
}

/* One character of text or of an attribute's value. */
static inline const char *check_char(const char *p)
{
	uint32_t cp;
	size_t n;

	if (*p == '&')
		return check_reference(p);
	n = utf8__decode(p, strlen(p), &cp);
	assert_true(n > 0);
	assert_true(cp == '\n' ||
		    (cp >= 0x20 && !(cp >= 0x7f && cp <= 0x9f) && cp != 0xfffe && cp != 0xffff));
	return p + n;
}

static inline void check_xml(const char *p, struct xml_counts *counts)
{
	char open[64][32], name[32];
	size_t depth = 0, n;

	memset(counts, 0, sizeof(*counts));
	assert_int_equal(strncmp(p, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", 39), 0);
	p += 39;
	while (*p) {
		if (*p != '<') {
			assert_true(depth > 0 || *p == '\n');
			p = check_char(p);
			continue;
		}
		if (*++p == '/') {
			n = strcspn(++p, ">");
			assert_true(depth > 0);
			depth--;
			assert_int_equal(strlen(open[depth]), n);
			assert_memory_equal(open[depth], p, n);
			p += n + 1;
			continue;
		}
		n = strspn(p, "abcdefghijklmnopqrstuvwxyz");
		assert_in_range(n, 1, sizeof(name) - 1);
		memcpy(name, p, n);
		name[n] = '\0';
		p += n;
		counts->elements++;
		counts->frames += !strcmp(name, "g") && !strncmp(p, "><title>", 8);
		counts->scripts += !strcmp(name, "script");
		counts->links += !strcmp(name, "a") || !strcmp(name, "image") ||
				 !strcmp(name, "use");
		while (*p == ' ') {
			n = strcspn(++p, "=");
			counts->scripts += !strncmp(p, "on", 2);
			counts->links += !strncmp(p, "href", 4) || !strncmp(p, "src", 3) ||
					 !strncmp(p, "xlink", 5);
			p += n + 1;
			assert_int_equal(*p++, '"');
			while (*p != '"') {
				assert_int_not_equal(*p, '<');
				p = check_char(p);
			}
			p++;
		}
		if (*p == '/') {
			p++;
		} else {
			assert_true(depth < ARRAY_SIZE(open));
			strcpy(open[depth++], name);
		}
		assert_int_equal(*p++, '>');
	}
	assert_int_equal(depth, 0);
}

#endif /* UNIT_CHECK_XML_H */
