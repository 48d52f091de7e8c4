"""The results of the sanity checks of a PAI DLC job as events: each phase of each check is one.

``ListJobSanityCheckResults`` (PAI API reference, 2026-01; alibabacloud-pai-dlc20201203 1.11.6) answers with a list of
checks, each a list of the results of its phases; a flat list is read too. A job goes through its check in the status
``SanityChecking``, before it runs and after a restart. The phases are ``CheckInit``, ``DeviceCheck``,
``SingleNodeCommCheck``, ``TwoNodeCommCheck`` and ``AllNodeCommCheck`` (``GetJobSanityCheckResult``); of the words for
a status only ``Succeeded`` is published.
"""

from collections.abc import Generator, Sequence
from typing import Any

import msgspec

from exporter.common.millis import SECOND
from exporter.model.errors import KeysRefused, SourceError, SourceGarbled, SourceGone
from exporter.model.events import Event, EventPage, Millis, Pause, Request, Resource, Response
from exporter.sources.decoding import (
    Pauses,
    asked,
    field_text,
    gap_fingerprint,
    in_slices,
    missing,
    optional,
    read_record,
    read_rows,
    row_decoders,
    row_fingerprint,
)
from exporter.sources.limits import MAX_RECORD_BYTES, MAX_TEXT, clip, segment
from exporter.sources.normalize import count_equal, fingerprint, joined, oldest_first
from exporter.sources.pai_dlc.details import Detail, Part
from exporter.sources.times import BEFORE_ALL, Number, moment, number

PERMISSION = "paidlc:ListJobSanityCheckResults (or pai:ListJobSanityCheckResults)"
FIELDS = frozenset({"sanity_phase", "sanity_status"})
STATUS = "SanityChecking"
PLACE = ("", "sanity checks")

_FAILED = "Failed"
_UNDER_WAY = ("running", "checking", "pending", "waiting", "initializ", "progress", "created", "starting")


class _Result(msgspec.Struct, rename="pascal"):
    phase: str | None = None
    status: str | None = None
    message: msgspec.Raw = optional()
    check_number: Number = None
    started_at: Number = None
    finished_at: Number = None


class _Results(msgspec.Struct):
    rows: msgspec.Raw = msgspec.field(name="SanityCheckResults", default_factory=missing)
    total: Number = msgspec.field(name="TotalCount", default=None)


_LISTS = row_decoders(msgspec.Raw)
_RESULTS = row_decoders(_Result)
_ANSWER = msgspec.json.Decoder(_Results, strict=False)


def find_check(periods: Sequence[tuple[str, Millis | None]], job: Resource) -> Detail | None:
    """Return the sanity checks as a detail of a job, or None where the job has none.

    ``periods`` are the states that the job went through, with their ends.
    """
    ends = [end for status, end in periods if status == STATUS]
    if job.status == STATUS or (None in ends and job.life != "ended"):
        return Detail(PLACE, None)
    if not ends:
        return None
    over = max([end for end in ends if end is not None], default=job.finished)
    return Detail(PLACE, over, once=over is None)


def read_checks(job: Resource) -> Generator[Request | Pause, Response | int | None, Part]:
    """Read the results of the sanity checks of a job.

    A result that has no end yet is left out while its job is being checked: whether it failed is known at its end, and
    an event counts once.
    """
    part = Part()
    request = _request(job.id)
    try:
        answer = yield from asked(request, _ANSWER, MAX_RECORD_BYTES)
        rows = yield from _flat(request, answer)
        found = yield from read_rows(request, rows, _RESULTS, empty=True)
    except SourceGone:
        part.asked.add(PLACE)  # the vendor keeps none
        return part
    except SourceGarbled:
        part.unreadable.append(gap_fingerprint(job.id, STATUS))
        part.asked.add(PLACE)
        return part
    except SourceError as error:
        if isinstance(error, KeysRefused):
            raise
        part.error = error
        return part
    ended = [row for row in found.rows if job.status != STATUS or not _is_under_way(row)]
    events, worse = yield from in_slices(ended, lambda some: _events(some, job.id))
    part.pages.append(EventPage(count_equal(oldest_first(events)), (), (*found.unreadable, *worse)))
    part.asked.add(PLACE)
    return part


def _flat(request: Request, answer: _Results) -> Pauses[msgspec.Raw]:
    """Return the results of all checks as one list. Raises SourceGarbled if they are no list."""
    found = yield from read_rows(request, answer.rows, _LISTS, empty=number(answer.total) == 0)
    pieces = list[bytes]()
    for row in found.rows:
        piece = bytes(row).strip()
        pieces.append(piece[1:-1].strip() if piece.startswith(b"[") else piece)
    return msgspec.Raw(b"[" + b",".join(piece for piece in pieces if piece) + b"]")


def parse_result(raw: Any, job: str) -> Event:
    """Make an event of one raw result. Raises ValueError."""
    events, _ = _events([read_record(raw, _RESULTS)], job)
    if not events:
        raise ValueError("not a record of this source: neither FinishedAt nor StartedAt is a time")
    return events[0]


def _is_under_way(row: _Result) -> bool:
    """Return whether a result may still change: it has no end, and its status does not speak of one."""
    words = (row.status or "").casefold()
    return moment(row.finished_at) is None and (not words or any(word in words for word in _UNDER_WAY))


def _events(rows: Sequence[_Result], job: str) -> tuple[list[Event], list[bytes]]:
    """Make events of results; return them and fingerprints of those that cannot be told from others.

    A result stands in every answer for ever, so one without a time would count again once its key is forgotten.
    """
    events: list[Event] = []
    bad: list[bytes] = []
    for row in rows:
        started, finished, check = moment(row.started_at), moment(row.finished_at), number(row.check_number)
        at = started if finished is None else finished
        if at is None or at < BEFORE_ALL:
            bad.append(row_fingerprint(row))
            continue
        phase = clip(row.phase or "")
        key = fingerprint(joined(job, "sanity check", str(started if check is None else check), phase))
        status = _FAILED if "fail" in (row.status or "").casefold() else clip(row.status or "")
        fields = {"sanity_phase": phase, "sanity_status": status}
        events.append(
            Event(key, job, at, clip(_text(row, check, started, finished), MAX_TEXT), fields=fields, moves=True)
        )
    return events, bad


def _text(row: _Result, check: int | None, started: Millis | None, finished: Millis | None) -> str:
    """Write a result as one line: which check, its phase, how it ended, how long it took, and its message."""
    head = ["Sanity check", *([] if check is None else [str(check)]), *filter(None, (row.phase, row.status))]
    if started is not None and finished is not None and finished >= started:
        head.append(f"after {(finished - started) / SECOND:g} s")
    message = field_text(row.message)
    return " ".join(head) + (f": {message}" if message else "")


def _request(job: str) -> Request:
    headers = (("x-acs-version", "2020-12-03"), ("x-acs-action", "ListJobSanityCheckResults"))
    path = f"/api/v1/jobs/{segment(job)}/sanitycheckresults"
    return Request("pai_dlc", path, (("Order", "asc"),), headers=headers, permission=PERMISSION)


def probe(job: Resource) -> Request:
    """Return the request for the results of a job."""
    return _request(job.id)
