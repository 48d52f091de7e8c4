"""The guide to trouble names what exists: metrics, alerts, sections."""

import re
from pathlib import Path

from exporter.model.builtin_metrics import BUILTIN
from exporter.observability.self_metrics import COUNTERS, GAUGES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text()


def test_the_guide_to_trouble_names_metrics_and_alerts_that_exist() -> None:
    own = {f"platform_exporter_{name}" for name, *_ in (*COUNTERS, *GAUGES)}
    assert set(re.findall(r"`(platform_\w+)", TEXT)) <= own | set(BUILTIN)
    alerts = set(re.findall(r"`(Platform[A-Z]\w+)`", TEXT))
    assert len(alerts) > 5
    assert {name for name in alerts if not (ROOT / "docs" / "runbooks" / f"{name}.md").exists()} == set()


def test_every_link_of_the_guide_to_trouble_leads_to_a_section() -> None:
    sections = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", TEXT, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= sections
