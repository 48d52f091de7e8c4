"""Source of ModelArts services of the new generation (v2), and of the events of all that belongs to them.

A read of a service asks for three kinds of events: those of the service, then for each of its deployments those of its
pods, and those of its autoscaling policy. Events of a service are aggregated: while the same thing goes on,
``event_count`` and ``update_at`` of one row grow; a row has an id, and its text in English and in Chinese (ModelArts
API reference, "Obtaining the Real-Time Service Event List", 2026-07; huaweicloudsdkmodelarts 3.1.219).

Where a part of a deployment cannot be read, the source says so and reads the other parts.
"""

from collections.abc import Callable, Collection, Generator, Sequence
from datetime import UTC
from typing import Annotated, Any

import msgspec

from exporter.common.millis import DAY
from exporter.model.errors import KeysRefused, SourceDenied, SourceError, SourceGarbled, SourceGone
from exporter.model.events import Event, EventPage, Millis, Pause, Request, Resource, ResourcePage, Response, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    SAMPLE_MILLIS,
    SAMPLE_TIME,
    Name,
    Pauses,
    gap_fingerprint,
    in_slices,
    present,
    read_record,
    row_decoders,
    row_fingerprint,
)
from exporter.sources.limits import MAX_TEXT, clip, segment
from exporter.sources.modelarts_service_v2.paging import HEADERS, LIMIT, EventList, read_newest_first
from exporter.sources.modelarts_service_v2.pods import PodRow, make_pod_events, read_pod_events
from exporter.sources.modelarts_service_v2.scaling import (
    RecordZone,
    ScalingRow,
    make_scaling_events,
    read_scaling_events,
)
from exporter.sources.modelarts_service_v2.services import Deployment, list_deployments, list_services
from exporter.sources.normalize import fingerprint, joined
from exporter.sources.reading import give
from exporter.sources.scope import SourceScope
from exporter.sources.times import unix_millis

FIELDS = frozenset({"involved_object", "type", "component", "deployment"})

_PERMISSION = "modelarts:service:get"
_SCALING, _PODS = "autoscaling events", "pod events"
_DEPLOYMENTS = "deployments, and with them pod events and autoscaling events,"


class _Row(msgspec.Struct, gc=False):
    id: Name
    create_at: int
    update_at: int | None = None
    event_count: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None
    event_type: str | None = None
    event_info: str | None = None
    event_info_cn: str | None = None


class _AnyRecord(msgspec.Struct, gc=False):
    """The fields by which the kind of a record is known."""

    first_timestamp: Any = msgspec.UNSET
    reporting_component: Any = msgspec.UNSET
    hpa_id: Any = msgspec.UNSET


_ROWS = row_decoders(_Row)
_ANY = row_decoders(_AnyRecord)
_POD_RECORDS = row_decoders(PodRow)
_SCALING_RECORDS = row_decoders(ScalingRow)

_Part = Generator[Request | EventPage | ResourcePage | Pause, Response | int | None, bool]
"""A part of a read; it returns whether such parts may be read."""


