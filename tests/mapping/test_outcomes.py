"""What a mapping makes of an event: signals, severity, reason, and why nothing where there is nothing."""

import pytest

from exporter.common.yaml_document import parse_document
from exporter.mapping.engine.mapper import mapper
from exporter.mapping.loader import load
from exporter.mapping.rules import MappingPack
from exporter.model.events import Event
from exporter.model.metrics import OTHER, Count, Mapped, Observe, Phase, Set, State

FIELDS = frozenset({"severity", "reason", "text", "resource", "kind", "zone"})


def no_record(raw: object, resource: str) -> Event:
    raise ValueError("these files carry no tests")


def pack_of(text: str) -> MappingPack:
    document = parse_document(f"mapping: 1\nsource: demo\n{text}", "demo.yaml")
    return load([document], {"demo": FIELDS}, {"demo": no_record})[0]


def event(text: str = "", severity: str = "", reason: str = "", resource: str = "r-1", **fields: str) -> Event:
    return Event(b"", resource, 1_700_000_000_000, text, severity, reason, fields=fields)


PODS = r"""
metrics:
  demo_pods_total: {type: counter, help: "Pods, from the text.", labels: [role, zone]}
  demo_wait_seconds: {type: histogram, help: "How long pods waited, from the text.", labels: [resource], buckets: [1, 10]}
  demo_slots: {type: gauge, help: "Slots, from the text.", labels: [slot, severity]}
  demo_places: {type: gauge, help: "Places, from the text.", labels: [slot, role]}
vocab:
  role: [worker, master]
  slot: [free, used]
  level: [info, warning, error]
  state: [Running, Lost]
rules:
  - id: created
    shape: "Created pod: {pod:word}"
    split: {pod: "{run:text}-{role:word}-{index:int}"}
    as: {severity: info, reason: PodCreated}
    do:
      - count: demo_pods_total
        labels: {role: role, zone: zone}
        domain: {role: role, zone: 2}
  - id: waited
    shape: "Pod waited {took:duration}"
    do:
      - observe: demo_wait_seconds
        value: took
  - id: slots
    shape: "slots {slots:words} are {now:ints}"
    do:
      - set: demo_slots
        each: {slot: slots}
        labels: {severity: severity}
        value: now
        domain: {slot: slot, severity: level}
  - id: places
    shape: "{slots:words} of {roles:words} is {now:int}"
    do:
      - set: demo_places
        each: {slot: slots, role: roles}
        value: now
        domain: {slot: slot, role: role}
  - id: measured
    re2: 'measured (?P<value>\S*)'
    do:
      - set: demo_slots
        labels: {slot: kind, severity: severity}
        value: value
        domain: {slot: slot, severity: level}
  - id: moved
    when: {kind: state}
    shape: "now {now:word}"
    do:
      - state: platform_resource_status
        value: now
        domain: {status: state}
  - {id: done, shape: "done", do: [{run: success}]}
  - {id: noise, shape: "tick", do: [{drop: true}]}
"""


def pods() -> MappingPack:
    return pack_of(PODS)


def test_a_count_takes_its_labels_from_a_split_and_from_a_field() -> None:
    mapped = mapper(pods(), "t")(event("Created pod: dlc-2021-x-worker-0", zone="z1"))
    assert mapped == Mapped(
        "info", "PodCreated", "created", (Count(("demo_pods_total", ("t", "demo", "worker", "z1"))),)
    )


def test_a_label_outside_its_vocabulary_is_other_and_is_told() -> None:
    mapped = mapper(pods(), "t")(event("Created pod: dlc-2021-x-ghost-0", zone="z1"))
    assert mapped.signals == (Count(("demo_pods_total", ("t", "demo", OTHER, "z1"))),)
    assert mapped.overflow == (("demo_pods_total", "role"),)


def test_a_label_with_a_greatest_number_keeps_the_first_values_for_good() -> None:
    map_ = mapper(pods(), "t")
    seen = [map_(event("Created pod: a-worker-0", zone=zone)) for zone in ("z1", "z2", "z3", "z1", "z4", "z2")]
    labels = [mapped.signals[0].series[1][3] for mapped in seen]
    assert labels == ["z1", "z2", OTHER, "z1", OTHER, "z2"]
    assert [len(mapped.overflow) for mapped in seen] == [0, 0, 1, 0, 1, 0]
    assert mapper(pods(), "t")(event("Created pod: a-worker-0", zone="z4")).overflow == ()


def test_what_cannot_be_split_is_a_bad_capture_and_gives_no_signal() -> None:
    mapped = mapper(pods(), "t")(event("Created pod: worker"))
    assert mapped == Mapped("info", "PodCreated", "created", (), "bad_capture")


def test_a_split_that_nothing_uses_is_tried_all_the_same() -> None:
    map_ = mapper(pack_of("rules: [{id: a, shape: 'pod {p:word}', split: {p: '{run:text}-{n:int}'}}]"), "t")
    assert [map_(event(text)).unmapped for text in ("pod a-1", "pod a")] == [None, "bad_capture"]


def test_an_observation_has_the_resource_of_its_event() -> None:
    mapped = mapper(pods(), "t")(event("Pod waited 1m 30s", "Info", resource="job-7"))
    assert mapped.signals == (Observe(("demo_wait_seconds", ("t", "demo", "job-7")), 90.0),)


