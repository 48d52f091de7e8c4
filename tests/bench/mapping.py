"""How many events a second the mapping of all packs takes by itself, and how long its files take to load."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import yaml

from exporter.app.packs import examine_packs
from exporter.mapping.engine.mapper import make_mapper
from exporter.mapping.loader import built_in
from exporter.model.events import Event, EventPage, Resource, Response, Window
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope

from . import naive
from .flow import Turn, make_turns
from .rounds import Row, interleave
from .watches import MIX, Watched

EVER = Window(None, 1_900_000_000_000)


def measure(quick: bool) -> list[Row]:
    """The same events by our mapper and by the same rules as regular expressions, tried in order."""
    turns = make_turns(MIX, 2 if quick else 10, 500)
    packs = {pack.source: pack for pack in examine_packs(())[0]}
    ours = [(make_mapper(packs[watch.source], "research"), _events(turns, watch)) for watch in MIX]
    theirs = [(naive.matcher(packs[watch.source]), _said(turns, watch)) for watch in MIX]
    sides: dict[str, Callable[[], float]] = {
        "ours": lambda: _rate(ours),
        "naive": lambda: _rate(theirs),
        "load": lambda: _seconds(lambda: examine_packs((), untested=[str(path) for path in built_in()])),
        "parse": lambda: _seconds(_parse),
    }
    for run in sides.values():
        run()
    found = interleave(sides, 3 if quick else 9)
    return [
        Row("mapping alone, all packs", "/s", found["ours"], None, "the same rules by re, in order", found["naive"]),
        Row("loading all packs", "s", found["load"], None, "yaml.load of the same files", found["parse"]),
    ]


def _events(turns: Sequence[Turn], watch: Watched) -> list[Event]:
    vendor, found = SOURCES[watch.source].make(SourceScope("cn-north-4")), list[Event]()
    for turn in turns:
        reading = vendor.read(Resource(watch.resource), EVER)
        next(reading)
        page = reading.send(Response(200, turn[watch]))
        assert isinstance(page, EventPage)
        found += page.events
    return found


def _said(turns: Sequence[Turn], watch: Watched) -> list[naive.Said]:
    return [said for turn in turns for said in naive.read(watch.source, turn[watch], watch.resource)]


def _rate(work: Sequence[tuple[Callable[[Any], object], Sequence[Any]]]) -> float:
    began = time.perf_counter()
    for match, events in work:
        for event in events:
            match(event)
    return sum(len(events) for _, events in work) / (time.perf_counter() - began)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _parse() -> None:
    for path in built_in():
        yaml.load(path.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
