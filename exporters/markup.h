/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_MARKUP_H
#define EXPORTERS_MARKUP_H

/*
 * markup - quoting for HTML, XML and JSON inside HTML. Texts have to be clean (name.h).
 */

struct sink;

/** markup__text() - a text between tags or inside a quoted attribute, HTML or XML. */
void markup__text(struct sink *sink, const char *text);

/**
 * markup__json() - a JSON string with its quotes, fit for a <script> element: no '<', '>' or '&' is left
 * that could end the element or begin a comment.
 */
void markup__json(struct sink *sink, const char *text);

#endif /* EXPORTERS_MARKUP_H */