def test_lists_of_equal_length_give_a_sample_an_item() -> None:
    mapped = mapper(pods(), "t")(event("slots free/used/lost are 3/4/5", "Warning"))
    series = [("demo_slots", ("t", "demo", slot, "warning")) for slot in ("free", "used", OTHER)]
    assert mapped.signals == tuple(Set(name, value) for name, value in zip(series, (3, 4, 5), strict=True))
    assert mapped.overflow == (("demo_slots", "slot"),)


def test_lists_of_unequal_length_are_a_bad_capture() -> None:
    mapped = mapper(pods(), "t")(event("slots free/used are 3/4/5", "Warning"))
    assert (mapped.rule, mapped.unmapped, mapped.signals) == ("slots", "bad_capture", ())


def test_several_lists_are_zipped_and_one_value_is_for_all() -> None:
    map_ = mapper(pods(), "t")
    assert map_(event("free/used of worker/master is 7")).signals == (
        Set(("demo_places", ("t", "demo", "free", "worker")), 7),
        Set(("demo_places", ("t", "demo", "used", "master")), 7),
    )
    for text in ("free/used of worker is 7", "free of worker/master is 7"):
        assert (map_(event(text)).unmapped, map_(event(text)).signals) == ("bad_capture", ())


@pytest.mark.parametrize(("text", "value"), [("measured 4.5", 4.5), ("measured -1e3", -1000.0)])
def test_a_pattern_captures_text_that_a_value_reads_as_a_number(text: str, value: float) -> None:
    mapped = mapper(pods(), "t")(event(text, "Error", kind="used"))
    assert mapped.signals == (Set(("demo_slots", ("t", "demo", "used", "error")), value),)


@pytest.mark.parametrize("text", ["measured ", "measured nan", "measured 1e999", "measured 0x10", "measured many"])
def test_what_is_no_number_is_a_bad_capture(text: str) -> None:
    mapped = mapper(pods(), "t")(event(text, "Error", kind="used"))
    assert (mapped.rule, mapped.unmapped, mapped.signals) == ("measured", "bad_capture", ())


def test_a_state_holds_the_labels_before_it() -> None:
    map_ = mapper(pods(), "t")
    known, strange = (map_(event(f"now {state}", kind="state")) for state in ("Lost", "Frozen"))
    assert known.signals == (State(("platform_resource_status", ("t", "demo", "r-1")), ("Lost",)),)
    assert strange.signals == (State(("platform_resource_status", ("t", "demo", "r-1")), (OTHER,)),)
    assert strange.overflow == (("platform_resource_status", "status"),)


def test_what_does_not_vary_is_the_same_object_every_time() -> None:
    """Callers may tally by identity."""
    map_ = mapper(pods(), "t")
    for text in ("done", "tick", "never heard of"):
        assert map_(event(text, "Info")) is map_(event(text, "Info", resource="r-2"))
    assert map_(event("done", "Info")) is not map_(event("done", "Error"))


def test_runs_and_drops() -> None:
    map_ = mapper(pods(), "t")
    assert map_(event("done", "Info")).phases == (Phase("end", "run", "", "success"),)
    assert map_(event("tick", "Info")).dropped
    assert not map_(event("done", "Info")).dropped


@pytest.mark.parametrize(
    ("word", "ours"),
    [("Info", "info"), ("NORMAL", "info"), ("normal", "info"), ("Warning", "warning"), ("abnormal", "warning"),
     ("ERROR", "error"), ("", "unclassified"), ("catastrophe", "unclassified"), ("Grave", "error"), ("hint", "info")],
)  # fmt: skip
def test_the_vendors_words_become_ours_whatever_their_case(word: str, ours: str) -> None:
    pack = pack_of(
        "severity: {grave: error, HINT: info}\nrules:\n  - {id: a, shape: a}\n  - {id: b, shape: b, as: {severity: warning}}"
    )
    map_ = mapper(pack, "t")
    assert map_(event("a", word)).severity == ours
    assert map_(event("nothing", word)).severity == ours
    assert map_(event("b", word)).severity == "warning"


REASONS = """
vocab: {reason: [Listed]}
rules:
  - {id: asked, when: {reason: Asked}}
  - {id: own, shape: own, as: {reason: Own}}
  - {id: plain, shape: plain}
"""


@pytest.mark.parametrize(
    ("text", "reason", "expected", "told"),
    [
        ("", "Asked", "Asked", False),
        ("plain", "Listed", "Listed", False),
        ("plain", "Own", "Own", False),
        ("own", "", "Own", False),
        ("own", "Strange", "Own", False),
        ("plain", "", OTHER, False),
        ("plain", "Strange", OTHER, True),
        ("nothing", "Listed", "Listed", False),
        ("nothing", "Strange", OTHER, True),
    ],
)
def test_a_reason_is_the_vendors_if_known_or_the_rules_or_other(
    text: str, reason: str, expected: str, told: bool
) -> None:
    mapped = mapper(pack_of(REASONS), "t")(event(text, "Info", reason))
    assert mapped.reason == expected
    assert mapped.overflow == ((("platform_events_total", "reason"),) if told else ())


def test_our_severity_can_be_asked_for() -> None:
    map_ = mapper(
        pack_of("rules:\n  - {id: bad, when: {severity: [warning, error]}}\n  - {id: fine, shape: fine}"), "t"
    )
    assert [map_(event("fine", word)).rule for word in ("abnormal", "Error", "Info", "")] == [
        "bad",
        "bad",
        "fine",
        "fine",
    ]
