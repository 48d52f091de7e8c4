"""What of a page counts, what is history, and how many events become few series; pure, so only values here."""

from collections.abc import Callable, Mapping
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.common.changes import changes_from_events, histogram_growth, keep_newer
from exporter.model.events import Event
from exporter.model.metrics import Changes, Count, Mapped, Metric, Moment, Observe, Observed, Series, Set, Signal, State
from exporter.pipeline.counting import CountContext, CountedBatch, History, count_events, count_growth

CONTACT = 1_790_000_000_000
BEFORE, AFTER = CONTACT - 1, CONTACT + 1
SEEN = CONTACT + 60_000
PLACE = ("t", "s")
METRICS = {
    "platform_event_lag_seconds": Metric("platform_event_lag_seconds", "histogram", "", (), (1.0, 60.0)),
    "took": Metric("took", "histogram", "", (), (1.0, 10.0)),
}
EVENTS, BY_RESOURCE = "platform_events_total", "platform_resource_events_total"


def an_event(**fields: object) -> Event:
    return replace(Event(key=b"k", resource="r", at=AFTER), **fields)


def folded(
    *events: Event,
    growths: tuple[int, ...] = (),
    mapped: Mapped | Callable[[Event], Mapped] | None = None,
    history: History | None = None,
    complete: int | None = None,
) -> CountedBatch:
    fixed = mapped if isinstance(mapped, Mapped) else Mapped("info", "Reason", "rule")
    context = CountContext("t", "s", METRICS, history or History(CONTACT), SEEN, complete)
    return count_events(events, growths or (1,) * len(events), mapped if callable(mapped) else lambda _: fixed, context)


# --- history


@pytest.mark.parametrize(
    ("event", "growth", "history", "expected"),
    [
        # a row with a time counts if it is not before the second of contact
        ({"at": CONTACT}, 1, {}, 1),
        ({"at": AFTER, "count": 3}, 3, {}, 3),
        ({"at": BEFORE}, 1, {}, 0),
        # everything that the first complete read brings is history
        ({"at": AFTER}, 1, {"first_read": True}, 0),
        ({"at": None}, 1, {"first_read": True}, 0),
        ({"began": AFTER, "count": 5}, 5, {"first_read": True}, 0),
        ({"began": BEFORE, "count": 5}, 2, {"first_read": True}, 0),
        # a row without a time counts, unless it may be as old as its resource
        ({"at": None}, 1, {}, 1),
        ({"at": None, "count": 2}, 2, {"no_time_is_history": True}, 0),
        ({"at": AFTER}, 1, {"no_time_is_history": True}, 1),
        # an aggregated event that was known counts what it grew by
        ({"began": BEFORE, "count": 9}, 4, {}, 4),
        ({"began": AFTER, "count": 9}, 4, {}, 4),
        # one first seen now counts in full if it began after contact, else once
        ({"began": CONTACT, "count": 9}, 9, {}, 9),
        ({"began": BEFORE, "count": 9}, 9, {}, 1),
        ({"began": BEFORE, "count": 9, "at": BEFORE}, 9, {}, 0),
        ({"began": BEFORE, "count": 9, "at": None}, 9, {}, 1),
        ({"began": BEFORE, "count": 9, "at": None}, 9, {"no_time_is_history": True}, 0),
        ({"began": BEFORE, "count": 1, "at": AFTER}, 1, {}, 1),
        # the user may want history to count
        ({"at": BEFORE}, 1, {"counts": True}, 1),
        ({"at": None}, 1, {"counts": True, "first_read": True, "no_time_is_history": True}, 1),
        ({"began": BEFORE, "count": 9}, 9, {"counts": True, "first_read": True}, 9),
        # what did not grow never counts
        ({"at": AFTER}, 0, {}, 0),
        ({"at": AFTER}, 0, {"counts": True}, 0),
        ({"began": AFTER, "count": 9}, 0, {}, 0),
    ],
)
def test_history_is_not_news(event: dict[str, object], growth: int, history: dict[str, bool], expected: int) -> None:
    assert count_growth(an_event(**event), growth, History(CONTACT, **history)) == expected


