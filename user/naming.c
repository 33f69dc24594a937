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
#include "readers.h"
#include "recording.h"
#include "snapshot.h"
#include "strbuf.h"
#include "sym_answers.h"
#include "symbolizer.h"
#include "unwinding.h"
#include "vmm_info.h"

enum image_state {
	IMG_UNTRIED = 0,
	IMG_NONE,	/* the VMM's command line names none */
	IMG_BAD,	/* it is of no use: see verdict */
	IMG_NO_SYMBOLS, /* stripped */
	IMG_NO_PROOF,	/* names in use, but the guest showed no code of it yet */
	IMG_DIFFERENT,	/* the guest runs other code; names are in use only by force */
	IMG_AMBIGUOUS,	/* more than one load bias fits; likewise */
	IMG_OVERLAPS,	/* another image is where it would be */
	IMG_VERIFIED,
};

/* One of the images that a VM may run. */
struct vm_image {
	enum image_state state;
	enum image_verdict verdict;
	int open_errno; /* of IMAGE_UNREADABLE */
	struct locate_info where;
	const struct naming_image *given; /* by the user; NULL: path is what the VMM's command line names */
	char *path;
	char *build_id; /* or NULL */
	struct stat file; /* as it was when it was tried */
	uint64_t bias;
	bool is_used;	/* for names */
	bool is_proven; /* the code at bias is the guest's, whether it has symbols or not */
	bool had_debug_file; /* it was looked for */
	size_t overlaps; /* IMG_OVERLAPS: which other image */
};

struct vm_naming {
	struct vm_image *images;
	size_t nr_images;	 /* 0: untried */
	struct symbolizer *syms; /* of those in use; VMs with the same ones share them */
	uint64_t nr_texts;	 /* probes taken when the images were tried */
};

struct naming {
	bool force;
	bool no_inline;
	struct naming_image images[NAMING_MAX_IMAGES]; /* given by the user; owns the paths */
	size_t nr_images;
	char *debug_dir; /* or NULL */
	struct readers *readers;
	struct vm_naming *vms;
	size_t nr;
};

static void report_image(const char *path, enum image_verdict verdict)
{
	if (verdict >= IMAGE_READER_DIED) /* that was said */
		return;
	if (verdict == IMAGE_UNREADABLE)
		log_err("image: %s: %s: %s", path, image__verdict_str(verdict), strerror(errno));
	else
		log_err("image: %s: %s", path, image__verdict_str(verdict));
	if (*image__hint(verdict))
		log_hint("%s", image__hint(verdict));
}

/* A debug file that does not belong must not be left out in silence; @quiet: that was said before. */
static void attach_debug_file(struct reader *img, const char *root, bool quiet)
{
	char *path = NULL;

	switch (reader__attach_debug_file(img, root, &path)) {
	case DEBUG_FILE_ATTACHED:
		log_debug("image: %s: with %s", reader__path(img), path);
		break;
	case DEBUG_FILE_OTHER_BUILD:
		if (quiet)
			break;
		log_warn("image: %s: its debug file %s is of another build: not used", reader__path(img), path);
		log_hint("keep the two files of one build together; without a build-id their checksum has to match, too");
		break;
	case DEBUG_FILE_NOT_NEEDED:
	case DEBUG_FILE_NONE:
	case DEBUG_FILE_NO_MEMORY: /* what comes next meets it, too */
		break;
	}
	free(path);
}

/* GVA minus image address for an address that the user gave. */
static uint64_t given_bias(const struct reader *img, const struct naming_image *given)
{
	return given->address - reader__facts(img)->base;
}

