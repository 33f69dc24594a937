# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of a running 'ukprof serve' share: VMs, the server, HTTP, and readers of its pages.

The readers are written for these tests and strict: what a lenient one would let pass is what is looked for.
Everything that was started is ended by end_all(), by its own process id.
"""

import contextlib
import gzip
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BUILD = os.path.realpath(os.environ.get("B", os.path.join(TOP, "build")))
UKPROF = os.path.join(BUILD, "ukprof")
GUEST = os.path.join(BUILD, "guest")
UKVMM = os.path.join(GUEST, "ukvmm")

_started = []


class Wrong(Exception):
    """What was promised is not so."""


def demand(truth, text):
    if not truth:
        raise Wrong(text)


def await_true(what, text, seconds=60, step=0.05):
    """What @what returns, as soon as that is true."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        demand(time.monotonic() < end, f"not within {seconds} s: {text}")
        time.sleep(step)


# --- the tally ---


class Tally:
    """Runs checks by name and prints a line for each."""

    def __init__(self, label):
        self.label, self.passed, self.failed, self.skipped = label, 0, 0, 0

    def run(self, name, check, *args):
        began = time.monotonic()
        try:
            note = check(*args)
        except (Wrong, OSError, KeyError, IndexError, ValueError, TypeError, http.client.HTTPException, subprocess.SubprocessError) as e:
            self.failed += 1
            print(f"not ok {self.label} {name}: {e if isinstance(e, Wrong) else repr(e)}", flush=True)
            return False
        self.passed += 1
        print(f"ok {self.label} {name}" + (f": {note}" if note else "") + f" ({time.monotonic() - began:.1f} s)", flush=True)
        return True

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed else 0


# --- processes ---


def start(argv, **kwargs):
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, **kwargs)
    _started.append(process)
    return process


def end(process, sig=signal.SIGTERM, seconds=10):
    """Its exit status."""
    if process.poll() is None:
        process.send_signal(sig)
        process.send_signal(signal.SIGCONT)
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise Wrong(f"process {process.pid} did not end within {seconds} s of signal {int(sig)}") from None
    finally:
        if process in _started:
            _started.remove(process)
    return status


def end_all():
    for process in list(_started):
        with contextlib.suppress(Wrong):
            end(process, signal.SIGKILL)


