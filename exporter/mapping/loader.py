"""Loads mapping files into one pack a source, runs their tests, and finds every fault before anything starts."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from exporter.common.yaml_document import Document, read_document
from exporter.mapping.authoring.run_tests import Record, TestFailure, run_examples
from exporter.mapping.catalogue import BUILTIN
from exporter.mapping.rules import REASON_FIELDS, Example, MappingPack, Rule
from exporter.mapping.syntax.compile_rules import build_rules
from exporter.mapping.syntax.consistency import check_domains, check_lists, check_metrics, check_reach
from exporter.mapping.syntax.context import FileContext
from exporter.mapping.syntax.declarations import own_metrics, read_severity, read_vocab
from exporter.mapping.syntax.embedded_tests import build_examples
from exporter.mapping.syntax.process import Declared, check_processes, check_steps, merge_processes, read_process
from exporter.mapping.syntax.reason_lists import ReadDocument, listed_reasons
from exporter.mapping.syntax.schema import MappingFile, ReasonPart, is_shared, read_mapping, read_shared
from exporter.model.errors import ConfigError
from exporter.model.metrics import SEVERITIES, Metric

BASE_SEVERITY = {
    "info": "info", "normal": "info", "warning": "warning", "abnormal": "warning", "error": "error",
}  # fmt: skip
"""The vendors' own words, case folded, in ours; a word that is not here is ``unclassified``."""


class CheckedFile(NamedTuple):
    """One file after its checks."""

    document: Document
    file: MappingFile
    context: FileContext
    severity: Mapping[str, str]
    metrics: Mapping[str, Metric]
    rules: tuple[Rule, ...]
    process: Declared | None
    examples: tuple[Example, ...]
    reasons: Mapping[str, ReasonPart]


class TestReport(NamedTuple):
    """A file after its tests: how many there are, and what did not hold."""

    name: str
    tests: int
    failures: tuple[TestFailure, ...]


def built_in() -> list[Path]:
    """The packs that come with the exporter: inside an installed package, or beside the code in a checkout."""
    return sorted(_packs().glob("*.yaml"))


def _packs() -> Path:
    here = Path(__file__).resolve().parent.parent
    place = here / "packs"
    return place if place.is_dir() else here.parent / "mappings"


