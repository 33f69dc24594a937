/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_FLAME_LOOK_H
#define EXPORTERS_FLAME_LOOK_H

/*
 * flame_look - colours, numbers and words that the flame graphs (svg, html) share.
 *
 * The colour of a frame tells its kind; its shade comes from a hash of its name, so a function looks the
 * same wherever and whenever it shows up. Each kind has a set of shades for light and one for dark pages;
 * text on them reaches a contrast of 4.5 (near-black on light, near-white on dark).
 */

#include <stddef.h>
#include <stdint.h>

#include "flame_tree.h"

struct export_opts;
struct flame_tree;
struct snapshot;
struct strbuf;

#define FLAME_MAX_SHADES 10

struct flame_palette {
	const char *label;                       /* for the legend */
	const char *light[FLAME_MAX_SHADES + 1]; /* "#rrggbb", NULL-terminated */
	const char *dark[FLAME_MAX_SHADES + 1];  /* as many */
};

extern const struct flame_palette flame_palettes[NR_FLAME_KINDS];

/** flame_palette__label() - for the legend of this tree: what a guest frame is depends on the profile. */
const char *flame_palette__label(const struct flame_tree *t, enum flame_kind kind);

/** flame_palette__shade() - index of a name's shade among those of its kind. */
size_t flame_palette__shade(enum flame_kind kind, const char *name);

/** flame__print_count() - a number with its digits in groups: "1,234,567". */
void flame__print_count(struct strbuf *sb, uint64_t n);

/** flame__print_percent() - "12.3%"; "<0.1%" and ">99.9%" where rounding would say none or all. */
void flame__print_percent(struct strbuf *sb, uint64_t part, uint64_t whole);

/** flame__print_time() - a length of time: "850 ms", "10.0 s", "2 min 05 s", "1 h 02 min". */
void flame__print_time(struct strbuf *sb, uint64_t ns);

/* In place of the picture when there is none. */
#define FLAME_TEXT_EMPTY \
	"Either no vCPU ran while the profile was recorded, or its samples were lost."

struct flame_fact {
	const char *label;
	char *value;
};

#define FLAME_MAX_FACTS 12
#define FLAME_MAX_NOTES 6

/* What is written above a flame graph. All texts are plain and clean: quote them as the format demands. */
struct flame_facts {
	char *title;
	struct flame_fact facts[FLAME_MAX_FACTS];
	size_t nr_facts;
	char *sums;                   /* a sentence in which the samples add up */
	char *notes[FLAME_MAX_NOTES]; /* what a reader has to know before trusting the picture */
	size_t nr_notes;
};

/**
 * flame_facts__init() - gather the facts about a profile.
 * @f: filled in, release it with flame_facts__free(); after an error there is nothing to release.
 *
 * Lost samples are the counters whose help begins with "Samples dropped" or "Samples lost".
 *
 * Return: 0 or -ENOMEM.
 */
int flame_facts__init(struct flame_facts *f, const struct snapshot *snap,
		      const struct flame_tree *t, const struct export_opts *opts);
void flame_facts__free(struct flame_facts *f);

#endif /* EXPORTERS_FLAME_LOOK_H */
