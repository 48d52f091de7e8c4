"""The packed memory of keys: exact whatever bytes a key has, small, and without a step that takes long."""

import random
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.store.seen_keys import KEY, MOST, RECORD, Day

keys = st.integers(0, 40).map(lambda number: number.to_bytes(KEY, "big"))
counts = st.dictionaries(keys, st.integers(1, 9) | st.just(MOST), max_size=40)


def packed(known: dict[bytes, int]) -> list[tuple[bytes, bytes]]:
    return [(key, key + count.to_bytes(RECORD - KEY, "big")) for key, count in known.items()]


def filled(number: int) -> tuple[Day, dict[bytes, int]]:
    draw, day, known = random.Random(1), Day(), dict[bytes, int]()
    for _ in range(number // 500):
        page = {draw.randbytes(KEY): draw.randint(1, 3) for _ in range(500)}
        day.add(packed(page))
        known |= page
    return day, known


@given(first=counts, then=counts)
def test_a_day_counts_like_a_dictionary(first: dict[bytes, int], then: dict[bytes, int]) -> None:
    day, expected = Day(), first | then
    day.add(packed(first))
    day.add(packed({key: count for key, count in then.items() if key not in first}))
    day.replace(packed({key: count for key, count in then.items() if key in first}))
    asked = [number.to_bytes(KEY, "big") for number in range(50)]
    assert day.counts(asked) == [expected.get(key, 0) for key in asked]
    assert day.keys == len(expected)


@pytest.mark.parametrize("number", [500, 4_000, 20_000])
def test_a_large_day_counts_like_a_dictionary(number: int) -> None:
    day, known = filled(number)
    assert day.counts([*known]) == [*known.values()]
    assert not any(day.counts([key[::-1] for key in known]))
    assert sorted(day.packed()[at : at + RECORD] for at in range(0, number * RECORD, RECORD)) == sorted(
        record for _, record in packed(known)
    )


@given(
    known=st.dictionaries(st.sampled_from([b"\0" * KEY, b"\1" * KEY, b"\0\0\0\1" * 4]), st.sampled_from([1, 256, 257]))
)
def test_bytes_of_two_records_are_never_taken_for_a_key(known: dict[bytes, int]) -> None:
    day = Day()
    day.add(packed(known))
    records = day.packed()
    asked = [records[at : at + KEY] for at in range(max(0, len(records) - KEY + 1))]
    assert day.counts(asked) == [known.get(key, 0) for key in asked]
    day.replace(packed(dict.fromkeys(known, 7)))
    assert day.counts([*known]) == [7] * len(known)


@given(rows=st.lists(counts, max_size=5), expected=st.integers(0, 500))
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


@pytest.mark.parametrize("number", [1_000, 3_000, 10_000, 30_000])
def test_a_key_takes_at_most_30_bytes_of_memory_whatever_their_number(number: int) -> None:
    filled(500)  # what Python keeps for itself once is not counted
    tracemalloc.start()
    try:
        day = filled(number)[0]
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert day.keys == number
    assert used / number < 30
