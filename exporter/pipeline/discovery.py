"""Keeps what is exposed of a source's resources in step with what the vendor lists: their names, states and departure."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from exporter.model.events import EventPage, Millis, Request, Resource, ResourcePage, Response
from exporter.model.metrics import Changes, Moment, Series
from exporter.model.state import Commit, Watch
from exporter.model.telemetry import Discovered, ReadAnomalies
from exporter.pipeline.context import SourceContext
from exporter.pipeline.driver import run_reading
from exporter.pipeline.inventory import Inventory
from exporter.pipeline.read_window import FOR_EVER, final_progress

WHOLE = 6 * 3600.0  # seconds between listings from one end to the other, where they can be shorter
INFO, STATUS, BY_RESOURCE = "platform_resource_info", "platform_resource_status", "platform_resource_events_total"


class Shelf(Protocol):
    """What is exposed."""

    def declare(self, series: Iterable[Series]) -> None:
        """Shows label sets at 0."""
        ...

    def has(self, series: Series) -> bool:
        """Whether a series is there."""
        ...

    def room(self, metric: str) -> int:
        """How many series more a metric may have."""
        ...


class Discovery:
    """Lists the resources of one source. Series leave ``ttl`` seconds after their resource, and how far it was read is
    forgotten ``remember`` seconds after its last read.

    ``complete`` is the vendor time of the last complete listing.
    """

    def __init__(
        self,
        desk: SourceContext,
        roster: Inventory,
        severities: Sequence[str],
        shelf: Shelf,
        ttl: float,
        remember: float = 30 * 86_400.0,
    ) -> None:
        self._desk, self._roster, self.severities, self._shelf = desk, roster, severities, shelf
        self._ttl, self._remembered = int(ttl * 1000), int(remember * 1000)
        self.complete: Millis | None = None
        self._outside: dict[str, None] = {}  # resources whose name or state found no room
        self._whole_until = 0.0  # steady seconds; before it a listing may leave out what it held before

    async def refresh(self) -> list[Resource]:
        """Lists everything; gives back the new and changed resources, committed. Raises SourceError and StoreError."""
        asked, whole = self._desk.now(), True
        date: Millis | None = None
        found: list[Resource] = []
        steady = self._desk.clock.steady()
        until = self._roster.heard if steady < self._whole_until and not self._roster.by_status else None

        async def ask(request: Request) -> Response:
            nonlocal date
            answer = await self._desk.ask(request)
            date = date or answer.date
            return answer

        async def take(step: EventPage | ResourcePage) -> None:
            nonlocal whole
            if isinstance(step, ResourcePage):
                found.extend(step.resources)
                whole = whole and not step.partial
                if new := self._roster.first_met(None, step.unreadable):
                    self._desk.tell(ReadAnomalies(self._desk.target, self._desk.source, "", unreadable=new))

        await run_reading(self._desk.vendor.discover(self._roster.living(), asked, until), ask, take)
        changed = self._roster.merge(found, self._desk.now(), whole)
        if whole:
            self._whole_until = steady + WHOLE
        await self.record([*changed, *self._let_in(len(changed))])
        self.complete = min(asked, date or asked)
        self._tell()
        return changed

    async def lose(self, resource: str) -> bool:
        """The vendor does not know a resource (any more); True once it counts as gone."""
        gone = self._roster.lost(resource, self._desk.now())
        await self.record([gone] if gone else [])
        return gone is not None

    async def expire(self) -> None:
        """Takes the series of resources away that ended or vanished longer ago than they are kept.

        How far one was read stays known for as long as keys are, for it may come back; then it is forgotten as well.
        """
        now, roster = self._desk.now(), self._roster
        left = roster.left_before(self._limit())
        gone = tuple((self._desk.target, self._desk.source, id_) for id_ in left)
        roster.expired.update(left)
        parting = roster.parting()
        faded, spent = roster.faded(now - self._remembered), roster.spent(now - self._remembered)
        commits = [Commit(self._watch(""), changes=Changes(gone=gone))] if gone else []
        commits += [Commit(self._watch(id_), forgotten=True) for id_ in (*parting, *faded)]
        for id_ in (*parting, *spent):
            if (reached := roster.progress.get(id_)) is not None:
                roster.progress[id_] = final_progress(reached)
                commits.append(Commit(self._watch(id_), progress=roster.progress[id_], forget=FOR_EVER))
        if commits:
            await self._desk.ledger.commit(*commits)
        roster.drop(parting, faded)

    def _watch(self, id_: str) -> Watch:
        return Watch(self._desk.target, self._desk.source, id_)

    def expose(self) -> None:
        """Declares the series of every resource that the store remembers, at start."""
        shown = self._shown(self._roster.resources.values())
        self._expose(shown)
        self._look(shown)

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
        self._look(shown)

    def _look(self, resources: Iterable[Resource]) -> None:
        """Remembers which of them are not exposed, for want of room."""
        for resource in resources:
            place = (self._desk.target, self._desk.source, resource.id)
            wanted = (INFO, STATUS) if resource.status else (INFO,)
            if all(self._shelf.has((metric, place)) for metric in wanted):
                self._outside.pop(resource.id, None)
            else:
                self._outside[resource.id] = None

    def _let_in(self, coming: int) -> list[Resource]:
        """Resources that found no room before, as many as there is room for beside those ``coming``."""
        if not self._outside:
            return []
        room = min(self._shelf.room(INFO), self._shelf.room(STATUS)) - coming
        known = [self._roster.resources[id_] for id_ in self._outside if id_ in self._roster.resources]
        waiting = self._shown(known)
        self._outside = {resource.id: None for resource in waiting}
        return waiting[: max(0, room)]

    def _expose(self, resources: Iterable[Resource]) -> None:
        place = (self._desk.target, self._desk.source)
        self._shelf.declare((BY_RESOURCE, (*place, r.id, severity)) for r in resources for severity in self.severities)

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


# Up to when a source is known completely: every event that happened before has been seen.


MANY = 200  # watches; to look at all of them takes 0.2 us each


class Watermark:
    """Of one source. ``history`` says that events from before first contact are wanted too."""

    def __init__(self, desk: SourceContext, roster: Inventory, listing: Discovery, *, history: bool) -> None:
        self._desk, self._roster, self._listing, self._history = desk, roster, listing, history
        self._last: float | None = None
        self._look_again = 0.0

    def until(self) -> float | None:
        """Vendor time (Unix s) before which every event has been seen; None before the first reads are over.

        Not later than the last listing: a resource made since then may have told something already. Nobody waits for
        the first read of a resource that had ended before first contact: all it tells is history.
        """
        if not self._desk.per_resource:
            at = self._roster.reached("").complete
            return None if at is None else at / 1000
        awaited = self._roster.awaited(history=self._history)
        reached = [self._listing.complete, *(one.complete for one in awaited)]
        known = [at for at in reached if at is not None]
        return min(known) / 1000 if len(known) == len(reached) else None

    def glance(self) -> float | None:
        """``until``, looked up at most once a second where watches are many, and so are their polls."""
        now = self._desk.clock.steady()
        if len(self._roster.resources) <= MANY or now >= self._look_again:
            self._last, self._look_again = self.until(), now + 1.0
        return self._last
