/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flame_look.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "exporter.h"
#include "name.h"
#include "snapshot.h"
#include "strbuf.h"
#include "symbolizer.h"

/* Even steps of lightness and hue in OKLCH; guest 18-48 degrees, KVM 74-82, VMM 296-308, VM 250, exits 165. */
const struct flame_palette flame_palettes[NR_FLAME_KINDS] = {
	[FLAME_ALL] = { "all VMs", { "#cbd2db" }, { "#414853" } },
	[FLAME_VM] = { "VM", { "#b0ceee" }, { "#355578" } },
	[FLAME_GUEST] = { "guest function",
			  { "#fb928c", "#ffa795", "#f39071", "#ffafae", "#ff9f75", "#f18a7a",
			    "#ffa475", "#f78e92", "#ffad91", "#ff9689" },
			  { "#843332", "#904032", "#7c3118", "#974447", "#883e1a", "#7a2c21",
			    "#8a4216", "#802f37", "#924529", "#87372f" } },
	[FLAME_INLINE] = { "inlined",
			   { "#fdd3c8", "#feddcc", "#facfc9", "#fcdac2" },
			   { "#57362d", "#5b3d2d", "#54332e", "#573b28" } },
	[FLAME_KVM] = { "host kernel (KVM)",
			{ "#ffb935", "#fdaf2d", "#ffc345" },
			{ "#875d01", "#835600", "#8b6404" } },
	[FLAME_VMM] = { "VMM",
			{ "#c9aff4", "#bdaaf0", "#d6b3f6" },
			{ "#65458f", "#59418c", "#704891" } },
	[FLAME_UNKNOWN] = { "no name",
			    { "#cccac6", "#d2d1cd", "#c5c4c0" },
			    { "#494844", "#4e4d49", "#43423f" } },
	[FLAME_MARKER] = { "remark", { "#b9b7b3" }, { "#393834" } },
	[FLAME_EXIT] = { "VM exit",
			 { "#7fd3b4", "#8bdcc0", "#74c9a8", "#97dcb5" },
			 { "#1f5f4a", "#236a53", "#1b5743", "#2b6545" } },
};

const char *flame_palette__label(const struct flame_tree *t, enum flame_kind kind)
{
	return kind == FLAME_GUEST && flame_tree__is_by_library(t) ? "guest library" : flame_palettes[kind].label;
}

size_t flame_palette__shade(enum flame_kind kind, const char *name)
{
	size_t nr = 0;

	while (flame_palettes[kind].light[nr])
		nr++;
	return name__hash(name) % nr;
}

/* --- numbers; no floating point, so no locale --- */

void flame__print_count(struct strbuf *sb, uint64_t n)
{
	char digits[24];
	int len, i;

	len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
	for (i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			strbuf__addc(sb, ',');
		strbuf__addc(sb, digits[i]);
	}
}

void flame__print_percent(struct strbuf *sb, uint64_t part, uint64_t whole)
{
	unsigned int permille;

	if (!whole)
		whole = 1;
	permille = ((unsigned __int128)part * 1000 + whole / 2) / whole;
	if (part && !permille)
		strbuf__puts(sb, "<0.1%");
	else if (part < whole && permille == 1000)
		strbuf__puts(sb, ">99.9%");
	else
		strbuf__printf(sb, "%u.%u%%", permille / 10, permille % 10);
}

void flame__print_time(struct strbuf *sb, uint64_t ns)
{
	uint64_t ms = ns / 1000000, s = ms / 1000;

	if (ns < 1000000)
		strbuf__printf(sb, "%" PRIu64 " µs", ns / 1000);
	else if (s < 1)
		strbuf__printf(sb, "%" PRIu64 " ms", ms);
	else if (s < 60)
		strbuf__printf(sb, "%" PRIu64 ".%" PRIu64 " s", s, ms % 1000 / 100);
	else if (s < 3600)
		strbuf__printf(sb, "%" PRIu64 " min %02" PRIu64 " s", s / 60, s % 60);
	else
		strbuf__printf(sb, "%" PRIu64 " h %02" PRIu64 " min", s / 3600, s / 60 % 60);
}

/* --- facts --- */

struct gatherer {
	struct flame_facts *f;
	const struct snapshot *snap;
	const struct flame_stats *st;
	struct strbuf text;
	uint64_t lost;
	int err;
};

/* Takes the text gathered so far. */
static char *take(struct gatherer *g)
{
	char *str;

	str = strdup(strbuf__str(&g->text));
	if (!str || strbuf__err(&g->text))
		g->err = -ENOMEM;
	strbuf__truncate(&g->text, 0);
	return str;
}

static void fact(struct gatherer *g, const char *label)
{
	g->f->facts[g->f->nr_facts++] = (struct flame_fact){ label, take(g) };
}

