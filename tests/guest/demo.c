// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * demo.c - a guest worth looking at: a small web server on a network that exists only in its memory.
 *
 * Clients are 64 requests made at start-up, which a driver's receive ring hands out again and again. From
 * there on everything is computed as in a real unikernel: Ethernet, IPv4 and TCP with checksums, an HTTP
 * parser, a router, handlers (a key-value store, statistics as JSON, a page from a template, a ranking, a
 * calculator), an LZ compressor, SHA-256, a buddy allocator, timers and cooperative threads. The same work
 * in the same order for ever; time passes with the polls of the ring, so the mix does not depend on the
 * speed of the machine.
 *
 * Argument: requests=N prints the counters and ends the guest after N requests (default: never)
 */
#include "demo.h"

#define FN FRAME static /* stays a function: what is inlined is not in the picture */

enum {
	REQUESTS,
	RESPONSES,
	ERRORS,
	FLUSHES
};
static const char *const names[] = { "requests", "responses", "errors", "flushes", NULL };
static uint64_t *count;

/* --- key-value store with a log --- */

#define NR_KEYS   96
#define LOG_BATCH 640

struct entry {
	struct entry *next;
	struct str key;
	struct text value;
	uint32_t hits, changes;
};

static struct entry *kv_table[32];
static struct text store_log;
static uint32_t store_digest[8];

FN uint32_t kv_hash(struct str key)
{
	uint32_t i, h = 5381;

	LEAF_FRAME();
	for (i = 0; i < key.len; i++)
		h = (h ^ (uint8_t)key.p[i]) * 16777619;
	return h ^ h >> 15;
}

FN struct entry *kv_find(struct str key)
{
	struct entry *e = kv_table[kv_hash(key) % ARRAY_SIZE(kv_table)];

	while (e && !str_equal(e->key, key))
		e = e->next;
	return e;
}

FN struct entry *kv_insert(struct str key)
{
	struct entry *e = heap_alloc(sizeof(*e)),
		     **head = &kv_table[kv_hash(key) % ARRAY_SIZE(kv_table)];
	char *p = heap_alloc(key.len);

	mem_copy(p, key.p, key.len);
	*e = (struct entry){ .next = *head, .key = { p, key.len } };
	*head = e;
	return e;
}

FN void store_append(struct str key, struct str value)
{
	text_add(&store_log, STR("put "));
	text_add(&store_log, key);
	text_add(&store_log, STR(" "));
	text_add(&store_log, value);
	text_add(&store_log, STR("\n"));
	if (store_log.len > LOG_BATCH)
		threads[THREAD_STORE].is_ready = true;
}

FN void kv_put(struct str key, struct str value)
{
	struct entry *e = kv_find(key);

	if (!e)
		e = kv_insert(key);
	text_free(&e->value);
	text_add(&e->value, value);
	e->changes++;
	store_append(key, value);
}

FN void store_flush(void)
{
	struct text packed = { 0 };

	lz_compress(&packed, (struct str){ store_log.p, store_log.len });
	sha256(store_digest, (struct str){ packed.p, packed.len });
	text_free(&packed);
	text_free(&store_log);
	count[FLUSHES]++;
}

/* Old hits count less and less. */
FN void store_age(uint64_t now)
{
	struct entry *e;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kv_table); i++)
		for (e = kv_table[i]; e; e = e->next)
			e->hits -= e->hits / 4;
	timer_add(now + 64, store_age);
}

FN void store_main(void)
{
	if (store_log.len > LOG_BATCH)
		store_flush();
	sched_sleep();
}

/* --- handlers: each adds its answer to @out and returns an HTTP status --- */

struct request {
	struct str method, path, query, body;
	bool keeps_alive, takes_lz;
};

FN int handle_get(const struct request *rq, struct str key, struct text *out)
{
	struct entry *e = kv_find(key);

	(void)rq;
	if (!e)
		return 404;
	e->hits++;
	text_add(out, (struct str){ e->value.p, e->value.len });
	return 200;
}

