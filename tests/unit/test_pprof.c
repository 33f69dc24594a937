/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The decoder here is written from profile.proto, not from the encoder, and checks what the readers of
 * pprof files insist on while it decodes: see check_contract().
 */
#include <inttypes.h>
#include <zlib.h>

#include "export_fixture.h"
#include "strbuf.h"
#include "utf8.h"

#define MAX 4096

struct message {
	const unsigned char *data;
	size_t len;
};

struct field {
	unsigned int number;
	uint64_t value;         /* of a varint */
	struct message message; /* of a string or message; data is NULL for a varint */
};

struct profile {
	unsigned char *raw;
	struct message sample_type[MAX], sample[MAX], mapping[MAX], location[MAX], function[MAX];
	struct message string[MAX], period_type;
	size_t nr_sample_type, nr_sample, nr_mapping, nr_location, nr_function, nr_string;
	uint64_t time, duration, period, comment[MAX], default_sample_type;
	size_t nr_comment;
};

static uint64_t get_varint(struct message *m)
{
	uint64_t v = 0;
	int shift = 0;

	for (;; shift += 7) {
		assert_true(m->len > 0 && shift < 64);
		v |= (uint64_t)(*m->data & 0x7f) << shift;
		m->len--;
		if (!(*m->data++ & 0x80))
			return v;
	}
}

/* Return: false at the end. */
static bool next_field(struct message *m, struct field *f)
{
	uint64_t tag;

	if (!m->len)
		return false;
	tag = get_varint(m);
	*f = (struct field){ .number = tag >> 3 };
	f->value = get_varint(m);
	if ((tag & 7) == 0)
		return true;
	assert_int_equal(tag & 7, 2);
	assert_true(f->value <= m->len);
	f->message = (struct message){ m->data, f->value };
	m->data += f->value;
	m->len -= f->value;
	return true;
}

/* The only varint field of that number, or 0. */
static uint64_t get(struct message m, unsigned int number)
{
	uint64_t v = 0;
	struct field f;

	while (next_field(&m, &f))
		if (f.number == number)
			v = f.value;
	return v;
}

