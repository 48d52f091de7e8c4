"""A foreign time is used only if it can be true."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.common.plausible_time import EARLIEST, MAX_AHEAD_MS, is_plausible, plausible

NOW = 1_790_000_000_000


@pytest.mark.parametrize(
    ("at", "right"),
    [
        (NOW, True),
        (NOW + MAX_AHEAD_MS, True),
        (NOW + MAX_AHEAD_MS + 1, False),
        (EARLIEST, True),
        (EARLIEST - 1, False),
        (0, False),
        (253_402_300_799_000, False),
        (-62_135_596_800_000, False),
    ],
)
def test_a_time_is_plausible_from_2000_until_an_hour_ahead(at: int, right: bool) -> None:
    assert is_plausible(at, NOW) is right


@given(st.none() | st.integers())
def test_what_is_used_is_plausible(at: int | None) -> None:
    used = plausible(at, NOW)
    assert used is None or (used == at and is_plausible(used, NOW))
