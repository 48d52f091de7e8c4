"""The relabelings that give the platform metrics one instance, whichever pod shows them."""

import re
from typing import Any

import yaml

from tests.support.charts import ROOT

SERVICE = "events-platform-events-exporter"
Relabelings = list[dict[str, Any]]


def of_the_guide() -> Relabelings:
    """The block for Prometheus in Kubernetes, as people copy it."""
    guide = (ROOT / "docs" / "grafana.md").read_text("utf-8")
    (block,) = re.findall(r"^```yaml\n(scrape_configs:\n.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    relabelings: Relabelings = yaml.safe_load(block)["scrape_configs"][0]["metric_relabel_configs"]
    return relabelings
