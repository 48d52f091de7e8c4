"""Mappings are exchanged while everything runs: all or nothing, no total is lost, and no page is in between."""

import asyncio
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.app.reload import FileStamps, IncludedFiles, stamps
from exporter.mapping.catalogue import catalogue as catalogued
from exporter.mapping.runs.reducer import make_fold
from exporter.model.metrics import Catalogue, Changes, Count, Mapped, Metric, Moment, Observed, Phase, Series
from exporter.model.runs import Folded, ResourceSnapshot, RunNote, Runs, SpanEvent
from exporter.model.state import Restored
from exporter.pipeline.committer import Committer
from exporter.pipeline.context import MappingInUse
from tests.support.clocks import ManualClock, SettableClock
from tests.support.clouds import event
from tests.support.commits import A, B, Page, SlowStore, a_commit
from tests.support.exposition import ExposedSeries, scrape
from tests.support.mapping_packs import PACKS
from tests.support.processes import Clouds, Exporter, closing, configured, total, until
from tests.support.vendor import Vendor, watching

STATUS, RESOURCES = "platform_resource_status", "platform_resources"
FIXED = {
    "fixed_total": Metric("fixed_total", "counter", "Fixed.", ("a",)),
    RESOURCES: Metric(RESOURCES, "gauge", "How many.", ("target", "source", "status")),
    STATUS: Metric(STATUS, "stateset", "State.", ("target", "source", "resource", "status")),
}
VARIANTS = (
    None,
    Metric("own", "counter", "Own.", ("a",)),
    Metric("own", "counter", "Own, said better.", ("a",)),
    Metric("own", "counter", "Own.", ("a", "b")),
    Metric("own", "gauge", "Own.", ("a",)),
    Metric("own", "histogram", "Own.", ("a",), buckets=(1.0,)),
    Metric("own", "histogram", "Own.", ("a",), buckets=(1.0, 2.0)),
)
STATES = (("Running", "Failed"), ("Running", "Failed", "Frozen"))


def a_catalogue(own: Metric | None, states: tuple[str, ...], values: tuple[str, ...]) -> Catalogue:
    zeros: list[Series] = [("fixed_total", (value,)) for value in values]
    if own and own.kind != "gauge":
        zeros += [("own", (value, *["x"] * (len(own.labels) - 1))) for value in values]
    metrics = FIXED | ({"own": own} if own else {})
    return Catalogue(metrics, (*zeros, ("fixed_total", ("always",))), {(STATUS, "s"): (*states, "other")})


catalogues = st.builds(
    a_catalogue, st.sampled_from(VARIANTS), st.sampled_from(STATES), st.sampled_from([(), ("x",), ("x", "y"), ("z",)])
)


def totals(catalogue: Catalogue) -> Changes:
    """Something for all that a catalogue names."""
    counts = {s: 2.0 for s in catalogue.zeros if catalogue.metrics[s[0]].kind == "counter" and s[1] != ("y",)}
    own = catalogue.metrics.get("own")
    observed = {
        s: Observed((1,) * (len(own.buckets) + 1), 3.0)
        for s in catalogue.zeros
        if own and own.kind == "histogram" and s[0] == "own"
    }
    gauges: dict[Series, Moment] = {("own", ("x",)): Moment(7.0, 1)} if own and own.kind == "gauge" else {}
    states: dict[Series, Moment] = {(STATUS, ("t", "s", "r")): Moment((catalogue.states[STATUS, "s"][-2],), 1)}
    return Changes(counts, observed, gauges, states)


def lines(prometheus: ExposedSeries) -> list[str]:
    return sorted(prometheus.render("text", gzip=False).body.decode().splitlines())


@given(st.lists(catalogues, min_size=2, max_size=5))
def test_after_an_exchange_the_page_is_that_of_a_new_start(several: list[Catalogue]) -> None:
    first, *others = several
    kept = totals(first)
    prometheus = ExposedSeries(first, 0.0, SettableClock())
    prometheus.restore(Restored(kept, frozenset(), {}, {}, {}))
    for catalogue in others:
        restored = Restored(kept, frozenset(), {}, {}, {})
        prometheus.adopt(catalogue, restored)
        fresh = ExposedSeries(catalogue, 0.0, SettableClock())
        fresh.restore(restored)
        assert lines(prometheus) == lines(fresh)


