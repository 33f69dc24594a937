/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "records.h"

#include <unistd.h>

#include "vmm_info.h"

static struct vmm_info info;

static void parse(const char *const *argv, int argc)
{
	assert_int_equal(vmm_info__parse(argv, argc, &info), 0);
}

#define PARSE(...)                                  \
	parse((const char *const[]){ __VA_ARGS__ }, \
	      ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })))

static void same(const char *got, const char *want)
{
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got ? got : "(null)", want);
}

/* Each: VMM, name, image as given, arguments. */
static void want(const char *vmm, const char *name, const char *image, const char *args)
{
	same(info.vmm, vmm);
	same(info.name, name);
	same(info.image_shown, image);
	same(info.args, args);
	assert_null(info.image);
	vmm_info__release(&info);
	assert_null(info.vmm);
}

static void qemu_names(void **state)
{
	(void)state;
	PARSE("/usr/bin/qemu-system-x86_64", "-name", "guest=a,,b,debug-threads=on", "-m", "64");
	want("qemu-system-x86_64", "a,b", NULL, NULL);
	PARSE("qemu-system-x86_64", "-name", "web");
	want("qemu-system-x86_64", "web", NULL, NULL);
	PARSE("qemu-system-x86_64", "-name", "web,process=x");
	want("qemu-system-x86_64", "web", NULL, NULL);
	PARSE("qemu-system-x86_64", "-name", "debug-threads=on,guest=late");
	want("qemu-system-x86_64", "late", NULL, NULL);
	PARSE("qemu-system-x86_64", "-name", "process=p,debug-threads=on", "-kernel", "/k");
	want("qemu-system-x86_64", "k", "/k", NULL);
	PARSE("qemu-system-x86_64", "-name", "guest=", "-kernel", "/k");
	want("qemu-system-x86_64", "k", "/k", NULL);
	PARSE("qemu-system-x86_64", "-name", "", "-kernel", "/k");
	want("qemu-system-x86_64", "k", "/k", NULL);
	PARSE("qemu-system-x86_64", "-name", ",guest=x");
	want("qemu-system-x86_64", "x", NULL, NULL);
	PARSE("qemu-system-x86_64", "-name", "a,,guest=b");
	want("qemu-system-x86_64", "a,guest=b", NULL, NULL);
	PARSE("qemu-system-x86_64", "-name", "guest=,,");
	want("qemu-system-x86_64", ",", NULL, NULL);
	PARSE("qemu-system-x86_64", "-name");
	want("qemu-system-x86_64", "qemu-system-x86_64", NULL, NULL);
	PARSE("kvm", "--name=guest=x");
	want("kvm", "x", NULL, NULL);
}

static void qemu_kernels(void **state)
{
	(void)state;
	PARSE("qemu-system-x86_64", "-kernel", "a/b/app.elf", "-append", "x=1 -- y");
	want("qemu-system-x86_64", "app.elf", "a/b/app.elf", "x=1 -- y");
	PARSE("qemu-system-x86_64", "--kernel=/img", "--append=");
	want("qemu-system-x86_64", "img", "/img", NULL);
	/* The last one counts, as for QEMU itself. */
	PARSE("qemu-system-x86_64", "-kernel", "old", "-kernel", "new");
	want("qemu-system-x86_64", "new", "new", NULL);
	/* What is the value of another option is no option. */
	PARSE("qemu-system-x86_64", "-append", "-kernel", "-kernel", "right", "-m", "1");
	want("qemu-system-x86_64", "right", "right", "-kernel");
	PARSE("qemu-system-x86_64", "-kernel", "right", "-append", "-kernel", "-m", "1");
	want("qemu-system-x86_64", "right", "right", "-kernel");
	PARSE("qemu-system-x86_64", "-kernel-irqchip", "off", "-drive", "name=x");
	want("qemu-system-x86_64", "qemu-system-x86_64", NULL, NULL);
	PARSE("qemu-system-x86_64", "-kernel", "/dir/");
	want("qemu-system-x86_64", "/dir/", "/dir/", NULL);
}

static void other_vmms(void **state)
{
	(void)state;
	PARSE("/opt/firecracker", "--api-sock", "/s", "--id", "uvm-1");
	want("firecracker", "uvm-1", NULL, NULL);
	PARSE("firecracker", "--id=uvm-2", "--no-api");
	want("firecracker", "uvm-2", NULL, NULL);
	PARSE("firecracker");
	want("firecracker", "firecracker", NULL, NULL);
	PARSE("cloud-hypervisor", "--kernel", "/vmlinux", "--cmdline", "console=hvc0", "--cpus",
	      "boot=1");
	want("cloud-hypervisor", "vmlinux", "/vmlinux", "console=hvc0");
	PARSE("lkvm", "run", "-k", "/img", "--name", "n", "--params", "p q");
	want("lkvm", "n", "/img", "p q");
	PARSE("lkvm", "run", "--kernel", "/img2", "-p", "p q");
	want("lkvm", "img2", "/img2", "p q");
	PARSE("/usr/local/bin/myvmm", "-kernel", "/x", "--name", "y");
	want("myvmm", "myvmm", NULL, NULL);
}

static void solo5_takes_options_then_the_image(void **state)
{
	(void)state;
	PARSE("solo5-hvt", "hello.hvt", "--name=x", "arg");
	want("solo5-hvt", "hello.hvt", "hello.hvt", "--name=x arg");
	PARSE("/usr/bin/solo5-hvt", "--mem=64", "--net:service=tap0", "--block:s=/x", "--",
	      "d/web.hvt");
	want("solo5-hvt", "web.hvt", "d/web.hvt", NULL);
	PARSE("solo5-hvt", "--mem=64", "web.hvt", "--", "a");
	want("solo5-hvt", "web.hvt", "web.hvt", "a");
	PARSE("solo5-hvt", "--");
	want("solo5-hvt", "solo5-hvt", NULL, NULL);
	PARSE("solo5-hvt");
	want("solo5-hvt", "solo5-hvt", NULL, NULL);
}

static void a_process_without_arguments_has_a_name(void **state)
{
	(void)state;
	parse(NULL, 0);
	same(info.vmm, "");
	assert_non_null(info.name);
	vmm_info__release(&info);
	vmm_info__release(&info);
	PARSE("");
	vmm_info__release(&info);
	PARSE("qemu-system-x86_64", "-", "--", "");
	want("qemu-system-x86_64", "qemu-system-x86_64", NULL, NULL);
}

/* This program is no VMM that is known; none of its arguments is an ELF file. */
static void a_running_process_is_read(void **state)
{
	(void)state;
	assert_int_equal(vmm_info__read(getpid(), &info), 0);
	assert_string_equal(info.vmm, "test_vmm_info");
	assert_null(info.image);
	vmm_info__release(&info);
	assert_int_equal(vmm_info__read(0x3ffffff, &info), -3 /* ESRCH */);
}

static void a_twin_must_be_an_elf_file(void **state)
{
	char *twin;

	(void)state;
	assert_null(vmm_info__symbol_twin("/nonexistent"));
	twin = vmm_info__symbol_twin("");
	assert_null(twin);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(qemu_names),
		cmocka_unit_test(qemu_kernels),
		cmocka_unit_test(other_vmms),
		cmocka_unit_test(solo5_takes_options_then_the_image),
		cmocka_unit_test(a_process_without_arguments_has_a_name),
		cmocka_unit_test(a_running_process_is_read),
		cmocka_unit_test(a_twin_must_be_an_elf_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
