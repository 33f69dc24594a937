/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vms_json.h"

#include <inttypes.h>
#include <string.h>

#include "exit_names.h"
#include "host_stats.h"
#include "markup.h"
#include "name.h"
#include "sink.h"
#include "stat_rows.h"
#include "strbuf.h"
#include "vm_label.h"

#define SCHEMA       1
#define NSEC_PER_SEC 1000000000u

static const char *const place_labels[HOST_NR_PLACES] = {
	[SNAP_PLACE_GUEST] = "guest",
	[SNAP_PLACE_KVM] = "kvm",
	[SNAP_PLACE_VMM] = "vmm",
};

/* Figures of one VM, added up. */
struct totals {
	uint64_t exits;
	uint64_t samples;
	uint64_t stacks;
	uint64_t complete;
	uint64_t virqs;
	uint64_t state_ns[HOST_NR_VCPU_STATES];
};

struct writer {
	struct sink *sink;
	const struct host_stats *hs;
	const struct host_stats *earlier; /* NULL: no rates */
	uint64_t interval_ns;             /* 0: no rates */
	int err;
};

static void add_totals(struct totals *t, const struct host_stats *hs, const struct host_vm *vm)
{
	size_t i, state;

	*t = (struct totals){ .virqs = vm->nr_virqs };
	for (i = 0; i < vm->nr_exits; i++)
		t->exits += vm->exits[i].count;
	for (i = 0; i < HOST_NR_PLACES; i++)
		t->samples += vm->samples[i];
	for (i = 0; vm->stops && i < hs->nr_stops; i++) {
		t->stacks += vm->stops[i];
		if (!strcmp(hs->stops[i].label, "root"))
			t->complete += vm->stops[i];
	}
	for (i = 0; i < vm->nr_vcpus; i++)
		for (state = 0; state < HOST_NR_VCPU_STATES; state++)
			t->state_ns[state] += vm->vcpus[i].state_ns[state];
}

/* --- values --- */

static void put_seconds(struct writer *w, const char *separator, const char *key, uint64_t ns)
{
	sink__printf(w->sink, "%s\"%s\":%" PRIu64 ".%09" PRIu64, separator, key, ns / NSEC_PER_SEC,
		     ns % NSEC_PER_SEC);
}

/* @name: untrusted, or NULL. */
static void put_name(struct writer *w, const char *key, const char *name)
{
	struct strbuf sb = { 0 };

	sink__printf(w->sink, ",\"%s\":", key);
	if (!name) {
		sink__puts(w->sink, "null");
		return;
	}
	name__clean(&sb, name, 0);
	if (strbuf__err(&sb))
		w->err = strbuf__err(&sb);
	markup__json(w->sink, strbuf__str(&sb));
	strbuf__free(&sb);
}

/* Three decimals, from integers: the point does not depend on the locale. */
static void put_rate(struct writer *w, const char *key, uint64_t value, uint64_t before,
		     uint64_t unit_ns)
{
	unsigned __int128 delta = value > before ? value - before : 0;
	uint64_t milli = delta * unit_ns * 1000 / w->interval_ns;

	sink__printf(w->sink, "\"%s\":%" PRIu64 ".%03" PRIu64, key, milli / 1000, milli % 1000);
}

/* --- one VM --- */

static const struct host_vm *find_earlier(const struct writer *w, const struct host_vm *vm,
					  size_t i)
{
	const struct host_stats *earlier = w->earlier;
	size_t k;

	if (!w->interval_ns)
		return NULL;
	/* Nearly always in the same place. */
	if (i < earlier->nr_vms && earlier->vms[i].id == vm->id)
		return &earlier->vms[i];
	for (k = 0; k < earlier->nr_vms; k++)
		if (earlier->vms[k].id == vm->id)
			return &earlier->vms[k];
	return NULL;
}

static uint64_t earlier_count(const struct host_vm *earlier, const struct host_exit *e, size_t i)
{
	size_t k;

	if (i < earlier->nr_exits && earlier->exits[i].isa == e->isa &&
	    earlier->exits[i].reason == e->reason)
		return earlier->exits[i].count;
	for (k = 0; k < earlier->nr_exits; k++)
		if (earlier->exits[k].isa == e->isa && earlier->exits[k].reason == e->reason)
			return earlier->exits[k].count;
	return 0;
}

