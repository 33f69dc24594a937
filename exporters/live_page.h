/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_LIVE_PAGE_H
#define EXPORTERS_LIVE_PAGE_H

/*
 * live_page - the page that shows the VMs of this host and what they do now.
 *
 * One document with its script and its style sheet inside (web/live.html, put together by the Makefile). It asks
 * its own server, and no other, by addresses relative to its own, so that a proxy may put it below a path:
 *
 *   /api/v1/vms                                      vms_json.h
 *   /api/v1/flame?vm=LABEL&kind=cpu|exits|exit_time  {"epoch":N,"mono_ns":…,"flame":…}, flame_json.h
 *   /api/v1/exits?vm=LABEL                           the JSON of "ukprof stat", stat_json.c
 *
 * The last two answer with counts since the VM was seen; the page subtracts earlier answers from later ones.
 * "epoch" says which belong together. An answer other than 200 is shown with its text and asked for again.
 *
 * Threads: any; nothing changes.
 */

#include <stddef.h>

#define LIVE_PAGE_TYPE "text/html; charset=utf-8"

/** live_page() - the document, in static memory. @len: receives its length; there is no NUL behind it. */
const void *live_page(size_t *len);

/**
 * live_page__csp() - value of its Content-Security-Policy header.
 *
 * The document holds the same policy; the header adds that no other page may frame it, which only a header can.
 */
const char *live_page__csp(void);

#endif /* EXPORTERS_LIVE_PAGE_H */
