"""Whether the process is alive and ready, from what its pollers do. A failing vendor changes neither."""

from collections.abc import Sequence

from exporter.model.protocols import Clock
from exporter.model.telemetry import RequestDone, SelfEvent, StoreState
from exporter.pipeline.poller import Poller

SILENCE = 900.0  # seconds without a request, where one was due, after which the poll loop counts as stopped
FIRST_ROUND = 20.0  # seconds that readiness waits for the first poll of every source


class Health:
    """Whether the poll loop still tries, and whether its first round is over."""

    def __init__(self, pollers: Sequence[Poller], clock: Clock) -> None:
        self._pollers = pollers
        self._clock = clock
        self._began = clock.steady()
        self._last_sign = self._began
        self._store_up = True

    def hear(self, event: SelfEvent) -> None:
        """Remember when the last request ended, answered or not, and whether the store takes commits."""
        if isinstance(event, StoreState):
            self._store_up = event.up
        if isinstance(event, RequestDone | StoreState):
            self._last_sign = self._clock.steady()

    def unhealthy(self) -> str | None:
        """Return why the process should be restarted; None while the poll loop tries.

        While the store is away, reading waits on purpose: nothing has stopped.
        """
        if not self._store_up:
            return None
        expected = max((poller.expected for poller in self._pollers), default=self._last_sign)
        silent = self._clock.steady() - max(self._last_sign, expected)
        return None if silent < SILENCE else f"nothing was tried for {silent:.0f} s; the poll loop has stopped"

    def unready(self) -> str | None:
        """Return what is still waited for; None once every source was tried, or 20 s have passed."""
        waiting = [poller.name for poller in self._pollers if not poller.settled.is_set()]
        if not waiting or self._clock.steady() - self._began >= FIRST_ROUND:
            return None
        return f"waiting for the first read of {', '.join(waiting)}"
