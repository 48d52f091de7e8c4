"""A metric never has more series of resources than it may: what comes beyond counts under ``other``, and nothing is lost."""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.errors import StoreError
from exporter.model.metrics import OTHER, Catalogue, Changes, Metric, Moment, Observed, Series
from exporter.model.protocols import Store
from exporter.model.state import Commit, Watch
from exporter.model.telemetry import SelfEvent, SeriesLimitReached
from exporter.observability.log import Log, make_handler
from exporter.observability.self_metrics import SelfMetrics
from exporter.pipeline.committer import Committer
from exporter.store import open_store
from tests.support.clocks import ManualClock, SettableClock
from tests.support.exposition import ExposedSeries
from tests.support.vendor import Vendor, Watched, watching

METRICS = (
    Metric("events", "counter", "", ("target", "resource", "severity")),
    Metric("lag", "histogram", "", ("target", "resource"), buckets=(1.0,)),
    Metric("nodes", "gauge", "", ("target", "resource")),
    Metric("open", "gauge", "", ("target", "resource", "phase")),
    Metric("status", "stateset", "", ("target", "resource", "status")),
    Metric("names", "info", "", ("target", "resource", "name"), facts=1),
    Metric("reasons", "counter", "", ("target", "reason")),
)
CATALOGUE = Catalogue({metric.name: metric for metric in METRICS}, states={("status", ""): ("up", "down")})
CAPPED = ("events", "lag", "nodes", "open", "status", "names")
MANY = 1000


class Frail:
    """A store that may be full for once, or slow: ``meanwhile`` happens while it writes."""

    def __init__(self, store: Store) -> None:
        self._store, self.full = store, False
        self.meanwhile: Callable[[], None] = lambda: None
        self.restore, self.grown, self.close, self.outbox = store.restore, store.grown, store.close, store.outbox

    async def commit(self, commits: Sequence[Commit]) -> None:
        if self.full:
            raise StoreError("/state.db: disk full; free some space")
        self.meanwhile()
        await self._store.commit(commits)


class Life:
    """One life of an exporter after the other, over one store."""

    def __init__(self, store: Store) -> None:
        self.store, self.facts = Frail(store), list[SelfEvent]()

    async def begin(self, most: int) -> None:
        self.page = ExposedSeries(CATALOGUE, 0.0, SettableClock(), most)
        assert self.page.restore(await self.store.restore()) == ()
        self.committer = Committer(self.store, (self.page,), self.page, self.facts.append)

    def declare(self, resources: Iterable[str]) -> None:
        self.page.declare([("events", ("t", id_, "error")) for id_ in resources])

    async def commit(self, *changes: Changes, meanwhile: Sequence[str] = ()) -> None:
        """All in one batch, while resources are declared; then whatever was held is let out."""
        watch = Watch("t", "s", "r")
        self.store.meanwhile = lambda: self.declare(meanwhile)
        await self.committer.commit(*(Commit(watch, changes=one) for one in changes))
        self.store.meanwhile = lambda: None
        self.page.scraped(self.page.render("text", gzip=False).number)
        await self.committer.release_held()

    async def kept(self) -> Changes:
        return (await self.store.restore()).changes

    def counted(self) -> Counter[str]:
        """How often each metric was too full."""
        told: Counter[str] = Counter()
        for fact in self.facts:
            assert isinstance(fact, SeriesLimitReached)
            told[fact.metric] += fact.times
        return told


@asynccontextmanager
async def new_life() -> AsyncIterator[Life]:
    store = await open_store(":memory:")
    try:
        yield Life(store)
    finally:
        await store.close()


@pytest.fixture
async def life() -> AsyncIterator[Life]:
    """Return a life that begins with an empty store."""
    async with new_life() as one:
        yield one


def events(resource: str, by: float = 1.0, severity: str = "warning") -> Changes:
    return Changes(counts={("events", ("t", resource, severity)): by})


def counts(*resources: str) -> Changes:
    """What one page of an API brings that tells of several resources."""
    return Changes(counts=dict.fromkeys([("events", ("t", id_, "warning")) for id_ in resources], 2.0))


def moved(resource: str, phase: str, *before: str) -> Changes:
    """A phase begins, and those before it are over."""
    gauges: dict[Series, Moment] = {("open", ("t", resource, phase)): Moment(1.0, 0)}
    return Changes(gauges=gauges, ended=tuple([("open", ("t", resource, name)) for name in before]))


def everything(resource: str, number: int, at: int = 0) -> Changes:
    """A change of every kind of series of a resource."""
    place = ("t", resource)
    return Changes(
        counts={("events", (*place, "info")): float(number), ("reasons", ("t", f"reason-{number}")): 1.0},
        observed={("lag", place): Observed((number, 1), number * 0.5)},
        gauges={("nodes", place): Moment(float(number), at)},
        states={("status", place): Moment(("up",), at), ("names", place): Moment((f"name-{resource}",), at)},
    )


