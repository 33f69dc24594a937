/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reader_msg.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fd_msg.h"

#define CHUNK (64u << 10) /* bytes of one message: no socket buffer is smaller than two of them */

static size_t chunk_of(size_t left)
{
	return left < CHUNK ? left : CHUNK;
}

int reader_msg__send_bytes(int sock, const void *data, size_t len)
{
	const char *p = data;
	int err = 0;

	for (; len && !err; p += chunk_of(len), len -= chunk_of(len))
		err = fd_msg__send(sock, p, chunk_of(len), -1, 0);
	return err;
}

static int wait_for(int sock, uint64_t until_ms)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	uint64_t now;
	int n;

	do {
		now = clock__mono_ms();
		if (now >= until_ms)
			return -ETIME;
		n = poll(&pfd, 1, until_ms - now < 1000000 ? (int)(until_ms - now) : 1000000);
	} while (!n || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

int reader_msg__receive_bytes(int sock, void *data, size_t len, uint64_t until_ms)
{
	char *p = data;
	ssize_t n;
	int err;

	for (; len; p += n, len -= n) {
		err = until_ms ? wait_for(sock, until_ms) : 0;
		if (err)
			return err;
		n = fd_msg__receive(sock, p, chunk_of(len), NULL);
		if (n <= 0)
			return n ? n == -ECONNRESET ? -EPIPE : (int)n : -EPIPE;
		if ((size_t)n != chunk_of(len))
			return -EBADMSG;
	}
	return 0;
}

/* --- checks --- */

/* A string in an array, zeros behind it. */
static bool is_string(const char *str, size_t room, const char *allowed)
{
	size_t len = strnlen(str, room), i;

	if (len == room || (allowed && strspn(str, allowed) != len))
		return false;
	for (i = len; i < room; i++)
		if (str[i])
			return false;
	return true;
}

static bool is_file_name(const char *name)
{
	return !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

bool reader_msg__facts_ok(const struct reader_facts *f, uint64_t file_len)
{
	static const char digits[] = "0123456789abcdef";
	const struct image_range *text;
	uint32_t i;

	if (f->image.is_pic > 1 || f->image.has_linear_offset > 1 || f->image.has_data > 1 || f->image.reserved ||
	    f->link.is_wanted > 1 || !f->image.nr_texts || f->image.nr_texts > IMAGE_MAX_TEXTS)
		return false;
	for (i = 0; i < f->image.nr_texts; i++) {
		text = &f->image.texts[i];
		if (!text->len || text->addr + text->len < text->addr || text->offset > file_len ||
		    text->len > file_len - text->offset)
			return false;
	}
	if (f->image.has_data && (!f->image.data_len || f->image.data + f->image.data_len < f->image.data))
		return false;
	return is_string(f->image.build_id, sizeof(f->image.build_id), digits) &&
	       is_string(f->link.build_id, sizeof(f->link.build_id), digits) &&
	       is_string(f->link.name, sizeof(f->link.name), NULL) && is_file_name(f->link.name);
}

static void *copy_of(const void *data, size_t len)
{
	void *copy = malloc(len ? len : 1);

	return copy ? memcpy(copy, data, len) : NULL;
}

int reader_msg__answers(const void *msg, size_t len, size_t nr_asked, struct sym_answers *out)
{
	struct reader_counts head;
	const char *p = msg;
	size_t frames;

	if (len < sizeof(head))
		return -EBADMSG;
	memcpy(&head, p, sizeof(head));
	p += sizeof(head);
	if (head.nr > SYM_MAX_ASKED || head.nr_frames > SYM_MAX_ASKED * SYM_MAX_DEPTH ||
	    head.strings_len > SYM_MAX_STRINGS || head.reserved)
		return -EBADMSG;
	frames = head.nr_frames * sizeof(struct sym_answer);
	if (len != sizeof(head) + frames + head.nr + head.strings_len)
		return -EBADMSG;
	*out = (struct sym_answers){
		.nr = head.nr,
		.nr_frames = head.nr_frames,
		.strings_len = head.strings_len,
		.frames = copy_of(p, frames),
		.counts = copy_of(p + frames, head.nr),
		.strings = copy_of(p + frames + head.nr, head.strings_len),
	};
	if (out->frames && out->counts && out->strings && sym_answers__check(out, nr_asked))
		return 0;
	len = !out->frames || !out->counts || !out->strings;
	sym_answers__release(out);
	return len ? -ENOMEM : -EBADMSG;
}

int reader_msg__unwind(const void *msg, size_t len, struct unwind_table **out)
{
	struct reader_unwind head;
	struct unwind_arrays a;
	const char *p = msg;
	size_t rules, pages;

	if (len < sizeof(head))
		return -EBADMSG;
	memcpy(&head, p, sizeof(head));
	p += sizeof(head);
	if (head.nr_rules > UNWIND_MAX_RULES || head.nr_pages > UNWIND_MAX_PAGES || head.nr_rows > UNWIND_MAX_ROWS)
		return -EBADMSG;
	rules = head.nr_rules * sizeof(*a.rules);
	pages = head.nr_pages * sizeof(*a.pages);
	if (len != sizeof(head) + rules + pages + head.nr_rows * sizeof(*a.rows))
		return -EBADMSG;
	/* All three sizes and that of the head are multiples of what their members ask for. */
	a = (struct unwind_arrays){
		.base = head.base,
		.rules = (const void *)p,
		.pages = (const void *)(p + rules),
		.rows = (const void *)(p + rules + pages),
		.nr_rules = head.nr_rules,
		.nr_pages = head.nr_pages,
		.nr_rows = head.nr_rows,
	};
	return unwind_table__import(out, &a, &head.stats);
}
