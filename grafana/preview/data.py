"""Prepares what a Prometheus serves for previews and tests: a day of history, and what the rules record of it."""

from collections.abc import Iterator
from pathlib import Path

from grafana.builder.alerting import written_out
from grafana.builder.rules import GROUPS
from grafana.preview.history import Span, record
from grafana.preview.server import Server, fill, serving
from grafana.preview.troubles import Troubles


def prepared(span: Span, folder: Path, prometheus: str, promtool: str, mappings: tuple[str, ...] = ()) -> Path:
    """The folder with the blocks of it all."""
    data = folder / "data"
    fill(promtool, record(span, folder, Troubles(), mappings), data)
    with serving(prometheus, folder, data, {}) as server:
        recorded = folder / "recorded.om"
        recorded.write_text("".join(_recorded(server, span)) + "# EOF\n", "utf-8")
    fill(promtool, recorded, data)
    return data


def _recorded(server: Server, span: Span) -> Iterator[str]:
    """What the recording rules would have written."""
    records = [rule for group in GROUPS for rule in group.records]
    inline = {rule.name: rule.inline for rule in records}
    for rule in records:
        for line in server.course(written_out(rule.inline, inline), span.end - span.hours * 3600, span.end, span.step):
            labels = ",".join(f'{name}="{value}"' for name, value in line.labels.items())
            yield from (
                f"{rule.name}{{{labels}}} {value} {at:.3f}\n" for at, value in zip(line.times, line.values, strict=True)
            )
