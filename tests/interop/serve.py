# SPDX-License-Identifier: GPL-2.0-or-later
"""Lets Prometheus, promtool, its strict parser and go tool pprof read a running 'ukprof serve'.

    serve.py		as root, with /dev/kvm; B=build

Prometheus scrapes two servers, one of them with TLS and a password, and a third time as service discovery says;
then its own query language is asked. The guest stands still at both ends of what is measured, so that scrapes at
other moments see the same counters: differences are exact, and held against what the host's scheduler says the
guest ran.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from serve_kit import (  # noqa: E402
    GUEST, TOP, Profile, Server, Wrong, await_true, client_tls, demand, end, end_all, free_port, hold, processor_seconds,
    profile_path, release, request, start, vm,
)

try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
    from prometheus_client.parser import text_string_to_metric_families as parse_text
except ImportError:
    print("python3-prometheus-client is not installed")
    sys.exit(77)

FREQ = 199
PASSWORD = "open sesame"
# bcrypt of it; cost 4, so that nobody waits.
HASH = "$2b$04$ukprofukprofukprofukpuIQ4Thh.ng8z94e98a4rjcce9pQNPf5q"
NAME = f"interop-{os.getpid()}"


def run(*argv, seconds=60, **kwargs):
    return subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=seconds, check=False, **kwargs)


# --- pages ---


def check_pages(server):
    page = server.page()
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    demand(done.returncode == 0 and not done.stdout + done.stderr, f"promtool: {done.stdout}{done.stderr}")
    strict = server.page(headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    text = {(s.name, frozenset(s.labels.items())) for f in parse_text(page) for s in f.samples}
    found = [(s.name, frozenset(s.labels.items())) for f in parse_openmetrics(strict) for s in f.samples]
    demand(len(set(found)) == len(found), "a series is there twice")
    demand(set(found) == text, f"formats differ: {sorted(map(str, set(found) ^ text))[:3]}")
    demand(any(("vm", NAME) in labels for _, labels in found), "our VM is not there")
    return f"{len(found)} series"


# --- go tool pprof ---


def pprof(tmp, *argv):
    env = {**os.environ, "PPROF_TMPDIR": tmp, "HOME": tmp, "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
    return run("go", "tool", "pprof", "-symbolize=none", "-noinlines", "-sample_index=samples", *argv, env=env)


def check_pprof(server, tmp):
    url = f"http://127.0.0.1:{server.port}" + profile_path(4, NAME)
    done = pprof(tmp, "-top", "-noinlines", url)
    rows = re.findall(r"^ *(\d+) +([\d.]+)% +[\d.]+% +\d+ +[\d.]+% +(\S+)$", done.stdout, re.M)
    demand(done.returncode == 0 and rows, f"go tool pprof: {done.returncode}: {done.stderr}")
    total = int(re.search(r"Total samples = (\d+)", done.stdout)[1])
    demand(rows[0][2] == "hot_a", f"the hottest is {rows[0]}")
    # The oracle: half of the time; four standard errors.
    sigmas = abs(int(rows[0][0]) - total / 2) / (total / 4) ** 0.5
    demand(sigmas <= 4, f"hot_a has {rows[0][0]} of {total} samples: {sigmas:.1f} standard errors from a half")
    saved = os.path.join(tmp, "profile.pb.gz")
    reply = server.get(profile_path(2, NAME))
    with open(saved, "wb") as f:
        f.write(reply.body)
    total = Profile(reply.body).total()
    for focus, want in (("vcpu=vcpu0", total), ("vcpu=vcpu7", 0), (f"vm={NAME}", total), ("place=guest", total)):
        done = pprof(tmp, "-top", f"-tagfocus={focus}", saved)
        shown = re.search(r"Showing nodes accounting for (\d+),", done.stdout)
        demand((int(shown[1]) if shown else 0) == want, f"-tagfocus={focus} shows {done.stdout} {done.stderr}, want {want}")
    done = pprof(tmp, "-top", f"http://127.0.0.1:{server.port}" + profile_path(1, "no-such-vm"))
    demand(done.returncode != 0 and "no VM is called so" in done.stderr, f"an error does not reach the user: {done.stderr}")
    return f"hot_a {rows[0][1]} %"


# --- Prometheus ---

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 900ms, evaluation_interval: 2s}}
rule_files: [{rules}]
scrape_configs:
- job_name: plain
  static_configs: [{{targets: ["127.0.0.1:{plain}"]}}]
- job_name: tls
  scheme: https
  tls_config: {{ca_file: {cert}}}
  basic_auth: {{username: alice, password: {password}}}
  static_configs: [{{targets: ["127.0.0.1:{tls}"]}}]
- job_name: sd
  http_sd_configs: [{{url: "http://127.0.0.1:{plain}/sd", refresh_interval: 1s}}]
"""


