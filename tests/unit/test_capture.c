/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture.h"
#include "profile.h"
#include "recording.h"
#include "strbuf.h"

#define HEADER_LEN 16
#define NR_SAMPLES 9

static char path[64]; /* of a file in memory: some tests write tens of thousands */
static int memfd = -1;

static const struct recording_info info = {
	.version = "0.1.0",
	.host = "6.1.0-31-amd64",
	.event = "cpu-clock",
	.freq_hz = 99,
	.period_ns = 10101010,
	.start_wall_ns = 1767225600000000000ull,
	.start_mono_ns = 4000000000ull,
	.is_emulated = true,
};

static const struct recording_vm vms[] = {
	{ 0, 4242, "web0", "qemu-system-x86_64", "/srv/web/app", "console=ttyS0 a=b --x",
	  128ull << 20 },
	{ 1, 1, "name=x\nid=7\n\033[31m\"'\\\xff;", "", "a b=c", "", UINT64_MAX },
	{ 7, 2, "", "fc", NULL, NULL, 0 },
};

static const uint64_t counters[UKP_CTR_MAX] = { 12, 10, 1, 1, 0, 2, UINT64_MAX };

/* @name can be opened by child processes, too. Return: its descriptor. */
static int file_in_memory(char *name, size_t size)
{
	int fd = memfd_create("x.ukp", MFD_CLOEXEC);

	snprintf(name, size, "/proc/%d/fd/%d", getpid(), fd);
	return fd;
}

static struct recording *new_recording(void)
{
	struct recording *r = NULL;

	assert_int_equal(recording__new(&r), 0);
	return r;
}

static struct capture_writer *new_writer(const char *name)
{
	struct capture_writer *w = NULL;
	int fd;

	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(capture_writer__new(&w, fd), 0);
	return w;
}

/* A recording of everything, which is written as it happens, as in a session. */
static void fill(struct recording *r)
{
	union any_record rec;
	size_t len, i;

	assert_int_equal(recording__begin(r, &info), 0);
	for (i = 0; i < ARRAY_SIZE(vms); i++)
		assert_int_equal(recording__vm(r, &vms[i]), 0);
	for (i = 0; i < NR_SAMPLES; i++) {
		len = make_sample(&rec, vms[i % 3].id, i % 4, i % 3, i % UKP_STOP_MAX,
				  i == 8 ? UKP_MAX_FRAMES : i % 5, 0x1000 * i);
		assert_int_equal(recording__record(r, &rec, len), 0);
		len = make_text(&rec, vms[i % 3].id, 0x100010 + 0x1000 * i, i);
		assert_int_equal(recording__record(r, &rec, len), 0);
	}
	assert_int_equal(recording__counters(r, counters), 0);
	assert_int_equal(recording__end(r, RECORDING_INTERRUPTED, 123456789), 0);
}

static struct recording *write_all(void)
{
	struct recording *r = new_recording();
	struct capture_writer *w = new_writer(path);

	recording__set_capture(r, w);
	fill(r);
	assert_int_equal(capture_writer__close(w), 0);
	return r;
}

static void assert_same_str(const char *a, const char *b)
{
	assert_int_equal(!a, !b);
	if (a)
		assert_string_equal(a, b);
}

static void assert_same_vm(const struct recording_vm_data *a, const struct recording_vm_data *b)
{
	assert_int_equal(a->id, b->id);
	assert_int_equal(a->pid, b->pid);
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->vmm, b->vmm);
	assert_same_str(a->image, b->image);
	assert_same_str(a->args, b->args);
	assert_int_equal(a->mem_bytes, b->mem_bytes);
	assert_int_equal(a->nr_samples, b->nr_samples);
	assert_memory_equal(a->nr_place, b->nr_place, sizeof(a->nr_place));
	assert_memory_equal(a->nr_stop, b->nr_stop, sizeof(a->nr_stop));
	assert_int_equal(a->nr_vcpus, b->nr_vcpus);
	assert_int_equal(a->nr_texts, b->nr_texts);
	assert_memory_equal(a->texts, b->texts, a->nr_texts * sizeof(*a->texts));
}

