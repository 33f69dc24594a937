# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks that rules and dashboard ask only for what is on the page.

    prometheus.py PAGE RULES DASHBOARD REWRITTEN

Every metric and every label that an expression names must be on PAGE, or be recorded by RULES. REWRITTEN
receives the dashboard's expressions as rules, for promtool to parse.
"""
import json
import re
import sys

page_file, rules_file, dashboard_file, rewritten_file = sys.argv[1:]

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
METRIC = re.compile(r"\b(?:[a-z_]+:)?(?:ukprof|process)_[a-z0-9_]+(?::[a-z0-9_]+)?")
# Labels that Prometheus adds.
FOREIGN_LABELS = {"instance", "job"}


def read_page(path):
    metrics = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line[0] == "#":
                continue
            name = NAME.match(line).group()
            metrics.setdefault(name, set()).update(re.findall(r'[{,]([a-z_]+)="', line))
    return metrics


def read_rules(path):
    """Names that are recorded, and all expressions. The file is plain enough for this."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    recorded = re.findall(r"record: (\S+)", text)
    exprs = re.findall(r"expr: (?:\|\n((?:\s{10,}.*\n)+)|(.*)\n)", text)
    exprs = [a or b for a, b in exprs]
    if len(exprs) != text.count("expr:"):
        sys.exit(f"{path}: this check misses expressions")
    return recorded, exprs


def read_dashboard(path):
    with open(path, encoding="utf-8") as f:
        board = json.load(f)
    variables = {v["name"]: v for v in board["templating"]["list"]}
    if not {"datasource", "vm"} <= set(variables):
        sys.exit("the dashboard lacks its variables")
    panels = [p for p in board["panels"] if p["type"] != "row"]
    ids = [p["id"] for p in board["panels"]]
    if len(set(ids)) != len(ids):
        sys.exit("panels share an id")
    for panel in panels:
        if panel["datasource"]["uid"] != "${datasource}" or not panel["targets"]:
            sys.exit(f"panel {panel['title']}: data source or targets")
    exprs = [target["expr"] for panel in panels for target in panel["targets"]]
    queries = [v["definition"] for v in variables.values() if v["type"] == "query"]
    return panels, exprs, queries


def unknown(expr, metrics, recorded):
    names = [name for name in METRIC.findall(expr) if name not in metrics and name not in recorded]
    labels = set()
    for selector in re.findall(r"\{([^}]*)\}", expr):
        labels.update(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", selector))
    for group in re.findall(r"\b(?:by|on|ignoring)\s*\(([^)]*)\)", expr):
        labels.update(NAME.findall(group))
    known = set().union(*metrics.values()) | FOREIGN_LABELS
    return names + sorted(labels - known)


def main():
    metrics = read_page(page_file)
    recorded, rules = read_rules(rules_file)
    panels, exprs, queries = read_dashboard(dashboard_file)
    # This check must be able to fail.
    if unknown('sum by (vm) (ukprof_no_such_total{kind="x"})', metrics, recorded) != ["ukprof_no_such_total", "kind"]:
        sys.exit("this check does not see a metric that is not there")
    nr = 0
    for expr in rules + exprs + queries:
        nr += len(METRIC.findall(expr))
        bad = unknown(expr, metrics, recorded)
        if bad:
            sys.exit(f"not on the page: {', '.join(bad)}: {expr.strip()}")
    with open(rewritten_file, "w", encoding="utf-8") as f:
        f.write("groups:\n- name: dashboard\n  rules:\n")
        for i, expr in enumerate(exprs):
            plain = expr.replace("$__rate_interval", "5m").replace("$", "")
            f.write(f"  - record: dashboard:panel{i}\n    expr: {json.dumps(plain)}\n")
    print(f"{len(rules)} rules and {len(panels)} panels name {nr} metrics, all of them on the page")


main()