def test_a_metric_that_left_comes_back_with_its_total_and_what_is_new_begins_at_zero() -> None:
    one, other = (a_catalogue(own, STATES[0], ("x",)) for own in (VARIANTS[1], None))
    prometheus = ExposedSeries(one, 45.0, clock := SettableClock())
    prometheus.write(Changes(counts={("own", ("x",)): 3.0}))
    stored = Restored(Changes(counts={("own", ("x",)): 3.0}), frozenset(), {}, {}, {})
    prometheus.adopt(other, stored)
    assert not [line for line in lines(prometheus) if "own" in line]
    prometheus.adopt(a_catalogue(VARIANTS[1], STATES[0], ("x", "z")), stored)
    assert prometheus.value(("own", ("x",))) == 3.0
    prometheus.write(Changes(counts={("own", ("z",)): 1.0, ("own", ("x",)): 1.0}))
    assert (prometheus.value(("own", ("x",))), prometheus.value(("own", ("z",)))) == (4.0, 0.0)
    clock.time += 46.0
    scrape(prometheus)
    prometheus.show(prometheus.ripe())
    assert prometheus.value(("own", ("z",))) == 1.0


async def test_events_mapped_the_old_way_are_shown_before_the_exchange() -> None:
    store, page, order = SlowStore(), Page(), list[str]()
    committer = Committer(store, (page,), page, lambda fact: None)

    async def adopt() -> None:
        order.extend(["adopted", *(str(len(store.kept)),)])

    def turn() -> None:
        order.append("turned")
        late.append(asyncio.ensure_future(committer.commit(a_commit(B, "new"))))

    late: list[asyncio.Future[None]] = []
    busy = [asyncio.ensure_future(committer.commit(a_commit(A, f"old{n}"))) for n in range(3)]
    await asyncio.sleep(0)
    await committer.swap(turn, adopt)
    await asyncio.gather(*busy, *late)
    order = [*order, str([[commit.watch.resource for commit in batch] for batch in store.kept])]
    assert order[:2] == ["turned", "adopted"]
    assert order[-1].endswith("['b']]"), "what came later was committed later"


def test_a_mapping_may_be_replaced_at_any_moment_of_a_read_and_counts_stay() -> None:
    """``moment`` counts turns of the loop: some are while a slice is counted and not on record yet."""
    own, base = VARIANTS[1], catalogued((), {"t": ("s",)}, {"s": ("Running",)})
    assert own is not None
    old = msgspec.structs.replace(base, metrics=base.metrics | {"own": own})

    async def scene(moment: int) -> bool:
        vendor = Vendor(ManualClock(), rows=2)
        vendor.has("a")
        async with watching(vendor) as watched:
            await watched.poll("a")
            nothing = await watched.store.restore()
            watched.prometheus.adopt(old, nothing)
            watched.mapping.swap(
                MappingInUse(
                    lambda event: Mapped("info", "R", "r", (Count(("own", ("x",))),)), _no_runs, old.metrics, ("info",)
                )
            )
            vendor.clock.advance(60)
            for ago in range(5):
                vendor.tells("a", ago)

            async def adopt() -> None:
                watched.prometheus.adopt(base, await watched.store.restore())

            def turn() -> None:
                mapping = MappingInUse(lambda event: Mapped("info", "R", "r"), _no_runs, base.metrics, ("info",))
                watched.mapping.swap(mapping)

            reading = asyncio.ensure_future(watched.collector.poll("a", 30.0))
            for _ in range(moment):
                await asyncio.sleep(0)
            over = reading.done()
            await watched.committer.swap(turn, adopt)
            await reading
            assert await watched.counted() == {"a": 5.0}
            return over

    moment = 0
    while not asyncio.run(scene(moment)):
        moment += 1
    assert moment > 5, "the read took some turns"


def _no_runs(resource: str, runs: Runs, notes: Sequence[RunNote], view: ResourceSnapshot) -> Folded:
    return Folded(runs)


