"""Loading of mapping files: one pack a source, checked and tested.

Every fault is found before anything starts: of form, of meaning, between files, and by the tests in the files.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from exporter.common.yaml_document import Document, read_document
from exporter.mapping.authoring.run_tests import Record, TestFailure, run_examples
from exporter.mapping.rules import REASON_FIELDS, Example, MappingPack, Rule
from exporter.mapping.syntax.compile_rules import build_rules
from exporter.mapping.syntax.consistency import check_domains, check_lists, check_metrics, check_reach
from exporter.mapping.syntax.context import FileContext
from exporter.mapping.syntax.declarations import own_metrics, read_severity, read_vocab
from exporter.mapping.syntax.embedded_tests import build_examples
from exporter.mapping.syntax.process import Declared, check_processes, check_steps, merge_processes, read_process
from exporter.mapping.syntax.reason_lists import ReadDocument, included_files, read_reasons
from exporter.mapping.syntax.schema import MappingFile, ReasonPart, is_shared, read_mapping, read_shared
from exporter.model.builtin_metrics import BUILTIN
from exporter.model.errors import ConfigError
from exporter.model.metrics import SEVERITIES, UNCLASSIFIED, Metric, Severity

BASE_SEVERITY: dict[str, Severity] = {
    "info": "info", "normal": "info", "warning": "warning", "abnormal": "warning", "error": "error",
}  # fmt: skip
"""The vendors' own words, case folded, in ours.

Any other word is ``unclassified``.
"""


class CheckedFile(NamedTuple):
    """One mapping file after its checks."""

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
    """The result of the tests in one file: how many there are, and which failed."""

    name: str
    tests: int
    failures: tuple[TestFailure, ...]


def built_in() -> list[Path]:
    """List the built-in packs.

    They lie inside an installed package, and beside the code in a checkout.
    """
    return sorted(_packs().glob("*.yaml"))


def included_by(path: Path) -> tuple[Path, ...]:
    """Return the places of the files that a mapping file includes, whether a file is there or not."""
    return included_files(path, read_document, _packs())


def _packs() -> Path:
    """Return the directory of the built-in packs."""
    here = Path(__file__).resolve().parent.parent
    place = here / "packs"
    return place if place.is_dir() else here.parent / "mappings"


def load(
    files: Sequence[Document],
    fields: Mapping[str, frozenset[str]],
    record: Mapping[str, Record],
    statuses: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> tuple[MappingPack, ...]:
    """Load mapping files into one pack a source.

    Files stand in order of precedence: the user's before the built-in ones. A rule replaces one with the same id in a
    later file, at its place; other rules of an earlier file come first. ``fields`` lists what each source offers to
    ``when``; ``record`` reads its raw records, for the tests in the files; ``statuses`` are the vendor's states of its
    resources. Raises ConfigError with every problem found, also of the tests.
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
    untested: Collection[str] = (),
) -> tuple[tuple[MappingPack, ...], list[TestReport]]:
    """Load mapping files and report how the tests of each went.

    As ``load``, but a failing test is no error. ``untested`` are names of files whose tests are not run.
    """
    faults: list[str] = []
    read = cache(read_document)
    checked = [one for document in files if (one := _check_file(document, fields, statuses, faults, read))]
    check_metrics([(one.context, one.metrics) for one in checked], faults)
    by_source: dict[str, list[CheckedFile]] = {}
    for one in checked:
        by_source.setdefault(one.file.source, []).append(one)
    packs = tuple(_build_checked_pack(own, faults) for own in by_source.values())
    if faults:
        raise ConfigError(faults)
    return packs, [one for source, own in by_source.items() for one in _run_tests(own, record[source], untested)]


def _check_file(
    document: Document,
    fields: Mapping[str, frozenset[str]],
    statuses: Mapping[str, tuple[str, ...]],
    faults: list[str],
    read: ReadDocument,
) -> CheckedFile | None:
    """Check one file; ``None`` if its form or its source is wrong."""

    context = FileContext(document, faults, "", frozenset(), {}, {})
    if is_shared(document):
        read_shared(document, context.add_fault)
        return None
    file = read_mapping(document, context.add_fault)
    if file is None:
        return None
    if file.source not in fields:
        context.add_fault(("source",), f"no source '{file.source}'; use one of {', '.join(fields)}")
        return None
    metrics = own_metrics(file, context)
    context = FileContext(
        document, faults, file.source, fields[file.source] - {"text"}, read_vocab(file, context), BUILTIN | metrics
    )
    severity = read_severity(file, context)
    rules = tuple(build_rules(file.rules, context))
    process = read_process(file.process, statuses.get(file.source, ()), context)
    examples = tuple(build_examples(file.tests, context))
    reasons = read_reasons(file, context, read, _packs())
    return CheckedFile(document, file, context, severity, metrics, rules, process, examples, reasons)


