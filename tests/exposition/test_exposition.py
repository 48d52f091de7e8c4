"""The exposition: what given changes look like, that every reader understands it, and that no series ever lies."""

import gzip
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.exposition.blocks import CAPACITY, REST, Block
from exporter.exposition.tables import Table
from exporter.exposition.text_format import Format
from exporter.model.metrics import Catalogue, Changes, Metric, Moment, Observed, Series
from exporter.model.state import Restored
from exporter.observability.self_metrics import SelfMetrics
from tests.support.clocks import SettableClock
from tests.support.exposition import ExposedSeries
from tests.support.heavy import needs
from tests.support.shown_page import (
    BY_RESOURCE,
    CATALOGUE,
    EVENTS,
    FULL,
    INFO,
    NEWEST,
    NODES,
    PHASES,
    POOL,
    RESOURCES,
    STATUS,
    release_held,
    samples,
    shown,
    text,
)

DATA = Path(__file__).parents[1] / "data" / "exposition"
NOTHING = Restored(Changes(), frozenset(), {}, {}, {})
FORMATS: tuple[Format, ...] = ("text", "openmetrics")


def of(page: str, name: str) -> dict[tuple[str, ...], float]:
    """The samples of one name on a plain page, by their label values in their order."""
    families = read_text(page)
    return {tuple(s.labels.values()): s.value for family in families for s in family.samples if s.name == name}


@pytest.mark.parametrize("form", FORMATS)
def test_a_page_is_written_like_this(form: Format) -> None:
    assert text(shown(FULL), form) == (DATA / f"page.{form}.txt").read_text("utf-8")


@pytest.mark.parametrize("form", FORMATS)
def test_a_page_without_samples_is_empty_and_valid(form: Format) -> None:
    prometheus = ExposedSeries(Catalogue(CATALOGUE.metrics), 0.0, SettableClock())
    assert text(prometheus, form) == ("# EOF\n" if form == "openmetrics" else "")
    assert gzip.decompress(prometheus.render(form, gzip=True).body) == prometheus.render(form, gzip=False).body


def test_the_content_type_names_the_format_and_its_version() -> None:
    prometheus = shown(FULL)
    assert prometheus.render("text", gzip=True).content_type == "text/plain; version=0.0.4; charset=utf-8"
    expected = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert prometheus.render("openmetrics", gzip=False).content_type == expected


@pytest.mark.parametrize("form", FORMATS)
def test_readers_of_both_formats_find_the_same_samples(form: Format) -> None:
    found = samples(text(shown(FULL), form), form)
    assert found == samples(text(shown(FULL)))
    assert found[EVENTS, ("research", POOL, "info", 'a "b" \\ c\nd 100% 节点')] == 0.5
    assert len(found) == 22


@pytest.mark.prometheus
def test_promtool_finds_nothing_to_say_about_a_full_page() -> None:
    promtool = needs("promtool", "prometheus")
    prometheus = shown(FULL)
    own = SelfMetrics("1.0", [("research", POOL)], [("research", "modelarts")], CATALOGUE, prometheus.series_counts)
    page = prometheus.render("text", gzip=False, rest=own.render("text")).body
    verdict = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False, timeout=30)
    assert (verdict.returncode, verdict.stdout + verdict.stderr) == (0, b"")


def test_a_counter_that_is_not_called_total_is_of_unknown_type_in_openmetrics() -> None:
    metric = Metric("platform_odd", "counter", "Odd.", ())
    prometheus = ExposedSeries(Catalogue({metric.name: metric}, zeros=((metric.name, ()),)), 0.0, SettableClock())
    assert "# TYPE platform_odd unknown\nplatform_odd 0\n# EOF\n" in text(prometheus, "openmetrics")
    assert "# TYPE platform_odd counter\n" in text(prometheus)


@pytest.mark.parametrize(("form", "end"), [("text", b"other 1\n"), ("openmetrics", b"other 1\n# EOF\n")])
def test_what_others_say_stands_at_the_end_of_the_same_page(form: Format, end: bytes) -> None:
    prometheus = shown(FULL)
    page = prometheus.render(form, gzip=False, rest=b"other 1\n").body
    assert page == prometheus.render(form, gzip=False).body.removesuffix(b"# EOF\n") + end
    assert gzip.decompress(prometheus.render(form, gzip=True, rest=b"other 1\n").body) == page


