/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * pprof - gzipped profile.proto, for go tool pprof, Parca, Pyroscope, Perfetto and speedscope.
 *
 * What the readers insist on, and what is therefore kept here:
 *  - mapping, function and location ids count 1, 2, 3 … in the order in which they are written (Parca);
 *  - string 0 is empty and all strings are UTF-8 (proto3);
 *  - labels are strings, and none looks like a number, which -tagfocus would take for a range;
 *  - samples/count comes first, then cpu/nanoseconds, which is also the period's type (Pyroscope);
 *  - every location has a line, since some viewers drop locations without one, and with them samples:
 *    an address without a name gets a function that is called like the address;
 *  - a location's address is the one that was looked up, one below a return address, so that a reader
 *    which resolves it again finds the same call.
 *
 * Source: github.com/google/pprof, proto/profile.proto.
 */
#include "exporter.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "flame_tree.h"
#include "name.h"
#include "sink.h"
#include "snapshot.h"
#include "strbuf.h"
#include "strpool.h"
#include "symbolizer.h"

enum { /* field numbers */
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING_TABLE = 6,
	PROFILE_TIME_NANOS = 9,
	PROFILE_DURATION_NANOS = 10,
	PROFILE_PERIOD_TYPE = 11,
	PROFILE_PERIOD = 12,
	PROFILE_COMMENT = 13,
	PROFILE_DEFAULT_SAMPLE_TYPE = 14,
	VALUE_TYPE_TYPE = 1,
	VALUE_TYPE_UNIT = 2,
	SAMPLE_LOCATION_ID = 1,
	SAMPLE_VALUE = 2,
	SAMPLE_LABEL = 3,
	LABEL_KEY = 1,
	LABEL_STR = 2,
	MAPPING_ID = 1,
	MAPPING_START = 2,
	MAPPING_LIMIT = 3,
	MAPPING_OFFSET = 4,
	MAPPING_FILENAME = 5,
	MAPPING_BUILD_ID = 6,
	MAPPING_HAS_FUNCTIONS = 7,
	MAPPING_HAS_FILENAMES = 8,
	MAPPING_HAS_LINE_NUMBERS = 9,
	MAPPING_HAS_INLINE_FRAMES = 10,
	LOCATION_ID = 1,
	LOCATION_MAPPING_ID = 2,
	LOCATION_ADDRESS = 3,
	LOCATION_LINE = 4,
	LINE_FUNCTION_ID = 1,
	LINE_LINE = 2,
	FUNCTION_ID = 1,
	FUNCTION_NAME = 2,
	FUNCTION_SYSTEM_NAME = 3,
	FUNCTION_FILENAME = 4,
};

/* Keys of the pools that number things; no padding, for their bytes are compared. */
struct mapping_key {
	uint64_t start, limit, offset, filename, build_id, has_lines;
};

struct function_key {
	uint64_t name, filename;
};

struct location_key {
	uint64_t mapping; /* 0: none */
	uint64_t gva;
	uint64_t is_return;
	uint64_t vm;   /* 1 + index where @mapping does not tell whose names are shown, else 0 */
	uint64_t word; /* of a frame without an address: its function, else 0 */
};

struct seen_key {
	uint64_t vm, gva, is_return;
};

struct encoder {
	const struct snapshot *snap;
	struct strpool *strings, *mappings, *functions, *locations;
	struct strpool *seen;        /* struct seen_key, for those asked before ... */
	struct strbuf seen_location; /* ... and their location ids, uint64_t */
	struct strbuf tables[PROFILE_FUNCTION + 1]; /* encoded messages by field */
	struct strbuf text, msg, sub,
		packed; /* scratch: a name, a message, one inside it, a list */
	int err;
};

/* --- protobuf --- */

static void put_varint(struct strbuf *sb, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		strbuf__addc(sb, (char)(v | 0x80));
	strbuf__addc(sb, (char)v);
}

static void put_uint(struct strbuf *sb, int field, uint64_t v)
{
	if (!v)
		return; /* proto3: absent means 0 */
	put_varint(sb, (uint64_t)field << 3);
	put_varint(sb, v);
}

/* The format's numbers are int64; more samples than that is a broken input, not a negative count. */
static void put_int(struct strbuf *sb, int field, uint64_t v)
{
	put_uint(sb, field, v > INT64_MAX ? INT64_MAX : v);
}

