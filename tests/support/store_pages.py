"""Commits of one event each, and their total."""

from exporter.model.events import Event
from exporter.model.metrics import Changes, Series
from exporter.model.protocols import Store
from exporter.model.state import Commit, Progress, Watch

WATCH = Watch("t", "s", "r")
COUNTER: Series = ("m", ("t",))


def page(number: int, events: int = 5) -> Commit:
    """A commit of new events; each page has its own."""
    keys = [(number * 1000 + n).to_bytes(16, "big") for n in range(events)]
    rows = [Event(key=key, resource="r", at=1) for key in keys]
    return Commit(WATCH, events=rows, changes=Changes({COUNTER: float(events)}), progress=Progress(number))


async def total(store: Store) -> float:
    return (await store.restore()).changes.counts.get(COUNTER, 0.0)