@pytest.mark.parametrize("source", sorted(PACKS))
@pytest.mark.parametrize("step", ["begin", "end", "fail"])
def test_what_was_noted_under_another_mapping_can_still_be_folded(
    source: str, step: Literal["begin", "end", "fail"]
) -> None:
    """A note is on record until its read is complete; by then its phase may be one that no mapping knows."""
    told = SpanEvent(1_000, "id", "", "text", "info", "Reason")
    note = RunNote(1_000, "a rule that left", True, (Phase(step, "a phase that left"),), told)
    fold = make_fold(PACKS[source], "t")
    folded = fold("r", Runs({}, {}), [note], ResourceSnapshot(2_000, 0))
    fold("r", folded.runs, [], ResourceSnapshot(3_000, 0, gone=True))


def test_links_are_followed_and_what_came_or_went_is_seen(tmp_path: Path) -> None:
    entry = tmp_path / "live" / "*.yaml"
    for name in ("v1", "v2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(name)
    (tmp_path / "live").symlink_to("v1")
    looks = [stamps([entry], {})]
    (tmp_path / "next").symlink_to("v2")
    (tmp_path / "next").rename(tmp_path / "live")
    looks.append(stamps([entry], {}))
    (tmp_path / "live" / "b.yaml").write_text("more")
    looks.append(stamps([entry], {}))
    (tmp_path / "live" / "a.yaml").unlink()
    looks.append(stamps([entry], {}))
    assert [looks.index(look) for look in looks] == [0, 1, 2, 3]
    assert stamps([entry], {}) == looks[-1]
    assert stamps([tmp_path / "nothing"], {}) == {}


def test_a_file_that_a_mapping_includes_is_looked_at_too(tmp_path: Path) -> None:
    mapping, listed, seen = tmp_path / "mine.yaml", tmp_path / "listed.yaml", IncludedFiles()
    mapping.write_text("mapping: 1\nsource: dws\ninclude: listed.yaml\n", "utf-8")

    def look() -> FileStamps:
        return stamps([mapping], seen)

    without = look()
    listed.write_text("mapping: 1\nreasons: {}\n", "utf-8")
    there = look()
    listed.write_text("mapping: 1\nreasons: {Odd: {severity: error, means: odd}}\n", "utf-8")
    changed = look()
    mapping.write_text("mapping: 1\nsource: dws\n", "utf-8")
    alone = look()

    assert [sorted(path.name for path in found) for found in (without, there, changed, alone)] == [
        ["mine.yaml"],
        ["listed.yaml", "mine.yaml"],
        ["listed.yaml", "mine.yaml"],
        ["mine.yaml"],
    ]
    assert changed[listed] != there[listed]
    assert changed[mapping] == there[mapping]


@pytest.mark.parametrize("text", ["include: [", "include: 7", "[]", "include: [7]", "\0"])
def test_a_mapping_that_is_none_includes_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text, "utf-8")
    assert [*stamps([tmp_path / "mine.yaml"], IncludedFiles())] == [tmp_path / "mine.yaml"]


MINE = """
mapping: 1
source: dws
metrics:
  demo_polished_total: {type: counter, help: "Clusters that were polished, from the text.", labels: [cluster]}
vocab: {cluster: [dwh]}
rules:
  - id: polished
    when: {name: polishCluster}
    shape: "The cluster {cluster:word} is polished"
    do: [{count: demo_polished_total, labels: {cluster: cluster}, domain: {cluster: cluster}}]
"""
CHANGED = MINE.replace("labels: [cluster]", "labels: [cluster, kind]").replace(
    "labels: {cluster: cluster}, domain: {cluster: cluster}",
    "labels: {cluster: cluster, kind: source_type}, domain: {cluster: cluster, kind: 5}",
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Clouds, Exporter, Path]]:
    make_fold = tmp_path_factory.mktemp("reload")
    with closing(Clouds(make_fold)) as clouds:
        (make_fold / "v1").mkdir()
        (make_fold / "live").symlink_to("v1")
        config = {**configured(clouds, make_fold), "mappings": ["live/*.yaml"]}
        config["targets"] = [target for target in config["targets"] if target["name"] == "research"]
        config["targets"][0]["sources"] = {"dws": config["targets"][0]["sources"]["dws"]}
        with closing(Exporter(make_fold, config)) as exporter:
            exporter.contacted("dws")
            yield clouds, exporter, make_fold