static void put_bytes(struct strbuf *sb, int field, const void *data, size_t len)
{
	put_varint(sb, (uint64_t)field << 3 | 2);
	put_varint(sb, len);
	strbuf__add(sb, data, len);
}

/* Appends the message in @msg as a field, and empties it. */
static void put_message(struct strbuf *sb, int field, struct strbuf *msg)
{
	put_bytes(sb, field, msg->data, msg->len);
	strbuf__truncate(msg, 0);
}

/* --- tables --- */

/* Adds a key to a pool. Return: its number from 1 on, 0 after an error; *is_new as it says. */
static uint64_t number(struct encoder *e, struct strpool *pool, const void *key, size_t len,
		       bool *is_new)
{
	size_t nr = strpool__nr(pool);
	int64_t id;

	id = strpool__add(pool, key, len);
	if (id < 0)
		e->err = id;
	*is_new = id >= 0 && (size_t)id == nr;
	return id + 1 > 0 ? id + 1 : 0;
}

static uint64_t add_string(struct encoder *e, const char *str)
{
	int64_t id;

	id = strpool__add(e->strings, str, strlen(str));
	if (id < 0)
		e->err = id;
	return id < 0 ? 0 : id;
}

/* A string from outside: cleaned; absent stays the empty string. */
static uint64_t add_foreign(struct encoder *e, const char *str, const char *suffix)
{
	if (!str || !*str)
		return 0;
	strbuf__truncate(&e->text, 0);
	name__clean(&e->text, str, 0);
	strbuf__puts(&e->text, suffix);
	if (strbuf__err(&e->text))
		e->err = -ENOMEM;
	return e->err ? 0 : add_string(e, strbuf__str(&e->text));
}

static uint64_t add_function(struct encoder *e, uint64_t name, uint64_t filename)
{
	struct function_key key = { .name = name, .filename = filename };
	bool is_new;
	uint64_t id;

	id = number(e, e->functions, &key, sizeof(key), &is_new);
	if (is_new) {
		put_uint(&e->sub, FUNCTION_ID, id);
		put_uint(&e->sub, FUNCTION_NAME, name);
		put_uint(&e->sub, FUNCTION_SYSTEM_NAME, name);
		put_uint(&e->sub, FUNCTION_FILENAME, filename);
		put_message(&e->tables[PROFILE_FUNCTION], PROFILE_FUNCTION, &e->sub);
	}
	return id;
}

static uint64_t add_mapping(struct encoder *e, const struct sym_image_info *info, const char *suffix)
{
	struct mapping_key key = {
		.start = info->gva_start,
		.limit = info->gva_end,
		.offset = info->file_offset,
		.filename = add_foreign(e, info->path, suffix),
		.build_id = add_foreign(e, info->build_id, ""),
		.has_lines = info->has_lines,
	};
	bool is_new;
	uint64_t id;

	id = number(e, e->mappings, &key, sizeof(key), &is_new);
	if (is_new) {
		put_uint(&e->msg, MAPPING_ID, id);
		put_uint(&e->msg, MAPPING_START, key.start);
		put_uint(&e->msg, MAPPING_LIMIT, key.limit);
		put_uint(&e->msg, MAPPING_OFFSET, key.offset);
		put_uint(&e->msg, MAPPING_FILENAME, key.filename);
		put_uint(&e->msg, MAPPING_BUILD_ID, key.build_id);
		put_uint(&e->msg, MAPPING_HAS_FUNCTIONS, 1);
		put_uint(&e->msg, MAPPING_HAS_FILENAMES, key.has_lines);
		put_uint(&e->msg, MAPPING_HAS_LINE_NUMBERS, key.has_lines);
		put_uint(&e->msg, MAPPING_HAS_INLINE_FRAMES, key.has_lines);
		put_message(&e->tables[PROFILE_MAPPING], PROFILE_MAPPING, &e->msg);
	}
	return id;
}

static const char *mark_of(const struct snap_vm *vm, bool is_unverified)
{
	return vm->verified && !is_unverified ? "" : NAME_UNVERIFIED;
}

/* The mapping that holds an address, 0 if none does. */
static uint64_t find_mapping(struct encoder *e, const struct snap_vm *vm, uint64_t gva)
{
	struct sym_image_info info;
	size_t i;

	for (i = 0; vm->syms && i < symbolizer__nr_images(vm->syms); i++) {
		symbolizer__image_info(vm->syms, i, &info);
		if (gva >= info.gva_start && gva < info.gva_end)
			return add_mapping(e, &info, mark_of(vm, info.is_unverified));
	}
	return 0;
}

