/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC	      "UKPROF\r\n" /* line ends: a transfer in text mode is noticed */
#define VERSION	      1
#define MAX_CHUNK     (1u << 20)
#define MAX_KEYS      64
/* Linux lets no argument be longer; a VM has four such strings, which leaves half a chunk for the rest. */
#define MAX_VALUE     ((1u << 17) - 1)
#define WRITE_BUFFER  (256 << 10)

enum chunk_kind {
	CHUNK_INFO = 1,
	CHUNK_VM = 2,
	CHUNK_RECORD = 3,
	CHUNK_COUNTERS = 4,
	CHUNK_END = 5,
	CHUNK_SYMBOL = 6,
};

/* What begins a symbol's payload; the name follows, with its NUL. */
struct symbol_header {
	uint64_t addr;
	uint32_t vm;
	uint32_t reserved;
};

struct file_header {
	char magic[8];
	uint32_t version;
	uint32_t abi; /* UKP_ABI_VERSION */
};

struct chunk_header {
	uint32_t kind;
	uint32_t len; /* of the payload, without padding */
};

static const char *const end_names[] = {
	[RECORDING_FINISHED] = "finished",
	[RECORDING_INTERRUPTED] = "interrupted",
	[RECORDING_VM_ENDED] = "vm_ended",
};

static const char *const counter_keys[] = {
#define X(name, label, help) [UKP_CTR_##name] = label,
	UKP_COUNTERS(X)
#undef X
};

/* --- writing --- */

struct capture_writer {
	int fd;
	int err;
	bool has_written;
	char *buf;
	size_t len;
	char *kv; /* the key=value payload under construction */
	size_t kv_len;
};

int capture_writer__new(struct capture_writer **out, int fd)
{
	struct capture_writer *w;

	w = calloc(1, sizeof(*w));
	if (w) {
		w->buf = malloc(WRITE_BUFFER);
		w->kv = malloc(MAX_CHUNK);
	}
	if (!w || !w->buf || !w->kv) {
		if (w) {
			free(w->buf);
			free(w->kv);
		}
		free(w);
		close(fd);
		return -ENOMEM;
	}
	w->fd = fd;
	*out = w;
	return 0;
}

int capture_writer__flush(struct capture_writer *w)
{
	struct pollfd pfd = { .fd = w->fd, .events = POLLOUT };
	size_t done = 0;
	ssize_t n;

	/* An older file is emptied now and not when it was opened: until here nothing was sampled. */
	if (!w->has_written && w->len && ftruncate(w->fd, 0) && errno != EINVAL)
		w->err = -errno;
	w->has_written |= w->len > 0;
	while (!w->err && done < w->len) {
		n = write(w->fd, w->buf + done, w->len - done);
		if (n >= 0)
			done += n;
		else if (errno == EAGAIN) /* a pipe that someone else made non-blocking */
			poll(&pfd, 1, -1);
		else if (errno != EINTR)
			w->err = -errno;
	}
	w->len = 0;
	return w->err;
}

static void put(struct capture_writer *w, const void *data, size_t len)
{
	size_t n;

	while (len && !w->err) {
		n = WRITE_BUFFER - w->len;
		if (n > len)
			n = len;
		memcpy(w->buf + w->len, data, n);
		w->len += n;
		data = (const char *)data + n;
		len -= n;
		if (w->len == WRITE_BUFFER)
			capture_writer__flush(w);
	}
}

static int put_chunk(struct capture_writer *w, enum chunk_kind kind, const void *data, size_t len)
{
	static const char zeros[8];
	struct chunk_header hdr = { kind, len };

	put(w, &hdr, sizeof(hdr));
	put(w, data, len);
	put(w, zeros, -len & 7);
	return w->err;
}

static void kv_str(struct capture_writer *w, const char *key, const char *value)
{
	size_t len;

	if (!value)
		return;
	len = strnlen(value, MAX_VALUE);
	/* The chunks that this file makes have room for all of their keys. */
	if (strlen(key) + 1 + len + 1 > MAX_CHUNK - w->kv_len)
		return;
	w->kv_len += sprintf(w->kv + w->kv_len, "%s=%.*s", key, (int)len, value) + 1;
}

static void kv_uint(struct capture_writer *w, const char *key, uint64_t value)
{
	char str[24];

	snprintf(str, sizeof(str), "%" PRIu64, value);
	kv_str(w, key, str);
}

static int put_kv(struct capture_writer *w, enum chunk_kind kind)
{
	size_t len = w->kv_len;

	w->kv_len = 0;
	return put_chunk(w, kind, w->kv, len);
}

int capture_writer__begin(struct capture_writer *w, const struct recording_info *info)
{
	/* Who does not know host stacks can read a file without. */
	struct file_header hdr = { MAGIC, VERSION, info->host_stacks ? UKP_ABI_VERSION : 1 };

	memcpy(hdr.magic, MAGIC, sizeof(hdr.magic));
	put(w, &hdr, sizeof(hdr));
	kv_str(w, "ukprof", info->version);
	kv_str(w, "host", info->host);
	kv_str(w, "event", info->event);
	kv_uint(w, "freq_hz", info->freq_hz);
	kv_uint(w, "period_ns", info->period_ns);
	kv_uint(w, "start_wall_ns", info->start_wall_ns);
	kv_uint(w, "start_mono_ns", info->start_mono_ns);
	kv_uint(w, "emulated", info->is_emulated);
	if (info->host_stacks)
		kv_uint(w, "host_stacks", 1);
	return put_kv(w, CHUNK_INFO);
}

