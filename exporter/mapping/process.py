"""The process of a mapping file: which phases its runs have and what ends them; noted faults, and a value. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import get_args

from exporter.documents import Path_
from exporter.mapping.context import Context
from exporter.mapping.holes import TYPES
from exporter.mapping.names import label_faults
from exporter.mapping.rules import PhaseForm, Process, Rule
from exporter.mapping.schema import ProcessPart
from exporter.signals import OPEN_PHASES, RUN
from exporter.spans import Outcome

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
_RESERVED = (RUN, OPEN_PHASES)
_PATIENCE = 14 * 86400.0  # seconds without an event after which a run counts as lost


def build_process(part: ProcessPart | None, statuses: Sequence[str], context: Context) -> Process | None:
    """The process that a file declares, if it does. ``statuses`` are the states the source's listing can tell."""
    if part is None:
        return None
    _check_kind(part, context)
    patience = _PATIENCE
    if part.give_up_after is not None:
        patience = _seconds(part.give_up_after, ("process", "give_up_after"), context) or _PATIENCE
    forms, closes = dict(_phases(part, context)), dict(_closes(part, statuses, context))
    return Process(part.run, _operations(part, context), forms, closes, part.starts == "created", patience)


def _check_kind(part: ProcessPart, context: Context) -> None:
    path: Path_ = ("process",)
    if part.run is not None and part.runs is not None:
        context.say((*path, "runs"), "there is a 'run' too; keep one of the two")
    if part.runs is not None and part.phases:
        context.say((*path, "phases"), "operations that go on side by side have no phases; remove them, or write 'run'")
    if part.run is None and part.runs is None and (part.closes_on or part.starts):
        context.say(path, "says when runs begin or end, but names none; add 'run: …' with what a run is called")


def _phases(part: ProcessPart, context: Context) -> Iterator[tuple[str, PhaseForm]]:
    for name, phase in part.phases.items():
        place = ("process", "phases", name)
        for fault in [
            *label_faults(name),
            *(["is a word of the language; choose another"] if name in _RESERVED else []),
        ]:
            context.say(place, fault)
        timeout = None if phase.timeout is None else _seconds(phase.timeout, (*place, "timeout"), context)
        if phase.begun_by is not None and (phase.begun_by not in part.phases or phase.begun_by == name):
            others = ", ".join(other for other in part.phases if other != name) or "none"
            context.say((*place, "begun_by"), f"no other phase '{phase.begun_by}'; use one of {others}")
        yield name, PhaseForm(timeout, phase.begun_by)


def _operations(part: ProcessPart, context: Context) -> tuple[str, ...]:
    if part.runs is None:
        return ()
    if part.runs not in context.vocab:
        cure = f"use one of {', '.join(context.vocab)}" if context.vocab else "declare it under 'vocab'"
        context.say(("process", "runs"), f"no vocab '{part.runs}'; {cure}")
    return context.vocab.get(part.runs, ())


def _closes(part: ProcessPart, statuses: Sequence[str], context: Context) -> Iterator[tuple[str, Outcome]]:
    known = {status.casefold(): status for status in statuses}
    for status, outcome in part.closes_on.items():
        if status.casefold() not in known:
            near = get_close_matches(status, statuses, n=1)
            cure = f"write '{near[0]}'" if near else f"use one of {', '.join(statuses) or 'none'}"
            context.say(("process", "closes_on", status), f"no status '{status}' of this source; {cure}")
        yield status.casefold(), outcome


def _seconds(text: str, path: Path_, context: Context) -> float | None:
    seconds = TYPES["duration"].read(text)
    if isinstance(seconds, float) and seconds > 0:
        return seconds
    context.say(path, f"'{text}' is no duration; write one such as 30m, 2h or 14d")
    return None


def check_steps(rules: Sequence[Rule], process: Process, faults: list[str]) -> None:
    """Rules and process must agree: no phase without a name in the process, none that nothing begins."""
    names = [*process.phases, *process.operations]
    begun, ended = set[str](), dict[str, str]()
    for rule in rules:
        for step in rule.steps:
            if step.name not in (*names, RUN, OPEN_PHASES):
                near = get_close_matches(step.name, names, n=1)
                cure = f"write '{near[0]}'" if near else "add it under 'process: phases'"
                faults.append(f"{step.place}: the process has no phase '{step.name}'; {cure}")
            elif step.step == "begin":
                begun.add(step.name)
            else:
                ended.setdefault(step.name, step.place)
    for name, form in process.phases.items():
        if name not in begun and form.begun_by is None and name in ended:
            cure = "add 'begin' to a rule, or 'begun_by' to the phase"
            faults.append(f"{ended[name]}: ends the phase '{name}', which nothing begins; {cure}")


def timeouts(processes: Mapping[str, Process]) -> Iterator[tuple[str, str, float]]:
    """(source, phase, seconds) of every phase that has a timeout."""
    for source, process in processes.items():
        for name, form in process.phases.items():
            if form.timeout is not None:
                yield source, name, form.timeout