static void assert_same_profile(const struct profile *a, const struct profile *b)
{
	struct profile_stack sa, sb;
	size_t i;

	assert_int_equal(profile__nr(a), profile__nr(b));
	for (i = 0; i < profile__nr(a); i++) {
		profile__stack(a, i, &sa);
		profile__stack(b, i, &sb);
		assert_int_equal(sa.key.vm, sb.key.vm);
		assert_int_equal(sa.key.vcpu, sb.key.vcpu);
		assert_int_equal(sa.key.place, sb.key.place);
		assert_int_equal(sa.key.stop, sb.key.stop);
		assert_int_equal(sa.count, sb.count);
		assert_int_equal(sa.weight, sb.weight);
		assert_int_equal(sa.nr_frames, sb.nr_frames);
		if (sa.nr_frames)
			assert_memory_equal(sa.frames, sb.frames,
					    sa.nr_frames * sizeof(*sa.frames));
	}
}

static void assert_same_recording(const struct recording *a, const struct recording *b)
{
	const struct recording_info *ia = recording__info(a), *ib = recording__info(b);
	size_t i;

	assert_string_equal(ia->version, ib->version);
	assert_string_equal(ia->host, ib->host);
	assert_string_equal(ia->event, ib->event);
	assert_int_equal(ia->freq_hz, ib->freq_hz);
	assert_int_equal(ia->period_ns, ib->period_ns);
	assert_int_equal(ia->start_wall_ns, ib->start_wall_ns);
	assert_int_equal(ia->start_mono_ns, ib->start_mono_ns);
	assert_int_equal(ia->is_emulated, ib->is_emulated);
	assert_int_equal(recording__nr_vms(a), recording__nr_vms(b));
	for (i = 0; i < recording__nr_vms(a); i++)
		assert_same_vm(recording__vm_data(a, i), recording__vm_data(b, i));
	assert_same_profile(recording__profile(a), recording__profile(b));
	assert_memory_equal(recording__counter_values(a), recording__counter_values(b),
			    UKP_CTR_MAX * sizeof(uint64_t));
	assert_int_equal(recording__nr_samples(a), recording__nr_samples(b));
	assert_int_equal(recording__nr_bad(a), recording__nr_bad(b));
	assert_int_equal(recording__duration_ns(a), recording__duration_ns(b));
	assert_int_equal(recording__how_ended(a), recording__how_ended(b));
}

static void what_is_written_is_read(void **state)
{
	struct recording *live = write_all(), *replayed = new_recording();
	uint64_t cut = 1;

	(void)state;
	assert_int_equal(recording__nr_samples(live), NR_SAMPLES);
	assert_int_equal(recording__nr_bad(live), 0);
	assert_int_equal(capture__read(path, replayed, &cut), CAPTURE_OK);
	assert_int_equal(cut, 0);
	assert_same_recording(live, replayed);
	recording__free(live);
	recording__free(replayed);
}

/* A replay that is written again gives the same bytes. */
static void a_copy_is_the_same_file(void **state)
{
	struct recording *live = write_all(), *replayed = new_recording();
	struct capture_writer *w;
	char copy[64], cmd[200];
	int fd = file_in_memory(copy, sizeof(copy));

	(void)state;
	assert_true(fd >= 0);
	w = new_writer(copy);
	recording__set_capture(replayed, w);
	assert_int_equal(capture__read(path, replayed, NULL), CAPTURE_OK);
	assert_int_equal(capture_writer__close(w), 0);
	snprintf(cmd, sizeof(cmd), "cmp %s %s", path, copy);
	assert_int_equal(system(cmd), 0);
	close(fd);
	recording__free(live);
	recording__free(replayed);
}

static struct strbuf read_file(const char *name)
{
	struct strbuf sb = { 0 };
	char buf[4096];
	size_t n;
	FILE *f;

	f = fopen(name, "r");
	assert_non_null(f);
	while ((n = fread(buf, 1, sizeof(buf), f)))
		strbuf__add(&sb, buf, n);
	fclose(f);
	return sb;
}

