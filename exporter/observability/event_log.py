"""Every new event as a line of JSON, for whoever collects a program's standard output; once it is committed, and news."""

import json
from datetime import UTC, datetime
from typing import TextIO

from exporter.model.events import Event
from exporter.model.metrics import Mapped
from exporter.model.protocols import Tell
from exporter.model.telemetry import EventsCommitted, LogMessage, SelfEvent


class EventLines:
    """Writes to ``stream``. What cannot be written is said once, and then nothing is written any more."""

    def __init__(self, stream: TextIO, tell: Tell) -> None:
        self._stream: TextIO | None = stream
        self._tell = tell

    def tell(self, fact: SelfEvent) -> None:
        """Hears of events; history is none."""
        if self._stream is None or not isinstance(fact, EventsCommitted):
            return
        lines = [_line(fact, event, mapped, news) for event, mapped, news in fact.rows if news]
        try:
            self._stream.write("".join(lines))
            self._stream.flush()
        except (OSError, ValueError) as error:  # a pipe whose reader has gone, a file that was closed
            self._stream = None
            why = getattr(error, "strerror", None) or error
            text = f"log.events: standard output cannot be written ({why}); events are counted but no longer listed"
            self._tell(LogMessage(f"{text}; see to whoever reads it, and restart the exporter", warning=True))


def _line(fact: EventsCommitted, event: Event, mapped: Mapped, news: int) -> str:
    fields = {
        "time": _stamp(event.at / 1000) if event.at is not None else None,
        "seen": _stamp(fact.at),
        "target": fact.target,
        "source": fact.source,
        "resource": event.resource,
        "severity": mapped.severity,
        "reason": mapped.reason,
        "times": news,
        "id": event.key.hex(),
        "message": event.text,
    }
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "backslashreplace").decode() + "\n"


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
