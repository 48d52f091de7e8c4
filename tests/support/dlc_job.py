"""A vendor with one PAI DLC job, which answers as the documents and the SDK say."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from exporter.model.events import Request, Resource
from tests.support.readings import NOW, ReadingResult, asked, millis

HOUR = 3_600_000
START = NOW - 48 * HOUR
JOB = Resource("dlc-1", created=START)
Rows = list[tuple[int, str]]


def written(at: int, hours: int = 0) -> str:
    """Write a time in seconds after START on the clocks of a zone."""
    return f"{datetime.fromtimestamp(START // 1000 + at, timezone(timedelta(hours=hours))):%Y-%m-%d %H:%M:%S}"


def job(rows: Rows, newest: bool = True, hours: int = 0, closed: bool = True) -> Callable[[Request], Any]:
    """Return a vendor with one job whose events are (seconds after START, text).

    A full answer has the ``newest`` rows, or the oldest.
    """

    def vendor(request: Request) -> Any:
        query = asked(request)
        begin, end = millis(query["StartTime"]), millis(query["EndTime"]) + closed
        meant = sorted((one for one in rows if begin <= START + one[0] * 1000 < end), key=lambda one: one[0])
        most = int(query["MaxEventsNum"])
        kept = meant[-most:] if newest else meant[:most]
        return {"JobId": "dlc-1", "Events": [f"{written(at, hours)} {text}" for at, text in kept]}

    return vendor


def times_by_row(result: ReadingResult) -> Counter[tuple[int, str]]:
    """Return how often each row happened, by the counts that the store would remember."""
    rows = {event.key: (((event.at or 0) - START) // 1000, event.text) for event in result.events}
    return Counter({rows[key]: count for key, count in result.counts.items()})
