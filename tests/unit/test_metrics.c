/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "export_fixture.h"
#include "host_fixture.h"

#include <errno.h>
#include <math.h>

#include "metrics.h"
#include "strbuf.h"
#include "strpool.h"
#include "utf8.h"
#include "vm_label.h"

static const enum metrics_format both[] = { METRICS_TEXT, METRICS_OPENMETRICS };

/* NUL-terminated; free() it. */
static char *page_of(const struct host_stats *hs, const struct metrics_opts *opts,
		     enum metrics_format format, size_t *len)
{
	struct sink *sink = NULL;
	size_t n;
	char *page;

	assert_int_equal(sink__memory(&sink), 0);
	assert_int_equal(metrics__write(hs, opts, format, sink), 0);
	page = malloc((sink__data(sink, &n), n) + 1);
	assert_non_null(page);
	memcpy(page, sink__data(sink, &n), n);
	page[n] = '\0';
	assert_int_equal(sink__close(sink), 0);
	if (len)
		*len = n;
	return page;
}

/* The value behind a series, spelled as on the page; NULL if it is not there. */
static const char *value_of(const char *page, const char *series)
{
	static char value[64];
	const char *p = page;
	size_t len = strlen(series);

	for (; p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		if (strncmp(p, series, len) || p[len] != ' ')
			continue;
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(p + len + 1, "\n"),
			 p + len + 1);
		return value;
	}
	return NULL;
}

#define assert_value(page, series, value)                    \
	do {                                                 \
		const char *v_ = value_of((page), (series)); \
		if (!v_)                                     \
			fail_msg("no series %s", (series));  \
		assert_string_equal(v_, (value));            \
	} while (0)

static void matches_golden(void **state)
{
	struct metrics_opts opts = { .now_mono_ns = 1000 * FIX_SEC + 250000000 };
	struct host_stats *hs = fix_host_small();
	size_t len;
	char *page;

	(void)state;
	page = page_of(hs, &opts, METRICS_TEXT, &len);
	fix_assert_golden("small.metrics", page, len);
	free(page);
	page = page_of(hs, &opts, METRICS_OPENMETRICS, &len);
	fix_assert_golden("small.openmetrics", page, len);
	free(page);
	host_stats__put(hs);
}

/* The golden page has every metric of the table: the small host has some of everything. */
static void every_metric_is_described(void **state)
{
	struct host_stats *hs = fix_host_small();
	char *page = page_of(hs, NULL, METRICS_TEXT, NULL), *docs, name[128];
	const char *p;
	size_t nr = 0;
	FILE *f;

	(void)state;
	f = fopen("docs/metrics.md", "r");
	assert_non_null(f);
	docs = calloc(1, 65536);
	assert_non_null(docs);
	assert_true(fread(docs, 1, 65535, f) < 65535);
	fclose(f);
	for (p = strstr(page, "# TYPE "); p; p = strstr(p + 1, "# TYPE ")) {
		snprintf(name, sizeof(name), "`%.*s`", (int)strcspn(p + 7, " "), p + 7);
		if (!strstr(docs, name))
			fail_msg("docs/metrics.md does not know %s", name);
		nr++;
	}
	assert_int_equal(nr, metrics__nr());
	free(docs);
	free(page);
	host_stats__put(hs);
}

/* Two scrapes of one snapshot are the same page. */
static void depends_on_the_snapshot_only(void **state)
{
	struct host_stats *hs = fix_host_small();
	char *a, *b;

	(void)state;
	a = page_of(hs, NULL, METRICS_TEXT, NULL);
	b = page_of(hs, NULL, METRICS_TEXT, NULL);
	assert_string_equal(a, b);
	free(a);
	free(b);
	host_stats__put(hs);
}

static void times_are_exact_seconds(void **state)
{
	struct host_stats *hs = fix_host_small();
	char *page = page_of(hs, NULL, METRICS_TEXT, NULL);

	(void)state;
	assert_value(page, "ukprof_vcpu_seconds_total{vm=\"web0\",vcpu=\"0\",state=\"guest\"}",
		     "50");
	assert_value(page, "ukprof_vcpu_seconds_total{vm=\"web0\",vcpu=\"0\",state=\"exit\"}",
		     "2.5");
	assert_value(page, "ukprof_vcpu_seconds_total{vm=\"web0\",vcpu=\"0\",state=\"waiting\"}",
		     "1.250000001");
	assert_value(page, "ukprof_vcpu_seconds_total{vm=\"web0\",vcpu=\"1\",state=\"guest\"}",
		     "0.000000001");
	assert_value(page, "process_start_time_seconds", "1767225599.75");
	free(page);
	host_stats__put(hs);
}

