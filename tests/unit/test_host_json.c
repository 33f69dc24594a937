/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Service discovery and the list of VMs. tests/interop reads both with a JSON reader that is not ours. */
#include "check_json.h"
#include "export_fixture.h"
#include "host_fixture.h"

#include "sd.h"
#include "vm_label.h"
#include "vms_json.h"

/* The bytes of a memory sink, which it closes; free() them. */
static char *take(struct sink *sink, size_t *len)
{
	const void *data = sink__data(sink, len);
	char *copy = malloc(*len + 1);

	assert_non_null(copy);
	memcpy(copy, data, *len);
	copy[*len] = '\0';
	assert_int_equal(sink__close(sink), 0);
	return copy;
}

static char *sd_of(const struct host_stats *hs, const char *address, size_t *len)
{
	struct sink *sink = NULL;

	assert_int_equal(sink__memory(&sink), 0);
	assert_int_equal(sd__write(hs, address, sink), 0);
	return take(sink, len);
}

static char *vms_of(const struct host_stats *hs, const struct host_stats *earlier, uint64_t now,
		    size_t *len)
{
	struct sink *sink = NULL;

	assert_int_equal(sink__memory(&sink), 0);
	assert_int_equal(vms_json__write(hs, earlier, now, sink), 0);
	return take(sink, len);
}

#define assert_contains(text, piece)                              \
	do {                                                      \
		if (!strstr((text), (piece)))                     \
			fail_msg("no %s in %s", (piece), (text)); \
	} while (0)

/* --- service discovery --- */

static void lists_one_target_per_running_vm(void **state)
{
	struct host_stats *hs = fix_host_small();
	size_t len;
	char *page;

	(void)state;
	fix_host_add_vm(hs, "gone")->up = false;
	page = sd_of(hs, "h1.example:21835", &len);
	fix_assert_golden("small.sd.json", page, len);
	free(page);
	host_stats__put(hs);
}

/* Prometheus takes an error for "keep the old list", so no VM has to be an empty list. */
static void an_empty_host_has_an_empty_list(void **state)
{
	struct host_stats *hs = fix_host_new();
	size_t len;
	char *page = sd_of(hs, "h", &len);

	(void)state;
	assert_string_equal(page, "[\n]\n");
	free(page);
	host_stats__put(hs);
}

static void instances_are_host_and_vm(void **state)
{
	static const struct {
		const char *address, *instance;
	} cases[] = {
		{ "127.0.0.1:21835", "\"instance\":\"127.0.0.1/web0\"" },
		{ "h1", "\"instance\":\"h1/web0\"" },
		{ "[::1]:21835", "\"instance\":\"[::1]/web0\"" },
		{ "[::1]", "\"instance\":\"[::1]/web0\"" },
	};
	struct host_stats *hs = fix_host_small();
	size_t len, i;
	char *page;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		page = sd_of(hs, cases[i].address, &len);
		assert_contains(page, cases[i].instance);
		free(page);
	}
	host_stats__put(hs);
}

/* The header Host comes from whoever asks, and goes into the list. */
static void addresses_are_checked(void **state)
{
	static const char *const good[] = { "h",
					    "h:1",
					    "127.0.0.1:21835",
					    "a-b_c.example:65535",
					    "[::1]",
					    "[2001:db8::1]:80",
					    "[::ffff:10.0.0.1]:80" };
	static const char *const bad[] = { "",      ":80",     "h:",       "h:80x",   "h:123456",
					   "h/x",   "a b",     "\"",       "h\n:80",  "[::1",
					   "[]:80", "[::1]80", "[g::]:80", "h:80:80", "<h>",
					   "h%41",  "user@h",  "\xc3\xa9" };
	char long_name[400];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(good); i++)
		if (!sd__is_address(good[i]))
			fail_msg("%s", good[i]);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (sd__is_address(bad[i]))
			fail_msg("%s", bad[i]);
	assert_false(sd__is_address(NULL));
	memset(long_name, 'a', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	assert_false(sd__is_address(long_name));
}

/* --- the list of VMs --- */

static void shows_counts_without_an_earlier_snapshot(void **state)
{
	struct host_stats *hs = fix_host_small();
	size_t len;
	char *page = vms_of(hs, NULL, 1000 * FIX_SEC + FIX_SEC / 2, &len);

	(void)state;
	fix_assert_golden("small.vms.json", page, len);
	assert_contains(page, "\"age_seconds\":0.500000000");
	assert_contains(page, "\"interval_seconds\":null");
	assert_contains(page, "\"rates\":null");
	free(page);
	host_stats__put(hs);
}