def vm(image="shares", options=(), args=(), vmm=UKVMM):
    """A guest in the small VMM that has begun its work."""
    image = image if b"/" in os.fsencode(image) else os.path.join(GUEST, image)
    process = start([vmm, *options, image, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # The console is read to its first line only: guests say nothing more, until they end.
    line = process.stdout.readline()
    demand(line.startswith(b"ready"), f"guest {image!r} did not start: {line!r}")
    return process


def hold(process):
    """Stop a VMM and all its vCPUs; release() lets it go on."""
    process.send_signal(signal.SIGSTOP)

    def stopped():
        states = []
        for tid in os.listdir(f"/proc/{process.pid}/task"):
            with open(f"/proc/{process.pid}/task/{tid}/stat", encoding="utf-8", errors="replace") as f:
                states.append(f.read().rpartition(")")[2].split()[0])
        return all(s in "Tt" for s in states)

    await_true(stopped, "the VMM stands still", 60, 0.01)


def release(process):
    process.send_signal(signal.SIGCONT)


def processor_seconds(pid):
    """What all threads of a process ran, as the scheduler counted it."""
    total = 0
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def bpf_ids(pid):
    """Programs, maps and links that a process holds, as (kind, id)."""
    ids = set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii", errors="replace") as f:
            ids.update((kind, int(nr)) for kind, nr in re.findall(r"^(prog|map|link)_id:\s*(\d+)", f.read(), re.M))
    return ids


def bpf_alive():
    """The same of the whole host, by bpftool. Lines begin with "ID: "; numbers are not used again soon."""
    ids = set()
    for kind in ("prog", "map", "link"):
        done = subprocess.run(["bpftool", kind, "list"], capture_output=True, text=True, check=True)
        ids.update((kind, int(nr)) for nr in re.findall(r"^(\d+): ", done.stdout, re.M))
    return ids


# --- ukprof serve ---


class Server:
    """A ukprof serve on a port that the kernel chose; @args may name another address."""

    def __init__(self, *args, address="127.0.0.1:0", wait=True, prefix=()):
        self.tls, self.nr_requests = None, 0
        self.log = tempfile.NamedTemporaryFile("w+", prefix="ukprof-serve-", encoding="utf-8", errors="replace")
        self.process = start([*prefix, UKPROF, "serve", f"--web.listen-address={address}", *args], stdout=self.log, stderr=self.log)
        self.pid = self.process.pid
        self.port = int(self.await_log(r"listening on .*, port (\d+)")[1])
        if wait:
            self.await_ready()

    def text(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as f:
            return f.read()

    def await_log(self, pattern, seconds=20):
        def look():
            found = re.search(pattern, self.text())
            demand(found or self.process.poll() is None, f"serve ended with {self.process.poll()}: {self.text().strip()}")
            return found

        return await_true(look, f"serve says /{pattern}/", seconds)

    def await_ready(self):
        self.await_log("serve: ready")

    def end(self, sig=signal.SIGTERM, seconds=10):
        return end(self.process, sig, seconds)

    def get(self, path, **kwargs):
        self.nr_requests += 1
        return request(self.port, path, tls=self.tls, **kwargs)

    def page(self, path="/metrics", **kwargs):
        reply = self.get(path, **kwargs)
        demand(reply.status == 200, f"{path}: {reply.status} {reply.body[:200]!r}")
        return reply.body.decode()

    def series(self):
        return Series(self.page())

    def await_series(self, truth, text, seconds=60):
        """The first page for which @truth is true."""

        def look():
            series = self.series()
            return series if truth(series) else None

        return await_true(look, text, seconds, 0.1)

    def await_vms(self, *names, seconds=60):
        return self.await_series(lambda s: all(s.get("ukprof_vm_up", vm=n) == 1 for n in names), f"VMs {names} are up", seconds)

    def settle(self):
        """Two more snapshots: whatever happened before the call is on the page now."""
        nr = self.series().get("ukprof_snapshots_total")
        return self.await_series(lambda s: s.get("ukprof_snapshots_total") >= nr + 2, "two more snapshots")


class Reply:
    def __init__(self, response, body):
        self.status, self.body, self.headers = response.status, body, response.headers

    def header(self, name):
        """Its value; None without it. Twice is wrong."""
        found = self.headers.get_all(name) or []
        demand(len(found) <= 1, f"header {name} is there {len(found)} times")
        return found[0] if found else None


def request(port, path, method="GET", headers=None, tls=None, source="127.0.0.1", timeout=60):
    kind = (lambda *a, **k: http.client.HTTPSConnection(*a, context=tls, **k)) if tls else http.client.HTTPConnection
    conn = kind("127.0.0.1", port, timeout=timeout, source_address=(source, 0))
    try:
        conn.putrequest(method, path, skip_accept_encoding=True, skip_host="Host" in (headers or {}))
        for name, value in (headers or {}).items():
            conn.putheader(name, value)
        conn.endheaders()
        response = conn.getresponse()
        return Reply(response, response.read())
    finally:
        conn.close()


def client_tls(ca):
    return ssl.create_default_context(cafile=ca)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def profile_path(seconds=None, vm_label=None, kind="profile"):
    query = {}
    if seconds is not None:
        query["seconds"] = str(seconds)
    if vm_label is not None:
        query["vm"] = vm_label
    return f"/debug/pprof/{kind}" + ("?" + urllib.parse.urlencode(query) if query else "")


# --- readers ---

_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
_LINE = re.compile(r"([a-zA-Z_][a-zA-Z0-9_]*)(?:\{(.*)\})? (\S+)")


class Series:
    """A page of metrics in either format: (name, labels) -> value. No series may be there twice."""

    def __init__(self, page):
        self.values = {}
        for line in page.split("\n"):
            if not line or line[0] == "#":
                continue
            found = _LINE.fullmatch(line)
            demand(found, f"not a line of metrics: {line!r}")
            labels, at = {}, 0
            text = found[2] or ""
            while at < len(text):
                label = _LABEL.match(text, at)
                demand(label and label[1] not in labels, f"labels of {line!r}")
                labels[label[1]] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], label[2])
                at = label.end()
            key = found[1], frozenset(labels.items())
            demand(key not in self.values, f"twice: {line!r}")
            self.values[key] = float(found[3])

    def get(self, name, **labels):
        return self.values.get((name, frozenset(labels.items())))

    def sum(self, name, **labels):
        """Over all series of a name that have these labels."""
        want = set(labels.items())
        return sum(v for (n, have), v in self.values.items() if n == name and want <= have)

    def label_values(self, name, label):
        return [dict(have)[label] for (n, have) in self.values if n == name]

    def samples(self, vm_label):
        return self.sum("ukprof_samples_total", vm=vm_label)


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _fields(data):
    """[(number, value)] of a message: integers, or bytes."""
    at, found = 0, []
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value, at = _varint(data, at)
        else:
            demand(key & 7 == 2, f"wire type {key & 7}")
            n, at = _varint(data, at)
            demand(at + n <= len(data), "a field is longer than its message")
            value, at = data[at : at + n], at + n
        found.append((key >> 3, value))
    return found


def _numbers(fields, number):
    """A repeated integer, packed or not."""
    out = []
    for nr, value in fields:
        if nr != number:
            continue
        if isinstance(value, int):
            out.append(value)
            continue
        at = 0
        while at < len(value):
            one, at = _varint(value, at)
            out.append(one)
    return out


class Profile:
    """A profile.proto, held against what its readers demand. Source: proto/profile.proto of google/pprof."""

    def __init__(self, body):
        demand(body[:2] == b"\x1f\x8b", f"not gzip: {body[:40]!r}")
        data = gzip.decompress(body)
        demand(len(data) <= 4 << 20, f"{len(data)} bytes: too long for Pyroscope")
        top = _fields(data)

        def messages(number):
            return [_fields(v) for n, v in top if n == number]

        def one(fields, number):
            values = [v for n, v in fields if n == number]
            demand(len(values) <= 1, f"field {number} is there {len(values)} times")
            return values[0] if values else 0

        self.strings = [v.decode() for n, v in top if n == 6]
        demand(self.strings and self.strings[0] == "", "string_table[0] is not empty")
        demand(len(set(self.strings)) == len(self.strings), "a string is there twice")

        def string(i):
            demand(i < len(self.strings), f"string {i} of {len(self.strings)}")
            return self.strings[i]

        self.types = [(string(one(m, 1)), string(one(m, 2))) for m in messages(1)]
        period = messages(11)
        demand(len(period) == 1, "one period type")
        self.period_type = string(one(period[0], 1)), string(one(period[0], 2))
        self.period, self.time_ns, self.duration_ns = one(top, 12), one(top, 9), one(top, 10)
        self.default_type = string(one(top, 14))
        self.comments = [string(i) for i in _numbers(top, 13)]
        mappings, functions, locations = messages(3), messages(5), messages(4)
        for what, found in (("mapping", mappings), ("function", functions), ("location", locations)):
            demand([one(m, 1) for m in found] == list(range(1, len(found) + 1)), f"ids of {what} are not 1, 2, 3, ... in order")
        self.mappings = [{"file": string(one(m, 5)), "has_functions": one(m, 7)} for m in mappings]
        names = [string(one(f, 2)) for f in functions]
        frames = []
        for loc in locations:
            demand(one(loc, 2) <= len(mappings), "a mapping that is not there")
            lines = [one(_fields(v), 1) for n, v in loc if n == 4]
            demand(all(1 <= f <= len(names) for f in lines), "a function that is not there")
            frames.append([names[f - 1] for f in lines])
        self.samples, self._leaves = [], {}
        for sample in messages(2):
            ids, values = _numbers(sample, 1), _numbers(sample, 2)
            demand(len(values) == len(self.types), "a sample has another number of values than there are types")
            demand(all(1 <= i <= len(frames) for i in ids), "a location that is not there")
            labels = {}
            for label in (_fields(v) for n, v in sample if n == 3):
                key = string(one(label, 1))
                demand(key and key not in labels, f"label key {key!r}")
                demand(one(label, 2) and not one(label, 3), f"label {key} is not a string")
                labels[key] = string(one(label, 2))
            # Functions as the machine has them: of a location's lines, innermost first, the last; others are inlined.
            stack = [(frames[i - 1] or ["?"])[-1] for i in ids]
            self.samples.append((stack, values, labels))
            # The last line of a location is the function that others were inlined into.
            leaf = frames[ids[0] - 1][-1] if ids and frames[ids[0] - 1] else "?"
            self._leaves[leaf] = self._leaves.get(leaf, 0) + values[0]
        demand(len(self.samples) <= 16000, f"{len(self.samples)} samples: too many for Pyroscope")

    def total(self, value=0, **labels):
        want = set(labels.items())
        return sum(v[value] for _, v, have in self.samples if want <= set(have.items()))

    def leaves(self):
        """{innermost function that is not inlined: samples}"""
        return self._leaves


def run_ukprof(*args, seconds=20):
    return subprocess.run([UKPROF, *args], capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=seconds, check=False)


def on_terminate(signum, frame):
    sys.exit(128 + signum)


signal.signal(signal.SIGTERM, on_terminate)
