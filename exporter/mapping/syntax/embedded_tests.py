"""Reads the tests of a mapping file: their records, the rule they name, and the lines of what must come out."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from exporter.common.yaml_document import Path_
from exporter.mapping.rules import Example, Expectation
from exporter.mapping.syntax.context import FileContext
from exporter.mapping.syntax.schema import ExamplePart
from exporter.model.metrics import Metric

_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s+(\+?)(-?[0-9]+(?:\.[0-9]+)?)")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"\s*(?:,|\Z)')
_ESCAPED = re.compile(r"\\(.)")
OPEN = "open"
_ENDINGS = ("_count", "_sum")


def build_examples(parts: list[ExamplePart], context: FileContext) -> Iterator[Example]:
    """The tests of a file; notes every fault."""
    for number, part in enumerate(parts):
        path: Path_ = ("tests", number)
        single = "event" in part.model_fields_set
        _check(part, single, path, context)
        yield Example(
            part.name,
            (part.event,) if single else tuple(part.sequence),
            single,
            part.rule,
            tuple(_expectations(part.expect, (*path, "expect"), context)),
            context.document.where(path),
            tuple(_phases(part, path, context)),
        )


def _phases(part: ExamplePart, path: Path_, context: FileContext) -> Iterator[tuple[str, float | str]]:
    for name, value in part.expect_phases.items():
        if isinstance(value, str) and value != OPEN:
            context.say((*path, "expect_phases", name), f"'{value}' is no length; write seconds, or {OPEN}")
        yield name, value


def _check(part: ExamplePart, single: bool, path: Path_, context: FileContext) -> None:
    if single == bool(part.sequence):
        context.say(path, "a test has one 'event' or a 'sequence'; write exactly one of the two")
    elif single and "rule" not in part.model_fields_set:
        context.say(path, "says no rule; add 'rule: …' with the id that takes the event, or 'rule: null'")
    elif not single and "rule" in part.model_fields_set:
        context.say((*path, "rule"), "a sequence has no single rule; remove it")
    elif not single and not part.expect and not part.expect_phases:
        context.say(path, "expects nothing; add lines under 'expect'")


def _expectations(lines: list[str], path: Path_, context: FileContext) -> Iterator[Expectation]:
    for number, line in enumerate(lines):
        place = (*path, number)
        found = _LINE.fullmatch(line.strip())
        labels = _labels(found[2] or "") if found else None
        if found is None or labels is None:
            context.say(place, "cannot be read; write 'metric{label=\"value\"} 1', or +1 for growth")
            continue
        metric = _metric(found[1], context.metrics)
        if metric is None:
            near = get_close_matches(found[1], context.metrics, n=1)
            context.say(
                place, f"no metric '{found[1]}'; {f'write {near[0]}' if near else 'name one that a rule can write'}"
            )
            continue
        unknown = [name for name, _ in labels if name not in metric.labels]
        if unknown:
            known = ", ".join(metric.labels)
            context.say(place, f"{metric.name} has no label '{unknown[0]}'; use one of {known}")
        _check_sign(metric, bool(found[3]), place, context)
        yield Expectation(found[1], labels, float(found[4]), line, context.document.where(place))


def _check_sign(metric: Metric, grows: bool, path: Path_, context: FileContext) -> None:
    if grows != (metric.kind in ("counter", "histogram")):
        cure = "write what it is, such as 1" if grows else "write how much it grows, such as +1"
        context.say(path, f"{metric.name} is a {metric.kind}; {cure}")


def _labels(text: str) -> tuple[tuple[str, str], ...] | None:
    found, at = list[tuple[str, str]](), 0
    while at < len(text):
        label = _LABEL.match(text, at)
        if label is None:
            return None
        found.append((label[1], _ESCAPED.sub(lambda char: "\n" if char[1] == "n" else char[1], label[2])))
        at = label.end()
    return tuple(found)


def _metric(name: str, metrics: Mapping[str, Metric]) -> Metric | None:
    """The metric of that name; a histogram is seen through its count and sum."""
    ending = next((ending for ending in _ENDINGS if name.endswith(ending)), None)
    metric = metrics.get(name.removesuffix(ending) if ending else name)
    return metric if metric and (metric.kind == "histogram") == bool(ending) else None
