"""What the exporter remembers for people: hears every fact, answers with views of the moment; asks nobody, counts nothing."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from exporter.model import telemetry
from exporter.model.events import Event as Happened
from exporter.web.formatting import changes
from exporter.web.recent_events import MOST, NOTED, Recent, RecentEvent, newest
from exporter.web.recent_runs import RecentRuns
from exporter.web.source_status import SourceStatusBoard
from exporter.web.views import Events, EventView, FailedRun, NodeLoss, SourceView, StageView, Trouble

REASONS = 3  # texts that say why a run failed
SECOND = 1.0  # the times of most vendors have no smaller part
Name = Callable[[str, str, str], str]
"""The name of a resource, by target, source and id; its id if it has none."""


class Wanted(NamedTuple):
    """Which events are asked for; "" is any. ``severity`` "trouble" is warnings and errors. ``text`` may stand anywhere
    in the text, the reason, or the name or id of the resource, in capitals or not."""

    target: str = ""
    source: str = ""
    resource: str = ""
    severity: str = ""
    reason: str = ""
    rule: str = ""
    text: str = ""
    unmapped: bool = False


class ActivityLog:
    """Hears facts; tells what pages show."""

    def __init__(self, standings: SourceStatusBoard, name: Name, most: int = MOST) -> None:
        self.standings, self.recent, self.runs = standings, Recent(most), RecentRuns()
        self.hashes: dict[str, str] = {}
        self.name = name

    def tell(self, fact: telemetry.SelfEvent) -> None:
        """Hears a fact."""
        match fact:
            case telemetry.EventsCommitted():
                self.recent.hear(fact)
                self.runs.seen(fact)
            case telemetry.RunsUpdated():
                self.runs.moved(fact)
            case telemetry.Loaded():
                self.hashes = self.hashes if fact.problems else fact.hashes
            case _:
                self.standings.tell(fact)

    def sources(self, now: float) -> tuple[SourceView, ...]:
        """Every source, with its last hour."""
        return tuple(
            msgspec.structs.replace(
                one,
                last_hour=self.recent.last_hour(one.target, one.source, now),
                lag=self.recent.lag(one.target, one.source),
            )
            for one in self.standings.sources(now)
        )

    def events(self, wanted: Wanted, offset: int, most: int) -> Events:
        """The newest events that are wanted, ``most`` of them after the first ``offset``."""
        found = newest([*self._wanted(0, wanted)])
        shown = tuple(self.event(number, kept) for number, kept in found[offset : offset + most])
        recent = self.recent
        return Events(total=len(found), kept=len(recent), most=recent.most, last=recent.total, events=shown)

    def since(self, number: int, wanted: Wanted, most: int) -> Sequence[EventView]:
        """The last ``most`` wanted events that came after the one of this number, the oldest first."""
        if number >= self.recent.total:
            return []
        found = [*self._wanted(number, wanted)][-most:]
        return [self.event(number, kept) for number, kept in found]

    def troubles(self, most: int) -> tuple[Trouble, ...]:
        """Warnings and errors, told once for each resource and meaning; the newest first."""
        found: dict[tuple[str, ...], list[tuple[int, RecentEvent]]] = {}
        for number, kept in newest(self._noted()):
            mapped = kept.mapped
            meaning = (mapped.rule or kept.event.text, mapped.reason, mapped.severity)
            found.setdefault((kept.target, kept.source, kept.event.resource, *meaning), []).append((number, kept))
        return tuple(self._trouble(same) for same in [*found.values()][:most])

    def losses(self, most: int) -> tuple[NodeLoss, ...]:
        """Pools that lost nodes."""
        found = self.runs.losses()[:most]
        return tuple(
            msgspec.structs.replace(one, name=self.name(one.target, one.source, one.resource)) for one in found
        )

    def failures(self, most: int) -> tuple[FailedRun, ...]:
        """Runs that failed, the newest ``most`` of each source: first the newest of every source, then those before."""
        told: Counter[tuple[str, str]] = Counter()
        found = []
        for run in self.runs.failed():
            place = (run.stage.target, run.stage.source)
            told[place] += 1
            if told[place] <= most:
                found.append((told[place], run))
        said: dict[tuple[str, str, str], list[Happened]] = {}
        for _, kept in self._noted():
            said.setdefault((kept.target, kept.source, kept.event.resource), []).append(kept.event)
        return tuple(self._failure(run, said) for _, run in sorted(found, key=lambda one: one[0]))

    def event(self, number: int, kept: RecentEvent) -> EventView:
        """An event as it is shown."""
        event, mapped = kept.event, kept.mapped
        return EventView(
            id=number,
            target=kept.target,
            source=kept.source,
            resource=event.resource,
            name=self.name(kept.target, kept.source, event.resource),
            at=None if event.at is None else event.at / 1000,
            seen=kept.seen,
            severity=mapped.severity,  # type: ignore[arg-type]
            reason=mapped.reason,
            text=event.text,
            times=kept.news,
            rule=mapped.rule,
            unmapped=mapped.unmapped,
            changes=changes(mapped, kept.target, kept.source, event.resource),
        )

    def _failure(self, run: FailedRun, said: Mapping[tuple[str, str, str], Sequence[Happened]]) -> FailedRun:
        """With the name of its resource, and what was warned of while it ran; ``said`` is that of every resource."""
        stage = run.stage
        place = (stage.target, stage.source, stage.resource)
        during = [event for event in said.get(place, ()) if _within(event, stage)]
        texts = [event.text for event in sorted(during, key=lambda event: event.at or 0)]
        why = tuple(dict.fromkeys([*run.why, *texts]))[:REASONS]
        return msgspec.structs.replace(run, name=self.name(*place), why=why)

    def _trouble(self, same: Sequence[tuple[int, RecentEvent]]) -> Trouble:
        times = [kept.event.at / 1000 if kept.event.at is not None else kept.seen for _, kept in same]
        return Trouble(newest=self.event(*same[0]), times=sum(kept.news or 1 for _, kept in same), since=min(times))

    def _noted(self) -> list[tuple[int, RecentEvent]]:
        """Warnings and errors in memory, the oldest first."""
        return [(number, kept) for number, kept in self.recent.after(0) if kept.mapped.severity in NOTED]

    def _wanted(self, number: int, wanted: Wanted) -> Iterator[tuple[int, RecentEvent]]:
        after = self.recent.after(number)
        return after if wanted == Wanted() else (one for one in after if self._fits(one[1], wanted))

    def _fits(self, kept: RecentEvent, wanted: Wanted) -> bool:
        event, mapped, severity = kept.event, kept.mapped, wanted.severity
        return (
            wanted.target in ("", kept.target)
            and wanted.source in ("", kept.source)
            and wanted.resource in ("", event.resource)
            and (mapped.severity in NOTED if severity == "trouble" else severity in ("", mapped.severity))
            and wanted.reason in ("", mapped.reason)
            and wanted.rule in ("", mapped.rule)
            and (not wanted.unmapped or mapped.unmapped is not None)
            and (not wanted.text or self._says(kept, wanted.text.casefold()))
        )

    def _says(self, kept: RecentEvent, text: str) -> bool:
        event = kept.event
        name = self.name(kept.target, kept.source, event.resource)
        return any(text in said.casefold() for said in (event.text, kept.mapped.reason, event.resource, name))


def _within(event: Happened, stage: StageView) -> bool:
    return event.at is not None and stage.begin - SECOND <= event.at / 1000 <= (stage.end or stage.begin) + SECOND
