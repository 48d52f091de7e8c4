"""Every metric that mappings can lead to, and every series to show at 0 before its first event. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import product

from exporter.mapping.rules import REASON_FIELDS, Action, MappingPack, Rule
from exporter.model.metrics import OTHER, RUN, SEVERITIES, Catalogue, Metric, Series

# Which (severity, reason) a pack can give, found by walking its rules for every word the vendor may send. Pure.


def severities(pack: MappingPack) -> tuple[str, ...]:
    """Every severity that a pack can give, in the usual order."""
    given = {*pack.severities, *(how for _, how in _listed(pack)), *(rule.severity for rule in pack.rules), pack.worse}
    return tuple(severity for severity in SEVERITIES if severity in given)


def _listed(pack: MappingPack) -> Iterator[tuple[str, str]]:
    return (one for rule in pack.rules for one in rule.listing.items())


def pairs(pack: MappingPack) -> set[tuple[str, str]]:
    """Every (severity, reason) that a pack can give for severities of its own table."""
    reasons = [*sorted(pack.told), OTHER]
    by_reason = {reason: [rule for rule in pack.rules if _may(rule, reason)] for reason in reasons}
    found = {(severity, OTHER) for severity in pack.severities}
    for reason, rules in by_reason.items():
        for severity in pack.severities:
            found.update(_walk(rules, severity, reason, pack.worse))
    return found


def _walk(rules: list[Rule], severity: str, reason: str, worse: str) -> Iterator[tuple[str, str]]:
    """What rules make of events with this severity and reason: each may take one, until one takes all. What none takes
    may become ``worse``."""
    for rule in rules:
        wanted = dict(rule.when)
        if severity in wanted.pop("severity", (severity,)):
            if rule.listed:
                yield from ((rule.severity or how, listed) for listed, how in rule.listing.items())
            else:
                yield rule.severity or severity, rule.reason or reason
            takes_all = all(field in REASON_FIELDS and reason in values for field, values in wanted.items())
            if not rule.textual and not rule.listed and takes_all:
                return
    yield severity, reason
    if worse and severity != "error":
        yield worse, reason


def _may(rule: Rule, reason: str) -> bool:
    """Whether a rule may take this reason; of the reasons that nobody lists, one whose values have stars may."""
    return all(
        reason in values or (reason == OTHER and any("*" in value for value in values))
        for field, values in rule.when
        if field in REASON_FIELDS
    )


OUTCOMES = ("success", "failure", "cancelled", "unknown")
CAUSES = ("no_rule", "no_shape", "bad_capture")
STATUS, RUNS = "platform_resource_status", "platform_runs_total"
_EVENTS, _UNMAPPED, _LAG = "platform_events_total", "platform_events_unmapped_total", "platform_event_lag_seconds"
_PHASE_TOOK, _RUN_TOOK = "platform_phase_duration_seconds", "platform_run_duration_seconds"
_LAGS = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 21600.0, 86400.0)
_PHASES = (0.1, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 43200.0, 86400.0)
_RUNS = (60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0, 259200.0, 604800.0)


BUILTIN: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            _EVENTS,
            "counter",
            "Events that the vendor's event API told of, each once; the reason is the vendor's, else the mapping rule's.",
            ("target", "source", "severity", "reason"),
        ),
        Metric(
            "platform_resource_events_total",
            "counter",
            "Events by resource, as the vendor's event API told of them; leaves some time after the resource ended.",
            ("target", "source", "resource", "severity"),
        ),
        Metric(
            "platform_resource_info",
            "info",
            "Facts of a resource from the vendor's listing; join on resource.",
            ("target", "source", "resource", "name", "workspace", "kind", "spec"),
            facts=4,
        ),
        Metric(
            "platform_target_info",
            "info",
            "Facts of a target from the configuration; join on target.",
            ("target", "platform", "region", "project"),
            facts=3,
        ),
        Metric(
            STATUS,
            "stateset",
            "1 for the state a resource is in, by the vendor's listing and by its events.",
            ("target", "source", "resource", "status"),
        ),
        Metric(
            "platform_resources",
            "gauge",
            "How many resources the vendor's listing has in each state.",
            ("target", "source", "status"),
        ),
        Metric(
            "platform_last_event_timestamp_seconds",
            "gauge",
            "When the newest event happened, by the vendor's clock.",
            ("target", "source", "severity"),
        ),
        Metric(
            "platform_pool_nodes",
            "gauge",
            "Nodes of a resource pool by state, from the text of PoolResourcesStatusChange events.",
            ("target", "resource", "state"),
        ),
        Metric(
            "platform_pool_status_changes_total",
            "counter",
            "Changes of a resource pool's state, from the text of PoolStatusChange events.",
            ("target", "from", "to"),
        ),
        Metric(
            "platform_phase_duration_seconds",
            "histogram",
            "How long the phases of runs took, from the times of the events that begin and end them.",
            ("target", "source", "phase", "outcome"),
            buckets=_PHASES,
        ),
        Metric(
            "platform_phase_started_timestamp_seconds",
            "gauge",
            "When a phase that is still open began, by the vendor's clock.",
            ("target", "source", "resource", "phase"),
        ),
        Metric(
            "platform_phase_timeout_seconds",
            "gauge",
            "How long a phase may take before it counts as stuck, from the mapping file.",
            ("source", "phase"),
        ),
        Metric(
            RUNS,
            "counter",
            "Jobs, deployments and cluster operations that ended, from the rules that tell an end.",
            ("target", "source", "outcome"),
        ),
        Metric(
            "platform_run_duration_seconds",
            "histogram",
            "How long runs took, from the times of the events that begin and end them.",
            ("target", "source", "outcome"),
            buckets=_RUNS,
        ),
        Metric(
            _UNMAPPED,
            "counter",
            "Events that no rule of the mapping could read in full; they are in platform_events_total too.",
            ("target", "source", "cause"),
        ),
        Metric(
            _LAG,
            "histogram",
            "How long after it happened an event was first seen, by the vendor's clock.",
            ("target", "source"),
            buckets=_LAGS,
        ),
    )
}
OPEN = frozenset({"platform_pool_nodes", STATUS, "platform_pool_status_changes_total"})
"""The built-in metrics that a rule may name; the exporter keeps the others itself."""


def catalogue(
    packs: Collection[MappingPack], targets: Mapping[str, Collection[str]], statuses: Mapping[str, tuple[str, ...]]
) -> Catalogue:
    """All metrics and zeros. ``targets``: the sources of each; ``statuses``: the vendor's states of each source."""
    metrics = BUILTIN | {metric.name: metric for pack in packs for metric in pack.metrics.values()}
    by_source = {pack.source: pack for pack in packs}
    zeros = [
        series
        for target, sources in targets.items()
        for source in sources
        for series in _zeros(target, source, by_source.get(source))
    ]
    states = {
        (STATUS, source): tuple(dict.fromkeys((*known, *_used(by_source.get(source)), OTHER)))
        for source, known in statuses.items()
    }
    given = {pack.source: severities(pack) for pack in packs}
    return Catalogue(metrics, tuple(dict.fromkeys(zeros)), states, given)


