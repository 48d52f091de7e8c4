"""How fast spans go from a run that is over to a receiver that has them, and how many are lost by kills; beside the SDK."""

import asyncio
import contextlib
import os
import random
import socket
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Tracer

from exporter.common.clock import SystemClock
from exporter.model.events import Event
from exporter.model.protocols import Encode, Store
from exporter.model.runs import Span, SpanEvent
from exporter.model.state import Commit, Progress, Watch
from exporter.otlp.delivery import OtlpDelivery
from exporter.otlp.endpoint import OtlpEndpoint
from exporter.otlp.log_records import encoder
from exporter.otlp.resource import OtlpResource
from exporter.otlp.sender import OtlpSender
from exporter.simulator.otlp_receiver import Received, Receiver
from exporter.store import open_store

from .machine import alone, memory
from .rounds import Row

SPANS, RUN, GOAL = 100_000, 5, 5_000  # spans; of one run; a second
KILLED, KILLS = 1_500, 8
WATCH, SDK = Watch("research", "modelarts_service", "svc"), "the SDK's BatchSpanProcessor"
AT = 1_790_000_000_000
TEXT = "[TF 3.0.0] pulling model image"
Side = Callable[[str, Path, int, Connection | None], None]


class Cost(NamedTuple):
    """Spans received a second, from the first one made to the last one received; the MB that this took at most; and the
    spans that never arrived."""

    rate: float
    memory: float
    lost: int = 0


