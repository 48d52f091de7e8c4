"""Runs the work of a command in an event loop, and says expected trouble in lines on standard error; a bug shows itself."""

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterable
from typing import Any, NoReturn, TypeVar

import typer

T = TypeVar("T")
INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended


def run(work: Coroutine[Any, Any, T], interrupted: int = 0) -> T:
    """What the work comes to. Where Ctrl-C or SIGTERM ends it, the program ends with the code ``interrupted``."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_until_told(work))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(interrupted) from None


async def _until_told(work: Coroutine[Any, Any, T]) -> T:
    """SIGTERM ends what has no better way to hear of it as Ctrl-C does: everything is tidied up first."""
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    return await work


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # not made for this platform
        return None
    return uvloop.new_event_loop


def leaves(group: BaseExceptionGroup[Any] | None) -> list[BaseException]:
    """The errors in a group, however deep."""
    if group is None:
        return []
    return [leaf for e in group.exceptions for leaf in (leaves(e) if isinstance(e, BaseExceptionGroup) else [e])]


def fail(lines: Iterable[object], code: int) -> NoReturn:
    """Ends the program with an exit code and these lines."""
    for line in lines:
        print(line, file=sys.stderr)
    raise SystemExit(code)
