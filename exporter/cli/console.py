"""What a verb prints on: colours for a terminal, plain lines for a pipe, JSON for a machine."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text


class Paper:
    """Standard output. Styles are seen on a terminal only."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True, markup=False)

    def line(self, *parts: str | tuple[str, str]) -> None:
        """One line of texts, or of texts with a style."""
        if self._console.is_terminal:
            self._console.print(Text.assemble(*parts))
        else:
            print(*(part if isinstance(part, str) else part[0] for part in parts), sep="")

    def json(self, value: Any) -> None:
        """A value for a machine."""
        json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
        print()


# Shows how far long work has come: a bar on a terminal, nothing where no terminal looks on.


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
