/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "exit_names.h"
#include "host_stats.h"
#include "name.h"
#include "sink.h"
#include "strbuf.h"
#include "vm_label.h"

#define ARRAY_SIZE(a)         (sizeof(a) / sizeof((a)[0]))

#define NR_BOUNDS             (METRICS_LOG2_MAX - METRICS_LOG2_MIN + 1)
#define DEFAULT_MAX_REASONS   12
#define DEFAULT_MAX_VCPUS     8
#define DEFAULT_MAX_FUNCTIONS 100
#define DEFAULT_MAX_KVM_STATS 32

/* A piece of writer.text: that buffer moves while it grows. */
struct piece {
	size_t start;
	size_t len;
};

/* Exits of one reason as they are shown: several codes may share a name, or "other". */
struct reason {
	struct piece label;
	struct host_exit exits;
};

struct function {
	struct piece label;
	uint64_t samples;
};

/* What the hottest are listed of. */
enum top { TOP_FUNCTIONS, TOP_LIBRARIES, NR_TOPS };

struct vm_view {
	struct piece label;
	size_t first_reason;
	size_t nr_reasons;
	size_t first_top[NR_TOPS];
	size_t nr_tops[NR_TOPS];
};

struct metric;

struct writer {
	struct sink *sink;
	const struct host_stats *hs;
	struct metrics_opts opts; /* resolved */
	enum metrics_format format;
	const struct metric *metric; /* that is being written */
	bool has_header;             /* of that metric */
	bool has_label;              /* of the series */
	struct vm_view *vms;
	struct reason *reasons;
	struct function *tops[NR_TOPS];
	struct strbuf text;   /* label values, escaped */
	struct strbuf prefix; /* of a histogram's lines */
	struct strbuf value;  /* a label value on its way */
	char bounds[NR_BOUNDS][24];
	size_t len;
	char buf[32 * 1024]; /* on its way to the sink */
};

enum metric_type {
	COUNTER,
	GAUGE,
	HISTOGRAM,
	INFO,
};

/* One metric. Exactly one of the three getters is set; times are in nanoseconds throughout. */
struct metric {
	const char *name; /* of the family: without _total and _info */
	enum metric_type type;
	const char *
		unit; /* last part of the name; "seconds": the value is printed so. NULL: a number */
	const char *help;
	uint64_t (*host)(const struct host_stats *hs);
	uint64_t (*vm)(const struct host_vm *vm);
	void (*put)(struct writer *w);
	bool is_exporter; /* about this process, not about VMs */
};

/* --- bytes --- */

static void flush(struct writer *w)
{
	sink__write(w->sink, w->buf, w->len);
	w->len = 0;
}

static void put(struct writer *w, const void *data, size_t len)
{
	if (len > sizeof(w->buf) - w->len) {
		flush(w);
		if (len > sizeof(w->buf)) {
			sink__write(w->sink, data, len);
			return;
		}
	}
	memcpy(w->buf + w->len, data, len);
	w->len += len;
}

static void puts_to(struct writer *w, const char *str)
{
	put(w, str, strlen(str));
}

#define PUT_LITERAL(w, literal) put((w), (literal), sizeof(literal) - 1)

/* Decimal digits at the end of @buf. Return: the first. */
static const char *format_number(char buf[20], uint64_t v)
{
	char *p = buf + 20;

	do {
		*--p = '0' + v % 10;
		v /= 10;
	} while (v);
	return p;
}

static void put_number(struct writer *w, uint64_t v)
{
	char buf[20];
	const char *digits = format_number(buf, v);

	put(w, digits, buf + sizeof(buf) - digits);
}

/* Nanoseconds as seconds: all digits and no rounding, so that the difference of two pages is exact. */
static void put_seconds(struct writer *w, uint64_t ns)
{
	uint32_t rest = ns % 1000000000u;
	char digits[10] = ".";
	size_t len = 10, i;

	put_number(w, ns / 1000000000u);
	if (!rest)
		return;
	for (i = 9; i; i--, rest /= 10)
		digits[i] = '0' + rest % 10;
	while (digits[len - 1] == '0')
		len--;
	put(w, digits, len);
}

/* --- one series --- */

static const char *const type_names[2][4] = {
	[METRICS_TEXT] = { "counter", "gauge", "histogram", "gauge" },
	[METRICS_OPENMETRICS] = { "counter", "gauge", "histogram", "info" },
};

static const char *sample_suffix(const struct metric *m)
{
	return m->type == COUNTER ? "_total" : m->type == INFO ? "_info" : "";
}

/* A metric without series has no header either. */
static void put_header(struct writer *w)
{
	const struct metric *m = w->metric;
	const char *suffix = w->format == METRICS_TEXT ? sample_suffix(m) : "";

	w->has_header = true;
	PUT_LITERAL(w, "# HELP ");
	puts_to(w, m->name);
	puts_to(w, suffix);
	PUT_LITERAL(w, " ");
	puts_to(w, m->help);
	PUT_LITERAL(w, "\n# TYPE ");
	puts_to(w, m->name);
	puts_to(w, suffix);
	PUT_LITERAL(w, " ");
	puts_to(w, type_names[w->format][m->type]);
	PUT_LITERAL(w, "\n");
	if (w->format == METRICS_OPENMETRICS && m->unit) {
		PUT_LITERAL(w, "# UNIT ");
		puts_to(w, m->name);
		PUT_LITERAL(w, " ");
		puts_to(w, m->unit);
		PUT_LITERAL(w, "\n");
	}
}