int capture_writer__vm(struct capture_writer *w, const struct recording_vm *vm)
{
	kv_uint(w, "id", vm->id);
	kv_uint(w, "pid", vm->pid);
	kv_str(w, "name", vm->name);
	kv_str(w, "vmm", vm->vmm);
	kv_str(w, "image", vm->image);
	kv_str(w, "args", vm->args);
	kv_uint(w, "mem_bytes", vm->mem_bytes);
	return put_kv(w, CHUNK_VM);
}

int capture_writer__record(struct capture_writer *w, const void *data, size_t len)
{
	return put_chunk(w, CHUNK_RECORD, data, len);
}

int capture_writer__symbol(struct capture_writer *w, const struct recording_symbol *sym)
{
	struct symbol_header hdr = { .addr = sym->addr, .vm = sym->vm };
	size_t len = strlen(sym->name) + 1;

	memcpy(w->kv, &hdr, sizeof(hdr));
	memcpy(w->kv + sizeof(hdr), sym->name, len);
	return put_chunk(w, CHUNK_SYMBOL, w->kv, sizeof(hdr) + len);
}

int capture_writer__counters(struct capture_writer *w, const uint64_t *v)
{
	int i;

	for (i = 0; i < UKP_CTR_MAX; i++)
		kv_uint(w, counter_keys[i], v[i]);
	return put_kv(w, CHUNK_COUNTERS);
}

int capture_writer__end(struct capture_writer *w, enum recording_end how, uint64_t duration_ns)
{
	kv_str(w, "how", end_names[how]);
	kv_uint(w, "duration_ns", duration_ns);
	put_kv(w, CHUNK_END);
	return capture_writer__flush(w);
}

static void free_writer(struct capture_writer *w)
{
	free(w->buf);
	free(w->kv);
	free(w);
}

int capture_writer__err(const struct capture_writer *w)
{
	return w->err;
}

bool capture_writer__has_written(const struct capture_writer *w)
{
	return w->has_written;
}

void capture_writer__abandon(struct capture_writer *w)
{
	if (!w)
		return;
	close(w->fd);
	free_writer(w);
}

int capture_writer__close(struct capture_writer *w)
{
	int err;

	if (!w)
		return 0;
	err = capture_writer__flush(w);
	if (close(w->fd) && !err)
		err = -errno;
	free_writer(w);
	return err;
}

/* --- reading --- */

struct kv {
	const char *key;
	const char *value;
};

/* Split a payload; whatever is not "key=value" and a 0 byte is skipped. */
static size_t parse_kv(char *payload, size_t len, struct kv *kv)
{
	char *p = payload, *end = payload + len, *stop, *eq;
	size_t nr = 0;

	while (p < end && nr < MAX_KEYS) {
		stop = memchr(p, 0, end - p);
		if (!stop)
			break;
		eq = strchr(p, '=');
		if (eq) {
			*eq = '\0';
			kv[nr++] = (struct kv){ p, eq + 1 };
		}
		p = stop + 1;
	}
	return nr;
}

static const char *get_str(const struct kv *kv, size_t nr, const char *key)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (!strcmp(kv[i].key, key))
			return kv[i].value;
	return NULL;
}

static uint64_t get_uint(const struct kv *kv, size_t nr, const char *key)
{
	const char *value = get_str(kv, nr, key);

	return value ? strtoull(value, NULL, 10) : 0;
}

static int replay_info(struct recording *r, const struct kv *kv, size_t nr)
{
	const char *event = get_str(kv, nr, "event");

	struct recording_info info = {
		.version = get_str(kv, nr, "ukprof"),
		.host = get_str(kv, nr, "host"),
		.event = event ? event : "unknown",
		.freq_hz = get_uint(kv, nr, "freq_hz"),
		.period_ns = get_uint(kv, nr, "period_ns"),
		.start_wall_ns = get_uint(kv, nr, "start_wall_ns"),
		.start_mono_ns = get_uint(kv, nr, "start_mono_ns"),
		.is_emulated = get_uint(kv, nr, "emulated"),
		.host_stacks = get_uint(kv, nr, "host_stacks"),
	};
	return recording__begin(r, &info);
}

static int replay_vm(struct recording *r, const struct kv *kv, size_t nr)
{
	struct recording_vm vm = {
		.id = get_uint(kv, nr, "id"),
		.pid = get_uint(kv, nr, "pid"),
		.name = get_str(kv, nr, "name"),
		.vmm = get_str(kv, nr, "vmm"),
		.image = get_str(kv, nr, "image"),
		.args = get_str(kv, nr, "args"),
		.mem_bytes = get_uint(kv, nr, "mem_bytes"),
	};
	return recording__vm(r, &vm);
}