def test_history_builds_gauges_and_states_but_adds_nothing_to_counters() -> None:
    signals = (Count(("c", ())), Observe(("took", ()), 2.0), Set(("g", ()), 7.0), State(("s", ()), ("Running",)))
    told = folded(
        an_event(at=BEFORE), mapped=Mapped("error", "R", None, signals, "no_rule", (("m", "l"),)), complete=AFTER
    )
    assert told.changes == Changes(
        gauges={
            ("g", ()): Moment(7.0, BEFORE),
            ("platform_last_event_timestamp_seconds", (*PLACE, "error")): Moment(BEFORE / 1000, BEFORE),
        },
        states={("s", ()): Moment(("Running",), BEFORE)},
    )
    assert (len(told.rows), told.history, told.late, told.unmapped) == (1, 1, 0, {})
    assert told.overflow == {("m", "l"): 1}


# --- one page


def test_a_page_becomes_few_series() -> None:
    severities = {b"1": "info", b"2": "info", b"3": "error"}
    told = folded(
        an_event(key=b"1", resource="a", at=CONTACT + 59_500),
        an_event(key=b"2", resource="b", at=CONTACT + 30_000),
        an_event(key=b"3", resource="a", at=None),
        growths=(1, 2, 1),
        mapped=lambda event: Mapped(severities[event.key], "R", "rule"),
    )
    assert told.changes == Changes(
        counts={
            (EVENTS, (*PLACE, "info", "R")): 3.0,
            (EVENTS, (*PLACE, "error", "R")): 1.0,
            (BY_RESOURCE, (*PLACE, "a", "info")): 1.0,
            (BY_RESOURCE, (*PLACE, "b", "info")): 2.0,
            (BY_RESOURCE, (*PLACE, "a", "error")): 1.0,
        },
        observed={("platform_event_lag_seconds", PLACE): Observed((1, 1, 0), 30.5)},
        gauges={
            ("platform_last_event_timestamp_seconds", (*PLACE, "info")): Moment(
                (CONTACT + 59_500) / 1000, CONTACT + 59_500
            )
        },
    )
    assert (len(told.rows), told.history) == (3, 0)


def test_what_did_not_grow_is_not_even_mapped() -> None:
    def refuse(_: Event) -> Mapped:
        raise AssertionError("mapped")

    assert folded(an_event(), growths=(0,), mapped=refuse) == CountedBatch(Changes(), 0, 0, {}, {}, [])


def test_counters_and_histograms_of_a_mapping_grow_by_each_occurrence() -> None:
    signals = (Count(("c", ("x",)), 2.5), Count(("c", ("x",))), Count(("zero", ()), 0.0), Observe(("took", ()), 10.0))
    told = folded(an_event(count=4), growths=(3,), mapped=Mapped("info", "R", "rule", signals))
    assert told.changes.counts["c", ("x",)] == 3 * 3.5
    assert ("zero", ()) not in told.changes.counts
    assert told.changes.observed["took", ()] == Observed((0, 3, 0), 30.0)


def test_a_gauge_keeps_its_newest_value_in_whatever_order_events_come() -> None:
    times = {b"1": 5, b"2": 9, b"3": 7}
    told = folded(
        *(an_event(key=key, at=CONTACT + at) for key, at in times.items()),
        mapped=lambda event: Mapped("info", "R", "rule", (Set(("g", ()), float(times[event.key])),)),
    )
    assert told.changes.gauges["g", ()] == Moment(9.0, CONTACT + 9)
    assert told.changes.gauges["platform_last_event_timestamp_seconds", (*PLACE, "info")].at == CONTACT + 9


def test_of_two_moments_at_the_same_time_the_later_told_stands() -> None:
    moments: dict[Series, Moment] = {}
    for value in (1.0, 2.0):
        keep_newer(moments, ("g", ()), Moment(value, 5))
    keep_newer(moments, ("g", ()), Moment(3.0, 4))
    assert moments == {("g", ()): Moment(2.0, 5)}