static void put_line(struct encoder *e, uint64_t function, uint32_t line)
{
	put_uint(&e->sub, LINE_FUNCTION_ID, function);
	put_uint(&e->sub, LINE_LINE, line);
	put_message(&e->msg, LOCATION_LINE, &e->sub);
}

static uint64_t add_location(struct encoder *e, uint32_t vm_index, uint64_t gva, bool is_return)
{
	const struct snap_vm *vm = snapshot__vm(e->snap, vm_index);
	const char *name;
	uint64_t address = is_return && gva ? gva - 1 : gva, id, function;
	struct location_key key = { .gva = gva, .is_return = is_return };
	const struct sym_frame *frames;
	char hex[32];
	bool is_new;
	size_t n, i;

	key.mapping = find_mapping(e, vm, address);
	/* VMs that run the same image share its locations, unless the names are in doubt. */
	if (!key.mapping || !vm->verified)
		key.vm = vm_index + 1ull;
	id = number(e, e->locations, &key, sizeof(key), &is_new);
	if (!is_new)
		return id;
	put_uint(&e->msg, LOCATION_ID, id);
	put_uint(&e->msg, LOCATION_MAPPING_ID, key.mapping);
	put_uint(&e->msg, LOCATION_ADDRESS, address);
	n = symbolizer__resolve(vm->syms, gva, is_return, &frames);
	for (i = 0; i < n; i++) {
		name = *frames[i].name ? frames[i].name : "[no name]";
		function = add_function(e, add_foreign(e, name, mark_of(vm, frames[i].is_unverified)),
					add_foreign(e, frames[i].file, ""));
		put_line(e, function, frames[i].line);
	}
	if (!n) {
		snprintf(hex, sizeof(hex), "0x%llx", (unsigned long long)gva);
		put_line(e, add_function(e, add_string(e, hex), 0), 0);
	}
	put_message(&e->tables[PROFILE_LOCATION], PROFILE_LOCATION, &e->msg);
	return id;
}

static uint64_t add_string_frame(struct encoder *e, uint64_t string);

/* A location whose function is a library: no address, for it stands for many. */
static uint64_t add_library(struct encoder *e, uint32_t vm_index, uint64_t gva, bool is_return)
{
	const struct snap_vm *vm = snapshot__vm(e->snap, vm_index);
	const char *library = symbolizer__library(vm->syms, gva, is_return);
	const struct sym_frame *frames;

	if (!library || !symbolizer__resolve(vm->syms, gva, is_return, &frames))
		return add_string_frame(e, add_string(e, FLAME_TEXT_NO_LIB));
	return add_string_frame(e, add_foreign(e, library, mark_of(vm, frames[0].is_unverified)));
}

/* As add_location(), but cheap for an address that was asked before. */
static uint64_t find_location(struct encoder *e, uint32_t vm, uint64_t gva, bool is_return)
{
	struct seen_key key = { .vm = vm, .gva = gva, .is_return = is_return };
	bool is_new;
	uint64_t i, id = 0;

	i = number(e, e->seen, &key, sizeof(key), &is_new);
	if (is_new) {
		if (snapshot__info(e->snap)->by_library)
			id = add_library(e, vm, gva, is_return);
		else
			id = add_location(e, vm, gva, is_return);
		strbuf__add(&e->seen_location, &id, sizeof(id));
	} else if (i * sizeof(id) <= e->seen_location.len && i) {
		memcpy(&id, e->seen_location.data + (i - 1) * sizeof(id), sizeof(id));
	}
	return id;
}

/* A frame that is a string of the table instead of an address. */
static uint64_t add_string_frame(struct encoder *e, uint64_t string)
{
	struct location_key key = { .word = add_function(e, string, 0) };
	bool is_new;
	uint64_t id;

	id = number(e, e->locations, &key, sizeof(key), &is_new);
	if (is_new) {
		put_uint(&e->msg, LOCATION_ID, id);
		put_line(e, key.word, 0);
		put_message(&e->tables[PROFILE_LOCATION], PROFILE_LOCATION, &e->msg);
	}
	return id;
}

static uint64_t add_word(struct encoder *e, const char *word)
{
	return add_string_frame(e, add_string(e, word));
}

/* One that names something of the host: it comes from a symbol table. */
static uint64_t add_clean_word(struct encoder *e, const char *word)
{
	return add_string_frame(e, add_foreign(e, word, ""));
}

/* --- samples --- */