FN int handle_put(const struct request *rq, struct str key, struct text *out)
{
	kv_put(key, rq->body);
	text_add(out, STR("stored\n"));
	return 200;
}

/* A document: an object or array has children, anything else is a number. */
struct json {
	const struct json *children;
	uint32_t nr;
	struct str name;
	const uint64_t *number;
};

FN void json_write(struct text *out, const struct json *j);

FN void json_write_string(struct text *out, struct str s)
{
	struct str plain;

	text_add(out, STR("\""));
	while (s.len) {
		plain = str_until(&s, '"');
		text_add(out, plain);
		if (s.len)
			text_add(out, STR("\\\""));
	}
	text_add(out, STR("\""));
}

FN void json_write_object(struct text *out, const struct json *j)
{
	uint32_t i;

	text_add(out, STR("{"));
	for (i = 0; i < j->nr; i++) {
		if (i)
			text_add(out, STR(","));
		json_write_string(out, j->children[i].name);
		text_add(out, STR(":"));
		json_write(out, &j->children[i]);
	}
	text_add(out, STR("}"));
}

FN void json_write(struct text *out, const struct json *j)
{
	if (j->children)
		json_write_object(out, j);
	else
		text_add_number(out, *j->number);
}

static uint64_t nr_frames_in, nr_frames_out, nr_bytes_in, nr_bytes_out, net_now;

FN int handle_stats(const struct request *rq, struct str rest, struct text *out)
{
	const struct json in[] = { { NULL, 0, STR("frames"), &nr_frames_in },
				   { NULL, 0, STR("bytes"), &nr_bytes_in } };
	const struct json sent[] = { { NULL, 0, STR("frames"), &nr_frames_out },
				     { NULL, 0, STR("bytes"), &nr_bytes_out } };
	const struct json net[] = { { in, 2, STR("received"), NULL },
				    { sent, 2, STR("sent"), NULL } };
	const struct json http[] = { { NULL, 0, STR("requests"), &count[REQUESTS] },
				     { NULL, 0, STR("errors"), &count[ERRORS] } };
	const struct json server[] = { { net, 2, STR("network"), NULL },
				       { http, 2, STR("http"), NULL },
				       { NULL, 0, STR("flushes"), &count[FLUSHES] } };
	const struct json top[] = { { server, 3, STR("server"), NULL },
				    { NULL, 0, STR("ticks"), &net_now } };
	const struct json all = { top, 2, STR(""), NULL };

	(void)rq;
	(void)rest;
	json_write(out, &all);
	return 200;
}

/* Fills @top with the @n entries that have most hits, most first. */
FN void rank_sort(struct entry **e, int n)
{
	uint32_t pivot = n > 0 ? e[n / 2]->hits : 0;
	int i = 0, k = n - 1;
	struct entry *t;

	if (n < 2)
		return;
	while (i <= k) {
		while (e[i]->hits > pivot)
			i++;
		while (e[k]->hits < pivot)
			k--;
		if (i <= k) {
			t = e[i];
			e[i++] = e[k];
			e[k--] = t;
		}
	}
	rank_sort(e, k + 1);
	rank_sort(e + i, n - i);
}

FN int rank_collect(struct entry **list)
{
	unsigned int i;
	struct entry *e;
	int n = 0;

	LEAF_FRAME();
	for (i = 0; i < ARRAY_SIZE(kv_table); i++)
		for (e = kv_table[i]; e && n < NR_KEYS; e = e->next)
			list[n++] = e;
	return n;
}

FN int handle_top(const struct request *rq, struct str rest, struct text *out)
{
	struct entry *list[NR_KEYS];
	int i, n = rank_collect(list);

	(void)rq;
	(void)rest;
	rank_sort(list, n);
	for (i = 0; i < n && i < 8; i++) {
		text_add_number(out, list[i]->hits);
		text_add(out, STR(" "));
		text_add(out, list[i]->key);
		text_add(out, STR("\n"));
	}
	return 200;
}

