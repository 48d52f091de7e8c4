"""No secret leaves the configuration: not in a message, a traceback, a shown value or an origin, wherever it stood."""

import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from exporter.config import SourceOptions, load, masked
from exporter.model.errors import ConfigError

SECRETS = st.tuples(
    st.sampled_from(["", "*", "!", "&", "{", "- ", "@", "%", "'", '"', "a: ", "#"]),
    st.text("ABCxyz789", min_size=8, max_size=30),
    st.sampled_from(["", "!", ": b", " #", "\\", "é", "@h/p?q"]),
)
BESIDE = (
    "CREDENTIALS__SECRET_KEY",
    "CREDENTIALS__SECRET",
    "CREDENTIALS",
    "CREDENTIALS__OIDC",
    "SECRET_KEY",
    "PROJECT_ID__X",
)
SPOKEN = ("credentials.secret_key", "credentials.secret", "credentials", "password")


class Case(NamedTuple):
    """A file (data, or raw text), an environment and a command line, one of which holds a secret."""

    file: Any
    environ: dict[str, str] = {}
    sets: tuple[str, ...] = ()


def target(**changes: Any) -> dict[str, Any]:
    return {"targets": [{"name": "a", "platform": "huaweicloud", "region": "r", "sources": {"dws": {}}, **changes}]}


def cases(secret: str) -> Iterator[Case]:
    for credentials in in_credentials(secret):
        yield Case(target(credentials=credentials))
    for file in in_files(secret):
        yield Case(file)
    for name in BESIDE:
        for text in (secret, f"{{secret_key: {secret}}}"):
            yield Case(target(credentials={"access_key": "AK"}), {f"PLATFORM_EXPORTER__TARGETS__0__{name}": text})
    for key in SPOKEN:
        yield Case(target(credentials={"access_key": "AK"}), sets=(f"targets[0].{key}={secret}",))


def in_credentials(secret: str) -> list[Any]:
    """Good ones, and every way to get them wrong."""
    good = {"access_key": secret, "secret_key": secret}
    short: list[Any] = [
        {key: secret} for key in ("access_key", "token", "oidc", "metadata", "ecs_role", "secret_key_file")
    ]
    wrong: list[Any] = [
        secret,
        [secret],
        {"access_key": [secret], "secret_key": {secret: secret}},
        {"oidc": {"agency_urn": secret}},
    ]
    keys: list[Any] = [{secret: 1}, {f"access_key:{secret}": None}, {f"acces_key:{secret}": None}]
    return [good, {**good, "user": secret}, {"acess_key": secret, "secret_key": secret}, *short, *wrong, *keys]


def in_files(secret: str) -> list[Any]:
    """Beside the credentials, in URLs, and in text that YAML may stumble over."""
    agency = target(credentials={"metadata": True})
    urls = [
        {**agency, "store": f"{scheme}://me:{secret}@db/x?password={secret}"}
        for scheme in ("postgresql", "mysql", "sqlite")
    ]
    return [
        *urls,
        {**agency, "otlp": {"endpoint": f"http://me:{secret}@collector"}},
        {**agency, "access_key": secret},
        target(endpoints={"dws": f"https://{secret}@dws"}),
        target(secret_key=secret, project_id=f"{secret} "),
        {"targets": [{f"password:{secret}": 1}]},
        f"targets: [{{credentials: {{password: {secret}, password: {secret}}}}}]",
        f"targets: [{{credentials: {{password:{secret}, password:{secret}}}}}]",
        f"targets:\n - credentials:\n    password: {secret}\n",
    ]


def told(path: Path, case: Case) -> str:
    """All that a load shows, whether it fails or not."""
    path.write_text(case.file if isinstance(case.file, str) else json.dumps(case.file))
    try:
        config = load(path, environ=case.environ, sets=case.sets)
    except ConfigError as error:
        return repr(error) + "".join(traceback.format_exception(error)) + "".join(error.problems)
    return f"{config!r} {masked(config)} {config.origins} {config.warnings} {[*map(str, config.targets)]}"


@settings(max_examples=12, deadline=None)
@given(secret=SECRETS)
def test_no_secret_appears_anywhere(secret: tuple[str, str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "exporter.yaml"
    for case in cases("".join(secret)):
        assert secret[1] not in told(path, case), case


def test_the_content_of_a_secret_file_is_shown_as_its_name(tmp_path: Path) -> None:
    (tmp_path / "sk").write_text("s3cr3t")
    case = Case(target(credentials={"access_key": "s3cr3t", "secret_key_file": "sk"}))
    said = told(tmp_path / "exporter.yaml", case)

    assert "s3cr3t" not in said
    assert f"'secret_key_file': '{tmp_path / 'sk'}'" in said


def test_the_models_themselves_do_not_print_what_they_refuse() -> None:
    with pytest.raises(ValidationError) as caught:
        SourceOptions.model_validate({"poll_interval": ["s3cr3t"], "secret_key": "s3cr3t"})

    assert "s3cr3t" not in str(caught.value)
