"""Reads what ``explain`` is given: raw records or answers as JSON, or plain texts, one a line; finds out whose they are."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from exporter.mapping.engine.mapper import mapper
from exporter.mapping.rules import MappingPack
from exporter.model.errors import UNREADABLE, ConfigError
from exporter.model.events import Event
from exporter.sources import SOURCES

RESOURCE = "resource"


class InputEvent(NamedTuple):
    """An event, the raw record it was made of, and its source."""

    source: str
    raw: Any
    event: Event


def read_given(text: str, source: str | None, packs: Mapping[str, MappingPack]) -> list[InputEvent]:
    """Everything in ``text``. Raises ConfigError where a record cannot be read, or a source cannot be told."""
    return [_given(number, raw, source, packs) for number, raw in _records(text)]


def _records(text: str) -> Iterator[tuple[int, Any]]:
    """Line numbers, and objects of JSON or texts: a record, a list of them, a vendor's whole answer, or one on each line."""
    try:
        whole = json.loads(text)
    except ValueError:
        whole = None
    if isinstance(whole, dict | list):
        yield from ((1, record) for record in (whole if isinstance(whole, list) else _rows(whole)))
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line) if line.lstrip().startswith("{") else line.strip()
        except ValueError:
            record = line.strip()
        yield number, record


def _rows(whole: dict[str, Any]) -> list[Any]:
    """The records of an answer, which has one list of them; else the object is a record itself."""
    lists = [value for value in whole.values() if isinstance(value, list) and value]
    return lists[0] if len(lists) == 1 and not _readers(whole) else [whole]


def _given(number: int, raw: Any, source: str | None, packs: Mapping[str, MappingPack]) -> InputEvent:
    known = ", ".join(SOURCES)
    if source is None:
        found = _takers(raw, packs) if isinstance(raw, str) else _readers(raw)
        if len(found) != 1:
            said = "a text could be any source's" if isinstance(raw, str) else "the record could be several sources'"
            what = said if found or isinstance(raw, str) else "no source writes such a record"
            raise ConfigError(f"line {number}: {what}; write --source with one of {known}")
        source = found[0]
    try:
        record = SOURCES[source].sample_record(raw, "", "") if isinstance(raw, str) and source != "pai_dlc" else raw
        return InputEvent(source, record, SOURCES[source].record(record, RESOURCE))
    except UNREADABLE as error:
        raise ConfigError(
            f"line {number}: no record of {source} ({error}); correct it, or write its text alone"
        ) from None


def _readers(raw: Any) -> list[str]:
    """The sources that can read a record."""
    found = []
    for name, kind in SOURCES.items():
        try:
            kind.record(raw, RESOURCE)
        except UNREADABLE:
            continue
        found.append(name)
    return found


def _takers(text: str, packs: Mapping[str, MappingPack]) -> list[str]:
    """The sources with a rule that takes a text."""
    found = []
    for name, kind in SOURCES.items():
        event = kind.record(kind.sample_record(text, "", ""), RESOURCE)
        if mapper(packs[name], "test")(event).rule is not None:
            found.append(name)
    return found