static void begin(struct writer *w)
{
	if (!w->has_header)
		put_header(w);
	puts_to(w, w->metric->name);
	puts_to(w, sample_suffix(w->metric));
	w->has_label = false;
}

/* @value: escaped. */
static void put_label_bytes(struct writer *w, const char *key, const char *value, size_t len)
{
	put(w, w->has_label ? "," : "{", 1);
	w->has_label = true;
	puts_to(w, key);
	PUT_LITERAL(w, "=\"");
	put(w, value, len);
	PUT_LITERAL(w, "\"");
}

/* @value: static, nothing in it to escape. */
static void put_label(struct writer *w, const char *key, const char *value)
{
	put_label_bytes(w, key, value, strlen(value));
}

static void put_label_piece(struct writer *w, const char *key, struct piece piece)
{
	put_label_bytes(w, key, w->text.data + piece.start, piece.len);
}

static void put_label_number(struct writer *w, const char *key, uint64_t value)
{
	char buf[20];
	const char *digits = format_number(buf, value);

	put_label_bytes(w, key, digits, buf + sizeof(buf) - digits);
}

static void add_escaped(struct strbuf *sb, const char *str)
{
	size_t n;

	for (;; str++) {
		n = strcspn(str, "\\\"\n");
		strbuf__add(sb, str, n);
		str += n;
		if (!*str)
			return;
		strbuf__addc(sb, '\\');
		strbuf__addc(sb, *str == '\n' ? 'n' : *str);
	}
}

/* @value: any bytes, or NULL, which is an empty value: to readers the same as no label. */
static void put_label_untrusted(struct writer *w, const char *key, const char *value)
{
	struct strbuf clean = { 0 };

	strbuf__truncate(&w->value, 0);
	if (value && *value) {
		vm_label__add(&clean, value);
		add_escaped(&w->value, strbuf__str(&clean));
		/* Errors of this one must not get lost with it. */
		if (strbuf__err(&clean))
			w->value.err = strbuf__err(&clean);
		strbuf__free(&clean);
	}
	put_label_bytes(w, key, strbuf__str(&w->value), w->value.len);
}

static void put_label_vm(struct writer *w, size_t i)
{
	put_label_piece(w, "vm", w->vms[i].label);
}

static void end(struct writer *w, uint64_t value)
{
	if (w->has_label)
		PUT_LITERAL(w, "}");
	PUT_LITERAL(w, " ");
	if (w->metric->unit && !strcmp(w->metric->unit, "seconds"))
		put_seconds(w, value);
	else
		put_number(w, value);
	PUT_LITERAL(w, "\n");
}

/* --- getters: the host --- */

static void put_build(struct writer *w)
{
	begin(w);
	put_label_untrusted(w, "version", w->hs->version);
	put_label_untrusted(w, "revision", w->hs->revision);
	put_label_untrusted(w, "libbpf", w->hs->libbpf);
	end(w, 1);
}

static void put_collector(struct writer *w)
{
	begin(w);
	put_label_untrusted(w, "level", w->hs->level);
	put_label_untrusted(w, "host_kernel", w->hs->host);
	end(w, 1);
}

static uint64_t host_start(const struct host_stats *hs)
{
	return hs->start_wall_ns;
}

static void put_age(struct writer *w)
{
	uint64_t now = w->opts.now_mono_ns, then = w->hs->mono_ns;

	begin(w);
	end(w, now > then ? now - then : 0);
}

static uint64_t host_snapshots(const struct host_stats *hs)
{
	return hs->nr_snapshots;
}

static uint64_t host_collect(const struct host_stats *hs)
{
	return hs->collect_ns;
}

static uint64_t host_vms(const struct host_stats *hs)
{
	uint64_t nr = 0;
	size_t i;

	for (i = 0; i < hs->nr_vms; i++)
		nr += hs->vms[i].up;
	return nr;
}

static uint64_t host_vms_seen(const struct host_stats *hs)
{
	return hs->nr_vms_seen;
}

static uint64_t host_vms_gone(const struct host_stats *hs)
{
	return hs->nr_vms_gone;
}

static uint64_t host_vms_missed(const struct host_stats *hs)
{
	return hs->nr_vms_missed;
}

static void put_counters(struct writer *w, const char *key, const struct host_counter *counters,
			 size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		begin(w);
		put_label(w, key, counters[i].label);
		end(w, counters[i].value);
	}
}

static void put_drops(struct writer *w)
{
	put_counters(w, "source", w->hs->drops, w->hs->nr_drops);
}

static void put_events(struct writer *w)
{
	put_counters(w, "event", w->hs->counters, w->hs->nr_counters);
}

static void put_bpf_runs(struct writer *w)
{
	size_t i;

	for (i = 0; i < w->hs->nr_costs; i++) {
		begin(w);
		put_label(w, "program", w->hs->costs[i].program);
		end(w, w->hs->costs[i].runs);
	}
}

static void put_bpf_time(struct writer *w)
{
	size_t i;

	for (i = 0; i < w->hs->nr_costs; i++) {
		begin(w);
		put_label(w, "program", w->hs->costs[i].program);
		end(w, w->hs->costs[i].run_ns);
	}
}

/* --- getters: VMs --- */

