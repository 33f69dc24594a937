/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "naming.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "debug_file.h"
#include "exit_names.h"
#include "image.h"
#include "locate.h"
#include "log.h"
#include "recording.h"
#include "snapshot.h"
#include "strbuf.h"
#include "symbolizer.h"
#include "symtab.h"
#include "vmm_info.h"

enum vm_state {
	VM_UNTRIED = 0,
	VM_NO_IMAGE,	 /* the VMM's command line names none */
	VM_BAD_IMAGE,	 /* it is of no use: see verdict */
	VM_NO_SYMBOLS,	 /* stripped */
	VM_NO_PROOF,	 /* names in use, but the guest showed no code of it yet */
	VM_DIFFERENT,	 /* the guest runs other code; names are in use only by force */
	VM_AMBIGUOUS,	 /* more than one load bias fits; likewise */
	VM_VERIFIED,
};

struct vm_naming {
	enum vm_state state;
	enum image_verdict verdict;
	int open_errno; /* of IMAGE_UNREADABLE */
	struct locate_info where;
	struct symbolizer *syms;
	char *path; /* image that was tried */
	size_t nr_texts; /* probes that the state rests on */
	struct stat file; /* that syms are of; VMs with the same one share them */
	uint64_t bias;
	bool had_debug_file; /* it was looked for */
};

struct naming {
	bool force;
	bool no_inline;
	char *symbols;
	char *debug_dir; /* or NULL */
	struct vm_naming *vms;
	size_t nr;
};

static void report_image(const char *path, enum image_verdict verdict)
{
	if (verdict == IMAGE_UNREADABLE)
		log_err("image: %s: %s: %s", path, image__verdict_str(verdict), strerror(errno));
	else
		log_err("image: %s: %s", path, image__verdict_str(verdict));
	if (*image__hint(verdict))
		log_hint("%s", image__hint(verdict));
}

/* A debug file that does not belong must not be left out in silence; @quiet: that was said before. */
static void attach_debug_file(struct image *img, const char *root, bool quiet)
{
	char *path = NULL;

	switch (debug_file__attach(img, root, &path)) {
	case DEBUG_FILE_ATTACHED:
		log_debug("image: %s: with %s", image__path(img), path);
		break;
	case DEBUG_FILE_OTHER_BUILD:
		if (quiet)
			break;
		log_warn("image: %s: its debug file %s is of another build: not used", image__path(img), path);
		log_hint("keep the two files of one build together; without a build-id their checksum has to match, too");
		break;
	case DEBUG_FILE_NOT_NEEDED:
	case DEBUG_FILE_NONE:
	case DEBUG_FILE_NO_MEMORY: /* what comes next meets it, too */
		break;
	}
	free(path);
}

static int check_users_image(const char *path, const char *debug_dir)
{
	enum image_verdict verdict;
	struct symtab *st = NULL;
	struct image *img = NULL;
	int err;

	verdict = image__open(&img, path);
	if (verdict) {
		report_image(path, verdict);
		return verdict == IMAGE_NO_MEMORY ? -ENOMEM : -EINVAL;
	}
	attach_debug_file(img, debug_dir, false);
	err = symtab__new(&st, img);
	if (err == -ENOENT) {
		log_err("image: %s: stripped: it names no functions", path);
		log_hint("pass the unstripped file that the linker wrote; for Unikraft that is IMAGE.dbg");
	} else if (err == -EBADMSG) {
		log_err("image: %s: its symbol table is malformed", path);
		log_hint("%s", image__hint(IMAGE_MALFORMED));
	}
	symtab__free(st);
	image__free(img);
	return err && err != -ENOMEM ? -EINVAL : err;
}

int naming__new(struct naming **out, const struct naming_opts *opts)
{
	struct naming *n;
	int err;

	err = opts->symbols ? check_users_image(opts->symbols, opts->debug_dir) : 0;
	if (err)
		return err;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->force = opts->force;
	n->no_inline = opts->no_inline;
	n->symbols = opts->symbols ? strdup(opts->symbols) : NULL;
	n->debug_dir = opts->debug_dir ? strdup(opts->debug_dir) : NULL;
	if ((opts->symbols && !n->symbols) || (opts->debug_dir && !n->debug_dir)) {
		naming__free(n);
		return -ENOMEM;
	}
	*out = n;
	return 0;
}

