"""Reads the mapping packs: the user's files and the built-in ones of the sources that need them."""

from collections.abc import Collection, Iterable
from pathlib import Path

from exporter.common.yaml_document import Document, read_document
from exporter.config import Config
from exporter.mapping.loader import TestReport, built_in, examine
from exporter.mapping.rules import MappingPack
from exporter.model.errors import ConfigError
from exporter.sources import SOURCES


def read_packs(config: Config) -> tuple[MappingPack, ...]:
    """Read the user's mapping files, with their tests, and the built-in packs of their sources and the watched ones.

    A pack takes memory and a start takes time for it, so those of other sources are left out. The tests of the built-in
    packs depend on no other file; to run them took as long as all else of this. Raises ConfigError.
    """
    watched = {source for target in config.targets for source in target.sources}
    untested = [str(path) for path in built_in()]
    packs, reports = examine_packs(config.mapping_files, watched, untested)
    if failed := [failure.line for report in reports for failure in report.failures]:
        raise ConfigError(failed)
    return packs


def examine_packs(
    paths: Iterable[Path], sources: Collection[str] = SOURCES.keys(), untested: Collection[str] = ()
) -> tuple[tuple[MappingPack, ...], list[TestReport]]:
    """Read mapping files, and after them the built-in packs; return also how the tests of each file went.

    The built-in packs are those of ``sources`` and of the sources of the files. ``untested`` names files whose tests
    are not run. Raises ConfigError with every problem but a failing test.
    """
    fields = {name: kind.fields for name, kind in SOURCES.items()}
    records = {name: kind.record for name, kind in SOURCES.items()}
    statuses = {name: kind.statuses for name, kind in SOURCES.items()}
    return examine(_documents(paths, sources), fields, records, statuses, untested)


def _documents(paths: Iterable[Path], sources: Collection[str]) -> list[Document]:
    problems: list[str] = []
    own = _read(paths, problems)
    needed = {*sources, *(_source(document) for document in own)}
    built = _read([path for path in built_in() if path.stem in needed], problems)
    if problems:
        raise ConfigError(problems)
    return own + built


def _read(paths: Iterable[Path], problems: list[str]) -> list[Document]:
    documents: list[Document] = []
    for path in paths:
        try:
            documents.append(read_document(path))
        except ConfigError as error:
            problems.extend(error.problems)
    return documents


def _source(document: Document) -> str:
    """Return the source that a file says it is for, whatever else may be wrong with it."""
    source = document.data.get("source") if isinstance(document.data, dict) else None
    return source if isinstance(source, str) else ""