static int replay_symbol(struct recording *r, const char *payload, size_t len)
{
	struct recording_symbol sym;
	struct symbol_header hdr;

	if (len <= sizeof(hdr) || payload[len - 1])
		return 0; /* no name in it: as good as not there */
	memcpy(&hdr, payload, sizeof(hdr));
	sym = (struct recording_symbol){ .vm = hdr.vm, .addr = hdr.addr, .name = payload + sizeof(hdr) };
	return recording__symbol(r, &sym);
}

static int replay_counters(struct recording *r, const struct kv *kv, size_t nr)
{
	uint64_t v[UKP_CTR_MAX];
	int i;

	for (i = 0; i < UKP_CTR_MAX; i++)
		v[i] = get_uint(kv, nr, counter_keys[i]);
	return recording__counters(r, v);
}

static int replay_end(struct recording *r, const struct kv *kv, size_t nr)
{
	const char *name = get_str(kv, nr, "how");
	enum recording_end how;

	for (how = RECORDING_VM_ENDED; how > RECORDING_CUT; how--)
		if (name && !strcmp(name, end_names[how]))
			break;
	return recording__end(r, how, get_uint(kv, nr, "duration_ns"));
}

static int replay_chunk(struct recording *r, uint32_t kind, char *payload, size_t len)
{
	struct kv kv[MAX_KEYS];

	switch (kind) {
	case CHUNK_RECORD:
		return recording__record(r, payload, len);
	case CHUNK_INFO:
		return replay_info(r, kv, parse_kv(payload, len, kv));
	case CHUNK_VM:
		return replay_vm(r, kv, parse_kv(payload, len, kv));
	case CHUNK_COUNTERS:
		return replay_counters(r, kv, parse_kv(payload, len, kv));
	case CHUNK_SYMBOL:
		return replay_symbol(r, payload, len);
	case CHUNK_END:
		return replay_end(r, kv, parse_kv(payload, len, kv));
	}
	return 0; /* of a newer version */
}

static enum capture_verdict read_header(FILE *f)
{
	struct file_header hdr;

	if (fread(&hdr, 1, sizeof(hdr), f) != sizeof(hdr))
		return ferror(f) ? CAPTURE_UNREADABLE : CAPTURE_NOT_CAPTURE;
	if (memcmp(hdr.magic, MAGIC, sizeof(hdr.magic)))
		return CAPTURE_NOT_CAPTURE;
	return hdr.version > VERSION || hdr.abi > UKP_ABI_VERSION ? CAPTURE_NEWER : CAPTURE_OK;
}

static enum capture_verdict read_chunks(FILE *f, struct recording *r, uint64_t *cut_bytes)
{
	struct chunk_header hdr;
	size_t n, padded;
	uint64_t *payload; /* aligned for the records in it */
	int err = 0;

	payload = malloc(MAX_CHUNK);
	if (!payload)
		return CAPTURE_NO_MEMORY;
	while (!err && (n = fread(&hdr, 1, sizeof(hdr), f)) == sizeof(hdr)) {
		padded = ((size_t)hdr.len + 7) & ~(size_t)7;
		if (padded > MAX_CHUNK) {
			/* Not a length that a writer makes: everything from here on is damage. */
			for (; n; n = fread(payload, 1, MAX_CHUNK, f))
				*cut_bytes += n;
			break;
		}
		n = fread(payload, 1, padded, f);
		if (n < padded) {
			*cut_bytes = sizeof(hdr) + n;
			n = 0;
			break;
		}
		err = replay_chunk(r, hdr.kind, (char *)payload, hdr.len);
		n = 0;
	}
	*cut_bytes += n;
	free(payload);
	if (err)
		return CAPTURE_NO_MEMORY;
	return ferror(f) ? CAPTURE_UNREADABLE : CAPTURE_OK;
}

enum capture_verdict capture__read(const char *path, struct recording *r, uint64_t *cut_bytes)
{
	enum capture_verdict verdict;
	uint64_t cut = 0;
	struct stat st;
	FILE *f;
	int saved;

	f = strcmp(path, "-") ? fopen(path, "re") : stdin;
	if (!f)
		return CAPTURE_UNREADABLE;
	verdict = CAPTURE_UNREADABLE;
	if (!fstat(fileno(f), &st) && S_ISDIR(st.st_mode))
		errno = EISDIR;
	else
		verdict = read_header(f);
	if (!verdict)
		verdict = read_chunks(f, r, &cut);
	saved = errno;
	if (f != stdin)
		fclose(f);
	errno = saved;
	if (cut_bytes)
		*cut_bytes = cut;
	return verdict;
}

const char *capture__verdict_str(enum capture_verdict verdict)
{
	switch (verdict) {
	case CAPTURE_OK:
		return "fine";
	case CAPTURE_UNREADABLE:
		return "can't be read";
	case CAPTURE_NOT_CAPTURE:
		return "not a ukprof capture file";
	case CAPTURE_NEWER:
		return "written by a newer ukprof";
	case CAPTURE_NO_MEMORY:
		return "out of memory";
	}
	return "unknown";
}
