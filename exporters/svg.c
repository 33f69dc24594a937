/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * svg - a flame graph as a still picture: no script, nothing fetched, root at the bottom.
 *
 * Tooltips are <title> elements. Colours are classes, so that the picture follows a viewer's dark mode.
 * Letters are set in a monospaced face, whose width is known without asking a font.
 */
#include "exporter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "flame_look.h"
#include "flame_tree.h"
#include "markup.h"
#include "sink.h"
#include "snapshot.h"
#include "strbuf.h"
#include "utf8.h"

/* In hundredths of a pixel, so that nothing is computed in floating point. */
#define PX          100
#define WIDTH       (1200 * PX)
#define MARGIN      (20 * PX)
#define CHART       (WIDTH - 2 * MARGIN)
#define ROW         (18 * PX)
#define LINE        (18 * PX) /* of the title block */
#define MIN_FRAME   (3 * PX / 10)
#define LETTER      665 /* advance of a monospaced letter of 11 px */
#define FACT_LETTER 730 /* of a letter of 12 px, on average */
#define MAX_ROWS    1000

struct picture {
	const struct flame_tree *t;
	struct sink *sink;
	const struct flame_unit *unit;
	uint64_t *start; /* by node: samples to the left of it */
	uint64_t total;
	uint32_t nr_rows;
	bool is_cut; /* rows beyond MAX_ROWS were left out */
	int64_t chart_y;
	struct strbuf text; /* scratch */
};

/* "12.34", without zeros at the end. */
static void put_px(struct sink *sink, int64_t v)
{
	sink__printf(sink, "%" PRId64, v / PX);
	if (v % PX)
		sink__printf(sink, v % 10 ? ".%02d" : ".%d", (int)(v % 10 ? v % PX : v % PX / 10));
}

static void put_attr(struct sink *sink, const char *name, int64_t v)
{
	sink__printf(sink, " %s=\"", name);
	put_px(sink, v);
	sink__puts(sink, "\"");
}

static void put_text(struct picture *p, const char *class, int64_t x, int64_t y, const char *text)
{
	sink__puts(p->sink, "<text");
	if (class)
		sink__printf(p->sink, " class=\"%s\"", class);
	put_attr(p->sink, "x", x);
	put_attr(p->sink, "y", y);
	sink__puts(p->sink, ">");
	markup__text(p->sink, text);
	sink__puts(p->sink, "</text>\n");
}

static int64_t x_of(const struct picture *p, uint64_t samples)
{
	if (samples > p->total)
		samples = p->total; /* sums that stopped at UINT64_MAX */
	return MARGIN + (int64_t)((unsigned __int128)samples * CHART / p->total);
}

static int64_t width_of(const struct picture *p, size_t i)
{
	return x_of(p, flame__add(p->start[i], flame_tree__node(p->t, i)->total)) -
	       x_of(p, p->start[i]);
}

/* The node to draw after @i: its first child, or what follows its subtree when it is too small. */
static size_t next_node(const struct picture *p, size_t i)
{
	const struct flame_node *n = flame_tree__node(p->t, i);

	return width_of(p, i) < MIN_FRAME || n->depth + 1 >= MAX_ROWS ? n->end : i + 1;
}

static int lay_out(struct picture *p)
{
	size_t nr = flame_tree__nr(p->t), i;
	const struct flame_node *n;
	uint64_t *next; /* by node: where its next child begins */

	p->start = calloc(nr, sizeof(*p->start));
	next = calloc(nr, sizeof(*next));
	if (!p->start || !next) {
		free(next);
		return -ENOMEM;
	}
	for (i = 1; i < nr; i++) {
		n = flame_tree__node(p->t, i);
		p->start[i] = next[i] = next[n->parent];
		next[n->parent] = flame__add(next[n->parent], n->total);
	}
	free(next);
	p->total = flame_tree__node(p->t, 0)->total;
	for (i = 0; p->total && i < nr; i = next_node(p, i)) {
		n = flame_tree__node(p->t, i);
		if (width_of(p, i) < MIN_FRAME)
			continue;
		if (n->depth >= p->nr_rows)
			p->nr_rows = n->depth + 1;
		if (n->depth + 1 == MAX_ROWS && n->end > i + 1)
			p->is_cut = true;
	}
	return 0;
}

