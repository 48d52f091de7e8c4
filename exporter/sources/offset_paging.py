"""Lists that come in pages by number: when they end, and what their ``offset`` counts.

In the event lists of ModelArts training jobs and services the vendor's documents contradict each other: it may count
records or pages.
"""

from collections.abc import Callable, Collection, Generator, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

from exporter.model.events import Event, Millis, Pause, Request, Response
from exporter.sources.limits import garbled

STANDSTILL = 50  # pages in a row without a new row: no moment has that many equal ones
_EQUAL_ROWS = 3  # more rows than these must have moved on by one, before that is believed
_BEYOND = 1_000_000  # an offset behind any end


class Answer(Protocol):
    """Events of one answer as they came, and how many rows it had."""

    @property
    def events(self) -> list[Event]: ...
    @property
    def came(self) -> int: ...


T = TypeVar("T")
A = TypeVar("A", bound=Answer)
Asking = Generator[Request | Pause, Response | int | None, T]
Ask = Callable[[int], Asking[A]]
"""Asks for the answer at an offset."""


def is_last_page(came: int, first: int, total: int | None, seen: int, limit: int) -> bool:
    """Return whether a page was the last of a list.

    That is an empty page, one shorter than the first, or one with which all that was promised has come. ``came`` rows
    are on the page and ``first`` were on the first one; ``seen`` rows have come of ``total``, at most ``limit`` on a
    page. A full page whose total is its own size proves nothing: the total may be that of the page.
    """
    if came == 0 or came < first:
        return True
    if total is None:
        return came < limit
    return seen >= total and (came < limit or total > limit)


def note_rows(known: set[str | bytes], rows: Collection[str | bytes], request: Request, noun: str) -> None:
    """Add the rows of one answer of a listing to those of the answers before it.

    ``rows`` are ids, and fingerprints of rows that cannot be read: a page of such rows alone moves on as well. Raises
    SourceGarbled for an answer that repeats rows and has no other.
    """
    if rows and known.issuperset(rows):
        raise garbled(request, f"the answer promises more and does not move on; none of its {noun} is new")
    known.update(rows)


def is_before(times: Sequence[Millis], since: Millis | None) -> bool:
    """Return whether rows came newest first and are all from before ``since``, so that older rows follow.

    ``times`` are those of the rows of a page, as they came. A list that is oldest first, or in no order, may hold new
    rows on its last page, however old its first page is.
    """
    if since is None or not times or times[0] >= since or times[0] == times[-1]:
        return False
    return all(one >= following for one, following in pairwise(times))


def moved_by_one(before: Answer, answer: Answer) -> bool:
    """Return whether an answer begins with the second row of the one before, so that the offset counts records."""
    old, new = _keys(before), _keys(answer)
    return len(set(old)) == len(old) > _EQUAL_ROWS and new[: len(old) - 1] == old[1:]


def came_again(ask: Ask[A], before: A, answer: A) -> Asking[bool]:
    """Return whether an answer is the one before; since rows may repeat, an offset behind the end proves that."""
    if _keys(before) != _keys(answer):
        return False
    beyond = yield from ask(_BEYOND)
    return beyond.came > 0


def offset_counts_records(ask: Ask[A], first: A, total: int | None) -> Asking[bool]:
    """Find out whether the offset counts records, from the answers at offset 1 and, if needed, at the last record.

    ``total`` is the number of all rows as the first answer states it; ``None`` if it states none.
    """
    second = yield from ask(1)
    if not {*_keys(first)} & {*_keys(second)}:
        return False
    if moved_by_one(first, second) or total is None:
        return moved_by_one(first, second)
    # Equal rows, or too few. As a record this offset is the last one, as a page it lies far behind the end.
    third = yield from ask(total - 1)
    return third.came > 0


def _keys(answer: Answer) -> Sequence[bytes]:
    return [event.key for event in answer.events]
