"""Drives a reading: asks the vendor what the source wants asked, and hands on what it read. Nothing else awaits a source."""

from collections.abc import Awaitable, Callable

from exporter.model.errors import SourceGarbled
from exporter.model.events import EventPage, Request, ResourcePage, Response
from exporter.model.protocols import Reading, Stages
from exporter.model.runs import Stage


async def run_reading(
    reading: Reading,
    ask: Callable[[Request], Awaitable[Response]],
    take: Callable[[EventPage | ResourcePage], Awaitable[int | None]],
) -> None:
    """Runs a reading to its end. Raises what ``ask``, ``take`` and the source raise."""
    reply: Response | int | None = None
    try:
        while True:
            step = _next(reading, reply)
            reply = await ask(step) if isinstance(step, Request) else await take(step)
    except StopIteration:
        return
    finally:
        reading.close()


async def run_stages(reading: Stages, ask: Callable[[Request], Awaitable[Response]]) -> tuple[tuple[Stage, ...], ...]:
    """What a conversation that only asks ends with. Raises what ``ask`` and the source raise."""
    reply: Response | None = None
    try:
        while True:
            step = _next(reading, reply)
            assert isinstance(step, Request), "a record of stages is only asked for"
            reply = await ask(step)
    except StopIteration as end:
        learned: tuple[tuple[Stage, ...], ...] = end.value
        return learned
    finally:
        reading.close()


def _next(reading: Reading | Stages, reply: Response | int | None) -> Request | EventPage | ResourcePage:
    """An answer that its reader stumbles over is the vendor's, and must not stop the sources of others."""
    try:
        return reading.send(reply)
    except (LookupError, ValueError, TypeError, ArithmeticError, AttributeError) as error:
        raise SourceGarbled(f"an answer could not be read ({type(error).__name__}: {error})"[:200]) from error
