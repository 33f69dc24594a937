/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPORTERS_METRICS_H
#define EXPORTERS_METRICS_H

/*
 * metrics - the page /metrics: a snapshot of the host as Prometheus text 0.0.4 or as OpenMetrics 1.0.
 *
 * All metrics are rows of one table; both formats are made from it and hold the same values. Output depends
 * on the snapshot and the options only, not on time or locale.
 *
 * A guest can't make the page long: what it can choose (exit reasons, vCPUs, names) is bounded, and a VM has
 * at most METRICS_MAX_VM_SERIES series with the default options. What is beyond a bound is added up under
 * "other", so that sums stay right. Who is in and who is in "other" goes by the order in which it was first
 * seen and never changes: a counter does not fall because something else grew.
 *
 * Metrics and their labels are described in docs/metrics.md.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host_stats;
struct sink;

#define METRICS_MAX_VM_SERIES \
	500 /* with the default options, functions excepted: they are asked for */

enum metrics_format {
	METRICS_TEXT = 0, /* Prometheus text 0.0.4 */
	METRICS_OPENMETRICS,
};

#define METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
#define METRICS_OPENMETRICS_TYPE \
	"application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"

/* Zero means the default. */
struct metrics_opts {
	uint64_t now_mono_ns;   /* CLOCK_MONOTONIC of the scrape; 0: the snapshot's, age is 0 */
	uint32_t max_reasons;   /* exit reasons of one VM beside "other"; default 12 */
	uint32_t max_vcpus;     /* vCPUs of one VM beside "other"; default 8 */
	uint32_t max_functions; /* functions of one VM, and as many libraries; default 100 */
	uint32_t max_kvm_stats; /* of KVM's own statistics of one VM; default 32 */
	bool without_exporter;  /* leave out what is about this process: process_*, HTTP */
};

/**
 * metrics__write() - the whole page.
 * @opts: may be NULL: all defaults.
 *
 * Return: 0; -ENOMEM; or the sink's error.
 * Cost: linear; about 0.1 us per series, and 400 bytes of memory per exit reason for the time of the call.
 * Threads: any, also several on one snapshot.
 */
int metrics__write(const struct host_stats *hs, const struct metrics_opts *opts,
		   enum metrics_format format, struct sink *sink);

/**
 * metrics__negotiate() - the format for a request.
 * @accept: value of its header Accept; NULL without one.
 *
 * OpenMetrics is sent to whom names it, or application/..., with a quality that is not 0 and not below that of
 * text; everyone else gets text, also who accepts neither: a scrape with a reason to complain is better
 * than none. An OpenMetrics version other than 1.0 does not count.
 *
 * Source: RFC 9110, section 12.5.1.
 */
enum metrics_format metrics__negotiate(const char *accept);

/** metrics__content_type() - the header Content-Type, in full: Prometheus 3 fails a scrape without it. */
const char *metrics__content_type(enum metrics_format format);

/**
 * metrics__bound() - print the upper bound of a histogram bucket, 2^@log2_ns nanoseconds, in seconds.
 * @buf: receives it, NUL-terminated: "2.56e-07", "0.001048576", "1.073741824".
 *
 * Spelled as Go spells floats, which is how readers compare them.
 */
void metrics__bound(unsigned int log2_ns, char buf[24]);

/** metrics__nr() - number of metrics there are; a page has those of them that have series. */
size_t metrics__nr(void);

/* Bounds of the exit histograms: 2^METRICS_LOG2_MIN to 2^METRICS_LOG2_MAX ns, all of them, and +Inf. */
#define METRICS_LOG2_MIN 8
#define METRICS_LOG2_MAX 30

#endif /* EXPORTERS_METRICS_H */
