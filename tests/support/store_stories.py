"""Stories of commits at random, and what a store must remember of them, in plain dictionaries."""

import msgspec
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.model.events import Event, Resource
from exporter.model.metrics import Changes, Moment, Observed, Series
from exporter.model.state import Commit, Progress, Restored, Watch
from tests.support.stores import DAY, opened

WATCHES = [Watch("t", "pools", "r1"), Watch("t", "pools", "r2"), Watch("t", "dws", "")]
SERIES: list[Series] = [("m", ("t", "r1")), ("m", ("t", "r2", "x")), ("n", ("u", "r1")), ("n", ("t", 'é"\\,\x1f\x00'))]
BEGAN = [None, 0, 5 * DAY + 1, 5 * DAY + 2, 7 * DAY]
"""When the first occurrence of each event was; the position is the key."""


class Model(msgspec.Struct):
    """What a store must remember, in the plainest form. ``keys``: counts by watch, day and event."""

    counts: dict[Series, float] = {}
    observed: dict[Series, Observed] = {}
    gauges: dict[Series, Moment] = {}
    states: dict[Series, Moment] = {}
    held: set[Series] = set()
    progress: dict[Watch, Progress] = {}
    contacts: dict[tuple[str, str], int] = {}
    resources: dict[tuple[str, str], dict[str, Resource]] = {}
    keys: dict[tuple[Watch, int | None], dict[int, int]] = {}
    newest: dict[tuple[Watch, int | None], int] = {}

    def commit(self, commit: Commit) -> None:
        watch, place = commit.watch, commit.watch[:2]
        for event in commit.events:
            self.remember(watch, event)
        self.total(commit.changes)
        self.held = (self.held | set(commit.held)) - set(commit.shown)
        if commit.progress is not None:
            self.progress[watch] = commit.progress
        if commit.contact is not None:
            self.contacts[place] = min(commit.contact, self.contacts.get(place, commit.contact))
        for resource in commit.resources:
            self.resources.setdefault(place, {})[resource.id] = resource
        for kind in (self.counts, self.observed, self.gauges, self.states, self.held):
            for series in [series for series in kind if series in commit.leaving]:
                kind.remove(series) if isinstance(kind, set) else kind.pop(series)
        if commit.forget is not None:
            self.drop(watch, commit.forget // DAY)
        if commit.forgotten:
            self.drop(watch, None)
            self.progress.pop(watch, None)
            self.resources.get(place, {}).pop(watch.resource, None)
            if not watch.resource:
                self.contacts.pop(place, None)

    def total(self, changes: Changes) -> None:
        for series, growth in changes.counts.items():
            self.counts[series] = self.counts.get(series, 0.0) + growth
        for series, more in changes.observed.items():
            had = self.observed.get(series)
            if had is not None and len(had.buckets) == len(more.buckets):
                buckets = tuple(a + b for a, b in zip(had.buckets, more.buckets, strict=True))
                more = Observed(buckets, had.sum + more.sum)
            self.observed[series] = more
        for kind, moments in ((self.gauges, changes.gauges), (self.states, changes.states)):
            for series, moment in moments.items():
                if series not in kind or kind[series].at <= moment.at:
                    kind[series] = moment

    def remember(self, watch: Watch, event: Event) -> None:
        number = event.key[0]
        began = BEGAN[number]
        day = None if began is None else began // DAY
        counts = self.keys.setdefault((watch, day), {})
        if event.count > counts.get(number, 0):
            counts[number] = event.count
            if day is not None and event.at is not None:
                self.newest[watch, day] = max(self.newest.get((watch, day), day), event.at // DAY)

    def drop(self, watch: Watch, limit: int | None) -> None:
        for place in [place for place in self.keys if place[0] == watch]:
            if limit is None or self.newest.get(place, limit) < limit:
                del self.keys[place]
                self.newest.pop(place, None)

    def known(self, watch: Watch, number: int) -> int:
        began = BEGAN[number]
        return self.keys.get((watch, None if began is None else began // DAY), {}).get(number, 0)


def event(number: int, count: int, later: int) -> Event:
    """An event of a few; aggregated ones move away from their first occurrence as they grow."""
    began = BEGAN[number]
    return Event(bytes([number]) * 16, "r", None if began is None else began + later * DAY, count=count, began=began)


numbers = st.integers(-(2**40), 2**40).map(lambda number: number / 1024)  # sums are exact, in whatever order
times = st.integers(0, 3)
events = st.builds(event, st.integers(0, len(BEGAN) - 1), st.integers(0, 3), st.integers(0, 3))
one = st.sampled_from(SERIES)
observed = st.lists(st.integers(0, 9), min_size=2, max_size=3).flatmap(
    lambda buckets: st.builds(Observed, st.just(tuple(buckets)), numbers)
)
changes = st.builds(
    Changes,
    counts=st.dictionaries(one, numbers, max_size=3),
    observed=st.dictionaries(one, observed, max_size=2),
    gauges=st.dictionaries(one, st.builds(Moment, numbers, times), max_size=3),
    states=st.dictionaries(one, st.builds(Moment, st.lists(st.text(max_size=2)).map(tuple), times), max_size=2),
)
progress = st.builds(Progress, st.none() | times, st.none() | times, st.none() | times, st.booleans())
commits = st.builds(
    Commit,
    st.sampled_from(WATCHES),
    events=st.lists(events, max_size=4, unique_by=lambda event: event.key),
    changes=changes,
    progress=st.none() | progress,
    contact=st.none() | times,
    resources=st.lists(st.builds(Resource, st.sampled_from(["r1", "r2"]), st.text(max_size=3)), max_size=2),
    held=st.lists(one, max_size=2),
    shown=st.lists(one, max_size=2),
    leaving=st.just(()) | st.just(()) | st.lists(one, max_size=3),
    forget=st.none() | st.none() | st.integers(0, 12).map(lambda day: day * DAY),
    forgotten=st.sampled_from([False] * 5 + [True]),
)
again = st.none()
steps = st.lists(again | st.lists(commits, min_size=1, max_size=3), max_size=8)


def remembered(model: Model) -> Restored:
    changes = Changes(model.counts, model.observed, model.gauges, model.states)
    resources = {place: found for place, found in model.resources.items() if found}
    return Restored(changes, frozenset(model.held), model.progress, model.contacts, resources)


def marked(commit: Commit, model: Model, step: list[Commit]) -> Commit:
    """As the collector commits events that it found to be unknown: one slice of a watch at a time."""
    alone = [other.watch for other in step if other.events].count(commit.watch) == 1
    once = [event.count == 1 and event.at == BEGAN[event.key[0]] for event in commit.events]
    known = any(model.known(commit.watch, event.key[0]) for event in commit.events)
    return replace(commit, fresh=alone and all(once) and not known)


def play(url: str, story: list[list[Commit] | None], model: Model | None = None, at_once: int | None = None) -> None:
    """Commit a story; the store equals ``model``, which may know earlier ones."""
    model = Model() if model is None else model
    with opened(url, at_once) as driver:
        for step in story:
            if step is None:
                driver.again()
            else:
                driver.commit(*[marked(commit, model, step) for commit in step])
                for commit in step:
                    model.commit(commit)
            assert driver.restored() == remembered(model)
            for watch in WATCHES:
                asked = [event(number, 9, 0) for number in range(len(BEGAN))]
                assert driver.grown(watch, *asked) == [9 - model.known(watch, number) for number in range(len(BEGAN))]
