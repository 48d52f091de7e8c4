"""pydantic-settings carries the configuration: what its own sources would read, lose or print does not happen."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Config, load
from exporter.config.models import WrittenConfig
from exporter.config.settings import FOLDER, TREE
from tests.support.config_files import AGENCY, ENV, problems, target, write


def test_a_list_given_whole_replaces_a_list(tmp_path: Path) -> None:
    path = write(tmp_path, {"targets": [target(sources={"dws": {"include": {"name": ["a", "b"]}}})]})
    name = "targets.0.sources.dws.include.name"
    variable = ENV + name.upper().replace(".", "__")

    for environ, sets, names in [
        ({}, [], ("a", "b")),
        ({variable: "[c]"}, [], ("c",)),
        ({}, [f"{name}=[c]"], ("c",)),
        ({f"{variable}__1": "c"}, [], ("a", "c")),
        ({f"{variable}__2": "c"}, [f"{name}.0=d"], ("d", "b", "c")),
        ({variable: "[x, y]"}, [f"{name}.1=z"], ("x", "z")),
    ]:
        assert load(path, environ=environ, sets=sets).targets[0].sources["dws"].include.name == names


@given(st.lists(st.sampled_from("abc"), max_size=3), st.lists(st.sampled_from("abc"), max_size=3))
def test_whatever_two_lists_hold_the_later_one_stands(earlier: list[str], later: list[str]) -> None:
    sets = [f"targets[0].sources.modelarts_pool.workspaces=[{', '.join(names)}]" for names in (earlier, later)]
    assert load(AGENCY, environ={}, sets=sets).targets[0].sources["modelarts_pool"].workspaces == tuple(later)


def test_yaml_is_of_version_1_2(tmp_path: Path) -> None:
    names = ["no", "on", "2026-01-02", "12:30"]
    path = tmp_path / "exporter.yaml"
    path.write_text(AGENCY.read_text().replace("workspaces:", f"include: {{name: [{', '.join(names)}]}}, workspaces:"))
    listed = list(load(path, environ={}, sets=[]).targets[0].sources["modelarts_pool"].include.name)

    assert listed == names
    assert problems(AGENCY, {}, ["series_ttl=1:30"]) == [
        "--set series_ttl: '1:30' is not a duration; write 45s, 5m or 2h"
    ]


def test_relative_names_start_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "headers").write_text("a: b")
    otlp = {"endpoint": "http://c:4318", "headers_file": "headers"}
    config = load(write(tmp_path, {"targets": [target()], "otlp": otlp}), environ={}, sets=[])
    assert config.otlp is not None
    assert config.otlp.headers_file == tmp_path / "headers"


@pytest.mark.parametrize("key", ["settings_cached", "_env_file", "model_config", TREE, FOLDER])
def test_an_odd_key_at_the_top_is_an_unknown_key(key: str, tmp_path: Path) -> None:
    path = tmp_path / "exporter.yaml"
    path.write_text(AGENCY.read_text() + f"{key}: x\n")
    (line,) = problems(path, {}, [])
    assert ": unknown key; known here: targets, " in line


def test_no_value_is_logged_where_the_debug_variable_of_the_library_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PYDANTIC_SETTINGS_DEBUG", "1")
    caplog.set_level(logging.DEBUG)
    path = write(tmp_path, {"targets": [target(credentials={"access_key": "s3cr3t", "secret_key": "s3cr3t"})]})
    environ = {f"{ENV}OTLP__HEADERS": "{authorization: s3cr3t}", f"{ENV}OTLP__ENDPOINT": "http://c:4318"}
    load(path, environ=environ, sets=["store=sqlite:///s3cr3t.db"])

    assert "Resolving settings" in caplog.text
    assert "MergedTreeSource: <" in caplog.text
    assert "s3cr3t" not in caplog.text


def test_variables_without_the_prefix_mean_nothing() -> None:
    """They are in the environment of the process, where the library's own sources look."""
    code = (
        "from pathlib import Path; from exporter.config import load;"
        f"config = load(Path({str(AGENCY)!r}), environ={{}}, sets=[]); print(config.store, config.web.listen)"
    )
    names = dict.fromkeys([name.upper() for name in WrittenConfig.model_fields], '{"listen": "x", "level": "y"}')
    environ = {**names, "PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["sqlite:///var/lib/platform-events-exporter/state.db", "0.0.0.0:10186"]


# --- a directory of secrets

SECRET = "targets__0__credentials__{}"


def mounted(folder: Path, **secrets: str) -> Path:
    """A directory of secrets, and beside them what kubelet and others put there."""
    place = folder / "secrets"
    (place / "..data").mkdir(parents=True)
    (place / "..data" / "x__y").write_text("")
    (place / "tls.key").write_text("not ours")
    for name, text in secrets.items():
        (place / name).write_text(text)
    return place


def keys_of(config: Config) -> dict[str, str]:
    return {key: secret.reveal() for key, secret in config.targets[0].login.values.items()}


@pytest.mark.parametrize("prefix", ["", "secret_"])
def test_files_of_the_secrets_directory_are_the_secrets_and_read_again(prefix: str, tmp_path: Path) -> None:
    names = {f"{prefix}{SECRET.format(key)}": key for key in ("access_key", "secret_key")}
    place = mounted(tmp_path, **names, otlp__headers="authorization: Basic eA==\n")
    path = write(tmp_path, {"targets": [target(credentials=None)], "secrets_dir": "secrets"})
    config = load(path, environ={f"{ENV}OTLP__ENDPOINT": "http://c:4318"}, sets=[])

    assert keys_of(config) == {"access_key": "access_key", "secret_key": "secret_key"}
    assert config.otlp is not None
    assert config.otlp.headers_file == place / "otlp__headers"
    file = str(place / f"{prefix}{SECRET.format('secret_key')}")
    assert config.origins["targets[0].credentials.secret_key_file"] == file
    Path(file).write_text("another one\n")
    assert keys_of(config)["secret_key"] == "another one"


def test_the_environment_and_set_are_stronger_than_the_secrets_directory(tmp_path: Path) -> None:
    for key in ("access_key", "secret_key"):
        (tmp_path / key).write_text(f"{key} by --set")
    place = mounted(tmp_path, **{SECRET.format(key): "weak" for key in ("access_key", "secret_key")})
    path = write(tmp_path, {"targets": [target(credentials=None)], "secrets_dir": str(place)})
    environ = {f"{ENV}TARGETS__0__CREDENTIALS__ACCESS_KEY": "by variable"}
    config = load(path, environ=environ, sets=["targets[0].credentials.secret_key_file=secret_key"])

    assert keys_of(config) == {"access_key": "by variable", "secret_key": "secret_key by --set"}


def test_a_name_that_is_no_secret_and_a_directory_that_is_not_there_are_problems(tmp_path: Path) -> None:
    place = mounted(
        tmp_path, targets__0__credentials__secret_kee="x", web__listen="x", targets__2__credentials__user="x"
    )
    path = write(tmp_path, {"targets": [target()]})

    assert problems(path, {}, [f"secrets_dir={place}"]) == [
        f"{place}/{SECRET.format('secret_kee')}: is no secret of the configuration; did you mean {SECRET.format('secret_key')}?",
        f"{place}/targets__2__credentials__user: the next index of targets is 1",
        f"{place}/web__listen: is no secret of the configuration; write SECTION__KEY, for example otlp__headers",
    ]
    assert problems(path, {}, ["secrets_dir=none"]) == [
        f"--set secrets_dir: {tmp_path}/none cannot be read (No such file or directory); name a directory, and check its permissions"
    ]
