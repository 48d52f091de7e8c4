"""Unreachable rules and possible pairs: the indexes find what comparing all with all finds, in far less work."""

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.mapping.catalogue import list_pairs
from exporter.mapping.loader import BASE_SEVERITY
from exporter.mapping.patterns.capture_types import Value
from exporter.mapping.patterns.dissect import DissectPattern, parse_shape
from exporter.mapping.patterns.regex import parse_pattern
from exporter.mapping.rules import REASON_FIELDS, MappingPack, Rule, Wanted
from exporter.mapping.syntax.reachability import ShapeIndex, covers, find_unreachable, sample_texts
from exporter.model.metrics import OTHER, SEVERITIES

SHAPES = [
    parse_shape(source)
    for source in (
        "Pod {a:word} started", "Pod {a:text} started", "Pod {a:rest}", "{a:text}started", "{a:word} started",
        "Pod started", "{a:rest}", "{a:word}", "{a:text}", "{a:text} of {b:text}", "{a:word} of {b:int} started",
        "[{a:word}] started", "[{a:text}]{b:rest}", "Pod number {a:int} of {b:words} started at last {c:duration}",
        "Pod number {a:num} of {b:text} started at last {c:rest}", "Pod {{a}} started", "{a:quoted} started",
    )
]  # fmt: skip
PATTERNS = [parse_pattern(source) for source in ("Pod .*", "Job .*")]
REASONS = ("A", "AB", "C", "A*", "*B", OTHER)


def rule(
    shapes: Sequence[DissectPattern] = (),
    when: dict[str, set[str]] | None = None,
    severity: str | None = None,
    reason: str | None = None,
    pattern: int | None = None,
) -> Rule:
    fields = tuple((field, Wanted(values)) for field, values in (when or {}).items())
    own = None if pattern is None else PATTERNS[pattern]
    return Rule("", fields, () if own else tuple(shapes), own, (), severity, reason, (), drop=False, place="")


def values(*some: str) -> st.SearchStrategy[set[str]]:
    return st.sets(st.sampled_from(some), min_size=1, max_size=3)


CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "severity": values(*SEVERITIES),
        "reason": values(*REASONS),
        "name": values(*REASONS),
        "kind": values("k1", "k2", "k3"),
    },
)
RULES = st.lists(
    st.builds(
        rule,
        shapes=st.lists(st.sampled_from(SHAPES), max_size=3),
        when=CONDITIONS,
        severity=st.sampled_from([None, *SEVERITIES]),
        reason=st.sampled_from([None, "A", "Own", OTHER]),
        pattern=st.sampled_from([None, None, None, 0, 1]),
    ),
    max_size=8,
)


def takes(earlier: Rule, later: Rule) -> bool:
    """Whether an earlier rule takes all events of a later one, without any index."""
    asked = dict(later.when)
    if not all(field in asked and all(value in values for value in asked[field]) for field, values in earlier.when):
        return False
    if earlier.pattern:
        return later.pattern is not None and later.pattern.source == earlier.pattern.source
    shapes = later.shapes or (parse_shape("{text:rest}"),)
    return not earlier.shapes or all(any(covers(one, shape) for one in earlier.shapes) for shape in shapes)


def compare_all(rules: Sequence[Rule]) -> Iterator[tuple[int, int]]:
    """The numbers of what ``find_unreachable`` must find, by comparing every rule with every earlier one."""
    for later, one in enumerate(rules):
        taker = next((earlier for earlier in range(later) if takes(rules[earlier], one)), None)
        if taker is not None:
            yield taker, later


@given(RULES)
def test_the_index_of_rules_finds_what_comparing_all_pairs_finds(rules: list[Rule]) -> None:
    numbered = [one._replace(id=str(number)) for number, one in enumerate(rules)]
    found = [(int(earlier.id), int(later.id)) for earlier, later in find_unreachable(numbered)]
    assert found == list(compare_all(rules))


@given(st.lists(st.sampled_from(SHAPES)), st.sampled_from(SHAPES), st.integers(0, 5))
def test_the_index_of_shapes_finds_what_comparing_all_shapes_finds(
    shapes: list[DissectPattern], later: DissectPattern, before: int
) -> None:
    index, texts = ShapeIndex(shapes), sample_texts(later)
    assert index.covers(texts) == any(covers(shape, later) for shape in shapes)
    assert index.covers(texts, before) == any(covers(shape, later) for shape in shapes[:before])


def pack(rules: Sequence[Rule]) -> MappingPack:
    asked = {reason for one in rules for field, reasons in one.when if field in REASON_FIELDS for reason in reasons}
    told = {reason for reason in asked if "*" not in reason}
    reasons = told | {one.reason for one in rules if one.reason}
    given = ("info", "warning", "unclassified")
    return MappingPack(
        "demo", tuple(rules), BASE_SEVERITY, given, frozenset(reasons), frozenset(told), {}, (), (), hash=""
    )


def walk_all(one: MappingPack) -> set[tuple[str, str]]:
    """The pairs that a pack can give, by walking all its rules for every reason; ``None`` is one that no rule names."""
    found = {(severity, OTHER) for severity in one.severities}
    for severity in one.severities:
        for sent in (*one.vendor_reasons, None):
            for rule_ in one.rules:
                asked = dict(rule_.when)
                reasons = [asked.pop(field) for field in REASON_FIELDS if field in asked]
                may = all(sent in some or (sent is None and some.starred) for some in reasons)
                if severity in asked.pop("severity", (severity,)) and may:
                    found.add((rule_.severity or severity, rule_.reason or sent or OTHER))
                    if not rule_.textual and not asked and all(sent in some for some in reasons):
                        break
            else:
                found.add((severity, sent or OTHER))
    return found


@given(RULES)
def test_the_pairs_of_a_pack_are_those_that_walking_all_its_rules_finds(rules: list[Rule]) -> None:
    assert list_pairs(pack(rules)) == walk_all(pack(rules))


def counting(shape: DissectPattern, calls: Counter[str]) -> DissectPattern:
    class Counting(DissectPattern):
        def fit(self, text: str) -> tuple[Value, ...] | None:
            calls["fit"] += 1
            return super().fit(text)

    return Counting(*shape)


@pytest.mark.parametrize(
    "form",
    [
        "Thing number {n} of {{name:word}} changed to {{to:rest}}",
        "{{name:text}} changed {n} times to {{to:rest}}",
        "{{name:text}} of {{other:text}} changed {n} times",
    ],
)
@pytest.mark.parametrize("number", [100, 800])
def test_the_work_of_a_check_grows_no_faster_than_the_rules(form: str, number: int) -> None:
    calls: Counter[str] = Counter()
    shapes = [counting(parse_shape(form.format(n=10_000 + n)), calls) for n in range(number)]
    assert not list(find_unreachable([rule([shape]) for shape in shapes]))
    assert calls["fit"] <= 10 * number
    calls.clear()
    index = ShapeIndex(shapes)
    assert not any(index.covers(sample_texts(shape), before=n) for n, shape in enumerate(shapes))
    assert calls["fit"] <= 10 * number
