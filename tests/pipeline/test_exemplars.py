"""Exemplars: warnings and durations lead from a graph to a trace, in OpenMetrics only, and a scrape costs what it did."""

from typing import Any

from exporter.exposition.tables import Table
from exporter.model.metrics import Changes, Exemplar, Observed, Series
from tests.support.exposition import ExposedSeries
from tests.support.shown_page import BY_RESOURCE, EVENTS, PHASES, POOL, READERS, release_held, shown, text
from tests.support.span_sample import BEGIN, LAST, SAMPLE, Life

LOST: Series = (EVENTS, ("research", POOL, "warning", "NodeLost"))
TOOK: Series = (PHASES, ("research", POOL, "model_startup"))
ONE = Exemplar("ab" * 16, "cd" * 8, 1.0, 1_672_366_579_125)
LIMIT = 128  # signs of names and values, says OpenMetrics


def found(prometheus: ExposedSeries) -> dict[tuple[str, ...], Any]:
    """The exemplars that a reader of OpenMetrics finds, by the name and label values of their sample."""
    families = READERS["openmetrics"](text(prometheus, "openmetrics"))
    samples = [sample for family in families for sample in family.samples]
    return {(s.name, *s.labels.values()): s.exemplar for s in samples if s.exemplar is not None}


def test_a_warning_carries_the_trace_and_span_it_stands_on() -> None:
    prometheus = shown(Changes(), Changes(counts={LOST: 3.0}, exemplars={LOST: (ONE,)}))

    (exemplar,) = found(prometheus).values()
    assert exemplar.labels == {"trace_id": "ab" * 16, "span_id": "cd" * 8}
    assert (exemplar.value, float(exemplar.timestamp)) == (1.0, 1_672_366_579.125)
    assert sum(len(name) + len(value) for name, value in exemplar.labels.items()) <= LIMIT


def test_the_text_format_has_none_and_is_the_same_page_as_without() -> None:
    counted = Changes(counts={LOST: 3.0})
    plain, marked = shown(Changes(), counted), shown(Changes(), counted, Changes(exemplars={LOST: (ONE,)}))

    assert found(marked)
    assert text(marked) == text(plain)
    mark = f' # {{trace_id="{ONE.trace}",span_id="{ONE.span}"}} 1.0 1672366579.125'
    assert text(marked, "openmetrics").replace(mark, "") == text(plain, "openmetrics")


def test_a_duration_marks_the_bucket_that_it_fell_into() -> None:
    some = tuple(Exemplar(digit * 32, "cd" * 8, value, 5) for digit, value in (("1", 0.5), ("2", 7.0), ("3", 2e6)))
    grown = Observed((1, 1, 0, 1), 2_000_007.5)
    prometheus = shown(Changes(), Changes(observed={TOOK: grown}, exemplars={TOOK: some}))

    marks = {key[-1]: (exemplar.labels["trace_id"][0], exemplar.value) for key, exemplar in found(prometheus).items()}
    assert marks == {"0.5": ("1", 0.5), "10.0": ("2", 7.0), "+Inf": ("3", 2e6)}


def test_the_newest_stays_whatever_comes_late() -> None:
    late = Exemplar("ef" * 16, "cd" * 8, 1.0, ONE.at - 1)
    prometheus = shown(Changes(), Changes(counts={LOST: 3.0}, exemplars={LOST: (ONE, late)}))
    assert [exemplar.labels["trace_id"] for exemplar in found(prometheus).values()] == [ONE.trace]


def test_a_series_that_is_held_at_zero_shows_it_when_it_shows_its_value() -> None:
    new: Series = (EVENTS, ("research", POOL, "warning", "Learned"))
    prometheus = shown(Changes(), Changes(counts={new: 1.0}, exemplars={new: (ONE,)}))
    assert found(prometheus) == {}
    release_held(prometheus)
    assert [key[-1] for key in found(prometheus)] == ["Learned"]


def test_what_is_not_exposed_is_no_place_for_one() -> None:
    strange: Series = (EVENTS, ("research", POOL, "warning", "Unknown"))
    assert found(shown(Changes(), Changes(exemplars={strange: (ONE,)}))) == {}


def test_it_goes_with_its_row_when_others_leave() -> None:
    table = Table(2, lambda labels: [b'x{a="%b"} %%d' % labels[0].encode(), b'y{a="%b"} %%d' % labels[0].encode()])
    for name in "abc":
        block, start = table.at((name,))
        block.values[start : start + 2] = [1, 2]
        block.point(start + 1, 1, b" # {} 1 %b" % name.encode())

    def marked() -> list[bytes]:
        return [line for block in table.blocks for line in block.body(exemplars=True).splitlines() if b"#" in line]

    table.drop(("a",))
    assert sorted(marked()) == [b'y{a="b"} 2 # {} 1 b', b'y{a="c"} 2 # {} 1 c']
    table.drop(("c",))
    table.drop(("b",))
    block, start = table.at(("d",))
    block.values[start : start + 2] = [1, 2]
    assert marked() == []


def test_a_failed_deployment_marks_its_errors_and_the_durations_that_were_counted() -> None:
    """By the ids of the spans that are sent, and nothing where only ``info`` was told."""
    failure = {"event_type": "abnormal", "occur_time": LAST, "event_info": "Failed to start service service-07085."}
    life = Life().poll([*SAMPLE["events"][:7], failure], LAST + 1_000)
    ids = {span.name: (span.trace_id.hex(), span.span_id.hex()) for span in life.spans()}
    place, service = ("research", "modelarts_service"), SAMPLE["service_id"]

    marks = {series: [(one.trace, one.span) for one in some] for series, some in life.exemplars.items()}
    outcomes = {"image_building": "success", "environment_preparation": "success", "resource_scheduling": "success"}
    wanted: dict[Series, list[tuple[str, str]]] = {
        (EVENTS, (*place, "error", "ServiceFailed")): [ids["image_pulling"]],
        (BY_RESOURCE, (*place, service, "error")): [ids["image_pulling"]],
        ("platform_run_duration_seconds", (*place, "failure")): [ids["DEPLOY service"]],
        (PHASES, (*place, "image_pulling", "failure")): [ids["image_pulling"]],
    }
    assert marks == wanted | {(PHASES, (*place, name, how)): [ids[name]] for name, how in outcomes.items()}
    (run,) = life.exemplars["platform_run_duration_seconds", (*place, "failure")]
    assert (run.value, run.at) == ((LAST - BEGIN) / 1000, LAST)