static void release_vm(struct vm_naming *vm)
{
	symbolizer__put(vm->syms);
	free(vm->path);
}

void naming__free(struct naming *n)
{
	size_t i;

	if (!n)
		return;
	for (i = 0; i < n->nr; i++)
		release_vm(&n->vms[i]);
	free(n->vms);
	free(n->symbols);
	free(n->debug_dir);
	free(n);
}

static char *choose_path(const struct naming *n, const char *image)
{
	char *twin;

	if (n->symbols)
		return strdup(n->symbols);
	if (!image)
		return NULL;
	twin = vmm_info__symbol_twin(image);
	return twin ? twin : strdup(image);
}

bool naming__linear_offset(const struct naming *n, const char *image, uint64_t *offset)
{
	char *path = choose_path(n, image);
	struct image *img = NULL;
	bool yes = false;

	if (path && !image__open(&img, path))
		yes = image__linear_offset(img, offset);
	image__free(img);
	free(path);
	return yes;
}

/* The symbols of another VM that runs the same file at the same place, or NULL. */
static struct symbolizer *find_shared(const struct naming *n, const struct vm_naming *vm, uint64_t bias)
{
	const struct vm_naming *other;
	size_t i;

	for (i = 0; i < n->nr; i++) {
		other = &n->vms[i];
		if (other != vm && other->syms && other->bias == bias && other->file.st_ino == vm->file.st_ino &&
		    other->file.st_dev == vm->file.st_dev && other->file.st_size == vm->file.st_size &&
		    other->file.st_mtim.tv_sec == vm->file.st_mtim.tv_sec &&
		    other->file.st_mtim.tv_nsec == vm->file.st_mtim.tv_nsec)
			return symbolizer__get(other->syms);
	}
	return NULL;
}

static int use_image(const struct naming *n, struct vm_naming *vm, struct image *img, uint64_t bias,
		     enum vm_state state)
{
	int err;

	symbolizer__put(vm->syms);
	vm->bias = bias;
	vm->syms = find_shared(n, vm, bias);
	if (vm->syms) {
		image__free(img);
		vm->state = state;
		return 0;
	}
	err = symbolizer__new(&vm->syms);
	if (err) {
		image__free(img);
		return err;
	}
	if (n->no_inline)
		symbolizer__without_lines(vm->syms);
	/* Of the user's image it was said at the start. */
	attach_debug_file(img, n->debug_dir, n->symbols || vm->had_debug_file);
	vm->had_debug_file = true;
	err = symbolizer__add_image(vm->syms, img, bias);
	vm->state = state;
	if (err == -ENOENT || err == -EBADMSG) {
		vm->state = VM_NO_SYMBOLS;
		symbolizer__put(vm->syms);
		vm->syms = NULL;
		err = 0;
	}
	return err;
}

static enum locate_result locate(const struct image *img, const struct recording_vm_data *data,
				 struct locate_info *info)
{
	struct locate_probe probes[RECORDING_MAX_TEXTS];
	size_t i;

	for (i = 0; i < data->nr_texts; i++)
		probes[i] = (struct locate_probe){
			.gva = data->texts[i].gva,
			.rip = data->texts[i].rip,
			.len = UKP_TEXT_LEN,
			.bytes = data->texts[i].bytes,
		};
	return locate__find(img, probes, data->nr_texts, info);
}

