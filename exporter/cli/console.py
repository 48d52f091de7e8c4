"""What commands print on: a terminal, a pipe, or a reader of JSON."""

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

SEVERITY_STYLES = {"warning": "yellow", "error": "bold red"}
"""How severities that ask for attention look on a terminal."""


class Advance(Protocol):
    """Moves a progress bar on by a number of items."""

    def __call__(self, items: int = 1) -> None: ...


class Printer:
    """Standard output. Styles appear on a terminal only."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True, markup=False)

    def line(self, *parts: str | tuple[str, str]) -> None:
        """Print one line of texts; a text with a style is a pair."""
        if self._console.is_terminal:
            self._console.print(Text.assemble(*parts))
        else:
            print(*(part if isinstance(part, str) else part[0] for part in parts), sep="")

    def json(self, value: Any) -> None:
        """Print a value as JSON."""
        json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
        print()


def stderr_is_terminal() -> bool:
    """Return whether standard error is a terminal."""
    return Console(stderr=True).is_terminal


@contextlib.contextmanager
def progress_bar(what: str, total: int) -> Iterator[Advance]:
    """Show a progress bar on standard error while the block runs.

    The block calls the yielded function with the number of items, of the ``total``, that are done since the last call.
    Nothing is shown where standard error is not a terminal.
    """
    if not stderr_is_terminal():
        yield lambda items=1: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda items=1: shown.advance(task, items)
