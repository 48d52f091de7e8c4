"""The restart records of a PAI DLC job as events.

``RestartRecord`` of GetJob lists every restart of a pod or of the whole job (alibabacloud-pai-dlc20201203 1.11.6,
GetJobResponseBodyRestartRecord). No other answer tells of them. A record has no id of its own: a restart is the same
one while its job, time and level are; its status, duration and errors are written later. The vendor publishes no list
of its words.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from exporter.common.millis import MINUTE
from exporter.model.events import Event, Millis, Request, Resource
from exporter.sources.decoding import (
    DecodedRows,
    Pauses,
    in_slices,
    read_record,
    read_rows,
    row_decoders,
    row_fingerprint,
)
from exporter.sources.limits import MAX_TEXT, clip
from exporter.sources.normalize import count_equal, fingerprint, joined, oldest_first
from exporter.sources.times import BEFORE_ALL, Number, moment

FIELDS = frozenset({"restart_level", "restart_status"})
UNSETTLED = 10 * MINUTE  # how long a restart that is under way is waited for: by its end it may have failed

_FAILED = "Failed"
_UNDER_WAY = ("restarting", "recovering", "rescheduling", "pending", "waiting", "processing", "progress")


class _Error(msgspec.Struct, rename="pascal", gc=False):
    error_code: str | None = None
    error_msg: str | None = None
    error_source: str | None = None
    detail_error_msg: str | None = None
    node: str | None = None
    pod: str | None = None


class _Restart(msgspec.Struct, rename="pascal"):
    occur_time: Number
    occur_phase: str | None = None
    reason: str | None = None
    restart_level_type: str | None = None
    restart_status: str | None = None
    restart_fail_reason: str | None = None
    restart_duration_in_sec: Number = None
    detail_error_info_list: list[_Error] | None = None


_ROWS = row_decoders(_Restart)


class Restarts(msgspec.Struct, frozen=True):
    """The restarts of a job.

    ``unreadable`` are fingerprints of records that could not be read; ``unsettled`` says that one is left out because
    it is under way.
    """

    events: list[Event]
    unreadable: tuple[bytes, ...]
    unsettled: bool


def read_restarts(request: Request, raw: msgspec.Raw, job: Resource, now: Millis) -> Pauses[Restarts]:
    """Read the restart records of an answer to ``request``. Raises SourceGarbled if they are no list.

    A record that is under way is left out for ten minutes, unless its job has ended: whether the restart fails decides
    how bad it is, and an event counts once.
    """
    found: DecodedRows[_Restart] = yield from read_rows(request, raw, _ROWS, empty=True)
    if found.failure is not None:
        raise found.failure
    settled = [row for row in found.rows if job.life == "ended" or not _is_under_way(row, now)]
    events, worse = yield from in_slices(settled, lambda rows: _events(rows, job.id))
    return Restarts(
        events=count_equal(oldest_first(events)),
        unreadable=(*found.unreadable, *worse),
        unsettled=len(settled) < len(found.rows),
    )


def parse_restart(raw: Any, job: str) -> Event:
    """Make an event of one raw restart record. Raises ValueError."""
    events, _ = _events([read_record(raw, _ROWS)], job)
    if not events:
        raise ValueError("not a record of this source: OccurTime is no time")
    return events[0]


def _is_under_way(row: _Restart, now: Millis) -> bool:
    words, at = (row.restart_status or "").casefold(), moment(row.occur_time)
    under_way = not _has_failed(row) and any(word in words for word in _UNDER_WAY)
    return under_way and at is not None and abs(now - at) < UNSETTLED


def _has_failed(row: _Restart) -> bool:
    return bool(row.restart_fail_reason) or "fail" in (row.restart_status or "").casefold()


def _events(rows: Sequence[_Restart], job: str) -> tuple[list[Event], list[bytes]]:
    """Make events of records; return them and fingerprints of those without a time that could be one.

    A record stands in every answer for ever, so one without a time would count again once its key is forgotten.
    """
    events: list[Event] = []
    bad: list[bytes] = []
    for row in rows:
        at, level = moment(row.occur_time), _level(row)
        if at is None or at < BEFORE_ALL:
            bad.append(row_fingerprint(row))
            continue
        key = fingerprint(joined(job, "restart", level, str(at)))
        status = _FAILED if _has_failed(row) else clip(row.restart_status or "")
        text = clip(_text(row, level), MAX_TEXT)
        pod = clip(next((error.pod for error in row.detail_error_info_list or () if error.pod), ""))
        fields = {"restart_level": level, "restart_status": status, "stated": "", "pod": pod}
        events.append(Event(key, job, at, text, fields=fields))
    return events, bad


def _level(row: _Restart) -> str:
    """Return ``pod`` or ``job``; an answer of an older version has no level, and restarts of jobs alone."""
    return "pod" if "pod" in (row.restart_level_type or "").casefold() else "job"


def _text(row: _Restart, level: str) -> str:
    """Write a record as one line: what restarted, how it went, how long it took, where, why, and each error."""
    status = row.restart_status or (_FAILED if _has_failed(row) else "")
    seconds = row.restart_duration_in_sec
    head = [f"Restart of {'a pod' if level == 'pod' else 'the job'}"]
    head += [status] if status else []
    head += [f"after {seconds} s"] if seconds not in (None, "") else []
    head += [f"in phase {row.occur_phase}"] if row.occur_phase else []
    why = [part for part in (row.reason, row.restart_fail_reason) if part]
    why += [text for error in row.detail_error_info_list or () if (text := _error_text(error))]
    return " ".join(head) + (f": {'; '.join(why)}" if why else "")


def _error_text(error: _Error) -> str:
    place = [f"{name} {value}" for name, value in (("pod", error.pod), ("node", error.node)) if value]
    parts = [error.error_source, error.error_code, error.error_msg or error.detail_error_msg]
    return " ".join([*filter(None, parts), *([f"({', '.join(place)})"] if place else [])])