static void put_vm_info(struct writer *w)
{
	const struct host_vm *vm;
	size_t i;

	for (i = 0; i < w->hs->nr_vms; i++) {
		vm = &w->hs->vms[i];
		begin(w);
		put_label_vm(w, i);
		put_label_number(w, "pid", vm->pid > 0 ? vm->pid : 0);
		put_label_untrusted(w, "vmm", vm->vmm);
		put_label_untrusted(w, "kernel", vm->image_name);
		put_label_untrusted(w, "build_id", vm->build_id);
		put_label_untrusted(w, "uuid", vm->uuid);
		end(w, 1);
	}
}

static void put_image_info(struct writer *w)
{
	const struct host_image *image;
	size_t i, k;

	for (i = 0; i < w->hs->nr_vms; i++) {
		for (k = 0; k < w->hs->vms[i].nr_images; k++) {
			image = &w->hs->vms[i].images[k];
			begin(w);
			put_label_vm(w, i);
			put_label_number(w, "nr", k);
			put_label_untrusted(w, "image", image->path);
			put_label_untrusted(w, "build_id", image->build_id);
			put_label(w, "state", host_image_state__label(image->state));
			end(w, 1);
		}
	}
}

static uint64_t vm_up(const struct host_vm *vm)
{
	return vm->up;
}

static uint64_t vm_vcpus(const struct host_vm *vm)
{
	return vm->nr_vcpus;
}

static uint64_t vm_memory(const struct host_vm *vm)
{
	return vm->mem_bytes;
}

static uint64_t vm_seen(const struct host_vm *vm)
{
	return vm->seen_wall_ns;
}

static uint64_t vm_frames(const struct host_vm *vm)
{
	return vm->nr_frames;
}

static uint64_t vm_unresolved_frames(const struct host_vm *vm)
{
	return vm->nr_unresolved_frames;
}

static uint64_t vm_unresolved_samples(const struct host_vm *vm)
{
	return vm->nr_unresolved_samples;
}

static uint64_t vm_virqs(const struct host_vm *vm)
{
	return vm->nr_virqs;
}

static void put_image_state(struct writer *w)
{
	size_t i;
	int state;

	for (i = 0; i < w->hs->nr_vms; i++) {
		for (state = 0; state < HOST_NR_IMAGE_STATES; state++) {
			begin(w);
			put_label_vm(w, i);
			put_label(w, "state", host_image_state__label(state));
			end(w, w->hs->vms[i].image == (enum host_image_state)state);
		}
	}
}

static void put_samples(struct writer *w)
{
	static const char *const modes[HOST_NR_PLACES] = {
		[SNAP_PLACE_GUEST] = "guest",
		[SNAP_PLACE_KVM] = "kvm",
		[SNAP_PLACE_VMM] = "vmm",
	};
	size_t i, place;

	for (i = 0; i < w->hs->nr_vms; i++) {
		for (place = 0; place < HOST_NR_PLACES; place++) {
			begin(w);
			put_label_vm(w, i);
			put_label(w, "mode", modes[place]);
			end(w, w->hs->vms[i].samples[place]);
		}
	}
}

/* @counts: of one VM, @nr; NULL are zeros: the set of series is constant. */
static void put_labelled(struct writer *w, size_t vm, const char *key,
			 const struct host_label *labels, size_t nr, const uint64_t *counts)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		begin(w);
		put_label_vm(w, vm);
		put_label(w, key, labels[i].label);
		end(w, counts ? counts[i] : 0);
	}
}

static void put_stops(struct writer *w)
{
	size_t i;

	for (i = 0; i < w->hs->nr_vms; i++)
		put_labelled(w, i, "stop", w->hs->stops, w->hs->nr_stops, w->hs->vms[i].stops);
}

static void put_methods(struct writer *w)
{
	size_t i;

	for (i = 0; i < w->hs->nr_vms; i++)
		put_labelled(w, i, "method", w->hs->methods, w->hs->nr_methods,
			     w->hs->vms[i].methods);
}

static void put_vcpu_states(struct writer *w)
{
	uint64_t other[HOST_NR_VCPU_STATES];
	const struct host_vcpu *vcpu;
	const struct host_vm *vm;
	size_t i, v;
	int state;

	for (i = 0; i < w->hs->nr_vms; i++) {
		vm = &w->hs->vms[i];
		memset(other, 0, sizeof(other));
		for (v = 0; v < vm->nr_vcpus; v++) {
			vcpu = &vm->vcpus[v];
			for (state = 0; state < HOST_NR_VCPU_STATES; state++) {
				if (v >= w->opts.max_vcpus) {
					other[state] += vcpu->state_ns[state];
					continue;
				}
				begin(w);
				put_label_vm(w, i);
				put_label_number(w, "vcpu", vcpu->id);
				put_label(w, "state", host_vcpu_state__label(state));
				end(w, vcpu->state_ns[state]);
			}
		}
		if (vm->nr_vcpus <= w->opts.max_vcpus)
			continue;
		for (state = 0; state < HOST_NR_VCPU_STATES; state++) {
			begin(w);
			put_label_vm(w, i);
			put_label(w, "vcpu", "other");
			put_label(w, "state", host_vcpu_state__label(state));
			end(w, other[state]);
		}
	}
}

/* --- getters: VM exits --- */

static void put_exits(struct writer *w)
{
	const struct vm_view *vm;
	size_t i, r;

	for (i = 0; i < w->hs->nr_vms; i++) {
		vm = &w->vms[i];
		for (r = vm->first_reason; r < vm->first_reason + vm->nr_reasons; r++) {
			begin(w);
			put_label_vm(w, i);
			put_label_piece(w, "reason", w->reasons[r].label);
			end(w, w->reasons[r].exits.count);
		}
	}
}