static void write_file(const void *data, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static uint32_t abi_of_file(void)
{
	struct strbuf file = read_file(path);
	uint32_t abi;

	assert_true(file.len > HEADER_LEN);
	memcpy(&abi, file.data + 12, sizeof(abi));
	strbuf__free(&file);
	return abi;
}

/* Only a file with host stacks asks for a reader that knows them. */
static void host_stacks_are_kept_and_their_names(void **state)
{
	static const struct recording_symbol syms[] = {
		{ RECORDING_KERNEL, 0xffffffff81000000, "kvm_arch_vcpu_ioctl_run" },
		{ 7, 0x401000, "handle_io(vcpu *)" },
		{ 7, 0, "" },
	};
	struct recording *live = new_recording(), *replayed = new_recording();
	struct capture_writer *w = new_writer(path);
	struct recording_info with = info;
	struct profile_stack a, b;
	union any_record rec;
	size_t len, i;

	(void)state;
	with.host_stacks = true;
	recording__set_capture(live, w);
	assert_int_equal(recording__begin(live, &with), 0);
	assert_int_equal(recording__vm(live, &vms[2]), 0);
	len = make_host(&rec, 7, 4, 3, 2, 0x1000);
	assert_int_equal(recording__record(live, &rec, len), 0);
	assert_int_equal(recording__end(live, RECORDING_FINISHED, 1), 0);
	for (i = 0; i < ARRAY_SIZE(syms); i++) /* those of the last samples come behind the end */
		assert_int_equal(recording__symbol(live, &syms[i]), 0);
	assert_int_equal(capture_writer__close(w), 0);
	assert_int_equal(abi_of_file(), 2);

	assert_int_equal(capture__read(path, replayed, NULL), CAPTURE_OK);
	assert_same_recording(live, replayed);
	assert_true(recording__info(replayed)->host_stacks);
	profile__stack(recording__profile(live), 0, &a);
	profile__stack(recording__profile(replayed), 0, &b);
	assert_memory_equal(&a.key, &b.key, sizeof(a.key));
	assert_memory_equal(a.host, b.host, 7 * sizeof(*a.host));
	for (i = 0; i < ARRAY_SIZE(syms); i++)
		assert_string_equal(recording__symbol_name(replayed, syms[i].vm, syms[i].addr), syms[i].name);
	recording__free(live);
	recording__free(replayed);

	recording__free(write_all());
	assert_int_equal(abi_of_file(), 1);
}

/* A symbol's chunk may be of any length and hold anything. */
static void bad_symbols_are_left_out(void **state)
{
	static const uint8_t tail[] = { 6, 0, 0, 0, 0, 0, 0, 0, 'k', 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 'n', 'a', 0 };
	struct recording *r = write_all();
	struct strbuf file = read_file(path), sb;
	uint32_t len;

	(void)state;
	recording__free(r);
	for (len = 0; len < sizeof(tail) - 8; len++) {
		sb = (struct strbuf){ 0 };
		strbuf__add(&sb, file.data, file.len);
		strbuf__add(&sb, tail, 4);
		strbuf__add(&sb, &len, 4);
		strbuf__add(&sb, tail + 8, len);
		while (sb.len & 7)
			strbuf__addc(&sb, 'x');
		write_file(sb.data, sb.len);
		strbuf__free(&sb);
		r = new_recording();
		assert_int_equal(capture__read(path, r, NULL), CAPTURE_OK);
		assert_null(recording__symbol_name(r, 9, 'k'));
		recording__free(r);
	}
	sb = (struct strbuf){ 0 };
	strbuf__add(&sb, file.data, file.len);
	len = sizeof(tail) - 8;
	strbuf__add(&sb, tail, 4);
	strbuf__add(&sb, &len, 4);
	strbuf__add(&sb, tail + 8, len);
	while (sb.len & 7)
		strbuf__addc(&sb, 'x');
	write_file(sb.data, sb.len);
	strbuf__free(&sb);
	strbuf__free(&file);
	r = new_recording();
	assert_int_equal(capture__read(path, r, NULL), CAPTURE_OK);
	assert_string_equal(recording__symbol_name(r, 9, 'k'), "na");
	recording__free(r);
}

static void every_way_to_end_is_kept(void **state)
{
	enum recording_end how;

	(void)state;
	for (how = RECORDING_CUT; how <= RECORDING_VM_ENDED; how++) {
		struct capture_writer *w = new_writer(path);
		struct recording *r = new_recording();

		assert_int_equal(capture_writer__begin(w, &info), 0);
		assert_int_equal(capture_writer__end(w, how, 1), 0);
		assert_int_equal(capture_writer__close(w), 0);
		assert_int_equal(capture__read(path, r, NULL), CAPTURE_OK);
		assert_int_equal(recording__how_ended(r), how);
		recording__free(r);
	}
}

/* A command line of a megabyte is cut; what follows it is there. */
static void long_strings_are_cut(void **state)
{
	size_t len = (1 << 20) + 100;
	char *str = malloc(len + 1);
	struct recording_vm vm = { .id = 3, .pid = 4, .vmm = "v", .image = "i", .mem_bytes = 5 };
	struct capture_writer *w = new_writer(path);
	struct recording *r = new_recording();
	const struct recording_vm_data *data;

	(void)state;
	assert_int_equal(capture_writer__begin(w, &info), 0);
	memset(str, 'b', (1 << 17) - 1);
	str[(1 << 17) - 1] = '\0';
	vm.name = vm.vmm = vm.image = vm.args = str;
	assert_int_equal(capture_writer__vm(w, &vm), 0);
	vm.id++;
	str = realloc(str, len + 1);
	memset(str, 'c', len);
	str[len] = '\0';
	vm.name = vm.vmm = vm.image = vm.args = str;
	assert_int_equal(capture_writer__vm(w, &vm), 0);
	assert_int_equal(capture_writer__end(w, RECORDING_FINISHED, 1), 0);
	assert_int_equal(capture_writer__close(w), 0);
	free(str);

	assert_int_equal(capture__read(path, r, NULL), CAPTURE_OK);
	assert_int_equal(recording__how_ended(r), RECORDING_FINISHED);
	assert_int_equal(recording__nr_vms(r), 2);
	data = recording__vm_data(r, 0);
	/* As long as Linux lets an argument be. */
	assert_int_equal(strlen(data->name), (1 << 17) - 1);
	assert_int_equal(strlen(data->args), (1 << 17) - 1);
	assert_int_equal(data->mem_bytes, 5);
	data = recording__vm_data(r, 1);
	assert_int_equal(data->name[0], 'c');
	assert_int_equal(data->image[0], 'c');
	assert_int_equal(data->args[0], 'c');
	assert_int_equal(data->mem_bytes, 5);
	recording__free(r);
}

/* --- files that were cut --- */

/* Where each chunk ends; index 0: the header. */
static size_t chunk_ends(const struct strbuf *file, size_t *ends, size_t max)
{
	size_t at = HEADER_LEN, nr = 0;
	uint32_t len;

	for (ends[nr++] = at; at < file->len; ends[nr++] = at) {
		assert_true(nr < max);
		memcpy(&len, file->data + at + 4, 4);
		at += 8 + ((len + 7) & ~7u);
	}
	assert_int_equal(at, file->len);
	return nr;
}

static void a_file_cut_anywhere_is_good_up_to_there(void **state)
{
	size_t ends[64], nr_ends, cut_at, whole = 0, i;
	uint64_t samples, cut;
	struct recording *r = write_all();
	struct strbuf file = read_file(path);
	uint32_t kind;

	(void)state;
	recording__free(r);
	nr_ends = chunk_ends(&file, ends, ARRAY_SIZE(ends));
	for (cut_at = 0; cut_at <= file.len; cut_at++) {
		write_file(file.data, cut_at);
		r = new_recording();
		if (cut_at < HEADER_LEN) {
			assert_int_equal(capture__read(path, r, &cut), CAPTURE_NOT_CAPTURE);
			recording__free(r);
			continue;
		}
		while (whole + 1 < nr_ends && ends[whole + 1] <= cut_at)
			whole++;
		assert_int_equal(capture__read(path, r, &cut), CAPTURE_OK);
		assert_int_equal(cut, cut_at - ends[whole]);
		assert_int_equal(recording__nr_bad(r), 0);
		for (samples = 0, i = 0; i < whole; i++) {
			memcpy(&kind, file.data + ends[i], 4);
			/* The record's own kind stands behind the chunk's header. */
			if (kind == 3)
				samples += file.data[ends[i] + 8] == UKP_REC_SAMPLE;
		}
		assert_int_equal(recording__nr_samples(r), samples);
		assert_int_equal(recording__how_ended(r),
				 cut_at == file.len ? RECORDING_INTERRUPTED : RECORDING_CUT);
		recording__free(r);
	}
	strbuf__free(&file);
}

/* --- files that were damaged --- */

static void every_flipped_bit_gives_a_verdict(void **state)
{
	struct recording *r = write_all();
	struct strbuf file = read_file(path);
	struct mallinfo2 mi;
	size_t bit;
	uint64_t cut;
	int verdict;

	(void)state;
	recording__free(r);
	for (bit = 0; bit < 8 * file.len; bit++) {
		file.data[bit / 8] ^= 1 << bit % 8;
		write_file(file.data, file.len);
		file.data[bit / 8] ^= 1 << bit % 8;
		r = new_recording();
		verdict = capture__read(path, r, &cut);
		if (bit < 64)
			assert_int_equal(verdict, CAPTURE_NOT_CAPTURE);
		else
			assert_true(verdict == CAPTURE_OK || verdict == CAPTURE_NEWER);
		if (!verdict && bit < 8 * HEADER_LEN)
			assert_true(bit == 64 || bit == 96); /* a version of 1 became 0 */
		assert_true(cut < file.len);
		assert_true(recording__nr_samples(r) <= NR_SAMPLES);
		mi = mallinfo2();
		assert_true(mi.uordblks + mi.hblkhd < 64 << 20);
		recording__free(r);
	}
	strbuf__free(&file);
}

static void random_damage_gives_a_verdict(void **state)
{
	struct recording *r = write_all();
	struct strbuf file = read_file(path);
	uint64_t seed = 0x9e3779b97f4a7c15ull, x;
	char *copy = malloc(file.len);
	int i, k, n;

	(void)state;
	recording__free(r);
	for (i = 0; i < 20000; i++) {
		memcpy(copy, file.data, file.len);
		for (n = 1 + next_random(&seed) % 8, k = 0; k < n; k++) {
			x = next_random(&seed);
			copy[HEADER_LEN + x % (file.len - HEADER_LEN)] = x >> 32;
		}
		write_file(copy,
			   file.len - (next_random(&seed) % 4 ? 0 : next_random(&seed) % 1000));
		r = new_recording();
		assert_int_equal(capture__read(path, r, NULL), CAPTURE_OK);
		assert_true(recording__nr_samples(r) <= NR_SAMPLES);
		recording__free(r);
	}
	free(copy);
	strbuf__free(&file);
}

/* --- files put together by hand --- */

static struct strbuf made;

static void begin_file(uint32_t version, uint32_t abi)
{
	strbuf__free(&made);
	strbuf__add(&made, "UKPROF\r\n", 8);
	strbuf__add(&made, &version, 4);
	strbuf__add(&made, &abi, 4);
}

static void add_chunk(uint32_t kind, const void *data, uint32_t len)
{
	strbuf__add(&made, &kind, 4);
	strbuf__add(&made, &len, 4);
	strbuf__add(&made, data, len);
	strbuf__add(&made, "\0\0\0\0\0\0\0", -len & 7);
}

#define ADD_CHUNK(kind, str) add_chunk(kind, str, sizeof(str)) /* with the last NUL */

static struct recording *read_made(enum capture_verdict want, uint64_t want_cut)
{
	struct recording *r = new_recording();
	uint64_t cut = 99;

	write_file(made.data, made.len);
	assert_int_equal(capture__read(path, r, &cut), want);
	if (!want)
		assert_int_equal(cut, want_cut);
	strbuf__free(&made);
	return r;
}

static void other_files_are_no_captures(void **state)
{
	struct recording *r = new_recording();
	char missing[80];

	(void)state;
	write_file("", 0);
	assert_int_equal(capture__read(path, r, NULL), CAPTURE_NOT_CAPTURE);
	write_file("UKPROF\n", 7);
	assert_int_equal(capture__read(path, r, NULL), CAPTURE_NOT_CAPTURE);
	/* A transfer as text. */
	write_file("UKPROF\n\1\0\0\0\1\0\0\0\0\0\0\0\0", 20);
	assert_int_equal(capture__read(path, r, NULL), CAPTURE_NOT_CAPTURE);
	write_file("#!/bin/sh\nexit 0\n# and more\n", 28);
	assert_int_equal(capture__read(path, r, NULL), CAPTURE_NOT_CAPTURE);
	assert_int_equal(capture__read("/dev/zero", r, NULL), CAPTURE_NOT_CAPTURE);
	assert_int_equal(capture__read("/dev/null", r, NULL), CAPTURE_NOT_CAPTURE);
	errno = 0;
	assert_int_equal(capture__read("/", r, NULL), CAPTURE_UNREADABLE);
	assert_int_equal(errno, EISDIR);
	snprintf(missing, sizeof(missing), "/proc/%d/missing", getpid());
	assert_int_equal(capture__read(missing, r, NULL), CAPTURE_UNREADABLE);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(capture__read("", r, NULL), CAPTURE_UNREADABLE);
	recording__free(r);
}

static void newer_files_say_so(void **state)
{
	(void)state;
	begin_file(2, 1);
	recording__free(read_made(CAPTURE_NEWER, 0));
	begin_file(1, UKP_ABI_VERSION + 1);
	recording__free(read_made(CAPTURE_NEWER, 0));
	begin_file(UINT32_MAX, UINT32_MAX);
	recording__free(read_made(CAPTURE_NEWER, 0));
	begin_file(1, 1);
	recording__free(read_made(CAPTURE_OK, 0));
}

static void unknown_chunks_and_keys_are_skipped(void **state)
{
	struct recording *r;

	(void)state;
	begin_file(1, 1);
	ADD_CHUNK(1, "event=cycles\0colour=blue\0freq_hz=7");
	ADD_CHUNK(99, "whatever");
	add_chunk(0, NULL, 0);
	add_chunk(UINT32_MAX, "abc", 3);
	ADD_CHUNK(2, "id=5\0name=a=b=c\0no equals sign\0=\0=value\0pid=99");
	ADD_CHUNK(5, "how=finished");
	r = read_made(CAPTURE_OK, 0);
	assert_string_equal(recording__info(r)->event, "cycles");
	assert_int_equal(recording__info(r)->freq_hz, 7);
	assert_int_equal(recording__nr_vms(r), 1);
	assert_int_equal(recording__vm_data(r, 0)->id, 5);
	assert_int_equal(recording__vm_data(r, 0)->pid, 99);
	assert_string_equal(recording__vm_data(r, 0)->name, "a=b=c");
	assert_string_equal(recording__vm_data(r, 0)->vmm, "");
	assert_int_equal(recording__nr_bad(r), 0);
	assert_int_equal(recording__how_ended(r), RECORDING_FINISHED);
	recording__free(r);
}

static void chunks_of_length_0_hold_nothing(void **state)
{
	struct recording *r;
	uint32_t kind;

	(void)state;
	begin_file(1, 1);
	for (kind = 1; kind <= 5; kind++)
		add_chunk(kind, NULL, 0);
	r = read_made(CAPTURE_OK, 0);
	assert_string_equal(recording__info(r)->event, "unknown");
	assert_int_equal(recording__nr_vms(r), 1);
	assert_string_equal(recording__vm_data(r, 0)->name, "vm");
	assert_int_equal(recording__nr_bad(r), 1); /* the record */
	assert_int_equal(recording__how_ended(r), RECORDING_CUT);
	recording__free(r);
}

/* The last string lacks its 0 byte: what it would have been is not known. */
static void strings_that_are_not_ended_are_skipped(void **state)
{
	struct recording *r;

	(void)state;
	begin_file(1, 1);
	add_chunk(2, "pid=3\0name=abcdef", 17);
	r = read_made(CAPTURE_OK, 0);
	assert_int_equal(recording__vm_data(r, 0)->pid, 3);
	assert_string_equal(recording__vm_data(r, 0)->name, "vm");
	recording__free(r);
}

static void impossible_lengths_end_the_file(void **state)
{
	static const uint32_t lens[] = { (1 << 20) + 1, 0x7fffffff, 0x80000000,
					 0xfffffff8,    0xfffffff9, UINT32_MAX };
	struct recording *r;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		begin_file(1, 1);
		ADD_CHUNK(1, "event=cycles");
		strbuf__add(&made, "\3\0\0\0", 4);
		strbuf__add(&made, &lens[i], 4);
		ADD_CHUNK(5, "how=finished");
		r = read_made(CAPTURE_OK, 8 + 8 + 16);
		assert_string_equal(recording__info(r)->event, "cycles");
		assert_int_equal(recording__how_ended(r), RECORDING_CUT);
		recording__free(r);
	}
}

