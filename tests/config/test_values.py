"""Durations, rates and zones: many ways to write one value, one way to show it, and nothing else is taken for one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.values import read_duration, read_rate, read_zone, write_duration, write_rate


@given(st.integers(min_value=0, max_value=3650 * 86_400_000))
def test_a_duration_is_read_as_it_was_written(millis: int) -> None:
    assert read_duration(write_duration(millis / 1000)) == millis / 1000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("1.5h", 5400), ("2d", 172800), ("1h30m", 5400), ("P1DT2H", 93600), (0.25, 0.25), (" 5m ", 300)],
)
def test_a_duration_has_many_forms(text: Any, seconds: float) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5 m", "m", "1e3", "-5s", "PT", "P1Y2", "5min", "10:00", True, None, "٣s", "1m\n2m"]
)
def test_these_are_no_durations(text: Any) -> None:
    with pytest.raises(ValueError):
        read_duration(text)


@pytest.mark.parametrize(("text", "rate"), [("2/s", 2), ("30/m", 0.5), ("1000/h", 1000 / 3600), ("0.5/s", 0.5)])
def test_a_rate_is_requests_per_second(text: str, rate: float) -> None:
    assert read_rate(text) == rate
    assert read_rate(write_rate(rate)) == pytest.approx(rate)


@pytest.mark.parametrize("zone", ["auto", "UTC", "Asia/Shanghai", "+08:00", "-03:30"])
def test_a_zone_is_auto_a_name_or_an_offset(zone: str) -> None:
    assert read_zone(zone) == zone
