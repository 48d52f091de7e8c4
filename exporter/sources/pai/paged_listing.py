"""Lists resources page by page, newest first, where pages are numbered and each tells how many there are in all."""

from collections.abc import Callable, Collection, Generator
from typing import NamedTuple

import msgspec

from exporter.model.errors import SourceGarbled
from exporter.model.events import Pause, Request, ResourcePage, Response
from exporter.model.protocols import Reading
from exporter.sources.decoding import gap_fingerprint, reaches
from exporter.sources.limits import check_listing_size
from exporter.sources.offset_paging import note_rows


class ListedPage(NamedTuple):
    """One page of a listing, how many rows its answer had, and how many resources there are in all.

    ``failure`` is to be raised once the page is used: the answer was not decoded to its end.
    """

    page: ResourcePage
    came: int
    total: int | None
    failure: SourceGarbled | None


class PagedListing(NamedTuple):
    """The listing of one workspace. ``noun`` names its resources, ``size`` is the number of rows of a page.

    ``request_for`` makes the request for a page, by its number from 1 on; ``ask`` asks it and decodes the answer.
    """

    noun: str
    workspace: str
    size: int
    request_for: Callable[[int], Request]
    ask: Callable[[Request], Generator[Request | Pause, Response | int | None, ListedPage]]


def list_pages(listing: PagedListing, listed: set[str], until: Collection[str] = ()) -> Reading:
    """List all pages, and add the ids to ``listed``; end early at a page that holds only resources of ``until``.

    A listing that ends before its total is truncated, and says nothing of resources that it lacks.
    """
    pages = seen = 0
    rows: set[str | bytes] = set()
    while True:
        request = listing.request_for(pages + 1)
        check_listing_size(request, len(listed))
        found = yield from listing.ask(request)
        ids = [resource.id for resource in found.page.resources]
        note_rows(rows, [*ids, *found.page.unreadable], request, listing.noun)
        listed |= {*ids}
        pages, seen = pages + 1, seen + found.came
        ends = not found.came or (found.came < listing.size if found.total is None else seen >= found.total)
        lacks = (found.total or 0) - seen if ends else 0
        if not ends and reaches(found.page.resources, until):
            yield msgspec.structs.replace(found.page, partial=True)
            return
        if lacks > 0:
            gap = gap_fingerprint(listing.noun, listing.workspace, lacks)
            yield msgspec.structs.replace(found.page, partial=True, truncated=(gap,))
        else:
            yield found.page
        if found.failure:
            raise found.failure
        if ends:
            return
