"""Loads the configuration: file, environment and ``--set`` become one checked value, or every problem at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from exporter.auth import FORMS
from exporter.config.build import build
from exporter.config.check import (
    check_targets,
    each_target,
    find_mappings,
    password_of_a_file,
    password_on_command_line,
)
from exporter.config.credentials import CredentialsPlace, FoundCredentials, find_login
from exporter.config.merge import Tree, gather, lay
from exporter.config.messages import problems_of
from exporter.config.models import Config, WrittenConfig
from exporter.config.otlp import complete, headers_on_command_line
from exporter.config.overrides import Override, from_command_line, from_environment
from exporter.config.problems import Problem, ValueOrigin, lines
from exporter.config.schema import json_schema
from exporter.config.secrets_dir import lay_secrets
from exporter.config.unknown_keys import find_unknown_keys, known_paths
from exporter.model.errors import ConfigError
from exporter.web.security.web_config import read_web_config

_PROJECT = "HUAWEICLOUD_SDK_PROJECT_ID"


def load(path: Path | None, *, environ: Mapping[str, str], sets: Sequence[str]) -> Config:
    """Load a file (if any), the secrets directory over it, the environment over both, and ``--set KEY=VALUE`` over all.

    Relative file names start from the folder of the file; without a file, from the working directory. Raises
    ConfigError with all problems at once, one line each; no line shows a secret.
    """
    schema = json_schema()
    known = list(known_paths(schema))
    tree = gather(path, (*from_environment(environ, known), *from_command_line(sets)))
    folder = path.parent if path else Path()
    lay_secrets(tree, folder, known)
    _adopt_project(tree, environ)
    found = _logins(tree, folder, environ)
    files = find_mappings(tree.data.get("mappings"), folder)
    written, problems = _validated(tree, folder)
    problems += [*find_unknown_keys(tree.data, schema), *check_targets(tree.data), *password_of_a_file(tree.data)]
    problems += [*password_on_command_line(tree.data, tree.origins), *headers_on_command_line(tree.origins)]
    delivery = complete(written.otlp if written else None, environ)
    problems += [
        *tree.problems,
        *files.problems,
        *delivery.problems,
        *(problem for each in found.values() for problem in each.problems),
    ]
    told = [*lines(problems, tree.origins), *_web_file(written)]
    if told or written is None:
        raise ConfigError(told)
    return build(written, found, files, delivery, tree)


def _validated(tree: Tree, folder: Path) -> tuple[WrittenConfig | None, list[Problem]]:
    try:
        return WrittenConfig.read(tree.data, folder), []
    except ValidationError as error:
        return None, problems_of(error)


def _web_file(written: WrittenConfig | None) -> Sequence[str]:
    """Return the problems of the web configuration file, as whole lines."""
    if written is None or written.web.config_file is None:
        return ()
    try:
        read_web_config(written.web.config_file)
    except ConfigError as error:
        return error.problems
    return ()


def _logins(tree: Tree, folder: Path, environ: Mapping[str, str]) -> dict[int, FoundCredentials]:
    found: dict[int, FoundCredentials] = {}
    for index, target in each_target(tree.data):
        given, platform = target.get("credentials") or {}, target.get("platform")
        if isinstance(given, dict) and isinstance(platform, str) and platform in FORMS:
            place = CredentialsPlace(("targets", index, "credentials"), tree.origins, folder)
            found[index] = find_login(platform, given, place, environ)
    return found


def _adopt_project(tree: Tree, environ: Mapping[str, str]) -> None:
    """Take the project of Huawei Cloud's SDK variable for the only target of that platform.

    The variable belongs to the SDK's keys: it applies only where the target has neither credentials nor a project.
    """
    targets = [(index, target) for index, target in each_target(tree.data) if target.get("platform") == "huaweicloud"]
    if len(targets) != 1 or not environ.get(_PROJECT):
        return
    index, target = targets[0]
    if not target.get("credentials") and target.get("project_id") is None:
        path = ("targets", index, "project_id")
        lay(tree, Override(path, environ[_PROJECT], ValueOrigin("environment", _PROJECT, 0, path)))