static void put_styles(struct picture *p)
{
	const struct flame_palette *pal;
	int dark, kind, i;

	sink__puts(
		p->sink,
		"<style>\n"
		"text{font:12px system-ui,-apple-system,\"Segoe UI\",Roboto,\"DejaVu Sans\",sans-serif;fill:#1c1917}\n"
		".t{font-size:20px;font-weight:600}\n"
		".l{fill:#6b645d}.w{fill:#9a3412}\n"
		".f text{font:11px ui-monospace,\"SF Mono\",Menlo,Consolas,\"DejaVu Sans Mono\",monospace}\n"
		".bg{fill:#fff}\n");
	for (dark = 0; dark < 2; dark++) {
		if (dark)
			sink__puts(
				p->sink,
				"@media (prefers-color-scheme:dark){\n"
				"text{fill:#fafaf9}.l{fill:#a8a29e}.w{fill:#fdba74}.bg{fill:#16181d}\n");
		for (kind = 0; kind < NR_FLAME_KINDS; kind++) {
			pal = &flame_palettes[kind];
			for (i = 0; pal->light[i]; i++)
				sink__printf(p->sink, ".k%d_%d{fill:%s}", kind, i,
					     dark ? pal->dark[i] : pal->light[i]);
			sink__puts(p->sink, "\n");
		}
	}
	sink__puts(p->sink, "}\n</style>\n");
}

/*
 * As much of a name as fits into @width, with ".." where it was cut; nothing when hardly a letter would be
 * left. East Asian letters take two columns.
 */
static const char *fit_name(struct picture *p, const char *name, int64_t width)
{
	int64_t room = (width - 6 * PX) / LETTER, used = 0;
	size_t n, keep = 0, left = strlen(name);
	const char *s = name;
	uint32_t cp;

	strbuf__truncate(&p->text, 0);
	for (; left; s += n, left -= n) {
		n = utf8__decode(s, left, &cp);
		if (!n)
			n = 1;
		else
			used += cp >= 0x1100 ? 2 : 1;
		if (used <= room - 2)
			keep = s + n - name;
		if (used > room)
			break;
	}
	if (!left) {
		strbuf__puts(&p->text, name);
	} else if (keep && room >= 3) {
		strbuf__add(&p->text, name, keep);
		strbuf__puts(&p->text, "..");
	}
	return strbuf__str(&p->text);
}

static void put_frame(struct picture *p, size_t i)
{
	const struct flame_node *n = flame_tree__node(p->t, i);
	const char *name = flame_tree__name(p->t, n->name), *label;
	int64_t x = x_of(p, p->start[i]), w = width_of(p, i);
	int64_t y = p->chart_y + (int64_t)(p->nr_rows - 1 - n->depth) * ROW;

	strbuf__truncate(&p->text, 0);
	flame__print_count(&p->text, n->total);
	strbuf__printf(&p->text, " %s, ", n->total == 1 ? p->unit->one : p->unit->many);
	flame__print_percent(&p->text, n->total, p->total);
	if (n->self) {
		strbuf__puts(&p->text, ", self ");
		flame__print_count(&p->text, n->self);
	}
	sink__puts(p->sink, "<g><title>");
	markup__text(p->sink, name);
	sink__puts(p->sink, n->kind == FLAME_INLINE ? " (inlined, " : " (");
	markup__text(p->sink, strbuf__str(&p->text)); /* it may say "<0.1%" */
	sink__printf(p->sink, ")</title><rect class=\"k%d_%zu\"", n->kind,
		     flame_palette__shade(n->kind, name));
	put_attr(p->sink, "x", x);
	put_attr(p->sink, "y", y);
	/* A hair of background between neighbours, where there is room for it. */
	put_attr(p->sink, "width", w > 2 * PX ? w - PX / 2 : w);
	put_attr(p->sink, "height", ROW - PX);
	sink__puts(p->sink, w > 4 * PX ? " rx=\"2\"/>" : "/>");
	label = fit_name(p, name, w);
	if (*label)
		put_text(p, NULL, x + 3 * PX, y + ROW - 5 * PX - PX / 2, label);
	sink__puts(p->sink, "</g>\n");
}

/* Width of a text of the title block, roughly. */
static int64_t text_width(const char *s)
{
	int64_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n * FACT_LETTER;
}

/*
 * Label and value side by side, in as many lines as they need. A line is one text: the viewer, which knows
 * the font, makes the gaps even. Return: y below the last line.
 */