def test_an_event_without_a_time_is_true_when_it_is_seen() -> None:
    told = folded(an_event(at=None), mapped=Mapped("info", "R", "rule", (State(("s", ("a",)), ("Failed",)),)))
    assert told.changes.states == {("s", ("a",)): Moment(("Failed",), SEEN)}
    assert told.changes.gauges == {}, "it says nothing of when the newest event was"
    assert told.changes.observed == {}, "nor how late it came"


def test_an_event_older_than_what_was_known_completely_is_late() -> None:
    complete = CONTACT + 5_000
    times = (complete - 1, complete, complete + 1, None, BEFORE)
    events = [an_event(at=at) for at in times]
    assert folded(*events, complete=complete).late == 1, "not what happened then or later, has no time, or is history"
    assert folded(*events, complete=None).late == 0


def test_lag_is_told_once_an_event_and_never_below_zero() -> None:
    told = folded(an_event(at=SEEN + 3_000, count=5), an_event(at=SEEN - 61_000 + 1_000), growths=(5, 1))
    assert told.changes.observed["platform_event_lag_seconds", PLACE] == Observed((1, 1, 0), 60.0)


def test_overflow_is_told_by_metric_and_label() -> None:
    mapped = Mapped("info", "R", "rule", overflow=(("m", "a"), ("m", "b"), ("m", "a")))
    assert folded(an_event(), an_event(), mapped=mapped).overflow == {("m", "a"): 4, ("m", "b"): 2}


def test_an_unmapped_event_counts_by_cause_and_is_told_with_its_text() -> None:
    causes = {"x": "no_rule", "y": "no_rule", "z": "no_shape"}
    told = folded(
        *(an_event(text=text) for text in "xyzx"),
        growths=(1, 2, 1, 1),
        mapped=lambda event: Mapped("info", "R", None, unmapped=causes[event.text]),
    )
    assert {(unread.cause, unread.text): times for unread, times in told.unmapped.items()} == {
        ("no_rule", "x"): 2,
        ("no_rule", "y"): 2,
        ("no_shape", "z"): 1,
    }
    assert told.changes.counts["platform_events_unmapped_total", (*PLACE, "no_rule")] == 4.0
    assert told.changes.counts["platform_events_unmapped_total", (*PLACE, "no_shape")] == 1.0
    assert told.changes.counts[EVENTS, (*PLACE, "info", "R")] == 5.0, "mapped or not"


def test_a_dropped_event_counts_all_the_same() -> None:
    told = folded(an_event(), mapped=Mapped("info", "R", "rule", dropped=True))
    assert told.changes.counts[EVENTS, (*PLACE, "info", "R")] == 1.0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ((0, 0, 0), 0.0)),
        ([1.0, 10.0], ((1, 1, 0), 11.0)),
        ([0.0, -5.0], ((2, 0, 0), 0.0)),
        ([1.5, 10.5, 99.0], ((0, 1, 2), 111.0)),
    ],
)
def test_a_bucket_holds_values_up_to_and_with_its_bound(
    values: list[float], expected: tuple[tuple[int, ...], float]
) -> None:
    assert histogram_growth(values, (1.0, 10.0)) == Observed(*expected)


# --- folding is adding

labels = st.sampled_from([(), ("x",), ("y",)])
numbers = st.integers(-3, 9).map(float)
signals = st.one_of(
    st.builds(lambda label, by: Count(("c", label), by), labels, numbers),
    st.builds(lambda label, value: Observe(("took", label), value), labels, numbers),
    st.builds(lambda label, value: Set(("g", label), value), labels, numbers),
    st.builds(lambda label, value: State(("s", label), (str(value),)), labels, numbers),
)
mappings = st.builds(
    lambda severity, reason, signals, unmapped, overflow: Mapped(
        severity, reason, None if unmapped else "rule", tuple[Signal, ...](signals), unmapped, tuple(overflow)
    ),
    st.sampled_from(["info", "error"]),
    st.sampled_from(["A", "B"]),
    st.lists(signals, max_size=4),
    st.sampled_from([None, "no_rule", "no_shape"]),
    st.lists(st.sampled_from([("m", "a"), ("m", "b")]), max_size=2),
)
times = st.none() | st.integers(-5, 5).map(lambda second: CONTACT + second * 1000)
events = st.builds(
    lambda resource, at, text, count, began: Event(b"", resource, at, text, count=count, began=began),
    st.sampled_from(["r1", "r2"]),
    times,
    st.sampled_from(["", "x"]),
    st.integers(1, 4),
    times,
)
histories = st.builds(History, st.just(CONTACT), st.booleans(), st.booleans(), st.booleans())


