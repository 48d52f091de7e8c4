"""Outages of sources: equal failures of many resources are one outage.

An outage is a source and what its failures say, with whatever differs from resource to resource folded. It lasts while
any of its watches fails: a listing that works ends no failure of reads, nor the other way round.
"""

from collections import OrderedDict
from collections.abc import Iterator

from exporter.model.telemetry import Discovered, PollDone, PollFailed

MAX_WATCHES = 10_000  # of one outage that are remembered
MAX_OUTAGES = 20  # of one source at a time; of more, the oldest is forgotten
SLACK = 60.0  # seconds that a failing watch may be overdue; later it counts as read no more
ID_DIGITS = 6  # a word with so many digits is an id, an address or a time
LONG_ID = 8  # characters of an id that is found within other words, too
METHODS = frozenset({"GET", "POST", "PUT", "HEAD"})
PUNCTUATION = ".,;:!?'\"()[]{}<>=…"
Watch = tuple[bool, str]
"""Whether it is the listing, and the resource ("" for all of a source)."""


class Outage:
    """Watches of one source that fail for one reason."""

    def __init__(self, first: Watch) -> None:
        self.first = first
        self.watches: set[Watch] = set()
        self._failing: dict[Watch, float] = {}  # until when its failure counts, Unix seconds

    def add(self, watch: Watch, until: float) -> None:
        """Add a failure; it counts until the watch is long overdue."""
        if watch in self.watches or len(self.watches) < MAX_WATCHES:
            self.watches.add(watch)
            self._failing[watch] = until

    def discard(self, watch: Watch) -> bool:
        """Remove a watch that fails no more, or for another reason.

        Return whether it was here.
        """
        return self._failing.pop(watch, None) is not None

    def is_over(self, now: float) -> bool:
        """Return whether no watch fails any more.

        One that nobody reads any more does not count.
        """
        return all(until < now for until in self._failing.values())

    def describe_end(self) -> str:
        """Say what works again and how many resources had failed."""
        reads = [resource for listing, resource in self.watches if not listing]
        what = "reads get through again" if reads else "the listing gets through again"
        name = self.first[1] or (min(reads) if len(reads) > 1 else "")
        more = len(reads) - 1
        return f"{what}: {name} and {more:,} more had failed" if name and more > 0 else what


class Outages:
    """The outages of all sources."""

    def __init__(self) -> None:
        self._outages: dict[tuple[str, str], OrderedDict[str, Outage]] = {}

    def begins(self, failure: PollFailed) -> bool:
        """Add a failure; return whether it begins an outage."""
        here = self._outages.setdefault((failure.target, failure.source), OrderedDict())
        watch, reason = (failure.listing, failure.resource), fold_ids(str(failure.error), failure.resource)
        self._move(here, watch, reason)
        known = here.get(reason)
        if known is not None and not known.is_over(failure.at):
            known.add(watch, failure.at + 2 * failure.wait + SLACK)
            return False
        here[reason] = Outage(watch)
        here[reason].add(watch, failure.at + 2 * failure.wait + SLACK)
        if len(here) > MAX_OUTAGES:
            here.popitem(last=False)
        return True

    def leave(self, failure: PollFailed) -> None:
        """Forget a watch whose resource is gone; its outage may end with the next success."""
        for outage in self._outages.get((failure.target, failure.source), OrderedDict()).values():
            outage.discard((failure.listing, failure.resource))

    def ended_by(self, success: PollDone | Discovered) -> Iterator[Outage]:
        """Remove the watch that works again; yield each outage that is over with it."""
        here = self._outages.get((success.target, success.source))
        if not here:
            return
        watch = (False, success.resource) if isinstance(success, PollDone) else (True, "")
        for outage in here.values():
            outage.discard(watch)
        for reason in [reason for reason, outage in here.items() if outage.is_over(success.at)]:
            yield here.pop(reason)

    def _move(self, here: OrderedDict[str, Outage], watch: Watch, reason: str) -> None:
        """Take a watch that fails for another reason out of its former outage.

        An outage without watches is removed.
        """
        for other, outage in [*here.items()]:
            if other != reason and outage.discard(watch) and outage.is_over(0.0):
                del here[other]


def fold_ids(text: str, resource: str) -> str:
    """Replace what differs between equal failures of two resources by ``#``.

    That is their ids, paths, HTTP methods and long numbers.
    """
    if len(resource) >= LONG_ID or " " in resource:
        text = text.replace(resource, "#")
    folded: list[str] = []
    for word in text.split():
        kept = "#" if _is_id(word, resource) else word
        if kept != "#" or folded[-1:] != ["#"]:
            folded.append(kept)
    return " ".join(folded)


def _is_id(word: str, resource: str) -> bool:
    if word in METHODS or "/" in word or "#" in word:
        return True
    if resource and word.strip(PUNCTUATION) == resource.strip(PUNCTUATION):
        return True
    return sum(char.isdigit() for char in word) >= ID_DIGITS
