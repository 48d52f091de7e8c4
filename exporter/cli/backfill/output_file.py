"""The output file: never replaced by accident, written as a whole or not at all."""

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
    """What to write and where.

    ``labels`` are added to every sample. ``file`` may be ``-`` for standard output. ``force`` replaces an existing
    file.
    """

    time_range: TimeRange
    labels: Mapping[str, str]
    file: str
    force: bool = False


def read_labels(given: Sequence[str], metrics: Mapping[str, Metric]) -> dict[str, str]:
    """Read labels of the form ``NAME=VALUE``. Raises ConfigError."""
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
def open_output(options: OutputOptions) -> Iterator[BinaryIO]:
    """Open the output; a file gets its name only after all of it was written.

    Raises ConfigError if the file cannot be made.
    """
    if options.file == STDOUT:
        yield sys.stdout.buffer
        return
    path = Path(options.file)
    if path.exists() and (path.is_dir() or not options.force):
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


def write_parts(file: BinaryIO, parts: Iterable[WrittenPart], options: OutputOptions) -> str:
    """Write all parts and return their size in words. Raises ExporterError."""
    series = samples = size = 0
    try:
        for part in parts:
            file.write(part.text)
            series, samples, size = series + part.series, samples + part.samples, size + len(part.text)
        file.flush()
    except OSError as error:
        raise ExporterError(
            f"-o {options.file}: could not be written to its end ({error.strerror}); make room"
        ) from error
    return f"{series:,} series, {samples:,} samples, {size / 2**20:,.1f} MB"
