"""Writes series with the times of their samples as OpenMetrics: family by family, each series oldest first, ``# EOF`` last."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client.utils import floatToGoString

from exporter.cli.backfill.time_range import SECOND, TimeRange
from exporter.cli.backfill.timeline import Courses, SampleRun
from exporter.exposition.text_format import HOLE, histogram_samples, metadata, sample
from exporter.model.metrics import Metric

EOF = b"# EOF\n"


class WrittenPart(NamedTuple):
    """A part of the file, and how many series and samples it holds."""

    text: bytes
    series: int
    samples: int


def write(courses: Courses, span: TimeRange, labels: Mapping[str, str]) -> Iterator[WrittenPart]:
    """The whole file in parts; ``labels`` stand on every sample."""
    ends = [b" %d\n" % (at // SECOND) for at in span.times]
    for metric, rows in courses.families():
        yield WrittenPart(metadata(metric, "openmetrics"), 0, 0)
        wider = Metric(metric.name, metric.kind, metric.help, (*metric.labels, *labels), metric.buckets)
        for values, runs in rows:
            heads = _heads(wider, (*values, *labels.values()))
            yield _row(heads, runs, ends)
    yield WrittenPart(EOF, 0, 0)


def _heads(metric: Metric, values: tuple[str, ...]) -> list[bytes]:
    """What stands before the value in each line of a row."""
    plain = metric.kind != "histogram"
    lines = [sample(metric.name, metric.labels, values)] if plain else histogram_samples(metric, values)
    return [line.removesuffix(HOLE).replace(b"%%", b"%") for line in lines]


def _row(heads: list[bytes], runs: Iterable[SampleRun], ends: list[bytes]) -> WrittenPart:
    parts, samples = list[bytes](), 0
    for run in runs:
        begins = [b"%b %b" % (head, _number(value)) for head, value in zip(heads, run.values, strict=True)]
        parts += [begin + end for end in ends[run.first : run.last + 1] for begin in begins]
        samples += (run.last - run.first + 1) * len(begins)
    return WrittenPart(b"".join(parts), len(heads), samples)


def _number(value: float) -> bytes:
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]
    return text.encode()
