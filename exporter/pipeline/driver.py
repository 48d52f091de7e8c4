"""The driver of a reading: sends its requests, passes on its pages, and frees the event loop at its pauses."""

import asyncio
from collections.abc import Awaitable, Callable

from exporter.model.errors import SourceGarbled
from exporter.model.events import EventPage, Pause, Request, ResourcePage, Response
from exporter.model.protocols import Reading, Stages
from exporter.model.runs import Stage


async def run_reading(
    reading: Reading,
    ask: Callable[[Request], Awaitable[Response]],
    take: Callable[[EventPage | ResourcePage], Awaitable[int | None]],
) -> None:
    """Run a reading to its end. Raises what ``ask``, ``take`` and the source raise."""
    reply: Response | int | None = None
    try:
        while True:
            step = _next_step(reading, reply)
            if isinstance(step, Request):
                reply = await ask(step)
            elif isinstance(step, Pause):
                await asyncio.sleep(0)
                reply = None
            else:
                reply = await take(step)
    except StopIteration:
        return
    finally:
        reading.close()


async def run_stages(reading: Stages, ask: Callable[[Request], Awaitable[Response]]) -> tuple[tuple[Stage, ...], ...]:
    """Run a reading of stage records and return the stages. Raises what ``ask`` and the source raise."""
    reply: Response | None = None
    try:
        while True:
            step = _next_step(reading, reply)
            if isinstance(step, Pause):
                await asyncio.sleep(0)
                reply = None
                continue
            assert isinstance(step, Request), "a reading of stages yields requests and pauses only"
            reply = await ask(step)
    except StopIteration as end:
        stages: tuple[tuple[Stage, ...], ...] = end.value
        return stages
    finally:
        reading.close()


def _next_step(reading: Reading | Stages, reply: Response | int | None) -> Request | EventPage | ResourcePage | Pause:
    """Send ``reply`` to a reading and return its next step.

    Raises SourceGarbled in place of an error that the answer caused in its reader: the answer is the vendor's, and must
    not stop the other sources.
    """
    try:
        return reading.send(reply)
    except (LookupError, ValueError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
        raise SourceGarbled(f"an answer could not be read ({type(error).__name__}: {error})"[:200]) from error
