"""The part of a target that a source needs; credentials, endpoints and budgets are not part of it."""

import msgspec


class SourceScope(msgspec.Struct, frozen=True):
    """A target as a source sees it. No ``workspaces`` means those that the API lists by default.

    ``event_timezone`` is for times that a vendor sends without a zone: ``auto``, an IANA name or an offset
    (``+08:00``). ``pod_events`` and ``sanity_checks`` say whether these details of a job are read.
    """

    region: str = ""
    workspaces: tuple[str, ...] = ()
    event_timezone: str = "auto"
    pod_events: bool = False
    sanity_checks: bool = False
