"""What ``doctor`` finds: each thing that was tried, as one line with its cure."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from exporter.model.errors import KeysRefused, SourceBusy, SourceDown, SourceError, SourceGone

Outcome = Literal["ok", "warning", "failed", "skipped"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was tried: of a target, or of one of its sources. ``values`` are what a machine may want of it.

    ``failed``: the exporter will miss something. ``warning``: it will work, and somebody should look. ``skipped``: it
    could not be tried, and why.
    """

    target: str
    source: str
    check: str
    outcome: Outcome
    text: str
    values: Mapping[str, Any] = {}

    @property
    def place(self) -> str:
        """The target, and its source if there is one."""
        return f"{self.target}/{self.source}" if self.source else self.target


class FindingPlace(NamedTuple):
    """Where a finding is made."""

    target: str
    source: str = ""

    def found(self, check: str, outcome: Outcome, text: str, **values: Any) -> Finding:
        """A finding here."""
        return Finding(self.target, self.source, check, outcome, text.removeprefix(f"{self.target}: "), values)


def refusal(place: FindingPlace, check: str, error: SourceError, what: str = "") -> Finding:
    """A call that did not get its answer."""
    if isinstance(error, KeysRefused):
        return place.found(check, "skipped", "not asked: the credentials were refused")
    text = str(error).removeprefix(f"{place.target}: ")
    return place.found(check, "failed", f"{what}{text}{_cure(error)}", cause=error.cause)


def _cure(error: SourceError) -> str:
    """What to do where the error itself does not say it."""
    if isinstance(error, SourceBusy):
        return "; see who else asks with these credentials"
    if isinstance(error, SourceDown) and error.__cause__ is None:
        return "; the platform failed: see its status, and try again"
    if isinstance(error, SourceGone):
        return "; it is not there (any more): check region, project_id and endpoints"
    return ""


def unconnected(place: FindingPlace, check: str, api: str) -> Finding:
    """What was not asked, for nobody would hear it."""
    return place.found(check, "skipped", f"not asked: there is no connection to {api}")
