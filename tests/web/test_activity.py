"""What the web port remembers: facts in, views out; bounded, and honest about what it does not know."""

import asyncio
import contextlib
import io
import socket
from collections.abc import Sequence

import httpx2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.screen import Screen
from starlette.exceptions import HTTPException

from exporter.cli.top import render
from exporter.common.text import ago, lasting
from exporter.model import telemetry
from exporter.model.errors import SourceDenied, SourceGone
from exporter.model.events import Event
from exporter.model.metrics import Mapped, Set
from exporter.model.runs import OpenRun, OpenSpan, Span
from exporter.web import views
from exporter.web.activity import ActivityLog, EventFilter, RunFilter
from exporter.web.formatting import bars, timeline, timelines
from exporter.web.middleware import RenderQueue
from exporter.web.queries import Backends, Queries
from exporter.web.recent_events import MAX_EVENTS, MAX_TEXT
from exporter.web.recent_runs import MAX_RESOURCES, MAX_RUNS
from exporter.web.routes import ServerOptions, SiteContent, make_site
from exporter.web.security.live_config import LiveWebConfig
from exporter.web.server import listen, serve
from exporter.web.source_status import MAX_FAILING, MAX_POLLS, SourceStatusBoard

NOW = 1_700_000_000.0
PLACE = ("research", "modelarts_pool")
PATHS = (
    "/",
    "/events",
    "/sources",
    "/sources/research/modelarts_pool",
    "/resources/research/modelarts_pool/p1",
    "/api/v1/overview",
    "/api/v1/events",
    "/api/v1/resources/research/modelarts_pool/p1",
)
DENIED = SourceDenied("403; grant it")


def make_activity(most: int = MAX_EVENTS) -> ActivityLog:
    return ActivityLog(
        SourceStatusBoard({PLACE: "modelarts", ("pai", "pai_dlc"): "pai_dlc"}, [("research", "iam")], NOW),
        lambda *place: place[2].upper(),
        most,
    )


def committed(*rows: tuple[Event, Mapped, int], at: float = NOW) -> telemetry.EventsCommitted:
    return telemetry.EventsCommitted(*PLACE, at, rows)


def row(text: str, severity: str = "warning", ago: float = 0.0, news: int = 1, rule: str | None = "r", **more: object) -> tuple[Event, Mapped, int]:  # fmt: skip
    resource = str(more.pop("resource", "p1"))
    event = Event(text.encode(), resource, int((NOW - ago) * 1000), text)
    return event, Mapped(severity, "Reason", rule, unmapped=None if rule else "no_rule", **more), news  # type: ignore[arg-type]


def nodes(ago: float, available: float, abnormal: float) -> tuple[Event, Mapped, int]:
    counts = {"available": available, "abnormal": abnormal}
    signals = tuple(Set(("platform_pool_nodes", ("research", "p1", state)), value) for state, value in counts.items())
    return row(f"nodes {ago}", ago=ago, signals=signals)


def poll_done(resource: str = "", at: float = NOW, **more: object) -> telemetry.PollDone:
    values = {"seconds": 0.1, "events": 3, "new": 2, "interval": 30.0, "complete": at - 5, **more}
    return telemetry.PollDone(*PLACE, resource, at, **values)  # type: ignore[arg-type]


def poll_failed(
    resource: str = "", at: float = NOW, cause: str = "denied", wait: float = 300.0, *, listing: bool = False
) -> telemetry.PollFailed:
    error = SourceGone("404; none") if cause == "gone" else DENIED
    return telemetry.PollFailed(*PLACE, resource, at, error, cause, wait, listing)


def source_view(*events: telemetry.SelfEvent, at: float = NOW) -> views.SourceView:
    activity = make_activity()
    for event in events:
        activity.report(event)
    return next(one for one in activity.sources(at) if (one.target, one.source) == PLACE)


# --- how sources stand


def test_a_source_waits_then_is_fine_and_tells_how_far_it_came() -> None:
    assert (source_view().state, source_view().success, source_view().next) == ("waiting", None, None)
    one = source_view(telemetry.Contacted(*PLACE, NOW), poll_done(at=NOW + 1), poll_done(at=NOW + 31, complete=None))
    assert (one.state, one.contact, one.success, one.complete) == ("ok", NOW, NOW + 31, NOW - 4)
    assert (one.new, one.interval, one.next, one.since) == (4, 30.0, NOW + 61, NOW + 1)


