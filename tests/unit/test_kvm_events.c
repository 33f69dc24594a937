/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "records.h"

#include "kvm_events.h"

#define MSG(text) text, sizeof(text)

static void created_and_lost_vms_are_counted(void **state)
{
	struct kvm_events *e = NULL;

	(void)state;
	if (kvm_events__new(&e))
		skip(); /* no such sockets here */
	assert_int_equal(kvm_events__nr_created(e), 0);
	assert_true(kvm_events__parse(e, MSG("change@/devices/virtual/misc/kvm\0CREATED=17\0COUNT=3\0EVENT=create\0PID=9")));
	assert_int_equal(kvm_events__nr_created(e), 1);
	assert_true(kvm_events__parse(e, MSG("change@/devices/virtual/misc/kvm\0CREATED=17\0COUNT=2\0EVENT=destroy\0PID=9")));
	assert_int_equal(kvm_events__nr_created(e), 1);
	/* Two were created in between, and nobody told. */
	assert_true(kvm_events__parse(e, MSG("change@/devices/virtual/misc/kvm\0CREATED=20\0COUNT=5\0EVENT=create")));
	assert_int_equal(kvm_events__nr_created(e), 4);
	kvm_events__free(e);
	kvm_events__free(NULL);
}

static void other_messages_are_not_ours(void **state)
{
	static const char cut[] = "change@/devices/virtual/misc/kvm\0CREATED=17";
	struct kvm_events *e = NULL;

	(void)state;
	if (kvm_events__new(&e))
		skip();
	assert_false(kvm_events__parse(e, MSG("add@/devices/virtual/net/tap0\0CREATED=17\0EVENT=create")));
	assert_false(kvm_events__parse(e, MSG("change@/devices/virtual/misc/notkvm\0CREATED=17")));
	assert_false(kvm_events__parse(e, MSG("change@/devices/virtual/misc/kvm\0EVENT=create")));
	assert_false(kvm_events__parse(e, MSG("")));
	assert_false(kvm_events__parse(e, "", 0));
	assert_false(kvm_events__parse(e, cut, sizeof(cut) - 1));
	assert_int_equal(kvm_events__nr_created(e), 0);
	kvm_events__free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(created_and_lost_vms_are_counted),
		cmocka_unit_test(other_messages_are_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
