/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "records.h"

#include <sys/random.h>

/* The key of the hash, which a test may choose. Its source is part of this program for that alone. */
static uint64_t chosen_key;

static ssize_t choose_key(void *buf, size_t len, unsigned int flags)
{
	if (!chosen_key)
		return getrandom(buf, len, flags);
	memcpy(buf, &chosen_key, len);
	return len;
}

#define getrandom choose_key
#include "../../user/profile.c"
#undef getrandom

static int add_sample(struct profile *p, const struct ukp_sample *s)
{
	struct profile_key key = { .vm = s->hdr.vm, .vcpu = s->hdr.vcpu, .place = s->place, .stop = s->stop };

	return profile__add(p, &key, (const uint64_t *)s->frames, s->nr_frames, 1, s->period);
}

static void add(struct profile *p, uint32_t vm, uint32_t vcpu, uint8_t place, uint8_t stop,
		uint16_t nr, uint64_t first)
{
	union any_record rec;

	make_sample(&rec, vm, vcpu, place, stop, nr, first);
	assert_int_equal(add_sample(p, &rec.sample), 0);
}

static struct profile *new_profile(size_t max)
{
	struct profile *p = NULL;

	assert_int_equal(profile__new(&p, max), 0);
	return p;
}

static void totals(const struct profile *p, uint64_t *count, uint64_t *weight,
		   uint64_t *without_frames)
{
	struct profile_stack st;
	size_t i;

	*count = *weight = *without_frames = 0;
	for (i = 0; i < profile__nr(p); i++) {
		profile__stack(p, i, &st);
		*count += st.count;
		*weight += st.weight;
		if (!st.nr_frames)
			*without_frames += st.count;
	}
}

/* Addresses that are divided otherwise are another stack; what is over the limit has no frames of any kind. */
static void host_frames_are_part_of_a_stack(void **state)
{
	struct profile_key key = { .vm = 1, .place = UKP_PLACE_KVM, .nr_kernel = 2, .nr_vmm = 1 };
	static const uint64_t frames[] = { 1, 2, 3, 4, 5 };
	struct profile *p = new_profile(3);
	struct profile_stack st;

	(void)state;
	assert_int_equal(profile__add(p, &key, frames, 5, 1, 10), 0);
	assert_int_equal(profile__add(p, &key, frames, 5, 1, 10), 0);
	profile__stack(p, 0, &st);
	assert_int_equal(st.count, 2);
	assert_int_equal(st.nr_frames, 2);
	assert_int_equal(st.frames[0], 4);
	assert_int_equal(st.host[0], 1);
	key.nr_kernel = 1;
	assert_int_equal(profile__add(p, &key, frames, 5, 1, 10), 0);
	key.reason = 0x7b;
	assert_int_equal(profile__add(p, &key, frames, 5, 1, 10), 0);
	assert_int_equal(profile__nr(p), 3);
	key.reason = 0x7c;
	assert_int_equal(profile__add(p, &key, frames, 5, 1, 10), 0);
	key.nr_vmm = 2;
	assert_int_equal(profile__add(p, &key, frames, 5, 1, 10), 0);
	assert_int_equal(profile__nr_overflow(p), 2);
	assert_int_equal(profile__nr(p), 4);
	profile__stack(p, 3, &st);
	assert_int_equal(st.count, 2);
	assert_int_equal(st.nr_frames + st.key.nr_kernel + st.key.nr_vmm, 0);
	assert_int_equal(st.key.reason, 0x7c);
	profile__free(p);
}

static void equal_samples_are_one_stack(void **state)
{
	struct profile *p = new_profile(100);
	struct profile_stack st;
	int i;

	(void)state;
	for (i = 0; i < 5; i++)
		add(p, 1, 2, 1, 3, 4, 0xffffffff80000000);
	assert_int_equal(profile__nr(p), 1);
	profile__stack(p, 0, &st);
	assert_int_equal(st.key.vm, 1);
	assert_int_equal(st.key.vcpu, 2);
	assert_int_equal(st.key.place, 1);
	assert_int_equal(st.key.stop, 3);
	assert_int_equal(st.nr_frames, 4);
	assert_int_equal(st.count, 5);
	assert_int_equal(st.weight, 5000);
	for (i = 0; i < 4; i++)
		assert_int_equal(st.frames[i], 0xffffffff80000000 + i);
	assert_int_equal(profile__nr_overflow(p), 0);
	profile__free(p);
	profile__free(NULL);
}

static void samples_that_differ_in_anything_are_apart(void **state)
{
	struct profile *p = new_profile(100);
	int round;

	(void)state;
	for (round = 0; round < 2; round++) {
		add(p, 0, 0, 0, 0, 0,
		    0); /* the first one has no frames: nothing is allocated for them */
		add(p, 1, 0, 0, 0, 0, 0);
		add(p, 0, 1, 0, 0, 0, 0);
		add(p, 0, 0, 1, 0, 0, 0);
		add(p, 0, 0, 0, 1, 0, 0);
		add(p, 0, 0, 0, 0, 1, 0); /* a frame at address 0 is not the same as none */
		add(p, 0, 0, 0, 0, 2, 0);
		add(p, 0, 0, 0, 0, 1, 1);
		add(p, 0, 0, 0, 0, 2, 1);
		assert_int_equal(profile__nr(p), 9);
	}
	profile__free(p);
}

