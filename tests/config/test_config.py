"""The configuration: a fault is one readable line with its origin, and what loads is what was written."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.config import Config, SourceOptions, json_schema, load, masked
from exporter.config.unknown_keys import known_paths
from exporter.model.errors import ConfigError, SourceDenied
from exporter.sources import SOURCES
from tests.support.config_files import AGENCY, target, write

DATA = Path(__file__).parents[1] / "data"
BAD = sorted((DATA / "bad-configs").glob("*.yaml"))
GOOD = sorted(path for path in (DATA / "good-configs").iterdir() if path.is_file())
WHOLE = DATA / "good-configs" / "whole.yaml"
NOBODY: dict[str, list[str]] = {"name": [], "status": [], "workspace": []}


def head(path: Path, key: str) -> list[str]:
    """What the comments ``# key: …`` at the top of a file say."""
    return [line.removeprefix(f"# {key}: ") for line in path.read_text().splitlines() if line.startswith(f"# {key}: ")]


def problems(path: Path | None, environ: dict[str, str] | None = None, sets: list[str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ=environ or {}, sets=sets or [])
    lines = [line.replace(str(path), "FILE") for line in caught.value.problems]
    return [line.replace(str(path.parent), "FOLDER") for line in lines] if path else lines


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_configuration_is_told_in_exactly_these_lines(path: Path) -> None:
    environ = dict(line.split("=", 1) for line in head(path, "environment"))

    assert problems(path, environ, head(path, "--set")) == head(path, "says")


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_configuration_can_be_loaded_again_as_it_is_shown(path: Path, tmp_path: Path) -> None:
    config = load(path, environ={}, sets=[])
    again = load(write(tmp_path, masked(config)), environ={}, sets=[])

    assert config.warnings == ()
    assert masked(again) == masked(config)
    assert set(again.origins) == set(config.origins)


def test_the_whole_contract_is_read_into_values() -> None:
    config = load(WHOLE, environ={}, sets=[])
    research, pai = config.targets

    assert (research.name, research.platform, research.region) == ("research", "huaweicloud", "cn-north-4")
    assert research.login.form == "keys"
    assert {key: secret.reveal() for key, secret in research.login.values.items()} == {
        "access_key": "AKexample",
        "secret_key": "SKexample",
    }
    assert research.budget == {"modelarts": 2.0, "dws": 0.5, "iam": 2.0, "sts": 2.0}
    assert research.endpoints["dws"] == "https://dws.cn-north-4.myhuaweicloud.com"
    assert research.sources["modelarts_pool"].exclude.name == ("*-tmp",)
    assert research.sources["modelarts_training"].workspaces == ("0",)
    apis = {kind.api for kind in SOURCES.values() if kind.platform == "alibabacloud"}
    assert (pai.budget, pai.project_id) == (dict.fromkeys((*apis, "sts"), 20.0), None)
    assert pai.sources["pai_dlc"].event_timezone == "UTC"
    assert [path.name for path in config.mapping_files] == ["a.yaml", "b.yaml"]
    assert (config.web.address, config.web.zero_hold, config.series_ttl) == (("0.0.0.0", 10186), 45.0, 86400.0)
    assert config.max_series == 20_000


def test_sources_have_the_defaults_of_the_contract() -> None:
    config = load(WHOLE, environ={}, sets=["targets[0].sources.modelarts_service.poll_interval=10m"])
    shown = masked(config)["targets"][0]["sources"]

    assert shown["dws"] == {
        "poll_interval": "30s", "max_poll_interval": "5m", "discovery_interval": "1m",
        "overlap": "10m", "reconcile": "6h", "remember": "30d", "grace": "15m", "history": "ignore",
        "include": NOBODY, "exclude": NOBODY,
    }  # fmt: skip
    assert config.targets[0].sources["modelarts_service"].max_poll_interval == 600


def test_the_section_otlp_becomes_a_lane_for_each_signal() -> None:
    switches = "traces: true, logs: false, metrics: false, headers_file: null, max_age: 24h"
    otlp = f"otlp={{endpoint: http://collector:4318, protocol: http/protobuf, {switches}}}"

    config = load(WHOLE, environ={}, sets=[otlp])

    assert config.otlp is not None
    assert config.otlp.max_age == 86_400
    assert {signal: lane.url for signal, lane in config.otlp_endpoints.items()} == {
        "traces": "http://collector:4318/v1/traces"
    }
    assert config.warnings == ()


def test_a_glob_without_a_match_and_an_unheard_status_are_warnings(tmp_path: Path) -> None:
    sources = {"modelarts_pool": {"include": {"status": ["runing", "RUNNING"]}}}
    path = write(tmp_path, {"targets": [target(sources=sources)], "mappings": ["*.none"]})
    warnings = [line.replace(str(path), "FILE") for line in load(path, environ={}, sets=[]).warnings]

    assert warnings == [
        "FILE:1: mappings[0]: matches no file",
        "FILE:1: targets[0].sources.modelarts_pool.include.status[0]: is no status that modelarts_pool is known to have; did you mean 'Running'?",
    ]


def test_mapping_files_keep_their_order_stand_once_and_know_who_named_them(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yaml", "c.yaml"):
        (tmp_path / name).touch()
    path = tmp_path / "exporter.conf"
    path.write_text(f"{AGENCY.read_text()}mappings:\n  - c.yaml\n  - '{tmp_path}/[abc].yaml'\n")
    config = load(path, environ={}, sets=[])

    assert [file.name for file in config.mapping_files] == ["c.yaml", "a.yaml", "b.yaml"]
    assert [config.origins[f"mappings[{n}]"] for n in range(3)] == [f"{path}:{line}" for line in (8, 9, 9)]


def test_a_login_by_token_keeps_the_file_and_not_its_content() -> None:
    login = load(DATA / "good-configs" / "alibabacloud-oidc.yaml", environ={}, sets=[]).targets[0].login

    assert login.values == {}
    assert login.options == {
        "provider_arn": "acs:ram::1:oidc-provider/ack",
        "role_arn": "acs:ram::1:role/exporter",
        "token_file": str(DATA / "good-configs" / "secrets" / "token"),
    }


def test_a_secret_file_is_read_again_when_it_changes_and_missed_when_it_is_gone(tmp_path: Path) -> None:
    (tmp_path / "sk").write_text("first\n")
    credentials = {"access_key": "AK", "secret_key_file": "sk"}
    login = load(write(tmp_path, {"targets": [target(credentials=credentials)]}), environ={}, sets=[]).targets[0].login
    assert login.reveal("secret_key") == "first"

    (tmp_path / "sk").write_text("second one\n")
    assert login.reveal("secret_key") == "second one"

    (tmp_path / "sk").unlink()
    with pytest.raises(SourceDenied):
        login.reveal("secret_key")


def test_the_options_of_every_source_are_known_to_the_configuration() -> None:
    assert {option for kind in SOURCES.values() for option in kind.options} <= SourceOptions.model_fields.keys()


WORDS = st.sampled_from(
    sorted({str(path[-1]) for path in known_paths(json_schema())} | {"huaweicloud", "5m", "2/s", "*"})
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.dictionaries(WORDS, ANY, max_size=3), inside=st.dictionaries(WORDS, ANY, max_size=3), platform=ANY)
def test_whatever_stands_in_the_file_is_a_configuration_or_a_list_of_problems(
    changes: dict[str, Any], inside: dict[str, Any], platform: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.getbasetemp(), {"targets": [target(**inside), target(platform=platform)], **changes})
    try:
        said: Config | tuple[str, ...] = load(path, environ={}, sets=[])
    except ConfigError as error:
        said = error.problems

    assert isinstance(said, Config) or (said and all("\n" not in line for line in said))
