/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "account.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "recording.h"

static const struct {
	int counter;
	const char *label;
	const char *hint;
} drops[] = {
	{ UKP_CTR_DROP_RING_FULL, "ring buffer full",
	  "give it more room (--buffer), sample less often (-F), or write to a faster place" },
	{ UKP_CTR_DROP_NO_VCPU, "vCPU no longer known", NULL },
	{ UKP_CTR_DROP_NO_SCRATCH, "no working memory", NULL },
};

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * part / whole : 0;
}

static void print_incomplete(const uint64_t *stops, uint64_t total)
{
	uint64_t incomplete = total - stops[UKP_STOP_ROOT];
	char line[256] = "";
	size_t len = 0;
	int i;

	if (!incomplete)
		return;
	for (i = 0; i < UKP_STOP_MAX; i++)
		if (i != UKP_STOP_ROOT && stops[i] && len < sizeof(line))
			len += snprintf(line + len, sizeof(line) - len, "%s%s %.1f%%", len ? ", " : "",
					recording__stop_label(i), percent(stops[i], total));
	log_info("session: %.1f%% of the stacks are incomplete (%s)", percent(incomplete, total), line);
}

/* Only where there are tables: without, frame pointers are all there is. */
static void print_methods(const uint64_t methods[RECORDING_METHODS])
{
	uint64_t nr[RECORDING_NR_WAYS] = { 0 }, found, no_rsp = 0, by_tables, weak_rsp = 0, frames = 0, weak_frames = 0;
	size_t k;

	recording__add_ways(methods, nr);
	for (k = 0; k < RECORDING_METHODS; k++) {
		if (k & UKP_BY_NO_RSP)
			no_rsp += methods[k];
		if (k & UKP_BY_FRAME)
			frames += methods[k];
		if ((k & UKP_BY_FRAME) && (k & UKP_BY_WEAK))
			weak_frames += methods[k];
		else if (k & UKP_BY_WEAK)
			weak_rsp += methods[k];
	}
	by_tables = nr[RECORDING_BY_TABLE] + nr[RECORDING_BY_RECOVERED] + nr[RECORDING_BY_WEAK] + nr[RECORDING_BY_FRAME];
	found = nr[RECORDING_BY_FP] + nr[RECORDING_BY_BOTH] + by_tables;
	if (found == nr[RECORDING_BY_FP] && !no_rsp)
		return;
	log_info("session: callers found by unwind tables %.1f%%, by frame pointers %.1f%%, by both %.1f%%",
		 percent(by_tables, found), percent(nr[RECORDING_BY_FP], found),
		 percent(nr[RECORDING_BY_BOTH], found));
	if (nr[RECORDING_BY_RECOVERED] || weak_rsp)
		log_info("session: RSP that KVM had not read, or the caller of a leaf without a table, was recovered from the "
			 "stack for %.1f%% and proven, for %.1f%% on weak evidence", percent(nr[RECORDING_BY_RECOVERED], found),
			 percent(weak_rsp, found));
	if (frames)
		log_info("session: %.1f%% of the stacks cross an interrupt frame that was found by its layout, %.1f%% on weak "
			 "evidence", percent(frames, found), percent(weak_frames, found));
	if (no_rsp)
		log_info("session: %.1f%% of the stacks may miss the caller of their leaf: RSP was not recovered",
			 percent(no_rsp, found + nr[RECORDING_BY_NONE]));
}

