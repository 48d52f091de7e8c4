"""Checks the tables of a mapping file that its rules refer to: vocabularies, severities and its own metrics. Pure."""

import re
from collections.abc import Iterator
from itertools import pairwise

from exporter.common.yaml_document import Path_
from exporter.mapping.catalogue import BUILTIN
from exporter.mapping.syntax.context import FileContext
from exporter.mapping.syntax.schema import MappingFile, MetricPart
from exporter.model.metrics import Metric

# What Prometheus asks of the names of a file's own metrics, as sentences. Pure; looks at mapping files only.


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
    """What is wrong with a metric's name."""
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
    """What is wrong with the name of a label that a file declares."""
    if not _NAME.fullmatch(label):
        yield "is no name of a label; use small letters, digits and single underscores"
    if label in _FILLED:
        yield "is added by the exporter; leave it out"
    if label in ("le", "quantile"):
        yield "belongs to Prometheus; choose another name"


def bucket_faults(kind: str, buckets: list[float]) -> Iterator[str]:
    """What is wrong with the bounds of a histogram's buckets."""
    if kind != "histogram" and buckets:
        yield "only a histogram has buckets; remove them"
    if kind == "histogram" and not buckets:
        yield "a histogram needs buckets; list their upper bounds"
    rising = all(low < high for low, high in pairwise(buckets))
    if not rising or len(buckets) > _BUCKETS or (buckets and buckets[-1] == float("inf")):
        yield f"the bounds must rise, be finite and be at most {_BUCKETS}; correct them"


def read_vocab(file: MappingFile, context: FileContext) -> dict[str, tuple[str, ...]]:
    """The closed sets of values, each value once."""
    for name, values in file.vocab.items():
        if not values:
            context.say(("vocab", name), "is empty; list its values")
        for number, value in enumerate(values):
            if value in values[:number]:
                context.say(("vocab", name, number), f"the value '{value}' stands here twice; keep one")
    return {name: tuple(dict.fromkeys(values)) for name, values in file.vocab.items()}


def read_severity(file: MappingFile, context: FileContext) -> dict[str, str]:
    """The vendor's words in ours, case folded as they are compared."""
    folded: dict[str, str] = {}
    for word, severity in file.severity.items():
        if word.casefold() in folded:
            context.say(("severity", word), "this word stands here twice, written in another case; keep one")
        folded[word.casefold()] = severity
    return folded


def own_metrics(file: MappingFile, context: FileContext) -> dict[str, Metric]:
    """The metrics that a file declares; labels ``target`` and ``source`` come first."""
    metrics: dict[str, Metric] = {}
    for name, part in file.metrics.items():
        path: Path_ = ("metrics", name)
        if name in BUILTIN:
            context.say(path, "is built in; choose another name, or use it without declaring it")
        for fault in name_faults(name, part.type):
            context.say(path, fault)
        if not part.help.strip():
            context.say((*path, "help"), "is empty; say where the value comes from")
        for fault in bucket_faults(part.type, part.buckets):
            context.say((*path, "buckets"), fault)
        _check_labels(part, path, context)
        metrics[name] = Metric(
            name, part.type, part.help, ("target", "source", *part.labels), tuple(map(float, part.buckets))
        )
    return metrics


def _check_labels(part: MetricPart, path: Path_, context: FileContext) -> None:
    for number, label in enumerate(part.labels):
        place = (*path, "labels", number)
        for fault in label_faults(label):
            context.say(place, fault)
        if label in part.labels[:number]:
            context.say(place, f"the label '{label}' stands here twice; keep one")