def measure(quick: bool) -> list[Row]:
    """Each span has two events; the receiver unpacks and reads everything, in this process."""
    number = SPANS // 20 if quick else SPANS
    ours, theirs = (_passed(side, number) for side in (_ours, _theirs))
    killed, kills = (KILLED // 5, KILLS // 2) if quick else (KILLED, KILLS)
    lost = [_lost(side, killed, kills) for side in (_kept, _queued)]
    whole = f"{SDK}, its queue large enough"
    return [
        Row("spans, run over to received", "/s", [ours.rate], GOAL, whole, [theirs.rate]),
        Row(f"memory for {number:,} spans", "MB", [ours.memory], None, whole, [theirs.memory]),
        Row(f"lost of {number:,} at full speed", "spans", [ours.lost], 0, whole, [theirs.lost]),
        Row(f"spans lost by {kills} kills of {killed:,}", "spans", lost[:1], 0, SDK, lost[1:]),
    ]


# --- a receiver


@contextlib.contextmanager
def _receiving() -> Iterator[tuple[str, list[bytes]]]:
    """Its address, and the id of every span that it got."""
    got: list[bytes] = []

    def hear(received: Received) -> None:
        frames = received.message.resource_spans
        got.extend(
            span.trace_id + span.span_id for frame in frames for part in frame.scope_spans for span in part.spans
        )

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(Receiver(hear).app(), log_config=None, access_log=False, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1/traces", got
        finally:
            server.should_exit = True
            thread.join()


# --- how fast


def _passed(side: Callable[[str, int, bool], Cost], number: int) -> Cost:
    with _receiving() as (url, got):
        cost = alone(partial(side, url, number), quick=False)
        arrived = len(set(got))
    return Cost(cost.rate * arrived / number, cost.memory, number - arrived)


def _ours(url: str, number: int, _: bool) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_through_the_outbox(url, Path(folder), number))


async def _through_the_outbox(url: str, folder: Path, number: int) -> Cost:
    async with _courier(url, folder) as (store, courier):
        encode, before, began = _encode(), memory(os.getpid()), time.perf_counter()
        running = asyncio.create_task(courier.run())
        for first in range(0, number, 100 * RUN):
            commits = [_commit(encode, run, RUN) for run in range(first, min(first + 100 * RUN, number), RUN)]
            await store.commit(commits)
        while (await store.outbox.level("traces")).rows:
            await asyncio.sleep(0.01)
        took = time.perf_counter() - began
        running.cancel()
        return Cost(number / took, memory(os.getpid(), "VmHWM") - before)


def _theirs(url: str, number: int, _: bool) -> Cost:
    provider, tracer = _sdk(url, number)
    before, began = memory(os.getpid()), time.perf_counter()
    for one in range(number):
        _span(tracer, one)
    provider.shutdown()
    return Cost(number / (time.perf_counter() - began), memory(os.getpid(), "VmHWM") - before)


# --- what kills cost


def _lost(side: Side, number: int, kills: int) -> float:
    """Of spans that a process makes, one after another, which is killed and started again."""
    luck, processes = random.Random(5), get_context("spawn")
    with _receiving() as (url, got), tempfile.TemporaryDirectory() as folder:
        for _ in range(kills):
            here, there = processes.Pipe()
            process = processes.Process(target=side, args=(url, Path(folder), number, there))
            process.start()
            there.close()
            with here:
                for _ in range(luck.randint(1, number // kills)):
                    here.recv_bytes()
                    here.send_bytes(b".")
                here.poll(luck.uniform(0, 0.01))
                process.kill()
            process.join()
        last = processes.Process(target=side, args=(url, Path(folder), number, None))
        last.start()
        last.join()
        return float(number - len(set(got)))


def _step(told: Connection | None) -> None:
    """The process makes a span only when it may, so that it is never faster than who kills it."""
    if told is not None:
        told.send_bytes(b".")
        told.recv_bytes()


def _kept(url: str, folder: Path, number: int, told: Connection | None) -> None:
    """As the exporter does it: the span is in the commit that says how far it came."""
    asyncio.run(_keep(url, folder, number, told))


async def _keep(url: str, folder: Path, number: int, told: Connection | None) -> None:
    async with _courier(url, folder) as (store, courier):
        encode, reached = _encode(), (await store.restore()).progress.get(WATCH, Progress(complete=-1)).complete
        running = asyncio.create_task(courier.run())
        for one in range((-1 if reached is None else reached) + 1, number):
            _step(told)
            await store.commit([_commit(encode, one, 1)])
        running.cancel()
        await courier.drain()


def _queued(url: str, folder: Path, number: int, told: Connection | None) -> None:
    """As a program with the SDK does it: it writes down how far it came when the span has ended."""
    place = folder / "reached"
    provider, tracer = _sdk(url, 2048)
    for one in range(int(place.read_text()) + 1 if place.exists() else 0, number):
        _step(told)
        _span(tracer, one)
        (folder / "new").write_text(str(one))
        (folder / "new").replace(place)
    provider.shutdown()


# --- both sides' spans


@contextlib.asynccontextmanager
async def _courier(url: str, folder: Path) -> AsyncIterator[tuple[Store, OtlpDelivery]]:
    store, wire = await open_store(str(folder / "state.db")), OtlpSender(OtlpEndpoint("traces", url))
    try:
        yield store, OtlpDelivery("traces", url, wire.post, store.outbox, 86_400.0, SystemClock(), lambda _: None)
    finally:
        await wire.aclose()
        await store.close()


def _encode() -> Encode:
    origin = OtlpResource("huaweicloud", "cn-north-4", "p1", "research", "modelarts_service")
    encode = encoder(origin, traces=True, logs=False)
    assert encode is not None
    return encode


def _commit(encode: Encode, first: int, number: int) -> Commit:
    spans = [_finished(one) for one in range(first, first + number)]
    events = [Event(span.events[0].id.encode(), "svc", AT) for span in spans]
    return Commit(WATCH, events=events, progress=Progress(first + number - 1), parcels=encode("svc", spans, ()))


def _finished(one: int) -> Span:
    events = tuple(SpanEvent(AT + n, f"{one:015x}{n}", "", TEXT, "info", "ImagePulling") for n in range(2))
    return Span(*WATCH, "DEPLOY service", one, f"image_pulling\0TF\0{AT}", "image_pulling", AT, AT + 900, "success",
                of="TF 3.0.0", events=events)  # fmt: skip


def _sdk(url: str, queue: int) -> tuple[TracerProvider, Tracer]:
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(url, compression=Compression.Gzip)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=max(queue, 2048)))
    return provider, provider.get_tracer("bench")


def _span(tracer: Tracer, one: int) -> None:
    """With attributes and events as ours have them."""
    about: dict[str, Any] = {
        "cloud.resource_id": "svc",
        "platform.target": "research",
        "platform.source": "modelarts_service",
        "platform.outcome": "success",
        "platform.part": "TF 3.0.0",
        "cicd.pipeline.name": "service",
        "cicd.pipeline.run.id": f"svc/{one}",
        "cicd.pipeline.task.name": "image_pulling",
    }
    span = tracer.start_span("image_pulling", kind=SpanKind.INTERNAL, start_time=AT * 1_000_000, attributes=about)
    for number in range(2):
        said = {"event.id": f"{one:015x}{number}", "platform.event.severity": "info", "message": TEXT}
        span.add_event("modelarts.service.image_pulling", said, timestamp=(AT + number) * 1_000_000)
    span.end(end_time=(AT + 900) * 1_000_000)
