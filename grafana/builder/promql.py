"""Reads an expression and finds what it names that does not exist, and the labels of its result. Pure."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import promql_parser as parser

from grafana.builder.vocabulary import Vocabulary, nearest

Labels = frozenset[str]
SCALAR: Labels | None = None
OWN = frozenset(
    {"target", "source", "job", "instance", "cluster", "namespace"}
)  # what every metric of a user's own has
_WORD = re.compile(r"[\w ]+")
_SETS = {"and", "unless", "or"}
_COMPARISONS = {"==", "!=", ">", "<", ">=", "<="}
Say = Callable[[str], None]


def result_labels(expr: str, vocabulary: Vocabulary, say: Say) -> Labels:
    """The labels that the series of its result can have. ``say`` hears of every fault."""
    try:
        tree = parser.parse(expr)
    except ValueError as error:
        say(f"cannot be read: {error}")
        return frozenset()
    return _Reading(vocabulary, say).of(tree) or frozenset()


class _Reading:
    """Walks one expression."""

    def __init__(self, vocabulary: Vocabulary, say: Say) -> None:
        self._known, self._say = vocabulary, say

    def of(self, node: Any) -> Labels | None:
        """The labels of a part's result; ``None`` of a number or text."""
        match node:
            case parser.VectorSelector():
                return self._selected(node)
            case parser.MatrixSelector():
                return self._selected(node.vector_selector)
            case parser.AggregateExpr():
                return self._aggregated(node)
            case parser.BinaryExpr():
                return self._joined(node)
            case parser.Call():
                return self._called(node)
            case parser.ParenExpr() | parser.SubqueryExpr() | parser.UnaryExpr():
                return self.of(node.expr)
        return SCALAR

    def _selected(self, node: Any) -> Labels:
        matchers = [(each.name, str(each.op), each.value) for each in node.matchers.matchers]
        if node.name is None:
            return OWN
        labels = self._known.labels.get(node.name)
        if labels is None:
            self._say(f"no metric '{node.name}'; {nearest(node.name, self._known.labels)}")
            return frozenset().union(*self._known.labels.values())  # one fault is enough
        for name, _, value in matchers:
            self._check(labels, (name,), node.name)
            for word in self._words(value) if name in labels else ():
                known = self._known.values.get((node.name, name))
                if known is not None and word not in known:
                    self._say(f"{node.name} has no {name} '{word}'; {nearest(word, known)}")
        return labels

    @staticmethod
    def _words(value: str) -> Iterator[str]:
        """The plain words a matcher asks for; a pattern of another kind asks for none."""
        words = value.strip("()").split("|")
        yield from (word for word in words if _WORD.fullmatch(word))

    def _check(self, labels: Labels, asked: Any, what: str) -> None:
        for name in asked:
            if name not in labels:
                self._say(f"{what} has no label '{name}'; {nearest(name, labels)}")

    def _aggregated(self, node: Any) -> Labels:
        inner = self.of(node.expr) or frozenset()
        if node.modifier is None:
            return inner if str(node.op) in ("topk", "bottomk") else frozenset()
        named = frozenset(node.modifier.labels)
        self._check(inner, sorted(named), f"the inside of {node.op}")
        return named if node.modifier.type == parser.AggModifierType.By else inner - named

    def _joined(self, node: Any) -> Labels | None:
        left, right = self.of(node.lhs), self.of(node.rhs)
        if left is None or right is None:
            return right if left is None else left
        op, modifier = str(node.op), node.modifier
        matching = modifier.matching if modifier else None
        named = frozenset(matching.labels) if matching else None
        for side, labels in (("left", left), ("right", right)) if named else ():
            self._check(labels, sorted(named or ()), f"the {side} side of {op}")
        group = frozenset(modifier.group_labels or ()) if modifier and modifier.group_labels else frozenset()
        self._check(right, sorted(group), f"the right side of {op}")
        if op == "or":
            return left | right
        if op in _SETS or op in _COMPARISONS or "ManyToOne" in str(modifier and modifier.card):
            return left | group
        return named if named is not None else left

    def _called(self, node: Any) -> Labels | None:
        name, inner = node.func.name, [self.of(each) for each in node.args]
        if name in ("time", "vector", "scalar", "pi"):
            return frozenset() if name == "vector" else SCALAR
        labels = next((each for each in inner if each is not None), frozenset())
        if name == "label_replace":
            written, read = (node.args[place].val for place in (1, 3))
            self._check(labels, (read,), "the inside of label_replace")
            return labels | {written}
        if name == "histogram_quantile":
            self._check(labels, ("le",), "the inside of histogram_quantile")
            return labels - {"le"}
        return frozenset() if name == "absent" else labels
