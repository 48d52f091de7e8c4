"""The process of a mapping file: which phases its runs have and what ends them; noted faults, and a value. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, get_args

from exporter.common.yaml_document import Path_
from exporter.mapping.patterns.capture_types import TYPES
from exporter.mapping.rules import UNNAMED, PhaseForm, Process, Rule
from exporter.mapping.syntax.context import FileContext
from exporter.mapping.syntax.declarations import label_faults
from exporter.mapping.syntax.schema import PhasePart, ProcessPart
from exporter.model.metrics import OPEN_PHASES, RUN
from exporter.model.runs import Outcome

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
_RESERVED = (RUN, OPEN_PHASES)
_SINGLE = ("run", "runs", "starts", "give_up_after")


class Declared(NamedTuple):
    """What one file says of the process of its source, and the operations that it names."""

    part: ProcessPart
    operations: tuple[str, ...]
    context: FileContext


def read_process(part: ProcessPart | None, statuses: Sequence[str], context: FileContext) -> Declared | None:
    """What a file says of a process, if it does. ``statuses`` are the states the source's listing can tell."""
    if part is None:
        return None
    if part.run is not None and part.runs is not None:
        context.say(("process", "runs"), "there is a 'run' too; keep one of the two")
    if part.give_up_after is not None:
        _check_seconds(part.give_up_after, ("process", "give_up_after"), context)
    for name, phase in part.phases.items():
        place = ("process", "phases", name)
        reserved = ["is a word of the language; choose another"] if name in _RESERVED else []
        for fault in [*label_faults(name), *reserved]:
            context.say(place, fault)
        if phase.timeout is not None:
            _check_seconds(phase.timeout, (*place, "timeout"), context)
    _check_statuses(part, statuses, context)
    return Declared(part, _operations(part, context), context)


def check_processes(declared: Sequence[Declared]) -> None:
    """Notes what does not fit together in the files of a source, in order of precedence: each stands on those after it."""
    for number, one in enumerate(declared):
        below = _merged([other.part for other in declared[number + 1 :]])
        whole = _merged([one.part, below])
        _check_kind(one, below)
        for name, phase in one.part.phases.items():
            if phase.begun_by is not None and (phase.begun_by not in whole.phases or phase.begun_by == name):
                others = ", ".join(other for other in whole.phases if other != name) or "none"
                place = ("process", "phases", name, "begun_by")
                one.context.say(place, f"no other phase '{phase.begun_by}'; the others are: {others}")


def merge_processes(declared: Sequence[Declared]) -> Process:
    """The process of files of one source that are without fault, in order of precedence: each adds to those after it."""
    if not declared:
        return UNNAMED
    part = _merged([one.part for one in declared])
    return Process(
        run=part.run,
        operations=next((one.operations for one in declared if one.operations), ()),
        phases={name: PhaseForm(_seconds(phase.timeout), phase.begun_by) for name, phase in part.phases.items()},
        closes_on=dict(part.closes_on),
        from_creation=part.starts == "created",
        patience=_seconds(part.give_up_after) or UNNAMED.patience,
    )


def _merged(parts: Sequence[ProcessPart]) -> ProcessPart:
    said, phases, closes = dict[str, Any](), dict[str, PhasePart](), dict[str, Outcome]()
    for part in reversed(parts):
        said |= {key: value for key in _SINGLE if (value := getattr(part, key)) is not None}
        closes |= {status.casefold(): outcome for status, outcome in part.closes_on.items()}
        for name, phase in part.phases.items():
            phases[name] = phases.get(name, PhasePart()).model_copy(update=phase.model_dump(exclude_unset=True))
    return ProcessPart.model_construct(phases=phases, closes_on=closes, **said)


def _check_kind(one: Declared, below: ProcessPart) -> None:
    part, say = one.part, one.context.say
    if part.run is not None and below.runs is not None:
        say(("process", "run"), "a later file names operations with 'runs'; remove it")
    if part.runs is not None and (below.run is not None or below.phases):
        say(("process", "runs"), "a later file has runs with phases; remove it")
    if (part.runs or below.runs) is not None and part.phases:
        cure = "remove them, or write 'run'" if part.runs else "remove them"
        say(("process", "phases"), f"operations that go on side by side have no phases; {cure}")
    if (part.run or part.runs or below.run or below.runs) is None and (part.closes_on or part.starts):
        say(("process",), "says when runs begin or end, but names none; add 'run: …' with what a run is called")


def _operations(part: ProcessPart, context: FileContext) -> tuple[str, ...]:
    if part.runs is None:
        return ()
    if part.runs not in context.vocab:
        cure = f"use one of {', '.join(context.vocab)}" if context.vocab else "declare it under 'vocab'"
        context.say(("process", "runs"), f"no vocab '{part.runs}'; {cure}")
    return context.vocab.get(part.runs, ())


def _check_statuses(part: ProcessPart, statuses: Sequence[str], context: FileContext) -> None:
    known = {status.casefold() for status in statuses}
    for status in part.closes_on:
        if status.casefold() not in known:
            near = get_close_matches(status, statuses, n=1)
            cure = f"write '{near[0]}'" if near else f"use one of {', '.join(statuses) or 'none'}"
            context.say(("process", "closes_on", status), f"no status '{status}' of this source; {cure}")


def _seconds(text: str | None) -> float | None:
    seconds = None if text is None else TYPES["duration"].read(text)
    return seconds if isinstance(seconds, float) and seconds > 0 else None


def _check_seconds(text: str, path: Path_, context: FileContext) -> None:
    if _seconds(text) is None:
        context.say(path, f"'{text}' is no duration; write one such as 30m, 2h or 14d")


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
