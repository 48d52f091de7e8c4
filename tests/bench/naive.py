"""The usual way to write such an exporter, to be measured beside ours: one library for each step, one step an event.

Pydantic models for answers, the same rules tried in order as regular expressions, prometheus_client counters, and a row of
SQLite for each event. It is kinder to itself than ours has to be: it neither keeps totals nor knows late events, holds
or time zones, and forgets its counters when it ends.
"""

import hashlib
import re
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic import BaseModel, Field

from exporter.mapping.rules import MappingPack, Rule

_HOLES = {"word": r"([^\s\[\]]+)", "int": r"(-?\d+)", "num": r"(-?[\d.]+)", "quoted": r'("[^"]*")', "rest": "(.*)"}


class TrainingEvent(BaseModel):
    time: datetime
    level: str = ""
    source: str = ""
    message: str


class TrainingPage(BaseModel):
    events: list[TrainingEvent]
    total: int


class ServiceEvent(BaseModel):
    occur_time: int
    event_type: str = ""
    event_info: str


class ServicePage(BaseModel):
    events: list[ServiceEvent]
    total_count: int


class PoolEvent(BaseModel):
    first: datetime = Field(alias="firstTimestamp")
    last: datetime = Field(alias="lastTimestamp")
    type: str = ""
    reason: str = ""
    message: str
    count: int


class PoolPage(BaseModel):
    items: list[PoolEvent]


class DwsEvent(BaseModel):
    event_id: str
    occur_time: int
    name: str
    severity: str = ""
    context: str = ""
    source_id: str


class DwsPage(BaseModel):
    events: list[DwsEvent]
    count: int


class DlcPage(BaseModel):
    events: list[str] = Field(alias="Events")


class Said(NamedTuple):
    """An event as the steps after reading want it."""

    identity: str
    at: float
    severity: str
    reason: str
    text: str
    resource: str


def read(source: str, body: bytes, resource: str) -> list[Said]:
    """The events of an answer."""
    match source:
        case "modelarts_training":
            return [
                Said(f"{e.time}{e.level}{e.source}{e.message}", e.time.timestamp(), e.level, "", e.message, resource)
                for e in TrainingPage.model_validate_json(body).events
            ]
        case "modelarts_service":
            return [
                Said(f"{e.occur_time}{e.event_info}", e.occur_time / 1000, e.event_type, "", e.event_info, resource)
                for e in ServicePage.model_validate_json(body).events
            ]
        case "modelarts_pool":
            return [
                Said(f"{e.first}{e.reason}{e.message}", e.last.timestamp(), e.type, e.reason, e.message, resource)
                for e in PoolPage.model_validate_json(body).items
            ]
        case "dws":
            return [
                Said(e.event_id, e.occur_time / 1000, e.severity, e.name, e.context, e.source_id)
                for e in DwsPage.model_validate_json(body).events
            ]
    return [
        Said(text, datetime.fromisoformat(f"{text[:19]}+00:00").timestamp(), "", "", text[20:], resource)
        for text in DlcPage.model_validate_json(body).events
    ]


def matcher(pack: MappingPack) -> Callable[[Said], tuple[str, str]]:
    """Tries the rules of a pack in order; gives severity and reason."""
    rules = [(rule, _patterns(rule)) for rule in pack.rules]

    def match(said: Said) -> tuple[str, str]:
        fields = {"reason": said.reason, "name": said.reason, "severity": said.severity}
        for rule, patterns in rules:
            if all(fields.get(field) in values for field, values in rule.when) and (
                not patterns or any(pattern.fullmatch(said.text) for pattern in patterns)
            ):
                return rule.severity or _severity(pack.severity, said), rule.reason or said.reason or "other"
        return _severity(pack.severity, said), said.reason or "other"

    return match


def _severity(known: Mapping[str, str], said: Said) -> str:
    return known.get(said.severity.lower(), "unclassified")


def _patterns(rule: Rule) -> list[re.Pattern[str]]:
    return [re.compile(_pattern(shape), re.DOTALL) for shape in rule.shapes]


def _pattern(shape: Any) -> str:
    """A shape as a regular expression; text in the middle takes as little as it can."""
    holes = [*(_HOLES.get(hole.type, "(.*?)") for hole in shape.holes), ""]
    return "".join(re.escape(literal) + hole for literal, hole in zip(shape.literals, holes, strict=True))


class Naive:
    """The whole of it, over a file in ``folder``."""

    def __init__(self, folder: Path, packs: Mapping[str, MappingPack]) -> None:
        registry = CollectorRegistry()
        self._match = {source: matcher(pack) for source, pack in packs.items()}
        labels = ["target", "source"]
        self._events = Counter("platform_events", "Events.", [*labels, "severity", "reason"], registry=registry)
        self._resources = Counter(
            "platform_resource_events", "Events.", [*labels, "resource", "severity"], registry=registry
        )
        self._newest = Gauge(
            "platform_last_event_timestamp_seconds", "Newest.", [*labels, "severity"], registry=registry
        )
        self._database = sqlite3.connect(folder / "naive.db", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute("CREATE TABLE seen (fingerprint BLOB PRIMARY KEY) WITHOUT ROWID")

    def take(self, source: str, body: bytes, resource: str) -> int:
        """Counts the events of an answer, in one transaction; gives back how many were new."""
        new, place, match = 0, ("research", source), self._match[source]
        self._database.execute("BEGIN")
        for said in read(source, body, resource):
            fingerprint = hashlib.sha256(f"{source}{resource}{said.identity}".encode()).digest()[:16]
            if self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (fingerprint,)).rowcount:
                severity, reason = match(said)
                self._events.labels(*place, severity, reason).inc()
                self._resources.labels(*place, said.resource, severity).inc()
                self._newest.labels(*place, severity).set(said.at)
                new += 1
        self._database.execute("COMMIT")
        return new

    def close(self) -> None:
        self._database.close()