static int try_vm(struct naming *n, struct vm_naming *vm, const struct recording_vm_data *data)
{
	enum locate_result result;
	struct image *img = NULL;

	if (!vm->path)
		vm->path = choose_path(n, data->image);
	if (!vm->path) {
		vm->state = VM_NO_IMAGE;
		return 0;
	}
	if (stat(vm->path, &vm->file))
		memset(&vm->file, 0, sizeof(vm->file));
	vm->verdict = image__open(&img, vm->path);
	if (vm->verdict == IMAGE_NO_MEMORY)
		return -ENOMEM;
	if (vm->verdict) {
		vm->open_errno = errno;
		vm->state = VM_BAD_IMAGE;
		return 0;
	}
	result = locate(img, data, &vm->where);
	switch (result) {
	case LOCATE_FOUND:
		return use_image(n, vm, img, vm->where.bias, VM_VERIFIED);
	case LOCATE_NO_PROBES:
	case LOCATE_NOT_COVERED:
		vm->state = VM_NO_PROOF;
		break;
	case LOCATE_DIFFERENT:
		vm->state = VM_DIFFERENT;
		break;
	case LOCATE_AMBIGUOUS:
		vm->state = VM_AMBIGUOUS;
		break;
	}
	/* A position-independent image without a proven bias would give wrong names, not unproven ones. */
	if (vm->state == VM_AMBIGUOUS ? n->force : !image__is_pic(img) && (n->force || vm->state == VM_NO_PROOF))
		return use_image(n, vm, img, vm->where.bias, vm->state);
	image__free(img);
	symbolizer__put(vm->syms);
	vm->syms = NULL;
	return 0;
}

static bool is_final(const struct vm_naming *vm)
{
	return vm->state == VM_NO_IMAGE || vm->state == VM_BAD_IMAGE || vm->state == VM_NO_SYMBOLS ||
	       (vm->state == VM_VERIFIED && vm->where.nr_matching >= 2);
}

/* @last: all there is to know is known now, so also what later probes say against an image counts. */
static int update(struct naming *n, const struct recording *r, bool last)
{
	size_t nr = recording__nr_vms(r), i;
	const struct recording_vm_data *data;
	struct vm_naming *vms;
	int err;

	if (nr > n->nr) {
		vms = reallocarray(n->vms, nr, sizeof(*vms));
		if (!vms)
			return -ENOMEM;
		memset(vms + n->nr, 0, (nr - n->nr) * sizeof(*vms));
		n->vms = vms;
		n->nr = nr;
	}
	for (i = 0; i < nr; i++) {
		data = recording__vm_data(r, i);
		if (data->forgotten)
			continue;
		if (n->vms[i].state && ((is_final(&n->vms[i]) && !(last && n->vms[i].state == VM_VERIFIED)) ||
					n->vms[i].nr_texts == data->nr_texts))
			continue;
		n->vms[i].nr_texts = data->nr_texts;
		err = try_vm(n, &n->vms[i], data);
		if (err)
			return err;
	}
	return 0;
}

int naming__update(struct naming *n, const struct recording *r)
{
	return update(n, r, false);
}

uint64_t naming__unresolved(struct naming *n, const struct recording *r, bool exits)
{
	const struct profile *p = exits ? recording__exit_profile(r) : recording__profile(r);
	const struct sym_frame *frames;
	struct profile_stack stack;
	uint64_t nr = 0;
	size_t i, vm;

	for (i = 0; i < profile__nr(p); i++) {
		profile__stack(p, i, &stack);
		vm = recording__place(r, stack.key.vm);
		if (!stack.nr_frames || vm >= n->nr ||
		    !symbolizer__resolve(n->vms[vm].syms, stack.frames[0], false, &frames))
			nr += stack.count;
	}
	return nr;
}

static void talk_about_force(const struct vm_naming *vm, const struct recording_vm_data *data)
{
	if (vm->state == VM_DIFFERENT)
		log_warn("image: %s: %s: not what the guest runs: memory differs at 0x%" PRIx64
			 ": its names are used by force, and marked [unverified]", data->name, vm->path, vm->where.differs_at);
	else
		log_warn("image: %s: %s: more than one load address fits: names are by 0x%" PRIx64
			 ", by force, and marked [unverified]", data->name, vm->path, vm->bias);
}