/*
 * A pointer to nothing is NULL, not a place in an array, for there may be none: 0 added to NULL is undefined, which
 * sanitizers of some compilers end a program for.
 */
static void a_stack_without_frames_points_nowhere(void **state)
{
	struct profile *p = new_profile(100);
	struct profile_stack st;
	int round;

	(void)state;
	add(p, 1, 0, 0, 0, 0, 0);
	for (round = 0; round < 2; round++) {
		profile__stack(p, 0, &st);
		assert_int_equal(st.nr_frames, 0);
		assert_null(st.frames);
		assert_null(st.host);
		add(p, 1, 0, 0, 0, 3, 0x1000); /* now there is an array */
	}
	profile__stack(p, 1, &st);
	assert_int_equal(st.nr_frames, 3);
	assert_non_null(st.frames);
	profile__free(p);
}

static void a_profile_grows(void **state)
{
	struct profile *p = new_profile(1 << 20);
	struct profile_stack st;
	size_t i, k, nr = 50000;

	(void)state;
	for (i = 0; i < nr; i++)
		add(p, i % 3, i % 5, i % 3, i % 12, i % (UKP_MAX_FRAMES + 1), 1000 * i);
	/* Stacks without frames are the same ones for all addresses. */
	for (i = 0; i < nr; i++)
		add(p, i % 3, i % 5, i % 3, i % 12, i % (UKP_MAX_FRAMES + 1), 1000 * i);
	for (i = 0, k = 0; i < profile__nr(p); i++) {
		profile__stack(p, i, &st);
		k += st.count;
		if (st.nr_frames) {
			assert_int_equal(st.count, 2);
			assert_int_equal(st.frames[st.nr_frames - 1],
					 st.frames[0] + st.nr_frames - 1);
			assert_int_equal(st.frames[0] / 1000 % 3, st.key.vm);
			assert_int_equal(st.frames[0] / 1000 % 128, st.nr_frames);
		}
	}
	assert_int_equal(k, 2 * nr);
	assert_int_equal(profile__nr_overflow(p), 0);
	profile__free(p);
}

/* With the key 1 the hash is no more than the frames' exclusive or: all orders of them collide. */
static void stacks_of_one_hash_are_not_merged(void **state)
{
	struct profile *p;
	union any_record rec;
	uint64_t frames[2];
	int i;

	(void)state;
	chosen_key = 1;
	p = new_profile(100);
	for (i = 0; i < 50; i++) {
		make_sample(&rec, 0, 0, 0, 0, 2, 0);
		frames[0] = 0x1000 + i;
		frames[1] = frames[0] ^ 0x2000;
		memcpy((char *)&rec + sizeof(rec.sample), frames, sizeof(frames));
		assert_int_equal(add_sample(p, &rec.sample), 0);
		assert_int_equal(p->nodes[i].hash, p->nodes[0].hash);
	}
	assert_int_equal(profile__nr(p), 50);
	profile__free(p);
	chosen_key = 0;
}

/* Stacks that collide in one profile do not in another: there is nothing that a guest could compute. */
static void a_guest_cannot_choose_hashes(void **state)
{
	struct profile *a = new_profile(100), *b = new_profile(100);

	(void)state;
	add(a, 0, 0, 0, 0, 5, 0x1000);
	add(b, 0, 0, 0, 0, 5, 0x1000);
	assert_true(a->nodes[0].hash != b->nodes[0].hash);
	profile__free(a);
	profile__free(b);
}

static void a_full_profile_keeps_its_totals(void **state)
{
	struct profile *p = new_profile(10);
	uint64_t count, weight, without;
	int i;

	(void)state;
	for (i = 0; i < 1000; i++)
		add(p, 0, 0, 0, 0, 3, 100 * i);
	/* Known stacks are still counted as themselves. */
	for (i = 0; i < 10; i++)
		add(p, 0, 0, 0, 0, 3, 100 * i);
	totals(p, &count, &weight, &without);
	assert_int_equal(count, 1010);
	assert_int_equal(weight, 1010 * 1000);
	assert_int_equal(without, 990);
	assert_int_equal(profile__nr_overflow(p), 990);
	assert_int_equal(profile__nr(p), 11);
	/* By VM, place and stop reason they are still told apart. */
	add(p, 1, 0, 0, 0, 3, 0);
	add(p, 0, 0, 1, 0, 3, 0);
	assert_int_equal(profile__nr(p), 13);
	assert_int_equal(profile__nr_overflow(p), 992);
	profile__free(p);
}

static void a_profile_of_no_stacks_counts(void **state)
{
	struct profile *p = new_profile(0);
	uint64_t count, weight, without;
	int i;

	(void)state;
	for (i = 0; i < 10; i++)
		add(p, 0, 0, 0, 0, i, 0);
	totals(p, &count, &weight, &without);
	assert_int_equal(count, 10);
	assert_int_equal(without, 10);
	assert_int_equal(profile__nr(p), 1);
	profile__free(p);
}