static void put_exit_user_time(struct writer *w)
{
	const struct vm_view *vm;
	size_t i, r;

	for (i = 0; i < w->hs->nr_vms; i++) {
		vm = &w->vms[i];
		for (r = vm->first_reason; r < vm->first_reason + vm->nr_reasons; r++) {
			begin(w);
			put_label_vm(w, i);
			put_label_piece(w, "reason", w->reasons[r].label);
			end(w, w->reasons[r].exits.user_ns);
		}
	}
}

/* NAME_SUFFIX{vm="...",reason="..." into the prefix: most of a line, the same for all buckets. */
static void begin_histogram_line(struct writer *w, const char *suffix, struct piece vm,
				 struct piece reason)
{
	struct strbuf *sb = &w->prefix;

	strbuf__truncate(sb, 0);
	strbuf__puts(sb, w->metric->name);
	strbuf__puts(sb, suffix);
	strbuf__puts(sb, "{vm=\"");
	strbuf__add(sb, w->text.data + vm.start, vm.len);
	strbuf__puts(sb, "\",reason=\"");
	strbuf__add(sb, w->text.data + reason.start, reason.len);
	strbuf__puts(sb, "\"");
}

static void put_prefix(struct writer *w)
{
	put(w, strbuf__str(&w->prefix), w->prefix.len);
}

/*
 * Cumulative buckets. Bucket i holds durations below 2^(i+1) ns, so those up to i = k - 1 are the ones "le" 2^k;
 * an exit of exactly 2^k ns counts as longer, which is an error of one nanosecond.
 *
 * The count is the sum of the buckets and not nr_timed: the two are read one after the other from a table
 * that changes, and readers reject a histogram that contradicts itself.
 */
static void put_histogram(struct writer *w, struct piece vm, const struct reason *reason)
{
	const struct host_exit *e = &reason->exits;
	uint64_t sum = 0;
	size_t i = 0, k;

	if (!w->has_header)
		put_header(w);
	begin_histogram_line(w, "_bucket", vm, reason->label);
	strbuf__puts(&w->prefix, ",le=\"");
	for (k = 0; k < NR_BOUNDS; k++) {
		for (; i < METRICS_LOG2_MIN + k && i < EXIT_NR_BUCKETS; i++)
			sum += e->buckets[i];
		put_prefix(w);
		puts_to(w, w->bounds[k]);
		PUT_LITERAL(w, "\"} ");
		put_number(w, sum);
		PUT_LITERAL(w, "\n");
	}
	for (; i < EXIT_NR_BUCKETS; i++)
		sum += e->buckets[i];
	put_prefix(w);
	PUT_LITERAL(w, "+Inf\"} ");
	put_number(w, sum);
	begin_histogram_line(w, "_sum", vm, reason->label);
	PUT_LITERAL(w, "\n");
	put_prefix(w);
	PUT_LITERAL(w, "} ");
	put_seconds(w, e->total_ns);
	begin_histogram_line(w, "_count", vm, reason->label);
	PUT_LITERAL(w, "\n");
	put_prefix(w);
	PUT_LITERAL(w, "} ");
	put_number(w, sum);
	PUT_LITERAL(w, "\n");
}

static void put_exit_durations(struct writer *w)
{
	const struct vm_view *vm;
	size_t i, r;

	for (i = 0; i < w->hs->nr_vms; i++) {
		vm = &w->vms[i];
		for (r = vm->first_reason; r < vm->first_reason + vm->nr_reasons; r++)
			put_histogram(w, vm->label, &w->reasons[r]);
	}
}

/* --- getters: what has to be asked for --- */

static void put_top(struct writer *w, enum top top, const char *name)
{
	const struct vm_view *vm;
	size_t i, f;

	for (i = 0; i < w->hs->nr_vms; i++) {
		vm = &w->vms[i];
		for (f = vm->first_top[top]; f < vm->first_top[top] + vm->nr_tops[top]; f++) {
			begin(w);
			put_label_vm(w, i);
			put_label_piece(w, name, w->tops[top][f].label);
			end(w, w->tops[top][f].samples);
		}
	}
}

static void put_functions(struct writer *w)
{
	put_top(w, TOP_FUNCTIONS, "function");
}

static void put_libraries(struct writer *w)
{
	put_top(w, TOP_LIBRARIES, "library");
}

static void put_kvm_stats(struct writer *w, bool cumulative)
{
	const struct host_vm *vm;
	size_t i, k;

	for (i = 0; i < w->hs->nr_vms; i++) {
		vm = &w->hs->vms[i];
		for (k = 0; k < vm->nr_kvm_stats && k < w->opts.max_kvm_stats; k++) {
			if (vm->kvm_stats[k].cumulative != cumulative)
				continue;
			begin(w);
			put_label_vm(w, i);
			put_label_untrusted(w, "stat", vm->kvm_stats[k].name);
			end(w, vm->kvm_stats[k].value);
		}
	}
}

static void put_kvm_counters(struct writer *w)
{
	put_kvm_stats(w, true);
}

static void put_kvm_states(struct writer *w)
{
	put_kvm_stats(w, false);
}

/* --- getters: this process --- */

static void put_http_requests(struct writer *w)
{
	static const char *const classes[HOST_NR_HTTP_CLASSES] = { "1xx", "2xx", "3xx", "4xx",
								   "5xx" };
	size_t i;

	for (i = 0; i < HOST_NR_HTTP_CLASSES; i++) {
		begin(w);
		put_label(w, "code", classes[i]);
		end(w, w->hs->http.requests[i]);
	}
}