static int check_users_image(struct readers *rs, const struct naming_image *given, const char *debug_dir, struct reader **out)
{
	enum image_verdict verdict;
	struct reader *img = NULL;
	int err;

	verdict = reader__open(rs, given->path, false, &img);
	if (verdict) {
		report_image(given->path, verdict);
		return verdict == IMAGE_NO_MEMORY ? -ENOMEM : -EINVAL;
	}
	attach_debug_file(img, debug_dir, false);
	err = reader__read_symbols(img);
	if (err == -EIO) {
		report_image(given->path, reader__verdict(img));
	} else if (err == -ENOENT) {
		log_err("image: %s: stripped: it names no functions", given->path);
		log_hint("pass the unstripped file that the linker wrote; for Unikraft that is IMAGE.dbg");
	} else if (err == -EBADMSG) {
		log_err("image: %s: its symbol table is malformed", given->path);
		log_hint("%s", image__hint(IMAGE_MALFORMED));
	} else if (!err && given->has_address && reader__facts(img)->base % 4096 != given->address % 4096) {
		log_err("image: %s: it can't be at 0x%" PRIx64 ": loaders place images at multiples of 4096", given->path,
			given->address);
		log_hint("give the address of the image's first byte, as the guest's loader or its log tells it");
		err = -EINVAL;
	}
	if (err) {
		reader__put(img);
		return err == -ENOMEM ? err : -EINVAL;
	}
	*out = img;
	return 0;
}

/* Is there code of both at the same addresses? @at: receives the first such address. */
static bool overlap(const struct reader *a, uint64_t bias_a, const struct reader *b, uint64_t bias_b, uint64_t *at)
{
	const struct image_facts *fa = reader__facts(a), *fb = reader__facts(b);
	uint64_t sa, sb;
	size_t i, k;

	for (i = 0; i < fa->nr_texts; i++) {
		for (k = 0; k < fb->nr_texts; k++) {
			sa = fa->texts[i].addr + bias_a;
			sb = fb->texts[k].addr + bias_b;
			if (sb - sa < fa->texts[i].len || sa - sb < fb->texts[k].len) {
				*at = sb - sa < fa->texts[i].len ? sb : sa;
				return true;
			}
		}
	}
	return false;
}

/* Two images of the user's that can't both be right. */
static int check_pair(const struct naming_image *a, const struct reader *img_a, const struct naming_image *b,
		      const struct reader *img_b)
{
	uint64_t at;

	if (!a->has_address && !b->has_address && !strcmp(a->path, b->path)) {
		log_err("image: %s: given twice", a->path);
		log_hint("if the guest has it twice, say where: -s FILE@ADDRESS");
		return -EINVAL;
	}
	if (!a->has_address || !b->has_address ||
	    !overlap(img_a, given_bias(img_a, a), img_b, given_bias(img_b, b), &at))
		return 0;
	log_err("image: %s and %s overlap: both have code at 0x%" PRIx64, a->path, b->path, at);
	log_hint("give the address of each image's first byte: -s FILE@ADDRESS");
	return -EINVAL;
}

static int check_users_images(const struct naming_opts *opts)
{
	struct reader *imgs[NAMING_MAX_IMAGES] = { 0 };
	size_t i, k;
	int err = 0;

	for (i = 0; i < opts->nr_images && !err; i++) {
		err = check_users_image(opts->readers, &opts->images[i], opts->debug_dir, &imgs[i]);
		for (k = 0; k < i && !err; k++)
			err = check_pair(&opts->images[k], imgs[k], &opts->images[i], imgs[i]);
	}
	for (i = 0; i < opts->nr_images; i++)
		reader__put(imgs[i]);
	return err;
}

int naming__new(struct naming **out, const struct naming_opts *opts)
{
	struct naming *n;
	size_t i;
	int err;

	readers__be_strict(opts->readers, true); /* these were asked for by name */
	err = check_users_images(opts);
	readers__be_strict(opts->readers, false);
	if (err)
		return err;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->force = opts->force;
	n->no_inline = opts->no_inline;
	n->readers = opts->readers;
	n->debug_dir = opts->debug_dir ? strdup(opts->debug_dir) : NULL;
	if (opts->debug_dir && !n->debug_dir)
		goto err;
	for (i = 0; i < opts->nr_images; i++) {
		n->images[i] = opts->images[i];
		n->images[i].path = strdup(opts->images[i].path);
		n->nr_images++;
		if (!n->images[i].path)
			goto err;
	}
	*out = n;
	return 0;
err:
	naming__free(n);
	return -ENOMEM;
}