static void talk_about(const struct naming *n, const struct vm_naming *vm, const struct recording_vm_data *data)
{
	if (!data->nr_samples)
		return;
	if (vm->syms && (vm->state == VM_DIFFERENT || vm->state == VM_AMBIGUOUS)) {
		talk_about_force(vm, data);
		return;
	}
	switch (vm->state) {
	case VM_NO_IMAGE:
		log_warn("image: %s: the VMM's command line names no image: frames will be addresses", data->name);
		log_hint("pass the unstripped unikernel: -s FILE");
		break;
	case VM_BAD_IMAGE:
		log_warn("image: %s: %s: %s%s%s: frames will be addresses", data->name, vm->path,
			 image__verdict_str(vm->verdict), vm->verdict == IMAGE_UNREADABLE ? ": " : "",
			 vm->verdict == IMAGE_UNREADABLE ? strerror(vm->open_errno) : "");
		if (vm->verdict == IMAGE_UNREADABLE)
			log_hint("pass the unstripped unikernel from where it is: -s FILE");
		else
			log_hint("%s", image__hint(vm->verdict));
		break;
	case VM_NO_SYMBOLS:
		log_warn("image: %s: %s: stripped: frames will be addresses", data->name, vm->path);
		log_hint("keep the unstripped file of the build and pass it: -s FILE");
		break;
	case VM_NO_PROOF:
		log_warn("image: %s: %s: the guest showed no code of it: %s", data->name, vm->path,
			 vm->syms ? "names are marked [unverified]" : "frames will be addresses");
		log_hint("the guest may still be in its firmware, or run another image: record longer, or pass -s FILE");
		break;
	case VM_DIFFERENT:
		log__write(n->symbols ? LOG_LEVEL_ERR : LOG_LEVEL_WARN,
			   "image: %s: %s: not what the guest runs: memory differs at 0x%" PRIx64
			   ": frames will be addresses", data->name, vm->path, vm->where.differs_at);
		log_hint("was the unikernel rebuilt after it was started? pass the file that was booted: -s FILE; "
			 "or use these names all the same: --force");
		break;
	case VM_AMBIGUOUS:
		log_warn("image: %s: %s: more than one load address fits: frames will be addresses", data->name,
			 vm->path);
		log_hint("record longer, so that more of its code is seen");
		break;
	case VM_UNTRIED:
	case VM_VERIFIED:
		break;
	}
}

void naming__forget(struct naming *n, size_t i)
{
	if (i >= n->nr)
		return;
	release_vm(&n->vms[i]);
	memset(&n->vms[i], 0, sizeof(n->vms[i]));
}

void naming__status(const struct naming *n, size_t i, struct naming_status *out)
{
	static const enum naming_verdict verdicts[] = {
		[VM_UNTRIED] = NAMING_NONE,	   [VM_NO_IMAGE] = NAMING_NONE,
		[VM_BAD_IMAGE] = NAMING_NONE,	   [VM_NO_SYMBOLS] = NAMING_NONE,
		[VM_NO_PROOF] = NAMING_UNVERIFIED, [VM_DIFFERENT] = NAMING_WRONG,
		[VM_AMBIGUOUS] = NAMING_UNVERIFIED, [VM_VERIFIED] = NAMING_VERIFIED,
	};
	struct sym_image_info info = { 0 };

	*out = (struct naming_status){ .verdict = NAMING_NONE };
	if (i >= n->nr)
		return;
	if (n->vms[i].syms)
		symbolizer__image_info(n->vms[i].syms, 0, &info);
	*out = (struct naming_status){
		.verdict = verdicts[n->vms[i].state],
		.path = n->vms[i].path,
		.build_id = info.build_id,
		.syms = n->vms[i].syms,
	};
}

/* A snapshot being made. */
struct freezer {
	struct naming *n;
	const struct recording *r;
	const struct naming_what *what;
	struct snapshot *snap;
	int *index; /* place in the recording -> VM of the snapshot, or -1 */
};

