"""``replay``: shows which series differ between two mappings of recorded answers."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from exporter.app.packs import examine_packs
from exporter.cli.console import Printer
from exporter.client.recorder import RecordedAnswer, recorded_files
from exporter.common.changes import Totals, add_changes, changes_from_signals
from exporter.common.series_text import format_series
from exporter.mapping.engine.mapper import make_mapper
from exporter.mapping.rules import MappingPack
from exporter.mapping.runs.reducer import make_fold
from exporter.model.builtin_metrics import BUILTIN
from exporter.model.errors import NOT_JSON, ConfigError, SourceError
from exporter.model.events import Event, EventPage, Pause, Resource, Response, Window
from exporter.model.metrics import Metric, Series
from exporter.model.protocols import Fold, Map
from exporter.model.runs import ResourceSnapshot
from exporter.pipeline.counting import CountContext, History, count_events
from exporter.pipeline.run_tracker import RunTracker
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope

Values = dict[str, float]
_decode = msgspec.json.Decoder(RecordedAnswer).decode
_ALL = History(0, counts=True)


class AnswerEvents(NamedTuple):
    """The events of one recorded answer.

    ``growths`` says for each event by how much its count has grown since the answers before.
    """

    recorded: RecordedAnswer
    events: list[Event]
    growths: list[int]


class MappingTotals:
    """The totals that one of the two mappings makes of all recorded answers."""

    def __init__(self, mappings: Sequence[Path]) -> None:
        self._packs: Mapping[str, MappingPack] = {pack.source: pack for pack in examine_packs(mappings)[0]}
        own: dict[str, Metric] = {name: one for pack in self._packs.values() for name, one in pack.metrics.items()}
        self._metrics = BUILTIN | own
        self._maps: dict[tuple[str, str], Map] = {}
        self._folds: dict[tuple[str, str], Fold] = {}
        self._run_trackers: dict[tuple[str, str], RunTracker] = {}
        self._totals = Totals({}, {})
        self._latest = 0

    def add(self, read: AnswerEvents) -> None:
        """Count the events of one answer."""
        place = (read.recorded.target, read.recorded.source)
        if place not in self._maps:
            pack = self._packs[place[1]]
            self._maps[place] = make_mapper(pack, place[0])
            self._folds[place] = make_fold(pack, place[0])
            self._run_trackers[place] = RunTracker(*place, None)
        map_, tracker = self._maps[place], self._run_trackers[place]
        context = CountContext(*place, self._metrics, _ALL, read.recorded.at)
        batch = count_events(read.events, read.growths, map_, context)
        tracker.note(batch.rows, read.recorded.at)
        self._latest = max(self._latest, read.recorded.at)
        add_changes(self._totals, batch.changes)

    def values(self) -> Values:
        """Return the value of every series, as text in the form of ``/metrics``."""
        for place, tracker in self._run_trackers.items():
            snapshots = [(resource, ResourceSnapshot(self._latest, 0)) for resource in tracker.noted()]
            update = tracker.settle(self._folds[place], snapshots)
            changes = changes_from_signals(update.signals, update.ended, self._metrics, self._latest)
            add_changes(self._totals, changes)
        found = {self._series_text(series): value for series, value in self._totals.grown.items()}
        for (name, labels), moment in self._totals.moments.items():
            if isinstance(moment.value, tuple):
                found[self._series_text((name, (*labels, *moment.value)))] = 1.0
            else:
                found[self._series_text((name, labels))] = moment.value
        return found

    def _series_text(self, series: Series) -> str:
        """Format a series; ``_count`` and ``_sum`` have the labels of their histogram."""
        name, values = series
        metric = self._metrics.get(name) or self._metrics[name.rpartition("_")[0]]
        return format_series(name, metric.labels, values)


def run(recorded: Path, old: Sequence[Path], new: Sequence[Path], *, as_json: bool) -> int:
    """Print which series differ between the mappings ``old`` and ``new``.

    Returns the exit code: 1 if a series differs. Raises ConfigError.
    """
    before, after = MappingTotals(old), MappingTotals(new)
    answers = events = 0
    for read in _read_answers(recorded):
        answers, events = answers + 1, events + sum(read.growths)
        before.add(read)
        after.add(read)
    old_values, new_values = before.values(), after.values()
    different = sorted(
        series for series in old_values.keys() | new_values.keys() if old_values.get(series) != new_values.get(series)
    )
    if as_json:
        found = [
            {"series": series, "old": old_values.get(series), "new": new_values.get(series)} for series in different
        ]
        Printer().json({"answers": answers, "events": events, "different": found})
    else:
        _print(different, old_values, new_values)
        print(
            f"{events} events in {answers} answers; {len(different)} of {len(old_values.keys() | new_values.keys())} series differ"
        )
    return int(bool(different))


def _print(different: Sequence[str], old_values: Values, new_values: Values) -> None:
    printer = Printer()
    for series in different:
        for sign, style, values in (("-", "red", old_values), ("+", "green", new_values)):
            if series in values:
                printer.line((f"{sign} {series} {values[series]:.15g}", style))


def _read_answers(place: Path) -> Iterator[AnswerEvents]:
    known: dict[tuple[str, str, str], dict[bytes, int]] = {}
    for recorded in _read_recording(place):
        events = _events(recorded)
        counts = known.setdefault((recorded.target, recorded.source, recorded.resource), {})
        growths = [max(0, event.count - counts.get(event.key, 0)) for event in events]
        counts.update((event.key, max(event.count, counts.get(event.key, 0))) for event in events)
        yield AnswerEvents(recorded, events, growths)


def _read_recording(place: Path) -> Iterator[RecordedAnswer]:
    files = recorded_files(place)
    if not files:
        raise ConfigError(
            f"--recorded {place}: no recording is there; name the directory of 'record' in the configuration"
        )
    for path in files:
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            try:
                recorded = _decode(line)
            except NOT_JSON as error:
                raise ConfigError(f"{path}:{number}: no recorded answer ({error}); remove the line") from None
            if recorded.source not in SOURCES:
                raise ConfigError(f"{path}:{number}: no source '{recorded.source}'; remove the line")
            yield recorded


def _events(recorded: RecordedAnswer) -> list[Event]:
    """Return the events of an answer, read without the answers around it.

    The list is empty if the answer only made its source send another request.
    """
    vendor = SOURCES[recorded.source].make(SourceScope())
    reading = vendor.read(Resource(recorded.resource), Window(None, recorded.date or recorded.at))
    try:
        next(reading)
        step = reading.send(Response(200, recorded.body.encode(), recorded.date))
        while isinstance(step, Pause):
            step = next(reading)
        return step.events if isinstance(step, EventPage) else []
    except (StopIteration, SourceError, LookupError, ValueError, TypeError, ArithmeticError, AttributeError):
        return []
    finally:
        reading.close()
