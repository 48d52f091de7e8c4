"""Keeps an unforeseen error of one target or source to one line of a command."""

import traceback
from contextlib import AbstractContextManager
from pathlib import PurePath

from exporter.common.guard import guard
from exporter.model.errors import SourceError, UnexpectedFailure


def guarded(where: str) -> AbstractContextManager[None]:
    """Turn an unforeseen error inside the block into ``UnexpectedFailure``.

    Unlike ``run``, a command has no log: whoever catches the failure prints it, worded by ``describe``.
    """
    return guard("read", where, lambda event: None)


def describe(error: SourceError) -> str:
    """Word an error; of an unforeseen one, name its class and the code that raised it.

    The text of an unforeseen error is left out: it may repeat a secret, or bytes of a vendor's answer.
    """
    cause = error.__cause__
    if not isinstance(error, UnexpectedFailure) or cause is None:
        return str(error)
    frame = traceback.extract_tb(cause.__traceback__)[-1]
    place = "/".join(PurePath(frame.filename).parts[-2:])
    return f"an unexpected {type(cause).__name__} at {place}:{frame.lineno}: a bug; report it with this line"