static void note(struct gatherer *g)
{
	g->f->notes[g->f->nr_notes++] = take(g);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static void gather_title(struct gatherer *g, const struct export_opts *opts)
{
	size_t nr = snapshot__nr_vms(g->snap);

	if (opts && opts->title)
		name__clean(&g->text, opts->title, 0);
	else if (nr == 1)
		name__clean(&g->text, snapshot__vm(g->snap, 0)->name, 0);
	else if (nr)
		strbuf__printf(&g->text, "%zu VMs", nr);
	else
		strbuf__puts(&g->text, "no VM");
	g->f->title = take(g);
}

#define MAX_LISTED 4

static void gather_vms(struct gatherer *g)
{
	struct sym_image_info image;
	size_t nr = snapshot__nr_vms(g->snap), i;
	const struct snap_vm *vm;

	if (!nr)
		return;
	for (i = 0; i < nr && i < MAX_LISTED; i++) {
		strbuf__puts(&g->text, i ? ", " : "");
		name__clean(&g->text, snapshot__vm(g->snap, i)->name, 0);
	}
	if (nr > MAX_LISTED)
		strbuf__printf(&g->text, " and %zu more", nr - MAX_LISTED);
	fact(g, nr > 1 ? "VMs" : "VM");
	if (nr > 1)
		return;

	vm = snapshot__vm(g->snap, 0);
	name__clean(&g->text, vm->vmm, 0);
	strbuf__printf(&g->text, ", pid %d, %u vCPU%s", vm->pid, vm->nr_vcpus,
		       vm->nr_vcpus == 1 ? "" : "s");
	fact(g, "VMM");
	for (i = 0; vm->syms && i < symbolizer__nr_images(vm->syms); i++) {
		symbolizer__image_info(vm->syms, i, &image);
		strbuf__puts(&g->text, i ? "; " : "");
		name__clean(&g->text, base_name(image.path), 0);
		strbuf__puts(&g->text, vm->verified && !image.is_unverified ? ", verified" : ", unverified");
	}
	if (!vm->syms && vm->image_path)
		name__clean(&g->text, base_name(vm->image_path), 0);
	else if (!vm->syms)
		strbuf__puts(&g->text, "none");
	fact(g, i > 1 ? "Images" : "Image");
	if (vm->build_id) {
		name__clean(&g->text, vm->build_id, 0);
		fact(g, "Build ID");
	}
}

static void gather_recording(struct gatherer *g)
{
	const struct snap_info *info = snapshot__info(g->snap);
	time_t start = info->start_wall_ns / 1000000000;
	uint64_t weight_ns;
	char date[64];
	struct tm tm;

	name__clean(&g->text, info->event, 0);
	if (info->freq_hz)
		strbuf__printf(&g->text, " at %u Hz", info->freq_hz);
	fact(g, "Event");
	if (start && gmtime_r(&start, &tm) &&
	    strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &tm)) {
		strbuf__puts(&g->text, date);
		fact(g, "Recorded");
	}
	flame__print_time(&g->text, info->duration_ns);
	fact(g, "Duration");
	snapshot__total(g->snap, NULL, &weight_ns);
	if (weight_ns) {
		flame__print_time(&g->text, weight_ns);
		fact(g, snapshot__info(g->snap)->measure == SNAP_MEASURE_SAMPLES ? "vCPU time" : "In exits");
	}
}

static void gather_quality(struct gatherer *g)
{
	flame__print_count(&g->text, g->st->total);
	fact(g, flame__unit(g->snap)->title);
	flame__print_count(&g->text, g->lost);
	fact(g, "Lost");
	if (!g->st->total)
		return;
	flame__print_percent(&g->text, g->st->unresolved, g->st->frames);
	strbuf__puts(&g->text, " of frames");
	fact(g, "Unresolved");
}

static bool is_loss(const struct gatherer *g, const struct snap_counter *c)
{
	if (snapshot__info(g->snap)->measure != SNAP_MEASURE_SAMPLES)
		return !strncmp(c->help, "Guest stacks of VM exits dropped", 32);
	return !strncmp(c->help, "Samples dropped", 15) || !strncmp(c->help, "Samples lost", 12);
}

/* "100 samples = 87 guest + 8 KVM + 5 VMM: 94 with a complete stack, …; 7 more were lost". */
static void gather_sums(struct gatherer *g)
{
	const struct flame_unit *unit = flame__unit(g->snap);
	const struct flame_stats *st = g->st;
	struct strbuf *sb = &g->text;

	flame__print_count(sb, st->total);
	strbuf__printf(sb, " %s = ", st->total == 1 ? unit->one : unit->many);
	if (snapshot__info(g->snap)->measure == SNAP_MEASURE_SAMPLES) {
		flame__print_count(sb, st->guest);
		strbuf__puts(sb, " guest + ");
	}
	flame__print_count(sb, st->kvm);
	strbuf__puts(sb, " KVM + ");
	flame__print_count(sb, st->vmm);
	strbuf__puts(sb, " VMM. Guest stacks: ");
	flame__print_count(sb, st->complete);
	strbuf__puts(sb, " complete + ");
	flame__print_count(sb, st->incomplete);
	strbuf__puts(sb, " incomplete + ");
	flame__print_count(sb, st->no_registers);
	strbuf__puts(sb, " without registers.");
	if (g->lost) {
		strbuf__puts(sb, " Lost besides: ");
		flame__print_count(sb, g->lost);
		strbuf__puts(sb, ".");
	}
	g->f->sums = take(g);
}