def test_a_source_is_blind_since_its_first_failure_and_says_why() -> None:
    one = source_view(poll_done(at=NOW), poll_failed(at=NOW + 10), poll_failed(at=NOW + 20))
    assert (one.state, one.since) == ("failing", NOW + 10)
    assert one.failure == views.FailureView(at=NOW + 20, resource="", text="403; grant it", cause="denied", wait=300.0)
    assert one.next == NOW + 320


def test_one_watch_that_fails_among_others_that_do_not_makes_a_source_partly_blind() -> None:
    events: Sequence[telemetry.SelfEvent] = (
        poll_done("p1"),
        poll_failed("p2", at=NOW + 1),
        poll_done("p1", at=NOW + 2),
    )
    assert source_view(*events).state == "partly"
    assert source_view(*events, poll_done("p2", at=NOW + 3)).state == "ok"
    assert source_view(*events, at=NOW + 1000).state == "ok", "nobody reads that watch any more"


def test_a_listing_that_works_again_ends_its_failure_and_what_left_is_none() -> None:
    assert (
        source_view(
            poll_done("p1"),
            poll_failed(at=NOW + 1, listing=True),
            telemetry.Discovered(*PLACE, NOW + 2, 3, {"active": 3}),
        ).state
        == "ok"
    )
    one = source_view(poll_done("p1"), poll_failed("p2", at=NOW + 1, cause="gone"))
    assert (one.state, one.failure) == ("ok", None)


def test_a_source_whose_reads_are_refused_is_blind_although_its_listing_works() -> None:
    listed = telemetry.Discovered(*PLACE, NOW + 2, 3, {"active": 3})
    one = source_view(poll_done(), poll_failed(at=NOW + 1), listed)
    assert (one.state, one.since) == ("failing", NOW + 1)
    assert one.failure is not None
    assert source_view(poll_done(), poll_failed(at=NOW + 1), listed, poll_done(at=NOW + 3)).state == "ok"


def test_a_listing_that_is_refused_is_shown_although_reads_work() -> None:
    one = source_view(poll_failed(listing=True), poll_done(at=NOW + 1), poll_done(at=NOW + 2))
    assert (one.state, one.failure and one.failure.text) == ("partly", "403; grant it")


def test_the_first_read_that_works_ends_the_failures_before_it() -> None:
    assert source_view(poll_failed(), poll_done(at=NOW + 1)).state == "ok"


FAR = (-(10**18), -1, 0, 10**15, 253_402_300_799_999, 253_402_300_800_000, 10**18)


@settings(max_examples=4, deadline=None)
@given(times=st.lists(st.sampled_from(FAR) | st.integers(-(10**18), 10**18) | st.none(), min_size=1, max_size=12))
async def test_no_time_of_an_event_or_a_stage_breaks_a_page(times: list[int | None]) -> None:
    activity = make_activity()
    rows = [(msgspec.structs.replace(row(f"t{n}")[0], at=at), row("x")[1], 1) for n, at in enumerate(times)]
    activity.report(committed(*rows))
    stages = [(at or 0, (at or 0) + 1000) for at in times]
    activity.report(runs_updated([span("run", "RUN", "failure", b / 1000 - NOW, e / 1000 - NOW) for b, e in stages]))
    activity.report(telemetry.Contacted(*PLACE, (times[0] or 0) / 1000))
    errors: list[telemetry.SelfEvent] = []
    handlers = SiteContent(
        lambda *_: (b"", "", 1), print, lambda: None, lambda: None, Queries("1", activity, NO_BACKENDS)
    )

    options = ServerOptions(LiveWebConfig(None, print), "", asyncio.Event(), (), errors.append)
    transport = httpx2.ASGITransport(make_site(handlers, options))
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        assert [(await client.get(path)).status_code for path in PATHS] == [200] * len(PATHS)
    assert errors == []


def test_polls_and_failing_watches_are_remembered_within_bounds() -> None:
    activity = make_activity()
    for number in range(MAX_FAILING + MAX_POLLS):
        activity.report(poll_failed(f"p{number}", at=NOW + number))
    polls = activity.source_status.polls(*PLACE)
    assert len(polls) == MAX_POLLS
    assert polls[0].resource == f"p{MAX_FAILING + MAX_POLLS - 1}"
    assert len(activity.source_status._failing[PLACE]) == MAX_FAILING


