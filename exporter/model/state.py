"""Commits, the progress of reads, and the state that a start restores."""

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
"""The watch of commits that concern no source."""


class Progress(msgspec.Struct, frozen=True):
    """How far a watch was read, by the vendor's clock (Unix ms).

    ``complete``: every event before this time was seen. ``reconciled``: the time of the last read in full depth.
    ``ended``: when the resource was first seen ended. ``closed``: the resource had its last read.
    ``floor``: events before this time are skipped, because their keys are forgotten.
    """

    complete: Millis | None = None
    reconciled: Millis | None = None
    ended: Millis | None = None
    closed: bool = False
    floor: Millis | None = None


class Commit(msgspec.Struct, frozen=True):
    """All changes of one step; they are made in one transaction or not at all.

    ``fresh``: none of ``events`` is remembered and each happened once, so no key has to be looked up.
    ``held``: series whose value is held back. ``shown``: series whose hold ends. ``leaving``: series of every kind that
    are deleted, whatever else the commit says of them.
    ``contact``: the first contact with the source of the target; a stored one is only ever lowered.
    ``resources``: new or changed ones. ``notes`` (by resource) are kept until ``runs`` has the resource, whose value
    replaces them; ``b""`` is nothing to remember. ``outbox_records``: records for the outbox.
    ``learned`` is what the source has learned of its events, for the schedule of reads.
    ``forget`` deletes the keys of days before it; ``forgotten`` deletes all of the watch: keys, progress, resource,
    runs, and with the resource "" also the first contact with the source.
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
    outbox_records: Sequence[OtlpRecord] = ()
    forget: Millis | None = None
    forgotten: bool = False
    fresh: bool = False
    learned: bytes | None = None


class Restored(msgspec.Struct, frozen=True):
    """The state at a start, except the keys. ``changes`` holds whole totals; ``held`` are series still held at 0.

    ``age`` is ``new`` where no state was ever kept, ``lost`` where one was kept and is gone. ``set_aside`` counts by
    table the rows that could not be read or were mended. ``notes`` are in the order in which they were committed.
    ``learned`` is by target and source; whoever uses it checks it.
    """

    changes: Changes
    held: frozenset[Series]
    progress: Mapping[Watch, Progress]
    contacts: Mapping[tuple[str, str], Millis]
    resources: Mapping[tuple[str, str], Mapping[str, Resource]]
    runs: Mapping[Watch, bytes] = {}
    notes: Mapping[Watch, Sequence[bytes]] = {}
    age: Literal["kept", "new", "lost"] = "kept"
    set_aside: Mapping[str, int] = {}
    learned: Mapping[tuple[str, str], bytes] = {}