static void release_vm(struct vm_naming *vm)
{
	size_t i;

	symbolizer__put(vm->syms);
	for (i = 0; i < vm->nr_images; i++) {
		free(vm->images[i].path);
		free(vm->images[i].build_id);
	}
	free(vm->images);
}

void naming__free(struct naming *n)
{
	size_t i;

	if (!n)
		return;
	for (i = 0; i < n->nr; i++)
		release_vm(&n->vms[i]);
	free(n->vms);
	for (i = 0; i < n->nr_images; i++)
		free((char *)n->images[i].path);
	free(n->debug_dir);
	free(n);
}

/* Of the first image, which is the kernel where there are more. */
static char *choose_path(const struct naming *n, const char *image)
{
	char *twin;

	if (n->nr_images)
		return strdup(n->images[0].path);
	if (!image)
		return NULL;
	twin = vmm_info__symbol_twin(image);
	return twin ? twin : strdup(image);
}

bool naming__linear_offset(const struct naming *n, const char *image, uint64_t *offset)
{
	char *path = choose_path(n, image);
	struct reader *img = NULL;
	bool yes = false;

	if (path && !reader__open(n->readers, path, false, &img)) {
		yes = reader__facts(img)->has_linear_offset;
		if (yes)
			*offset = reader__facts(img)->linear_offset;
	}
	reader__put(img);
	free(path);
	return yes;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Do two VMs, or one before and after, get the same names from their images? */
static bool same_images(const struct vm_image *a, const struct vm_image *b, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		if (a[i].is_used != b[i].is_used)
			return false;
		if (a[i].is_used && (a[i].bias != b[i].bias || a[i].is_proven != b[i].is_proven ||
				     !same_file(&a[i].file, &b[i].file)))
			return false;
	}
	return true;
}

/* The symbols of another VM that runs the same files at the same places, or NULL. */
static struct symbolizer *find_shared(const struct naming *n, const struct vm_naming *vm)
{
	const struct vm_naming *other;
	size_t i;

	for (i = 0; i < n->nr; i++) {
		other = &n->vms[i];
		if (other != vm && other->syms && other->nr_images == vm->nr_images &&
		    same_images(other->images, vm->images, vm->nr_images))
			return symbolizer__get(other->syms);
	}
	return NULL;
}

/* What a VM's images are judged by, and what is open meanwhile. */
struct trial {
	struct locate_probe probes[RECORDING_MAX_TEXTS];
	size_t nr_probes;
	struct reader *imgs[NAMING_MAX_IMAGES]; /* NULL: not open */
};

/* Returns 0 or -ENOMEM; what else goes wrong is in @im, whose image is not open then. */
static int open_image(const struct naming *n, struct trial *t, size_t i, struct vm_image *im)
{
	const char *id;

	if (t->imgs[i])
		return 0;
	if (stat(im->path, &im->file))
		memset(&im->file, 0, sizeof(im->file));
	im->verdict = reader__open(n->readers, im->path, false, &t->imgs[i]);
	if (im->verdict == IMAGE_NO_MEMORY)
		return -ENOMEM;
	if (im->verdict) {
		im->open_errno = errno;
		im->state = IMG_BAD;
		im->is_used = im->is_proven = false;
		return 0;
	}
	id = reader__build_id(t->imgs[i]);
	free(im->build_id);
	im->build_id = id ? strdup(id) : NULL;
	return id && !im->build_id ? -ENOMEM : 0;
}

/* The image is of no use after all: its reader has failed. */
static void give_up(struct vm_image *im, struct reader *img)
{
	im->state = IMG_BAD;
	im->verdict = reader__verdict(img) ? reader__verdict(img) : IMAGE_NO_MEMORY;
	im->is_used = im->is_proven = false;
}

