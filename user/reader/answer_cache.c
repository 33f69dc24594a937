/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "answer_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "clock.h"

#define MAGIC	 "ukpansw"
#define PREFIX	 "unwind-"
#define FRESH_NS 2000000000ull /* file systems count time in steps of up to two seconds */
#define NAME_LEN 64

/* At the beginning of a file; what follows is the answer. In the machine's own byte order: it does not leave the machine. */
struct head {
	char magic[8];
	struct answer_cache_key key;
	struct answer_cache_file program;
	uint64_t len;
	uint32_t crc; /* of the answer; against damage, not against attackers */
	uint32_t reserved;
};

struct answer_cache {
	char *folder;
	struct answer_cache_file program;
	_Atomic unsigned int nr_put;
};

static uint64_t ns_of(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static struct answer_cache_file version_of(const struct stat *st)
{
	return (struct answer_cache_file){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = st->st_size,
		.mtime_ns = ns_of(&st->st_mtim),
		.ctime_ns = ns_of(&st->st_ctim),
	};
}

static bool is_fresh(const struct stat *st)
{
	return ns_of(&st->st_ctim) + FRESH_NS > clock__wall_ns();
}

/* Nobody else can have put into it what it holds. */
static bool is_own(const struct stat *st)
{
	return st->st_uid == geteuid() && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

/* --- folder --- */

/* @may_lack: it need not be there yet. */
static char *joined(const char *dir, bool may_lack, const char *name)
{
	struct stat st;
	char *path;

	/* A relative one is to be ignored: XDG base directory specification. */
	if (!dir || *dir != '/' || (stat(dir, &st) ? !may_lack : !is_own(&st)))
		return NULL;
	return asprintf(&path, "%s%s", dir, name) < 0 ? NULL : path;
}

char *answer_cache__folder(void)
{
	const char *service = getenv("CACHE_DIRECTORY"), *xdg = getenv("XDG_CACHE_HOME");

	if (service && *service)
		return joined(service, false, "");
	if (xdg && *xdg)
		return joined(xdg, true, "/ukprof");
	return joined(getenv("HOME"), false, "/.cache/ukprof");
}

static int make_folder(const char *folder)
{
	char *above, *slash;
	int err;

	if (!mkdir(folder, 0700) || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return -errno;
	above = strdup(folder);
	if (!above)
		return -ENOMEM;
	slash = strrchr(above, '/');
	if (slash)
		*slash = '\0';
	err = mkdir(above, 0700) || mkdir(folder, 0700) ? -errno : 0;
	free(above);
	return err;
}

/* It is not kept open: it is needed for a moment, now and then. Return: a descriptor or a negative errno. */
static int open_folder(const char *folder)
{
	struct stat st;
	int fd, err;

	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) ? -errno : is_own(&st) ? 0 : -EPERM;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int answer_cache__open(struct answer_cache **out, const char *folder)
{
	struct answer_cache *c;
	struct stat program;
	int fd, err;

	if (stat("/proc/self/exe", &program))
		return -errno;
	err = make_folder(folder);
	if (err)
		return err;
	fd = open_folder(folder);
	if (fd < 0)
		return fd;
	close(fd);
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->folder = strdup(folder);
	if (!c->folder) {
		free(c);
		return -ENOMEM;
	}
	c->program = version_of(&program);
	*out = c;
	return 0;
}

void answer_cache__free(struct answer_cache *c)
{
	if (!c)
		return;
	free(c->folder);
	free(c);
}

/* --- answers --- */

bool answer_cache__key(struct answer_cache_key *out, const struct stat *image, const struct stat *debug)
{
	if (is_fresh(image) || (debug && is_fresh(debug)))
		return false;
	*out = (struct answer_cache_key){ .image = version_of(image) };
	if (debug)
		out->debug = version_of(debug);
	return true;
}

/* The next version of an image in the same place takes the place of this one here as well. */
static void name_of(const struct answer_cache_key *key, char name[NAME_LEN])
{
	snprintf(name, NAME_LEN, PREFIX "%" PRIx64 "-%" PRIx64, key->image.dev, key->image.ino);
}

static struct head head_of(const struct answer_cache *c, const struct answer_cache_key *key, const void *data, size_t len)
{
	struct head head;

	memset(&head, 0, sizeof(head));
	memcpy(head.magic, MAGIC, sizeof(MAGIC));
	head.key = *key;
	head.program = c->program;
	head.len = len;
	head.crc = crc32_z(0, data, len);
	return head;
}

static bool read_all(int fd, void *data, size_t len)
{
	ssize_t n;
	size_t at;

	for (at = 0; at < len; at += n) {
		n = read(fd, (char *)data + at, len - at);
		if (n <= 0)
			return false;
	}
	return true;
}

static bool write_all(int fd, const void *data, size_t len)
{
	ssize_t n;
	size_t at;

	for (at = 0; at < len; at += n) {
		n = write(fd, (const char *)data + at, len - at);
		if (n <= 0)
			return false;
	}
	return true;
}

bool answer_cache__get(struct answer_cache *c, const struct answer_cache_key *key, size_t max, void **data, size_t *len)
{
	struct head head, want;
	char name[NAME_LEN];
	void *bytes = NULL;
	struct stat st;
	int fd, dir;

	dir = c ? open_folder(c->folder) : -1;
	if (dir < 0)
		return false;
	name_of(key, name);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	close(dir);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !is_own(&st) || !read_all(fd, &head, sizeof(head)) ||
	    head.len > max || (uint64_t)st.st_size != sizeof(head) + head.len)
		goto none;
	bytes = malloc(head.len + 1);
	if (!bytes || !read_all(fd, bytes, head.len))
		goto none;
	want = head_of(c, key, bytes, head.len);
	if (memcmp(&head, &want, sizeof(head)))
		goto none;
	futimens(fd, NULL); /* it was used */
	close(fd);
	*data = bytes;
	*len = head.len;
	return true;
none:
	free(bytes);
	close(fd);
	return false;
}

/* Take away what was not used for longest until there is room. Files of others in the folder stay. */
static void make_room(int folder)
{
	char oldest[NAME_LEN];
	uint64_t sum, when;
	struct dirent *de;
	struct stat st;
	DIR *dir;
	int fd;

	do {
		fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		dir = fd < 0 ? NULL : fdopendir(fd);
		if (!dir) {
			if (fd >= 0)
				close(fd);
			return;
		}
		sum = 0;
		when = UINT64_MAX;
		while ((de = readdir(dir))) {
			if (strncmp(de->d_name, PREFIX, strlen(PREFIX)) || strlen(de->d_name) >= NAME_LEN ||
			    fstatat(folder, de->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
				continue;
			sum += st.st_size;
			if (ns_of(&st.st_mtim) < when) {
				when = ns_of(&st.st_mtim);
				strcpy(oldest, de->d_name);
			}
		}
		closedir(dir);
	} while (sum > ANSWER_CACHE_MAX_BYTES && !unlinkat(folder, oldest, 0));
}

void answer_cache__put(struct answer_cache *c, const struct answer_cache_key *key, const void *data, size_t len)
{
	char name[NAME_LEN], temporary[NAME_LEN];
	struct head head;
	int fd, dir;

	if (!c || len > ANSWER_CACHE_MAX_BYTES / 2)
		return;
	dir = open_folder(c->folder);
	if (dir < 0)
		return;
	name_of(key, name);
	/* Begins as the others do, so that one that was left behind is found when room is made. */
	snprintf(temporary, sizeof(temporary), PREFIX "new-%d-%u", getpid(), atomic_fetch_add(&c->nr_put, 1));
	unlinkat(dir, temporary, 0);
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		close(dir);
		return;
	}
	head = head_of(c, key, data, len);
	/* A failed close is a failed write on some file systems. */
	if (!write_all(fd, &head, sizeof(head)) || !write_all(fd, data, len)) {
		close(fd);
		fd = -1;
	}
	if (fd < 0 || close(fd) || renameat(dir, temporary, dir, name))
		unlinkat(dir, temporary, 0);
	make_room(dir);
	close(dir);
}
