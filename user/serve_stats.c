/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "serve_stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "cost_shares.h"
#include "exit_names.h"
#include "host_stats.h"
#include "hostinfo.h"
#include "kvm_stats.h"
#include "level.h"
#include "loader.h"
#include "naming.h"
#include "profile.h"
#include "recording.h"
#include "session.h"
#include "strbuf.h"
#include "strpool.h"
#include "symbolizer.h"
#include "vm_registry.h"

#define KEEP_NS	      60000000000ULL /* two scrapes at the usual distance */
#define KVM_STATS_NS  10000000000ULL
#define KEEP_MAX      64	     /* ended VMs that are remembered at once */
#define FUNCTIONS_MAX 4096	     /* functions of one VM that are counted, to find the hottest */
#define FUNCTION_MIN  100	     /* samples before a function may be called hot */
#define VERIFIED      'v'	     /* letters in front of its name */
#define UNVERIFIED    'u'

struct function {
	uint64_t samples;
	bool listed; /* once in, a series stays */
};

/* Functions or libraries by their samples, to list the hottest. */
struct top {
	struct strpool *names; /* NULL: not wanted */
	struct function *all;  /* by id of the name */
	size_t nr_listed;
};

struct vcpu_times {
	uint32_t id;
	uint32_t tid;
	bool has_exits;
	uint64_t sample_ns[3]; /* by enum ukp_place */
	uint64_t exit_ns[HOST_NR_VCPU_STATES]; /* from the table of exits, taken anew each time */
	uint64_t waited_ns;	/* of former threads of this vCPU */
	uint64_t wait_first_ns; /* of this thread when it was first seen */
	uint64_t wait_last_ns;
	uint64_t shown_ns[HOST_NR_VCPU_STATES];
};

struct served_vm {
	bool used;
	bool up;
	uint32_t id;
	uint32_t serial;
	uint64_t seen_wall_ns;
	uint64_t gone_ns;
	uint64_t nr_frames;
	uint64_t nr_unresolved_frames;
	uint64_t nr_unresolved_samples;
	uint64_t nr_virqs;
	struct vcpu_times *vcpus;
	size_t nr_vcpus;
	struct host_exit *exits;
	size_t nr_exits;
	struct kvm_stats *kvm; /* KVM's own; what was read last */
	uint64_t kvm_ns;       /* when */
	struct top functions, libraries;
};

struct serve_stats {
	struct recording *rec;
	struct naming *naming;
	struct profile_mark *seen; /* of the samples */
	size_t max_functions, max_libraries;
	bool reads_kvm;
	struct served_vm *vms; /* in the order in which they were first seen */
	size_t nr;
	uint32_t *by_id; /* place in vms + 1; 0: none */
	size_t nr_by_id;
	uint32_t next_serial;
	uint64_t nr_gone;
	uint64_t nr_snapshots;
	uint64_t start_wall_ns;
	uint64_t sample_cost_ns;	/* as shown last: estimates may not fall */
	struct cost_shares exit_costs; /* of the programs that run for exits */
	bool emulated;
	struct strbuf name; /* of a function, while it is counted */
};

