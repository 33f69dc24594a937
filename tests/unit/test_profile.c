/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "records.h"

#include "profile.h"

static void add(struct profile *p, uint32_t vm, uint32_t vcpu, uint8_t place, uint8_t stop,
		uint16_t nr, uint64_t first)
{
	union any_record rec;

	make_sample(&rec, vm, vcpu, place, stop, nr, first);
	assert_int_equal(profile__add(p, &rec.sample), 0);
}

static struct profile *new_profile(size_t max)
{
	struct profile *p = NULL;

	assert_int_equal(profile__new(&p, max), 0);
	return p;
}

static void totals(const struct profile *p, uint64_t *count, uint64_t *weight, uint64_t *without_frames)
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
	assert_int_equal(st.vm, 1);
	assert_int_equal(st.vcpu, 2);
	assert_int_equal(st.place, 1);
	assert_int_equal(st.stop, 3);
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
		add(p, 0, 0, 0, 0, 0, 0); /* the first one has no frames: nothing is allocated for them */
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
			assert_int_equal(st.frames[st.nr_frames - 1], st.frames[0] + st.nr_frames - 1);
			assert_int_equal(st.frames[0] / 1000 % 3, st.vm);
			assert_int_equal(st.frames[0] / 1000 % 128, st.nr_frames);
		}
	}
	assert_int_equal(k, 2 * nr);
	assert_int_equal(profile__nr_overflow(p), 0);
	profile__free(p);
}

/* The hash is no secret, so a guest can choose stacks of the same hash: they must stay apart. */
static void stacks_of_one_hash_are_not_merged(void **state)
{
	const uint64_t factor = 0x9e3779b97f4a7c15ull;
	struct profile *p = new_profile(100);
	uint64_t inverse = 1, h, frames[2], want;
	union any_record rec;
	int i;

	(void)state;
	for (i = 0; i < 6; i++)
		inverse *= 2 - factor * inverse;
	assert_int_equal(inverse * factor, 1);
	/*
	 * Each step is h = f(h ^ frame) with a one-to-one f: for any first frame there is a second one that
	 * leads to the wanted hash. The state before the frames is found by running the steps.
	 */
	h = 0; /* vm 0, vcpu 0 */
	h *= factor;
	h ^= h >> 29;
	h ^= 2; /* place 0, stop 0, two frames */
	h *= factor;
	h ^= h >> 29;
	want = 0;
	for (i = 0; i < 50; i++) {
		uint64_t after;

		make_sample(&rec, 0, 0, 0, 0, 2, 0);
		frames[0] = 0x1000 + i;
		after = (h ^ frames[0]) * factor;
		after ^= after >> 29;
		if (!i)
			want = after ^ 0x2000;
		frames[1] = after ^ want;
		memcpy((char *)&rec + sizeof(rec.sample), frames, sizeof(frames));
		assert_int_equal(profile__add(p, &rec.sample), 0);
	}
	assert_int_equal(profile__nr(p), 50);
	profile__free(p);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_samples_are_one_stack),
		cmocka_unit_test(samples_that_differ_in_anything_are_apart),
		cmocka_unit_test(a_profile_grows),
		cmocka_unit_test(stacks_of_one_hash_are_not_merged),
		cmocka_unit_test(a_full_profile_keeps_its_totals),
		cmocka_unit_test(a_profile_of_no_stacks_counts),
		cmocka_unit_test(long_stacks_meet_a_limit_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