static void put_exits(struct writer *w, const struct host_vm *vm, const struct host_vm *earlier)
{
	struct strbuf sb = { 0 };
	const struct host_exit *e;
	size_t i;

	sink__puts(w->sink, ",\"exits\":[");
	for (i = 0; i < vm->nr_exits; i++) {
		e = &vm->exits[i];
		strbuf__truncate(&sb, 0);
		exit_names__reason(&sb, e->isa, e->reason);
		sink__printf(w->sink,
			     "%s{\"reason\":\"%s\",\"isa\":\"%s\",\"reason_code\":%" PRIu32
			     ",\"idle\":%s,\"count\":%" PRIu64 ",\"timed\":%" PRIu64,
			     i ? "," : "", strbuf__str(&sb), stat_rows__isa_name(e->isa), e->reason,
			     exit_names__is_idle(e->isa, e->reason) ? "true" : "false", e->count,
			     e->nr_timed);
		put_seconds(w, ",", "seconds", e->total_ns);
		put_seconds(w, ",", "user_seconds", e->user_ns);
		sink__puts(w->sink, ",");
		if (earlier)
			put_rate(w, "per_second", e->count, earlier_count(earlier, e, i),
				 NSEC_PER_SEC);
		else
			sink__puts(w->sink, "\"per_second\":null");
		sink__puts(w->sink, "}");
	}
	sink__puts(w->sink, "]");
	if (strbuf__err(&sb))
		w->err = strbuf__err(&sb);
	strbuf__free(&sb);
}

static void put_rates(struct writer *w, const struct host_vm *earlier, const struct totals *now)
{
	struct totals before;
	size_t i;

	if (!earlier) {
		sink__puts(w->sink, ",\"rates\":null");
		return;
	}
	add_totals(&before, w->earlier, earlier);
	sink__puts(w->sink, ",\"rates\":{");
	put_rate(w, "exits", now->exits, before.exits, NSEC_PER_SEC);
	sink__puts(w->sink, ",");
	put_rate(w, "samples", now->samples, before.samples, NSEC_PER_SEC);
	sink__puts(w->sink, ",");
	put_rate(w, "interrupts_injected", now->virqs, before.virqs, NSEC_PER_SEC);
	/* Nanoseconds per nanosecond: 1 is one vCPU's whole time. */
	sink__puts(w->sink, ",\"vcpu_seconds\":{");
	for (i = 0; i < HOST_NR_VCPU_STATES; i++) {
		sink__puts(w->sink, i ? "," : "");
		put_rate(w, host_vcpu_state__label(i), now->state_ns[i], before.state_ns[i], 1);
	}
	sink__puts(w->sink, "}}");
}

static void put_health(struct writer *w, const struct host_vm *vm, const struct totals *now)
{
	const struct {
		bool applies;
		const char *word;
	} words[] = {
		{ !vm->up, "gone" },
		{ vm->image == HOST_IMAGE_NONE, "no_image" },
		{ vm->image == HOST_IMAGE_UNVERIFIED, "unverified_image" },
		{ vm->image == HOST_IMAGE_WRONG, "wrong_image" },
		{ vm->nr_unresolved_samples > now->samples / 5, "unresolved" },
		{ now->stacks - now->complete > now->stacks / 5, "incomplete" },
	};
	const char *separator = "";
	size_t i;

	sink__puts(w->sink, ",\"health\":[");
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!words[i].applies)
			continue;
		sink__printf(w->sink, "%s\"%s\"", separator, words[i].word);
		separator = ",";
	}
	sink__puts(w->sink, "]");
}

static void put_counts(struct writer *w, const char *key, const struct host_label *labels,
		       size_t nr, const uint64_t *counts)
{
	size_t i;

	sink__printf(w->sink, ",\"%s\":{", key);
	for (i = 0; i < nr; i++)
		sink__printf(w->sink, "%s\"%s\":%" PRIu64, i ? "," : "", labels[i].label,
			     counts ? counts[i] : 0);
	sink__puts(w->sink, "}");
}

static void put_images(struct writer *w, const struct host_vm *vm)
{
	size_t i;

	sink__puts(w->sink, ",\"images\":[");
	for (i = 0; i < vm->nr_images; i++) {
		sink__printf(w->sink, "%s{\"state\":\"%s\"", i ? "," : "", host_image_state__label(vm->images[i].state));
		put_name(w, "path", vm->images[i].path);
		put_name(w, "build_id", vm->images[i].build_id);
		sink__puts(w->sink, "}");
	}
	sink__puts(w->sink, "]");
}

