"""How notes of events become runs and phases: each stated rule of ``exporter.mapping.fold``, and any order within a read."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from exporter.common.yaml_document import parse_document
from exporter.mapping.loader import load
from exporter.mapping.runs.reducer import make_fold
from exporter.model.events import Resource
from exporter.model.metrics import Count, Observe, Phase, Set
from exporter.model.runs import Folded, ResourceSnapshot, RunNote, Runs, SpanEvent, Stage

JOBS = """
mapping: 1
source: demo
process:
  run: RUN job
  starts: created
  phases: {waiting: {}, loading: {begun_by: waiting}, working: {timeout: 1h}}
  closes_on: {Done: success, Broken: failure}
  give_up_after: 1h
rules:
  - {id: restart, shape: "restart", do: [{begin: run}]}
  - {id: waits, shape: "waits", do: [{begin: waiting}]}
  - {id: starts, shape: "starts", do: [{end: waiting}]}
  - {id: loaded, shape: "loaded {what:word}", do: [{end: loading, of: what}]}
  - {id: unloaded, shape: "cannot load", do: [{fail: loading}]}
  - {id: works, shape: "works", do: [{begin: working}]}
  - {id: breaks, shape: "breaks", as: {severity: error, reason: Broke}, do: [{fail: open}]}
  - {id: over, shape: "over", do: [{run: success}]}
  - {id: failed, shape: "failed", as: {severity: error, reason: Failed}, do: [{run: failure}]}
"""
OPERATIONS = """
mapping: 1
source: demo
vocab: {operation: [copy, move]}
process: {runs: operation, give_up_after: 1h}
rules:
  - {id: begun, shape: "{what:word} begins", do: [{begin: run, of: what}]}
  - {id: done, shape: "{what:word} is done", do: [{end: run, of: what}]}
  - {id: failed, shape: "{what:word} failed", do: [{fail: run, of: what}]}
"""
INCIDENTS = """
mapping: 1
source: demo
process: {phases: {down: {timeout: 10m}}}
rules:
  - {id: falls, shape: "falls", do: [{begin: down}]}
  - {id: rises, shape: "rises", do: [{end: down}]}
