"""Writes the rules in two forms: a Prometheus rules file, and a file for Grafana's own alerting."""

import re
from collections.abc import Iterable
from typing import Any

import yaml

from grafana.builder.model import Alert, Group

DATASOURCE = "prometheus"  # the uid that grafana/provisioning gives to Prometheus
FOLDER = "Platform events"
WRITTEN = "# Written by python -m grafana.builder; change grafana/builder/rules.py instead.\n"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dumped(document: dict[str, Any]) -> str:
    """A document as YAML, in the order of its keys."""
    return WRITTEN + yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)


def prometheus(groups: Iterable[Group], runbooks: str) -> dict[str, Any]:
    """A rules file for Prometheus, and for what reads its format. ``runbooks`` is where the pages are."""
    return {
        "groups": [
            {
                "name": group.name,
                "interval": "1m",
                "rules": [
                    *({"record": record.name, "expr": lines(record.expr)} for record in group.records),
                    *(_rule(alert, runbooks) for alert in group.alerts),
                ],
            }
            for group in groups
        ]
    }


def compared(alert: Alert) -> str:
    """The value with its limit, as one condition."""
    value = f"({alert.value})" if re.search(r"\b(and|or|unless)\b|\) [*/+-] ", alert.value) else alert.value
    return f"{value} {alert.op} {alert.limit:g}"


def lines(expr: str) -> str:
    """A long expression, broken where its parts join."""
    if len(expr) <= 100:
        return expr
    return re.sub(r" (and on|or on|unless on|or|\* on|> on|> clamp_min)\b", r"\n  \1", expr)


def _rule(alert: Alert, runbooks: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"alert": alert.name, "expr": lines(compared(alert))}
    if alert.hold != "0s":
        rule["for"] = alert.hold
    if alert.keep:
        rule["keep_firing_for"] = alert.keep
    return rule | {"labels": {"severity": alert.severity}, "annotations": _annotations(alert, runbooks)}


def _annotations(alert: Alert, runbooks: str) -> dict[str, str]:
    return {
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": f"{runbooks.rstrip('/')}/{alert.name}.md",
    }


def grafana(groups: Iterable[Group], runbooks: str) -> dict[str, Any]:
    """A file for Grafana's provisioning. It needs no recorded series: they are written out where they are used."""
    groups = tuple(groups)
    inline = {record.name: record.inline for group in groups for record in group.records}
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": group.name,
                "folder": FOLDER,
                "interval": "1m",
                "rules": [_managed(alert, inline, runbooks) for alert in group.alerts],
            }
            for group in groups
        ],
    }


def written_out(expr: str, inline: dict[str, str]) -> str:
    """The expression without recorded series."""
    while found := next((name for name in inline if name in expr), None):
        at = expr.index(found) + len(found)
        matchers = re.match(r"\{[^}]*\}", expr[at:])
        raw = inline[found]
        if matchers:  # of a label that stands in the record's own metric
            raw = raw.replace("[", matchers[0] + "[", 1)
            expr = expr[: at - len(found)] + f"({raw})" + expr[at + len(matchers[0]) :]
        else:
            expr = expr[: at - len(found)] + f"({raw})" + expr[at:]
    return expr


def uid(alert: Alert) -> str:
    """A rule's identity in Grafana: its name in small letters, with hyphens."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", alert.name).lower()


def _managed(alert: Alert, inline: dict[str, str], runbooks: str) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "uid": uid(alert),
        "title": alert.name,
        "condition": "B",
        "data": [_asked(alert, inline), _judged(alert)],
        "noDataState": alert.silent,
        "execErrState": "Error",
        "for": alert.hold,
    }
    if alert.keep:
        rule["keepFiringFor"] = alert.keep
    annotations = {
        name: text.replace("$value", "$values.A.Value") for name, text in _annotations(alert, runbooks).items()
    }
    return rule | {"labels": {"severity": alert.severity}, "annotations": annotations}


def _asked(alert: Alert, inline: dict[str, str]) -> dict[str, Any]:
    model = {
        "refId": "A",
        "datasource": {"type": "prometheus", "uid": DATASOURCE},
        "instant": True,
        "range": False,
        "expr": lines(written_out(alert.value, inline)),
    }
    return {
        "refId": "A",
        "datasourceUid": DATASOURCE,
        "relativeTimeRange": {"from": 600, "to": 0},
        "model": model,
    }


def _judged(alert: Alert) -> dict[str, Any]:
    evaluator = {"type": "gt" if alert.op == ">" else "lt", "params": [alert.limit]}
    model = {
        "refId": "B",
        "datasource": {"type": "__expr__", "uid": "__expr__"},
        "type": "threshold",
        "expression": "A",
        "conditions": [{"evaluator": evaluator}],
    }
    return {
        "refId": "B",
        "datasourceUid": "__expr__",
        "relativeTimeRange": {"from": 600, "to": 0},
        "model": model,
    }
