"""The guard lets expected errors pass, and turns any other into one that its caller can wait out."""

import asyncio

import pytest

from exporter.common.guard import guard
from exporter.model.errors import SourceDown, StoreError, UnexpectedFailure
from exporter.model.telemetry import SelfEvent, UnexpectedError


@pytest.mark.parametrize("error", [SourceDown("no answer"), StoreError("disk"), asyncio.CancelledError()])
def test_expected_errors_and_cancellation_pass_unchanged(error: BaseException) -> None:
    reported: list[SelfEvent] = []
    with pytest.raises(type(error)) as raised, guard("read", "research/dws", reported.append):
        raise error
    assert raised.value is error
    assert reported == []


@pytest.mark.parametrize("error", [RecursionError(), MemoryError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")])
def test_an_unforeseen_error_is_told_once_and_can_be_waited_out(error: Exception) -> None:
    reported: list[SelfEvent] = []
    expected = pytest.raises(UnexpectedFailure, match="research/dws: an unexpected")
    with expected as raised, guard("read", "research/dws", reported.append):
        raise error
    assert raised.value.cause == "error"
    assert reported == [UnexpectedError("read", "research/dws", error)]
