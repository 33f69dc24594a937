/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_FLAME_JSON_H
#define EXPORTERS_FLAME_JSON_H

/*
 * flame_json - a flame_tree as the JSON object that the pages' viewer reads (web/flame.js).
 *
 *   {"unit":[ONE,MANY],       what counts are of: "sample", "samples"
 *    "kinds":[{"label":…,"light":[…],"dark":[…]},…],
 *                             legend and shades, by enum flame_kind
 *    "names":[…],             each once
 *    "nodes":[N,UP,SELF,…]}   three numbers per node, in preorder
 *
 * N is name * 16 + kind; UP how many levels to go up from the node before to reach the parent's level, 0 for a
 * child; SELF what ends at the node. Names are clean and quoted for a <script> element too (markup__json).
 */

struct flame_tree;
struct flame_unit;
struct sink;

/** flame_json__write() - the whole object, without a new line behind it. Errors stick in @sink. */
void flame_json__write(const struct flame_tree *t, const struct flame_unit *unit,
		       struct sink *sink);

#endif /* EXPORTERS_FLAME_JSON_H */
