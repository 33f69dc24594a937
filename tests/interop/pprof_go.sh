# SPDX-License-Identifier: GPL-2.0-or-later
# go tool pprof reads every profile, and finds the totals that were written.
set -u
out=$1
command -v go > /dev/null || { echo "go is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PPROF_TMPDIR="$work" HOME="$work" GOFLAGS=-mod=mod GOPROXY=off
go tool pprof -h > "$work/help" 2>&1
grep -q 'Output formats' "$work/help" || { echo "go has no pprof tool"; exit 77; }

fail() {
	echo "$*"
	exit 1
}
total() { # PROFILE KEY
	sed -n "s/.*\"$1\": {.*\"$2\": \([0-9]*\).*/\1/p" "$out/totals.json"
}

nr=0
for file in "$out"/*.pb.gz; do
	name=$(basename "$file" .pb.gz)
	go tool pprof -symbolize=none -raw "$file" > "$work/raw" 2> "$work/err" || fail "$name: $(cat "$work/err")"
	# "   40  404040400: 1 2 3"
	found=$(awk '/^Locations/ { exit } /^ *[0-9]+ +[0-9]+: / { n += $1; ns += $2 } END { printf "%.0f %.0f", n, ns }' "$work/raw")
	want="$(total "$name" samples) $(total "$name" nanoseconds)"
	[ "$found" = "$want" ] || fail "$name: -raw found $found, written were $want"
	grep -q '^PeriodType: cpu nanoseconds' "$work/raw" || fail "$name: period type"
	grep -q '^Duration: ' "$work/raw" || fail "$name: no duration"
	grep -q '^Comment: event: cpu-clock' "$work/raw" || fail "$name: no comment"
	if [ "$name" != empty ]; then
		go tool pprof -symbolize=none -sample_index=samples -tags "$file" > "$work/tags" 2> "$work/err" ||
			fail "$name: $(cat "$work/err")"
		for tag in vm vcpu place; do
			grep -q "^ *$tag: Total" "$work/tags" || fail "$name: no tag $tag"
		done
	fi
	nr=$((nr + 1))
done

top() { # ARGUMENTS...
	go tool pprof -symbolize=none -sample_index=samples -top "$@" 2> /dev/null
}
top "$out/small.pb.gz" > "$work/top"
grep -q 'Total samples = 100' "$work/top" || fail "small: total in -top"
grep -q '^ *75 .* hot_leaf$' "$work/top" || fail "small: hot_leaf in -top"
grep -q '^ *9 .* clamp (inline)$' "$work/top" || fail "small: inlined clamp in -top"
grep -q '^ *8 .* \[kvm\]$' "$work/top" || fail "small: [kvm] in -top"
grep -q '^File: app.dbg$' "$work/top" || fail "small: main binary"
# A purely numeric tag would be read as a range, and find nothing.
top -tagfocus=vcpu=vcpu1 "$out/small.pb.gz" | grep -q 'Showing nodes accounting for 11,' || fail "small: -tagfocus"
# Two profiles of one VM cancel out.
top -diff_base="$out/small.pb.gz" "$out/small.pb.gz" | grep -q 'Showing nodes accounting for 0, 0% of 100 total' ||
	fail "small: -diff_base"
go tool pprof -symbolize=none -list=worker_a "$out/small.pb.gz" > "$work/list" 2>&1
grep -q 'worker_a in app/work.c' "$work/list" || fail "small: source file in -list: $(cat "$work/list")"
echo "$(go version | cut -d' ' -f3): $nr profiles, totals equal; -top -tags -tagfocus -diff_base -list"
