"""An unforeseen error of one target or source is one line of ``doctor`` and ``backfill``; everything else goes on."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.app.assembly import Mappings
from exporter.cli import backfill, doctor
from exporter.cli.backfill.output_file import OutputOptions
from exporter.cli.backfill.reader import SourceAccess, list_resources, read_past
from exporter.cli.backfill.time_range import read_time_range
from exporter.cli.doctor.findings import FindingPlace
from exporter.cli.doctor.probe_source import SourceProbe, probe_source
from exporter.common.clock import SystemClock
from exporter.config import Config, SourceOptions, load
from exporter.model.events import Request, Resource, Response
from exporter.model.metrics import Mapped
from exporter.pipeline.inventory import Inventory, ResourceFilter
from exporter.simulator import Cloud, configuration, running
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope
from tests.support.clouds import CLUSTER, DLC
from tests.support.rig import known

NOW = 1_790_000_400
SECRET = "swordfish \x1b[31m"
UNFORESEEN = (RecursionError, UnicodeError, KeyError, IndexError, OverflowError, MemoryError, AssertionError, OSError)
Ask = Callable[[Request], Awaitable[Response]]


def raising(error: type[Exception]) -> Ask:
    """A client that fails at each request; the text of the error repeats a secret."""

    async def ask(_: Request) -> Response:
        raise error(SECRET)

    return ask


async def refuse_in_depth(_: Request) -> Response:
    """A client that decodes a refusal which nests deeper than the decoder goes."""
    msgspec.json.decode(b"[" * 1_000_000)
    raise AssertionError("the decoder does not go so deep")


def unmapped(_: object) -> Mapped:
    raise AssertionError("nothing is read, so nothing is mapped")


def probe(source: str, ask: Ask) -> SourceProbe:
    options = SourceOptions(workspaces=("0",) if "workspaces" in SOURCES[source].options else ())
    return SourceProbe(
        place=FindingPlace("a", source),
        kind=SOURCES[source],
        region="r",
        options=options,
        ask=ask,
        now=lambda: NOW * 1000,
        map_=unmapped,
    )


def access(source: str, ask: Ask, missing: list[str]) -> SourceAccess:
    kind = SOURCES[source]
    inventory = Inventory(ResourceFilter(), ResourceFilter(), 0.0)
    vendor = kind.make(SourceScope("r", ("0",)))
    return SourceAccess(
        target="a",
        source=source,
        kind=kind,
        vendor=vendor,
        inventory=inventory,
        ask=ask,
        now=lambda: NOW * 1000,
        report_missing=missing.append,
    )


@settings(max_examples=40, deadline=None)
@given(source=st.sampled_from(sorted(SOURCES)), error=st.sampled_from(UNFORESEEN))
def test_doctor_makes_a_finding_of_each_error_without_its_text(source: str, error: type[Exception]) -> None:
    findings = asyncio.run(probe_source(probe(source, raising(error))))
    failed = [finding for finding in findings if finding.outcome == "failed"]
    assert failed
    for finding in failed:
        assert finding.text.partition("an unexpected ")[2].startswith(f"{error.__name__} at cli/{Path(__file__).name}:")
        assert "swordfish" not in finding.text


@settings(max_examples=40, deadline=None)
@given(source=st.sampled_from(sorted(SOURCES)), error=st.sampled_from(UNFORESEEN))
async def test_backfill_reports_each_error_as_missing_without_its_text(source: str, error: type[Exception]) -> None:
    missing: list[str] = []
    at, time_range = access(source, raising(error), missing), read_time_range("1h", "now", "60s", NOW)

    assert await list_resources(at, time_range) == []
    assert (await read_past(at, time_range, [Resource("x")], lambda: None)).events == []
    assert len(missing) >= 2, "the listing and the events"
    assert all(f"an unexpected {error.__name__} at cli/" in line and "swordfish" not in line for line in missing)


def test_a_refusal_that_nests_too_deep_is_one_finding() -> None:
    (listing, events) = asyncio.run(probe_source(probe("dws", refuse_in_depth)))
    assert (listing.outcome, events.outcome) == ("failed", "failed")
    assert listing.text.startswith("an unexpected RecursionError at ")


def without(config: Config, source: str) -> Mappings:
    """The mappings without the one of a source: the first use of it is an error that nobody foresaw."""
    mappings = known(config)
    return msgspec.structs.replace(
        mappings, packs={name: pack for name, pack in mappings.packs.items() if name != source}
    )


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Config]:
    """Two targets on simulated clouds, with an event of two sources."""
    cloud = Cloud()
    cloud.add_cluster(CLUSTER)
    cloud.add_dlc_job(DLC)
    cloud.dws_event(CLUSTER, cloud.clock() - 600_000, "createBackup")
    cloud.dlc_event(DLC, cloud.clock() - 600_000, "Created pod: x")
    with running(cloud) as base:
        path = tmp_path / "exporter.json"
        path.write_text(json.dumps(configuration(base, store=":memory:")))
        yield load(path, environ={}, sets=())


def test_doctor_goes_on_after_an_error_with_one_source(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    code = asyncio.run(doctor.run(config, without(config, "dws").packs, 5.0, as_json=True))
    out, err = capsys.readouterr()
    checks = json.loads(out)["checks"]
    (failed,) = [check for check in checks if check["outcome"] == "failed"]
    assert (code, err, failed["source"], failed["check"]) == (1, "", "dws", "probe")
    assert failed["text"].startswith("an unexpected KeyError at doctor/probe_target.py:")
    assert failed["text"].endswith(": a bug; report it with this line")
    read = {check["source"] for check in checks if check["check"] == "listing" and check["outcome"] == "ok"}
    assert read == set(SOURCES) - {"dws"}


def test_doctor_goes_on_after_an_error_with_one_target(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    broken = config.targets[0].model_copy(update={"endpoints": {}})
    code = asyncio.run(
        doctor.run(
            config.model_copy(update={"targets": (broken, *config.targets[1:])}), known(config).packs, 5.0, as_json=True
        )
    )
    checks = json.loads(capsys.readouterr().out)["checks"]
    failed = [(check["target"], check["source"], check["check"]) for check in checks if check["outcome"] == "failed"]
    assert (code, failed) == (1, [(broken.name, "", "probe")])
    assert [check["outcome"] for check in checks if check["source"] == "pai_dlc" and check["check"] == "events"] == [
        "ok"
    ]


def test_backfill_writes_the_rest_after_an_error_with_one_source(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = OutputOptions(read_time_range("1h", "now", "60s", time.time()), {}, str(tmp_path / "past.om"))
    code = asyncio.run(backfill.run(config, without(config, "dws"), options, SystemClock()))
    missing = [line for line in capsys.readouterr().err.splitlines() if line.startswith("missing: ")]
    assert (code, len(missing)) == (1, 1)
    assert missing[0].startswith("missing: research/dws: the series are incomplete: an unexpected KeyError at ")
    text = (tmp_path / "past.om").read_text()
    assert 'platform_events_total{target="pai",source="pai_dlc"' in text
    assert text.endswith("# EOF\n")