/* {NAME} is the value of that key, {*KEY...} what follows once per key that begins so, up to {.} */
FN void page_render(struct text *out, struct str page, const struct entry *each);

FN void page_add_escaped(struct text *out, struct str s)
{
	struct str plain;

	while (s.len) {
		plain = str_until(&s, '<');
		text_add(out, plain);
		if (s.len)
			text_add(out, STR("&lt;"));
	}
}

FN void page_add_value(struct text *out, struct str name, const struct entry *each)
{
	if (name.len == 1 && name.p[0] == '=')
		page_add_escaped(out, (struct str){ each->value.p, each->value.len });
	else if (name.len == 1 && name.p[0] == '#')
		page_add_escaped(out, each->key);
	else if ((each = kv_find(name)))
		page_add_escaped(out, (struct str){ each->value.p, each->value.len });
}

FN void page_repeat(struct text *out, struct str part)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kv_table); i += 4)
		if (kv_table[i])
			page_render(out, part, kv_table[i]);
}

FN void page_render(struct text *out, struct str page, const struct entry *each)
{
	struct str name, part;

	while (page.len) {
		text_add(out, str_until(&page, '{'));
		name = str_until(&page, '}');
		if (name.len && name.p[0] == '*') {
			part = str_until(&page, '~');
			page_repeat(out, part);
		} else if (name.len) {
			page_add_value(out, name, each);
		}
	}
}

FN int handle_page(const struct request *rq, struct str rest, struct text *out)
{
	static const struct str page =
		STR("<!doctype html><title>{user1}</title><h1>Dear {user1}</h1>\n"
		    "<table>{*}<tr><td>{#}<td>{=}</tr>\n~</table><p>{user3}, {user7}\n");

	(void)rq;
	(void)rest;
	page_render(out, page, NULL);
	return 200;
}

/* sum = product { ("+" | "-") product }, product = atom { "*" atom }, atom = number | "(" sum ")" */
FN int64_t calc_sum(struct str *s);

static bool calc_take(struct str *s, char c)
{
	if (!s->len || *s->p != c)
		return false;
	s->p++;
	s->len--;
	return true;
}

FN int64_t calc_number(struct str *s)
{
	int64_t v = 0;

	LEAF_FRAME();
	for (; s->len && *s->p >= '0' && *s->p <= '9'; s->p++, s->len--)
		v = v * 10 + *s->p - '0';
	return v;
}

FN int64_t calc_atom(struct str *s)
{
	int64_t v;

	if (!calc_take(s, '('))
		return calc_number(s);
	v = calc_sum(s);
	calc_take(s, ')');
	return v;
}

FN int64_t calc_product(struct str *s)
{
	int64_t v = calc_atom(s);

	while (calc_take(s, '*'))
		v *= calc_atom(s);
	return v;
}

FN int64_t calc_sum(struct str *s)
{
	int64_t v = calc_product(s);

	for (;;) {
		if (calc_take(s, '+'))
			v += calc_product(s);
		else if (calc_take(s, '-'))
			v -= calc_product(s);
		else
			return v;
	}
}

FN int handle_calc(const struct request *rq, struct str rest, struct text *out)
{
	struct str line, body = rq->body;

	(void)rest;
	while (body.len) {
		line = str_until(&body, '\n');
		text_add_number(out, calc_sum(&line));
		text_add(out, STR("\n"));
	}
	return 200;
}

/* --- HTTP --- */

static const struct route {
	struct str method, first;
	int (*handle)(const struct request *rq, struct str rest, struct text *out);
} routes[] = {
	{ STR("GET"), STR("stats"), handle_stats }, { STR("GET"), STR("top"), handle_top },
	{ STR("GET"), STR("page"), handle_page },   { STR("POST"), STR("calc"), handle_calc },
	{ STR("GET"), STR("kv"), handle_get },      { STR("PUT"), STR("kv"), handle_put },
};

