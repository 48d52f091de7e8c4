"""What Prometheus asks of the names of a file's own metrics, as sentences. Pure; looks at mapping files only."""

import re
from collections.abc import Iterator
from itertools import pairwise

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
