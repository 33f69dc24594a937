/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The smallest guest that proves a lab: it leaves the guest a counted number of times.
 *
 * usage: hello-kvm OUTS HALTS
 *
 * Runs OUTS port writes, HALTS halts and one last port write, in real mode, and exits with 0
 * when user space saw exactly these. There is no in-kernel interrupt controller, so each halt
 * comes out as an exit instead of putting the vCPU to sleep. RFLAGS.IF is set: an emulated VMX
 * that only looks for interrupts when the guest takes them would never end a longer run.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define CODE_GPA  0x1000
#define PORT_STEP 0x10
#define PORT_END  0x11
#define FLAGS_IF  0x202

/* ioctl that ends the program with its own name when it fails. */
#define must(fd, what, arg)                      \
	({                                       \
		int ret_ = ioctl(fd, what, arg); \
		if (ret_ < 0)                    \
			err(2, #what);           \
		ret_;                            \
	})

int main(int argc, char **argv)
{
	if (argc != 3)
		errx(2, "usage: hello-kvm OUTS HALTS (1 to 65535 each)");
	unsigned outs = strtoul(argv[1], NULL, 10), halts = strtoul(argv[2], NULL, 10);
	const unsigned char code[] = {
		0xb9, outs & 0xff,  outs >> 8,  /*    mov $outs, %cx  */
		0xe6, PORT_STEP,                /* 1: out %al, $0x10  */
		0xe2, 0xfc,                     /*    loop 1b         */
		0xb9, halts & 0xff, halts >> 8, /*    mov $halts, %cx */
		0xf4,                           /* 2: hlt             */
		0xe2, 0xfd,                     /*    loop 2b         */
		0xe6, PORT_END,                 /*    out %al, $0x11  */
		0xf4,                           /*    hlt             */
	};

	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		err(2, "/dev/kvm");
	int vm = must(kvm, KVM_CREATE_VM, 0);
	must(vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);

	unsigned char *ram =
		mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ram == MAP_FAILED)
		err(2, "mmap");
	memcpy(ram + CODE_GPA, code, sizeof(code));
	struct kvm_userspace_memory_region slot = {
		.memory_size = 0x10000,
		.userspace_addr = (unsigned long)ram,
	};
	must(vm, KVM_SET_USER_MEMORY_REGION, &slot);

	int vcpu = must(vm, KVM_CREATE_VCPU, 0);
	struct kvm_run *run = mmap(NULL, must(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
				   PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(2, "mmap vcpu");
	struct kvm_sregs sregs;
	must(vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	must(vcpu, KVM_SET_SREGS, &sregs);
	struct kvm_regs regs = { .rip = CODE_GPA, .rflags = FLAGS_IF };
	must(vcpu, KVM_SET_REGS, &regs);

	unsigned saw_outs = 0, saw_halts = 0;
	for (;;) {
		must(vcpu, KVM_RUN, 0);
		if (run->exit_reason == KVM_EXIT_HLT)
			saw_halts++;
		else if (run->exit_reason == KVM_EXIT_IO && run->io.port == PORT_STEP)
			saw_outs++;
		else if (run->exit_reason == KVM_EXIT_IO && run->io.port == PORT_END)
			break;
		else
			errx(1, "unexpected exit to user space: %u", run->exit_reason);
	}
	printf("hello-kvm: %u outs, %u halts\n", saw_outs, saw_halts);
	return !(saw_outs == outs && saw_halts == halts);
}