def polish(clouds: Clouds) -> None:
    said = {"severity": "warning", "source_type": "cluster", "context": "The cluster dwh is polished"}
    clouds.add(event("dws", "polishCluster", fields=said))


def loaded(exporter: Exporter, times: int) -> None:
    until(lambda: exporter.said().count("configuration and mappings loaded") >= times, f"{times} loads")


def test_a_rule_comes_changes_leaves_and_returns_and_no_count_is_lost(pair: tuple[Clouds, Exporter, Path]) -> None:
    clouds, exporter, make_fold = pair
    before = exporter.metrics()
    assert total(before, "platform_exporter_config_last_reload_successful") == 1
    polish(clouds)
    exporter.until_value(1, "platform_events_total", reason="other")

    (make_fold / "v1" / "mine.yaml").write_text(MINE)
    loaded(exporter, 2)
    samples = exporter.metrics()
    assert total(samples, "demo_polished_total", cluster="dwh") == 0
    assert (
        "demo_polished_total",
        frozenset({("cluster", "dwh"), ("target", "research"), ("source", "dws")}),
    ) in samples
    assert (
        "platform_events_total",
        frozenset({("target", "research"), ("source", "dws"), ("severity", "warning"), ("reason", "polishCluster")}),
    ) in samples
    old, new = ([key for key in one if key[0] == "platform_exporter_mapping_info"] for one in (before, samples))
    assert len(old) == len(new)
    assert old != new
    polish(clouds)
    exporter.until_value(1, "demo_polished_total", cluster="dwh")
    assert exporter.total("platform_events_total", source="dws") == 2

    (make_fold / "v2").mkdir()
    (make_fold / "v2" / "mine.yaml").write_text(CHANGED)
    (make_fold / "next").symlink_to("v2")
    (make_fold / "next").rename(make_fold / "live")
    loaded(exporter, 3)
    assert exporter.total("demo_polished_total") == 0
    polish(clouds)
    until(lambda: exporter.total("demo_polished_total") == 1, "the new labels count")
    assert exporter.total("platform_events_total", source="dws") == 3

    (make_fold / "back").symlink_to("v1")
    (make_fold / "back").rename(make_fold / "live")
    exporter.process.send_signal(signal.SIGHUP)
    loaded(exporter, 4)
    until(lambda: exporter.total("demo_polished_total", cluster="dwh") == 1, "its total is back")


def test_a_bad_file_keeps_what_is_there_and_says_so_in_one_line(pair: tuple[Clouds, Exporter, Path]) -> None:
    _, exporter, make_fold = pair
    before = exporter.metrics()
    since = total(before, "platform_exporter_config_last_reload_success_timestamp_seconds")
    (make_fold / "live" / "bad.yaml").write_text("mapping: 1\nsource: dws\nrules: [{id: x}]\n")
    until(lambda: "bad.yaml:3: rules[0]: the rule is empty" in exporter.said(), "the fault is told")
    samples = exporter.metrics()
    assert total(samples, "platform_exporter_config_last_reload_successful") == 0
    assert total(samples, "platform_exporter_config_last_reload_success_timestamp_seconds") == since
    hashes = [{key for key in one if key[0] == "platform_exporter_mapping_info"} for one in (before, samples)]
    assert hashes[0] == hashes[1]
    assert exporter.said().count("the rule is empty") == 1
    (make_fold / "live" / "bad.yaml").unlink()
    until(lambda: exporter.total("platform_exporter_config_last_reload_successful") == 1, "all is well again")
    assert exporter.total("platform_exporter_config_last_reload_success_timestamp_seconds") >= since


def test_what_needs_a_new_start_is_said(pair: tuple[Clouds, Exporter, Path]) -> None:
    _, exporter, make_fold = pair
    path = make_fold / "run.json"
    path.write_text(path.read_text().replace('"zero_hold": "0s"', '"zero_hold": "9s"'))
    exporter.process.send_signal(signal.SIGHUP)
    until(lambda: "web: changed in the configuration; restart the exporter to use it" in exporter.said(), "it is said")
    assert exporter.get("/-/healthy").status_code == 200
