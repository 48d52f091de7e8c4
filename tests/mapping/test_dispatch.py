"""Applying a pack: the fast way gives what trying the rules in order gives, whatever the rules and the events."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.mapping.authoring.explain import explain, map_once
from exporter.mapping.engine.mapper import make_mapper
from exporter.mapping.patterns.dissect import Stop, find_stop
from exporter.mapping.rules import MappingPack
from exporter.model.errors import ConfigError
from exporter.model.events import Event
from tests.support.mapping_packs import demo_event, demo_pack


def naive(pack: MappingPack, seen: Event) -> tuple[str | None, str | None]:
    """The rule that takes an event, or why none does: rules in order, first match wins."""
    severity = pack.severity.get(seen.severity.casefold(), "unclassified")
    known = {"severity": severity, "reason": seen.reason, "resource": seen.resource, **seen.fields}
    looked = False
    for rule in pack.rules:
        if all(known.get(field, "") in values for field, values in rule.when):
            fits = any(find_stop(shape, seen.text) is None for shape in rule.shapes)
            if fits or not rule.shapes:
                return rule.id, None
            looked = looked or bool(rule.when)
    return None, "no_shape" if looked else "no_rule"


WORDS = st.sampled_from(["Pod", "Job", "node", "started", "failed", "a-0", "7", "3/4", "x"])
SHAPES = st.sampled_from([
    "Pod {a:word} started", "Pod {a:word} failed", "Pod {a:word} failed with {b:int}", "Pod {a:text} failed with {b:rest}",
    "[{a:word}] started", "[{a:word}] failed", "[{a:word}][{b:word}] failed", "[{a:text}] started", "[Pod: {a:word}] {b:rest}",
    "{a:text}failed{b:rest}", "{a:ints} started", "{a:word}", "Job started", "Job failed", "Job {a:text}", "{a:rest}",
    "Job {a:int} started", "Job {a:words} started", "Pod started", "[Job] started", "node {a:num}", "{a:word} node {b:word}",
])  # fmt: skip
TEXTS = st.one_of(
    st.builds("{} {} {}".format, WORDS, WORDS, WORDS),
    st.builds("[{}] {}".format, WORDS, WORDS),
    st.builds("[{}][{}] {}".format, WORDS, WORDS, WORDS),
    st.builds("[Pod: {}] {}".format, WORDS, WORDS),
    st.builds("{} {} failed with {}".format, WORDS, WORDS, WORDS),
    st.builds("{} {}".format, WORDS, WORDS),
    WORDS,
)
RULES = st.fixed_dictionaries(
    {},
    optional={
        "shapes": st.lists(SHAPES, min_size=1, max_size=3, unique=True),
        "reason": st.lists(st.sampled_from(["R1", "R2"]), min_size=1, max_size=2, unique=True),
        "severity": st.just(["warning", "error"]),
        "kind": st.lists(st.sampled_from(["k1", "k2"]), min_size=1, max_size=2, unique=True),
    },
)
EVENTS = st.builds(
    demo_event,
    text=TEXTS,
    severity=st.sampled_from(["Info", "WARNING", "Error", "", "strange"]),
    reason=st.sampled_from(["R1", "R2", "R3", ""]),
    kind=st.sampled_from(["k1", "k2", "k3", ""]),
)


def reachable(drawn: list[dict[str, list[str]]]) -> MappingPack:
    """A pack of those drawn rules that a file may hold: not empty, and none out of reach."""
    kept: list[str] = []
    pack = demo_pack("rules: []")
    for number, rule in enumerate(drawn):
        when = ", ".join(f"{field}: {rule[field]}" for field in ("reason", "severity", "kind") if field in rule)
        shape = f", shape: {rule['shapes']}" if "shapes" in rule else ""
        line = f"  - {{id: r{number}, when: {{{when}}}{shape}}}"
        try:
            pack = demo_pack("rules:\n" + "\n".join([*kept, line]))
        except ConfigError:
            continue
        kept.append(line)
    return pack


@settings(deadline=None)
@given(drawn=st.lists(RULES, max_size=14), events=st.lists(EVENTS, min_size=1, max_size=12))
def test_the_mapper_gives_what_trying_the_rules_in_order_gives(
    drawn: list[dict[str, list[str]]], events: list[Event]
) -> None:
    pack = reachable(drawn)
    map_ = make_mapper(pack, "t")
    for seen in events:
        mapped, looks = map_(seen), list(explain(pack, seen))
        assert (mapped.rule, mapped.unmapped) == naive(pack, seen)
        assert [look.rule for look in looks if look.matched] == ([mapped.rule] if mapped.rule else [])
        assert map_once(pack, seen, "t") == mapped


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ("Pod {a:word} does it", "Pod x-1 does it"),
        ("{a:text} does it", "x 1 does it"),
        ("does it to {a:word}", "does it to x-1"),
        ("[{a:word}] does it", "[x-1] does it"),
        ("[{a:word}] does it to {b:rest}", "[x-1] does it to [x] and ]y"),
        ("[Pod: {a:word}] does it", "[Pod: x-1] does it"),
        ("[Pod] {a:word}] does it", "[Pod] x-1] does it"),
        ("[Pod] {a:text}] does it to {b:rest}", "[Pod] x]1] does it to y"),
        ("[{a:text}] does it to {b:rest}", "[x] 1] does it to y"),
        ("{a:word} does it to {b:word}", "x-1 does it to y"),
        ("{a:int} does it to {b:rest}", "7 does it to y"),
        ("({a:ints}) does it", "(1/2) does it"),
        ("does it", "does it"),
        ("{a:text}does it{b:rest}", "x 1 does it to y"),
    ],
)
def test_each_of_many_similar_rules_takes_its_own_text(shape: str, text: str) -> None:
    """Whatever part of a text tells the rules apart, and whatever stands beside them."""
    verbs = [f"{verb}{number}" for verb in ("starts", "ends", "a", "falls") for number in range(5, 12)]
    beside = ["[All] rests", "[{x:word}] rests", "{x:text} rests {y:rest}", "rests", "Pod {x:rest}"]
    shapes = [shape.replace("does it", f"{verb} now") for verb in verbs] + beside
    pack = demo_pack("rules:\n" + "\n".join(f"  - {{id: r{n}, shape: '{its}'}}" for n, its in enumerate(shapes)))
    map_ = make_mapper(pack, "t")
    for number, verb in enumerate(verbs):
        assert map_(demo_event(text.replace("does it", f"{verb} now"))).rule == f"r{number}"
    taken = [
        map_(demo_event(text)).rule for text in ("[All] rests", "[x] rests", "it rests now", "rests", "Pod sleeps")
    ]
    assert taken == [f"r{len(verbs) + number}" for number in range(5)]


def test_unknown_field_values_take_no_memory() -> None:
    """What vendors send in fields is not bounded; what is kept of it is."""
    pack = demo_pack("rules:\n  - {id: a, when: {kind: k, reason: R}, shape: a}\n  - {id: b, shape: b}")
    map_ = make_mapper(pack, "t")
    for text in ("b", "nothing"):
        first = map_(demo_event(text, "word-1", "reason-1", kind="kind-1"))
        for number in range(6000):
            assert map_(demo_event(text, f"word-{number}", f"reason-{number}", kind=f"kind-{number}")) is first


def test_an_explanation_says_of_each_rule_why_it_did_not_take_the_event() -> None:
    pack = demo_pack(r"""
rules:
  - {id: moved, when: {reason: Moved}, shape: "from {was:word} to {now:word}."}
  - {id: late, when: {severity: error}}
  - {id: shaped, shape: ["lost {n:int} nodes", "found {m:int} nodes"]}
  - {id: patterned, re2: 'lost (\d+) pods'}
  - {id: rest, when: {resource: r-1}, shape: "lost {what:rest}"}
""")
    looks = list(explain(pack, demo_event("lost many nodes", "Info", "Lost")))
    assert [(look.rule, look.matched, look.field) for look in looks] == [
        ("moved", False, "reason"), ("late", False, "severity"), ("shaped", False, ""), ("patterned", False, ""), ("rest", True, ""),
    ]  # fmt: skip
    assert looks[0].place == "demo.yaml:5: rules[0].id"
    assert looks[2].stops == (
        ("lost {n:int} nodes", Stop(5, "a whole number for {n:int}")),
        ("found {m:int} nodes", Stop(0, "'found '")),
    )
    assert looks[3].stops == ((r"lost (\d+) pods", Stop(0, "a text that fits the pattern")),)
