"""Keeps one part of the program running: an unforeseen error ends its turn, not the part and not its neighbours."""

import random
from collections.abc import Awaitable, Callable

from exporter.common.backoff import backoff
from exporter.common.guard import Part, guard
from exporter.model.errors import UnexpectedFailure
from exporter.model.protocols import Clock, Report

LONG_RUN = 300.0  # seconds after which a part that failed begins again as if it had never failed


async def supervise(part: Part, where: str, run: Callable[[], Awaitable[None]], clock: Clock, report: Report) -> None:
    """Run a part until it returns or is cancelled; after an unforeseen error, wait and run it again.

    Expected errors pass: StoreError ends the program.
    """
    draw, attempt = random.Random(), 0  # noqa: S311
    while True:
        began = clock.steady()
        try:
            with guard(part, where, report):
                await run()
        except UnexpectedFailure as error:
            attempt = 0 if clock.steady() - began >= LONG_RUN else attempt + 1
            await clock.sleep(backoff(error, attempt, draw))
        else:
            return
