# SPDX-License-Identifier: GPL-2.0-or-later
#
# Make the initramfs of a lab: busybox, the modules of $lab_modules and the init of $lab_init.
#
# Sourced by run. The image is named by everything that went into it (initramfs_key), so it is
# made once and a stale one is never used. Modules are unpacked here because the emulated machine
# is ten to fifty times slower at that.
# shellcheck shell=bash disable=SC2154

need_initramfs()
{
	need cpio cpio
	need xz xz-utils
	need modprobe kmod
	need_file /bin/busybox busybox-static
}

# initramfs_key [FILE]...: over these files too.
initramfs_key()
{
	cat "$lab_src/initramfs.sh" "$lab_src/$cpu.sh" "$lab_src/$lab_init" /bin/busybox "$@" |
		sha256sum | cut -c1-16
}

# cached FILE MAKER: make FILE unless it is there. What no lab used for a day goes.
cached()
{
	[ -e "$1" ] || "$2" "$1"
	touch "$1"
	find "$lab_build" -maxdepth 1 -type f -name "$cpu-*" -mmin +1440 -delete
}

# unsign MODULE: cut off the appended signature: it, its length among 12 bytes, and a magic word.
unsign()
{
	local length

	[ "$(tail -c 28 "$1" | head -c 27)" = '~Module signature appended~' ] || return 0
	length=$(tail -c 32 "$1" | head -c 4 | od -An -tu4 --endian=big)
	truncate -s -$((length + 40)) "$1"
}

# make_initramfs FILE
make_initramfs()
{
	local tree=$work/initramfs name path n=10

	mkdir -p "$tree/modules"
	cp /bin/busybox "$tree/"
	cp "$lab_src/$lab_init" "$tree/init"
	for name in $lab_modules; do
		# "builtin NAME" or "insmod PATH [ARGS]", dependencies first.
		modprobe -d "$kdir" -S "$release" --show-depends "$name" >"$work/depends" ||
			die 125 "kernel $release: module $name not found"
		while read -r _ path _; do
			[ -f "$path" ] || continue
			path=$(realpath "$path")
			name=${path##*/} name=${name%%.ko*}
			! compgen -G "$tree/modules/??-$name.ko" >/dev/null || continue
			case $path in
			*.xz) xz -dc "$path" >"$tree/modules/$n-$name.ko" ;;
			*) cp "$path" "$tree/modules/$n-$name.ko" ;;
			esac
			[ -z "${lab_unsigned:-}" ] || unsign "$tree/modules/$n-$name.ko"
			n=$((n + 1))
		done <"$work/depends"
	done
	(cd "$tree" && find . | cpio -o -H newc -R 0:0 --quiet) >"$1.$$"
	mv "$1.$$" "$1"
	rm -rf "$tree"
}