static uint64_t http_connections(const struct host_stats *hs)
{
	return hs->http.connections;
}

static uint64_t http_open(const struct host_stats *hs)
{
	return hs->http.connections_open;
}

static void put_http_refused(struct writer *w)
{
	put_counters(w, "reason", w->hs->http.refused, w->hs->http.nr_refused);
}

static void put_profile_requests(struct writer *w)
{
	begin(w);
	put_label(w, "result", "served");
	end(w, w->hs->http.profiles_served);
	begin(w);
	put_label(w, "result", "refused");
	end(w, w->hs->http.profiles_refused);
}

static uint64_t profiles_running(const struct host_stats *hs)
{
	return hs->http.profiles_running;
}

static uint64_t process_cpu(const struct host_stats *hs)
{
	return hs->self.cpu_ns;
}

static uint64_t process_rss(const struct host_stats *hs)
{
	return hs->self.rss_bytes;
}

static uint64_t process_virtual(const struct host_stats *hs)
{
	return hs->self.virtual_bytes;
}

static uint64_t process_open_fds(const struct host_stats *hs)
{
	return hs->self.open_fds;
}

static uint64_t process_max_fds(const struct host_stats *hs)
{
	return hs->self.max_fds;
}

static uint64_t process_start(const struct host_stats *hs)
{
	return hs->self.start_wall_ns;
}

/* --- the table --- */

/* Help texts hold no backslash, quote or line end: neither format would take them as they are. */
static const struct metric metrics[] = {
	{ "ukprof_build", INFO, NULL,
	  "Version of ukprof and of the library that loads its BPF programs.", .put = put_build },
	{ "ukprof_collector", INFO, NULL, "What is collected, and the kernel of this host.",
	  .put = put_collector },
	{ "ukprof_start_time_seconds", GAUGE, "seconds",
	  "Unix time at which ukprof began to collect.", .host = host_start },
	{ "ukprof_snapshot_age_seconds", GAUGE, "seconds", "Age of the figures on this page.",
	  .put = put_age },
	{ "ukprof_snapshots", COUNTER, NULL, "Times that the figures on this page were collected.",
	  .host = host_snapshots },
	{ "ukprof_snapshot_collect_seconds", GAUGE, "seconds",
	  "Time that collecting the figures on this page took.", .host = host_collect },

	{ "ukprof_vms", GAUGE, NULL, "VMs that run and are watched.", .host = host_vms },
	{ "ukprof_vms_seen", COUNTER, NULL, "VMs found since the start.", .host = host_vms_seen },
	{ "ukprof_vms_gone", COUNTER, NULL, "VMs that ended while they were watched.",
	  .host = host_vms_gone },
	{ "ukprof_vms_missed", COUNTER, NULL,
	  "VMs that were created and never seen: no room, no permission, or gone too soon.",
	  .host = host_vms_missed },

	{ "ukprof_vm", INFO, NULL, "Facts about a VM, to be joined with its other series.",
	  .put = put_vm_info },
	{ "ukprof_vm_up", GAUGE, NULL, "1 while the VMM runs.", .vm = vm_up },
	{ "ukprof_vm_image_state", GAUGE, NULL,
	  "1 for what is known of the image whose names are shown, of several the worst; 0 for the other states.",
	  .put = put_image_state },
	{ "ukprof_vm_image", INFO, NULL, "Each image that a VM runs, or is said to run, and what is known of it.",
	  .put = put_image_info },
	{ "ukprof_vm_vcpus", GAUGE, NULL, "vCPUs that have run.", .vm = vm_vcpus },
	{ "ukprof_vm_memory_bytes", GAUGE, "bytes", "Size of the VM's memory slots.",
	  .vm = vm_memory },
	{ "ukprof_vm_seen_time_seconds", GAUGE, "seconds",
	  "Unix time at which the VM was first seen.", .vm = vm_seen },
	{ "ukprof_vcpu_seconds", COUNTER, "seconds",
	  "Time of vCPU threads by what they did; all states of a vCPU add up to the time it was watched.",
	  .put = put_vcpu_states },

	{ "ukprof_samples", COUNTER, NULL, "Samples of vCPU threads by where they hit.",
	  .put = put_samples },
	{ "ukprof_vm_stacks", COUNTER, NULL,
	  "Sampled guest stacks by why their walk ended; root is a complete stack.",
	  .put = put_stops },
	{ "ukprof_vm_unwound_stacks", COUNTER, NULL,
	  "Sampled guest stacks by how their callers were found.", .put = put_methods },
	{ "ukprof_vm_frames", COUNTER, NULL, "Frames of guest stacks that were looked up.",
	  .vm = vm_frames },
	{ "ukprof_unresolved_frames", COUNTER, NULL, "Frames of guest stacks that have no name.",
	  .vm = vm_unresolved_frames },
	{ "ukprof_unresolved_samples", COUNTER, NULL, "Samples whose leaf has no name.",
	  .vm = vm_unresolved_samples },
	{ "ukprof_vm_function_samples", COUNTER, NULL, "Samples that hit a function itself.",
	  .put = put_functions },
	{ "ukprof_vm_library_samples", COUNTER, NULL, "Samples that hit the functions of a library themselves.",
	  .put = put_libraries },

	{ "ukprof_vm_exits", COUNTER, NULL, "VM exits by reason.", .put = put_exits },
	{ "ukprof_vm_exit_duration_seconds", HISTOGRAM, "seconds",
	  "Time from a VM exit to the next VM entry of the vCPU.", .put = put_exit_durations },
	{ "ukprof_vm_exit_user_seconds", COUNTER, "seconds",
	  "Time of those VM exits that were handled by the VMM's user code.",
	  .put = put_exit_user_time },
	{ "ukprof_vm_interrupts_injected", COUNTER, NULL, "Interrupts injected into the guest.",
	  .vm = vm_virqs },
	{ "ukprof_vm_kvm_events", COUNTER, NULL,
	  "What KVM counts itself, cumulative, by its own name.", .put = put_kvm_counters },
	{ "ukprof_vm_kvm_state", GAUGE, NULL,
	  "What KVM counts itself, at present, by its own name.", .put = put_kvm_states },

	{ "ukprof_lost_events", COUNTER, NULL, "Events that were lost, by where.",
	  .put = put_drops },
	{ "ukprof_events", COUNTER, NULL, "Events of the collector, by kind.", .put = put_events },
	{ "ukprof_bpf_runs", COUNTER, NULL,
	  "Runs of BPF programs, where kernel.bpf_stats_enabled is on.", .put = put_bpf_runs },
	{ "ukprof_bpf_run_seconds", COUNTER, "seconds",
	  "Time that BPF programs ran, where kernel.bpf_stats_enabled is on.",
	  .put = put_bpf_time },

	{ "ukprof_http_requests", COUNTER, NULL, "HTTP requests answered, by class of status code.",
	  .put = put_http_requests, .is_exporter = true },
	{ "ukprof_http_connections", COUNTER, NULL, "HTTP connections accepted.",
	  .host = http_connections, .is_exporter = true },
	{ "ukprof_http_open_connections", GAUGE, NULL, "HTTP connections that are open.",
	  .host = http_open, .is_exporter = true },
	{ "ukprof_http_refused", COUNTER, NULL,
	  "HTTP connections and requests turned away, by reason.", .put = put_http_refused,
	  .is_exporter = true },
	{ "ukprof_profile_requests", COUNTER, NULL, "Requests for a profile, by result.",
	  .put = put_profile_requests, .is_exporter = true },
	{ "ukprof_profile_requests_running", GAUGE, NULL,
	  "Requests for a profile that are running.", .host = profiles_running,
	  .is_exporter = true },

	{ "process_cpu_seconds", COUNTER, "seconds",
	  "Total user and system CPU time spent in seconds.", .host = process_cpu,
	  .is_exporter = true },
	{ "process_resident_memory_bytes", GAUGE, "bytes", "Resident memory size in bytes.",
	  .host = process_rss, .is_exporter = true },
	{ "process_virtual_memory_bytes", GAUGE, "bytes", "Virtual memory size in bytes.",
	  .host = process_virtual, .is_exporter = true },
	{ "process_open_fds", GAUGE, NULL, "Number of open file descriptors.",
	  .host = process_open_fds, .is_exporter = true },
	{ "process_max_fds", GAUGE, NULL, "Maximum number of open file descriptors.",
	  .host = process_max_fds, .is_exporter = true },
	{ "process_start_time_seconds", GAUGE, "seconds",
	  "Start time of the process since unix epoch in seconds.", .host = process_start,
	  .is_exporter = true },
};

