/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flame_json.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>

#include "flame_look.h"
#include "flame_tree.h"
#include "markup.h"
#include "sink.h"

static void put_shades(struct sink *sink, const char *theme, const char *const *shades)
{
	size_t i;

	sink__printf(sink, ",\"%s\":[", theme);
	for (i = 0; shades[i]; i++)
		sink__printf(sink, "%s\"%s\"", i ? "," : "", shades[i]);
	sink__puts(sink, "]");
}

static void put_kinds(struct sink *sink, const struct flame_tree *t)
{
	size_t i;

	for (i = 0; i < NR_FLAME_KINDS; i++) {
		sink__printf(sink, "%s\n{\"label\":\"%s\"", i ? "," : "", flame_palette__label(t, i));
		put_shades(sink, "light", flame_palettes[i].light);
		put_shades(sink, "dark", flame_palettes[i].dark);
		sink__puts(sink, "}");
	}
}

static void put_nodes(struct sink *sink, const struct flame_tree *t)
{
	const struct flame_node *n;
	uint32_t depth = 0;
	size_t i;

	for (i = 0; i < flame_tree__nr(t); i++) {
		n = flame_tree__node(t, i);
		sink__printf(sink, "%s%" PRIu64 ",%" PRIu32 ",%" PRIu64,
			     !i       ? "\n"
			     : i % 16 ? ","
				      : ",\n",
			     n->name * UINT64_C(16) + n->kind, i ? depth + 1 - n->depth : 0,
			     n->self);
		depth = n->depth;
	}
}

void flame_json__write(const struct flame_tree *t, const struct flame_unit *unit, struct sink *sink)
{
	size_t i;

	sink__printf(sink, "{\"unit\":[\"%s\",\"%s\"],\n\"kinds\":[", unit->one, unit->many);
	put_kinds(sink, t);
	sink__puts(sink, "],\n\"names\":[");
	for (i = 0; i < flame_tree__nr_names(t); i++) {
		sink__puts(sink, i ? ",\n" : "\n");
		markup__json(sink, flame_tree__name(t, i));
	}
	sink__puts(sink, "],\n\"nodes\":[");
	put_nodes(sink, t);
	sink__puts(sink, "]}");
}
