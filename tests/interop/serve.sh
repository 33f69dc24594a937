# SPDX-License-Identifier: GPL-2.0-or-later
# A real Prometheus, promtool, the strict parser and go tool pprof read a running ukprof serve.
set -u
here=$(cd "$(dirname "$0")" && pwd)
for program in prometheus promtool go openssl; do
	command -v $program > /dev/null || { echo "$program is not installed: dist/packages interop"; exit 77; }
done
[ "$(id -u)" = 0 ] && [ -w /dev/kvm ] || { echo "not root, or no /dev/kvm: ukprof can't serve anything"; exit 77; }
# Debian's python, which sees Debian's packages.
B=$(cd "$1/../.." && pwd) exec /usr/bin/python3 "$here/serve.py"
