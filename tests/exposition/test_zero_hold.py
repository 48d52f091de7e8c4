"""The first occurrence alerts: a new series is at 0 until every scraper has seen it there, and no longer."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.metrics import Catalogue, Changes, Metric, Observed, Series
from exporter.model.state import Restored
from tests.support.clocks import SettableClock
from tests.support.exposition import ExposedSeries, scrape

EVENTS, LAG = "platform_resource_events_total", "platform_lag_seconds"
KNOWN: Series = (EVENTS, ("research", "known"))
NEW: Series = (EVENTS, ("research", "new"))
NEW_LAG: Series = (LAG, ("new",))
CATALOGUE = Catalogue(
    {
        EVENTS: Metric(EVENTS, "counter", "Events.", ("target", "resource")),
        LAG: Metric(LAG, "histogram", "Lag.", ("reason",), buckets=(1.0,)),
        "platform_nodes": Metric("platform_nodes", "gauge", "Nodes.", ("target",)),
    },
    zeros=(KNOWN,),
)
HOLD = 45.0


def exposition(
    clock: SettableClock, restored: Changes | None = None, held: frozenset[Series] = frozenset()
) -> ExposedSeries:
    prometheus = ExposedSeries(CATALOGUE, HOLD, clock)
    prometheus.restore(Restored(restored or Changes(), held, {}, {}, {}))
    return prometheus


def commit(prometheus: ExposedSeries, *series: Series, by: float = 1.0) -> frozenset[Series]:
    """What the flow does with growth; gives back what the store would record as held."""
    changes = Changes(counts=dict.fromkeys(series, by))
    held = prometheus.holding(changes)
    prometheus.write(changes)
    return held


def release_held(prometheus: ExposedSeries) -> frozenset[Series]:
    """What the flow does from time to time; gives back what the store would record as shown."""
    ripe = prometheus.ripe()
    prometheus.show(ripe)
    return ripe


@pytest.mark.parametrize(
    ("scrapes", "asked", "value"),
    [
        ((), 60.0, 0.0),
        ((10.0,), 44.9, 0.0),
        ((10.0,), 45.0, 1.0),
        ((5.0, 20.0), 44.9, 0.0),
        ((5.0, 20.0), 46.0, 1.0),
        ((300.0,), 300.0, 1.0),
    ],
    ids=["never scraped", "too early", "one scraper", "two scrapers, too early", "two scrapers", "a late scraper"],
)
def test_growth_of_a_new_series_comes_out_after_the_hold_and_a_scrape(
    scrapes: Sequence[float], asked: float, value: float
) -> None:
    clock = SettableClock()
    prometheus = exposition(clock)
    scrape(prometheus)
    assert commit(prometheus, NEW) == {NEW}
    for after in scrapes:
        clock.time = 1000.0 + after
        scrape(prometheus)
    clock.time = 1000.0 + asked
    assert release_held(prometheus) == ({NEW} if value else frozenset())
    assert prometheus.value(NEW) == value


def test_a_page_made_before_the_series_does_not_count_as_its_scrape() -> None:
    clock = SettableClock()
    prometheus = exposition(clock)
    page = prometheus.render("text", gzip=False)
    commit(prometheus, NEW)
    prometheus.render("text", gzip=False)
    prometheus.scraped(page.number)
    clock.time += 2 * HOLD
    assert release_held(prometheus) == frozenset()


def test_an_older_page_that_is_answered_later_takes_nothing_back() -> None:
    clock = SettableClock()
    prometheus = exposition(clock)
    old = prometheus.render("text", gzip=False)
    commit(prometheus, NEW)
    scrape(prometheus)
    prometheus.scraped(old.number)
    clock.time += HOLD
    assert release_held(prometheus) == {NEW}


def test_growth_that_nobody_asked_about_is_held_and_not_lost() -> None:
    clock = SettableClock()
    prometheus = exposition(clock)
    prometheus.declare([NEW])
    prometheus.write(Changes(counts={NEW: 1.0}))
    scrape(prometheus)
    clock.time += HOLD
    assert prometheus.value(NEW) == 0.0
    assert release_held(prometheus) == {NEW}
    assert prometheus.value(NEW) == 1.0


def test_a_series_of_the_catalogue_grows_at_once() -> None:
    prometheus = exposition(SettableClock())
    assert commit(prometheus, KNOWN) == frozenset()
    assert prometheus.value(KNOWN) == 1.0


def test_a_declared_series_that_has_waited_grows_at_once() -> None:
    clock = SettableClock()
    prometheus = exposition(clock)
    prometheus.declare([NEW])
    assert prometheus.value(NEW) == 0.0
    scrape(prometheus)
    clock.time += HOLD
    assert commit(prometheus, NEW) == frozenset()
    assert prometheus.value(NEW) == 1.0


def test_a_declared_series_whose_time_is_over_is_not_reported_as_ripe() -> None:
    clock = SettableClock()
    prometheus = exposition(clock)
    prometheus.declare([NEW])
    scrape(prometheus)
    clock.time += HOLD
    assert prometheus.ripe() == frozenset()
    assert commit(prometheus, NEW) == frozenset()
    assert prometheus.value(NEW) == 1.0


def test_a_declared_series_waits_from_its_declaration_and_not_from_its_event() -> None:
    clock = SettableClock()
    prometheus = exposition(clock)
    prometheus.declare([NEW])
    clock.time += HOLD - 1
    scrape(prometheus)
    assert commit(prometheus, NEW) == {NEW}
    clock.time += 1
    assert release_held(prometheus) == {NEW}
    assert prometheus.value(NEW) == 1.0


def test_a_series_declared_again_keeps_its_value_and_its_time() -> None:
    clock = SettableClock()
    prometheus = exposition(clock)
    prometheus.declare([NEW, KNOWN])
    clock.time += HOLD
    scrape(prometheus)
    commit(prometheus, NEW, KNOWN)
    prometheus.declare([NEW, KNOWN])
    assert (prometheus.value(NEW), prometheus.value(KNOWN)) == (1.0, 1.0)


def test_only_growing_series_can_be_declared() -> None:
    prometheus = exposition(SettableClock())
    prometheus.declare([("platform_nodes", ("research",))])
    assert prometheus.value(("platform_nodes", ("research",))) is None


def test_everything_that_happens_during_the_hold_comes_out_together() -> None:
    clock = SettableClock()
    prometheus = exposition(clock)
    commit(prometheus, NEW, by=2)
    scrape(prometheus)
    clock.time += 30
    assert commit(prometheus, NEW, by=3) == {NEW}
    clock.time += 15
    assert prometheus.value(NEW) == 0.0
    release_held(prometheus)
    assert prometheus.value(NEW) == 5.0
    assert commit(prometheus, NEW) == frozenset()
    assert prometheus.value(NEW) == 6.0


def test_a_histogram_is_held_as_a_whole() -> None:
    clock = SettableClock()
    prometheus = exposition(clock)
    for _ in range(2):
        growth = Changes(observed={NEW_LAG: Observed((1, 2), 9.0)})
        assert prometheus.holding(growth) == {NEW_LAG}
        prometheus.write(growth)
    page = prometheus.render("text", gzip=False).body
    assert b'platform_lag_seconds_bucket{reason="new",le="+Inf"} 0\nplatform_lag_seconds_sum{reason="new"} 0\n' in page
    scrape(prometheus)
    clock.time += HOLD
    assert release_held(prometheus) == {NEW_LAG}
    page = prometheus.render("text", gzip=False).body
    assert b'le="1.0"} 2\nplatform_lag_seconds_bucket{reason="new",le="+Inf"} 6\n' in page
    assert b'_sum{reason="new"} 18\nplatform_lag_seconds_count{reason="new"} 6\n' in page


def test_a_restart_begins_the_hold_again_for_what_was_held_and_shows_the_rest() -> None:
    clock = SettableClock()
    totals = Changes(counts={NEW: 4.0, KNOWN: 7.0}, observed={NEW_LAG: Observed((1, 0), 0.5)})
    prometheus = exposition(clock, totals, held=frozenset({NEW, NEW_LAG}))
    assert (prometheus.value(NEW), prometheus.value(KNOWN), prometheus.value(NEW_LAG)) == (0.0, 7.0, 0.0)
    assert commit(prometheus, NEW, KNOWN) == {NEW}
    scrape(prometheus)
    clock.time += HOLD
    assert release_held(prometheus) == {NEW, NEW_LAG}
    assert (prometheus.value(NEW), prometheus.value(KNOWN), prometheus.value(NEW_LAG)) == (5.0, 8.0, 1.0)


def test_what_is_ripe_is_no_longer_held_by_what_comes_before_it_is_shown() -> None:
    """Else the store would record it as held after it was shown, and a restart would show it fall to 0."""
    clock = SettableClock()
    prometheus = exposition(clock)
    commit(prometheus, NEW)
    scrape(prometheus)
    clock.time += HOLD
    ripe = prometheus.ripe()
    assert commit(prometheus, NEW) == frozenset()
    assert prometheus.value(NEW) == 0.0
    prometheus.show(ripe)
    assert prometheus.value(NEW) == 2.0


def test_what_a_commit_recorded_as_held_stays_so_until_it_is_shown() -> None:
    """Its time may run out between the commit and the writing; the store must hear that it is shown."""
    clock = SettableClock()
    prometheus = exposition(clock)
    prometheus.declare([NEW])
    scrape(prometheus)
    changes = Changes(counts={NEW: 1.0})
    assert prometheus.holding(changes) == {NEW}
    clock.time += HOLD
    prometheus.write(changes)
    assert prometheus.value(NEW) == 0.0
    assert release_held(prometheus) == {NEW}
    assert prometheus.value(NEW) == 1.0


def test_a_resource_that_leaves_takes_what_was_held_with_it() -> None:
    clock = SettableClock()
    prometheus = exposition(clock)
    commit(prometheus, NEW)
    scrape(prometheus)
    prometheus.write(Changes(gone=(("research", "", "new"),)))
    clock.time += HOLD
    assert release_held(prometheus) == frozenset()
    assert prometheus.value(NEW) is None
    assert commit(prometheus, NEW) == {NEW}


@settings(max_examples=60)
@given(
    events=st.lists(st.tuples(st.integers(0, 200), st.sampled_from("abc")), max_size=12),
    offsets=st.lists(st.integers(0, 14), min_size=1, max_size=3),
    declared=st.lists(st.tuples(st.integers(0, 200), st.sampled_from("abc")), max_size=3),
)
def test_every_scraper_sees_every_event_as_growth(
    events: list[tuple[int, str]], offsets: list[int], declared: list[tuple[int, str]]
) -> None:
    """Scrapers that come every 15 s, whenever they come: what a series grows by in their eyes is what happened."""
    clock = SettableClock()
    prometheus = exposition(clock)
    seen: list[dict[str, list[float]]] = [{} for _ in offsets]
    for second in range(300):
        clock.time += 1
        prometheus.declare((EVENTS, ("research", name)) for at, name in declared if at == second)
        for _, name in (event for event in events if event[0] == second):
            commit(prometheus, (EVENTS, ("research", name)))
        release_held(prometheus)
        for scraper in (n for n, offset in enumerate(offsets) if second % 15 == offset):
            scrape(prometheus)
            for name in "abc":
                value = prometheus.value((EVENTS, ("research", name)))
                if value is not None:
                    seen[scraper].setdefault(name, []).append(value)
    happened = {name: sum(1 for _, what in events if what == name) for name in {what for _, what in events}}
    for values in seen:
        assert {name: found[-1] - found[0] for name, found in values.items() if found[-1]} == happened
        assert all(found == sorted(found) for found in values.values())
