# SPDX-License-Identifier: GPL-2.0-or-later
#
# The intel lab: Bochs' software emulation of VMX with EPT. Sourced by run.
#
# Bochs has neither virtio nor 9p, so what CMD needs is packed: a first ATA disk carries a tar
# archive in, a second one carries status and results out. The boot CD holds only kernel, busybox
# and modules, and is made once per kernel. CMD's output comes live through the second serial
# port, the kernel's through the first.
# shellcheck shell=bash disable=SC2154

lab_boot_limit=600

# Loaded in this order, each after what it depends on.
lab_modules="ata_piix sd_mod kvm-intel"
lab_init=init-intel
# Checking their signatures takes 8 s here. Nobody asks for it, unless the kernel is locked down.
case $append in *lockdown*) ;; *) lab_unsigned=1 ;; esac

# Disks of whole cylinders (16 heads, 63 sectors) need no geometry.
cylinder=$((16 * 63 * 512))

# make_cd FILE: kernel and initramfs behind GRUB.
make_cd()
{
	local tree=$work/cd

	mkdir -p "$tree/boot/grub"
	make_initramfs "$tree/boot/initramfs"
	cp "$kdir/vmlinuz" "$tree/boot/"
	cat >"$tree/boot/grub/grub.cfg" <<-EOF
		linux /boot/vmlinuz $(intel_arguments | tr '\n' ' ')$append
		initrd /boot/initramfs
		boot
	EOF
	grub-mkrescue -d /usr/lib/grub/i386-pc --install-modules='linux normal iso9660 biosdisk' \
		--fonts= --locales= --themes= -o "$1.$$" "$tree" >"$work/grub" 2>&1 || {
		cat "$work/grub" >&2
		die 125 "no boot CD for kernel $release"
	}
	mv "$1.$$" "$1"
	rm -rf "$tree"
}

intel_arguments()
{
	# A crash ends the lab: a triple fault is the one reset that Bochs takes for an end.
	echo console=ttyS0,115200 loglevel=4 oops=panic panic=-1 reboot=t
	# The TSC counts instructions, not the frequency that CPUID claims; the PM timer is true.
	echo tsc=unstable clocksource=acpi_pm lapic=notscdeadline
	# Bochs announces a wrong size for XSAVES. Kernels then do without XSAVE; 7.2 crashes at that.
	echo noxsave
	# What an emulator makes slow.
	echo mitigations=off no_timer_check random.trust_cpu=on nowatchdog cryptomgr.notests
}

