"""The events of the pods of a PAI DLC job: what Kubernetes says of a pod that waits or has failed.

``GetPodEvents`` (PAI API reference, 2026-01; alibabacloud-pai-dlc20201203 1.11.6) answers in the form of
``GetJobEvents``, one pod a request. ``GetJob`` names the pods with their status, also those that were replaced
(``HistoryPods``). A pod that runs, or that ended well, is not asked for, unless it had waited long.

The documents do not say whether the list of a job repeats events of its pods. Their examples are an event of the job
("Created pod") and one of a pod ("Successfully pulled image"), so the lists are taken to be different ones, and two
pods may say the same in the same second. But a text that the job's own list has at the same second is no second event.
"""

from collections.abc import Generator, Sequence
from functools import partial

import msgspec

from exporter.common.millis import DAY, HOUR, MINUTE
from exporter.model.errors import KeysRefused, SourceError, SourceGarbled, SourceGone
from exporter.model.events import Millis, Pause, Request, Resource, Response, Window
from exporter.sources.decoding import (
    Name,
    Pauses,
    asked,
    field_text,
    gap_fingerprint,
    missing,
    optional,
    read_rows,
    row_decoders,
)
from exporter.sources.limits import MAX_ROWS, segment
from exporter.sources.pai.event_texts import MOST, Answer, EventTexts
from exporter.sources.pai_dlc.details import LATE, Asked, Detail, Named, Part, Place, collect
from exporter.sources.times import BEFORE_ALL, Number, iso_text, moment

PERMISSION = "paidlc:GetPodEvents (or pai:GetPodEvents)"
MAX_PODS = 10
"""Pods that are asked for with one read of a job; the others have their turn with its next reads.

The pods of a job mostly fail for one reason, and a job of thousand pods must not use up the budget of the others.
"""

_FINE = ("running", "succeeded")
_EVICTED = "evicted"
_FAILED = "failed"
_WAITED = 2 * MINUTE  # a pod that took longer to run has met something


class _Pod(msgspec.Struct, rename="pascal"):
    pod_id: Name
    pod_uid: msgspec.Raw = optional()
    status: msgspec.Raw = optional()
    sub_status: msgspec.Raw = optional()
    gmt_create_time: Number = None
    gmt_start_time: Number = None
    gmt_finish_time: Number = None
    history_pods: msgspec.Raw = optional()


class _Events(msgspec.Struct, rename="pascal"):
    events: msgspec.Raw = msgspec.field(default_factory=missing)
    pod_id: str | None = None


_PODS = row_decoders(_Pod)
_EVENTS = msgspec.json.Decoder(_Events)


def read_pods(request: Request, raw: msgspec.Raw, job: Resource) -> Pauses[Named]:
    """Read the pods that an answer to ``request`` names, also those that were replaced."""
    rows = list[_Pod]()
    unreadable = list[bytes]()
    waiting = [raw]
    while waiting:
        try:
            found = yield from read_rows(request, waiting.pop(), _PODS, empty=True)
        except SourceGarbled:
            unreadable.append(gap_fingerprint(job.id, "pods"))
            continue
        unreadable += found.unreadable
        rows += found.rows
        waiting += [row.history_pods for row in found.rows if row.history_pods]
        if len(rows) > MAX_ROWS:
            unreadable.append(gap_fingerprint(job.id, "pods"))
            break
    named = dict[Place, Detail]()
    for row in rows:
        detail = _detail(row, job)
        named.setdefault(detail.place, detail)
    return Named(tuple(named.values()), tuple(unreadable))


def _detail(pod: _Pod, job: Resource) -> Detail:
    """Return a pod as a detail of its job. One that is fine was over, as a trouble, when it had begun to run."""
    created, started, finished = (moment(at) for at in (pod.gmt_create_time, pod.gmt_start_time, pod.gmt_finish_time))
    status = field_text(pod.status).casefold()
    place = pod.pod_id, field_text(pod.pod_uid)
    if status in _FINE and field_text(pod.sub_status).casefold() != _EVICTED:
        waited = started is not None and created is not None and started - created >= _WAITED
        return Detail(place, started, once=started is None, since=created, fine=not waited)
    over = finished if finished is not None or job.life != "ended" else job.finished
    return Detail(place, over, once=over is None and (status == _FAILED or job.life == "ended"), since=created)


def read_pod_events(
    texts: EventTexts, pods: Sequence[Detail], job: Resource, before: Asked, window: Window
) -> Generator[Request | Pause, Response | int | None, Part]:
    """Read the events of some pods of a job, as many as one read may ask for."""
    part = Part()
    for pod in pods[:MAX_PODS]:
        id_, uid = pod.place
        span = Window(_begin(pod, job, before), window.until)
        try:
            yield from collect(texts.read(job, span, partial(_request, job.id, pod), _ask, pod=id_), part.pages)
        except SourceGone:
            pass  # the vendor keeps nothing of it any more
        except SourceGarbled:
            part.unreadable.append(gap_fingerprint(job.id, "pod", id_, uid))
        except SourceError as error:
            if isinstance(error, KeysRefused):
                raise
            part.error = error
            break
        part.asked.add(pod.place)
        if sum(len(page.events) for page in part.pages) > MAX_ROWS:
            break
    return part


def _begin(pod: Detail, job: Resource, before: Asked) -> Millis:
    """Return from when on the events of a pod are asked for: since it was made, or was asked for last."""
    created = pod.since - HOUR if pod.since is not None else (job.created or BEFORE_ALL + DAY) - DAY
    return max(created, before.times.get(pod.place, 0) - LATE)


def _request(job: str, pod: Detail, begin: Millis, end: Millis) -> Request:
    id_, uid = pod.place
    times = (("StartTime", iso_text(begin)), ("EndTime", iso_text(end)), ("MaxEventsNum", str(MOST)))
    query = (*times, ("PodUid", uid)) if uid else times
    headers = (("x-acs-version", "2020-12-03"), ("x-acs-action", "GetPodEvents"))
    path = f"/api/v1/jobs/{segment(job)}/pods/{segment(id_)}/events"
    return Request("pai_dlc", path, query, headers=headers, permission=PERMISSION)


def _ask(request: Request) -> Generator[Request | Pause, Response | int | None, Answer]:
    answer = yield from asked(request, _EVENTS)
    return Answer(answer.events, bool(answer.pod_id))


def probe(job: Resource, now: Millis) -> Request:
    """Return a request for the events of a pod that does not exist: its answer says whether they may be read."""
    return _request(job.id, Detail(("none", ""), None), now - HOUR, now)
