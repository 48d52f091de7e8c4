"""Steps of a reading: ask for a response, give a page, order the stages of a run."""

from collections.abc import Generator, Iterable

from exporter.model.events import EventPage, Millis, Request, Response
from exporter.model.runs import Stage
from exporter.sources.times import Number, moment


def ask(request: Request) -> Generator[Request, Response | int | None, Response]:
    """Inside a reading: ``answer = yield from ask(request)``."""
    answer = yield request
    assert isinstance(answer, Response), "the driver of a reading answers an Ask with an Answer"
    return answer


def give(page: EventPage) -> Generator[EventPage, Response | int | None, int]:
    """Inside a reading: ``new = yield from give(page)`` is how many of the page's events were not known before."""
    new = yield page
    assert isinstance(new, int), "the driver of a reading answers a Page with a number"
    return new


def ordered_stages(parts: Iterable[tuple[str, Number, Number]]) -> tuple[Stage, ...]:
    """Stages whose begin is told, in order."""
    read = [(name, moment(start), moment(end)) for name, start, end in parts]
    stages = [Stage(name, start, _after(start, end)) for name, start, end in read if name and start is not None]
    return tuple(sorted(stages, key=lambda stage: stage.start))


def _after(start: Millis, end: Millis | None) -> Millis | None:
    return None if end is None else max(start, end)
