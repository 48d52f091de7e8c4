"""The known resources of one source, how far each was read, and what changed since the last listing.

Pure state of one collector: no requests, no waiting. All times are Unix milliseconds by the vendor's clock.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import msgspec

from exporter.model.events import Millis, Resource
from exporter.model.state import Progress
from exporter.pipeline.read_window import DAY, JITTER

FINGERPRINTS = 10_000  # records that could not be read or were too old, remembered so that each is reported once
MISSING_LISTINGS = 3  # complete listings without a resource, or 404s of it, before it counts as gone
GIVE_UP_MS = DAY  # how long after its grace a resource is tried again whose reads fail


class ResourceFilter(msgspec.Struct, frozen=True):
    """Which resources to watch, by glob over the name (or id), by status and by workspace. An empty field takes all."""

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
    """The resources and the progress of one source.

    ``contact`` is the first contact with the source. ``listed`` are the wanted ids of the last listing, ``listed_ids``
    all ids of the listings since the last whole one. ``seen`` says when a resource was last listed, or named by an
    event. ``expired`` are resources whose series have left. ``hinted`` are those of which the last
    listing only hints that something happened.
    """

    def __init__(self, include: ResourceFilter, exclude: ResourceFilter, grace: float) -> None:
        self._include = include
        self._exclude = exclude
        self._grace = int(grace * 1000)
        self.contact: Millis | None = None
        self.resources: dict[str, Resource] = {}
        self.progress: dict[str, Progress] = {}
        self.seen: dict[str, Millis] = {}
        self.listed: frozenset[str] = frozenset()
        self.listed_ids: set[str] = set()
        self.by_status = bool(include.statuses or exclude.statuses)  # an unwanted resource may become a wanted one
        self.expired: set[str] = set()
        self.hinted: list[str] = []
        self._last_listing: Millis | None = None  # before it a resource that is new now was not listed
        self._unlisted_until: dict[str, Millis] = {}
        self._missing: dict[str, int] = {}
        self._not_found: dict[str, int] = {}
        self._reported: OrderedDict[tuple[str | None, bytes], None] = OrderedDict()

    def restore(
        self, resources: Mapping[str, Resource], progress: Mapping[str, Progress], contact: Millis | None
    ) -> None:
        """Take over what the store remembers, at start."""
        self.resources.update(resources)
        self.progress.update(progress)
        self.contact = contact
        self._last_listing = max((one.complete for one in progress.values() if one.complete), default=None)

    def is_wanted(self, resource: Resource) -> bool:
        """Whether the configuration asks to watch a resource."""
        return self._include.fits(resource) and not (self._exclude and self._exclude.fits(resource))

    def progress_of(self, resource: str) -> Progress:
        """Return how far a watch was read."""
        return self.progress.get(resource, Progress())

    def awaited(self, *, history: bool) -> list[Progress]:
        """Return the progress of the watches that may still have unseen events.

        A resource that ended before first contact and was never read can only have ``history``.
        """
        known = [(resource, self.progress_of(id_)) for id_, resource in self.resources.items()]
        return [
            progress
            for resource, progress in known
            if not progress.closed and (history or progress.complete or not self._ended_before_contact(resource))
        ]

    def count_unreported(self, watch: str | None, fingerprints: Iterable[bytes]) -> int:
        """Return how many of these records of a watch (``None``: of the listing) were not reported before.

        The vendor repeats such records in every answer; the last 10,000 are remembered.
        """
        new = 0
        for fingerprint in fingerprints:
            record = watch, fingerprint
            new += record not in self._reported
            self._reported[record] = None
            self._reported.move_to_end(record)
        while len(self._reported) > FINGERPRINTS:
            self._reported.popitem(last=False)
        return new

    def unlisted_until(self, resource: str) -> Millis | None:
        """Return the time before which a resource could not be read, for no listing had named it."""
        return self._unlisted_until.get(resource)

    def living(self) -> list[str]:
        """Return the ids to ask for by name should a listing leave them out."""
        return [r.id for r in self.resources.values() if r.life != "ended"]

    def open(self) -> list[str]:
        """Return the watches that may still be read."""
        return [id_ for id_ in self.resources if not self.progress_of(id_).closed]

    def merge(
        self, found: Iterable[Resource], now: Millis, whole: bool = True, *, counts: bool = True
    ) -> list[Resource]:
        """Take over a complete listing; return the new and changed resources, those that ended with it included.

        A listing that is not ``whole`` left out older resources that had ended; those count as listed still. Only a
        listing that ``counts`` brings a resource that it lacks nearer to its end.
        """
        found = [*found]
        fresh = {resource.id: resource for resource in found if self.is_wanted(resource)}
        self.hinted = []
        changed = [resource for resource in fresh.values() if self._update(resource, now)]
        ids = {resource.id for resource in found}
        self.listed_ids = ids if whole else self.listed_ids | ids
        self.listed = frozenset(fresh) if whole else self.listed | fresh.keys()
        for id_ in [*self.resources]:
            if id_ in fresh or self.resources[id_].life == "ended":
                self._missing.pop(id_, None)
                self._mark_ended(id_, now)
            elif counts and self._count_up(self._missing, id_) >= MISSING_LISTINGS:
                changed.append(self._end(id_, now))
        self._last_listing = now
        return changed

    def name(self, resources: Iterable[Resource], latest: Mapping[str, Millis]) -> list[Resource]:
        """Take over resources that only events named; return the new ones and those that counted as gone.

        ``latest`` is the time of the latest event by resource. What a listing stated of a resource stands.
        """
        new = []
        for resource in resources:
            id_, known = resource.id, self.resources.get(resource.id)
            if known is None or (known.life == "ended" and id_ not in self.listed):
                known = msgspec.structs.replace(known or resource, life=resource.life)
                if not self.is_wanted(known):
                    continue
                self.resources[id_] = known
                self._reopen(id_)
                self._mark_ended(id_, latest[id_])
                new.append(known)
            self.seen[id_] = max(latest[id_], self.seen.get(id_, 0))
            self.expired.discard(id_)
        return new

    def mark_not_found(self, id_: str, now: Millis) -> Resource | None:
        """Count a 404 of a resource; return the resource once it counts as gone, for it is then read no more.

        Three 404s without an answer between them end a resource. Of one that has ended anyway the first 404 after its
        grace is enough. Listings between them change nothing, unless they state that the resource lives.
        """
        if id_ not in self.resources:
            return None
        self._mark_ended(id_, now)
        times, ended = self._count_up(self._not_found, id_), self.progress_of(id_).ended
        if times < MISSING_LISTINGS and (ended is None or now < ended + self._grace):
            return None
        gone = self._end(id_, now)
        self.progress[id_] = msgspec.structs.replace(self.progress[id_], closed=True)
        return gone

    def mark_found(self, id_: str) -> None:
        """Forget the 404s of a resource: it was answered for."""
        self._not_found.pop(id_, None)

    def give_up(self, id_: str, now: Millis) -> bool:
        """Whether a resource whose reads fail ended so long ago that it is read no more; then it is closed."""
        progress = self.progress_of(id_)
        if progress.ended is None or now < progress.ended + self._grace + GIVE_UP_MS:
            return False
        self.progress[id_] = msgspec.structs.replace(progress, closed=True)
        return True

    def left_before(self, limit: Millis) -> list[str]:
        """Return the resources whose series are due to leave: ended, or out of the listing, before ``limit``."""
        return [id_ for id_ in self.resources if id_ not in self.expired and self.has_left(id_, limit)]

    def has_left(self, id_: str, limit: Millis) -> bool:
        """Whether a resource ended, or left the listing, before ``limit``."""
        left = self._left_at(id_)
        return left is not None and left < limit

    def removable(self) -> list[str]:
        """Return resources that are not listed any more, whose series have left, and that had their last read."""
        return [
            id_
            for id_ in self.resources
            if id_ in self.expired
            and id_ not in self.listed
            and (self.progress_of(id_).closed or id_ not in self.progress)
        ]

    def with_spare_keys(self, limit: Millis) -> list[str]:
        """Return resources that are still listed, had their last read before ``limit``, and whose keys are kept."""
        return [
            id_
            for id_, one in self.progress.items()
            if one.closed and _was_read_before(one, limit) and (one.floor or 0) <= (one.complete or 0)
        ]

    def outdated(self, limit: Millis) -> list[str]:
        """Return resources that are not known any more, and were last read before ``limit``."""
        return [
            id_
            for id_, one in self.progress.items()
            if id_ and id_ not in self.resources and _was_read_before(one, limit)
        ]

    def drop(self, resources: Iterable[str], progress: Iterable[str]) -> None:
        """Forget ``resources``, and the ``progress`` of others.

        The progress of a resource outlives it, for the resource may come back.
        """
        for id_ in resources:
            self.resources.pop(id_, None)
            self.seen.pop(id_, None)
            self._missing.pop(id_, None)
            self._not_found.pop(id_, None)
            self._unlisted_until.pop(id_, None)
            self.expired.discard(id_)
        for id_ in progress:
            self.progress.pop(id_, None)

    def _update(self, resource: Resource, now: Millis) -> bool:
        known = self.resources.get(resource.id)
        if known is None and self._last_listing is not None:
            self._unlisted_until[resource.id] = self._last_listing
        same = known == resource  # then the known one stays: ten thousand new ones would scatter the memory
        if not same:
            self.resources[resource.id] = resource
        self.seen[known.id if known else resource.id] = now
        if resource.life != "ended":
            self._reopen(resource.id)
        elif known is None and resource.finished is not None and resource.finished < now - self._grace:
            self._mark_ended(resource.id, resource.finished)
        self._mark_ended(resource.id, now)
        if known is None or same:
            return known is None
        if known.mark == resource.mark or msgspec.structs.replace(known, mark=resource.mark) != resource:
            return True
        self.hinted.append(resource.id)
        return False

    def _reopen(self, id_: str) -> None:
        """Watch a resource again that lives."""
        progress = self.progress_of(id_)
        if progress.ended is not None:
            self.progress[id_] = msgspec.structs.replace(progress, ended=None, closed=False)
            self._not_found.pop(id_, None)
        self.expired.discard(id_)

    def _end(self, id_: str, now: Millis) -> Resource:
        """Take a resource for ended, for the vendor does not know it any more."""
        gone = msgspec.structs.replace(self.resources[id_], life="ended")
        self.resources[id_] = gone
        self._mark_ended(id_, now)
        return gone

    def _mark_ended(self, id_: str, now: Millis) -> None:
        """Record ``now`` as the end of an ended resource if no end is known, or if it lies in the future."""
        progress = self.progress_of(id_)
        if self.resources[id_].life == "ended" and (progress.ended is None or progress.ended > now + JITTER):
            self.progress[id_] = msgspec.structs.replace(progress, ended=now)

    def _count_up(self, numbers: dict[str, int], id_: str) -> int:
        numbers[id_] = numbers.get(id_, 0) + 1
        return numbers[id_]

    def _ended_before_contact(self, resource: Resource) -> bool:
        return resource.finished is not None and self.contact is not None and resource.finished < self.contact

    def _left_at(self, id_: str) -> Millis | None:
        if self.resources[id_].life == "ended":
            return self.progress_of(id_).ended
        return None if id_ in self.listed else self.seen.get(id_)


def _was_read_before(progress: Progress, limit: Millis) -> bool:
    return (progress.complete or 0) < limit
