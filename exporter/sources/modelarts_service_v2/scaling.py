"""The events of the autoscaling policy (HPA) of a deployment.

An event is that the policy changed the number of instances, or failed to.

``offset`` is a page, counted from 0, and ``sort_key`` has a default that is none of its values, so one is sent
(huaweicloudsdkmodelarts 3.1.219, ListInferDeploymentHpaEvents). ``record_time`` names no zone.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, timedelta, timezone, tzinfo

import msgspec

from exporter.common.millis import HOUR, SECOND
from exporter.model.events import Event, Millis, Request, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import Name, Pauses, in_slices, row_decoders, row_fingerprint
from exporter.sources.limits import MAX_TEXT, clip, segment
from exporter.sources.modelarts_service_v2.paging import HEADERS, LIMIT, EventList, read_newest_first
from exporter.sources.normalize import fingerprint, joined
from exporter.sources.times import elapsed, offset, parse_zone, split_stamp, stamp_moment

_PERMISSION = "modelarts:service:listHpaEvents"
_CHINA = timezone(timedelta(hours=8))
_SLACK = 15 * 60 * SECOND  # how far an event may lie in the future before its zone is doubted
_WIDEST = 14 * HOUR  # how far a time can be off if its zone was not what we think
_CORRECTED = "times of autoscaling events lie in the future as UTC and fit as +08:00; taken as +08:00 from now on"
_DOUBTED = (
    "times of autoscaling events lie in the future with event_timezone {}; it is kept as it was stated, but {} would"
    " fit: check it"
)


class ScalingRow(msgspec.Struct, gc=False):
    """An event of an autoscaling policy."""

    id: Name
    hpa_id: str
    status: str | None = None
    message: str | None = None
    record_time: str | None = None


_ROWS = row_decoders(ScalingRow)


class RecordZone:
    """The zone of ``record_time``: as it was stated, or UTC until times show that they are those of China.

    Raises ConfigError for an ``event_timezone`` that does not exist.
    """

    def __init__(self, event_timezone: str) -> None:
        self._guessing = event_timezone == "auto"
        self._stated = event_timezone
        self.zone: tzinfo = UTC if self._guessing else parse_zone(event_timezone)
        self._checking = True

    def other(self) -> tzinfo:
        """Return the zone that is tried if times lie in the future."""
        return _CHINA if self._guessing or self.zone != _CHINA else UTC

    def check(self, events: Sequence[Event], moved: Sequence[Event], now: Millis) -> str:
        """Correct a guessed zone, or doubt a stated one, once; return what is to be remarked, or "".

        ``moved`` are the same events by the other zone. What lies in the future by both says nothing of the zone.
        """
        latest = now + _SLACK
        pairs = zip(events, moved, strict=True)
        if not self._checking or not any((one.at or 0) > latest >= (other.at or 0) for one, other in pairs):
            return ""
        self._checking = False
        other = self.other()
        if self._guessing:
            self.zone = other
            return _CORRECTED
        return _DOUBTED.format(self._stated, "UTC" if other is UTC else "+08:00")


def read_scaling_events(service: str, deployment: str, id_: str, zone: RecordZone, window: Window) -> Reading:
    """Read the events of the policy of a deployment, newest first; ``id_`` is that of the deployment."""

    def make(rows: list[ScalingRow]) -> Pauses[tuple[list[Event], list[bytes], tuple[str, ...]]]:
        events, worse = yield from in_slices(rows, _reader(service, deployment, zone.zone))
        if all((event.at or 0) <= window.until + _SLACK for event in events):
            return events, worse, ()
        moved, _ = yield from in_slices(rows, _reader(service, deployment, zone.other()))
        before = zone.zone
        remark = zone.check(events, moved, window.until)
        return (events if zone.zone is before else moved), worse, (remark,) if remark else ()

    name = gap_name(service, deployment)
    listed = EventList(lambda page: _request(service, id_, page), _ROWS, make, name)
    yield from read_newest_first(listed, None if window.since is None else window.since - _WIDEST)


def gap_name(service: str, deployment: str) -> str:
    """Return the name of gaps in the events of a policy."""
    return joined(service, deployment, "scaling")


def _request(service: str, deployment: str, page: int) -> Request:
    path = f"/v2/{{project_id}}/services/{segment(service)}/deployments/{segment(deployment)}/hpa/events"
    order = (("sort_key", "lastProbeTime"), ("sort_dir", "DESC"), ("offset", str(page)), ("limit", str(LIMIT)))
    return Request("modelarts", path, order, headers=HEADERS, permission=_PERMISSION)


def _reader(
    service: str, deployment: str, zone: tzinfo
) -> Callable[[Sequence[ScalingRow]], tuple[list[Event], list[bytes]]]:
    """Return a function that makes events of rows, with fingerprints of the rows that have no usable time."""
    return lambda rows: make_scaling_events(rows, service, deployment, zone)


def make_scaling_events(
    rows: Sequence[ScalingRow], service: str, deployment: str, zone: tzinfo
) -> tuple[list[Event], list[bytes]]:
    """Make events of rows, each row one; return the fingerprints of those with an unreadable time as well.

    An event has an id. Should its status change, it is another event [inferred].
    """
    events: list[Event] = []
    bad: list[bytes] = []
    for row in rows:
        status = row.status or ""
        try:
            at = _time(row.record_time, zone)
            key = fingerprint(joined(service, "scaling", row.id, status))
        except ValueError:
            bad.append(row_fingerprint(row))
            continue
        fields = {
            "involved_object": "autoscaler",
            "type": clip(status),
            "component": "",
            "deployment": clip(deployment),
        }
        text = row.message or ""
        text = text if len(text) <= MAX_TEXT else clip(text, MAX_TEXT)
        events.append(Event(key, service, at, text, fields["type"], fields=fields, moves=True))
    return events, bad


def _time(text: str | None, zone: tzinfo) -> Millis | None:
    """Read an optional time, by ``zone`` if it names none. Raises ValueError for a text that is no time."""
    if not text:
        return None
    stamp, rest = split_stamp(text.strip())
    moment = None if rest else stamp_moment(stamp)
    if moment is None:
        raise ValueError(f"{text!r} is no time")
    return elapsed(moment) - (0 if moment.tzinfo else offset(zone, moment))
