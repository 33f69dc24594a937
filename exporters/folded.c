/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * folded - one line per stack: frames from root to leaf joined by ';', a space, the number of samples.
 *
 * No header and no comment lines, since only some readers skip them. Lines are sorted frame by frame, and
 * stacks that read the same are one line. What a stack consists of is told in flame_tree.h.
 */
#include "exporter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "flame_tree.h"
#include "sink.h"
#include "snapshot.h"
#include "strbuf.h"

/* Return: 0 or -ENOMEM; errors of the sink stay in the sink. */
static int write_lines(const struct flame_tree *t, struct sink *sink)
{
	const struct flame_node *node;
	struct strbuf path = { 0 };
	size_t *ends, i, nr = flame_tree__nr(t), depth_max = 0;
	int err;

	for (i = 0; i < nr; i++)
		if (flame_tree__node(t, i)->depth > depth_max)
			depth_max = flame_tree__node(t, i)->depth;
	ends = calloc(depth_max + 1, sizeof(*ends)); /* length of the path down to each depth */
	if (!ends)
		return -ENOMEM;

	for (i = 1; i < nr; i++) {
		node = flame_tree__node(t, i);
		strbuf__truncate(&path, ends[node->depth - 1]);
		if (node->depth > 1)
			strbuf__addc(&path, ';');
		strbuf__puts(&path, flame_tree__name(t, node->name));
		ends[node->depth] = path.len;
		if (!node->self)
			continue;
		sink__write(sink, path.data, path.len);
		sink__printf(sink, " %" PRIu64 "\n", node->self);
	}
	err = strbuf__err(&path);
	strbuf__free(&path);
	free(ends);
	return err;
}

static int write_folded(const struct snapshot *snap, const struct export_opts *opts,
			struct sink *sink)
{
	struct flame_tree *t;
	int err;

	(void)opts;
	err = flame_tree__new(&t, snap, FLAME_TREE_BY_TEXT);
	if (err)
		return err;
	err = write_lines(t, sink);
	flame_tree__free(t);
	return err ? err : sink__error(sink);
}

const struct exporter exporter_folded = {
	.name = "folded",
	.suffixes = (const char *const[]){ ".folded", ".collapsed", NULL },
	.help = "one line per stack, as flamegraph.pl, inferno and speedscope read it",
	.write = write_folded,
};
