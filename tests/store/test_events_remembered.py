"""What every store must remember of events: how often each has happened, for as long as a vendor may tell it again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from exporter.model.events import Event, Resource
from exporter.model.metrics import Changes, Series
from exporter.model.state import Commit, Progress
from tests.support.stores import BACKENDS, DAY, JOB, NOW, POOL, Driver, event, opened


@pytest.fixture(params=BACKENDS)
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Driver]:
    with opened(BACKENDS[request.param](tmp_path)) as driver:
        yield driver


def test_an_event_grows_by_what_its_count_is_beyond_the_largest_remembered(driver: Driver) -> None:
    once, often = event("once"), event("often", count=3, began=NOW)
    assert driver.grown(POOL, once, often) == [1, 3]
    driver.commit(Commit(POOL, events=[once, often]))
    assert driver.again().grown(POOL, once, often) == [0, 0]
    assert driver.grown(POOL, event("often", NOW + DAY, 5, NOW), event("other")) == [2, 1]
    driver.commit(Commit(POOL, events=[event("often", NOW + DAY, 5, NOW)]), Commit(POOL, events=[often]))
    assert driver.again().grown(POOL, event("often", NOW + DAY, 4, NOW), event("often", NOW, 6, NOW)) == [0, 1]


def test_the_same_event_twice_in_a_batch_is_remembered_with_its_larger_count(driver: Driver) -> None:
    driver.commit(*[Commit(POOL, events=[event("often", count=count)]) for count in (1, 4, 2)])
    assert driver.again().grown(POOL, event("often", count=5)) == [1]


def test_a_watch_knows_only_its_own_events(driver: Driver) -> None:
    driver.commit(Commit(POOL, events=[event("a")]))
    assert driver.again().grown(JOB, event("a")) == [1]


def test_counts_beyond_what_can_be_remembered_do_not_grow_for_ever(driver: Driver) -> None:
    driver.commit(Commit(POOL, events=[event("absurd", count=10**12)]))
    assert driver.again().grown(POOL, event("absurd", count=10**12 + 1)) == [0]


def test_a_watch_that_was_closed_keeps_its_keys(driver: Driver) -> None:
    """A resource that comes back must not be counted again."""
    driver.commit(Commit(JOB, events=[event("a")], progress=Progress(complete=NOW, closed=True)))
    assert driver.again().grown(JOB, event("a")) == [0]


@pytest.mark.parametrize("hours", [-14, -8, 8, 14])
def test_an_event_is_known_when_its_source_has_learned_the_time_zone(driver: Driver, hours: int) -> None:
    """A vendor's times may come without a zone: a better guess moves ``at`` over midnight, but never the key."""
    midnights = [event(f"a{hour}", 20_000 * DAY + hour * 3_600_000) for hour in (0, 7, 12, 17, 23)]
    driver.commit(Commit(JOB, events=midnights))
    moved = [Event(e.key, e.resource, (e.at or 0) + hours * 3_600_000) for e in midnights]
    assert driver.again().grown(JOB, *moved) == [0] * 5


def test_an_event_is_known_when_its_time_comes_or_goes(driver: Driver) -> None:
    """A row may state the end of what it tells of before it states the time of that end."""
    driver.commit(Commit(JOB, events=[event("comes", None), event("goes", NOW - 3 * DAY), event("grows", None, 2)]))
    events = (
        event("comes", NOW - 9 * DAY),
        event("goes", None),
        event("grows", NOW, 3),
        event("new"),
        event("new", None),
    )
    assert driver.again().grown(JOB, *events) == [0, 0, 1, 1, 1]
    driver.commit(Commit(JOB, events=events))
    assert driver.again().grown(JOB, *events) == [0] * 5


def test_an_event_that_moves_is_known_under_any_day_and_as_long_as_its_new_one(driver: Driver) -> None:
    moving = [replace(event(name, at), moves=True) for name, at in (("a", NOW), ("b", NOW - 40 * DAY), ("c", None))]
    driver.commit(Commit(JOB, events=moving))
    moved = [replace(one, at=at) for one, at in zip(moving, (NOW + 9 * DAY, NOW, NOW - 5 * DAY), strict=True)]
    assert driver.again().grown(JOB, *moved, replace(event("d"), moves=True)) == [0, 0, 0, 1]
    driver.commit(Commit(JOB, forget=NOW - DAY))
    assert driver.grown(JOB, *moved) == driver.again().grown(JOB, *moved) == [0, 0, 0]


