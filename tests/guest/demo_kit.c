// SPDX-License-Identifier: GPL-2.0-or-later
/* demo_kit.c - what the demo guest's server is built from: memory, text, timers, threads, SHA-256, LZ. */
#include "demo.h"

/* --- memory and strings --- */

typedef uint64_t __attribute__((may_alias, aligned(1))) word;

FRAME void mem_copy(void *to, const void *from, size_t n)
{
	char *d = to;
	const char *s = from;

	LEAF_FRAME();
	for (; n >= 8; n -= 8, d += 8, s += 8)
		*(word *)d = *(const word *)s;
	while (n--)
		*d++ = *s++;
}

FRAME bool str_equal(struct str a, struct str b)
{
	uint32_t i;

	LEAF_FRAME();
	if (a.len != b.len)
		return false;
	for (i = 0; i < a.len; i++)
		if ((a.p[i] | 0x20) != (b.p[i] | 0x20))
			return false;
	return true;
}

FRAME struct str str_until(struct str *s, char stop)
{
	struct str part = { s->p, 0 };

	LEAF_FRAME();
	while (part.len < s->len && part.p[part.len] != stop)
		part.len++;
	s->p += part.len + (part.len < s->len);
	s->len -= part.len + (part.len < s->len);
	return part;
}

/* --- buddy allocator --- */

#define HEAP_SIZE  (1u << 20)
#define ORDER_MIN  6
#define ORDER_MAX  20
#define BLOCK_FREE 0x80

struct block {
	struct block *next, *prev;
};

static uint8_t heap[HEAP_SIZE] __attribute__((aligned(4096)));
static uint8_t heap_order[HEAP_SIZE >> ORDER_MIN]; /* of the block that starts here */
static struct block heap_free_lists[ORDER_MAX + 1];

static void heap_link(uint8_t *p, unsigned int order)
{
	struct block *b = (struct block *)p, *head = &heap_free_lists[order];

	*b = (struct block){ head->next, head };
	head->next->prev = b;
	head->next = b;
	heap_order[(p - heap) >> ORDER_MIN] = order | BLOCK_FREE;
}

static void heap_unlink(uint8_t *p)
{
	struct block *b = (struct block *)p;

	b->prev->next = b->next;
	b->next->prev = b->prev;
	heap_order[(p - heap) >> ORDER_MIN] = 0;
}

FRAME static uint8_t *heap_split(unsigned int order)
{
	struct block *head = &heap_free_lists[order];
	uint8_t *p;

	if (order > ORDER_MAX)
		fatal("heap is full");
	if (head->next != head) {
		p = (uint8_t *)head->next;
		heap_unlink(p);
		return p;
	}
	p = heap_split(order + 1);
	heap_link(p + (1u << order), order);
	return p;
}

FRAME static void heap_merge(uint8_t *p, unsigned int order)
{
	uint8_t *buddy = heap + ((p - heap) ^ (1ul << order));

	if (order == ORDER_MAX || heap_order[(buddy - heap) >> ORDER_MIN] != (order | BLOCK_FREE)) {
		heap_link(p, order);
		return;
	}
	heap_unlink(buddy);
	heap_merge(p < buddy ? p : buddy, order + 1);
}

void heap_init(void)
{
	unsigned int i;

	for (i = 0; i <= ORDER_MAX; i++)
		heap_free_lists[i] = (struct block){ &heap_free_lists[i], &heap_free_lists[i] };
	heap_link(heap, ORDER_MAX);
}

FRAME void *heap_alloc(uint32_t size)
{
	unsigned int order = ORDER_MIN;
	uint8_t *p;

	while (1u << order < size)
		order++;
	p = heap_split(order);
	heap_order[(p - heap) >> ORDER_MIN] = order;
	return p;
}

FRAME void heap_free(void *p)
{
	heap_merge(p, heap_order[((uint8_t *)p - heap) >> ORDER_MIN]);
}

/* --- growing text --- */

FRAME static void text_grow(struct text *t, uint32_t need)
{
	uint32_t size = t->size ? t->size : 128;
	char *p;

	while (size < need)
		size *= 2;
	p = heap_alloc(size);
	mem_copy(p, t->p, t->len);
	if (t->p)
		heap_free(t->p);
	t->p = p;
	t->size = size;
}

FRAME void text_add(struct text *t, struct str s)
{
	if (t->len + s.len > t->size)
		text_grow(t, t->len + s.len);
	mem_copy(t->p + t->len, s.p, s.len);
	t->len += s.len;
}

FRAME void text_add_number(struct text *t, int64_t v)
{
	char digits[24];
	uint32_t i = sizeof(digits);
	uint64_t left = v < 0 ? -v : v;

	do {
		digits[--i] = '0' + left % 10;
		left /= 10;
	} while (left);
	if (v < 0)
		digits[--i] = '-';
	text_add(t, (struct str){ digits + i, sizeof(digits) - i });
}

void text_free(struct text *t)
{
	if (t->p)
		heap_free(t->p);
	*t = (struct text){ 0 };
}

/* --- timers: a heap, soonest first --- */

struct timer {
	uint64_t when;
	void (*expired)(uint64_t now);
};

static struct timer timers[16];
static unsigned int nr_timers;

FRAME void timer_add(uint64_t when, void (*expired)(uint64_t now))
{
	unsigned int i = nr_timers++;

	LEAF_FRAME();
	for (; i && timers[(i - 1) / 2].when > when; i = (i - 1) / 2)
		timers[i] = timers[(i - 1) / 2];
	timers[i] = (struct timer){ when, expired };
}

