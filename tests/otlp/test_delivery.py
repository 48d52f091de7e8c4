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
from exporter.otlp.spans import Traces
from exporter.simulator.otlp_receiver import Receiver, ReceiverFault
from exporter.store import open_store
from tests.otlp.test_messages import ORIGIN, PHASE
from tests.support.clocks import ManualClock
from tests.support.collector import Certificates, collecting
from tests.support.processes import free_port

DAY = 86_400.0
KEPT = "what was not delivered is kept and sent again"


class Post:
    """A courier with a store in memory, and all that it told."""

    def __init__(self, store: Store, wire: OtlpSender, clock: ManualClock) -> None:
        self.store, self.wire, self.clock, self.facts = store, wire, clock, list[SelfEvent]()
        lane = wire.lane
        self.courier = OtlpDelivery(lane.signal, lane.url, wire.post, store.outbox, DAY, clock, self.facts.append)

    async def put(self, *names: str) -> None:
        """Spans with these names wait."""
        traces = Traces(ORIGIN)
        spans = [traces.parcel(msgspec.structs.replace(PHASE, name=name, role=name)) for name in names]
        await self.store.commit([Commit(RECORD, parcels=spans)])

    async def turn(self) -> float:
        return await self.courier.turn()

    async def waiting(self) -> int:
        return (await self.store.outbox.level("traces")).number

    def said(self) -> list[str]:
        """The lines of the log since the last look, without the address of the receiver."""
        found = [fact.text.replace(self.wire.lane.url, "URL") for fact in self.facts if isinstance(fact, LogMessage)]
        self.facts[:] = [fact for fact in self.facts if not isinstance(fact, LogMessage)]
        return found

    def left(self) -> tuple[int, int, int]:
        """How many were sent, rejected and dropped."""
        gone = [fact for fact in self.facts if isinstance(fact, OtlpDelivered)]
        return sum(f.sent for f in gone), sum(f.rejected for f in gone), sum(f.dropped for f in gone)


@contextlib.asynccontextmanager
async def posting(url: str, **lane: Any) -> AsyncIterator[Post]:
    store, wire = await open_store(":memory:"), OtlpSender(OtlpEndpoint("traces", f"{url}/v1/traces", **lane))
    try:
        yield Post(store, wire, ManualClock())
    finally:
        await wire.aclose()
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


@pytest.mark.parametrize("lane", [{}, {"protocol": "http/json"}, {"gzip": False}], ids=["protobuf", "json", "plain"])
def test_what_waits_is_delivered_once_and_in_order(receiver: Receiver, url: str, lane: dict[str, Any]) -> None:
    async def story() -> None:
        async with posting(url, **lane) as post:
            await post.put("a", "b")
            await post.put("c")
            assert await post.turn() == 0, "there may be more"
            assert await post.turn() == 1, "nothing waits, so it looks again in a second"
            assert (names(receiver), await post.waiting(), post.left()) == (["a", "b", "c"], 0, (3, 0, 0))
            assert post.said() == []

    asyncio.run(story())
    headers = receiver.received[0].headers
    assert headers.get("content-encoding") == (None if "gzip" in lane else "gzip")
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
def test_what_a_receiver_does_not_take_now_is_kept_told_once_and_delivered_later(
    receiver: Receiver, url: str, fault: ReceiverFault, line: str
) -> None:
    async def story() -> None:
        async with posting(url) as post:
            await post.put("a")
            receiver.faults = [fault] * 3
            waits = [await post.turn() for _ in range(3)]
            assert post.said() == [line]
            assert [0.5 <= waits[0] <= 1, 1 <= waits[1] <= 2, 2 <= waits[2] <= 4] == [True] * 3
            assert (await post.waiting(), post.left()) == (1, (0, 0, 0))
            assert await post.turn() == 0
            assert post.said() == ["otlp: URL: traces get through again"]
            assert (names(receiver), await post.waiting()) == (["a"], 0)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [("7", 7.0), (formatdate(1_790_000_020, usegmt=True), 20.0), ("100000", 300.0), ("0", 1.0)],
    ids=["seconds", "a date", "too long", "at once"],
)
def test_the_receivers_own_wish_to_wait_is_heeded(receiver: Receiver, url: str, wish: str, seconds: float) -> None:
    async def story() -> None:
        async with posting(url) as post:
            await post.put("a")
            receiver.faults = [ReceiverFault(503, {"retry-after": wish})]
            assert await post.turn() == pytest.approx(seconds, abs=0.1)

    asyncio.run(story())