def test_facts_of_sources_that_are_not_there_are_let_pass() -> None:
    activity = make_activity()
    activity.report(telemetry.PollFailed("nobody", "dws", "", NOW, DENIED, "denied", 1.0))
    activity.report(telemetry.LogMessage("started"))
    assert [one.state for one in activity.sources(NOW)] == ["waiting", "waiting"]


def test_budgets_and_odd_records_are_counted() -> None:
    asked = telemetry.RequestDone("research", "iam", "200", 0.1)
    activity = make_activity()
    for event in (
        asked,
        asked,
        telemetry.Throttled("research", "iam", None),
        telemetry.BudgetLeft("research", "iam", 1.5),
    ):
        activity.report(event)
    activity.report(telemetry.ReadAnomalies(*PLACE, "p1", history=3, late=2, unreadable=1, truncated=True))
    budget = views.BudgetView(target="research", api="iam", remaining=1.5, requests=2, throttled=1)
    assert activity.source_status.budgets("research") == [budget]
    one = activity.sources(NOW)[1]
    assert (one.history, one.late, one.unreadable, one.truncated) == (3, 2, 1, 1)


# --- events


def test_events_are_kept_up_to_a_number_and_their_ids_go_on() -> None:
    activity = make_activity(most=3)
    activity.report(committed(*(row(f"t{n}", ago=10 - n) for n in range(5))))
    page = activity.events(EventFilter(), 0, 10)
    assert [(one.id, one.text) for one in page.events] == [(5, "t4"), (4, "t3"), (3, "t2")]
    assert (page.total, page.kept, page.most, page.last) == (3, 3, 3, 5)
    assert [one.id for one in activity.events_after(3, EventFilter(), 10)] == [4, 5]
    assert [one.id for one in activity.events_after(0, EventFilter(), 2)] == [4, 5]
    assert activity.events_after(5, EventFilter(), 10) == []


def test_the_newest_by_the_vendors_clock_come_first() -> None:
    activity = make_activity()
    activity.report(committed(row("new", ago=1), row("old", ago=100), row("same", ago=1)))
    assert [one.text for one in activity.events(EventFilter(), 0, 10).events] == ["same", "new", "old"]
    assert [one.text for one in activity.events(EventFilter(), 1, 1).events] == ["new"]


def test_a_long_text_is_cut_in_memory() -> None:
    activity = make_activity()
    activity.report(committed(row("x" * 5 * MAX_TEXT)))
    assert len(activity.events(EventFilter(), 0, 1).events[0].text) == MAX_TEXT + 1


@pytest.mark.parametrize(
    ("wanted", "texts"),
    [
        (EventFilter(severity="trouble"), ["broke", "fell"]),
        (EventFilter(severity="info"), ["fine"]),
        (EventFilter(target="pai"), []),
        (EventFilter(source="modelarts_pool", text="FELL"), ["fell"]),
        (EventFilter(text="P2"), ["fell"]),
        (EventFilter(text="reason", resource="p1"), ["broke", "fine"]),
        (EventFilter(unmapped=True), ["fell"]),
        (EventFilter(rule="r"), ["broke", "fine"]),
        (EventFilter(reason="Other"), []),
    ],
)
def test_a_filter_leaves_what_fits(wanted: EventFilter, texts: list[str]) -> None:
    activity = make_activity()
    activity.report(committed(row("fine", "info"), row("fell", rule=None, resource="p2"), row("broke", "error")))
    assert sorted(one.text for one in activity.events(wanted, 0, 10).events) == texts


def test_equal_troubles_of_a_resource_are_told_once() -> None:
    activity = make_activity()
    activity.report(
        committed(row("a", ago=9), row("b", ago=5, news=3), row("c", "info"), row("d", ago=1, resource="p2"))
    )
    assert [(one.newest.text, one.times, one.since) for one in activity.troubles(9)] == [
        ("d", 1, NOW - 1),
        ("b", 4, NOW - 9),
    ]
    assert [one.newest.name for one in activity.troubles(1)] == ["P2"]


def test_rules_know_how_often_they_were_hit_and_when() -> None:
    activity = make_activity()
    activity.report(committed(row("a"), row("b"), row("c", rule=None)))
    activity.report(committed(row("d", rule="other"), at=NOW + 9))
    hits = [activity.recent_events.rule_hits("modelarts_pool", rule) for rule in ("r", "other", "never")]
    assert hits == [(2, NOW), (1, NOW + 9), (0, None)]


