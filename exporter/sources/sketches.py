"""Raw records of each source made of a text alone: what a test in a mapping file needs where only the text is known."""

from collections.abc import Callable
from typing import Any

Sketch = Callable[[str, str, str], Any]
"""From text, severity and reason, both in the vendor's words or "", to a record that reads as an event with them."""

_ISO, _MILLIS = "2026-01-02T03:04:05Z", 1767323045000


def training(text: str, severity: str, reason: str) -> Any:
    """A row of a training job's events; they have no reason."""
    return {"time": _ISO, **_said(level=severity), "message": text}


def pool(text: str, severity: str, reason: str) -> Any:
    """A pool's event."""
    said = _said(type=severity, reason=reason)
    return {**said, "count": 1, "firstTimestamp": _ISO, "lastTimestamp": _ISO, "message": text}


def service(text: str, severity: str, reason: str) -> Any:
    """A row of a service's event log; they have no reason."""
    return {"occur_time": _MILLIS, **_said(event_type=severity), "event_info": text}


def dws(text: str, severity: str, reason: str) -> Any:
    """An event of DWS; its reason is its name."""
    said = _said(name=reason, severity=severity)
    return {"event_id": "1", **said, "source_id": "cluster", "occur_time": _MILLIS, "context": text}


def dlc(text: str, severity: str, reason: str) -> Any:
    """A text of PAI DLC with its time; they have no reason."""
    return f"2026-01-02 03:04:05 {f'[{severity}] ' if severity else ''}{text}"


def _said(**words: str) -> dict[str, str]:
    return {key: word for key, word in words.items() if word}
