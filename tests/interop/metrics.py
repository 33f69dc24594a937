# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads pages about a host: metrics with the Prometheus project's own parsers, the strict one for OpenMetrics.

    metrics.py FOLDER

Both formats of a page must hold the same series with the same values, and no series twice: Prometheus takes
one of two without a word. The JSON pages must name the same VMs as the metrics do.
"""
import json
import sys

try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
    from prometheus_client.parser import text_string_to_metric_families as parse_text
except ImportError:
    print("python3-prometheus-client is not installed")
    sys.exit(77)


class Bad(Exception):
    pass


def series(families):
    found = {}
    for family in families:
        for sample in family.samples:
            labels = dict(sample.labels)
            # The parsers leave bounds as they are spelled; equal numbers would still be one series.
            if "le" in labels:
                labels["le"] = float(labels["le"])
            key = (sample.name, tuple(sorted(labels.items())))
            if key in found:
                raise Bad(f"twice: {key}")
            found[key] = sample.value
            if sample.timestamp is not None:
                raise Bad(f"has a timestamp: {key}")
    return found


def check(text, openmetrics):
    a = series(parse_text(text))
    b = series(parse_openmetrics(openmetrics))
    if a != b:
        raise Bad(f"formats differ: {sorted(a.items() ^ b.items())[:4]}")
    for page in (text, openmetrics):
        lines = [line for line in page.split("\n") if line and line[0] != "#"]
        if len(lines) != len(a):
            raise Bad(f"{len(lines)} lines, but {len(a)} series were read")
    if any(name.endswith("_created") for name, _ in a):
        raise Bad("has _created series")
    return a


def must_fail(text, openmetrics, what):
    try:
        check(text, openmetrics)
    except (Bad, ValueError):
        return
    raise Bad(f"this check does not see {what}")


def main(folder):
    def read(name):
        with open(f"{folder}/{name}", encoding="utf-8", newline="") as f:
            return f.read()

    numbers = []
    for name in ("small", "hostile"):
        text, openmetrics = read(f"{name}.metrics"), read(f"{name}.openmetrics")
        found = check(text, openmetrics)
        vms = {dict(labels)["vm"] for _, labels in found if "vm" in dict(labels)}
        ups = sum(key[0] == "ukprof_vm_up" for key in found)
        if len(vms) != ups:
            raise Bad(f"{name}: {ups} VMs have {len(vms)} names")
        listed = [vm["vm"] for vm in json.loads(read(f"{name}.vms.json"))["vms"]]
        targets = [group["labels"]["__param_vm"] for group in json.loads(read(f"{name}.sd.json"))]
        if sorted(listed) != sorted(vms) or sorted(targets) != sorted(vms):
            raise Bad(f"{name}: pages name different VMs: {set(listed) ^ vms} {set(targets) ^ vms}")
        numbers.append(f"{name} {len(found)} series of {ups} VMs")

    text, openmetrics = read("small.metrics"), read("small.openmetrics")
    line = 'ukprof_vm_up{vm="web0"} 1\n'
    must_fail(text + line, openmetrics.replace(line, line + line), "a series that is there twice")
    must_fail(text, openmetrics.replace("# EOF\n", ""), "a page that was cut off")
    must_fail(text, openmetrics.replace(line, 'ukprof_vm_up{vm="web0"} 0\n'), "a value that differs")
    print(", ".join(numbers))


try:
    main(sys.argv[1])
except (Bad, ValueError) as e:
    print(f"{type(e).__name__}: {e}")
    sys.exit(1)
