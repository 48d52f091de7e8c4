"""The real systems: programs that ``make interop`` builds, and the waiting for their HTTP ports."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from tests.support.heavy import missing
from tests.support.processes import DIRECT

ROOT = Path(__file__).parents[2]
BUILT = ROOT / ".interop"


def built(program: str) -> Path:
    """Return the path of a program, built from the versions that the modules in this folder pin."""
    path = BUILT / program
    if not path.is_file():
        missing(f"{program} is not built; install Go 1.26 or newer and run make interop ALL=1")
    return path


def answers(url: str) -> Callable[[], bool]:
    """Return a look that says whether this address answers 200."""

    def look() -> bool:
        try:
            return httpx2.get(url, **DIRECT).status_code == 200
        except httpx2.HTTPError:
            return False

    return look


def fetch(url: str, **parameters: Any) -> Any:
    """Return the JSON of an answer, which has to be 200."""
    answer = httpx2.get(url, params=parameters, **DIRECT)
    assert answer.status_code == 200, answer.text
    return answer.json()
