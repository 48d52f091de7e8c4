"""The file that is written: never over another by accident, whole or not at all."""

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from exporter.cli.backfill.openmetrics import WrittenPart
from exporter.cli.backfill.time_range import TimeRange
from exporter.model.errors import ConfigError, ExporterError
from exporter.model.metrics import Metric

STDOUT = "-"


class OutputOptions(NamedTuple):
    """What is wanted: the span, the labels on every sample, the file ("-": standard output), and whether one that is there
    may be replaced."""

    span: TimeRange
    labels: Mapping[str, str]
    file: str
    force: bool = False


def read_labels(given: Sequence[str], metrics: Mapping[str, Metric]) -> dict[str, str]:
    """The labels of ``NAME=VALUE``. Raises ConfigError."""
    own = {"le", *(label for metric in metrics.values() for label in metric.labels)}
    labels = dict[str, str]()
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not (name.isascii() and name.isidentifier()) or name.startswith("__"):
            raise ConfigError(f"--label {text}: is no label; write what a scrape would add, such as job=events")
        if name in own:
            raise ConfigError(f"--label {text}: the metrics have a label {name} of their own; leave it out")
        labels[name] = value
    return labels


@contextlib.contextmanager
def opened(wish: OutputOptions) -> Iterator[BinaryIO]:
    """A file that takes its name when all of it was written. Raises ConfigError where it cannot be made."""
    if wish.file == STDOUT:
        yield sys.stdout.buffer
        return
    path = Path(wish.file)
    if path.exists() and (path.is_dir() or not wish.force):
        cure = "write the name of a file" if path.is_dir() else "write another name, or --force to replace it"
        raise ConfigError(f"-o {path}: is there already; {cure}")
    part = path.with_name(f"{path.name}.part")
    try:
        file = part.open("wb")
    except OSError as error:
        raise ConfigError(f"-o {path}: cannot be written ({error.strerror}); name a folder that takes it") from error
    try:
        with file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def written(file: BinaryIO, parts: Iterable[WrittenPart], wish: OutputOptions) -> str:
    """Writes all parts, and says how much that was. Raises ExporterError."""
    series = samples = size = 0
    try:
        for part in parts:
            file.write(part.text)
            series, samples, size = series + part.series, samples + part.samples, size + len(part.text)
        file.flush()
    except OSError as error:
        raise ExporterError(f"-o {wish.file}: could not be written to its end ({error.strerror}); make room") from error
    return f"{series:,} series, {samples:,} samples, {size / 2**20:,.1f} MB"