int serve_stats__new(struct serve_stats **out, struct recording *rec, struct naming *naming, size_t max_functions,
		     size_t max_libraries, bool kvm_stats)
{
	struct serve_stats *s;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->rec = rec;
	s->naming = naming;
	s->max_functions = max_functions;
	s->max_libraries = max_libraries;
	s->reads_kvm = kvm_stats;
	s->start_wall_ns = clock__wall_ns();
	s->emulated = hostinfo__kvm_vendor() == KVM_VENDOR_SOFTWARE;
	if (profile__mark(recording__profile(rec), &s->seen)) {
		free(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

static void release_vm(struct served_vm *vm)
{
	free(vm->vcpus);
	free(vm->exits);
	kvm_stats__free(vm->kvm);
	strpool__free(vm->functions.names);
	free(vm->functions.all);
	strpool__free(vm->libraries.names);
	free(vm->libraries.all);
}

void serve_stats__free(struct serve_stats *s)
{
	size_t i;

	if (!s)
		return;
	profile__unmark(recording__profile(s->rec), s->seen);
	for (i = 0; i < s->nr; i++)
		release_vm(&s->vms[i]);
	free(s->vms);
	free(s->by_id);
	strbuf__free(&s->name);
	free(s);
}

static struct served_vm *vm_by_id(struct serve_stats *s, uint32_t id)
{
	return id < s->nr_by_id && s->by_id[id] ? &s->vms[s->by_id[id] - 1] : NULL;
}

int serve_stats__vm_new(struct serve_stats *s, uint32_t id)
{
	struct served_vm *vms;
	uint32_t *by_id;

	if (id >= s->nr_by_id) {
		by_id = reallocarray(s->by_id, id + 64, sizeof(*by_id));
		if (!by_id)
			return -ENOMEM;
		memset(by_id + s->nr_by_id, 0, (id + 64 - s->nr_by_id) * sizeof(*by_id));
		s->by_id = by_id;
		s->nr_by_id = id + 64;
	}
	vms = reallocarray(s->vms, s->nr + 1, sizeof(*vms));
	if (!vms)
		return -ENOMEM;
	s->vms = vms;
	vms[s->nr] = (struct served_vm){
		.up = true,
		.id = id,
		.serial = s->next_serial,
		.seen_wall_ns = clock__wall_ns(),
	};
	if ((s->max_functions && strpool__new(&vms[s->nr].functions.names)) ||
	    (s->max_libraries && strpool__new(&vms[s->nr].libraries.names))) {
		strpool__free(vms[s->nr].functions.names);
		return -ENOMEM;
	}
	s->next_serial++;
	s->nr++;
	s->by_id[id] = s->nr;
	return 0;
}

void serve_stats__vm_gone(struct serve_stats *s, uint32_t id, uint64_t now)
{
	struct served_vm *vm = vm_by_id(s, id);

	if (!vm || !vm->up)
		return;
	vm->up = false;
	vm->gone_ns = now;
	s->nr_gone++;
}

size_t serve_stats__due(const struct serve_stats *s, uint64_t now, uint32_t *ids, size_t max)
{
	size_t i, nr_ended = 0, nr = 0;

	for (i = 0; i < s->nr; i++)
		nr_ended += !s->vms[i].up;
	/* The oldest come first. */
	for (i = 0; i < s->nr && nr < max; i++)
		if (!s->vms[i].up && (now - s->vms[i].gone_ns >= KEEP_NS || nr_ended - nr > KEEP_MAX))
			ids[nr++] = s->vms[i].id;
	return nr;
}

void serve_stats__forget(struct serve_stats *s, const uint32_t *ids, size_t nr)
{
	size_t i, k, n = 0;

	for (i = 0; i < s->nr; i++) {
		for (k = 0; k < nr && ids[k] != s->vms[i].id; k++)
			;
		if (k == nr)
			s->vms[n++] = s->vms[i];
		else
			release_vm(&s->vms[i]);
	}
	s->nr = n;
	memset(s->by_id, 0, s->nr_by_id * sizeof(*s->by_id));
	for (i = 0; i < n; i++)
		s->by_id[s->vms[i].id] = i + 1;
}

/* --- taking stock --- */

static struct vcpu_times *get_vcpu(struct served_vm *vm, uint32_t id)
{
	struct vcpu_times *vcpus;
	size_t i;

	for (i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpus[i].id == id)
			return &vm->vcpus[i];
	vcpus = reallocarray(vm->vcpus, vm->nr_vcpus + 1, sizeof(*vcpus));
	if (!vcpus)
		return NULL;
	vm->vcpus = vcpus;
	vcpus[vm->nr_vcpus] = (struct vcpu_times){ .id = id };
	return &vcpus[vm->nr_vcpus++];
}

/* A name that is in doubt is another one than the same without doubt: the first letter tells. @key: room. */
static int count_top(struct strbuf *key, struct top *top, const char *name, bool is_unverified, uint64_t samples,
		     size_t max)
{
	struct function *functions;
	size_t nr;
	int64_t id;

	if (!top->names || strpool__nr(top->names) >= FUNCTIONS_MAX)
		return 0;
	nr = strpool__nr(top->names);
	strbuf__truncate(key, 0);
	strbuf__addc(key, is_unverified ? UNVERIFIED : VERIFIED);
	strbuf__puts(key, name);
	id = strbuf__err(key) ? -ENOMEM : strpool__add(top->names, key->data, key->len);
	if (id < 0)
		return -ENOMEM;
	if ((size_t)id == nr) {
		functions = reallocarray(top->all, nr + 1, sizeof(*functions));
		if (!functions)
			return -ENOMEM;
		top->all = functions;
		functions[nr] = (struct function){ 0 };
	}
	top->all[id].samples += samples;
	if (!top->all[id].listed && top->all[id].samples >= FUNCTION_MIN && top->nr_listed < max) {
		top->all[id].listed = true;
		top->nr_listed++;
	}
	return 0;
}

bool serve_stats__find(struct serve_stats *s, uint32_t serial, uint32_t *id, size_t *place)
{
	size_t i;

	for (i = 0; i < s->nr; i++) {
		if (s->vms[i].serial != serial)
			continue;
		*id = s->vms[i].id;
		*place = recording__place(s->rec, *id);
		return true;
	}
	return false;
}

static int add_stack(struct serve_stats *s, const struct profile_stack *st)
{
	struct served_vm *vm = vm_by_id(s, st->key.vm);
	struct naming_status status;
	struct vcpu_times *vcpu;
	const struct sym_frame *frames;
	const char *library;
	bool is_unverified;
	uint32_t i;
	size_t nr;

	if (!vm)
		return 0;
	vcpu = get_vcpu(vm, st->key.vcpu);
	if (!vcpu)
		return -ENOMEM;
	vcpu->sample_ns[st->key.place] += st->weight;
	naming__status(s->naming, recording__place(s->rec, vm->id), &status);
	vm->nr_frames += st->nr_frames * st->count;
	if (!st->nr_frames)
		vm->nr_unresolved_samples += st->count;
	for (i = 0; i < st->nr_frames; i++) {
		nr = symbolizer__resolve(status.syms, st->frames[i], i > 0, &frames);
		if (nr) {
			/* The function, not what was inlined into it. */
			is_unverified = frames[nr - 1].is_unverified;
			if (!i && count_top(&s->name, &vm->functions, frames[nr - 1].name, is_unverified, st->count,
					    s->max_functions))
				return -ENOMEM;
			library = !i && s->max_libraries ? symbolizer__library(status.syms, st->frames[i], false) : NULL;
			if (library && count_top(&s->name, &vm->libraries, library, is_unverified, st->count,
						 s->max_libraries))
				return -ENOMEM;
			continue;
		}
		vm->nr_unresolved_frames += st->count;
		if (!i)
			vm->nr_unresolved_samples += st->count;
	}
	return 0;
}

/* All of them are asked for at once. */
static void expect_names(struct serve_stats *s, const struct profile_stack *st)
{
	const struct served_vm *vm = vm_by_id(s, st->key.vm);
	struct naming_status status;
	uint32_t i;

	if (!vm)
		return;
	naming__status(s->naming, recording__place(s->rec, vm->id), &status);
	for (i = 0; i < st->nr_frames; i++)
		symbolizer__expect(status.syms, st->frames[i], i > 0);
}

static int add_new_samples(struct serve_stats *s)
{
	struct profile *p = recording__profile(s->rec);
	struct profile_stack st;
	size_t i;
	int err;

	for (i = 0; i < profile__nr(p); i++) {
		profile__since(p, s->seen, i, &st);
		if (st.count)
			expect_names(s, &st);
	}
	for (i = 0; i < profile__nr(p); i++) {
		profile__since(p, s->seen, i, &st);
		if (!st.count)
			continue;
		err = add_stack(s, &st);
		if (err)
			return err;
	}
	return profile__move_mark(p, s->seen);
}

static struct host_exit *get_exit(struct served_vm *vm, uint32_t isa, uint32_t reason)
{
	struct host_exit *exits;
	size_t i;

	for (i = 0; i < vm->nr_exits; i++)
		if (vm->exits[i].isa == isa && vm->exits[i].reason == reason)
			return &vm->exits[i];
	exits = reallocarray(vm->exits, vm->nr_exits + 1, sizeof(*exits));
	if (!exits)
		return NULL;
	vm->exits = exits;
	exits[vm->nr_exits] = (struct host_exit){ .isa = isa, .reason = reason };
	return &exits[vm->nr_exits++];
}

static int on_row(void *ctx, const struct ukp_exit_row_key *key, const struct ukp_exit_row *row)
{
	struct served_vm *vm = vm_by_id(ctx, key->vm);
	struct vcpu_times *vcpu;
	struct host_exit *e;
	int i;

	if (!vm)
		return 0;
	e = get_exit(vm, key->isa, key->reason);
	vcpu = e ? get_vcpu(vm, key->vcpu) : NULL;
	if (!vcpu)
		return -ENOMEM;
	e->count += row->count;
	e->nr_timed += row->nr_timed;
	e->total_ns += row->total_ns;
	e->user_ns += row->user_ns;
	for (i = 0; i < EXIT_NR_BUCKETS; i++)
		e->buckets[i] += row->buckets[i];
	vcpu->has_exits = true;
	vcpu->exit_ns[HOST_VCPU_GUEST] += row->guest_ns;
	if (exit_names__is_idle(key->isa, key->reason)) {
		vcpu->exit_ns[HOST_VCPU_HALTED] += row->total_ns;
	} else {
		vcpu->exit_ns[HOST_VCPU_EXIT] += row->total_ns - row->user_ns;
		vcpu->exit_ns[HOST_VCPU_VMM] += row->user_ns;
	}
	return 0;
}

static int on_virq(void *ctx, const struct ukp_virq_key *key, uint64_t count)
{
	struct served_vm *vm = vm_by_id(ctx, key->vm);

	if (vm)
		vm->nr_virqs += count;
	return 0;
}

static int add_exits(struct serve_stats *s, struct loader *loader)
{
	struct host_exit *e;
	size_t i, k;
	int err;

	/* The tables are cumulative: taken anew, in the order in which reasons were first seen. */
	for (i = 0; i < s->nr; i++) {
		for (k = 0; k < s->vms[i].nr_exits; k++) {
			e = &s->vms[i].exits[k];
			*e = (struct host_exit){ .isa = e->isa, .reason = e->reason };
		}
		for (k = 0; k < s->vms[i].nr_vcpus; k++)
			memset(s->vms[i].vcpus[k].exit_ns, 0, sizeof(s->vms[i].vcpus[k].exit_ns));
		s->vms[i].nr_virqs = 0;
	}
	err = loader__for_each_exit_row(loader, on_row, s);
	return err ? err : loader__for_each_virq(loader, on_virq, s);
}

/* Time for which a thread could have run and the host ran others. Source: proc(5) of schedstat: the second number. */
static uint64_t read_wait_ns(pid_t pid, uint32_t tid)
{
	unsigned long long run = 0, wait = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%u/schedstat", (int)pid, tid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%llu %llu", &run, &wait) != 2)
		wait = 0;
	fclose(f);
	return wait;
}

static void add_waits(struct serve_stats *s, struct vm_registry *registry)
{
	struct vcpu_times *vcpu;
	struct served_vm *vm;
	struct vm *known;
	uint64_t wait;
	size_t i, k;

	for (i = 0; i < s->nr; i++) {
		vm = &s->vms[i];
		known = vm->up ? vm_registry__vm(registry, vm->id) : NULL;
		for (k = 0; known && k < known->nr_vcpus; k++) {
			if (!known->vcpus[k]->tid)
				continue;
			vcpu = get_vcpu(vm, known->vcpus[k]->id);
			wait = vcpu ? read_wait_ns(known->pid, known->vcpus[k]->tid) : 0;
			if (!wait)
				continue;
			if (vcpu->tid != known->vcpus[k]->tid) {
				vcpu->waited_ns += vcpu->wait_last_ns - vcpu->wait_first_ns;
				vcpu->tid = known->vcpus[k]->tid;
				vcpu->wait_first_ns = wait;
			}
			vcpu->wait_last_ns = wait;
		}
	}
}

/* A VM that has gone keeps what it showed last. */
static void read_kvm(struct serve_stats *s, struct vm_registry *registry)
{
	uint64_t now = clock__mono_ns();
	struct kvm_stats *kvm;
	struct served_vm *vm;
	struct vm *known;
	size_t i;

	for (i = 0; s->reads_kvm && i < s->nr; i++) {
		vm = &s->vms[i];
		known = vm->up ? vm_registry__vm(registry, vm->id) : NULL;
		if (!known || (vm->kvm_ns && now - vm->kvm_ns < KVM_STATS_NS))
			continue;
		vm->kvm_ns = now;
		if (kvm_stats__read(known->pid, known->fd, &kvm))
			continue;
		kvm_stats__free(vm->kvm);
		vm->kvm = kvm;
	}
}

static int fill_kvm(struct host_stats *hs, struct host_vm *out, const struct kvm_stats *kvm)
{
	size_t i;

	if (!kvm || !kvm->nr)
		return 0;
	out->kvm_stats = calloc(kvm->nr, sizeof(*out->kvm_stats));
	if (!out->kvm_stats)
		return -ENOMEM;
	for (i = 0; i < kvm->nr; i++) {
		if (kvm->stats[i].vcpu != KVM_STATS_ALL || kvm->stats[i].value < 0)
			continue;
		if (host_stats__copy_str(hs, &out->kvm_stats[out->nr_kvm_stats].name, kvm->stats[i].name))
			return -ENOMEM;
		out->kvm_stats[out->nr_kvm_stats].cumulative = kvm->stats[i].is_counter;
		out->kvm_stats[out->nr_kvm_stats++].value = kvm->stats[i].value;
	}
	return 0;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/*
 * Exits say exactly how long a vCPU was where; without them its samples give an estimate. A vCPU that waits for
 * a processor does so while it handles an exit, so that part is taken out there.
 */
static void show_states(const struct serve_stats *s, struct vcpu_times *v)
{
	uint64_t ns[HOST_NR_VCPU_STATES] = { 0 }, wait = v->waited_ns + v->wait_last_ns - v->wait_first_ns;
	int i;

	ns[HOST_VCPU_WAITING] = wait;
	if (v->has_exits) {
		ns[HOST_VCPU_GUEST] = v->exit_ns[HOST_VCPU_GUEST];
		ns[HOST_VCPU_HALTED] = v->exit_ns[HOST_VCPU_HALTED];
		ns[HOST_VCPU_EXIT] = less(v->exit_ns[HOST_VCPU_EXIT], wait);
		ns[HOST_VCPU_VMM] = v->exit_ns[HOST_VCPU_VMM];
	} else {
		ns[HOST_VCPU_GUEST] = v->sample_ns[UKP_PLACE_GUEST] + (s->emulated ? v->sample_ns[UKP_PLACE_KVM] : 0);
		ns[HOST_VCPU_EXIT] = s->emulated ? 0 : v->sample_ns[UKP_PLACE_KVM];
		ns[HOST_VCPU_VMM] = v->sample_ns[UKP_PLACE_VMM];
	}
	/* Of two sources, or less a wait, a sum could fall; counters may not. */
	for (i = 0; i < HOST_NR_VCPU_STATES; i++)
		if (ns[i] > v->shown_ns[i])
			v->shown_ns[i] = ns[i];
}

/* --- freezing --- */

static void *array(size_t nr, size_t size)
{
	return calloc(nr ? nr : 1, size);
}

static int fill_top(struct host_stats *hs, struct host_function **out, size_t *nr, const struct top *top)
{
	const char *name;
	size_t i;

	if (!top->nr_listed)
		return 0;
	*out = array(top->nr_listed, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	for (i = 0; i < strpool__nr(top->names); i++) {
		if (!top->all[i].listed)
			continue;
		name = strpool__get(top->names, i, NULL);
		if (host_stats__copy_str(hs, &(*out)[*nr].name, name + 1))
			return -ENOMEM;
		(*out)[*nr].is_unverified = *name == UNVERIFIED;
		(*out)[(*nr)++].samples = top->all[i].samples;
	}
	return 0;
}

static int fill_images(const struct serve_stats *s, struct host_stats *hs, struct host_vm *out, size_t place)
{
	static const enum host_image_state states[] = {
		[NAMING_NONE] = HOST_IMAGE_NONE,
		[NAMING_UNVERIFIED] = HOST_IMAGE_UNVERIFIED,
		[NAMING_VERIFIED] = HOST_IMAGE_VERIFIED,
		[NAMING_WRONG] = HOST_IMAGE_WRONG,
	};
	struct naming_image_status image;
	struct naming_status status;
	const char *slash;
	size_t i;

	naming__status(s->naming, place, &status);
	slash = status.path ? strrchr(status.path, '/') : NULL;
	out->image = states[status.verdict];
	out->images = array(status.nr_images, sizeof(*out->images));
	if (!out->images || host_stats__copy_str(hs, &out->image_path, status.path) ||
	    host_stats__copy_str(hs, &out->image_name, slash ? slash + 1 : status.path) ||
	    host_stats__copy_str(hs, &out->build_id, status.build_id))
		return -ENOMEM;
	for (i = 0; i < status.nr_images; i++) {
		naming__image_status(s->naming, place, i, &image);
		out->images[i].state = states[image.verdict];
		if (host_stats__copy_str(hs, &out->images[i].path, image.path) ||
		    host_stats__copy_str(hs, &out->images[i].build_id, image.build_id))
			return -ENOMEM;
		out->nr_images++;
	}
	return 0;
}

static int fill_vm(struct serve_stats *s, struct host_stats *hs, struct host_vm *out, struct served_vm *vm)
{
	size_t place = recording__place(s->rec, vm->id), i;
	const struct recording_vm_data *data = recording__vm_data(s->rec, place);

	out->id = vm->serial;
	out->pid = data->pid;
	out->up = vm->up;
	out->seen_wall_ns = vm->seen_wall_ns;
	out->mem_bytes = data->mem_bytes;
	out->samples[SNAP_PLACE_GUEST] = data->nr_place[UKP_PLACE_GUEST] + (s->emulated ? data->nr_place[UKP_PLACE_KVM] : 0);
	out->samples[SNAP_PLACE_KVM] = s->emulated ? 0 : data->nr_place[UKP_PLACE_KVM];
	out->samples[SNAP_PLACE_VMM] = data->nr_place[UKP_PLACE_VMM];
	out->nr_frames = vm->nr_frames;
	out->nr_unresolved_frames = vm->nr_unresolved_frames;
	out->nr_unresolved_samples = vm->nr_unresolved_samples;
	out->nr_virqs = vm->nr_virqs;
	out->stops = array(UKP_STOP_MAX, sizeof(*out->stops));
	out->methods = array(RECORDING_NR_WAYS, sizeof(*out->methods));
	out->vcpus = array(vm->nr_vcpus, sizeof(*out->vcpus));
	out->exits = array(vm->nr_exits, sizeof(*out->exits));
	if (!out->stops || !out->methods || !out->vcpus || !out->exits || host_stats__copy_str(hs, &out->name, data->name) ||
	    host_stats__copy_str(hs, &out->vmm, data->vmm) || fill_images(s, hs, out, place))
		return -ENOMEM;
	memcpy(out->stops, data->nr_stop, UKP_STOP_MAX * sizeof(*out->stops));
	recording__add_ways(data->nr_methods, out->methods);
	for (i = 0; i < vm->nr_vcpus; i++) {
		show_states(s, &vm->vcpus[i]);
		out->vcpus[i].id = vm->vcpus[i].id;
		memcpy(out->vcpus[i].state_ns, vm->vcpus[i].shown_ns, sizeof(out->vcpus[i].state_ns));
	}
	out->nr_vcpus = vm->nr_vcpus;
	if (vm->nr_exits)
		memcpy(out->exits, vm->exits, vm->nr_exits * sizeof(*out->exits));
	out->nr_exits = vm->nr_exits;
	if (fill_kvm(hs, out, vm->kvm))
		return -ENOMEM;
	if (fill_top(hs, &out->functions, &out->nr_functions, &vm->functions))
		return -ENOMEM;
	return fill_top(hs, &out->libraries, &out->nr_libraries, &vm->libraries);
}

static int fill_labels(struct host_stats *hs)
{
	static const struct host_label stops[] = {
#define X(name, value, label, help) [UKP_STOP_##name] = { label, help },
		UKP_STOPS(X)
#undef X
	};
	static const struct host_label methods[] = {
#define X(name, label, help) { label, help },
		RECORDING_WAYS(X)
#undef X
	};

	hs->stops = malloc(sizeof(stops));
	hs->methods = malloc(sizeof(methods));
	if (!hs->stops || !hs->methods)
		return -ENOMEM;
	memcpy(hs->stops, stops, sizeof(stops));
	memcpy(hs->methods, methods, sizeof(methods));
	hs->nr_stops = UKP_STOP_MAX;
	hs->nr_methods = RECORDING_NR_WAYS;
	return 0;
}

/* Every counter is either a loss, or one of the account. */
static bool is_drop(int counter)
{
	switch (counter) {
	case UKP_CTR_DROP_RING_FULL:
	case UKP_CTR_DROP_NO_VCPU:
	case UKP_CTR_DROP_NO_SCRATCH:
	case UKP_CTR_TEXT_FAILED:
	case UKP_CTR_EXIT_ROWS_FULL:
	case UKP_CTR_EXIT_SITES_FULL:
	case UKP_CTR_VIRQS_FULL:
	case UKP_CTR_EXIT_STACKS_DROPPED:
		return true;
	default:
		return false;
	}
}

static int fill_counters(const struct serve_stats *s, struct host_stats *hs)
{
	static const struct host_counter names[] = {
#define X(name, label, help) { label, help, 0 },
		UKP_COUNTERS(X)
#undef X
	};
	const uint64_t *v = recording__counter_values(s->rec);
	struct host_counter *c;
	int i;

	hs->drops = array(UKP_CTR_MAX + 2, sizeof(*hs->drops));
	hs->counters = array(UKP_CTR_MAX, sizeof(*hs->counters));
	if (!hs->drops || !hs->counters)
		return -ENOMEM;
	for (i = 0; i < UKP_CTR_MAX; i++) {
		c = is_drop(i) ? &hs->drops[hs->nr_drops++] : &hs->counters[hs->nr_counters++];
		*c = names[i];
		c->value = v[i];
	}
	hs->drops[hs->nr_drops++] = (struct host_counter){ "bad_records", "Records that contradicted themselves",
							   recording__nr_bad(s->rec) };
	hs->drops[hs->nr_drops++] = (struct host_counter){
		"stacks_overflow", "Stacks kept without frames: too many different ones",
		profile__nr_overflow(recording__profile(s->rec)) + profile__nr_overflow(recording__exit_profile(s->rec)),
	};
	return 0;
}

static int on_cost(void *ctx, const char *name, uint64_t runs, uint64_t run_ns)
{
	struct host_stats *hs = ctx;

	if (hs->nr_costs < COST_SHARES_MAX)
		hs->costs[hs->nr_costs++] = (struct host_cost){ name, runs, run_ns };
	return 0;
}

/*
 * The kernel counts time in a part of the run only (see level.h), so the whole is estimated from the cost of one
 * exit or sample, and shared out among the programs as measured.
 */
static int fill_costs(struct serve_stats *s, struct session *session, struct host_stats *hs)
{
	const struct level_use *use;
	struct host_cost *cost;
	double exit_ns = 0, sample_ns = 0;
	size_t i;

	hs->costs = array(COST_SHARES_MAX, sizeof(*hs->costs));
	if (!hs->costs)
		return -ENOMEM;
	for (i = 0; i < NR_LEVELS; i++) {
		use = level_account__use(session__levels(session), i);
		if (use->measured_exits)
			exit_ns += (double)use->exit_run_ns / use->measured_exits * use->exits;
		if (use->measured_samples)
			sample_ns += (double)use->sample_run_ns / use->measured_samples * use->samples;
	}
	if (sample_ns > s->sample_cost_ns)
		s->sample_cost_ns = sample_ns;
	loader__for_each_cost(session__loader(session), on_cost, hs);
	for (i = 0; i < hs->nr_costs; i++)
		if (loader__runs_for_exits(hs->costs[i].program))
			cost_shares__measured(&s->exit_costs, hs->costs[i].program, hs->costs[i].run_ns);
	cost_shares__share_out(&s->exit_costs, exit_ns);
	for (i = 0; i < hs->nr_costs; i++) {
		cost = &hs->costs[i];
		if (!strcmp(cost->program, LOADER_SAMPLE_PROGRAM)) {
			cost->run_ns = s->sample_cost_ns;
			cost->runs = recording__counter_values(s->rec)[UKP_CTR_FIRED];
		} else if (loader__runs_for_exits(cost->program)) {
			cost->run_ns = cost_shares__shown_ns(&s->exit_costs, cost->program);
		}
	}
	return 0;
}

static const char *name_of(const struct serve_stats *s, const struct served_vm *vm)
{
	return recording__vm_data(s->rec, recording__place(s->rec, vm->id))->name;
}

/* A VM that was started again has its former name, and the former one's series. */
static bool has_successor(const struct serve_stats *s, const struct served_vm *vm)
{
	size_t i;

	for (i = 0; !vm->up && i < s->nr; i++)
		if (s->vms[i].serial > vm->serial && !strcmp(name_of(s, &s->vms[i]), name_of(s, vm)))
			return true;
	return false;
}

static int fill(struct serve_stats *s, struct session *session, struct host_stats *hs)
{
	size_t i;
	int err;

	hs->version = UKPROF_VERSION;
	hs->libbpf = loader__libbpf_version();
	hs->level = level__name(session__level(session));
	hs->start_wall_ns = s->start_wall_ns;
	hs->wall_ns = clock__wall_ns();
	hs->mono_ns = clock__mono_ns();
	hs->period_ns = recording__info(s->rec)->period_ns;
	hs->nr_snapshots = ++s->nr_snapshots;
	hs->nr_vms_seen = s->next_serial;
	hs->nr_vms_gone = s->nr_gone;
	hs->nr_vms_missed = session__nr_missed(session);
	err = host_stats__copy_str(hs, &hs->host, hostinfo__release());
	if (!err)
		err = fill_labels(hs);
	if (!err)
		err = fill_counters(s, hs);
	if (!err)
		err = fill_costs(s, session, hs);
	if (err)
		return err;
	if (self_usage__read(&hs->self))
		memset(&hs->self, 0, sizeof(hs->self));
	hs->vms = array(s->nr, sizeof(*hs->vms));
	if (!hs->vms)
		return -ENOMEM;
	for (i = 0; i < s->nr; i++) {
		if (has_successor(s, &s->vms[i]))
			continue;
		err = fill_vm(s, hs, &hs->vms[hs->nr_vms++], &s->vms[i]);
		if (err)
			return err;
	}
	return 0;
}

int serve_stats__publish(struct serve_stats *s, struct session *session, struct host_stats **out)
{
	uint64_t start = clock__mono_ns();
	struct host_stats *hs;
	int err;

	err = host_stats__new(&hs);
	if (err)
		return err;
	err = add_new_samples(s);
	if (!err && session__exits(session))
		err = add_exits(s, session__loader(session));
	if (!err) {
		add_waits(s, session__registry(session));
		read_kvm(s, session__registry(session));
		err = fill(s, session, hs);
	}
	if (err) {
		host_stats__put(hs);
		return err;
	}
	hs->collect_ns = clock__mono_ns() - start;
	*out = hs;
	return 0;
}
