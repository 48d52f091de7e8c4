"""Series and signals as text: what the exposition's own parser reads back, and the same words wherever signals are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from exporter.common.series_text import describe_signal, format_series
from exporter.model.metrics import Count, Mapped, Observe, Set, Signal, State
from exporter.web.formatting import changes

values = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\\n,{}=# '))


@given(st.lists(values, max_size=3))
def test_a_series_is_read_back_as_it_was(labels: list[str]) -> None:
    names = [f"l{number}" for number in range(len(labels))]
    (family,) = text_string_to_metric_families(f"{format_series('m', names, labels)} 1\n")
    (sample,) = family.samples
    assert (sample.name, sample.labels) == ("m", dict(zip(names, labels, strict=True)))


@pytest.mark.parametrize(
    ("signal", "words"),
    [
        (Count(("m", ("t", 'a"b'))), "+1"),
        (Count(("m", ("t", 'a"b')), 1_234_567.5), "+1234567.5"),
        (Set(("m", ("t", 'a"b')), 1_234_567), "= 1234567"),
        (Observe(("m", ("t", 'a"b')), 0.25), "observes 0.25"),
        (State(("m", ("t", 'a"b')), ("Running\n", "x")), "is Running\\n, x"),
    ],
)
def test_a_signal_is_told_in_the_same_words_everywhere(signal: Signal, words: str) -> None:
    assert describe_signal(signal, "m") == f"m {words}"
    assert changes(Mapped("info", "R", "rule", (signal,)), "t") == (f'm{{a\\"b}} {words}',)


def test_a_counter_grows_with_every_occurrence() -> None:
    assert describe_signal(Count(("m", ()), 0.1), "m", 3) == "m +0.3"