/* A page that grows series by series makes rate() miss the first event of each. */
static void new_vms_have_their_series_at_once(void **state)
{
	struct host_stats *hs = fix_host_new();
	char *page;

	(void)state;
	fix_host_add_vm(hs, "new");
	page = page_of(hs, NULL, METRICS_TEXT, NULL);
	assert_value(page, "ukprof_vm_up{vm=\"new\"}", "1");
	assert_value(page, "ukprof_samples_total{vm=\"new\",mode=\"vmm\"}", "0");
	assert_value(page, "ukprof_vm_stacks_total{vm=\"new\",stop=\"unmapped\"}", "0");
	assert_value(page, "ukprof_vm_unwound_stacks_total{vm=\"new\",method=\"table\"}", "0");
	assert_value(page, "ukprof_unresolved_frames_total{vm=\"new\"}", "0");
	assert_value(page, "ukprof_vm_image_state{vm=\"new\",state=\"none\"}", "1");
	assert_value(page, "ukprof_vm_image_state{vm=\"new\",state=\"wrong\"}", "0");
	free(page);
	host_stats__put(hs);
}

static void shows_its_age(void **state)
{
	struct metrics_opts opts = { .now_mono_ns = 1002 * FIX_SEC + 5 };
	struct host_stats *hs = fix_host_new();
	char *page = page_of(hs, &opts, METRICS_TEXT, NULL);

	(void)state;
	assert_value(page, "ukprof_snapshot_age_seconds", "2.000000005");
	free(page);
	opts.now_mono_ns = 999 * FIX_SEC; /* a snapshot may be younger than the request */
	page = page_of(hs, &opts, METRICS_TEXT, NULL);
	assert_value(page, "ukprof_snapshot_age_seconds", "0");
	free(page);
	host_stats__put(hs);
}

static void leaves_itself_out_when_asked(void **state)
{
	struct metrics_opts opts = { .without_exporter = true };
	struct host_stats *hs = fix_host_small();
	char *page = page_of(hs, &opts, METRICS_TEXT, NULL);

	(void)state;
	assert_null(strstr(page, "process_"));
	assert_null(strstr(page, "ukprof_http_"));
	assert_non_null(strstr(page, "ukprof_build_info"));
	assert_non_null(strstr(page, "ukprof_lost_events_total"));
	free(page);
	host_stats__put(hs);
}

/* --- histograms --- */

static void bounds_are_spelled_as_go_spells_them(void **state)
{
	static const struct {
		unsigned int log2;
		const char *text;
	} want[] = {
		{ 0, "1e-09" },        { 4, "1.6e-08" },       { 8, "2.56e-07" },
		{ 10, "1.024e-06" },   { 16, "6.5536e-05" },   { 17, "0.000131072" },
		{ 20, "0.001048576" }, { 29, "0.536870912" },  { 30, "1.073741824" },
		{ 33, "8.589934592" }, { 34, "17.179869184" },
	};
	char buf[24];
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		metrics__bound(want[i].log2, buf);
		assert_string_equal(buf, want[i].text);
	}
	for (i = 0; i < 40; i++) {
		metrics__bound(i, buf);
		assert_true(fabs(strtod(buf, NULL) / ldexp(1e-9, i) - 1) < 1e-12);
	}
}

