"""Every metric, label and label value that a dashboard or rule may name: read off the exporter's catalogue and packs."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import chain

import msgspec

from exporter.common.yaml_document import read_document
from exporter.mapping.catalogue import BUILTIN, CAUSES, OUTCOMES, catalogue
from exporter.mapping.loader import built_in, load
from exporter.mapping.rules import MappingPack
from exporter.model.metrics import OTHER, SEVERITIES, Metric
from exporter.observability import self_metrics
from exporter.observability.self_metrics import declared
from exporter.sources import SOURCES

SCRAPED = frozenset({"job", "instance", "cluster", "namespace"})  # what Prometheus and its users add to every series
PROCESS = ("process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total")
Values = dict[tuple[str, str], frozenset[str]]


class Vocabulary(msgspec.Struct, frozen=True):
    """``labels`` by name as it stands in a query; ``values`` of (name, label) where they are a closed set."""

    labels: Mapping[str, frozenset[str]]
    values: Values

    def with_records(self, records: Mapping[str, Iterable[str]]) -> "Vocabulary":
        """With recorded series beside: the labels of each."""
        return Vocabulary({**self.labels, **{name: frozenset(labels) for name, labels in records.items()}}, self.values)


def read_vocabulary() -> Vocabulary:
    """What the exporter with its own packs can expose."""
    packs = load(
        [read_document(path) for path in built_in()],
        {name: kind.fields for name, kind in SOURCES.items()},
        {name: kind.record for name, kind in SOURCES.items()},
        {name: kind.statuses for name, kind in SOURCES.items()},
    )
    labels: dict[str, frozenset[str]] = dict.fromkeys(("up", *PROCESS), SCRAPED)
    for metric in (*BUILTIN.values(), *declared().values()):
        labels.update(_series(metric))
    return Vocabulary(labels, _values(packs))


def nearest(word: str, known: Iterable[str]) -> str:
    """The cure for an unknown word: the known one that is most like it, else all of them."""
    known = sorted(known)
    near = get_close_matches(word, known, 1, 0.5)
    return f"use '{near[0]}'" if near else f"use one of {', '.join(known)}"


def _series(metric: Metric) -> Iterable[tuple[str, frozenset[str]]]:
    own = SCRAPED | set(metric.labels)
    if metric.kind != "histogram":
        yield metric.name, own
    else:
        yield from ((metric.name + ending, own) for ending in ("_count", "_sum"))
        yield metric.name + "_bucket", own | {"le"}


def _values(packs: tuple[MappingPack, ...]) -> Values:
    known = catalogue(packs, {"": tuple(SOURCES)}, {name: kind.statuses for name, kind in SOURCES.items()})
    values: dict[tuple[str, str], set[str]] = {}
    for name, row in known.zeros:
        for label, value in zip(known.metrics[name].labels, row, strict=True):
            values.setdefault((name, label), set()).add(value)
    for (name, _), states in known.states.items():
        values.setdefault((name, known.metrics[name].labels[-1]), set()).update(states)
    for pack in packs:
        for action in chain.from_iterable(rule.actions for rule in pack.rules):
            for own in action.labels:
                if isinstance(own.domain, tuple):
                    values.setdefault((action.metric.name, own.name), set()).update((*own.domain, OTHER))
    kept = {key: frozenset(found) for key, found in values.items() if key[1] not in ("target", "source")}
    return kept | _everywhere(known.metrics, packs)


def _everywhere(metrics: Mapping[str, Metric], packs: tuple[MappingPack, ...]) -> Values:
    """Labels that mean the same wherever they stand, and those of the exporter's own metrics."""
    same = {
        "source": frozenset(SOURCES),
        "severity": frozenset(SEVERITIES),
        "outcome": frozenset(OUTCOMES),
        "phase": frozenset(chain.from_iterable(pack.process.phases for pack in packs)),
        "signal": frozenset(self_metrics.SIGNALS),
        "api": frozenset(kind.api for kind in SOURCES.values()),
    }
    every = {**metrics, **{metric.name: metric for metric in declared().values()}}
    found = {
        (series, label): same[label]
        for metric in every.values()
        for series, labels in _series(metric)
        for label in labels & same.keys()
    }
    return found | {
        ("platform_events_unmapped_total", "cause"): frozenset(CAUSES),
        ("platform_exporter_poll_failures_total", "cause"): frozenset(self_metrics.CAUSES),
        ("platform_exporter_watches", "state"): frozenset(self_metrics.STATES),
        ("platform_resources", "status"): frozenset(chain.from_iterable(kind.statuses for kind in SOURCES.values())),
    }