FN int http_route(const struct request *rq, struct text *out)
{
	struct str path = rq->path, first;
	unsigned int i;

	str_until(&path, '/');
	first = str_until(&path, '/');
	for (i = 0; i < ARRAY_SIZE(routes); i++)
		if (str_equal(routes[i].first, first) && str_equal(routes[i].method, rq->method))
			return routes[i].handle(rq, path, out);
	return 404;
}

FN void http_parse_header(struct request *rq, struct str name, struct str value)
{
	if (str_equal(name, STR("connection")))
		rq->keeps_alive = str_equal(value, STR(" keep-alive"));
	else if (str_equal(name, STR("accept-encoding")))
		rq->takes_lz = str_equal(value, STR(" lz"));
}

FN void http_parse(struct request *rq, struct str data)
{
	struct str line = str_until(&data, '\n'), name;

	rq->method = str_until(&line, ' ');
	rq->path = str_until(&line, ' ');
	while (data.len) {
		line = str_until(&data, '\n');
		if (!line.len)
			break;
		name = str_until(&line, ':');
		http_parse_header(rq, name, line);
	}
	rq->body = data;
}

/* --- TCP, IPv4, Ethernet, going out. Segments never get lost here, so nothing is kept to be sent again. --- */

#define HEADERS     54 /* Ethernet 14, IPv4 20, TCP 20 */
#define SEGMENT_MAX 536
#define FRAME_MAX   (HEADERS + SEGMENT_MAX)
#define SERVER_IP   0x0a000002
#define CLIENT_IP   0x0a000001

struct frame {
	uint16_t len;
	uint8_t bytes[FRAME_MAX];
};

struct conn {
	uint16_t port; /* the client's */
	uint32_t next_in, next_out;
	uint64_t last_used;
};

static struct frame tx_ring[8];
static struct conn conns[8];

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static uint32_t get16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

/* The sum of 16-bit words in one's complement; over data that contain their own sum it is 0. */
FN uint16_t inet_checksum(const uint8_t *p, uint32_t len, uint64_t sum)
{
	LEAF_FRAME();
	for (; len >= 2; p += 2, len -= 2)
		sum += p[0] << 8 | p[1];
	if (len)
		sum += p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static uint16_t tcp_checksum(const uint8_t *p, uint32_t len)
{
	return inet_checksum(p, len,
			     (SERVER_IP >> 16) + (SERVER_IP & 0xffff) + (CLIENT_IP >> 16) +
				     (CLIENT_IP & 0xffff) + 6 + len);
}

FN void netdev_send(const struct frame *f)
{
	struct frame *slot = &tx_ring[nr_frames_out++ % ARRAY_SIZE(tx_ring)];

	mem_copy(slot->bytes, f->bytes, f->len);
	slot->len = f->len;
	nr_bytes_out += f->len;
}

FN void eth_send(struct frame *f)
{
	static const uint8_t head[14] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0 };

	mem_copy(f->bytes, head, sizeof(head));
	netdev_send(f);
}

FN void ip4_send(struct frame *f, uint32_t from, uint32_t to)
{
	uint8_t *p = f->bytes + 14;

	put32(p, 0x45000000 | (f->len - 14));
	put32(p + 4, 0);
	put32(p + 8, 0x40060000); /* 64 hops, TCP */
	put32(p + 12, from);
	put32(p + 16, to);
	put16(p + 10, inet_checksum(p, 20, 0));
	eth_send(f);
}

static void tcp_fill(struct frame *f, uint16_t from, uint16_t to, uint32_t seq, uint32_t ack,
		     struct str data)
{
	uint8_t *p = f->bytes + 34;

	f->len = HEADERS + data.len;
	put32(p, from << 16 | to);
	put32(p + 4, seq);
	put32(p + 8, ack);
	put32(p + 12, 0x50182000); /* 5 words, ACK and PSH, window */
	put32(p + 16, 0);
	mem_copy(p + 20, data.p, data.len);
	put16(p + 16, tcp_checksum(p, 20 + data.len));
}

