"""The packed memory of keys: exact whatever bytes a key has, small, and without a step that takes long."""

import random
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.store.keys import KEY, RECORD, Day

confusing = st.lists(st.sampled_from([b"\0", b"\1", b"\2"]), min_size=KEY, max_size=KEY).map(b"".join)
"""Keys that also stand where one record ends and the next begins."""

counts = st.dictionaries(confusing | st.binary(min_size=KEY, max_size=KEY), st.integers(1, 2**32 - 1), max_size=120)


def packed(known: dict[bytes, int]) -> list[tuple[bytes, bytes]]:
    return [(key, key + count.to_bytes(RECORD - KEY, "big")) for key, count in known.items()]


@given(first=counts, then=counts, others=st.lists(confusing, max_size=40))
def test_a_day_counts_like_a_dictionary(first: dict[bytes, int], then: dict[bytes, int], others: list[bytes]) -> None:
    day = Day()
    day.add(packed(first))
    day.add(packed({key: count for key, count in then.items() if key not in first}))
    day.replace(packed({key: count for key, count in then.items() if key in first}))
    expected = first | then
    asked = [*expected, *others]
    assert day.counts(asked) == [expected.get(key, 0) for key in asked]
    assert day.keys == len(expected)
    assert len(day.packed()) == len(expected) * RECORD


@given(rows=st.lists(counts, max_size=4), expected=st.integers(0, 500))
def test_a_day_read_back_row_by_row_knows_the_largest_counts(rows: list[dict[bytes, int]], expected: int) -> None:
    """A later row of a key always holds a larger count: that is how it came to be written."""
    day, known = Day(expected), dict[bytes, int]()
    for number, row in enumerate(rows):
        larger = {key: count for key, count in row.items() if count > known.get(key, 0)}
        day.load(number, 20_000 - number, b"".join(record for _, record in packed(larger)))
        known |= larger
    assert day.counts([*known]) == [*known.values()]
    assert day.keys == len(known)
    assert (day.rows, day.newest) == ([*range(len(rows))], 20_000 if rows else None)


def test_a_row_that_holds_a_part_of_a_record_is_refused() -> None:
    with pytest.raises(struct.error):
        Day().load(1, None, bytes(RECORD + 1))


def filled(number: int) -> Day:
    draw, day = random.Random(1), Day()
    for _ in range(number // 500):
        day.add(packed({draw.randbytes(KEY): 1 for _ in range(500)}))
    return day


@pytest.mark.parametrize("number", [1_000, 3_000, 10_000, 30_000])
def test_a_key_takes_at_most_30_bytes_of_memory_whatever_their_number(number: int) -> None:
    filled(500)  # what Python keeps for itself once is not counted
    tracemalloc.start()
    try:
        day = filled(number)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert day.keys == number
    assert used / number < 30