def test_metadata_stand_once_however_many_blocks_a_family_has() -> None:
    many: dict[Series, float] = {(EVENTS, ("research", POOL, "info", f"reason {n}")): 1.0 for n in range(3 * CAPACITY)}
    page = text(shown(Changes(counts=many)))
    assert page.count(f"# TYPE {EVENTS} ") == page.count(f"# HELP {EVENTS} ") == 1
    assert len(of(page, EVENTS)) == 3 * CAPACITY + 1


@pytest.mark.parametrize("form", FORMATS)
@given(values=st.lists(st.text(st.characters(codec="utf-8"), max_size=12), min_size=4, max_size=4))
def test_any_label_value_survives_the_way_to_a_reader(form: Format, values: list[str]) -> None:
    series = (EVENTS, tuple(values))
    page = text(shown(Changes(counts={series: 7.0})), form)
    assert samples(page, form)[EVENTS, tuple(values)] == 7.0


def test_a_lone_surrogate_is_spelled_out() -> None:
    page = shown(Changes(counts={(EVENTS, ("research", POOL, "info", "\ud800")): 1.0})).render("text", gzip=False).body
    assert rb'reason="\\ud800"} 1' in page


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (3.0, "3"),
        (0.1, "0.1"),
        (-2.5, "-2.5"),
        (1e300, "1e+300"),
        (float("-inf"), "-inf"),
        (1672366579.125, "1672366579.125"),
    ],
)
def test_numbers_are_written_short_and_exactly(value: float, written: str) -> None:
    series = (NODES, ("research", "pool-1", "abnormal"))
    page = text(shown(Changes(gauges={series: Moment(value, 1)})))
    assert f'state="abnormal"}} {written}\n' in page
    assert of(page, NODES) == {series[1]: value}


def test_a_late_gauge_never_overwrites_a_newer_one() -> None:
    series = (NODES, ("research", "pool-1", "abnormal"))
    prometheus = shown(Changes(gauges={series: Moment(2.0, 200)}), Changes(gauges={series: Moment(9.0, 199)}))
    assert prometheus.value(series) == 2.0
    prometheus.write(Changes(gauges={series: Moment(3.0, 200)}))
    assert prometheus.value(series) == 3.0


def test_a_late_state_never_overwrites_a_newer_one() -> None:
    pool = (STATUS, ("research", POOL, "pool-1"))
    prometheus = shown(
        Changes(states={pool: Moment(("Abnormal",), 200)}), Changes(states={pool: Moment(("Running",), 199)})
    )
    assert of(text(prometheus), STATUS)["research", POOL, "pool-1", "Abnormal"] == 1
    prometheus.write(Changes(states={pool: Moment(("Running",), 201)}))
    states = of(text(prometheus), STATUS)
    assert {labels[3]: value for labels, value in states.items()} == {"Running": 1, "Abnormal": 0, "other": 0}


def test_an_info_shows_only_the_newest_facts() -> None:
    pool = (INFO, ("research", POOL, "pool-1"))
    prometheus = shown(Changes(states={pool: Moment(("old", "x"), 5)}), Changes(states={pool: Moment(("new", "x"), 6)}))
    assert of(text(prometheus), INFO) == {("research", POOL, "pool-1", "new", "x"): 1}
    prometheus.write(Changes(states={pool: Moment(("older", "x"), 4)}))
    assert of(text(prometheus), INFO) == {("research", POOL, "pool-1", "new", "x"): 1}


def test_facts_that_are_told_again_late_do_not_make_way_for_older_ones() -> None:
    pool = (INFO, ("research", POOL, "pool-1"))
    told = ((("new", "x"), 6), (("new", "x"), 4), (("old", "x"), 5))
    prometheus = shown(*(Changes(states={pool: Moment(facts, at)}) for facts, at in told))
    assert of(text(prometheus), INFO) == {("research", POOL, "pool-1", "new", "x"): 1}


def test_a_state_nobody_declared_is_shown_as_other() -> None:
    states = of(text(shown(FULL)), STATUS)
    assert states["research", "dws", "cluster-1", "other"] == 1
    assert states["research", "dws", "cluster-1", "AVAILABLE"] == 0


