"""Hiding variables of the environment from a library that reads them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hidden_variables(prefix: str) -> Iterator[None]:
    """Take the variables that start with ``prefix`` out of the environment; put them back at the end."""
    found = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(prefix)}
    try:
        yield
    finally:
        os.environ.update(found)
