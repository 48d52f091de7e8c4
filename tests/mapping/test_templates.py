"""Texts that no rule took: folded to templates that fit them, bounded, and with a rule that loads when it is pasted."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.common.yaml_document import parse_document, read_document
from exporter.mapping.authoring.rule_stub import UnmatchedText, write_stub
from exporter.mapping.authoring.templates import fold, join
from exporter.mapping.authoring.unmapped import KEPT, SAMPLES, UnmappedTemplates
from exporter.mapping.engine.mapper import make_mapper
from exporter.mapping.loader import built_in, load
from exporter.mapping.patterns.dissect import parse_shape
from exporter.mapping.rules import MappingPack
from exporter.model.telemetry import Loaded, UnmappedTexts
from exporter.sources import SOURCES
from tests.support.mapping_packs import FIELDS, PACKS, RECORDS, STATUSES

BUILT_IN = {path.stem: read_document(path) for path in built_in()}
PARTS = [
    *"[](){}'\"` .,:;=-/12aé中\n\x07",
    "worker-0",
    " failed",
    "1/2/3",
    "a/b/c",
    "2026-01-02",
    "12:30:15",
    "k: ",
    "0.3s",
]
texts = st.lists(st.sampled_from(PARTS), max_size=30).map("".join) | st.text(max_size=40)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("[worker-0] checkpoint 1200 failed: disk full", "[{name:word}] checkpoint {checkpoint:int} failed: disk full"),
        ("counts from 1/0/0/0 to 0/1/0/0", "counts from {numbers:ints} to {numbers2:ints}"),
        ("model (TF 3.0.0) build image success", "model ({model:text}) build image success"),
        ("(insufficient resources)", "(insufficient resources)"),
        ("[Pod: job-a0b1-0] Pulled: image", "[Pod: {pod:word}] Pulled: image"),
        ("[w-1][time used: 0.296s] ok", "[{name:word}][time used: {used:duration}] ok"),
        ("exit code=137, reason=OOM", "exit code={code:int}, reason=OOM"),
        ("lost at 2026-01-02T10:00:00+08:00", "lost at {time:word}"),
        ("at 12:30:15 in /home/ma-user/x.py", "at {time:word} in {path:word}"),
        ("obs://bucket/x is gone, deadbeef too", "{path:word} is gone, {gone:word} too"),
        ("id 123e4567-e89b-12d3-a456-426614174000", "id {id:word}"),
        ('image "registry.example/train:1": error', 'image "{image:word}": error'),
        ("don't stop {x}", "don't stop {{x}}"),
        ("训练作业运行了12秒", "训练作业运行了{number:int}秒"),
        ("java.lang.OutOfMemoryError", "java.lang.OutOfMemoryError"),
        ("Job dlcabcdef has failed because it did", "Job {job:word} has failed because it did"),
        ("PyTorchJob train is running", "PyTorchJob {pytorchjob:word} is running"),
        ("Created pod: my-trainer", "Created pod: {pod:word}"),
        ("the run big-language-model is over", "the run {run:word} is over"),
        ("Back-off restarting failed container", "Back-off restarting failed container"),
        ("The job failed is what it says", "The job failed is what it says"),
        ("", ""),
    ],
)
def test_variable_parts_become_typed_and_named_fields(text: str, shape: str) -> None:
    assert fold(text).shape == shape


@given(texts)
def test_a_template_is_a_shape_that_fits_its_text(text: str) -> None:
    assert not text or parse_shape(fold(text).shape).fit(text) is not None


@given(texts, st.integers(1, 40))
def test_a_long_text_fits_too(text: str, times: int) -> None:
    whole = (text or "-") * times * 5
    assert parse_shape(fold(whole).shape).fit(whole) is not None


@given(texts, texts)
def test_two_texts_with_the_same_literals_share_a_template_that_fits_both(one: str, other: str) -> None:
    first, second = fold(one), fold(other)
    if one and other and first.literals == second.literals:
        shape = parse_shape(join(first, second).shape)
        assert shape.fit(one) is not None
        assert shape.fit(other) is not None


def test_types_widen_no_further_than_they_must() -> None:
    pairs = [("took 3", "took 3.5"), ("took 3", "took x1"), ("[a b]", "[a]"), ("took 3", "took 4")]
    assert [join(fold(a), fold(b)).holes[0].type for a, b in pairs] == ["num", "word", "text", "int"]


@pytest.mark.parametrize("hostile", ["x1 ", "[", "'", "a", "1.", "[a: ", "(1", "/", "=1"])
def test_a_hostile_text_of_400_kb_takes_milliseconds(hostile: str) -> None:
    text = hostile * (400_000 // len(hostile))
    begin = time.process_time()
    shape = fold(text).shape
    assert time.process_time() - begin < 0.1
    assert len(shape) < 1500


def an_unmapped(text: str, times: int = 1, source: str = "dws", reason: str = "") -> UnmappedTexts:
    return UnmappedTexts("research", source, "no_rule", text, times, reason=reason)


def test_texts_are_kept_by_template_with_a_few_samples() -> None:
    clock = iter((10.0, 20.0, 30.0, 40.0, 50.0))
    templates = UnmappedTemplates(lambda: next(clock))
    for number in ("1", "2", "2.5", "3", "4"):
        templates.record(an_unmapped(f"disk {number} is full", times=2))
    (one,) = templates.most_frequent()
    assert (one.times, one.first, one.last, one.template.shape) == (10, 10.0, 50.0, "disk {disk:num} is full")
    assert one.samples == ("disk 1 is full", "disk 2 is full", "disk 2.5 is full")
    assert len(one.samples) == SAMPLES


def test_templates_beyond_the_limit_are_counted_and_the_oldest_leaves() -> None:
    templates = UnmappedTemplates(lambda: 0.0, most=2)
    for text in ("a", "b", "a", "c"):
        templates.record(an_unmapped(text))
    assert [(one.template.shape, one.times) for one in templates.most_frequent()] == [("a", 2), ("c", 1)]
    assert templates.beyond == 1


def test_a_sample_is_short() -> None:
    templates = UnmappedTemplates(lambda: 0.0)
    templates.record(an_unmapped("long " * 80_000))
    (one,) = templates.most_frequent()
    assert len(one.samples[0]) == KEPT
    assert parse_shape(one.template.shape).fit(one.samples[0]) is not None


def test_a_source_with_another_mapping_starts_anew() -> None:
    templates = UnmappedTemplates(lambda: 0.0)
    templates.record(Loaded(0.0, {"dws": "a", "pai_dlc": "b"}))
    templates.record(an_unmapped("x"))
    templates.record(an_unmapped("y", source="pai_dlc"))
    templates.record(Loaded(1.0, {}, ("mine.yaml:1: wrong",)))
    assert len(templates.most_frequent()) == 2, "nothing was loaded"
    templates.record(Loaded(1.0, {"dws": "a", "pai_dlc": "c"}))
    assert [one.source for one in templates.most_frequent()] == ["dws"]


@pytest.mark.parametrize("source", sorted(SOURCES))
@pytest.mark.parametrize("severity", ["", "Warning"])
def test_a_text_alone_makes_a_record_of_its_source(source: str, severity: str) -> None:
    for text in ("disk 1 is full", "a: [b] {c}", "训练失败"):
        raw = SOURCES[source].sample_record(text, severity, "New")
        event = RECORDS[source](raw, "r")
        assert event.text == text
        assert event.severity == (severity if severity in str(raw) else ""), "not every vendor states one"
        assert event.reason == ("New" if "New" in str(raw) else "")


STRANGE = [
    "[worker-0] checkpoint 1200 failed: disk full",
    "[worker-1] checkpoint 7 failed: disk full",
    "[w] 'a' \"b\" \x07 \n é 😀 {b} \\ 100% # : x",
    "12345",
    "true",
    "训练失败12",
    "[task] training started",
    "word " * 1000,
    "",
]


def unread(source: str, text: str, reason: str = "") -> UnmatchedText:
    raw = SOURCES[source].sample_record(text, "", reason)
    event = RECORDS[source](raw, "r")
    return UnmatchedText(event, raw, fold(event.text))


def pasted(stub: str, source: str) -> MappingPack:
    """Load a stub beside the built-in pack of its source."""
    (pack,) = load([parse_document(stub, "stub.yaml"), BUILT_IN[source]], FIELDS, RECORDS, STATUSES)
    return pack


@pytest.mark.parametrize("source", sorted(SOURCES))
@pytest.mark.parametrize("text", STRANGE)
@pytest.mark.parametrize("reason", ["", "New", "PoolStatusChange"])
def test_a_stub_loads_as_it_is_and_takes_its_text(source: str, text: str, reason: str) -> None:
    one = unread(source, text, reason)
    stub = write_stub(PACKS[source], FIELDS[source], [one])
    if not one.event.text and one.event.reason in ("", *PACKS[source].vendor_reasons):
        assert stub == "", "there is nothing that a rule could ask for"
        return
    pack = pasted(stub, source)
    assert make_mapper(pack, "t")(one.event).rule == pack.rules[0].id


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_a_stub_of_many_texts_has_a_rule_for_each_template(source: str) -> None:
    stub = write_stub(PACKS[source], FIELDS[source], [unread(source, text, "New") for text in STRANGE if text])
    pack = pasted(stub, source)
    by_reason = unread(source, "text", "New").event.reason == "New"
    assert len(pack.rules) - len(PACKS[source].rules) == (1 if by_reason else len(STRANGE) - 2)


def test_a_stub_that_would_take_the_texts_of_a_rule_has_the_very_text() -> None:
    one = unread("modelarts_training", "[a b] training started.")
    stub = write_stub(PACKS["modelarts_training"], FIELDS["modelarts_training"], [one])
    assert 'shape: "[a b] training started."' in stub
    pasted(stub, "modelarts_training")


def test_hint_words_make_a_placeholder_worse() -> None:
    stubs = [
        write_stub(PACKS["modelarts_training"], FIELDS["modelarts_training"], [unread("modelarts_training", text)])
        for text in ("the disk failed", "the disk is unfailing")
    ]
    assert "as: {severity: warning, reason: DiskFailed}" in stubs[0]
    assert "as: {severity: info, reason: DiskUnfailing}" in stubs[1]
