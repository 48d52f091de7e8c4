"""Finds what no single value shows: doubled names, nothing to watch, mapping files not there; changes nothing."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple

from exporter.common.yaml_document import Path_
from exporter.config.problems import Problem, ValueOrigin, nearest
from exporter.sources import SOURCES

_EXAMPLE = "targets: [{name: research, platform: huaweicloud, region: cn-north-4, sources: {dws: {}}}]"


class MappingFiles(NamedTuple):
    """Existing files in order, each with the entry that named it; what is wrong; what may be; all entries."""

    files: dict[Path, int]
    problems: list[Problem]
    warnings: list[Problem]
    entries: list[Path]


def check_targets(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Targets there must be, each with a name of its own and something to watch."""
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


def spoken_password(data: Mapping[str, Any], origins: Mapping[Path_, ValueOrigin]) -> Iterator[Problem]:
    """A database URL with a password must not come from the command line."""
    store, origin = data.get("store"), origins.get(("store",))
    if isinstance(store, str) and "://" in store and "@" in store and origin and origin.kind == "--set":
        yield Problem(
            ("store",), "does not belong on a command line, which every process can read; use the environment"
        )


def each_target(data: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The targets that are mappings, with their index."""
    targets = data.get("targets")
    for index, target in enumerate(targets if isinstance(targets, list) else ()):
        if isinstance(target, dict):
            yield index, target


def _source(target: Mapping[str, Any]) -> str:
    name = next((name for name, kind in SOURCES.items() if kind.platform == target.get("platform")), "dws")
    return f"sources: {{{name}: {{}}}}"


def find_mappings(entries: Any, folder: Path) -> MappingFiles:
    """The files that ``mappings`` names, from ``folder`` on: a missing file is an error, an empty glob a warning."""
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
    """The file of this path, else the files that it matches as a glob."""
    with suppress(OSError, ValueError):  # a name that no file can have
        if path.is_file():
            return [path]
    found = (Path(name) for name in glob(str(path), recursive=True))  # noqa: PTH207  the pattern may be absolute
    return sorted(file for file in found if file.is_file())


def unheard_statuses(path: Path_, source: str, statuses: tuple[str, ...]) -> Iterator[Problem]:
    """A warning for each status that the source is not known to have; vendors have more words than they document."""
    known = SOURCES[source].statuses
    for index, status in enumerate(statuses):
        if known and status.casefold() not in {word.casefold() for word in known}:
            near = nearest(status, known)
            hint = f"did you mean '{near}'?" if near else f"known are {', '.join(known)}"
            yield Problem((*path, index), f"is no status that {source} is known to have; {hint}")
