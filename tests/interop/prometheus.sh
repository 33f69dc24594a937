# SPDX-License-Identifier: GPL-2.0-or-later
# Prometheus accepts the rules, the example configuration and the dashboard's expressions; alerts fire when they should.
set -u
out=$1
here=$(cd "$(dirname "$0")" && pwd)
dist=$here/../../dist
command -v promtool > /dev/null || { echo "promtool is not installed (package prometheus)"; exit 77; }

try() {
	said=$("$@" 2>&1) || { echo "$*: $said"; exit 1; }
}
try promtool check rules "$dist/prometheus/rules.yml"
try promtool check config "$dist/prometheus/prometheus.yml"
try promtool test rules "$dist/prometheus/rules_test.yml"

# Every alert has a test in which it fires.
for alert in $(sed -n 's/^ *- alert: //p' "$dist/prometheus/rules.yml"); do
	grep -A 3 "alertname: $alert\$" "$dist/prometheus/rules_test.yml" | grep -q exp_labels ||
		{ echo "no test lets $alert fire"; exit 1; }
done

names=$(/usr/bin/python3 "$here/prometheus.py" "$here/../golden/small.metrics" "$dist/prometheus/rules.yml" \
	"$dist/grafana/ukprof.json" "$out/dashboard_rules.yml" 2>&1) || { echo "$names"; exit 1; }
try promtool check rules "$out/dashboard_rules.yml"

# Prometheus makes of the list of VMs what is meant. Read as a file: the format is that of HTTP.
for name in small hostile; do
	cat > "$out/sd.yml" <<-EOF
	scrape_configs:
	- job_name: profiles
	  file_sd_configs:
	  - files: [$(realpath "$out")/$name.sd.json]
	EOF
	promtool check service-discovery --timeout=2s "$out/sd.yml" profiles > "$out/$name.targets" 2> "$out/$name.log" ||
		{ echo "service discovery: $(cat "$out/$name.log")"; exit 1; }
	found=$(/usr/bin/python3 "$here/targets.py" "$out/$name.sd.json" "$out/$name.targets" 2>&1) || { echo "$name: $found"; exit 1; }
	names="$names; $name: $found"
done
echo "$names"
