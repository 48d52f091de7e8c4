"""``explain`` without ``--source``: whose a record or a text may be, and one answer for those that agree."""

import json
import re
from pathlib import Path

import pytest

from exporter.app.packs import examine_packs
from exporter.cli import explain
from exporter.cli.explain_input import read_input
from exporter.mapping.rules import MappingPack
from exporter.model.errors import ConfigError
from exporter.sources import SOURCES

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def packs() -> dict[str, MappingPack]:
    return {pack.source: pack for pack in examine_packs([])[0]}


def sources_of(text: str, packs: dict[str, MappingPack]) -> list[list[str]]:
    return [[one.source for one in record] for record in read_input(text, None, packs)]


def test_an_answer_that_sources_share_is_shown_once_with_the_rule_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    """Where two differ, in the phases of the second text, each has its own. Runs are shown in the same way."""
    texts = (
        "You are using pip version 9.0.1, however version 20.2.4 is available.\nCreated pod: x\npreparing environment"
    )
    assert explain.run(texts, None, (), "text") == 0
    series = '  = platform_events_total{target="target",source='
    assert re.sub(r"\(.*/(.*):\d+\)", r"(\1)", capsys.readouterr().out).splitlines() == [
        "pai_dlc, pai_dsw: You are using pip version 9.0.1, however version 20.2.4 is available.",
        "  pai_dlc: pip-version (pai_dlc.yaml) took it",
        "  pai_dsw: pip-version (pai_dsw.yaml) took it",
        f'{series}"pai_dlc",severity="info",reason="PipVersion"}} +1',
        "",
        "pai_dlc: Created pod: x",
        "  pod-created (pai_dlc.yaml) took it",
        f'{series}"pai_dlc",severity="info",reason="PodCreated"}} +1',
        "  = end queuing",
        "  = begin env_preparing",
        "",
        "pai_dsw: Created pod: x",
        "  pod-created (pai_dsw.yaml) took it",
        f'{series}"pai_dsw",severity="info",reason="PodCreated"}} +1',
        "",
        "modelarts_service, modelarts_service_v2: preparing environment",
        "  modelarts_service: prepare-started (modelarts_service.yaml) took it",
        "  modelarts_service_v2: prepare-started (modelarts_service_v2.yaml) took it",
        f'{series}"modelarts_service",severity="unclassified",reason="EnvironmentPreparing"}} +1',
        "  = begin environment_preparation",
        "",
        "Read together as modelarts_service, modelarts_service_v2:",
        "  DEPLOY service open",
        "    environment_preparation open",
        "",
    ]


def test_a_machine_reads_an_event_for_each_source_that_knows_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    explain.run("start to deploy service", None, (), "json")
    report = json.loads(capsys.readouterr().out)
    both = ["modelarts_service", "modelarts_service_v2"]
    assert [event["source"] for event in report["events"]] == both
    assert [run["source"] for run in report["runs"]] == both


def test_texts_that_are_given_together_are_of_the_source_that_knows_them_all(packs: dict[str, MappingPack]) -> None:
    """Unless none does: then each is of those that know it."""
    shared, of_dlc, of_eas = "Created pod: x", "CUDA out of memory", "Service is running"
    assert sources_of(shared, packs) == [["pai_dlc", "pai_dsw"]]
    assert sources_of(f"{shared}\n{of_dlc}", packs) == [["pai_dlc"], ["pai_dlc"]]
    assert sources_of(f"{shared}\n{of_eas}", packs) == [["pai_dlc", "pai_dsw"], ["pai_eas"]]


def test_a_published_record_is_of_its_own_source_alone(packs: dict[str, MappingPack]) -> None:
    """Two sources of PAI write the same lines. A notebook without trouble is of none: it tells of nothing."""
    read = 0
    for name, kind in SOURCES.items():
        answer = json.loads((DATA / name / "sample.json").read_text("utf-8"))
        for row in next(rows for rows in answer.values() if isinstance(rows, list)):
            text = json.dumps([row])
            try:
                kind.record(row, "r")
            except ValueError:
                with pytest.raises(ConfigError, match="no source writes such a record"):
                    read_input(text, None, packs)
                continue
            wanted = ["pai_dlc", "pai_dsw"] if isinstance(row, str) else [name]
            assert sources_of(text, packs) == [wanted]
            read += 1
    assert read > 20