static void put_label(struct encoder *e, const char *key, uint64_t value)
{
	put_uint(&e->sub, LABEL_KEY, add_string(e, key));
	put_uint(&e->sub, LABEL_STR, value);
	put_message(&e->msg, SAMPLE_LABEL, &e->sub);
}

static void add_sample(struct encoder *e, const struct snap_stack *stack)
{
	static const char *const places[] = { "guest", "kvm", "vmm" };
	static const char *const words[] = { NULL, FLAME_TEXT_KVM, FLAME_TEXT_VMM };
	const char *name = snapshot__vm(e->snap, stack->vm)->name;
	uint64_t id, before = 0;
	char vcpu[32];
	uint32_t i;

	if (!stack->count)
		return;
	/* Leaf first: the host's innermost frame. */
	for (i = stack->nr_host; i-- > 0;)
		put_varint(&e->packed, add_clean_word(e, stack->host[i].name));
	if (words[stack->place] && !stack->nr_host)
		put_varint(&e->packed, add_word(e, words[stack->place]));
	for (i = 0; i < stack->nr_frames; i++) {
		id = find_location(e, stack->vm, stack->frames[i], i > 0);
		/* A library that calls itself is one frame; a function that does is not. */
		if (id != before || !snapshot__info(e->snap)->by_library)
			put_varint(&e->packed, id);
		before = id;
	}
	if (!stack->nr_frames)
		put_varint(&e->packed, add_word(e, FLAME_TEXT_NO_REGS));
	if (snapshot__info(e->snap)->roots)
		put_varint(&e->packed, add_word(e, words[stack->place] ? words[stack->place] : FLAME_TEXT_GUEST));
	put_message(&e->msg, SAMPLE_LOCATION_ID, &e->packed);

	put_varint(&e->packed, stack->count > INT64_MAX ? INT64_MAX : stack->count);
	put_varint(&e->packed, stack->weight_ns > INT64_MAX ? INT64_MAX : stack->weight_ns);
	put_message(&e->msg, SAMPLE_VALUE, &e->packed);

	/* Not just "0": -tagfocus would read a number as a range. */
	snprintf(vcpu, sizeof(vcpu), "vcpu%u", stack->vcpu);
	put_label(e, "vm", add_foreign(e, *name ? name : "[no name]", ""));
	put_label(e, "vcpu", add_string(e, vcpu));
	put_label(e, "place", add_string(e, places[stack->place]));
	if (stack->stop)
		put_label(e, "stop", add_foreign(e, stack->stop, ""));
	put_message(&e->tables[PROFILE_SAMPLE], PROFILE_SAMPLE, &e->msg);
}

/* --- the profile --- */

static void put_value_type(struct encoder *e, struct strbuf *sb, int field, const char *type,
			   const char *unit)
{
	put_uint(&e->msg, VALUE_TYPE_TYPE, add_string(e, type));
	put_uint(&e->msg, VALUE_TYPE_UNIT, add_string(e, unit));
	put_message(sb, field, &e->msg);
}

static void put_comment(struct encoder *e, struct strbuf *sb, const char *label, const char *text)
{
	struct strbuf line = { 0 };

	strbuf__printf(&line, "%s: %s", label, text);
	if (strbuf__err(&line))
		e->err = -ENOMEM;
	/* A repeated number: index 0 would be an empty comment, which a text with a label is not. */
	put_uint(sb, PROFILE_COMMENT, add_foreign(e, strbuf__str(&line), ""));
	strbuf__free(&line);
}

static void put_comments(struct encoder *e, struct strbuf *sb)
{
	const struct snap_info *info = snapshot__info(e->snap);
	const struct snap_counter *c;
	char text[256];
	size_t i;

	put_comment(e, sb, "event", info->event);
	if (info->host)
		put_comment(e, sb, "host", info->host);
	for (i = 0; i < snapshot__nr_counters(e->snap); i++) {
		c = snapshot__counter(e->snap, i);
		if (!c->value)
			continue;
		snprintf(text, sizeof(text), "%llu (%s)", (unsigned long long)c->value, c->help);
		put_comment(e, sb, c->label, text);
	}
}