def test_the_last_hour_is_counted_by_minute_and_what_is_older_is_forgotten() -> None:
    activity = make_activity()
    activity.report(committed(row("a", "error", ago=60), row("b", news=4, ago=61), row("c", "info", ago=7200)))
    minutes = activity.recent_events.last_hour(*PLACE, NOW)
    assert len(minutes) == 60
    assert minutes[-2] == views.Minute(events=5, warnings=4, errors=1)
    assert sum(one.events for one in minutes) == 5
    for later in range(300):
        activity.report(committed(row(f"{later}", ago=-60 * later), at=NOW + 60 * later))
    assert len(activity.recent_events._minutes[PLACE]) <= 121
    assert sum(one.events for one in activity.recent_events.last_hour(*PLACE, NOW + 60 * 299)) == 60


# --- runs and nodes


def span(role: str, name: str, outcome: str, begin: float, end: float, error: str = "") -> Span:
    times = int((NOW + begin) * 1000), int((NOW + end) * 1000)
    told = ("Reason", error) if error else None
    return Span(*PLACE, "p1", "DEPLOY service", 1, role, name, *times, outcome, error=told)  # type: ignore[arg-type]


def runs_updated(closed: Sequence[Span], *open_: OpenRun, resource: str = "p1") -> telemetry.RunsUpdated:
    return telemetry.RunsUpdated(*PLACE, resource, NOW, tuple(closed), open_)


def test_a_failed_run_names_its_phase_and_everything_that_was_said_on_the_way() -> None:
    activity = make_activity()
    activity.report(
        committed(row("pull failed", "error", ago=-20), row("unrelated", ago=100), row("gave up", "error", ago=-25))
    )
    activity.report(runs_updated([span("image_pulling", "image_pulling", "failure", 10, 20, "pull failed")]))
    activity.report(runs_updated([span("run", "DEPLOY service", "failure", 0, 25, "pull failed")]))
    (run,) = activity.failures(5)
    assert (run.name, run.phase, run.why) == ("P1", "image_pulling", ("pull failed", "gave up"))
    assert [one.name for one in activity.recent_runs.stages(*PLACE, "p1")] == ["DEPLOY service", "image_pulling"]


def test_runs_are_bounded_and_the_newest_failures_are_shown_with_their_number() -> None:
    activity = make_activity()
    for number in range(MAX_RESOURCES + 5):
        activity.report(runs_updated([span("run", "RUN", "failure", number, number + 1)], resource=f"p{number}"))
    assert len(activity.recent_runs._closed) == len(activity.recent_runs._open) == MAX_RESOURCES
    assert len(activity.recent_runs.runs()) == MAX_RUNS
    assert activity.recent_runs.failed == MAX_RESOURCES + 5
    assert [run.stage.begin for run in activity.failures(2)] == [NOW + MAX_RESOURCES + 4, NOW + MAX_RESOURCES + 3]


def test_open_runs_are_shown_as_going_on() -> None:
    activity = make_activity()
    at = int(NOW * 1000)
    activity.report(runs_updated((), OpenRun(at, OpenSpan("RUN", "", at), at, [OpenSpan("running", "", at)])))
    assert [(one.name, one.run, one.end) for one in activity.recent_runs.stages(*PLACE, "p1")] == [("RUN", True, None), ("running", False, None)]  # fmt: skip


def test_each_run_has_a_timeline_of_its_own_with_its_phases_in_order() -> None:
    activity, at = make_activity(), int(NOW * 1000)
    for attempt in (1, 2):
        begin = NOW + 100 * attempt
        phases = [span(name, name, "success", begin - NOW, begin - NOW + 5) for name in ("building", "pulling")]
        run = span("run", "DEPLOY service", "success", begin - NOW, begin - NOW + 10)
        closed = [msgspec.structs.replace(one, attempt=attempt) for one in (*phases, run)]
        activity.report(runs_updated(closed))
    incident = msgspec.structs.replace(span("run", "abnormal", "success", 0, 8), attempt=9, run="abnormal", alone=True)
    activity.report(runs_updated([incident], OpenRun(at + 500_000, OpenSpan("DEPLOY service", "", at + 500_000), at)))
    drawn = timelines(activity.recent_runs.stages(*PLACE, "p1"), (), NOW + 600)
    assert [(one.run.begin - NOW if one.run else None, one.run and one.run.outcome) for one in drawn] == [
        (500.0, None),
        (200.0, "success"),
        (100.0, "success"),
        (None, None),
    ]
    assert [row.stage.name for row in drawn[1].rows] == ["DEPLOY service", "building", "pulling"]
    assert [row.stage.name for row in drawn[3].rows] == ["abnormal"]
    assert [(run.stage.begin - NOW, run.stage.outcome) for run in activity.recent_runs.runs()] == [
        (500.0, None),
        (200.0, "success"),
        (100.0, "success"),
    ]


