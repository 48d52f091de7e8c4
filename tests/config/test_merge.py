"""File, environment and command line: which goes first, how they merge, and traps that settings libraries leave."""

from pathlib import Path

import pytest

from exporter.config import SourceOptions, json_schema, load, masked
from exporter.config.unknown_keys import known_paths
from tests.support.config_files import AGENCY, ENV, problems, target, write


def zero_hold(tmp_path: Path, layers: set[str]) -> tuple[float, str]:
    path = write(tmp_path, {"targets": [target()], "web": {"zero_hold": "1m"} if "file" in layers else {}})
    environ = {f"{ENV}WEB__ZERO_HOLD": "2m"} if "environment" in layers else {}
    config = load(path, environ=environ, sets=["web.zero_hold=3m"] if "--set" in layers else [])
    return config.web.zero_hold, config.origins["web.zero_hold"].replace(str(path), "FILE")


@pytest.mark.parametrize(
    ("layers", "value", "origin"),
    [
        (set(), 45, "default"),
        ({"file"}, 60, "FILE:1"),
        ({"environment"}, 120, f"environment {ENV}WEB__ZERO_HOLD"),
        ({"file", "environment"}, 120, f"environment {ENV}WEB__ZERO_HOLD"),
        ({"--set"}, 180, "--set"),
        ({"file", "--set"}, 180, "--set"),
        ({"environment", "--set"}, 180, "--set"),
        ({"file", "environment", "--set"}, 180, "--set"),
    ],
)
def test_command_line_wins_over_environment_over_file_over_default(
    layers: set[str], value: float, origin: str, tmp_path: Path
) -> None:
    assert zero_hold(tmp_path, layers) == (value, origin)


def test_layers_merge_mappings_and_replace_lists(tmp_path: Path) -> None:
    sources = {"dws": {"overlap": "5m", "include": {"name": ["a", "b"]}}}
    path = write(tmp_path, {"targets": [target(sources=sources)]})
    environ = {
        f"{ENV}TARGETS__0__SOURCES__DWS": "{grace: 1m, include: {name: [c]}}",
        f"{ENV}TARGETS__1__NAME": "second",
    }
    sets = ["targets[0].endpoints.dws=http://127.0.0.1:1/", "targets.1.region=cn-hangzhou"]
    rest = ["platform=alibabacloud", "sources.pai_dlc=", "credentials.ecs_role_file=role"]
    (tmp_path / "role").write_text("reader\n")
    first, second = load(path, environ=environ, sets=[*sets, *(f"targets.1.{text}" for text in rest)]).targets

    dws = first.sources["dws"]
    assert (dws.overlap, dws.grace, dws.include.name) == (300, 60, ("c",))
    assert first.endpoints["dws"] == "http://127.0.0.1:1"
    assert (second.name, second.region, second.login.form, second.login.options) == (
        "second",
        "cn-hangzhou",
        "ecs_role",
        {"ecs_role": "reader"},
    )
    assert second.sources == {"pai_dlc": SourceOptions()}


def test_everything_can_come_from_the_environment_alone() -> None:
    values = {
        "TARGETS__0__NAME": "research",
        "TARGETS__0__PLATFORM": "huaweicloud",
        "TARGETS__0__REGION": "cn-north-4",
        "TARGETS__0__PROJECT_ID": "0012",
        "TARGETS__0__CREDENTIALS__ACCESS_KEY": "0123",
        "TARGETS__0__CREDENTIALS__SECRET_KEY": "[no, YAML] #\n",
        "TARGETS__0__SOURCES__MODELARTS_POOL__WORKSPACES": '["0", 7]',
        "LOG__LEVEL": " debug\n",
        "WEB__ENABLE_RELOAD": "false",
        "WEB__LISTEN": "[::]:10186",
    }
    links = {"PLATFORM_EXPORTER_SERVICE_HOST": "10.0.0.1", "PLATFORM_EXPORTER_PORT_10186_TCP_ADDR": "10.0.0.1"}
    config = load(None, environ={**links, **{ENV + name: text for name, text in values.items()}}, sets=[])

    assert {key: secret.reveal() for key, secret in config.targets[0].login.values.items()} == {
        "access_key": "0123",
        "secret_key": "[no, YAML] #",
    }
    assert config.targets[0].project_id == "0012"
    assert config.targets[0].sources["modelarts_pool"].workspaces == ("0", "7")
    assert (config.log.level, config.web.enable_reload, config.web.address) == ("debug", False, ("::", 10186))


def test_without_credentials_the_variables_of_the_vendor_are_used_with_their_project(tmp_path: Path) -> None:
    environ = {"HUAWEICLOUD_SDK_AK": "AK", "HUAWEICLOUD_SDK_SK": "SK", "HUAWEICLOUD_SDK_PROJECT_ID": "p1"}
    path = write(tmp_path, {"targets": [target(credentials={"access_key": "A", "secret_key": "B"})]})
    one = load(path, environ=environ, sets=["targets[0].credentials=null"])
    two = [target(credentials=None), target(name="other", region="cn-south-1")]
    first, second = load(write(tmp_path, {"targets": two}), environ=environ, sets=[]).targets

    assert one.targets[0].project_id == "p1"
    assert one.origins["targets[0].project_id"] == "environment HUAWEICLOUD_SDK_PROJECT_ID"
    assert masked(one)["targets"][0]["credentials"] == {"access_key": "***", "secret_key": "***"}
    assert one.origins["targets[0].credentials.secret_key"] == "environment"
    assert (first.project_id, second.project_id) == (None, None)


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.yaml", {}, []) == [
        "FILE: cannot be read (No such file or directory); check the path and its permissions"
    ]


@pytest.mark.parametrize("text", ["45", "45s", "0.75m", "45000ms", "PT45S", "'45'"])
def test_a_duration_reads_alike_from_the_file_the_environment_and_the_command_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "exporter.yaml"
    path.write_text(AGENCY.read_text() + f"series_ttl: {text}\n")
    name = f"{ENV}SERIES_TTL"

    assert load(path, environ={}, sets=[]).series_ttl == 45
    assert load(AGENCY, environ={name: text}, sets=[]).series_ttl == 45
    assert load(AGENCY, environ={}, sets=[f"series_ttl={text}"]).series_ttl == 45


def test_an_empty_value_means_the_default() -> None:
    config = load(AGENCY, environ={f"{ENV}WEB__LISTEN": "", f"{ENV}LOG": "null"}, sets=["series_ttl="])

    assert (config.web.listen, config.log.level, config.series_ttl) == ("0.0.0.0:10186", "info", 86400)


def test_every_path_of_the_schema_can_be_written_as_a_variable() -> None:
    names = [ENV + "__".join(str(step) for step in path).upper() for path in known_paths(json_schema())]
    said = [line for name in names for line in problems(None, {name: "x"}, [])]

    assert not [line for line in said if "unknown" in line or "not a variable" in line]
    assert len(names) > 100
