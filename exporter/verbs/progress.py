"""Shows how far long work has come: a bar on a terminal, nothing where no terminal looks on."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


def looked_on() -> bool:
    """Whether a terminal shows what goes to standard error."""
    return Console(stderr=True).is_terminal


@contextlib.contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on standard error that is gone afterwards; each call says that one more of ``total`` is done."""
    if not looked_on():
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda: shown.advance(task)
