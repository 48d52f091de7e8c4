"""JSON that is nested deeper than the stack is met with one line by commands that read it."""

import pytest

from exporter.cli.explain_input import read_input
from exporter.cli.top import Unanswered, read_overview

DEPTH = 1_000_000
NESTED = '{"a":' + "[" * DEPTH


@pytest.mark.parametrize(
    "text", [NESTED, NESTED + "]" * DEPTH + "}", f"first line\n{NESTED}"], ids=["open", "closed", "line"]
)
def test_explain_takes_it_for_a_text(text: str) -> None:
    read = read_input(text, "modelarts_training", {})
    assert [one.event.text[:6] for (one,) in read] == [line[:6] for line in text.splitlines()]


def test_top_takes_it_for_the_answer_of_another_program() -> None:
    with pytest.raises(Unanswered, match="is not this exporter"):
        read_overview(NESTED.encode(), "http://127.0.0.1:10186")