static void judge(const struct naming *n, struct vm_image *im, struct reader *img, const struct locate_probe *probes,
		  size_t nr)
{
	bool has_place = !reader__facts(img)->is_pic, is_given = im->given && im->given->has_address;
	enum locate_result result;

	im->bias = is_given ? given_bias(img, im->given) : 0;
	has_place |= is_given;
	if (reader__locate(img, probes, nr, is_given ? &im->bias : NULL, &result, &im->where)) {
		give_up(im, img);
		return;
	}
	im->is_proven = result == LOCATE_FOUND;
	switch (result) {
	case LOCATE_FOUND:
		im->state = IMG_VERIFIED;
		im->bias = im->where.bias;
		im->is_used = true;
		break;
	case LOCATE_NO_PROBES:
	case LOCATE_NOT_COVERED:
		/* Without a known place an image would give wrong names, not unproven ones. */
		im->state = IMG_NO_PROOF;
		im->is_used = has_place;
		break;
	case LOCATE_DIFFERENT:
		im->state = IMG_DIFFERENT;
		im->is_used = n->force && has_place;
		break;
	case LOCATE_AMBIGUOUS:
		im->state = IMG_AMBIGUOUS;
		im->bias = im->where.bias;
		im->is_used = n->force;
		break;
	}
}

static bool is_in(const struct reader *img, uint64_t addr)
{
	const struct image_facts *facts = reader__facts(img);
	size_t i;

	for (i = 0; i < facts->nr_texts; i++)
		if (addr - facts->texts[i].addr < facts->texts[i].len)
			return true;
	return false;
}

/* Code that is proven to be another image's says nothing against this one. */
static void judge_by_the_rest(const struct naming *n, struct vm_naming *vm, const struct trial *t, size_t i)
{
	struct locate_probe rest[RECORDING_MAX_TEXTS];
	size_t nr = 0, p, k;

	for (p = 0; p < t->nr_probes; p++) {
		for (k = 0; k < vm->nr_images; k++)
			if (vm->images[k].is_proven && t->imgs[k] && is_in(t->imgs[k], t->probes[p].rip - vm->images[k].bias))
				break;
		if (k == vm->nr_images)
			rest[nr++] = t->probes[p];
	}
	if (nr < t->nr_probes)
		judge(n, &vm->images[i], t->imgs[i], rest, nr);
}

/* Of two images in one place the one that is proven stays, else the one that was given first. */
static void refuse_overlapping(struct vm_naming *vm, const struct trial *t)
{
	struct vm_image *a, *b;
	size_t i, k, loser;
	uint64_t at;

	for (i = 0; i < vm->nr_images; i++) {
		for (k = 0; k < i; k++) {
			a = &vm->images[k];
			b = &vm->images[i];
			if (!a->is_used || !b->is_used || !overlap(t->imgs[k], a->bias, t->imgs[i], b->bias, &at))
				continue;
			loser = b->is_proven && !a->is_proven ? k : i;
			vm->images[loser].state = IMG_OVERLAPS;
			vm->images[loser].is_used = vm->images[loser].is_proven = false;
			vm->images[loser].overlaps = i + k - loser;
			vm->images[loser].where.differs_at = at;
		}
	}
}

static int build_symbolizer(const struct naming *n, struct vm_naming *vm, const struct trial *t)
{
	struct sym_source src;
	struct vm_image *im;
	size_t i;
	int err;

	vm->syms = find_shared(n, vm);
	if (vm->syms)
		return 0;
	err = symbolizer__new(&vm->syms);
	if (err)
		return err;
	for (i = 0; i < vm->nr_images; i++) {
		im = &vm->images[i];
		if (!im->is_used)
			continue;
		/* Of the user's images it was said at the start. */
		attach_debug_file(t->imgs[i], n->debug_dir, im->given || im->had_debug_file);
		im->had_debug_file = true;
		err = reader__source(t->imgs[i], !n->no_inline, &src);
		if (!err)
			err = symbolizer__add_source(vm->syms, &src, im->bias, im->is_proven);
		if (err == -EIO) {
			give_up(im, t->imgs[i]);
		} else if (err == -ENOENT || err == -EBADMSG) {
			im->state = IMG_NO_SYMBOLS;
			im->is_used = false;
		} else if (err) {
			return err;
		}
	}
	if (!symbolizer__nr_images(vm->syms)) {
		symbolizer__put(vm->syms);
		vm->syms = NULL;
	}
	return 0;
}