size_t metrics__nr(void)
{
	return ARRAY_SIZE(metrics);
}

static void put_metric(struct writer *w, const struct metric *m)
{
	size_t i;

	w->metric = m;
	w->has_header = false;
	if (m->put) {
		m->put(w);
	} else if (m->host) {
		begin(w);
		end(w, m->host(w->hs));
	} else {
		for (i = 0; i < w->hs->nr_vms; i++) {
			begin(w);
			put_label_vm(w, i);
			end(w, m->vm(&w->hs->vms[i]));
		}
	}
}

/* --- preparation: labels, and what is folded into "other" --- */

static struct piece add_label(struct writer *w, const char *value)
{
	struct piece piece = { .start = w->text.len };

	add_escaped(&w->text, value);
	piece.len = w->text.len - piece.start;
	return piece;
}

static bool same_piece(const struct writer *w, struct piece a, struct piece b)
{
	return a.len == b.len && !memcmp(w->text.data + a.start, w->text.data + b.start, a.len);
}

static void add_exits(struct host_exit *sum, const struct host_exit *e)
{
	size_t i;

	sum->count += e->count;
	sum->nr_timed += e->nr_timed;
	sum->total_ns += e->total_ns;
	sum->user_ns += e->user_ns;
	for (i = 0; i < EXIT_NR_BUCKETS; i++)
		sum->buckets[i] += e->buckets[i];
}

/* Two codes may have one name, so names are compared; there are few. */
static int prepare_reasons(struct writer *w, struct vm_view *view, const struct host_vm *vm)
{
	struct reason *reasons = w->reasons + view->first_reason;
	struct piece label;
	size_t i, r;

	for (i = 0; i < vm->nr_exits; i++) {
		label.start = w->text.len;
		if (i < w->opts.max_reasons)
			exit_names__reason(&w->text, vm->exits[i].isa, vm->exits[i].reason);
		else
			strbuf__puts(&w->text, "other");
		if (strbuf__err(&w->text))
			return strbuf__err(&w->text);
		label.len = w->text.len - label.start;
		for (r = 0; r < view->nr_reasons; r++)
			if (same_piece(w, reasons[r].label, label))
				break;
		if (r == view->nr_reasons) {
			reasons[r].label = label;
			view->nr_reasons++;
		} else {
			strbuf__truncate(&w->text, label.start);
		}
		add_exits(&reasons[r].exits, &vm->exits[i]);
	}
	return 0;
}

