# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the scripts of the labs share: where things lie, how to speak, how to fail.
#
# Sourced by run, fetch-kernel and selftest; does nothing by itself.
# shellcheck shell=bash

lab_src=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab_top=$(cd "$lab_src/../.." && pwd)
lab_build=${LAB_BUILD:-$lab_top/build/lab}

# depmod and losetup live where an ordinary user's PATH does not look.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

info()
{
	echo "info: lab: $*" >&2
}

warn()
{
	echo "warn: lab: $*" >&2
}

# die STATUS SENTENCE [HINT]
die()
{
	local status=$1

	echo "err: lab: $2" >&2
	[ -z "${3:-}" ] || echo "hint: $3" >&2
	exit "$status"
}

# need COMMAND PACKAGE: 125, so that a caller can tell "no lab here" from a result of CMD.
need()
{
	command -v "$1" >/dev/null ||
		die 125 "$1: command not found" "install the package $2"
}

# need_file PATH PACKAGE
need_file()
{
	[ -e "$1" ] || die 125 "$1: no such file" "install the package $2"
}