def test_resources_are_counted_by_state_with_zeros_for_every_source_that_is_known() -> None:
    def status(resource: str, value: str, at: int) -> Changes:
        return Changes(states={(STATUS, ("research", POOL, resource)): Moment((value,), at)})

    def counted(prometheus: ExposedSeries) -> dict[str, float]:
        return {labels[2]: value for labels, value in of(text(prometheus), RESOURCES).items()}

    prometheus = shown()
    assert counted(prometheus) == {"Running": 0, "Abnormal": 0, "other": 0}
    for change in (
        status("a", "Running", 5),
        status("b", "Running", 5),
        status("b", "Abnormal", 6),
        status("a", "?", 4),
    ):
        prometheus.write(change)
    assert counted(prometheus) == {"Running": 1, "Abnormal": 1, "other": 0}
    prometheus.write(Changes(gone=(("research", POOL, "b"),)))
    assert counted(prometheus) == {"Running": 1, "Abnormal": 0, "other": 0}


def test_all_series_of_a_resource_leave_with_it_and_no_others() -> None:
    twins = Changes(
        counts={
            (BY_RESOURCE, (target, source, "twin", severity)): 1.0
            for target in ("research", "pai")
            for source in (POOL, "dws")
            for severity in ("info", "error")
        }
    )
    prometheus = shown(FULL, twins, Changes(gone=(("research", POOL, "pool-1"), ("research", POOL, "twin"))))
    page = text(prometheus)
    assert '"pool-1"' not in page
    left = {labels[:2] for labels in of(page, BY_RESOURCE)}
    assert left == {("research", "dws"), ("pai", POOL), ("pai", "dws")}
    assert of(page, EVENTS)["research", POOL, "warning", "NodeLost"] == 3


def test_a_resource_that_comes_back_has_its_facts_again() -> None:
    pool = (INFO, ("research", POOL, "pool-1"))
    facts = Changes(states={pool: Moment(("big", "Dedicate"), 3)})
    prometheus = shown(FULL, Changes(gone=(("research", POOL, "pool-1"),)), facts)
    assert of(text(prometheus), INFO) == {("research", POOL, "pool-1", "big", "Dedicate"): 1}


def everything_of(resource: str) -> Changes:
    place = ("research", POOL, resource)
    return Changes(
        counts={(BY_RESOURCE, (*place, "info")): 1.0},
        gauges={(NODES, ("research", resource, "x")): Moment(1.0, 1)},
        states={(INFO, place): Moment(("a", "b"), 1), (STATUS, place): Moment(("Running",), 1)},
    )


def test_nothing_is_remembered_of_a_resource_that_left() -> None:
    empty, prometheus = shown(), shown()
    for n in range(100):
        prometheus.write(everything_of(f"p{n}"))
        prometheus.write(Changes(gone=(("research", POOL, f"p{n}"),)))
    assert text(prometheus) == text(empty)
    assert (len(prometheus.registry._states._facts), len(prometheus.hold._waiting)) == (0, 0)
    assert not any(
        t._by_resource or t._slots
        for n in (BY_RESOURCE, INFO, NODES)
        for t in prometheus.registry.families[n]._tables.values()
    )


def test_what_the_mappings_no_longer_say_is_left_out_at_start_and_named() -> None:
    strange = Changes(
        counts={
            ("platform_gone_total", ("a",)): 1.0,
            (EVENTS, ("research", POOL)): 1.0,
            (NEWEST, ("a", "b", "c")): 1.0,
        },
        observed={(PHASES, ("research", POOL, "x")): Observed((1,), 1.0)},
        gauges={(NODES, ("research", "pool-1")): Moment(1.0, 1)},
        states={
            (INFO, ("research", POOL, "p")): Moment(("name",), 1),
            (INFO, ("research", POOL, "p", "name")): Moment(("kind",), 1),
            (EVENTS, ("a", "b", "c")): Moment(("d",), 1),
        },
    )
    prometheus = ExposedSeries(CATALOGUE, 0.0, SettableClock())
    left_out = prometheus.restore(Restored(strange, frozenset(), {}, {}, {}))
    assert left_out == tuple(sorted({"platform_gone_total", EVENTS, NEWEST, PHASES, NODES, INFO}))
    assert text(prometheus) == text(shown())
    assert ExposedSeries(CATALOGUE, 0.0, SettableClock()).restore(Restored(FULL, frozenset(), {}, {}, {})) == ()


def test_series_are_counted_as_a_server_counts_them() -> None:
    prometheus = shown(FULL)
    counts = prometheus.series_counts()
    assert counts[PHASES] == 6
    assert counts[STATUS] == 5
    assert sum(counts.values()) == len(samples(text(prometheus)))