/* The list of images to try. */
static int list_images(const struct naming *n, struct vm_naming *vm, const char *image)
{
	size_t i, nr = n->nr_images ? n->nr_images : 1;

	vm->images = calloc(nr, sizeof(*vm->images));
	if (!vm->images)
		return -ENOMEM;
	vm->nr_images = nr;
	for (i = 0; i < n->nr_images; i++) {
		vm->images[i].given = &n->images[i];
		vm->images[i].path = strdup(n->images[i].path);
		if (!vm->images[i].path)
			return -ENOMEM;
	}
	if (n->nr_images)
		return 0;
	vm->images[0].path = choose_path(n, image);
	if (!vm->images[0].path)
		vm->images[0].state = IMG_NONE;
	return 0;
}

static bool is_final(const struct vm_image *im)
{
	return im->state == IMG_NONE || im->state == IMG_BAD || im->state == IMG_NO_SYMBOLS ||
	       (im->state == IMG_VERIFIED && im->where.nr_matching >= 2);
}

/* Is there nothing more to learn of the VM's images? */
static bool is_settled(const struct vm_naming *vm, bool last)
{
	size_t i;

	for (i = 0; i < vm->nr_images; i++)
		if (!is_final(&vm->images[i]) || (last && vm->images[i].state == IMG_VERIFIED))
			return false;
	return vm->nr_images > 0;
}

/*
 * Each probe is looked at while there are few. One that runs other code than its images brings new probes for ever: it
 * is tried ever more rarely.
 */
static bool is_news(const struct vm_naming *vm, const struct recording_vm_data *data, bool last)
{
	uint64_t news = data->nr_texts_taken - vm->nr_texts;

	return news && (last || data->nr_texts_taken <= RECORDING_MAX_TEXTS || news > vm->nr_texts / 4);
}

/* @was: room for the images as they were. */
static int judge_images(struct naming *n, struct vm_naming *vm, struct trial *t, struct vm_image *was)
{
	struct vm_image *im;
	size_t i;
	int err;

	memcpy(was, vm->images, vm->nr_images * sizeof(*was));
	for (i = 0; i < vm->nr_images; i++) {
		im = &vm->images[i];
		if (is_final(im) && im->state != IMG_VERIFIED)
			continue;
		err = open_image(n, t, i, im);
		if (err)
			return err;
		if (t->imgs[i])
			judge(n, im, t->imgs[i], t->probes, t->nr_probes);
	}
	for (i = 0; i < vm->nr_images; i++) {
		im = &vm->images[i];
		if (im->state == IMG_DIFFERENT || im->state == IMG_AMBIGUOUS)
			judge_by_the_rest(n, vm, t, i);
	}
	refuse_overlapping(vm, t);
	if (same_images(was, vm->images, vm->nr_images))
		return 0;
	symbolizer__put(vm->syms);
	vm->syms = NULL;
	for (i = 0; i < vm->nr_images; i++)
		if (vm->images[i].is_used)
			return build_symbolizer(n, vm, t);
	return 0;
}

static int try_vm(struct naming *n, struct vm_naming *vm, const struct recording_vm_data *data)
{
	struct vm_image *was;
	struct trial *t;
	size_t i;
	int err;

	if (!vm->nr_images) {
		err = list_images(n, vm, data->image);
		if (err) {
			release_vm(vm);
			memset(vm, 0, sizeof(*vm));
		}
		if (err || vm->images[0].state == IMG_NONE)
			return err;
	}
	t = calloc(1, sizeof(*t));
	was = calloc(vm->nr_images, sizeof(*was));
	err = t && was ? 0 : -ENOMEM;
	for (i = 0; i < data->nr_texts && !err; i++)
		t->probes[t->nr_probes++] = (struct locate_probe){
			.gva = data->texts[i].gva,
			.rip = data->texts[i].rip,
			.len = UKP_TEXT_LEN,
			.bytes = data->texts[i].bytes,
		};
	if (!err)
		err = judge_images(n, vm, t, was);
	for (i = 0; t && i < vm->nr_images; i++)
		reader__put(t->imgs[i]);
	free(was);
	free(t);
	return err;
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
		if (n->vms[i].nr_images && (is_settled(&n->vms[i], last) || !is_news(&n->vms[i], data, last)))
			continue;
		n->vms[i].nr_texts = data->nr_texts_taken;
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
		if (stack.nr_frames && vm < n->nr)
			symbolizer__expect(n->vms[vm].syms, stack.frames[0], false);
	}
	for (i = 0; i < profile__nr(p); i++) {
		profile__stack(p, i, &stack);
		vm = recording__place(r, stack.key.vm);
		if (!stack.nr_frames || vm >= n->nr ||
		    !symbolizer__resolve(n->vms[vm].syms, stack.frames[0], false, &frames))
			nr += stack.count;
	}
	return nr;
}