static void histograms_cumulate(void **state)
{
	struct host_stats *hs = fix_host_small();
	char *page = page_of(hs, NULL, METRICS_TEXT, NULL), series[128], bound[24];
	uint64_t value, before = 0;
	unsigned int k, nr = 0;
	const char *p;

	(void)state;
#define BUCKET(reason, le) \
	"ukprof_vm_exit_duration_seconds_bucket{vm=\"web0\",reason=\"" reason "\",le=\"" le "\"}"
	/* 3000 ns are between 2^11 and 2^12. */
	assert_value(page, BUCKET("IO_INSTRUCTION", "2.048e-06"), "0");
	assert_value(page, BUCKET("IO_INSTRUCTION", "4.096e-06"), "1000");
	assert_value(page, BUCKET("IO_INSTRUCTION", "1.073741824"), "1000");
	assert_value(page, BUCKET("IO_INSTRUCTION", "+Inf"), "1000");
	/* What is below the window is in its first bucket, what is beyond only in the last. */
	assert_value(page, BUCKET("EXTERNAL_INTERRUPT", "2.56e-07"), "1");
	assert_value(page, BUCKET("EXTERNAL_INTERRUPT", "5.12e-07"), "1");
	assert_value(page, BUCKET("EXTERNAL_INTERRUPT", "1.024e-06"), "2");
	assert_value(page, BUCKET("EXTERNAL_INTERRUPT", "1.073741824"), "2");
	assert_value(page, BUCKET("EXTERNAL_INTERRUPT", "+Inf"), "3");
	assert_value(
		page,
		"ukprof_vm_exit_duration_seconds_count{vm=\"web0\",reason=\"EXTERNAL_INTERRUPT\"}",
		"3");
	assert_value(page, "ukprof_vm_exit_duration_seconds_sum{vm=\"web0\",reason=\"HLT\"}", "5");
	assert_value(page, "ukprof_vm_exits_total{vm=\"web0\",reason=\"IO_INSTRUCTION\"}", "1001");
	assert_value(page,
		     "ukprof_vm_exit_user_seconds_total{vm=\"web0\",reason=\"IO_INSTRUCTION\"}",
		     "0.002");
	for (k = METRICS_LOG2_MIN; k <= METRICS_LOG2_MAX; k++) {
		metrics__bound(k, bound);
		snprintf(
			series, sizeof(series),
			"ukprof_vm_exit_duration_seconds_bucket{vm=\"web0\",reason=\"HLT\",le=\"%s\"}",
			bound);
		p = value_of(page, series);
		assert_non_null(p);
		value = strtoull(p, NULL, 10);
		assert_true(value >= before);
		before = value;
		nr++;
	}
	assert_int_equal(nr, 23);
	free(page);
	host_stats__put(hs);
}

/* --- hostile and large --- */

/* Checks the syntax of each line as 0.0.4 has it. Return: number of series; all are different. */
static size_t check_page(const char *page, size_t page_len, bool openmetrics)
{
	struct strpool *seen = NULL;
	const char *p = page, *end, *q;
	size_t nr = 0, n, left;
	uint32_t cp;
	char *tail;

	for (q = page, left = page_len; left; q += n, left -= n) {
		n = utf8__decode(q, left, &cp);
		assert_true(n > 0);
		assert_true(cp >= 0x20 || cp == '\n');
	}
	assert_int_equal(strpool__new(&seen), 0);
	for (; *p; p = end + 1) {
		end = strchr(p, '\n');
		assert_non_null(end);
		if (*p == '#')
			continue;
		q = p + strspn(p, "abcdefghijklmnopqrstuvwxyz_");
		assert_true(q > p);
		if (*q == '{') {
			do {
				q++;
				n = strspn(q, "abcdefghijklmnopqrstuvwxyz_");
				assert_true(n > 0);
				q += n;
				assert_true(q[0] == '=' && q[1] == '"');
				for (q += 2; *q != '"'; q++) {
					assert_true(q < end);
					if (*q == '\\') {
						q++;
						assert_true(*q == '\\' || *q == '"' || *q == 'n');
					}
				}
				q++;
			} while (*q == ',');
			assert_int_equal(*q, '}');
			q++;
		}
		/* Equal series would be equal strings: labels always come in the same order. */
		assert_int_equal(strpool__add(seen, p, q - p), nr);
		nr++;
		assert_int_equal(*q, ' ');
		strtod(q + 1, &tail);
		assert_ptr_equal(tail, end);
	}
	if (openmetrics)
		assert_string_equal(page + page_len - 6, "# EOF\n");
	else
		assert_null(strstr(page, "# EOF"));
	strpool__free(seen);
	return nr;
}

