"""Delivery over real HTTP to a receiver that behaves, stutters or refuses: nothing is lost, each trouble is told once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exporter.common.secret import Secret
from exporter.model.errors import ConfigError
from exporter.model.protocols import Store
from exporter.model.state import RECORD, Commit
from exporter.model.telemetry import LogMessage, OtlpDelivered, SelfEvent
from exporter.otlp.delivery import OtlpDelivery
from exporter.otlp.endpoint import OtlpEndpoint
from exporter.otlp.sender import OtlpSender
from exporter.otlp.spans import SpanEncoder
from exporter.simulator.otlp_receiver import Receiver, ReceiverFault
from exporter.store import open_store
from tests.support.clocks import ManualClock
from tests.support.collector import Certificates, collecting
from tests.support.processes import free_port
from tests.support.spans import ORIGIN, PHASE

DAY = 86_400.0
KEPT = "what was not delivered is kept and sent again"


class DeliverySetup:
    """A delivery with a store in memory, and all that it told."""

    def __init__(self, store: Store, sender: OtlpSender, clock: ManualClock) -> None:
        self.store, self.sender, self.clock, self.events = store, sender, clock, list[SelfEvent]()
        endpoint = sender.endpoint
        self.delivery = OtlpDelivery(
            endpoint.signal, endpoint.url, sender.post, store.outbox, DAY, clock, self.events.append
        )

    async def put(self, *names: str) -> None:
        """Spans with these names wait."""
        traces = SpanEncoder(ORIGIN)
        spans = [traces.encode(msgspec.structs.replace(PHASE, name=name, role=name)) for name in names]
        await self.store.commit([Commit(RECORD, outbox_records=spans)])

    async def deliver(self) -> float:
        return await self.delivery.deliver_batch()

    async def pending(self) -> int:
        return (await self.store.outbox.level("traces")).number

    def log_lines(self) -> list[str]:
        """The lines of the log since the last look, without the address of the receiver."""
        found = [
            event.text.replace(self.sender.endpoint.url, "URL")
            for event in self.events
            if isinstance(event, LogMessage)
        ]
        self.events[:] = [event for event in self.events if not isinstance(event, LogMessage)]
        return found

    def counts(self) -> tuple[int, int, int]:
        """How many were sent, rejected and dropped."""
        gone = [event for event in self.events if isinstance(event, OtlpDelivered)]
        return sum(f.sent for f in gone), sum(f.rejected for f in gone), sum(f.dropped for f in gone)


@contextlib.asynccontextmanager
async def delivering(url: str, **endpoint: Any) -> AsyncIterator[DeliverySetup]:
    store, sender = await open_store(":memory:"), OtlpSender(OtlpEndpoint("traces", f"{url}/v1/traces", **endpoint))
    try:
        yield DeliverySetup(store, sender, ManualClock())
    finally:
        await sender.aclose()
        await store.close()


def names(receiver: Receiver) -> list[str]:
    """The spans that were taken, in their order."""
    frames = [frame for received in receiver.received for frame in received.message.resource_spans]
    return [span.name for frame in frames for scope in frame.scope_spans for span in scope.spans]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def url(receiver: Receiver) -> Iterator[str]:
    with collecting(receiver) as address:
        yield address


@pytest.mark.parametrize(
    "endpoint", [{}, {"protocol": "http/json"}, {"gzip": False}], ids=["protobuf", "json", "plain"]
)
async def test_the_outbox_is_delivered_once_and_in_order(
    receiver: Receiver, url: str, endpoint: dict[str, Any]
) -> None:
    async with delivering(url, **endpoint) as setup:
        await setup.put("a", "b")
        await setup.put("c")
        assert await setup.deliver() == 0, "there may be more"
        assert await setup.deliver() == 1, "nothing waits, so it looks again in a second"
        assert (names(receiver), await setup.pending(), setup.counts()) == (["a", "b", "c"], 0, (3, 0, 0))
        assert setup.log_lines() == []
    headers = receiver.received[0].headers
    assert headers.get("content-encoding") == (None if "gzip" in endpoint else "gzip")
    assert headers["user-agent"].startswith("platform-events-exporter/")


LATER = [
    (ReceiverFault(503), "otlp: URL: answers 503; " + KEPT),
    (ReceiverFault(429, {"content-type": "text/plain"}, b"slow\ndown"), "otlp: URL: answers 429 (slow down); " + KEPT),
    (
        ReceiverFault(301, {"location": "https://there/v1/traces?token=s3cret"}),
        "otlp: URL: answers 301, a redirect to https://there/v1/traces; write the address that it leads to as "
        "otlp.endpoint; " + KEPT,
    ),
    (
        ReceiverFault(401),
        "otlp: URL: answers 401, the credentials are refused; correct otlp.headers or the file of "
        "otlp.headers_file; " + KEPT,
    ),
    (
        ReceiverFault(403),
        "otlp: URL: answers 403, this is not allowed; let the account of otlp.headers write traces; " + KEPT,
    ),
    (
        ReceiverFault(404),
        "otlp: URL: answers 404, no traces are taken there; correct otlp.endpoint, to which /v1/traces is added; "
        + KEPT,
    ),
    (ReceiverFault(415), "otlp: URL: answers 415, this form is not read; write otlp.protocol: http/json; " + KEPT),
    (
        ReceiverFault(418),
        "otlp: URL: answers 418; check otlp.endpoint and what stands between the exporter and the receiver; " + KEPT,
    ),
]


@pytest.mark.parametrize(("fault", "line"), LATER, ids=[str(fault.status) for fault, _ in LATER])
async def test_records_not_taken_now_are_kept_reported_once_and_delivered_later(
    receiver: Receiver, url: str, fault: ReceiverFault, line: str
) -> None:
    async with delivering(url) as setup:
        await setup.put("a")
        receiver.faults = [fault] * 3
        waits = [await setup.deliver() for _ in range(3)]
        assert setup.log_lines() == [line]
        assert [0.5 <= waits[0] <= 1, 1 <= waits[1] <= 2, 2 <= waits[2] <= 4] == [True] * 3
        assert (await setup.pending(), setup.counts()) == (1, (0, 0, 0))
        assert await setup.deliver() == 0
        assert setup.log_lines() == ["otlp: URL: traces get through again"]
        assert (names(receiver), await setup.pending()) == (["a"], 0)


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [("7", 7.0), (formatdate(1_790_000_020, usegmt=True), 20.0), ("100000", 300.0), ("0", 1.0)],
    ids=["seconds", "a date", "too long", "at once"],
)
async def test_retry_after_of_a_receiver_is_obeyed(receiver: Receiver, url: str, wish: str, seconds: float) -> None:
    async with delivering(url) as setup:
        await setup.put("a")
        receiver.faults = [ReceiverFault(503, {"retry-after": wish})]
        assert await setup.deliver() == pytest.approx(seconds, abs=0.1)


async def test_the_wait_grows_to_a_minute_and_no_further(receiver: Receiver, url: str) -> None:
    async with delivering(url) as setup:
        await setup.put("a")
        receiver.down = ReceiverFault(503)
        waits = [await setup.deliver() for _ in range(15)]
        assert all(30 <= wait <= 60 for wait in waits[7:])
        assert len(set(waits)) == len(waits), "many exporters must not come back at once"


# --- what will never be taken


def poison(receiver: Receiver, *bad: str) -> None:
    """Any request with one of these spans is refused as a whole, as collectors do."""

    def refuses(message: Any) -> str:
        found = [span.name for frame in message.resource_spans for scope in frame.scope_spans for span in scope.spans]
        return "a name that is not allowed" if set(found) & set(bad) else ""

    receiver.refuses = refuses


async def test_refused_records_are_set_aside_and_all_others_arrive_in_order(receiver: Receiver, url: str) -> None:
    every = [f"s{number:03}" for number in range(100)]
    bad = ["s000", "s041", "s099"]

    async with delivering(url) as setup:
        poison(receiver, *bad)
        await setup.put(*every)
        assert await setup.deliver() == 0
        assert names(receiver) == [name for name in every if name not in bad]
        assert (await setup.pending(), setup.counts()) == (0, (97, 3, 0))
        words = "(400: a name that is not allowed); see outbox_rejected_total"
        assert setup.log_lines() == [f"otlp: URL: refuses some traces for good, they are set aside {words}"]
        assert receiver.asked < 50


async def test_too_large_a_request_goes_in_halves(receiver: Receiver, url: str) -> None:
    async with delivering(url) as setup:
        await setup.put("a", "b", "c", "d")
        receiver.faults = [ReceiverFault(413), ReceiverFault(413)]
        assert await setup.deliver() == 0
        assert (names(receiver), setup.counts(), setup.log_lines()) == (["a", "b", "c", "d"], (4, 0, 0), [])


async def test_a_receiver_that_refuses_everything_is_not_believed(receiver: Receiver, url: str) -> None:
    """What answers there is no receiver of this language; its word must not cost a single span."""

    async with delivering(url) as setup:
        await setup.put(*"abcdefgh")
        receiver.down = ReceiverFault(
            400, {"content-type": "text/plain"}, b"Client sent an HTTP request to an HTTPS server."
        )
        assert await setup.deliver() > 0
        assert (await setup.pending(), setup.counts()) == (8, (0, 0, 0))
        assert setup.log_lines() == [
            "otlp: URL: refuses everything (400: Client sent an HTTP request to an HTTPS server.); check "
            "otlp.endpoint and otlp.protocol; " + KEPT
        ]
        receiver.down = None
        assert await setup.deliver() == 0
        assert names(receiver) == [*"abcdefgh"]


async def test_a_receiver_that_begins_to_refuse_everything_is_not_believed(receiver: Receiver, url: str) -> None:
    async with delivering(url) as setup:
        await setup.put("first")
        await setup.deliver()
        await setup.put(*(f"s{number}" for number in range(100)))
        receiver.down = ReceiverFault(400)
        await setup.deliver()
        assert await setup.pending() >= 90
        assert setup.counts()[1] <= 10


async def test_many_bad_records_in_a_row_do_not_stop_the_good_ones(receiver: Receiver, url: str) -> None:
    bad = [f"bad{number}" for number in range(30)]

    async with delivering(url) as setup:
        poison(receiver, *bad)
        await setup.put(*bad, "good")
        assert await setup.deliver() == 0
        assert (names(receiver), await setup.pending(), setup.counts()) == (["good"], 0, (1, 30, 0))


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
async def test_a_partial_success_is_read(receiver: Receiver, url: str, protocol: Any) -> None:
    async with delivering(url, protocol=protocol) as setup:
        await setup.put("a", "b", "c")
        receiver.rejects = 2
        assert await setup.deliver() == 0
        assert (await setup.pending(), setup.counts()) == (0, (1, 2, 0))
        assert setup.log_lines() == ["otlp: URL: took 1 of 3 traces (no room); see outbox_rejected_total"]


async def test_records_older_than_max_age_are_dropped_and_reported(receiver: Receiver, url: str) -> None:
    async with delivering(url) as setup:
        await setup.put("a", "b")
        receiver.down = ReceiverFault(503)
        setup.clock.advance(20 * 365 * DAY)  # beyond the age of anything that this machine's clock can have written
        assert await setup.deliver() == 1
        assert (await setup.pending(), setup.counts()) == (0, (0, 0, 2))
        cure = "raise otlp.max_age, or see to the receiver sooner"
        words = f"could not be delivered in time and were dropped; {cure}"
        assert setup.log_lines() == [f"otlp: 2 traces {words}"]


# --- no answer


@contextlib.asynccontextmanager
async def saying(words: bytes) -> AsyncIterator[str]:
    """Who says this to everybody, and nothing more."""
    served = list[asyncio.StreamWriter]()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(writer)
        writer.write(words)
        await writer.drain()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for writer in served:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00d",  # settings of HTTP/2
            "no HTTP answer; 4317 is the port of gRPC, HTTP is usually at 4318: correct otlp.endpoint",
        ),
        (b"", "no answer in time; check otlp.endpoint and whether the receiver is overloaded"),
    ],
    ids=["grpc", "silent"],
)
async def test_a_peer_without_http_and_a_silent_peer_are_told_apart(words: bytes, line: str) -> None:
    async with saying(words) as url, delivering(url, timeout=0.5) as setup:
        await setup.put("a")
        assert await setup.deliver() > 0
        assert (setup.log_lines(), await setup.pending()) == ([f"otlp: URL: {line}; {KEPT}"], 1)


async def test_an_unreachable_receiver_is_reported_and_tried_again() -> None:
    async with delivering(f"http://127.0.0.1:{free_port()}") as setup:
        await setup.put("a")
        assert await setup.deliver() > 0
        (line,) = setup.log_lines()
        assert line.startswith("otlp: URL: cannot be reached (")
        assert line.endswith("); check otlp.endpoint and the receiver; " + KEPT)


# --- TLS and headers


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def test_certificates_of_both_sides_are_used_and_their_faults_reported(
    receiver: Receiver, certificates: Certificates
) -> None:
    ours = {"client_certificate": certificates.client, "client_key": certificates.client_key}

    async def told(url: str, **endpoint: Any) -> list[str]:
        async with delivering(url, **endpoint) as setup:
            await setup.put("a")
            await setup.deliver()
            return setup.log_lines()

    async def scenario(url: str) -> None:
        assert await told(url, certificate=certificates.authority, **ours) == []
        assert names(receiver) == ["a"]
        (untrusted,) = await told(url, **ours)
        assert untrusted.startswith("otlp: URL: its certificate is not trusted (")
        assert untrusted.endswith(f"); name the authority that signed it in otlp.certificate; {KEPT}")
        (unknown,) = await told(url, certificate=certificates.authority)
        assert KEPT in unknown, "without a certificate of ours it hangs up"
        (plain,) = await told(url.replace("https:", "http:"), timeout=5)
        assert KEPT in plain

    with collecting(receiver, tls=certificates.serving()) as url:
        asyncio.run(scenario(url))


async def test_tls_to_a_receiver_without_it_says_so(url: str) -> None:
    async with delivering(url.replace("http:", "https:")) as setup:
        await setup.put("a")
        await setup.deliver()
        (line,) = setup.log_lines()
        assert line.startswith("otlp: URL: TLS failed (")
        assert "); check http or https in otlp.endpoint, and otlp.client_certificate if it wants one" in line


async def test_headers_come_from_both_places_and_the_file_is_read_again_when_it_changes(
    receiver: Receiver, url: str, tmp_path: Path
) -> None:
    path = tmp_path / "headers"
    path.write_text("# who we are\nAuthorization: Bearer one\nX-Scope-OrgID: tenant\n")

    async with delivering(url, headers={"X-More": Secret("more")}, headers_file=path) as setup:
        for token in ("one", "two two"):
            path.write_text(path.read_text().replace("Bearer one", f"Bearer {token}"))
            await setup.put(token)
            await setup.deliver()
        path.write_text("s3cret")
        await setup.put("c")
        await setup.deliver()
        assert setup.log_lines() == [
            f"otlp.headers_file: {path}: line 1 is no header; write one 'Name: value' a line; {KEPT}"
        ]
        path.unlink()
        await setup.deliver()
        (line,) = setup.log_lines()
        assert line.startswith(f"otlp.headers_file: {path}: cannot read the secret")
    first, second = (received.headers for received in receiver.received)
    assert (first["authorization"], second["authorization"]) == ("Bearer one", "Bearer two two")
    assert (second["x-scope-orgid"], second["x-more"]) == ("tenant", "more")


def test_certificates_that_cannot_be_used_are_an_error_at_start(certificates: Certificates, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no certificate")
    endpoint = OtlpEndpoint("traces", "https://collector/v1/traces")
    unfit = (
        "does not go with otlp.client_key, or is not in PEM form; name a certificate and its key without a password ("
    )
    for change, begin in (
        ({"certificate": text}, f"otlp.certificate: {text}: is no certificate in PEM form; "),
        (
            {"client_certificate": certificates.client, "client_key": certificates.server_key},
            f"otlp.client_certificate: {certificates.client}: {unfit}",
        ),
    ):
        with pytest.raises(ConfigError) as caught:
            OtlpSender(msgspec.structs.replace(endpoint, **change))
        assert str(caught.value).startswith(begin)


# --- stopping


async def test_a_stop_delivers_the_outbox_unless_the_receiver_is_dead(receiver: Receiver, url: str) -> None:
    async with delivering(url) as setup:
        running = asyncio.create_task(setup.delivery.run())
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await setup.put(*(f"s{number}" for number in range(2_500)))
        await setup.delivery.drain()
        assert (len(names(receiver)), await setup.pending()) == (2_500, 0)
        receiver.down = ReceiverFault(503)
        await setup.put("late")
        async with asyncio.timeout(5):
            await setup.delivery.drain()
        assert await setup.pending() == 1


async def test_a_request_under_way_is_not_sent_twice_because_the_exporter_stops(receiver: Receiver, url: str) -> None:
    async with delivering(url) as setup:
        await setup.put("a")
        running = asyncio.create_task(setup.delivery.run())
        while not receiver.asked and await setup.pending():
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await setup.delivery.drain()
        assert names(receiver) == ["a"]
