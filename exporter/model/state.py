"""What the store keeps: commits, progress of reads, and what a start restores."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from exporter.model.events import Event, Millis, Resource
from exporter.model.metrics import Changes, Series
from exporter.model.runs import OtlpRecord


class Watch(NamedTuple):
    """A unit of polling: a resource of a source of a target; ``resource`` is "" where the API is project-wide."""

    target: str
    source: str
    resource: str


RECORD = Watch("", "", "")


class Progress(msgspec.Struct, frozen=True):
    """How far a watch has come, by the vendor's clock (Unix ms).

    ``complete``: every event before it has been seen. ``reconciled``: when it was last read in full depth.
    ``ended``: when its resource was first seen ended. ``closed``: it has had its last read.
    ``floor``: what happened before it is not looked at any more, for its keys are forgotten.
    """

    complete: Millis | None = None
    reconciled: Millis | None = None
    ended: Millis | None = None
    closed: bool = False
    floor: Millis | None = None


class Commit(msgspec.Struct, frozen=True):
    """All that one step makes true at once, or not at all.

    ``fresh``: none of ``events`` is remembered and each happened once, so nothing has to be looked up.
    ``held`` are the series whose value is not to be shown yet, ``shown`` those whose waiting is over, ``leaving`` those of
    every kind that are kept no longer, whatever else the commit says of them. ``contact``
    is the first contact with the target's source and is set once. ``resources`` are new or changed ones;
    ``notes`` (by resource) are kept until ``runs`` has the resource, whose value then stands for all of them; ``b""``
    is nothing to remember. ``parcels`` are to be sent.
    ``forget`` drops remembered keys of days before it;
    ``forgotten`` drops all that is remembered of the watch: keys, progress and resource.
    """

    watch: Watch
    events: Sequence[Event] = ()
    changes: Changes = Changes()
    progress: Progress | None = None
    contact: Millis | None = None
    resources: Sequence[Resource] = ()
    held: Collection[Series] = ()
    shown: Collection[Series] = ()
    leaving: Collection[Series] = ()
    notes: Mapping[str, bytes] = {}
    runs: Mapping[str, bytes] = {}
    parcels: Sequence[OtlpRecord] = ()
    forget: Millis | None = None
    forgotten: bool = False
    fresh: bool = False


class Restored(msgspec.Struct, frozen=True):
    """All that a store remembers, at start. ``changes`` holds whole totals; ``held`` those still waiting to be shown.

    ``runs`` and ``notes`` (in their order) are by target, source and resource. ``age`` says whether there was a state
    before: ``new`` where none was ever kept, ``lost`` where one was and is not there any more.
    """

    changes: Changes
    held: frozenset[Series]
    progress: Mapping[Watch, Progress]
    contacts: Mapping[tuple[str, str], Millis]
    resources: Mapping[tuple[str, str], Mapping[str, Resource]]
    runs: Mapping[Watch, bytes] = {}
    notes: Mapping[Watch, Sequence[bytes]] = {}
    age: Literal["kept", "new", "lost"] = "kept"
