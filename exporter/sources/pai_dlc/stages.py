"""GetJob of a PAI DLC job and what it names: its states as stages of its run, its restarts, pods and sanity checks.

``StatusHistory`` (SDK 1.11) is one list for all restarts of a job. Pods and sanity checks have calls of their own,
which need permissions of their own and are made where the configuration asks for them.
"""

from collections.abc import Generator, Sequence
from typing import NamedTuple

import msgspec

from exporter.common.millis import HOUR
from exporter.model.errors import SourceDenied
from exporter.model.events import EventPage, Millis, Pause, Request, Resource, Response, Window
from exporter.model.protocols import Stages
from exporter.model.runs import RunRecord
from exporter.sources.decoding import Pauses, asked, gap_fingerprint, optional
from exporter.sources.limits import MAX_RECORD_BYTES, MAX_STAGES, clip, garbled, segment
from exporter.sources.pai.event_texts import EventTexts
from exporter.sources.pai_dlc import details, pods, sanity_checks
from exporter.sources.pai_dlc.details import Asked, Detail, Named, Part
from exporter.sources.pai_dlc.restarts import read_restarts
from exporter.sources.reading import distinct_stages, ordered_stages, snake_case
from exporter.sources.scope import SourceScope
from exporter.sources.times import Number, moment

OPTIONS = frozenset({"pod_events", "sanity_checks"})

_FINAL = frozenset({"Succeeded", "Failed", "Stopped"})
_DENIED = HOUR  # how long a call is not made again after it was denied: only a person can help
_POD_EVENTS = "the events of pods"
_CHECKS = "the results of sanity checks"


class _Period(msgspec.Struct, rename="pascal"):
    status: str = ""
    start_time: Number = None
    end_time: Number = None


class _Job(msgspec.Struct, rename="pascal"):
    status_history: list[_Period] | None = None
    restart_record: msgspec.Raw = optional()
    pods: msgspec.Raw = optional()


_JOB = msgspec.json.Decoder(_Job, strict=False)


class _Details(NamedTuple):
    """What was read of the details of a job; the fields as in ``RunRecord``."""

    pages: list[EventPage]
    again: Millis | None
    unread: tuple[bytes, ...]
    missing: tuple[tuple[str, str], ...]


class JobRecords:
    """What GetJob and the calls beside it say of the jobs of a region."""

    def __init__(self, scope: SourceScope, texts: EventTexts) -> None:
        self._pod_events = scope.pod_events
        self._sanity_checks = scope.sanity_checks
        self._texts = texts
        self._memory = details.Memory()
        self._denied_until: dict[str, Millis] = {}

    def read(self, job: Resource, window: Window) -> Stages:
        """Read the states that a job went through, its restarts and its details. Raises SourceGarbled."""
        request = _request(job.id)
        answer = yield from asked(request, _JOB, MAX_RECORD_BYTES)
        periods = answer.status_history or []
        if len(periods) > MAX_STAGES:
            raise garbled(request, f"the answer has more than {MAX_STAGES} states; it was refused")
        read = (
            (snake_case(clip(period.status)), period.start_time, period.end_time)
            for period in periods
            if period.status not in _FINAL
        )
        stages = distinct_stages(ordered_stages(read))
        restarts = yield from read_restarts(request, answer.restart_record, job, window.until)
        restarted = EventPage(restarts.events, unreadable=restarts.unreadable)
        found = yield from self._details(request, answer, job, window)
        return RunRecord(
            attempts=(stages,),
            page=details.joined_page([restarted, *found.pages]),
            again=window.until if restarts.unsettled else found.again,
            unread=found.unread,
            missing=found.missing,
        )

    def _details(
        self, request: Request, answer: _Job, job: Resource, window: Window
    ) -> Generator[Request | Pause, Response | int | None, _Details]:
        """Ask for the details of a job that are due, and say when to ask again."""
        before = self._memory.recall(job.id, window.since or 0)
        named = yield from self._named(request, answer, job, before, window.until)
        waiting = details.due(named.details, before, window)
        parts = yield from self._ask(waiting, job, before, window)
        denied = [what for what, part in parts.items() if isinstance(part.error, SourceDenied)]
        self._denied_until |= dict.fromkeys(denied, window.until + _DENIED)
        read = {place for part in parts.values() for place in part.asked}
        unread = [one for one in waiting if one.place not in read and _what(one) not in denied]
        kept = {detail.place for detail in named.details} & before.times.keys()
        after = Asked(
            at=window.until,
            times={place: before.times[place] for place in kept} | dict.fromkeys(read, window.until),
            left=frozenset(one.place for one in unread if one.place not in before.times),
        )
        self._memory.keep(job.id, before, after)
        pages = [page for part in parts.values() for page in part.pages]
        bad = (*named.unreadable, *(one for part in parts.values() for one in part.unreadable))
        return _Details(
            pages=[*pages, EventPage([], unreadable=bad)],
            again=details.next_request(named.details, after),
            unread=tuple(gap_fingerprint(job.id, *one.place) for one in unread if details.is_owed(one, before)),
            missing=tuple(
                (f"{what} are {'missing' if what in denied else 'late'}", str(part.error))
                for what, part in parts.items()
                if part.error
            ),
        )

    def _named(self, request: Request, answer: _Job, job: Resource, before: Asked, now: Millis) -> Pauses[Named]:
        """Return the details of a job that the configuration asks for and that are not denied.

        One whose turn is to come and that the answer does not name any more is over.
        """
        found = Named()
        allowed = {what for what in (_POD_EVENTS, _CHECKS) if now >= self._denied_until.get(what, 0)}
        if self._pod_events and _POD_EVENTS in allowed:
            found = yield from pods.read_pods(request, answer.pods, job)
        if self._sanity_checks and _CHECKS in allowed:
            ends = [(period.status, moment(period.end_time)) for period in answer.status_history or []]
            check = sanity_checks.find_check(ends, job)
            found = found._replace(details=(*found.details, *filter(None, (check,))))
        known = {detail.place for detail in found.details}
        gone = [Detail(place, None, once=True) for place in sorted(before.left - known)]
        return found._replace(details=(*found.details, *(detail for detail in gone if _what(detail) in allowed)))

    def _ask(
        self, waiting: Sequence[Detail], job: Resource, before: Asked, window: Window
    ) -> Generator[Request | Pause, Response | int | None, dict[str, Part]]:
        """Ask for the sanity checks of a job, then for its pods, where they are among what waits."""
        parts = dict[str, Part]()
        of_pods = [detail for detail in waiting if _what(detail) == _POD_EVENTS]
        if len(of_pods) < len(waiting):
            parts[_CHECKS] = yield from sanity_checks.read_checks(job)
        if of_pods:
            parts[_POD_EVENTS] = yield from pods.read_pod_events(self._texts, of_pods, job, before, window)
        return parts


def _what(detail: Detail) -> str:
    return _CHECKS if detail.place == sanity_checks.PLACE else _POD_EVENTS


def _request(job: str) -> Request:
    headers = (("x-acs-version", "2020-12-03"), ("x-acs-action", "GetJob"))
    return Request("pai_dlc", f"/api/v1/jobs/{segment(job)}", headers=headers, permission="paidlc:GetJob")


def probes(job: Resource, scope: SourceScope, now: Millis) -> dict[str, Request]:
    """Return requests whose answers say whether the details that the configuration asks for may be read."""
    return ({"pod events": pods.probe(job, now)} if scope.pod_events else {}) | (
        {"sanity": sanity_checks.probe(job)} if scope.sanity_checks else {}
    )
