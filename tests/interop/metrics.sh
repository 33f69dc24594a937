# SPDX-License-Identifier: GPL-2.0-or-later
# promtool and the parsers of the Prometheus project read the pages of metrics.
set -u
out=$1
here=$(cd "$(dirname "$0")" && pwd)
command -v promtool > /dev/null || { echo "promtool is not installed (package prometheus)"; exit 77; }

for page in "$out"/*.metrics; do
	said=$(promtool check metrics < "$page" 2>&1) && [ -z "$said" ] || { echo "$(basename "$page"): promtool: $said"; exit 1; }
done
# It must have something to say of a page that is wrong.
if sed 's/ukprof_vms_seen_total/ukprof_vms_seen/' "$out/small.metrics" | promtool check metrics > /dev/null 2>&1; then
	echo "promtool accepts a counter without _total"
	exit 1
fi
# Debian's python, which sees Debian's packages.
exec /usr/bin/python3 "$here/metrics.py" "$out"
