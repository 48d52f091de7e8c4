"""Liveness and readiness, from what the pollers do.

A failing vendor changes neither.
"""

from collections.abc import Sequence

from exporter.model.protocols import Clock
from exporter.model.telemetry import RequestDone, SelfEvent, StoreState
from exporter.pipeline.poller import Poller

SILENCE = 900.0  # seconds that a poll loop may be overdue with its next try; later it has stopped
FIRST_ROUND = 20.0  # seconds that readiness waits for the first poll of every source


class Health:
    """Whether the poll loop still tries, and whether its first round is over."""

    def __init__(self, pollers: Sequence[Poller], clock: Clock) -> None:
        self._pollers = pollers
        self._clock = clock
        self._started = clock.steady()
        self._last_try = self._started
        self._store_up = True

    def report(self, event: SelfEvent) -> None:
        """Note a request, answered or not, as a try; while the store is away, reading waits."""
        if isinstance(event, StoreState):
            self._store_up = event.up
        if isinstance(event, RequestDone | StoreState):
            self._last_try = self._clock.steady()

    def unhealthy(self) -> str | None:
        """Return why the process should be restarted; None while it tries."""
        if not self._store_up:
            return None
        expected = max((poller.expected for poller in self._pollers), default=self._last_try)
        silent = self._clock.steady() - max(self._last_try, expected)
        return None if silent < SILENCE else f"nothing was tried for {silent:.0f} s; the poll loop has stopped"

    def unready(self) -> str | None:
        """Return what readiness waits for.

        None once every source was tried or long enough has passed.
        """
        waiting = [poller.name for poller in self._pollers if not poller.settled.is_set()]
        if not waiting or self._clock.steady() - self._started >= FIRST_ROUND:
            return None
        return f"waiting for the first read of {', '.join(waiting)}"
