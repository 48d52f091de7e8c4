"""What a start takes out of the stored state: series of what is configured no more."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.app.restored_state import clean_state
from exporter.common.millis import DAY
from exporter.model.builtin_metrics import BUILTIN
from exporter.model.events import Event, Resource
from exporter.model.metrics import Changes, Moment, Observed, Series
from exporter.model.state import Commit, Progress, Restored, Watch
from exporter.store import open_store

NOW = 1_790_000_000_000
YEAR_9999 = 253_402_300_799_000
CONFIGURED = {("t", "modelarts_pool"), ("t", "dws")}
LAST = "platform_last_event_timestamp_seconds"


def stored(target: str, source: str, resource: str = "r", at: int = NOW) -> Changes:
    """Something of every kind that a resource of a source can have."""
    return Changes(
        counts={
            ("platform_events_total", (target, source, "info", "R")): 3.0,
            ("platform_resource_events_total", (target, source, resource, "info")): 3.0,
            ("platform_pool_status_changes_total", (target, "Running", "Abnormal")): 1.0,
        },
        observed={("platform_event_lag_seconds", (target, source)): Observed((1,) * 8, 2.0)},
        gauges={
            (LAST, (target, source, "info")): Moment(at / 1000, at),
            ("platform_phase_started_timestamp_seconds", (target, source, resource, "p")): Moment(at / 1000, at),
        },
        states={
            ("platform_resource_info", (target, source, resource)): Moment(("n", "w", "k", "s"), at),
            ("platform_resource_status", (target, source, resource)): Moment(("Running",), at),
        },
    )


def series(changes: Changes) -> set[Series]:
    return {*changes.counts, *changes.observed, *changes.gauges, *changes.states}


def joined(*several: Changes) -> Changes:
    return Changes(
        counts={k: v for one in several for k, v in one.counts.items()},
        observed={k: v for one in several for k, v in one.observed.items()},
        gauges={k: v for one in several for k, v in one.gauges.items()},
        states={k: v for one in several for k, v in one.states.items()},
    )


def restored(changes: Changes, **more: object) -> Restored:
    return Restored(changes, frozenset(), {}, {}, **{"resources": {}, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "source", "line"),
    [
        ("gone", "dws", "gone"),
        ("t", "modelarts_training", "t/modelarts_training"),
    ],
)
def test_gauges_states_and_resource_series_of_what_is_not_configured_leave(target: str, source: str, line: str) -> None:
    kept, left = stored("t", "dws"), stored(target, source, "other")
    clean = clean_state(restored(joined(kept, left)), BUILTIN, CONFIGURED, NOW)
    gone = {one for one in series(left) if one[0].startswith(("platform_resource_", "platform_phase", LAST))}
    assert series(clean.restored.changes) == series(joined(kept, left)) - gone
    assert set(clean.commits[0].leaving) == gone
    what = "its gauges, states and series of resources were removed; its totals stay"
    assert clean.lines == (f"{line}: no longer configured; {what}",)
    assert clean_state(clean.restored, BUILTIN, CONFIGURED, NOW).lines == (), "it is said once"


def test_pool_nodes_leave_with_the_source_that_owned_their_pool() -> None:
    """The metric has no label for the source."""
    nodes: dict[Series, Moment] = {
        ("platform_pool_nodes", ("t", pool, "abnormal")): Moment(1.0, NOW) for pool in ("old", "new", "unknown")
    }
    resources = {("t", "modelarts_pool"): {"old": Resource("old")}, ("t", "dws"): {"new": Resource("new")}}
    state = restored(Changes(gauges=nodes), resources=resources)
    clean = clean_state(state, BUILTIN, {("t", "dws")}, NOW)
    assert {labels[1] for _, labels in clean.restored.changes.gauges} == {"new", "unknown"}
    assert clean_state(state, BUILTIN, {("other", "dws")}, NOW).restored.changes.gauges == {}


def test_a_state_in_which_all_is_well_is_left_alone() -> None:
    state = restored(joined(stored("t", "dws"), stored("t", "modelarts_pool", "p")))
    assert clean_state(state, BUILTIN, CONFIGURED, NOW) == (state, (), ())


@settings(max_examples=100, deadline=None)
@given(
    at=st.integers(0, NOW), target=st.sampled_from(("t", "gone")), source=st.sampled_from(("dws", "modelarts_service"))
)
async def test_the_store_forgets_what_the_state_does_and_a_second_start_finds_nothing(
    at: int, target: str, source: str
) -> None:
    store = await open_store(":memory:")
    await store.commit([Commit(Watch(target, source, ""), changes=stored(target, source, at=at))])
    before = await store.restore()
    clean = clean_state(before, BUILTIN, CONFIGURED, NOW)
    if clean.commits:
        await store.commit(clean.commits)
    after = await store.restore()
    assert after.changes == clean.restored.changes
    assert clean_state(after, BUILTIN, CONFIGURED, NOW).commits == ()
    assert after.changes.counts.items() <= before.changes.counts.items()
    await store.close()


@settings(max_examples=30, deadline=None)
@given(days=st.integers(0, 60), source=st.sampled_from(("dws", "modelarts_service")))
async def test_what_is_configured_no_more_is_forgotten_30_days_after_its_last_read(days: int, source: str) -> None:
    store = await open_store(":memory:")
    last = NOW - days * DAY
    event = Event(key=bytes(16), resource="r", at=last)
    for place in (("gone", source), ("t", "dws")):
        await store.commit(
            [
                Commit(Watch(*place, ""), contact=last - DAY),
                Commit(Watch(*place, "r"), events=[event], resources=[Resource("r")], progress=Progress(last)),
            ]
        )
    clean = clean_state(await store.restore(), BUILTIN, CONFIGURED, NOW)
    await store.commit(clean.commits)
    after = await store.restore()
    kept = {("t", "dws")} if days > 30 else {("gone", source), ("t", "dws")}
    assert {watch[:2] for watch in after.progress} == after.contacts.keys() == kept
    assert {place for place, known in after.resources.items() if known} == kept
    assert await store.grown(Watch("gone", source, "r"), [event]) == [int(days > 30)]
    what = "what was read of it is forgotten; its totals stay, and it begins a new history should it come back"
    line = (f"gone/{source}: not configured for 30 days; {what}",)
    assert clean.lines == (line if days > 30 else ())
    await store.close()
