/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "readers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "answer_cache.h"
#include "clock.h"
#include "fd_msg.h"
#include "log.h"
#include "nursery.h"
#include "reader_msg.h"
#include "sym_answers.h"
#include "unwind_table.h"

#define DEADLINE_MS 20000
#define FORGIVE_MS  300000 /* after so long without one that was late, the next one is waited for in full */
#define MAX_HALVES  3
#define MAX_MEMORY  (2ull << 30)
#define MAX_LIVE    32
#define MAX_UNHELD  32	  /* readers that nobody holds; those of bad files among them, so that these are not tried again */
#define IDLE_MS	    60000
#define WORTH_BYTES 16384 /* a smaller table is made in less time than a file takes */

struct reader {
	struct readers *rs;
	size_t refs; /* this and the next: guarded by the lock of all */
	struct reader *next;
	/* constant once it is opened */
	char *path;
	int fd;
	struct stat file;
	struct reader_facts facts;
	_Atomic uint64_t asked_ms; /* last */
	/* guarded by its own lock; the verdict may be looked at without */
	pthread_mutex_t lock;
	_Atomic int verdict; /* enum image_verdict */
	int open_errno;
	bool has_facts;
	pid_t pid; /* 0: no process */
	int sock;
	bool has_tried_debug;
	enum debug_file_verdict debug_verdict;
	char *debug_path; /* attached, or of another build */
	int debug_fd;	  /* attached; -1: none */
	bool debug_by_name;
};

struct readers {
	struct nursery *nursery;
	struct readers_opts opts;
	struct answer_cache *cache; /* NULL: none */
	pthread_mutex_t lock; /* taken while a reader's is held, and never the other way round but by trying */
	struct reader *first;
	_Atomic size_t nr_live, nr_cached;
	_Atomic bool is_strict;
	_Atomic uint64_t late_ms; /* when one was late last */
	_Atomic uint32_t nr_late; /* in a row, see patience() */
};

/*
 * Who asks stands still meanwhile, and in serve that is who looks after all VMs. Each that is late halves the time for
 * the next ones, down to an eighth.
 */
static uint64_t patience(const struct readers *rs)
{
	uint32_t nr = clock__mono_ms() - rs->late_ms > FORGIVE_MS ? 0 : rs->nr_late;

	return rs->opts.deadline_ms >> (nr < MAX_HALVES ? nr : MAX_HALVES);
}

static void note_late(struct readers *rs)
{
	uint64_t now = clock__mono_ms();

	rs->nr_late = now - rs->late_ms > FORGIVE_MS ? 1 : rs->nr_late + 1;
	rs->late_ms = now;
}

/* --- processes; r->lock is held --- */

static void end_process(struct reader *r, int *status)
{
	int ignored;

	if (!r->pid)
		return;
	close(r->sock);
	*(status ? status : &ignored) = nursery__end(r->rs->nursery, r->pid);
	r->pid = 0;
	r->rs->nr_live--;
}

/* Return: -EIO. */
static int fail(struct reader *r, int err)
{
	enum log_level level = r->rs->is_strict ? LOG_LEVEL_ERR : LOG_LEVEL_WARN;
	enum image_verdict verdict = IMAGE_READER_DIED;
	int status = 0;

	end_process(r, &status);
	if (err == -ETIME || err == -EAGAIN || (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU))
		verdict = IMAGE_READER_LATE;
	else if (err == -EBADMSG)
		verdict = IMAGE_READER_LIED;
	else if (err == -ENOMEM)
		verdict = IMAGE_READER_MEMORY;
	if (verdict == IMAGE_READER_LATE)
		note_late(r->rs);
	/* Once of each file, wherever it was asked: the verdict stays. */
	r->verdict = verdict;
	if (verdict == IMAGE_READER_DIED && WIFSIGNALED(status))
		log__write(level, "image: %s: %s: signal %d", r->path, image__verdict_str(verdict), WTERMSIG(status));
	else
		log__write(level, "image: %s: %s", r->path, image__verdict_str(verdict));
	log_hint("%s", image__hint(verdict));
	return -EIO;
}

