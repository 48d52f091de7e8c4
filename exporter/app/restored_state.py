"""What a start takes out of the stored state: series of what is configured no more. Pure.

Totals without a resource stay: a counter never falls. Keys and progress stay for ``FORGET_AFTER_MS``, so that a target
that is configured again goes on where it was left. After that all its events are as old as keys are remembered by
default, and a target that comes back begins a new history.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from exporter.common.millis import DAY
from exporter.model.events import Millis
from exporter.model.metrics import Changes, Metric, Series
from exporter.model.state import RECORD, Commit, Restored, Watch

GROWING = ("counter", "histogram")
FORGET_AFTER_MS = 30 * DAY  # how long after its last read something that is configured no more is remembered
Place = tuple[str, str]


class CleanState(NamedTuple):
    """A stored state without what was taken out; ``commits`` take the same out of the store, ``lines`` say so."""

    restored: Restored
    commits: tuple[Commit, ...]
    lines: tuple[str, ...]


def clean_state(
    restored: Restored, metrics: Mapping[str, Metric], configured: Collection[Place], now: Millis
) -> CleanState:
    """Take out the series of targets and sources that are not ``configured``, and in time all that is known of them."""
    left = {series for series in _all_series(restored) if not _is_configured(series, metrics, configured, restored)}
    forgotten = [place for place in unread_places(restored, now) if place not in configured]
    commits = [Commit(RECORD, leaving=tuple(left))] if left else []
    commits += [Commit(watch, forgotten=True) for place in forgotten for watch in _watches(restored, place)]
    lines = [*_unconfigured_lines(left, metrics, configured), *(_forgotten_line(place) for place in forgotten)]
    return CleanState(_without(restored, left), tuple(commits), tuple(lines))


def unread_places(restored: Restored, now: Millis) -> list[Place]:
    """Return the sources of targets that were not read for ``FORGET_AFTER_MS``."""
    newest = dict(restored.contacts)
    for watch, progress in restored.progress.items():
        newest[watch[:2]] = max(progress.complete or 0, newest.get(watch[:2], 0))
    return sorted(place for place, at in newest.items() if at < now - FORGET_AFTER_MS)


def _watches(restored: Restored, place: Place) -> list[Watch]:
    """Return all watches of a source that the store may know; the one of the whole source is always among them."""
    listed = [Watch(*place, id_) for id_ in restored.resources.get(place, ())]
    known = [*restored.progress, *restored.runs, *restored.notes, *listed]
    return sorted({Watch(*place, ""), *(watch for watch in known if watch[:2] == place)})


def _forgotten_line(place: Place) -> str:
    what = "what was read of it is forgotten; its totals stay, and it begins a new history should it come back"
    return f"{place[0]}/{place[1]}: not configured for {FORGET_AFTER_MS // DAY} days; {what}"


def _is_configured(
    series: Series, metrics: Mapping[str, Metric], configured: Collection[Place], restored: Restored
) -> bool:
    """Whether a series is a total without a resource, or belongs to what is configured, or cannot be told."""
    metric = metrics.get(series[0])
    if metric is None or "target" not in metric.labels:
        return True
    labels = dict(zip(metric.labels, series[1], strict=False))
    if metric.kind in GROWING and "resource" not in labels:
        return True
    target, source = labels["target"], labels.get("source")
    if source is not None:
        return (target, source) in configured
    sources = {place for place in restored.resources if place[0] == target}
    owners = {place for place in sources if labels.get("resource") in restored.resources[place]}
    return any(place in configured for place in owners) or (not owners and _has_target(target, configured))


def _has_target(target: str, configured: Collection[Place]) -> bool:
    return any(place[0] == target for place in configured)


def _all_series(restored: Restored) -> list[Series]:
    changes = restored.changes
    return [*changes.counts, *changes.observed, *changes.gauges, *changes.states]


def _without(restored: Restored, left: Collection[Series]) -> Restored:
    """Return a state without some series."""
    if not left:
        return restored
    changes = restored.changes
    kept = Changes(
        counts={series: value for series, value in changes.counts.items() if series not in left},
        observed={series: value for series, value in changes.observed.items() if series not in left},
        gauges={series: moment for series, moment in changes.gauges.items() if series not in left},
        states={series: moment for series, moment in changes.states.items() if series not in left},
    )
    return msgspec.structs.replace(restored, changes=kept, held=restored.held - set(left))


def _unconfigured_lines(
    left: Collection[Series], metrics: Mapping[str, Metric], configured: Collection[Place]
) -> list[str]:
    """Say once which targets and sources are configured no more."""
    names = set()
    for name, values in left:
        labels = dict(zip(metrics[name].labels, values, strict=False))
        target, source = labels["target"], labels.get("source")
        if not _has_target(target, configured):
            names.add(target)
        elif source is not None:
            names.add(f"{target}/{source}")
    what = "its gauges, states and series of resources were removed; its totals stay"
    return [f"{name}: no longer configured; {what}" for name in sorted(names)]