def _zeros(target: str, source: str, pack: MappingPack | None) -> Iterator[Series]:
    yield _LAG, (target, source)
    for cause in CAUSES:
        yield _UNMAPPED, (target, source, cause)
    if pack is not None:
        for severity, reason in sorted(pairs(pack)):
            yield _EVENTS, (target, source, severity, reason)
        for action in _actions(pack):
            yield from _products(target, source, action)
        yield from _process_zeros(target, source, pack)


def _process_zeros(target: str, source: str, pack: MappingPack) -> Iterator[Series]:
    """Runs and phases in every outcome, where rules or the process tell of them."""
    alone = pack.process.run is None and not pack.process.operations
    for outcome in OUTCOMES:
        if not alone or any(step.name == RUN for rule in pack.rules for step in rule.steps):
            yield RUNS, (target, source, outcome)
            yield _RUN_TOOK, (target, source, outcome)
        for phase in pack.process.phases:
            yield _PHASE_TOOK, (target, source, phase, outcome)


def _products(target: str, source: str, action: Action) -> Iterator[Series]:
    """Every label set of a counter or histogram; none if a label is a resource or learns its values."""
    if action.verb not in ("count", "observe") or "resource" in action.metric.labels:
        return
    known: dict[str, Iterable[str]] = {"target": (target,), "source": (source,)}
    for label in action.labels:
        if isinstance(label.domain, int):
            return
        known[label.name] = (label.origin,) if label.fixed else (*label.domain, OTHER)
    for values in product(*(known[name] for name in action.metric.labels)):
        yield action.metric.name, values


def _actions(pack: MappingPack) -> Iterator[Action]:
    return (action for rule in pack.rules for action in rule.actions)


def _used(pack: MappingPack | None) -> Iterator[str]:
    """The states that a pack's rules can set."""
    for action in _actions(pack) if pack else ():
        for label in action.labels:
            if action.metric.name == STATUS and isinstance(label.domain, tuple):
                yield from label.domain
