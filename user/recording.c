/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "recording.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "grow.h"
#include "strpool.h"

#define MAX_STACKS   (1u << 20)
#define MAX_SYMBOLS  (1u << 17) /* of the host; a capture file may bring any number */
#define MAX_NAME_LEN 512

/* Where a symbol of the host is; no padding, for its bytes are compared. */
struct symbol_key {
	uint64_t addr;
	uint64_t vm;
};

struct recording {
	struct capture_writer *capture;
	struct recording_info info;
	char *version;
	char *host;
	char *event;
	struct recording_vm_data *vms;
	size_t nr_vms, vms_cap, nr_free; /* of the VMs' places nr_free are to be given away */
	struct profile *profile;
	struct profile *exit_profile;
	struct strpool *symbol_keys, *symbol_names;
	uint32_t *symbols; /* by id of the key: id of its name */
	size_t symbols_cap;
	uint64_t nr_aged;
	uint32_t next_serial;
	uint64_t counters[UKP_CTR_MAX];
	uint64_t nr_samples;
	uint64_t nr_exit_stacks;
	uint64_t nr_bad;
	uint64_t last_ts_ns;
	uint64_t duration_ns;
	enum recording_end how;
};

int recording__new(struct recording **out)
{
	struct recording *r;

	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	if (profile__new(&r->profile, MAX_STACKS) || profile__new(&r->exit_profile, MAX_STACKS) ||
	    strpool__new(&r->symbol_keys) || strpool__new(&r->symbol_names)) {
		recording__free(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

static void release_vm(struct recording_vm_data *vm)
{
	free(vm->name);
	free(vm->vmm);
	free(vm->image);
	free(vm->args);
	free(vm->texts);
}

void recording__free(struct recording *r)
{
	size_t i;

	if (!r)
		return;
	for (i = 0; i < r->nr_vms; i++)
		release_vm(&r->vms[i]);
	free(r->vms);
	profile__free(r->profile);
	profile__free(r->exit_profile);
	strpool__free(r->symbol_keys);
	strpool__free(r->symbol_names);
	free(r->symbols);
	free(r->version);
	free(r->host);
	free(r->event);
	free(r);
}

void recording__set_capture(struct recording *r, struct capture_writer *w)
{
	r->capture = w;
}

static int copy_str(char **dst, const char *src)
{
	*dst = src ? strdup(src) : NULL;
	return src && !*dst ? -ENOMEM : 0;
}

int recording__capture_err(const struct recording *r)
{
	return r->capture ? capture_writer__err(r->capture) : 0;
}

int recording__begin(struct recording *r, const struct recording_info *info)
{
	int err;

	free(r->version);
	free(r->host);
	free(r->event);
	err = copy_str(&r->version, info->version) | copy_str(&r->host, info->host) |
	      copy_str(&r->event, info->event);
	/* Also on error, for the caller's strings are only borrowed. */
	r->info = *info;
	r->info.version = r->version;
	r->info.host = r->host;
	r->info.event = r->event;
	if (err)
		return -ENOMEM;
	r->last_ts_ns = info->start_mono_ns;
	return r->capture ? capture_writer__begin(r->capture, info) : 0;
}

size_t recording__place(const struct recording *r, uint32_t id)
{
	size_t i;

	/* Ids are handed out in order, so the place is nearly always the id. */
	if (id < r->nr_vms && r->vms[id].id == id && !r->vms[id].forgotten)
		return id;
	for (i = 0; i < r->nr_vms; i++)
		if (r->vms[i].id == id && !r->vms[i].forgotten)
			return i;
	return RECORDING_NOWHERE;
}

static struct recording_vm_data *vm_by_id(struct recording *r, uint32_t id)
{
	size_t place = recording__place(r, id);

	return place == RECORDING_NOWHERE ? NULL : &r->vms[place];
}

int recording__vm(struct recording *r, const struct recording_vm *vm)
{
	struct recording_vm_data *data;
	size_t place = r->nr_free ? 0 : r->nr_vms;
	bool is_new;

	while (place < r->nr_vms && !r->vms[place].forgotten)
		place++;
	is_new = place == r->nr_vms;
	if (vm_by_id(r, vm->id) || place == RECORDING_MAX_VMS) {
		r->nr_bad++;
		return 0;
	}
	if (is_new && grow__to((void **)&r->vms, &r->vms_cap, r->nr_vms + 1, sizeof(*r->vms)))
		return -ENOMEM;
	data = &r->vms[place];
	*data = (struct recording_vm_data){
		.serial = r->next_serial++,
		.id = vm->id,
		.pid = vm->pid,
		.mem_bytes = vm->mem_bytes,
	};
	if (copy_str(&data->name, vm->name ? vm->name : "vm") | copy_str(&data->vmm, vm->vmm ? vm->vmm : "") |
	    copy_str(&data->image, vm->image) | copy_str(&data->args, vm->args)) {
		release_vm(data);
		if (!is_new)
			*data = (struct recording_vm_data){ .forgotten = true };
		return -ENOMEM;
	}
	r->nr_vms += is_new;
	r->nr_free -= !is_new;
	return r->capture ? capture_writer__vm(r->capture, vm) : 0;
}

void recording__forget_vm(struct recording *r, uint32_t id)
{
	struct recording_vm_data *vm = vm_by_id(r, id);

	if (!vm)
		return;
	release_vm(vm);
	*vm = (struct recording_vm_data){ .forgotten = true };
	r->nr_free++;
	profile__forget(r->profile, id);
	profile__forget(r->exit_profile, id);
}

void recording__age(struct recording *r)
{
	size_t dropped = profile__age(r->profile) + profile__age(r->exit_profile);

	r->nr_aged += dropped != 0;
}

uint64_t recording__epoch(const struct recording *r, int64_t vm)
{
	/* Exact as a JavaScript number for a thousand years of ageing. */
	return r->nr_aged * (1ull << 24) + (vm >= 0 ? r->vms[vm].serial : 0);
}

/* What was read before where other bytes are now says nothing any more: memory is used anew while a guest boots. */
static void drop_outdated(struct recording_vm_data *vm, const struct ukp_text *t)
{
	size_t i, nr = 0;

	for (i = 0; i < vm->nr_texts; i++)
		if (vm->texts[i].gva != t->gva || !memcmp(vm->texts[i].bytes, t->bytes, sizeof(t->bytes)))
			vm->texts[nr++] = vm->texts[i];
	vm->nr_texts = nr;
}

/*
 * A guest may be in its firmware for long before it loads what it runs, so the latest probes are kept. And so are the
 * first ones: what once disproved an image must not be forgotten because it runs rarely.
 */
static int add_text(struct recording_vm_data *vm, const struct ukp_text *t)
{
	struct recording_text *text;
	size_t i;

	for (i = 0; i < vm->nr_texts; i++)
		if (vm->texts[i].rip == t->rip && !memcmp(vm->texts[i].bytes, t->bytes, sizeof(t->bytes)))
			return 0;
	drop_outdated(vm, t);
	if (vm->nr_texts == RECORDING_MAX_TEXTS) {
		text = vm->texts + RECORDING_MAX_TEXTS / 2;
		memmove(text, text + 1, (RECORDING_MAX_TEXTS / 2 - 1) * sizeof(*text));
		vm->nr_texts--;
	}
	if (grow__to((void **)&vm->texts, &vm->texts_cap, vm->nr_texts + 1, sizeof(*text)))
		return -ENOMEM;
	text = &vm->texts[vm->nr_texts++];
	text->gva = t->gva;
	text->rip = t->rip;
	memcpy(text->bytes, t->bytes, sizeof(t->bytes));
	vm->nr_texts_taken++;
	return 0;
}

static void note_seen(struct recording *r, struct recording_vm_data *vm, const struct ukp_rec_hdr *hdr)
{
	if (hdr->vcpu >= vm->nr_vcpus)
		vm->nr_vcpus = hdr->vcpu + 1;
	if (hdr->ts_ns > r->last_ts_ns)
		r->last_ts_ns = hdr->ts_ns;
}

static void note_sample(struct recording *r, struct recording_vm_data *vm, uint8_t place, uint8_t stop, uint8_t methods)
{
	r->nr_samples++;
	vm->nr_samples++;
	vm->nr_place[place]++;
	vm->nr_stop[stop]++;
	vm->nr_methods[methods]++;
}

static int add_sample(struct recording *r, struct recording_vm_data *vm, const struct ukp_sample *s)
{
	struct profile_key key = {
		.vm = s->hdr.vm,
		.vcpu = s->hdr.vcpu,
		.place = s->place,
		.stop = s->stop,
	};
	int err;

	err = profile__add(r->profile, &key, (const uint64_t *)s->frames, s->nr_frames, 1, s->period);
	if (err)
		return err;
	note_sample(r, vm, s->place, s->stop, s->methods);
	note_seen(r, vm, &s->hdr);
	return 0;
}

static int add_exit(struct recording *r, struct recording_vm_data *vm, const struct ukp_exit_sample *s)
{
	struct profile_key key = {
		.value = s->value,
		.vm = s->hdr.vm,
		.vcpu = s->hdr.vcpu,
		.reason = s->reason,
		.isa = s->isa,
		.detail = s->detail,
		.place = s->to_user ? UKP_PLACE_VMM : UKP_PLACE_KVM,
		.stop = s->stop,
	};
	int err;

	err = profile__add(r->exit_profile, &key, (const uint64_t *)s->frames, s->nr_frames, s->count, s->ns);
	if (err)
		return err;
	r->nr_exit_stacks++;
	vm->nr_exit_stop[s->stop]++;
	vm->nr_exit_methods[s->methods]++;
	note_seen(r, vm, &s->hdr);
	return 0;
}

/* Its frames stand in the profile's order: the kernel's, the VMM's, the guest's. */
static int add_host_sample(struct recording *r, struct recording_vm_data *vm, const struct ukp_host_sample *s)
{
	struct profile_key key = {
		.value = s->value,
		.vm = s->hdr.vm,
		.vcpu = s->hdr.vcpu,
		.reason = s->reason,
		.isa = s->isa,
		.detail = s->detail,
		.place = s->place,
		.stop = s->stop,
		.nr_kernel = s->nr_kernel,
		.nr_vmm = s->nr_vmm,
	};
	int err;

	err = profile__add(r->profile, &key, (const uint64_t *)s->frames, s->nr_kernel + s->nr_vmm + s->nr_frames, 1,
			   s->period);
	if (err)
		return err;
	note_sample(r, vm, s->place, s->stop, s->methods);
	note_seen(r, vm, &s->hdr);
	return 0;
}

static bool sample_is_valid(const struct ukp_sample *s, size_t len)
{
	return len >= sizeof(*s) && s->nr_frames <= UKP_MAX_FRAMES &&
	       len == sizeof(*s) + s->nr_frames * sizeof(s->frames[0]) && s->place <= UKP_PLACE_VMM &&
	       s->stop < UKP_STOP_MAX && s->methods < RECORDING_METHODS && s->hdr.vcpu < 65536;
}

static bool exit_is_valid(const struct ukp_exit_sample *s, size_t len)
{
	return len >= sizeof(*s) && s->nr_frames <= UKP_MAX_FRAMES &&
	       len == sizeof(*s) + s->nr_frames * sizeof(s->frames[0]) && s->stop < UKP_STOP_MAX &&
	       s->methods < RECORDING_METHODS && s->hdr.vcpu < 65536 && s->count &&
	       s->count <= 1ull << UKP_PICK_MAX_SHIFT && s->detail < UKP_DETAIL_MAX;
}

static bool host_sample_is_valid(const struct ukp_host_sample *s, size_t len)
{
	return len >= sizeof(*s) && s->nr_frames <= UKP_MAX_FRAMES && s->nr_kernel <= UKP_MAX_KERNEL &&
	       s->nr_vmm <= UKP_MAX_VMM &&
	       len == sizeof(*s) + (s->nr_kernel + s->nr_vmm + s->nr_frames) * sizeof(s->frames[0]) &&
	       (s->place == UKP_PLACE_KVM || (s->place == UKP_PLACE_VMM && !s->nr_kernel)) &&
	       s->stop < UKP_STOP_MAX && s->methods < RECORDING_METHODS && s->hdr.vcpu < 65536 &&
	       s->isa <= UKP_ISA_SVM && s->detail < UKP_DETAIL_MAX;
}

static bool text_is_valid(const struct ukp_text *t, size_t len)
{
	return len == sizeof(*t) && !(t->gva % UKP_TEXT_LEN) && t->rip - t->gva < UKP_TEXT_LEN;
}

int recording__record(struct recording *r, const void *data, size_t len)
{
	const struct ukp_rec_hdr *hdr = data;
	struct recording_vm_data *vm;
	int err = 0;

	if (len < sizeof(*hdr) || hdr->len != len)
		goto bad;
	vm = vm_by_id(r, hdr->vm);
	if (!vm)
		goto bad;
	switch (hdr->kind) {
	case UKP_REC_SAMPLE:
		if (!sample_is_valid(data, len))
			goto bad;
		err = add_sample(r, vm, data);
		break;
	case UKP_REC_TEXT:
		if (!text_is_valid(data, len))
			goto bad;
		err = add_text(vm, data);
		break;
	case UKP_REC_EXIT:
		if (!exit_is_valid(data, len))
			goto bad;
		err = add_exit(r, vm, data);
		break;
	case UKP_REC_HOST_SAMPLE:
		if (!host_sample_is_valid(data, len))
			goto bad;
		err = add_host_sample(r, vm, data);
		break;
	default:
		goto bad;
	}
	if (!err && r->capture)
		err = capture_writer__record(r->capture, data, len);
	return err;
bad:
	r->nr_bad++;
	return 0;
}

int recording__symbol(struct recording *r, const struct recording_symbol *sym)
{
	struct symbol_key key = { .addr = sym->addr, .vm = sym->vm };
	size_t nr = strpool__nr(r->symbol_keys), len = strlen(sym->name);
	int64_t id, name;

	if (len > MAX_NAME_LEN || nr == MAX_SYMBOLS) {
		r->nr_bad++;
		return 0;
	}
	if (grow__to((void **)&r->symbols, &r->symbols_cap, nr + 1, sizeof(*r->symbols)))
		return -ENOMEM;
	name = strpool__add(r->symbol_names, sym->name, len);
	id = name < 0 ? name : strpool__add(r->symbol_keys, &key, sizeof(key));
	if (id < 0)
		return id;
	if ((size_t)id < nr)
		return 0;
	r->symbols[id] = name;
	return r->capture ? capture_writer__symbol(r->capture, sym) : 0;
}

const char *recording__symbol_name(const struct recording *r, uint32_t vm, uint64_t addr)
{
	struct symbol_key key = { .addr = addr, .vm = vm };
	int64_t id = strpool__find(r->symbol_keys, &key, sizeof(key));

	return id < 0 ? NULL : strpool__get(r->symbol_names, r->symbols[id], NULL);
}

int recording__counters(struct recording *r, const uint64_t *v)
{
	memcpy(r->counters, v, sizeof(r->counters));
	return r->capture ? capture_writer__counters(r->capture, v) : 0;
}

int recording__end(struct recording *r, enum recording_end how, uint64_t duration_ns)
{
	r->how = how;
	r->duration_ns = duration_ns;
	return r->capture ? capture_writer__end(r->capture, how, duration_ns) : 0;
}

static enum recording_way way_of(unsigned int methods)
{
	if (methods & UKP_BY_WEAK)
		return RECORDING_BY_WEAK;
	if (methods & UKP_BY_RECOVERED)
		return RECORDING_BY_RECOVERED;
	if (methods & UKP_BY_FRAME)
		return RECORDING_BY_FRAME;
	switch (methods & (UKP_BY_TABLE | UKP_BY_FP)) {
	case UKP_BY_TABLE:
		return RECORDING_BY_TABLE;
	case UKP_BY_FP:
		return RECORDING_BY_FP;
	case UKP_BY_TABLE | UKP_BY_FP:
		return RECORDING_BY_BOTH;
	default:
		return RECORDING_BY_NONE;
	}
}

void recording__add_ways(const uint64_t methods[RECORDING_METHODS], uint64_t nr[RECORDING_NR_WAYS])
{
	unsigned int k;

	for (k = 0; k < RECORDING_METHODS; k++)
		nr[way_of(k)] += methods[k];
}

const char *recording__stop_label(unsigned int stop)
{
	static const char *const labels[] = {
#define X(name, value, label, help) [UKP_STOP_##name] = label,
		UKP_STOPS(X)
#undef X
	};

	return labels[stop];
}

const struct recording_info *recording__info(const struct recording *r)
{
	return &r->info;
}

size_t recording__nr_vms(const struct recording *r)
{
	return r->nr_vms;
}

const struct recording_vm_data *recording__vm_data(const struct recording *r, size_t i)
{
	return &r->vms[i];
}

struct profile *recording__profile(const struct recording *r)
{
	return r->profile;
}

struct profile *recording__exit_profile(const struct recording *r)
{
	return r->exit_profile;
}

uint64_t recording__nr_exit_stacks(const struct recording *r)
{
	return r->nr_exit_stacks;
}

bool recording__is_of_exits(const struct recording *r)
{
	return r->event && !strcmp(r->event, RECORDING_EVENT_EXITS);
}

const uint64_t *recording__counter_values(const struct recording *r)
{
	return r->counters;
}

uint64_t recording__nr_samples(const struct recording *r)
{
	return r->nr_samples;
}

uint64_t recording__nr_bad(const struct recording *r)
{
	return r->nr_bad;
}

uint64_t recording__duration_ns(const struct recording *r)
{
	return r->duration_ns ? r->duration_ns : r->last_ts_ns - r->info.start_mono_ns;
}

enum recording_end recording__how_ended(const struct recording *r)
{
	return r->how;
}

uint64_t recording__nr_dropped(const struct recording *r)
{
	return r->counters[UKP_CTR_DROP_RING_FULL] + r->counters[UKP_CTR_DROP_NO_VCPU] +
	       r->counters[UKP_CTR_DROP_NO_SCRATCH];
}

int64_t recording__unaccounted(const struct recording *r)
{
	return (int64_t)(r->counters[UKP_CTR_FIRED] - r->counters[UKP_CTR_STORED] - recording__nr_dropped(r)) +
	       (int64_t)(r->counters[UKP_CTR_STORED] - r->nr_samples);
}

void recording__counts(const struct recording *r, struct recording_counts *out)
{
	memcpy(out->bpf, recording__counter_values(r), sizeof(out->bpf));
	out->bad = recording__nr_bad(r);
	out->overflow = profile__nr_overflow(r->profile) + profile__nr_overflow(r->exit_profile);
}
