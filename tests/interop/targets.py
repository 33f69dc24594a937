# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares a list of targets with what promtool made of it.

    targets.py LIST TARGETS
"""
import json
import sys

with open(sys.argv[1], encoding="utf-8") as f:
    groups = json.load(f)
with open(sys.argv[2], encoding="utf-8") as f:
    made = json.load(f)

ADDED = {"__scheme__", "__scrape_interval__", "__scrape_timeout__", "__metrics_path__", "job"}


def as_set(targets):
    return {tuple(sorted(target.items())) for target in targets}


want = as_set({"__address__": group["targets"][0], **group["labels"]} for group in groups)
want = {tuple(pair for pair in target if not pair[0].startswith("__meta_")) for target in want}
found = as_set({k: v for k, v in target["labels"].items() if k not in ADDED} for target in made)
if want != found or len(found) != len(groups):
    sys.exit(f"Prometheus sees other targets: {sorted(want ^ found)[:2]}")
if len({dict(target)["instance"] for target in found}) != len(groups):
    sys.exit("two targets are one instance")
print(f"{len(found)} targets")