static void hostile_guests_cannot_break_the_page(void **state)
{
	struct host_stats *hs = fix_host_hostile();
	size_t len, i, nr[2];
	char *page;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(both); i++) {
		page = page_of(hs, NULL, both[i], &len);
		nr[i] = check_page(page, len, both[i] == METRICS_OPENMETRICS);
		free(page);
	}
	assert_int_equal(nr[0], nr[1]);
	host_stats__put(hs);
}

/* With all that a guest can come up with, and every stop reason and method that may yet be invented. */
static void a_vm_has_a_budget(void **state)
{
	static const struct host_label many[] = {
		{ "a", "" }, { "b", "" }, { "c", "" }, { "d", "" }, { "e", "" },
		{ "f", "" }, { "g", "" }, { "h", "" }, { "i", "" }, { "j", "" },
		{ "k", "" }, { "l", "" }, { "m", "" }, { "n", "" },
	};
	struct host_stats *hs = fix_host_hostile();
	size_t len, nr, nr_host, i;
	char *page;

	(void)state;
	free(hs->stops);
	FIX_ARRAY(hs, stops, many);
	free(hs->methods);
	FIX_ARRAY(hs, methods, many);
	for (i = 0; i < hs->nr_vms; i++)
		hs->vms[i].nr_functions = 0;
	page = page_of(hs, NULL, METRICS_TEXT, &len);
	nr = check_page(page, len, false);
	free(page);
	i = hs->nr_vms;
	hs->nr_vms = 0;
	page = page_of(hs, NULL, METRICS_TEXT, &len);
	nr_host = check_page(page, len, false);
	free(page);
	hs->nr_vms = i;
	print_message("%zu series of a VM, %zu of the host\n", (nr - nr_host) / i, nr_host);
	assert_true((nr - nr_host) / i > 300);
	assert_true((nr - nr_host) / i <= METRICS_MAX_VM_SERIES);
	host_stats__put(hs);
}

/* Sum of the values of all series that begin with @prefix. */
static uint64_t sum_of(const char *page, const char *prefix, size_t *nr)
{
	uint64_t sum = 0;
	const char *p, *space;

	*nr = 0;
	for (p = page; p && *p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		if (strncmp(p, prefix, strlen(prefix)))
			continue;
		space = strchr(p, ' ');
		while (space[1] < '0' || space[1] > '9' || space[-1] != '}')
			space = strchr(space + 1, ' '); /* a reason has spaces in it */
		sum += strtoull(space + 1, NULL, 10);
		(*nr)++;
	}
	return sum;
}

/* The sum stays right, and no counter falls when later reasons overtake earlier ones. */
static void folding_keeps_sums_and_members(void **state)
{
	struct metrics_opts opts = { .max_reasons = 3, .max_vcpus = 2 };
	struct host_stats *hs = fix_host_new();
	struct host_vm *vm = fix_host_add_vm(hs, "vm");
	struct host_exit exits[6];
	struct host_vcpu vcpus[5];
	size_t i, nr;
	char *page;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(exits); i++)
		exits[i] = fix_exit(EXIT_ISA_VMX, i, 10 + i, 1000);
	for (i = 0; i < ARRAY_SIZE(vcpus); i++)
		vcpus[i] = (struct host_vcpu){ .id = i, .state_ns = { FIX_SEC * (i + 1) } };
	FIX_ARRAY(vm, exits, exits);
	FIX_ARRAY(vm, vcpus, vcpus);
	page = page_of(hs, &opts, METRICS_TEXT, NULL);
	assert_int_equal(sum_of(page, "ukprof_vm_exits_total{", &nr), 10 + 11 + 12 + 13 + 14 + 15);
	assert_int_equal(nr, 4);
	assert_value(page, "ukprof_vm_exits_total{vm=\"vm\",reason=\"other\"}", "42");
	assert_value(page, "ukprof_vm_exit_duration_seconds_count{vm=\"vm\",reason=\"other\"}",
		     "42");
	assert_value(page, "ukprof_vcpu_seconds_total{vm=\"vm\",vcpu=\"1\",state=\"guest\"}", "2");
	assert_value(page, "ukprof_vcpu_seconds_total{vm=\"vm\",vcpu=\"other\",state=\"guest\"}",
		     "12");
	assert_int_equal(sum_of(page, "ukprof_vcpu_seconds_total{", &nr), 15);
	assert_int_equal(nr, 3 * HOST_NR_VCPU_STATES);
	free(page);
	vm->exits[5].count = 1000000;
	page = page_of(hs, &opts, METRICS_TEXT, NULL);
	assert_value(page, "ukprof_vm_exits_total{vm=\"vm\",reason=\"EXCEPTION_NMI\"}", "10");
	assert_value(page, "ukprof_vm_exits_total{vm=\"vm\",reason=\"other\"}", "1000027");
	free(page);
	/* Exactly as many as there is room for: nobody is "other". */
	vm->nr_exits = 3;
	vm->nr_vcpus = 2;
	page = page_of(hs, &opts, METRICS_TEXT, NULL);
	assert_null(strstr(page, "=\"other\""));
	free(page);
	host_stats__put(hs);
}

