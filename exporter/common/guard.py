"""The guard around everything that meets the outside: an unforeseen error costs one turn, never the process.

Expected errors pass through: their callers know what to do. Everything else is counted by its part, logged once with its
traceback, and raised as ``UnexpectedFailure``, which callers treat as one more failure: wait, then try again.
"""

import contextlib
from collections.abc import Iterator
from typing import Literal

from exporter.model.errors import ExporterError, UnexpectedFailure
from exporter.model.protocols import Tell
from exporter.model.telemetry import UnexpectedError

Part = Literal["read", "listing", "login", "delivery", "reload", "page"]
"""The label ``part`` of ``platform_exporter_unexpected_errors_total``."""


@contextlib.contextmanager
def guard(part: Part, where: str, tell: Tell) -> Iterator[None]:
    """Turn an unforeseen error inside the block into ``UnexpectedFailure``.

    ``where`` names what was being worked on (target, source, resource; never a secret). Cancellation and the program's
    own errors pass unchanged. Raises UnexpectedFailure.
    """
    try:
        yield
    except ExporterError:
        raise
    except Exception as error:
        tell(UnexpectedError(part, where, error))
        raise UnexpectedFailure(f"{where}: an unexpected {type(error).__name__}; the log has its traceback") from error