static void a_second_info_replaces_the_first(void **state)
{
	struct recording *r;

	(void)state;
	begin_file(1, 1);
	ADD_CHUNK(1, "event=cycles\0host=a\0freq_hz=7");
	ADD_CHUNK(1, "event=cpu-clock\0freq_hz=8");
	r = read_made(CAPTURE_OK, 0);
	assert_string_equal(recording__info(r)->event, "cpu-clock");
	assert_null(recording__info(r)->host);
	assert_int_equal(recording__info(r)->freq_hz, 8);
	recording__free(r);
}

static void contradictions_are_counted(void **state)
{
	union any_record rec;
	struct recording *r;
	size_t len;

	(void)state;
	begin_file(1, 1);
	ADD_CHUNK(1, "event=cycles");
	ADD_CHUNK(2, "id=0\0name=a");
	ADD_CHUNK(2, "id=0\0name=b"); /* 1: the VM is there already */
	len = make_sample(&rec, 1, 0, 0, 0, 2, 0x10);
	add_chunk(3, &rec, len); /* 2: unknown VM */
	make_sample(&rec, 0, 0, 0, 0, 2, 0x10);
	rec.sample.nr_frames = 3;
	add_chunk(3, &rec, len); /* 3: more frames than bytes */
	rec.sample.nr_frames = 1;
	add_chunk(3, &rec, len); /* 4: fewer */
	rec.sample.nr_frames = 2;
	add_chunk(3, &rec, len - 8); /* 5: the record is longer than its chunk */
	add_chunk(3, &rec, len);     /* right */
	r = read_made(CAPTURE_OK, 0);
	assert_int_equal(recording__nr_bad(r), 5);
	assert_int_equal(recording__nr_samples(r), 1);
	assert_string_equal(recording__vm_data(r, 0)->name, "a");
	recording__free(r);
}