static void functions_are_counted_once(void **state)
{
	struct host_stats *hs = fix_host_new();
	struct host_vm *vm = fix_host_add_vm(hs, "vm");
	struct host_function functions[] = { { "hot_leaf", 5, false },
					     { "C::f(int)", 3, false },
					     { "hot_leaf", 4, true },
					     { "hot_leaf", 2, false } };
	struct metrics_opts opts = { .max_functions = 1 };
	char *page;

	(void)state;
	FIX_ARRAY(vm, functions, functions);
	page = page_of(hs, NULL, METRICS_TEXT, NULL);
	assert_value(page, "ukprof_vm_function_samples_total{vm=\"vm\",function=\"hot_leaf\"}",
		     "7");
	assert_value(page, "ukprof_vm_function_samples_total{vm=\"vm\",function=\"hot_leaf [unverified]\"}", "4");
	assert_value(page, "ukprof_vm_function_samples_total{vm=\"vm\",function=\"C::f(int)\"}",
		     "3");
	free(page);
	page = page_of(hs, &opts, METRICS_TEXT, NULL);
	assert_null(strstr(page, "C::f"));
	free(page);
	host_stats__put(hs);
}

/* --- labels of VMs --- */

static void labels_are_names_where_names_are_fit(void **state)
{
	static const char *const plain[] = {
		"web0", "a b", "semi;colon", "\"q\\\"", "\xf0\x9f\xa6\x84", "~"
	};
	struct strbuf sb = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(plain); i++) {
		strbuf__truncate(&sb, 0);
		vm_label__add(&sb, plain[i]);
		assert_string_equal(strbuf__str(&sb), plain[i]);
	}
	strbuf__truncate(&sb, 0);
	vm_label__add(&sb, "a\nb");
	assert_memory_equal(sb.data, "a?b~", 4);
	assert_int_equal(sb.len, 12);
	strbuf__free(&sb);
}

static void labels_are_unique_short_and_found(void **state)
{
	struct host_stats *hs = fix_host_hostile();
	struct vm_labels *labels = NULL;
	size_t i, k;

	(void)state;
	assert_int_equal(vm_labels__new(&labels, hs), 0);
	for (i = 0; i < hs->nr_vms; i++) {
		assert_int_equal(vm_labels__find(labels, vm_labels__get(labels, i)), i);
		assert_true(strlen(vm_labels__get(labels, i)) <= VM_LABEL_MAX_BYTES);
		for (k = 0; k < i; k++)
			assert_string_not_equal(vm_labels__get(labels, i),
						vm_labels__get(labels, k));
	}
	assert_int_equal(vm_labels__find(labels, "no such VM"), -ENOENT);
	vm_labels__free(labels);
	host_stats__put(hs);
}

/* A series must not change its VM because another VM came or went. */
static void labels_do_not_depend_on_other_vms(void **state)
{
	struct host_stats *all = fix_host_new(), *one;
	struct vm_labels *a = NULL, *b = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(fix_hostile_names); i++)
		fix_host_add_vm(all, fix_hostile_names[i]);
	assert_int_equal(vm_labels__new(&a, all), 0);
	for (i = 0; i < ARRAY_SIZE(fix_hostile_names); i++) {
		one = fix_host_new();
		fix_host_add_vm(one, fix_hostile_names[i]);
		assert_int_equal(vm_labels__new(&b, one), 0);
		assert_string_equal(vm_labels__get(a, i), vm_labels__get(b, 0));
		vm_labels__free(b);
		host_stats__put(one);
	}
	vm_labels__free(a);
	host_stats__put(all);
}

