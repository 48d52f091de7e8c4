"""The tree of errors; the class says who acts on one.

A message says where, what and the cure, in one line.

ExporterError
├── ConfigError        a person, before start: carries every problem found, one line each
├── SourceError        the schedule: leave this watch alone for a while, then ask again
│   ├── SourceDown         no answer, cut answer, or 5xx
│   ├── SourceBusy         429; ``wait`` seconds if the vendor said so
│   ├── SourceDenied       403: only a person can help, so wait long
│   │   └── KeysRefused        401 after one refresh: nobody of this target can ask for anything
│   ├── SourceGone         404: the resource does not exist (any more)
│   ├── SourceGarbled      an answer that cannot be read, or a page that does not move
│   │   └── RequestRefused     400: the vendor finds fault with the request
│   └── UnexpectedFailure  an error that nobody foresaw, counted and logged by the guard
└── StoreError         the store is away: reading waits, the page stays, the store is tried again
    ├── LeaseLost          another process leads, or may lead: the term ends, the process waits as standby
    └── StoreUnusable      a person: the file is damaged, in use, of another program or of a newer version
"""

from collections.abc import Sequence

from msgspec import MsgspecError


class ExporterError(Exception):
    """An expected error of this program."""


class ConfigError(ExporterError):
    """A problem that a person must solve before the exporter can start.

    ``problems`` are whole lines.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class SourceError(ExporterError):
    """A vendor did not give what was asked.

    ``cause`` is the label of ``poll_failures_total``.
    """

    cause = "error"


class SourceDown(SourceError):
    """No answer, a cut answer, or a server error."""

    cause = "down"


class SourceBusy(SourceError):
    """The vendor refused for now.

    ``wait`` is its own wish in seconds, if it stated one.
    """

    cause = "throttled"

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class SourceDenied(SourceError):
    """Credentials or permissions are missing; asking again soon is useless."""

    cause = "denied"


class KeysRefused(SourceDenied):
    """The credentials themselves were refused, or cannot be read."""


class SourceGone(SourceError):
    """The resource that was asked for does not exist."""

    cause = "gone"


class SourceGarbled(SourceError):
    """An answer that does not follow the vendor's contract."""

    cause = "garbled"


class RequestRefused(SourceGarbled):
    """A request with which the vendor finds fault: its answer was a 400."""


class UnexpectedFailure(SourceError):
    """An error that nobody foresaw.

    ``exporter.common.guard`` has counted it and logged its traceback.
    """


class StoreError(ExporterError):
    """The state could not be read or written; waiting or a restart may cure it."""


class LeaseLost(StoreError):
    """This process leads no more: what is not on record is read again by whoever leads.

    ``forgotten`` counts the commits that the database had acknowledged and has forgotten.
    """

    def __init__(self, message: str, forgotten: int = 0) -> None:
        super().__init__(message)
        self.forgotten = forgotten


class StoreUnusable(StoreError):
    """The state cannot be used before a person has acted; a start ends with exit code 2."""


NOT_JSON = (MsgspecError, ValueError, RecursionError)
"""What decoding JSON may raise; it can be nested deeper than the interpreter's stack."""

UNREADABLE = (ExporterError, MsgspecError, ValueError, TypeError, KeyError)
"""What reading a raw record may raise that a person wrote or pasted."""