static size_t nr_listed(const struct host_vm *vm, enum top top)
{
	return top == TOP_FUNCTIONS ? vm->nr_functions : vm->nr_libraries;
}

/* Names that are the same once they are clean, made to collide, are one series. */
static int prepare_top(struct writer *w, struct vm_view *view, const struct host_vm *vm, enum top top)
{
	const struct host_function *from = top == TOP_FUNCTIONS ? vm->functions : vm->libraries;
	struct function *to = w->tops[top] + view->first_top[top];
	struct piece label;
	size_t i, f;

	for (i = 0; i < nr_listed(vm, top) && i < w->opts.max_functions; i++) {
		strbuf__truncate(&w->value, 0);
		vm_label__add(&w->value, from[i].name);
		if (from[i].is_unverified)
			strbuf__puts(&w->value, NAME_UNVERIFIED);
		label = add_label(w, strbuf__str(&w->value));
		if (strbuf__err(&w->value) || strbuf__err(&w->text))
			return -ENOMEM;
		for (f = 0; f < view->nr_tops[top]; f++)
			if (same_piece(w, to[f].label, label))
				break;
		if (f == view->nr_tops[top]) {
			to[f].label = label;
			view->nr_tops[top]++;
		} else {
			strbuf__truncate(&w->text, label.start);
		}
		to[f].samples += from[i].samples;
	}
	return 0;
}

#define MIN(a, b) ((a) < (b) ? (a) : (b))

static int prepare(struct writer *w)
{
	const struct host_stats *hs = w->hs;
	size_t nr_reasons = 0, nr_tops[NR_TOPS] = { 0 }, i;
	struct vm_labels *labels = NULL;
	const struct host_vm *vm;
	struct vm_view *view;
	enum top top;
	int err;

	for (i = 0; i < NR_BOUNDS; i++)
		metrics__bound(METRICS_LOG2_MIN + i, w->bounds[i]);
	for (i = 0; i < hs->nr_vms; i++) {
		nr_reasons += MIN(hs->vms[i].nr_exits, w->opts.max_reasons + (size_t)1);
		for (top = 0; top < NR_TOPS; top++)
			nr_tops[top] += MIN(nr_listed(&hs->vms[i], top), w->opts.max_functions);
	}
	/* One more each: nobody has to think about arrays of nothing. */
	w->vms = calloc(hs->nr_vms + 1, sizeof(*w->vms));
	w->reasons = calloc(nr_reasons + 1, sizeof(*w->reasons));
	for (top = 0; top < NR_TOPS; top++)
		w->tops[top] = calloc(nr_tops[top] + 1, sizeof(*w->tops[top]));
	if (!w->vms || !w->reasons || !w->tops[TOP_FUNCTIONS] || !w->tops[TOP_LIBRARIES])
		return -ENOMEM;
	err = vm_labels__new(&labels, hs);
	if (err)
		return err;
	nr_reasons = 0;
	memset(nr_tops, 0, sizeof(nr_tops));
	for (i = 0; i < hs->nr_vms && !err; i++) {
		vm = &hs->vms[i];
		view = &w->vms[i];
		view->label = add_label(w, vm_labels__get(labels, i));
		view->first_reason = nr_reasons;
		err = prepare_reasons(w, view, vm);
		nr_reasons += view->nr_reasons;
		for (top = 0; top < NR_TOPS && !err; top++) {
			view->first_top[top] = nr_tops[top];
			err = prepare_top(w, view, vm, top);
			nr_tops[top] += view->nr_tops[top];
		}
	}
	vm_labels__free(labels);
	return err ? err : strbuf__err(&w->text);
}

static uint32_t or_default(uint32_t value, uint32_t by_default)
{
	return value ? value : by_default;
}

int metrics__write(const struct host_stats *hs, const struct metrics_opts *opts,
		   enum metrics_format format, struct sink *sink)
{
	struct writer *w;
	size_t i;
	int err;

	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->sink = sink;
	w->hs = hs;
	w->format = format;
	if (opts)
		w->opts = *opts;
	w->opts.max_reasons = or_default(w->opts.max_reasons, DEFAULT_MAX_REASONS);
	w->opts.max_vcpus = or_default(w->opts.max_vcpus, DEFAULT_MAX_VCPUS);
	w->opts.max_functions = or_default(w->opts.max_functions, DEFAULT_MAX_FUNCTIONS);
	w->opts.max_kvm_stats = or_default(w->opts.max_kvm_stats, DEFAULT_MAX_KVM_STATS);
	err = prepare(w);
	if (err)
		goto out;

	for (i = 0; i < ARRAY_SIZE(metrics); i++)
		if (!metrics[i].is_exporter || !w->opts.without_exporter)
			put_metric(w, &metrics[i]);
	if (format == METRICS_OPENMETRICS)
		PUT_LITERAL(w, "# EOF\n");
	flush(w);
	err = strbuf__err(&w->prefix);
	if (!err)
		err = strbuf__err(&w->value);
	if (!err)
		err = sink__error(sink);
out:
	strbuf__free(&w->text);
	strbuf__free(&w->prefix);
	strbuf__free(&w->value);
	free(w->vms);
	free(w->reasons);
	free(w->tops[TOP_FUNCTIONS]);
	free(w->tops[TOP_LIBRARIES]);
	free(w);
	return err;
}

