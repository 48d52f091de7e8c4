"""What a source is told of its target; it never learns credentials, endpoints or budgets."""

import msgspec


class SourceScope(msgspec.Struct, frozen=True):
    """A target as a source sees it. ``workspaces`` empty: all that the API lists by default.

    ``event_timezone`` is for times that a vendor sends without a zone: ``auto``, an IANA name or an offset (``+08:00``).
    """

    region: str = ""
    workspaces: tuple[str, ...] = ()
    event_timezone: str = "auto"
