"""Checks across values: names given twice, targets without a source, mapping files that do not exist."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple

from exporter.common.yaml_document import KeyPath
from exporter.config.problems import Problem, ValueOrigin, nearest
from exporter.sources import SOURCES
from exporter.store.postgresql.url import SCHEMES

_EXAMPLE = "targets: [{name: research, platform: huaweicloud, region: cn-north-4, sources: {dws: {}}}]"


class MappingFiles(NamedTuple):
    """Existing mapping files in order, each with the index of the entry that named it; problems; warnings; all entries."""

    files: dict[Path, int]
    problems: list[Problem]
    warnings: list[Problem]
    entries: list[Path]


def check_targets(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Require at least one target, each with a name of its own and at least one source."""
    targets = data.get("targets")
    if targets is None or targets == []:
        yield Problem(("targets",), f"no target is configured; write for example {_EXAMPLE}")
    names: dict[str, int] = {}
    for index, target in each_target(data):
        first = names.setdefault(str(target.get("name")), index)
        if first != index and target.get("name") is not None:
            yield Problem(("targets", index, "name"), f"targets[{first}] has this name too; give each its own")
        if target.get("sources") in (None, {}):
            yield Problem(
                ("targets", index, "sources"), f"no source is configured; write for example {_source(target)}"
            )


def password_on_command_line(data: Mapping[str, Any], origins: Mapping[KeyPath, ValueOrigin]) -> Iterator[Problem]:
    """Refuse a database URL with a password on the command line, where every process can read it."""
    store, origin = data.get("store"), origins.get(("store",))
    if isinstance(store, str) and origin and origin.kind == "--set" and ":" in _login_of(store):
        yield Problem(
            ("store",), "does not belong on a command line, which every process can read; use the environment"
        )


def _login_of(url: str) -> str:
    """Return what stands before the hosts of a database URL."""
    return url.partition("://")[2].partition("/")[0].rpartition("@")[0]


def password_of_a_file(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Refuse a password that no state file has."""
    store = data.get("store")
    if isinstance(store, str) and store.partition("://")[0].lower() in SCHEMES:
        return
    if data.get("store_password_file") is not None:
        words = "belongs to store: postgresql://user@host/database; leave it away"
        yield Problem(("store_password_file",), words)


def each_target(data: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the targets that are mappings, with their index."""
    targets = data.get("targets")
    for index, target in enumerate(targets if isinstance(targets, list) else ()):
        if isinstance(target, dict):
            yield index, target


def _source(target: Mapping[str, Any]) -> str:
    name = next((name for name, kind in SOURCES.items() if kind.platform == target.get("platform")), "dws")
    return f"sources: {{{name}: {{}}}}"


def find_mappings(entries: Any, folder: Path) -> MappingFiles:
    """Find the files that ``mappings`` names, relative to ``folder``.

    A missing file is a problem, a glob without a match is a warning.
    """
    found = MappingFiles({}, [], [], [])
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if not isinstance(entry, str) or not entry:
            continue
        found.entries.append(folder / entry)
        files, place = matches(folder / entry), ("mappings", index)
        found.files.update({file: index for file in files if file not in found.files})
        if not files and any(sign in entry for sign in "*?["):
            found.warnings.append(Problem(place, "matches no file"))
        elif not files:
            found.problems.append(Problem(place, "is no file; correct the path, write FOLDER/*.yaml, or remove it"))
    return found


def matches(path: Path) -> list[Path]:
    """Return the file at this path, else the files that the path matches as a glob."""
    with suppress(OSError, ValueError):  # a name that no file can have
        if path.is_file():
            return [path]
    found = (Path(name) for name in glob(str(path), recursive=True))  # noqa: PTH207  the pattern may be absolute
    return sorted(file for file in found if file.is_file())


def unknown_statuses(path: KeyPath, source: str, statuses: tuple[str, ...]) -> Iterator[Problem]:
    """Warn of each status that the source is not known to have.

    It is no error: vendors have more states than they document.
    """
    known = SOURCES[source].statuses
    for index, status in enumerate(statuses):
        if known and status.casefold() not in {word.casefold() for word in known}:
            near = nearest(status, known)
            hint = f"did you mean '{near}'?" if near else f"known are {', '.join(known)}"
            yield Problem((*path, index), f"is no status that {source} is known to have; {hint}")
