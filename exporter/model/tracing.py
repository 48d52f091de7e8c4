"""Spans of the exporter's own work: what the parts that make them see of a tracer, and one that makes none.

They are not the spans of the platforms' runs, which are in ``runs.py``.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Literal, Protocol

AttributeValue = str | int


class ActiveSpan(Protocol):
    """A span whose work is under way."""

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Set an attribute that is known only now. It holds no secret: no query, no header, no text of a vendor."""
        ...


StartSpan = Callable[
    [str, Mapping[str, AttributeValue], Literal["internal", "client"]], AbstractContextManager[ActiveSpan]
]
"""Begin a span with a name, attributes and a kind; it ends with its block.

It is a child of the span under way. An error that leaves the block marks it as failed, by its class alone.
"""


class _NoSpan:
    """A span that is not kept."""

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        pass

    def __enter__(self) -> ActiveSpan:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass


_NO_SPAN = _NoSpan()


def no_spans(
    name: str, attributes: Mapping[str, AttributeValue], kind: Literal["internal", "client"]
) -> AbstractContextManager[ActiveSpan]:
    """Begin a span that is not kept: a ``StartSpan`` for those who trace nothing."""
    return _NO_SPAN