static void encode(struct encoder *e, struct sink *sink)
{
	const struct snap_info *info = snapshot__info(e->snap);
	bool is_exits = info->measure != SNAP_MEASURE_SAMPLES;
	struct strbuf head = { 0 }, tail = { 0 };
	struct sym_image_info image;
	const char *str;
	size_t i, k, len;

	add_string(e, "");
	put_value_type(e, &head, PROFILE_SAMPLE_TYPE, is_exits ? "exits" : "samples", "count");
	put_value_type(e, &head, PROFILE_SAMPLE_TYPE, is_exits ? "exit_time" : "cpu", "nanoseconds");
	/* In the order of the VMs: readers take the first mapping for the main binary. */
	for (i = 0; i < snapshot__nr_vms(e->snap); i++) {
		const struct snap_vm *vm = snapshot__vm(e->snap, i);

		for (k = 0; vm->syms && k < symbolizer__nr_images(vm->syms); k++) {
			symbolizer__image_info(vm->syms, k, &image);
			add_mapping(e, &image, mark_of(vm, image.is_unverified));
		}
	}
	for (i = 0; i < snapshot__nr_stacks(e->snap) && !e->err; i++)
		add_sample(e, snapshot__stack(e->snap, i));

	put_int(&tail, PROFILE_TIME_NANOS, info->start_wall_ns);
	put_int(&tail, PROFILE_DURATION_NANOS, info->duration_ns);
	/* Exits stand for themselves: one is one. */
	put_value_type(e, &tail, PROFILE_PERIOD_TYPE, is_exits ? "exits" : "cpu", is_exits ? "count" : "nanoseconds");
	put_int(&tail, PROFILE_PERIOD, is_exits ? 1 : info->period_ns);
	put_comments(e, &tail);
	/* Time is what people look for, where the event measures time; the same for an idle and a busy VM. */
	put_uint(&tail, PROFILE_DEFAULT_SAMPLE_TYPE,
		 add_string(e, info->measure == SNAP_MEASURE_EXITS	? "exits" :
			       info->measure == SNAP_MEASURE_EXIT_TIME ? "exit_time" :
			       info->period_ns			? "cpu" :
									  "samples"));

	sink__write(sink, head.data, head.len);
	for (i = PROFILE_SAMPLE; i <= PROFILE_FUNCTION; i++) {
		sink__write(sink, e->tables[i].data, e->tables[i].len);
		if (strbuf__err(&e->tables[i]))
			e->err = -ENOMEM;
	}
	for (i = 0; i < strpool__nr(e->strings); i++) {
		str = strpool__get(e->strings, i, &len);
		strbuf__truncate(&e->sub, 0);
		put_bytes(&e->sub, PROFILE_STRING_TABLE, str, len);
		sink__write(sink, e->sub.data, e->sub.len);
	}
	sink__write(sink, tail.data, tail.len);

	if (strbuf__err(&head) || strbuf__err(&tail) || strbuf__err(&e->text) ||
	    strbuf__err(&e->msg) || strbuf__err(&e->sub) || strbuf__err(&e->packed) ||
	    strbuf__err(&e->seen_location))
		e->err = -ENOMEM;
	strbuf__free(&head);
	strbuf__free(&tail);
}

static int write_pprof(const struct snapshot *snap, const struct export_opts *opts,
		       struct sink *sink)
{
	struct encoder e = { .snap = snap };
	struct sink *gz = NULL;
	size_t i;
	int err;

	(void)opts;
	err = sink__gzip(&gz, sink);
	if (!err &&
	    (strpool__new(&e.strings) || strpool__new(&e.mappings) || strpool__new(&e.functions) ||
	     strpool__new(&e.locations) || strpool__new(&e.seen)))
		err = -ENOMEM;
	if (!err) {
		encode(&e, gz);
		err = e.err;
	}

	if (sink__close(gz) && !err)
		err = sink__error(sink) ? sink__error(sink) : -ENOMEM;
	strpool__free(e.strings);
	strpool__free(e.mappings);
	strpool__free(e.functions);
	strpool__free(e.locations);
	strpool__free(e.seen);
	for (i = 0; i <= PROFILE_FUNCTION; i++)
		strbuf__free(&e.tables[i]);
	strbuf__free(&e.seen_location);
	strbuf__free(&e.text);
	strbuf__free(&e.msg);
	strbuf__free(&e.sub);
	strbuf__free(&e.packed);
	return err;
}

const struct exporter exporter_pprof = {
	.name = "pprof",
	.suffixes = (const char *const[]){ ".pb.gz", ".pprof", NULL },
	.help = "gzipped profile.proto, for go tool pprof, Parca, Pyroscope, Perfetto and speedscope",
	.is_binary = true,
	.write = write_pprof,
};
