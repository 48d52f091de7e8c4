"""What a source is told of its target, and the small readers of times and numbers that vendors' answers need."""

import msgspec


class Scope(msgspec.Struct, frozen=True):
    """A target as a source sees it. ``workspaces`` empty: all that the API lists by default."""

    region: str = ""
    workspaces: tuple[str, ...] = ()
    event_timezone: str = "auto"
