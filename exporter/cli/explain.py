"""``explain``: which rule took an event and why the others did not, what came of it, and a rule for what none took."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from exporter.app.assembly import examine_packs
from exporter.cli.console import Paper
from exporter.cli.explain_input import InputEvent, read_given
from exporter.cli.run_summary import RunPart, course, lines
from exporter.common.changes import EVENTS, UNMAPPED
from exporter.common.series_text import describe_signal, format_series
from exporter.mapping.authoring.explain import RuleTrial, explain
from exporter.mapping.authoring.rule_stub import UnmatchedText, write_stub
from exporter.mapping.authoring.templates import fold
from exporter.mapping.catalogue import BUILTIN
from exporter.mapping.engine.mapper import mapper
from exporter.mapping.rules import MappingPack
from exporter.model.errors import ConfigError
from exporter.model.metrics import Count, Mapped, Phase, Signal
from exporter.sources import SOURCES

WIDTH, BEFORE = 100, 60  # characters of a text that are shown around a caret, and before it
TARGET = "target"


class Explained(NamedTuple):
    """What a mapping says to an event."""

    given: InputEvent
    mapped: Mapped
    looks: tuple[RuleTrial, ...]
    signals: tuple[str, ...]


def run(text: str, source: str | None, mappings: Sequence[Path], form: Literal["text", "json", "stub"]) -> int:
    """Explains every record in ``text``; as a ``stub``, writes only the mapping files for what no rule took. The exit
    code: 1 if no rule took one of them. Raises ConfigError."""
    packs = {pack.source: pack for pack in examine_packs(mappings)[0]}
    found = [_explained(given, packs[given.source]) for given in read_given(text, source, packs)]
    if not found:
        raise ConfigError("nothing to explain; give records or texts, one a line")
    stubs, paper = [stub for name in SOURCES if (stub := _stub(packs[name], found))], Paper()
    runs = _runs(packs, found)
    if form == "json":
        paper.json({"events": [_plain(one) for one in found], "runs": [run._asdict() for run in runs], "stubs": stubs})
    elif form == "text":
        for one in found:
            _print(paper, one)
        _print_runs(paper, runs)
    for stub in stubs if form != "json" else ():
        paper.line(("# No rule took these. Save this as a mapping file, and make it say what they mean.", "bold"))
        paper.line(stub.rstrip())
    return int(any(one.mapped.unmapped for one in found))


def _explained(given: InputEvent, pack: MappingPack) -> Explained:
    mapped = mapper(pack, TARGET)(given.event)
    return Explained(given, mapped, tuple(explain(pack, given.event)), tuple(_outcome(given, mapped, pack)))


def _runs(packs: Mapping[str, MappingPack], found: Sequence[Explained]) -> list[RunPart]:
    """What becomes of the events if one read brings them all."""
    own = {name: [(one.given.event, one.mapped) for one in found if one.given.source == name] for name in SOURCES}
    return [part for name, events in own.items() for part in course(packs[name], events)]


def _stub(pack: MappingPack, found: Sequence[Explained]) -> str:
    unread = [
        UnmatchedText(one.given.event, one.given.raw, fold(one.given.event.text))
        for one in found
        if one.given.source == pack.source and one.mapped.unmapped in ("no_rule", "no_shape")
    ]
    return write_stub(pack, SOURCES[pack.source].fields, unread) if unread else ""


def _outcome(given: InputEvent, mapped: Mapped, pack: MappingPack) -> Iterator[str]:
    """What an event leads to, each as a series and its change."""
    metrics, count = BUILTIN | dict(pack.metrics), given.event.count
    base = (TARGET, given.source)
    signals: list[Signal] = [Count((EVENTS, (*base, mapped.severity, mapped.reason)))]
    if mapped.unmapped:
        signals.append(Count((UNMAPPED, (*base, mapped.unmapped))))
    for signal in (*signals, *mapped.signals):
        name, values = signal.series
        yield describe_signal(signal, format_series(name, metrics[name].labels[: len(values)], values), count)
    for phase in mapped.phases:
        yield _phase(phase)
    if mapped.mark:
        yield f"span event {mapped.mark.name} {dict(mapped.mark.attributes)}"
    if mapped.dropped:
        yield "left out of spans and logs"


def _phase(phase: Phase) -> str:
    more = [part for part in (f"of {phase.of}" if phase.of else "", phase.outcome) if part]
    return " ".join([f"{phase.step} {phase.name}", *more])


def _plain(one: Explained) -> dict[str, Any]:
    event, mapped = one.given.event, one.mapped
    return {
        "source": one.given.source,
        "text": event.text,
        "severity": mapped.severity,
        "reason": mapped.reason,
        "rule": mapped.rule,
        "unmapped": mapped.unmapped,
        "outcome": list(one.signals),
        "rules": [_look(look) for look in one.looks],
    }


def _look(look: RuleTrial) -> dict[str, Any]:
    stops = [{"shape": shape, "at": stop.at, "expected": stop.expected} for shape, stop in look.stops]
    return {"rule": look.rule, "place": look.place, "took": look.took, "field": look.field, "stops": stops}


def _print(paper: Paper, one: Explained) -> None:
    event, mapped = one.given.event, one.mapped
    paper.line((one.given.source, "bold"), f": {_window(event.text, 0)[0]}")
    for look in one.looks:
        _print_look(paper, look, event.text)
    if mapped.unmapped == "bad_capture":
        paper.line((f"  the rule {mapped.rule} took it, but a value in it could not be used (bad_capture)", "red"))
    elif mapped.unmapped:
        paper.line((f"  no rule took it ({mapped.unmapped})", "red"))
    for line in one.signals:
        paper.line(("  = ", "bold"), line)
    paper.line("")


def _print_runs(paper: Paper, runs: Sequence[RunPart]) -> None:
    if runs:
        paper.line(("Read together:", "bold"))
        for line in lines(runs):
            paper.line(f"  {line}")
        paper.line("")


def _print_look(paper: Paper, look: RuleTrial, text: str) -> None:
    if look.took:
        paper.line((f"  {look.rule} ({look.place.partition(': ')[0]}) took it", "green"))
        return
    if look.field:
        paper.line((f"  {look.rule}: another {look.field}", "dim"))
        return
    for shape, stop in look.stops:
        shown, at = _window(text, stop.at)
        paper.line(f"  {look.rule}: ", (shape, "dim"))
        paper.line(f"    {shown}")
        paper.line(f"    {' ' * at}", ("^", "bold red"), f" expected {stop.expected}")


def _window(text: str, at: int) -> tuple[str, int]:
    """A stretch of one line around a place in a text, and where in it the place is."""
    start = max(0, at - BEFORE)
    shown = "".join(char if char.isprintable() else " " for char in text[start : start + WIDTH])
    left, right = "… " if start else "", " …" if start + WIDTH < len(text) else ""
    return f"{left}{shown}{right}", at - start + len(left)
