"""Checks of what the rules of a mapping file refer to. Pure.

That is vocabularies, severities, and the file's own metrics, whose names must follow the rules of Prometheus.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from exporter.common.yaml_document import KeyPath
from exporter.mapping.syntax.context import FileContext
from exporter.mapping.syntax.schema import MappingFile, MetricPart
from exporter.model.builtin_metrics import BUILTIN
from exporter.model.metrics import Metric

_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_FILLED = ("target", "source")
_ENDINGS = ("_bucket", "_count", "_sum", "_info", "_created")
_UNITS = {
    "milliseconds": "seconds", "ms": "seconds", "minutes": "seconds", "hours": "seconds", "days": "seconds",
    "kilobytes": "bytes", "kb": "bytes", "megabytes": "bytes", "mb": "bytes", "gigabytes": "bytes", "gb": "bytes",
    "percent": "ratio", "percentage": "ratio",
}  # fmt: skip
_TYPES = ("counter", "gauge", "histogram")
_BUCKETS = 50


def name_faults(name: str, kind: str) -> Iterator[str]:
    """List what is wrong with the name of a metric."""
    if not _NAME.fullmatch(name):
        yield "is no name of a metric; use small letters, digits and single underscores"
    if name.startswith("platform_exporter_"):
        yield "begins with platform_exporter_, which is the exporter's own; choose another prefix"
    if (kind == "counter") != name.endswith("_total"):
        yield f"is a {kind}; {'end its name' if kind == 'counter' else 'only counters end'} with _total"
    for ending in filter(name.endswith, _ENDINGS):
        yield f"ends with {ending}, which Prometheus uses itself; choose another ending"
    for part in name.split("_"):
        if part in _UNITS:
            yield f"has the unit '{part}'; use the base unit {_UNITS[part]}"
        if part in _TYPES:
            yield f"repeats the type '{part}'; leave it out of the name"


def label_faults(label: str) -> Iterator[str]:
    """List what is wrong with the name of a label that a file declares."""
    if not _NAME.fullmatch(label):
        yield "is no name of a label; use small letters, digits and single underscores"
    if label in _FILLED:
        yield "is added by the exporter; leave it out"
    if label in ("le", "quantile"):
        yield "belongs to Prometheus; choose another name"


def bucket_faults(kind: str, buckets: list[float]) -> Iterator[str]:
    """List what is wrong with the bounds of a histogram's buckets."""
    if kind != "histogram" and buckets:
        yield "only a histogram has buckets; remove them"
    if kind == "histogram" and not buckets:
        yield "a histogram needs buckets; list their upper bounds"
    rising = all(low < high for low, high in pairwise(buckets))
    if not rising or len(buckets) > _BUCKETS or (buckets and buckets[-1] == float("inf")):
        yield f"the bounds must rise, be finite and be at most {_BUCKETS}; correct them"


def read_vocab(file: MappingFile, context: FileContext) -> dict[str, tuple[str, ...]]:
    """Read the vocabularies; each value counts once."""
    for name, values in file.vocab.items():
        if not values:
            context.add_fault(("vocab", name), "is empty; list its values")
        known = set[str]()
        for number, value in enumerate(values):
            if value in known:
                context.add_fault(("vocab", name, number), f"the value '{value}' stands here twice; keep one")
            known.add(value)
    return {name: tuple(dict.fromkeys(values)) for name, values in file.vocab.items()}


def read_severity(file: MappingFile, context: FileContext) -> dict[str, str]:
    """Read the vendor's words, case folded as they are compared, in ours."""
    folded: dict[str, str] = {}
    for word, severity in file.severity.items():
        if word.casefold() in folded:
            context.add_fault(("severity", word), "this word stands here twice, written in another case; keep one")
        folded[word.casefold()] = severity
    return folded


def own_metrics(file: MappingFile, context: FileContext) -> dict[str, Metric]:
    """Read the metrics that a file declares.

    The labels ``target`` and ``source`` come first.
    """
    metrics: dict[str, Metric] = {}
    for name, part in file.metrics.items():
        path: KeyPath = ("metrics", name)
        if name in BUILTIN:
            context.add_fault(path, "is built in; choose another name, or use it without declaring it")
        for fault in name_faults(name, part.type):
            context.add_fault(path, fault)
        if not part.help.strip():
            context.add_fault((*path, "help"), "is empty; say where the value comes from")
        for fault in bucket_faults(part.type, part.buckets):
            context.add_fault((*path, "buckets"), fault)
        _check_labels(part, path, context)
        metrics[name] = Metric(
            name, part.type, part.help, ("target", "source", *part.labels), tuple(map(float, part.buckets))
        )
    return metrics


def _check_labels(part: MetricPart, path: KeyPath, context: FileContext) -> None:
    for number, label in enumerate(part.labels):
        place = (*path, "labels", number)
        for fault in label_faults(label):
            context.add_fault(place, fault)
        if label in part.labels[:number]:
            context.add_fault(place, f"the label '{label}' stands here twice; keep one")