@pytest.mark.parametrize(
    ("series", "value"),
    [
        ((EVENTS, ("research", POOL, "warning", "NodeLost")), 3.0),
        ((EVENTS, ("research", POOL, "warning", "Never")), None),
        ((PHASES, ("research", POOL, "model_startup")), 4.0),
        ((STATUS, ("research", POOL, "pool-1", "Abnormal")), 1.0),
        ((STATUS, ("research", POOL, "pool-1", "Running")), 0.0),
        ((STATUS, ("research", POOL, "pool-2", "Running")), None),
        ((INFO, ("research", POOL, "pool-1", "big", "Dedicate")), 1.0),
    ],
)
def test_a_value_can_be_asked_for_by_its_series(series: Series, value: float | None) -> None:
    assert shown(FULL).value(series) == value


def test_only_a_block_that_changed_is_written_again() -> None:
    table = Table(1, lambda labels: [b'x{a="%b"} %%d' % labels[0].encode()])
    for n in range(3 * CAPACITY):
        table.at((str(n),))
    before = [block.piece() for block in table.blocks]
    table.grow((str(CAPACITY),), 1)
    same = [old is block.piece() for old, block in zip(before, table.blocks, strict=True)]
    assert same == [True, False, True]


@given(st.lists(st.sampled_from(["rest", "rest", "add", "grow", "half", "drop", "plain"]), max_size=12))
@settings(deadline=None, max_examples=60)
def test_a_block_that_rested_says_the_same_as_one_that_did_not(steps: list[str]) -> None:
    blocks = Block(2), Block(2)
    for number, step in enumerate(["add", *steps]):
        for block in blocks:
            if step == "add" or not block.keys:
                block.add((str(number),), [b'x{a="%d%%%%"} %%d' % number, b'y{a="%d"} %%d' % number], None)
            elif step == "drop":
                block.drop(0)
            elif step in ("grow", "half"):
                block.values[-1], block.stale = 1 if step == "grow" else 0.5, True
        for _ in range(REST + 2 if step == "rest" else 0):
            blocks[0].piece()
        if step == "plain":
            assert blocks[0].body() == blocks[1].body()
    assert blocks[0].body() == blocks[1].body()
    assert zlib.decompressobj(-15).decompress(blocks[0].piece().packed) == blocks[1].body()


def test_the_text_of_a_block_is_kept_deflated_unless_it_changes_often() -> None:
    block = Block(1)
    for number in range(CAPACITY):
        block.add((str(number),), [b'platform_resource_status{resource="%d",status="Running"} %%d' % number], None)

    def scraped(times: int, *, changed: bool) -> int:
        for number in range(times):
            block.values[0], block.stale = number + 1, changed
            block.piece()
        return memory_of(block)

    full = CAPACITY * 58  # bytes of a line at least
    assert scraped(1, changed=True) < full / 4, "full"
    assert scraped(2, changed=True) > full, "it changes often"
    assert scraped(REST - 1, changed=False) > full
    assert scraped(1, changed=False) < full / 4, "it rests"
    assert scraped(1, changed=True) < full / 4, "a single change"
    assert block.body().startswith(b'platform_resource_status{resource="0",status="Running"} 1\n')


def memory_of(block: Block) -> int:
    """Bytes of text that a block holds."""
    return sum(sys.getsizeof(getattr(block, name)) for name in ("_template", "_packed"))


def test_rows_that_leave_make_room_for_others() -> None:
    table = Table(3, lambda labels: [b'x{a="%b",n="%d"} %%d' % (labels[0].encode(), n) for n in range(3)], resource=0)
    for turn in range(5):
        for n in range(1000):
            table.at((f"{turn}-{n}",))
        for n in range(1000):
            table.drop((f"{turn}-{n}",))
    assert len(table) == 0
    assert len(table.blocks) == 3
    assert table.of("4-1") == []


