"""Reads the input of ``explain``: raw records as JSON, or plain texts, one a line."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from exporter.mapping.engine.mapper import make_mapper
from exporter.mapping.rules import MappingPack
from exporter.model.errors import UNREADABLE, ConfigError
from exporter.model.events import Event
from exporter.sources import SOURCES, Kind

RESOURCE = "resource"


class InputEvent(NamedTuple):
    """An event, the raw record it was made of, and its source."""

    source: str
    raw: Any
    event: Event


def read_input(text: str, source: str | None, packs: Mapping[str, MappingPack]) -> list[InputEvent]:
    """Read every record in ``text``.

    Without ``source``, the source of each record is found by its form or by the rules that match its text. Raises
    ConfigError if a record cannot be read or its source cannot be found.
    """
    return [_read_event(number, raw, source, packs) for number, raw in _records(text)]


def _records(text: str) -> Iterator[tuple[int, Any]]:
    """Yield each record or text with its line number.

    The input may be one record, a list of records, a whole answer of a vendor, or one record or text on each line.
    """
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
    """Return the records of an answer with one list of them, else the object itself."""
    lists = [value for value in whole.values() if isinstance(value, list) and value]
    return lists[0] if len(lists) == 1 and not _sources_that_read(whole) else [whole]


def _read_event(number: int, raw: Any, source: str | None, packs: Mapping[str, MappingPack]) -> InputEvent:
    known = ", ".join(SOURCES)
    if source is None:
        found = _sources_that_match(raw, packs) if isinstance(raw, str) else _sources_that_read(raw)
        if len(found) != 1:
            ambiguous = (
                "a text could be any source's" if isinstance(raw, str) else "the record could be several sources'"
            )
            what = ambiguous if found or isinstance(raw, str) else "no source writes such a record"
            raise ConfigError(f"line {number}: {what}; write --source with one of {known}")
        source = found[0]
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
    """Return the sources that can read a record."""
    found = []
    for name, kind in SOURCES.items():
        try:
            kind.record(raw, RESOURCE)
        except UNREADABLE:
            continue
        found.append(name)
    return found


def _sources_that_match(text: str, packs: Mapping[str, MappingPack]) -> list[str]:
    """Return the sources that have a rule for a text; a rule that takes any text says nothing of this one."""
    found = []
    for name, kind in SOURCES.items():
        event = kind.record(kind.sample_record(text, "", ""), RESOURCE)
        taken = make_mapper(packs[name], "test")(event).rule
        if any(rule.id == taken and rule.textual for rule in packs[name].rules):
            found.append(name)
    return found
