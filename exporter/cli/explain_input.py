"""Reads the input of ``explain``: raw records as JSON, or plain texts, one a line."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from exporter.mapping.engine.mapper import make_mapper
from exporter.mapping.rules import MappingPack
from exporter.model.errors import NOT_JSON, UNREADABLE, ConfigError
from exporter.model.events import Event
from exporter.model.protocols import Map
from exporter.sources import SOURCES, Kind

RESOURCE = "resource"


class InputEvent(NamedTuple):
    """An event, the raw record it was made of, and its source."""

    source: str
    raw: Any
    event: Event


def read_input(text: str, source: str | None, packs: Mapping[str, MappingPack]) -> list[tuple[InputEvent, ...]]:
    """Read every record in ``text`` as an event of each source that it may be of.

    That is ``source`` if it is given. Without it, these are the sources that can read a record, or that have a rule for
    a text. Records that are given together are mostly of one source, so sources that fit all of them are preferred.
    Raises ConfigError if a record cannot be read or no source fits it.
    """
    records = list(_records(text))
    if source is not None:
        return [(_read_event(number, raw, source),) for number, raw in records]
    knows = _rule_finder(packs)
    found = [_sources_of(number, raw, knows) for number, raw in records]
    everywhere = set[str]().union(*found).intersection(*found)
    return [
        tuple(_read_event(number, raw, name) for name in names if not everywhere or name in everywhere)
        for (number, raw), names in zip(records, found, strict=True)
    ]


def _records(text: str) -> Iterator[tuple[int, Any]]:
    """Yield each record or text with its line number.

    The input may be one record, a list of records, a whole answer of a vendor, or one record or text on each line.
    """
    try:
        whole = json.loads(text)
    except NOT_JSON:
        whole = None
    if isinstance(whole, dict | list):
        yield from ((1, record) for record in (whole if isinstance(whole, list) else _rows(whole)))
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line) if line.lstrip().startswith("{") else line.strip()
        except NOT_JSON:
            record = line.strip()
        yield number, record


def _rows(whole: dict[str, Any]) -> list[Any]:
    """Return the records of an answer with one list of them, else the object itself."""
    lists = [value for value in whole.values() if isinstance(value, list) and value]
    return lists[0] if len(lists) == 1 and not _sources_that_read(whole) else [whole]


def _sources_of(number: int, raw: Any, knows: Callable[[str, Any], bool]) -> list[str]:
    """Return the sources that a record may be of. Raises ConfigError if there is none."""
    found = [name for name in SOURCES if knows(name, raw)] if isinstance(raw, str) else _sources_that_read(raw)
    if not found:
        what = "a text could be any source's" if isinstance(raw, str) else "no source writes such a record"
        raise ConfigError(f"line {number}: {what}; write --source with one of {', '.join(SOURCES)}")
    return found


def _read_event(number: int, raw: Any, source: str) -> InputEvent:
    try:
        record, event = _read_record(SOURCES[source], raw)
    except UNREADABLE as error:
        raise ConfigError(
            f"line {number}: no record of {source} ({error}); correct it, or write its text alone"
        ) from None
    return InputEvent(source, record, event)


def _read_record(kind: Kind, raw: Any) -> tuple[Any, Event]:
    """Return a record and its event; a text that is no record of the source is the text of one."""
    try:
        return raw, kind.record(raw, RESOURCE)
    except UNREADABLE:
        if not isinstance(raw, str):
            raise
        record = kind.sample_record(raw, "", "")
        return record, kind.record(record, RESOURCE)


def _sources_that_read(raw: Any) -> list[str]:
    """Return the sources that find something in a record: a text or a time.

    A source whose records need an id alone can read many another's, and finds neither in it.
    """
    found = []
    for name, kind in SOURCES.items():
        try:
            event = kind.record(raw, RESOURCE)
        except UNREADABLE:
            continue
        if event.text or event.at is not None:
            found.append(name)
    return found


def _rule_finder(packs: Mapping[str, MappingPack]) -> Callable[[str, Any], bool]:
    """Return a function that says whether a source has a rule for a text.

    A rule that takes any text says nothing of this one.
    """
    textual = {name: {rule.id for rule in pack.rules if rule.textual} for name, pack in packs.items()}

    @cache
    def mapper(source: str) -> Map:
        return make_mapper(packs[source], "test")

    return lambda source, text: mapper(source)(_read_record(SOURCES[source], text)[1]).rule in textual[source]