class Prometheus:
    def __init__(self, tmp, config):
        self.port = free_port()
        self.config = os.path.join(tmp, "prometheus.yml")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(config)
        self.log = open(os.path.join(tmp, "prometheus.log"), "w", encoding="utf-8")
        self.process = start(
            ["prometheus", f"--config.file={self.config}", f"--web.listen-address=127.0.0.1:{self.port}",
             f"--storage.tsdb.path={tmp}/data", "--storage.tsdb.retention.time=1h"], stdout=self.log, stderr=self.log)
        await_true(self.is_ready, "Prometheus is ready", 30, 0.2)

    def is_ready(self):
        demand(self.process.poll() is None, f"Prometheus ended with {self.process.poll()}: see its log")
        try:
            return request(self.port, "/-/ready").status == 200
        except ConnectionRefusedError:
            return False

    def api(self, path, **query):
        reply = request(self.port, f"/api/v1/{path}?" + urllib.parse.urlencode(query))
        answer = json.loads(reply.body)
        demand(reply.status == 200 and answer["status"] == "success", f"{path} {query}: {reply.body[:300]!r}")
        return answer["data"]

    def query(self, expr, at=None):
        """{value of the label job: value}, or {"": value}."""
        found = self.api("query", query=expr, **({"time": at} if at else {}))["result"]
        return {one["metric"].get("job", ""): float(one["value"][1]) for one in found}


def check_scrapes(prometheus):
    want = {"plain": 1, "tls": 1, "sd": 1}
    mine = f'up{{job=~"plain|tls"}} or up{{job="sd",vm="{NAME}"}}'
    await_true(lambda: prometheus.query(mine) == want, "Prometheus has scraped all three", 20, 0.5)
    targets = prometheus.api("targets", state="active")["activeTargets"]
    errors = [(t["scrapeUrl"], t["lastError"]) for t in targets if t["lastError"]]
    demand(not errors, f"errors {errors}")
    urls = [t["scrapeUrl"] for t in targets if t["labels"].get("vm") == NAME]
    demand(len(urls) == 1 and urls[0].endswith(f"?vm={NAME}"), f"the VM's target is {urls}")


def await_stored(prometheus, since):
    """Until all three have a scrape of a snapshot that is younger than @since; either may be late on a busy machine."""

    def is_stored():
        young = {}
        for label in ("vm", "exported_vm"):
            young.update(prometheus.query(f'min by (job) (timestamp(ukprof_samples_total{{{label}="{NAME}"}}))'))
        return set(young) == {"plain", "tls", "sd"} and min(young.values()) >= since + 3

    await_true(is_stored, "Prometheus has stored what is younger", 30, 0.2)


def check_figures(prometheus, guest):
    """What the guest ran, as the scheduler, ukprof and Prometheus know it."""
    hold(guest)
    await_stored(prometheus, time.time())
    begin, ran = time.time(), processor_seconds(guest.pid)
    time.sleep(0.2)
    released = time.monotonic()
    release(guest)
    time.sleep(10)
    during = prometheus.query(f'sum by (job) (rate(ukprof_vcpu_seconds_total{{vm="{NAME}"}}[5s]))')
    hold(guest)
    wall = time.monotonic() - released
    ran = processor_seconds(guest.pid) - ran
    await_stored(prometheus, time.time())
    at = time.time()

    # Metrics are a host's, whatever VM its target in /sd names: of other VMs' targets they would come once more each.
    def grew(what, vm_label="vm"):
        s = f'{what}{{{vm_label}="{NAME}",job!="sd"}}' if vm_label == "vm" else f'{what}{{vm="{NAME}",exported_vm="{NAME}"}}'
        return prometheus.query(f"sum by (job) ({s}) - sum by (job) ({s} @ {begin:.3f})", at)

    samples = {**grew("ukprof_samples_total"), **grew("ukprof_samples_total", "exported_vm")}
    demand(set(samples) == {"plain", "tls", "sd"}, f"samples {samples}")
    demand(samples["sd"] == samples["plain"], f"one server, two figures: {samples}")
    for job in ("plain", "tls"):
        sigmas = abs(samples[job] - FREQ * ran) / (FREQ * ran) ** 0.5
        demand(sigmas <= 4, f"{job}: {samples[job]:.0f} samples in {ran:.2f} s: {sigmas:.1f} standard errors off {FREQ * ran:.0f}")
    seconds = grew("ukprof_vcpu_seconds_total")
    for job, value in seconds.items():
        # Running and waiting for a processor: always one of them. The part that samples give has their error.
        slack = 4 * (FREQ * ran) ** 0.5 / FREQ + 0.1
        demand(abs(value - wall) <= slack, f"{job}: {value:.2f} vCPU seconds in {wall:.2f} s")
        demand(0.8 < during[job] < 1.2, f"{job}: vCPU seconds grow by {during[job]:.2f} a second")
    release(guest)
    return f"{samples['plain']:.0f} and {samples['tls']:.0f} samples, {FREQ * ran:.0f} expected; {seconds['plain']:.2f} vCPU seconds in {wall:.2f} s"