FN void tcp_send_segment(struct conn *c, struct str data)
{
	struct frame *f = heap_alloc(sizeof(*f));

	tcp_fill(f, 80, c->port, c->next_out, c->next_in, data);
	c->next_out += data.len;
	ip4_send(f, SERVER_IP, CLIENT_IP);
	heap_free(f);
}

FN void tcp_send(struct conn *c, struct str data)
{
	uint32_t n;

	for (; data.len; data.p += n, data.len -= n) {
		n = data.len < SEGMENT_MAX ? data.len : SEGMENT_MAX;
		tcp_send_segment(c, (struct str){ data.p, n });
	}
}

/* --- the answer, and everything coming in --- */

FN void http_reply(struct conn *c, const struct request *rq, int status, const struct text *body)
{
	struct str data = { body->p, body->len };
	struct text packed = { 0 }, head = { 0 };
	uint32_t digest[8];

	if (rq->takes_lz && body->len > 128) {
		lz_compress(&packed, data);
		data = (struct str){ packed.p, packed.len };
	}
	text_add(&head, STR("HTTP/1.1 "));
	text_add_number(&head, status);
	text_add(&head, STR("\nContent-Length: "));
	text_add_number(&head, data.len);
	if (packed.len) {
		sha256(digest, data);
		text_add(&head, STR("\nContent-Encoding: lz\nETag: "));
		text_add_number(&head, digest[0]);
	}
	text_add(&head, rq->keeps_alive ? STR("\nConnection: keep-alive\n\n") : STR("\n\n"));
	tcp_send(c, (struct str){ head.p, head.len });
	tcp_send(c, data);
	text_free(&packed);
	text_free(&head);
}

FN void http_receive(struct conn *c, struct str data)
{
	struct request rq = { 0 };
	struct text body = { 0 };
	int status;

	count[REQUESTS]++;
	http_parse(&rq, data);
	status = http_route(&rq, &body);
	if (status != 200)
		count[ERRORS]++;
	http_reply(c, &rq, status, &body);
	count[RESPONSES]++;
	text_free(&body);
}

FN struct conn *conn_find(uint16_t port)
{
	struct conn *oldest = conns;
	unsigned int i;

	LEAF_FRAME();
	for (i = 0; i < ARRAY_SIZE(conns); i++) {
		if (conns[i].port == port)
			return &conns[i];
		if (conns[i].last_used < oldest->last_used)
			oldest = &conns[i];
	}
	*oldest = (struct conn){ .port = port };
	return oldest;
}

FN void tcp_receive(const uint8_t *p, uint32_t len)
{
	struct conn *c;

	if (len < 20 || tcp_checksum(p, len) || get16(p + 2) != 80)
		return;
	c = conn_find(get16(p));
	c->last_used = net_now;
	c->next_in = get32(p + 4) + len - 20;
	http_receive(c, (struct str){ (const char *)p + 20, len - 20 });
}

FN void ip4_receive(const uint8_t *p, uint32_t len)
{
	if (len >= 20 && !inet_checksum(p, 20, 0) && p[9] == 6)
		tcp_receive(p + 20, len - 20);
}

FN void eth_receive(const struct frame *f)
{
	if (f->len >= 14 && get16(f->bytes + 12) == 0x0800)
		ip4_receive(f->bytes + 14, f->len - 14);
}

/* --- the driver, and the clients behind it --- */

#define BURST       4
#define BURST_EVERY 160 /* polls */

static struct frame wire[64]; /* the clients' requests, round and round */

FN bool netdev_pending(void)
{
	LEAF_FRAME();
	return ++net_now % BURST_EVERY == 0;
}

