"""Writes what is made from the code: ``python -m tests.docs_pages``.

The metrics reference comes from the catalogue, the glossary from the words of the web pages, and the alert rules of the
compose file from the alerts, with the addresses that they have there.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from exporter.model.builtin_metrics import BUILTIN
from exporter.model.metrics import Metric
from exporter.observability.self_metrics import declared
from exporter.web.glossary import TERMS
from grafana.builder.alerting import Places
from grafana.builder.files import built

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs"
COMPOSE = ROOT / "examples" / "compose"
ADDRESSES = Places(grafana="http://localhost:3000", exporter="http://localhost:10186")
KINDS = {"stateset": "gauge 0/1", "info": "gauge 1"}
MADE = "<!-- Made by `make docs`; edit the code, not this page. -->"


def pages() -> Iterator[tuple[Path, str]]:
    """Yield each file that is made, and its text."""
    yield FOLDER / "metrics-reference.md", "\n".join(_metrics_reference())
    yield FOLDER / "glossary.md", "\n".join(_glossary())
    yield COMPOSE / "prometheus-rules.yaml", built(ADDRESSES)["alerts/prometheus-rules.yaml"]


def _metrics_reference() -> Iterator[str]:
    yield from ("# Metrics reference", "", MADE, "")
    yield "Every metric with the text of its `# HELP` line. [Metrics](metrics.md) says how they are used."
    yield from ("", "## Events, resources and runs", "", *_table(BUILTIN.values()))
    own = sorted(declared().values(), key=lambda metric: metric.name)
    yield from ("", "## The exporter itself", "", *_table(own))
    yield ""


def _table(metrics: Iterable[Metric]) -> Iterator[str]:
    yield from ("| metric | type | labels | meaning |", "|---|---|---|---|")
    for metric in metrics:
        labels = ", ".join(metric.labels)
        yield f"| `{metric.name}` | {KINDS.get(metric.kind, metric.kind)} | {labels} | {metric.help} |"


def _glossary() -> Iterator[str]:
    yield from ("# Glossary", "", MADE, "")
    yield from ("The words of the pages and of this documentation.", "", "| word | meaning |", "|---|---|")
    yield from (f"| {name} | {text} |" for name, text in sorted(TERMS.items()))
    yield ""


def main() -> None:
    """Write all of them."""
    for path, text in pages():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