def series_of(changes: Changes, metric: str) -> set[Series]:
    kinds = (changes.counts, changes.observed, changes.gauges, changes.states)
    return {series for kind in kinds for series in kind if series[0] == metric}


def own(changes: Changes, metric: str) -> set[Series]:
    return {series for series in series_of(changes, metric) if series[1][1] != OTHER}


def totals(batch: Iterable[Changes]) -> Counter[tuple[str, object]]:
    """What counts and histograms come to, over their series: the law's own sum."""
    sums: Counter[tuple[str, object]] = Counter()
    for changes in batch:
        for (name, labels), by in changes.counts.items():
            sums[name, labels[-1]] += by  # type: ignore[assignment]
        for (name, _), grown in changes.observed.items():
            sums[name, "sum"] += grown.sum  # type: ignore[assignment]
            for bucket, number in enumerate(grown.buckets):
                sums[name, bucket] += number
    return +sums


# --- one by one


async def test_a_series_that_is_there_goes_on_and_a_new_one_counts_as_other(life: Life) -> None:
    await life.begin(2)
    await life.commit(counts("a", "b"))
    await life.commit(counts("a", "c"), counts("d"), counts("b", "c"))
    assert (await life.kept()).counts == counts("a", "b", OTHER).counts | {
        ("events", ("t", "a", "warning")): 4.0,
        ("events", ("t", "b", "warning")): 4.0,
        ("events", ("t", OTHER, "warning")): 6.0,
    }
    assert life.counted() == {"events": 3}


async def test_of_a_gauge_a_state_and_a_name_nothing_new_is_made_and_what_is_there_changes(life: Life) -> None:
    await life.begin(1)
    await life.commit(everything("a", 1), everything("b", 2))
    await life.commit(everything("a", 3, at=1), everything("b", 4, at=1))
    kept = await life.kept()
    assert kept.gauges == {("nodes", ("t", "a")): Moment(3.0, 1)}
    assert kept.states.keys() == {("status", ("t", "a")), ("names", ("t", "a"))}
    assert kept.observed == {
        ("lag", ("t", "a")): Observed((4, 2), 2.0),
        ("lag", ("t", OTHER)): Observed((6, 2), 3.0),
    }
    assert life.counted() == dict.fromkeys(set(CAPPED) - {"open"}, 2)


async def test_a_phase_that_begins_where_another_ends_has_its_room(life: Life) -> None:
    await life.begin(1)
    await life.commit(moved("a", "queued"))
    await life.commit(moved("b", "queued"), moved("a", "running", "queued"), moved("b", "running", "queued"))
    assert (await life.kept()).gauges.keys() == {("open", ("t", "a", "running"))}
    await life.commit(moved("a", "running", "running"))
    assert (await life.kept()).gauges.keys() == {("open", ("t", "a", "running"))}
    await life.commit(moved("a", "over", "running"), moved("a", "running"))
    assert (await life.kept()).gauges.keys() == {("open", ("t", "a", "over"))}


async def test_a_metric_without_resources_is_never_full(life: Life) -> None:
    await life.begin(1)
    for number in range(5):
        await life.commit(everything("a", number))
    assert len(series_of(await life.kept(), "reasons")) == 5
    assert life.facts == []


async def test_the_limit_holds_over_many_small_batches(life: Life) -> None:
    await life.begin(4)
    for number in range(10):
        await life.commit(counts(f"r{number}"))
    assert len(own(await life.kept(), "events")) == 4


async def test_zeros_take_room_too_and_are_not_shown_where_there_is_none(life: Life) -> None:
    await life.begin(4)
    await life.commit(counts("a"))
    life.declare(["b", "c", "d", "e"])
    assert life.page.series_counts()["events"] == 4
    await life.commit(counts("f"), counts("g"))
    assert own(await life.kept(), "events") == own(counts("a"), "events")
    await life.commit(events("d", severity="error"))
    assert own(await life.kept(), "events") == own(counts("a"), "events") | {("events", ("t", "d", "error"))}


async def test_what_is_shown_at_zero_while_a_batch_is_written_takes_none_of_its_room(life: Life) -> None:
    await life.begin(2)
    await life.commit(counts("a", "b"), meanwhile=["c"])
    assert life.page.series_counts()["events"] == 2


async def test_room_that_became_free_is_used_again_and_other_takes_none(life: Life) -> None:
    await life.begin(2)
    await life.commit(counts("a", "b", "c"))
    await life.commit(Changes(gone=(("t", "s", "a"),)))
    assert life.page.room("events") == 1
    await life.commit(counts("d"), counts("e"))
    assert (await life.kept()).counts == counts("b", "d").counts | {("events", ("t", OTHER, "warning")): 4.0}