static void silly_numbers_are_survived(void **state)
{
	struct recording *r;

	(void)state;
	begin_file(1, 1);
	ADD_CHUNK(
		1,
		"freq_hz=99999999999999999999999\0period_ns=-1\0start_mono_ns=abc\0emulated=\0host=");
	ADD_CHUNK(2, "id=4294967296\0pid=-7\0mem_bytes=0x10");
	ADD_CHUNK(4, "fired=18446744073709551615\0stored=1e9");
	ADD_CHUNK(5, "how=exploded\0duration_ns=18446744073709551615");
	r = read_made(CAPTURE_OK, 0);
	assert_false(recording__info(r)->is_emulated);
	assert_int_equal(recording__info(r)->start_mono_ns, 0);
	assert_string_equal(recording__info(r)->host, "");
	assert_int_equal(recording__counter_values(r)[UKP_CTR_FIRED], UINT64_MAX);
	assert_int_equal(recording__counter_values(r)[UKP_CTR_STORED], 1);
	assert_int_equal(recording__how_ended(r), RECORDING_CUT);
	recording__free(r);
}

/* --- places that can't be written --- */

static void a_full_disk_is_an_error(void **state)
{
	struct capture_writer *w;
	union any_record rec;
	size_t len;
	int i, err = 0;

	(void)state;
	w = new_writer("/dev/full");
	assert_int_equal(capture_writer__begin(w, &info), 0); /* still in the buffer */
	assert_int_equal(capture_writer__flush(w), -ENOSPC);
	assert_int_equal(capture_writer__vm(w, &vms[0]), -ENOSPC);
	assert_int_equal(capture_writer__close(w), -ENOSPC);

	/* The error comes in the middle of the records, and stays. */
	w = new_writer("/dev/full");
	len = make_sample(&rec, 0, 0, 0, 0, UKP_MAX_FRAMES, 0);
	for (i = 0; i < 1000 && !err; i++)
		err = capture_writer__record(w, &rec, len);
	assert_int_equal(err, -ENOSPC);
	assert_true(i > 200 && i < 300);
	assert_int_equal(capture_writer__record(w, &rec, len), -ENOSPC);
	assert_int_equal(capture_writer__end(w, RECORDING_FINISHED, 0), -ENOSPC);
	assert_int_equal(capture_writer__close(w), -ENOSPC);
	assert_int_equal(capture_writer__close(NULL), 0);
}

