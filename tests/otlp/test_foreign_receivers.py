"""Whatever a receiver or a gateway before it answers: delivery goes on, and no record is lost."""

import asyncio
import contextlib
import gzip
import tracemalloc
from collections.abc import AsyncIterator

import httpx2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.errors import StoreError
from exporter.model.protocols import Store
from exporter.model.runs import OtlpRecord, QueuedRecord
from exporter.model.state import RECORD, Commit
from exporter.model.telemetry import LogMessage, OtlpDelivered, SelfEvent, UnexpectedError
from exporter.otlp.delivery import OtlpDelivery
from exporter.otlp.endpoint import OtlpEndpoint
from exporter.otlp.metrics import MetricsPush
from exporter.otlp.sender import OtlpSender
from exporter.otlp.spans import SpanEncoder
from exporter.simulator.otlp_receiver import Receiver
from exporter.store import open_store
from tests.support.clocks import ManualClock
from tests.support.collector import collecting
from tests.support.raw_server import RawAnswer, foreign_answers, raw_server
from tests.support.spans import ORIGIN, PHASE

MIB = 2**20


class Lane:
    """A delivery of spans from a store in memory; ``events`` is what it reported."""

    def __init__(self, store: Store, sender: OtlpSender) -> None:
        self.store = store
        self.events: list[SelfEvent] = []
        url = sender.endpoint.url
        self.delivery = OtlpDelivery(
            "traces", url, sender.post, store.outbox, 86_400.0, ManualClock(), self.events.append
        )

    async def put(self, *records: OtlpRecord) -> None:
        await self.store.commit([Commit(RECORD, outbox_records=records)])

    async def pending(self) -> int:
        return (await self.store.outbox.level("traces")).number

    def gone(self) -> int:
        return sum(e.sent + e.rejected for e in self.events if isinstance(e, OtlpDelivered))

    def unexpected(self) -> list[str]:
        return [repr(event.error) for event in self.events if isinstance(event, UnexpectedError)]


@contextlib.asynccontextmanager
async def lane(url: str, protocol: str = "http/protobuf") -> AsyncIterator[Lane]:
    endpoint = OtlpEndpoint("traces", f"{url}/v1/traces", protocol=protocol, timeout=2.0)  # type: ignore[arg-type]
    store, sender = await open_store(":memory:"), OtlpSender(endpoint)
    try:
        yield Lane(store, sender)
    finally:
        await sender.aclose()
        await store.close()


def spans(number: int) -> list[OtlpRecord]:
    encoder = SpanEncoder(ORIGIN)
    return [encoder.encode(msgspec.structs.replace(PHASE, name=f"span {index}")) for index in range(number)]


@given(answer=foreign_answers(), number=st.integers(1, 3))
@settings(deadline=None, max_examples=120)
async def test_no_answer_of_a_receiver_is_a_surprise_or_loses_a_span(answer: RawAnswer, number: int) -> None:
    async with raw_server(lambda path: answer) as url, lane(url) as one:
        await one.put(*spans(number))
        assert await one.delivery.deliver_guarded() >= 0.0
        assert one.unexpected() == []
        assert await one.pending() + one.gone() == number


@pytest.mark.parametrize("status", [400, 503])
async def test_an_error_page_in_gbk_keeps_the_spans(status: int) -> None:
    page = RawAnswer(status, {"Content-Type": "application/json"}, ['{"message":"中文"}'.encode("gbk")])

    async with raw_server(lambda path: page) as url, lane(url) as one:
        await one.put(*spans(1))
        await one.delivery.deliver_guarded()
        assert await one.pending() == 1


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_bomb_of_a_receiver_never_fills_the_memory(status: int) -> None:
    bomb = RawAnswer(status, {"Content-Encoding": "gzip"}, [gzip.compress(bytes(64 * MIB))])

    async def run() -> None:
        async with raw_server(lambda path: bomb) as url, lane(url) as one:
            await one.put(*spans(1))
            await one.delivery.deliver_guarded()

    tracemalloc.start()
    try:
        asyncio.run(run())
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


async def test_a_record_that_cannot_be_encoded_is_set_aside_and_the_rest_arrives() -> None:
    """A state file of an earlier version, or a damaged one, may hold it."""
    poison = OtlpRecord("traces", b"\xff\xff\xff no protobuf")
    good = spans(4)
    receiver = Receiver()

    with collecting(receiver) as url:
        async with lane(url, "http/json") as one:
            await one.put(good[0], good[1], poison, good[2], good[3])
            while await one.delivery.deliver_guarded() == 0:
                pass
            assert await one.pending() == 0
            gone = [event for event in one.events if isinstance(event, OtlpDelivered)]
            assert (sum(event.sent for event in gone), sum(event.rejected for event in gone)) == (4, 1)
            assert one.unexpected() == []


class BrokenOutbox:
    """An outbox whose store is away."""

    def __init__(self) -> None:
        self.error: Exception = StoreError("state.db: the disk is full; make room")

    async def trim(self, *_: object) -> int:
        raise self.error

    async def oldest(self, *_: object) -> list[QueuedRecord]:
        raise self.error


@pytest.mark.parametrize("error", [StoreError("state.db: the disk is full; make room"), ZeroDivisionError("one")])
def test_trouble_with_the_outbox_costs_one_turn(error: Exception) -> None:
    async def post(_: bytes) -> httpx2.Response:
        raise AssertionError("nothing can be sent")

    async def run() -> None:
        outbox, events = BrokenOutbox(), list[SelfEvent]()
        outbox.error = error
        delivery = OtlpDelivery("traces", "http://r/v1/traces", post, outbox, 60.0, ManualClock(), events.append)  # type: ignore[arg-type]
        for _ in range(3):
            assert await delivery.deliver_guarded() > 0.0
        messages = [event.text for event in events if isinstance(event, LogMessage)]
        if isinstance(error, StoreError):
            assert messages == ["otlp: traces wait in the store: state.db: the disk is full; make room"]
        else:
            words = "otlp: http://r/v1/traces: an unexpected ZeroDivisionError; the log has its traceback"
            assert messages == [f"{words}; what was not delivered is kept and sent again"]
            assert len([event for event in events if isinstance(event, UnexpectedError)]) == 3

    asyncio.run(run())


def test_an_unforeseen_error_of_a_push_costs_one_push() -> None:
    async def post(_: bytes) -> httpx2.Response:
        raise AssertionError("nothing is sent")

    def read() -> list[object]:
        raise ZeroDivisionError("one")

    async def run() -> None:
        events: list[SelfEvent] = []
        push = MetricsPush("http://r", post, read, {}, {}, 60.0, ManualClock(), events.append)  # type: ignore[arg-type]
        await push.push()
        await push.push()
        words = "otlp: http://r: an unexpected ZeroDivisionError; the log has its traceback"
        assert [event.text for event in events if isinstance(event, LogMessage)] == [words]

    asyncio.run(run())