/* Fewer stacks than the limit, all of them as long as can be: memory follows the frames. */
static void long_stacks_meet_a_limit_too(void **state)
{
	struct profile *p = new_profile(1000);
	uint64_t count, weight, without;
	struct profile_stack st;
	size_t frames = 0, i;

	(void)state;
	for (i = 0; i < 1000; i++)
		add(p, 0, 0, 0, 0, UKP_MAX_FRAMES, 1000 * i);
	for (i = 0; i < profile__nr(p); i++) {
		profile__stack(p, i, &st);
		frames += st.nr_frames;
	}
	assert_true(frames <= 24 * 1000);
	assert_true(frames > 23 * 1000);
	totals(p, &count, &weight, &without);
	assert_int_equal(count, 1000);
	assert_int_equal(profile__nr_overflow(p), without);
	profile__free(p);
}

static uint64_t sum_since(const struct profile *p, const struct profile_mark *m, uint32_t vm)
{
	struct profile_stack st;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < profile__nr(p); i++) {
		profile__since(p, m, i, &st);
		if (st.key.vm == vm) {
			sum += st.count;
			assert_int_equal(st.weight, st.count * 1000);
			if (st.nr_frames)
				assert_int_equal(st.frames[0] / 1000 % 3, vm);
		}
	}
	return sum;
}

/* Whatever is forgotten in between, a difference is what came since the mark; ids may be used again. */
static void marks_survive_forgetting(void **state)
{
	struct profile_mark *marks[8];
	struct profile *p = new_profile(5000);
	uint64_t since[8][3] = { 0 }, seed = 7;
	uint32_t vm;
	size_t i, k, round;

	(void)state;
	for (i = 0; i < 8; i++)
		assert_int_equal(profile__mark(p, &marks[i]), 0);
	for (round = 0; round < 400; round++) {
		for (i = 0; i < 40; i++) {
			seed = seed * 6364136223846793005 + 1;
			vm = (seed >> 33) % 3;
			add(p, vm, 0, 0, 0, 1 + (seed >> 40) % 5, ((seed >> 45) % 300 * 3 + vm) * 1000);
			for (k = 0; k < 8; k++)
				since[k][vm]++;
		}
		vm = round % 3;
		if (round % 7 == 3) {
			profile__forget(p, vm);
			for (k = 0; k < 8; k++)
				since[k][vm] = 0;
		}
		k = round % 8;
		if (round % 2) {
			assert_int_equal(profile__move_mark(p, marks[k]), 0);
		} else {
			profile__unmark(p, marks[k]);
			assert_int_equal(profile__mark(p, &marks[k]), 0);
		}
		memset(since[k], 0, sizeof(since[k]));
		for (k = 0; k < 8; k++)
			for (vm = 0; vm < 3; vm++)
				assert_int_equal(sum_since(p, marks[k], vm), since[k][vm]);
	}
	for (k = 0; k < 8; k++)
		profile__unmark(p, marks[k]);
	profile__unmark(p, NULL);
	profile__free(p);
}

/* What is still seen, or new since a mark, stays; room comes back for stacks to come. */
static void age_drops_what_is_quiet(void **state)
{
	struct profile *p = new_profile(100);
	struct profile_mark *m = NULL;
	size_t i, round;

	(void)state;
	for (i = 0; i < 60; i++)
		add(p, 0, 0, 0, 0, 1, 3000 * i);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 10; i++)
			add(p, 0, 0, 0, 0, 1, 3000 * i);
		assert_int_equal(profile__age(p), 0);
	}
	assert_int_equal(profile__mark(p, &m), 0);
	add(p, 0, 0, 0, 0, 1, 3000 * 59);
	for (i = 0; i < 10; i++)
		add(p, 0, 0, 0, 0, 1, 3000 * i);
	assert_int_equal(profile__age(p), 49);
	assert_int_equal(profile__nr(p), 11);
	assert_int_equal(sum_since(p, m, 0), 11);
	/* Below half nothing is dropped. */
	for (round = 0; round < 4; round++)
		assert_int_equal(profile__age(p), 0);
	profile__unmark(p, m);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_frames_are_part_of_a_stack),
		cmocka_unit_test(equal_samples_are_one_stack),
		cmocka_unit_test(samples_that_differ_in_anything_are_apart),
		cmocka_unit_test(a_stack_without_frames_points_nowhere),
		cmocka_unit_test(a_profile_grows),
		cmocka_unit_test(stacks_of_one_hash_are_not_merged),
		cmocka_unit_test(a_guest_cannot_choose_hashes),
		cmocka_unit_test(a_full_profile_keeps_its_totals),
		cmocka_unit_test(a_profile_of_no_stacks_counts),
		cmocka_unit_test(long_stacks_meet_a_limit_too),
		cmocka_unit_test(marks_survive_forgetting),
		cmocka_unit_test(age_drops_what_is_quiet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
