"""How far back a read looks, and what is too old to be looked at: overlap, full depth, and what is remembered. Pure.

The keys of a watch are forgotten together with the vendor's chance to repeat them: what happened before the ``floor`` of
its progress is neither asked for nor taken from an answer that holds it all the same. So a read in full depth goes back
exactly as far as keys are remembered. Times are Unix milliseconds by the vendor's clock.
"""

from typing import NamedTuple

import msgspec

from exporter.model.events import Event, Millis, Window
from exporter.model.state import Progress

DAY = 86_400_000
JITTER = 2_000  # ms that two looks at the vendor's clock may differ: its dates are whole seconds
FOR_EVER = 2**62  # before which every event happened


class ReadWindow(NamedTuple):
    """The options of a source that say how far reads go, in milliseconds."""

    overlap: int
    reconcile: int
    remember: int

    def window(self, progress: Progress, now: Millis) -> tuple[bool, Window]:
        """(whether it goes in full depth, what to read). A vendor's clock that went back was wrong before."""
        due = progress.reconciled is None or now - progress.reconciled >= self.reconcile
        if progress.complete is None or due or progress.complete > now + JITTER:
            return True, Window(progress.floor, now)
        return False, Window(max(progress.complete - self.overlap, progress.floor or 0), now)

    def floor(self, progress: Progress, complete: Millis) -> Millis | None:
        """The floor after a complete read in full depth; it never falls, and lies at the start of a day."""
        least = (complete - self.remember) // DAY * DAY
        return max(progress.floor or 0, least) if least > 0 else progress.floor


def forgettable(floor: Millis) -> Millis:
    """The keys of days before this are not needed. A corrected time zone may move events by less than a day."""
    return floor - DAY


def drop_older(events: list[Event], floor: Millis | None) -> list[Event]:
    """The events that are not too old; those without a time never are."""
    if floor is None or min([floor if event.at is None else event.at for event in events], default=floor) >= floor:
        return events
    return [event for event in events if event.at is None or event.at >= floor]


def final_progress(progress: Progress) -> Progress:
    """The progress of what has had its last read: all that was read of it lies below the floor, so no key is needed."""
    return msgspec.structs.replace(progress, floor=None if progress.complete is None else progress.complete + JITTER)
