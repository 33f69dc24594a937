/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <unistd.h>

#include "kernel_types.h"

/* What was put together is one file to libbpf, with the types of both. */
static void a_module_is_added_to_the_kernel(void **state)
{
	static const char *const modules[][2] = { { "kvm_amd", "vcpu_svm" }, { "kvm_intel", "vcpu_vmx" }, { "kvm", "kvm_vcpu" } };
	struct btf *alone, *both, *module;
	char path[64];
	int fd, nr = 0;
	size_t i;

	(void)state;
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		skip();
	fd = kernel_types__open();
	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	both = btf__parse(path, NULL);
	assert_int_equal(libbpf_get_error(both), 0);
	alone = btf__parse("/sys/kernel/btf/vmlinux", NULL);
	assert_int_equal(libbpf_get_error(alone), 0);
	assert_true(btf__find_by_name_kind(both, "task_struct", BTF_KIND_STRUCT) > 0);
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/btf/%s", modules[i][0]);
		if (access(path, R_OK))
			continue;
		module = btf__parse_split(path, alone);
		assert_int_equal(libbpf_get_error(module), 0);
		nr = btf__type_cnt(module) - btf__type_cnt(alone);
		btf__free(module);
		assert_true(btf__find_by_name_kind(both, modules[i][1], BTF_KIND_STRUCT) > 0);
		break;
	}
	assert_int_equal(btf__type_cnt(both), btf__type_cnt(alone) + nr);
	btf__free(alone);
	btf__free(both);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_module_is_added_to_the_kernel) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
