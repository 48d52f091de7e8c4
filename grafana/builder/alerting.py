"""Writes the rules in two forms: a Prometheus rules file, and a file for Grafana's own alerting."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from grafana.builder.model import Alert, Detail, Group

ASKED = re.compile(r'"\$([a-z]+)"')  # a label of the alert in the expression of a detail
PREFIX = "platform-events-"  # of the dashboards' uids
Panels = Mapping[tuple[str, str], int]  # numbers of panels by the dashboard's uid and the panel's title


EXTERNAL_URL = (
    '{{ with query "max by (url) (platform_exporter_external_url_info)" }}{{ . | first | label "url" }}{{ end }}'
)
"""A template: the ``external_url`` of the exporter, else nothing. Prometheus evaluates it when an alert fires."""


class Places(NamedTuple):
    """Where people read more: addresses of the runbooks, of Grafana and of the exporter's web port; "" where unknown."""

    runbooks: str = ""
    grafana: str = ""
    exporter: str = ""


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


def prometheus(groups: Iterable[Group], places: Places, panels: Panels) -> dict[str, Any]:
    """A rules file for Prometheus, and for what reads its format."""
    return {
        "groups": [
            {
                "name": group.name,
                "interval": "1m",
                "rules": [
                    *({"record": record.name, "expr": lines(record.expr)} for record in group.records),
                    *(_rule(alert, places, panels) for alert in group.alerts),
                ],
            }
            for group in groups
        ]
    }


def only(kind: str, rules: dict[str, Any]) -> dict[str, Any]:
    """A rules file with its alerts alone (``alert``) or its recording rules alone (``record``), for the mixin."""
    return {
        "groups": [{**group, "rules": [rule for rule in group["rules"] if kind in rule]} for group in rules["groups"]]
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


def _rule(alert: Alert, places: Places, panels: Panels) -> dict[str, Any]:
    rule: dict[str, Any] = {"alert": alert.name, "expr": lines(compared(alert))}
    if alert.hold != "0s":
        rule["for"] = alert.hold
    if alert.keep:
        rule["keep_firing_for"] = alert.keep
    return rule | {
        "labels": {"severity": alert.severity},
        "annotations": _annotations(alert, places, panels, asks=True),
    }


def _annotations(alert: Alert, places: Places, panels: Panels, asks: bool) -> dict[str, str]:
    details = "".join(map(_detail, alert.details)) if asks else ""
    found = dict(links(alert, places, panels))
    if asks and "page" in found:
        found["page"] = f"{EXTERNAL_URL}{found['page']}"
    return {"summary": alert.summary, "description": alert.description + details, **found}


def _detail(detail: Detail) -> str:
    """The template of a detail: nothing where the answer is empty."""
    labels = "".join(f" $labels.{name}" for name in ASKED.findall(detail.expr))
    asked = f"printf `{ASKED.sub('%q', detail.expr)}`{labels}"
    each = f"{{{{ if $at }}}}, {{{{ end }}}}{{{{ $one.Labels.{detail.label} }}}}"
    listed = f'{{{{ range $at, $one := sortByLabel "{detail.label}" . }}}}{each}{{{{ end }}}}'
    return f"{{{{ with query ({asked}) }}}} {detail.word}: {listed}.{{{{ end }}}}"


def links(alert: Alert, places: Places, panels: Panels) -> Iterator[tuple[str, str]]:
    """Where to go next: an address where its base is known, else the path below it."""
    number = panels[PREFIX + alert.board, alert.panel]
    chosen = "".join(f"&var-{name}={{{name}}}" for name in ("target", "source") if f"{{{name}}}" in alert.page)
    paths = {
        "runbook": (places.runbooks, f"/{alert.name}.md", "docs/runbooks"),
        "dashboard": (places.grafana, f"/d/{PREFIX}{alert.board}?viewPanel={number}{chosen}", ""),
        "page": (places.exporter, alert.page, ""),
    }
    for name, (base, path, shown) in paths.items():
        if path:
            linked = re.sub(r"\{(\w+)\}", r"{{ $labels.\1 }}", path)
            yield (f"{name}_url", f"{base.rstrip('/')}{linked}") if base else (name, f"{shown}{linked}")


def grafana(groups: Iterable[Group], places: Places, panels: Panels) -> dict[str, Any]:
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
                "rules": [_managed(alert, inline, places, panels) for alert in group.alerts],
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


def _managed(alert: Alert, inline: dict[str, str], places: Places, panels: Panels) -> dict[str, Any]:
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
    board, number = PREFIX + alert.board, panels[PREFIX + alert.board, alert.panel]
    rule |= {"dashboardUid": board, "panelId": number}
    written = _annotations(alert, places, panels, asks=False)
    annotations = {name: text.replace("$value", "$values.A.Value") for name, text in written.items()}
    annotations |= {"__dashboardUid__": board, "__panelId__": str(number)}
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