def test_the_wait_grows_to_a_minute_and_no_further(receiver: Receiver, url: str) -> None:
    async def story() -> None:
        async with posting(url) as post:
            await post.put("a")
            receiver.down = ReceiverFault(503)
            waits = [await post.turn() for _ in range(15)]
            assert all(30 <= wait <= 60 for wait in waits[7:])
            assert len(set(waits)) == len(waits), "many exporters must not come back at once"

    asyncio.run(story())


# --- what will never be taken


def poison(receiver: Receiver, *bad: str) -> None:
    """Any request with one of these spans is refused as a whole, as collectors do."""

    def refuses(message: Any) -> str:
        found = [span.name for frame in message.resource_spans for scope in frame.scope_spans for span in scope.spans]
        return "a name that is not allowed" if set(found) & set(bad) else ""

    receiver.refuses = refuses


def test_refused_rows_are_found_by_halving_and_set_aside_and_all_others_arrive_in_order(
    receiver: Receiver, url: str
) -> None:
    every = [f"s{number:03}" for number in range(100)]
    bad = ["s000", "s041", "s099"]

    async def story() -> None:
        async with posting(url) as post:
            poison(receiver, *bad)
            await post.put(*every)
            assert await post.turn() == 0
            assert names(receiver) == [name for name in every if name not in bad]
            assert (await post.waiting(), post.left()) == (0, (97, 3, 0))
            words = "(400: a name that is not allowed); see outbox_rejected_total"
            assert post.said() == [f"otlp: URL: refuses some traces for good, they are set aside {words}"]
            assert receiver.asked < 50

    asyncio.run(story())


def test_too_large_a_request_goes_in_halves(receiver: Receiver, url: str) -> None:
    async def story() -> None:
        async with posting(url) as post:
            await post.put("a", "b", "c", "d")
            receiver.faults = [ReceiverFault(413), ReceiverFault(413)]
            assert await post.turn() == 0
            assert (names(receiver), post.left(), post.said()) == (["a", "b", "c", "d"], (4, 0, 0), [])

    asyncio.run(story())


def test_a_receiver_that_refuses_everything_is_not_believed(receiver: Receiver, url: str) -> None:
    """What answers there is no receiver of this language; its word must not cost a single span."""

    async def story() -> None:
        async with posting(url) as post:
            await post.put(*"abcdefgh")
            receiver.down = ReceiverFault(
                400, {"content-type": "text/plain"}, b"Client sent an HTTP request to an HTTPS server."
            )
            assert await post.turn() > 0
            assert (await post.waiting(), post.left()) == (8, (0, 0, 0))
            assert post.said() == [
                "otlp: URL: refuses everything (400: Client sent an HTTP request to an HTTPS server.); check "
                "otlp.endpoint and otlp.protocol; " + KEPT
            ]
            receiver.down = None
            assert await post.turn() == 0
            assert names(receiver) == [*"abcdefgh"]

    asyncio.run(story())


def test_a_receiver_that_took_spans_before_is_not_believed_either_when_it_refuses_everything_now(
    receiver: Receiver, url: str
) -> None:
    async def story() -> None:
        async with posting(url) as post:
            await post.put("first")
            await post.turn()
            await post.put(*(f"s{number}" for number in range(100)))
            receiver.down = ReceiverFault(400)
            await post.turn()
            assert await post.waiting() >= 90
            assert post.left()[1] <= 10

    asyncio.run(story())


def test_many_bad_rows_in_a_row_do_not_stop_the_good_ones(receiver: Receiver, url: str) -> None:
    bad = [f"bad{number}" for number in range(30)]

    async def story() -> None:
        async with posting(url) as post:
            poison(receiver, *bad)
            await post.put(*bad, "good")
            assert await post.turn() == 0
            assert (names(receiver), await post.waiting(), post.left()) == (["good"], 0, (1, 30, 0))

    asyncio.run(story())


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_a_partial_success_is_read(receiver: Receiver, url: str, protocol: Any) -> None:
    async def story() -> None:
        async with posting(url, protocol=protocol) as post:
            await post.put("a", "b", "c")
            receiver.rejects = 2
            assert await post.turn() == 0
            assert (await post.waiting(), post.left()) == (0, (1, 2, 0))
            assert post.said() == ["otlp: URL: took 1 of 3 traces (no room); see outbox_rejected_total"]

    asyncio.run(story())


