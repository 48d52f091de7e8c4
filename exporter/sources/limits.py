"""The largest sizes that a source accepts: rows, pages, ids, names and texts. Nothing beyond them is followed or kept.

Each limit is far above what the vendors document: the largest page of any API has 2,000 rows, the longest documented id
or name 128 characters.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar
from urllib.parse import quote

from exporter.model.errors import SourceGarbled
from exporter.model.events import Request

T = TypeVar("T")

MAX_ROWS = 20_000  # rows of one answer
MAX_BAD_ROWS = 500  # unreadable rows of one answer that is mostly unreadable
MAX_ROW_BYTES = 2**20
MAX_RECORD_BYTES = 2**20  # one answer that holds stage records
MAX_STAGES = 1_000  # of one resource
MAX_READ_PAGES = 5_000  # answers of one read
MAX_READ_ROWS = 500_000  # events of one read; their keys take about 50 MB
MAX_LISTED = 100_000  # resources of one listing
MAX_ID = 512  # characters
MAX_LABEL = 512  # characters of a name, severity, reason or another short value
MAX_TEXT = 16_384  # characters of a message
MAX_REASON = 1_000  # characters of what a listing says about the reason of a status
MAX_TOKEN = 4_096  # characters of a page token
SLICE_ROWS = 2_000  # rows between two pauses; about 10 ms
SLICE_BYTES = 2**20  # bytes of rows between two pauses
CUT_MARK = "… (cut)"


def clip(text: str, limit: int = MAX_LABEL) -> str:
    """Return a text, or its first ``limit`` characters and a mark if it is longer."""
    return text if len(text) <= limit else text[:limit] + CUT_MARK


def garbled(request: Request, problem: str) -> SourceGarbled:
    """Return the error for an answer that breaks the vendor's contract: where, and what is wrong."""
    return SourceGarbled(f"{request.api} {request.path}: {problem}")


def check_read_size(request: Request, pages: int, rows: int) -> None:
    """Raise SourceGarbled for a read whose next request would be beyond a limit."""
    if pages >= MAX_READ_PAGES:
        raise garbled(request, f"the list does not end; it was left after {MAX_READ_PAGES} answers of one read")
    if rows >= MAX_READ_ROWS:
        raise garbled(request, f"the list does not end; it was left after {MAX_READ_ROWS} rows of one read")


def check_listing_size(request: Request, listed: int) -> None:
    """Raise SourceGarbled for a listing that already holds as many resources as are accepted."""
    if listed >= MAX_LISTED:
        raise garbled(request, f"the list does not end; it was left after {MAX_LISTED} resources")


def is_segment(id_: str) -> bool:
    """Return whether an id can be one segment of a path; ``.`` and ``..`` would leave their place."""
    return id_ not in ("", ".", "..")


def segment(id_: str) -> str:
    """Encode an id as one segment of a path. Raises SourceGarbled for one that cannot be a segment."""
    if not is_segment(id_):
        raise SourceGarbled(f"the id '{id_}' cannot be part of a path; the resource is not read")
    return quote(id_, safe="")


def split_usable(rows: Iterable[T], id_of: Callable[[T], str]) -> tuple[list[T], list[T]]:
    """Split rows of a listing into those whose id can be part of a path, and the others."""
    usable: list[T] = []
    refused: list[T] = []
    for row in rows:
        (usable if is_segment(id_of(row)) else refused).append(row)
    return usable, refused
