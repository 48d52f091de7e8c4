"""One tree of errors; the class says who acts. A message says where, what and the cure, in one line.

ExporterError
├── ConfigError        a person, before start: carries every problem found, one line each
├── SourceError        the schedule: leave this watch alone for a while, then ask again
│   ├── SourceDown         no answer, cut answer, or 5xx
│   ├── SourceBusy         429; ``wait`` seconds if the vendor said so
│   ├── SourceDenied       403: only a person can help, so wait long
│   │   └── KeysRefused        401 after one refresh: nobody of this target can ask for anything
│   ├── SourceGone         404: the resource does not exist (any more)
│   ├── SourceGarbled      an answer that cannot be read, or a page that does not move
│   └── UnexpectedFailure  an error that nobody foresaw, counted and logged by the guard
└── StoreError         the process: going on would lose or repeat events
"""

from collections.abc import Sequence

from msgspec import MsgspecError


class ExporterError(Exception):
    """Any expected trouble of this program."""


class ConfigError(ExporterError):
    """Something a person must change before the exporter can start; ``problems`` are whole lines."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class SourceError(ExporterError):
    """A vendor did not give what was asked. ``cause`` is the label of ``poll_failures_total``."""

    cause = "error"


class SourceDown(SourceError):
    """No answer, a cut answer, or a server error."""

    cause = "down"


class SourceBusy(SourceError):
    """The vendor refused for now; ``wait`` is its own wish in seconds, if it stated one."""

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
    """What was asked for does not exist."""

    cause = "gone"


class SourceGarbled(SourceError):
    """An answer that does not follow the vendor's contract."""

    cause = "garbled"


class UnexpectedFailure(SourceError):
    """An error that nobody foresaw; ``exporter.common.guard`` has counted it and logged its traceback."""


class StoreError(ExporterError):
    """The state could not be read or written."""


UNREADABLE = (ExporterError, MsgspecError, ValueError, TypeError, KeyError)
"""What reading a raw record may raise that a person wrote or pasted."""
