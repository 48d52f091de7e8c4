"""Runs readings of the sources without a network, and holds what their tests share."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from exporter.model.events import Event, EventPage, Pause, Request, Resource, ResourcePage, Response, Window
from exporter.model.protocols import Reading
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope

DATA = Path(__file__).parents[1] / "data"
NOW = 1_795_219_200_000  # 2026-11-21
ALL = Window(None, NOW)
Vendor = Callable[[Request], Any]


class ReadingResult(NamedTuple):
    """The requests of a reading, and the pages and pauses that it yielded."""

    asks: list[Request]
    pages: list[EventPage]
    found: list[ResourcePage]
    pauses: list[Pause]

    @property
    def events(self) -> list[Event]:
        return [event for page in self.pages for event in page.events]

    @property
    def resources(self) -> list[Resource]:
        return [resource for found in self.found for resource in found.resources]

    @property
    def counts(self) -> dict[bytes, int]:
        """The counts that the store would remember: of each key the largest."""
        largest: dict[bytes, int] = {}
        for event in self.events:
            largest[event.key] = max(event.count, largest.get(event.key, 0))
        return largest

    @property
    def truncated(self) -> bool:
        return any(page.truncated for page in self.pages)


def drive(reading: Reading, vendor: Vendor, known: dict[bytes, int] | None = None, most: int = 2000) -> ReadingResult:
    """Run a reading as the collector does; ``vendor`` answers a request with a JSON value or bytes.

    ``known`` holds the counts that were remembered before by key, and is updated.
    """
    result, known = ReadingResult([], [], [], []), {} if known is None else known
    step = next(reading, None)
    while step is not None:
        reply: Response | int | None = None
        if isinstance(step, Request):
            result.asks.append(step)
            assert len(result.asks) <= most, "the reading goes on for ever"
            body = vendor(step)
            reply = Response(200, body if isinstance(body, bytes) else msgspec.json.encode(body))
        elif isinstance(step, Pause):
            result.pauses.append(step)
        elif isinstance(step, EventPage):
            result.pages.append(step)
            reply = sum(event.count > known.get(event.key, 0) for event in step.events)
            known.update({event.key: max(event.count, known.get(event.key, 0)) for event in step.events})
        else:
            result.found.append(step)
        try:
            step = reading.send(reply)
        except StopIteration:
            step = None
    return result


def read(
    name: str,
    vendor: Vendor,
    resource: str | Resource = "r",
    window: Window = ALL,
    known: dict[bytes, int] | None = None,
) -> ReadingResult:
    """Read with a new source."""
    of = resource if isinstance(resource, Resource) else Resource(resource)
    return drive(SOURCES[name].make(SourceScope()).read(of, window), vendor, known)


def asked(request: Request) -> dict[str, str]:
    """Return the query of a request."""
    return dict(request.query)


def millis(text: str) -> int:
    """Return an ISO time as Unix milliseconds; UTC if it states no zone."""
    at = datetime.fromisoformat(text)
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def answer_to(path: Path) -> dict[str, Any]:
    """Return the sample answer that an expectation belongs to."""
    answer: dict[str, Any] = json.loads(path.with_name(path.name.split(".")[0] + ".json").read_bytes())
    if path.parent.name == "modelarts_training" and "events" in answer:
        answer["total"] = len(answer["events"])  # the vendor's sample is the first of three pages
    return answer


def record_of(name: str) -> Any:
    """Return the first record of a source's sample."""
    sample = json.loads((DATA / name / "sample.json").read_bytes())
    return next(value for value in sample.values() if isinstance(value, list))[0]
