/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reader_child.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fd_msg.h"
#include "image_names.h"
#include "locate.h"
#include "reader_msg.h"

struct child {
	int sock;
	struct image *img;
	struct debug_link link;
	struct image_names *names; /* NULL: not read yet */
	int names_err;		   /* why they can't be */
};

/* What is answered: the struct, then up to four arrays. */
struct reply {
	struct reader_answer head;
	struct {
		const void *data;
		size_t len;
	} parts[4];
	size_t nr_parts;
};

static void add_part(struct reply *r, const void *data, size_t len)
{
	if (!len)
		return;
	r->parts[r->nr_parts].data = data;
	r->parts[r->nr_parts++].len = len;
	r->head.len += len;
}

/* One stream of bytes: only the last message of all is shorter than the others. */
static int send_reply(int sock, const struct reply *r)
{
	char *all = r->head.len ? malloc(r->head.len) : NULL, *p = all;
	struct reader_answer head = r->head;
	size_t i;
	int err;

	if (head.len && !all) {
		head.len = 0;
		head.err = -ENOMEM;
	}
	for (i = 0; all && i < r->nr_parts; i++) {
		memcpy(p, r->parts[i].data, r->parts[i].len);
		p += r->parts[i].len;
	}
	err = fd_msg__send(sock, &head, sizeof(head), -1, 0);
	if (!err)
		err = reader_msg__send_bytes(sock, all, head.len);
	free(all);
	return err;
}

static int answer_open(struct child *c, int fd, struct reply *r)
{
	struct reader_facts facts;

	r->head.verdict = image__open_fd(&c->img, fd, "image", false);
	r->head.err = r->head.verdict ? -errno : 0;
	if (!r->head.verdict) {
		image__facts(c->img, &facts.image);
		debug_file__link(c->img, &facts.link);
		c->link = facts.link;
		add_part(r, &facts, sizeof(facts));
	}
	return send_reply(c->sock, r);
}

static int answer_debug(struct child *c, const struct reader_ask *ask, int fd, struct reply *r)
{
	r->head.verdict = debug_file__try(c->img, &c->link, fd, "debug file", ask->arg);
	if (r->head.verdict == DEBUG_FILE_ATTACHED) {
		image_names__free(c->names);
		c->names = NULL;
		c->names_err = 0;
	}
	return send_reply(c->sock, r);
}

static int get_names(struct child *c)
{
	if (!c->names && !c->names_err)
		c->names_err = image_names__new(&c->names, c->img);
	return c->names_err;
}

static int answer_symbols(struct child *c, const struct reader_ask *ask, struct reply *r)
{
	r->head.err = get_names(c);
	if (!r->head.err && ask->arg)
		r->head.nr = image_names__has_lines(c->names);
	return send_reply(c->sock, r);
}

static int answer_names(struct child *c, const struct reader_ask *ask, const uint64_t *addrs, struct reply *r)
{
	struct sym_answers a = { 0 };
	struct reader_counts counts;
	int err;

	r->head.err = get_names(c);
	if (!r->head.err)
		r->head.err = ask->what == READER_FUNCTIONS ? image_names__functions(c->names, addrs, ask->nr, ask->arg, &a) :
							      image_names__libraries(c->names, addrs, ask->nr, ask->arg, &a);
	if (!r->head.err) {
		counts = (struct reader_counts){ a.nr, a.nr_frames, a.strings_len, 0 };
		add_part(r, &counts, sizeof(counts));
		add_part(r, a.frames, a.nr_frames * sizeof(*a.frames));
		add_part(r, a.counts, a.nr);
		add_part(r, a.strings, a.strings_len);
	}
	err = send_reply(c->sock, r);
	sym_answers__release(&a);
	return err;
}

static int answer_locate(struct child *c, const struct reader_ask *ask, const struct reader_probe *from, struct reply *r)
{
	struct locate_probe probes[READER_MAX_PROBES];
	struct locate_info info;
	uint32_t i;

	for (i = 0; i < ask->nr; i++)
		probes[i] = (struct locate_probe){ from[i].gva, from[i].rip, from[i].len, from[i].bytes };
	r->head.verdict = ask->arg ? locate__check(c->img, probes, ask->nr, ask->bias, &info) :
				     locate__find(c->img, probes, ask->nr, &info);
	add_part(r, &info, sizeof(info));
	return send_reply(c->sock, r);
}

static int answer_unwind(struct child *c, struct reply *r)
{
	struct unwind_table *t = NULL;
	struct reader_unwind head;
	struct unwind_arrays a;
	int err;

	r->head.err = unwind_table__new(&t, c->img);
	if (!r->head.err) {
		unwind_table__arrays(t, &a);
		memset(&head, 0, sizeof(head));
		head.base = a.base;
		head.nr_pages = a.nr_pages;
		head.nr_rows = a.nr_rows;
		head.nr_rules = a.nr_rules;
		unwind_table__stats(t, &head.stats);
		add_part(r, &head, sizeof(head));
		add_part(r, a.rules, a.nr_rules * sizeof(*a.rules));
		add_part(r, a.pages, a.nr_pages * sizeof(*a.pages));
		add_part(r, a.rows, a.nr_rows * sizeof(*a.rows));
	}
	err = send_reply(c->sock, r);
	unwind_table__free(t);
	return err;
}

/* What the question is about. Its length was right where it came from; here it must not be longer than the room. */
union payload {
	uint64_t addrs[SYM_MAX_ASKED];
	struct reader_probe probes[READER_MAX_PROBES];
};

static int answer(struct child *c, const struct reader_ask *ask, const union payload *p, int fd)
{
	struct reply r = { .head = { .what = ask->what } };

	switch (ask->what) {
	case READER_OPEN:
		return fd < 0 || c->img ? -EBADMSG : answer_open(c, fd, &r);
	case READER_DEBUG:
		return fd < 0 || !c->img ? -EBADMSG : answer_debug(c, ask, fd, &r);
	case READER_SYMBOLS:
		return c->img ? answer_symbols(c, ask, &r) : -EBADMSG;
	case READER_FUNCTIONS:
	case READER_LIBRARIES:
		return c->img && ask->nr <= SYM_MAX_ASKED ? answer_names(c, ask, p->addrs, &r) : -EBADMSG;
	case READER_LOCATE:
		return c->img && ask->nr <= READER_MAX_PROBES ? answer_locate(c, ask, p->probes, &r) : -EBADMSG;
	case READER_UNWIND:
		return c->img ? answer_unwind(c, &r) : -EBADMSG;
	default:
		return -EBADMSG;
	}
}

int reader_child__run(int sock)
{
	struct child c = { .sock = sock };
	union payload payload;
	struct reader_ask ask;
	ssize_t n;
	int fd;

	for (;;) {
		n = fd_msg__receive(sock, &ask, sizeof(ask), &fd);
		if (n != sizeof(ask))
			return n ? EXIT_FAILURE : EXIT_SUCCESS;
		if (ask.len > sizeof(payload) || reader_msg__receive_bytes(sock, &payload, ask.len, 0) ||
		    answer(&c, &ask, &payload, fd))
			return EXIT_FAILURE;
	}
}
