"""One part of the program that fails is begun again; the others go on, and expected errors pass."""

import asyncio

import pytest

from exporter.app.supervise import supervise
from exporter.model.errors import StoreError
from exporter.model.telemetry import SelfEvent, UnexpectedError
from tests.support.clocks import ManualClock


class Part:
    """A part of the program that fails so many times."""

    def __init__(self, failures: int, error: Exception, grouped: bool = False) -> None:
        self.left, self.error, self.grouped, self.begun = failures, error, grouped, 0

    async def run(self) -> None:
        self.begun += 1
        if self.left:
            self.left -= 1
            if self.grouped:
                raise ExceptionGroup("tasks", [self.error])
            raise self.error


@pytest.mark.parametrize("grouped", [False, True])
def test_a_part_begins_again_after_errors_that_nobody_foresaw(grouped: bool) -> None:
    part, clock, reported = Part(3, ZeroDivisionError(), grouped), ManualClock(), list[SelfEvent]()
    asyncio.run(supervise("delivery", "otlp", part.run, clock, reported.append))
    assert part.begun == 4
    assert [(one.part, one.where) for one in reported if isinstance(one, UnexpectedError)] == [("delivery", "otlp")] * 3
    assert len(clock.slept) == 3
    assert all(0 < wait <= 8 for wait in clock.slept)


@pytest.mark.parametrize("grouped", [False, True])
def test_trouble_with_the_store_passes(grouped: bool) -> None:
    part, reported = Part(1, StoreError("the disk is full"), grouped), list[SelfEvent]()
    with pytest.raises((StoreError, ExceptionGroup)):
        asyncio.run(supervise("read", "t/s", part.run, ManualClock(), reported.append))
    assert reported == []