RUNS = (("k", "failure", 10), ("l", "success", 20), ("m", "failure", 30))


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (RunFilter(), "mlk"),
        (RunFilter(outcome="failure"), "mk"),
        (RunFilter(outcome="open"), ""),
        (RunFilter(text="K"), "k"),
        (RunFilter(reason="Reason", after=NOW + 25), "m"),
        (RunFilter(target="other"), ""),
        (RunFilter(source="modelarts_pool", after=NOW + 15), "ml"),
    ],
)
def test_runs_are_filtered(wanted: RunFilter, names: str) -> None:
    activity = make_activity()
    for resource, outcome, end in RUNS:
        ended = msgspec.structs.replace(span("run", "RUN", outcome, 0, end, "gone"), resource=resource)
        activity.report(runs_updated([ended], resource=resource))
    found = activity.runs(wanted, 0, 10, NOW)
    assert [run.stage.resource for run in found.runs] == [*names]
    assert (found.total, found.kept, found.since) == (len(names), 3, NOW)
    assert activity.runs(wanted, 1, 1, NOW).runs == found.runs[1:2]


def test_a_pool_lost_nodes_until_they_are_back_and_late_tellers_change_nothing() -> None:
    activity = make_activity()
    activity.report(committed(nodes(100, 4, 0), nodes(90, 3, 1), nodes(80, 2, 2)))
    (loss,) = activity.node_losses(5)
    assert (loss.name, loss.at, loss.lost, loss.over) == ("P1", NOW - 90, 2, None)
    activity.report(committed(nodes(50, 4, 0)))
    activity.report(committed(nodes(70, 1, 3)))
    (loss,) = activity.node_losses(5)
    assert (loss.lost, loss.over, loss.nodes["available"]) == (2, NOW - 50, 4.0)
    activity.report(committed(nodes(10, 3, 1)))
    assert [(one.at, one.over) for one in activity.node_losses(5)] == [(NOW - 10, None)]


# --- words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "60 min"), (7200, "2 h"), (90_000, "1 d"), (-5, "0 s")],
)
def test_durations_are_said_in_their_largest_unit(seconds: float, said: str) -> None:
    assert lasting(seconds) == said