NAMES = st.sampled_from(["a", "b", "c", "d"])
GROWTH = st.dictionaries(
    st.one_of(
        st.tuples(st.just(EVENTS), st.tuples(st.just("research"), st.just(POOL), st.just("info"), NAMES)),
        st.tuples(st.just(BY_RESOURCE), st.tuples(st.just("research"), st.just(POOL), NAMES, NAMES)),
    ),
    st.one_of(st.integers(0, 9).map(float), st.just(0.25)),
    max_size=6,
)
OBSERVED = st.dictionaries(
    st.tuples(st.just(PHASES), st.tuples(st.just("research"), st.just(POOL), NAMES)),
    st.tuples(*[st.integers(0, 3)] * 4).map(lambda buckets: Observed(buckets, float(sum(buckets)))),
    max_size=2,
)
GAUGES = st.dictionaries(
    st.tuples(st.just(NODES), st.tuples(st.just("research"), NAMES, NAMES)),
    st.builds(Moment, st.floats(allow_nan=False), st.integers(0, 5)),
    max_size=3,
)
STATES = st.dictionaries(
    st.tuples(st.just(STATUS), st.tuples(st.just("research"), st.just(POOL), NAMES)),
    st.builds(Moment, st.sampled_from([("Running",), ("Abnormal",), ("?",)]), st.integers(0, 5)),
    max_size=3,
)
FACTS = st.dictionaries(
    st.tuples(st.just(INFO), st.tuples(st.just("research"), st.just(POOL), NAMES)),
    st.builds(Moment, st.tuples(NAMES, NAMES), st.integers(0, 5)),
    max_size=2,
)
GONE = st.lists(st.tuples(st.just("research"), st.just(POOL), NAMES), max_size=1).map(tuple)
CHANGES = st.builds(
    lambda counts, observed, gauges, states, facts, gone: Changes(counts, observed, gauges, {**states, **facts}, gone),
    GROWTH,
    OBSERVED,
    GAUGES,
    STATES,
    FACTS,
    GONE,
)


class Plain:
    """The exposition as one would write it without caring for speed: dictionaries, and a page made from nothing."""

    def __init__(self) -> None:
        self.values: dict[Series, float] = {}
        self.moments: dict[Series, Moment] = {}

    def write(self, changes: Changes) -> None:
        for series, growth in changes.counts.items():
            self.values[series] = self.values.get(series, 0) + growth
        for (name, labels), seen in changes.observed.items():
            for n, bound in enumerate(("0.5", "10.0", "1e+06", "+Inf")):
                self._add((name + "_bucket", (*labels, bound)), sum(seen.buckets[: n + 1]))
            self._add((name + "_sum", labels), seen.sum)
            self._add((name + "_count", labels), sum(seen.buckets))
        for series, moment in (*changes.gauges.items(), *changes.states.items()):
            if series not in self.moments or moment.at >= self.moments[series].at:
                self.moments[series] = moment
        for _, _, resource in changes.gone:
            self.values = {s: v for s, v in self.values.items() if s[0] != BY_RESOURCE or s[1][2] != resource}
            self.moments = {s: m for s, m in self.moments.items() if s[1][1 if s[0] == NODES else 2] != resource}

    def _add(self, series: Series, by: float) -> None:
        self.values[series] = self.values.get(series, 0) + by

    def samples(self) -> Iterator[tuple[Series, float]]:
        yield from self.values.items()
        counted = dict.fromkeys(("Running", "Abnormal", "other"), 0)
        for (name, labels), moment in self.moments.items():
            if name == NODES:
                assert isinstance(moment.value, float)
                yield (name, labels), moment.value
            elif name == INFO:
                assert isinstance(moment.value, tuple)
                yield (name, labels + moment.value), 1.0
            else:
                assert isinstance(moment.value, tuple)
                state = moment.value[0] if moment.value[0] in counted else "other"
                counted[state] += 1
                yield from (((name, (*labels, one)), float(one == state)) for one in counted)
        yield from (((RESOURCES, ("research", POOL, state)), float(number)) for state, number in counted.items())


@settings(max_examples=60)
@given(steps=st.lists(st.tuples(CHANGES, st.booleans()), max_size=8))
def test_a_page_says_what_a_plain_exposition_would_say_however_it_was_cached(steps: list[tuple[Changes, bool]]) -> None:
    """Whatever was written and rendered before, plain and gzip bodies agree, and with a model that caches nothing."""
    model = Plain()
    prometheus = shown(Changes(counts={}))
    model.write(Changes(counts={CATALOGUE.zeros[0]: 0.0}, observed={CATALOGUE.zeros[1]: Observed((0, 0, 0, 0), 0)}))
    for changes, packed_first in steps:
        prometheus.write(changes)
        release_held(prometheus)
        model.write(changes)
        bodies = [prometheus.render("text", gzip=packed).body for packed in (packed_first, not packed_first)]
        plain, packed = bodies[::-1] if packed_first else bodies
        assert gzip.decompress(packed) == plain
        assert samples(plain.decode()) == dict(model.samples())


@given(growths=st.lists(st.floats(-5, 5), max_size=12))
def test_a_counter_never_falls(growths: list[float]) -> None:
    series, before = CATALOGUE.zeros[0], 0.0
    prometheus = shown()
    for growth in growths:
        prometheus.write(Changes(counts={series: growth}))
        after = prometheus.value(series)
        assert after is not None
        assert after >= before
        before = after