static void decode(struct profile *p, const char *gz, size_t len)
{
	z_stream z = { .next_in = (unsigned char *)gz, .avail_in = len };
	size_t cap = 16 << 20;
	struct message m;
	struct field f;

	memset(p, 0, sizeof(*p));
	p->raw = malloc(cap);
	assert_non_null(p->raw);
	z.next_out = p->raw;
	z.avail_out = cap;
	assert_int_equal(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	inflateEnd(&z);

	m = (struct message){ p->raw, z.total_out };
	while (next_field(&m, &f)) {
		assert_in_range(f.number, 1, 14);
		switch (f.number) {
#define CASE(n, array)                                      \
	case n:                                             \
		assert_in_range(p->nr_##array, 0, MAX - 1); \
		p->array[p->nr_##array++] = f.message;      \
		break
			CASE(1, sample_type);
			CASE(2, sample);
			CASE(3, mapping);
			CASE(4, location);
			CASE(5, function);
			CASE(6, string);
		case 9:
			p->time = f.value;
			break;
		case 10:
			p->duration = f.value;
			break;
		case 11:
			p->period_type = f.message;
			break;
		case 12:
			p->period = f.value;
			break;
		case 13:
			p->comment[p->nr_comment++] = f.value;
			break;
		case 14:
			p->default_sample_type = f.value;
			break;
		default:
			fail_msg("field %u is not for us", f.number);
		}
	}
}

static const char *string(const struct profile *p, uint64_t i)
{
	static char buf[8][2048];
	static int turn;
	char *out = buf[turn++ % 8];

	assert_true(i < p->nr_string);
	assert_true(p->string[i].len < sizeof(buf[0]));
	memcpy(out, p->string[i].data, p->string[i].len);
	out[p->string[i].len] = '\0';
	return out;
}

static void assert_utf8(struct message m)
{
	uint32_t cp;
	size_t n;

	for (; m.len; m.data += n, m.len -= n) {
		n = utf8__decode((const char *)m.data, m.len, &cp);
		assert_true(n > 0);
	}
}

static void check_strings(const struct profile *p, struct message m, const unsigned int *numbers)
{
	for (; *numbers; numbers++)
		assert_true(get(m, *numbers) < p->nr_string);
}

static bool looks_numeric(const char *s)
{
	return *s && !s[strspn(s, "0123456789.-+:")];
}

static void check_sample(const struct profile *p, struct message m)
{
	size_t nr_locations = 0, nr_values = 0, nr_keys = 0, i;
	uint64_t keys[32];
	struct field f;

	while (next_field(&m, &f)) {
		assert_in_range(f.number, 1, 3);
		assert_non_null(f.message.data); /* packed lists and labels only */
		while (f.number == 1 && f.message.len) {
			assert_in_range(get_varint(&f.message), 1, p->nr_location);
			nr_locations++;
		}
		while (f.number == 2 && f.message.len) {
			assert_true(get_varint(&f.message) <= INT64_MAX);
			nr_values++;
		}
		if (f.number == 3) {
			check_strings(p, f.message, (const unsigned int[]){ 1, 2, 0 });
			keys[nr_keys] = get(f.message, 1);
			assert_true(keys[nr_keys] > 0);
			assert_true(get(f.message, 2) > 0);
			if (strcmp(string(p, keys[nr_keys]),
				   "vm")) /* whose name is the user's own */
				assert_false(looks_numeric(string(p, get(f.message, 2))));
			assert_int_equal(get(f.message, 3), 0); /* no numeric labels */
			for (i = 0; i < nr_keys; i++)
				assert_true(keys[i] != keys[nr_keys]);
			assert_true(++nr_keys < 30);
		}
	}
	assert_true(nr_locations > 0);
	assert_int_equal(nr_values, p->nr_sample_type);
}

/* Every line of what Parca, Pyroscope, Alloy and go tool pprof demand of a profile. */
static void check_contract(const struct profile *p)
{
	size_t i, nr_lines;
	struct field f;

	assert_int_equal(p->string[0].len, 0);
	for (i = 0; i < p->nr_string; i++)
		assert_utf8(p->string[i]);

	assert_int_equal(p->nr_sample_type, 2);
	assert_string_equal(string(p, get(p->sample_type[0], 1)), "samples");
	assert_string_equal(string(p, get(p->sample_type[0], 2)), "count");
	assert_string_equal(string(p, get(p->sample_type[1], 1)), "cpu");
	assert_string_equal(string(p, get(p->sample_type[1], 2)), "nanoseconds");
	assert_string_equal(string(p, get(p->period_type, 1)), "cpu");
	assert_string_equal(string(p, get(p->period_type, 2)), "nanoseconds");

	for (i = 0; i < p->nr_mapping; i++) {
		assert_int_equal(get(p->mapping[i], 1), i + 1);
		assert_true(get(p->mapping[i], 2) < get(p->mapping[i], 3));
		check_strings(p, p->mapping[i], (const unsigned int[]){ 5, 6, 0 });
		assert_int_equal(get(p->mapping[i], 7), 1);
	}
	for (i = 0; i < p->nr_function; i++) {
		assert_int_equal(get(p->function[i], 1), i + 1);
		assert_true(get(p->function[i], 2) > 0);
		check_strings(p, p->function[i], (const unsigned int[]){ 2, 3, 4, 0 });
	}
	for (i = 0; i < p->nr_location; i++) {
		struct message m = p->location[i];

		assert_int_equal(get(m, 1), i + 1);
		assert_true(get(m, 2) <= p->nr_mapping);
		nr_lines = 0;
		while (next_field(&m, &f)) {
			if (f.number != 4)
				continue;
			assert_in_range(get(f.message, 1), 1, p->nr_function);
			nr_lines++;
		}
		assert_true(nr_lines > 0); /* speedscope drops locations without */
	}
	for (i = 0; i < p->nr_sample; i++)
		check_sample(p, p->sample[i]);
	for (i = 0; i < p->nr_comment; i++)
		assert_true(p->comment[i] > 0 && p->comment[i] < p->nr_string);
	assert_true(p->default_sample_type > 0 && p->default_sample_type < p->nr_string);
}

static struct profile *decoded(struct snapshot *snap)
{
	static struct profile p;
	size_t len;
	char *gz = fix_export(&exporter_pprof, snap, &len);

	free(p.raw);
	decode(&p, gz, len);
	free(gz);
	check_contract(&p);
	return &p;
}

/* The whole profile as text, for the golden. */
static void print_location(struct strbuf *sb, const struct profile *p, struct message m)
{
	uint64_t function;
	struct field f;

	strbuf__printf(sb, "location %" PRIu64 ": mapping %" PRIu64 " address 0x%" PRIx64,
		       get(m, 1), get(m, 2), get(m, 3));
	while (next_field(&m, &f)) {
		if (f.number != 4)
			continue;
		function = get(f.message, 1);
		strbuf__printf(sb, "; %s %s:%" PRIu64, string(p, get(p->function[function - 1], 2)),
			       string(p, get(p->function[function - 1], 4)), get(f.message, 2));
	}
	strbuf__puts(sb, "\n");
}

static void print_sample(struct strbuf *sb, const struct profile *p, struct message m)
{
	struct field f;

	strbuf__puts(sb, "sample:");
	while (next_field(&m, &f)) {
		if (f.number == 3)
			strbuf__printf(sb, " %s=%s", string(p, get(f.message, 1)),
				       string(p, get(f.message, 2)));
		else
			strbuf__puts(sb, f.number == 1 ? " locations" : " values");
		while (f.number < 3 && f.message.len)
			strbuf__printf(sb, " %" PRIu64, get_varint(&f.message));
	}
	strbuf__puts(sb, "\n");
}

static void print_profile(struct strbuf *sb, const struct profile *p)
{
	size_t i;

	strbuf__printf(sb, "time %" PRIu64 " duration %" PRIu64 " period %" PRIu64 " default %s\n",
		       p->time, p->duration, p->period, string(p, p->default_sample_type));
	for (i = 0; i < p->nr_comment; i++)
		strbuf__printf(sb, "comment: %s\n", string(p, p->comment[i]));
	for (i = 0; i < p->nr_mapping; i++)
		strbuf__printf(sb,
			       "mapping %" PRIu64 ": 0x%" PRIx64 "-0x%" PRIx64 " offset 0x%" PRIx64
			       " %s %s functions %" PRIu64 " files %" PRIu64 " lines %" PRIu64
			       " inlines %" PRIu64 "\n",
			       get(p->mapping[i], 1), get(p->mapping[i], 2), get(p->mapping[i], 3),
			       get(p->mapping[i], 4), string(p, get(p->mapping[i], 5)),
			       string(p, get(p->mapping[i], 6)), get(p->mapping[i], 7),
			       get(p->mapping[i], 8), get(p->mapping[i], 9),
			       get(p->mapping[i], 10));
	for (i = 0; i < p->nr_location; i++)
		print_location(sb, p, p->location[i]);
	for (i = 0; i < p->nr_sample; i++)
		print_sample(sb, p, p->sample[i]);
}

/* The golden is the decoded profile: the compressed bytes depend on the version of zlib. */
static void pprof_golden(void **state)
{
	struct strbuf sb = { 0 };

	(void)state;
	print_profile(&sb, decoded(fix_small()));
	fix_assert_golden("small.pprof.txt", sb.data, sb.len);
	strbuf__free(&sb);
}

static void sum(const struct profile *p, uint64_t *count, uint64_t *ns)
{
	struct message m;
	struct field f;
	size_t i;

	*count = *ns = 0;
	for (i = 0; i < p->nr_sample; i++) {
		m = p->sample[i];
		while (next_field(&m, &f)) {
			if (f.number != 2)
				continue;
			*count += get_varint(&f.message);
			*ns += get_varint(&f.message);
		}
	}
}

static void pprof_totals_are_the_snapshots(void **state)
{
	uint64_t count, ns;

	(void)state;
	sum(decoded(fix_small()), &count, &ns);
	assert_int_equal(count, 100);
	assert_int_equal(ns, 100 * fix_info.period_ns);
}

static void pprof_of_nothing_is_a_profile(void **state)
{
	struct snapshot *snap = fix_new();
	struct profile *p;

	(void)state;
	snapshot__seal(snap);
	p = decoded(snap);
	assert_int_equal(p->nr_sample, 0);
	assert_int_equal(p->duration, fix_info.duration_ns);
	assert_string_equal(string(p, p->default_sample_type), "cpu");
}

/* An event such as instructions has no period in time: its samples say nothing of nanoseconds. */
static void pprof_of_an_event_without_time_shows_samples(void **state)
{
	struct snap_info info = { .event = "instructions", .duration_ns = 1 };
	struct snapshot *snap;
	struct profile *p;

	(void)state;
	assert_int_equal(snapshot__new(&snap, &info), 0);
	snapshot__seal(snap);
	p = decoded(snap);
	assert_int_equal(p->period, 0);
	assert_string_equal(string(p, p->default_sample_type), "samples");
}

static void pprof_survives_hostile_names(void **state)
{
	uint64_t total, count, ns;

	(void)state;
	sum(decoded(fix_hostile(&total)), &count, &ns);
	assert_int_equal(count, total);
}

/* As the flame graph: a library that calls itself is one frame. Its location has no address, for it stands for many. */
static void pprof_by_library_has_a_frame_for_each_run(void **state)
{
	struct profile *p = decoded(fix_by_library());
	size_t i, nr = 0, found = 0;
	struct field f;

	(void)state;
	assert_int_equal(p->nr_sample, 4);
	assert_int_equal(p->nr_location, 4); /* three libraries, and what belongs to none */
	for (i = 0; i < p->nr_location; i++)
		assert_int_equal(get(p->location[i], 3), 0);
	for (i = 0; i < p->nr_sample; i++) {
		struct message m = p->sample[i];

		while (next_field(&m, &f))
			for (; f.number == 1 && f.message.len; nr++)
				get_varint(&f.message);
	}
	assert_int_equal(nr, 2 + 2 + 3 + 4);
	for (i = 0; i < p->nr_function; i++)
		found += !strcmp(string(p, get(p->function[i], 2)), "lib/ukalloc");
	assert_int_equal(found, 1);
}

/* A fleet of VMs that run one image has one mapping and one set of locations. */
static void pprof_vms_of_one_image_share_its_locations(void **state)
{
	struct snapshot *snap = fix_new();
	struct profile *p;
	char name[16];
	int i, vm;

	(void)state;
	for (i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "vm%d", i);
		vm = fix_add_vm(snap, name, fix_symbolizer(), true);
		STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 1, 0x100310, 0x100120, 0x100020);
	}
	snapshot__seal(snap);
	p = decoded(snap);
	assert_int_equal(p->nr_sample, 50);
	assert_int_equal(p->nr_mapping, 1);
	assert_int_equal(p->nr_location, 3);
	assert_int_equal(p->nr_function, 3);
}

/* The same address means different things in two guests without an image, and in doubt. */
static void pprof_names_in_doubt_are_not_shared(void **state)
{
	struct snapshot *snap = fix_new();
	struct profile *p;

	(void)state;
	STACK(snap, fix_add_vm(snap, "a", fix_symbolizer(), true), 0, SNAP_PLACE_GUEST, NULL, 1,
	      0x100310);
	STACK(snap, fix_add_vm(snap, "b", fix_symbolizer(), false), 0, SNAP_PLACE_GUEST, NULL, 1,
	      0x100310);
	STACK(snap, fix_add_vm(snap, "c", NULL, false), 0, SNAP_PLACE_GUEST, NULL, 1, 0x100310);
	snapshot__seal(snap);
	p = decoded(snap);
	assert_int_equal(p->nr_location, 3);
	assert_string_equal(string(p, get(p->function[0], 2)), "hot_leaf");
	assert_string_equal(string(p, get(p->function[1], 2)), "hot_leaf [unverified]");
	assert_int_equal(p->nr_mapping, 2);
	assert_string_equal(string(p, get(p->mapping[0], 5)), "/srv/web/app.dbg");
	assert_string_equal(string(p, get(p->mapping[1], 5)), "/srv/web/app.dbg [unverified]");
	assert_string_equal(string(p, get(p->function[2], 2)), "0x100310");
}

static void pprof_marks_images_one_by_one(void **state)
{
	struct snapshot *snap = fix_new();
	struct profile *p;

	(void)state;
	STACK(snap, fix_add_vm(snap, "a", fix_two_images(), true), 0, SNAP_PLACE_GUEST, NULL, 1, 2010, 1011);
	snapshot__seal(snap);
	p = decoded(snap);
	assert_int_equal(p->nr_mapping, 2);
	assert_string_equal(string(p, get(p->mapping[0], 5)), "/srv/kernel");
	assert_string_equal(string(p, get(p->mapping[1], 5)), "/srv/app [unverified]");
	assert_string_equal(string(p, get(p->function[0], 2)), "app [unverified]");
	assert_string_equal(string(p, get(p->function[1], 2)), "kmain");
}

/* The format's numbers are signed: an absurd count must not turn negative. */
static void pprof_counts_stop_at_int64(void **state)
{
	struct snapshot *snap = fix_new();
	int vm;

	(void)state;
	vm = fix_add_vm(snap, "a", NULL, false);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, UINT64_MAX, 8);
	STACK(snap, vm, 0, SNAP_PLACE_GUEST, NULL, 0, 9);
	snapshot__seal(snap);
	assert_int_equal(decoded(snap)->nr_sample, 1);
}

static void pprof_is_deterministic(void **state)
{
	size_t len_a, len_b;
	char *a = fix_export(&exporter_pprof, fix_small(), &len_a);
	char *b = fix_export(&exporter_pprof, fix_small(), &len_b);

	(void)state;
	assert_int_equal(len_a, len_b);
	assert_memory_equal(a, b, len_a);
	free(a);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pprof_golden),
		cmocka_unit_test(pprof_totals_are_the_snapshots),
		cmocka_unit_test(pprof_of_nothing_is_a_profile),
		cmocka_unit_test(pprof_of_an_event_without_time_shows_samples),
		cmocka_unit_test(pprof_survives_hostile_names),
		cmocka_unit_test(pprof_by_library_has_a_frame_for_each_run),
		cmocka_unit_test(pprof_vms_of_one_image_share_its_locations),
		cmocka_unit_test(pprof_names_in_doubt_are_not_shared),
		cmocka_unit_test(pprof_marks_images_one_by_one),
		cmocka_unit_test(pprof_counts_stop_at_int64),
		cmocka_unit_test(pprof_is_deterministic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
