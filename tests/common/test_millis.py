"""Rounding of vendor times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.common.millis import DAY, HOUR, SECOND, floor_to_second


def test_the_units_are_milliseconds() -> None:
    assert (SECOND, HOUR, DAY) == (1_000, 3_600_000, 86_400_000)


@pytest.mark.parametrize(("at", "floor"), [(0, 0), (999, 0), (1_000, 1_000), (1_672_366_579_999, 1_672_366_579_000)])
def test_a_time_is_rounded_down_to_its_second(at: int, floor: int) -> None:
    assert floor_to_second(at) == floor


@given(st.integers(-(2**62), 2**62))
def test_a_floor_is_a_whole_second_at_most_999_ms_before_the_time(at: int) -> None:
    floor = floor_to_second(at)
    assert floor % SECOND == 0
    assert 0 <= at - floor < SECOND
