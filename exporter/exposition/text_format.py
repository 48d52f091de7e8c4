"""The words of both exposition formats: metadata lines and sample lines with a hole for the value; holds no values.

Sample lines are the same in Prometheus text 0.0.4 and in OpenMetrics 1.0; only the metadata differ: OpenMetrics names a
counter's family without ``_total`` and an info's without ``_info``. A state set is a gauge in both, for OpenMetrics
wants the label of a ``stateset`` to be called like the metric itself.
"""

from collections.abc import Sequence
from typing import Literal

from prometheus_client.utils import floatToGoString

from exporter.common.series_text import format_series
from exporter.model.metrics import Exemplar, Metric

Format = Literal["text", "openmetrics"]
Labels = tuple[str, ...]

CONTENT_TYPES: dict[Format, str] = {
    "text": "text/plain; version=0.0.4; charset=utf-8",
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
}
HOLE = b" %d"  # stands at the end of every sample line, where a label's text never stands


def metadata(metric: Metric, form: Format) -> bytes:
    """The HELP and TYPE lines of a metric."""
    name, kind = _family(metric) if form == "openmetrics" else (metric.name, _plain_kind(metric))
    text = metric.help.replace("\\", "\\\\").replace("\n", "\\n")
    if form == "openmetrics":
        text = text.replace('"', '\\"')
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n".encode("utf-8", "backslashreplace")


def sample(name: str, names: Sequence[str], values: Sequence[str]) -> bytes:
    """One sample line as a %-template, without its newline."""
    return format_series(name, names, values).replace("%", "%%").encode() + HOLE


def exemplar(one: Exemplar) -> bytes:
    """What OpenMetrics writes after a value."""
    ids = f'trace_id="{one.trace}",span_id="{one.span}"'
    return f" # {{{ids}}} {one.value!r} {one.at / 1000:.3f}".encode()


def state_samples(metric: Metric, base: Labels, states: Sequence[str]) -> list[bytes]:
    """The lines of a state set, one a state."""
    return [sample(metric.name, metric.labels, (*base, state)) for state in states]


def histogram_samples(metric: Metric, labels: Labels) -> list[bytes]:
    """The lines of a histogram: its buckets up to +Inf, the sum, the count."""
    bounds = [*map(floatToGoString, metric.buckets), "+Inf"]
    names = (*metric.labels, "le")
    buckets = [sample(f"{metric.name}_bucket", names, (*labels, bound)) for bound in bounds]
    return [*buckets, *(sample(metric.name + end, metric.labels, labels) for end in ("_sum", "_count"))]


def _plain_kind(metric: Metric) -> str:
    return "gauge" if metric.kind in ("info", "stateset") else metric.kind


def _family(metric: Metric) -> tuple[str, str]:
    if metric.kind == "counter":
        bare = metric.name.removesuffix("_total")
        return (bare, "counter") if bare != metric.name else (metric.name, "unknown")
    if metric.kind == "info" and metric.name.endswith("_info"):
        return metric.name.removesuffix("_info"), "info"
    return metric.name, _plain_kind(metric)