void account__print_exits(const struct recording *r, uint64_t nr_unresolved)
{
	const uint64_t *counters = recording__counter_values(r);
	const struct profile *p = recording__exit_profile(r);
	uint64_t stops[UKP_STOP_MAX] = { 0 }, methods[RECORDING_METHODS] = { 0 };
	uint64_t total = recording__nr_exit_stacks(r), stand_for = 0;
	const struct recording_vm_data *vm;
	struct profile_stack stack;
	size_t i, k;

	for (i = 0; i < recording__nr_vms(r); i++) {
		vm = recording__vm_data(r, i);
		for (k = 0; k < UKP_STOP_MAX; k++)
			stops[k] += vm->nr_exit_stop[k];
		for (k = 0; k < RECORDING_METHODS; k++)
			methods[k] += vm->nr_exit_methods[k];
	}
	for (i = 0; i < profile__nr(p); i++) {
		profile__stack(p, i, &stack);
		stand_for += stack.count;
	}
	log_info("session: %" PRIu64 " VM exits in %.1f s: %" PRIu64 " stacks were taken, which stand for %" PRIu64
		 " exits; %" PRIu64 " dropped, %.1f%% unresolved", counters[UKP_CTR_EXITS],
		 recording__duration_ns(r) / 1e9, total, stand_for, counters[UKP_CTR_EXIT_STACKS_DROPPED],
		 percent(nr_unresolved, stand_for));
	print_incomplete(stops, total);
	print_methods(methods);
	if (counters[UKP_CTR_EXIT_STACKS_DROPPED]) {
		log_warn("session: %" PRIu64 " stacks of exits dropped: ring buffer full",
			 counters[UKP_CTR_EXIT_STACKS_DROPPED]);
		log_hint("give it more room (--buffer), take fewer stacks (-F, --every), or write to a faster place");
	}
	if (recording__nr_bad(r))
		log_warn("session: %" PRIu64 " records contradicted themselves and were skipped", recording__nr_bad(r));
	if (recording__how_ended(r) != RECORDING_CUT &&
	    counters[UKP_CTR_EXIT_STACKS] != total + counters[UKP_CTR_EXIT_STACKS_DROPPED])
		log_warn("session: %" PRId64 " stacks of exits are unaccounted for: please report this",
			 counters[UKP_CTR_EXIT_STACKS] - total - counters[UKP_CTR_EXIT_STACKS_DROPPED]);
}

void account__print(const struct recording *r, uint64_t nr_unresolved)
{
	const uint64_t *counters = recording__counter_values(r);
	uint64_t total = recording__nr_samples(r), dropped = recording__nr_dropped(r);
	uint64_t places[3] = { 0 }, stops[UKP_STOP_MAX] = { 0 }, methods[RECORDING_METHODS] = { 0 };
	const struct recording_vm_data *vm;
	bool emulated = recording__info(r)->is_emulated;
	size_t i, k;

	for (i = 0; i < recording__nr_vms(r); i++) {
		vm = recording__vm_data(r, i);
		for (k = 0; k < 3; k++)
			places[k] += vm->nr_place[k];
		for (k = 0; k < UKP_STOP_MAX; k++)
			stops[k] += vm->nr_stop[k];
		for (k = 0; k < RECORDING_METHODS; k++)
			methods[k] += vm->nr_methods[k];
	}
	log_info("session: %" PRIu64 " samples in %.1f s, %" PRIu64 " dropped, %.1f%% unresolved", total,
		 recording__duration_ns(r) / 1e9, dropped, percent(nr_unresolved, total));
	if (total && emulated)
		log_info("session: guest %.1f%%, vmm %.1f%% (this host emulates guest code in the kernel: "
			 "time there is the guest's)", percent(places[UKP_PLACE_GUEST] + places[UKP_PLACE_KVM], total),
			 percent(places[UKP_PLACE_VMM], total));
	else if (total)
		log_info("session: guest %.1f%%, kvm %.1f%%, vmm %.1f%%", percent(places[UKP_PLACE_GUEST], total),
			 percent(places[UKP_PLACE_KVM], total), percent(places[UKP_PLACE_VMM], total));
	print_incomplete(stops, total);
	print_methods(methods);
	for (i = 0; i < sizeof(drops) / sizeof(drops[0]); i++) {
		if (!counters[drops[i].counter])
			continue;
		log_warn("session: %" PRIu64 " samples dropped: %s", counters[drops[i].counter], drops[i].label);
		if (drops[i].hint)
			log_hint("%s", drops[i].hint);
	}
	if (recording__nr_bad(r))
		log_warn("session: %" PRIu64 " records contradicted themselves and were skipped", recording__nr_bad(r));
	if (recording__how_ended(r) != RECORDING_CUT && recording__unaccounted(r))
		log_warn("session: %" PRId64 " samples are unaccounted for: please report this", recording__unaccounted(r));
}
