"""What users read is plain English: a list of words keeps the worst turns out."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from exporter.model.builtin_metrics import BUILTIN
from exporter.observability.self_metrics import declared
from exporter.web.glossary import TERMS

ROOT = Path(__file__).parents[2]
LIST = ROOT / "tests" / "data" / "plain-english.txt"
WORDS = [
    line.split(" -> ")[0]
    for line in LIST.read_text("utf-8").splitlines()
    if " -> " in line and not line.startswith("#")
]
WORST = re.compile(rf"\b({'|'.join(map(re.escape, WORDS))})\b", re.IGNORECASE)


def texts() -> Iterator[tuple[str, str]]:
    """Everything that users read, with the place where it is written."""
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "helm").rglob("README.md")):
        if path.name != "CHANGELOG.md":
            yield path.name, path.read_text("utf-8")
    for path in (ROOT / "exporter" / "web" / "templates").glob("*.html"):
        yield path.name, re.sub(r"\{%.*?%\}", "", path.read_text("utf-8"))
    for metric in (*BUILTIN.values(), *declared().values()):
        yield metric.name, metric.help
    yield "glossary", "\n".join(TERMS.values())
    for path in (ROOT / "grafana" / "dashboards").glob("*.json"):
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            yield path.name, f"{panel['title']}\n{panel.get('description', '')}"
    for group in yaml.safe_load((ROOT / "grafana/alerts/prometheus-rules.yaml").read_text("utf-8"))["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert", rule.get("record")), "\n".join(rule.get("annotations", {}).values())


def test_nothing_that_users_read_has_a_turn_of_the_list() -> None:
    assert len(WORDS) > 20
    found = [(place, match[0]) for place, text in texts() for match in WORST.finditer(text)]
    assert found == []