# with_links PATH: list PATH and every symbolic link on the way to what it names, so that it is
# found under the same name; the last line is the file itself.
with_links()
{
	local rest=${1#/} at='' part target hops=0

	while [ -n "$rest" ]; do
		part=${rest%%/*}
		case $rest in */*) rest=${rest#*/} ;; *) rest='' ;; esac
		case $part in
		'' | .) continue ;;
		..) at=${at%/*} && continue ;;
		esac
		if [ -L "$at/$part" ] && [ $((hops += 1)) -lt 40 ]; then
			echo "$at/$part"
			target=$(readlink "$at/$part")
			case $target in /*) at='' ;; esac
			rest=${target#/}/$rest
		else
			at=$at/$part
		fi
	done
	echo "${at:-/}"
}

# pack PATH...: into the archive of the job, with the shared libraries of every ELF file and the
# interpreter of every script.
pack()
{
	local path file

	for path; do
		case $path in /*) ;; *) path=$PWD/$path ;; esac
		[ -e "$path" ] || die 2 "--file: $path: no such file or directory"
		with_links "$path" >>"$work/list"
		file=$(tail -n 1 "$work/list")
		if [ -d "$file" ]; then
			find "$file" -xdev >>"$work/list"
			find "$file" -xdev -type f >>"$work/plain"
		else
			echo "$file" >>"$work/plain"
		fi
	done
	LC_ALL=C sort -u "$work/plain" | while read -r file; do
		case $(head -c 4 "$file" 2>/dev/null | tr -d '\0') in
		$'\177ELF') ldd "$file" 2>/dev/null | grep -o '/[^ ]*' || : ;;
		'#!'*) head -n 1 "$file" | sed -n 's/^#! *\(\/[^ \t]*\).*/\1/p' ;;
		esac
	done | LC_ALL=C sort -u >"$work/needs"
	# Libraries are asked for theirs by ldd already; an interpreter is not.
	while read -r path; do
		[ -e "$path" ] || continue
		with_links "$path" >>"$work/list"
		file=$(tail -n 1 "$work/list")
		[[ $path == *.so* ]] || ldd "$file" 2>/dev/null | grep -o '/[^ ]*' || :
	done <"$work/needs" >"$work/more"
	while read -r path; do
		with_links "$path" >>"$work/list"
	done <"$work/more"
	# Without the leading slash, because it is unpacked at the root.
	LC_ALL=C sort -u "$work/list" | sed -n 's|^/||p' | grep . |
		tar -c -f "$work/job.img" -C / --no-recursion -T -
}

lab_prepare()
{
	local program

	[ "$smp" = 1 ] || die 2 "the intel lab has one processor" "leave --smp away"
	need bochs bochs
	need_file /usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_rfb_gui.so bochs
	need_file /usr/share/seabios/bios.bin seabios
	need_file /usr/lib/grub/i386-pc/linux.mod grub-pc-bin
	need grub-mkrescue grub-common
	need xorriso xorriso
	need mformat mtools
	need_initramfs
	program=$(type -P "$1") || die 127 "$1: command not found"

	# The cloud flavour leaves out hardware and is packed with lz4: it starts sooner.
	kdir=$("$lab_src/fetch-kernel" "$kernel" cloud)
	release=$(cat "$kdir/release")
	cd=$lab_build/intel-$release-$(initramfs_key <(echo "$append")).iso
	cached "$cd" make_cd

	cat >"$work/job" <<-EOF
		export PATH=$(quote "$PATH") LAB_OUT=/lab/out LAB_CPU=intel LAB_KERNEL=$kernel
		export HOME=/root LANG=C.UTF-8 TERM=dumb
		mkdir -p $(quote "$PWD")
		cd $(quote "$PWD") || exit 125
		exec $(quote "$program" "${@:2}")
	EOF
	: >"$work/list"
	: >"$work/plain"
	pack "$program" ${files[@]+"${files[@]}"}
	tar -r -f "$work/job.img" -C "$work" --transform='s|^|lab/|' job
	truncate -s "%$cylinder" "$work/job.img"
}

lab_boot()
{
	local alone=()

	rm -f "$work"/*.lock
	truncate -s 0 "$work/out.img"
	truncate -s $((512 * cylinder)) "$work/out.img"
	cat >"$work/bochsrc" <<-EOF
		cpu: model=corei7_skylake_x, count=1, ips=80000000, reset_on_triple_fault=0, ignore_bad_msrs=1
		memory: guest=$mem, host=$mem
		romimage: file=/usr/share/seabios/bios.bin
		vgaromimage: file=/usr/share/seabios/vgabios-stdvga.bin
		display_library: rfb, options="timeout=0"
		pci: enabled=1, chipset=i440fx
		clock: sync=none
		boot: cdrom
		ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
		ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
		ata0-master: type=disk, mode=flat, path="$work/job.img"
		ata0-slave: type=disk, mode=flat, path="$work/out.img"
		ata1-master: type=cdrom, path="$cd", status=inserted
		com1: enabled=1, mode=file, dev="$work/console"
		com2: enabled=1, mode=file, dev="$work/tty"
		plugin_ctrl: speaker=0, parallel=0, gameport=0, iodebug=0
		sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
		mouse: enabled=0
		magic_break: enabled=0
		log: $work/bochs.log
		panic: action=fatal
		error: action=ignore
		info: action=report
		debug: action=ignore
	EOF
	echo c >"$work/debugger"

	# Bochs has no display that is none, and this one listens: in a network of its own.
	for alone in 'unshare -n' 'unshare -rn' ''; do
		# shellcheck disable=SC2086  # words on purpose
		! $alone true 2>/dev/null || break
	done
	# shellcheck disable=SC2086
	start "$1" $alone bochs -q -f "$work/bochsrc" -rc "$work/debugger"
}

lab_booted()
{
	grep -q '^lab: started' "$work/console" 2>/dev/null
}

lab_collect()
{
	tar -x -f "$work/out.img" -C "$work/share" 2>"$work/untar" || :
}