def _build_checked_pack(checked: Sequence[CheckedFile], faults: list[str]) -> MappingPack:
    """Build the pack of one source and check its files against each other."""
    for number, one in enumerate(checked):
        _check_disabled(one, checked[number + 1 :])
    check_processes([one.process for one in checked if one.process])
    pack = _merge(checked)
    check_lists(pack.rules, faults)
    check_reach(pack.rules, faults)
    check_domains(pack.rules, faults)
    check_steps(pack.rules, pack.process, faults)
    return pack


def _check_disabled(one: CheckedFile, later: Sequence[CheckedFile]) -> None:
    known = dict.fromkeys(rule.id for other in later for rule in other.rules)
    for number, id_ in enumerate(one.file.disable):
        if id_ not in known:
            cure = f"use one of {', '.join(known)}" if known else "remove it"
            one.context.add_fault(("disable", number), f"no rule '{id_}' stands in a file after this one; {cure}")


def _merge(checked: Sequence[CheckedFile]) -> MappingPack:
    """Merge the files of one source, which stand in order of precedence."""
    rules: list[Rule] = []
    for one in reversed(checked):
        own = {rule.id: rule for rule in one.rules}
        disabled = frozenset(one.file.disable)
        kept = [own.get(rule.id, rule) for rule in rules if rule.id not in disabled]
        ids = {rule.id for rule in kept}
        rules = [rule for rule in one.rules if rule.id not in ids] + kept
    own_severity = dict(chain.from_iterable(one.severity.items() for one in reversed(checked)))
    listed = dict(chain.from_iterable(one.reasons.items() for one in reversed(checked)))
    listing = {name: part.severity for name, part in listed.items()}
    rules = [rule._replace(listing=listing) if rule.listed else rule for rule in rules]
    given = set((own_severity or BASE_SEVERITY).values()) | (set() if own_severity else {UNCLASSIFIED})
    sent = _vendor_reasons(rules).union(*(one.file.vocab.get("reason", ()) for one in checked))
    return MappingPack(
        source=checked[0].file.source,
        rules=tuple(rules),
        severity=BASE_SEVERITY | own_severity,
        severities=tuple(severity for severity in SEVERITIES if severity in given),
        reasons=sent.union(*(rule.listing for rule in rules), (rule.reason for rule in rules if rule.reason)),
        vendor_reasons=sent,
        metrics={name: metric for one in reversed(checked) for name, metric in one.metrics.items()},
        hints=tuple(dict.fromkeys(word.casefold() for one in checked for word in one.file.unmapped.hint_words)),
        examples=tuple(example for one in checked for example in one.examples),
        hash=_hash(checked),
        process=merge_processes([one.process for one in checked if one.process]),
        worse=next((one.file.unmapped.severity for one in checked if one.file.unmapped.severity), ""),
        meanings={name: part.means for name, part in listed.items()},
    )


def _vendor_reasons(rules: Sequence[Rule]) -> frozenset[str]:
    """List the vendor's reasons that rules ask for, without those that have a star."""
    asked = (values for rule in rules for field, values in rule.when if field in REASON_FIELDS)
    return frozenset().union(*(values - values.starred for values in asked))


def _hash(checked: Sequence[CheckedFile]) -> str:
    listed = [{name: part.model_dump() for name, part in one.reasons.items()} for one in checked]
    text = json.dumps([[one.document.data for one in checked], listed], sort_keys=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _run_tests(checked: Sequence[CheckedFile], record: Record, untested: Collection[str]) -> Iterator[TestReport]:
    """Run the tests of each file.

    They run against their file and those after it: the author of a file cannot know what stands before it.
    """
    for number, one in enumerate(checked):
        if one.document.name in untested:
            continue
        pack = _merge(checked[number:])
        yield TestReport(one.document.name, len(one.examples), tuple(run_examples(pack, one.examples, record)))
