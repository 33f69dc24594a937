/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "serve_msg.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "metrics.h"
#include "utf8.h"

/* The layout is part of it: a front of another build would not get far. */
#define MAGIC (0x756b7000u + sizeof(struct serve_request) + sizeof(struct serve_reply))
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* What each kind of request carries; everything else in it has to be 0. */
static const struct kind {
	bool id, format, measure, by_library, seconds, http;
	bool text, text_optional;
} kinds[SERVE_NR_ASKS] = {
	[SERVE_ASK_HELLO] = { 0 },
	[SERVE_ASK_CANCEL] = { .id = true },
	[SERVE_ASK_READY] = { .id = true },
	[SERVE_ASK_METRICS] = { .id = true, .format = true, .http = true },
	[SERVE_ASK_SD] = { .id = true, .text = true },
	[SERVE_ASK_VMS] = { .id = true },
	[SERVE_ASK_FLAME] = { .id = true, .text = true, .measure = true, .by_library = true },
	[SERVE_ASK_EXITS] = { .id = true, .text = true },
	[SERVE_ASK_PROFILE] = { .id = true, .text = true, .text_optional = true, .measure = true, .by_library = true,
				.seconds = true },
};

static bool is_text(const char *text, size_t len)
{
	uint32_t cp;
	size_t n;

	for (; len; text += n, len -= n) {
		n = utf8__decode(text, len, &cp);
		if (!n || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
			return false;
	}
	return true;
}

static bool is_zero(const void *data, size_t len)
{
	const char *p = data;

	return !len || (!*p && !memcmp(p, p + 1, len - 1));
}

void serve_request__init(struct serve_request *req, enum serve_ask ask, uint64_t id)
{
	memset(req, 0, sizeof(*req));
	req->magic = MAGIC;
	req->ask = ask;
	req->id = id;
}

bool serve_request__set_text(struct serve_request *req, const char *text)
{
	size_t len = strlen(text);

	if (len > sizeof(req->text) || !is_text(text, len))
		return false;
	memset(req->text, 0, sizeof(req->text));
	memcpy(req->text, text, len);
	req->text_len = len;
	return true;
}

int serve_request__check(const void *msg, size_t len)
{
	const struct serve_request *r = msg;
	const struct kind *kind;

	if (len != sizeof(*r) || r->magic != MAGIC || r->ask == SERVE_ASK_NONE || r->ask >= SERVE_NR_ASKS)
		return -EBADMSG;
	kind = &kinds[r->ask];
	if (kind->id != (r->id != 0))
		return -EBADMSG;
	if (r->format > (kind->format ? METRICS_OPENMETRICS : 0))
		return -EBADMSG;
	if (r->measure > (kind->measure ? SNAP_MEASURE_EXIT_TIME : 0))
		return -EBADMSG;
	if (r->by_library > (kind->by_library ? 1 : 0) || r->reserved)
		return -EBADMSG;
	if (kind->seconds ? r->seconds < 1 || r->seconds > SERVE_MAX_SECONDS : r->seconds)
		return -EBADMSG;
	if (r->text_len > (kind->text ? sizeof(r->text) : 0) || (kind->text && !kind->text_optional && !r->text_len))
		return -EBADMSG;
	if (!is_text(r->text, r->text_len) || !is_zero(r->text + r->text_len, sizeof(r->text) - r->text_len))
		return -EBADMSG;
	if (!kind->http && !is_zero(&r->http, sizeof(r->http)))
		return -EBADMSG;
	return 0;
}

void serve_reply__init(struct serve_reply *reply, enum serve_say say)
{
	memset(reply, 0, sizeof(*reply));
	reply->magic = MAGIC;
	reply->say = say;
}

static bool is_sealed(int fd, uint64_t len)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) && (uint64_t)st.st_size == len &&
	       (fcntl(fd, F_GET_SEALS) & SEALS) == SEALS;
}

int serve_reply__check(const void *msg, size_t len, int fd)
{
	const struct serve_reply *r = msg;

	if (len != sizeof(*r) || r->magic != MAGIC || r->say == SERVE_SAY_NONE || r->say >= SERVE_NR_SAYS)
		return -EBADMSG;
	if (r->say != SERVE_SAY_DONE)
		return fd < 0 && is_zero(&r->id, sizeof(*r) - offsetof(struct serve_reply, id)) ? 0 : -EBADMSG;
	if (!r->id || (r->status != 200 && r->status != 404 && r->status != 500 && r->status != 503))
		return -EBADMSG;
	if (r->text_len > sizeof(r->text) || !is_zero(r->text + r->text_len, sizeof(r->text) - r->text_len))
		return -EBADMSG;
	if (!r->body_len)
		return fd < 0 ? 0 : -EBADMSG;
	/* A file that shrinks under a mapping kills its reader. */
	if (r->text_len || r->body_len > SERVE_MAX_BODY || fd < 0 || !is_sealed(fd, r->body_len))
		return -EBADMSG;
	return 0;
}

int serve_body__new(const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;
	int fd, err;

	if (len > SERVE_MAX_BODY)
		return -EFBIG;
	fd = memfd_create("ukprof-reply", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	for (; len; p += n, len -= n) {
		n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			goto err_close;
	}
	if (fcntl(fd, F_ADD_SEALS, SEALS))
		goto err_close;
	return fd;

err_close:
	err = -errno;
	close(fd);
	return err;
}