static void the_recording_passes_the_error_on(void **state)
{
	struct recording *r = new_recording();
	struct capture_writer *w = new_writer("/dev/full");

	(void)state;
	recording__set_capture(r, w);
	assert_int_equal(recording__begin(r, &info), 0);
	assert_int_equal(recording__end(r, RECORDING_FINISHED, 1), -ENOSPC);
	assert_int_equal(recording__vm(r, &vms[0]), -ENOSPC);
	capture_writer__close(w);
	recording__free(r);
}

/* "record -o - | …": someone else may have made the pipe non-blocking. */
static void a_pipe_that_is_full_is_waited_for(void **state)
{
	struct capture_writer *w = NULL;
	struct recording *live = new_recording(), *r = new_recording();
	struct strbuf big = { 0 };
	char buf[1000];
	int fds[2], status, i;
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		recording__free(r);
		assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
		close(fds[0]);
		assert_int_equal(capture_writer__new(&w, fds[1]), 0);
		recording__set_capture(live, w);
		fill(live);
		for (i = 0; i < 1000; i++)
			recording__vm(live,
				      &(struct recording_vm){ .id = 100 + i,
							      .args = "0123456789abcdefghijkl" });
		status = capture_writer__close(w);
		recording__free(live);
		_exit(status != 0);
	}
	close(fds[1]);
	/* The child fills the pipe before anything is taken out of it. */
	assert_int_equal(poll(NULL, 0, 100), 0);
	while ((n = read(fds[0], buf, sizeof(buf))) > 0)
		strbuf__add(&big, buf, n);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	write_file(big.data, big.len);
	assert_int_equal(capture__read(path, r, NULL), CAPTURE_OK);
	assert_int_equal(recording__nr_vms(r), 3 + 1000);
	strbuf__free(&big);
	close(fds[0]);
	recording__free(live);
	recording__free(r);
}