"""
FIELDS = frozenset({"severity", "reason", "text", "resource"})
START = 1_700_000_000_000
HOUR = 3_600_000
STEPS = {
    "restart": Phase("begin", "run"),
    "waits": Phase("begin", "waiting"),
    "starts": Phase("end", "waiting"),
    "loaded a": Phase("end", "loading", "a"),
    "cannot load": Phase("fail", "loading"),
    **{f"loaded {number}": Phase("end", "loading", str(number)) for number in range(1200)},
    "works": Phase("begin", "working"),
    "breaks": Phase("fail", "open"),
    "over": Phase("end", "run", "", "success"),
    "failed": Phase("end", "run", "", "failure"),
    "goes wrong": Phase("fail", "run"),
    "chat": None,
    "copy begins": Phase("begin", "run", "copy"),
    "copy is done": Phase("end", "run", "copy"),
    "copy failed": Phase("fail", "run", "copy"),
    "move begins": Phase("begin", "run", "move"),
    "move is done": Phase("end", "run", "move"),
    "falls": Phase("begin", "down"),
    "rises": Phase("end", "down"),
}


class Resourceful:
    """One resource and its runs, read by read. Times are seconds after START."""

    def __init__(self, mapping: str, created: float | None = None) -> None:
        pack = load(
            [parse_document(mapping, "m.yaml")], {"demo": FIELDS}, {"demo": refuse}, {"demo": ("Done", "Broken")}
        )[0]
        self.fold, self.runs, self.now = make_fold(pack, "t"), Runs({}, {}), START
        self.created = None if created is None else START + int(created * 1000)
        self.severities = {"breaks": "error", "failed": "error"}
        self.folds: list[Folded] = []
        self.wanted = True

    def read(self, *told: tuple[float, str], status: str = "", why: str = "", finished: float | None = None, gone: bool = False,
             history: bool = False, now: float | None = None, contact: float = -1e9,
             attempts: tuple[tuple[tuple[str, float, float | None], ...], ...] = ()) -> Folded:  # fmt: skip
        notes = [self._note(at, text, not history) for at, text in told]
        self.now = max([self.now, *(note.at for note in notes)] if now is None else [START + int(now * 1000)])
        listed = None
        if status or self.created is not None:
            end = None if finished is None else START + int(finished * 1000)
            listed = Resource("r", status=status, created=self.created, finished=end, reason=why, message=why.lower())
        record = tuple(tuple(Stage(n, at(begin) or 0, at(end)) for n, begin, end in stages) for stages in attempts)
        view = ResourceSnapshot(self.now, START + int(contact * 1000), listed, self.now, gone, record, self.wanted)
        folded = self.fold("r", self.runs, notes, view)
        self.runs = folded.runs
        self.folds.append(folded)
        return folded

    def _note(self, at: float, text: str, news: bool) -> RunNote:
        step, rule = STEPS[text], text.partition(" ")[0]
        time = START + int(at * 1000)
        event = SpanEvent(time, f"{time:x}{text}", "", text, self.severities.get(text, "info"), rule)
        return RunNote(time, rule, news, (step,) if step else (), event)

    def phases(self) -> list[tuple[str, float, str]]:
        return [(s.name, (s.end - s.start) / 1000, s.outcome) for f in self.folds for s in f.spans if s.role != "run"]

    def ended(self) -> list[tuple[float, str]]:
        return [((s.end - s.start) / 1000, s.outcome) for f in self.folds for s in f.spans if s.role == "run"]


def refuse(raw: Any, resource: str) -> Any:
    raise AssertionError("no records here")


def at(seconds: float | None) -> int | None:
    return None if seconds is None else START + int(seconds * 1000)


def outcomes(folded: Folded) -> list[str]:
    return labels_of(folded, "platform_runs_total")


def labels_of(folded: Folded, name: str) -> list[str]:
    """The last label of every count of a metric."""
    return [signal.series[1][-1] for signal in folded.signals if isinstance(signal, Count) and signal.series[0] == name]


LIFE = ((0.0, "waits"), (10.0, "starts"), (12.0, "works"), (20.0, "chat"), (30.0, "over"))


def test_a_job_from_its_creation_to_its_end() -> None:
    job = Resourceful(JOBS, created=-5)
    folded = job.read(*LIFE)
    assert job.phases() == [("waiting", 10.0, "success"), ("working", 18.0, "success")]
    assert job.ended() == [(35.0, "success")]
    assert outcomes(folded) == ["success"]
    assert Observe(("platform_run_duration_seconds", ("t", "demo", "success")), 35.0) in folded.signals
    assert [event.text for span in folded.spans for event in span.events] == [
        "waits",
        "starts",
        "works",
        "chat",
        "over",
    ]


@given(order=st.permutations(LIFE))
def test_the_order_within_a_read_does_not_matter(order: list[tuple[float, str]]) -> None:
    straight, mixed = Resourceful(JOBS, created=-5), Resourceful(JOBS, created=-5)
    assert mixed.read(*order) == straight.read(*LIFE)


TEXTS = ("restart", "waits", "starts", "cannot load", "works", "breaks", "over", "failed", "chat")
TOLD = st.lists(st.tuples(st.integers(0, 40).map(float), st.sampled_from(TEXTS)), max_size=8)
RECORD = st.sampled_from([(), ((("working", 1.0, 6.0),),), ((("waiting", 0.0, 3.0), ("working", 3.0, None)),)])


@given(reads=st.lists(st.tuples(TOLD, RECORD), max_size=4))
def test_runs_and_phases_are_the_same_without_an_output_for_events(reads: list[tuple[Any, Any]]) -> None:
    """Then events are kept nowhere; what they say of an end still counts."""
    watched, unwatched = Resourceful(JOBS, created=-5), Resourceful(JOBS, created=-5)
    unwatched.wanted = False
    for job in (watched, unwatched):
        job.severities["chat"] = "error"
        for told, record in reads:
            job.read(*told, attempts=record)
    for one, other in zip(watched.folds, unwatched.folds, strict=True):
        assert (one.signals, one.ended) == (other.signals, other.ended)
        spans = [structs.replace(span, events=(), dropped=0) for span in one.spans]
        assert (spans, other.placed) == ([*other.spans], ())


@given(cuts=st.sets(st.integers(1, 4)))
def test_several_reads_give_the_same_runs_as_one_read(cuts: set[int]) -> None:
    straight, cut = Resourceful(JOBS, created=-5), Resourceful(JOBS, created=-5)
    straight.read(*LIFE)
    bounds = [0, *sorted(cuts), len(LIFE)]
    for begin, end in pairwise(bounds):
        cut.read(*LIFE[begin:end])
    spans = [[span for fold in one.folds for span in fold.spans] for one in (straight, cut)]
    assert spans[0] == spans[1]


def test_an_event_in_the_second_of_the_creation_belongs_to_that_run() -> None:
    """Creations have milliseconds, events have not; a restart ends the run that was created."""
    told = ((0.0, "waits"), (10.0, "starts"), (12.0, "works"), (20.0, "restart"), (21.0, "waits"), (30.0, "over"))
    straight, cut = Resourceful(JOBS, created=0.245), Resourceful(JOBS, created=0.245)
    straight.read(*told)
    for one in told:
        cut.read(one)
    assert straight.ended() == cut.ended() == [(19.755, "unknown"), (10.0, "success")]


def test_an_open_phase_is_a_gauge_until_it_ends() -> None:
    job = Resourceful(JOBS, created=-5)
    series = ("platform_phase_started_timestamp_seconds", ("t", "demo", "r", "waiting"))
    began = job.read((0, "waits"))
    assert (Set(series, START / 1000) in began.signals, began.ended) == (True, ())
    assert job.read((1, "chat")).ended == ()
    assert job.read((2, "starts")).ended == (series,)


def test_a_phase_with_only_an_end_begins_where_the_phase_before_ended() -> None:
    job = Resourceful(JOBS, created=-5)
    job.read((0, "waits"), (10, "starts"), (14, "loaded a"), (15, "loaded a"))
    assert job.phases() == [("waiting", 10.0, "success"), ("loading", 4.0, "success")]
    assert job.folds[0].spans[1].inferred


def test_a_phase_without_a_begin_is_left_out_unless_it_fails() -> None:
    job = Resourceful(JOBS, created=-5)
    job.read((14, "loaded a"))
    job.read((15, "cannot load"))
    assert job.phases() == [("loading", 0.0, "failure")]


def test_a_new_attempt_supersedes_an_open_one_and_follows_it() -> None:
    job = Resourceful(JOBS, created=0)
    job.read((1, "works"), (5, "restart"), (6, "works"))
    job.read((7, "breaks"), (9, "restart"), (10, "works"), (12, "over"))
    assert job.ended() == [(5.0, "unknown"), (4.0, "failure"), (3.0, "success")]
    spans = [span for fold in job.folds for span in fold.spans if span.role == "run"]
    assert spans[0].error == ("superseded", "a new attempt began")
    assert spans[1].error == ("breaks", "breaks")
    assert [span.after for span in spans] == [None, spans[0].attempt, spans[1].attempt]


def test_a_second_begin_of_a_run_that_did_nothing_yet_is_the_same_begin() -> None:
    job = Resourceful(JOBS)
    job.read((1, "restart"), (2, "restart"), (3, "works"), (5, "over"))
    assert job.ended() == [(4.0, "success")]


def test_a_phase_that_is_over_does_not_begin_again_while_a_later_one_is_open() -> None:
    job = Resourceful(JOBS, created=0)
    job.read((1, "waits"), (2, "starts"), (3, "works"), (4, "waits"), (5, "over"))
    assert job.phases() == [("waiting", 1.0, "success"), ("working", 2.0, "success")]


def test_an_end_that_comes_twice_counts_once() -> None:
    job = Resourceful(JOBS, created=0)
    assert outcomes(job.read((1, "works"), (2, "failed"), (3, "failed"))) == ["failure"]
    assert outcomes(job.read((4, "over"), status="Broken", finished=4)) == []


def test_a_listing_ends_a_run_at_the_vendors_own_time() -> None:
    job = Resourceful(JOBS, created=0)
    job.read((1, "works"))
    assert outcomes(job.read(status="Done", finished=8, now=300)) == ["success"]
    assert (job.ended(), job.phases()) == ([(8.0, "success")], [("working", 7.0, "success")])


@pytest.mark.parametrize(("later", "ends"), [(59, []), (61, [(62.0, "success")])])
def test_a_state_without_a_time_ends_a_run_once_it_is_newer_than_all_events(later: int, ends: list[Any]) -> None:
    job = Resourceful(JOBS, created=0)
    job.read((1, "works"))
    job.read(status="Done", now=1 + later)
    assert job.ended() == ends


def test_a_job_without_events_is_a_run() -> None:
    job = Resourceful(JOBS, created=0)
    assert outcomes(job.read(status="Broken", finished=40, now=50)) == ["failure"]
    assert job.ended() == [(40.0, "failure")]


def test_a_run_that_ended_before_first_contact_is_not_news_and_an_open_one_is() -> None:
    old, open_ = Resourceful(JOBS, created=0), Resourceful(JOBS, created=0)
    first = old.read((1, "works"), (5, "over"), history=True, contact=10, now=20)
    assert (outcomes(first), first.spans) == ([], ())
    open_.read((1, "works"), history=True, contact=10, now=20)
    assert outcomes(open_.read((30, "over"), contact=10)) == ["success"]
    assert open_.ended() == [(30.0, "success")]
    assert open_.phases() == [("working", 29.0, "success")]


def test_phases_from_before_contact_are_sent_with_an_open_run_and_not_counted() -> None:
    job = Resourceful(JOBS, created=0)
    assert job.read(*LIFE[:2], history=True, contact=15, now=20).spans == ()
    last = job.read(*LIFE[2:], contact=15)
    assert [span.name for span in last.spans] == ["working", "waiting", "RUN job"]
    assert [(span.end - span.start, len(span.events)) for span in last.spans] == [(18_000, 3), (10_000, 2), (30_000, 0)]
    counted = [signal.series[1] for signal in last.signals if isinstance(signal, Observe)]
    assert ("t", "demo", "waiting", "success") not in counted


def test_a_state_seen_with_the_history_of_a_run_ends_it_as_history() -> None:
    service = Resourceful(JOBS)
    first = service.read((1, "works"), history=True, contact=1000, now=5000, status="Done")
    assert (outcomes(first), first.spans, first.runs.open) == ([], (), {})


@pytest.mark.parametrize("gone", [True, False])
def test_a_run_without_events_ends_as_unknown_at_its_last_event(gone: bool) -> None:
    job = Resourceful(JOBS)
    job.read((0, "works"), (3, "chat"))
    folded = job.read(gone=gone, now=4 if gone else 3604)
    assert outcomes(folded) == ["unknown"]
    assert [(span.name, span.end - START, span.error) for span in folded.spans][1] == (
        "RUN job",
        3000,
        ("lost", "nothing was heard of its end"),
    )


def test_an_event_from_before_the_end_of_the_last_run_is_late() -> None:
    job = Resourceful(JOBS, created=0)
    job.read((1, "works"), (5, "over"))
    late = job.read((3, "breaks"), (4, "chat"))
    assert [event.late for event in late.placed] == [True, True]
    assert (late.spans, late.signals, late.runs.open) == ((), (), {})


def test_an_error_beside_the_end_is_its_cause() -> None:
    job = Resourceful(JOBS, created=0)
    job.read((1, "works"), (4, "breaks"), (5, "failed"))
    run = job.folds[0].spans[-1]
    assert (run.outcome, run.error) == ("failure", ("breaks", "breaks"))


def test_a_failed_run_says_what_the_listing_says_of_it() -> None:
    job = Resourceful(JOBS, created=0)
    job.read((1, "works"))
    job.read(status="Broken", finished=9, why="OOM", now=300)
    assert job.folds[-1].spans[-1].error == ("OOM", "oom")
    assert labels_of(job.folds[-1], "platform_run_failures_total") == ["other"]  # no reason of the mapping


def test_a_failed_run_counts_by_the_reason_of_its_first_failure() -> None:
    job = Resourceful(JOBS.replace("reason: Broke}", "reason: breaks}"), created=0)
    folded = job.read((1, "works"), (4, "breaks"), (5, "failed"))
    assert labels_of(folded, "platform_run_failures_total") == ["breaks"]
    assert labels_of(job.read((7, "restart"), (8, "works"), (9, "over")), "platform_run_failures_total") == []


def test_a_run_that_has_failed_waits_for_its_end_and_opens_no_phase() -> None:
    job = Resourceful(JOBS, created=0)
    job.read((1, "works"), (5, "goes wrong"))
    assert (job.ended(), job.phases()) == ([], [("working", 4.0, "failure")])
    job.read((6, "waits"))
    job.read(status="Done", finished=9, now=300)
    assert (job.ended(), job.phases()) == ([(9.0, "failure")], [("working", 4.0, "failure")])


def test_the_vendors_record_gives_the_boundaries_and_texts_the_rest() -> None:
    job = Resourceful(JOBS, created=0)
    job.read((1, "waits"), attempts=((("waiting", 0.5, None),),))
    job.read((9, "starts"), (10, "chat"), (11, "works"), attempts=((("waiting", 0.5, 8), ("working", 8, None)),))
    job.read((20, "over"), attempts=((("waiting", 0.5, 8), ("working", 8, None)),))
    assert job.phases() == [("waiting", 7.5, "success"), ("working", 12.0, "success")]
    texts = [[event.text for event in span.events] for fold in job.folds for span in fold.spans]
    assert texts == [["waits"], ["starts", "chat", "works", "over"], []]


def test_a_record_that_is_read_again_changes_nothing() -> None:
    job = Resourceful(JOBS, created=0)
    record = ((("waiting", 1, 3), ("working", 3, 9)),)
    for _ in range(3):
        job.read((2, "chat"), attempts=record)
    job.read((12, "over"), attempts=record)
    assert job.phases() == [("waiting", 2.0, "success"), ("working", 6.0, "success")]
    assert job.read(attempts=record).spans == ()


@pytest.mark.parametrize("following", [("working", 3, None), ("working", 3, 9)])
def test_a_stage_within_one_second_is_one_phase_however_often_it_is_read(following: Any) -> None:
    """Vendors write seconds: a stage can begin and end in the same one."""
    job = Resourceful(JOBS, created=0)
    record = ((("waiting", 3, 3), following),)
    for _ in range(3):
        job.read((3, "chat"), attempts=record)
    job.read((12, "over"), attempts=record)
    assert [phase for phase in job.phases() if phase[0] == "waiting"] == [("waiting", 0.0, "success")]


def test_a_stage_that_was_over_at_once_and_has_a_later_end_is_one_phase() -> None:
    job = Resourceful(JOBS, created=0)
    job.read((3, "chat"), attempts=((("waiting", 3, 3),),))
    job.read((5, "chat"), attempts=((("waiting", 3, 5), ("working", 5, None)),))
    job.read((12, "over"), attempts=((("waiting", 3, 5), ("working", 5, None)),))
    assert job.phases() == [("waiting", 0.0, "success"), ("working", 7.0, "success")]


def test_a_stage_that_follows_one_of_its_name_in_the_same_second_is_another_phase() -> None:
    job = Resourceful(JOBS, created=0)
    record = ((("working", 1, 5), ("waiting", 5, 5), ("working", 5, None)),)
    job.read((1, "works"), attempts=((("working", 1, None),),))
    for _ in range(2):
        job.read((5, "chat"), attempts=record)
    job.read((12, "over"), attempts=record)
    assert job.phases() == [("working", 4.0, "success"), ("waiting", 0.0, "success"), ("working", 7.0, "success")]


def test_a_stage_that_comes_twice_in_a_record_is_two_phases_however_it_is_read() -> None:
    """A job that was restarted, where the vendor keeps one list for all its attempts."""
    first = ((("working", 1, None),),)
    whole = ((("working", 1, 5), ("waiting", 5, 7), ("working", 7, 9)),)
    straight, cut = Resourceful(JOBS, created=0), Resourceful(JOBS, created=0)
    straight.read((1, "works"), (7, "works"), attempts=whole)
    cut.read((1, "works"), attempts=first)
    cut.read((7, "works"), attempts=whole)
    for job in (straight, cut):
        job.read((12, "over"), attempts=whole)
        assert job.phases() == [("working", 4.0, "success"), ("waiting", 2.0, "success"), ("working", 2.0, "success")]


def test_an_attempt_in_the_record_and_the_text_about_it_are_one_run() -> None:
    job = Resourceful(JOBS, created=0)
    job.read((2, "works"), attempts=((("working", 1, None),),))
    again = ((("working", 1, 5),), (("waiting", 6, 7), ("working", 7, None)))
    job.read((5, "breaks"), (6.5, "restart"), (8, "chat"), attempts=again)
    job.read((9, "over"), attempts=again)
    assert job.ended() == [(6.0, "failure"), (3.0, "success")]
    assert job.phases() == [("working", 4.0, "failure"), ("waiting", 1.0, "success"), ("working", 2.0, "success")]


def test_a_stage_with_an_error_has_failed() -> None:
    job = Resourceful(JOBS, created=0)
    job.read((4, "failed"), attempts=((("working", 1, 6),),))
    job.read((2, "chat"), attempts=((("working", 1, 6),),))
    other = Resourceful(JOBS, created=0)
    other.severities["chat"] = "error"
    other.read((2, "chat"), attempts=((("working", 1, 6),),))
    assert (job.phases(), other.phases()) == ([("working", 3.0, "failure")], [("working", 5.0, "failure")])


def test_operations_go_on_side_by_side() -> None:
    cluster = Resourceful(OPERATIONS)
    cluster.read((0, "copy begins"), (1, "move begins"), (3, "move is done"), (10, "copy failed"))
    assert [(s.name, s.end - s.start, s.outcome) for s in cluster.folds[0].spans] == [
        ("move", 2000, "success"),
        ("copy", 10_000, "failure"),
    ]


ENDS = (
    (0.0, "copy begins"),
    (10.0, "copy is done"),
    (20.0, "copy begins"),
    (30.0, "copy failed"),
    (40.0, "move is done"),
)


@given(order=st.permutations(ENDS))
def test_every_end_of_an_operation_counts_once_in_any_order_of_reads(
    order: list[tuple[float, str]],
) -> None:
    cluster = Resourceful(OPERATIONS)
    counted = sorted(outcome for told in order for outcome in outcomes(cluster.read(told)))
    assert counted == ["failure", "success", "success"]


def test_an_end_without_a_begin_has_no_duration() -> None:
    cluster = Resourceful(OPERATIONS)
    folded = cluster.read((10, "copy is done"))
    assert [type(signal) for signal in folded.signals] == [Count]
    assert folded.spans[0].inferred


def test_an_incident_is_a_run_of_its_own() -> None:
    pool = Resourceful(INCIDENTS)
    pool.read((0, "falls"), (1, "falls"))
    folded = pool.read((60, "chat"), (90, "rises"), (91, "rises"))
    assert [(span.name, span.role, span.end - span.start) for span in folded.spans] == [("down", "run", 90_000)]
    assert outcomes(folded) == []
    assert Observe(("platform_phase_duration_seconds", ("t", "demo", "down", "success")), 90.0) in folded.signals


def test_the_late_begin_of_an_incident_that_is_over_opens_none() -> None:
    pool = Resourceful(INCIDENTS)
    pool.read((0, "falls"), (5, "rises"))
    assert pool.read((3, "falls")).runs.open == {}


@pytest.mark.parametrize(("contact", "counted"), [(-100.0, 2), (400.0, 1)])
def test_an_aggregated_event_that_is_read_late_is_two_incidents(contact: float, counted: int) -> None:
    """It fell and rose twice. What had ended before first contact is not counted."""

    def told(*, late: bool) -> list[RunNote]:
        notes = []
        for text, first, last in (("falls", 0, 600), ("rises", 300, 900)):
            for at_, began in [(last, first)] if late else [(first, None), (last, first)]:
                event = SpanEvent(START + at_ * 1000, text, "", text, "info", "")
                earlier = None if began is None else START + began * 1000
                notes.append(
                    RunNote(event.at, text, at_ >= contact, (STEPS[text] or Phase("begin", ""),), event, earlier)
                )
        return notes

    for late in (True, False):
        pool = Resourceful(INCIDENTS)
        view = ResourceSnapshot(START + 10**6, START + int(contact * 1000), wanted=True)
        folded = pool.fold("r", Runs({}, {}), told(late=late), view)
        assert [(span.end - span.start) / 1000 for span in folded.spans] == [300.0] * counted
        assert [signal.value for signal in folded.signals if isinstance(signal, Observe)] == [300.0] * counted
        again = pool.fold("r", folded.runs, told(late=True), view)
        assert (again.spans, again.runs.open) == ((), {})


def test_a_span_keeps_a_limited_number_of_events_and_counts_the_others() -> None:
    job = Resourceful(JOBS, created=0)
    job.read((1, "works"), *((2 + n / 1000, "chat") for n in range(1200)), (9, "over"))
    working = job.folds[0].spans[0]
    assert (len(working.events), working.dropped) == (1000, 201 + 1)


def test_a_run_remembers_a_limited_number_of_closed_phases() -> None:
    job = Resourceful(JOBS, created=0)
    job.read((0, "waits"), (1, "starts"), *((2 + n, f"loaded {n}") for n in range(1200)))
    assert len(job.runs.open[""].ends) == 1000
    assert job.phases() == [("waiting", 1.0, "success"), *(("loading", 1.0 + n, "success") for n in range(1200))]
    assert job.read((1300, "loaded 1199")).spans == (), "an end that comes again is not news"
