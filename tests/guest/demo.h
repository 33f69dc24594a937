/* SPDX-License-Identifier: GPL-2.0-or-later */
/* demo.h - the parts of the demo guest: demo_kit.c offers them, demo.c is the server that uses them. */
#ifndef GUEST_DEMO_H
#define GUEST_DEMO_H

#include "guest.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define STR(s)        ((struct str){ s, sizeof(s) - 1 })

struct str {
	const char *p;
	uint32_t len;
};

void mem_copy(void *to, const void *from, size_t n);
/* As header names compare: letters without regard to case. */
bool str_equal(struct str a, struct str b);
/* Cuts off and returns what comes before @stop, and drops the @stop itself. */
struct str str_until(struct str *s, char stop);

void heap_init(void);
void *heap_alloc(uint32_t size);
void heap_free(void *p);

struct text {
	char *p; /* from the heap; NULL at first */
	uint32_t len, size;
};

void text_add(struct text *t, struct str s);
void text_add_number(struct text *t, int64_t v);
void text_free(struct text *t);

/* A tick is one poll of the network. */
void timer_add(uint64_t when, void (*expired)(uint64_t now));
void timers_run(uint64_t now);

struct thread {
	uint64_t *sp;
	void (*main)(void); /* called again whenever it returns */
	bool is_ready;
	uint64_t stack[2048];
};

enum {
	THREAD_IDLE, /* what runs at start-up */
	THREAD_NET,
	THREAD_STORE,
	NR_THREADS
};
extern struct thread threads[NR_THREADS];

void thread_new(struct thread *t, void (*main)(void));
void sched_yield(void);
/* Until somebody sets is_ready. */
void sched_sleep(void);

void sha256(uint32_t h[8], struct str data);
void lz_compress(struct text *out, struct str data);

#endif /* GUEST_DEMO_H */
