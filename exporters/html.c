/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * html - an interactive flame graph in one file that fetches nothing.
 *
 * The page (web/page.html) has places to fill in, written {{so}}. The tree travels as JSON (flame_json.h)
 * inside a script element that is not executed. The page's policy admits the viewer and the style sheet by
 * their hashes and nothing else, so even a name that got out of its quotes could not run.
 */
#include "exporter.h"

#include <string.h>

#include "flame_json.h"
#include "flame_look.h"
#include "flame_tree.h"
#include "markup.h"
#include "sink.h"
#include "snapshot.h"
#include "web_hash.h"

/* web.S */
extern const char web_page[], web_css[], web_js[];

struct page {
	const struct flame_tree *t;
	const struct flame_facts *facts;
	const struct flame_unit *unit;
	struct sink *sink;
};

static void put_title(struct page *p)
{
	markup__text(p->sink, p->facts->title);
}

static void put_facts(struct page *p)
{
	size_t i;

	for (i = 0; i < p->facts->nr_facts; i++) {
		sink__printf(p->sink, "<div><dt>%s</dt><dd>", p->facts->facts[i].label);
		markup__text(p->sink, p->facts->facts[i].value);
		sink__puts(p->sink, "</dd></div>\n");
	}
}

static void put_sums(struct page *p)
{
	markup__text(p->sink, p->facts->sums);
}

static void put_notes(struct page *p)
{
	size_t i;

	for (i = 0; i < p->facts->nr_notes; i++) {
		sink__puts(p->sink, "<p class=\"note\">");
		markup__text(p->sink, p->facts->notes[i]);
		sink__puts(p->sink, "</p>\n");
	}
}

static void put_empty(struct page *p)
{
	if (!flame_tree__stats(p->t)->total)
		sink__puts(p->sink,
			   "<div class=\"empty\"><strong>No samples</strong><span>" FLAME_TEXT_EMPTY
			   "</span></div>\n");
}

static void put_data(struct page *p)
{
	flame_json__write(p->t, p->unit, p->sink);
}

static void put_css(struct page *p)
{
	sink__puts(p->sink, web_css);
}

static void put_js(struct page *p)
{
	sink__puts(p->sink, web_js);
}

static void put_css_hash(struct page *p)
{
	sink__puts(p->sink, WEB_CSS_SHA256);
}

static void put_js_hash(struct page *p)
{
	sink__puts(p->sink, WEB_JS_SHA256);
}

static const struct {
	const char *name;
	void (*put)(struct page *p);
} places[] = {
	{ "{{title}}", put_title },       { "{{facts}}", put_facts },
	{ "{{sums}}", put_sums },         { "{{notes}}", put_notes },
	{ "{{empty}}", put_empty },       { "{{data}}", put_data },
	{ "{{css}}", put_css },           { "{{js}}", put_js },
	{ "{{css-hash}}", put_css_hash }, { "{{js-hash}}", put_js_hash },
};

static void put_page(struct page *p)
{
	const char *s = web_page, *place;
	size_t i;

	for (; (place = strstr(s, "{{")); s = strstr(place, "}}") + 2) {
		sink__write(p->sink, s, place - s);
		for (i = 0; i < sizeof(places) / sizeof(places[0]); i++)
			if (!strncmp(place, places[i].name, strlen(places[i].name)))
				places[i].put(p);
	}
	sink__puts(p->sink, s);
}

static int write_html(const struct snapshot *snap, const struct export_opts *opts,
		      struct sink *sink)
{
	struct flame_facts facts;
	struct flame_tree *t;
	int err;

	err = flame_tree__new(&t, snap, 0);
	if (err)
		return err;
	err = flame_facts__init(&facts, snap, t, opts);
	if (!err) {
		put_page(&(struct page){ .t = t, .facts = &facts, .unit = flame__unit(snap), .sink = sink });
		flame_facts__free(&facts);
	}
	flame_tree__free(t);
	return err ? err : sink__error(sink);
}

const struct exporter exporter_html = {
	.name = "html",
	.suffixes = (const char *const[]){ ".html", ".htm", NULL },
	.help = "interactive flame graph in one file",
	.write = write_html,
};
