# SPDX-License-Identifier: GPL-2.0-or-later
#
# The amd lab: QEMU's software emulation of SVM with nested paging. Sourced by run.
#
# The machine's own / is the lab's root file system, read-only over 9p under an overlay in memory:
# nothing is packed or installed, whatever CMD needs is where it always is. A second 9p share
# carries the job in and status and results out. Root in the lab reads files as the user who
# started it.
# shellcheck shell=bash disable=SC2154

lab_boot_limit=180

lab_modules="virtio_pci virtio_console 9pnet_virtio 9p overlay kvm-amd"
lab_init=init-amd

lab_prepare()
{
	need qemu-system-x86_64 qemu-system-x86
	need_initramfs
	kdir=$("$lab_src/fetch-kernel" "$kernel")
	release=$(cat "$kdir/release")
	initramfs=$lab_build/amd-$release-$(initramfs_key).cpio
	cached "$initramfs" make_initramfs

	cat >"$work/job" <<-EOF
		export PATH=$(quote "$PATH") LAB_OUT=/lab/out LAB_CPU=amd LAB_KERNEL=$kernel
		export HOME=/root LANG=C.UTF-8 TERM=dumb
		cd $(quote "$PWD") || exit 125
		exec $(quote "$@")
	EOF
	# Debian's own modules and configuration where tools look for them.
	cat >"$work/links" <<-EOF
		mkdir -p /lib/modules /boot
		[ -e '/lib/modules/$release' ] || ln -s $(quote "$kdir/lib/modules/$release") /lib/modules/
		[ ! -e $(quote "$kdir/config") ] || ln -sf $(quote "$kdir/config") '/boot/config-$release'
	EOF
}

lab_boot()
{
	cp "$work/job" "$work/links" "$lab_src/init-amd2" "$work/share/"
	# One thread: with one per processor, QEMU 7.2 crashes 6.12 while it patches its code and loses
	# interrupts of 6.1, which then waits for the other processor for ever. The price: processors
	# take turns of 0.1 s, so whatever waits for a busy one is slow.
	start "$1" qemu-system-x86_64 ${icount:+-icount "shift=$icount,sleep=off"} \
		-nodefaults -no-user-config -display none -no-reboot \
		-machine pc -accel "tcg,thread=single" -cpu max -smp "$smp" -m "$mem" \
		-kernel "$kdir/vmlinux" -initrd "$initramfs" -append "$(amd_arguments | tr '\n' ' ')$append" \
		-chardev "file,id=console,path=$work/console" -serial chardev:console \
		-device virtio-serial-pci,max_ports=2 \
		-chardev "file,id=tty,path=$work/tty" -device virtserialport,chardev=tty,nr=1 \
		-fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap \
		-device virtio-9p-pci,fsdev=root,mount_tag=root \
		-fsdev "local,id=lab,path=$work/share,security_model=none" \
		-device virtio-9p-pci,fsdev=lab,mount_tag=lab
}

amd_arguments()
{
	# A crash ends the lab instead of hanging it.
	echo console=ttyS0 loglevel=4 oops=panic panic=-1
	# What an emulator makes slow or uncertain.
	echo mitigations=off no_timer_check tsc=reliable random.trust_cpu=on nowatchdog
}

lab_booted()
{
	[ -e "$work/share/started" ]
}

lab_collect()
{
	:
}