static int add_vms(struct freezer *f)
{
	const struct recording *r = f->r;
	const struct recording_vm_data *data;
	struct sym_image_info info;
	struct vm_naming *vm;
	size_t i;

	f->index = malloc((recording__nr_vms(r) + 1) * sizeof(*f->index));
	if (!f->index)
		return -ENOMEM;
	for (i = 0; i < recording__nr_vms(r); i++) {
		data = recording__vm_data(r, i);
		vm = &f->n->vms[i];
		f->index[i] = -1;
		if (data->forgotten || (f->what->vm && *f->what->vm != data->id))
			continue;
		memset(&info, 0, sizeof(info));
		if (vm->syms)
			symbolizer__image_info(vm->syms, 0, &info);
		struct snap_vm sv = {
			.name = data->name,
			.vmm = data->vmm,
			.image_path = vm->path,
			.build_id = info.build_id,
			.pid = data->pid,
			.nr_vcpus = data->nr_vcpus,
			.verified = vm->state == VM_VERIFIED,
			.syms = vm->syms ? symbolizer__get(vm->syms) : NULL,
		};
		f->index[i] = snapshot__add_vm(f->snap, &sv);
		if (f->index[i] < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Names of what an exit was: its reason, and what it was for; then those of the host's frames. */
struct exit_frames {
	struct strbuf text[2];
	struct snap_host_frame frames[2 + UKP_MAX_KERNEL + UKP_MAX_VMM + 1];
	char hex[UKP_MAX_KERNEL + UKP_MAX_VMM][24]; /* of addresses without a name */
	uint32_t nr;
};

static int name_exit(struct exit_frames *f, const struct recording_vm_data *vm, const struct profile_key *key)
{
	uint32_t i;

	f->nr = 0;
	for (i = 0; i < 2; i++) {
		strbuf__truncate(&f->text[i], 0);
		if (!i)
			exit_names__reason(&f->text[i], key->isa, key->reason);
		else
			exit_names__detail(&f->text[i], vm->vmm, key->detail, key->value);
		if (strbuf__err(&f->text[i]))
			return -ENOMEM;
		if (f->text[i].len)
			f->frames[f->nr++] = (struct snap_host_frame){ SNAP_FRAME_EXIT, strbuf__str(&f->text[i]) };
	}
	return 0;
}

/* Returns the stack's VM in the snapshot, or -1 if it is not wanted. */
static int get_stack(const struct freezer *f, const struct profile *p, size_t i, struct profile_stack *stack)
{
	size_t place;

	if (f->what->since)
		profile__since(p, f->what->since, i, stack);
	else
		profile__stack(p, i, stack);
	if (!stack->count && !stack->weight)
		return -1;
	place = recording__place(f->r, stack->key.vm);
	return place == RECORDING_NOWHERE ? -1 : f->index[place];
}

static int add_exit_stacks(struct freezer *f)
{
	const struct profile *p = recording__exit_profile(f->r);
	struct exit_frames frames = { 0 };
	struct profile_stack stack;
	size_t i;
	int err = 0, vm;

	for (i = 0; i < profile__nr(p) && !err; i++) {
		vm = get_stack(f, p, i, &stack);
		if (vm < 0)
			continue;
		struct snap_stack s = {
			.vm = vm,
			.vcpu = stack.key.vcpu,
			.place = stack.key.place == UKP_PLACE_VMM ? SNAP_PLACE_VMM : SNAP_PLACE_KVM,
			.stop = stack.key.stop == UKP_STOP_ROOT ? NULL : recording__stop_label(stack.key.stop),
			.nr_frames = stack.nr_frames,
			.frames = stack.frames,
			.count = stack.count,
			.weight_ns = stack.weight,
		};
		/* A guest that waits would be all that the picture shows. */
		if (!f->what->idle && exit_names__is_idle(stack.key.isa, stack.key.reason))
			s.weight_ns = 0;
		err = name_exit(&frames, recording__vm_data(f->r, recording__place(f->r, stack.key.vm)), &stack.key);
		s.host = frames.frames;
		s.nr_host = frames.nr;
		if (!err)
			err = snapshot__add_stack(f->snap, &s);
	}
	strbuf__free(&frames.text[0]);
	strbuf__free(&frames.text[1]);
	return err;
}

/* KVM's part of the system call by which a VMM runs a vCPU: the outermost function that is about the guest. */
#define KVM_RUN "kvm_arch_vcpu_ioctl_run"

static const char *host_name(struct exit_frames *f, const struct recording *r, const struct profile_stack *s, uint32_t i)
{
	uint64_t addr = s->host[i] - (i > 0);
	const char *name = recording__symbol_name(r, i < s->key.nr_kernel ? RECORDING_KERNEL : s->key.vm, addr);

	if (name)
		return name;
	snprintf(f->hex[i], sizeof(f->hex[i]), "0x%" PRIx64, s->host[i]);
	return f->hex[i];
}

/* Frames that are called by their file only, "[libc.so.6]", say no more if they are said twice. */
static void add_host(struct exit_frames *f, enum snap_frame_kind kind, const char *name)
{
	const struct snap_host_frame *last = f->nr ? &f->frames[f->nr - 1] : NULL;

	if (!last || *name != '[' || last->kind != kind || strcmp(last->name, name))
		f->frames[f->nr++] = (struct snap_host_frame){ kind, name };
}

/*
 * The host's frames in the order of calls. Inside of KVM_RUN, what is around it is the VMM's loop, the same for all
 * exits, and says nothing about this one: it is left out. Elsewhere the exit has gone to the VMM, and if the kernel has
 * frames the VMM called it, or an interrupt came. Return: 0 or -ENOMEM.
 */
static int name_host(struct exit_frames *f, const struct recording *r, const struct recording_vm_data *vm,
		     const struct profile_stack *s)
{
	uint32_t nr_kernel = s->key.nr_kernel, nr = nr_kernel + s->key.nr_vmm, end, i;
	const char *names[UKP_MAX_KERNEL + UKP_MAX_VMM];
	bool is_kvm = false;
	int err;

	f->nr = 0;
	err = s->key.isa ? name_exit(f, vm, &s->key) : 0;
	if (err)
		return err;
	for (end = 0; end < nr && !is_kvm; end++) {
		names[end] = host_name(f, r, s, end);
		if (!*names[end]) /* the walk had gone astray */
			break;
		is_kvm = end < nr_kernel && !strcmp(names[end], KVM_RUN);
	}
	if (!is_kvm)
		for (i = end; i-- > nr_kernel;)
			add_host(f, SNAP_FRAME_VMM, names[i]);
	for (i = end < nr_kernel ? end : nr_kernel; i-- > 0;)
		add_host(f, SNAP_FRAME_KVM, names[i]);
	if (!end && s->key.place == UKP_PLACE_VMM)
		add_host(f, SNAP_FRAME_VMM, "[vmm]");
	else if (!end)
		add_host(f, SNAP_FRAME_KVM, "[kvm]");
	return 0;
}

static bool has_host(const struct profile_stack *s)
{
	return s->key.isa || s->key.nr_kernel || s->key.nr_vmm;
}

static int add_stacks(struct freezer *f)
{
	const struct profile *p = recording__profile(f->r);
	bool emulated = recording__info(f->r)->is_emulated;
	struct exit_frames host = { 0 };
	struct profile_stack stack;
	size_t i;
	int err = 0, vm;

	for (i = 0; i < profile__nr(p) && !err; i++) {
		vm = get_stack(f, p, i, &stack);
		if (vm < 0)
			continue;
		struct snap_stack s = {
			.vm = vm,
			.vcpu = stack.key.vcpu,
			.place = stack.key.place == UKP_PLACE_GUEST ? SNAP_PLACE_GUEST :
				 stack.key.place == UKP_PLACE_VMM   ? SNAP_PLACE_VMM :
				 emulated			    ? SNAP_PLACE_GUEST :
								      SNAP_PLACE_KVM,
			.stop = stack.key.stop == UKP_STOP_ROOT ? NULL : recording__stop_label(stack.key.stop),
			.nr_frames = stack.nr_frames,
			.frames = stack.frames,
			.count = stack.count,
			.weight_ns = stack.weight,
		};
		if (has_host(&stack)) {
			err = name_host(&host, f->r, recording__vm_data(f->r, recording__place(f->r, stack.key.vm)), &stack);
			s.host = host.frames;
			s.nr_host = host.nr;
		}
		if (!err)
			err = snapshot__add_stack(f->snap, &s);
	}
	strbuf__free(&host.text[0]);
	strbuf__free(&host.text[1]);
	return err;
}

static int add_counters(const struct freezer *f)
{
	static const struct snap_counter names[] = {
#define X(name, label, help) { label, help, 0 },
		UKP_COUNTERS(X)
#undef X
		{ "bad_records", "Records that contradicted themselves and were skipped", 0 },
		{ "stacks_overflow", "Samples kept without frames: too many different stacks", 0 },
	};
	static const struct recording_counts none;
	const struct recording_counts *then = f->what->counts_since ? f->what->counts_since : &none;
	struct recording_counts now;
	struct snap_counter c;
	size_t i;

	recording__counts(f->r, &now);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		c = names[i];
		if (i < UKP_CTR_MAX)
			c.value = now.bpf[i] - then->bpf[i];
		else
			c.value = i == UKP_CTR_MAX ? now.bad - then->bad : now.overflow - then->overflow;
		if (snapshot__add_counter(f->snap, &c))
			return -ENOMEM;
	}
	return 0;
}

int naming__snapshot(struct naming *n, const struct recording *r, const struct naming_what *what,
		     struct snapshot **out)
{
	const struct recording_info *ri = recording__info(r);
	bool is_exits = what->measure != SNAP_MEASURE_SAMPLES;
	struct freezer f = { .n = n, .r = r, .what = what };
	struct snap_info info = {
		.start_wall_ns = what->since ? what->start_wall_ns : ri->start_wall_ns,
		.duration_ns = what->since ? what->duration_ns : recording__duration_ns(r),
		.period_ns = is_exits ? 0 : ri->period_ns,
		.freq_hz = is_exits ? 0 : ri->freq_hz,
		.event = ri->event,
		.measure = what->measure,
		.by_library = what->by_library,
		.roots = what->roots,
		.host = ri->host,
	};
	bool refused = false;
	size_t i;
	int err;

	err = update(n, r, !what->live);
	if (!err)
		err = snapshot__new(&f.snap, &info);
	if (!err)
		err = add_vms(&f);
	if (!err)
		err = is_exits ? add_exit_stacks(&f) : add_stacks(&f);
	if (!err)
		err = add_counters(&f);
	free(f.index);
	if (err) {
		snapshot__put(f.snap);
		return err;
	}
	snapshot__seal(f.snap);
	for (i = 0; i < n->nr && !what->live; i++) {
		talk_about(n, &n->vms[i], recording__vm_data(r, i));
		refused |= n->symbols && n->vms[i].state == VM_DIFFERENT && !n->vms[i].syms;
	}
	*out = f.snap;
	return refused ? -EBADMSG : 0;
}

char *naming__image(const struct naming *n, const struct recording *r, uint32_t id, const char *image,
		    uint64_t *bias, bool *is_proven)
{
	const struct vm_naming *vm = NULL;
	size_t i = recording__place(r, id);

	*bias = 0;
	*is_proven = false;
	if (i < n->nr)
		vm = &n->vms[i];
	if (!vm || vm->state == VM_UNTRIED)
		return choose_path(n, image);
	switch (vm->state) {
	case VM_VERIFIED:
		*bias = vm->bias;
		*is_proven = true;
		return strdup(vm->path);
	case VM_NO_SYMBOLS: /* as proven as its names would be: see use_image() */
		*bias = vm->bias;
		*is_proven = vm->where.nr_matching > 0;
		return strdup(vm->path);
	case VM_NO_PROOF:
		return strdup(vm->path);
	case VM_DIFFERENT:
	case VM_AMBIGUOUS: /* by force: the user says that it is the one */
		*bias = vm->bias;
		return vm->syms ? strdup(vm->path) : NULL;
	default:
		return NULL;
	}
}
