"""The driver of a reading: sends its requests, passes on its pages, and frees the event loop at its pauses.

An error that answers a request is raised inside the reading, which may know another request to send instead.
"""

import asyncio
from collections.abc import Awaitable, Callable

from exporter.model.errors import SourceError, SourceGarbled
from exporter.model.events import EventPage, Pause, Request, ResourcePage, Response
from exporter.model.protocols import Reading, Stages
from exporter.model.runs import RunRecord

ROUNDS = 4  # of the event loop that a pause lasts: a scrape is accepted, read, answered and written in so many


async def run_reading(
    reading: Reading,
    ask: Callable[[Request], Awaitable[Response]],
    take: Callable[[EventPage | ResourcePage], Awaitable[int | None]],
    slice_lock: asyncio.Lock | None = None,
) -> None:
    """Run a reading to its end. Raises what ``ask``, ``take`` and the source raise.

    Readings that share a ``slice_lock`` work on their answers one after the other, a slice each: a scrape waits for one
    slice, not for one slice of every reading.
    """
    slice_lock = slice_lock or asyncio.Lock()
    reply: Response | int | SourceError | None = None
    try:
        while True:
            async with slice_lock:
                step = _next_step(reading, reply)
                if isinstance(step, Pause):
                    await free_loop()
            if isinstance(step, Pause):
                reply = None
            elif isinstance(step, Request):
                reply = await _answer(ask, step)
            else:
                reply = await take(step)
    except StopIteration:
        return
    finally:
        reading.close()


async def run_stages(
    reading: Stages, ask: Callable[[Request], Awaitable[Response]], slice_lock: asyncio.Lock | None = None
) -> RunRecord:
    """Run a reading of the vendor's own record and return the record. Raises what ``ask`` and the source raise.

    ``slice_lock`` is as in ``run_reading``.
    """
    slice_lock = slice_lock or asyncio.Lock()
    reply: Response | SourceError | None = None
    try:
        while True:
            async with slice_lock:
                step = _next_step(reading, reply)
                if isinstance(step, Pause):
                    await free_loop()
            if isinstance(step, Pause):
                reply = None
                continue
            assert isinstance(step, Request), "a reading of stages yields requests and pauses only"
            reply = await _answer(ask, step)
    except StopIteration as end:
        record: RunRecord = end.value
        return record
    finally:
        reading.close()


async def free_loop() -> None:
    """Let a scrape through."""
    for _ in range(ROUNDS):
        await asyncio.sleep(0)


async def _answer(ask: Callable[[Request], Awaitable[Response]], request: Request) -> Response | SourceError:
    """Return the answer of a request, or the error that stands for it."""
    try:
        return await ask(request)
    except SourceError as error:
        return error


def _next_step(
    reading: Reading | Stages, reply: Response | int | SourceError | None
) -> Request | EventPage | ResourcePage | Pause:
    """Send ``reply`` to a reading, or raise it there, and return its next step.

    Raises SourceGarbled in place of an error that the answer caused in its reader: the answer is the vendor's, and must
    not stop the other sources.
    """
    try:
        return reading.throw(reply) if isinstance(reply, SourceError) else reading.send(reply)
    except (LookupError, ValueError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
        raise SourceGarbled(f"an answer could not be read ({type(error).__name__}: {error})"[:200]) from error