/* Those that were not asked for longest make room. One that is busy stays. */
static void make_room(struct readers *rs, const struct reader *but)
{
	struct reader *r, *oldest;

	pthread_mutex_lock(&rs->lock);
	while (rs->nr_live >= rs->opts.max_live) {
		oldest = NULL;
		for (r = rs->first; r; r = r->next) {
			if (r == but || (oldest && r->asked_ms >= oldest->asked_ms) || pthread_mutex_trylock(&r->lock))
				continue;
			if (r->pid) {
				if (oldest)
					pthread_mutex_unlock(&oldest->lock);
				oldest = r;
			} else {
				pthread_mutex_unlock(&r->lock);
			}
		}
		if (!oldest)
			break;
		end_process(oldest, NULL);
		pthread_mutex_unlock(&oldest->lock);
	}
	pthread_mutex_unlock(&rs->lock);
}

/*
 * One question, one answer, of the process there is. @fd: goes with it, or -1. @data: receives what follows the answer,
 * up to @max bytes, to be freed; NULL if nothing may.
 */
static int exchange(struct reader *r, const struct reader_ask *ask, const void *payload, int fd,
		    struct reader_answer *answer, void **data, size_t max)
{
	uint64_t until = clock__mono_ms() + patience(r->rs);
	void *bytes = NULL;
	int err;

	err = fd_msg__send(r->sock, ask, sizeof(*ask), fd, 0);
	if (!err)
		err = reader_msg__send_bytes(r->sock, payload, ask->len);
	if (!err)
		err = reader_msg__receive_bytes(r->sock, answer, sizeof(*answer), until);
	if (!err && (answer->what != ask->what || answer->err > 0 || answer->err < -4095 || answer->len > max))
		err = -EBADMSG;
	if (!err && answer->err == -ENOMEM)
		err = -ENOMEM;
	if (!err && answer->len) {
		bytes = malloc(answer->len);
		/* The line can't be used any more, but the image is not to blame. */
		if (!bytes) {
			end_process(r, NULL);
			return -ENOMEM;
		}
		err = reader_msg__receive_bytes(r->sock, bytes, answer->len, until);
	}
	r->asked_ms = clock__mono_ms();
	if (err) {
		free(bytes);
		return fail(r, err);
	}
	if (data)
		*data = bytes;
	return 0;
}

static int open_in_process(struct reader *r)
{
	const struct reader_ask ask = { .what = READER_OPEN };
	struct reader_facts *facts;
	struct reader_answer answer;
	void *data = NULL;
	int err;

	err = exchange(r, &ask, NULL, r->fd, &answer, &data, sizeof(r->facts));
	if (err)
		return err;
	facts = data;
	if (answer.verdict == IMAGE_NO_MEMORY)
		err = -ENOMEM;
	else if (answer.verdict > IMAGE_NO_MEMORY || (answer.verdict == IMAGE_OK) != (answer.len == sizeof(*facts)) ||
		 (!answer.verdict && !reader_msg__facts_ok(facts, r->file.st_size)))
		err = -EBADMSG;
	/* Another time, another file? */
	else if (r->has_facts && (answer.verdict || memcmp(facts, &r->facts, sizeof(*facts))))
		err = -EBADMSG;
	if (err) {
		free(data);
		return fail(r, err);
	}
	if (answer.verdict) {
		r->verdict = answer.verdict;
		r->open_errno = answer.err ? -answer.err : EIO;
		end_process(r, NULL);
		return -EIO;
	}
	if (!r->has_facts)
		r->facts = *facts;
	r->has_facts = true;
	free(data);
	return 0;
}

static int attach_in_process(struct reader *r, int fd, bool by_name, enum debug_file_verdict *verdict)
{
	const struct reader_ask ask = { .what = READER_DEBUG, .arg = by_name };
	struct reader_answer answer;
	int err;

	err = exchange(r, &ask, NULL, fd, &answer, NULL, 0);
	if (err)
		return err;
	if (answer.verdict == DEBUG_FILE_NO_MEMORY)
		return fail(r, -ENOMEM);
	if (answer.verdict > DEBUG_FILE_OTHER_BUILD)
		return fail(r, -EBADMSG);
	*verdict = answer.verdict;
	return 0;
}

