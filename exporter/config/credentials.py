"""Turns the ``credentials`` of a target into a login; problems name keys and never show a value."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from exporter.auth import FORMS, OIDC, Form, Login, login_from_environment
from exporter.common.secret import Secret
from exporter.common.yaml_document import Path_
from exporter.config.problems import Problem, ValueOrigin, origin_of
from exporter.model.errors import SourceDenied

VARIABLES = {
    "huaweicloud": "HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK",
    "alibabacloud": "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET",
}
"""Environment variables to name where a target has no ``credentials``; the vendors' SDKs know more."""


class CredentialsPlace(NamedTuple):
    """The path of the credentials, the origin of each value, and the folder of relative file names."""

    path: Path_
    origins: Mapping[Path_, ValueOrigin]
    folder: Path


class FoundCredentials(NamedTuple):
    """A login, its keys as they may be shown (asterisks and file names), and the problems found."""

    login: Login | None
    shown: dict[str, Any]
    problems: list[Problem]


class _Value(NamedTuple):
    key: str
    secret: Secret
    shown: str


def find_login(
    platform: str, given: Mapping[str, Any], place: CredentialsPlace, environ: Mapping[str, str]
) -> FoundCredentials:
    """Find the one login that ``given`` describes.

    Where ``given`` is empty, the vendor's own environment variables are read.
    """
    if not given:
        return _from_environment(platform, place, environ)
    forms = {name: (*form.required, *form.optional) for name, form in FORMS[platform].items()}
    used = {name: [key for key in given if {key, key.removesuffix("_file")} & {*keys}] for name, keys in forms.items()}
    used = {name: keys for name, keys in used.items() if keys}
    if len(used) > 1:
        mixed = " with ".join(", ".join(keys) for keys in used.values())
        return FoundCredentials(None, {}, [Problem(place.path, f"mix {mixed}; keep the keys of one login")])
    if not used:
        return FoundCredentials(None, {}, [])  # only unknown keys, which are named elsewhere
    return _read(next(iter(used)), platform, given, place)


def _from_environment(platform: str, place: CredentialsPlace, environ: Mapping[str, str]) -> FoundCredentials:
    login = login_from_environment(platform, environ)
    if login is None:
        return FoundCredentials(
            None, {}, [Problem(place.path, f"are missing; write them, or set {VARIABLES[platform]}")]
        )
    return FoundCredentials(login, dict.fromkeys((*login.values, *login.options), "***"), [])


def _read(name: str, platform: str, given: Mapping[str, Any], place: CredentialsPlace) -> FoundCredentials:
    if name == "metadata":
        wrong = Problem((*place.path, name), "is a switch; write true, or remove the key")
        return FoundCredentials(Login(name), {name: True}, [] if str(given.get(name)).lower() == "true" else [wrong])
    if name == "oidc":
        return _oidc(OIDC[platform], given.get(name), place._replace(path=(*place.path, name)))
    values, problems = _values(FORMS[platform][name], given, place)
    shown = {value.key: value.shown for value in values.values()}
    if name == "ecs_role":
        return FoundCredentials(Login(name, {}, _options(values)), shown, problems)
    return FoundCredentials(Login(name, {key: value.secret for key, value in values.items()}), shown, problems)


def _oidc(form: Form, given: Any, place: CredentialsPlace) -> FoundCredentials:
    if not isinstance(given, dict):
        return FoundCredentials(None, {}, [Problem(place.path, "must be a mapping of keys to values")])
    values, problems = _values(form, given, place)
    shown = {value.key: value.shown for value in values.values()}
    return FoundCredentials(Login("oidc", {}, _options(values)), {"oidc": shown}, problems)


def _options(values: Mapping[str, _Value]) -> dict[str, str]:
    return {key: value.shown if key.endswith("_file") else value.secret.reveal() for key, value in values.items()}


def _values(form: Form, given: Mapping[str, Any], place: CredentialsPlace) -> tuple[dict[str, _Value], list[Problem]]:
    found = {key: _value(key, given, place) for key in (*form.required, *form.optional)}
    problems = [value for value in found.values() if isinstance(value, Problem)]
    strange = given.keys() - {name for key in found for name in (key, f"{key}_file")}
    for key in form.required:
        if found[key] is None and not strange:  # a misspelt key is named elsewhere
            needed = f"is missing; this login needs {', '.join(form.required)}"
            problems.append(Problem((*place.path, key), f"{needed} (in a file: {key.removesuffix('_file')}_file)"))
    return {key: value for key, value in found.items() if isinstance(value, _Value)}, problems


def _value(key: str, given: Mapping[str, Any], place: CredentialsPlace) -> _Value | Problem | None:
    names = [name for name in (key, f"{key}_file") if name in given]
    if not names:
        return None
    name, value, path = names[-1], given[names[-1]], (*place.path, names[-1])
    if len(names) > 1:
        return Problem(path, f"stands beside {key}; keep one of the two")
    if not isinstance(value, str):
        return Problem(path, "has no value; write one" if value is None else "must be text; put it in quotes")
    if not name.endswith("_file") and origin_of(path, place.origins).kind == "--set":
        return Problem(path, f"does not belong on a command line, which every process can read; set {name}_file")
    return _checked(name, key, value, place)


def _checked(name: str, key: str, value: str, place: CredentialsPlace) -> _Value | Problem:
    file = place.folder / value if name.endswith("_file") else None
    if file and not value.isprintable():
        return Problem((*place.path, name), "is not a path; write the name of a file")
    secret = Secret(path=file) if file else Secret(value.strip())
    try:
        Login("", {key: secret}).reveal(key)
    except SourceDenied as error:
        # Not even the name of a file that is not there: it may be the secret itself, put under the wrong key.
        said = str(error).removeprefix(f"credentials.{key}: ").removeprefix(f"{file}: ")
        return Problem((*place.path, name), said)
    return _Value(name, secret, str(file) if file else "***")
