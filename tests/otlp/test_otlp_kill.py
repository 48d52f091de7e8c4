"""A process killed at any moment while it commits and delivers, and a receiver that fails meanwhile: no span is lost, none
comes with two contents, what comes twice is the same to the byte, and the counters are exact.
"""

import asyncio
import multiprocessing
import random
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from exporter.common.clock import SystemClock
from exporter.model.runs import Span
from exporter.model.state import Commit, Progress
from exporter.otlp.delivery import OtlpDelivery
from exporter.otlp.endpoint import OtlpEndpoint
from exporter.otlp.sender import OtlpSender
from exporter.otlp.spans import SpanEncoder
from exporter.simulator.otlp_receiver import Receiver, ReceiverFault
from exporter.store import open_store
from tests.support.collector import collecting
from tests.support.spans import ORIGIN, PHASE
from tests.support.stores import POOL, WARNINGS, counted, event, opened

KILLS, SPANS = 32, 800
PRELOADED = ["exporter.store", "exporter.otlp.spans", "exporter.otlp.sender", "exporter.simulator.otlp_receiver"]
OUTAGE = range(8, 20)  # the kills between which the receiver is down


async def work(url: str, address: str, told: Connection | None) -> None:
    """Commits an event, its count and its span at a time; a courier delivers beside it, and at the end all that waits."""
    store, wire = await open_store(url), OtlpSender(OtlpEndpoint("traces", f"{address}/v1/traces"))
    courier = OtlpDelivery(
        "traces", wire.endpoint.url, wire.post, store.outbox, 86_400.0, SystemClock(), lambda _: None
    )
    progress = (await store.restore()).progress.get(POOL, Progress(complete=-1)).complete
    assert progress is not None
    traces = SpanEncoder(ORIGIN)
    for number in range(progress + 1, SPANS):
        if told is not None:
            _step(told)
        span = traces.encode(msgspec.structs.replace(PHASE, attempt=number, start=number, events=()))
        await store.commit(
            [Commit(POOL, [event(str(number))], counted(WARNINGS, 1), Progress(number), outbox_records=[span])]
        )
        if number % 5 == 0:
            await courier.deliver_batch()
    if told is None:
        await courier.drain()
    await wire.aclose()
    await store.close()


def _step(told: Connection) -> None:
    """No step before its turn: however slow the machine, the process does not come to its end before it is killed."""
    told.send_bytes(b".")
    told.recv_bytes()


def child(url: str, address: str, told: Connection) -> None:
    asyncio.run(work(url, address, told))


def spans(receiver: Receiver) -> Iterator[Any]:
    for received in [*receiver.received]:
        for frame in received.message.resource_spans:
            for scope in frame.scope_spans:
                yield from scope.spans


def encoded_span(span: Span) -> bytes:
    """The bytes of the span alone, without its frame."""
    request = ExportTraceServiceRequest.FromString(SpanEncoder(ORIGIN).encode(span).body)
    return request.resource_spans[0].scope_spans[0].spans[0].SerializeToString(deterministic=True)


def test_no_kill_and_no_outage_loses_a_span_or_changes_one(tmp_path: Path) -> None:
    draw, processes, receiver = random.Random(5), multiprocessing.get_context("forkserver"), Receiver()
    processes.set_forkserver_preload([__name__, *PRELOADED])
    url = f"{tmp_path}/state.db"
    with collecting(receiver) as address:
        for kill in range(KILLS):
            receiver.down = ReceiverFault(503, {"retry-after": "1"}) if kill in OUTAGE else None
            here, there = processes.Pipe()
            process = processes.Process(target=child, args=(url, address, there))
            process.start()
            there.close()
            with here:
                for _ in range(draw.randint(2, SPANS // KILLS)):
                    here.recv_bytes()
                    here.send_bytes(b".")
                here.poll(draw.uniform(0, 0.01))  # somewhere in a commit or a request, if it is not over before
                process.kill()
            process.join()
            assert process.exitcode == -signal.SIGKILL, kill
        asyncio.run(work(url, address, None))
        contents: dict[tuple[bytes, bytes], set[bytes]] = {}
        for span in spans(receiver):
            contents.setdefault((span.trace_id, span.span_id), set()).add(span.SerializeToString(deterministic=True))
    assert sorted(span for same in contents.values() for span in same) == sorted(
        encoded_span(msgspec.structs.replace(PHASE, attempt=number, start=number, events=())) for number in range(SPANS)
    )
    assert all(len(same) == 1 for same in contents.values())
    with opened(url) as driver:
        assert driver.restored().changes.counts == {WARNINGS: SPANS}