/* One that was ended while it had nothing to do, as by a kernel that is short of memory, says nothing of the image. */
static bool has_gone(const struct reader *r)
{
	char byte;

	return r->pid && !recv(r->sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
}

/* Begin, or begin again, with what is known. Return: 0 or -EIO. */
static int ensure(struct reader *r)
{
	enum debug_file_verdict verdict;
	struct timeval wait;
	int err;

	if (r->verdict)
		return -EIO;
	if (has_gone(r))
		end_process(r, NULL);
	if (r->pid)
		return 0;
	make_room(r->rs, r);
	err = nursery__make(r->rs->nursery, &r->pid, &r->sock);
	if (err) {
		log_warn("reader: no process can be made: %s", strerror(-err));
		r->verdict = IMAGE_READER_DIED;
		return -EIO;
	}
	r->rs->nr_live++;
	wait.tv_sec = r->rs->opts.deadline_ms / 1000;
	wait.tv_usec = r->rs->opts.deadline_ms % 1000 * 1000;
	setsockopt(r->sock, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	err = open_in_process(r);
	if (!err && r->debug_fd >= 0) {
		err = attach_in_process(r, r->debug_fd, r->debug_by_name, &verdict);
		if (!err && verdict != DEBUG_FILE_ATTACHED)
			err = fail(r, -EBADMSG);
	}
	return err;
}

static int request(struct reader *r, const struct reader_ask *ask, const void *payload, struct reader_answer *answer,
		   void **data, size_t max)
{
	int err = ensure(r);

	return err ? err : exchange(r, ask, payload, -1, answer, data, max);
}

/* --- all of them --- */

int readers__start(struct readers **out, const struct readers_opts *opts)
{
	struct readers *rs;
	int err;

	rs = calloc(1, sizeof(*rs));
	if (!rs)
		return -ENOMEM;
	if (opts)
		rs->opts = *opts;
	if (!rs->opts.deadline_ms)
		rs->opts.deadline_ms = DEADLINE_MS;
	if (!rs->opts.max_memory)
		rs->opts.max_memory = MAX_MEMORY;
	if (!rs->opts.max_live)
		rs->opts.max_live = MAX_LIVE;
	if (!rs->opts.idle_ms)
		rs->opts.idle_ms = IDLE_MS;
	err = nursery__start(&rs->nursery, rs->opts.max_memory);
	if (err) {
		free(rs);
		return err;
	}
	if (rs->opts.cache) {
		err = answer_cache__open(&rs->cache, rs->opts.cache);
		if (err)
			log_debug("reader: nothing is kept in %s: %s", rs->opts.cache, strerror(-err));
		rs->opts.cache = NULL; /* the caller's */
	}
	pthread_mutex_init(&rs->lock, NULL);
	*out = rs;
	return 0;
}

static void free_reader(struct reader *r)
{
	end_process(r, NULL);
	pthread_mutex_destroy(&r->lock);
	if (r->fd >= 0)
		close(r->fd);
	if (r->debug_fd >= 0)
		close(r->debug_fd);
	free(r->debug_path);
	free(r->path);
	free(r);
}

void readers__stop(struct readers *rs)
{
	struct reader *r, *next;

	if (!rs)
		return;
	for (r = rs->first; r; r = next) {
		next = r->next;
		free_reader(r);
	}
	nursery__stop(rs->nursery);
	answer_cache__free(rs->cache);
	pthread_mutex_destroy(&rs->lock);
	free(rs);
}

void readers__be_strict(struct readers *rs, bool is_strict)
{
	if (rs)
		rs->is_strict = is_strict;
}

size_t readers__nr_live(struct readers *rs)
{
	return rs->nr_live;
}

size_t readers__nr_cached(struct readers *rs)
{
	return rs->nr_cached;
}

/* Of those that nobody holds, keep @max, none older than @since_ms. The lock of all is held. */
static void forget_unheld(struct readers *rs, size_t max, uint64_t since_ms)
{
	struct reader **at, **oldest, *r;
	size_t nr;

	for (;;) {
		oldest = NULL;
		for (nr = 0, at = &rs->first; *at; at = &(*at)->next) {
			if ((*at)->refs)
				continue;
			nr++;
			if (!oldest || (*at)->asked_ms < (*oldest)->asked_ms)
				oldest = at;
		}
		if (!oldest || (nr <= max && (*oldest)->asked_ms >= since_ms))
			return;
		r = *oldest;
		*oldest = r->next;
		free_reader(r);
	}
}

void readers__tidy(struct readers *rs)
{
	uint64_t now = clock__mono_ms(), since;
	struct reader *r;

	if (!rs)
		return;
	since = now > rs->opts.idle_ms ? now - rs->opts.idle_ms : 0;
	pthread_mutex_lock(&rs->lock);
	forget_unheld(rs, MAX_UNHELD, since);
	for (r = rs->first; r; r = r->next) {
		if (r->asked_ms >= since || pthread_mutex_trylock(&r->lock))
			continue;
		end_process(r, NULL);
		pthread_mutex_unlock(&r->lock);
	}
	pthread_mutex_unlock(&rs->lock);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* --- one of them --- */

static struct reader *new_reader(struct readers *rs, const char *path, int fd, const struct stat *file)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->path = strdup(path);
	if (!r->path) {
		free(r);
		return NULL;
	}
	r->rs = rs;
	r->refs = 1;
	r->fd = fd;
	r->file = *file;
	r->debug_fd = -1;
	r->asked_ms = clock__mono_ms();
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

/* One that is there is taken, else there will be a new one. @fd: taken. NULL: no memory. */
static struct reader *get_reader(struct readers *rs, const char *path, bool any_path, int fd, const struct stat *file)
{
	struct reader *r;

	pthread_mutex_lock(&rs->lock);
	for (r = rs->first; r; r = r->next)
		if (same_file(&r->file, file) && (any_path || !strcmp(r->path, path)))
			break;
	if (r) {
		r->refs++;
		close(fd);
	} else {
		r = new_reader(rs, path, fd, file);
		if (r) {
			r->next = rs->first;
			rs->first = r;
		} else {
			close(fd);
		}
	}
	pthread_mutex_unlock(&rs->lock);
	return r;
}

enum image_verdict reader__open(struct readers *rs, const char *path, bool any_path, struct reader **out)
{
	enum image_verdict verdict;
	struct reader *r;
	struct stat file;
	int fd, saved;

	fd = rs ? image__open_file(path) : -ENOSYS;
	if (fd < 0) {
		errno = -fd;
		return IMAGE_UNREADABLE;
	}
	if (fstat(fd, &file)) {
		saved = errno;
		close(fd);
		errno = saved;
		return IMAGE_UNREADABLE;
	}
	r = get_reader(rs, path, any_path, fd, &file);
	if (!r)
		return IMAGE_NO_MEMORY;
	pthread_mutex_lock(&r->lock);
	if (!r->has_facts && !r->verdict && ensure(r) == -ENOMEM)
		r->verdict = IMAGE_NO_MEMORY;
	verdict = r->verdict;
	saved = r->open_errno;
	pthread_mutex_unlock(&r->lock);
	if (verdict) {
		reader__put(r);
		errno = saved;
		return verdict;
	}
	*out = r;
	return IMAGE_OK;
}

void reader__put(struct reader *r)
{
	struct readers *rs;

	if (!r)
		return;
	rs = r->rs;
	pthread_mutex_lock(&rs->lock);
	if (!--r->refs) {
		/* What was found out without a reader's end is found out again in no time. */
		if (r->verdict && r->verdict < IMAGE_READER_DIED)
			r->asked_ms = 0;
		forget_unheld(rs, MAX_UNHELD, 1);
	}
	pthread_mutex_unlock(&rs->lock);
}

enum image_verdict reader__verdict(struct reader *r)
{
	return r->verdict;
}

const char *reader__path(const struct reader *r)
{
	return r->path;
}

const struct image_facts *reader__facts(const struct reader *r)
{
	return &r->facts.image;
}

const char *reader__build_id(const struct reader *r)
{
	return *r->facts.image.build_id ? r->facts.image.build_id : NULL;
}

pid_t reader__pid(struct reader *r)
{
	pid_t pid;

	pthread_mutex_lock(&r->lock);
	pid = r->pid;
	pthread_mutex_unlock(&r->lock);
	return pid;
}

/* --- debug file --- */

static enum debug_file_verdict try_debug_file(void *ctx, const char *path, bool by_name)
{
	enum debug_file_verdict verdict = DEBUG_FILE_NONE;
	struct reader *r = ctx;
	int fd;

	fd = image__open_file(path);
	if (fd < 0)
		return DEBUG_FILE_NONE;
	if (ensure(r) || attach_in_process(r, fd, by_name, &verdict)) {
		close(fd);
		return DEBUG_FILE_NO_MEMORY; /* nothing more is tried */
	}
	if (verdict != DEBUG_FILE_ATTACHED) {
		close(fd);
		return verdict;
	}
	r->debug_fd = fd;
	r->debug_by_name = by_name;
	return verdict;
}

enum debug_file_verdict reader__attach_debug_file(struct reader *r, const char *root, char **path)
{
	enum debug_file_verdict verdict;

	pthread_mutex_lock(&r->lock);
	if (!r->has_tried_debug) {
		r->has_tried_debug = true;
		r->debug_verdict = debug_file__search(&r->facts.link, r->path, root, try_debug_file, r, &r->debug_path);
	}
	verdict = r->debug_verdict;
	if (path && r->debug_path)
		*path = strdup(r->debug_path);
	pthread_mutex_unlock(&r->lock);
	return verdict;
}

/* --- questions --- */

/* Of its symbols, and of nothing else. */
static int of_symbols(struct reader *r, int err)
{
	return !err || err == -ENOENT || err == -EBADMSG ? err : fail(r, -EBADMSG);
}

static int read_symbols(struct reader *r, bool lines, bool *has_lines)
{
	const struct reader_ask ask = { .what = READER_SYMBOLS, .arg = lines };
	struct reader_answer answer;
	int err;

	pthread_mutex_lock(&r->lock);
	err = request(r, &ask, NULL, &answer, NULL, 0);
	if (!err)
		err = of_symbols(r, answer.err);
	if (!err)
		*has_lines = answer.nr;
	pthread_mutex_unlock(&r->lock);
	return err;
}

int reader__read_symbols(struct reader *r)
{
	bool ignored;

	return read_symbols(r, false, &ignored);
}

int reader__locate(struct reader *r, const struct locate_probe *probes, size_t nr, const uint64_t *bias,
		   enum locate_result *result, struct locate_info *info)
{
	struct reader_ask ask = { .what = READER_LOCATE, .arg = bias != NULL, .bias = bias ? *bias : 0 };
	struct reader_probe *all;
	struct reader_answer answer;
	void *data = NULL;
	size_t i;
	int err;

	all = calloc(READER_MAX_PROBES, sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (i = 0; i < nr && ask.nr < READER_MAX_PROBES; i++) {
		if (probes[i].len > READER_MAX_PROBE_LEN)
			continue;
		all[ask.nr] = (struct reader_probe){ .gva = probes[i].gva, .rip = probes[i].rip, .len = probes[i].len };
		memcpy(all[ask.nr++].bytes, probes[i].bytes, probes[i].len);
	}
	ask.len = ask.nr * sizeof(*all);
	pthread_mutex_lock(&r->lock);
	err = request(r, &ask, all, &answer, &data, sizeof(*info));
	if (!err && (answer.err || answer.verdict > LOCATE_AMBIGUOUS || answer.len != sizeof(*info)))
		err = fail(r, -EBADMSG);
	pthread_mutex_unlock(&r->lock);
	if (!err) {
		*result = answer.verdict;
		memcpy(info, data, sizeof(*info));
		if (bias)
			info->bias = *bias;
	}
	free(data);
	free(all);
	return err;
}

static int ask_names(struct reader *r, enum reader_what what, const uint64_t *addrs, size_t nr, bool lines,
		     struct sym_answers *out)
{
	struct reader_ask ask = { .what = what, .arg = lines };
	struct reader_answer answer;
	void *data = NULL;
	int err;

	ask.nr = nr < SYM_MAX_ASKED ? nr : SYM_MAX_ASKED;
	ask.len = ask.nr * sizeof(*addrs);
	pthread_mutex_lock(&r->lock);
	err = request(r, &ask, addrs, &answer, &data, READER_MAX_ANSWERS);
	if (!err)
		err = of_symbols(r, answer.err);
	if (!err) {
		err = reader_msg__answers(data, answer.len, ask.nr, out);
		if (err == -EBADMSG)
			err = fail(r, err);
	}
	pthread_mutex_unlock(&r->lock);
	free(data);
	return err;
}

int reader__functions(struct reader *r, const uint64_t *addrs, size_t nr, bool lines, struct sym_answers *out)
{
	return ask_names(r, READER_FUNCTIONS, addrs, nr, lines, out);
}

/* What the files are now is what they were when they were opened, and long enough for a cache. */
static bool cache_key(struct reader *r, struct answer_cache_key *out)
{
	struct stat image, debug;

	return r->rs->cache && !fstat(r->fd, &image) && same_file(&image, &r->file) &&
	       (r->debug_fd < 0 || !fstat(r->debug_fd, &debug)) &&
	       answer_cache__key(out, &image, r->debug_fd < 0 ? NULL : &debug);
}

static bool cached_unwind_table(struct reader *r, const struct answer_cache_key *key, struct unwind_table **out)
{
	void *data;
	size_t len;
	bool is_good;

	if (!answer_cache__get(r->rs->cache, key, READER_MAX_UNWIND, &data, &len))
		return false;
	is_good = !reader_msg__unwind(data, len, out);
	free(data);
	r->rs->nr_cached += is_good;
	if (is_good)
		log_debug("reader: %s: has its unwind table from a former run", r->path);
	return is_good;
}

static int new_unwind_table(struct reader *r, const struct answer_cache_key *key, struct unwind_table **out)
{
	const struct reader_ask ask = { .what = READER_UNWIND };
	struct answer_cache_key then;
	struct reader_answer answer;
	void *data = NULL;
	int err;

	err = request(r, &ask, NULL, &answer, &data, READER_MAX_UNWIND);
	if (!err && answer.err)
		err = answer.err == -EFBIG ? answer.err : of_symbols(r, answer.err);
	else if (!err) {
		err = reader_msg__unwind(data, answer.len, out);
		if (err == -EBADMSG)
			err = fail(r, err);
	}
	/* It may have been written to while it was read. */
	if (!err && key && answer.len >= WORTH_BYTES && cache_key(r, &then) && !memcmp(key, &then, sizeof(then)))
		answer_cache__put(r->rs->cache, key, data, answer.len);
	free(data);
	return err;
}

int reader__unwind_table(struct reader *r, struct unwind_table **out)
{
	struct answer_cache_key key;
	bool has_key;
	int err = 0;

	pthread_mutex_lock(&r->lock);
	has_key = cache_key(r, &key);
	if (!has_key || !cached_unwind_table(r, &key, out))
		err = new_unwind_table(r, has_key ? &key : NULL, out);
	pthread_mutex_unlock(&r->lock);
	return err;
}

/* --- for a symbolizer --- */

struct source {
	struct reader *r;
	bool lines;
};

static int source_functions(void *ctx, const uint64_t *addrs, size_t nr, struct sym_answers *out)
{
	struct source *src = ctx;

	return ask_names(src->r, READER_FUNCTIONS, addrs, nr, src->lines, out);
}

static int source_libraries(void *ctx, const uint64_t *addrs, size_t nr, struct sym_answers *out)
{
	struct source *src = ctx;

	return ask_names(src->r, READER_LIBRARIES, addrs, nr, src->lines, out);
}

static void source_free(void *ctx)
{
	struct source *src = ctx;

	reader__put(src->r);
	free(src);
}

int reader__source(struct reader *r, bool lines, struct sym_source *out)
{
	bool has_lines = false;
	struct source *src;
	int err;

	err = read_symbols(r, lines, &has_lines);
	if (err)
		return err;
	src = calloc(1, sizeof(*src));
	if (!src)
		return -ENOMEM;
	src->r = r;
	src->lines = lines;
	pthread_mutex_lock(&r->rs->lock);
	r->refs++;
	pthread_mutex_unlock(&r->rs->lock);
	*out = (struct sym_source){
		.ctx = src,
		.functions = source_functions,
		.libraries = source_libraries,
		.free = source_free,
		.path = r->path,
		.build_id = reader__build_id(r),
		.has_lines = has_lines,
	};
	sym_source__set_range(out, &r->facts.image);
	return 0;
}
