"""The guard around everything that meets the outside: an unforeseen error costs one turn, never the process.

Expected errors pass through: their callers know what to do. Every other error is counted by its part, logged once with
its traceback, and raised as ``UnexpectedFailure``, which callers treat as one more failure: wait, then try again.
"""

import contextlib
from collections.abc import Iterator
from typing import Literal

from exporter.model.errors import ExporterError, UnexpectedFailure
from exporter.model.protocols import Report
from exporter.model.telemetry import UnexpectedError

Part = Literal["read", "listing", "login", "delivery", "reload", "page"]
"""The label ``part`` of ``platform_exporter_unexpected_errors_total``."""


@contextlib.contextmanager
def guard(part: Part, where: str, report: Report) -> Iterator[None]:
    """Turn an unforeseen error inside the block into ``UnexpectedFailure``.

    ``where`` names what was being worked on (target, source, resource; never a secret). Cancellation and the program's
    own errors pass unchanged, also in the group of a task group. Raises UnexpectedFailure.
    """
    try:
        yield
    except ExporterError:
        raise
    except ExceptionGroup as group:
        if group.subgroup(ExporterError) is not None:
            raise
        raise _failure(part, where, group, report) from group
    except Exception as error:
        raise _failure(part, where, error, report) from error


@contextlib.contextmanager
def set_aside(part: Part, where: str, report: Report) -> Iterator[None]:
    """Leave the block after an unforeseen error, and go on behind it; the error is counted and logged as by ``guard``.

    Use it where one bad thing among many must not stop the others, and where a failed block leaves nothing half done.
    """
    with contextlib.suppress(UnexpectedFailure), guard(part, where, report):
        yield


def _failure(part: Part, where: str, error: Exception, report: Report) -> UnexpectedFailure:
    report(UnexpectedError(part, where, error))
    return UnexpectedFailure(f"{where}: an unexpected {type(error).__name__}; the log has its traceback")