/* "unmapped 5, depth 2": samples by why their stack ended early; eight words are told apart. */
static void print_stops(struct gatherer *g)
{
	struct {
		const char *word;
		uint64_t count;
	} stops[8];
	uint64_t others = 0;
	size_t nr = 0, i, k;

	for (i = 0; i < snapshot__nr_stacks(g->snap); i++) {
		const struct snap_stack *stack = snapshot__stack(g->snap, i);

		if (!stack->stop || !stack->nr_frames)
			continue;
		for (k = 0; k < nr && strcmp(stops[k].word, stack->stop) < 0; k++)
			;
		if (k == nr || strcmp(stops[k].word, stack->stop)) {
			if (nr == 8) {
				others = flame__add(others, stack->count);
				continue;
			}
			memmove(&stops[k + 1], &stops[k], (nr - k) * sizeof(stops[0]));
			stops[k].word = stack->stop;
			stops[k].count = 0;
			nr++;
		}
		stops[k].count = flame__add(stops[k].count, stack->count);
	}
	for (i = 0; i < nr; i++) {
		strbuf__puts(&g->text, i ? ", [" : "[");
		name__clean(&g->text, stops[i].word, 0);
		strbuf__puts(&g->text, "] ");
		flame__print_count(&g->text, stops[i].count);
	}
	if (others) {
		strbuf__puts(&g->text, ", others ");
		flame__print_count(&g->text, others);
	}
}

static void note_lost(struct gatherer *g)
{
	const struct snap_counter *c;
	size_t i, nr = 0;

	flame__print_count(&g->text, g->lost);
	strbuf__puts(&g->text, g->lost == 1 ? " sample was lost (" : " samples were lost (");
	for (i = 0; i < snapshot__nr_counters(g->snap); i++) {
		c = snapshot__counter(g->snap, i);
		if (!is_loss(g, c) || !c->value)
			continue;
		strbuf__printf(&g->text, "%s%s ", nr++ ? ", " : "", c->label);
		flame__print_count(&g->text, c->value);
	}
	strbuf__puts(&g->text,
		     "). They may be missing from busy moments more than from quiet ones.");
	note(g);
}

static void gather_notes(struct gatherer *g)
{
	const char *unit = flame__unit(g->snap)->many;
	const struct flame_stats *st = g->st;

	if (g->lost)
		note_lost(g);
	if (st->incomplete) {
		flame__print_percent(&g->text, st->incomplete, st->total);
		strbuf__printf(&g->text, " of %s have an incomplete stack (", unit);
		print_stops(g);
		strbuf__puts(&g->text,
			     "). Such a stack begins at that remark instead of the guest's entry.");
		note(g);
	}
	if (st->no_registers) {
		flame__print_percent(&g->text, st->no_registers, st->total);
		strbuf__printf(&g->text, " of %s came without guest registers, so their place is unknown.", unit);
		note(g);
	}
	if (st->unverified) {
		flame__print_percent(&g->text, st->unverified, st->total);
		strbuf__printf(&g->text,
			       " of %s are named by an image that was not compared with the guest's memory, or "
			       "differs from it. Names marked [unverified] may be wrong.", unit);
		note(g);
	}
	/* A fifth and more: not a stray address, but an image or symbols that are missing. */
	if (st->frames && st->unresolved >= st->frames / 5 + !!(st->frames % 5)) {
		flame__print_percent(&g->text, st->unresolved, st->frames);
		strbuf__puts(&g->text,
			     " of frames have no name. Profile with the unstripped image.");
		note(g);
	}
}

int flame_facts__init(struct flame_facts *f, const struct snapshot *snap,
		      const struct flame_tree *t, const struct export_opts *opts)
{
	struct gatherer g = { .f = f, .snap = snap, .st = flame_tree__stats(t) };
	size_t i;

	*f = (struct flame_facts){ 0 };
	for (i = 0; i < snapshot__nr_counters(snap); i++)
		if (is_loss(&g, snapshot__counter(snap, i)))
			g.lost += snapshot__counter(snap, i)->value;
	gather_title(&g, opts);
	gather_vms(&g);
	gather_recording(&g);
	gather_quality(&g);
	gather_sums(&g);
	gather_notes(&g);
	strbuf__free(&g.text);
	if (g.err)
		flame_facts__free(f);
	return g.err;
}

void flame_facts__free(struct flame_facts *f)
{
	size_t i;

	free(f->title);
	free(f->sums);
	for (i = 0; i < f->nr_facts; i++)
		free(f->facts[i].value);
	for (i = 0; i < f->nr_notes; i++)
		free(f->notes[i]);
	*f = (struct flame_facts){ 0 };
}