def test_the_future_is_said_as_such() -> None:
    assert (ago(NOW + 30, NOW), ago(NOW - 30, NOW)) == ("in 30 s", "30 s ago")


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6) | st.none(), st.booleans()), max_size=5),
    st.lists(st.integers(0, 10**6)),
)
def test_whatever_happens_stays_within_its_picture(spans: list[tuple[int, int | None, bool]], times: list[int]) -> None:
    stages = [
        views.StageView(target="t", source="s", resource="r", name="n", run=run, attempt="", begin=begin, end=end)
        for begin, end, run in spans
        if end is None or end >= begin
    ]
    found = timeline(stages, (), 2.0 * 10**6)
    for drawn in found.rows if found else ():
        assert 0 <= drawn.x <= drawn.x + drawn.width <= 1000.01
    order = [(not drawn.stage.run, drawn.stage.begin) for drawn in (found.rows if found else ())]
    assert order == sorted(order)  # the run is the first row, whatever began before it
    minutes = [views.Minute(events=n, warnings=n // 3, errors=n // 5) for n in times]
    for bar in bars(minutes):
        assert 0 <= bar.warnings + bar.errors <= bar.plain <= 20


# --- many readers

NO_BACKENDS = Backends(
    resources=lambda *_: [],
    resource=lambda *_: None,
    series=lambda *_: [],
    rules=list,
    explain=lambda *_: (_ for _ in ()).throw(ValueError("no")),
    record=lambda source, event: event.text,
    unmapped=list,
    settings=list,
    unhealthy=lambda: None,
    unready=lambda: None,
    now=lambda: NOW,
)


def crowded_queries() -> Queries:
    """Return queries over many events."""
    activity = make_activity()
    for start in range(0, MAX_EVENTS // 4, 500):
        activity.report(committed(*(row(f"text {n} <b>", ago=n / 100) for n in range(start, start + 500))))
    return Queries("1", activity, NO_BACKENDS)


async def test_a_scrape_overtakes_two_hundred_readers_and_fifty_silent_peers() -> None:
    handlers = SiteContent(
        lambda form, packed: (b"page\n", "text/plain", 1), lambda n: None, lambda: None, lambda: None, crowded_queries()
    )

    listening, stop = listen("127.0.0.1:0"), asyncio.Event()
    serving = asyncio.create_task(
        serve(make_site(handlers, ServerOptions(LiveWebConfig(None, print), "", stop)), listening, stop)
    )
    port = listening.getsockname()[1]
    limits = httpx2.Limits(max_connections=300)
    with contextlib.ExitStack() as silent:
        for _ in range(50):
            silent.enter_context(socket.create_connection(("127.0.0.1", port)))
        base, plain = f"http://127.0.0.1:{port}", {"accept-encoding": "identity"}
        async with httpx2.AsyncClient(trust_env=False, limits=limits, timeout=60, headers=plain) as client:
            readers = [asyncio.create_task(client.get(f"{base}/events?offset={n}&limit=5")) for n in range(200)]
            while not any(reader.done() for reader in readers):
                await asyncio.sleep(0.01)
            for _ in range(5):
                assert (await client.get(f"{base}/metrics")).text == "page\n"
            assert not all(reader.done() for reader in readers), "a scrape has waited for everybody"
            assert {(await reader).status_code for reader in readers} == {200}
    stop.set()
    await serving


async def test_whoever_still_waits_for_a_page_at_a_stop_is_sent_away_at_once() -> None:
    stop, made = asyncio.Event(), list[int]()
    render_queue = RenderQueue(stop)
    waiting = [asyncio.create_task(render_queue.render(lambda: made.append(1))) for _ in range(50)]
    while not made:
        await asyncio.sleep(0)
    stop.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert len(made) < 5
    refused = [answer for answer in [*answers] if isinstance(answer, HTTPException)]
    assert len(refused) > 45
    assert {(one.status_code, one.detail) for one in refused} == {(503, "the exporter stops")}


def test_nothing_that_a_vendor_writes_reaches_the_terminal_as_a_command() -> None:
    queries = queries_named("[red]\x1b]0;title\x07\x1b[2J \x9b31m\nnext")
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=200)
    console.print(render(queries.overview()))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]\N{REPLACEMENT CHARACTER}]0;title" in shown
    assert {char for char in shown if not char.isprintable()} == {"\n"}


def test_top_fits_a_terminal_of_80_by_24_and_keeps_half_of_it_for_warnings() -> None:
    activity = make_activity()
    for number in range(20):
        text = f"node {number} is gone, and so is everything that ran on it for the last three days and nights"
        activity.report(committed(row(text, "warning", ago=-number, resource=f"p{number}")))
    activity.report(poll_failed())
    overview = Queries("1", activity, NO_BACKENDS).overview()
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=80, height=24)
    console.print(Screen(render(overview)))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 24
    assert [line for line in lines if len(line) > 80] == []
    assert "research/modelarts_pool blind: 403; grant it" in [line.rstrip() for line in lines]
    assert sum("is gone" in line for line in lines) >= 10
    wide = Console(file=io.StringIO(), width=200)
    wide.print(render(overview))
    assert "for the last three days and nights" in wide.file.getvalue()  # type: ignore[attr-defined]


@settings(max_examples=6, deadline=None)
@given(text=st.text("<>&\"'/=ab {}é", max_size=8).map(lambda text: f"{text}<b>"))
def test_no_text_of_a_vendor_becomes_markup(text: str) -> None:
    handlers = SiteContent(lambda *_: (b"", "", 1), print, lambda: text, lambda: None, queries_named(text))

    async def pages() -> list[str]:
        site = make_site(handlers, ServerOptions(LiveWebConfig(None, print), "", asyncio.Event()))
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(site), base_url="http://x") as client:
            paths = ("/", "/events", "/resources/research/modelarts_pool/p1")
            return [(await client.get(path)).text for path in paths]

    for page in asyncio.run(pages()):
        assert "<b>" not in page.replace("<b>image_pulling</b>", "")


def queries_named(text: str) -> Queries:
    """Return queries over one of everything, with ``text`` in each place of a foreign text."""
    queries = Queries(text, make_activity(), NO_BACKENDS)
    queries.activity.report(committed(row(text), row(text, rule=None)))
    queries.activity.report(poll_failed())
    queries.activity.report(runs_updated([span("run", text, "failure", 0, 1, text)]))
    return queries