static int64_t put_facts(struct picture *p, const struct flame_facts *f, int64_t y,
			 bool is_measured_only)
{
	int64_t x = 0, w;
	size_t i;

	for (i = 0; i < f->nr_facts; i++) {
		w = text_width(f->facts[i].label) + text_width(f->facts[i].value) + 22 * PX;
		if (i && x + w > WIDTH) {
			x = 0;
			y += LINE;
		}
		if (!is_measured_only) {
			if (!x) {
				sink__puts(p->sink, i ? "</text>\n<text" : "<text");
				put_attr(p->sink, "x", MARGIN);
				put_attr(p->sink, "y", y);
				sink__puts(p->sink, ">");
			}
			sink__printf(p->sink, "<tspan class=\"l\"%s>%s</tspan> ", x ? " dx=\"22\"" : "",
				     f->facts[i].label);
			markup__text(p->sink, f->facts[i].value);
		}
		x += x ? w : MARGIN + w;
	}
	if (!is_measured_only && f->nr_facts)
		sink__puts(p->sink, "</text>\n");
	return y + LINE;
}

static void put_legend(struct picture *p, int64_t y)
{
	bool is_used[NR_FLAME_KINDS] = { false };
	int64_t x = MARGIN;
	int kind;
	size_t i;

	for (i = 0; i < flame_tree__nr(p->t); i++)
		is_used[flame_tree__node(p->t, i)->kind] = true;
	for (kind = 0; kind < NR_FLAME_KINDS; kind++) {
		if (!is_used[kind])
			continue;
		sink__printf(p->sink, "<rect class=\"k%d_0\"", kind);
		put_attr(p->sink, "x", x);
		put_attr(p->sink, "y", y - 10 * PX);
		sink__puts(p->sink, " width=\"12\" height=\"12\" rx=\"2\"/>");
		put_text(p, "l", x + 18 * PX, y, flame_palette__label(p->t, kind));
		x += 18 * PX + text_width(flame_palette__label(p->t, kind)) + 14 * PX;
	}
}

static void put_picture(struct picture *p, const struct flame_facts *f)
{
	int64_t y = 36 * PX, y_facts = y + 24 * PX, height;
	struct sink *sink = p->sink;
	size_t i;

	/* The height comes first in the file. */
	p->chart_y = put_facts(p, f, y_facts, true) + (int64_t)(1 + f->nr_notes + p->is_cut) * LINE;
	height = p->chart_y + (p->total ? (int64_t)p->nr_rows * ROW : 60 * PX) + 40 * PX;

	sink__puts(
		sink,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"");
	put_attr(sink, "width", WIDTH);
	put_attr(sink, "height", height);
	sink__printf(sink, " viewBox=\"0 0 %d %" PRId64 "\" role=\"img\">\n<title>", WIDTH / PX,
		     height / PX);
	markup__text(sink, f->title);
	sink__puts(sink, " – flame graph</title>\n<desc>");
	markup__text(sink, f->sums);
	sink__puts(sink, "</desc>\n");
	put_styles(p);
	sink__puts(sink, "<rect class=\"bg\" width=\"100%\" height=\"100%\"/>\n");
	put_text(p, "t", MARGIN, y, f->title);
	y = put_facts(p, f, y_facts, false);
	put_text(p, "l", MARGIN, y, f->sums);
	for (i = 0; i < f->nr_notes; i++)
		put_text(p, "w", MARGIN, y += LINE, f->notes[i]);
	if (p->is_cut)
		put_text(p, "w", MARGIN, y + LINE, "Frames deeper than 1,000 are not drawn.");

	if (!p->total) {
		put_text(p, NULL, MARGIN, p->chart_y + 30 * PX, "No samples. " FLAME_TEXT_EMPTY);
	} else {
		sink__puts(sink, "<g class=\"f\">\n");
		for (i = 0; i < flame_tree__nr(p->t); i = next_node(p, i))
			if (width_of(p, i) >= MIN_FRAME)
				put_frame(p, i);
		sink__puts(sink, "</g>\n");
		put_legend(p, height - 16 * PX);
	}
	sink__puts(sink, "</svg>\n");
}

static int write_svg(const struct snapshot *snap, const struct export_opts *opts, struct sink *sink)
{
	struct picture p = { .sink = sink };
	struct flame_facts facts = { 0 };
	struct flame_tree *t = NULL;
	int err;

	err = flame_tree__new(&t, snap, 0);
	if (err)
		return err;
	p.t = t;
	p.unit = flame__unit(snap);
	err = flame_facts__init(&facts, snap, t, opts);
	if (!err)
		err = lay_out(&p);
	if (!err) {
		put_picture(&p, &facts);
		err = strbuf__err(&p.text);
	}
	strbuf__free(&p.text);
	free(p.start);
	flame_facts__free(&facts);
	flame_tree__free(t);
	return err ? err : sink__error(sink);
}

const struct exporter exporter_svg = {
	.name = "svg",
	.suffixes = (const char *const[]){ ".svg", NULL },
	.help = "flame graph as a still picture",
	.write = write_svg,
};
