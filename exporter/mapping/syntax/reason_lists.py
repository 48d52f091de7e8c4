"""Lists of reasons: those of a mapping file and of the files that it includes."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from exporter.common.yaml_document import Document
from exporter.mapping.syntax.context import FileContext
from exporter.mapping.syntax.schema import MappingFile, ReasonPart, read_shared
from exporter.model.errors import ConfigError

ReadDocument = Callable[[Path], Document]


def read_reasons(
    file: MappingFile, context: FileContext, read: ReadDocument, built_in: Path
) -> Mapping[str, ReasonPart]:
    """Read the reasons that a file lists and includes.

    What the file lists wins over what it includes, an earlier list over a later one. A file to include is looked for
    beside the file, then in the directory ``built_in``.
    """
    reasons: dict[str, ReasonPart] = {}
    for listed in reversed([*_included(file, context, read, built_in)]):
        reasons |= listed
    return reasons | file.reasons


def included_files(path: Path, read: ReadDocument, built_in: Path) -> tuple[Path, ...]:
    """Return the places of the files that a mapping file includes, whether a file is there or not.

    There are none if the mapping file cannot be read, or if what it includes is no list of names.
    """
    try:
        data = read(path).data
    except ConfigError:
        return ()
    names = data.get("include") if isinstance(data, dict) else None
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list):
        return ()
    return tuple(place for name in names if isinstance(name, str) for place in _places(path, name, built_in))


def _places(path: Path, name: str, built_in: Path) -> tuple[Path, Path]:
    """Return where a file is looked for that a mapping file includes: beside it, then among the built-in ones."""
    return path.parent / name, built_in / name


def _included(
    file: MappingFile, context: FileContext, read: ReadDocument, built_in: Path
) -> Iterator[Mapping[str, ReasonPart]]:
    for number, name in enumerate(file.include):
        path = next((place for place in _places(Path(context.document.name), name, built_in) if place.is_file()), None)
        if path is None:
            context.add_fault(
                ("include", number), f"no file '{name}' beside this one or the built-in ones; correct the name"
            )
            continue
        try:
            document = read(path)
        except ConfigError as error:
            context.faults.extend(error.problems)
            continue
        shared = read_shared(document, context._replace(document=document).add_fault)
        if shared is not None:
            yield shared.reasons