def load(
    files: Sequence[Document],
    fields: Mapping[str, frozenset[str]],
    record: Mapping[str, Record],
    statuses: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> tuple[MappingPack, ...]:
    """One pack a source. Files stand in order of precedence: the user's before the built-in ones.

    ``fields`` lists what each source offers to ``when``; ``record`` reads its raw records, for the tests in the files;
    ``statuses`` are the vendor's states of its resources.
    A rule replaces one with the same id in a later file, at its place; other rules of an earlier file come first.
    Raises ConfigError with every problem found, also of the tests.
    """
    packs, tried = examine(files, fields, record, statuses)
    failed = [failure.line for one in tried for failure in one.failures]
    if failed:
        raise ConfigError(failed)
    return packs


def examine(
    files: Sequence[Document],
    fields: Mapping[str, frozenset[str]],
    record: Mapping[str, Record],
    statuses: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> tuple[tuple[MappingPack, ...], list[TestReport]]:
    """As ``load``, but failing tests are no error: gives back how those of each file went."""
    faults: list[str] = []
    read = cache(read_document)
    sheets = [sheet for document in files if (sheet := _sheet(document, fields, statuses, faults, read))]
    check_metrics([(sheet.context, sheet.metrics) for sheet in sheets], faults)
    by_source: dict[str, list[CheckedFile]] = {}
    for sheet in sheets:
        by_source.setdefault(sheet.file.source, []).append(sheet)
    packs = tuple(_checked(own, faults) for own in by_source.values())
    if faults:
        raise ConfigError(faults)
    return packs, [one for source, own in by_source.items() for one in _tried(own, record[source])]


def _sheet(
    document: Document,
    fields: Mapping[str, frozenset[str]],
    statuses: Mapping[str, tuple[str, ...]],
    faults: list[str],
    read: ReadDocument,
) -> CheckedFile | None:
    context = FileContext(document, faults, "", frozenset(), {}, {})
    if is_shared(document):
        read_shared(document, context.say)
        return None
    file = read_mapping(document, context.say)
    if file is None:
        return None
    if file.source not in fields:
        context.say(("source",), f"no source '{file.source}'; use one of {', '.join(fields)}")
        return None
    metrics = own_metrics(file, context)
    context = FileContext(
        document, faults, file.source, fields[file.source] - {"text"}, read_vocab(file, context), BUILTIN | metrics
    )
    severity = read_severity(file, context)
    rules = tuple(build_rules(file.rules, context))
    process = read_process(file.process, statuses.get(file.source, ()), context)
    examples = tuple(build_examples(file.tests, context))
    reasons = listed_reasons(file, context, read, _packs())
    return CheckedFile(document, file, context, severity, metrics, rules, process, examples, reasons)


def _checked(sheets: Sequence[CheckedFile], faults: list[str]) -> MappingPack:
    """The pack of one source, and what is wrong with its files taken together."""
    for number, sheet in enumerate(sheets):
        _check_disabled(sheet, sheets[number + 1 :])
    check_processes([sheet.process for sheet in sheets if sheet.process])
    pack = _pack(sheets)
    check_lists(pack.rules, faults)
    check_reach(pack.rules, faults)
    check_domains(pack.rules, faults)
    check_steps(pack.rules, pack.process, faults)
    return pack


def _check_disabled(sheet: CheckedFile, later: Sequence[CheckedFile]) -> None:
    known = [rule.id for other in later for rule in other.rules]
    for number, id_ in enumerate(sheet.file.disable):
        if id_ not in known:
            cure = f"use one of {', '.join(known)}" if known else "remove it"
            sheet.context.say(("disable", number), f"no rule '{id_}' stands in a file after this one; {cure}")


def _pack(sheets: Sequence[CheckedFile]) -> MappingPack:
    """The pack of files of one source, in order of precedence."""
    rules: list[Rule] = []
    for sheet in reversed(sheets):
        own = {rule.id: rule for rule in sheet.rules}
        kept = [own.get(rule.id, rule) for rule in rules if rule.id not in sheet.file.disable]
        ids = {rule.id for rule in kept}
        rules = [rule for rule in sheet.rules if rule.id not in ids] + kept
    said = dict(chain.from_iterable(sheet.severity.items() for sheet in reversed(sheets)))
    listed = dict(chain.from_iterable(sheet.reasons.items() for sheet in reversed(sheets)))
    listing = {name: part.severity for name, part in listed.items()}
    rules = [rule._replace(listing=listing) if rule.listed else rule for rule in rules]
    given = set((said or BASE_SEVERITY).values()) | (set() if said else {"unclassified"})
    told = _told(rules).union(*(sheet.file.vocab.get("reason", ()) for sheet in sheets))
    return MappingPack(
        source=sheets[0].file.source,
        rules=tuple(rules),
        severity=BASE_SEVERITY | said,
        severities=tuple(severity for severity in SEVERITIES if severity in given),
        reasons=told.union(*(rule.listing for rule in rules), (rule.reason for rule in rules if rule.reason)),
        told=told,
        metrics={name: metric for sheet in reversed(sheets) for name, metric in sheet.metrics.items()},
        hints=tuple(dict.fromkeys(word for sheet in sheets for word in sheet.file.unmapped.hint_words)),
        examples=tuple(example for sheet in sheets for example in sheet.examples),
        hash=_hash(sheets),
        process=merge_processes([sheet.process for sheet in sheets if sheet.process]),
        worse=next((sheet.file.unmapped.severity for sheet in sheets if sheet.file.unmapped.severity), ""),
        meanings={name: part.means for name, part in listed.items()},
    )


def _told(rules: Sequence[Rule]) -> frozenset[str]:
    """The vendor's reasons that rules ask for."""
    values = (value for rule in rules for field, wanted in rule.when if field in REASON_FIELDS for value in wanted)
    return frozenset(value for value in values if "*" not in value)


def _hash(sheets: Sequence[CheckedFile]) -> str:
    listed = [{name: part.model_dump() for name, part in sheet.reasons.items()} for sheet in sheets]
    text = json.dumps([[sheet.document.data for sheet in sheets], listed], sort_keys=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _tried(sheets: Sequence[CheckedFile], record: Record) -> Iterator[TestReport]:
    """What the tests of each file find. They run against their file and those after it: a file's tests are kept by its
    author, who cannot know what stands before it."""
    for number, sheet in enumerate(sheets):
        pack = _pack(sheets[number:])
        yield TestReport(sheet.document.name, len(sheet.examples), tuple(run_examples(pack, sheet.examples, record)))