FN void netdev_poll(void)
{
	const struct frame *from;
	struct frame *f;
	int i;

	for (i = 0; i < BURST; i++) {
		from = &wire[nr_frames_in++ % ARRAY_SIZE(wire)];
		f = heap_alloc(sizeof(*f));
		mem_copy(f, from, sizeof(f->len) + from->len);
		nr_bytes_in += f->len;
		eth_receive(f);
		heap_free(f);
	}
	outb(PORT_TEST, 1); /* tell the host that there is something to send */
}

FN void net_main(void)
{
	netdev_poll();
	timers_run(net_now);
	sched_sleep();
}

static void add_key(struct text *t, uint64_t random)
{
	text_add(t, STR("user"));
	text_add_number(t, random % NR_KEYS);
}

static void client_write(struct text *t, char kind, uint64_t *random)
{
	static const struct str start[] = { STR("GET /kv/"),  STR("PUT /kv/"), STR("GET /stats"),
					    STR("GET /page"), STR("GET /top"), STR("POST /calc") };
	static const char kinds[] = "gpshtc";
	static const struct str cities[] = { STR("Leipzig"), STR("Porto"), STR("Lund"),
					     STR("Trieste") };
	int i, k;

	for (i = 0; kinds[i] != kind; i++)
		;
	text_add(t, start[i]);
	if (i < 2)
		add_key(t, next_random(random));
	text_add(t, STR(" HTTP/1.1\nHost: demo.local\nUser-Agent: client/1.0\nAccept: */*\n"
			"Accept-Encoding: lz\nConnection: keep-alive\n\n"));
	if (kind == 'p') {
		text_add(t, STR("name=<b>"));
		add_key(t, next_random(random));
		text_add(t, STR("</b>;city="));
		text_add(t, cities[next_random(random) % ARRAY_SIZE(cities)]);
		text_add(t, STR(";visits="));
		text_add_number(t, next_random(random) % 1000);
	} else if (kind == 'c') {
		for (k = 0; k < 6; k++) {
			text_add(t, STR("2*(3+4*(5-1*("));
			text_add_number(t, next_random(random) % 1000);
			text_add(t, STR("+7)*2)-(8*(9+1)))+12*(34-5*(6+7*(8-9)))\n"));
		}
	}
}

/* Everybody but the server: fills the wire and, through the server's own door, the store. */
static void clients_start(void)
{
	static const char mix[] = "gpstgchspgttgcps";
	struct text t = { 0 }, key = { 0 };
	uint64_t random = 20240229;
	unsigned int i;

	for (i = 0; i < NR_KEYS; i++) {
		add_key(&key, i);
		kv_put((struct str){ key.p, key.len },
		       STR("name=<b>nobody</b>;city=Lund;visits=0"));
		text_free(&key);
	}
	for (i = 0; i < ARRAY_SIZE(wire); i++) {
		client_write(&t, mix[i % (sizeof(mix) - 1)], &random);
		tcp_fill(&wire[i], 40000 + i % 12, 80, i, 0, (struct str){ t.p, t.len });
		ip4_send(&wire[i], CLIENT_IP, SERVER_IP);
		text_free(&t);
	}
	nr_frames_out = nr_bytes_out = 0;
}

FN void idle_main(uint64_t until)
{
	while (!until || count[REQUESTS] < until) {
		if (netdev_pending())
			threads[THREAD_NET].is_ready = true;
		sched_yield();
	}
}

/* One vCPU does everything; others sleep. */
void ap_main(struct boot_info *bi, unsigned long vcpu)
{
	(void)bi;
	guest_ready("demo", names, vcpu);
	for (;;)
		asm volatile("cli; hlt");
}

void kmain(struct boot_info *bi, unsigned long vcpu)
{
	(void)bi;
	count = (uint64_t *)oracle()->values[vcpu];
	heap_init();
	threads[THREAD_IDLE].is_ready = true;
	clients_start();
	thread_new(&threads[THREAD_NET], net_main);
	thread_new(&threads[THREAD_STORE], store_main);
	timer_add(64, store_age);
	guest_ready("demo", names, vcpu);
	idle_main(arg_number("requests", 0));
	print_counters();
	guest_exit(0);
}