/* By hand: printf would write the point as the locale has it. */
void metrics__bound(unsigned int log2_ns, char buf[24])
{
	char digits[20];
	uint64_t v = 1ull << log2_ns;
	size_t nr, len = 0, i;
	int exponent;

	for (nr = 0; v; v /= 10)
		digits[nr++] = '0' + v % 10; /* last digit first */
	exponent = (int)nr - 10;             /* of the first digit, in seconds */
	if (exponent >= 0) {
		for (i = nr; i--;) {
			buf[len++] = digits[i];
			if (i == 9)
				buf[len++] = '.';
		}
	} else if (exponent >= -4) {
		buf[len++] = '0';
		buf[len++] = '.';
		for (i = 1; i < (size_t)-exponent; i++)
			buf[len++] = '0';
		for (i = nr; i--;)
			buf[len++] = digits[i];
	} else {
		buf[len++] = digits[nr - 1];
		if (nr > 1)
			buf[len++] = '.';
		for (i = nr - 1; i--;)
			buf[len++] = digits[i];
		buf[len++] = 'e';
		buf[len++] = '-';
		buf[len++] = '0';
		buf[len++] = '0' - exponent;
	}
	buf[len] = '\0';
}

/* --- negotiation --- */

/* The next part of a list, with a quoted string in one piece; trimmed. Return: 0 at the end. */
static bool next_part(const char **rest, char separator, const char **part, size_t *len)
{
	const char *p = *rest, *end;
	bool quoted = false;

	if (!*p)
		return false;
	for (end = p; *end && (quoted || *end != separator); end++) {
		if (*end == '"')
			quoted = !quoted;
		else if (quoted && *end == '\\' && end[1])
			end++;
	}
	*rest = *end ? end + 1 : end;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*part = p;
	*len = end - p;
	return true;
}

static bool is_word(const char *s, size_t len, const char *word)
{
	return len == strlen(word) && !strncasecmp(s, word, len);
}

/* Thousandths. What is not a quality by the grammar (0.5, 1, 1.000) counts as 1: its sender meant something. */
static int parse_quality(const char *s, size_t len)
{
	int q = 0, digit = 1000;
	size_t i;

	if (!len || len > 5 || (s[0] != '0' && s[0] != '1') || (len > 1 && s[1] != '.'))
		return 1000;
	q = (s[0] - '0') * 1000;
	for (i = 2; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return 1000;
		digit /= 10;
		q += (s[i] - '0') * digit;
	}
	return MIN(q, 1000);
}

/* What one media range says; both are borrowed from the header. */
struct range {
	const char *type;
	size_t type_len;
	const char *version;
	size_t version_len;
	int quality;
};

static void parse_range(const char *s, size_t len, struct range *out)
{
	const char *rest = s, *part, *value;
	char copy[256];
	size_t n;

	*out = (struct range){ .type = "", .quality = 1000 };
	/* A part of its own, ended by NUL; nobody's range is as long as that. */
	if (len >= sizeof(copy))
		return;
	memcpy(copy, s, len);
	copy[len] = '\0';
	rest = copy;
	if (next_part(&rest, ';', &part, &n)) {
		out->type = s + (part - copy);
		out->type_len = n;
	}
	while (next_part(&rest, ';', &part, &n)) {
		value = memchr(part, '=', n);
		if (!value)
			continue;
		n -= value + 1 - part;
		if (is_word(part, value - part, "q")) {
			out->quality = parse_quality(value + 1, n);
		} else if (is_word(part, value - part, "version")) {
			out->version = s + (value + 1 - copy);
			out->version_len = n;
			if (n >= 2 && *out->version == '"') {
				out->version++;
				out->version_len -= 2;
			}
		}
	}
}

enum metrics_format metrics__negotiate(const char *accept)
{
	/* Of text, what the most specific range says; -1: nothing does. */
	int open = 0, text[3] = { -1, -1, -1 }, q_text = 0;
	struct range range;
	const char *part;
	size_t len, i;

	while (accept && next_part(&accept, ',', &part, &len)) {
		parse_range(part, len, &range);
		if (is_word(range.type, range.type_len, "application/openmetrics-text")) {
			if (!range.version || is_word(range.version, range.version_len, "1.0.0") ||
			    is_word(range.version, range.version_len, "1.0"))
				open = open > range.quality ? open : range.quality;
		} else if (is_word(range.type, range.type_len, "application/*")) {
			open = open > range.quality ? open : range.quality;
		} else if (is_word(range.type, range.type_len, "text/plain")) {
			text[0] = text[0] > range.quality ? text[0] : range.quality;
		} else if (is_word(range.type, range.type_len, "text/*")) {
			text[1] = range.quality;
		} else if (is_word(range.type, range.type_len, "*/*")) {
			text[2] = range.quality;
		}
	}
	for (i = 0; i < ARRAY_SIZE(text); i++) {
		if (text[i] >= 0) {
			q_text = text[i];
			break;
		}
	}
	return open > 0 && open >= q_text ? METRICS_OPENMETRICS : METRICS_TEXT;
}

const char *metrics__content_type(enum metrics_format format)
{
	return format == METRICS_OPENMETRICS ? METRICS_OPENMETRICS_TYPE : METRICS_TEXT_TYPE;
}
