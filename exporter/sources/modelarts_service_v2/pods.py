"""The events of the pods of a deployment, as Kubernetes states them.

One call gives those of all pods of all instances, in a bare list without pages (huaweicloudsdkmodelarts 3.1.219,
ListInferDeploymentPodEvents). A row does not say whose event it is: rows of several pods may be equal but for their
counts. What identifies an event is therefore all that is stated of it but count and last time, and its count is the sum
of those that stand in one answer.
"""

from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec

from exporter.model.events import Event, EventPage, Millis, Request
from exporter.model.protocols import Reading
from exporter.sources.decoding import asked, in_slices, read_rows, row_decoders, row_fingerprint
from exporter.sources.limits import MAX_TEXT, clip, segment
from exporter.sources.modelarts_service_v2.paging import HEADERS
from exporter.sources.normalize import fingerprint, joined, oldest_first
from exporter.sources.reading import give
from exporter.sources.times import IsoTimes

_PERMISSION = "modelarts:service:listDeploymentPodEvents"
_MOST = 2**53


class PodRow(msgspec.Struct, gc=False):
    """An event of a pod."""

    reason: str
    message: str | None = None
    type: str | None = None
    count: Annotated[int, msgspec.Meta(ge=0, le=_MOST)] | None = None
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    reporting_component: str | None = None


_ROWS = row_decoders(PodRow)
_WHOLE = msgspec.json.Decoder(msgspec.Raw)


def read_pod_events(service: str, deployment: str) -> Reading:
    """Read the events of all pods of a deployment.

    A span of time is not asked for: the documents do not say which of the two times of a row it would be about.
    """
    request = _request(service, deployment)
    answer = yield from asked(request, _WHOLE)
    found = yield from read_rows(request, answer, _ROWS)
    events, worse = yield from in_slices(found.rows, _reader(service, deployment))
    yield from give(EventPage(oldest_first(_add_up(events)), unreadable=(*found.unreadable, *worse)))
    if found.failure:
        raise found.failure


def _request(service: str, deployment: str) -> Request:
    of_deployment = f"/v2/{{project_id}}/services/{segment(service)}/deployments/{segment(deployment)}"
    path = f"{of_deployment}/instances/all/pods/all/events"
    return Request("modelarts", path, headers=HEADERS, permission=_PERMISSION)


def _add_up(events: list[Event]) -> list[Event]:
    """Make one event of equal ones: the sum of their counts, at the latest of their times."""
    if len({event.key for event in events}) == len(events):
        return events
    whole: dict[bytes, Event] = {}
    for event in events:
        other = whole.get(event.key)
        if other is not None:
            at = event.at if other.at is None or event.at is None else max(other.at, event.at)
            event = msgspec.structs.replace(event, at=at, count=min(other.count + event.count, _MOST))  # noqa: PLW2901
        whole[event.key] = event
    return [*whole.values()]


def _reader(service: str, deployment: str) -> Callable[[Sequence[PodRow]], tuple[list[Event], list[bytes]]]:
    """Return a function that makes events of rows, with fingerprints of the rows that have no usable time."""
    return lambda rows: make_pod_events(rows, service, deployment)


def make_pod_events(rows: Sequence[PodRow], service: str, deployment: str) -> tuple[list[Event], list[bytes]]:
    """Make events of rows, each row one; return the fingerprints of those with an unreadable time as well.

    Kubernetes states no first time in the newer form of its events; such an event has no time.
    """
    events: list[Event] = []
    bad: list[bytes] = []
    times = IsoTimes()
    start = joined(service, deployment, "pod")
    for row in rows:
        kind, component, text = row.type or "", row.reporting_component or "", row.message or ""
        try:
            began = _time(times, row.first_timestamp)
            last = _time(times, row.last_timestamp)
            key = fingerprint(f"{start}{joined(kind, row.reason, component)}{began or ''}:{text}")
        except ValueError:
            bad.append(row_fingerprint(row))
            continue
        at = None if began is None else max(began, last or began)
        fields = {
            "involved_object": "pod",
            "type": clip(kind),
            "component": clip(component),
            "deployment": clip(deployment),
        }
        text = text if len(text) <= MAX_TEXT else clip(text, MAX_TEXT)
        events.append(Event(key, service, at, text, fields["type"], clip(row.reason), row.count or 1, began, fields))
    return events, bad


def _time(times: IsoTimes, text: str | None) -> Millis | None:
    """Read an optional time; one before 1970 is the zero value of the vendor. Raises ValueError."""
    at = times[text] if text else None
    return at if at is not None and at > 0 else None
