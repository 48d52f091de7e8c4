"""Runs the work of a command in an event loop and ends the process with lines."""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterable
from typing import Any, NoReturn, TypeVar

import typer

T = TypeVar("T")
INTERRUPTED = 130  # the exit code that shells give a program ended by Ctrl-C


def run(work: Coroutine[Any, Any, T], interrupted: int = 0) -> T:
    """Run the work of a command and return its result.

    If Ctrl-C or SIGTERM ends the work, the program exits with the code ``interrupted``. Raises typer.Exit.
    """
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_until_sigterm(work))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(interrupted) from None


async def _until_sigterm(work: Coroutine[Any, Any, T]) -> T:
    """Run the work; SIGTERM cancels it, as Ctrl-C does, so that it cleans up first."""
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    return await work


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # uvloop has no build for this platform
        return None
    return uvloop.new_event_loop


def leaf_errors(group: BaseExceptionGroup[Any] | None) -> list[BaseException]:
    """Return the errors of a group and of the groups inside it."""
    if group is None:
        return []
    return [leaf for e in group.exceptions for leaf in (leaf_errors(e) if isinstance(e, BaseExceptionGroup) else [e])]


def fail(lines: Iterable[object], code: int) -> NoReturn:
    """Print the lines to standard error and exit with the code."""
    for line in lines:
        print(line, file=sys.stderr)
    raise SystemExit(code)
