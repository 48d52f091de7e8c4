"""Keeps what is exposed of a source's resources in step with what the vendor lists: their names, states and departure."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec

from exporter.conversation import converse
from exporter.events import Answer, Ask, Found, Millis, Page, Resource
from exporter.facts import Discovered, Records
from exporter.ledger import Ledger
from exporter.ports import Clock, Commit, Source, Stages, Tell, Watch
from exporter.roster import Roster
from exporter.signals import Changes, Moment, Series

INFO, STATUS, BY_RESOURCE = "platform_resource_info", "platform_resource_status", "platform_resource_events_total"


class Desk(msgspec.Struct, frozen=True):
    """What listing and reading a source work with. ``now`` is the vendor's clock (Unix ms).

    ``record`` hears of every answer that may hold events, and of the resource that was read.
    """

    target: str
    source: str
    vendor: Source
    ask: Callable[[Ask], Awaitable[Answer]]
    now: Callable[[], Millis]
    clock: Clock
    tell: Tell
    ledger: Ledger
    per_resource: bool = True
    stages: Callable[[Resource], Stages] | None = None
    record: Callable[[str, Ask, Answer], None] | None = None


class Listing:
    """Lists the resources of one source. ``declare`` exposes label sets at 0; series leave ``ttl`` seconds after their resource.

    ``complete`` is the vendor time of the last complete listing.
    """

    def __init__(
        self,
        desk: Desk,
        roster: Roster,
        severities: Sequence[str],
        declare: Callable[[Iterable[Series]], None],
        ttl: float,
    ) -> None:
        self._desk, self._roster, self.severities, self._declare = desk, roster, severities, declare
        self._ttl = int(ttl * 1000)
        self.complete: Millis | None = None

    async def refresh(self) -> list[Resource]:
        """Lists everything; gives back the new and changed resources, committed. Raises SourceError and StoreError."""
        asked = self._desk.now()
        date: Millis | None = None
        found: list[Resource] = []

        async def ask(request: Ask) -> Answer:
            nonlocal date
            answer = await self._desk.ask(request)
            date = date or answer.date
            return answer

        async def take(step: Page | Found) -> None:
            if isinstance(step, Found):
                found.extend(step.resources)
                if step.unreadable:
                    self._desk.tell(Records(self._desk.target, self._desk.source, "", unreadable=step.unreadable))

        await converse(self._desk.vendor.discover(self._roster.living(), asked), ask, take)
        changed = self._roster.merge(found, self._desk.now())
        await self.record(changed)
        self.complete = min(asked, date or asked)
        self._tell()
        return changed

    async def lose(self, resource: str) -> bool:
        """The vendor does not know a resource (any more); True once it counts as gone."""
        gone = self._roster.lost(resource, self._desk.now())
        await self.record([gone] if gone else [])
        return gone is not None

    async def expire(self) -> None:
        """Takes the series of resources away that ended or vanished longer ago than they are kept."""
        left = self._roster.left_before(self._limit())
        if not left:
            return
        await self._desk.ledger.commit(*(self._departure(id_) for id_ in left))
        for id_ in left:
            self._roster.expired.add(id_)
            if id_ not in self._roster.listed:
                self._roster.forget(id_)

    def _departure(self, id_: str) -> Commit:
        """Its series leave; what is remembered of it stays for as long as the vendor lists it."""
        watch = Watch(self._desk.target, self._desk.source, id_)
        gone = ((watch.target, watch.source, id_),)
        return Commit(watch, changes=Changes(gone=gone), forgotten=id_ not in self._roster.listed)

    def expose(self) -> None:
        """Declares the series of every resource that the store remembers, at start."""
        self._expose(self._shown(self._roster.resources.values()))

    async def record(self, changed: Sequence[Resource]) -> None:
        """Commits what was told of resources, and exposes their series."""
        if not changed:
            return
        target, source, now = self._desk.target, self._desk.source, self._desk.now()
        shown = self._shown(changed)
        self._expose(shown)
        states: dict[Series, Moment] = {}
        for resource in shown:
            place = (target, source, resource.id)
            states[INFO, place] = Moment((resource.name, resource.workspace, resource.kind, resource.spec), now)
            if resource.status:
                states[STATUS, place] = Moment((resource.status,), now)
        commits = [Commit(Watch(target, source, ""), changes=Changes(states=states), resources=changed)]
        if self._desk.per_resource:
            known = ((r.id, self._roster.progress.get(r.id)) for r in changed)
            commits.extend(Commit(Watch(target, source, id_), progress=reached) for id_, reached in known if reached)
        await self._desk.ledger.commit(*commits)

    def _expose(self, resources: Iterable[Resource]) -> None:
        place = (self._desk.target, self._desk.source)
        self._declare((BY_RESOURCE, (*place, r.id, severity)) for r in resources for severity in self.severities)

    def _shown(self, resources: Iterable[Resource]) -> list[Resource]:
        limit = self._limit()
        return [resource for resource in resources if not self._roster.has_left(resource.id, limit)]

    def _limit(self) -> Millis:
        return self._desk.now() - self._ttl

    def _tell(self) -> None:
        watches = {"active": 0, "settled": 0, "ended": 0, "closed": 0}
        for resource in self._roster.resources.values():
            watches["closed" if self._roster.reached(resource.id).closed else resource.life] += 1
        now = self._desk.clock.now()
        self._desk.tell(Discovered(self._desk.target, self._desk.source, now, len(self._roster.resources), watches))
