"""The findings of ``doctor``: one line for each check, with the cure."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from exporter.cli.failures import describe
from exporter.client.status import with_cure
from exporter.model.errors import KeysRefused, SourceBusy, SourceDown, SourceError, SourceGone

Outcome = Literal["ok", "warning", "failed", "skipped"]


class Finding(msgspec.Struct, frozen=True):
    """The result of one check of a target, or of one of its sources.

    ``failed``: the exporter will miss something. ``warning``: the exporter will work, but somebody should look.
    ``skipped``: the check could not be made; the text says why. ``values`` are for the JSON output.
    """

    target: str
    source: str
    check: str
    outcome: Outcome
    text: str
    values: Mapping[str, Any] = {}

    @property
    def place(self) -> str:
        """The target, and the source if there is one."""
        return FindingPlace(self.target, self.source).name


class FindingPlace(NamedTuple):
    """The target, or the source of a target, that a finding is about."""

    target: str
    source: str = ""

    @property
    def name(self) -> str:
        """The target, and the source if there is one."""
        return f"{self.target}/{self.source}" if self.source else self.target

    def finding(self, check: str, outcome: Outcome, text: str, **values: Any) -> Finding:
        """Make a finding about this place."""
        return Finding(self.target, self.source, check, outcome, text.removeprefix(f"{self.target}: "), values)


def error_finding(place: FindingPlace, check: str, error: SourceError, what: str = "") -> Finding:
    """Make a finding of a request that failed."""
    if isinstance(error, KeysRefused):
        return place.finding(check, "skipped", "not asked: the credentials were refused")
    text = describe(error).removeprefix(f"{place.target}: ")
    return place.finding(check, "failed", f"{what}{with_cure(text, _cure(error))}", cause=error.cause)


def _cure(error: SourceError) -> str:
    """Return the cure, for errors whose message does not hold one."""
    if isinstance(error, SourceBusy):
        return "; see who else asks with these credentials"
    if isinstance(error, SourceDown) and error.__cause__ is None:
        return "; the platform failed: see its status, and try again"
    if isinstance(error, SourceGone):
        return "; it is not there (any more): check region, project_id and endpoints"
    return ""


def not_connected(place: FindingPlace, check: str, api: str) -> Finding:
    """Make a finding of a request that was not sent because the host is unreachable."""
    return place.finding(check, "skipped", f"not asked: there is no connection to {api}")
