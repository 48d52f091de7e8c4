"""Foreign text and times as people read them: one line, no commands to a terminal, no time that cannot be written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.common.text import clock, exact, one_line, printable

NOW = 1_700_000_000.0
FOREIGN = st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from("\x00\x07\x1b\x9b\u202e\u2028\n\r\t ab"))


@given(
    text=FOREIGN,
    limit=st.none() | st.integers(0, 40),
    substitute=st.sampled_from([" ", "?", "\N{REPLACEMENT CHARACTER}"]),
)
def test_any_text_becomes_one_line_without_control_characters(text: str, limit: int | None, substitute: str) -> None:
    shown = one_line(text, limit, substitute)
    assert shown.isprintable()
    assert "  " not in shown
    assert limit is None or len(shown) <= limit
    assert len(printable(text, substitute)) == len(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n\tb  c", "a b c"),
        ("\x1b[31mred\x07", "[31mred"),
        ("a\u202eb", "a b"),
        ("研究 x", "研究 x"),
        ("", ""),
    ],
)
def test_a_text_keeps_what_can_be_printed(text: str, shown: str) -> None:
    assert one_line(text) == shown


@given(at=st.floats())
def test_any_time_can_be_written(at: float) -> None:
    assert exact(at)
    assert clock(at, NOW)
    assert clock(NOW, at)


@pytest.mark.parametrize("at", [253_402_300_800.0, 1e15, -1e15])
def test_a_time_outside_the_calendar_stays_a_number(at: float) -> None:
    assert exact(at) == clock(at, NOW) == f"{at:.0f}"


def test_times_are_iso_8601_and_the_time_of_day() -> None:
    assert exact(NOW) == "2023-11-14T22:13:20Z"
    assert (clock(NOW, NOW), clock(NOW - 86_400, NOW)) == ("22:13:20", "2023-11-13 22:13:20")
