"""What a start takes out of the stored state: what is configured no more, and moments from the future. Pure.

Totals without a resource stay: a counter never falls. Keys and progress stay too, so that a target that is configured
again goes on where it was left.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from exporter.common.plausible_time import EARLIEST, MAX_AHEAD_MS
from exporter.model.events import Millis
from exporter.model.metrics import Changes, Metric, Moment, Series
from exporter.model.state import RECORD, Commit, Restored

GROWING = ("counter", "histogram")
TIMESTAMP = "_timestamp_seconds"
Place = tuple[str, str]


class CleanState(NamedTuple):
    """A stored state without what was taken out; ``commits`` take the same out of the store, ``lines`` say so."""

    restored: Restored
    commits: tuple[Commit, ...]
    lines: tuple[str, ...]


def clean_state(
    restored: Restored, metrics: Mapping[str, Metric], configured: Collection[Place], now: Millis
) -> CleanState:
    """Take out series of targets and sources that are not ``configured``, and mend moments after ``now`` (Unix ms)."""
    left = {series for series in _all_series(restored) if not _is_configured(series, metrics, configured, restored)}
    restored = _without(restored, left)
    mended, gone = _mended(restored.changes, now)
    commits = [Commit(RECORD, leaving=tuple(left | mended.keys() | gone))] if left or mended or gone else []
    gauges = {series: moment for series, moment in mended.items() if series in restored.changes.gauges}
    states = {series: moment for series, moment in mended.items() if series in restored.changes.states}
    commits += [Commit(RECORD, changes=Changes(gauges=gauges, states=states))] if mended else []
    restored = _without(restored, gone)
    changes = msgspec.structs.replace(
        restored.changes, gauges=restored.changes.gauges | gauges, states=restored.changes.states | states
    )
    lines = [*_unconfigured_lines(left, metrics, configured)]
    if mended or gone:
        lines.append(
            f"{len(mended) + len(gone)} stored values were dated in the future; the next true event replaces them"
        )
    return CleanState(msgspec.structs.replace(restored, changes=changes), tuple(commits), tuple(lines))


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


def _mended(changes: Changes, now: Millis) -> tuple[dict[Series, Moment], set[Series]]:
    """Return moments from the future with the time 0, so that any event replaces them, and series that leave.

    A gauge that states a time in the future leaves: no event would bring it back to the truth but a later one.
    """
    if now < EARLIEST:  # this machine's clock is the one that is wrong
        return {}, set()
    limit = now + MAX_AHEAD_MS
    mended, gone = dict[Series, Moment](), set[Series]()
    for series, moment in [*changes.gauges.items(), *changes.states.items()]:
        if series[0].endswith(TIMESTAMP) and isinstance(moment.value, float) and moment.value * 1000 > limit:
            gone.add(series)
        elif moment.at > limit:
            mended[series] = Moment(moment.value, 0)
    return mended, gone


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
