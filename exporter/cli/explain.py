"""``explain``: which rule matches an event, why others do not, and the result.

For events that no rule matches, it writes the stub of a rule.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from exporter.app.packs import examine_packs
from exporter.cli.console import Printer
from exporter.cli.explain_input import InputEvent, read_input
from exporter.cli.run_summary import RunPart, format_parts, summarize_runs
from exporter.common.series_text import describe_signal, format_series
from exporter.common.text import printable
from exporter.mapping.authoring.explain import RuleTrial, explain, map_once
from exporter.mapping.authoring.rule_stub import UnmatchedText, write_stub
from exporter.mapping.authoring.templates import fold
from exporter.mapping.rules import MappingPack
from exporter.model.builtin_metrics import BUILTIN, EVENTS_TOTAL, EVENTS_UNMAPPED_TOTAL
from exporter.model.errors import ConfigError
from exporter.model.metrics import Count, Mapped, Phase, Signal
from exporter.sources import SOURCES

WIDTH = 100  # characters of a text that are shown around a caret
BEFORE = 60  # characters of them before the caret
TARGET = "target"
_Value = TypeVar("_Value")


class Explanation(NamedTuple):
    """An event, what its mapping makes of it, and how each rule was tried."""

    input: InputEvent
    mapped: Mapped
    trials: tuple[RuleTrial, ...]
    signals: tuple[str, ...]


def run(text: str, source: str | None, mappings: Sequence[Path], form: Literal["text", "json", "stub"]) -> int:
    """Explain every record in ``text``, for each source that it may be of.

    With the form ``stub``, print only mapping files for the events that no rule took. Returns the exit code: 1 if no
    rule took one of the events. Raises ConfigError.
    """
    packs = {pack.source: pack for pack in examine_packs(mappings)[0]}
    records = [
        [_explain_event(one, packs[one.source]) for one in sources] for sources in read_input(text, source, packs)
    ]
    found = [one for record in records for one in record]
    if not found:
        raise ConfigError("nothing to explain; give records or texts, one a line")
    stubs, printer = [stub for name in SOURCES if (stub := _stub(packs[name], found))], Printer()
    runs = _runs(packs, found)
    if form == "json":
        printer.json(
            {
                "events": [_to_json(one) for one in found],
                "runs": [{"source": name, **run._asdict()} for name, parts in runs.items() for run in parts],
                "stubs": stubs,
            }
        )
    elif form == "text":
        for record in records:
            _print_record(printer, record)
        _print_runs(printer, runs, len({one.input.source for one in found}))
    for stub in stubs if form != "json" else ():
        printer.line(("# No rule took these. Save this as a mapping file, and make it say what they mean.", "bold"))
        printer.line(stub.rstrip())
    return int(any(one.mapped.unmapped for one in found))


def _explain_event(source_event: InputEvent, pack: MappingPack) -> Explanation:
    mapped = map_once(pack, source_event.event, TARGET)
    return Explanation(
        source_event, mapped, tuple(explain(pack, source_event.event)), tuple(_outcome(source_event, mapped, pack))
    )


def _runs(packs: Mapping[str, MappingPack], found: Sequence[Explanation]) -> dict[str, tuple[RunPart, ...]]:
    """Return the runs of each source that has any, if one read brings all the events."""
    own = {name: [(one.input.event, one.mapped) for one in found if one.input.source == name] for name in SOURCES}
    runs = {name: tuple(summarize_runs(packs[name], events)) for name, events in own.items()}
    return {name: parts for name, parts in runs.items() if parts}


def _stub(pack: MappingPack, found: Sequence[Explanation]) -> str:
    unread = [
        UnmatchedText(one.input.event, one.input.raw, fold(one.input.event.text))
        for one in found
        if one.input.source == pack.source and one.mapped.unmapped in ("no_rule", "no_shape")
    ]
    return write_stub(pack, SOURCES[pack.source].fields, unread) if unread else ""


def _outcome(source_event: InputEvent, mapped: Mapped, pack: MappingPack) -> Iterator[str]:
    """Describe each effect of an event; a signal is shown as a series and its change."""
    metrics, count = BUILTIN | dict(pack.metrics), source_event.event.count
    base = (TARGET, source_event.source)
    signals: list[Signal] = [Count((EVENTS_TOTAL, (*base, mapped.severity, mapped.reason)))]
    if mapped.unmapped:
        signals.append(Count((EVENTS_UNMAPPED_TOTAL, (*base, mapped.unmapped))))
    for signal in (*signals, *mapped.signals):
        name, values = signal.series
        yield describe_signal(signal, format_series(name, metrics[name].labels[: len(values)], values), count)
    for phase in mapped.phases:
        yield _phase(phase)
    if mapped.span_event:
        yield f"span event {mapped.span_event.name} {dict(mapped.span_event.attributes)}"
    if mapped.dropped:
        yield "left out of spans and logs"


def _phase(phase: Phase) -> str:
    more = [part for part in (f"of {phase.of}" if phase.of else "", phase.outcome) if part]
    return " ".join([f"{phase.step} {phase.name}", *more])


def _to_json(one: Explanation) -> dict[str, Any]:
    event, mapped = one.input.event, one.mapped
    return {
        "source": one.input.source,
        "text": event.text,
        "severity": mapped.severity,
        "reason": mapped.reason,
        "rule": mapped.rule,
        "unmapped": mapped.unmapped,
        "outcome": list(one.signals),
        "rules": [_trial_to_json(trial) for trial in one.trials],
    }


def _trial_to_json(trial: RuleTrial) -> dict[str, Any]:
    stops = [{"shape": shape, "at": stop.at, "expected": stop.expected} for shape, stop in trial.stops]
    return {"rule": trial.rule, "place": trial.place, "took": trial.matched, "field": trial.field, "stops": stops}


def _print_record(printer: Printer, record: Sequence[Explanation]) -> None:
    """Print what becomes of a record; where it may be of several sources, each answer once."""
    if len(record) == 1:
        _print(printer, record[0])
        return
    for alike in _group((_without_source(one), one) for one in record):
        names, text = ", ".join(one.input.source for one in alike), alike[0].input.event.text
        printer.line((names, "bold"), f": {_window(text, 0)[0]}")
        for one in alike:
            whose = f"{one.input.source}: " if len(alike) > 1 else ""
            printer.line((f"  {whose}{_taker(one.trials[-1])} took it", "green"))
        _print_outcome(printer, alike[0])


def _group(pairs: Iterable[tuple[Hashable, _Value]]) -> list[list[_Value]]:
    """Return the values of equal keys together, in the order of the first ones."""
    groups: dict[Hashable, list[_Value]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return list(groups.values())


def _without_source(one: Explanation) -> tuple[str, ...]:
    """Return the outcome without the label that differs by source; quotes inside of a value are escaped."""
    return tuple(line.replace(f'source="{one.input.source}"', "") for line in one.signals)


def _print(printer: Printer, one: Explanation) -> None:
    event = one.input.event
    printer.line((one.input.source, "bold"), f": {_window(event.text, 0)[0]}")
    for trial in one.trials:
        _print_trial(printer, trial, event.text)
    _print_outcome(printer, one)


def _print_outcome(printer: Printer, one: Explanation) -> None:
    mapped = one.mapped
    if mapped.unmapped == "bad_capture":
        printer.line((f"  the rule {mapped.rule} took it, but a value in it could not be used (bad_capture)", "red"))
    elif mapped.unmapped:
        printer.line((f"  no rule took it ({mapped.unmapped})", "red"))
    for line in one.signals:
        printer.line(("  = ", "bold"), line)
    printer.line("")


def _print_runs(printer: Printer, runs: Mapping[str, tuple[RunPart, ...]], sources: int) -> None:
    """Print the runs; of several sources, equal ones once."""
    for alike in _group((parts, (name, parts)) for name, parts in runs.items()):
        names = ", ".join(name for name, _ in alike)
        printer.line((f"Read together as {names}:" if sources > 1 else "Read together:", "bold"))
        for line in format_parts(alike[0][1]):
            printer.line(f"  {line}")
        printer.line("")


def _print_trial(printer: Printer, trial: RuleTrial, text: str) -> None:
    if trial.matched:
        printer.line((f"  {_taker(trial)} took it", "green"))
        return
    if trial.field:
        printer.line((f"  {trial.rule}: another {trial.field}", "dim"))
        return
    for shape, stop in trial.stops:
        shown, at = _window(text, stop.at)
        printer.line(f"  {trial.rule}: ", (shape, "dim"))
        printer.line(f"    {shown}")
        printer.line(f"    {' ' * at}", ("^", "bold red"), f" expected {stop.expected}")


def _taker(trial: RuleTrial) -> str:
    return f"{trial.rule} ({trial.place.partition(': ')[0]})"


def _window(text: str, at: int) -> tuple[str, int]:
    """Return the part of a text around an offset as one line, and the offset in it."""
    start = max(0, at - BEFORE)
    shown = printable(text[start : start + WIDTH])
    left, right = "… " if start else "", " …" if start + WIDTH < len(text) else ""
    return f"{left}{shown}{right}", at - start + len(left)