def test_what_grew_too_old_is_dropped_and_told(receiver: Receiver, url: str) -> None:
    async def story() -> None:
        async with posting(url) as post:
            await post.put("a", "b")
            receiver.down = ReceiverFault(503)
            post.clock.advance(20 * 365 * DAY)  # beyond the age of anything that this machine's clock can have written
            assert await post.turn() == 1
            assert (await post.waiting(), post.left()) == (0, (0, 0, 2))
            cure = "raise otlp.max_age, or see to the receiver sooner"
            words = f"could not be delivered in time and were dropped; {cure}"
            assert post.said() == [f"otlp: 2 traces {words}"]

    asyncio.run(story())


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
def test_who_speaks_no_http_and_who_says_nothing_are_told_apart(words: bytes, line: str) -> None:
    async def story() -> None:
        async with saying(words) as url, posting(url, timeout=0.5) as post:
            await post.put("a")
            assert await post.turn() > 0
            assert (post.said(), await post.waiting()) == ([f"otlp: URL: {line}; {KEPT}"], 1)

    asyncio.run(story())


def test_a_receiver_that_is_not_there_is_told_and_asked_again() -> None:
    async def story() -> None:
        async with posting(f"http://127.0.0.1:{free_port()}") as post:
            await post.put("a")
            assert await post.turn() > 0
            (line,) = post.said()
            assert line.startswith("otlp: URL: cannot be reached (")
            assert line.endswith("); check otlp.endpoint and the receiver; " + KEPT)

    asyncio.run(story())


# --- TLS and headers


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def test_certificates_of_both_sides_are_used_and_their_faults_are_told(
    receiver: Receiver, certificates: Certificates
) -> None:
    ours = {"client_certificate": certificates.client, "client_key": certificates.client_key}

    async def told(url: str, **lane: Any) -> list[str]:
        async with posting(url, **lane) as post:
            await post.put("a")
            await post.turn()
            return post.said()

    async def story(url: str) -> None:
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
        asyncio.run(story(url))


def test_tls_to_a_receiver_without_it_says_so(url: str) -> None:
    async def story() -> None:
        async with posting(url.replace("http:", "https:")) as post:
            await post.put("a")
            await post.turn()
            (line,) = post.said()
            assert line.startswith("otlp: URL: TLS failed (")
            assert "); check http or https in otlp.endpoint, and otlp.client_certificate if it wants one" in line

    asyncio.run(story())


def test_headers_come_from_both_places_and_the_file_is_read_again_when_it_changes(
    receiver: Receiver, url: str, tmp_path: Path
) -> None:
    path = tmp_path / "headers"
    path.write_text("# who we are\nAuthorization: Bearer one\nX-Scope-OrgID: tenant\n")

    async def story() -> None:
        async with posting(url, headers={"X-More": Secret("more")}, headers_file=path) as post:
            for token in ("one", "two two"):
                path.write_text(path.read_text().replace("Bearer one", f"Bearer {token}"))
                await post.put(token)
                await post.turn()
            path.write_text("s3cret")
            await post.put("c")
            await post.turn()
            assert post.said() == [
                f"otlp.headers_file: {path}: line 1 is no header; write one 'Name: value' a line; {KEPT}"
            ]
            path.unlink()
            await post.turn()
            (line,) = post.said()
            assert line.startswith(f"otlp.headers_file: {path}: cannot read the secret")

    asyncio.run(story())
    first, second = (received.headers for received in receiver.received)
    assert (first["authorization"], second["authorization"]) == ("Bearer one", "Bearer two two")
    assert (second["x-scope-orgid"], second["x-more"]) == ("tenant", "more")


def test_certificates_that_cannot_be_used_are_an_error_at_start(certificates: Certificates, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no certificate")
    lane = OtlpEndpoint("traces", "https://collector/v1/traces")
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
            OtlpSender(msgspec.structs.replace(lane, **change))
        assert str(caught.value).startswith(begin)


# --- stopping


def test_what_waits_goes_out_when_the_exporter_stops_but_a_dead_receiver_does_not_hold_it_up(
    receiver: Receiver, url: str
) -> None:
    async def story() -> None:
        async with posting(url) as post:
            running = asyncio.create_task(post.courier.run())
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await post.put(*(f"s{number}" for number in range(2_500)))
            await post.courier.drain()
            assert (len(names(receiver)), await post.waiting()) == (2_500, 0)
            receiver.down = ReceiverFault(503)
            await post.put("late")
            async with asyncio.timeout(5):
                await post.courier.drain()
            assert await post.waiting() == 1

    asyncio.run(story())


def test_a_request_under_way_is_not_sent_twice_because_the_exporter_stops(receiver: Receiver, url: str) -> None:
    async def story() -> None:
        async with posting(url) as post:
            await post.put("a")
            running = asyncio.create_task(post.courier.run())
            while not receiver.asked and await post.waiting():
                await asyncio.sleep(0)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await post.courier.drain()
            assert names(receiver) == ["a"]

    asyncio.run(story())