class ModelArtsServiceV2:
    """The services of a project, new generation. Raises ConfigError for an ``event_timezone`` that does not exist."""

    def __init__(self, scope: SourceScope) -> None:
        self._workspaces = scope.workspaces or ("",)
        self._zone = RecordZone(scope.event_timezone)
        self._told: set[str] = set()  # the parts of which it was said that they cannot be read

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """List the services of each workspace."""
        for workspace in self._workspaces:
            yield from list_services(workspace)

    def read(self, resource: Resource, window: Window) -> Reading:
        """Read the events of a service, then those of the pods and of the policy of each deployment.

        A deployment that was deleted before ``window`` has no events in it, and is not asked for.
        """
        yield from _read_service_events(resource.id, window)
        deployments: list[Deployment] = []
        if not (yield from self._part(_DEPLOYMENTS, list_deployments(resource.id, deployments), resource, window)):
            return
        unread: set[str] = set()
        for one in deployments:
            if one.deleted is not None and window.since is not None and one.deleted < window.since:
                continue
            pods = read_pod_events(resource.id, one.name)
            if _PODS not in unread and not (yield from self._part(_PODS, pods, resource, window)):
                unread.add(_PODS)
            scaling = _first_known(resource.id, one, self._zone, window)
            if _SCALING not in unread and not (yield from self._part(_SCALING, scaling, resource, window)):
                unread.add(_SCALING)

    def _part(self, what: str, reading: Reading, resource: Resource, window: Window) -> _Part:
        """Read a part of the events of a service; return False if a permission for such parts is missing.

        That a part cannot be read is said once, and counted as truncated once a day for each service. What the vendor
        does not know has no events. Any other failure, such as an answer that does not come, ends the whole read, which
        is tried again.
        """
        try:
            yield from reading
        except SourceGone:
            return True
        except KeysRefused:
            raise
        except (SourceDenied, SourceGarbled) as error:
            yield from give(self._unread(what, error, resource, window))
            return not isinstance(error, SourceDenied)
        return True

    def _unread(self, what: str, error: SourceError, resource: Resource, window: Window) -> EventPage:
        remarks = () if what in self._told else (f"{what} are not read: {error}",)
        self._told.add(what)
        return EventPage([], truncated=(gap_fingerprint(resource.id, what, window.until // DAY),), remarks=remarks)


def _first_known(service: str, deployment: Deployment, zone: RecordZone, window: Window) -> Reading:
    """Read the events of the policy of a deployment by the first of its ids that the vendor knows.

    A deployment without a policy is not known by any.
    """
    for id_ in deployment.ids:
        try:
            yield from read_scaling_events(service, deployment.name, id_, zone, window)
        except SourceGone:
            continue
        return


def _read_service_events(service: str, window: Window) -> Reading:
    """Read the events of a service, those first that happened (again) last."""

    def make(rows: list[_Row]) -> Pauses[tuple[list[Event], list[bytes], tuple[str, ...]]]:
        events, worse = yield from in_slices(rows, _reader(service))
        return events, worse, ()

    listed = EventList(lambda page: _request(service, page), _ROWS, make, joined(service, "service"))
    yield from read_newest_first(listed, window.since)


def _request(service: str, page: int) -> Request:
    path = f"/v2/{{project_id}}/services/{segment(service)}/events"
    places = (("offset", str(page * LIMIT)), ("limit", str(LIMIT)))
    query = (("sort_key", "update_at"), ("sort_dir", "DESC"), *places)
    return Request("modelarts", path, query, headers=HEADERS, permission=_PERMISSION)


def _reader(service: str) -> Callable[[Sequence[_Row]], tuple[list[Event], list[bytes]]]:
    """Return a function that makes events of rows, with fingerprints of the rows that make none."""
    return lambda rows: _read(rows, service)


def _read(rows: Sequence[_Row], service: str) -> tuple[list[Event], list[bytes]]:
    events: list[Event] = []
    bad: list[bytes] = []
    start = joined(service, "service")
    shared: dict[str, dict[str, str]] = {}
    for row in rows:
        kind, text = row.event_type or "", row.event_info or row.event_info_cn or ""
        fields = shared.get(kind)
        if fields is None:
            fields = shared[kind] = {
                "involved_object": "service",
                "type": clip(kind),
                "component": "",
                "deployment": "",
            }
        try:
            key = fingerprint(f"{start}{row.id}")
        except ValueError:
            bad.append(row_fingerprint(row))
            continue
        began = unix_millis(row.create_at)
        at = began if row.update_at is None else max(began, unix_millis(row.update_at))
        if len(text) > MAX_TEXT:
            text = clip(text, MAX_TEXT)
        events.append(
            Event(key, service, at, text, fields["type"], "", row.event_count or 1, began, fields, moves=True)
        )
    return events, bad


def parse_record(raw: Any, resource: str) -> Event:
    """Make an event of one raw record. Raises ValueError.

    A record is that of a pod if it has a ``first_timestamp`` or a ``reporting_component``, that of an autoscaling
    policy if it has an ``hpa_id``, else that of a service. A time of a policy is UTC.
    """
    record = read_record(raw, _ANY)
    made: tuple[list[Event], list[bytes]]
    if record.first_timestamp is not msgspec.UNSET or record.reporting_component is not msgspec.UNSET:
        made = make_pod_events([read_record(raw, _POD_RECORDS)], resource, "")
    elif record.hpa_id is not msgspec.UNSET:
        made = make_scaling_events([read_record(raw, _SCALING_RECORDS)], resource, "", UTC)
    else:
        made = _read([read_record(raw, _ROWS)], resource)
    if not made[0]:
        raise ValueError("not a record of this source: no usable time or id")
    return made[0][0]


def sample_record(text: str, severity: str, reason: str) -> Any:
    """Make a raw event of a service, or of a pod if it has a reason."""
    if reason:
        return {"reason": reason, "message": text, **present(type=severity), "first_timestamp": SAMPLE_TIME, "count": 1}
    return {"id": "1", "create_at": SAMPLE_MILLIS, **present(event_type=severity), "event_info": text, "event_count": 1}
