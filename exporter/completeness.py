"""Up to when a source is known completely: every event that happened before has been seen."""

from exporter.listing import Desk, Listing
from exporter.roster import Roster

MANY = 200  # watches; to look at all of them takes 0.2 us each


class Completeness:
    """Of one source. ``history`` says that events from before first contact are wanted too."""

    def __init__(self, desk: Desk, roster: Roster, listing: Listing, *, history: bool) -> None:
        self._desk, self._roster, self._listing, self._history = desk, roster, listing, history
        self._last: float | None = None
        self._look_again = 0.0

    def until(self) -> float | None:
        """Vendor time (Unix s) before which every event has been seen; None before the first reads are over.

        Not later than the last listing: a resource made since then may have told something already. Nobody waits for
        the first read of a resource that had ended before first contact: all it tells is history.
        """
        if not self._desk.per_resource:
            at = self._roster.reached("").complete
            return None if at is None else at / 1000
        awaited = self._roster.awaited(history=self._history)
        reached = [self._listing.complete, *(one.complete for one in awaited)]
        known = [at for at in reached if at is not None]
        return min(known) / 1000 if len(known) == len(reached) else None

    def glance(self) -> float | None:
        """``until``, looked up at most once a second where watches are many, and so are their polls."""
        now = self._desk.clock.steady()
        if len(self._roster.resources) <= MANY or now >= self._look_again:
            self._last, self._look_again = self.until(), now + 1.0
        return self._last