def added(folds: list[CountedBatch]) -> dict[str, object]:
    """Several folds, one after the other, as one."""
    counts: dict[Series, float] = {}
    buckets: dict[Series, Observed] = {}
    gauges: dict[Series, Moment] = {}
    states: dict[Series, Moment] = {}
    tables: list[dict[tuple[str, ...], int]] = [{}, {}]
    for fold in folds:
        for series, by in fold.changes.counts.items():
            counts[series] = counts.get(series, 0.0) + by
        for series, more in fold.changes.observed.items():
            known = buckets.get(series, Observed((0, 0, 0), 0.0))
            buckets[series] = known + more
        for found, moments in ((gauges, fold.changes.gauges), (states, fold.changes.states)):
            for series, moment in moments.items():
                keep_newer(found, series, moment)
        for place, times in fold.overflow.items():
            tables[0][place] = tables[0].get(place, 0) + times
        for unread, times in fold.unmapped.items():
            tables[1][unread] = tables[1].get(unread, 0) + times
    return {
        "counts": without_zeros(counts),
        "observed": buckets,
        "gauges": gauges,
        "states": states,
        "tables": tables,
        "rows": [row for fold in folds for row in fold.rows],
        "numbers": [sum(getattr(fold, name) for fold in folds) for name in ("history", "late")],
    }


def without_zeros(counts: Mapping[Series, float]) -> dict[Series, float]:
    return {series: by for series, by in counts.items() if by}


@given(
    rows=st.lists(st.tuples(events, mappings, st.integers(0, 4)), max_size=12),
    cuts=st.sets(st.integers(1, 11)),
    history=histories,
    complete=times,
)
@settings(deadline=None)
def test_folding_a_page_in_any_slices_is_adding_up_its_events(
    rows: list[tuple[Event, Mapped, int]], cuts: set[int], history: History, complete: int | None
) -> None:
    """Growth is at most the count, and times are whole, so that sums are exact."""
    keyed = [
        (replace(event, key=bytes([n])), mapped, min(growth, event.count))
        for n, (event, mapped, growth) in enumerate(rows)
    ]
    meanings = {event.key: mapped for event, mapped, _ in keyed}
    context = CountContext("t", "s", METRICS, history, SEEN, complete)

    def fold(part: list[tuple[Event, Mapped, int]]) -> CountedBatch:
        return count_events(
            [row[0] for row in part], [row[2] for row in part], lambda event: meanings[event.key], context
        )

    bounds = [0, *sorted(cut for cut in cuts if cut < len(keyed)), len(keyed)]
    slices = [keyed[start:end] for start, end in pairwise(bounds)]
    one_by_one = added([fold([row]) for row in keyed])
    assert added([fold(keyed)]) == one_by_one
    assert added([fold(part) for part in slices]) == one_by_one


def test_an_event_without_a_time_gives_way_to_the_next_one_of_the_same_second() -> None:
    moments: dict[Series, Moment] = {}
    for at, value in ((None, 8.0), (SEEN, 3.0)):
        rows = [(an_event(at=at), Mapped("info", "R", "rule", (Set(("g", ()), value),)), 1)]
        changes = changes_from_events(rows, PLACE, METRICS, SEEN + 700)
        keep_newer(moments, ("g", ()), changes.gauges["g", ()])
    assert moments["g", ()].value == 3.0