async def test_a_resource_that_its_vendor_calls_other_takes_nothing_along_when_it_leaves(life: Life) -> None:
    await life.begin(1)
    await life.commit(counts("a", "b", OTHER))
    await life.commit(Changes(gone=(("t", "s", OTHER), ("t", "s", "a"))))
    assert (await life.kept()).counts == {("events", ("t", OTHER, "warning")): 4.0}
    assert life.page.value(("events", ("t", OTHER, "warning"))) == 4.0


async def test_with_a_lower_limit_what_is_there_stays(life: Life) -> None:
    await life.begin(5)
    await life.commit(counts("a", "b", "c"))
    await life.begin(1)
    await life.commit(counts("a", "d"))
    assert own(await life.kept(), "events") == own(counts("a", "b", "c"), "events")
    await life.begin(4)
    await life.commit(counts("d", "e"))
    assert own(await life.kept(), "events") == own(counts("a", "b", "c", "d"), "events")


async def test_a_metric_that_comes_back_with_other_mappings_comes_with_its_series(life: Life) -> None:
    """They fill it, though nobody asked whether there is room."""

    without = Catalogue({name: metric for name, metric in CATALOGUE.metrics.items() if name != "events"})
    await life.begin(3)
    await life.commit(counts("a", "b", "c"))
    life.page.adopt(without, await life.store.restore())
    await life.commit(Changes(gauges={("nodes", ("t", "a")): Moment(1.0, 0)}))
    life.page.adopt(CATALOGUE, await life.store.restore())
    await life.commit(counts("d"))
    assert own(await life.kept(), "events") == own(counts("a", "b", "c"), "events")


async def test_a_store_that_fails_takes_no_room_and_tells_of_nothing(life: Life) -> None:
    await life.begin(1)
    life.store.full = True
    with pytest.raises(StoreError):
        await life.commit(counts("a", "b"))
    life.store.full = False
    assert life.facts == []
    await life.commit(counts("c"))
    assert own(await life.kept(), "events") == own(counts("c"), "events")


async def test_a_full_metric_is_a_counter_from_zero_and_one_line_with_the_cure(life: Life) -> None:
    stream = StringIO()
    logger = logging.Logger("test")
    logger.addHandler(make_handler(stream=stream))
    own_metrics, log = SelfMetrics("0", [], [], CATALOGUE, dict), Log(logger)
    overflow = 'platform_exporter_label_overflow_total{metric="events",label="resource"}'
    assert f"{overflow} 0\n" in own_metrics.render("text").decode()

    await life.begin(1)
    for _ in range(3):
        await life.commit(counts("a", "b"))
    for fact in life.facts:
        own_metrics.report(fact)
        log.report(fact)
    assert f"{overflow} 3\n" in own_metrics.render("text").decode()
    warnings = [line for line in stream.getvalue().splitlines() if "level=warning" in line]
    assert len(warnings) == 1
    assert (
        'msg="events is full (max_series is 1): events of further resources count as other in it, gauges and states of them '
        'are not shown; raise max_series, shorten series_ttl, or leave out resources by exclude"'
    ) in warnings[0]


# --- names and states that found no room


def shown(watched: Watched) -> list[str]:
    """The resources whose name and state are shown."""
    rows = [
        (metric.name, labels[2]) for metric, labels, _ in watched.prometheus.totals() if "resource" in metric.labels
    ]
    named = {id_ for metric, id_ in rows if metric == "platform_resource_info"}
    assert named == {id_ for metric, id_ in rows if metric == "platform_resource_status"}
    return sorted(named)


async def test_a_name_and_a_state_that_found_no_room_are_shown_when_there_is_some(tmp_path: Path) -> None:
    vendor = Vendor(ManualClock())
    for id_ in "abcde":
        vendor.has(id_)
    file = str(tmp_path / "state.db")

    async with watching(vendor, file, ttl=3600.0, most=2) as watched:
        for _ in range(3):
            await watched.discovery.refresh()
        first = shown(watched)
        assert len(first) == 2
        asked = [fact.times for fact in watched.reported(SeriesLimitReached) if fact.metric == "platform_resource_info"]
        assert asked == [3], "what has no room is not tried at every listing"
        vendor.listed.pop(first[0])
        for _ in range(5):
            vendor.clock.advance(3600.0)
            await watched.discovery.refresh()
            await watched.discovery.expire()
        second = shown(watched)
        assert len(second) == 2
        assert first[1] in second
    async with watching(vendor, file, ttl=3600.0, most=10) as watched:
        watched.discovery.expose()
        await watched.discovery.refresh()
        assert shown(watched) == sorted(vendor.listed)
        told = len(watched.facts)
        await watched.discovery.refresh()
        assert not [fact for fact in watched.facts[told:] if isinstance(fact, SeriesLimitReached)]


