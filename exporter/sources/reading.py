"""Steps of a reading: ask for a response, give a page, order the stages of a run."""

from collections.abc import Generator, Iterable

from exporter.model.events import EventPage, Millis, Request, Response
from exporter.model.runs import Stage
from exporter.sources.times import Number, moment


def ask(request: Request) -> Generator[Request, Response | int | None, Response]:
    """Ask inside a reading: ``response = yield from ask(request)``."""
    answer = yield request
    assert isinstance(answer, Response), "the driver of a reading sends a Response for a Request"
    return answer


def give(page: EventPage) -> Generator[EventPage, Response | int | None, int]:
    """Give a page inside a reading: ``new = yield from give(page)`` is how many of its events were new."""
    new = yield page
    assert isinstance(new, int), "the driver of a reading sends a number for an EventPage"
    return new


def ordered_stages(parts: Iterable[tuple[str, Number, Number]]) -> tuple[Stage, ...]:
    """Return the stages whose start is known, in order; ``parts`` are name, start and end."""
    read = [(name, moment(start), moment(end)) for name, start, end in parts]
    stages = [Stage(name, start, _not_before(start, end)) for name, start, end in read if name and start is not None]
    return tuple(sorted(stages, key=lambda stage: stage.start))


def distinct_stages(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """Leave out a stage that begins when an earlier one of its name does; the times have whole seconds.

    A phase of a run has one span for each begin, and that of the earlier one may have been sent.
    """
    first: dict[tuple[str, Millis], Stage] = {}
    for stage in stages:
        first.setdefault((stage.name, stage.start), stage)
    return tuple(first.values())


def _not_before(start: Millis, end: Millis | None) -> Millis | None:
    return None if end is None else max(start, end)


def snake_case(status: str) -> str:
    """Write a status in snake case, as stages are named: ``EnvPreparing`` is ``env_preparing``."""
    return "".join(f"_{sign.lower()}" if sign.isupper() and at else sign.lower() for at, sign in enumerate(status))