def test_an_event_under_two_days_has_happened_as_often_as_the_larger_count_says(driver: Driver) -> None:
    driver.commit(Commit(JOB, events=[event("grows", None, 2), event("zone", NOW, 2)]))
    for events in (
        [event("grows", NOW, 3), event("zone", NOW + DAY, 3)],
        [event("grows", None, 3), event("zone", NOW, 3)],
    ):
        expected = [1, 1] if events[0].at else [0, 0]
        assert driver.again().grown(JOB, *events) == expected
        driver.commit(Commit(JOB, events=events))


def test_forgetting_drops_the_days_before_and_no_later_one(driver: Driver) -> None:
    events = [event("old", NOW - 2 * DAY), event("yesterday", NOW - DAY), event("today"), event("timeless", None)]
    driver.commit(Commit(POOL, events=events), Commit(JOB, events=events))
    driver.commit(Commit(POOL, forget=NOW - DAY))
    assert driver.again().grown(POOL, *events) == [1, 0, 0, 0]
    assert driver.grown(JOB, *events) == [0, 0, 0, 0]


def test_an_aggregated_event_that_still_grows_is_not_forgotten(driver: Driver) -> None:
    """Its day is that of its first occurrence; what counts is when it last happened."""
    began = NOW - 40 * DAY
    driver.commit(Commit(POOL, events=[event("old", began), event("grows", began, 7, began)]))
    driver.commit(Commit(POOL, events=[event("grows", NOW, 8, began)]))
    driver.again().commit(Commit(POOL, forget=NOW - 7 * DAY))
    assert driver.again().grown(POOL, event("grows", NOW, 9, began)) == [1]
    driver.commit(Commit(POOL, forget=NOW + DAY))
    assert driver.again().grown(POOL, event("grows", NOW, 9, began)) == [9]


def test_what_comes_after_forgetting_in_the_same_batch_is_remembered(driver: Driver) -> None:
    driver.commit(Commit(POOL, events=[event("old", NOW - 9 * DAY)]))
    late = event("late", NOW - 9 * DAY)
    driver.commit(Commit(POOL, events=[event("lost", NOW - 9 * DAY)], forget=NOW), Commit(POOL, events=[late]))
    assert driver.again().grown(POOL, event("old", NOW - 9 * DAY), event("lost", NOW - 9 * DAY), late) == [1, 1, 0]


def test_a_resource_whose_series_left_is_still_known(driver: Driver) -> None:
    """The vendor lists ended jobs for long: they must not be read and counted again."""
    done = Progress(complete=NOW, ended=NOW, closed=True)
    own: Series = ("m", (*JOB,))
    changes = Changes(counts={own: 1.0})
    driver.commit(Commit(JOB, events=[event("a")], changes=changes, progress=done, resources=[Resource("job-1")]))
    driver.commit(Commit(JOB, leaving=[own]))
    restored = driver.again().restored()
    assert restored.changes.counts == {}
    assert restored.progress == {JOB: done}
    assert restored.resources == {("research", "pai_dlc"): {"job-1": Resource("job-1")}}
    assert driver.grown(JOB, event("a")) == [0]


def test_what_was_found_to_be_new_is_remembered_without_another_look(driver: Driver) -> None:
    events = [event("a"), event("b", NOW - DAY), event("c", None)]
    driver.commit(Commit(POOL, events=events, fresh=True), Commit(JOB, events=events[:1], fresh=True))
    assert driver.grown(POOL, *events, event("d")) == driver.again().grown(POOL, *events, event("d")) == [0, 0, 0, 1]
    assert driver.grown(JOB, *events) == [0, 1, 1]


def test_a_forgotten_watch_leaves_nothing_behind_and_may_come_back(driver: Driver) -> None:
    for watch in (JOB, POOL):
        old = [event("a", NOW - DAY), event("b", None)]
        driver.commit(Commit(watch, events=old, progress=Progress(NOW), resources=[Resource(watch.resource)]))
    driver.commit(Commit(JOB, forgotten=True), Commit(JOB, events=[event("c")], progress=Progress(NOW + 1)))
    restored = driver.again().restored()
    assert restored.progress == {POOL: Progress(NOW), JOB: Progress(NOW + 1)}
    assert restored.resources == {("research", "modelarts_pool"): {"pool-1": Resource("pool-1")}}
    assert driver.grown(JOB, event("a", NOW - DAY), event("b", None), event("c")) == [1, 1, 0]
    assert driver.grown(POOL, event("a", NOW - DAY), event("b", None)) == [0, 0]
