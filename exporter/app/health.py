"""Whether the process is alive and ready, from what its pollers do; a vendor's trouble is neither's business."""

from collections.abc import Sequence

from exporter.model.protocols import Clock
from exporter.model.telemetry import RequestDone, SelfEvent
from exporter.pipeline.poller import Poller

SILENCE = 900.0  # seconds after which a loop that should have tried, and did not, counts as stopped
FIRST_ROUND = 20.0  # seconds that readiness waits for the first poll of every source


class Health:
    """Whether the poll loop still tries, and whether its first round is over."""

    def __init__(self, pollers: Sequence[Poller], clock: Clock) -> None:
        self._pollers, self._clock = pollers, clock
        self._began = self._heard = clock.steady()

    def hear(self, fact: SelfEvent) -> None:
        """Any request, answered or not, is a try."""
        if isinstance(fact, RequestDone):
            self._heard = self._clock.steady()

    def unhealthy(self) -> str | None:
        """Why the process should be started again; None while it tries."""
        expected = max((poller.expected for poller in self._pollers), default=self._heard)
        silent = self._clock.steady() - max(self._heard, expected)
        return None if silent < SILENCE else f"nothing was tried for {silent:.0f} s; the poll loop has stopped"

    def unready(self) -> str | None:
        """What is still waited for; None once every source was tried, or long enough has passed."""
        waiting = [poller.name for poller in self._pollers if not poller.settled.is_set()]
        if not waiting or self._clock.steady() - self._began >= FIRST_ROUND:
            return None
        return f"waiting for the first read of {', '.join(waiting)}"