FRAME static struct timer timer_take(void)
{
	struct timer first = timers[0], last = timers[--nr_timers];
	unsigned int i = 0, k;

	LEAF_FRAME();
	while ((k = 2 * i + 1) < nr_timers) {
		if (k + 1 < nr_timers && timers[k + 1].when < timers[k].when)
			k++;
		if (timers[k].when >= last.when)
			break;
		timers[i] = timers[k];
		i = k;
	}
	timers[i] = last;
	return first;
}

FRAME void timers_run(uint64_t now)
{
	while (nr_timers && timers[0].when <= now)
		timer_take().expired(now);
}

/* --- cooperative threads --- */

struct thread threads[NR_THREADS];
static struct thread *running = &threads[THREAD_IDLE];

/* Save what a call keeps, change stacks, and return in the other thread. */
void thread_switch(uint64_t **save, uint64_t *sp);
asm(".text; .type thread_switch, @function; thread_switch: .cfi_startproc\n"
    "push %rbp; mov %rsp, %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"
    "mov %rsp, (%rdi); mov %rsi, %rsp\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp; ret\n"
    ".cfi_endproc; .size thread_switch, . - thread_switch\n");

FRAME void sched_yield(void)
{
	struct thread *from = running;
	unsigned int i, at = from - threads;

	for (i = 1; i <= NR_THREADS; i++)
		if (threads[(at + i) % NR_THREADS].is_ready)
			break;
	running = &threads[(at + i) % NR_THREADS];
	if (running != from)
		thread_switch(&from->sp, running->sp);
}

void sched_sleep(void)
{
	running->is_ready = false;
	sched_yield();
}

FRAME static void thread_start(void)
{
	for (;;)
		running->main();
}

void thread_new(struct thread *t, void (*main)(void))
{
	/* As if it had called thread_switch(): six registers (0), then where to go; above it, no caller. */
	t->sp = &t->stack[ARRAY_SIZE(t->stack) - 8];
	t->sp[6] = (uint64_t)thread_start;
	t->main = main;
	t->is_ready = true;
}

/* --- SHA-256 --- */

static const uint32_t sha256_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static uint32_t ror(uint32_t v, unsigned int n)
{
	return v >> n | v << (32 - n);
}

FRAME static void sha256_expand(uint32_t w[64], const uint8_t *p)
{
	unsigned int i;

	LEAF_FRAME();
	for (i = 0; i < 16; i++)
		w[i] = __builtin_bswap32(
			*(const uint32_t __attribute__((may_alias, aligned(1))) *)(p + 4 * i));
	for (; i < 64; i++)
		w[i] = w[i - 16] + w[i - 7] +
		       (ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3) +
		       (ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10);
}

FRAME static void sha256_block(uint32_t h[8], const uint8_t *p)
{
	uint32_t w[64], s[8], t, u;
	unsigned int i, k;

	sha256_expand(w, p);
	for (k = 0; k < 8; k++)
		s[k] = h[k];
	for (i = 0; i < 64; i++) {
		t = s[7] + (ror(s[4], 6) ^ ror(s[4], 11) ^ ror(s[4], 25)) +
		    ((s[4] & s[5]) ^ (~s[4] & s[6])) + sha256_k[i] + w[i];
		u = (ror(s[0], 2) ^ ror(s[0], 13) ^ ror(s[0], 22)) +
		    ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
		for (k = 7; k; k--)
			s[k] = s[k - 1];
		s[4] += t;
		s[0] = t + u;
	}
	for (k = 0; k < 8; k++)
		h[k] += s[k];
}

FRAME void sha256(uint32_t h[8], struct str data)
{
	static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	uint8_t tail[128] = { 0 };
	uint32_t i, left = data.len % 64, size = left < 56 ? 64 : 128;

	mem_copy(h, start, sizeof(start));
	for (i = 0; i + 64 <= data.len; i += 64)
		sha256_block(h, (const uint8_t *)data.p + i);
	mem_copy(tail, data.p + i, left);
	tail[left] = 0x80;
	for (i = 0; i < 4; i++)
		tail[size - 1 - i] = (uint64_t)data.len * 8 >> (8 * i);
	for (i = 0; i < size; i += 64)
		sha256_block(h, tail + i);
}

/* --- LZ compression: a byte says how many literals follow, two how far back and how long a match is --- */

static uint16_t lz_seen[256]; /* where the three bytes with this hash were last, plus 1 */

FRAME static uint32_t lz_match(struct str data, uint32_t at, uint32_t *from)
{
	const uint8_t *p = (const uint8_t *)data.p;
	uint8_t slot = p[at] * 131 + p[at + 1] * 31 + p[at + 2];
	uint32_t len = 0;

	LEAF_FRAME();
	*from = lz_seen[slot];
	lz_seen[slot] = at + 1;
	if (!*from || at + 1 - *from > 255)
		return 0;
	*from -= 1;
	while (at + len < data.len && len < 255 && p[*from + len] == p[at + len])
		len++;
	return len;
}

FRAME static void lz_put(struct text *out, struct str literals, uint32_t back, uint32_t len)
{
	char code[3] = { literals.len, back, len };

	text_add(out, (struct str){ code, 1 });
	text_add(out, literals);
	text_add(out, (struct str){ code + 1, 2 });
}

FRAME void lz_compress(struct text *out, struct str data)
{
	uint32_t i, from, len, literal = 0;

	for (i = 0; i < ARRAY_SIZE(lz_seen); i++)
		lz_seen[i] = 0;
	for (i = 0; i + 3 <= data.len;) {
		len = lz_match(data, i, &from);
		if (len < 4 && i - literal < 255) {
			i++;
			continue;
		}
		lz_put(out, (struct str){ data.p + literal, i - literal }, i - from, len);
		i += len;
		literal = i;
	}
	lz_put(out, (struct str){ data.p + literal, data.len - literal }, 0, 0);
}