static void put_vm(struct writer *w, size_t i, const char *label)
{
	const struct host_vm *vm = &w->hs->vms[i], *earlier = find_earlier(w, vm, i);
	struct totals now;
	size_t k;

	add_totals(&now, w->hs, vm);
	sink__puts(w->sink, "{\"vm\":");
	markup__json(w->sink, label);
	sink__printf(w->sink, ",\"id\":%" PRIu32 ",\"pid\":%d,\"up\":%s", vm->id, vm->pid,
		     vm->up ? "true" : "false");
	put_health(w, vm, &now);
	put_name(w, "vmm", vm->vmm);
	put_name(w, "image", vm->image_path);
	sink__printf(w->sink, ",\"image_state\":\"%s\"", host_image_state__label(vm->image));
	put_name(w, "build_id", vm->build_id);
	put_images(w, vm);
	put_name(w, "uuid", vm->uuid);
	put_seconds(w, ",", "seen_time", vm->seen_wall_ns);
	sink__printf(w->sink, ",\"vcpus\":%zu,\"memory_bytes\":%" PRIu64, vm->nr_vcpus,
		     vm->mem_bytes);
	sink__puts(w->sink, ",\"samples\":{");
	for (k = 0; k < HOST_NR_PLACES; k++)
		sink__printf(w->sink, "%s\"%s\":%" PRIu64, k ? "," : "", place_labels[k],
			     vm->samples[k]);
	sink__printf(w->sink,
		     "},\"unresolved_samples\":%" PRIu64 ",\"frames\":%" PRIu64
		     ",\"unresolved_frames\":%" PRIu64 ",\"interrupts_injected\":%" PRIu64,
		     vm->nr_unresolved_samples, vm->nr_frames, vm->nr_unresolved_frames,
		     vm->nr_virqs);
	put_counts(w, "stacks", w->hs->stops, w->hs->nr_stops, vm->stops);
	put_counts(w, "methods", w->hs->methods, w->hs->nr_methods, vm->methods);
	sink__puts(w->sink, ",\"vcpu_seconds\":{");
	for (k = 0; k < HOST_NR_VCPU_STATES; k++)
		put_seconds(w, k ? "," : "", host_vcpu_state__label(k), now.state_ns[k]);
	sink__puts(w->sink, "}");
	put_rates(w, earlier, &now);
	put_exits(w, vm, earlier);
	sink__puts(w->sink, "}");
}

int vms_json__write(const struct host_stats *hs, const struct host_stats *earlier,
		    uint64_t now_mono_ns, struct sink *sink)
{
	struct writer w = { .sink = sink, .hs = hs, .earlier = earlier };
	struct vm_labels *labels = NULL;
	size_t i;
	int err;

	err = vm_labels__new(&labels, hs);
	if (err)
		return err;
	if (earlier && hs->mono_ns > earlier->mono_ns)
		w.interval_ns = hs->mono_ns - earlier->mono_ns;

	sink__printf(sink, "{\"schema\":%d", SCHEMA);
	put_name(&w, "version", hs->version);
	put_name(&w, "level", hs->level);
	put_name(&w, "host_kernel", hs->host);
	put_seconds(&w, ",", "start_time", hs->start_wall_ns);
	put_seconds(&w, ",", "time", hs->wall_ns);
	put_seconds(&w, ",", "age_seconds",
		    now_mono_ns > hs->mono_ns ? now_mono_ns - hs->mono_ns : 0);
	if (w.interval_ns)
		put_seconds(&w, ",", "interval_seconds", w.interval_ns);
	else
		sink__puts(sink, ",\"interval_seconds\":null");
	sink__printf(sink,
		     ",\"vms_seen\":%" PRIu64 ",\"vms_gone\":%" PRIu64 ",\"vms_missed\":%" PRIu64
		     ",\"lost\":{",
		     hs->nr_vms_seen, hs->nr_vms_gone, hs->nr_vms_missed);
	for (i = 0; i < hs->nr_drops; i++)
		sink__printf(sink, "%s\"%s\":%" PRIu64, i ? "," : "", hs->drops[i].label,
			     hs->drops[i].value);
	sink__puts(sink, "},\"vms\":[");
	for (i = 0; i < hs->nr_vms && !w.err; i++) {
		sink__puts(sink, i ? ",\n" : "\n");
		put_vm(&w, i, vm_labels__get(labels, i));
	}
	sink__puts(sink, "\n]}\n");
	vm_labels__free(labels);
	return w.err ? w.err : sink__error(sink);
}