static int setup(void **state)
{
	(void)state;
	memfd = file_in_memory(path, sizeof(path));
	return memfd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	return close(memfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_copy_is_the_same_file),
		cmocka_unit_test(host_stacks_are_kept_and_their_names),
		cmocka_unit_test(bad_symbols_are_left_out),
		cmocka_unit_test(every_way_to_end_is_kept),
		cmocka_unit_test(long_strings_are_cut),
		cmocka_unit_test(a_file_cut_anywhere_is_good_up_to_there),
		cmocka_unit_test(every_flipped_bit_gives_a_verdict),
		cmocka_unit_test(random_damage_gives_a_verdict),
		cmocka_unit_test(other_files_are_no_captures),
		cmocka_unit_test(newer_files_say_so),
		cmocka_unit_test(unknown_chunks_and_keys_are_skipped),
		cmocka_unit_test(chunks_of_length_0_hold_nothing),
		cmocka_unit_test(strings_that_are_not_ended_are_skipped),
		cmocka_unit_test(impossible_lengths_end_the_file),
		cmocka_unit_test(a_second_info_replaces_the_first),
		cmocka_unit_test(contradictions_are_counted),
		cmocka_unit_test(silly_numbers_are_survived),
		cmocka_unit_test(a_full_disk_is_an_error),
		cmocka_unit_test(the_recording_passes_the_error_on),
		cmocka_unit_test(a_pipe_that_is_full_is_waited_for),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
