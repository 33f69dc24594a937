/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef READER_READER_MSG_H
#define READER_READER_MSG_H

/*
 * reader_msg - what is asked of the process that reads an image, and what it answers.
 *
 * Over a SOCK_SEQPACKET pair: a question is one struct and then reader_ask.len bytes, an answer one struct and then
 * reader_answer.len bytes; one answer to each question, in order. The reader may be anybody: it had a foreign file in its
 * hands. So who asks checks all of an answer before it uses any of it; who answers trusts who asks.
 *
 *	OPEN	   an image's descriptor comes with it		verdict, err; struct reader_facts
 *	DEBUG	   a debug file's; arg: found by its name	verdict: enum debug_file_verdict
 *	SYMBOLS	   arg: with lines				err; nr: has lines
 *	FUNCTIONS  arg: with lines; nr addresses		err; struct reader_counts and three arrays
 *	LIBRARIES  likewise
 *	LOCATE	   nr struct reader_probe; arg: only at @bias	verdict: enum locate_result; struct locate_info
 *	UNWIND							err; struct reader_unwind and three arrays
 *
 * Threads: no state.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "debug_file.h"
#include "image.h"
#include "sym_answers.h"
#include "unwind_table.h"

#define READER_MAX_PROBES    64
#define READER_MAX_PROBE_LEN 256

enum reader_what {
	READER_NOTHING = 0,
	READER_OPEN,
	READER_DEBUG,
	READER_SYMBOLS,
	READER_FUNCTIONS,
	READER_LIBRARIES,
	READER_LOCATE,
	READER_UNWIND,
};

struct reader_ask {
	uint32_t what; /* enum reader_what */
	uint32_t arg;
	uint32_t nr;
	uint32_t reserved;
	uint64_t bias;
	uint64_t len; /* bytes that follow */
};

struct reader_answer {
	uint32_t what; /* of the question */
	int32_t err;   /* 0 or a negative errno */
	uint32_t verdict;
	uint32_t nr;
	uint64_t len; /* bytes that follow */
};

struct reader_facts {
	struct image_facts image;
	struct debug_link link;
};

struct reader_probe {
	uint64_t gva;
	uint64_t rip;
	uint64_t len;
	uint8_t bytes[READER_MAX_PROBE_LEN];
};

/* Then the frames, the counts and the strings of a struct sym_answers. */
struct reader_counts {
	uint32_t nr, nr_frames, strings_len, reserved;
};

/* Then the rules, the pages and the rows. */
struct reader_unwind {
	uint64_t base;
	uint64_t nr_pages, nr_rows, nr_rules;
	struct unwind_stats stats;
};

#define READER_MAX_ANSWERS                                                                                            \
	(sizeof(struct reader_counts) + SYM_MAX_ASKED + SYM_MAX_ASKED * SYM_MAX_DEPTH * sizeof(struct sym_answer) + \
	 SYM_MAX_STRINGS)
#define READER_MAX_UNWIND                                                                          \
	(sizeof(struct reader_unwind) + UNWIND_MAX_PAGES * sizeof(struct ukp_unwind_page) + \
	 UNWIND_MAX_ROWS * sizeof(struct ukp_unwind_row) + UNWIND_MAX_RULES * sizeof(struct ukp_unwind_rule))

/** reader_msg__send_bytes() - what follows a struct. Return: 0 or a negative errno. */
int reader_msg__send_bytes(int sock, const void *data, size_t len);

/**
 * reader_msg__receive_bytes() - @until_ms: of CLOCK_MONOTONIC; 0: for ever.
 *
 * Return: 0; -ETIME; -EPIPE: the other side has closed; -EBADMSG: it sent something else; another negative errno.
 */
int reader_msg__receive_bytes(int sock, void *data, size_t len, uint64_t until_ms);

/** reader_msg__facts_ok() - can these be the facts of an image that is @file_len bytes long? */
bool reader_msg__facts_ok(const struct reader_facts *f, uint64_t file_len);

/** reader_msg__answers() - take a message apart, and check it. @out: owned by the caller. Return: 0; -EBADMSG; -ENOMEM. */
int reader_msg__answers(const void *msg, size_t len, size_t nr_asked, struct sym_answers *out);

/** reader_msg__unwind() - likewise. */
int reader_msg__unwind(const void *msg, size_t len, struct unwind_table **out);

#endif /* READER_READER_MSG_H */
