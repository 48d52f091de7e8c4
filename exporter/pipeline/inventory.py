"""What one source of one target is known to have: its resources, how far each was read, and what changed since the last listing.

Pure state of one collector; it asks nobody and waits for nothing.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import msgspec

from exporter.model.events import Millis, Resource
from exporter.model.state import Progress

UNREAD = 10_000  # records that could not be read are known again, the last so many
MISSING_LISTINGS = 3  # complete listings without a resource before it counts as gone


class ResourceFilter(msgspec.Struct, frozen=True):
    """Which resources to watch, by glob over the name (or id), by status and by workspace. Empty: all."""

    names: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    workspaces: tuple[str, ...] = ()

    def fits(self, resource: Resource) -> bool:
        """Whether every stated condition holds."""
        return (
            (not self.names or any(fnmatchcase(resource.name or resource.id, glob) for glob in self.names))
            and (not self.statuses or resource.status.casefold() in {status.casefold() for status in self.statuses})
            and (not self.workspaces or resource.workspace in self.workspaces)
        )

    def __bool__(self) -> bool:
        return bool(self.names or self.statuses or self.workspaces)


class Inventory:
    """Resources and progress of one source. ``seen``: vendor time (Unix ms) a resource was last listed or named."""

    def __init__(self, include: ResourceFilter, exclude: ResourceFilter, grace: float) -> None:
        self._include, self._exclude, self._grace = include, exclude, int(grace * 1000)
        self.contact: Millis | None = None
        self.resources: dict[str, Resource] = {}
        self.progress: dict[str, Progress] = {}
        self.seen: dict[str, Millis] = {}
        self.listed: frozenset[str] = frozenset()
        self.heard: set[str] = set()  # of every listing since the last whole one, wanted or not
        self.by_status = bool(include.statuses or exclude.statuses)  # what is not wanted may become so
        self._met: Millis | None = None  # when a resource could last have been met for the first time
        self._covered: dict[str, Millis] = {}
        self.expired: set[str] = set()
        self._missing: dict[str, int] = {}
        self._unread: OrderedDict[tuple[str | None, bytes], None] = OrderedDict()

    def restore(
        self, resources: Mapping[str, Resource], progress: Mapping[str, Progress], contact: Millis | None
    ) -> None:
        """What the store remembers, at start."""
        self.resources.update(resources)
        self.progress.update(progress)
        self.contact = contact
        self._met = max((reached.complete for reached in progress.values() if reached.complete), default=None)

    def wanted(self, resource: Resource) -> bool:
        """Whether the configuration asks to watch it."""
        return self._include.fits(resource) and not (self._exclude and self._exclude.fits(resource))

    def reached(self, resource: str) -> Progress:
        """How far a watch was read."""
        return self.progress.get(resource, Progress())

    def awaited(self, *, history: bool) -> list[Progress]:
        """How far the watches were read that may still tell something. What had ended before first contact and was never
        read can tell ``history`` only."""
        known = [(resource, self.reached(id_)) for id_, resource in self.resources.items()]
        return [
            one
            for resource, one in known
            if not one.closed and (history or one.complete or not self._is_past(resource))
        ]

    def _is_past(self, resource: Resource) -> bool:
        """Whether it had ended before first contact, by the vendor's own time."""
        return resource.finished is not None and self.contact is not None and resource.finished < self.contact

    def first_met(self, watch: str | None, unreadable: Iterable[bytes]) -> int:
        """How many of these records of a watch (``None``: of the listing) were not met before; they come again and again."""
        new = 0
        for mark in unreadable:
            place = watch, mark
            new += place not in self._unread
            self._unread[place] = None
            self._unread.move_to_end(place)
        while len(self._unread) > UNREAD:
            self._unread.popitem(last=False)
        return new

    def covered(self, resource: str) -> Millis | None:
        """The time before which this resource could not be met; what is long past by then was seen, or never could be."""
        return self._covered.get(resource)

    def living(self) -> list[str]:
        """Ids to ask for by name should a listing leave them out."""
        return [r.id for r in self.resources.values() if r.life != "ended"]

    def open(self) -> list[str]:
        """Watches that may still be read."""
        return [id_ for id_ in self.resources if not self.reached(id_).closed]

    def merge(self, found: Iterable[Resource], now: Millis, whole: bool = True) -> list[Resource]:
        """Takes in what a complete listing held; gives back what is new or changed (the missing ones ended).

        One that is not ``whole`` left out older ones that had ended; those count as listed still.
        """
        found = [*found]
        fresh = {resource.id: resource for resource in found if self.wanted(resource)}
        changed = [resource for resource in fresh.values() if self._take(resource, now)]
        heard = {resource.id for resource in found}
        self.heard = heard if whole else self.heard | heard
        self.listed = frozenset(fresh) if whole else self.listed | fresh.keys()
        for id_ in [*self.resources]:
            if id_ in fresh or self.resources[id_].life == "ended":
                self._missing.pop(id_, None)
                self._end(id_, now)
            elif (gone := self._miss(id_, now)) is not None:
                changed.append(gone)
        self._met = now
        return changed

    def name(self, resources: Iterable[Resource], latest: Mapping[str, Millis]) -> list[Resource]:
        """Takes in resources that only events named, with the time of the latest; what a listing said of them stands.

        Gives back the new ones, and those that counted as gone: an event is a sign of life.
        """
        new = []
        for resource in resources:
            id_, known = resource.id, self.resources.get(resource.id)
            if known is None or (known.life == "ended" and id_ not in self.listed):
                known = msgspec.structs.replace(known or resource, life=resource.life)
                if not self.wanted(known):
                    continue
                self.resources[id_] = known
                self._revive(id_)
                new.append(known)
            self.seen[id_] = max(latest[id_], self.seen.get(id_, 0))
            self.expired.discard(id_)
        return new

    def lost(self, id_: str, now: Millis) -> Resource | None:
        """The vendor says a resource does not exist; told so several times, it has ended and is read no more."""
        gone = self._miss(id_, now) if id_ in self.resources else None
        if gone is not None:
            self.progress[id_] = msgspec.structs.replace(self.progress[id_], closed=True)
        return gone

    def left_before(self, limit: Millis) -> list[str]:
        """Resources whose series are due to leave: ended, or out of the listing, before ``limit``."""
        return [id_ for id_ in self.resources if id_ not in self.expired and self.has_left(id_, limit)]

    def has_left(self, id_: str, limit: Millis) -> bool:
        """Whether a resource ended, or left the listing, before ``limit``."""
        left = self._left(id_)
        return left is not None and left < limit

    def parting(self) -> list[str]:
        """Resources that the vendor does not list any more, whose series have left, and that have had their last read."""
        return [
            id_
            for id_ in self.resources
            if id_ in self.expired and id_ not in self.listed and (self.reached(id_).closed or id_ not in self.progress)
        ]

    def spent(self, limit: Millis) -> list[str]:
        """Resources that are still listed, but had their last read before ``limit``, and whose keys are still kept."""
        return [
            id_
            for id_, reached in self.progress.items()
            if reached.closed and _before(reached, limit) and (reached.floor or 0) <= (reached.complete or 0)
        ]

    def faded(self, limit: Millis) -> list[str]:
        """Resources that left, and were last read before ``limit``."""
        known = self.resources
        return [id_ for id_, one in self.progress.items() if id_ and id_ not in known and _before(one, limit)]

    def drop(self, parting: Iterable[str], faded: Iterable[str]) -> None:
        """Drops resources that part, but not how far they were read: they may come back. That goes when it has faded."""
        for id_ in parting:
            self.resources.pop(id_, None)
            self.seen.pop(id_, None)
            self._missing.pop(id_, None)
            self._covered.pop(id_, None)
            self.expired.discard(id_)
        for id_ in faded:
            self.progress.pop(id_, None)

    def _take(self, resource: Resource, now: Millis) -> bool:
        known = self.resources.get(resource.id)
        if known is None and self._met is not None:
            self._covered[resource.id] = self._met
        self.resources[resource.id] = resource
        self.seen[resource.id] = now
        if resource.life != "ended":
            self._revive(resource.id)
        elif known is None and resource.finished is not None and resource.finished < now - self._grace:
            self._end(resource.id, resource.finished)
        self._end(resource.id, now)
        return known != resource

    def _revive(self, id_: str) -> None:
        progress = self.reached(id_)
        if progress.ended is not None:
            self.progress[id_] = msgspec.structs.replace(progress, ended=None, closed=False)
        self.expired.discard(id_)

    def _miss(self, id_: str, now: Millis) -> Resource | None:
        self._missing[id_] = self._missing.get(id_, 0) + 1
        if self._missing[id_] < MISSING_LISTINGS:
            return None
        gone = msgspec.structs.replace(self.resources[id_], life="ended")
        self.resources[id_] = gone
        self._end(id_, now)
        return gone

    def _end(self, id_: str, now: Millis) -> None:
        """An end that is not on record counts from now."""
        progress = self.reached(id_)
        if self.resources[id_].life == "ended" and progress.ended is None:
            self.progress[id_] = msgspec.structs.replace(progress, ended=now)

    def _left(self, id_: str) -> Millis | None:
        if self.resources[id_].life == "ended":
            return self.reached(id_).ended
        return None if id_ in self.listed else self.seen.get(id_)


def _before(reached: Progress, limit: Millis) -> bool:
    return (reached.complete or 0) < limit
