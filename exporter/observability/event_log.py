"""Every new event as a line of JSON on standard output, for log collectors.

Written once the event is committed.
"""

import json
from datetime import UTC, datetime
from typing import TextIO

from exporter.model.events import Event
from exporter.model.metrics import Mapped
from exporter.model.protocols import Report
from exporter.model.telemetry import EventsCommitted, LogMessage, SelfEvent


class EventLines:
    """Writes events to ``stream``.

    After a failed write nothing is written any more, and a warning says so once.
    """

    def __init__(self, stream: TextIO, report: Report) -> None:
        self._stream: TextIO | None = stream
        self._report = report

    def report(self, event: SelfEvent) -> None:
        """Write new events; skip those from before first contact."""
        if self._stream is None or not isinstance(event, EventsCommitted):
            return
        lines = [_format(event, happened, mapped, news) for happened, mapped, news in event.rows if news]
        try:
            self._stream.write("".join(lines))
            self._stream.flush()
        except (OSError, ValueError) as error:  # a pipe without a reader, a closed file
            self._stream = None
            why = getattr(error, "strerror", None) or error
            text = f"log.events: standard output cannot be written ({why}); events are counted but no longer listed"
            self._report(LogMessage(f"{text}; see to whoever reads it, and restart the exporter", warning=True))


def _format(committed: EventsCommitted, event: Event, mapped: Mapped, news: int) -> str:
    fields = {
        "time": None if event.at is None else _timestamp(event.at / 1000),
        "seen": _timestamp(committed.at),
        "target": committed.target,
        "source": committed.source,
        "resource": event.resource,
        "severity": mapped.severity,
        "reason": mapped.reason,
        "times": news,
        "id": event.key.hex(),
        "message": event.text,
    }
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "backslashreplace").decode() + "\n"


def _timestamp(seconds: float) -> str:
    """Format Unix seconds as ISO 8601 with milliseconds.

    A time outside the calendar stays a number.
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.3f}"