/* --- negotiation --- */

static void negotiates(void **state)
{
	static const struct {
		const char *accept;
		enum metrics_format want;
	} cases[] = {
		{ NULL, METRICS_TEXT },
		{ "", METRICS_TEXT },
		{ "*/*", METRICS_TEXT }, /* curl */
		{ "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", METRICS_TEXT },
		/* Prometheus 2.42 */
		{ "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
		  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		  METRICS_OPENMETRICS },
		/* Prometheus 3 */
		{ "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
		  "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;"
		  "q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
		  METRICS_OPENMETRICS },
		/* the same with native histograms */
		{ "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,"
		  "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3",
		  METRICS_OPENMETRICS },
		{ "application/openmetrics-text", METRICS_OPENMETRICS },
		{ "Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.9", METRICS_OPENMETRICS },
		{ "application/openmetrics-text;q=0", METRICS_TEXT },
		{ "application/openmetrics-text;q=0.000", METRICS_TEXT },
		{ "application/openmetrics-text;q=0.001", METRICS_OPENMETRICS },
		{ "application/openmetrics-text;version=2.0.0", METRICS_TEXT },
		{ "application/openmetrics-text;version=0.0.1", METRICS_TEXT },
		{ "application/openmetrics-text;q=0.5,text/plain", METRICS_TEXT },
		{ "application/openmetrics-text;q=0.5,text/plain;q=0.5", METRICS_OPENMETRICS },
		{ "application/openmetrics-text;q=0.5,*/*", METRICS_TEXT },
		/* The specific range counts, not the greater quality. */
		{ "application/openmetrics-text;q=0.5,text/plain;q=0.1,*/*", METRICS_OPENMETRICS },
		{ "application/openmetrics-text;q=0.5,text/*;q=0.6,*/*;q=0.1", METRICS_TEXT },
		{ "application/*", METRICS_OPENMETRICS },
		{ "application/json", METRICS_TEXT },
		{ "text/plain;x=\"a,application/openmetrics-text\"", METRICS_TEXT },
		{ "text/plain;x=\"\\\",application/openmetrics-text", METRICS_TEXT },
		{ ",,;;,q=1,;q=,=", METRICS_TEXT },
		{ " , application/openmetrics-text ;;; , ", METRICS_OPENMETRICS },
		{ "application/openmetrics-text;q=bad", METRICS_OPENMETRICS },
		{ "application/openmetrics-textx", METRICS_TEXT },
		{ "\xff\xfe\"", METRICS_TEXT },
	};
	char *long_accept;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (metrics__negotiate(cases[i].accept) != cases[i].want)
			fail_msg("%s", cases[i].accept);
	long_accept = malloc(100001);
	assert_non_null(long_accept);
	memset(long_accept, 'a', 100000);
	long_accept[100000] = '\0';
	assert_int_equal(metrics__negotiate(long_accept), METRICS_TEXT);
	free(long_accept);
	assert_string_equal(metrics__content_type(METRICS_TEXT),
			    "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
	assert_string_equal(
		metrics__content_type(METRICS_OPENMETRICS),
		"application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_golden),
		cmocka_unit_test(every_metric_is_described),
		cmocka_unit_test(depends_on_the_snapshot_only),
		cmocka_unit_test(times_are_exact_seconds),
		cmocka_unit_test(new_vms_have_their_series_at_once),
		cmocka_unit_test(shows_its_age),
		cmocka_unit_test(leaves_itself_out_when_asked),
		cmocka_unit_test(bounds_are_spelled_as_go_spells_them),
		cmocka_unit_test(histograms_cumulate),
		cmocka_unit_test(hostile_guests_cannot_break_the_page),
		cmocka_unit_test(a_vm_has_a_budget),
		cmocka_unit_test(folding_keeps_sums_and_members),
		cmocka_unit_test(functions_are_counted_once),
		cmocka_unit_test(labels_are_names_where_names_are_fit),
		cmocka_unit_test(labels_are_unique_short_and_found),
		cmocka_unit_test(labels_do_not_depend_on_other_vms),
		cmocka_unit_test(negotiates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