# --- the law, over any story

resources = st.sampled_from([*(f"r{number}" for number in range(4)), OTHER])
changes = (
    st.builds(everything, resources, st.integers(1, 3), st.integers(0, 3))
    | st.builds(events, resources)
    | st.builds(moved, resources, st.sampled_from("xyz"), st.sampled_from("xyz"))
    | st.lists(resources, min_size=1).map(lambda several: counts(*several))
)
caps = st.integers(0, 4) | st.sampled_from([8, MANY])
ids = st.lists(resources, max_size=3)


class Step(NamedTuple):
    """A batch of ``changes`` while resources are ``declared``; it may ``fail``. Or a resource is ``gone``, or a new life
    begins with the limit ``most``."""

    changes: Sequence[Changes] = ()
    declared: Sequence[str] = ()
    fails: bool = False
    gone: str = ""
    most: int | None = None


batches = st.tuples(st.lists(changes, min_size=1, max_size=3), ids, st.sampled_from([False] * 5 + [True]))
steps = st.lists(
    batches.map(lambda batch: Step(*batch))
    | batches.map(lambda batch: Step(*batch))
    | batches.map(lambda batch: Step(*batch))
    | ids.map(lambda declared: Step(declared=declared))
    | resources.map(lambda gone: Step(gone=gone))
    | caps.map(lambda most: Step(most=most)),
    min_size=2,
    max_size=12,
)


@settings(deadline=None, max_examples=150)
@given(most=caps, story=steps)
async def test_any_story_has_the_same_sums_as_without_a_limit_and_never_too_many_series(
    most: int, story: list[Step]
) -> None:
    async with new_life() as life:
        bounds = dict.fromkeys(CAPPED, most)
        await life.begin(most)
        for step in story:
            before = await life.kept()
            if step.most is not None:
                bounds = {metric: max(step.most, len(own(before, metric))) for metric in CAPPED}
            await play(life, step)
            after, left = await life.kept(), of_resource(before, step.gone)
            came = () if step.fails else step.changes
            assert totals([after]) == totals([before, *came]) - totals([left])
            goes_on(before, came, left, after)
            assert (
                before.gauges.keys() - left.gauges.keys() - {s for one in came for s in one.ended}
                <= after.gauges.keys()
            )
            stays_bounded(life.page, after, bounds)


async def play(life: Life, step: Step) -> None:
    life.store.full = step.fails
    if step.most is not None:
        await life.begin(step.most)
    elif step.fails:
        with pytest.raises(StoreError):
            await life.commit(*step.changes)
    elif step.gone:
        await life.commit(Changes(gone=(("t", "s", step.gone),)))
    elif step.changes:
        await life.commit(*step.changes, meanwhile=step.declared)
    else:
        life.declare(step.declared)
    life.store.full = False


def of_resource(changes: Changes, resource: str) -> Changes:
    """What leaves with a resource: what stands under other never does, whatever a vendor calls other."""
    if resource == OTHER:
        return Changes()
    return Changes(
        {series: by for series, by in changes.counts.items() if series[1][1] == resource},
        {series: by for series, by in changes.observed.items() if series[1][1] == resource},
        {series: moment for series, moment in changes.gauges.items() if series[1][1] == resource},
    )


def goes_on(before: Changes, came: Sequence[Changes], left: Changes, after: Changes) -> None:
    """A series that is there has all that is its own, and none falls."""
    for series, had in before.counts.items():
        grown = sum(changes.counts.get(series, 0.0) for changes in came)
        if series not in left.counts:
            assert after.counts[series] >= had + grown
            assert series[1][1] == OTHER or after.counts[series] == had + grown


def stays_bounded(page: ExposedSeries, kept: Changes, bounds: dict[str, int]) -> None:
    """In the store and on the page, which never disagree about a value."""
    rows = [(metric.name, labels) for metric, labels, _ in page.totals()]
    shown = {(name, labels[:2] if name in ("status", "names") else labels) for name, labels in rows}
    for metric in CAPPED:
        assert len(own(kept, metric)) <= bounds[metric]
        assert sum(name == metric and labels[1] != OTHER for name, labels in shown) <= bounds[metric]
        assert len(series_of(kept, metric) - own(kept, metric)) <= 3
    for series, value in kept.counts.items():
        assert page.value(series) == value
    for series, moment in kept.gauges.items():
        assert page.value(series) == moment.value
    assert kept.states.keys() | kept.observed.keys() <= shown