static void talk_about_force(const struct vm_image *im, const struct recording_vm_data *data)
{
	if (im->state == IMG_DIFFERENT)
		log_warn("image: %s: %s: not what the guest runs: memory differs at 0x%" PRIx64
			 ": its names are used by force, and marked [unverified]", data->name, im->path, im->where.differs_at);
	else
		log_warn("image: %s: %s: more than one load address fits: names are by 0x%" PRIx64
			 ", by force, and marked [unverified]", data->name, im->path, im->bias);
}

static void talk_about(const struct vm_naming *vm, const struct vm_image *im, const struct recording_vm_data *data)
{
	if (!data->nr_samples)
		return;
	if (im->is_used && (im->state == IMG_DIFFERENT || im->state == IMG_AMBIGUOUS)) {
		talk_about_force(im, data);
		return;
	}
	switch (im->state) {
	case IMG_NONE:
		log_warn("image: %s: the VMM's command line names no image: frames will be addresses", data->name);
		log_hint("pass the unstripped unikernel: -s FILE");
		break;
	case IMG_BAD:
		if (im->verdict >= IMAGE_READER_DIED) /* that was said */
			break;
		log_warn("image: %s: %s: %s%s%s: frames will be addresses", data->name, im->path,
			 image__verdict_str(im->verdict), im->verdict == IMAGE_UNREADABLE ? ": " : "",
			 im->verdict == IMAGE_UNREADABLE ? strerror(im->open_errno) : "");
		if (im->verdict == IMAGE_UNREADABLE)
			log_hint("pass the unstripped unikernel from where it is: -s FILE");
		else
			log_hint("%s", image__hint(im->verdict));
		break;
	case IMG_NO_SYMBOLS:
		log_warn("image: %s: %s: stripped: frames will be addresses", data->name, im->path);
		log_hint("keep the unstripped file of the build and pass it: -s FILE");
		break;
	case IMG_NO_PROOF:
		log_warn("image: %s: %s: the guest showed no code of it: %s", data->name, im->path,
			 im->is_used ? "names are marked [unverified]" : "frames will be addresses");
		log_hint(im->is_used ? "the guest may still be in its firmware, or run another image: record longer, or pass -s FILE" :
				       "record longer, or tell where the guest has loaded it: -s FILE@ADDRESS");
		break;
	case IMG_DIFFERENT:
		log__write(im->given ? LOG_LEVEL_ERR : LOG_LEVEL_WARN,
			   "image: %s: %s: not what the guest runs: memory differs at 0x%" PRIx64
			   ": frames will be addresses", data->name, im->path, im->where.differs_at);
		log_hint("was the unikernel rebuilt after it was started? pass the file that was booted: -s FILE; "
			 "or use these names all the same: --force");
		break;
	case IMG_AMBIGUOUS:
		log_warn("image: %s: %s: more than one load address fits: frames will be addresses", data->name,
			 im->path);
		log_hint("record longer, so that more of its code is seen");
		break;
	case IMG_OVERLAPS:
		log_err("image: %s: %s: it would be where %s is, at 0x%" PRIx64 ": frames will be addresses", data->name,
			im->path, vm->images[im->overlaps].path, im->where.differs_at);
		log_hint("tell where the guest has loaded each: -s FILE@ADDRESS");
		break;
	case IMG_UNTRIED:
	case IMG_VERIFIED:
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

static enum naming_verdict verdict_of(const struct vm_image *im)
{
	static const enum naming_verdict verdicts[] = {
		[IMG_UNTRIED] = NAMING_NONE,	     [IMG_NONE] = NAMING_NONE,
		[IMG_BAD] = NAMING_NONE,	     [IMG_NO_SYMBOLS] = NAMING_NONE,
		[IMG_NO_PROOF] = NAMING_UNVERIFIED,  [IMG_DIFFERENT] = NAMING_WRONG,
		[IMG_AMBIGUOUS] = NAMING_UNVERIFIED, [IMG_OVERLAPS] = NAMING_WRONG,
		[IMG_VERIFIED] = NAMING_VERIFIED,
	};

	return verdicts[im->state];
}

void naming__status(const struct naming *n, size_t i, struct naming_status *out)
{
	/* The worst first. */
	static const enum naming_verdict order[] = { NAMING_WRONG, NAMING_UNVERIFIED, NAMING_VERIFIED };
	const struct vm_naming *vm;
	size_t v, k;

	*out = (struct naming_status){ .verdict = NAMING_NONE };
	if (i >= n->nr || !n->vms[i].nr_images)
		return;
	vm = &n->vms[i];
	*out = (struct naming_status){
		.path = vm->images[0].path,
		.build_id = vm->images[0].is_used ? vm->images[0].build_id : NULL,
		.syms = vm->syms,
		.nr_images = vm->images[0].path ? vm->nr_images : 0,
	};
	for (v = sizeof(order) / sizeof(order[0]); v-- > 0;)
		for (k = 0; k < vm->nr_images; k++)
			if (verdict_of(&vm->images[k]) == order[v])
				out->verdict = order[v];
	for (k = 0; k < vm->nr_images; k++)
		out->has_proof |= vm->images[k].state == IMG_VERIFIED;
}

void naming__image_status(const struct naming *n, size_t i, size_t k, struct naming_image_status *out)
{
	const struct vm_image *im = &n->vms[i].images[k];

	*out = (struct naming_image_status){
		.verdict = verdict_of(im),
		.path = im->path,
		.build_id = im->is_used ? im->build_id : NULL,
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
	struct naming_status status;
	size_t i;

	f->index = malloc((recording__nr_vms(r) + 1) * sizeof(*f->index));
	if (!f->index)
		return -ENOMEM;
	for (i = 0; i < recording__nr_vms(r); i++) {
		data = recording__vm_data(r, i);
		f->index[i] = -1;
		if (data->forgotten || (f->what->vm && *f->what->vm != data->id))
			continue;
		naming__status(f->n, i, &status);
		struct snap_vm sv = {
			.name = data->name,
			.vmm = data->vmm,
			.image_path = status.path,
			.build_id = status.build_id,
			.pid = data->pid,
			.nr_vcpus = data->nr_vcpus,
			.verified = status.has_proof,
			.syms = status.syms ? symbolizer__get(status.syms) : NULL,
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
	const struct vm_image *im;
	bool refused = false;
	size_t i, k;
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
		for (k = 0; k < n->vms[i].nr_images; k++) {
			im = &n->vms[i].images[k];
			talk_about(&n->vms[i], im, recording__vm_data(r, i));
			refused |= im->given && !im->is_used && verdict_of(im) == NAMING_WRONG;
		}
	}
	*out = f.snap;
	return refused ? -EBADMSG : 0;
}

_Static_assert(NAMING_MAX_IMAGES <= UNWINDING_MAX_IMAGES, "a VM's images fit");

size_t naming__tables(const struct naming *n, const struct recording *r, uint32_t id, const char *image,
		      struct unwinding_image *out)
{
	size_t i = recording__place(r, id), k, nr = 0;
	const struct vm_image *im;
	bool may_be;

	if (i >= n->nr || !n->vms[i].nr_images) {
		out[0] = (struct unwinding_image){ .path = choose_path(n, image) };
		return out[0].path ? 1 : 0;
	}
	for (k = 0; k < n->vms[i].nr_images; k++) {
		im = &n->vms[i].images[k];
		may_be = im->is_used || im->state == IMG_NO_SYMBOLS || im->state == IMG_NO_PROOF;
		if (!may_be || (nr && !im->is_proven))
			continue;
		out[nr] = (struct unwinding_image){ strdup(im->path), im->bias, im->is_proven };
		if (out[nr].path)
			nr++;
	}
	return nr;
}