def check_resets(prometheus, server, guest, image):
    """Killed and started again: the same series, which Prometheus sees begin anew."""
    end(guest, signal.SIGKILL)
    guest = vm(image)
    server.await_vms(NAME)
    resets = f'resets(ukprof_samples_total{{job="plain",vm="{NAME}",mode="guest"}}[5m])'
    await_true(lambda: prometheus.query(resets) == {"plain": 1}, "one reset", 15, 0.5)
    growth = prometheus.query(f'increase(ukprof_samples_total{{job="plain",vm="{NAME}",mode="guest"}}[10s])')["plain"]
    demand(0 <= growth < 15 * FREQ, f"increase over the restart is {growth}")
    up = prometheus.query(f'count by (job) (ukprof_vm_up{{job="plain",vm=~"{NAME}.*"}})')
    demand(up == {"plain": 1}, f"series of one VM: {up}")
    return guest


def check_rules(prometheus):
    """Our recording rules and alerts run on the live figures."""
    rules = [r for g in prometheus.api("rules")["groups"] for r in g["rules"]]
    bad = [(r["name"], r["health"], r.get("lastError")) for r in rules if r["health"] != "ok"]
    demand(rules and not bad, f"rules {bad}")
    firing = [r["name"] for r in rules if r.get("state") == "firing"]
    demand(not firing, f"alerts {firing} fire")
    return f"{len(rules)} rules run"


def check_discovery(prometheus, server, tmp):
    listed, made = os.path.join(tmp, "sd.json"), os.path.join(tmp, "targets.json")
    done = run("promtool", "check", "service-discovery", "--timeout=3s", prometheus.config, "sd")
    demand(done.returncode == 0, f"promtool: {done.stderr}")
    with open(listed, "w", encoding="utf-8") as f:
        f.write(server.page("/sd"))
    with open(made, "w", encoding="utf-8") as f:
        f.write(done.stdout)
    done = run(sys.executable, os.path.join(HERE, "targets.py"), listed, made)
    demand(done.returncode == 0, f"targets: {done.stdout}{done.stderr}")


def main(tmp):
    image = os.path.join(tmp, NAME)
    shutil.copy(os.path.join(GUEST, "shares"), image)
    cert, key = os.path.join(tmp, "server.crt"), os.path.join(tmp, "server.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=ukprof test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True)
    web = os.path.join(tmp, "web.yml")
    with open(web, "w", encoding="utf-8") as f:
        f.write(f"tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\nbasic_auth_users:\n  alice: {HASH}\n")
    done = run("promtool", "check", "web-config", web)
    demand(done.returncode == 0, f"promtool does not like what ukprof takes: {done.stdout}{done.stderr}")

    guest = vm(image)
    plain, tls = Server("-F", str(FREQ)), Server("-F", str(FREQ), f"--web.config.file={web}")
    tls.tls = client_tls(cert)
    plain.await_vms(NAME)
    prometheus = Prometheus(tmp, CONFIG.format(
        rules=os.path.join(TOP, "dist", "prometheus", "rules.yml"), plain=plain.port, tls=tls.port, cert=cert, password=json.dumps(PASSWORD)))
    check_scrapes(prometheus)
    notes = [check_pages(plain), check_figures(prometheus, guest), check_pprof(plain, tmp)]
    check_discovery(prometheus, plain, tmp)
    notes.append(check_rules(prometheus))
    guest = check_resets(prometheus, plain, guest, image)
    for server in (plain, tls):
        demand(server.end() == 0, f"SIGTERM does not end it with 0: {server.text()}")
    end(guest)
    end(prometheus.process, seconds=30)
    print("; ".join(notes))


folder = tempfile.mkdtemp(prefix="ukprof-interop-")
try:
    main(folder)
except (Wrong, OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError) as e:
    print(e if isinstance(e, Wrong) else repr(e))
    sys.exit(1)
finally:
    end_all()
    shutil.rmtree(folder, ignore_errors=True)
