"""How far back a read looks, and which events are too old to be looked at. Pure.

The keys of a watch are forgotten after a time. Events from before the ``floor`` of its progress are therefore not
requested, and are dropped from an answer that holds them all the same: without their keys they would count again. A
read in full depth goes back exactly as far as keys are remembered. All times are Unix milliseconds by the vendor's
clock.
"""

from typing import NamedTuple

import msgspec

from exporter.common.plausible_time import EARLIEST
from exporter.model.events import Event, Millis, Window
from exporter.model.state import Progress

DAY = 86_400_000
JITTER = 2_000  # ms that two readings of the vendor's clock may differ: its dates are whole seconds
FOR_EVER = 2**62  # a time after every event


class ReadWindow(NamedTuple):
    """The options of a source that say how far reads go, in milliseconds."""

    overlap: int
    reconcile: int
    remember: int

    def window(self, progress: Progress, now: Millis) -> tuple[bool, Window]:
        """Return whether the next read goes in full depth, and the window of that read.

        A time of ``progress`` that lies in the future was taken from a clock that was wrong: the read goes in full
        depth.
        """
        floor = progress.floor if progress.floor is None else min(progress.floor, now)
        if progress.complete is None or progress.complete > now + JITTER or self._reconcile_due(progress, now):
            return True, Window(floor, now)
        return False, Window(max(progress.complete - self.overlap, floor or 0), now)

    def next_floor(self, progress: Progress, complete: Millis) -> Millis | None:
        """Return the floor after a complete read in full depth.

        The floor lies at the start of a day and never falls, unless it lay in the future: then a wrong clock had set
        it.
        """
        known = None if progress.floor is None else min(progress.floor, complete)
        least = (complete - self.remember) // DAY * DAY
        return max(known or 0, least) if least > 0 else known

    def _reconcile_due(self, progress: Progress, now: Millis) -> bool:
        last = progress.reconciled
        return last is None or now - last >= self.reconcile or last > now + JITTER


def forgettable(floor: Millis) -> Millis:
    """Return the time before which keys are not needed.

    It is a day before the floor, for a corrected time zone moves events by less than a day.
    """
    return floor - DAY


def drop_older(events: list[Event], floor: Millis | None) -> tuple[list[Event], list[Event]]:
    """Split events into those to count and those from before ``floor``.

    An event without a time is as old as what it tells of. One of which nothing says how old it is, or whose time cannot
    be true, is kept.
    """
    times = [event.began if event.at is None else event.at for event in events]
    if floor is None or min([at for at in times if at is not None], default=floor) >= floor:
        return events, []
    old = [at is not None and EARLIEST <= at < floor for at in times]
    kept = [event for event, is_old in zip(events, old, strict=True) if not is_old]
    return kept, [event for event, is_old in zip(events, old, strict=True) if is_old]


def final_progress(progress: Progress) -> Progress:
    """Return the progress after a watch's last read: all that was read lies below the floor, so no key is needed."""
    return msgspec.structs.replace(progress, floor=None if progress.complete is None else progress.complete + JITTER)
