"""``replay``: takes recorded answers through two mappings and shows which series would differ."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from exporter.app.assembly import examine_packs
from exporter.cli.console import Paper
from exporter.client.recorder import Recorded, recorded_files
from exporter.common.changes import Totals, add_changes, changes_from_signals
from exporter.common.series_text import format_series
from exporter.mapping.catalogue import BUILTIN
from exporter.mapping.engine.mapper import mapper
from exporter.mapping.rules import MappingPack
from exporter.mapping.runs.reducer import folder
from exporter.model.errors import ConfigError, SourceError
from exporter.model.events import Event, EventPage, Resource, Response, Window
from exporter.model.metrics import Metric, Series
from exporter.model.protocols import Map
from exporter.model.runs import ResourceSnapshot
from exporter.pipeline.counting import CountContext, History, count_events
from exporter.pipeline.run_tracker import RunTracker
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope

Values = dict[str, float]
_decode = msgspec.json.Decoder(Recorded).decode
_ALL = History(0, counts=True)


class Read(NamedTuple):
    """Events of a recorded answer, and how much each had grown since the answers before."""

    recorded: Recorded
    events: list[Event]
    growths: list[int]


class Side:
    """One of the two mappings, and what it has made of everything so far."""

    def __init__(self, mappings: Sequence[Path]) -> None:
        self._packs: Mapping[str, MappingPack] = {pack.source: pack for pack in examine_packs(mappings)[0]}
        own: dict[str, Metric] = {name: one for pack in self._packs.values() for name, one in pack.metrics.items()}
        self._metrics = BUILTIN | own
        self._maps: dict[tuple[str, str], Map] = {}
        self._journals: dict[tuple[str, str], RunTracker] = {}
        self._totals = Totals({}, {})
        self._latest = 0

    def take(self, read: Read) -> None:
        """One answer."""
        place = (read.recorded.target, read.recorded.source)
        if place not in self._maps:
            pack = self._packs[place[1]]
            self._maps[place] = mapper(pack, place[0])
            self._journals[place] = RunTracker(*place, folder(pack, place[0]), None)
        map_, journal = self._maps[place], self._journals[place]
        context = CountContext(*place, self._metrics, _ALL, read.recorded.at)
        told = count_events(read.events, read.growths, map_, context)
        journal.note(told.rows, read.recorded.at)
        self._latest = max(self._latest, read.recorded.at)
        add_changes(self._totals, told.changes)

    def values(self) -> Values:
        """Every series with what it came to."""
        for journal in self._journals.values():
            settled = journal.settle((resource, ResourceSnapshot(self._latest, 0)) for resource in journal.waiting())
            changes = changes_from_signals(settled.signals, settled.ended, self._metrics, self._latest)
            add_changes(self._totals, changes)
        found = {self._written(series): value for series, value in self._totals.grown.items()}
        for (name, labels), moment in self._totals.moments.items():
            if isinstance(moment.value, tuple):
                found[self._written((name, (*labels, *moment.value)))] = 1.0
            else:
                found[self._written((name, labels))] = moment.value
        return found

    def _written(self, series: Series) -> str:
        """Write a series as text; the ``_count`` and ``_sum`` of a histogram have the labels of the histogram."""
        name, values = series
        metric = self._metrics.get(name) or self._metrics[name.rpartition("_")[0]]
        return format_series(name, metric.labels, values)


def run(recorded: Path, old: Sequence[Path], new: Sequence[Path], *, as_json: bool) -> int:
    """Shows what differs between the mappings ``old`` and ``new``. The exit code: 1 if anything does. Raises ConfigError."""
    before, after = Side(old), Side(new)
    answers = events = 0
    for read in _reads(recorded):
        answers, events = answers + 1, events + sum(read.growths)
        before.take(read)
        after.take(read)
    was, now = before.values(), after.values()
    differ = sorted(series for series in was.keys() | now.keys() if was.get(series) != now.get(series))
    if as_json:
        found = [{"series": series, "old": was.get(series), "new": now.get(series)} for series in differ]
        Paper().json({"answers": answers, "events": events, "different": found})
    else:
        _print(differ, was, now)
        print(f"{events} events in {answers} answers; {len(differ)} of {len(was.keys() | now.keys())} series differ")
    return int(bool(differ))


def _print(differ: Sequence[str], was: Values, now: Values) -> None:
    paper = Paper()
    for series in differ:
        for sign, style, values in (("-", "red", was), ("+", "green", now)):
            if series in values:
                paper.line((f"{sign} {series} {values[series]:.15g}", style))


def _reads(place: Path) -> Iterator[Read]:
    known: dict[tuple[str, str, str], dict[bytes, int]] = {}
    for recorded in _recorded(place):
        events = _events(recorded)
        counts = known.setdefault((recorded.target, recorded.source, recorded.resource), {})
        growths = [max(0, event.count - counts.get(event.key, 0)) for event in events]
        counts.update((event.key, max(event.count, counts.get(event.key, 0))) for event in events)
        yield Read(recorded, events, growths)


def _recorded(place: Path) -> Iterator[Recorded]:
    files = recorded_files(place)
    if not files:
        raise ConfigError(
            f"--recorded {place}: no recording is there; name the directory of 'record' in the configuration"
        )
    for path in files:
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            try:
                recorded = _decode(line)
            except msgspec.MsgspecError as error:
                raise ConfigError(f"{path}:{number}: no recorded answer ({error}); remove the line") from None
            if recorded.source not in SOURCES:
                raise ConfigError(f"{path}:{number}: no source '{recorded.source}'; remove the line")
            yield recorded


def _events(recorded: Recorded) -> list[Event]:
    """The events of an answer taken by itself; none if it only made its source ask in another way."""
    vendor = SOURCES[recorded.source].make(SourceScope())
    reading = vendor.read(Resource(recorded.resource), Window(None, recorded.date or recorded.at))
    try:
        next(reading)
        step = reading.send(Response(200, recorded.body.encode(), recorded.date))
        return step.events if isinstance(step, EventPage) else []
    except (StopIteration, SourceError, LookupError, ValueError, TypeError, ArithmeticError, AttributeError):
        return []
    finally:
        reading.close()
