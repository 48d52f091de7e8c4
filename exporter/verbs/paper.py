"""What a verb prints on: colours for a terminal, plain lines for a pipe, JSON for a machine."""

import json
import sys
from typing import Any

from rich.console import Console
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
