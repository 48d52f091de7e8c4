"""Says whether a heavy part is there: present, else a failure where CI is set, else a skip with how to get it."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def needs(program: str, package: str) -> Path:
    """The path of a program of a Debian package."""
    found = shutil.which(program)
    if found is None:
        missing(f"{program} is not installed; on Debian: apt-get install {package}, or run make test as root")
    return Path(found)


def missing(how: str) -> NoReturn:
    """A part is not here; ``how`` says which, and how to get it."""
    if os.environ.get("CI") == "true":
        pytest.fail(how)
    pytest.skip(how)