/* Two snapshots 2.5 seconds apart. */
static void rates_are_differences_over_the_interval(void **state)
{
	struct host_stats *hs = fix_host_small(), *earlier = fix_host_small();
	struct host_vm *vm = &hs->vms[0];
	size_t len;
	char *page;

	(void)state;
	hs->mono_ns += 2500000000;
	vm->exits[0].count += 25;
	vm->exits[1].count += 5;
	vm->samples[SNAP_PLACE_GUEST] += 10;
	vm->vcpus[0].state_ns[HOST_VCPU_GUEST] += 2000000000;
	vm->vcpus[1].state_ns[HOST_VCPU_GUEST] += 2500000000;
	vm->vcpus[0].state_ns[HOST_VCPU_EXIT] += 500000000;
	fix_host_add_vm(hs, "new");
	page = vms_of(hs, earlier, 0, &len);
	assert_contains(page, "\"interval_seconds\":2.500000000");
	assert_contains(
		page, "\"rates\":{\"exits\":12.000,\"samples\":4.000,\"interrupts_injected\":0.000,"
		      "\"vcpu_seconds\":{\"guest\":1.800,\"exit\":0.200,\"vmm\":0.000,");
	assert_contains(
		page,
		"\"reason\":\"IO_INSTRUCTION\",\"isa\":\"vmx\",\"reason_code\":30,\"idle\":false,"
		"\"count\":1026,\"timed\":1000,\"seconds\":0.003000000,\"user_seconds\":0.002000000,"
		"\"per_second\":10.000");
	/* A VM that is new has none, wherever it stands. */
	assert_contains(strstr(page, "\"vm\":\"new\""), "\"rates\":null");
	free(page);

	/* Found by its id, not by its place. */
	earlier->vms[0].id = 77;
	earlier->vms[1].id = 1;
	page = vms_of(hs, earlier, 0, &len);
	assert_contains(page, "\"rates\":{\"exits\":433.600,\"samples\":44.000,");
	free(page);

	/* The same snapshot twice has no interval. */
	page = vms_of(hs, hs, 0, &len);
	assert_contains(page, "\"interval_seconds\":null");
	free(page);
	host_stats__put(hs);
	host_stats__put(earlier);
}

static void health_names_what_is_wrong(void **state)
{
	struct host_stats *hs = fix_host_small();
	struct host_vm *vm = &hs->vms[0];
	size_t len;
	char *page;

	(void)state;
	page = vms_of(hs, NULL, 0, &len);
	assert_contains(page, "\"vm\":\"web0\",\"id\":1,\"pid\":4242,\"up\":true,\"health\":[]");
	assert_contains(page, "\"up\":true,\"health\":[\"no_image\"]");
	free(page);
	vm->up = false;
	vm->image = HOST_IMAGE_WRONG;
	vm->nr_unresolved_samples = 21;
	vm->stops[0] = 79, vm->stops[1] = 11, vm->stops[2] = 10;
	page = vms_of(hs, NULL, 0, &len);
	assert_contains(
		page,
		"\"up\":false,\"health\":[\"gone\",\"wrong_image\",\"unresolved\",\"incomplete\"]");
	free(page);
	vm->image = HOST_IMAGE_UNVERIFIED;
	vm->nr_unresolved_samples = 20;
	vm->stops[0] = 80, vm->stops[1] = 10;
	page = vms_of(hs, NULL, 0, &len);
	assert_contains(page, "\"up\":false,\"health\":[\"gone\",\"unverified_image\"]");
	free(page);
	host_stats__put(hs);
}

/* --- hostile names --- */

static void hostile_names_cannot_break_the_json(void **state)
{
	struct host_stats *hs = fix_host_hostile();
	char *pages[2];
	size_t len, i;

	(void)state;
	pages[0] = sd_of(hs, "h:1", &len);
	pages[1] = vms_of(hs, hs, 0, &len);
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		assert_json(pages[i]);
		assert_null(strstr(pages[i], "<script"));
		free(pages[i]);
	}
	host_stats__put(hs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_one_target_per_running_vm),
		cmocka_unit_test(an_empty_host_has_an_empty_list),
		cmocka_unit_test(instances_are_host_and_vm),
		cmocka_unit_test(addresses_are_checked),
		cmocka_unit_test(shows_counts_without_an_earlier_snapshot),
		cmocka_unit_test(rates_are_differences_over_the_interval),
		cmocka_unit_test(health_names_what_is_wrong),
		cmocka_unit_test(hostile_names_cannot_break_the_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
